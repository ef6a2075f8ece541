"""The rules of content: every personal number is found wherever it stands and however it is written, and names of places are none."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from orchestration.portal.content import Content, findings
from simulator.table import Province

FOUND = {
    "personal_id": (
        "024099000111",
        "027185001234",
        "101199000111",  # born abroad
        "024 099 000 111",
        "024.099.000.111",
        "024099 000111",
        "0 2 4 0 9 9 0 0 0 1 1 1",
        "０２４０９９０００１１１",
    ),
    "identity_card": ("125123456", "CMND 120 123 456", "Giấy chứng minh: 120.123.456"),
    "mobile_phone": (
        "0912345678",
        "0912 345 678",
        "0912.345.678",
        "0912–345–678",
        "0912‑345‑678",
        "0912,345,678",
        "0912/345/678",
        "0912_345_678",
        "0912\t345\t678",
        "0912\n345\n678",
        "0912\u00a0345\u2009678",
        "0912\u200b345678",
        "0912\u00ad345\ufeff678",
        "+84 912 345 678",
        "+84 (0) 912 345 678",
        "0084912345678",
        "(0355) 123-456",
        "01629123456",
    ),
    "individual_tax_code": ("8012345678", "801 234 5678"),
    "health_card": ("DN4272700012345", "te 1 27 2700012345", "DN 4 27 27 000 12345"),
    "e_mail": ("nguoi.mau@vidu.vn", "a_b@mail.vidu.gov.vn", "nguoimau(at)vidu.vn", "a @ b.vn"),
}
PLANTS = [(rule, text) for rule, texts in FOUND.items() for text in texts]
#: What stands around a number in a register: house numbers, other numbers, nothing.
AROUND = (
    "{}",
    "Tổ 5 - {}",
    "{} - 0222.3821242",
    "Số 2 {} 15",
    "(12) {}, 7",
    "5/{}/6",
    "Khu 3 ({})",
    "12\u200b{}\u200b7",
    "a{}b",
)
HARMLESS = [
    "Bệnh viện 108",
    "Nghị quyết 1658/NQ-UBTVQH15",
    "02223821242",
    "0222.3821242",
    "0204 3854 321",
    "Phòng khám số 12 ngày 15-01-2025",
    "999888777666",
    "0990991234567",
    "Khoa @ mẫu",
    "Số 1234567890123",
    "0312345678",  # no network has 031
    "0800123456",
    "Diện tích 100 200 300 m",
    "Mã DN 2400123456-001",
    "Tọa độ 21.18612, 106.07631",
    "1900 1234 56",
    "số 12 - 14 - 16 - 18, ngõ 5",
    "QĐ 123/QĐ ngày 10.10.2025 - 5",
    "XDN4272700012345",
    "24.000.001",
]


def rules(texts: list[str], tax_codes: tuple[str, ...] = ()) -> dict[str, int]:
    table = pa.table({"name": pa.array(texts, pa.string())})
    return {found.rule: found.count for found in findings(Content(1, table, table, {}), tax_codes)}


@pytest.mark.parametrize(("rule", "text"), PLANTS)
def test_a_number_is_found_with_numbers_before_and_after(rule: str, text: str) -> None:
    # Letters around a card are other letters of it; only separators belong between it and a word.
    around = [one for one in AROUND if rule not in ("health_card", "e_mail") or one != "a{}b"]
    texts = [one.format(text) for one in around]
    for one in texts:
        assert rule in rules([one]), one
    assert rules(texts)[rule] == len(texts)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_similar_is_not_found(text: str) -> None:
    assert rules([text, f"Cơ sở {text}"]) == {}


def test_three_groups_of_three_are_a_card_by_a_word_or_alone() -> None:
    assert rules(["240 000 123"]) == {"identity_card": 1}
    assert rules(["Giấy phép 240 000 123", "Diện tích 240.000.123 m2"]) == {}


def test_what_nobody_has_is_no_mobile_number() -> None:
    used = {"3": "23456789", "5": "25689", "7": "06789", "8": "123456789", "9": "0123456789"}
    for first in range(100):
        prefix = f"{first:02}"
        wanted = prefix[1] in used.get(prefix[0], "")
        assert ("mobile_phone" in rules([f"0{prefix}1234567"])) == wanted, prefix


def test_tax_codes_of_enterprises_are_no_telephones_where_they_are_declared() -> None:
    weights = (31, 29, 23, 19, 17, 13, 7, 5, 3)
    valid = next(
        code
        for code in (f"09001084{n:02}" for n in range(100))
        if 10 - sum(int(digit) * weight for digit, weight in zip(code, weights, strict=False)) % 11 == int(code[9])
    )
    assert rules([valid]) == {"mobile_phone": 1}
    column: Any = ["0300588569", "0100109106", valid, f"{valid}-001", None]
    assert rules(column, ("name",)) == {}
    wrong = valid[:-1] + str((int(valid[-1]) + 1) % 10)
    assert rules([*column, wrong, "0912 345 678", ""], ("name",)) == {"tax_code": 3}
    assert rules(["8012345678", "024099000111"], ("name",)).keys() >= {"individual_tax_code", "personal_id"}


def names() -> list[str]:
    """2,000 names as the simulated agencies have them."""
    rng = random.Random(20251121)
    kinds = ["Trạm Y tế", "Phòng khám đa khoa", "Phòng khám chuyên khoa", "Trung tâm Y tế", "Bệnh viện Đa khoa"]
    words = Province(24, 0.001).people.names(np.arange(40)).to_pylist()
    found = []
    for _ in range(2000):
        title = rng.choice([*kinds, "Trường Tiểu học", "Công ty TNHH"])
        number = rng.choice(["", f" số {rng.randint(1, 30)}", f" {rng.randint(1, 999)}", f" cơ sở {rng.randint(1, 9)}"])
        street = rng.choice(["", f", {rng.randint(1, 400)}/{rng.randint(1, 20)} đường {rng.choice(words)}"])
        found.append(f"{title} {rng.choice(words)}{number}{street}")
    return found


def test_every_planted_number_is_found_among_names_and_nothing_else() -> None:
    plain = names()
    assert rules(plain) == {}
    rng = random.Random(7)
    for rule, text in PLANTS:
        planted = [f"{name} {text}" if rng.random() < 0.5 else f"{text} - {name}" for name in plain]
        assert rules(planted).get(rule) == len(plain), (rule, text)

"""Invented names that look Vietnamese and belong to nobody, in the proportions published for the country.

Belongs here: surnames, middle and given names with their weights; names of many persons at once.
Stays out: who they are (`province.population`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from simulator.chance import Bools, Chance, Ids, Ints
from simulator.table import joined, words

# Shares of the fourteen commonest surnames (per mille of the country), then some of this province.
SURNAMES: dict[str, float] = {
    "Nguyễn": 384, "Trần": 110, "Lê": 95, "Phạm": 71, "Hoàng": 51, "Phan": 45, "Vũ": 39, "Đặng": 21, "Bùi": 20,
    "Đỗ": 14, "Hồ": 13, "Ngô": 13, "Dương": 10, "Lý": 5, "Thân": 9, "Giáp": 7, "Chu": 5, "Đào": 8, "Tạ": 6,
    "Trịnh": 8, "Ngọ": 3, "Nghiêm": 3, "Mai": 5, "Hà": 6, "Lương": 6, "Đinh": 6, "Ong": 2, "Vi": 3, "Hứa": 2, "Nông": 3,
}  # fmt: skip
MIDDLE: dict[bool, dict[str, float]] = {
    False: {"Thị": 46, "Thị Thanh": 6, "Thu": 8, "Ngọc": 8, "Thị Hồng": 5, "Thị Kim": 4, "Minh": 5, "Phương": 6, "Khánh": 4,
            "Bảo": 4, "Thùy": 4},
    True: {"Văn": 42, "Đức": 10, "Quang": 8, "Minh": 8, "Hữu": 6, "Xuân": 5, "Đình": 6, "Công": 4, "Gia": 5, "Tuấn": 3,
           "Bá": 3},
}  # fmt: skip
GIVEN: dict[bool, tuple[str, ...]] = {
    False: ("Hương", "Lan", "Hằng", "Thủy", "Nga", "Hà", "Trang", "Linh", "Huệ", "Yến", "Oanh", "Phượng", "Thảo", "Hòa",
            "Nhung", "Tuyết", "Anh", "Mai", "Ngân", "Quỳnh", "Chi", "Vân", "Loan", "Hạnh", "Hiền", "Ngọc", "Liên", "Thúy",
            "Dung", "Xuân", "Hoa", "Bích", "Trâm", "Vy", "Châu", "Giang", "Thơm", "Mến", "Lý", "Nguyệt"),
    True: ("Hùng", "Dũng", "Tuấn", "Nam", "Sơn", "Thắng", "Hải", "Long", "Kiên", "Cường", "Việt", "Toàn", "Hiếu", "Quý",
           "Tiến", "Lợi", "Anh", "Minh", "Huy", "Đạt", "Phong", "Khang", "Bình", "Trung", "Thành", "Hưng", "Quân", "Mạnh",
           "Duy", "Tùng", "Khôi", "Phúc", "Thịnh", "Vinh", "Lâm", "Hòa", "Chiến", "Luận", "Thủy", "Đông"),
}  # fmt: skip


def surnames(chance: Chance, stream: str, ids: Ids) -> Ints:
    """An index into `SURNAMES` for each id."""
    return chance.pick(f"{stream}.surname", ids, list(SURNAMES.values()))


def full_names(chance: Chance, stream: str, ids: Ids, male: Bools, surname: Ints) -> Any:
    """Arrow texts, NFC: surname, middle and given name of each."""
    ids, male = np.asarray(ids), np.asarray(male)
    middles, givens = [*MIDDLE[False], *MIDDLE[True]], [*GIVEN[False], *GIVEN[True]]
    middle = np.where(
        male,
        len(MIDDLE[False]) + chance.pick(f"{stream}.middle", ids, list(MIDDLE[True].values())),
        chance.pick(f"{stream}.middle", ids, list(MIDDLE[False].values())),
    )
    given = np.where(
        male,
        len(GIVEN[False]) + chance.integer(f"{stream}.given", ids, 0, len(GIVEN[True]) - 1),
        chance.integer(f"{stream}.given", ids, 0, len(GIVEN[False]) - 1),
    )
    parts = words(list(SURNAMES), surname), words(middles, middle), words(givens, given)
    return joined(parts[0], " ", parts[1], " ", parts[2])

"""Code lists as declared: those of the project are right, and mistakes are named with file and line."""

from __future__ import annotations

import csv
import re
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from orchestration.contracts.code_lists import CodeListErrors, known_lists, load_lists

HEADER = "code,label_vi,label_en,valid_from,valid_to,successor\n"
ROOT = Path(__file__).parents[2]


def written(folder: Path, content: str | bytes, name: str = "sample.csv") -> Path:
    (folder / "code_lists").mkdir(exist_ok=True)
    path = folder / "code_lists" / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def test_the_lists_of_the_project_can_be_read() -> None:
    lists = {found.name: found.values for found in load_lists(ROOT / "assets")}
    assert lists.keys() == known_lists(ROOT / "assets")
    assert {name: len(values) for name, values in lists.items()} == {
        "applicant_type": 4, "commune": 496, "dossier_channel": 3, "dossier_status": 10, "ethnic_group": 56, "health_card_object": 54,
        "province": 71, "province_birth": 63, "sex": 3, "station_status": 3,
    }  # fmt: skip
    readme = (ROOT / "assets/code_lists/README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", readme, re.M)) == lists.keys()


def test_communes_are_those_of_each_epoch() -> None:
    """Counted against the units themselves, on both sides of each change; 27 changed a month before 24."""
    (communes,) = (found.values for found in load_lists(ROOT / "assets") if found.name == "commune")
    units = ROOT / "simulator/data/admin_units"
    epochs = {}
    for name in ("units_e0_before_2024-12", "units_e1_2025-01-01", "units_e2_2025-07-01"):
        with (units / f"{name}.csv").open(encoding="utf-8") as file:
            epochs[name[6:8]] = {
                (r["ward_code"], r["ward"], r.get("province_code", "24")) for r in csv.DictReader(file)
            }

    def on(day: date) -> set[tuple[str, str]]:
        return {(value.code, value.label_vi) for value in communes if value.covers(day)}

    def of(epoch: str, *provinces: str) -> set[tuple[str, str]]:
        return {(code, name) for code, name, province in epochs[epoch] if province in provinces}

    assert on(date(2024, 11, 30)) == of("e0", "24", "27") and len(of("e0", "24", "27")) == 335
    assert on(date(2024, 12, 1)) == on(date(2024, 12, 31)) == of("e0", "24") | of("e1", "27")
    assert on(date(2025, 1, 1)) == on(date(2025, 6, 30)) == of("e1", "24", "27") and len(of("e1", "24", "27")) == 313
    assert on(date(2025, 7, 1)) == of("e2", "24") and len(of("e2", "24")) == 99


def test_provinces_go_on_under_the_codes_of_the_merger() -> None:
    (provinces,) = (found.values for found in load_lists(ROOT / "assets") if found.name == "province")
    before, after = ({v.code: v for v in provinces if v.covers(day)} for day in (date(2025, 6, 30), date(2025, 7, 1)))
    assert (len(before), len(after)) == (63, 34)
    assert (before["24"].label_vi, after["24"].label_vi, before["27"].successor) == ("Bắc Giang", "Bắc Ninh", "24")
    merged = Counter(v.successor for v in before.values() if v.successor)
    assert sum(merged.values()) + sum(v.valid_to is None for v in before.values()) == 63


def test_health_card_objects_are_those_the_function_knows(warehouse: Path) -> None:
    from orchestration.warehouse import connect

    (objects,) = (found.values for found in load_lists(ROOT / "assets") if found.name == "health_card_object")
    with connect("analyst") as connection:
        found = connection.execute(
            "select chr(a) || chr(b) from generate_series(65, 90) a, generate_series(65, 90) b"
            " where identifier.health_card_is_valid(chr(a) || chr(b) || '4010000000001')"
        ).fetchall()
    assert {code for (code,) in found} == {value.code for value in objects}


def test_birth_provinces_are_those_the_function_knows(warehouse: Path) -> None:
    from orchestration.warehouse import connect

    (places,) = (found.values for found in load_lists(ROOT / "assets") if found.name == "province_birth")
    with connect("analyst") as connection:
        found = connection.execute(
            "select identifier.personal_id_province(lpad(n::text, 3, '0') || '099000111') from generate_series(0, 96) n"
        ).fetchall()
    assert {code for (code,) in found if code} == {value.code for value in places}


@pytest.mark.parametrize(
    ("content", "line", "field"),
    [
        ("code,label\nA,B\n", 1, "header"),
        (HEADER, 1, "file"),
        (HEADER + "A,a,a,,\n", 2, "line"),
        (HEADER + ",a,a,,,\n", 2, "code"),
        (HEADER + "A,,a,,,\n", 2, "label_vi"),
        (HEADER + "A,a, a,,,\n", 2, "label_en"),
        (HEADER + "A,a,a,01/07/2025,,\n", 2, "valid_from"),
        (HEADER + "A,a,a,2025-02-30,,\n", 2, "valid_from"),
        (HEADER + "A,a,a,2025-07-01,2025-06-30,\n", 2, "valid_to"),
        (HEADER + "A,a,a,,,B\nB,b,b,,,\n", 2, "successor"),
        (HEADER + "A,a,a,,2025-06-30,C\nB,b,b,,,\n", 2, "successor"),
        (HEADER + "A,a,a,,2025-06-30,B\nB,b,b,2025-07-02,,\n", 2, "successor"),
        (HEADER + "A,a,a,,,\nB,b,b,,,\nA,c,c,2025-07-01,,\n", 4, "valid_from"),
        (HEADER + "A,a,a,,2025-07-01,\nA,c,c,2025-07-01,,\n", 3, "valid_from"),
        (HEADER + "A,a,a,,,\nA,a,a,,,\n", 3, "valid_from"),
        (HEADER + "A,a\u0323,a,,,\n", 1, "file"),
        (HEADER.encode() + b"A,\xff,a,,,\n", 1, "file"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line(tmp_path: Path, content: str | bytes, line: int, field: str) -> None:
    with pytest.raises(CodeListErrors) as caught:
        load_lists(written(tmp_path, content))
    (problem,) = caught.value.problems
    assert (problem.file.split("/", 1)[1], problem.line, problem.field) == ("code_lists/sample.csv", line, field)
    assert problem.vi and problem.en


def test_a_name_is_snake_case_and_a_right_list_is_read(tmp_path: Path) -> None:
    root = written(tmp_path, HEADER + "A,a,a,,2025-06-30,B\nB,b,b,2025-07-01,,\n")
    (found,) = load_lists(root)
    assert [(v.code, v.valid_from, v.valid_to, v.successor) for v in found.values] == [
        ("A", date(1, 1, 1), date(2025, 6, 30), "B"), ("B", date(2025, 7, 1), None, None),
    ]  # fmt: skip
    assert known_lists(root) == {"sample"}
    with pytest.raises(CodeListErrors):
        load_lists(written(tmp_path, HEADER + "A,a,a,,,\n", "Bad-Name.csv"))

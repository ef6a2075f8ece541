"""What a declaration must say, and what contracts and models forbid: every refusal names file, line, field and rule."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration import portal
from orchestration.contracts import load_all as contracts
from orchestration.portal import lineage
from orchestration.portal.declaration import parse_all
from orchestration.portal.model import OpenDataset
from orchestration.settings import REPOSITORY
from orchestration.warehouse import dbt

SCHOOLS = "portal/schools_by_commune.yaml"
# what stands there, what is planted, field that must be named, words of the rule
MISTAKES = {
    "unknown field": ("theme: {eu", "themes: x\ntheme: {eu", "themes", "does not read"),
    "no kind": ("kind: OpenDataset", "kind: DataContract", "kind", "OpenDataset"),
    "another file's id": ("id: schools_by_commune", "id: schools", "id", "file name"),
    "one language": (', en: "Schools by commune and level"}', "}", "title.en", "missing"),
    "no such subject": ("subject: education", "subject: schooling", "subject", "one of"),
    "column twice": ("name: school_level,", "name: commune_code,", "columns[commune_code].name", "twice"),
    "unknown of a column": ("unit: class}", "units: class}", "columns[class_count].units", "does not read"),
    "counts of what": ("counts: persons", "counts: cars", "columns[pupil_count].counts", "persons"),
    "k too small": ("smallest_count: 5", "smallest_count: 4", "smallest_count", "from 5"),
    "no k": ("smallest_count: 5\n", "", "smallest_count", "missing"),
    "key not published": ("key: [commune_code,", "key: [commune,", "key[0]", "not among"),
    "key counts people": ("key: [commune_code,", "key: [pupil_count,", "key[0]", "cannot count"),
    "licence in words": ("licence: https://", "licence: CC BY ", "licence", "http"),
    "theme of another list": ("data-theme/EDUC", "file-type/CSV", "theme.eu", "data-theme"),
    "frequency in words": ("frequency/MONTHLY", "frequency monthly", "frequency", "authority/frequency"),
    "no law": ('instrument: "Nghị định 194/2025/NĐ-CP"', 'instrument: ""', "legal_basis[2].instrument", "missing"),
    "law without a day": (", validFrom: 2025-08-19", "", "legal_basis[2].validFrom", "missing"),
    "law over before": ("validFrom: 2025-08-19", "validFrom: 2025-08-19, validTo: 2025-01-01", "legal_basis[2].validTo", "before"),
    "no creator": ("code: H05.08", "code: sở", "creator.code", "agency code"),
    "no address": ("dulieumo@bacninh.example", "điện thoại", "contact.email", "e-mail"),
    "no day": ("covers: {from: 2025-07-01", 'covers: {from: "mới"', "covers.from", "date"),
    "place of no time": ('code: "24", from: 2025-07-01', 'code: "24"', "place.from", "missing"),
    "unknown format": ("unit: class}", "unit: class, format: phone}", "columns[class_count].format", "tax_code"),
}  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the declarations to spoil."""
    shutil.copytree(REPOSITORY / "assets", tmp_path / "assets")
    return tmp_path / "assets"


def plant(root: Path, old: str, new: str, name: str = SCHOOLS) -> int:
    """Replace the first `old`; the line on which it stood."""
    path = root / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


def test_the_declarations_are_well_and_allowed(warehouse: Path) -> None:
    assert portal.check() == []
    assert [dataset.id for dataset in portal.load_all()] == ["communes", "health_facilities", "schools_by_commune"]


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_its_place(root: Path, name: str) -> None:
    old, new, field, words = MISTAKES[name]
    line = plant(root, old, new)
    datasets, problems = parse_all(root)
    assert [dataset.id for dataset in datasets] == ["communes", "health_facilities"]
    named = [problem for problem in problems if problem.field == field and words in problem.en]
    assert named and all(problem.file == f"assets/{SCHOOLS}" for problem in problems), problems
    assert new == "" or any(line <= problem.line <= line + new.count("\n") for problem in named)
    with pytest.raises(portal.OpenDataErrors) as refused:
        portal.load_all(root)
    assert all(str(problem) in str(refused.value) for problem in problems)


@pytest.mark.parametrize(
    ("old", "new", "field", "words"),
    [
        ("table: mart_school_by_commune", "table: dim_school", "table", "model dim_school is shared"),
        ("table: mart_school_by_commune", "table: mart_commune_profile", "table", "no warehouse table education."),
        ("table: mart_school_by_commune", "table: stg_education__school", "table", "no warehouse table"),
        ("key: [commune_code, school_level]", "key: [commune_code]", "key", "commune_code, school_level"),
        ("name: class_count", "name: no_count", "columns[no_count]", "no such column"),
        ("name: class_count", "name: _delivery", "columns.name", "snake_case"),
    ],
)
def test_what_the_model_forbids(warehouse: Path, root: Path, old: str, new: str, field: str, words: str) -> None:
    line = plant(root, old, new)
    problems = portal.check(root)
    wanted = [p for p in problems if words in p.en and (p.field == field or field == "columns.name")]
    assert wanted and {(p.file, p.line) for p in wanted} == {(f"assets/{SCHOOLS}", line)}, problems


def test_a_column_that_is_not_open_is_refused(warehouse: Path, root: Path) -> None:
    line = plant(
        root,
        "  - {name: is_active",
        "  - {name: phone, label: {vi: a, en: b}}\n  - {name: is_active",
        "portal/health_facilities.yaml",
    )
    by_contract, by_model = sorted(portal.check(root), key=lambda problem: problem.en)
    for problem in (by_contract, by_model):
        assert (problem.file, problem.line) == ("assets/portal/health_facilities.yaml", line)
        assert problem.field == "columns[phone]" and "shared" in problem.vi and "shared" in problem.en
    assert "contract health.facility" in by_contract.en and "model dim_health_facility" in by_model.en


@pytest.mark.parametrize("dataset", ["communes", "health_facilities", "schools_by_commune"])
def test_every_contract_behind_a_table_must_be_open(warehouse: Path, dataset: str, tmp_path: Path) -> None:
    """Also those of other subjects' releases: each contract is closed in turn, and each closure denies what is made of it."""
    declared = next(d for d in portal.load_all() if d.id == dataset)
    behind = lineage.sources(declared, dbt.graph())
    units = {f"home_affairs.{name}" for name in ("unit_e0", "unit_e1", "unit_e2")}
    links = {"home_affairs.link_e0_e1", "home_affairs.link_e1_e2"}
    expected = {
        "communes": units,
        "health_facilities": units | links | {"health.facility"},
        "schools_by_commune": units | links | {"education.school"},
    }
    assert set(behind) == expected[dataset]
    for contract in contracts():
        root = tmp_path / contract.id / "assets"
        shutil.copytree(REPOSITORY / "assets", root)
        file = str(contract.path.relative_to(REPOSITORY / "assets"))
        text = (root / file).read_text(encoding="utf-8")
        (root / file).write_text(
            text.replace("kho.classification, value: open", "kho.classification, value: shared"), encoding="utf-8"
        )
        denied = [p for p in portal.check(root) if p.file.endswith(f"{dataset}.yaml")]
        if contract.id in expected[dataset]:
            (problem,) = denied
            assert (problem.field, problem.line) == ("table", declared.line("table"))
            assert f"contract {contract.id} is shared" in problem.en and contract.id in problem.vi
        else:
            assert denied == []


@pytest.mark.parametrize("name", ["agent", "place", "theme", "law", "catalogue"])
def test_an_id_that_is_an_address_of_something_else_is_refused(root: Path, name: str) -> None:
    text = (root / SCHOOLS).read_text(encoding="utf-8")
    (root / "portal" / f"{name}.yaml").write_text(
        text.replace("id: schools_by_commune", f"id: {name}"), encoding="utf-8"
    )
    _, (problem,) = parse_all(root)
    assert (problem.field, problem.line) == ("id", 2) and "taken" in problem.en


def test_a_column_that_counts_people_must_say_so(warehouse: Path, root: Path) -> None:
    line = plant(root, "unit: pupil, counts: persons}", "unit: pupil}")
    (problem,) = portal.check(root)
    assert (problem.field, problem.line) == ("columns[pupil_count]", line) and "counts people" in problem.en


def test_a_source_without_contract_is_not_public(warehouse: Path, dataset: Callable[[str], OpenDataset]) -> None:
    without = [contract for contract in contracts() if contract.id != "education.school"]
    (problem,) = lineage.refusals(dataset("schools_by_commune"), dbt.graph(), without)
    assert "source education.school has no contract" in problem.en

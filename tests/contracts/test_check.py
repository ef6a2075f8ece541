"""Every planted mistake is told with its file, its line and its field; a good contract has none."""

from __future__ import annotations

import shutil
import unicodedata
from pathlib import Path

import pytest

from orchestration.contracts import ContractErrors, Problem, assets_root, check, load, load_all, load_folder

FACILITY = "agencies/health/facility.yaml"
LICENCE = "agencies/health/licence.yaml"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two contracts of the health department: enough for every rule, and small."""
    health = tmp_path / "assets" / "agencies" / "health"
    health.mkdir(parents=True)
    for name in (FACILITY, LICENCE, "agencies/health/defs.yaml"):
        shutil.copy(assets_root() / name, health)
    return tmp_path / "assets"


def plant(root: Path, old: str, new: str, file: str = FACILITY) -> int:
    """Replace the first occurrence and return the line it begins on."""
    path = root / file
    text = path.read_text(encoding="utf-8")
    assert old in text, f"the contract no longer contains {old!r}: adapt the test"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


def found(root: Path) -> set[tuple[str, int, str]]:
    return {(problem.file, problem.line, problem.field) for problem in check(root)}


PROPERTIES = "schema[facility].properties"
# (what stands there, what is planted, lines below the first one, field that must be named)
MISTAKES = {
    "unknown kho property": (
        "property: kho.deletions",
        "property: kho.deletion",
        0,
        "customProperties[kho.deletion]",
    ),
    "unknown column property": (
        "        classification: shared\n      - name: opened_on",
        "        classification: shared\n        customProperties: [{property: kho.unitt, value: x}]\n"
        "      - name: opened_on",
        1,
        f"{PROPERTIES}[phone].customProperties[kho.unitt]",
    ),
    "unknown kind of identifier": (
        "        classification: shared\n      - name: opened_on",
        "        classification: shared\n        customProperties: [{property: kho.identifier, value: passport}]\n"
        "      - name: opened_on",
        1,
        f"{PROPERTIES}[phone].customProperties[kho.identifier].value",
    ),
    "identifier that is no text": (
        "        classification: open\n      - name: is_active",
        "        classification: open\n        customProperties: [{property: kho.identifier, value: personal_id}]\n"
        "      - name: is_active",
        1,
        f"{PROPERTIES}[opened_on].customProperties[kho.identifier].value",
    ),
    "no key": ("        primaryKey: true\n        primaryKeyPosition: 1\n", "", -7, PROPERTIES),
    "key not required": (
        "        required: true\n        classification: open\n        logicalTypeOptions",
        "        required: false\n        classification: open\n        logicalTypeOptions",
        0,
        f"{PROPERTIES}[facility_code].required",
    ),
    "key position": (
        "primaryKeyPosition: 1",
        "primaryKeyPosition: 2",
        0,
        f"{PROPERTIES}[facility_code].primaryKeyPosition",
    ),
    "unknown type": ("physicalType: date", "physicalType: money", 0, f"{PROPERTIES}[opened_on].physicalType"),
    "json is no type": ("physicalType: date", "physicalType: json", 0, f"{PROPERTIES}[opened_on].physicalType"),
    "types do not fit": ("logicalType: boolean", "logicalType: string", 0, f"{PROPERTIES}[is_active].logicalType"),
    "unknown classification": (
        "classification: shared",
        "classification: secret",
        0,
        f"{PROPERTIES}[phone].classification",
    ),
    "misspelt field": (
        "logicalTypeOptions: {minimum",
        "logicalTypeOption: {minimum",
        0,
        f"{PROPERTIES}[bed_count].logicalTypeOption",
    ),
    "limit on a text": (
        "logicalTypeOptions: {pattern: '^\\d{5}$'}",
        "logicalTypeOptions: {minimum: 5}",
        0,
        f"{PROPERTIES}[commune_code].logicalTypeOptions.minimum",
    ),
    "limits crossed": (
        "minimum: 0, maximum: 5000",
        "minimum: 9, maximum: 5",
        0,
        f"{PROPERTIES}[bed_count].logicalTypeOptions.minimum",
    ),
    "pattern is no regex": (
        "pattern: '^\\d{5}$'",
        "pattern: '^(\\d{5}$'",
        0,
        f"{PROPERTIES}[commune_code].logicalTypeOptions.pattern",
    ),
    "pattern unknown to PostgreSQL": (
        "pattern: '^\\d{5}$'",
        "pattern: '^(?P<code>\\d{5})$'",
        0,
        f"{PROPERTIES}[commune_code].logicalTypeOptions.pattern",
    ),
    "pattern not anchored": (
        "pattern: '^\\d{5}$'",
        "pattern: '\\d{5}'",
        0,
        f"{PROPERTIES}[commune_code].logicalTypeOptions.pattern",
    ),
    "value not text": (
        "validValues: [CONG, TU]",
        "validValues: [CONG, 1]",
        0,
        f"{PROPERTIES}[ownership].quality[0].arguments.validValues[1]",
    ),
    "unknown quality rule": ("metric: invalidValues", "metric: rowCount", -1, f"{PROPERTIES}[ownership].quality[0]"),
    "description missing": (
        "        description: Name on the operating licence; Law 15/2023/QH15 on Medical Examination and Treatment\n",
        "",
        -3,
        f"{PROPERTIES}[facility_name].description",
    ),
    "label missing": ("        businessName: Tên cơ sở\n", "", -2, f"{PROPERTIES}[facility_name].businessName"),
    "column twice": ("- name: phone", "- name: bed_count", 0, f"{PROPERTIES}[bed_count].name"),
    "source column twice": ("physicalName: dien_thoai", "physicalName: MA_XA", 0, f"{PROPERTIES}[phone].physicalName"),
    "technical column": ("- name: phone", "- name: _phone", 0, f"{PROPERTIES}[_phone].name"),
    "legal basis without date": (
        "{instrument: Nghị định 278/2025/NĐ-CP, validFrom: 2025-10-22}",
        "{instrument: Nghị định 278/2025/NĐ-CP}",
        0,
        "customProperties[kho.legalBasis].value[2].validFrom",
    ),
    "date that is none": (
        "validFrom: 2025-10-22",
        "validFrom: 2025-13-22",
        0,
        "customProperties[kho.legalBasis].value[2].validFrom",
    ),
    "freshness missing": ("  - {property: latency, value: 26, unit: h}\n", "", -2, "slaProperties"),
    "retention missing": ("  - {property: retention, value: 30, unit: d}\n", "", -3, "slaProperties"),
    "unknown unit": ("value: 26, unit: h", "value: 26, unit: m", 0, "slaProperties[latency].unit"),
    "cursor column unknown": (
        "column: updated_at",
        "column: changed_at",
        0,
        "customProperties[kho.cursor].value.column",
    ),
    "cursor is a text": ("column: updated_at", "column: phone", 0, "customProperties[kho.cursor].value.column"),
    "cursor may be empty": ("column: updated_at", "column: opened_on", 0, "customProperties[kho.cursor].value.column"),
    "cursor missing": (
        "  - {property: kho.cursor, value: {column: updated_at, lookback: 15 minutes}}\n",
        "",
        -10,
        "customProperties",
    ),
    "look-back": ("lookback: 15 minutes", "lookback: a while", 0, "customProperties[kho.cursor].value.lookback"),
    "key check of a snapshot": ("value: cursor}", "value: snapshot}", 2, "customProperties[kho.deletions].value"),
    "table name": ("physicalName: health__facility", "physicalName: facility", 0, "schema[facility].physicalName"),
    "agency is not the folder": ("value: health}", "value: hospital}", 0, "customProperties[kho.agency].value"),
    "id is not the file": ("id: health.facility", "id: health.facilities", 0, "id"),
    "unknown subject": ("domain: health", "domain: medicine", 0, "domain"),
    "address in the contract": (
        "location: ${KHO_SOURCE_HEALTH}",
        "location: postgresql://kho:secret@db/syt",
        0,
        "servers[source].location",
    ),
    "no table": ("value: syt.co_so_kcb", "value: co_so_kcb", 0, "servers[source].customProperties[kho.table].value"),
    "unknown format of source": ("format: table", "format: docx", 0, "servers[source].format"),
    "headers for a database": (
        "logicalType: date",
        "customProperties: [{property: kho.headers, value: [Ngày]}]\n        logicalType: date",
        0,
        f"{PROPERTIES}[opened_on].customProperties",
    ),
    "no owner": ("role: owner", "role: reader", -1, "team.members"),
    "time zone": ("01:00 Asia/Ho_Chi_Minh", "01:00 Asia/Bac_Ninh", 0, "customProperties[kho.schedule].value"),
    "element": ("- facility.beds", "- beds", 0, "customProperties[kho.authoritativeFor].value[4]"),
    "element twice": ("- facility.beds", "- facility.name", 0, "customProperties[kho.authoritativeFor].value[4]"),
    "declared twice": ("status: active", "status: active\nstatus: draft", 1, "status"),
    "not ODCS": ("tenant: bac-ninh", "tenant: [bac-ninh]", 0, "tenant"),
    "unknown ODCS field": ("tenant: bac-ninh", "tenent: bac-ninh", 0, "tenent"),
}


def test_a_good_contract_has_no_problem(root: Path) -> None:
    assert check(root) == []


# What only the ODCS model refuses: the night does not import it, and does not read this field.
ONLY_AT_CHECK = {"not ODCS"}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_its_place_and_refused_at_night(root: Path, mistake: str) -> None:
    old, new, below, field = MISTAKES[mistake]
    line = plant(root, old, new) + below
    assert (f"assets/{FACILITY}", line, field) in found(root)
    if mistake not in ONLY_AT_CHECK:
        with pytest.raises(ContractErrors):
            load(root / FACILITY)


def test_all_problems_of_all_files_at_once(root: Path) -> None:
    plant(root, "domain: health", "domain: medicine")
    plant(root, "unit: h", "unit: m")
    plant(root, "version: 1.0.0", "version: '1'", LICENCE)
    problems = check(root)
    assert [problem.file.rsplit("/", 1)[1] for problem in problems] == [
        "facility.yaml",
        "facility.yaml",
        "licence.yaml",
    ]
    assert problems == sorted(problems)
    with pytest.raises(ContractErrors) as refused:
        load_all(root)
    assert refused.value.problems == tuple(problems)
    assert all(str(problem) in str(refused.value) for problem in problems)


def test_an_open_dataset_may_have_personal_columns_which_stay_in_raw(root: Path) -> None:
    """A register is open but for the names in it. That no model reads them is for open data to refuse (tests/portal)."""
    plant(root, "kho.classification, value: shared", "kho.classification, value: open", LICENCE)
    assert found(root) == set()


def test_a_second_owner_of_an_element_is_refused_naming_both_places(root: Path) -> None:
    line = plant(root, "- licence.status", "- facility.status", LICENCE)
    (problem,) = check(root)
    text = (root / FACILITY).read_text(encoding="utf-8")
    first = text[: text.index("- facility.status")].count("\n") + 1
    assert (problem.file, problem.line) == (f"assets/{LICENCE}", line)
    for message in (problem.vi, problem.en):
        assert f"assets/{FACILITY}:{first}" in message
        assert f"assets/{LICENCE}:{line}" in message
    with pytest.raises(ContractErrors):
        load_folder(root / "agencies" / "health")


def test_an_id_used_twice(root: Path) -> None:
    other = root / "national" / "health"
    other.mkdir(parents=True)
    text = (root / FACILITY).read_text(encoding="utf-8")
    start = text.index("    value:\n      - facility.code")
    claims = text[start : text.index("  - {property: kho.classification")]
    (other / "facility.yaml").write_text(text.replace(claims, "    value: []\n"), encoding="utf-8")
    (problem,) = check(root)
    assert (problem.file, problem.field) == ("assets/national/health/facility.yaml", "id")
    assert f"assets/{FACILITY}:3" in problem.vi


def test_an_agency_is_described_in_one_way(root: Path) -> None:
    plant(root, "value: H05.09", "value: H05.10", LICENCE)
    (problem,) = check(root)
    assert problem.file == f"assets/{LICENCE}"


def test_text_that_is_not_nfc(root: Path) -> None:
    line = plant(root, "Tên cơ sở", unicodedata.normalize("NFD", "Tên cơ sở"))
    assert (f"assets/{FACILITY}", line, "-") in found(root)


@pytest.mark.parametrize("text", ["", "a: [1", "\t", "- a\n", "hello", "a: \x07"])
def test_a_file_that_is_no_contract(root: Path, text: str) -> None:
    (root / FACILITY).write_text(text, encoding="utf-8")
    assert {problem.file for problem in check(root)} == {f"assets/{FACILITY}"}
    with pytest.raises(ContractErrors):
        load(root / FACILITY)


def test_a_file_in_another_encoding(root: Path) -> None:
    (root / FACILITY).write_bytes("tên: cơ sở".encode("utf-16"))
    (problem,) = check(root)
    assert isinstance(problem, Problem)
    assert "UTF-8" in problem.vi


def test_other_declarations_of_a_national_system_are_not_contracts(root: Path) -> None:
    other = root / "national" / "portal"
    other.mkdir(parents=True)
    (other / "owed.yaml").write_text("obligation: dossiers\n", encoding="utf-8")
    (other / "defs.yaml").write_text("type: x\n", encoding="utf-8")
    assert check(root) == []


def test_no_assets_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_all(tmp_path / "nowhere")


def test_a_charset_of_a_column_is_not_for_files_that_have_one_for_all(root: Path) -> None:
    """It would be passed over: such files are decoded as one text."""
    file = "agencies/health/drug_outlet.yaml"
    shutil.copy(assets_root() / file, root / file)
    text = "        physicalName: TEN_CO_SO\n"
    plant(root, text, f"{text}        customProperties: [{{property: kho.charset, value: tcvn3}}]\n", file)
    told = [problem for problem in check(root) if problem.file.endswith("drug_outlet.yaml")]
    assert [problem.field for problem in told] == ["schema[drug_outlet].properties[outlet_name].customProperties"]
    assert "csv, fixed, stations" in told[0].vi and "csv, fixed or stations" in told[0].en

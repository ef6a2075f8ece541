"""What is owed: the committed declaration, every mistake told with its place, and what holds on which day."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from orchestration.contracts import assets_root
from orchestration.errors import KhoError
from orchestration.exchange import released
from orchestration.exchange.declaration import ObligationErrors, load_all, parse_obligations
from orchestration.exchange.obligation import Obligation
from orchestration.warehouse.dbt import project_folder

FILE = "national/health_system/facility_licence.yaml"
MODEL = "models/warehouse/health/fct_health_licence.yml"
CONTRACT = "agencies/health/licence.yaml"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copies of the obligation, the contracts behind it and the models of health, to plant mistakes in."""
    monkeypatch.delenv("KHO_EXCHANGE_SETTLE", raising=False)
    target = tmp_path / "assets"
    shutil.copytree(assets_root() / "national/health_system", target / "national/health_system")
    (target / "agencies/health").mkdir(parents=True)
    for name in ("facility.yaml", "licence.yaml", "defs.yaml"):
        shutil.copy(assets_root() / "agencies/health" / name, target / "agencies/health")
    for folder in ("models/warehouse/health", "models/staging/health"):
        shutil.copytree(project_folder() / folder, tmp_path / "dbt" / folder)
    monkeypatch.setenv("KHO_DBT_PROJECT", str(tmp_path / "dbt"))
    return target


def plant(path: Path, old: str, new: str) -> int:
    """Replace the first occurrence and return the line it begins on."""
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path.name} no longer contains {old!r}: adapt the test"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


def found(root: Path) -> set[tuple[str, int, str]]:
    return {(problem.file, problem.line, problem.field) for problem in released.check(root)[0]}


def only(root: Path) -> Obligation:
    (obligation,) = load_all(root)
    return obligation


def test_the_committed_obligation_is_good() -> None:
    assert released.check() == ([], 1)
    (licence,) = load_all()
    assert (licence.id, licence.system, licence.name) == (
        "health_system.facility_licence",
        "health_system",
        "facility_licence",
    )
    assert (licence.subject, licence.table, licence.key) == ("health", "fct_health_licence", ("licence_no",))
    assert (licence.owner_name, licence.status) == ("Sở Y tế", "active")
    assert pickle.loads(pickle.dumps(licence)) == licence


def test_its_terms(root: Path) -> None:
    terms = only(root).on(date(2026, 3, 2))
    assert (terms.batch_size, terms.working_days, terms.due(date(2026, 3, 2))) == (500, 5, date(2026, 3, 9))
    assert terms.channel.location == "${KHO_NATIONAL_HEALTH}"
    assert terms.channel.services.list == "DanhSachGiayPhepKCB"
    assert (terms.channel.timeout_seconds, terms.channel.settle_seconds) == (60, 60)
    assert set(terms.refusals) == {"11", "12", "20", "21", "22", "23", "24", "99"}
    assert terms.refusals["23"].owner == "Bộ Y tế"


def test_rendering_is_in_byte_order_of_the_names(root: Path) -> None:
    plant(root / FILE, "name: PhamVi", "name: phamvi")  # lower case comes after upper case
    rendering = only(root).on(date(2026, 3, 2)).rendering()
    names = [entry["field"] for entry in rendering]
    assert names == ["MaCSKCB", "NgayCap", "NgayHetHan", "SoGiayPhep", "ThoiDiemCapNhat", "TrangThai", "phamvi"]
    assert rendering[5] == {
        "field": "TrangThai",
        "column": "status",
        "constant": None,
        "format": "text",
        "codes": {"HIEU_LUC": "1", "TAM_DINH_CHI": "2", "THU_HOI": "3"},
        "required": True,
        "key_position": None,
    }
    assert rendering[3]["key_position"] == 1
    assert not rendering[2]["required"]


# (what stands there, what is planted, lines below the first one, field that must be named)
LICENCE_NO = "column: licence_no, format: text, required: true, key_position: 1, valid_from: 2025-07-01"
MISTAKES = {
    "unknown kind": ("kind: Obligation", "kind: Obligatoin", 0, "kind"),
    "unknown field": ("receiver: Bộ", "reciever: Bộ", 0, "reciever"),
    "id is not the folder": ("id: health_system.", "id: health.", 0, "id"),
    "id is not the file": (".facility_licence\n", ".licence\n", 0, "id"),
    "unknown status": ("status: active", "status: live", 0, "status"),
    "unknown subject": ("subject: health", "subject: medicine", 0, "subject"),
    "no such table": ("table: fct_health_licence", "table: fct_licence", 0, "table"),
    "not the table's key": ("key: [licence_no]", "key: [facility_code]", 0, "key"),
    "key twice": ("key: [licence_no]", "key: [licence_no, licence_no]", 0, "key"),
    "no key": ("key: [licence_no]\n", "", -6, "key"),
    "no contact": (", contact: data@syt.bacninh.example", "", 0, "owner.contact"),
    "no limitations": ("limitations: >-", "limitation: >-", 0, "description.limitation"),
    "no law": ("legal_basis:", "legal_basises:", 0, "legal_basises"),
    "the same law twice": (
        "Luật Dữ liệu 60/2024/QH15, valid_from: 2025-07-01",
        "Nghị định 96/2023/NĐ-CP, valid_from: 2025-07-01",
        0,
        "legal_basis[3].valid_from",
    ),
    "no day": (
        "instrument: Nghị định 96/2023/NĐ-CP, valid_from: 2024-01-01",
        "instrument: Nghị định 96/2023/NĐ-CP",
        0,
        "legal_basis[2].valid_from",
    ),
    "not a day": ("valid_to: 2025-10-21", "valid_to: 21/10/2025", 0, "legal_basis[0].valid_to"),
    "ends before it begins": ("valid_to: 2025-10-21", "valid_to: 2020-05-24", 0, "legal_basis[0].valid_to"),
    "two deadlines at once": (
        "  - {working_days: 5, valid_from: 2025-07-01}",
        "  - {working_days: 5, valid_from: 2025-07-01, valid_to: 2026-01-01}\n"
        "  - {working_days: 3, valid_from: 2026-01-01}",
        1,
        "deadline[1].valid_from",
    ),
    "half a day": ("working_days: 5", "working_days: 2.5", 0, "deadline[0].working_days"),
    "too many at a time": ("records: 500", "records: 5000", 0, "batch_size[0].records"),
    "two channels at once": (
        "    valid_from: 2025-07-01\n\nfields:",
        "    valid_from: 2025-07-01\n  - {kind: ndxp, location: '${KHO_X}', key: '${KHO_K}', secret: '${KHO_S}', path: /a,\n"
        "     sender: H05, receiver: G17, services: {send: A, delete: B, ask: C, buckets: D, list: E}, timeout_seconds: 1,\n"
        "     settle_seconds: 1, backoff_seconds: 1, backoff_limit_seconds: 1, valid_from: 2024-01-01}\n\nfields:",
        3,
        "channel[1].valid_from",
    ),
    "unknown channel": ("kind: ndxp", "kind: fax", 0, "channel[0].kind"),
    "an address": ("location: ${KHO_NATIONAL_HEALTH}", "location: https://ndxp.example", 0, "channel[0].location"),
    "a secret": ("secret: ${KHO_NATIONAL_HEALTH_SECRET}", "secret: abc", 0, "channel[0].secret"),
    "a key of another": ("key: ${KHO_NATIONAL_HEALTH_KEY}", "key: ${HOME}", 0, "channel[0].key"),
    "path": ("path: /apiYTe/1.0", "path: apiYTe/1.0", 0, "channel[0].path"),
    "sender": ("sender: H05.09", "sender: Sở Y tế", 0, "channel[0].sender"),
    "a service without a name": ("ask: TraCuuThongDiep", "ask: ''", 0, "channel[0].services.ask"),
    "a service for two": ("delete: HuyGiayPhepKCB", "delete: DongBoGiayPhepKCB", -2, "channel[0].services"),
    "unknown service": (
        "ask: TraCuuThongDiep",
        "ask: TraCuuThongDiep\n      query: X",
        1,
        "channel[0].services.query",
    ),
    "no timeout": ("timeout_seconds: 60", "timeout_seconds: 0", 0, "channel[0].timeout_seconds"),
    "backoff": ("backoff_limit_seconds: 300", "backoff_limit_seconds: 0.1", 0, "channel[0].backoff_limit_seconds"),
    "no such column": ("column: scope", "column: scopes", 0, "fields[PhamVi].column"),
    "a technical column": ("column: scope", "column: _delivery", 0, "fields[PhamVi].column"),
    "column and constant": ("column: scope,", "column: scope, constant: x,", 0, "fields[PhamVi]"),
    "neither": ("column: scope, ", "", 0, "fields[PhamVi]"),
    "a constant that is a date": ("column: issued_on,", "constant: x,", 0, "fields[NgayCap].format"),
    "unknown format": ("column: scope, format: text", "column: scope, format: upper", 0, "fields[PhamVi].format"),
    "a format of another type": ("column: scope, format: text", "column: scope, format: date14", 0, "fields[PhamVi].format"),
    "the message's id": ("name: PhamVi", "name: MaThongDiep", 0, "fields[MaThongDiep].name"),
    "a name with an accent": ("name: PhamVi", "name: PhạmVi", 0, "fields[PhạmVi].name"),
    "a name twice": ("name: PhamVi", "name: MaCSKCB", 0, "fields[MaCSKCB].valid_from"),
    "no key field": (LICENCE_NO, LICENCE_NO.replace("key_position: 1, ", ""), -1, "fields"),
    "a key field that is not the key": (
        "column: facility_code, format: text, required: true",
        "column: facility_code, format: text, required: true, key_position: 1",
        0,
        "fields[MaCSKCB].key_position",
    ),
    "a key field not required": (LICENCE_NO, LICENCE_NO.replace("true", "false"), 0, "fields[SoGiayPhep].required"),
    "a key field that ends": (LICENCE_NO, f"{LICENCE_NO}, valid_to: 2026-06-30", -1, "fields"),
    "no codes": ("    codes:\n", "    codes: []\n    unused:\n", 0, "fields[TrangThai].codes"),
    "a code missing": (
        "      - {code: THU_HOI, receiver: '3', valid_from: 2025-07-01}\n",
        "",
        -3,
        "fields[TrangThai].codes",
    ),
    "a code that ends": (
        "receiver: '3', valid_from: 2025-07-01",
        "receiver: '3', valid_from: 2025-07-01, valid_to: 2026-06-30",
        -3,
        "fields[TrangThai].codes",
    ),
    "a code that begins late": (
        "receiver: '3', valid_from: 2025-07-01", "receiver: '3', valid_from: 2025-07-02", -3, "fields[TrangThai].codes"
    ),
    "a code twice": ("code: THU_HOI", "code: HIEU_LUC", 0, "fields[TrangThai].codes[2].valid_from"),
    "a code without quotes": ("receiver: '3'", "receiver: 3", 0, "fields[TrangThai].codes[2].receiver"),
    "codes for a date": (
        "column: expires_on, format: date14",
        "column: expires_on, format: date14, codes: [{code: a, receiver: b, valid_from: 2025-07-01}]",
        0,
        "fields[NgayHetHan].codes",
    ),
    "a refusal twice": ("code: '12'", "code: '11'", 4, "refusals[1].valid_from"),
    "a refusal that is none": ("code: '12'", "code: '00'", 0, "refusals[1].code"),
    "a refusal nobody mends": ("    owner: Bộ Y tế\n", "", -3, "refusals[5].owner"),
    "a refusal in one language": ("    en: A required field is missing\n", "", -2, "refusals[2].en"),
    "declared twice": ("status: active", "status: active\nstatus: draft", 1, "status"),
}  # fmt: skip
# What the declaration alone cannot know: `kho contract check` compares it with dbt, contracts and suites.
OF_THE_TABLE = {
    "no such table", "no such column", "a technical column", "a format of another type", "a code missing",
    "a code that ends", "a code that begins late",
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_its_place(root: Path, mistake: str) -> None:
    old, new, below, field = MISTAKES[mistake]
    line = plant(root / FILE, old, new) + below
    assert (f"assets/{FILE}", line, field) in found(root)
    if mistake not in OF_THE_TABLE:
        with pytest.raises(ObligationErrors):
            load_all(root)


def test_all_problems_at_once(root: Path) -> None:
    plant(root / FILE, "status: active", "status: live")
    plant(root / FILE, "column: scope", "column: scopes")
    plant(root / FILE, "kind: ndxp", "kind: fax")
    assert {field for _, _, field in found(root)} == {"status", "fields[PhamVi].column", "channel[0].kind"}


def test_the_error_carries_every_problem_between_processes(root: Path) -> None:
    plant(root / FILE, "status: active", "status: live")
    plant(root / FILE, "kind: ndxp", "kind: fax")
    with pytest.raises(ObligationErrors) as refused:
        load_all(root)
    again = pickle.loads(pickle.dumps(refused.value))
    assert len(again.problems) == 2 and all(str(problem) in str(again) for problem in again.problems)


@pytest.mark.parametrize("classification", ["personal", "sensitive", "restricted"])
def test_only_open_and_shared_columns_may_be_sent(root: Path, classification: str) -> None:
    model = root.parent / "dbt" / MODEL
    plant(
        model, 'name_vi: "Phạm vi hoạt động", classification: open', f'name_vi: "x", classification: {classification}'
    )
    (problem,) = released.check(root)[0]
    assert problem.field == "fields[PhamVi].column"
    assert classification in problem.vi and classification in problem.en


def test_the_key_of_the_table_changes(root: Path) -> None:
    plant(root.parent / "dbt" / MODEL, "key: [licence_no]", "key: [licence_no, facility_code]")
    (problem,) = released.check(root)[0]
    assert problem.field == "key" and "facility_code" in problem.en


def test_a_new_code_of_the_contract_is_missed_by_name(root: Path) -> None:
    plant(root / CONTRACT, "TAM_DINH_CHI, THU_HOI]", "TAM_DINH_CHI, THU_HOI, HET_HAN]")
    (problem,) = released.check(root)[0]
    assert problem.field == "fields[TrangThai].codes"
    for message in (problem.vi, problem.en):
        assert "HET_HAN" in message and "THU_HOI" not in message


def test_the_suite_says_what_codes_there_are_when_no_contract_does(root: Path) -> None:
    shutil.rmtree(root / "agencies")
    plant(root / FILE, "      - {code: THU_HOI, receiver: '3', valid_from: 2025-07-01}\n", "")
    (problem,) = released.check(root)[0]
    assert problem.field == "fields[TrangThai].codes" and "THU_HOI" in problem.en


def test_a_draft_is_checked_but_not_run(root: Path) -> None:
    plant(root / FILE, "status: active", "status: draft")
    assert load_all(root) == []
    assert released.check(root) == ([], 1)
    plant(root / FILE, "column: scope", "column: scopes")
    assert len(found(root)) == 1


def test_the_same_obligation_in_two_files(root: Path) -> None:
    path = root / FILE
    shutil.copy(path, path.with_suffix(".yml"))
    assert found(root) == {(f"assets/{FILE.removesuffix('yaml')}yml", 2, "id")}


def test_contracts_of_a_national_system_are_not_obligations() -> None:
    assert [parsed.id for parsed in parse_obligations()] == ["health_system.facility_licence"]


def test_a_code_that_changes_on_a_day(root: Path) -> None:
    plant(
        root / FILE,
        "- {code: THU_HOI, receiver: '3', valid_from: 2025-07-01}",
        "- {code: THU_HOI, receiver: '3', valid_from: 2025-07-01, valid_to: 2026-12-31}\n"
        "      - {code: THU_HOI, receiver: '4', valid_from: 2027-01-01}",
    )
    assert found(root) == set()

    def code(day: date) -> str:
        (status,) = (field for field in only(root).on(day).fields if field.name == "TrangThai")
        assert status.codes is not None
        return status.codes["THU_HOI"]

    assert (code(date(2026, 12, 31)), code(date(2027, 1, 1))) == ("3", "4")


def test_a_field_that_begins_on_a_day(root: Path) -> None:
    plant(
        root / FILE,
        "fields:\n",
        "fields:\n  - {name: PhienBan, constant: '2', format: text, required: true, valid_from: 2027-01-01}\n",
    )
    assert found(root) == set()
    obligation = only(root)
    before, after = (
        {field.name for field in obligation.on(day).fields} for day in (date(2026, 12, 31), date(2027, 1, 1))
    )
    assert after - before == {"PhienBan"} and not before - after


def test_law_that_ends_and_law_that_begins(root: Path) -> None:
    obligation = only(root)
    last, first = (obligation.on(day).legal_basis for day in (date(2025, 10, 21), date(2025, 10, 22)))
    assert set(last) - set(first) == {"Nghị định 47/2020/NĐ-CP"}
    assert set(first) - set(last) == {"Nghị định 278/2025/NĐ-CP"}
    assert len(first) == 4


SECTIONS = {
    "channel": "channels",
    "fields": "fields",
    "batch_size": "batch_sizes",
    "deadline": "deadlines",
    "legal_basis": "legal_basis",
}


@pytest.mark.parametrize("section", SECTIONS)
def test_a_day_on_which_a_section_says_nothing(root: Path, section: str) -> None:
    obligation = only(root)
    attribute = SECTIONS[section]
    entries = tuple(replace(entry, valid_to=date(2026, 6, 30)) for entry in getattr(obligation, attribute))
    ended = replace(obligation, **{attribute: entries})
    assert ended.on(date(2026, 6, 30))
    with pytest.raises(KhoError) as refused:
        ended.on(date(2026, 7, 1))
    assert refused.value.code == "no_terms"
    assert refused.value.where == {"file": f"assets/{FILE}", "section": section, "day": "2026-07-01"}


def test_a_gap_is_allowed(root: Path) -> None:
    plant(
        root / FILE,
        "- {working_days: 5, valid_from: 2025-07-01}",
        "- {working_days: 5, valid_from: 2025-07-01, valid_to: 2026-06-30}\n"
        "  - {working_days: 3, valid_from: 2026-08-01}",
    )
    assert found(root) == set()
    obligation = only(root)
    assert [obligation.on(day).working_days for day in (date(2026, 6, 30), date(2026, 8, 1))] == [5, 3]
    with pytest.raises(KhoError, match="deadline"):
        obligation.on(date(2026, 7, 1))


def test_a_rehearsal_settles_sooner(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    obligation = only(root)
    monkeypatch.setenv("KHO_EXCHANGE_SETTLE", "0.2")
    assert obligation.on(date(2026, 3, 2)).channel.settle_seconds == 0.2
    for wrong in ("soon", "-1", "nan"):
        monkeypatch.setenv("KHO_EXCHANGE_SETTLE", wrong)
        with pytest.raises(KhoError, match="KHO_EXCHANGE_SETTLE"):
            obligation.on(date(2026, 3, 2))


def test_contract_check_covers_obligations(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from orchestration.cli import main

    def check() -> tuple[object, str]:
        with pytest.raises(SystemExit) as ended:
            main(["contract", "check"])
        return ended.value.code or 0, capsys.readouterr().out

    monkeypatch.setenv("KHO_ASSETS", str(root))
    code, told = check()
    assert code == 0 and "2 contracts and 1 obligations" in told
    line = plant(root / FILE, "column: scope", "column: scopes")
    code, told = check()
    assert code == 1 and f"assets/{FILE}:{line}: fields[PhamVi].column" in told

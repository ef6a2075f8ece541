"""The service behind the gateway: every record exactly once, whatever moving data do."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestration.contracts import Contract
from orchestration.errors import KhoError
from orchestration.sources import parse, test_source
from simulator.systems.lgsp import Lgsp
from simulator.systems.plan import FaultPlan

from ..simulator.systems_fakes import TinyProvince, person_view, truth
from .registry_service import Service, days, enterprises, env, record, take
from .services import PERSON, contract_of
from .services import take as take_all


@pytest.fixture
def contract() -> Contract:
    return enterprises()


def test_everything_page_by_page(contract: Contract, service: Service) -> None:
    service.records = days(10)
    service.records[3]["Khac"] = "x"
    records, delivery = take(contract, service)
    assert records == service.records
    assert (delivery.encoding, delivery.extra, delivery.cursor_after()) == ("json", ("Khac",), "20251010080000")
    assert (service.questions[0]["tuNgay"], service.logins) == ("19000101000000", 1)


def test_since_the_cursor_less_the_look_back(contract: Contract, service: Service) -> None:
    service.records = days(10)
    records, delivery = take(contract, service, "20251009081000")
    assert service.questions[0]["tuNgay"] == "20251009075500"
    assert [r["NgayThayDoi"] for r in records] == ["20251009080000", "20251010080000"]
    assert delivery.cursor_after() == "20251010080000"


def test_nothing_new_keeps_the_cursor(contract: Contract, service: Service) -> None:
    records, delivery = take(contract, service, "20251009080000")
    assert (records, delivery.cursor_after()) == ([], "20251009080000")


def test_more_records_of_one_moment_than_a_page_holds(contract: Contract, service: Service) -> None:
    service.records = [*days(2), *(record(n, "20251005080000") for n in range(100, 111)), record(200, "20251006080000")]
    records, _ = take(contract, service)
    assert sorted(r["MaSoDN"] for r in records) == sorted(r["MaSoDN"] for r in service.records)


def test_identical_records_are_all_handed_on(contract: Contract, service: Service) -> None:
    service.records = [record(1, "20251005080000")] * 5 + days(2)
    records, _ = take(contract, service)
    assert len(records) == 7


@pytest.mark.parametrize("moved", range(1, 11))
def test_a_record_that_changes_between_pages_hides_no_other(contract: Contract, service: Service, moved: int) -> None:
    service.records = days(10)

    def change(question: int) -> None:
        if question == 2:
            service.records[moved - 1] = record(moved, "20251020080000")

    service.before = change
    records, delivery = take(contract, service)
    assert {r["MaSoDN"] for r in records} == {f"23{n:08d}" for n in range(1, 11)}
    assert delivery.cursor_after() == "20251020080000"
    assert {r["MaSoDN"]: r for r in records}[f"23{moved:08d}"]["NgayThayDoi"] == "20251020080000"


def test_one_of_many_at_one_moment_changes_between_pages(contract: Contract, service: Service) -> None:
    service.records = [record(n, "20251005080000") for n in range(1, 11)]

    def change(question: int) -> None:
        if question == 2:
            service.records[0] = record(1, "20251020080000")

    service.before = change
    records, _ = take(contract, service)
    assert {r["MaSoDN"] for r in records} == {f"23{n:08d}" for n in range(1, 11)}


def test_new_records_between_pages(contract: Contract, service: Service) -> None:
    service.records = days(8)
    service.before = lambda question: (
        service.records.append(record(100 + question, "20251105080000")) if question < 4 else None
    )
    records, _ = take(contract, service)
    assert {r["MaSoDN"] for r in records} == {r["MaSoDN"] for r in service.records}


def test_records_without_a_usable_moment_move_no_cursor(contract: Contract, service: Service) -> None:
    service.records = [*days(4), record(8, "31/12/2025"), record(9, "99991399000000")]
    records, delivery = take(contract, service)
    assert len(records) == 6
    assert delivery.cursor_after() == "20251004080000"


def test_kept_records_as_copy_text(contract: Contract, tmp_path: Path) -> None:
    path = tmp_path / "kept"
    lines = [
        {
            "MaSoDN": " 2300000001 ",
            "TenTiengViet": 'Công ty "A"\nB',
            "LaFDI": True,
            "VonDieuLe": 12345678901234567890.5,
        },
        {"MaSoDN": None, "Khac": {"a": "ă"}, "SoLanThayDoi": 3, "TenVietTat": "", "status": "x\0"},
    ]
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace("1.2345678901234567e+19", "1.50"), encoding="utf-8")
    columns, stream = parse(contract, "json", path, path.name)
    text = b"".join(stream).decode()
    first, second = (dict(zip(columns, row, strict=True)) for row in csv.reader(io.StringIO(text)))
    assert columns[:2] == ("_row", "enterprise_code") and columns[-2:] == ("Khac", "status (+)")
    assert (first["_row"], first["enterprise_code"], first["name_vi"]) == ("1", "2300000001", 'Công ty "A"\nB')
    assert (first["is_fdi"], first["charter_capital_vnd"]) == ("True", "1.50")
    assert (second["_row"], second["change_count"], second["Khac"]) == ("2", "3", '{"a":"ă"}')
    assert (second["enterprise_code"], second["changed_at"], second["status (+)"]) == ("", "", "x\ufffd")
    assert "\n2,,,,,,,3," in text, "empty is unquoted"


def test_kept_records_that_are_damaged(contract: Contract, tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_text('{"MaSoDN": "1"}\n{"MaSoDN": "Bí\n', encoding="utf-8")
    with pytest.raises(KhoError) as refused:
        parse(contract, "json", path, path.name)
    assert (refused.value.where["row"], refused.value.__context__) == (2, None)


def test_probe(contract: Contract, service: Service) -> None:
    service.records = days(3)
    with pytest.raises(KhoError) as refused:
        test_source(contract, env(service))
    assert refused.value.code == "schema_drift" and "VonDieuLe" in refused.value.vi
    service.records = [dict.fromkeys([c.source_name for c in contract.columns], "") | record(1, "20251005080000")]
    assert test_source(contract, env(service))[-1] == "Đủ 16 trường của hợp đồng"


def test_a_moment_far_ahead_moves_no_cursor(contract: Contract, service: Service) -> None:
    service.records = [*days(4), record(9, "29991231000000")]
    records, delivery = take(contract, service)
    assert (len(records), delivery.cursor_after()) == (5, "20251004080000")


# -- the provincial platform -------------------------------------------------------------------------------------------


def platform(tmp_path: Path, plan: FaultPlan, dated: bool = True) -> Any:
    """The simulator's platform with 500 persons. Whoever runs it must stop it."""
    view = person_view("lgsp", "/apiDanCu/1.0/congDan")
    columns = view.columns if dated else view.columns[:7]
    system = Lgsp(tmp_path / "lgsp", [replace(view, columns=columns)], plan, tmp_path / "lgsp.jsonl")
    system.load(TinyProvince(), 0)
    system.start()
    return system


def persons(cursor: bool = False, columns: int = 8) -> Contract:
    options = {"path": "/apiDanCu/1.0/congDan", "key": "${KHO_KEY}", "secret": "${KHO_SECRET}", "page_size": "60"}
    names = dict(list(PERSON.items())[:columns])
    return contract_of("json", options, names, "code", "changed_at" if cursor else None)


def address(system: Any) -> dict[str, str]:
    return {"KHO_SOURCE_TEST": system.env["url"], "KHO_KEY": system.env["key"], "KHO_SECRET": system.env["secret"]}


@pytest.mark.parametrize("dated", [True, False], ids=["in the order of change", "without a moment"])
def test_a_snapshot_of_everything(tmp_path: Path, dated: bool) -> None:
    system = platform(tmp_path, FaultPlan(), dated)
    try:
        (whole,) = take_all(persons(columns=8 if dated else 7), None, address(system))
        assert sorted(r["so_dinh_danh"] for r in whole.records) == sorted(row["code"] for row in truth(0))
        assert (whole.cursor, whole.extra) == (None, ())
        assert "tuNgay" not in system.web.record.file.read_text(encoding="utf-8")
        probed = test_source(persons(columns=8 if dated else 7), address(system))
        assert probed[1:] == ["/apiDanCu/1.0/congDan: 500 bản ghi", f"Đủ {8 if dated else 7} trường của hợp đồng"]
    finally:
        system.stop()


@pytest.mark.parametrize("cursor", [False, True], ids=["snapshot", "cursor"])
@pytest.mark.parametrize("seed", range(2))
def test_every_record_once_under_every_fault(tmp_path: Path, waits: list[float], seed: int, cursor: bool) -> None:
    system = platform(tmp_path, FaultPlan.seeded(seed, slow_seconds=0.05, timeout_seconds=0.05))
    try:
        (whole,) = take_all(persons(cursor), None, address(system))
        assert sorted(r["so_dinh_danh"] for r in whole.records) == sorted(row["code"] for row in truth(0))
        assert len({entry["fault"] for entry in system.record()} - {None}) >= 6
    finally:
        system.stop()

"""Identifiers that are assigned to nobody: taken in only where KHO_SYNTHETIC=1 says so, and never by an external warehouse.

The external warehouse is this one, reached by an address: a relay passes TCP on to the server's socket.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from orchestration import status
from orchestration.contracts import Contract, Source
from orchestration.errors import KhoError
from orchestration.landing import Receipt, confirm, land, land_dataset
from orchestration.landing.load import Loader
from orchestration.sources import kept_delivery
from orchestration.warehouse import embedded
from orchestration.warehouse.backup import backup, restore

from .cluster import rows, value
from .samples import NIGHT, START, Row, binary_bytes, column, contract, csv_bytes, csv_delivery, text_rows

COLUMNS = [
    column("firm", key_position=1, required=True, pattern=r"^\d{10}$", identifier="enterprise_code"),
    column("person", pattern=r"^\d{12}$", identifier="personal_id", classification="personal"),
    column("keeper", identifier="personal_id"),  # without a pattern: such texts are cleaned before they are judged
    column("name"),
]
NAMES = tuple(c.name for c in COLUMNS)
#: Rows that belong to somebody. 0990000004 is no synthetic enterprise code, whatever a personal identifier begins with.
REAL = text_rows(
    NAMES,
    ("2300000117", "024099000111", "027099000222", "An"),
    ("2300000011", "096099000111", None, "097099000111"),
    ("0990000004", None, None, "99"),
)
#: Row with a synthetic value -> the columns in which it stands.
SYNTHETIC = {
    ("2300000029", "097099000111", None, "Bình"): {"person"},
    ("2300000036", None, "098099000111", "Chi"): {"keeper"},
    ("2300000043", None, " 099099000111 ", "Dũng"): {"keeper"},
    ("9900000016", None, None, "Giang"): {"firm"},
    ("9900000023", "098099000111", "099099000111", "Hà"): {"firm", "person", "keeper"},
}


def code_of_firm(number: int) -> str:
    """An enterprise code with its check digit; of the nine digits of `number`, or the next ones that have a check digit."""
    digits = str(number)
    check = 10 - sum(w * int(d) for w, d in zip((31, 29, 23, 19, 17, 13, 7, 5, 3), digits, strict=True)) % 11
    return f"{digits}{check}" if check < 10 else code_of_firm(number + 1000)


ALL = [*REAL, *text_rows(NAMES, *SYNTHETIC)]


def made(columns: list[Any] = COLUMNS, kind: str = "csv") -> Contract:
    if kind in ("csv", "xlsx"):
        source = Source("files", "${KHO_SOURCE_SAMPLE}", {"format": kind, "glob": f"sample_{{date}}.{kind}"})
    else:
        source = Source(kind, "${KHO_SOURCE_SAMPLE}", {})
    return contract(columns, sources=(source,))


def file_of(path: Path, content: list[Row], kind: str) -> Path:
    """The rows as a source of that kind hands them over."""
    if kind == "csv":
        path.write_bytes(csv_bytes(NAMES, content))
    elif kind == "binary":
        path.write_bytes(binary_bytes(COLUMNS, content))
    elif kind == "json":
        records = [{name.upper(): row[name].text for name in NAMES} for row in content]
        path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    else:
        book = openpyxl.Workbook()
        assert book.active is not None
        for line in ([name.upper() for name in NAMES], *([row[name].text for name in NAMES] for row in content)):
            book.active.append(line)
        book.save(path)
    return path


def problems(receipt: Receipt) -> dict[str, set[tuple[str, str, str | None]]]:
    """Key of each quarantined row of a delivery -> (rule, column, what was found)."""
    told: dict[str, set[tuple[str, str, str | None]]] = {}
    for key, *problem in rows(
        "select key ->> 'firm', code, column_name, found from quarantine.row join quarantine.problem using (quarantine_id)"
        " where delivery_id = %s",
        (receipt.delivery_id,),
    ):
        told.setdefault(key, set()).add(tuple(problem))  # type: ignore[arg-type]
    return told


def present(one: Contract) -> set[str]:
    return {firm for (firm,) in rows(f"select firm from raw.{one.table} where not _deleted")}


@pytest.mark.parametrize("kind", ["csv", "binary", "json", "xlsx"])
def test_a_synthetic_identifier_is_quarantined_whatever_the_source(empty: Path, tmp_path: Path, kind: str) -> None:
    one = made(kind=kind)
    path = file_of(tmp_path / f"sample.{kind}", ALL, kind)
    receipt = land(one, kept_delivery(one, path, encoding=kind, name=path.name, as_of=START), night=NIGHT)
    assert (receipt.received, receipt.accepted, receipt.quarantined) == (8, 3, 5)
    found = {key: {(rule, name) for rule, name, _ in told} for key, told in problems(receipt).items()}
    assert found == {row[0]: {("synthetic", name) for name in names} for row, names in SYNTHETIC.items()}
    assert present(one) == {row["firm"].text for row in REAL}


@pytest.mark.parametrize("kind", ["csv", "binary", "json", "xlsx"])
def test_with_the_switch_it_is_taken_in(
    empty: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KHO_SYNTHETIC", "1")
    one = made(kind=kind)
    path = file_of(tmp_path / f"sample.{kind}", ALL, kind)
    receipt = land(one, kept_delivery(one, path, encoding=kind, name=path.name, as_of=START), night=NIGHT)
    assert (receipt.received, receipt.accepted, receipt.quarantined) == (8, 8, 0)
    assert present(one) == {row["firm"].text for row in ALL}


@pytest.mark.parametrize("switch", ["", "0", "yes"])
def test_only_1_is_the_switch(empty: Path, switch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KHO_SYNTHETIC", switch)
    one = made()
    assert land(one, csv_delivery(one, ALL), night=NIGHT).quarantined == 5


def test_clean_bytes_with_one_planted_value(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clean way sees the value, and stays open to deliveries without one and to a warehouse of synthetic data."""
    ways: list[str] = []
    clean = Loader.clean

    def watched(self: Loader, *args: Any, **options: Any) -> int:
        ways.append("left")
        received = clean(self, *args, **options)
        ways[-1] = "clean"
        return received

    monkeypatch.setattr(Loader, "clean", watched)
    plain = [c for c in COLUMNS if c.name != "keeper"]
    content = [{c.name: row[c.name] for c in plain} for row in ALL if row["keeper"].text is None]
    real, planted = content[:2], [*content[:2], content[2]]
    one = made(plain)
    assert land(one, csv_delivery(one, real), night=NIGHT).quarantined == 0
    receipt = land(one, csv_delivery(one, planted, day=1), night=NIGHT)
    assert problems(receipt) == {"2300000029": {("synthetic", "person", None)}}, "a personal value is not told"
    monkeypatch.setenv("KHO_SYNTHETIC", "1")
    other = made(plain)
    assert land(other, csv_delivery(other, planted), night=NIGHT).quarantined == 0
    assert ways == ["clean", "left", "clean"]


def test_the_agency_is_told_what_to_do_in_both_languages(empty: Path) -> None:
    one = made()
    land(one, csv_delivery(one, ALL), night=NIGHT)
    told = rows(
        "select distinct column_name, expected, message_vi, message_en from quarantine.problem where code = 'synthetic'"
    )
    assert {name for name, *_ in told} == {"firm", "person", "keeper"}
    for name, expected, vi, en in told:
        listed = "99" if name == "firm" else "097, 098, 099"
        assert listed in expected and listed in vi and listed in en
        assert vi.startswith(f"Cột {name}: ") and "sửa tại nguồn" in vi and "KHO_SYNTHETIC=1" in vi
        assert en.startswith(f"{name}: ") and "at the source" in en and "KHO_SYNTHETIC=1" in en


def test_a_synthetic_key_is_a_key_all_the_same(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was taken in with the switch stays when it is gone; other rows are deleted as ever; with it the row leaves quarantine."""
    one = made()
    real = text_rows(NAMES, *((code_of_firm(230000100 + n), None, None, "x") for n in range(20)))
    firm = [row for row in ALL if row["firm"].text == "9900000016"]
    monkeypatch.setenv("KHO_SYNTHETIC", "1")
    land(one, csv_delivery(one, [*real, *firm]), night=NIGHT)
    monkeypatch.delenv("KHO_SYNTHETIC")
    receipt = land(one, csv_delivery(one, [*real[1:], *firm], day=1), night=NIGHT)
    assert (receipt.quarantined, receipt.deleted) == (1, 1)
    assert present(one) == {row["firm"].text for row in [*real[1:], *firm]}
    monkeypatch.setenv("KHO_SYNTHETIC", "1")
    land(one, csv_delivery(one, [*real[2:], *firm], day=2), night=NIGHT)
    assert rows("select state from quarantine.row") == [("resolved",)]


def test_the_warehouse_remembers_that_it_is_synthetic(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = made()
    land(one, csv_delivery(one, REAL), night=NIGHT)
    assert not status.is_synthetic()
    monkeypatch.setenv("KHO_SYNTHETIC", "1")
    land(one, csv_delivery(one, ALL, day=1), night=NIGHT)
    monkeypatch.delenv("KHO_SYNTHETIC")
    assert status.is_synthetic(), "it depends on what was taken in, not on who asks"
    assert rows("select synthetic from kho.delivery order by delivery_id") == [(False,), (True,)]


# -- an external warehouse ---------------------------------------------------------------------------------------------


def relay(target: str) -> socket.socket:
    """A listener on 127.0.0.1 whose connections lead to a Unix socket; closing it ends it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def accept() -> None:
        while True:
            try:
                outer, _ = listener.accept()
            except OSError:
                return
            inner = socket.socket(socket.AF_UNIX)
            inner.connect(target)
            for pair in ((outer, inner), (inner, outer)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener


@pytest.fixture
def external(empty: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """This warehouse as an external one: its address, to be set as WAREHOUSE_URL."""
    listener = relay(str(embedded.socket_folder() / ".s.PGSQL.5432"))
    for role in ("LOADER", "RELEASE", "DAGSTER"):
        monkeypatch.setenv(f"KHO_PASSWORD_{role}", "any")
    monkeypatch.setenv("PGSSLMODE", "disable")
    yield f"postgresql://postgres@127.0.0.1:{listener.getsockname()[1]}/kho"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def traces() -> dict[str, Any]:
    """Whatever landing leaves behind."""
    return {
        "raw": value("select count(*) from pg_class where relnamespace = 'raw'::regnamespace and relkind = 'r'"),
        **{name: value(f"select count(*) from {name}") for name in ("kho.delivery", "kho.attempt", "quarantine.row")},
    }


def test_an_external_warehouse_refuses_synthetic_data_before_anything_is_asked_or_written(
    external: str, empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = made()
    nine = text_rows(NAMES, *((code_of_firm(230000200 + n), None, None, "x") for n in range(9)))
    land(one, csv_delivery(one, nine), night=NIGHT)
    waiting = land(one, csv_delivery(one, nine[:2], day=1), night=NIGHT)
    assert waiting.outcome == "waiting"
    drop = tmp_path / "sample_20260305.csv"
    drop.write_bytes(csv_bytes(NAMES, REAL))
    before = traces()
    monkeypatch.setenv("KHO_SYNTHETIC", "1")
    monkeypatch.setenv("WAREHOUSE_URL", external)
    read: list[int] = []
    delivery = replace(csv_delivery(one, REAL, day=3), chunks=(read.append(1) or b"" for _ in range(1)))
    for attempt in (
        lambda: land(one, delivery, night=NIGHT),
        lambda: land_dataset(one, night=NIGHT, env={"KHO_SOURCE_SAMPLE": str(tmp_path)}),
        lambda: confirm(one, waiting.delivery_id, by="Nguyễn Văn A", night=NIGHT),
    ):
        with pytest.raises(KhoError) as refused:
            attempt()
        assert (refused.value.code, refused.value.transient) == ("KH070", False)
        assert "WAREHOUSE_URL" in refused.value.vi and "KHO_SYNTHETIC" in refused.value.vi
        assert "WAREHOUSE_URL" in refused.value.en and "KHO_SYNTHETIC" in refused.value.en
    monkeypatch.delenv("WAREHOUSE_URL")
    assert traces() == before and read == [] and drop.exists()


def test_an_external_warehouse_takes_real_rows_and_quarantines_synthetic_ones(
    external: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAREHOUSE_URL", external)
    one = made()
    receipt = land(one, csv_delivery(one, ALL), night=NIGHT)
    assert (receipt.accepted, receipt.quarantined) == (3, 5)
    assert not status.is_synthetic()


def test_a_backup_of_synthetic_data_is_not_restored_into_an_external_warehouse(
    external: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{embedded.binaries()}{os.pathsep}{os.environ['PATH']}")
    assert shutil.which("pg_restore")
    one = made()
    land(one, csv_delivery(one, REAL), night=NIGHT)
    assert backup(tmp_path / "real.tar").synthetic is False
    monkeypatch.setenv("KHO_SYNTHETIC", "1")
    land(one, csv_delivery(one, ALL, day=1), night=NIGHT)
    monkeypatch.delenv("KHO_SYNTHETIC")
    assert backup(tmp_path / "synthetic.tar").synthetic is True
    before = rows("select datname, oid from pg_database order by 1")
    monkeypatch.setenv("WAREHOUSE_URL", external)
    with pytest.raises(KhoError) as refused:
        restore(tmp_path / "synthetic.tar", replace=True, check=None)
    assert refused.value.code == "KH070"
    monkeypatch.delenv("WAREHOUSE_URL")
    assert rows("select datname, oid from pg_database order by 1") == before

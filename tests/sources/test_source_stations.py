"""Files of measuring stations: many at once, every line kept, late and doubled files as they come."""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.contracts import Contract
from orchestration.errors import KhoError
from orchestration.sources import files, open_source, places, stations, test_source
from orchestration.sources.csv_columns import written
from orchestration.sources.stations import station_tables
from simulator.systems.plan import FaultPlan
from simulator.systems.sftp import SftpServer
from simulator.systems.stations import Stations

from ..simulator.systems_fakes import TinyProvince, station_view
from .file_contracts import contract, parsed

COLUMNS = (
    "station",
    {"name": "measured_at=time"},
    {"name": "symbol=name"},
    {"name": "value"},
    {"name": "unit"},
    {"name": "status"},
)
NAMES = ("_row", "_file", "station", "measured_at", "symbol", "value", "unit", "status")


def asked(*more: str, **options: str) -> Contract:
    columns = (*COLUMNS, *more)
    return contract(
        *columns,
        key=("station", "measured_at", "symbol"),
        **{"format": "stations", "glob": "*/*_{moment}.txt", **options},
    )


def put(folder: Path, name: str, content: bytes, age: float = 3600) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (time.time() - age,) * 2)


def line(symbol: str, value: str, moment: str = "20261119000500") -> bytes:
    return f"{symbol}\t{value}\tmg/L\t{moment}\t00\r\n".encode()


def rows_of(given: list[tuple[str, Mapping[str, str], bytes]], contract: Contract) -> list[list[str]]:
    text = b"".join(written(table) for table in station_tables(contract, given)).decode()
    return list(csv.reader(io.StringIO(text, newline="")))


def test_every_line_is_kept_however_broken(tmp_path: Path) -> None:
    put(tmp_path, "NT_01/NT_01_20261119000500.txt", line("pH", "7,1") + line("PM2,5", "-"))
    put(
        tmp_path,
        "NT_02/NT_02_20261119000500.txt",
        b"\xef\xbb\xbfpH\t7\r\n\r\nTSS\t1\tmg/L\tx\t00\tmore\tstill\nC\xffD\t5\0",
    )
    put(tmp_path, "NT_03/NT_03_20261119000500.txt", b"")
    contract = asked()
    (delivery,) = open_source(contract, None, {"KHO_SOURCE_TEST": str(tmp_path)})
    assert (delivery.encoding, f"{delivery.as_of:%Y%m%d%H%M}") == ("batch", "202611190005")
    one, two = "NT_01/NT_01_20261119000500.txt", "NT_02/NT_02_20261119000500.txt"
    assert [tuple(row.values()) for row in parsed(contract, delivery, tmp_path)] == [
        ("1", one, "NT_01", "20261119000500", "pH", "7,1", "mg/L", "00"),
        ("2", one, "NT_01", "20261119000500", "PM2,5", "-", "mg/L", "00"),
        ("1", two, "NT_02", "", "pH", "7", "", ""),
        ("3", two, "NT_02", "x", "TSS", "1", "mg/L", "00\tmore\tstill"),
        ("4", two, "NT_02", "", "C\ufffdD", "5\ufffd", "", ""),
    ]
    delivery.done()
    assert len(list(tmp_path.glob("*/done/*.txt"))) == 3


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(["A", "B_2"]), st.lists(st.text("ab\t ,é\"", max_size=9), max_size=5), st.booleans()), max_size=6),
    st.integers(1, 200),
)  # fmt: skip
def test_together_is_as_one_by_one(given_files: list[tuple[str, list[str], bool]], together: int) -> None:
    given = [
        (f"{n}/{name}_2026111900050{n}.txt", {}, ("\r\n" if ends else "\n").join(lines).encode() + b"\r\n" * ends)
        for n, (name, lines, ends) in enumerate(given_files)
    ]
    expected = []
    for (name, _, _), (station, lines, _) in zip(given, given_files, strict=True):
        for number, text in enumerate(lines, 1):
            if text.strip():
                symbol, value, unit, moment, status = (text.split("\t", 4) + [""] * 4)[:5]
                expected.append([str(number), name, station, moment, symbol, value, unit, status])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stations, "TOGETHER", together)
        assert rows_of(given, asked()) == expected


def test_many_files_are_several_deliveries_in_the_order_they_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "STATION_FILES", 4)
    for n in range(10):
        put(tmp_path, f"NT/NT_2026111900{n:02}00.txt", line("pH", str(n)), age=3600 + n)
    contract = asked(after="leave")
    env = {"KHO_SOURCE_TEST": str(tmp_path)}
    cursor, values = None, []
    for delivery in open_source(contract, None, env):
        values.append([row["value"] for row in parsed(contract, delivery, tmp_path)])
        cursor = delivery.cursor_after()
        delivery.done()
        if len(values) == 2:
            break  # killed
    assert values == [["9", "8", "7", "6"], ["5", "4", "3", "2"]]
    put(tmp_path, "NT/NT_20261119003000.txt", line("pH", "again"), age=60)
    (delivery,) = open_source(contract, cursor, env)
    assert [row["value"] for row in parsed(contract, delivery, tmp_path)] == ["1", "0", "again"]
    assert test_source(contract, env)[-1] == "Tổng cộng 11 tệp theo mẫu */*_{moment}.txt"


def test_columns_that_such_files_do_not_have(tmp_path: Path) -> None:
    with pytest.raises(KhoError) as refused:
        list(open_source(asked("place"), None, {"KHO_SOURCE_TEST": str(tmp_path)}))
    assert (refused.value.code, refused.value.where["column"]) == ("schema_drift", "place")
    contract = asked("place", glob="{place}/*_{moment}.txt")
    put(tmp_path, "Bắc/NT_1_20261119000500.txt", line("pH", "7"))
    (delivery,) = open_source(contract, None, {"KHO_SOURCE_TEST": str(tmp_path)})
    (row,) = parsed(contract, delivery, tmp_path)
    assert (row["station"], row["place"]) == ("NT_1", "Bắc")


def test_the_simulators_stations_over_sftp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "SETTLE", 0.0)
    home = tmp_path / "stations"
    province, system = TinyProvince(), Stations(home, [station_view()], FaultPlan())
    system.load(province, 0)
    server = SftpServer(tmp_path / "keys", tmp_path / "sftp.jsonl", FaultPlan())
    server.add("environment", home)
    server.up()
    try:
        account = server.env("environment")
        env = {
            "KHO_SOURCE_TEST": f"sftp://environment:{account['password']}@127.0.0.1:{account['port']}/",
            "KHO_HOST_KEY": account["known_hosts"],
        }
        contract = asked(host_key="${KHO_HOST_KEY}", glob="QT003/*_{moment}.txt")
        (first,) = open_source(contract, None, env)
        rows, cursor = parsed(contract, first, tmp_path), first.cursor_after()
        lines = [
            (path.relative_to(home).as_posix(), text)
            for path in home.glob("QT003/*.txt")
            for text in path.read_text().splitlines()
        ]
        told = sorted(
            (r["_file"], "\t".join(r[n] for n in ("symbol", "value", "unit", "measured_at", "status"))) for r in rows
        )
        assert told == sorted(lines) and rows
        assert all(row["_file"].startswith(f"{row['station']}/{row['station']}_") for row in rows)
        assert list(open_source(contract, cursor, env)) == []
        before = set(home.glob("QT003/*.txt"))
        system.advance(province, 1)
        (second,) = open_source(contract, cursor, env)
        new = {path.relative_to(home).as_posix() for path in home.glob("QT003/*.txt") if path not in before}
        assert {row["_file"] for row in parsed(contract, second, tmp_path)} == new
    finally:
        server.down()

"""Databases of other makes: what MariaDB and SQLite hold is what PostgreSQL gets, oddities and legacy text too."""

from __future__ import annotations

import csv
import math
import struct
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration.contracts import Contract
from orchestration.errors import KhoError
from orchestration.sources.delivery import match_headers
from orchestration.warehouse import connect
from simulator.views import encodings

from .agency_database import Agency, tells_nothing

#: One MariaDB for all files of databases.
pytestmark = pytest.mark.xdist_group("mariadb")
QUICK = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def target(warehouse: Path) -> Iterator[psycopg.Connection[Any]]:
    """A connection whose times are read as landing does."""
    with connect("admin", autocommit=True) as connection:
        connection.execute("set timezone = 'Asia/Ho_Chi_Minh'")
        yield connection


def copied(connection: psycopg.Connection[Any], contract: Contract, data: bytes) -> list[Any]:
    """What PostgreSQL makes of the stream with the contract's types."""
    types = ", ".join(f'"{column.name}" {column.pg_type}' for column in contract.columns)
    connection.execute(f"drop table if exists pg_temp.landed; create temp table landed ({types})")
    with connection.cursor() as cursor, cursor.copy("copy landed from stdin (format csv, header true)") as copy:
        copy.write(data)
    return connection.execute("select * from landed order by 1").fetchall()


TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)
TEXTS = st.none() | st.sampled_from(["", '"', ",", "\n", "\r\n", "\\.", "\\N", "NULL", "'", "a%sb", "Bắc Ninh"]) | TEXT
LONGS = st.none() | st.integers(-(2**63), 2**63 - 1)
DOUBLES = st.none() | st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
MOMENTS = st.none() | st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31))


@QUICK
@given(rows=st.lists(st.tuples(TEXTS, LONGS, DOUBLES, MOMENTS, TEXTS, st.none() | st.booleans()), max_size=40))
def test_what_is_held_is_what_is_loaded(
    agency: Agency, target: psycopg.Connection[Any], rows: list[tuple[Any, ...]]
) -> None:
    types = "longtext, n bigint, d double, m datetime(6), u varchar(40), b tinyint(1)"
    table = [(i, t, n, d, None if m is None else f"{m}", u, b) for i, (t, n, d, m, u, b) in enumerate(rows)]
    agency.make_table(f"i int primary key, t {types}", table)
    contract = agency.contract("i integer, t text, n bigint, d double_precision, m timestamp, u text, b boolean")
    delivery, data, _ = agency.read(contract)
    assert copied(target, contract, data) == [(i, *row) for i, row in enumerate(rows)]
    assert match_headers(contract, data.decode().split("\n")[0].replace('"', "").split(","), "x")[0] == delivery.columns


@QUICK
@given(
    rows=st.lists(
        st.tuples(
            st.decimals(-(10**12), 10**12, places=4), st.integers(0, 2**64 - 1), st.floats(width=32, allow_nan=False, allow_infinity=False),
            st.binary(max_size=9), st.integers(0, 2**33 - 1), st.integers(-3_020_399, 3_020_399), st.none() | st.just("{}"),
        ),
        max_size=30,
    )
)  # fmt: skip
def test_types_of_mariadb(mysql: Agency, rows: list[tuple[Any, ...]]) -> None:
    columns = (
        "i int primary key, d decimal(20,4), u bigint unsigned, f float, b varbinary(9), t bit(33), h time, j json"
    )
    small = [(*r[:2], 0.0 if 0 < abs(r[2]) < 1e-37 else r[2], *r[3:]) for r in rows]
    table = [(i, *r[:5], f"{'-' * (r[5] < 0)}{abs(r[5]) // 3600}:{abs(r[5]) // 60 % 60}:{abs(r[5]) % 60}", r[6]) for i, r in enumerate(small)]  # fmt: skip
    mysql.make_table(columns, table)
    found = mysql.cells(mysql.contract("i integer, d numeric, u numeric, f real, b text, t bigint, h text, j text"))
    for cells, row in zip(found, small, strict=True):
        assert (Decimal(cells[1]), int(cells[2]), cells[4], int(cells[5])) == (
            row[0],
            row[1],
            "\\x" + row[3].hex(),
            row[4],
        )
        assert struct.pack("f", float(cells[3])) == struct.pack("f", row[2]) or row[2] == 0 == float(cells[3])
        hours, minutes, seconds = cells[6].lstrip("-").split(":")
        assert int(hours) * 3600 + int(minutes) * 60 + int(seconds) == abs(row[5])
        assert (cells[6].startswith("-"), cells[7]) == (row[5] < 0, row[6] or "")


def test_oddities_of_mariadb_come_as_they_are(mysql: Agency, target: psycopg.Connection[Any]) -> None:
    mysql.make_table(
        "i int zerofill, d date, m datetime, e enum('a','b'), s set('x','y'), y year, o tinyint(1), l timestamp(3) null,"
        " c varchar(9) character set latin1, k varchar(9) collate utf8mb4_general_ci, b bit(1)"
    )
    mysql.run(
        "insert ignore into t values"
        " (7, '0000-00-00', '2025-00-00', 'b', 'x,y', 2025, 2, '1972-01-01 00:00:01.5', 'Hà', 'Đ', 1)"
    )
    contract = mysql.contract(
        "i integer, d date, m timestamp, e text, s text, y integer, o boolean, l timestamptz, c text, k text, b boolean"
    )
    delivery, data, _ = mysql.read(contract)
    cells = next(csv.reader([data.decode().split("\n")[1]]))
    assert int(cells[0]) == 7 and cells[1] == "0000-00-00" and cells[2][:10] in ("0000-00-00", "2025-00-00")
    assert cells[3:] == ["b", "x,y", "2025", "2", "1972-01-01 00:00:01.500+07:00", "Hà", "Đ", "1"]
    assert delivery.source_types["o"] == "tinyint(1)" and delivery.source_types["e"] == "enum('a','b')"
    only = mysql.contract("l timestamptz")
    (moment,) = copied(target, only, mysql.read(only)[1])[0]
    assert f"{moment.astimezone(tz=None).timestamp()}" == "63046801.5", "an instant, whatever Vietnam's clocks did"


def test_oddities_of_sqlite_come_as_they_are(sqlite: Agency) -> None:
    odd = [("1", 1.5, "2025-11-01", b"\xff\x00"), ("hai", 3.0, 2460980.5, ""), (None, 0.1 + 0.2, 1762000000, "a\0b")]
    sqlite.make_table("n integer, r numeric, d date, b blob", odd)
    found = sqlite.cells(sqlite.contract("n integer, r numeric, d date, b text"))
    assert found == [
        ["1", "1.5", "2025-11-01", "\\xff00"],
        ["hai", "3", "2460980.5", ""],
        ["", "0.30000000000000004", "1762000000", "a\ufffdb"],
    ]


def test_numbers_that_are_none(sqlite: Agency) -> None:
    sqlite.make_table("i int, r real", [(1, math.inf), (2, 1e300)])
    assert sqlite.cells(sqlite.contract("i integer, r text")) == [["1", "inf"], ["2", "1e+300"]]


@pytest.mark.parametrize("charset", ["tcvn3", "vni", "cp1258"])
def test_legacy_text_of_mariadb(mysql: Agency, charset: str) -> None:
    names = ["Nguyễn Văn Đậu", 'Trần "Thị" Hường', "", None]
    mysql.make_table(
        "i int, a varchar(60) character set latin1, n int, b blob, c varchar(90) character set utf8mb4, u varbinary(60)"
    )
    with mysql.maria.connect("syt") as cursor:  # type: ignore[union-attr]
        for i, name in enumerate(names):
            raw = None if name is None else encodings.encode(name, charset).hex()
            seen = None if name is None else encodings.shown(name, charset)
            cursor.execute(
                "insert into t values (%s, unhex(%s), %s, unhex(%s), %s, %s)",
                [i, raw, i * 2, raw, seen, None if name is None else name.encode()],
            )
    contract = mysql.contract(
        f"i integer, a text {charset}, n integer, b text {charset}, c text {charset}, u text utf-8"
    )
    assert mysql.cells(contract) == [
        [str(i), n or "", str(i * 2), n or "", n or "", n or ""] for i, n in enumerate(names)
    ]
    data = mysql.read(contract)[1].decode().split("\n")
    assert data[3:5] == ['2,"",4,"","",""', "3,,6,,,"], "an empty text is no NULL"


def test_legacy_text_of_sqlite(sqlite: Agency) -> None:
    raw = [encodings.encode(name, "tcvn3") for name in ("Nguyễn", "Tỉnh Bắc Ninh")]
    sqlite.make_table("i int, bytes text, shown text")
    for i, one in enumerate(raw):
        sqlite.run(f"insert into t values ({i}, cast(x'{one.hex()}' as text), '{one.decode('cp1252')}')")
    contract = sqlite.contract("i integer, bytes text tcvn3, shown text tcvn3")
    assert sqlite.cells(contract) == [["0", "Nguyễn", "Nguyễn"], ["1", "Tỉnh Bắc Ninh", "Tỉnh Bắc Ninh"]]
    with pytest.raises(KhoError) as refused:
        sqlite.read(sqlite.contract("i integer, bytes text"))
    assert (refused.value.code, refused.value.where["column"]) == ("encoding", "bytes")
    tells_nothing(refused.value)

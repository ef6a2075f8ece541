"""Databases of other makes, read day after day: since the cursor, with the keys, of one snapshot, through drift of the table."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from orchestration.errors import KhoError
from orchestration.sources import database_rows
from orchestration.sources.database import probe_database
from orchestration.sources.delivery import CHUNK

from .agency_database import CURSOR, MARK, Agency, big, fill, tells_nothing

#: One MariaDB for all files of databases.
pytestmark = pytest.mark.xdist_group("mariadb")


def test_since_the_cursor_with_look_back_and_keys(agency: Agency) -> None:
    contract = fill(agency)
    delivery, data, keys = agency.read(contract)
    assert (keys, delivery.cursor_after(), data.count(b"\n")) == (None, "2025-11-01 08:59:00", 62)
    found = agency.cells(contract, "2025-11-01 08:55:00")
    assert sorted(row[0] for row in found) == [*(f"k{i}" for i in range(45, 60)), "null"]
    delivery, _, keys = agency.read(contract, "2025-11-01 08:55:00")
    assert keys is not None and len(keys.split()) == 61 and keys.split()[0] == b'"k0"', "no header"
    appended = replace(contract, delivery="append", deletions="none")
    assert agency.read(appended, "2025-11-01 08:55:00")[2] is None
    agency.run("delete from t")
    delivery, data, keys = agency.read(contract, "2025-11-01 08:55:00")
    assert (delivery.cursor_after(), data, keys) == ("2025-11-01 08:55:00", b'"k","m"\n', b"")
    with pytest.raises(KhoError) as refused:
        agency.read(contract, "hôm qua")
    assert refused.value.code == "cursor"


@pytest.mark.parametrize(
    ("kind", "values"), [("bigint", [2**53, 2**53 + 1, 2**53 + 2]), ("varchar(9)", ["a", "b", "c"])]
)
def test_cursors_that_are_no_times(agency: Agency, kind: str, values: list[Any]) -> None:
    agency.make_table(f"k int, m {kind}", list(enumerate(values)))
    contract = agency.contract("k integer, m text", **(CURSOR | {"cursor_lookback": timedelta()}))
    assert agency.read(contract)[0].cursor_after() == str(values[2])
    assert [row[0] for row in agency.cells(contract, str(values[1]))] == ["1", "2"]


def test_a_column_without_a_type_is_compared_by_its_values(sqlite: Agency) -> None:
    sqlite.make_table("k, m", [(1, 20251101), (2, 20251102)])
    contract = sqlite.contract("k integer, m integer", **(CURSOR | {"cursor_lookback": timedelta()}))
    assert sqlite.cells(contract, "20251102") == [["2", "20251102"]]


def test_rows_cursor_and_keys_are_one_snapshot(agency: Agency) -> None:
    contract = fill(agency)
    if agency.make == "sqlite":
        agency.run("pragma journal_mode = wal")  # else nobody can write while somebody reads
    deliveries = agency.open(contract, "2025-11-01 08:00:00")
    delivery = next(deliveries)
    agency.run("delete from t where k < 'k3'")
    rows, keys = b"".join(delivery.chunks), b"".join(delivery.keys or ())
    assert (rows.count(b"\n"), keys.count(b"\n")) == (62, 61)
    deliveries.close()  # type: ignore[attr-defined]


def test_names_that_need_quoting(agency: Agency) -> None:
    names = ["select", "số%giường", 'a"b`c', "%s:x", "Mã"]
    marks = [f'"{name.replace(chr(34), chr(34) * 2)}"' for name in names]
    if agency.make == "mysql":
        marks = [f"`{name.replace('`', '``')}`" for name in names]
    agency.make_table(", ".join(f"{mark} int" for mark in marks), [(1, 2, 3, 4, 5)])
    options = {"delivery": "cursor", "cursor_column": "select", "deletions": "key_check"}
    contract = agency.contract(", ".join(f"{name} integer" for name in [*names[:4], "mã"]), **options)
    delivery, data, keys = agency.read(contract, "1")
    assert (data.split(b"\n")[1], keys, delivery.extra) == (b"1,2,3,4,5", b"1\n", ())


def test_views_new_columns_missing_ones_and_optional_ones(agency: Agency) -> None:
    agency.make_table("i int, web varchar(9)", [(1, "x")])
    agency.run("drop view if exists v")
    agency.run("create view v as select i, web from t")
    agency.table = "syt.v" if agency.make == "mysql" else "v"
    contract = agency.contract("i integer")
    delivery, data, _ = agency.read(contract)
    assert (delivery.extra, data, set(delivery.source_types)) == (("web",), b'"i"\n1\n', {"i", "web"})
    wider = agency.contract("i integer, a text, b text")
    with pytest.raises(KhoError) as refused:
        agency.read(wider)
    assert (refused.value.code, refused.value.where["column"]) == ("schema_drift", "a, b")
    optional = replace(wider, columns=tuple(replace(column, optional=True) for column in wider.columns))
    assert agency.read(optional)[1] == b'"i","a","b"\n1,,\n'
    assert probe_database(contract, {"KHO_SOURCE_T": agency.url})[1].endswith(
        "đủ 1 cột, truyền dạng văn bản; cột ngoài hợp đồng: web"
    )
    agency.run("drop view v")
    with pytest.raises(KhoError) as gone:
        agency.read(contract)
    assert (gone.value.code, gone.value.where["relation"]) == ("schema_drift", agency.table)


def test_a_column_renamed_after_the_look(agency: Agency) -> None:
    agency.make_table("i int, ten varchar(9)", [(1, MARK[:9])])
    contract = agency.contract("i integer, ten text")
    if agency.make == "sqlite":
        agency.run("pragma journal_mode = wal")
    deliveries = agency.open(contract)
    delivery = next(deliveries)
    agency.run("alter table t rename column ten to ho_ten")
    failure = None
    try:
        data = b"".join(delivery.chunks)
        assert MARK[:9].encode() in data, "the snapshot still has it"
    except KhoError as error:
        failure = error
    assert (failure is None) == (agency.make == "sqlite")
    if failure is not None:
        assert failure.code in ("schema_drift", "database")
        tells_nothing(failure)
    deliveries.close()  # type: ignore[attr-defined]


def test_buffers_are_big_and_an_unfinished_read_can_be_dropped(agency: Agency) -> None:
    contract = big(agency)
    sizes = [len(chunk) for delivery in agency.open(contract) for chunk in delivery.chunks]
    assert min(sizes[:-1]) >= CHUNK and max(sizes) < 40 * CHUNK
    deliveries = agency.open(contract)
    next(iter(next(deliveries).chunks))
    deliveries.close()  # type: ignore[attr-defined]
    agency.run("drop table t")  # nobody holds it


class Rows:
    """A cursor of these rows."""

    def __init__(self, *rows: tuple[bytes | None, ...]) -> None:
        self.rows = list(rows)

    def fetchone(self) -> tuple[bytes | None, ...] | None:
        return self.rows.pop(0) if self.rows else None

    def fetchmany(self, size: int) -> list[tuple[bytes | None, ...]]:
        some, self.rows = self.rows[:size], self.rows[size:]
        return some


def test_a_character_0_becomes_one_that_can_be_seen() -> None:
    shown = '"a\ufffdb"'.encode()
    assert list(database_rows.by_line(Rows((b'"a\0b"',)))) == [shown + b"\n"]
    assert list(database_rows.by_pieces(Rows((b"1", b'"a\0b"')), [None, None])) == [b"1," + shown + b"\n"]
    worked = database_rows.by_pieces(Rows((b"1", b"a\0b")), [None, lambda values: [b'"%s"' % v for v in values]])
    assert list(worked) == [b"1," + shown + b"\n"]

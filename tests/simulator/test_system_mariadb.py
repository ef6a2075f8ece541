"""Databases of older systems, seen with MariaDB's own client.

Belongs here: what a reader finds, bytes of TCVN3 in columns of latin1, days. Stays out: the box.
"""

from __future__ import annotations

import subprocess

import pytest

from simulator.systems import mariadb
from simulator.systems.mariadb import MariaDb, NotInstalled
from simulator.views.encodings import shown

from .systems_fakes import TinyProvince, client, person_view, truth


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    client("mariadbd", "mariadb-server-core")
    views = [
        person_view("mariadb", "hotich.cong_dan", agency="justice", encoding="tcvn3"),
        person_view("mariadb", "yte.cong_dan", agency="health", id="health.p"),
        person_view("mariadb", "yte.nhat_ky", agency="health", id="health.log", key=()),
    ]
    found = MariaDb(tmp_path_factory.mktemp("maria"), views)
    found.load(TinyProvince(), 0)
    found.start()
    yield found
    found.stop()


def ask(system, statement, charset="utf8mb4", **changed):
    account = system.env["justice"] | changed
    command = [client("mariadb", "mariadb-client-core"), "--no-defaults", "--batch", "--raw", "--skip-column-names"]
    command += [f"--host={account['host']}", f"--port={account['port']}", f"--user={account['user']}"]
    command += [f"--default-character-set={charset}", f"--execute={statement}"]
    env = {"MYSQL_PWD": account["password"]}
    return subprocess.run(command, capture_output=True, check=False, env=env)


def rows(system, statement, charset="utf8mb4"):
    done = ask(system, statement, charset)
    assert done.returncode == 0, done.stderr
    return [tuple(line.split(b"\t")) for line in done.stdout.splitlines()]


def content(system, table, charset="utf8mb4"):
    columns = "so_dinh_danh, ho_ten, ngay_sinh, so_tien, con_song, replace(ghi_chu, '\\t', ' '), cap_nhat_luc"
    return rows(system, f"select {columns} from {table} order by so_dinh_danh", charset)


def expected(day, written=str.encode):
    found = []
    for r in sorted(truth(day), key=lambda r: r["code"]):
        note = b"NULL" if r["note"] is None else written(r["note"].replace("\t", " "))
        moment = f"{r['changed']:%Y-%m-%d %H:%M:%S}.000000"
        plain = (f"{r['born']}", f"{r['amount']}", f"{int(r['alive'])}")
        found.append((r["code"].encode(), written(r["name"]), *map(str.encode, plain), note, moment.encode()))
    return found


def tcvn3(text):
    return shown(text, "tcvn3").encode("cp1252")


def test_what_is_held_is_what_is_said_and_a_day_moves_it_on(system):
    for day in (0, 1, 2):
        if day:
            system.advance(TinyProvince(), day)
        assert content(system, "yte.cong_dan") == content(system, "yte.nhat_ky") == expected(day)
    system.load(TinyProvince(), 4)
    assert content(system, "yte.cong_dan") == expected(4), "anew is the same as step by step"


def test_an_old_system_holds_the_bytes_of_its_fonts(system):
    system.load(TinyProvince(), 3)
    assert content(system, "hotich.cong_dan", "latin1") == expected(3, tcvn3)
    assert tcvn3("Nguyễn") == "NguyÔn".encode("latin-1"), "one byte a letter"
    as_utf8 = content(system, "hotich.cong_dan")[0][1].decode()
    assert as_utf8.startswith("NguyÔn ThÞ"), "read as UTF-8 it is the well-known garbage"
    ((charset,),) = rows(
        system,
        "select distinct character_set_name from information_schema.columns where table_schema = 'hotich' and data_type = 'text'",
    )
    assert charset == b"latin1"


def test_types_key_and_title_are_those_of_a_database(system):
    made = ask(system, "show create table yte.cong_dan").stdout.decode()
    for part in ("`ngay_sinh` date", "`so_tien` bigint", "`con_song` tinyint(1)", "`cap_nhat_luc` datetime(6)",
                 "PRIMARY KEY (`so_dinh_danh`)", "KEY `cap_nhat_luc`", "COMMENT='Công dân («thử»)'"):  # fmt: skip
        assert part in made


def test_a_reader_reads_and_nothing_else(system):
    for statement in ("delete from yte.cong_dan", "create database x", "select * from mysql.user"):
        done = ask(system, statement)
        assert done.returncode and b"denied" in done.stderr, statement
    assert b"Access denied" in ask(system, "select 1", password="wrong").stderr
    assert b"Access denied" in ask(system, "select 1", user="root").stderr, "the superuser is on the socket only"


def test_it_remembers_what_was_asked(system):
    before = len(system.record())
    rows(system, "select 'chữ' as answer")
    asked = [entry["statement"] for entry in system.record()[before:]]
    assert asked[-1] == "select 'chữ' as answer" and not any("load data" in one for one in asked)


def test_it_can_be_out_of_reach_and_comes_back_with_what_changed(system):
    system.load(TinyProvince(), 4)
    system.down()
    assert ask(system, "select 1").returncode
    system.advance(TinyProvince(), 5)
    assert ask(system, "select 1").returncode, "moving on does not bring it back"
    system.up()
    assert content(system, "yte.cong_dan") == expected(5)


def test_what_the_server_would_change_is_an_error(system):
    system.views, before = (person_view("mariadb", "yte.xa", key=("ma_xa",)),), system.views
    with pytest.raises(ValueError, match=r"police\.mariadb: "):
        system.load(TinyProvince(), 0)
    system.views = before


def test_without_mariadb_the_error_names_the_package_before_anything_starts(tmp_path, monkeypatch):
    monkeypatch.setattr(mariadb.shutil, "which", lambda *a, **k: None)
    with pytest.raises(NotInstalled, match="apt-get install mariadb-server-core"):
        MariaDb(tmp_path, [person_view("mariadb", "a.b")])
    assert not list(tmp_path.iterdir())

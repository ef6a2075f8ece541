"""Departments' databases, seen with psql.

Belongs here: what a reader finds, may and may not do, and that a day moves on as it should. Stays out: the box.
"""

from __future__ import annotations

import csv
import io
import subprocess
import time

import pytest

from simulator.systems.postgres import Postgres

from .systems_fakes import TinyProvince, client, person_view, truth

PLACE = "dan_cu.cong_dan"


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    views = [
        person_view("postgres", PLACE),
        person_view("postgres", PLACE, agency="health", id="health.p", encoding="nfd"),
        person_view("postgres", "dan_cu.nhat_ky", id="police.log", key=()),
    ]
    found = Postgres(tmp_path_factory.mktemp("pg"), views)
    found.load(TinyProvince(), 0)
    found.start()
    yield found
    found.stop()


def psql(system, statement, agency="police", **changed):
    url = system.env[agency]["url"]
    for old, new in changed.items():
        url = url.replace(getattr(system.cluster, old, old), new)
    command = [client("psql", "postgresql-client"), "-X", "--csv", "-v", "ON_ERROR_STOP=1", url, "-c", statement]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def rows(system, statement, agency="police"):
    done = psql(system, statement, agency)
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout)))


def content(system, agency="police", table=PLACE):
    return rows(system, f"select *, ghi_chu is null as trong from {table} order by so_dinh_danh", agency)


def expected(day):
    return [
        {
            "so_dinh_danh": r["code"],
            "ho_ten": r["name"],
            "ngay_sinh": f"{r['born']}",
            "so_tien": f"{r['amount']}",
            "con_song": "ft"[r["alive"]],
            "ghi_chu": r["note"] or "",
            "ma_xa": r["commune"],
            "cap_nhat_luc": r["changed"].isoformat(" ").removesuffix(":00"),
            "trong": "ft"[r["note"] is None],
        }
        for r in sorted(truth(day), key=lambda r: r["code"])
    ]


def test_what_is_held_is_what_is_said_and_a_day_moves_it_on(system):
    assert content(system) == content(system, table="dan_cu.nhat_ky") == expected(0)
    system.advance(TinyProvince(), 1)
    assert content(system) == content(system, table="dan_cu.nhat_ky") == expected(1)
    system.advance(TinyProvince(), 2)
    assert content(system) == expected(2)
    system.load(TinyProvince(), 4)
    assert content(system) == expected(4), "anew is the same as step by step"


def test_types_key_index_and_title_are_those_of_a_database(system):
    told = rows(system, "select column_name, data_type from information_schema.columns where table_name = 'cong_dan'")
    types = {row["column_name"]: row["data_type"] for row in told}
    assert types["ngay_sinh"] == "date" and types["so_tien"] == "bigint" and types["con_song"] == "boolean"
    assert types["cap_nhat_luc"] == "timestamp with time zone" and types["ho_ten"] == "text"
    indexes = rows(system, f"select indexdef from pg_indexes where schemaname || '.' || tablename = '{PLACE}'")
    assert {row["indexdef"].split(" USING ")[1] for row in indexes} == {"btree (so_dinh_danh)", "btree (cap_nhat_luc)"}
    assert rows(system, f"select obj_description('{PLACE}'::regclass) as t") == [{"t": "Công dân («thử»)"}]
    assert (
        rows(system, f"select count(*) as n from {PLACE} where ho_ten is not nfc normalized", "health")[0]["n"] != "0"
    )


def test_a_reader_reads_its_agency_and_nothing_else(system):
    for statement in (f"delete from {PLACE}", "create table t (i int)", "create schema s", "create role r"):
        done = psql(system, statement)
        assert done.returncode and "permission denied" in done.stderr, statement
    assert "password authentication failed" in psql(system, "select 1", _password="wrong").stderr
    assert psql(system, "select 1", kho_doc="postgres").returncode, "the superuser is on the socket only"
    assert "permission denied" in psql(system, "select 1", police="postgres").stderr


def test_it_remembers_what_was_asked(system):
    rows(system, "select 42 as answer")
    deadline = time.monotonic() + 20
    while not (asked := [e for e in system.record() if e["statement"] == "select 42 as answer"]):
        assert time.monotonic() < deadline, "its log is written a moment later"
        time.sleep(0.02)
    assert [entry["database"] for entry in asked] == ["police"]
    assert not any("copy" in e["statement"] for e in system.record()), "what we do ourselves is not in it"


def test_it_can_be_out_of_reach_and_comes_back_with_what_changed(system):
    system.load(TinyProvince(), 4)
    system.down()
    assert psql(system, "select 1").returncode
    system.advance(TinyProvince(), 5)
    assert psql(system, "select 1").returncode, "moving on does not bring it back"
    system.up()
    assert content(system) == expected(5)


def test_a_key_that_is_none_is_refused(system):
    system.views, before = (person_view("postgres", "dan_cu.xa", key=("ma_xa",)),), system.views
    with pytest.raises(ValueError, match=r"police\.postgres: .*key doubled or empty: ma_xa"):
        system.load(TinyProvince(), 0)
    system.views = before

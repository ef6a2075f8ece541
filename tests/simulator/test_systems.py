"""All systems together: filled, reached, moved on, stopped, also when their process is told to end or is killed.

Belongs here: what the box owes to whoever starts it. Stays out: what each system does (`test_system_*`).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from simulator.systems import mariadb, postgres
from simulator.systems.box import ENV, Systems
from simulator.systems.source import share_out

from .systems_fakes import TinyProvince, client, person_view, station_view, truth, visit_view

ROOT = Path(__file__).parents[2]
#: Started as a process of its own; both databases, since they are what could be left behind.
SCRIPT = """
import signal, sys, threading
from pathlib import Path
from simulator.systems.box import Stopped, Systems
sys.path.insert(0, str(Path("tests/simulator").resolve()))
from systems_fakes import TinyProvince, person_view

stopping = threading.Event()
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: stopping.set())
views = [person_view("postgres", "a.b"), person_view("mariadb", "a.b"), person_view("sftp", "x_{day:%Y%m%d}.csv", "text", format="csv")]
with Systems(Path(sys.argv[1]), views, TinyProvince(), stopping=stopping) as box:
    try:
        box.load(0)
        box.start()
        print("ready", flush=True)
        stopping.wait()
    except Stopped:
        print("stopped", flush=True)
"""


def views():
    files = {"form": "text", "format": "csv"}
    return [
        person_view("postgres", "dan_cu.cong_dan"),
        person_view("lgsp", "/dan/1.0/danh-sach", "text"),
        person_view("xroad", "getHoTich", "text", "justice"),
        person_view("folder", "x_{day:%Y%m%d}.csv", agency="home_affairs", **files),
        person_view("sftp", "x_{day:%Y%m%d}.csv", agency="tax", **files),
        person_view("commune_rest", "/dan", "text", "commune", group="ma_xa"),
        person_view("ndxp", "/national", "text", "ministry"),
        visit_view(),
        station_view(),
    ]


def test_one_box_holds_every_system_and_moves_all_of_them(tmp_path):
    told = {}
    box = Systems(
        tmp_path, views(), TinyProvince(), progress=lambda system, view, rows: told.update({(system, view): rows})
    )
    assert box.names == ("lgsp", "xroad", "commune_rest", "xml130", "stations", "folder", "sftp", "postgres")
    with pytest.raises(RuntimeError, match="Nothing has been loaded"):
        box.start()
    with box:
        box.load(0)
        box.start()
        assert told["postgres", "police.postgres"] == told["lgsp", "police.lgsp"] == told["sftp", "tax.sftp"] == 500
        assert told["xml130", "social_insurance.visit"] == 290 and len(told) == 8
        box.advance(1)
        assert told["postgres", "police.postgres"] == len(TinyProvince().table("person").touched(1))
        file = tmp_path / ENV
        assert file.stat().st_mode & 0o077 == 0, "it holds passwords"
        env = json.loads(file.read_text())
        assert env == box.env | {"day": 1}
        assert env["sftp"]["tax"]["user"] == "tax" and env["stations"]["user"] == "quan_trac"
        psql = [client("psql", "postgresql-client"), "-Atc", "select count(*) from dan_cu.cong_dan"]
        assert subprocess.check_output([*psql, env["postgres"]["police"]["url"]], text=True) == "503\n"
        with pytest.raises(RuntimeError, match="Another run uses this folder"):
            Systems(tmp_path, views(), TinyProvince()).load(0)
        assert subprocess.check_output([*psql, env["postgres"]["police"]["url"]], text=True) == "503\n", (
            "and was left alone"
        )
        with pytest.raises(ValueError, match="Cannot go to day 0 from day 1"):
            box.advance(0)
        box.down("postgres")
        box.down("stations")
        assert subprocess.run([*psql, env["postgres"]["police"]["url"]], capture_output=True, check=False).returncode
        box.advance(3)  # anew
        box.up("postgres")
        box.up("stations")
        assert subprocess.check_output([*psql, env["postgres"]["police"]["url"]], text=True) == f"{len(truth(3))}\n"
        with pytest.raises(ValueError, match="Not in this box: mariadb"):
            box.down("mariadb")
        assert box.record("postgres")[-1]["statement"].startswith("select count") and box.record("sftp") == []
    assert not (tmp_path / ENV).exists()


def test_only_what_is_wanted_is_there(tmp_path):
    box = Systems(tmp_path, views(), TinyProvince(), only={"folder", "mariadb"})
    assert box.names == ("folder",)
    with pytest.raises(ValueError, match="No such system: fax"):
        Systems(tmp_path, views(), TinyProvince(), only={"fax"})


def test_when_one_system_cannot_be_filled_nothing_runs_on(tmp_path):
    broken = person_view("lgsp", "/x", "text", id="police.broken")
    box = Systems(tmp_path, [person_view("postgres", "a.b"), broken], TinyProvince())
    box.system("lgsp").load = lambda province, day: 1 / 0
    with pytest.raises(ZeroDivisionError):
        box.load(0)
    assert not box.system("postgres").cluster.is_up and not (tmp_path / "postgres" / "cluster").exists()


def test_items_are_shared_out_and_an_error_of_one_ends_all():
    seen, lock = [], threading.Lock()

    def work(items):
        for item in items:
            with lock:
                seen.append(item)

    share_out(iter(range(1000)), 3, work)
    assert sorted(seen) == list(range(1000))

    def fails(items):
        for item in items:
            if item == 10:
                raise ValueError("ten")

    endless = iter(int, 1)
    with pytest.raises(ValueError, match="ten"):
        share_out((n for n, _ in enumerate(endless)), 3, fails)
    with pytest.raises(ZeroDivisionError):
        share_out((1 // (3 - n) for n in range(9)), 2, work)


# -- a process of its own ----------------------------------------------------------------------------------------------


@pytest.fixture
def started(tmp_path):
    """Starts the script and waits until it is ready; whatever still runs is killed at the end."""
    client("mariadbd", "mariadb-server-core")
    running = []

    def start(wait=True):
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / "home")]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        running.append(process)
        if wait:
            assert process.stdout.readline() == "ready\n", process.stderr.read()
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()
    postgres.den(tmp_path / "home" / "postgres").clear()  # of a test that failed half-way
    mariadb.den(tmp_path / "home" / "mariadb").clear()


def dens(home):
    """The folders of the two servers, as the home notes them."""
    return [
        Path(note.read_text()) for note in (home / "postgres" / "cluster", home / "mariadb" / "server") if note.exists()
    ]


def servers(folders):
    """Processes that were started on any of these folders."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            command = (process / "cmdline").read_bytes().decode() if process.name.isdigit() else ""
        except OSError:
            continue
        if any(str(folder) in command for folder in folders):
            found.append(int(process.name))
    return found


def test_killed_it_is_cleared_away_by_the_next_start_and_told_to_end_it_leaves_nothing(started, tmp_path):
    process = started()
    first = dens(tmp_path / "home")
    assert len(first) == 2
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert len(servers(first)) >= 2, "the servers are still there"
    process = started()
    assert not servers(first) and not any(folder.exists() for folder in first)
    second = dens(tmp_path / "home")
    assert len(second) == 2 and len(servers(second)) >= 2
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert not servers(second) and not any(folder.exists() for folder in second)
    assert not (tmp_path / "home" / ENV).exists() and not dens(tmp_path / "home")


def test_told_to_end_in_the_middle_of_loading_it_leaves_nothing(started, tmp_path):
    process = started(wait=False)
    deadline = time.monotonic() + 60
    while not dens(tmp_path / "home") and time.monotonic() < deadline:
        time.sleep(0.01)
    folders = dens(tmp_path / "home")
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60) == ("stopped\n", "") and process.returncode == 0
    assert folders and not servers(folders) and not any(folder.exists() for folder in folders)
    assert not dens(tmp_path / "home")

"""Files of agencies: in folders, over SFTP with OpenSSH's client, and those of measuring stations.

Belongs here: what lies where on which day, who sees it, and how transfers fail. Stays out: what is in the files.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

import simulator.systems as systems
from simulator.clock import TZ
from simulator.systems.folders import Folders
from simulator.systems.plan import Fault, FaultPlan
from simulator.systems.sftp import SftpServer
from simulator.systems.stations import Stations
from simulator.views import writers

from .systems_fakes import TinyProvince, client, person_view, station_view

NAME = "nguoi_{day:%Y%m%d}.csv"


def folders(home, plan=None, *views, name="folder", **options):
    views = views or (person_view(name, NAME, "text", format="csv"),)
    return Folders(name, home / name, views, plan or FaultPlan(), writers.deliver, **options)


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


# -- folders -----------------------------------------------------------------------------------------------------------


def test_a_day_drops_its_files_and_load_begins_anew(tmp_path):
    by_commune = person_view(
        "commune_folder", "dan_{group}_{day:%Y%m%d}.csv", "text", "commune", format="csv", group="ma_xa"
    )
    system = folders(
        tmp_path, None, person_view("folder", NAME, "text", format="csv"), by_commune, daily=["police.folder"]
    )
    system.load(TinyProvince(), 0)
    communes = [f"commune_{code}/dan_{code}_20261119.csv" for code in ("07210", "07213", "09208")]
    assert names(system.home) == [*communes, "police/nguoi_20261119.csv"]
    whole = (system.home / "police" / "nguoi_20261119.csv").read_text()
    assert whole.count("\n") == 501 and "Nguyễn Thị 000" in whole
    assert system.env["commune_07210"] == {"folder": str(system.home / "commune_07210")}
    system.advance(TinyProvince(), 1)
    changes = (system.home / "police" / "nguoi_20261120.csv").read_text()
    assert 60 < changes.count("\n") < 90, "what changed on the day only"
    assert len(names(system.home)) == 8, "what nobody took still lies there"
    assert (system.home / "commune_07210" / "dan_07210_20261120.csv").read_text().count("\n") == 169
    system.load(TinyProvince(), 1)
    assert len(names(system.home)) == 4
    system.down()
    assert not system.home.exists()
    system.advance(TinyProvince(), 2)
    assert not system.home.exists()
    system.up()
    assert "police/nguoi_20261121.csv" in names(system.home)


def test_a_file_is_still_being_written_for_a_while(tmp_path):
    system = folders(tmp_path, FaultPlan(rates={"part": 1.0}, part_seconds=0.4))
    system.load(TinyProvince(), 0)
    assert names(system.home) == ["police/nguoi_20261119.csv.part"]
    half = (system.home / "police" / "nguoi_20261119.csv.part").read_bytes()
    deadline = time.monotonic() + 20
    while names(system.home) != ["police/nguoi_20261119.csv"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    whole = (system.home / "police" / "nguoi_20261119.csv").read_bytes()
    assert whole.startswith(half) and len(half) == len(whole) // 2
    system.plan = FaultPlan(rates={"part": 1.0}, part_seconds=600)
    system.advance(TinyProvince(), 1)
    assert "police/nguoi_20261120.csv.part" in names(system.home)
    system.stop()
    assert names(system.home) == ["police/nguoi_20261119.csv", "police/nguoi_20261120.csv"], (
        "nothing half is left behind"
    )


def test_the_same_file_comes_again_a_day_later(tmp_path):
    system = folders(tmp_path, FaultPlan(rates={"again": 1.0}))
    system.load(TinyProvince(), 0)
    first = system.home / "police" / "nguoi_20261119.csv"
    content = first.read_bytes()
    first.unlink()  # the reader took it
    system.advance(TinyProvince(), 1)
    assert first.read_bytes() == content
    first.unlink()
    system.advance(TinyProvince(), 2)
    assert not first.exists()


# -- SFTP --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def served(tmp_path):
    """Starts a server over two agencies' folders; `served(plan)` gives it."""
    servers = []
    for agency, text in (("police", "a" * 100_000), ("health", "of health")):
        (tmp_path / agency / "2026").mkdir(parents=True)
        (tmp_path / agency / "2026" / "tệp.csv").write_text(text)
    (tmp_path / "police" / "out").symlink_to(tmp_path / "health")

    def serve(plan=FaultPlan()):  # noqa: B008 - it is frozen
        server = SftpServer(tmp_path / "keys", tmp_path / "sftp.jsonl", plan)
        for agency in ("police", "health"):
            server.add(agency, tmp_path / agency)
        server.up()
        servers.append(server)
        return server

    yield serve
    for server in servers:
        server.down()


def sftp(server, tmp_path, commands, account="police", *, password=None, key=None):
    """OpenSSH's client in batch mode, below tmp_path / got."""
    there = server.env(account)
    known, got = tmp_path / "known_hosts", tmp_path / "got"
    known.write_text(there["known_hosts"] + "\n")
    got.mkdir(exist_ok=True)
    options = ["-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes"]
    env = dict(os.environ)
    if password is None:
        options += ["-i", key or there["key_file"], "-o", "PasswordAuthentication=no", "-o", "BatchMode=yes"]
    else:
        answer = tmp_path / "answer"
        answer.write_text(f"#!/bin/sh\necho '{password}'\n")
        answer.chmod(0o700)
        env |= {"SSH_ASKPASS": str(answer), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":0"}
        options += ["-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1", "-o", "BatchMode=no"]
    # `-b` means BatchMode, in which no password is asked for: what is said first holds.
    command = [client("sftp", "openssh-client"), "-q", "-P", str(there["port"]), *options, "-b", "-"]
    return subprocess.run(
        [*command, f"{account}@127.0.0.1"], input="\n".join(commands), capture_output=True, text=True, cwd=got, env=env,
        check=False, timeout=60,
    )  # fmt: skip


def test_an_agency_sees_its_folder_by_key_and_by_password_and_only_reads(served, tmp_path):
    server = served()
    assert server.accounts["police"].key_file.stat().st_mode & 0o077 == 0
    done = sftp(server, tmp_path, ["ls -1 2026", "get 2026/tệp.csv"])
    assert done.returncode == 0 and "tệp.csv" in done.stdout, done.stderr
    assert (tmp_path / "got" / "tệp.csv").stat().st_size == 100_000
    password = server.env("health")["password"]
    done = sftp(server, tmp_path, ["get 2026/tệp.csv h.csv"], "health", password=password)
    assert done.returncode == 0 and (tmp_path / "got" / "h.csv").read_text() == "of health", done.stderr
    refused = ["get ../health/2026/tệp.csv x", "get out/2026/tệp.csv x", "put h.csv", "rm 2026/tệp.csv", "mkdir d",
               "rename 2026/tệp.csv y", "rmdir 2026", "symlink a b", "chmod 600 2026/tệp.csv"]  # fmt: skip
    for command in refused:
        assert sftp(server, tmp_path, [command]).returncode, command
    assert (tmp_path / "police" / "2026" / "tệp.csv").exists() and not (tmp_path / "got" / "x").exists()
    told = Counter((entry["account"], entry["what"]) for entry in server.record.entries())
    assert told["police", "read"] == 1 == told["health", "read"] and told["police", "login"] == 10


def test_whoever_is_nobody_is_refused(served, tmp_path):
    server = served()
    assert sftp(server, tmp_path, ["ls"], password="wrong").returncode
    assert sftp(server, tmp_path, ["ls"], key=server.env("health")["key_file"]).returncode
    assert {(e["account"], e["what"]) for e in server.record.entries()} == {("police", "refused")}
    assert sftp(server, tmp_path, ["ls"]).returncode == 0
    server.down()
    assert sftp(server, tmp_path, ["ls"]).returncode
    server.up()
    assert sftp(server, tmp_path, ["ls"]).returncode == 0


def test_a_transfer_is_cut_in_the_middle_hangs_or_is_slow(served, tmp_path):
    faults = tuple(Fault("sftp", n, kind) for n, kind in ((1, "cut"), (2, "timeout"), (3, "slow")))
    server = served(FaultPlan(faults, slow_seconds=0.3, timeout_seconds=0.3))
    done = sftp(server, tmp_path, ["get 2026/tệp.csv"])
    assert done.returncode and (tmp_path / "got" / "tệp.csv").stat().st_size == 50_000
    began = time.monotonic()
    assert sftp(server, tmp_path, ["get 2026/tệp.csv"]).returncode and time.monotonic() - began > 0.3
    began = time.monotonic()
    assert sftp(server, tmp_path, ["get 2026/tệp.csv", "get 2026/tệp.csv"]).returncode == 0
    assert time.monotonic() - began > 0.3 and (tmp_path / "got" / "tệp.csv").stat().st_size == 100_000
    read = [(e["fault"], e["bytes"]) for e in server.record.entries() if e["what"] == "read"]
    assert read == [("cut", 50_000), ("timeout", 0), ("slow", 100_000), (None, 100_000)]


# -- stations ----------------------------------------------------------------------------------------------------------


def test_a_station_has_a_file_every_five_minutes_as_the_circular_says(tmp_path):
    system = Stations(tmp_path / "stations", [station_view()], FaultPlan())
    system.load(TinyProvince(), 0)
    found = names(system.home)
    assert len(found) == 3 * 288 and found[1] == "QT001/QT001_20261119000500.txt"
    lines = (system.home / found[1]).read_bytes().decode().split("\r\n")
    assert lines.pop() == "" and [line.split("\t")[0] for line in lines] == list(
        TinyProvince().table("measurement").symbols
    )
    ids = TinyProvince().table("measurement").ids([0], [29 * 288 + 1])
    value = f"{ids[7] % 997 / 10:g}"
    assert lines[7] == f"PM2,5\t{value}\tm3/h\t20261119000500\t{('00', '01', '02')[ids[7] % 3]}"
    came = (system.home / found[1]).stat().st_mtime
    assert datetime.fromtimestamp(came, TZ) == datetime(2026, 11, 19, 0, 5, 7, tzinfo=TZ)


def test_the_committed_file_is_of_the_same_shape(tmp_path):
    system = Stations(tmp_path / "stations", [station_view()], FaultPlan())
    system.load(TinyProvince(), 0)
    line = re.compile(rb"[A-Za-z0-9,]+\t-?\d+(\.\d+)?\t\S+\t(\d{14})\t0[012]")
    example = Path(systems.__file__).parent / "examples" / "station_file.txt"
    for file in (example, system.home / "QT001" / "QT001_20261119103000.txt"):
        *lines, last = file.read_bytes().split(b"\r\n")
        found = [line.fullmatch(each) for each in lines]
        assert last == b"" and all(found) and {each[2] for each in found if each} == {b"20261119103000"}, file


def test_files_of_an_outage_come_later_in_order_and_some_come_twice(tmp_path):
    system = Stations(tmp_path / "stations", [station_view()], FaultPlan(rates={"again": 1.0}, seed=5))
    system.load(TinyProvince(), 0)
    system.advance(TinyProvince(), 1)
    folder = system.home / "QT003"
    late = sorted(folder.glob("QT003_20261120??[05]000.txt"))
    night = [path for path in late if path.name < "QT003_20261120100000"]
    arrived = [datetime.fromtimestamp(path.stat().st_mtime, TZ).hour for path in night]
    assert len(night) >= 20 and set(arrived) == {10} and arrived == sorted(arrived)
    times = Counter(path.read_bytes() for path in folder.iterdir())
    twice = [
        path
        for path in folder.iterdir()
        if not path.name.endswith(("0000.txt", "0500.txt")) and times[path.read_bytes()] == 2
    ]
    assert 20 < len(twice) < 120, "a tenth of what office files do"
    again = Stations(tmp_path / "other", [station_view()], FaultPlan(rates={"again": 1.0}, seed=5), days=2)
    again.load(TinyProvince(), 1)
    assert names(again.home) == names(system.home), "the same whatever ran before"


def test_station_files_are_served_over_sftp(tmp_path):
    system = Stations(tmp_path / "stations", [station_view()], FaultPlan())
    system.load(TinyProvince(), 0)
    server = SftpServer(tmp_path / "keys", tmp_path / "sftp.jsonl", FaultPlan())
    server.add("quan_trac", system.home)
    server.up()
    try:
        done = sftp(server, tmp_path, ["get -r QT002"], "quan_trac")
    finally:
        server.down()
    assert done.returncode == 0, done.stderr
    assert len(names(tmp_path / "got")) == 288

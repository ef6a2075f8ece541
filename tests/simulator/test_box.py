"""One command: every system of the province and every national one, reached with other people's clients, moved on, stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulator.national.command import names
from simulator.systems.box import SYSTEMS

from .systems_fakes import client

pytestmark = [pytest.mark.xdist_group("box"), pytest.mark.timeout(300)]


def simulate(home: Path, *arguments: str) -> list[str]:
    kho = Path(sys.executable).parent / "kho"
    return [str(kho), "simulate", "--home", str(home), *arguments]


def psql(statement: str, url: str) -> subprocess.CompletedProcess[str]:
    return run(client("psql", "postgresql-client"), "-XAt", "-c", statement, url)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


class Box:
    def __init__(self, home: Path, process: subprocess.Popen[bytes]) -> None:
        self.home, self.process = home, process

    @property
    def env(self) -> Any:
        return json.loads((self.home / "systems" / "systems.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    home = tmp_path_factory.mktemp("whole")
    client("mariadbd", "mariadb-server-core")
    with open(home / "log", "wb") as log:
        process = subprocess.Popen(simulate(home, "--scale", "0.003"), stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 200
        while not (home / "sources.json").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        assert (home / "sources.json").exists(), (home / "log").read_text()[-2000:]
        yield Box(home, process)
    finally:
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(60) == 0, (home / "log").read_text()[-2000:]
    left = run("pgrep", "-f", str(home)).stdout.split()
    assert not left
    assert not (home / "sources.json").exists() and not (home / "systems" / "systems.json").exists()


def test_every_system_is_up(box: Box) -> None:
    assert {*SYSTEMS, "day"} == set(box.env)
    assert (box.home / "systems" / "systems.json").stat().st_mode & 0o077 == 0
    told = box.home / "national" / "national.json"
    assert told.stat().st_mode & 0o077 == 0
    national = json.loads(told.read_text(encoding="utf-8"))
    assert set(national) == set(names())
    for name, far in national.items():
        answer = run(
            client("curl", "curl"), "-s", "-o", "/dev/null", "-w", "%{http_code}", "-d", "", f"{far['url']}/nix"
        )
        assert answer.stdout == "404", name


def test_the_databases_move_on_with_the_day(box: Box) -> None:
    url = box.env["postgres"]["police"]["url"]
    count = "select count(*), max(cap_nhat_luc)::date from dan_cu.cong_dan"
    before = psql(count, url)
    assert before.returncode == 0, before.stderr
    persons, latest = before.stdout.strip().split("|")
    assert int(persons) == 10_863 and latest <= "2026-11-19"
    moved = run(*simulate(box.home, "--day", "1"))
    assert moved.returncode == 0 and "night 2" in moved.stdout, moved.stdout + moved.stderr
    persons, latest = psql(count, url).stdout.strip().split("|")
    assert int(persons) >= 10_863 and latest == "2026-11-20"
    assert box.env["day"] == 1
    back = run(*simulate(box.home, "--day", "0"))
    assert back.returncode == 1 and "Không thể về đêm 1" in back.stderr


def test_one_system_can_be_out_of_reach(box: Box) -> None:
    url = box.env["postgres"]["police"]["url"]
    kho = str(Path(sys.executable).parent / "kho")
    assert run(kho, "simulate", "down", "postgres", "--home", str(box.home)).returncode == 0
    assert psql("select 1", url).returncode == 2
    assert run(kho, "simulate", "up", "postgres", "--home", str(box.home)).returncode == 0
    assert psql("select 1", url).stdout == "1\n"
    unknown = run(kho, "simulate", "down", "nix", "--home", str(box.home))
    assert unknown.returncode == 1 and "mariadb" in unknown.stderr


def test_nothing_secret_is_told(box: Box) -> None:
    told = (box.home / "log").read_text(encoding="utf-8")
    env = box.env
    secrets = [env["postgres"]["police"]["url"].split(":")[2].split("@")[0]]
    assert len(secrets[0]) > 8 and not [secret for secret in secrets if secret in told]


def test_an_unknown_system_is_refused_with_the_names_of_those_there_are(tmp_path: Path) -> None:
    refused = run(*simulate(tmp_path, "--only", "nix"))
    assert refused.returncode == 1 and "xroad" in refused.stderr and "dvcqg" in refused.stderr


def test_systems_misbehave_by_the_seed_when_they_are_told_to(tmp_path: Path) -> None:
    """Two boxes of one seed fail at the same requests; one that was not told to fails at none."""
    from simulator.nation import Nation
    from simulator.table import Province

    struck = []
    for number, misbehave in enumerate((True, True, False)):
        nation = Nation(tmp_path / str(number), Province(24, 0.001), ["dvcqg", "reporting"], misbehave)
        plans = [(name, service.plan) for name, service in nation.systems.items()]
        requests = [(name, kind, n) for name, plan in plans for kind in plan.strikes for n in range(1, 400)]
        plan_of = dict(plans)
        found = {(name, service, n): plan_of[name].at(service, n, 0) for name, service, n in requests}
        struck.append({request: kind for request, kind in found.items() if kind})
    assert struck[0] == struck[1] and not struck[2]
    assert len(struck[0]) > 50 and len(set(struck[0].values())) > 10


def test_a_box_that_starts_with_night_two_is_where_one_that_came_to_it_is(tmp_path: Path) -> None:
    """The plot's systems too: what was dropped on the way lies there, and health is down, as night 2 has it."""
    from simulator.run import ProvinceInABox

    found = []
    for name, first in (("straight", 2), ("came", 1)):
        box = ProvinceInABox(tmp_path / name, 24, 0.001)
        try:
            box.start(first)
            box.night(2)
            answer = psql("select 1", box.env["KHO_SOURCE_HEALTH"]).returncode
            folders = [tmp_path / name / folder for folder in ("home_affairs", "education")]
            files = {path.name: path.read_bytes() for folder in folders for path in folder.iterdir()}
            found.append((box.truth, box.health.is_up, answer, files))
        finally:
            box.stop()
    assert found[0] == found[1]
    assert found[0][1:3] == (False, 2) and len(found[0][3]) > 6

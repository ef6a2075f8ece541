"""The province on the command line: one that runs is moved and not replaced, and every end is a clean one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from simulator import control

ROOT = Path(__file__).parents[2]


def command(home: Path, *arguments: object) -> list[str]:
    return [sys.executable, "-m", "simulator", *map(str, arguments), "--home", str(home)]


def asked(home: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(home, *arguments), cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False
    )


def begun(home: Path, sign: Path, *arguments: object) -> subprocess.Popen[bytes]:
    """A province that has come as far as making a file."""
    process = subprocess.Popen(command(home, *arguments), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not sign.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    return process


def end(process: subprocess.Popen[bytes]) -> int:
    os.kill(process.pid, signal.SIGTERM)
    process.communicate(timeout=120)
    return process.returncode


def test_one_that_runs_is_moved_and_not_replaced(tmp_path: Path) -> None:
    process = begun(tmp_path, tmp_path / "sources.json", "--bare", "--scale", 0.003)
    try:
        before = (tmp_path / "sources.json").read_text()
        assert asked(tmp_path, "--day", 1, "--scale", 0.003).stdout.startswith("Đêm / night 2 (2026-11-21)")
        other = asked(tmp_path, "--day", 1, "--scale", 1, "--only", "xroad")
        assert other.returncode == 1 and "--only, --scale" in other.stderr
        back = asked(tmp_path, "--day", 0)
        assert back.returncode == 1 and "night 1 from night 2" in back.stderr
        assert "ministry: down" in asked(tmp_path, "down", "ministry").stdout
        assert json.loads((tmp_path / "sources.json").read_text()) == json.loads(before)
    finally:
        assert end(process) == 0
    assert not (tmp_path / "sources.json").exists() and not (tmp_path / control.FILE).exists()
    gone = asked(tmp_path, "down", "ministry")
    assert gone.returncode == 1 and "No simulator is running" in gone.stderr


def test_told_to_end_while_it_is_filled_it_leaves_nothing_behind(tmp_path: Path) -> None:
    note = tmp_path / "systems" / "postgres" / "cluster"
    process = begun(tmp_path, note, "--only", "postgres", "--scale", 0.02)
    servers = [Path(each.read_text()) for each in (note, tmp_path / "health" / "cluster")]
    assert end(process) == 128 + signal.SIGTERM
    assert not any(server.exists() for server in servers)
    assert not (tmp_path / "sources.json").exists()


def test_an_order_that_fails_is_told_as_an_order_that_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Box:
        def night(self, number: int) -> None:
            raise RuntimeError("a name, a number")

        down = up = night

    box: Any = Box()
    server = control.ControlServer(box)
    try:
        (tmp_path / control.FILE).write_text(json.dumps({"url": server.url}))
        with pytest.raises(control.ControlError, match="see where the simulator runs") as told:
            control.send(tmp_path, "night", 2)
    finally:
        server.close()
    assert "RuntimeError" in str(told.value) and "a name" not in str(told.value)
    with pytest.raises(control.ControlError, match="does not answer"):
        control.send(tmp_path, "night", 2)

"""`kho simulate`: everything behind it is the simulator's own; the simulator is run, never imported."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Kho = Callable[..., Any]
KHO = Path(sys.executable).parent / "kho"
HEAVY = {"dagster", "dbt", "pandas", "psycopg", "rich", "yaml"}
#: A simulator that tells what it was given.
STAND_IN = """
import json, os, signal, sys

if sys.argv[1:] == ["wait"]:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
    print(os.getpid(), flush=True)
    signal.pause()
print(json.dumps({"arguments": sys.argv[1:], "input": sys.stdin.read(), "python": sys.executable}))
print("sang bên kia", file=sys.stderr)
sys.exit(7)
"""


def run(*arguments: str, text: str = "", folder: Path | None = None, **environment: str) -> Any:
    return subprocess.run(
        [KHO, "simulate", *arguments], input=text, capture_output=True, text=True, check=False, cwd=folder,
        env={**os.environ, "PYTHONUTF8": "1", **environment}, encoding="utf-8",
    )  # fmt: skip


@pytest.fixture
def stand_in(tmp_path: Path) -> str:
    """A PYTHONPATH on which the stand-in comes before the real simulator."""
    package = tmp_path / "path" / "simulator"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(STAND_IN, encoding="utf-8")
    return str(package.parent)


@pytest.mark.parametrize("arguments", [["--help"], ["truth", "--help"], ["-h"], ["--day", "-1"], ["no-such"]])
def test_help_and_refusals_are_the_simulators_own(arguments: list[str], tmp_path: Path) -> None:
    own = subprocess.run(
        [sys.executable, "-m", "simulator", *arguments], capture_output=True, text=True, check=False, encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1"},
    )  # fmt: skip
    ran = run(*arguments, KHO_HOME=str(tmp_path / "nowhere"))
    assert (ran.returncode, ran.stdout, ran.stderr) == (own.returncode, own.stdout, own.stderr)
    assert "Tỉnh trong hộp" in ran.stdout or arguments not in (["--help"], ["-h"])
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--scale", "0.01", "--day", "3"],
        ["expected", "--night", "2", "--json"],
        ["down", "--home=/tmp/tỉnh", "-x", "--", "--help"],
        ["", "a b", "--no-such-option=", "-"],
    ],
)
def test_arguments_streams_and_exit_code_pass_untouched(stand_in: str, arguments: list[str]) -> None:
    ran = run(*arguments, text="dòng\nhai", PYTHONPATH=stand_in)
    told = json.loads(ran.stdout)
    assert told == {"arguments": arguments, "input": "dòng\nhai", "python": sys.executable}
    assert (ran.returncode, ran.stderr) == (7, "sang bên kia\n")


def test_signals_reach_the_simulator(stand_in: str) -> None:
    environment = {**os.environ, "PYTHONPATH": stand_in}
    with subprocess.Popen([KHO, "simulate", "wait"], stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) == process.pid
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 5


def test_a_folder_of_that_name_where_one_happens_to_be_is_not_the_simulator(tmp_path: Path) -> None:
    (tmp_path / "simulator").mkdir()
    (tmp_path / "simulator" / "__main__.py").write_text("print('wrong')", encoding="utf-8")
    assert "Tỉnh trong hộp" in run("--help", folder=tmp_path).stdout


def test_without_the_simulator_there_is_one_clear_error(kho: Kho, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "simulator" else pytest.fail(name))
    ran = kho("simulate", "--help")
    assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert ran.err.startswith("Lỗi / Error [simulator_missing]: chưa cài bộ mô phỏng")
    assert "the simulator is not installed" in ran.err


def test_nothing_heavy_is_imported_and_nothing_of_the_simulator(stand_in: str) -> None:
    program = (
        "import os, sys\n"
        "os.execv = lambda *_: (print(*sys.modules), sys.exit(0))\n"
        "from orchestration.cli import main\n"
        "main()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, "simulate", "truth"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0 and "orchestration.cli.engineer" in ran.stdout
    loaded = {name.partition(".")[0] for name in ran.stdout.split()}
    assert not (HEAVY | {"simulator"}) & loaded

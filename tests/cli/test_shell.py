"""The command line itself: it starts fast, speaks two languages, fails in one line, and misses a warehouse aloud."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestration.cli import COMMANDS

Kho = Callable[..., Any]
EXCHANGE = [f"exchange {name}" for name in ("status", "send", "reconcile", "dead-letters", "retry")]
HEAVY = {"alembic", "dagster", "dbt", "great_expectations", "jinja2", "pandas", "psycopg2", "pydantic", "sqlalchemy"}


def outside(*arguments: str, tail: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """`kho` in a process of its own; `tail` is Python that runs before it exits."""
    program = f"import atexit, sys\natexit.register(lambda: exec({tail!r}))\nfrom orchestration.cli import main\nmain()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONUTF8": "1", **environment}, encoding="utf-8",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "also"),
    [(["--help"], {"psycopg", "rich", "yaml"}), (["status", "--json"], {"rich"}), (["status"], set())],
)
def test_starting_imports_nothing_heavy(warehouse: Path, arguments: list[str], also: set[str]) -> None:
    ran = outside(*arguments, tail="print(*sys.modules, file=sys.stderr)")
    assert ran.returncode == 0
    assert not (HEAVY | also) & set(ran.stderr.split())


@pytest.mark.parametrize(
    "command",
    [*COMMANDS, "contract list", "release diff", "delivery confirm", "delivery retry", "ledger verify", *EXCHANGE],
)
def test_every_help_is_in_two_languages(kho: Kho, command: str) -> None:
    if command in ("dbt", "simulate"):
        pytest.skip("this help is that of the program to which everything is handed over")
    ran = kho(*command.split(), "--help")
    assert ran.code == 0 and ran.out.startswith("Cách dùng / Usage: kho ")
    assert " / " in "".join(ran.out.splitlines()[2:5])


def test_wrong_usage_is_2(kho: Kho) -> None:
    assert kho().code == 2
    ran = kho("nope")
    assert ran.code == 2 and ran.err.startswith("Sai cách dùng / Usage error: ") and "Traceback" not in ran.err
    assert kho("night", "--date", "21/11/2025").code == 2
    assert kho("status", "--night").code == 2


def test_without_a_warehouse_every_command_says_what_to_do(kho: Kho, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("KHO_HOME", str(tmp_path / "nowhere"))
    for arguments in (
        ["status"],
        ["exchange", "send"],
        ["night"],
        ["start"],
        ["psql"],
        ["dbt", "run"],
        ["backup", str(tmp_path / "b.tar")],
    ):
        ran = kho(*arguments)
        assert ran.code == 1 and "chạy `kho init` trước / no warehouse yet: run `kho init` first" in ran.err, arguments
        assert ran.err.count("\n") == 1
    assert not (tmp_path / "nowhere" / "postgres").exists()
    assert kho("stop").code == 0


def test_a_cluster_without_schema_says_so_too(kho: Kho, warehouse: Path) -> None:
    from orchestration.warehouse import connect

    def rename(old: str, new: str) -> None:
        with connect("admin", dbname="postgres", autocommit=True) as admin:
            admin.execute(f"alter database {old} rename to {new}".encode())

    rename("kho", "kho_away")
    try:
        ran = kho("status")
    finally:
        rename("kho_away", "kho")
    assert ran.code == 1 and ran.err.startswith("Lỗi / Error [not_initialised]")


def test_a_defect_is_one_line_without_values(kho: Kho, empty: Path, monkeypatch: Any) -> None:
    from orchestration import status

    def broken(*_: object) -> None:
        raise ValueError("024099000111")

    monkeypatch.setattr(status, "as_json", broken)
    ran = kho("status")
    assert ran.code == 1 and ran.err.startswith(
        "Lỗi / Error [internal]: lỗi ngoài dự kiến ValueError tại test_shell.py:"
    )
    assert "024099000111" not in ran.err and ran.err.count("\n") == 1
    monkeypatch.setenv("KHO_DEBUG", "1")
    from orchestration.cli import main

    with pytest.raises(ValueError, match="024099000111"):
        main(["status"])


def test_an_error_of_the_database_quotes_no_value(kho: Kho, empty: Path, monkeypatch: Any) -> None:
    from orchestration import status
    from orchestration.warehouse import connect

    def broken(*_: object) -> None:
        with connect("release") as connection:
            connection.execute("select 'Nguyễn Văn Bí Mật'::int")

    monkeypatch.setattr(status, "as_json", broken)
    ran = kho("status")
    assert ran.code == 1 and "sqlstate=22P02" in ran.err and "Bí Mật" not in ran.err


def test_init_again_changes_nothing(kho: Kho, warehouse: Path) -> None:
    ran = kho("init")
    assert ran.code == 0 and re.search(r"(\d{4}) -> \1\n", ran.out) and "ledger.key" in ran.out
    assert "đang chạy / is running" in kho("start").out


def test_psql_reads_as_analyst_and_cannot_write(empty: Path) -> None:
    ran = outside("psql", "-At", "-c", "select current_user, 'Bắc Ninh'", PGUSER="somebody", PGHOST="elsewhere.invalid")
    assert (ran.returncode, ran.stdout) == (0, "kho_analyst|Bắc Ninh\n")
    ran = outside("psql", "-c", "delete from kho.release")
    assert ran.returncode == 1 and "permission denied" in ran.stderr


def test_dbt_gets_project_and_role(monkeypatch: Any, kho: Kho, empty: Path) -> None:
    seen: list[Any] = []

    def run(command: list[str], env: dict[str, str], check: bool) -> Any:
        seen.append((command, env))
        return subprocess.CompletedProcess(command, 2)

    monkeypatch.setattr("orchestration.cli.engineer.subprocess.run", run)
    assert kho("dbt", "run", "--select", "dim_school").code == 2
    ((command, env),) = seen
    assert command[3:] == ["run", "--select", "dim_school"]
    assert env["KHO_PG_USER"] == "kho_transform" and env["DBT_PROJECT_DIR"].endswith("dbt_project")
    assert env["DBT_LOG_LEVEL_FILE"] == "none" and env["DBT_WRITE_JSON"] == "false"

"""For engineers: `kho psql` and `kho dbt`, with the right addresses and roles, and `kho simulate`.

Belongs here: the environment of a child process. Stays out: what it does; its output goes straight to the terminal.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import click

from orchestration.cli.base import Command, NotInitialised, is_made
from orchestration.errors import KhoError

_PASS_ON = {"ignore_unknown_options": True, "allow_interspersed_args": False}
#: Variables that would send a libpq client elsewhere than asked.
_LIBPQ = {"PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGSERVICE"}
#: What dbt does without a database.
_DBT_OFFLINE = {"parse", "list", "ls", "clean", "deps", "--version", "--help", "-h"}

#: The package that is the simulated province.
SIMULATOR = "simulator"


@click.command(
    cls=Command,
    context_settings=_PASS_ON,
    help="Mở psql với vai trò chỉ đọc kho_analyst / Open psql as the reading role kho_analyst",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[psql…]")
def psql(arguments: tuple[str, ...]) -> None:
    """Become psql; everything after `kho psql` is psql's own."""
    from orchestration.warehouse import connections

    connections.ensure_running()
    if connections.is_external():
        found = shutil.which("psql")
        if found is None:
            raise KhoError("psql_missing", "không tìm thấy psql trên PATH", "there is no psql on the PATH")
        program = Path(found)
    else:
        from orchestration.warehouse import embedded

        program = embedded.binaries() / "psql"
    kept = {name: value for name, value in os.environ.items() if name not in _LIBPQ}
    environment = {**kept, **connections.environment("analyst"), "PGCLIENTENCODING": "UTF8", "PGAPPNAME": "kho psql"}
    sys.stdout.flush()
    os.execve(program, [str(program), *arguments], environment)


@click.command(
    cls=Command,
    offline=True,
    context_settings={**_PASS_ON, "help_option_names": []},
    help="Chạy dbt bằng tay: `kho dbt run --select dim_school` / Run dbt by hand",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[dbt…]")
def dbt(arguments: tuple[str, ...]) -> int:
    """Run dbt as kho_transform. Its output, which may quote values, goes to the terminal and to no file."""
    from orchestration import settings
    from orchestration.warehouse import dbt as runner

    offline = not arguments or arguments[0] in _DBT_OFFLINE
    if not offline and not is_made():
        raise NotInitialised
    project, target = str(runner.project_folder()), str(settings.home() / "dbt-by-hand")
    environment = {
        "DBT_LOG_LEVEL_FILE": "none",
        "DBT_WRITE_JSON": "false",
        **os.environ,
        **runner.environment(offline=offline),
        "DBT_PROJECT_DIR": project,
        "DBT_PROFILES_DIR": project,
        "DBT_TARGET_PATH": target,
        "DBT_LOG_PATH": target,
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "0",
        "DO_NOT_TRACK": "1",
    }
    return subprocess.run(
        [sys.executable, "-c", "from dbt.cli.main import cli; cli()", *arguments], env=environment, check=False
    ).returncode


@click.command(
    cls=Command,
    offline=True,
    context_settings={**_PASS_ON, "help_option_names": []},
    help="Tỉnh mô phỏng để chạy thử: `kho simulate --help` / The simulated province, for trying out",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[simulate…]")
def simulate(arguments: tuple[str, ...]) -> None:
    """Become the simulator's own command line: everything after `kho simulate` is the simulator's, its help too.

    Engine and simulator know nothing of each other, so it is looked for and run, never imported.
    """
    if importlib.util.find_spec(SIMULATOR) is None:
        raise KhoError(
            "simulator_missing",
            "chưa cài bộ mô phỏng: chạy `make install` trong thư mục mã nguồn của Kho",
            "the simulator is not installed: run `make install` in Kho's source folder",
        )
    sys.stdout.flush()
    # -P: the one that was found, not a folder of that name where one happens to be.
    os.execv(sys.executable, [sys.executable, "-P", "-m", SIMULATOR, *arguments])

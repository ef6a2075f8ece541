"""`kho`: everything a person does with the platform, from a terminal.

Belongs here: the list of commands, loaded when used so that `kho --help` starts at once, and how a failure is told.
Stays out: the commands themselves (the modules beside this one) and every decision (the engine's).
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from orchestration.cli.base import Group
from orchestration.errors import KhoError

#: Command -> (module:object, help). The help stands here so that listing the commands loads none of them.
COMMANDS = {
    "init": ("server:init", "Dựng kho dữ liệu hoặc nâng cấp / Make or upgrade the warehouse"),
    "start": ("server:start", "Khởi động máy chủ nhúng / Start the embedded server"),
    "stop": ("server:stop", "Dừng máy chủ nhúng / Stop the embedded server"),
    "up": ("server:up", "Mở giao diện Dagster / Run Dagster's interface and its daemon"),
    "night": ("night:night", "Chạy trọn một đêm / Run a whole night"),
    "status": ("watch:status", "Tình trạng / Status"),
    "report": ("watch:report", "Báo cáo đêm / The night's report"),
    "contract": ("contract:contract", "Hợp đồng dữ liệu / Data contracts"),
    "source": ("source:source", "Nguồn dữ liệu của các cơ quan / The agencies' sources"),
    "quarantine": ("quarantine:quarantine", "Khu cách ly, bảng lỗi, phiếu / Quarantine, workbooks, tickets"),
    "delivery": ("delivery:delivery", "Lần giao dữ liệu / Deliveries"),
    "gate": ("gate:gate", "Cổng chất lượng / The quality gate"),
    "release": ("release:release", "Bản phát hành / Releases"),
    "exchange": ("exchange:exchange", "Đồng bộ lên hệ thống quốc gia / Exchange with national systems"),
    "portal": ("portal:portal", "Dữ liệu mở / Open data"),
    "ledger": ("ledger:ledger", "Sổ cái / The ledger"),
    "psql": ("engineer:psql", "Mở psql chỉ đọc / Open psql as the reading role"),
    "dbt": ("engineer:dbt", "Chạy dbt bằng tay / Run dbt by hand"),
    "simulate": ("engineer:simulate", "Tỉnh mô phỏng để chạy thử / The simulated province, for trying out"),
    "backup": ("backup:backup", "Sao lưu / Back up"),
    "restore": ("backup:restore", "Khôi phục / Restore"),
}


class _Root(Group):
    """The group of all commands; imports the module of the one that is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(f"orchestration.cli.{module}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Lệnh / Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=_Root, help="Kho dữ liệu số dùng chung tỉnh Bắc Ninh / The shared data warehouse of Bac Ninh province")
def kho() -> None:
    """The root of all commands."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 done, 1 failed, 2 wrong usage, 130 interrupted; 3 done, but something is behind.

    A failure is one line on stderr, without traceback (KHO_DEBUG=1 shows it) and without any value of a row.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8")
    try:
        code = kho.main(args=arguments, prog_name="kho", standalone_mode=False)
        sys.stdout.flush()
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "", err=True)
        sys.exit(2)
    except click.ClickException as error:
        command = getattr(error, "ctx", None)
        usage = f"\n{command.get_usage()}" if command is not None else ""
        click.echo(f"Sai cách dùng / Usage error: {error.format_message()}{usage}", err=True)
        sys.exit(2)
    except click.Abort:
        click.echo("Đã dừng / Stopped", err=True)
        sys.exit(130)
    except BrokenPipeError:  # the reader (`| head`) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get("KHO_DEBUG") == "1":
            raise
        failure = _told(error)
    click.echo(f"Lỗi / Error [{failure.code}]: {failure}", err=True)
    sys.exit(1)


def _told(error: Exception) -> KhoError:
    """Any failure as a KhoError: a warehouse that was never made is named as such, a defect by its place only."""
    from_driver = type(error).__module__.partition(".")[0] == "psycopg"
    if from_driver or (isinstance(error, KhoError) and error.code == "database"):
        from orchestration.cli.base import NotInitialised, is_initialised
        from orchestration.errors import pg_error

        if not is_initialised():
            return NotInitialised()
        return error if isinstance(error, KhoError) else pg_error(error)
    if isinstance(error, KhoError):
        return error
    if isinstance(error, OSError) and error.strerror:
        return KhoError("system", *2 * (f"{error.strerror}: {error.filename}" if error.filename else error.strerror,))
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "?"
    name = type(error).__name__
    return KhoError(
        "internal",
        f"lỗi ngoài dự kiến {name} tại {where} (xem chi tiết bằng KHO_DEBUG=1)",
        f"unexpected {name} at {where} (KHO_DEBUG=1 tells more)",
    )

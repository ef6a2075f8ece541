"""What every command shares: bilingual help, common options, and the check that there is a warehouse at all.

Belongs here: classes and options of click. Stays out: output (`output`) and commands. Nothing heavy is
imported: `kho --help` loads this module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import click

from orchestration.errors import KhoError

if TYPE_CHECKING:
    from orchestration.contracts import Contract
    from orchestration.exchange import Obligation


class NotInitialised(KhoError):
    """There is no warehouse yet."""

    def __init__(self) -> None:
        super().__init__(
            "not_initialised", "chưa có kho dữ liệu: chạy `kho init` trước", "no warehouse yet: run `kho init` first"
        )


def is_made() -> bool:
    """Whether there is a server to talk to, without talking to it: asking the embedded one would make it."""
    from orchestration.warehouse import is_external

    if is_external():
        return True
    from orchestration.warehouse import embedded

    return (embedded.data_folder() / "PG_VERSION").exists()


def is_initialised() -> bool:
    """Whether the server holds Kho's schema. True when in doubt: another failure then tells its own story."""
    import psycopg

    from orchestration.warehouse import connect, is_external

    if not is_made():
        return False
    try:
        with connect("admin", autocommit=True, **({} if is_external() else {"dbname": "postgres"})) as admin:
            if admin.execute("select from pg_roles where rolname = 'kho_release'").fetchone() is None:
                return False
            if not is_external() and admin.execute("select from pg_database where datname = 'kho'").fetchone() is None:
                return False
        with connect("admin") as admin:
            return admin.execute("select to_regclass('kho.ledger')").fetchone() != (None,)
    except (KhoError, psycopg.Error):
        return True


class _Bilingual(click.Command):
    """Headings of the help in both languages."""

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, " ".join(self.collect_usage_pieces(ctx)), prefix="Cách dùng / Usage: ")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        records = [record for record in (param.get_help_record(ctx) for param in self.get_params(ctx)) if record]
        if records:
            with formatter.section("Tùy chọn / Options"):
                formatter.write_dl(records)
        if isinstance(self, click.Group):
            self.format_commands(ctx, formatter)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        option = super().get_help_option(ctx)
        if option is not None:
            option.help = "Trợ giúp / This help"
        return option


class Command(_Bilingual):
    """A command. Unless `offline`, it needs a warehouse, and says so when `kho init` was never run."""

    def __init__(self, *args: Any, offline: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offline = offline

    def invoke(self, ctx: click.Context) -> Any:
        if not self.offline and not is_made():
            raise NotInitialised
        return super().invoke(ctx)


class Group(_Bilingual, click.Group):
    """A group of commands."""

    command_class = Command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Lệnh / Commands"):
            formatter.write_dl(
                [(name, command.short_help or command.help or "") for name, command in self.commands.items()]
            )


def night_option(name: str, text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An option that names a night by the date on which it began: 2025-11-30."""
    kind = click.DateTime(formats=["%Y-%m-%d"])
    return click.option(name, "night_", type=kind, metavar="YYYY-MM-DD", help=text, callback=_date)


def _date(ctx: click.Context, param: click.Parameter, value: datetime | None) -> date | None:
    return value.date() if value is not None else None


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--json`: pure JSON on stdout."""
    return click.option("--json", "as_json", is_flag=True, help="In JSON cho chương trình đọc / JSON for scripts")(
        command
    )


def limit_option(default: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--limit N`: at most so many lines; 0 means all."""
    text = "Số dòng nhiều nhất, 0 là tất cả / At most so many, 0 for all"
    return click.option("--limit", type=click.IntRange(min=0), default=default, show_default=True, help=text)


def by_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--by NAME`: who answers for what is done."""
    text = "Họ tên người chịu trách nhiệm / Name of the person who answers for it"
    return click.option("--by", "by", required=True, metavar="NAME", help=text, callback=_not_blank)(command)


def _not_blank(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if not value.strip():
        raise click.BadParameter("không được để trống / must not be blank", ctx, param)
    return value.strip()


def subject_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """SUBJECT, one of the twelve."""
    return click.argument("subject", metavar="SUBJECT", callback=_known_subject)(command)


def _known_subject(ctx: click.Context, param: click.Parameter, value: str) -> str:
    from orchestration.contracts.model import SUBJECTS

    if value not in SUBJECTS:
        raise click.BadParameter(f"{value}: không phải lĩnh vực / is not a subject ({', '.join(SUBJECTS)})", ctx, param)
    return value


def chosen(contracts: Sequence[Contract], names: Sequence[str]) -> list[Contract]:
    """Contracts of the named agencies and datasets, all when none is named; an unknown name is a usage error."""
    unknown = [name for name in names if not any(name in (c.agency, c.id) for c in contracts)]
    if unknown:
        known = ", ".join(sorted({c.agency for c in contracts} | {c.id for c in contracts}))
        raise click.UsageError(f"không có / unknown: {', '.join(unknown)} ({known})")
    return [c for c in contracts if not names or c.id in names or c.agency in names]


def obligations_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """OBLIGATION… or systems as `names`, none meaning all."""
    return click.argument("names", nargs=-1, metavar="[OBLIGATION]...")(command)


def chosen_obligations(names: Sequence[str], *, systems: bool = True) -> list[Obligation]:
    """Active obligations of the given names, all when none is given; an unknown name is a usage error.

    `systems`: the name of a system stands for all that is owed to it.
    """
    from orchestration.exchange import load_all

    active = [obligation for obligation in load_all() if obligation.status == "active"]
    known = {o.id for o in active} | ({o.system for o in active} if systems else set())
    if unknown := [name for name in names if name not in known]:
        raise click.UsageError(f"không có / unknown: {', '.join(unknown)} ({', '.join(sorted(known))})")
    return [o for o in active if not names or o.id in names or (systems and o.system in names)]


def examples(*lines: str) -> str:
    """An epilog: examples below the help of a command, one a line."""
    return "\b\nVí dụ / Examples:\n" + "\n".join(f"  {line}" for line in lines)

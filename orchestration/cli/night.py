"""`kho night`: one night from the sources to the release, alone, and what came of it.

Belongs here: the lock that keeps nights apart, the tables at the end, the exit code.
Stays out: the jobs (`automation`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import click

from orchestration import settings
from orchestration.cli.base import Command, night_option
from orchestration.cli.watch import show
from orchestration.errors import KhoError
from orchestration.report.words import SUBJECT_STATES, both

#: Exit codes beside 0 (every subject released).
FAILED, INCOMPLETE = 1, 3


@click.command(
    cls=Command,
    help="Chạy trọn một đêm: nhận, dựng, kiểm tra, phát hành / Run a whole night: land, build, check, release. "
    "Mã thoát / Exit code: 0 mọi lĩnh vực đã phát hành / every subject released; "
    "3 có lĩnh vực cũ, bị giữ hoặc bị chặn / some stale, held or blocked; 1 lỗi / failed.",
)
@night_option("--date", "Đêm nào (mặc định: hôm nay) / Which night (default: today)")
@click.option(
    "--wait/--no-wait",
    default=True,
    show_default=True,
    help="Chờ đêm đang chạy xong / Wait for a night that is under way",
)
def night(night_: date | None, wait: bool) -> int:
    """Run the jobs, export the ledger's head, write the report, print the tables."""
    from orchestration import report
    from orchestration.contracts import load_all
    from orchestration.release import ledger
    from orchestration.status import as_json
    from orchestration.warehouse import connect

    the_night = night_ or settings.now().date()
    contracts = load_all()
    with _alone(wait):
        before = {state["subject"] for state in as_json(contracts)["subjects"]}
        from orchestration.night import run_night

        result = run_night(the_night, echo=lambda line: click.echo(line, err=True))
        with connect("release") as connection:
            anchor = ledger.export_anchor(connection, the_night.isoformat())
        page = report.write(contracts, the_night)
    found = as_json(contracts, the_night)
    show(found)
    click.echo(f"Báo cáo / Report: {page}\nNeo sổ cái / Ledger anchor: {anchor}")
    states = {state["subject"]: state["state"] for state in found["subjects"]}
    if result.failures:
        states |= dict.fromkeys(before - states.keys(), "failed")  # this night never reached them
    behind = {subject: state for subject, state in states.items() if state != "released"}
    for failure in result.failures:
        click.echo(f"Lỗi bước / Step failed: {failure}", err=True)
    for subject, state in behind.items():
        click.echo(f"Chưa phát hành / Not released: {subject}: {both(SUBJECT_STATES, state)}", err=True)
    if not states or "failed" in behind.values():
        return FAILED
    return INCOMPLETE if behind else 0


@contextmanager
def _alone(wait: bool) -> Iterator[None]:
    """Hold the lock of the night on a connection of its own: one night at a time, whoever starts it and from where."""
    from orchestration.warehouse import connect

    connection = connect("release", autocommit=True)
    try:
        if connection.execute("select pg_try_advisory_lock(hashtextextended('kho.night', 0))").fetchone() != (True,):
            vi, en = "một đêm khác đang chạy", "another night is under way"
            if not wait:
                raise KhoError("night_running", vi, en)
            click.echo(f"{vi.capitalize()}, chờ đến lượt / {en.capitalize()}, waiting", err=True)
            connection.execute("select pg_advisory_lock(hashtextextended('kho.night', 0))")
        yield
    finally:
        connection.close()

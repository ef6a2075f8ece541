"""`kho night`: one night from the sources to the release and out of the house, alone, and what came of it.

Belongs here: the lock that keeps nights apart, the tables at the end, the exit code.
Stays out: the jobs (`automation`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import click

from orchestration import settings
from orchestration.cli.base import Command, night_option
from orchestration.cli.watch import show
from orchestration.errors import KhoError
from orchestration.report.words import OBLIGATION_STATES, PORTAL_STATES, SUBJECT_STATES, both

#: Exit codes beside 0 (every subject released, everything owed confirmed, all open data published).
FAILED, INCOMPLETE = 1, 3


@click.command(
    cls=Command,
    help="Chạy trọn một đêm: nhận, dựng, kiểm tra, phát hành, công bố dữ liệu mở, gửi lên hệ thống quốc gia / "
    "Run a whole night: land, build, check, release, publish open data, send to national systems. "
    "Mã thoát / Exit code: 0 mọi lĩnh vực đã phát hành, mọi thứ phải gửi đã được xác nhận / every subject released, "
    "everything owed confirmed; 3 có lĩnh vực cũ, bị giữ hoặc bị chặn, có nghĩa vụ chưa gửi xong, bị từ chối, quá hạn "
    "hoặc bên nhận chưa được cấu hình, có dữ liệu mở bị giữ / some subject stale, held or blocked, an obligation on "
    "its way, rejected, overdue or without a configured receiver, an open dataset held; 1 lỗi / failed.",
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
    from orchestration.warehouse import connect, refuse_synthetic_outside

    refuse_synthetic_outside()
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
    reasons = dict(failure.split(": ", 1) for failure in result.failures)
    outward = _outward(found, reasons)
    for line in outward.values():
        click.echo(line, err=True)
    # A step that failed although its state tells of nothing: something else is wrong.
    unexplained = any(step.startswith(("national__", "portal__")) and step not in outward for step in reasons)
    if not states or "failed" in behind.values() or unexplained:
        return FAILED
    return INCOMPLETE if behind or outward else 0


def _outward(found: dict[str, Any], reasons: dict[str, str]) -> dict[str, str]:
    """What has not left the house as it should: Dagster's step -> what to tell of it.

    `reasons`: why steps failed. It says more than the state, of a receiver that is not configured above all.
    """
    from orchestration.status import is_behind

    told = {}
    for kind, states, words in (
        ("obligations", "gửi xong / Not all sent", OBLIGATION_STATES),
        ("portal", "công bố / Not published", PORTAL_STATES),
    ):
        for one in found[kind]:
            name = one["obligation"] if kind == "obligations" else one["dataset"]
            step = "national__" + name.replace(".", "__") if kind == "obligations" else f"portal__{name}"
            because = f"{one['because_vi']} / {one['because_en']}" if one["because_vi"] else ""
            reason = reasons.get(step, because)
            if is_behind(one["state"], one["released"], one.get("unrepaired")):
                told[step] = f"Chưa {states}: {name}: {both(words, one['state'])}" + (f" ({reason})" if reason else "")
    return told


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

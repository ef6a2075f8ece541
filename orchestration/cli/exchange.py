"""`kho exchange …`: what is owed to national systems, sending it, and comparing both sides.

Belongs here: asking the engine and telling what came of it. Stays out: planning, sending and comparing (`exchange`),
what the receiver refused (`dead_letters`).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from orchestration.cli.base import Group, chosen_obligations, examples, json_option, obligations_argument
from orchestration.cli.dead_letters import dead_letters, retry
from orchestration.cli.output import print_columns, print_json
from orchestration.errors import KhoError
from orchestration.report.words import OBLIGATION_STATES, RUN_OUTCOMES, both

if TYPE_CHECKING:
    from orchestration.exchange import Obligation, Reconciliation, Run

#: Exit codes beside 0 (nothing is left to do).
FAILED, BEHIND = 1, 3


@click.group(
    cls=Group,
    help="Đồng bộ lên hệ thống quốc gia: gửi, đối soát, bản ghi bị từ chối / "
    "Exchange with national systems: sending, comparing both sides, what was refused",
    epilog=examples(
        "kho exchange status", "kho exchange send", "kho exchange dead-letters", "kho exchange reconcile --send"
    ),
)
def exchange() -> None:
    """What is owed upstream."""


@exchange.command(
    name="status",
    short_help="Từng nghĩa vụ đang ở đâu / How each obligation stands",
    help="Từng nghĩa vụ đang ở đâu / How each obligation stands. Mã thoát / Exit code: 0 đã gửi đủ / all current; "
    "3 có nghĩa vụ đang gửi, phải chờ, bị từ chối hoặc quá hạn / some on its way, waiting, rejected or overdue.",
    epilog=examples("kho exchange status", "kho exchange status --json"),
)
@json_option
def status(as_json: bool) -> int:
    """One line per obligation, with the reason."""
    from orchestration import status as states

    found = states.obligations()
    if as_json:
        print_json([asdict(state) for state in found])
    else:
        print_columns(
            "Nghĩa vụ đồng bộ / Obligations",
            found,
            [
                ("Nghĩa vụ / Obligation", lambda s: s.obligation),
                ("Hệ thống / System", lambda s: s.system),
                ("Tình trạng / State", lambda s: both(OBLIGATION_STATES, s.state)),
                ("Bản hiện hành / Released #", lambda s: s.released),
                ("Bản đã lập / Planned #", lambda s: s.planned),
                ("Chờ gửi / Pending #", lambda s: s.pending),
                ("Chưa rõ / Uncertain #", lambda s: s.uncertain),
                ("Đã xác nhận / Confirmed #", lambda s: s.confirmed),
                ("Bị từ chối / Rejected #", lambda s: s.rejected),
                ("Quá hạn / Overdue #", lambda s: s.overdue),
                ("Hạn sớm nhất / Oldest due", lambda s: s.oldest_due),
                ("Lần thử tới / Next attempt", lambda s: s.next_at),
                ("Đối soát / Compared", lambda s: s.reconciled_at),
                ("Lệch / Drift #", lambda s: s.drift),
                ("Lệch chờ xác nhận / To be confirmed #", lambda s: s.unrepaired),
                ("Lý do / Because", lambda s: f"{s.because_vi} / {s.because_en}" if s.because_vi else ""),
            ],
        )
    return BEHIND if any(states.is_behind(s.state, s.released, s.unrepaired) for s in found) else 0


@exchange.command(
    name="send",
    short_help="Lập và gửi ngay những gì đã phát hành / Plan and send now what was released",
    help="Lập và gửi ngay những gì đã phát hành / Plan and send now what was released. Mã thoát / Exit code: "
    "0 đã gửi hết / done; 3 bên nhận bắt chờ hoặc còn nữa / waiting or more to send; 1 lỗi / failed.",
    epilog=examples(
        "kho exchange send",
        "kho exchange send health_system.facility_licence",
        "kho exchange send health_system --once --seconds 60",
    ),
)
@obligations_argument
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=15.0,
    show_default=True,
    help="Một lượt gửi dài nhất, giây / The longest turn at one obligation, in seconds",
)
@click.option(
    "--until-done/--once",
    default=True,
    show_default=True,
    help="Gửi đến khi hết hay phải chờ, hoặc mỗi nghĩa vụ một lượt / "
    "Until nothing is left or the receiver must be waited for, or one turn each",
)
def send(names: tuple[str, ...], seconds: float, until_done: bool) -> int:
    """Turns in rotation, so that a long obligation does not hold up the others."""
    return _send(chosen_obligations(names), seconds=seconds, until_done=until_done)


def _send(
    obligations: Sequence[Obligation], *, seconds: float = 15.0, until_done: bool = True, table: bool = True
) -> int:
    """Send; progress on stderr, the outcome as a table on stdout. Exit code of `kho exchange send`."""
    from orchestration import exchange as engine

    sums = {obligation.id: Counter[str]() for obligation in obligations}
    last: dict[str, Run] = {}
    failed = False
    turn = list(obligations)
    while turn:
        again = []
        for obligation in turn:
            problem, sum_ = None, sums[obligation.id]
            try:
                run = engine.run(obligation, seconds=seconds, env=os.environ)
            except KhoError as error:
                problem = error
            if problem is not None:
                _tell(obligation, problem)
                last.pop(obligation.id, None)
                failed = True
                continue
            last[obligation.id] = run
            sum_.update(planned=run.planned, confirmed=run.confirmed, rejected=run.rejected)
            click.echo(
                f"{obligation.id}: {sum_['planned']} đã lập, {sum_['confirmed']} đã xác nhận, {sum_['rejected']} bị "
                f"từ chối, còn {run.pending + run.uncertain} / {sum_['planned']} planned, {sum_['confirmed']} "
                f"confirmed, {sum_['rejected']} rejected, {run.pending + run.uncertain} to go: "
                f"{both(RUN_OUTCOMES, run.outcome)}",
                err=True,
            )
            if run.outcome == "more" and until_done:
                again.append(obligation)
        turn = again
    if table:
        _show_sent(last, sums)
    if failed:
        return FAILED
    return BEHIND if any(run.outcome != "done" for run in last.values()) else 0


def _show_sent(runs: dict[str, Run], sums: dict[str, Counter[str]]) -> None:
    print_columns(
        "Đã gửi / Sent",
        runs.values(),
        [
            ("Nghĩa vụ / Obligation", lambda r: r.obligation),
            ("Kết quả / Outcome", lambda r: both(RUN_OUTCOMES, r.outcome)),
            ("Đã lập / Planned #", lambda r: sums[r.obligation]["planned"]),
            ("Đã xác nhận / Confirmed #", lambda r: sums[r.obligation]["confirmed"]),
            ("Bị từ chối / Rejected #", lambda r: sums[r.obligation]["rejected"]),
            ("Còn chờ / Pending #", lambda r: r.pending),
            ("Chưa rõ / Uncertain #", lambda r: r.uncertain),
            ("Lần thử tới / Next attempt", lambda r: r.next_at),
            ("Lý do / Because", lambda r: f"{r.because_vi} / {r.because_en}" if r.because_vi else ""),
        ],
        note="Bị từ chối vì sao, ai phải sửa / Why refused, and who must mend it: kho exchange dead-letters"
        if any(count["rejected"] for count in sums.values())
        else "",
    )


@exchange.command(
    name="reconcile",
    short_help="Đối soát hai bên; chỗ lệch vào hàng gửi / Compare both sides; what differs is put into the outbox",
    help="Đối soát hai bên; chỗ lệch vào hàng gửi / Compare both sides; what differs is put into the outbox. "
    "Mã thoát / Exit code: 0 hai bên khớp, hoặc đã gửi xong / both sides agree, or all is sent; "
    "3 còn phải gửi / something is still to be sent; 1 lỗi / failed.",
    epilog=examples(
        "kho exchange reconcile",
        "kho exchange reconcile health_system.facility_licence --full --send",
        'kho exchange reconcile health_system.facility_licence --confirm "Nguyễn Văn A"',
    ),
)
@obligations_argument
@click.option("--full", is_flag=True, help="So từng bản ghi, không tin mã băm / Compare record by record, not by sums")
@click.option(
    "--confirm",
    "confirmed_by",
    metavar="NAME",
    help="Họ tên người cho phép sửa khi lệch quá 20 % / Who allows the repair of a drift above 20 %",
)
@click.option(
    "--send", "send_", is_flag=True, help="Gửi ngay những gì trong hàng gửi / Send at once what is in the outbox"
)
@json_option
def reconcile(names: tuple[str, ...], full: bool, confirmed_by: str | None, send_: bool, as_json: bool) -> int:
    """Compare obligation after obligation; one that cannot be compared does not stop the others."""
    from orchestration import exchange as engine

    obligations = chosen_obligations(names)
    if confirmed_by is not None and not confirmed_by.strip():
        raise click.UsageError("--confirm: không được để trống / must not be blank")
    if confirmed_by is not None and len(names) != 1:
        raise click.UsageError("--confirm: nêu đúng một nghĩa vụ / name exactly one obligation")
    found: list[Reconciliation] = []
    for obligation in obligations:
        problem = None
        try:
            found.append(
                engine.reconcile(
                    obligation, env=os.environ, full=full, confirmed_by=confirmed_by and confirmed_by.strip()
                )
            )
        except KhoError as error:
            problem = error
        if problem is not None:
            _tell(obligation, problem)
    if as_json:
        print_json([asdict(result) for result in found])
    else:
        _show_reconciled(found, sent_now=send_)
    code = BEHIND if any(result.repaired for result in found) else 0
    if send_:
        compared = {result.obligation for result in found}
        code = _send([o for o in obligations if o.id in compared], table=not as_json)
    return FAILED if len(found) < len(obligations) else code


def _show_reconciled(found: Sequence[Reconciliation], *, sent_now: bool) -> None:
    repaired = sum(result.repaired for result in found)
    later = (
        f"{repaired} bản ghi lệch đã vào hàng gửi, sẽ đi ở lần gửi tới (`kho exchange send`) / "
        f"{repaired} differing records were put into the outbox and go with the next sending"
    )
    print_columns(
        "Đối soát / Both sides compared",
        found,
        [
            ("Nghĩa vụ / Obligation", lambda r: r.obligation),
            ("Lần / Number #", lambda r: str(r.number)),
            ("Đã so / Compared #", lambda r: r.compared),
            ("Nhóm / Buckets #", lambda r: r.buckets),
            ("Nhóm lệch / Differing #", lambda r: r.differing),
            ("Bên nhận thiếu / Missing there #", lambda r: r.missing),
            ("Khác nội dung / Different #", lambda r: r.different),
            ("Bên nhận thừa / Extra there #", lambda r: r.extra),
            ("Đã rõ lý do / Known #", lambda r: r.known),
            ("Vào hàng gửi / Into the outbox #", lambda r: r.repaired),
        ],
        note=later if repaired and not sent_now else "",
    )


def _tell(obligation: Obligation, problem: KhoError) -> None:
    """A failure of one obligation, while the others go on."""
    name = "" if problem.vi.startswith(obligation.id) else f"{obligation.id}: "
    click.echo(f"Lỗi / Error [{problem.code}]: {name}{problem}", err=True)


exchange.add_command(dead_letters)
exchange.add_command(retry)

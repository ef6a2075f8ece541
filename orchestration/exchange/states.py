"""How each obligation stands, for everyone who asks: `kho status`, the report, the assets' checks, the sensor.

Belongs here: reading, the one act of a person (`retry`), and the words for a state. Stays out: how it is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from orchestration import settings
from orchestration.errors import KhoError, pg_error
from orchestration.exchange.obligation import Obligation
from orchestration.exchange.outbox import open_outbox
from orchestration.warehouse import connect


@dataclass(frozen=True, slots=True)
class ObligationState:
    """One obligation now. Counts are messages: pending (waiting or under way), uncertain (the receiver is to be asked), confirmed
    (ever), rejected (open dead letters), overdue (of these, not confirmed on the day they were due). `released` and `planned` are release
    numbers of the subject; `drift` is what the last reconciliation found beyond known reasons, `unrepaired` what of it waits for a person.

    state: never (nothing released yet), current, pending, waiting (the receiver is left alone until next_at), rejected (nothing on
    its way, dead letters open), overdue.
    """

    obligation: str
    system: str
    title: str
    subject: str
    owner: str
    state: str
    because_vi: str
    because_en: str
    released: int
    planned: int
    pending: int
    uncertain: int
    confirmed: int
    rejected: int
    overdue: int
    oldest_due: date | None
    last_run_at: datetime | None
    next_at: datetime | None
    reconciled_at: datetime | None
    drift: int | None
    unrepaired: int | None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message the receiver refused for what it says. It leaves (`closed_by`) when a later version of its key has been answered."""

    obligation: str
    seq: int
    key: str
    release: int
    code: str
    reason_vi: str
    reason_en: str
    owner: str
    rejected_at: datetime
    due_on: date
    closed_by: int | None


def states(obligations: Iterable[Obligation], today: date | None = None) -> list[ObligationState]:
    """State of every obligation, in the order given."""
    day = today or settings.now().date()
    with _reading() as connection:
        rows = {
            row[0]: row[1:]
            for row in connection.execute(
                """select o.obligation, o.planned_release, o.confirmed, o.problem_vi, o.problem_en, o.next_at, o.looked_at, o.failures,
                          coalesce(b.pending, 0), coalesce(b.uncertain, 0), coalesce(b.overdue, 0), b.oldest_due,
                          coalesce(d.rejected, 0), coalesce(d.overdue, 0), d.oldest_due, r.at, r.missing + r.different + r.extra,
                          r.missing + r.different + r.extra - r.repaired
                     from kho.obligation o
                     left join lateral (select sum(messages) filter (where state <> 'uncertain') as pending,
                                               sum(messages) filter (where state = 'uncertain') as uncertain,
                                               sum(messages) filter (where due_on < %(day)s) as overdue, min(due_on) as oldest_due
                                          from kho.batch b where b.obligation_id = o.obligation_id and b.state <> 'confirmed') b on true
                     left join lateral (select count(*) as rejected, count(*) filter (where due_on < %(day)s) as overdue, min(due_on) as oldest_due
                                          from kho.outbox x where x.obligation = o.obligation and x.code is not null and x.closed_by is null) d on true
                     left join lateral (select * from kho.reconciliation c where c.obligation = o.obligation order by number desc limit 1) r on true""",
                {"day": day},
            ).fetchall()
        }
        released = _released(connection)
    return [_state(each, released.get(each.subject, 0), rows.get(each.id)) for each in obligations]


def _state(obligation: Obligation, released: int, row: tuple[object, ...] | None) -> ObligationState:
    (planned, confirmed, problem_vi, problem_en, next_at, looked_at, failures, pending, uncertain, late, oldest, rejected, late_letters,
     oldest_letter, reconciled_at, drift, unrepaired) = row or (0, 0, "", "", None, None, 0, 0, 0, 0, None, 0, 0, None, None, None, None)  # fmt: skip
    dues = [each for each in (oldest, oldest_letter) if isinstance(each, date)]
    overdue, waiting = _int(late) + _int(late_letters), _int(pending) + _int(uncertain)
    vi, en = str(problem_vi), str(problem_en)
    if released == 0:
        state, vi, en = "never", "lĩnh vực chưa từng phát hành", "the subject has never been released"
    elif overdue:
        state = "overdue"
        vi = "; ".join(filter(None, (f"{overdue} thông điệp quá hạn", vi)))
        en = "; ".join(filter(None, (f"{overdue} messages are past their deadline", en)))
    elif _int(failures) and (waiting or _int(planned) < released):
        state = "waiting"
    elif waiting or _int(planned) < released:
        state = "pending"
        vi = vi or f"bản phát hành {released} đang được gửi"
        en = en or f"release {released} is on its way"
    elif _int(rejected):
        state, vi, en = (
            "rejected",
            f"{rejected} thông điệp bị từ chối, chờ sửa",
            f"{rejected} refused, waiting to be mended",
        )
    elif _int(unrepaired or 0):
        state = "current"
        vi = f"đối soát thấy {unrepaired} bản ghi lệch, chờ người có thẩm quyền xác nhận"
        en = f"{unrepaired} records differ and wait for a person to confirm"
    else:
        state, vi, en = "current", "", ""
    return ObligationState(
        obligation.id, obligation.system, obligation.title, obligation.subject, obligation.owner_name, state, vi, en, released,
        _int(planned), _int(pending), _int(uncertain), _int(confirmed), _int(rejected), overdue, min(dues, default=None),
        looked_at if isinstance(looked_at, datetime) else None, next_at if isinstance(next_at, datetime) and waiting else None,
        reconciled_at if isinstance(reconciled_at, datetime) else None, None if drift is None else _int(drift),
        None if unrepaired is None else _int(unrepaired),
    )  # fmt: skip


@contextmanager
def _reading() -> Iterator[Any]:
    """A connection that reads; what goes wrong leaves it as a KhoError."""
    import psycopg

    failure: KhoError
    try:
        with connect("release") as connection:
            yield connection
        return
    except psycopg.Error as error:
        failure = pg_error(error, relation="kho.obligation")
    raise failure


def _released(connection: Any) -> dict[str, int]:
    """Newest release of each subject."""
    return dict(connection.execute("select subject, max(release) from kho.release group by subject").fetchall())


def _int(value: object) -> int:
    return int(str(value))


def dead_letters(obligation: str | None = None, *, closed: bool = False) -> list[DeadLetter]:
    """Dead letters, oldest first: the open ones, or with `closed` all there ever were and that a later version has closed."""
    with _reading() as connection:
        rows = connection.execute(
            """select obligation, seq, key, release, code, reason_vi, reason_en, owner, rejected_at, due_on, closed_by from kho.outbox
                where code is not null and (%(closed)s or closed_by is null) and (%(obligation)s::text is null or obligation = %(obligation)s)
                order by obligation, seq""",
            {"obligation": obligation, "closed": closed},
        ).fetchall()
    return [DeadLetter(*row) for row in rows]


def retry(obligation: Obligation, seqs: Sequence[int] | None, *, by: str) -> int:
    """Send dead letters again, the same bytes: for refusals whose cause lay at the receiver. `seqs` None means all open ones.

    Returns how many are pending again. KhoError `busy` while another sender is at it.
    """
    with open_outbox(obligation) as outbox:
        if outbox is not None:
            return outbox.retry(seqs, by)
    raise KhoError(
        "busy", f"{obligation.id}: một tiến trình khác đang gửi", f"{obligation.id}: another sender is at it"
    )


def waiting_work(obligations: Iterable[Obligation]) -> list[tuple[str, str]]:
    """(obligation, run key) of every obligation with something to do now: a release not planned yet, or batches whose wait is over.

    The key changes whenever there is something new to do, so nobody starts the same work twice; and every five minutes, so that the
    work of a sender that died is taken up again.
    """
    with _reading() as connection:
        rows = {
            row[0]: row[1:]
            for row in connection.execute(
                """select o.obligation, o.planned_release, o.failures, coalesce(o.next_at <= clock_timestamp(), true),
                          exists (select from kho.batch b where b.obligation_id = o.obligation_id and b.state <> 'confirmed'),
                          extract(epoch from o.looked_at)::bigint
                     from kho.obligation o"""
            ).fetchall()
        }
        released = _released(connection)
    work = []
    five_minutes = int(settings.now().timestamp()) // 300
    for each in obligations:
        planned, failures, due, left, looked = rows.get(each.id, (0, 0, True, False, None))
        newest = released.get(each.subject, 0)
        if due and (left or planned < newest):
            work.append((each.id, f"exchange:{each.id}:{newest}:{failures}:{looked or 0}:{five_minutes}"))
    return work

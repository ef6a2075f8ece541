"""The facts of one night, read from the warehouse.

Belongs here: the queries that fill the dataclasses of `facts`. Stays out: words about them (`duties`, the template)
and personal values. A report of an earlier night tells of that night, not of today; what is owed and published is
known as of today only, and is left out of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from orchestration import exchange, settings, status
from orchestration.contracts import Contract
from orchestration.errors import KhoError
from orchestration.landing.overtaken import OVERTAKEN
from orchestration.release import ledger
from orchestration.release.pipeline import SUBJECTS_VI
from orchestration.report.duties import duties, outward_duties
from orchestration.report.facts import Content, Delivered, Failing, FailingRow, Refused, Release, Subject, Waiting
from orchestration.report.quarantine import kinds
from orchestration.report.tickets import tickets
from orchestration.warehouse import connect


def gather(contracts: Sequence[Contract], night: date | None) -> Content:
    """Read a night (None: the newest). KhoError when there was none."""
    with connect("release") as connection:
        row = connection.execute(
            "select max(night) from (select night from kho.attempt union all select night from kho.subject_night) n"
        ).fetchone()
        newest: date | None = row[0] if row else None
        the_night = night or newest
        known = connection.execute(
            """select exists (select from kho.attempt where night = %(n)s)
                      or exists (select from kho.subject_night where night = %(n)s)""",
            {"n": the_night},
        ).fetchone()
    if the_night is None or known != (True,):
        which = f" {the_night:%d/%m/%Y}" if the_night else ""
        raise KhoError(
            "no_night",
            f"chưa chạy đêm{which}" if which else "chưa chạy đêm nào",
            f"the night{which} has not been run" if which else "no night has been run yet",
        )
    delivered = _delivered(contracts, the_night)
    subjects = _subjects(contracts, the_night)
    waiting = _quarantine(contracts, the_night)
    is_newest = the_night == newest
    sent = status.obligations() if is_newest else []
    refused = _refused() if is_newest else []
    published = status.portal() if is_newest else []
    open_tickets = tickets(today=the_night)
    seq, mac = _head(the_night)
    return Content(
        night=the_night,
        is_newest=is_newest,
        made_at=settings.now(),
        delivered=delivered,
        subjects=subjects,
        quarantine=waiting,
        releases=_releases(the_night),
        sent=sent,
        refused=refused,
        published=published,
        duties=duties(delivered, subjects, waiting) + outward_duties(delivered, sent, refused, published),
        noted=_noted(the_night),
        tickets=len(open_tickets),
        overdue=sum(1 for ticket in open_tickets if ticket.level),
        ledger_seq=seq,
        ledger_mac=mac,
    )


def _noted(night: date) -> int:
    """Rows taken in with a note in deliveries up to that night, still to be mended at their source."""
    with connect("release") as connection:
        row = connection.execute(
            """select count(*) from quarantine.row q join kho.delivery d using (delivery_id)
                where q.state = 'noted' and d.night <= %s""",
            (night,),
        ).fetchone()
    return int(row[0]) if row else 0


def _delivered(contracts: Sequence[Contract], night: date) -> list[Delivered]:
    """One line per contract, whether it brought anything or not; a draft that nobody was asked for is left out."""
    with connect("release") as connection:
        attempts = {
            row[0]: row[1:]
            for row in connection.execute(
                """select distinct on (dataset) dataset, outcome, coalesce(error_vi, '')
                     from kho.attempt where night = %s order by dataset, attempt_id desc""",
                (night,),
            ).fetchall()
        }
        counts = {
            row[0]: row[1:]
            for row in connection.execute(
                """select dataset, sum(received)::bigint, sum(accepted)::bigint, sum(quarantined)::bigint,
                          sum(duplicates)::bigint, sum(inserted)::bigint, sum(updated)::bigint, sum(deleted)::bigint
                     from kho.delivery where night = %s and outcome = 'applied' group by dataset""",
                (night,),
            ).fetchall()
        }
        waiting: dict[str, list[int]] = dict(
            connection.execute(
                f"""select dataset, array_agg(delivery_id order by delivery_id) from kho.delivery w
                    where outcome = 'waiting' and not {OVERTAKEN} and night <= %(night)s group by dataset""",  # type: ignore[arg-type]
                {"night": night},
            ).fetchall()
        )
    found = []
    for contract in contracts:
        if contract.status == "draft" and contract.id not in attempts:
            continue
        outcome, reason = attempts.get(contract.id, ("none", ""))
        if outcome == "waiting" and contract.id not in waiting:
            outcome, reason = "applied", ""  # somebody has confirmed it since
        elif contract.id in waiting and outcome in ("nothing", "unchanged"):
            outcome = "waiting"  # since an earlier night
        found.append(
            Delivered(
                contract.id,
                contract.title,
                contract.agency,
                contract.agency_name,
                contract.owner_name,
                contract.owner_contact,
                outcome,
                reason,
                tuple(waiting.get(contract.id, ())),
                *(counts.get(contract.id) or (0,) * 7),
            )
        )
    return sorted(found, key=lambda d: (d.agency_name, d.title))


def _subjects(contracts: Sequence[Contract], night: date) -> list[Subject]:
    names = {contract.agency: contract.agency_name for contract in contracts}
    found = []
    for state in status.subjects(night):
        failing = (
            {severity: _failing(state.build, severity, names) for severity in ("critical", "warning")}
            if state.build
            else {}
        )
        found.append(
            Subject(
                state.subject,
                SUBJECTS_VI.get(state.subject, state.subject),
                state.state,
                state.because,
                state.release,
                failing.get("critical", []) if state.state == "held" else [],
                failing.get("warning", []),
            )
        )
    order = ("held", "failed", "blocked", "stale", "released")
    return sorted(found, key=lambda s: (order.index(s.state), s.name))


def _failing(build: int, severity: str, names: dict[str, str], *, examples: int = 10) -> list[Failing]:
    """Expectations of one severity that did not hold; keys come from live tables, which have no personal column."""
    with connect("release") as connection:
        results = connection.execute(
            """select g.expectation_id, g.table_name, g.message_vi, g.quality_word, f.agency,
                      coalesce(f.n, g.unexpected_count, 0)
                 from kho.gate_result g
                 left join (select expectation_id, table_name, agency, count(*) as n
                              from kho.gate_failure where build = %(build)s group by 1, 2, 3) f
                   using (expectation_id, table_name)
                where g.build = %(build)s and not g.success and g.severity = %(severity)s
                order by g.table_name, g.expectation_id, f.n desc""",
            {"build": build, "severity": severity},
        ).fetchall()
        found = []
        for expectation, table, message, word, agency, n in results:
            rows = connection.execute(
                """select f.key, f.delivery_id, d.source_name
                     from kho.gate_failure f left join kho.delivery d using (delivery_id)
                    where f.build = %s and f.expectation_id = %s and f.table_name = %s
                      and f.agency is not distinct from %s
                    order by f.delivery_id, f.key::text limit %s""",
                (build, expectation, table, agency, examples),
            ).fetchall()
            name = names.get(agency, str(agency)) if agency else ""
            found.append(Failing(table, message, word, agency, name, int(n), [FailingRow(*row) for row in rows]))
    return found


def _quarantine(contracts: Sequence[Contract], night: date) -> list[Waiting]:
    by_id = {contract.id: contract for contract in contracts}
    found = []
    for dataset, (rows, mistakes) in kinds(contracts, night).items():
        contract = by_id.get(dataset)
        agency = dataset.partition(".")[0]
        title, name = (contract.title, contract.agency_name) if contract else (dataset, agency)
        found.append(Waiting(dataset, title, agency, name, rows, mistakes))
    return sorted(found, key=lambda w: (w.agency_name, w.title))


def _releases(night: date) -> list[Release]:
    """Releases of the night's builds, and what a person restored on that day."""
    with connect("release") as connection:
        rows = connection.execute(
            """select r.subject, r.release, r.restores, r.released_at, r.by_whom, coalesce(sum(t.inserted), 0)::bigint,
                      coalesce(sum(t.updated), 0)::bigint, coalesce(sum(t.deleted), 0)::bigint,
                      coalesce(bool_or(t.baseline), false)
                 from kho.release r join kho.build b using (build) left join kho.build_table t using (build)
                where case r.kind when 'rollback' then r.released_at::date else b.night end = %s
                group by r.subject, r.release order by r.subject, r.release""",
            (night,),
        ).fetchall()
    return [Release(row[0], SUBJECTS_VI.get(row[0], str(row[0])), *row[1:]) for row in rows]


def _refused() -> list[Refused]:
    """Open dead letters, counted by owner, obligation and code."""
    titles = {obligation.id: obligation.title for obligation in exchange.load_all()}
    groups: dict[tuple[str, str, str], list[exchange.DeadLetter]] = {}
    for letter in exchange.dead_letters():
        groups.setdefault((letter.owner, letter.obligation, letter.code), []).append(letter)
    return [
        Refused(
            obligation,
            titles.get(obligation, obligation),
            owner,
            code,
            letters[0].reason_vi,
            letters[0].reason_en,
            len(letters),
            min(letter.rejected_at for letter in letters),
            min(letter.due_on for letter in letters),
        )
        for (owner, obligation, code), letters in sorted(groups.items())
    ]


def _head(night: date) -> tuple[int, str]:
    """The head as the night exported it; before that, as it stands."""
    anchor = settings.anchors_folder() / f"{night.isoformat()}.json"
    if anchor.exists():
        head = ledger.read_anchor(anchor)
        return head.seq, head.mac
    with connect("release") as connection:
        row = connection.execute("select seq, encode(mac, 'hex') from kho.ledger order by seq desc limit 1").fetchone()
    return (int(row[0]), str(row[1])) if row else (0, "")

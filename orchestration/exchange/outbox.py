"""The outbox of one obligation: its session, and every step of its batches.

Purpose: the sender's side of the functions in exchange_plan.sql and exchange_send.sql; one connection holds the obligation's lock as long as the session lasts.
Belongs here: calls of the database. Stays out: the wire (`gateway`), the decisions (`run`, `reconcile`), what people are shown (`states`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from datetime import date, datetime
from typing import Any

from orchestration import settings
from orchestration.errors import KhoError, pg_error
from orchestration.exchange.obligation import Obligation, Terms
from orchestration.release import ledger
from orchestration.warehouse import connect

#: What the database says when it refuses; its own English messages hold names and numbers, never values.
_REFUSALS = {
    "KH060": "nghĩa vụ này đã gắn với một bảng khác",
    "KH061": "phiên này không giữ quyền gửi của nghĩa vụ",
    "KH062": "gói này không còn trên đường gửi",
    "KH063": "bản phát hành mới nhất chưa được lập thông điệp",
    "KH064": "bảng của nghĩa vụ này chưa được phát hành",
    "KH065": "bảng tạm của lần đối soát không phải của hệ thống",
    "KH066": "hệ thống nhận liệt kê một khóa hai lần",
}


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as claimed: `items` is the inside of the list to send, UTF-8, byte for byte as planned."""

    number: int
    operation: str
    messages: int
    items: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """What `run` must know of one message to act on the receiver's code. `switched`: it goes by the other operation now; `again`: it has
    been refused before, for that or by a person's wish.
    """

    id: str
    switched: bool
    again: bool


@dataclass(frozen=True, slots=True)
class Compared:
    """What was compared: our records, buckets that hold something on either side, those that differ; `whole`: all was listed."""

    records: int
    buckets: int
    differing: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Drift:
    """Records that are not the same on both sides; `known` are those whose reason is known and that are left out of the others."""

    missing: int
    different: int
    extra: int
    known: int


class Outbox:
    """A session as the only sender of an obligation; made by `open_outbox`. Every method commits what it does."""

    def __init__(self, connection: Any, number: int, obligation: Obligation) -> None:
        self._connection, self._number, self.obligation = connection, number, obligation
        self.run = self._one(
            "select coalesce(max(run), 0) + 1 from kho.exchange_run where obligation = %s", obligation.id
        )

    # -- planning ---------------------------------------------------------------------------------------------------------

    def plan(self, terms: Terms) -> int | None:
        """Messages made of the next release that has none yet; None when there is no such release."""
        released_at = self._one(
            """select min(r.released_at) from kho.release r join kho.obligation o using (subject)
                where o.obligation_id = %s and r.release > o.planned_release""",
            self._number,
        )
        if released_at is None:
            return None
        due = terms.due(_local(released_at))
        arguments = (self._number, json.dumps(terms.rendering()), terms.batch_size, due)
        planned = self._one("select exchange.plan(%s::smallint, %s::jsonb, %s, %s)", *arguments)
        return None if planned is None else int(planned)

    # -- sending ----------------------------------------------------------------------------------------------------------

    def adopt(self, settle_seconds: float) -> int:
        """Batches that a sender which died had under way become uncertain, to be asked about so long after their claim; how many."""
        return int(self._one("select exchange.adopt(%s::smallint, %s)", self._number, settle_seconds))

    def head(self) -> tuple[int, str] | None:
        """(number, state) of the batch whose turn it is; None when nothing is left."""
        rows = self._rows(
            """select batch, state from kho.batch where obligation_id = %s and state <> 'confirmed' order by first_seq limit 1""",
            self._number,
        )
        return (int(rows[0][0]), str(rows[0][1])) if rows else None

    def waiting(self) -> tuple[float, str, str]:
        """Seconds for which the receiver is still left alone, and why (vi, en). By the database's clock, which set them."""
        query = """select greatest(0, coalesce(extract(epoch from next_at - clock_timestamp()), 0)), problem_vi, problem_en
                     from kho.obligation where obligation_id = %s"""
        seconds, vi, en = self._rows(query, self._number)[0]
        return float(seconds), str(vi), str(en)

    def confirm_and_claim(
        self, confirmed: Sequence[tuple[int, bytes]], how_many: int, under_way: Sequence[int] = ()
    ) -> list[Batch]:
        """Write down what was confirmed (batch, SHA-256 of its bytes) and take the next batches, in one transaction.

        `under_way`: batches claimed before that will have been answered before any of these is sent.
        """
        with self._transaction():
            if confirmed:
                batches, hashes = [b for b, _ in confirmed], [h for _, h in confirmed]
                self._connection.execute(
                    "select exchange.confirm(%s::smallint, %s, %s, %s)", (self._number, batches, hashes, self.run)
                )
            if not how_many:
                return []
            rows = self._connection.execute(
                """select c.batch, c.operation, c.messages,
                          (select convert_to(string_agg(m.item, ',' order by m.seq), 'UTF8') from kho.message m
                            where m.obligation_id = %s and m.seq between c.first_seq and c.last_seq and m.batch = c.batch)
                     from exchange.claim(%s::smallint, %s, %s::int[]) c order by c.first_seq""",
                (self._number, self._number, how_many, list(under_way)),
                binary=True,  # nothing decodes and encodes the bytes on their way
            ).fetchall()
        return [Batch(*row) for row in rows]

    def resolve(
        self, batch: int, sha256: bytes | None, refused: list[dict[str, str]], again: list[str], switch: list[str]
    ) -> None:
        """One batch was answered in part: see `exchange.resolve`."""
        self._one(
            "select exchange.resolve(%s::smallint, %s, %s, %s, %s::jsonb, %s::uuid[], %s::uuid[])",
            self._number, batch, sha256, self.run, json.dumps(refused), again, switch,
        )  # fmt: skip

    def put_back(
        self, batches: Sequence[int], *, uncertain: bool = False, failed: bool = False, sha256: bytes | None = None
    ) -> None:
        """Batches under way go back: to pending, or to uncertain until the receiver has been asked; `sha256` of what was sent."""
        self._one(
            "select exchange.put_back(%s::smallint, %s, %s, %s, %s)",
            self._number, list(batches), uncertain, failed, sha256,
        )  # fmt: skip

    def isolate(self, batch: int, reason: str) -> str:
        """A batch that fails again and again: 'halved', 'set aside' (a message alone became a dead letter) or 'left'."""
        vi = f"hệ thống nhận không xử lý được thông điệp này sau nhiều lần gửi ({reason})"
        en = f"the receiver could not process this message in several attempts ({reason})"
        return str(
            self._one("select exchange.isolate(%s::smallint, %s, %s, %s, %s)", self._number, batch, self.run, vi, en)
        )

    def take_back(self, more_than: int) -> int:
        """What was put aside comes back when it is more than so many and nothing was dealt with meanwhile; how many."""
        return int(self._one("select exchange.take_back(%s::smallint, %s)", self._number, more_than))

    def batch(self, number: int) -> tuple[str, int, dict[str, Message]]:
        """(operation, attempts, messages by id) of a batch."""
        rows = self._rows(
            """select b.operation, b.attempts, m.id::text, m.switched, m.switched or m.retried_by is not null from kho.batch b join kho.message m
                   on m.obligation_id = b.obligation_id and m.seq between b.first_seq and b.last_seq and m.batch = b.batch
                where b.obligation_id = %s and b.batch = %s order by m.seq""",
            self._number, number,
        )  # fmt: skip
        return str(rows[0][0]), int(rows[0][1]), {row[2]: Message(*row[2:]) for row in rows}

    def trouble(self, vi: str, en: str, seconds: float) -> None:
        """The receiver cannot be dealt with now: say why, and leave it alone for a while, never shorter than it was to be."""
        self._execute(
            """update kho.obligation set failures = failures + 1, problem_vi = %s, problem_en = %s,
                      next_at = greatest(next_at, clock_timestamp() + %s * interval '1 second') where obligation_id = %s""",
            vi, en, seconds, self._number,
        )  # fmt: skip

    def failures(self) -> int:
        """Troubles in a row."""
        return int(self._one("select failures from kho.obligation where obligation_id = %s", self._number))

    def retry(self, seqs: Sequence[int] | None, by: str) -> int:
        """Dead letters are pending again, the same bytes; how many."""
        chosen = None if seqs is None else list(seqs)
        return int(self._one("select exchange.retry(%s::smallint, %s::bigint[], %s)", self._number, chosen, by))

    # -- reconciling ------------------------------------------------------------------------------------------------------

    def image(self, terms: Terms) -> int:
        """Our side, rendered by the terms of today, into the session's table; how many records."""
        return int(
            self._one("select exchange.image(%s::smallint, %s::jsonb)", self._number, json.dumps(terms.rendering()))
        )

    def planned_release(self) -> int:
        """The release up to which messages are planned; 0 when the subject was never released."""
        return int(self._one("select planned_release from kho.obligation where obligation_id = %s", self._number))

    def buckets(self) -> dict[str, tuple[int, str]]:
        """Our side by bucket, as the receiver tells its own: records, and the XOR of the first 64 bits of each content's MD5."""
        rows = self._rows(
            """select bucket, count(*), lpad(to_hex(bit_xor(('x' || left(hash, 16))::bit(64)::bigint)), 16, '0')
                 from pg_temp.ours where problem is null group by bucket"""
        )
        return {bucket: (count, digest) for bucket, count, digest in rows}

    def begin_listing(self) -> None:
        """An empty table for the receiver's records."""
        self._one("select exchange.begin_listing(%s::smallint)", self._number)

    def list_theirs(self, lines: Iterator[tuple[str, str, str]]) -> None:
        """Add records (key, hash, JSON) by COPY, all of them or none."""
        with self._transaction(), self._connection.cursor().copy("copy pg_temp.theirs from stdin") as copy:
            for line in lines:
                copy.write_row(line)

    def compare(self, buckets: list[str] | None) -> Drift:
        """The records of these buckets (None: all) that are not the same on both sides."""
        query = "select missing, different, extra, known from exchange.compare(%s::smallint, %s::text[])"
        return Drift(*self._rows(query, self._number, buckets)[0])

    def repair(
        self, terms: Terms, compared: Compared, found: Drift, confirmed_by: str | None, *, store: bool
    ) -> tuple[Any, ...]:
        """Write the reconciliation down and, with `store`, put the difference into the outbox, in one transaction.

        Returns (number, at, release, compared, buckets, differing, missing, different, extra, known, repaired).
        """
        due = terms.due(_local(settings.now()))
        with self._transaction():
            number = self._one(
                "select coalesce(max(number), 0) + 1 from kho.reconciliation where obligation = %s", self.obligation.id
            )
            repaired = 0
            if store:
                repaired = self._one(
                    "select exchange.repair(%s::smallint, %s, %s::jsonb, %s, %s, %s)",
                    self._number, number, json.dumps(terms.rendering()), terms.batch_size, due, confirmed_by is not None,
                )  # fmt: skip
            return self._rows(
                """insert into kho.reconciliation (obligation, number, release, compared, buckets, differing, whole,
                                                  missing, different, extra, known, repaired, confirmed_by)
                   select %s, %s, planned_release, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s from kho.obligation where obligation_id = %s
                   returning number, at, release, compared, buckets, differing, missing, different, extra, known, repaired""",
                self.obligation.id, number, *astuple(compared), *astuple(found), repaired, confirmed_by, self._number,
            )[0]  # fmt: skip

    # -- the end of a run -------------------------------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """Since the last recorded run: planned, confirmed, rejected; and now: pending, uncertain."""
        row = self._rows(
            """select o.last_seq - coalesce(sum(e.planned), 0), o.confirmed - coalesce(sum(e.confirmed), 0), o.refused - coalesce(sum(e.rejected), 0),
                      (select coalesce(sum(messages), 0) from kho.batch b where b.obligation_id = o.obligation_id and b.state in ('pending', 'sending')),
                      (select coalesce(sum(messages), 0) from kho.batch b where b.obligation_id = o.obligation_id and b.state = 'uncertain')
                 from kho.obligation o left join kho.exchange_run e using (obligation) where o.obligation_id = %s group by o.obligation_id""",
            self._number,
        )[0]
        return dict(zip(("planned", "confirmed", "rejected", "pending", "uncertain"), map(int, row), strict=True))

    def record(self, started_at: datetime, outcome: str) -> dict[str, int]:
        """Close the run: its counts, and evidence in the ledger when anything was planned or answered."""
        with self._transaction():
            counts = self.counts()
            self._connection.execute(
                "update kho.obligation set looked_at = clock_timestamp() where obligation_id = %s", (self._number,)
            )
            happened = [counts[name] for name in ("planned", "confirmed", "rejected")]
            if any(happened):
                self._connection.execute(
                    "insert into kho.exchange_run (obligation, run, started_at, outcome, planned, confirmed, rejected) values (%s, %s, %s, %s, %s, %s, %s)",
                    (self.obligation.id, self.run, started_at, outcome, *happened),
                )
                ledger.append(self._connection, "exchange", self.obligation.id, self.run)
        return counts

    # -- the connection ---------------------------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One transaction; a refusal of the database leaves it as a KhoError without values."""
        import psycopg

        failure: KhoError
        try:
            with self._connection.transaction():
                yield
            return
        except psycopg.Error as error:
            failure = translate(error, self.obligation.id)
        raise failure

    def _rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self._transaction():
            rows: list[tuple[Any, ...]] = self._connection.execute(query, parameters).fetchall()
        return rows

    def _one(self, query: str, *parameters: Any) -> Any:
        return self._rows(query, *parameters)[0][0]

    def _execute(self, query: str, *parameters: Any) -> None:
        with self._transaction():
            self._connection.execute(query, parameters)


def translate(error: Any, obligation: str) -> KhoError:
    """A refusal of the database keeps its own words (they hold names only); anything else loses them."""
    state = error.sqlstate or ""
    if state in _REFUSALS:
        return KhoError(
            state, f"{obligation}: {_REFUSALS[state]}", str(error.diag.message_primary), {"relation": obligation}
        )
    return pg_error(error, relation=obligation)


def _local(moment: datetime) -> date:
    return moment.astimezone(settings.TIMEZONE).date()


@contextmanager
def open_outbox(obligation: Obligation) -> Iterator[Outbox | None]:
    """The session of the only sender; None when another one is at it.

    The lock goes with the connection, so a sender that dies leaves it free.
    """
    import psycopg

    connection = connect("exchange", autocommit=True)
    failure: KhoError | None = None
    try:
        try:
            name = f"kho.exchange:{obligation.id}"
            number = connection.execute(
                "select exchange.declare(%s, %s, %s)", (obligation.id, obligation.subject, obligation.table)
            ).fetchone()
            mine = connection.execute("select pg_try_advisory_lock(hashtextextended(%s, 0))", (name,)).fetchone()
        except psycopg.Error as error:
            failure = translate(error, obligation.id)
        if failure is not None:
            raise failure
        assert number is not None and mine is not None
        yield Outbox(connection, number[0], obligation) if mine[0] else None
    finally:
        with suppress(psycopg.Error):  # of a connection that is gone, the lock is too
            # At once: the server notices a closed connection a little later.
            connection.execute("select pg_advisory_unlock_all()")
        connection.close()

"""One delivery, landed: kept bytes, raw rows, quarantine, receipt, cursor and ledger commit together or not at all.

Belongs here: the order of things and the decisions (unchanged, refused, waiting, applied). Stays out: COPY and split (`load`),
SQL of the rules (`rules`), how rows move (the database's `delta` functions).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from orchestration import settings
from orchestration.contracts import Contract
from orchestration.errors import KhoError, pg_error
from orchestration.faults import step
from orchestration.landing.keep import Kept, blocks, sweep
from orchestration.landing.load import Loaded, Loader, NotClean
from orchestration.landing.raw_table import RawTable
from orchestration.release import ledger
from orchestration.sources import parse
from orchestration.warehouse import connect, refuse_synthetic_outside

if TYPE_CHECKING:
    from orchestration.sources import Delivery

Sql = sql.Composable
#: A snapshot that would delete more than this share of what is there waits for a named person.
GUARD = 0.20


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a delivery. Counts are rows; outcome is applied, unchanged, waiting or refused."""

    dataset: str
    outcome: str
    delivery_id: int
    received: int = 0
    accepted: int = 0
    quarantined: int = 0
    duplicates: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    reason_vi: str = ""
    reason_en: str = ""


class _Refused(Exception):
    """Ends a landing as refused or waiting; the reason goes on the receipt."""

    def __init__(self, outcome: str, vi: str, en: str, received: int = 0) -> None:
        super().__init__(outcome)
        self.outcome, self.vi, self.en, self.received = outcome, vi, en, received


def land(
    contract: Contract, delivery: Delivery, *, night: date, confirms: int | None = None, confirmed_by: str | None = None
) -> Receipt:
    """Land one delivery and return its receipt once that is committed.

    Calling again with the same bytes is a no-op (unchanged). A snapshot older than the last applied one is refused; one that would
    delete more than a fifth waits for `confirmed_by`. Raises KhoError without values; then nothing has changed but the attempt.
    """
    refuse_synthetic_outside()
    failure: KhoError
    try:
        with connect("loader") as connection:
            return _Landing(connection, contract, delivery, night, confirms, confirmed_by).run()
    except psycopg.Error as error:
        failure = pg_error(error, relation=f"raw.{contract.table}")
    raise failure


class _Landing:
    """The transaction of one delivery."""

    def __init__(
        self,
        connection: psycopg.Connection,
        contract: Contract,
        delivery: Delivery,
        night: date,
        confirms: int | None,
        confirmed_by: str | None,
    ) -> None:
        self.connection, self.contract, self.delivery, self.night = connection, contract, delivery, night
        self.confirms, self.confirmed_by = confirms, confirmed_by
        self.extra: tuple[str, ...] = ()
        self.synthetic = settings.synthetic()

    def run(self) -> Receipt:
        c, contract = self.connection, self.contract
        c.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"kho.dataset:{contract.id}",))
        c.execute("set local work_mem = '256MB'; set local maintenance_work_mem = '512MB'")
        # Checks and casts cost far more than the planner knows: without this it would leave them to one core.
        c.execute("set local parallel_setup_cost = 100; set local parallel_tuple_cost = 0.0001")
        c.execute("set local client_min_messages = error; set local timezone = 'Asia/Ho_Chi_Minh'")
        self.state = c.execute(
            "select cursor, last_delivery, last_sha256, last_as_of from kho.dataset where dataset = %s", (contract.id,)
        ).fetchone() or (None, None, None, None)
        self._sweep()
        if self.delivery.sha256 is not None and self._same_as_last(_bytes(self.delivery.sha256)):
            return self._unchanged()
        row = c.execute("select nextval('kho.delivery_id')").fetchone()
        assert row is not None
        self.delivery_id = int(row[0])
        self.kept = Kept(contract, self.delivery_id, self.delivery.encoding)
        self.stream = self.kept.through(self.delivery.chunks)
        try:
            return self._receive()
        except BaseException:
            self.kept.discard()
            raise

    def _receive(self) -> Receipt:
        loader = Loader(
            self.connection,
            self.contract,
            self.delivery_id,
            self.delivery.encoding,
            self.delivery.name,
            synthetic=self.synthetic,
        )
        self.table = table = RawTable(loader, self.delivery, self.kept)
        counts: dict[str, int] = {}
        outcome, vi, en = "applied", "", ""
        try:
            with self.connection.transaction():
                self._refuse_older()
                loaded = self._load(loader)
                if self._same_as_last(self.kept.sha256):
                    raise psycopg.Rollback
                counts = table.apply(loaded, lambda deleted: self._guard(deleted, loaded.received))
        except _Refused as refused:
            outcome, vi, en = refused.outcome, refused.vi, refused.en
            counts = {"received": refused.received}
        except KhoError as unusable:
            if unusable.transient:
                raise
            # Kept and answered for: the agency reads why on its receipt, and what it sends next is not held up.
            outcome, vi, en = "refused", unusable.vi, unusable.en
            counts = {"received": 0}
        for _ in self.stream:  # whatever became of the rows, the bytes are kept whole
            pass
        step("landing:copied")
        nothing_new = not counts or (
            self.contract.delivery == "cursor" and outcome == "applied" and self.state[1] is not None and not table.closed
            and not any(counts[name] for name in ("inserted", "updated", "deleted", "quarantined"))
        )  # fmt: skip
        if nothing_new:
            self.kept.discard()
            return self._unchanged(received=counts.get("received", 0))
        self.kept.seal()
        step("landing:kept")
        cursor_after = self.delivery.cursor_after() if outcome == "applied" else None
        receipt = self._write_receipt(outcome, counts, vi, en, cursor_after)
        ledger.append(self.connection, "receipt", self.contract.id, self.delivery_id)
        step("landing:before-commit")
        self.connection.commit()
        step("landing:committed")
        self.delivery.done()
        return receipt

    # -- decisions --------------------------------------------------------------------------------------------------------

    def _same_as_last(self, sha256: bytes) -> bool:
        if self.delivery.keys is not None:
            return False  # the same rows again say nothing about the keys that have gone
        return self.state[2] is not None and bytes(self.state[2]) == sha256 and self.confirms is None

    def _unchanged(self, received: int = 0) -> Receipt:
        self.connection.execute(
            "update kho.dataset set last_good_at = clock_timestamp() where dataset = %s", (self.contract.id,)
        )
        if self.contract.delivery == "snapshot":
            self.connection.execute(
                "update kho.dataset set last_as_of = greatest(last_as_of, %s) where dataset = %s",
                (self.delivery.as_of, self.contract.id),
            )
        self.connection.commit()
        self.delivery.done()
        return Receipt(self.contract.id, "unchanged", int(self.state[1]), received=received, unchanged=received)

    def _refuse_older(self) -> None:
        last = self.state[3]
        if self.contract.delivery == "snapshot" and last is not None and self.delivery.as_of < last:
            raise _Refused(
                "refused",
                vi=f"{self.delivery.name}: bản chụp ngày {self.delivery.as_of:%d/%m/%Y} cũ hơn bản đã nhận ngày {last:%d/%m/%Y}",
                en=f"{self.delivery.name}: snapshot of {self.delivery.as_of:%Y-%m-%d} is older than the one taken in of {last:%Y-%m-%d}",
            )

    def _guard(self, deleted: int, received: int) -> None:
        if not deleted or self.confirmed_by:
            return
        present = self.table.present()
        if deleted > GUARD * present:
            share = round(100 * deleted / present)
            raise _Refused(
                "waiting",
                vi=f"{self.delivery.name}: sẽ xóa {deleted} trong {present} dòng ({share} %), chờ người có thẩm quyền xác nhận",
                en=f"{self.delivery.name}: would delete {deleted} of {present} rows ({share} %), waits for a named person's confirmation",
                received=received,
            )

    # -- rows -------------------------------------------------------------------------------------------------------------

    def _load(self, loader: Loader) -> Loaded:
        delivery = self.delivery
        is_first = self.table.is_first
        if not is_first:
            self.table.evolve()
        target: sql.Identifier = self.table.raw if is_first else loader.scratch("new")
        columns = tuple(delivery.columns)
        stream: Iterable[bytes] = self.stream
        if delivery.encoding in ("xlsx", "json"):
            for _ in stream:
                pass
            known = {column.name for column in self.contract.columns} | {"_row"}
            titles, stream = parse(self.contract, delivery.encoding, self.kept.staged)
            columns = tuple(title if title in known else None for title in titles)
            self.extra = tuple(title for title in titles if title not in known)
        elif loader.can_be_clean(columns):
            try:
                with self.connection.transaction():
                    received = loader.clean(target, columns, stream, as_raw=is_first)
                self.extra = tuple(delivery.extra)
                return Loaded(table="", received=received, scratch=[] if is_first else ["new"])
            except NotClean:
                for _ in stream:  # what is left has to be kept all the same
                    pass
                stream = blocks(self.kept.staged)
        if delivery.encoding in ("csv", "binary"):
            self.extra = tuple(delivery.extra)
        loaded = loader.general(target, columns, self.extra if None in columns else (), stream, as_raw=is_first)
        loaded.scratch += [] if is_first else ["new"]
        return loaded

    # -- the record -------------------------------------------------------------------------------------------------------

    def _write_receipt(
        self, outcome: str, counts: Mapping[str, int], vi: str, en: str, cursor_after: str | None
    ) -> Receipt:
        contract, delivery = self.contract, self.delivery
        sha256 = self.kept.sha256
        values: dict[str, Any] = {
            "delivery_id": self.delivery_id, "dataset": contract.id, "agency": contract.agency, "subject": contract.subject, "night": self.night,
            "source_name": delivery.name, "as_of": delivery.as_of, "sha256": sha256, "size_bytes": self.kept.size,
            "kept_path": self.kept.relative(), "encoding": delivery.encoding, "cursor_before": self.state[0], "cursor_after": cursor_after,
            "deletions_withheld": self.table.withheld, "synthetic": self.synthetic, "drift": Jsonb({"extra": list(self.extra)} if self.extra else {}),
            "outcome": outcome, "confirms": self.confirms, "confirmed_by": self.confirmed_by, "reason_vi": vi or None, "reason_en": en or None, **counts,
        }  # fmt: skip
        self.connection.execute(
            sql.SQL("insert into kho.delivery ({}) values ({})").format(
                sql.SQL(", ").join(map(sql.Identifier, values)), sql.SQL(", ").join(map(sql.Placeholder, values))
            ),
            values,
        )
        if outcome == "applied":
            self.connection.execute(
                """insert into kho.dataset as s (dataset, agency, subject, cursor, last_delivery, last_sha256, last_as_of, last_good_at)
                   values (%s, %s, %s, %s, %s, %s, %s, clock_timestamp())
                   on conflict (dataset) do update set cursor = coalesce(excluded.cursor, s.cursor), last_delivery = excluded.last_delivery,
                      last_sha256 = excluded.last_sha256, last_as_of = excluded.last_as_of, last_good_at = excluded.last_good_at,
                      agency = excluded.agency, subject = excluded.subject""",
                (
                    contract.id,
                    contract.agency,
                    contract.subject,
                    cursor_after,
                    self.delivery_id,
                    sha256,
                    delivery.as_of,
                ),
            )
        return Receipt(contract.id, outcome, self.delivery_id, reason_vi=vi, reason_en=en, **counts)

    def _sweep(self) -> None:
        rows = self.connection.execute(
            "select delivery_id, received_at < clock_timestamp() - make_interval(days => %s) and delivery_id is distinct from %s"
            " from kho.delivery where dataset = %s",
            (self.contract.retention_days, self.state[1], self.contract.id),
        ).fetchall()
        sweep(self.contract, {row[0] for row in rows}, {row[0] for row in rows if row[1]})


def _bytes(sha256: str | bytes) -> bytes:
    return bytes.fromhex(sha256) if isinstance(sha256, str) else sha256

"""One delivery, landed: kept bytes, raw rows, quarantine, receipt, cursor and ledger commit together or not at all.

Belongs here: the order of things and the decisions (unchanged, refused, waiting, applied). Stays out: COPY and split (`load`),
SQL of the rules (`rules`), how rows move (the database's `delta` functions).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from orchestration import settings
from orchestration.contracts import Contract
from orchestration.errors import KhoError, pg_error
from orchestration.faults import step
from orchestration.landing import tickets
from orchestration.landing.keep import Kept, blocks
from orchestration.landing.load import Loaded, Loader, NotClean
from orchestration.landing.overtaken import earlier, layout, older_parts, others_since, waiting_twin
from orchestration.landing.raw_table import FEW, RawTable
from orchestration.landing.retention import sweep_dataset
from orchestration.landing.returned import Answer
from orchestration.landing.state import (
    compare,
    read_state,
    remember_cursor,
    rules_hash,
    source_columns,
    touch_state,
    write_state,
)
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
    """What became of a delivery. Counts are rows, `noted` among the accepted; outcome is applied, unchanged, waiting or refused."""

    dataset: str
    outcome: str
    delivery_id: int
    received: int = 0
    accepted: int = 0
    quarantined: int = 0
    duplicates: int = 0
    noted: int = 0
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
    contract: Contract,
    delivery: Delivery,
    *,
    night: date,
    confirms: int | None = None,
    retries: int | None = None,
    confirmed_by: str | None = None,
) -> Receipt:
    """Land one delivery and return its receipt once that is committed.

    Calling again with the same bytes is a no-op (unchanged) while their rules and what other channels brought are the same. A
    snapshot older than the last applied one is refused; one that would delete more than a fifth waits for `confirmed_by`, and
    waits once however often it comes. `confirms` or `retries`: the waiting or refused delivery whose bytes these are.
    Raises KhoError without values; then nothing has changed but the attempt.
    """
    refuse_synthetic_outside()
    failure: KhoError
    try:
        with connect("loader") as connection:
            return _Landing(connection, contract, delivery, night, confirms, retries, confirmed_by).run()
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
        retries: int | None,
        confirmed_by: str | None,
    ) -> None:
        self.connection, self.contract, self.delivery, self.night = connection, contract, delivery, night
        self.confirms, self.retries, self.confirmed_by = confirms, retries, confirmed_by
        self.is_again = confirms is not None or retries is not None
        self.of_files = contract.source.kind == "files"
        self.extra: tuple[str, ...] = ()
        self.unchecked: list[str] = []
        self.synthetic = settings.synthetic()

    def run(self) -> Receipt:
        c, contract = self.connection, self.contract
        c.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"kho.dataset:{contract.id}",))
        c.execute("set local work_mem = '256MB'; set local maintenance_work_mem = '512MB'")
        # Checks and casts cost far more than the planner knows: without this it would leave them to one core.
        c.execute("set local parallel_setup_cost = 100; set local parallel_tuple_cost = 0.0001")
        c.execute("set local client_min_messages = error; set local timezone = 'Asia/Ho_Chi_Minh'")
        for number, outcome in ((self.confirms, "waiting"), (self.retries, "refused")):
            if number is not None:
                earlier(c, contract, number, outcome)  # somebody may have done it while the lock was awaited
        if isinstance(self.delivery, Answer):
            self.delivery.as_of = settings.now()  # the word after all that was landed while the lock was awaited
        self.state = read_state(c, contract.id, self.delivery.channel)
        self.rules = rules_hash(c, contract, self.delivery, synthetic=self.synthetic)
        sweep_dataset(c, contract)
        if self.delivery.keys is not None and not self._keys_are_due():
            self.delivery.keys = None
        if self.delivery.sha256 is not None and self._same_as_last(bytes.fromhex(self.delivery.sha256)):
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
            delimiter=self.delivery.delimiter,
            as_of=self.delivery.as_of.astimezone(settings.TIMEZONE).date(),
            parts=self.delivery.parts,
        )
        self.table = table = RawTable(loader, self.delivery, self.kept)
        counts: dict[str, int] = {}
        outcome, vi, en = "applied", "", ""
        try:
            with self.connection.transaction():
                self._refuse_older()
                loaded = self._load(loader)
                self.unchecked = loader.unchecked
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
            self.contract.delivery != "snapshot" and outcome == "applied" and self.state.last_delivery is not None and not table.closed
            and not self.is_again and not table.withheld and not any(counts[name] for name in ("inserted", "updated", "deleted", "quarantined", "noted"))
        )  # fmt: skip
        if nothing_new:
            self.kept.discard()
            checked = bool(counts) and self._keys_checked()
            return self._unchanged(received=counts.get("received", 0), keys_checked=checked)
        if outcome == "waiting" and not self.is_again and self.delivery.keys is None:
            twin = waiting_twin(self.connection, self.contract, self.delivery, self.kept.sha256)
            if twin is not None:
                return self._still_waiting(twin, counts, vi, en)
        self.kept.seal()
        step("landing:kept")
        cursor_after = self._cursor_after(outcome)
        receipt = self._write_receipt(outcome, counts, vi, en, cursor_after)
        if outcome == "applied":
            tickets.keep(self.connection, self.contract, self.delivery_id, self.night)
        ledger.append(self.connection, "receipt", self.contract.id, self.delivery_id)
        step("landing:before-commit")
        self.connection.commit()
        step("landing:committed")
        self._tell(outcome)
        return receipt

    # -- decisions --------------------------------------------------------------------------------------------------------

    def _same_as_last(self, sha256: bytes) -> bool:
        """Whether these bytes would say nothing that the last applied ones did not, judged by the same rules."""
        state, delivery = self.state, self.delivery
        if delivery.keys is not None or self.is_again:
            return False  # the same rows again say nothing about the keys that have gone
        if state.last_sha256 != sha256 or state.rules_hash != self.rules:
            return False
        if self.contract.partition is not None and state.last_as_of is not None and delivery.as_of > state.last_as_of:
            return False  # of which day a part's last word is stands on receipts only
        return not others_since(self.connection, self.contract.id, delivery.channel, state.last_delivery)

    def _keys_are_due(self) -> bool:
        """Whether the keys of the source are compared again: with every delivery, or once in so many days."""
        checked = self.state.keys_checked_at
        return checked is None or settings.now() - checked >= timedelta(days=self.contract.key_check_days)

    def _unchanged(self, received: int = 0, *, keys_checked: bool = False) -> Receipt:
        touch_state(self.connection, self.contract, self.delivery, self._cursor_after("unchanged"), keys_checked)
        self.connection.commit()
        self._tell("unchanged")
        return Receipt(
            self.contract.id, "unchanged", int(self.state.last_delivery or 0), received=received, unchanged=received
        )

    def _still_waiting(self, twin: int, counts: Mapping[str, int], vi: str, en: str) -> Receipt:
        """The receipt of a delivery that waits already with the same bytes: they are kept once, and one number is to be confirmed."""
        self.kept.discard()
        remember_cursor(self.connection, self.contract, self.delivery, self._cursor_after("waiting"))
        self.connection.commit()
        self._tell("waiting")
        return Receipt(self.contract.id, "waiting", twin, reason_vi=vi, reason_en=en, **counts)

    def _tell(self, outcome: str) -> None:
        """Tell the source that it need not deliver this again: what is in raw, and a file as soon as there is a receipt of it."""
        if self.of_files or outcome in ("applied", "unchanged"):
            self.delivery.done()

    def _cursor_after(self, outcome: str) -> str | None:
        """The cursor to store. That of files says which were taken, whatever became of them; any other says what is in raw."""
        return self.delivery.cursor_after() if self.of_files or outcome in ("applied", "unchanged") else None

    def _keys_checked(self) -> bool:
        """Whether the keys were compared. A list that could not be read leaves the check due."""
        return self.delivery.keys is not None and not self.table.withheld

    def _refuse_older(self) -> None:
        delivery, last = self.delivery, self.state.last_as_of
        if self.contract.delivery != "snapshot" or delivery.partial:
            return
        if self.contract.partition is not None:
            older = self.table.older_parts = older_parts(self.connection, self.contract, delivery)
            if older and older.issuperset(delivery.parts):
                named = ", ".join(sorted(older)[:5]) + (f" (+{len(older) - 5})" if len(older) > 5 else "")
                raise _Refused(
                    "refused",
                    vi=f"{delivery.name}: ngày {delivery.as_of:%d/%m/%Y} cũ hơn bản đã nhận của phần {named}",
                    en=f"{delivery.name}: of {delivery.as_of:%Y-%m-%d}, older than what was taken in of part {named}",
                )
        elif last is not None and delivery.as_of < last:
            raise _Refused(
                "refused",
                vi=f"{delivery.name}: bản chụp ngày {delivery.as_of:%d/%m/%Y} cũ hơn bản đã nhận ngày {last:%d/%m/%Y}",
                en=f"{delivery.name}: snapshot of {delivery.as_of:%Y-%m-%d} is older than the one taken in of {last:%Y-%m-%d}",
            )

    def _guard(self, deleted: int, received: int) -> None:
        if not deleted or (self.confirmed_by and self.retries is None):
            return
        present = self.table.present()
        shrunk = self.table.shrunk()
        # A part is small: what a school loses between two files is no alarm until it is more than a few.
        enough = deleted > GUARD * present and (self.contract.partition is None or deleted > FEW)
        if shrunk and not enough:
            named = ", ".join(shrunk[:5]) + (f" (+{len(shrunk) - 5})" if len(shrunk) > 5 else "")
            raise _Refused(
                "waiting",
                vi=f"{self.delivery.name}: phần {named} mất hơn một nửa số dòng, chờ người có thẩm quyền xác nhận",
                en=f"{self.delivery.name}: parts {named} lose more than half of their rows, waits for a named person's confirmation",
                received=received,
            )
        if enough:
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
        stream: Iterable[bytes] = self._decoded(self.stream)
        scratch = [] if is_first else ["new"]
        if delivery.encoding not in ("csv", "binary"):
            for _ in self.stream:
                pass
            titles, stream = parse(self.contract, delivery.encoding, self.kept.staged, delivery.name)
            known = {column.name for column in self.contract.columns} | {"_row", "_file"}
            columns = tuple(title if title in known else None for title in titles)
            self.extra = tuple(title for title in titles if title not in known)
        elif loader.can_be_clean(columns):
            try:
                with self.connection.transaction():
                    loaded = loader.clean(target, columns, stream, as_raw=is_first)
                self.extra = tuple(delivery.extra)
                loaded.scratch += scratch
                return loaded
            except NotClean:
                for _ in self.stream:  # what is left has to be kept all the same
                    pass
                stream = self._decoded(blocks(self.kept.staged))
        if delivery.encoding in ("csv", "binary"):
            self.extra = tuple(delivery.extra)
        loaded = loader.general(target, columns, self.extra if None in columns else (), stream, as_raw=is_first)
        loaded.scratch += scratch
        return loaded

    def _decoded(self, chunks: Iterable[bytes]) -> Iterable[bytes]:
        """Delivered text as UTF-8."""
        if self.delivery.encoding != "csv":
            return chunks
        from orchestration.sources.charsets import decoded

        return decoded(chunks, self.delivery.charset, self.delivery.name)

    # -- the record -------------------------------------------------------------------------------------------------------

    def _write_receipt(
        self, outcome: str, counts: Mapping[str, int], vi: str, en: str, cursor_after: str | None
    ) -> Receipt:
        contract, delivery = self.contract, self.delivery
        sha256 = self.kept.sha256
        drift = self._drift()
        # Of what was taken in, the parts that it is the last word of; of anything else all that it is the whole of.
        parts = self.table.parts if outcome == "applied" else sorted(delivery.parts)
        values: dict[str, Any] = {
            "delivery_id": self.delivery_id, "dataset": contract.id, "agency": contract.agency, "subject": contract.subject, "night": self.night,
            "source_name": delivery.name, "as_of": delivery.as_of, "sha256": sha256, "size_bytes": self.kept.size, "channel": delivery.channel,
            "kept_path": self.kept.relative(), "encoding": delivery.encoding, "cursor_before": self.state.cursor, "cursor_after": cursor_after,
            "deletions_withheld": self.table.withheld, "synthetic": self.synthetic, "drift": Jsonb(drift), "outcome": outcome,
            "parts": None if contract.partition is None else parts, "partial": delivery.partial, "layout": layout(contract, delivery), "retries": self.retries,
            "confirms": self.confirms, "confirmed_by": self.confirmed_by, "reason_vi": vi or None, "reason_en": en or None, **counts,
        }  # fmt: skip
        self.connection.execute(
            sql.SQL("insert into kho.delivery ({}) values ({})").format(
                sql.SQL(", ").join(map(sql.Identifier, values)), sql.SQL(", ").join(map(sql.Placeholder, values))
            ),
            values,
        )
        # What an agency corrected says nothing of its source: cursor, hash and freshness stay.
        if outcome == "applied" and not isinstance(delivery, Answer):
            columns, checked = source_columns(contract, delivery, self.extra), self._keys_checked()
            write_state(
                self.connection,
                contract,
                delivery,
                self.delivery_id,
                cursor_after,
                sha256,
                columns,
                self.rules,
                checked,
            )
        elif not isinstance(delivery, Answer):
            remember_cursor(self.connection, contract, delivery, cursor_after)
        return Receipt(contract.id, outcome, self.delivery_id, reason_vi=vi, reason_en=en, **counts)

    def _drift(self) -> dict[str, Any]:
        """How the source differs from the contract and from what it was last time, and which rules could not be checked."""
        drift = compare(self.state.source_columns, source_columns(self.contract, self.delivery, self.extra))
        if self.extra:
            drift["extra"] = list(self.extra)
        if self.unchecked:
            drift["unchecked"] = list(dict.fromkeys(self.unchecked))
        return drift

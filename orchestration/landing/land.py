"""One delivery, landed: kept bytes, raw rows, quarantine, receipt, cursor and ledger commit together or not at all.

Belongs here: the order of things and the decisions (unchanged, refused, waiting, applied). Stays out: COPY and split (`load`),
SQL of the rules (`rules`), how rows move (the database's `delta` functions).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from orchestration import settings
from orchestration.contracts import Contract
from orchestration.errors import KhoError, pg_error
from orchestration.faults import step
from orchestration.landing.keep import Kept, keys_beside, sweep
from orchestration.landing.load import Loaded, Loader, NotClean
from orchestration.release import ledger
from orchestration.sources import open_source, parse
from orchestration.warehouse import connect

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


def land(contract: Contract, delivery: Delivery, *, night: date, confirms: int | None = None, confirmed_by: str | None = None) -> Receipt:
    """Land one delivery and return its receipt once that is committed.

    Calling again with the same bytes is a no-op (unchanged). A snapshot older than the last applied one is refused; one that would
    delete more than a fifth waits for `confirmed_by`. Raises KhoError without values; then nothing has changed but the attempt.
    """
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
        self, connection: psycopg.Connection, contract: Contract, delivery: Delivery, night: date, confirms: int | None, confirmed_by: str | None
    ) -> None:
        self.connection, self.contract, self.delivery, self.night = connection, contract, delivery, night
        self.confirms, self.confirmed_by = confirms, confirmed_by
        self.raw = sql.Identifier("raw", contract.table)
        self.extra: tuple[str, ...] = ()
        self.withheld = False
        self.closed = 0

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
        loader = Loader(self.connection, self.contract, self.delivery_id, self.delivery.encoding, self.delivery.name)
        counts: dict[str, int] = {}
        outcome, vi, en = "applied", "", ""
        try:
            with self.connection.transaction():
                self._refuse_older()
                loaded = self._load(loader)
                if self._same_as_last(self.kept.sha256):
                    raise psycopg.Rollback
                counts = self._apply(loader, loaded)
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
            self.contract.delivery == "cursor" and outcome == "applied" and self.state[1] is not None and not self.closed
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
        self.connection.execute("update kho.dataset set last_good_at = clock_timestamp() where dataset = %s", (self.contract.id,))
        if self.contract.delivery == "snapshot":
            self.connection.execute(
                "update kho.dataset set last_as_of = greatest(last_as_of, %s) where dataset = %s", (self.delivery.as_of, self.contract.id)
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
        present = self._count(sql.SQL("select count(*) from {} where not _deleted").format(self.raw))
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
        self.is_first = self._count(sql.SQL("select count(*) from pg_class where oid = to_regclass({})").format(sql.Literal(f"raw.{self.contract.table}"))) == 0
        if not self.is_first:
            self._evolve()
        target: sql.Identifier = self.raw if self.is_first else loader.scratch("new")
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
                    received = loader.clean(target, columns, stream, as_raw=self.is_first)
                self.extra = tuple(delivery.extra)
                return Loaded(table="", received=received, scratch=[] if self.is_first else ["new"])
            except NotClean:
                for _ in stream:  # what is left has to be kept all the same
                    pass
                stream = _blocks(self.kept.staged)
        if delivery.encoding in ("csv", "binary"):
            self.extra = tuple(delivery.extra)
        loaded = loader.general(target, columns, self.extra if None in columns else (), stream, as_raw=self.is_first)
        loaded.scratch += [] if self.is_first else ["new"]
        return loaded

    def _apply(self, loader: Loader, loaded: Loaded) -> dict[str, int]:
        """Move the good rows into raw through the delta; returns every count of the receipt."""
        contract, run = self.contract, loader.run
        deleted = inserted = updated = 0
        if self.is_first:
            self._finish_first_load(loaded)
            inserted = loaded.accepted
        else:
            new, delta, present = loader.scratch("new"), loader.scratch("delta"), loader.scratch("present")
            loaded.scratch += ["delta", "present"]
            key, columns = list(contract.key), [c.name for c in contract.columns if c.name not in contract.key]
            run(
                "create unlogged table {delta} as select 0::bigint as journal_build, ''::text as journal_op, {columns} from {raw} where false",
                delta=delta, columns=sql.SQL(", ").join(map(sql.Identifier, key + columns)), raw=self.raw,
            )  # fmt: skip
            self._present(loader, present)
            self.withheld = contract.deletions == "snapshot" and loaded.keyless > 0
            whole = contract.deletions == "snapshot" and not self.withheld
            frozen = self.connection.execute(
                "select inserted, updated, deleted from delta.freeze(%s, %s::regclass, %s::regclass, %s::regclass, %s, %s, %s, null, false, %s::regclass)",
                (self.delivery_id, new.as_string(None), self.raw.as_string(None), delta.as_string(None), key, columns, whole,
                 present.as_string(None) if whole else None),
            ).fetchone()  # fmt: skip
            assert frozen is not None
            inserted, updated, deleted = frozen
            if self.delivery.keys is not None:
                deleted += self._missing_keys(loader, new, delta, present, loaded)
            self._guard(deleted, loaded.received)
            self.connection.execute(
                "select delta.apply(%s, %s::regclass, %s::regclass, %s, %s, true)",
                (self.delivery_id, delta.as_string(None), self.raw.as_string(None), key, columns),
            )
        self._close_quarantine(loader, self.raw if self.is_first else loader.scratch("new"))
        for name in dict.fromkeys(loaded.scratch):
            run("drop table if exists {t}", t=loader.scratch(name))
        return {
            "received": loaded.received, "accepted": loaded.accepted, "quarantined": loaded.quarantined, "duplicates": loaded.duplicates,
            "inserted": inserted, "updated": updated, "deleted": deleted, "unchanged": loaded.accepted - inserted - updated,
        }  # fmt: skip

    def _finish_first_load(self, loaded: Loaded) -> None:
        run = self.connection.execute
        # One statement, one look at the rows.
        run(
            sql.SQL(
                "alter table {} alter column _delivery set not null, alter column _delivery drop default,"
                " alter column _deleted set not null, alter column _deleted set default false"
            ).format(self.raw)
        )
        for contract_column in self.contract.columns:
            run(
                sql.SQL("comment on column {}.{} is {}").format(
                    self.raw, sql.Identifier(contract_column.name), sql.Literal(f"{contract_column.label_vi}. {contract_column.description}")
                )
            )
        run(sql.SQL("comment on table {} is {}").format(self.raw, sql.Literal(f"{self.contract.title} ({self.contract.agency_name})")))
        run(sql.SQL("grant select on {} to kho_release").format(self.raw))

    def _present(self, loader: Loader, present: sql.Identifier) -> None:
        """Keys of this delivery that are in quarantine: they count as present and keep their last accepted version."""
        pieces = [
            sql.SQL("(key ->> {})::" + self.contract.column(name).pg_type + " as {}").format(sql.Literal(name), sql.Identifier(name))
            for name in self.contract.key
        ]
        loader.run(
            "create unlogged table {present} as select {pieces} from quarantine.row where dataset = {dataset} and delivery_id = {id} and key is not null",
            present=present, pieces=sql.SQL(", ").join(pieces), dataset=sql.Literal(self.contract.id), id=sql.Literal(self.delivery_id),
        )  # fmt: skip

    def _missing_keys(self, loader: Loader, new: Sql, delta: Sql, present: Sql, loaded: Loaded) -> int:
        """Key check of a cursor feed: what the source no longer has goes into the delta as deletions."""
        keys = loader.scratch("keys")
        loaded.scratch.append("keys")
        types = sql.SQL(", ").join(sql.SQL("{} " + self.contract.column(k).pg_type).format(sql.Identifier(k)) for k in self.contract.key)
        loader.run("create unlogged table {keys} ({types})", keys=keys, types=types)
        how = "format binary" if self.delivery.encoding == "binary" else "format csv"
        with self.connection.cursor() as cursor, cursor.copy(sql.SQL("copy {} from stdin with (" + how + ")").format(keys)) as copy:
            for chunk in self.kept.keep_keys(self.delivery.keys or ()):
                copy.write(chunk)
        same = [sql.SQL(" and ").join(sql.SQL(alias + ".{0} = o.{0}").format(sql.Identifier(k)) for k in self.contract.key) for alias in ("k", "n", "p")]
        names = sql.SQL(", ").join(sql.Identifier(c.name) for c in self.contract.columns)
        return loader.run(
            """insert into {delta} (journal_build, journal_op, {names}) select {id}, 'D', {names} from {raw} o where not _deleted
                  and not exists (select from {keys} k where {k}) and not exists (select from {new} n where {n})
                  and not exists (select from {present} p where {p})""",
            delta=delta, names=names, id=sql.Literal(self.delivery_id), raw=self.raw, keys=keys, new=new, present=present, k=same[0], n=same[1], p=same[2],
        ).rowcount  # fmt: skip

    def _close_quarantine(self, loader: Loader, accepted: Sql) -> None:
        """A quarantined row leaves when this delivery brought its key right, or brought it (or the whole dataset) again."""
        older = sql.SQL("dataset = {} and state = 'open' and delivery_id < {}").format(sql.Literal(self.contract.id), sql.Literal(self.delivery_id))
        if not self._count(sql.SQL("select count(*) from quarantine.row where {}").format(older)):
            return
        same = sql.SQL(" and ").join(
            sql.SQL("a.{} = (q.key ->> {})::" + self.contract.column(k).pg_type).format(sql.Identifier(k), sql.Literal(k)) for k in self.contract.key
        )
        self.closed += loader.run(
            "update quarantine.row q set state = 'resolved', closed_by = {id} from {accepted} a where {older} and q.key is not null and {same}",
            id=sql.Literal(self.delivery_id), accepted=accepted, older=older, same=same,
        ).rowcount  # fmt: skip
        again = sql.SQL("exists (select from quarantine.row n where n.dataset = q.dataset and n.delivery_id = {} and n.key = q.key)")
        everything = sql.SQL("true") if self.contract.delivery == "snapshot" else again.format(sql.Literal(self.delivery_id))
        self.closed += loader.run(
            "update quarantine.row q set state = 'superseded', closed_by = {id} where {older} and {everything}",
            id=sql.Literal(self.delivery_id), older=older, everything=everything,
        ).rowcount  # fmt: skip

    def _evolve(self) -> None:
        """The contract may have gained columns since raw was made; another type is for a person to decide."""
        there = {
            name: (kind, spelled)
            for name, spelled, *kind in self.connection.execute(
                "select attname, format_type(atttypid, atttypmod), atttypid, atttypmod from pg_attribute"
                " where attrelid = %s::regclass and attnum > 0 and not attisdropped",
                (f"raw.{self.contract.table}",),
            )
        }
        for column in self.contract.columns:
            if column.name not in there:
                self.connection.execute(sql.SQL("alter table {} add column {} " + column.pg_type).format(self.raw, sql.Identifier(column.name)))
                continue
            # to_regtypemod came with PostgreSQL 17: ask for an empty column and see what type it has, precision and scale included.
            result = self.connection.execute(sql.SQL("select null::" + column.pg_type)).pgresult  # type: ignore[arg-type]
            kind, spelled = there[column.name]
            if result is not None and kind != [result.ftype(0), result.fmod(0)]:
                raise KhoError(
                    "contract_changed",
                    vi=f"{self.contract.id}.{column.name}: hợp đồng đổi kiểu {spelled} thành {column.pg_type}, cần chuyển đổi dữ liệu trước",
                    en=f"{self.contract.id}.{column.name}: the contract changes type {spelled} to {column.pg_type}; migrate the data first",
                    where={"relation": f"raw.{self.contract.table}", "column": column.name},
                )

    # -- the record -------------------------------------------------------------------------------------------------------

    def _write_receipt(self, outcome: str, counts: Mapping[str, int], vi: str, en: str, cursor_after: str | None) -> Receipt:
        contract, delivery = self.contract, self.delivery
        sha256 = self.kept.sha256
        values: dict[str, Any] = {
            "delivery_id": self.delivery_id, "dataset": contract.id, "agency": contract.agency, "subject": contract.subject, "night": self.night,
            "source_name": delivery.name, "as_of": delivery.as_of, "sha256": sha256, "size_bytes": self.kept.size,
            "kept_path": self.kept.relative(), "encoding": delivery.encoding, "cursor_before": self.state[0], "cursor_after": cursor_after,
            "deletions_withheld": self.withheld, "drift": Jsonb({"extra": list(self.extra)} if self.extra else {}),
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
                (contract.id, contract.agency, contract.subject, cursor_after, self.delivery_id, sha256, delivery.as_of),
            )
        return Receipt(contract.id, outcome, self.delivery_id, reason_vi=vi, reason_en=en, **counts)

    def _sweep(self) -> None:
        rows = self.connection.execute(
            "select delivery_id, received_at < clock_timestamp() - make_interval(days => %s) and delivery_id is distinct from %s from kho.delivery where dataset = %s",
            (self.contract.retention_days, self.state[1], self.contract.id),
        ).fetchall()
        sweep(self.contract, {row[0] for row in rows}, {row[0] for row in rows if row[1]})

    def _count(self, query: sql.Composed) -> int:
        row = self.connection.execute(query).fetchone()
        assert row is not None
        return int(row[0])


def _bytes(sha256: str | bytes) -> bytes:
    return bytes.fromhex(sha256) if isinstance(sha256, str) else sha256


def _blocks(path: Path) -> Iterable[bytes]:
    with path.open("rb", buffering=0) as file:
        while block := file.read(1 << 18):
            yield block


def land_dataset(contract: Contract, *, night: date, env: Mapping[str, str]) -> list[Receipt]:
    """Ask the source of a dataset for what it has and land all of it, oldest first; every attempt is recorded.

    An empty list means that the source answered and had nothing. Raises KhoError when it did not answer or a delivery could not be read.
    """
    receipts: list[Receipt] = []
    started = settings.now()
    failure: KhoError
    try:
        with connect("loader") as connection:
            row = connection.execute("select cursor from kho.dataset where dataset = %s", (contract.id,)).fetchone()
        for delivery in open_source(contract, row[0] if row else None, env):
            receipts.append(land(contract, delivery, night=night))
            _record(contract, night, started, receipts[-1].outcome, receipts[-1], None)
            started = settings.now()
        if not receipts:
            _record(contract, night, started, "nothing", None, None)
        return receipts
    except KhoError as error:
        failure = error
    _record(contract, night, started, "failed", None, failure)
    raise failure


def _record(contract: Contract, night: date, started: datetime, outcome: str, receipt: Receipt | None, failure: KhoError | None) -> None:
    vi = failure.vi if failure else receipt.reason_vi if receipt else ""
    en = failure.en if failure else receipt.reason_en if receipt else ""
    with connect("loader") as connection:
        connection.execute(
            """insert into kho.attempt (dataset, agency, subject, night, started_at, outcome, delivery_id, error_code, error_vi, error_en)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
            (contract.id, contract.agency, contract.subject, night, started, outcome, receipt.delivery_id if receipt else None,
             failure.code if failure else None, vi or None, en or None),
        )  # fmt: skip


def confirm(contract: Contract, delivery_id: int, *, by: str, night: date) -> Receipt:
    """Apply a delivery that waits, from its kept bytes, in the name of the person who answers for it."""
    from orchestration.sources import kept_delivery

    with connect("loader") as connection:
        row = connection.execute(
            "select outcome, kept_path, encoding, source_name, as_of, exists (select from kho.delivery d where d.dataset = w.dataset and d.outcome = 'applied'"
            " and d.delivery_id > w.delivery_id) from kho.delivery w where delivery_id = %s and dataset = %s",
            (delivery_id, contract.id),
        ).fetchone()
    if row is None or row[0] != "waiting" or row[5]:
        raise KhoError(
            "not_waiting", vi=f"lần giao {delivery_id} của {contract.id} không chờ xác nhận", en=f"delivery {delivery_id} of {contract.id} is not waiting"
        )
    path = settings.home() / row[1]
    if not path.exists():
        raise KhoError(
            "bytes_gone",
            vi=f"lần giao {delivery_id} của {contract.id}: dữ liệu gốc không còn được lưu, hãy giao lại",
            en=f"delivery {delivery_id} of {contract.id}: its bytes are no longer kept, have it delivered again",
            where={"file": row[1]},
        )
    delivery = kept_delivery(contract, path, encoding=row[2], name=row[3], as_of=row[4])
    if keys_beside(path).exists():
        delivery.keys = _blocks(keys_beside(path))
    started = settings.now()
    receipt = land(contract, delivery, night=night, confirms=delivery_id, confirmed_by=by)
    _record(contract, night, started, receipt.outcome, receipt, None)  # the dataset waits no longer
    return receipt

"""The raw table of a dataset: made by the first delivery, moved by the delta of every later one.

Belongs here: what a delivery's good rows do to raw and to older quarantine. Stays out: whether they may (`land`), COPY (`load`).
"""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from psycopg import sql

from orchestration.contracts import Contract
from orchestration.errors import KhoError
from orchestration.landing.keep import Kept
from orchestration.landing.load import Loaded, Loader
from orchestration.sources import Delivery

Sql = sql.Composable


class RawTable:
    """One dataset's raw table within the transaction of a delivery.

    `withheld`: deletions were withheld because a row's key was unusable; `closed`: rows that left quarantine.
    """

    def __init__(self, loader: Loader, delivery: Delivery, kept: Kept) -> None:
        self.loader, self.delivery, self.kept = loader, delivery, kept
        self.connection: psycopg.Connection = loader.connection
        self.contract: Contract = loader.contract
        self.raw = sql.Identifier("raw", self.contract.table)
        self.is_first = (
            self.count(
                sql.SQL("select count(*) from pg_class where oid = to_regclass({})").format(
                    f"raw.{self.contract.table}"
                )
            )
            == 0
        )
        self.withheld = False
        self.closed = 0

    def count(self, query: sql.Composed) -> int:
        """The one number that `query` answers with."""
        row = self.connection.execute(query).fetchone()
        assert row is not None
        return int(row[0])

    def present(self) -> int:
        """Rows that are not tombstones."""
        return self.count(sql.SQL("select count(*) from {} where not _deleted").format(self.raw))

    def apply(self, loaded: Loaded, guard: Callable[[int], None]) -> dict[str, int]:
        """Move the good rows into raw through the delta; returns every count of the receipt."""
        contract, loader, run = self.contract, self.loader, self.loader.run
        deleted = inserted = updated = 0
        if self.is_first:
            self._finish_first_load()
            inserted = loaded.accepted
        else:
            new, delta, present = loader.scratch("new"), loader.scratch("delta"), loader.scratch("present")
            loaded.scratch += ["delta", "present"]
            key, columns = list(contract.key), [c.name for c in contract.columns if c.name not in contract.key]
            run(
                "create unlogged table {delta} as select 0::bigint as journal_build, ''::text as journal_op, {columns} from {raw} where false",
                delta=delta, columns=sql.SQL(", ").join(map(sql.Identifier, key + columns)), raw=self.raw,
            )  # fmt: skip
            self._present(present)
            self.withheld = contract.deletions == "snapshot" and loaded.keyless > 0
            whole = contract.deletions == "snapshot" and not self.withheld
            frozen = self.connection.execute(
                "select inserted, updated, deleted from delta.freeze(%s, %s::regclass, %s::regclass, %s::regclass, %s, %s, %s, null, false, %s::regclass)",
                (self.loader.delivery_id, new.as_string(None), self.raw.as_string(None), delta.as_string(None), key, columns, whole,
                 present.as_string(None) if whole else None),
            ).fetchone()  # fmt: skip
            assert frozen is not None
            inserted, updated, deleted = frozen
            if self.delivery.keys is not None:
                deleted += self._missing_keys(new, delta, present, loaded)
            guard(deleted)
            self.connection.execute(
                "select delta.apply(%s, %s::regclass, %s::regclass, %s, %s, true)",
                (self.loader.delivery_id, delta.as_string(None), self.raw.as_string(None), key, columns),
            )
        self._close_quarantine(self.raw if self.is_first else loader.scratch("new"))
        for name in dict.fromkeys(loaded.scratch):
            run("drop table if exists {t}", t=loader.scratch(name))
        return {
            "received": loaded.received, "accepted": loaded.accepted, "quarantined": loaded.quarantined, "duplicates": loaded.duplicates,
            "inserted": inserted, "updated": updated, "deleted": deleted, "unchanged": loaded.accepted - inserted - updated,
        }  # fmt: skip

    def _finish_first_load(self) -> None:
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
                    self.raw,
                    sql.Identifier(contract_column.name),
                    sql.Literal(f"{contract_column.label_vi}. {contract_column.description}"),
                )
            )
        run(
            sql.SQL("comment on table {} is {}").format(
                self.raw, sql.Literal(f"{self.contract.title} ({self.contract.agency_name})")
            )
        )
        run(sql.SQL("grant select on {} to kho_release").format(self.raw))

    def _present(self, present: sql.Identifier) -> None:
        """Keys of this delivery that are in quarantine: they count as present and keep their last accepted version."""
        pieces = [
            sql.SQL("(key ->> {})::" + self.contract.column(name).pg_type + " as {}").format(
                sql.Literal(name), sql.Identifier(name)
            )
            for name in self.contract.key
        ]
        self.loader.run(
            "create unlogged table {present} as select {pieces} from quarantine.row where dataset = {dataset} and delivery_id = {id} and key is not null",
            present=present, pieces=sql.SQL(", ").join(pieces), dataset=sql.Literal(self.contract.id), id=sql.Literal(self.loader.delivery_id),
        )  # fmt: skip

    def _missing_keys(self, new: Sql, delta: Sql, present: Sql, loaded: Loaded) -> int:
        """Key check of a cursor feed: what the source no longer has goes into the delta as deletions."""
        keys = self.loader.scratch("keys")
        loaded.scratch.append("keys")
        types = sql.SQL(", ").join(
            sql.SQL("{} " + self.contract.column(k).pg_type).format(sql.Identifier(k)) for k in self.contract.key
        )
        self.loader.run("create unlogged table {keys} ({types})", keys=keys, types=types)
        how = "format binary" if self.delivery.encoding == "binary" else "format csv"
        with (
            self.connection.cursor() as cursor,
            cursor.copy(sql.SQL("copy {} from stdin with (" + how + ")").format(keys)) as copy,
        ):
            for chunk in self.kept.keep_keys(self.delivery.keys or ()):
                copy.write(chunk)
        same = [
            sql.SQL(" and ").join(sql.SQL(alias + ".{0} = o.{0}").format(sql.Identifier(k)) for k in self.contract.key)
            for alias in ("k", "n", "p")
        ]
        names = sql.SQL(", ").join(sql.Identifier(c.name) for c in self.contract.columns)
        return self.loader.run(
            """insert into {delta} (journal_build, journal_op, {names}) select {id}, 'D', {names} from {raw} o where not _deleted
                  and not exists (select from {keys} k where {k}) and not exists (select from {new} n where {n})
                  and not exists (select from {present} p where {p})""",
            delta=delta, names=names, id=sql.Literal(self.loader.delivery_id), raw=self.raw,
            keys=keys, new=new, present=present, k=same[0], n=same[1], p=same[2],
        ).rowcount  # fmt: skip

    def _close_quarantine(self, accepted: Sql) -> None:
        """A quarantined row leaves when this delivery brought its key right, or brought it (or the whole dataset) again."""
        older = sql.SQL("dataset = {} and state = 'open' and delivery_id < {}").format(
            sql.Literal(self.contract.id), sql.Literal(self.loader.delivery_id)
        )
        if not self.count(sql.SQL("select count(*) from quarantine.row where {}").format(older)):
            return
        same = sql.SQL(" and ").join(
            sql.SQL("a.{} = (q.key ->> {})::" + self.contract.column(k).pg_type).format(
                sql.Identifier(k), sql.Literal(k)
            )
            for k in self.contract.key
        )
        self.closed += self.loader.run(
            "update quarantine.row q set state = 'resolved', closed_by = {id} from {accepted} a where {older} and q.key is not null and {same}",
            id=sql.Literal(self.loader.delivery_id), accepted=accepted, older=older, same=same,
        ).rowcount  # fmt: skip
        again = sql.SQL(
            "exists (select from quarantine.row n where n.dataset = q.dataset and n.delivery_id = {} and n.key = q.key)"
        )
        everything = (
            sql.SQL("true")
            if self.contract.delivery == "snapshot"
            else again.format(sql.Literal(self.loader.delivery_id))
        )
        self.closed += self.loader.run(
            "update quarantine.row q set state = 'superseded', closed_by = {id} where {older} and {everything}",
            id=sql.Literal(self.loader.delivery_id), older=older, everything=everything,
        ).rowcount  # fmt: skip

    def evolve(self) -> None:
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
                self.connection.execute(
                    sql.SQL("alter table {} add column {} " + column.pg_type).format(
                        self.raw, sql.Identifier(column.name)
                    )
                )
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

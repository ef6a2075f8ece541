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
from orchestration.landing.key_check import missing_keys
from orchestration.landing.load import Loaded, Loader
from orchestration.landing.returned import Answer
from orchestration.sources import Delivery

Sql = sql.Composable
#: Rows that a part may lose whatever their share: a class of four that is three is no alarm.
FEW = 10


class RawTable:
    """One dataset's raw table within the transaction of a delivery.

    `withheld`: deletions were withheld because a row's key was unusable; `closed`: rows that left quarantine; `parts`: values
    of the contract's partition column of which this delivery is the whole; `older_parts`: those of which a later word is known.
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
        self.gone = 0
        self.parts: list[str] = []
        self.older_parts: frozenset[str] = frozenset()

    def count(self, query: sql.Composed) -> int:
        """The one number that `query` answers with."""
        row = self.connection.execute(query).fetchone()
        assert row is not None
        return int(row[0])

    def present(self) -> int:
        """Rows that are not tombstones, of the parts that this delivery is the whole of."""
        parts: Sql = sql.SQL("true")
        if self.contract.partition is not None:
            parts = sql.SQL("{}::text = any ({})").format(
                sql.Identifier(self.contract.partition), sql.Literal(self.parts)
            )
        return self.count(sql.SQL("select count(*) from {} where not _deleted and {}").format(self.raw, parts))

    def shrunk(self) -> list[str]:
        """Parts that would lose more than half of their rows, and more than a few: a file cut short, or a school closed."""
        if self.contract.partition is None:
            return []
        rows = self.connection.execute(
            sql.SQL(
                """select {part}::text from {delta} where journal_op = 'D' group by 1 having count(*) > {few} and 2 * count(*) >
                          (select count(*) from {raw} r where not r._deleted and r.{part}::text = (array_agg(d.{part}::text))[1]) order by 1"""
            ).format(
                part=sql.Identifier(self.contract.partition),
                delta=sql.SQL("{} d").format(self.loader.scratch("delta")),
                few=sql.Literal(FEW),
                raw=self.raw,
            )
        ).fetchall()
        return [row[0] for row in rows]

    def apply(self, loaded: Loaded, guard: Callable[[int], None]) -> dict[str, int]:
        """Move the good rows into raw through the delta; returns every count of the receipt."""
        loader, run = self.loader, self.loader.run
        deleted = inserted = updated = 0
        accepted = self.raw if self.is_first else loader.scratch("new")
        if self.contract.partition is not None:
            self.parts = sorted(set(self.delivery.parts) - self.older_parts)
        if self.is_first:
            self._finish_first_load()
            inserted = loaded.accepted
        else:
            inserted, updated, deleted = self._move(loaded, guard)
        self._close_quarantine(accepted)
        if isinstance(self.delivery, Answer):
            self.closed += self.delivery.settle(self.connection, self.contract, loader.delivery_id)
        for name in dict.fromkeys(loaded.scratch):
            run("drop table if exists {t}", t=loader.scratch(name))
        return {
            "received": loaded.received, "accepted": loaded.accepted, "quarantined": loaded.quarantined, "duplicates": loaded.duplicates,
            "noted": loaded.noted, "inserted": inserted, "updated": updated, "deleted": deleted, "unchanged": loaded.accepted - inserted - updated - self.gone,
        }  # fmt: skip

    def _move(self, loaded: Loaded, guard: Callable[[int], None]) -> tuple[int, int, int]:
        """Freeze the difference between good rows and raw, and apply it; (inserted, updated, deleted)."""
        contract, loader = self.contract, self.loader
        new, delta, present = loader.scratch("new"), loader.scratch("delta"), loader.scratch("present")
        loaded.scratch += ["delta", "present", "old"]
        key, columns = list(contract.key), [c.name for c in contract.columns if c.name not in contract.key]
        loader.run(
            "create unlogged table {delta} as select 0::bigint as journal_build, ''::text as journal_op, {columns} from {raw} where false",
            delta=delta, columns=sql.SQL(", ").join(map(sql.Identifier, key + columns)), raw=self.raw,
        )  # fmt: skip
        self._present(present)
        left_out = self._leave_newer(new) + self._leave_older_parts(new)
        if left_out:
            loaded.duplicates += left_out
            loaded.noted -= self._drop_notes(new)
        # Only the source that counts says what is not there any more, and only when every row says which one it is.
        whole = contract.deletions == "snapshot" and not self.delivery.partial
        self.withheld = whole and loaded.keyless > 0
        whole = whole and not self.withheld
        if whole:
            self._keep_newer(present)
        old = self._old(new) if whole else self.raw
        frozen = self.connection.execute(
            "select inserted, updated, deleted from delta.freeze(%s, %s::regclass, %s::regclass, %s::regclass, %s, %s, %s, null, false, %s::regclass)",
            (loader.delivery_id, new.as_string(None), old.as_string(None), delta.as_string(None), key, columns, whole,
             present.as_string(None) if whole else None),
        ).fetchone()  # fmt: skip
        assert frozen is not None
        inserted, updated, deleted = frozen
        if contract.tombstone is not None:
            self.gone = self.count(sql.SQL("select count(*) from {} where _deleted").format(new))
        if self.delivery.keys is not None:
            found = missing_keys(loader, self.kept.keep_keys(self.delivery.keys), self.raw, new, delta, present)
            loaded.scratch += ["key_texts", "keys"]
            self.withheld = found is None
            deleted += found or 0
        guard(deleted)
        self.connection.execute(
            "select delta.apply(%s, %s::regclass, %s::regclass, %s, %s, true)",
            (loader.delivery_id, delta.as_string(None), self.raw.as_string(None), key, columns),
        )
        return inserted, updated, deleted

    # -- a file that is a part, a row that came another way -----------------------------------------------------------------

    def _old(self, new: Sql) -> sql.Identifier:
        """What the delivery is compared with: raw, or only the parts it speaks of (and rows that came here from another part)."""
        if self.contract.partition is None:
            return self.raw
        old = self.loader.scratch("old")
        self.loader.run(
            """create unlogged table {old} as select * from {raw} r
                where r.{part}::text = any ({parts}) or exists (select from {new} n where {same})""",
            old=old, raw=self.raw, part=sql.Identifier(self.contract.partition), parts=sql.Literal(self.parts), new=new,
            same=self._same("n", "r"),
        )  # fmt: skip
        return old

    def _same(self, left: str, right: str) -> Sql:
        """Condition that two aliases have one key."""
        return sql.SQL(" and ").join(
            sql.SQL("{}.{} = {}.{}").format(
                sql.Identifier(left), sql.Identifier(k), sql.Identifier(right), sql.Identifier(k)
            )
            for k in self.contract.key
        )

    def _newer(self) -> Sql:
        """Deliveries of other channels whose rows are of a later time than this delivery's."""
        return sql.SQL(
            "select delivery_id from kho.delivery where dataset = {} and outcome = 'applied' and channel <> {} and as_of > {}"
        ).format(sql.Literal(self.contract.id), sql.Literal(self.delivery.channel), sql.Literal(self.delivery.as_of))

    def _leave_newer(self, new: Sql) -> int:
        """Take out of the good rows those that raw already has from another channel, of a later time; returns how many."""
        return self.loader.run(
            "delete from {new} n using {raw} r where {same} and r._delivery in ({newer})",
            new=new, raw=self.raw, same=self._same("n", "r"), newer=self._newer(),
        ).rowcount  # fmt: skip

    def _leave_older_parts(self, new: Sql) -> int:
        """Take out of the good rows those of parts of which a later word is known; returns how many."""
        if not self.older_parts:
            return 0
        return self.loader.run(
            "delete from {new} where {part}::text = any ({older})",
            new=new, part=sql.Identifier(str(self.contract.partition)), older=sql.Literal(sorted(self.older_parts)),
        ).rowcount  # fmt: skip

    def _drop_notes(self, new: Sql) -> int:
        """Close this delivery's notes on rows that were left out after all; returns how many."""
        same = sql.SQL(" and ").join(
            sql.SQL("n.{} = (q.key ->> {})::" + self.contract.column(k).pg_type).format(
                sql.Identifier(k), sql.Literal(k)
            )
            for k in self.contract.key
        )
        return self.loader.run(
            """update quarantine.row q set state = 'superseded', closed_by = {id} where delivery_id = {id} and state = 'noted'
                  and not exists (select from {new} n where {same})""",
            id=sql.Literal(self.loader.delivery_id), new=new, same=same,
        ).rowcount  # fmt: skip

    def _keep_newer(self, present: Sql) -> None:
        """Rows that another channel brought, of a later time, count as present."""
        self.loader.run(
            "insert into {present} select {key} from {raw} r where r._delivery in ({newer})",
            present=present, key=sql.SQL(", ").join(sql.SQL("r.{}").format(sql.Identifier(k)) for k in self.contract.key), raw=self.raw,
            newer=self._newer(),
        )  # fmt: skip

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
            """create unlogged table {present} as select {pieces} from quarantine.row
                where dataset = {dataset} and delivery_id = {id} and key is not null and state = 'open'""",
            present=present, pieces=sql.SQL(", ").join(pieces), dataset=sql.Literal(self.contract.id), id=sql.Literal(self.loader.delivery_id),
        )  # fmt: skip

    def _close_quarantine(self, accepted: Sql) -> None:
        """A row leaves quarantine, and a note is dropped, when this delivery brought its key again (superseded where it is wrong
        again, else resolved), or was the whole of what the row belongs to and lacks it.
        """
        older = sql.SQL("q.dataset = {} and q.state in ('open', 'noted') and q.delivery_id < {}").format(
            sql.Literal(self.contract.id), sql.Literal(self.loader.delivery_id)
        )
        if not self.count(sql.SQL("select count(*) from quarantine.row q where {}").format(older)):
            return
        id_, close = sql.Literal(self.loader.delivery_id), self.loader.run
        self.closed += close(
            """update quarantine.row q set state = 'superseded', closed_by = {id} from quarantine.row n
                where n.dataset = q.dataset and n.delivery_id = {id} and n.key = q.key and {older}""",
            id=id_, older=older,
        ).rowcount  # fmt: skip
        same = sql.SQL(" and ").join(
            sql.SQL("a.{} = (q.key ->> {})::" + self.contract.column(k).pg_type).format(
                sql.Identifier(k), sql.Literal(k)
            )
            for k in self.contract.key
        )
        self.closed += close(
            "update quarantine.row q set state = 'resolved', closed_by = {id} from {accepted} a where {older} and q.key is not null and {same}",
            id=id_, accepted=accepted, older=older, same=same,
        ).rowcount  # fmt: skip
        if self.contract.delivery != "snapshot" or self.delivery.partial:
            return
        of_it: Sql = sql.SQL("true")
        if self.contract.partition is not None:
            # A row that does not say of which part it is leaves with all parts that came with it.
            of_it = sql.SQL(
                "coalesce(q.part = any ({0}), (select d.parts <@ {0} from kho.delivery d where d.delivery_id = q.delivery_id))"
            ).format(sql.Literal(self.parts))
        self.closed += close(
            "update quarantine.row q set state = 'superseded', closed_by = {id} where {older} and {of_it}", id=id_, older=older, of_it=of_it
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

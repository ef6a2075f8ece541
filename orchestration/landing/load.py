"""Delivered bytes into an incoming table whose rows are typed, unique by key and within their contract.

Two ways with one result. The clean way copies straight into typed columns and checks all rules in one scan; most deliveries end
there. Whatever is not clean takes the general way: copied as text, split into good rows and quarantine, duplicates settled.
Belongs here: COPY, split. Stays out: rows of one key (`duplicates`), what is written of bad rows (`set_aside`), the delta against raw, the receipt (`land`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

import psycopg
from psycopg import sql

from orchestration.contracts import Column, Contract
from orchestration.errors import KhoError
from orchestration.landing import duplicates, set_aside
from orchestration.landing import rules as contract_rules
from orchestration.landing.rules import Rule
from orchestration.landing.set_aside import Standing

Sql = sql.Composable
#: Contract column of each column of a COPY stream; None where the contract has none.
Columns = tuple[str | None, ...]
#: SQLSTATEs of COPY for bytes that are no character of the encoding, the byte 0 included.
_NOT_UTF8 = ("22021", "22P05")


@dataclass(slots=True)
class Loaded:
    """What came of the bytes, in rows: received = accepted + quarantined + duplicates; `noted` are among the accepted.

    `keyless`: quarantined rows without a usable key. `scratch`: tables to drop when all is done.
    """

    received: int = 0
    quarantined: int = 0
    duplicates: int = 0
    keyless: int = 0
    noted: int = 0
    scratch: list[str] = field(default_factory=list)

    @property
    def accepted(self) -> int:
        return self.received - self.quarantined - self.duplicates


class NotClean(Exception):
    """The clean way does not hold for this delivery; carries nothing."""


class Loader:
    """Loads one delivery in the caller's transaction. `delimiter` is that of CSV text; `unchecked` gathers rules that could not be checked."""

    def __init__(
        self,
        connection: psycopg.Connection,
        contract: Contract,
        delivery_id: int,
        encoding: str,
        name: str,
        *,
        synthetic: bool,
        delimiter: str = ",",
        as_of: date | None = None,
        parts: Sequence[str] = (),
    ) -> None:
        self.connection = connection
        self.contract = contract
        self.delivery_id = delivery_id
        self.encoding = encoding
        self.name = name
        self.synthetic = synthetic
        self.delimiter = "\t" if delimiter == "tab" else delimiter
        self.as_of = as_of
        self.parts = list(parts)
        self.unchecked: list[str] = []
        self.ready = contract_rules.ready_references(connection, contract)
        self.stem = contract.table
        # A date without a format is year first, whatever the server would guess: 05/03/2026 is refused, not turned round.
        connection.execute("set local datestyle = 'ISO, YMD'")

    # -- names and small helpers ------------------------------------------------------------------------------------------

    def scratch(self, suffix: str) -> sql.Identifier:
        """A table of this transaction only; in schema raw, since temporary tables rule out parallel scans."""
        return sql.Identifier("raw", f"_{suffix}__{self.stem}"[:63])

    def run(self, query: str, **parts: Sql) -> psycopg.Cursor:
        return self.connection.execute(sql.SQL(query).format(**parts))  # type: ignore[arg-type]

    def count(self, query: str, **parts: Sql) -> int:
        row = self.run(query, **parts).fetchone()
        assert row is not None
        return int(row[0])

    def _columns(self, names: Iterable[str], prefix: str = "") -> Sql:
        return sql.SQL(", ").join(sql.SQL(prefix) + sql.Identifier(name) for name in names)  # type: ignore[arg-type]

    @property
    def _key(self) -> Sql:
        return self._columns(self.contract.key)

    def _rules(
        self, *, as_text: bool, value_of: Callable[[Column], Sql] = contract_rules.kept_name, sure: bool = False
    ) -> list[Rule]:
        return contract_rules.rules(
            self.contract, as_text=as_text, synthetic=self.synthetic, value_of=value_of, as_of=self.as_of, ready=self.ready,
            unchecked=self.unchecked, sure=sure, parts=self.parts,
        )  # fmt: skip

    # -- the clean way ----------------------------------------------------------------------------------------------------

    def can_be_clean(self, columns: Columns) -> bool:
        """Whether the delivery's text is also PostgreSQL's: every column there, none unknown, none with a format of its own."""
        plain = self.contract.tombstone is None and not any(
            column.format not in (None, "partial_date") or column.default is not None or column.missing
            for column in self.contract.columns
        )
        return self.encoding in ("csv", "binary") and plain and set(columns) == {c.name for c in self.contract.columns}

    def clean(self, target: Sql, columns: Columns, stream: Iterable[bytes], *, as_raw: bool) -> Loaded:
        """COPY into `target` with the contract's types and check every rule in one scan; the key becomes its index.

        `as_raw` makes it a raw table at once (a first load). Raises NotClean.
        """
        technical = sql.SQL(", _delivery bigint not null default {}, _deleted boolean not null default false").format(
            sql.Literal(self.delivery_id)
        )
        self.run(
            "create {kind} table {target} ({columns}{technical})", target=target, kind=sql.SQL("" if as_raw else "unlogged"),
            columns=sql.SQL(", ").join(sql.SQL("{} " + c.pg_type).format(sql.Identifier(c.name)) for c in self.contract.columns),
            technical=technical if as_raw else sql.SQL(""),
        )  # fmt: skip
        loaded = Loaded(received=self._copy(target, [str(name) for name in columns], stream, NotClean))
        rules = self._rules(as_text=False, value_of=contract_rules.raw_name)
        breaches: list[Sql] = [rule.broken for rule in rules if not rule.note]
        breaches += contract_rules.uncanonical(self.contract)
        if self.count("select count(*) from {target} i where {breaches}", target=target, breaches=_any(breaches)):
            raise NotClean
        if not self._unique(target):
            raise NotClean
        notes = [rule.broken for rule in rules if rule.note]
        if notes:
            loaded.scratch += ["noted", "n"]
            standing = Standing(
                target, [str(n) for n in columns], (), sql.SQL(""), contract_rules.raw_name, as_text=False
            )
            self.run(
                "create unlogged table {noted} as select i.ctid as row_id, false as conflict from {target} i where {notes}",
                noted=self.scratch("noted"), target=target, notes=_any(notes),
            )  # fmt: skip
            self._note(loaded, rules, standing)
        return loaded

    def _note(self, loaded: Loaded, rules: list[Rule], standing: Standing) -> None:
        """Write down what is wrong with the rows of the scratch table `noted`, which stay in."""
        loaded.noted += set_aside.note(self, rules, standing, self.scratch("noted"))

    def _unique(self, target: Sql) -> bool:
        """Make the key the table's primary key; False when it is not unique."""
        violated = False
        try:
            with self.connection.transaction():
                self.run("alter table {target} add primary key ({key})", target=target, key=self._key)
        except psycopg.errors.UniqueViolation:
            violated = True
        return not violated

    def _copy(self, target: Sql, columns: list[str], stream: Iterable[bytes], failure: type[Exception] | None) -> int:
        """COPY the stream into `target`; data that cannot be read raises `failure`, or a KhoError with the row's number."""
        how = (
            "format binary"
            if self.encoding == "binary"
            else f"format csv, header {'true' if self.encoding == 'csv' else 'false'}, encoding 'UTF8', delimiter {{}}"
        )
        options = sql.SQL(how).format(sql.Literal(self.delimiter))  # type: ignore[arg-type]
        statement = sql.SQL("copy {} ({}) from stdin with ({})").format(target, self._columns(columns), options)
        line = None
        try:
            with self.connection.cursor() as cursor:
                with cursor.copy(statement) as copy:
                    for chunk in stream:
                        copy.write(chunk)
                return cursor.rowcount
        except psycopg.DataError as error:  # SQLSTATE class 22; its text quotes values, its context the line
            found = re.search(r"line (\d+)", error.diag.context or "")
            line = int(found.group(1)) if found else 0
            state = error.sqlstate or ""
        if failure is not None:
            raise failure
        if state in _NOT_UTF8:
            raise KhoError(
                "encoding",
                vi=f"{self.name}: dòng {line} không phải UTF-8; hãy lưu lại tệp với mã UTF-8",
                en=f"{self.name}: row {line} is not UTF-8; save the file as UTF-8",
                where={"file": self.name, "row": line, "rule": "encoding"},
            )
        raise KhoError(
            "unreadable",
            vi=f"{self.name}, dòng {line}: không đọc được (sai số cột hoặc dấu nháy)",
            en=f"{self.name}, row {line}: unreadable (wrong number of columns or quoting)",
            where={"file": self.name, "row": line, "sqlstate": state},
        )

    # -- the general way --------------------------------------------------------------------------------------------------

    def general(
        self, target: Sql, columns: Columns, extra: tuple[str, ...], stream: Iterable[bytes], *, as_raw: bool
    ) -> Loaded:
        """Split the delivery into `target` (good rows, keyed) and quarantine."""
        as_text = self.encoding != "binary"
        incoming, suspect, odd, bad = (self.scratch(name) for name in ("in", "suspect", "odd", "bad"))
        loaded = Loaded(scratch=["in", "suspect", "odd", "bad"])
        # A column the contract does not have keeps its place.
        numbers = iter(range(len(columns)))
        stored = [name or f"_x{next(numbers)}" for name in columns]
        lacking = [column.name for column in self.contract.columns if column.name not in columns]
        types = {"_row": "bigint"} if as_text else {c.name: c.pg_type for c in self.contract.columns}
        self.run(
            "create unlogged table {incoming} ({columns})",
            incoming=incoming,
            columns=sql.SQL(", ").join(
                sql.SQL("{} " + types.get(name, "text")).format(sql.Identifier(name)) for name in (*stored, *lacking)
            ),
        )
        loaded.received = self._copy(incoming, stored, stream, None)
        # One scan sets aside the rows that may need cleaning or break a rule; all others are taken as they stand.
        # `case` keeps the order: what is of its type is not asked again whether it is before it is compared with a limit.
        looked = self._rules(
            as_text=as_text, value_of=lambda c: contract_rules.kept(c, False, as_text=as_text), sure=True
        )
        first = [contract_rules.odd(contract_rules.unguarded(self.contract, as_text=as_text))]
        first += [rule.broken for rule in looked if rule.code == "type"]
        self.run(
            """create unlogged table {suspect} as select i.ctid as row_id from {incoming} i
                where case when {first} then true else {then} end""",
            suspect=suspect, incoming=incoming, first=_any(first), then=_any([rule.broken for rule in looked if rule.code != "type"]),
        )  # fmt: skip
        rules = self._rules(as_text=as_text)
        self.run(
            """create unlogged table {odd} as select i.ctid as row_id, ({broken}) as broken, ({noted}) as noted
                 from {suspect} s join {incoming} i on i.ctid = s.row_id cross join lateral {kept} c""",
            odd=odd, broken=_any([rule.broken for rule in rules if not rule.note]), noted=_any([rule.broken for rule in rules if rule.note]),
            suspect=suspect, incoming=incoming, kept=self._kept_row(as_text),
        )  # fmt: skip
        self.run(
            "create unlogged table {bad} as select row_id, false as conflict from {odd} where broken", bad=bad, odd=odd
        )
        n_bad = self.count("select count(*) from {bad}", bad=bad)
        values = self._typed_values(as_text)
        gone = self._gone(as_text)
        technical: Sql = sql.SQL(", {}::bigint as _delivery, {} as _deleted").format(
            sql.Literal(self.delivery_id), gone or sql.SQL("false")
        )
        if not as_raw:
            technical = sql.SQL(", {} as _deleted").format(gone) if gone is not None else sql.SQL("")
        self.run(
            "create {kind} table {target} as select {values}{technical} from {incoming} i left join {odd} o on o.row_id = i.ctid where o.broken is not true",
            kind=sql.SQL("" if as_raw else "unlogged"), target=target, values=values, technical=technical, incoming=incoming,
            odd=odd,
        )  # fmt: skip
        if not self._unique(target):
            n_bad += duplicates.settle(self, loaded, target, values, technical)
        loaded.quarantined = n_bad
        lateral = sql.SQL("cross join lateral {} c").format(self._kept_row(as_text))
        standing = Standing(incoming, stored, extra, lateral, contract_rules.kept_name, as_text)
        if n_bad:
            loaded.scratch.append("q")
            loaded.keyless = set_aside.hold(self, rules, standing, bad)
        if any(rule.note for rule in rules):
            loaded.scratch += ["noted", "n"]
            self.run(
                """create unlogged table {noted} as select row_id, false as conflict from {odd} o
                    where o.noted and not o.broken and not exists (select from {bad} b where b.row_id = o.row_id) and not ({collapsed})""",
                noted=self.scratch("noted"), odd=odd, bad=bad, collapsed=duplicates.collapsed(self, loaded),
            )  # fmt: skip
            self._note(loaded, rules, standing)
        if as_raw and duplicates.pick_lost(self, loaded):
            # Nothing is known of the key yet: two different records under one number are more likely two things than two states of one.
            loaded.noted += set_aside.note(self, rules, standing, self.scratch("lost"), whole=True)
        return loaded

    def _kept_row(self, as_text: bool) -> Sql:
        """An incoming row `i` as Kho keeps it, each value computed once: `offset 0` keeps the planner from writing it in wherever it is named."""
        values = (
            sql.SQL("{} as {}").format(contract_rules.kept(column, True, as_text=as_text), sql.Identifier(column.name))
            for column in self.contract.columns
        )
        return sql.SQL("(select {} offset 0)").format(sql.SQL(", ").join(values))

    def _gone(self, as_text: bool) -> Sql | None:
        """Condition on a good row that its source has marked it as deleted; None where the contract has no such mark."""
        if self.contract.tombstone is None:
            return None
        name, values = self.contract.tombstone
        value = self._typed_value(self.contract.column(name), as_text)
        return sql.SQL("coalesce(({})::text = any ({}), false)").format(value, sql.Literal(list(values)))

    def _typed_values(self, as_text: bool) -> Sql:
        """The select list of the good rows, for incoming rows `i` left joined to the odd ones `o`."""
        return sql.SQL(", ").join(
            sql.SQL("{} as {}").format(self._typed_value(column, as_text), sql.Identifier(column.name))
            for column in self.contract.columns
        )

    def _typed_value(self, column: Column, as_text: bool) -> Sql:
        value = contract_rules.kept(column, sql.SQL("o.row_id is not null"), as_text=as_text)
        return contract_rules.typed(column, value) if as_text else value


def _any(conditions: Iterable[Sql]) -> Sql:
    """True where one of the conditions is."""
    each = [sql.SQL("({})").format(condition) for condition in conditions]
    return sql.SQL(" or ").join(each) if each else sql.SQL("false")

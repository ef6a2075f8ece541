"""Delivered bytes into an incoming table whose rows are typed, unique by key and within their contract.

Two ways with one result. The clean way copies straight into typed columns and checks all rules in one scan; most deliveries end
there. Whatever is not clean takes the general way: copied as text, split into good rows and quarantine, duplicates settled.
Belongs here: COPY, split, duplicates, quarantine rows. Stays out: the delta against raw, the receipt (`land`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from orchestration.contracts import Column, Contract
from orchestration.errors import KhoError
from orchestration.landing import rules as contract_rules
from orchestration.landing.rules import Rule

Sql = sql.Composable
#: Contract column of each column of a COPY stream; None where the contract has none.
Columns = tuple[str | None, ...]
#: Rows are numbered as people see them: the header of a CSV file is row 1.
_HEADER_ROWS = {"csv": 1, "binary": 0, "xlsx": 0, "json": 0}
#: SQLSTATEs of COPY for bytes that are no character of the encoding, the byte 0 included.
_NOT_UTF8 = ("22021", "22P05")


@dataclass(slots=True)
class Loaded:
    """What came of the bytes: the table of good rows and the counts (rows). received = accepted + quarantined + duplicates."""

    table: str
    received: int = 0
    quarantined: int = 0
    duplicates: int = 0
    keyless: int = 0
    scratch: list[str] = field(default_factory=list)

    @property
    def accepted(self) -> int:
        return self.received - self.quarantined - self.duplicates


class NotClean(Exception):
    """The clean way does not hold for this delivery; carries nothing."""


class Loader:
    """Loads one delivery in the caller's transaction. `open_stream` yields COPY bytes from the start, each time it is called."""

    def __init__(
        self,
        connection: psycopg.Connection,
        contract: Contract,
        delivery_id: int,
        encoding: str,
        name: str,
        *,
        synthetic: bool,
    ) -> None:
        self.connection = connection
        self.contract = contract
        self.delivery_id = delivery_id
        self.encoding = encoding
        self.name = name
        self.synthetic = synthetic
        self.stem = contract.table

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

    def _rules(self, *, as_text: bool, value_of: Callable[[Column], Sql] = contract_rules.kept_name) -> list[Rule]:
        return contract_rules.rules(self.contract, as_text=as_text, synthetic=self.synthetic, value_of=value_of)

    # -- the clean way ----------------------------------------------------------------------------------------------------

    def can_be_clean(self, columns: Columns) -> bool:
        """Whether the delivery's text is also PostgreSQL's: every column there, none unknown, none with a format of its own."""
        plain = all(column.format is None and column.default is None for column in self.contract.columns)
        return self.encoding in ("csv", "binary") and plain and set(columns) == {c.name for c in self.contract.columns}

    def clean(self, target: Sql, columns: Columns, stream: Iterable[bytes], *, as_raw: bool) -> int:
        """COPY into `target` with the contract's types and check every rule in one scan; the key becomes its index.

        `as_raw` makes it a raw table at once (a first load). Returns the rows received; raises NotClean.
        """
        technical = sql.SQL(", _delivery bigint not null default {}, _deleted boolean not null default false").format(
            sql.Literal(self.delivery_id)
        )
        self.run(
            "create {kind} table {target} ({columns}{technical})", target=target, kind=sql.SQL("" if as_raw else "unlogged"),
            columns=sql.SQL(", ").join(sql.SQL("{} " + c.pg_type).format(sql.Identifier(c.name)) for c in self.contract.columns),
            technical=technical if as_raw else sql.SQL(""),
        )  # fmt: skip
        received = self._copy(target, [str(name) for name in columns], stream, NotClean)
        breaches: list[Sql] = [rule.broken for rule in self._rules(as_text=False, value_of=contract_rules.raw_name)]
        breaches += contract_rules.uncanonical(self.contract)
        if self.count("select count(*) from {target} i where {breaches}", target=target, breaches=_any(breaches)):
            raise NotClean
        if not self._unique(target):
            raise NotClean
        return received

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
            else f"format csv, header {'true' if self.encoding == 'csv' else 'false'}, encoding 'UTF8'"
        )
        statement = sql.SQL("copy {} ({}) from stdin with (" + how + ")").format(target, self._columns(columns))  # type: ignore[arg-type]
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
        loaded = Loaded(table="", scratch=["in", "suspect", "odd", "bad"])
        # A column the contract does not have keeps its place.
        numbers = iter(range(len(columns)))
        stored = [name or f"_x{next(numbers)}" for name in columns]
        types = {"_row": "bigint"} if as_text else {c.name: c.pg_type for c in self.contract.columns}
        self.run(
            "create unlogged table {incoming} ({columns})",
            incoming=incoming,
            columns=sql.SQL(", ").join(
                sql.SQL("{} " + types.get(name, "text")).format(sql.Identifier(name)) for name in stored
            ),
        )
        loaded.received = self._copy(incoming, stored, stream, None)
        # One scan sets aside the rows that may need cleaning or break a rule; all others are taken as they stand.
        doubts = [contract_rules.odd(contract_rules.unguarded(self.contract, as_text=as_text))]
        doubts += [
            rule.broken
            for rule in self._rules(as_text=as_text, value_of=lambda c: contract_rules.kept(c, False, as_text=as_text))
        ]
        self.run(
            "create unlogged table {suspect} as select i.ctid as row_id from {incoming} i where {doubts}", suspect=suspect, incoming=incoming,
            doubts=_any(doubts),
        )  # fmt: skip
        rules = self._rules(as_text=as_text)
        self.run(
            """create unlogged table {odd} as select i.ctid as row_id, ({broken}) as broken
                 from {suspect} s join {incoming} i on i.ctid = s.row_id cross join lateral {kept} c""",
            odd=odd, broken=_any([rule.broken for rule in rules]), suspect=suspect, incoming=incoming, kept=self._kept_row(as_text),
        )  # fmt: skip
        self.run(
            "create unlogged table {bad} as select row_id, false as conflict from {odd} where broken", bad=bad, odd=odd
        )
        n_bad = self.count("select count(*) from {bad}", bad=bad)
        values = self._typed_values(as_text)
        technical = sql.SQL(", {}::bigint as _delivery, false as _deleted").format(sql.Literal(self.delivery_id))
        self.run(
            "create {kind} table {target} as select {values}{technical} from {incoming} i left join {odd} o on o.row_id = i.ctid where o.broken is not true",
            kind=sql.SQL("" if as_raw else "unlogged"), target=target, values=values, technical=technical if as_raw else sql.SQL(""),
            incoming=incoming, odd=odd,
        )  # fmt: skip
        if not self._unique(target):
            loaded.scratch += ["dup", "dup_rows"]
            n_bad += self._settle_duplicates(loaded, target, values, technical if as_raw else sql.SQL(""), as_text)
        loaded.quarantined = n_bad
        if n_bad:
            loaded.scratch.append("q")
            loaded.keyless = self._quarantine(rules, stored, extra)
        return loaded

    def _kept_row(self, as_text: bool) -> Sql:
        """An incoming row `i` as Kho keeps it, each value computed once: `offset 0` keeps the planner from writing it in wherever it is named."""
        values = (
            sql.SQL("{} as {}").format(contract_rules.kept(column, True, as_text=as_text), sql.Identifier(column.name))
            for column in self.contract.columns
        )
        return sql.SQL("(select {} offset 0)").format(sql.SQL(", ").join(values))

    def _typed_values(self, as_text: bool) -> Sql:
        """The select list of the good rows, for incoming rows `i` left joined to the odd ones `o`."""
        return sql.SQL(", ").join(
            sql.SQL("{} as {}").format(self._typed_value(column, as_text), sql.Identifier(column.name))
            for column in self.contract.columns
        )

    def _typed_value(self, column: Column, as_text: bool) -> Sql:
        value = contract_rules.kept(column, sql.SQL("o.row_id is not null"), as_text=as_text)
        return contract_rules.typed(column, value) if as_text else value

    def _settle_duplicates(self, loaded: Loaded, target: Sql, values: Sql, technical: Sql, as_text: bool) -> int:
        """Identical rows of a key collapse, in a cursor feed the highest cursor wins, anything else is a conflict for quarantine.

        Returns the number of rows in conflict and counts the collapsed ones.
        """
        dup, rows, bad = self.scratch("dup"), self.scratch("dup_rows"), self.scratch("bad")
        good = sql.SQL("{} i left join {} o on o.row_id = i.ctid where o.broken is not true").format(
            self.scratch("in"), self.scratch("odd")
        )
        names = [column.name for column in self.contract.columns]
        same_key = sql.SQL(" and ").join(
            sql.SQL("d.{0} = t.{0}").format(sql.Identifier(name)) for name in self.contract.key
        )
        cursor: Sql = sql.Identifier(self.contract.cursor_column) if self.contract.cursor_column else sql.SQL("1")
        self.run(
            "create unlogged table {dup} as select {key} from {target} group by {key} having count(*) > 1",
            dup=dup,
            key=self._key,
            target=target,
        )
        # Per key, among the rows of the highest cursor: `kinds` different ones; the first of them stands for all.
        self.run(
            """create unlogged table {rows} as
               select {key}, row_id, top, dense_rank() over (partition by {key}, top order by image) as kind,
                      row_number() over (partition by {key}, top order by row_id) as place
                 from (select {key_t}, t.row_id, row({all_t})::text as image,
                              coalesce({cursor_t} = max({cursor_t}) over (partition by {key_t}), true) as top
                         from (select i.ctid as row_id, {values} from {good}) t
                         join {dup} d on {same_key}) s""",
            rows=rows, key=self._key, key_t=self._columns(self.contract.key, "t."), all_t=self._columns(names, "t."), values=values, good=good,
            dup=dup, same_key=same_key, cursor_t=sql.SQL("t.{}").format(cursor) if self.contract.cursor_column else cursor,
        )  # fmt: skip
        conflict = self.run(
            """insert into {bad} select r.row_id, true from {rows} r
                where exists (select from {rows} k where k.top and k.kind > 1 and {same}) """,
            bad=bad, rows=rows, same=sql.SQL(" and ").join(sql.SQL("k.{0} = r.{0}").format(sql.Identifier(name)) for name in self.contract.key),
        ).rowcount  # fmt: skip
        self.run("delete from {target} t using {dup} d where {same_key}", target=target, dup=dup, same_key=same_key)
        winners = self.run(
            """insert into {target} select {values}{technical} from {good}
                  and i.ctid in (select row_id from {rows} where top and place = 1) and not exists (select from {bad} b where b.row_id = i.ctid)""",
            target=target, values=values, technical=technical, good=good, rows=rows, bad=bad,
        ).rowcount  # fmt: skip
        total = self.count("select count(*) from {rows}", rows=rows)
        loaded.duplicates = total - conflict - winners
        self.run("alter table {target} add primary key ({key})", target=target, key=self._key)
        return conflict

    def _quarantine(self, rules: list[Rule], stored: list[str], extra: tuple[str, ...]) -> int:
        """Write the bad rows and what is wrong with each; returns how many have no usable key."""
        incoming, bad, q = self.scratch("in"), self.scratch("bad"), self.scratch("q")
        contract = self.contract
        number: Sql = (
            sql.SQL("i._row")
            if "_row" in stored
            else sql.SQL("n.place + {}").format(sql.Literal(_HEADER_ROWS[self.encoding]))
        )
        order: Sql = sql.SQL("")
        if "_row" not in stored:
            # A table filled by one COPY is scanned in the order of the file, by one process from the start.
            self.connection.execute(
                "set local synchronize_seqscans = off; set local max_parallel_workers_per_gather = 0"
            )
            order = sql.SQL(
                " join (select o.ctid as row_id, row_number() over () as place from {} o) n on n.row_id = b.row_id"
            ).format(incoming)
        key_broken = [
            rule.broken for rule in rules if rule.column.name in contract.key and rule.code != contract_rules.SYNTHETIC
        ]
        usable = (
            sql.SQL("not ({})").format(sql.SQL(" or ").join(sql.SQL("({})").format(b) for b in key_broken))
            if key_broken
            else sql.SQL("true")
        )
        as_text, kept = self.encoding != "binary", contract_rules.kept_name
        kept_row = self._kept_row(as_text)
        key_json = sql.SQL("jsonb_build_object({})").format(
            sql.SQL(", ").join(
                sql.SQL("{}, ({})::text").format(
                    sql.Literal(name),
                    contract_rules.typed(contract.column(name), kept(contract.column(name)))
                    if as_text
                    else kept(contract.column(name)),
                )
                for name in contract.key
            )
        )
        source_names = {column.name: column.source_name for column in contract.columns}
        pairs = [(source_names[name], name) for name in stored if name in source_names] + [
            (title, f"_x{n}") for n, title in enumerate(extra)
        ]
        # jsonb_build_object takes 100 arguments at most.
        content = sql.SQL(" || ").join(
            sql.SQL("jsonb_build_object({})").format(
                sql.SQL(", ").join(
                    sql.SQL("{}, i.{}").format(sql.Literal(title), sql.Identifier(name))
                    for title, name in pairs[start : start + 50]
                )
            )
            for start in range(0, len(pairs), 50)
        )
        self.run(
            """create unlogged table {q} as
               select nextval('quarantine.quarantine_id') as quarantine_id, b.row_id, b.conflict, {number} as row_number,
                      case when {usable} then {key_json} end as key, {content} as content
                 from {bad} b join {incoming} i on i.ctid = b.row_id cross join lateral {kept_row} c{order}""",
            q=q, kept_row=kept_row, number=number, usable=usable, key_json=key_json, content=content, bad=bad, incoming=incoming, order=order,
        )  # fmt: skip
        self.connection.execute("set local max_parallel_workers_per_gather to default")
        self.run("analyze {q}", q=q)  # else its rows are looked up by reading all of the incoming table
        self.run(
            """insert into quarantine.row (quarantine_id, dataset, delivery_id, row_number, key, content)
               select quarantine_id, {dataset}, {delivery}, row_number, key, content from {q}""",
            q=q, dataset=sql.Literal(contract.id), delivery=sql.Literal(self.delivery_id),
        )  # fmt: skip
        lines = [
            sql.SQL("({broken}, {code}, {column}, {found}, {expected}, {vi}, {en})").format(
                broken=rule.broken, code=sql.Literal(rule.code), column=sql.Literal(rule.column.name),
                # A personal value is in the row itself, for whoever may open it, and nowhere else.
                found=sql.SQL("null::text") if rule.column.is_personal else sql.SQL("left(i.{}::text, 200)").format(sql.Identifier(rule.column.name)),
                expected=sql.Literal(rule.expected), vi=sql.Literal(rule.vi), en=sql.Literal(rule.en),
            )
            for rule in rules
        ]  # fmt: skip
        key_names = ", ".join(contract.key)
        lines.append(
            sql.SQL("(q.conflict, 'conflict', {}, null::text, {}, {}, {})").format(
                sql.Literal(key_names), sql.Literal("một dòng cho mỗi khóa / one row a key"),
                sql.Literal(f"{key_names}: nhiều dòng cùng khóa nhưng khác nội dung"), sql.Literal(f"{key_names}: several different rows of one key"),
            )
        )  # fmt: skip
        self.run(
            """insert into quarantine.problem (quarantine_id, code, column_name, found, expected, message_vi, message_en)
               select q.quarantine_id, v.code, v.column_name, v.found, v.expected, v.vi, v.en
                 from {q} q join {incoming} i on i.ctid = q.row_id cross join lateral {kept_row} c
                cross join lateral (values {lines}) v (broken, code, column_name, found, expected, vi, en) where v.broken""",
            q=q, kept_row=kept_row, incoming=incoming, lines=sql.SQL(", ").join(lines),
        )  # fmt: skip
        return self.count("select count(*) from {q} where key is null", q=q)


def _any(conditions: Iterable[Sql]) -> Sql:
    """True where one of the conditions is."""
    return sql.SQL(" or ").join(sql.SQL("({})").format(condition) for condition in conditions) or sql.SQL("false")

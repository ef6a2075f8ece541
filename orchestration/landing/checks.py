"""Rules that look beyond one text: identifiers (SQL schema `identifier`), dated code lists, references to other datasets.

Belongs here: one condition a rule, set-based: a list or the keys of a dataset are hashed once, or looked up by their index.
Stays out: types, patterns and ranges (`rules`), the functions themselves (`warehouse/sql/identifiers.sql`), filling lists (`code_lists`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from psycopg import sql

from orchestration.contracts import Column, Contract
from orchestration.contracts.model import UNASSIGNED
from orchestration.landing import formats

if TYPE_CHECKING:
    import psycopg

Sql = sql.Composable
#: Rule that an identifier was assigned to somebody.
SYNTHETIC = "synthetic"
#: Rules that say nothing of the value's form: as a key, a value that breaks one of them still tells which row it is.
KEY_STANDS = frozenset({SYNTHETIC, "disagrees", "code_list", "references", "part"})


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition on one row. `broken` is SQL that is true for a row in breach; `expected` is told to the agency.

    `note`: the row is taken in all the same. `told`: expressions for expected, vi and en where these depend on the row.
    """

    code: str
    column: Column
    broken: Sql
    expected: str
    vi: str
    en: str
    note: bool = False
    told: tuple[Sql, Sql, Sql] | None = None

    @property
    def texts(self) -> tuple[Sql, Sql, Sql]:
        """Expressions for what is expected and for the two messages."""
        return self.told or (sql.Literal(self.expected), sql.Literal(self.vi), sql.Literal(self.en))


@dataclass(frozen=True, slots=True)
class Given:
    """What the checks of a delivery need to know. `value_of` says how a column is called; `as_text`: values are still texts.

    `ready`: references (`agency.dataset.column`) that can be looked up. What cannot be checked goes into `unchecked`.
    `sure`: the conditions are asked only of rows whose texts are all of their types, so that none has to look again.
    """

    contract: Contract
    value_of: Callable[[Column], Sql]
    as_text: bool
    as_of: date | None = None
    ready: Collection[str] = ()
    unchecked: list[str] = field(default_factory=list)
    sure: bool = False

    def typed(self, name: str) -> tuple[Column, Sql]:
        """A column and its value in its type, null where the text is not of that type."""
        column = self.contract.column(name)
        value = self.value_of(column)
        if not self.as_text or formats.is_text(column):
            return column, value
        if self.sure:
            return column, formats.typed(column, value)
        valid = formats.is_readable(column, value)
        return column, sql.SQL("case when {} then {} end").format(valid, formats.typed(column, value))

    def day(self, name: str | None) -> Sql:
        """The day that a column of dates or moments states, else that of the delivery; null where neither is known."""
        fallback = sql.SQL("null::date") if self.as_of is None else sql.SQL("{}::date").format(sql.Literal(self.as_of))
        if name is None:
            return fallback
        column, value = self.typed(name)
        if formats.is_text(column):
            raise ValueError(f"{self.contract.id}: {name} is no date")
        return sql.SQL("coalesce(({})::date, {})").format(value, fallback)


#: Kind of identifier -> what it is, in both languages.
_KINDS = {
    "personal_id": ("số định danh cá nhân 12 chữ số", "a personal ID of 12 digits"),
    "citizen_id": ("số định danh cá nhân 12 chữ số hoặc CMND 9 chữ số", "a personal ID or an old identity card number"),
    "enterprise_code": ("mã số doanh nghiệp 10 chữ số, đúng số kiểm tra", "an enterprise code of 10 digits with check digit"),
    "tax_code": ("mã số thuế 10 hoặc 13 chữ số, từ 01/07/2025 cả số định danh", "a tax code; a personal ID from 1 July 2025"),
    "household_code": ("số đăng ký hộ kinh doanh dạng 98B8012345, hoặc số định danh", "a number of a household business or a personal ID"),
    "insurance_number": ("mã số BHXH 10 chữ số hoặc số định danh", "a social insurance number or a personal ID"),
    "health_card": ("số thẻ BHYT 15 ký tự, 10 chữ số hoặc số định danh", "a health card number of 15, 10 or 12 characters"),
    "facility_code": ("mã cơ sở khám chữa bệnh 5 ký tự", "a health facility code of 5 characters"),
    "dossier_code": ("mã hồ sơ <mã cơ quan>-YYMMDD-XXXX, ngày là ngày tiếp nhận", "a dossier code with the day of receipt"),
    "procedure_code": ("mã thủ tục quốc gia dạng 1.001193", "a national procedure code like 1.001193"),
    "agency_code": ("mã định danh cơ quan dạng H05.12 hoặc 000.00.12.H05", "an agency code like H05.12 or 000.00.12.H05"),
    "phone": ("số điện thoại Việt Nam", "a telephone number of Vietnam"),
}  # fmt: skip


def identifier_rules(column: Column, given: Given) -> list[Rule]:
    """The value is well formed for its kind, and agrees with the columns named beside it."""
    kind, value = str(column.identifier), given.value_of(column)
    roles, note = column.identifier_with, column.on_breach == "note"
    arguments: list[Sql] = [value]
    if kind == "tax_code":
        arguments.append(given.day(roles.get("on")))
    elif kind == "dossier_code":
        received = given.day(roles["received"]) if "received" in roles else sql.SQL("null::date")
        # A dossier without a day of receipt agrees with any: that of the delivery is another day.
        arguments.append(_only_where(given, roles.get("received"), received))
    vi, en = _KINDS[kind]
    found = [
        Rule(
            "identifier", column,
            sql.SQL("identifier.{}({}) is false").format(sql.Identifier(f"{kind}_is_valid"), sql.SQL(", ").join(arguments)),
            f"{vi} / {en}", f"{column.label_vi}: không phải {vi}", f"{column.name}: not {en}", note,
        )
    ]  # fmt: skip
    if kind in ("personal_id", "citizen_id") and roles:
        found.append(_disagrees(column, given, note))
    return found


def _only_where(given: Given, name: str | None, day: Sql) -> Sql:
    if name is None:
        return day
    return sql.SQL("case when {} is not null then {} end").format(given.typed(name)[1], day)


def _disagrees(column: Column, given: Given, note: bool) -> Rule:
    """A personal ID states year of birth and sex; the row must not state others."""
    born: Sql = sql.SQL("null::date")
    sex: Sql = sql.SQL("null::text")
    names = [given.contract.column(name).label_vi for name in column.identifier_with.values()]
    if "born" in column.identifier_with:
        other, value = given.typed(column.identifier_with["born"])
        born = value if formats.is_text(other) else sql.SQL("({})::date").format(value)
    if "sex" in column.identifier_with:
        _, value = given.typed(column.identifier_with["sex"])
        sex = sql.SQL("({})::text").format(value)
    with_vi, with_en = ", ".join(names), ", ".join(column.identifier_with.values())
    broken = sql.SQL("identifier.personal_id_agrees({}, {}, {}) is false").format(given.value_of(column), born, sex)
    return Rule(
        "disagrees", column, broken, f"khớp {with_vi} / agreeing with {with_en}",
        f"{column.label_vi}: thế kỷ, năm sinh hoặc giới tính trong số không khớp {with_vi}",
        f"{column.name}: century, year or sex in the number disagree with {with_en}", note,
    )  # fmt: skip


def synthetic_rule(column: Column, value: Sql) -> Rule:
    """The rule that an identifier is not a simulated one."""
    prefixes = UNASSIGNED[str(column.identifier)]
    begins = sql.SQL(" or ").join(sql.SQL("{} ^@ {}").format(value, sql.Literal(prefix)) for prefix in prefixes)
    # Nearly every real value is below the first of them: one cheap comparison a row instead of all.
    broken = sql.SQL('{v} is not null and {v} collate "C" >= {first} and ({begins})').format(
        v=value, first=sql.Literal(min(prefixes)), begins=begins
    )
    listed = ", ".join(prefixes)
    return Rule(
        SYNTHETIC, column, broken,
        f"không bắt đầu bằng / not beginning with {listed}",
        f"{column.label_vi}: mã mô phỏng, {listed} không cấp cho ai; dữ liệu thật thì sửa tại nguồn, chạy thử thì đặt KHO_SYNTHETIC=1",
        f"{column.name}: a synthetic identifier, {listed} are assigned to nobody; correct real data at the source, set KHO_SYNTHETIC=1 for a trial",
    )  # fmt: skip


def code_list_rule(column: Column, given: Given, text: Sql) -> Rule:
    """The code is in its list, and in force on the day of the row, else of the delivery. `text`: the code as text.

    Raises ValueError where the day is that of the delivery and not given.
    """
    if given.as_of is None:
        raise ValueError(f"{given.contract.id}: {column.name} needs the day of the delivery")
    name, day = str(column.code_list), given.day(column.code_list_at)
    values = sql.SQL("kho.code_value w where w.list = {}").format(sql.Literal(name))
    if column.code_list_at is None:
        known = sql.SQL("{} in (select w.code from {} and {} between w.valid_from and coalesce(w.valid_to, 'infinity'))").format(
            text, values, day
        )  # fmt: skip
    else:
        # Days on which something changes cut time into pieces: (code, piece) can be hashed, a code with a range of days cannot.
        cuts = sql.SQL("array(select w.valid_from from {0} union select w.valid_to + 1 from {0} and w.valid_to is not null order by 1)").format(
            values
        )  # fmt: skip
        known = sql.SQL(
            "({code}, width_bucket({day}, {cuts})) in (select w.code, generate_series(width_bucket(w.valid_from, {cuts}),"
            " case when w.valid_to is null then cardinality({cuts}) else width_bucket(w.valid_to, {cuts}) end) from {values})"
        ).format(code=text, day=day, cuts=cuts, values=values)
    broken = sql.SQL("{} is not null and ({}) is not true").format(text, known)
    vi = f"{column.label_vi}: ngoài danh mục {name}"
    en = f"{column.name}: not in the list {name}"
    rule = Rule(
        "code_list", column, broken, f"mã có trong danh mục / a code of the list {name}", vi, en, column.on_breach == "note"
    )  # fmt: skip
    if column.is_personal:  # a successor would tell the value
        return rule
    return Rule(rule.code, column, broken, rule.expected, vi, en, rule.note, _told(rule, name, text, day))


def _told(rule: Rule, name: str, text: Sql, day: Sql) -> tuple[Sql, Sql, Sql]:
    """Texts that say since when a code is out of force and which one has taken over, or from when on it is in force."""
    # The version of the code before that day, else the first one after it; then along its successors to one in force.
    lookup = """case when {broken} then (
        with recursive line (code, valid_from, valid_to, successor, step) as (
            (select w.code, w.valid_from, w.valid_to, w.successor, 0 from kho.code_value w where w.list = {list} and w.code = {code}
              order by w.valid_from <= {day} desc, case when isfinite({day}) then abs(w.valid_from - {day}) end limit 1)
            union all
            select w.code, w.valid_from, w.valid_to, w.successor, step + 1 from line l join kho.code_value w
                on w.list = {list} and w.code = l.successor and l.valid_to < {day} and step < 20
                and l.valid_to + 1 between w.valid_from and coalesce(w.valid_to, 'infinity'))
        select coalesce((select case when f.valid_from > {day} then format({later}, to_char(f.valid_from, 'DD/MM/YYYY'))
                                     else format({ended}, to_char(f.valid_to + 1, 'DD/MM/YYYY'))
                                          || coalesce(format({now}, (select n.code from line n where n.step > 0 and {day} between n.valid_from
                                                                        and coalesce(n.valid_to, 'infinity') limit 1)), '') end
                           from line f where f.step = 0), {plain})) end"""

    def said(later: str, ended: str, now: str, plain: str) -> Sql:
        return sql.SQL(lookup).format(
            broken=rule.broken, list=sql.Literal(name), code=text, day=day, later=sql.Literal(later), ended=sql.Literal(ended),
            now=sql.Literal(now), plain=sql.Literal(plain),
        )  # fmt: skip

    label = rule.column.label_vi.replace("%", "%%")
    return (
        sql.Literal(rule.expected),
        said(f"{label}: mã chưa có hiệu lực trước %s", f"{label}: mã đã hết hiệu lực từ %s", ", mã nay là %s", rule.vi),
        said(
            f"{rule.column.name}: not in force before %s", f"{rule.column.name}: no longer in force from %s", ", now %s", rule.en
        ),
    )  # fmt: skip


def part_rule(column: Column, given: Given, parts: Collection[str]) -> Rule:
    """The row belongs to what its file says it is the whole of: else one stray row would speak for all of another part."""
    _, value = given.typed(column.name)
    broken = sql.SQL("not coalesce(({})::text = any ({}), true)").format(value, sql.Literal(sorted(parts)))
    return Rule(
        "part", column, broken, "như tên tệp / as the file's name says", f"{column.label_vi}: khác với tên tệp",
        f"{column.name}: differs from the file's name",
    )  # fmt: skip


def reference_rule(column: Column, given: Given, value: Sql) -> Rule | None:
    """The value is a key of the other dataset that is not deleted; None, and a line in `unchecked`, where that cannot be looked up."""
    agency, dataset, other = str(column.references).split(".")
    if column.references not in given.ready:
        given.unchecked.append(
            f"{column.label_vi}: chưa đối chiếu được với {column.references} / {column.name}: {column.references} cannot be looked up yet"
        )
        return None
    # Hashed where the keys fit into work_mem, looked up by their index where they do not.
    broken = sql.SQL("{v} is not null and not exists (select from raw.{t} w where w.{c} = {v} and not w._deleted)").format(
        v=value, t=sql.Identifier(f"{agency}__{dataset}"), c=sql.Identifier(other)
    )  # fmt: skip
    return Rule(
        "references", column, broken, f"có trong / known to {column.references}",
        f"{column.label_vi}: không có trong {column.references}", f"{column.name}: not in {column.references}", column.on_breach == "note",
    )  # fmt: skip


def ready_references(connection: psycopg.Connection, contract: Contract) -> frozenset[str]:
    """Those of the contract's references that can be checked: the table is there, and an index begins with the column.

    Without an index a reference to millions of keys might be looked up by reading all of them for each row. The types must be
    comparable, and a dataset's reference to itself is not ready: its rows are on their way.
    """
    wanted = {
        c.references: c for c in contract.columns if c.references and not c.references.startswith(contract.id + ".")
    }
    if not wanted:
        return frozenset()
    found = connection.execute(
        """select t.ref from unnest(%s::text[], %s::text[], %s::text[], %s::text[]) t (ref, tab, col, kind)
            where exists (select from pg_class c join pg_namespace s on s.oid = c.relnamespace and s.nspname = 'raw'
                            join pg_attribute a on a.attrelid = c.oid and a.attname = t.col and not a.attisdropped
                            join pg_index x on x.indrelid = c.oid and x.indkey[0] = a.attnum and x.indisvalid and x.indpred is null
                           where c.relname = t.tab and (a.atttypid = to_regtype(t.kind)
                                 or (select array_agg(p.typcategory) <@ array['N'::"char"] from pg_type p where p.oid in (a.atttypid, to_regtype(t.kind)))))""",
        (
            list(wanted),
            ["__".join(ref.split(".")[:2]) for ref in wanted],
            [ref.split(".")[2] for ref in wanted],
            [column.pg_type.split("(")[0] for column in wanted.values()],
        ),
    ).fetchall()
    return frozenset(ref for (ref,) in found)

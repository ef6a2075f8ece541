"""Rules of a contract on rows: plant one breach and find exactly it, plant none and find none; lists, references, identifiers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from orchestration.contracts import Column, Contract
from orchestration.contracts.code_lists import CodeList, CodeValue, load_lists
from orchestration.landing import code_lists, rules
from orchestration.warehouse import connect

from .samples import column, contract

TODAY = date(2026, 3, 1)
Row = Mapping[str, str | None]


@pytest.fixture
def loader(empty: Path) -> Iterator[psycopg.Connection[Any]]:
    """The loader's connection; nothing it does is kept."""
    with connect("loader") as connection:
        connection.execute("set local timezone = 'Asia/Ho_Chi_Minh'")
        yield connection
        connection.rollback()


def value_of_list(
    code: str, first: str = "0001-01-01", last: str | None = None, successor: str | None = None
) -> CodeValue:
    end = None if last is None else date.fromisoformat(last)
    return CodeValue(code, f"nhãn {code}", f"label {code}", date.fromisoformat(first), end, successor, 1)


def told(
    loader: psycopg.Connection[Any], made: Contract, lines: Sequence[Row], *, as_text: bool = True, messages: bool = False, **given: Any
) -> list[set[Any]]:  # fmt: skip
    """For each row the rules it breaks: (column, code), with `messages` also expected, vi and en."""
    names = [c.name for c in made.columns]
    kinds = ["text" if as_text else c.pg_type for c in made.columns]
    loader.execute("drop table if exists incoming")
    loader.execute(
        f"create temporary table incoming (n int, {', '.join(f'{n} {k}' for n, k in zip(names, kinds, strict=True))})"
    )
    with loader.cursor() as cursor, cursor.copy("copy incoming from stdin") as copy:
        for number, line in enumerate(lines):
            copy.write_row((number, *(line.get(name) for name in names)))
    values = {"as_of": TODAY, "synthetic": True, **given}
    found = rules.rules(made, as_text=as_text, **values)
    kept = sql.SQL(", ").join(
        sql.SQL("{} as {}").format(rules.kept(c, True, as_text=as_text), sql.Identifier(c.name)) for c in made.columns
    )
    cases = sql.SQL(", ").join(
        sql.SQL("({}, {}, {}, {})").format(rule.broken, sql.Literal(rule.column.name), sql.Literal(rule.code), sql.SQL(", ").join(rule.texts))
        for rule in found
    )  # fmt: skip
    result: list[set[Any]] = [set() for _ in lines]
    answer = loader.execute(
        sql.SQL(
            "select n, v.* from incoming i cross join lateral (select {} offset 0) c"
            " cross join lateral (values {}) v (broken, name, code, expected, vi, en) where v.broken is distinct from false"
        ).format(kept, cases)
    ).fetchall()
    for number, broken, name, code, *texts in answer:
        assert broken is True, f"{code} of {name} is null"
        result[number].add((name, code, *texts) if messages else (name, code))
    return result


# -- every rule -----------------------------------------------------------------------------------------------------------

LISTS = [
    CodeList("place", (value_of_list("1", last="2025-06-30", successor="3"), value_of_list("2"), value_of_list("3", "2025-07-01"),
                       value_of_list("5", last="2027-03-15"), value_of_list("9", "2030-01-01"))),
]  # fmt: skip
COLUMNS = [
    column("key", key_position=1, required=True),
    column("who", identifier="personal_id", identifier_with={"born": "born", "sex": "sex"}),
    column("born", "date", format="dd/MM/yyyy"),
    column("sex"),
    column("firm", identifier="tax_code", identifier_with={"on": "since"}),
    column("since", "date"),
    column("dossier", identifier="dossier_code", identifier_with={"received": "at"}),
    column("at", "timestamptz", format="yyyyMMddHHmmss"),
    column("phone", identifier="phone", on_breach="note"),
    column("place", code_list="place"),
    column("place_then", code_list="place", code_list_at="since"),
    column("number", "integer", code_list="place"),
    column("school", references="office.school.code"),
    column("grade", "integer", references="office.grade.grade"),
    column("day", format="partial_date"),
    column("held", "boolean", format="x/", missing=("-",)),
    column("word", pattern="^[a-z]+$", max_length=3, missing=("không", "chưa có")),
    column("amount", "numeric(8,2)", minimum=Decimal(0), format="decimal_comma", missing=("không",)),
]
GOOD: dict[str, str | None] = {
    "key": "1", "who": "099199000111", "born": "02/01/1999", "sex": "Nữ", "firm": "099203000111", "since": "2025-07-01",
    "dossier": "H05.12-250701-0001", "at": "20250701235959", "phone": "0241.3822123", "place": "2", "place_then": "3", "number": "3",
    "school": "A", "grade": "1", "day": "00/02/1999", "held": "X", "word": "abc", "amount": "1.000,50",
}  # fmt: skip
READY = ("office.school.code", "office.grade.grade")
#: Column and text -> the one rule that it breaks.
BREACHES: list[tuple[str, str | None, str]] = [
    ("key", None, "required"), ("who", "099199", "identifier"), ("who", "888888888888", "identifier"),
    ("who", "099198000111", "disagrees"), ("who", "099099000111", "disagrees"), ("born", "31/02/1999", "type"), ("born", "٠١/01/1999", "type"),
    ("firm", "2300325765", "identifier"), ("dossier", "H05.12-250630-0001", "identifier"), ("dossier", "H05.12-250701-001", "identifier"),
    ("at", "20250701236059", "type"), ("phone", "12345", "identifier"), ("place", "4", "code_list"), ("place", "1", "code_list"),
    ("place", "9", "code_list"), ("place_then", "1", "code_list"), ("place_then", "9", "code_list"), ("number", "1", "code_list"),
    ("number", "x", "type"), ("school", "B", "references"), ("school", "Z", "references"), ("grade", "2", "references"), ("day", "30/02/1999", "type"),
    ("day", "01/00/1999", "type"), ("day", "13/1999", "type"), ("held", "Có", "type"), ("word", "ABC", "pattern"), ("word", "abcd", "max_length"),
    ("amount", "-1,0", "minimum"), ("amount", "chưa", "type"),
]  # fmt: skip
#: Values that break nothing.
HARMLESS: list[tuple[str, str | None]] = [
    *((name, None) for name in GOOD if name != "key"), ("who", " 099199000111 "), ("sex", "khác"), ("place_then", " 3"), ("firm", "2300325764"),
    ("at", "20250701000000"), ("day", "1999"), ("day", "2/1999"), ("day", "00/00/1999"), ("day", "1/2/1999"), ("held", ""), ("held", "-"), ("word", "KHÔNG"),
    ("word", "Chưa  có"), ("amount", "Không "), ("grade", "01"), ("number", "02"), ("phone", "(0222) 3822 123"),
]  # fmt: skip


@pytest.fixture
def furnished(loader: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    """With the list `place` and two datasets to refer to."""
    code_lists.put_in(loader, LISTS)
    loader.execute("create table raw.office__school (code text primary key, _deleted boolean not null default false)")
    loader.execute("insert into raw.office__school values ('A', false), ('B', true)")
    loader.execute("create table raw.office__grade (grade bigint primary key, _deleted boolean not null default false)")
    loader.execute("insert into raw.office__grade values (1, false)")
    return loader


def test_one_breach_is_found_and_nothing_else(furnished: psycopg.Connection[Any]) -> None:
    made = contract(COLUMNS)
    assert rules.ready_references(furnished, made) == set(READY)
    lines = [
        GOOD,
        *({**GOOD, name: text} for name, text, _ in BREACHES),
        *({**GOOD, name: text} for name, text in HARMLESS),
    ]
    found = told(furnished, made, lines, ready=READY)
    expected = [set(), *({(name, code)} for name, _, code in BREACHES), *(set() for _ in HARMLESS)]
    assert [(line, a) for line, a, b in zip(lines, found, expected, strict=True) if a != b] == []
    # Every kind of rule that the columns have has been broken.
    kinds = {
        (rule.column.name, rule.code)
        for rule in rules.rules(made, as_text=True, synthetic=True, as_of=TODAY, ready=READY)
    }
    assert {(name, code) for name, _, code in BREACHES} >= kinds - {
        ("amount", "maximum"),
        ("since", "type"),
        ("grade", "type"),
    }


def test_typed_values_are_judged_as_texts_are(furnished: psycopg.Connection[Any]) -> None:
    """The way of a database: what the columns' types can hold is judged in the same way."""
    plain = [replace(c, format=None if c.format != "partial_date" else c.format, missing=()) for c in COLUMNS]
    typed = {"born": "1999-01-02", "at": "2025-07-01 23:59:59+07", "held": "t", "amount": "1000.50"}
    good = {**GOOD, **typed}
    kept = [(n, t, code) for n, t, code in BREACHES if n not in (*typed, "number", "grade")]
    kept += [("number", "1", "code_list"), ("grade", "2", "references"), ("amount", "-1", "minimum")]
    lines = [good, *({**good, name: text} for name, text, _ in kept)]
    found = told(furnished, contract(plain), lines, as_text=False, ready=READY)
    assert found == [set(), *({(name, code)} for name, _, code in kept)]


def test_a_note_is_a_note_and_type_and_required_always_hold(furnished: psycopg.Connection[Any]) -> None:
    noted = contract([replace(c, on_breach="note") for c in COLUMNS])
    held = contract([replace(c, on_breach="hold") for c in COLUMNS])
    found = rules.rules(noted, as_text=True, synthetic=False, as_of=TODAY, ready=READY)
    assert {rule.code for rule in found if not rule.note} == {"required", "type", "synthetic"}
    assert {rule.code for rule in found if rule.note} == {
        "identifier", "disagrees", "code_list", "references", "pattern", "max_length", "minimum",
    }  # fmt: skip
    assert not any(rule.note for rule in rules.rules(held, as_text=True, synthetic=False, as_of=TODAY, ready=READY))


def test_a_code_needs_its_day(loader: psycopg.Connection[Any]) -> None:
    made = contract([column("key", key_position=1, required=True), column("place", code_list="place")])
    with pytest.raises(ValueError, match="day of the delivery"):
        rules.rules(made, as_text=True, synthetic=True)
    # A list that is not in the database has no code: nothing passes unseen.
    assert told(loader, made, [{"key": "1", "place": "2"}]) == [{("place", "code_list")}]


@pytest.mark.parametrize("at", [None, "since"])
def test_the_days_of_a_code_are_exact(furnished: psycopg.Connection[Any], at: str | None) -> None:
    """First and last day are in, the days beside them are out: on the day of the delivery and on that of a row."""
    columns = [
        column("key", key_position=1, required=True),
        column("since", "date"),
        column("place", code_list="place", code_list_at=at),
    ]
    made = contract(columns)
    days = [
        date(2025, 6, 29),
        date(2025, 6, 30),
        date(2025, 7, 1),
        date(2029, 12, 31),
        date(2030, 1, 1),
        date(1990, 1, 1),
    ]
    for day in days:
        lines = [{"key": code, "place": code, "since": day.isoformat()} for code in "123459"]
        as_of = TODAY if at else day
        wrong = {
            line["key"]
            for line, problems in zip(lines, told(furnished, made, lines, as_of=as_of), strict=True)
            if problems
        }
        right = {v.code for v in LISTS[0].values if v.covers(day)}
        assert wrong == set("123459") - right, day
    if at:  # without a day of its own the row is judged on that of the delivery
        assert told(furnished, made, [{"key": "1", "place": "1"}, {"key": "3", "place": "3"}]) == [
            {("place", "code_list")},
            set(),
        ]


def test_the_agency_is_told_which_commune_it_is_now(loader: psycopg.Connection[Any]) -> None:
    code_lists.put_in(loader, load_lists())
    commune = column("commune", code_list="commune", label_vi="Mã xã")
    keyed = column("key", key_position=1, required=True)
    codes = ["07204", "07201", "09184", "07210", "99999"]
    lines = [{"key": code, "commune": code} for code in codes]
    found = told(loader, contract([keyed, commune]), lines, messages=True)
    vi = [{message[3] for message in problems} for problems in found]
    assert vi == [
        {"Mã xã: mã đã hết hiệu lực từ 01/01/2025, mã nay là 07210"},
        {"Mã xã: mã đã hết hiệu lực từ 01/07/2025, mã nay là 07210"},
        {"Mã xã: mã đã hết hiệu lực từ 01/07/2025, mã nay là 09187"},
        set(),
        {"Mã xã: ngoài danh mục commune"},
    ]
    assert {message[4] for message in found[0]} == {"commune: no longer in force from 01/01/2025, now 07210"}
    spring = told(loader, contract([keyed, commune]), lines, messages=True, as_of=date(2025, 3, 1))
    assert [{message[3] for message in problems} for problems in spring] == [
        {"Mã xã: mã đã hết hiệu lực từ 01/01/2025, mã nay là 07207"}, set(), set(), set(), {"Mã xã: ngoài danh mục commune"},
    ]  # fmt: skip
    # A personal value is told nowhere but in the row: its successor would tell it.
    secret = contract([keyed, replace(commune, classification="sensitive")])
    found = told(loader, secret, lines, messages=True)
    assert {message[3] for problems in found for message in problems} == {"Mã xã: ngoài danh mục commune"}


def test_a_code_that_is_not_yet_in_force_is_told_so(furnished: psycopg.Connection[Any]) -> None:
    made = contract(
        [column("key", key_position=1, required=True), column("place", code_list="place", label_vi="Nơi 100 %")]
    )
    (found,) = told(furnished, made, [{"key": "1", "place": "9"}], messages=True)
    assert {(vi, en) for _, _, _, vi, en in found} == {
        ("Nơi 100 %: mã chưa có hiệu lực trước 01/01/2030", "place: not in force before 01/01/2030")
    }


def test_a_reference_that_cannot_be_looked_up_is_said_so(furnished: psycopg.Connection[Any]) -> None:
    furnished.execute("create table raw.office__pair (a text, b text, _deleted boolean, primary key (a, b))")
    wanted = {
        "office.school.code": True, "office.nothing.code": False, "office.school.name": False, "office.pair.a": True, "office.pair.b": False,
        "office.grade.grade": False,
    }  # fmt: skip
    columns: list[Column] = [column("key", key_position=1, required=True)]
    columns += [column(f"c{n}", references=ref) for n, ref in enumerate(wanted)]
    made = contract(columns, name="own")
    ready = rules.ready_references(furnished, made)
    assert ready == {ref for ref, there in wanted.items() if there}
    unchecked: list[str] = []
    found = rules.rules(made, as_text=True, synthetic=True, ready=ready, unchecked=unchecked)
    assert {rule.column.references for rule in found if rule.code == "references"} == ready
    assert len(unchecked) == 4 and all("chưa đối chiếu" in text and "cannot be looked up" in text for text in unchecked)
    own = contract([columns[0], column("parent", references=f"{made.id}.key")], name="own")
    furnished.execute(f"create table raw.{own.table} (key text primary key, _deleted boolean)")
    assert rules.ready_references(furnished, own) == set()


def test_lists_are_written_when_they_change_and_only_then(loader: psycopg.Connection[Any]) -> None:
    lists = [*LISTS, CodeList("kind", (value_of_list("a"), value_of_list("b")))]
    assert code_lists.put_in(loader, lists) == ["kind", "place"]
    assert code_lists.put_in(loader, lists) == []
    changed = [lists[0], CodeList("kind", (value_of_list("a"), value_of_list("c")))]
    assert code_lists.put_in(loader, changed) == ["kind"]
    count = "select list, count(*), min(code), max(code) from kho.code_value group by list order by list"
    assert loader.execute(count).fetchall() == [("kind", 2, "a", "c"), ("place", 5, "1", "9")]
    moved = [lists[0], CodeList("kind", tuple(replace(v, line=7) for v in changed[1].values))]
    assert code_lists.put_in(loader, moved) == []  # where a value stands in the file is no change
    assert code_lists.put_in(loader, lists[:1]) == ["kind"]
    assert loader.execute(count).fetchall() == [("place", 5, "1", "9")]

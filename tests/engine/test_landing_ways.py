"""The clean way and the general way, CSV and binary: one delivery, one result, whichever way it takes."""

from __future__ import annotations

import itertools
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from orchestration.contracts import Column, Contract
from orchestration.landing import Receipt, land, rules
from orchestration.landing.load import Loader
from orchestration.sources import Delivery

from .cluster import rows
from .samples import NIGHT, START, Cell, Row, binary_bytes, column, contract, csv_bytes, in_chunks

COLUMNS = [
    column("code", key_position=1, required=True, pattern=r"^\d{3}$"),
    column("title", pattern=r"^.{1,20}$"),
    column("mark", pattern=r"^(\d{4})?$"),
    column("level", "integer", allowed=("0", "1", "2")),
    column("price", "numeric(8,2)", minimum=Decimal(0), maximum=Decimal(1000)),
    column("share", "double precision"),
    column("born", "date"),
    column("seen", "timestamptz"),
    column("noted", "timestamp"),
    column("is_on", "boolean"),
    column("token", "uuid"),
    column("detail", "jsonb"),
    column("short", min_length=2, max_length=4),
    column("free", required=True),
    column("who", identifier="personal_id"),
]
GOOD = {
    "title": "Trạm y tế", "mark": "2020", "level": "1", "price": "12.5", "share": "0.25", "born": "2025-01-31", "seen": "2025-01-31T08:00:00+07:00",
    "noted": "2025-01-31 08:00:00", "is_on": "true", "token": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "detail": '{"a": 1}', "short": "abc", "free": "tự do",
    "who": "024099000111",
}  # fmt: skip
#: Spellings that one way might read differently from the other. What comes of them is not said here, only that it is one thing.
ODD: dict[str, list[str | None]] = {
    "title": ["Tra\u0323m y te\u0302\u0301", " x", "x ", "\u00a0x", "x\t", "", None, "  ", "a\nb", "x" * 20, "x" * 21],
    "mark": ["", None, " ", "2020 ", "202", "２０２０"],
    "level": ["01", "+1", " 1", "1 ", "2", "3", "", None, "1.0", "0x1", "1_0"],
    "price": [
        "12.345",
        "12.344",
        "1e2",
        "NaN",
        "Infinity",
        "+5",
        " 7 ",
        "1000.004",
        "1000.005",
        "-0",
        "0.001",
        "1,5",
        "",
        None,
        "\u00a07",
    ],
    "share": ["1e308", "1e309", "nan", "-inf", "0x10", ".5", "5."],
    "born": ["2025-1-5", "20250131", "Jan 5 2025", "31/01/2025", "infinity", "2025-02-29", "", None, " 2025-01-31 "],
    "seen": ["2025-01-31", "2025-01-31 08:00", "2025-01-31T01:00:00Z", "2025-01-31 24:00:00", "x"],
    "noted": ["2025-01-31T01:00:00Z", "2025-01-31"],
    "is_on": ["t", "TRUE", "1", "0", "yes", "no", "on", "of", "off", " true ", "2", "", None],
    "token": ["A0EEBC999C0B4EF8BB6D6BB9BD380A11", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}", "x"],
    "detail": ['{"a":1}', '{"a": 1, "a": 2}', "null", "[]", "{", '"\\u0000"'],
    "short": ["a", "ab", "abcd", "abcde", "  ab  ", "", None, "a\u0302b"],
    "free": ["\\N", "\\.", '"', ",", "'", "", None, " ", "NULL", "a\r\nb", "=1+1", "x" * 5000],
    "who": ["097099000111", " 098099000111", "\u00a0099099000111 ", "09", "97099000111", "", None],
    "code": ["002 ", " 003", "04", "", None, "٠٠١", "0001"],
}
CASES: list[tuple[str, str | None]] = [(name, text) for name, texts in ODD.items() for text in texts]


def row(number: int, **odd: str | None) -> Row:
    texts: dict[str, str | None] = {"code": f"{number:03}", **GOOD, **odd}
    return {name: Cell(text, text) for name, text in texts.items()}


def result(made: Contract, receipt: Receipt) -> dict[str, Any]:
    """Everything that must not depend on the way: rows as text, shape, counts, quarantine."""
    names = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(c.name)) for c in made.columns)
    content = rows(
        sql.SQL("select {}, _deleted from {} order by code").format(names, sql.Identifier("raw", made.table))
    )
    shape = rows(
        "select attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid) from pg_attribute"
        " left join pg_attrdef on adrelid = attrelid and adnum = attnum where attrelid = %s::regclass and attnum > 0 order by attnum",
        (f"raw.{made.table}",),
    )
    keys = rows(
        "select pg_get_constraintdef(oid) from pg_constraint where conrelid = %s::regclass and contype = 'p'",
        (f"raw.{made.table}",),
    )
    counts = {
        name: getattr(receipt, name)
        for name in ("outcome", "received", "accepted", "quarantined", "inserted", "updated", "unchanged")
    }
    locked = rows(
        "select row_number, key, p.code, p.column_name, p.found, p.expected, p.message_vi from quarantine.row r join quarantine.problem p"
        " using (quarantine_id) where dataset = %s and delivery_id = %s",
        (made.id, receipt.delivery_id),
    )
    return {"rows": content, "shape": shape, "key": keys, "counts": counts, "quarantine": sorted(locked, key=repr)}


def send(made: Contract, content: list[Row], how: str, day: int = 0) -> Receipt:
    names = [c.name for c in made.columns]
    columns: tuple[str | None, ...] = tuple(names)
    encoding, extra = "csv", ()
    if how == "binary":
        encoding, body = "binary", binary_bytes(made.columns, content)
    elif how == "general":  # a column that is not in the contract is no breach, and rules out the clean way
        extra = ("Thêm",)
        columns, body = (*columns, None), csv_bytes(names, content, extra=extra)
    elif how == "crlf":
        body = b"\xef\xbb\xbf" + csv_bytes(names, content, end="\r\n")
    elif how == "shuffled":
        columns = tuple(reversed(names))
        body = csv_bytes(list(reversed(names)), content)
    else:
        body = csv_bytes(names, content)
    moment = START + timedelta(days=day)
    return land(made, Delivery("sample.csv", moment, encoding, in_chunks(body), columns, extra), night=NIGHT)


def landed(columns: list[Column], deliveries: list[list[Row]], how: str) -> dict[str, Any]:
    made = contract(columns)
    receipt = None
    for day, content in enumerate(deliveries):
        receipt = send(made, content, how, day)
    assert receipt is not None
    return result(made, receipt)


FILLER = [row(n) for n in range(900, 910)]


def differing() -> list[tuple[str, str | None]]:
    """Spellings of which the two ways make different things: each alone, so that the clean way has its chance."""
    found = []
    pair = [contract(COLUMNS), contract(COLUMNS)]
    for day, (name, text) in enumerate(CASES):
        first = (
            [contract(COLUMNS), contract(COLUMNS)] if text == ODD[name][0] else []
        )  # one of a column as a first load too
        for one, other in (pair, first) if first else (pair,):
            content = [*FILLER, row(1, **{name: text})]
            if result(one, send(one, content, "csv", day)) != result(other, send(other, content, "general", day)):
                found.append((name, text))
    return found


def test_every_odd_spelling_means_the_same_on_both_ways(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clean_ways: list[bool] = []
    clean = Loader.clean

    def watched(self: Loader, *args: Any, **options: Any) -> int:
        clean_ways.append(False)
        received = clean(self, *args, **options)
        clean_ways[-1] = True
        return received

    monkeypatch.setattr(Loader, "clean", watched)
    assert differing() == []
    # Both ways have been taken, or this proves nothing.
    assert clean_ways.count(True) > 30 and clean_ways.count(False) > 30


def test_the_comparison_notices_texts_that_are_not_mended(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "uncanonical", lambda _: [])
    monkeypatch.setattr(
        sys.modules[__name__], "CASES", [("title", " x"), ("price", "1e2"), ("mark", ""), ("free", " ")]
    )
    assert {name for name, _ in differing()} == {"title", "mark", "free"}


@pytest.mark.parametrize("how", ["crlf", "shuffled", "general", "binary"])
def test_the_form_of_the_bytes_does_not_matter(empty: Path, how: str) -> None:
    clean = [row(n, title=f"Trạm {n}", price=f"{n}.5") for n in range(20)]
    changed = [*clean[:-1], row(5, title="khác"), row(30)][1:]
    blemished = [
        *changed[:-2],
        row(30, level="2"),
        row(31, free=None),
        row(32, price="1001"),
        row(33, title=" đệm "),
        row(34, free=" "),
    ]
    expected = landed(COLUMNS, [clean, changed, blemished], "csv")
    found = landed(COLUMNS, [clean, changed, blemished], how)
    if how == "binary":
        for side in (expected, found):
            # Binary has no header line; numbers of rows start one earlier. The text of a typed value is PostgreSQL's.
            side["quarantine"] = [(*line[1:4], *line[5:]) for line in side["quarantine"]]
    assert found == expected
    assert expected["counts"]["quarantined"] > 0


def test_blank_keys_and_texts_of_a_database_are_quarantined(empty: Path) -> None:
    """A typed source can still hold blanks where a text is required; one such row must not stop the others."""
    columns = [column("code", key_position=1, required=True), column("name", required=True), column("note")]
    made = contract(columns)
    lines = [("A", "x", None), (" ", "x", None), ("", "y", None), ("B", "  ", None), ("C ", "x", " ")]
    content = [{c: Cell(text, text) for c, text in zip(("code", "name", "note"), line, strict=True)} for line in lines]
    receipt = land(
        made,
        Delivery("t", START, "binary", in_chunks(binary_bytes(columns, content)), ("code", "name", "note")),
        night=NIGHT,
    )
    assert (receipt.accepted, receipt.quarantined) == (2, 3)
    assert rows(f"select code, name, note from raw.{made.table} order by 1") == [("A", "x", None), ("C", "x", None)]
    keys = rows("select key from quarantine.row where dataset = %s order by row_number", (made.id,))
    assert keys == [(None,), (None,), ({"code": "B"},)]


def test_the_order_of_rows_does_not_matter(empty: Path) -> None:
    content = [row(1), row(2, free=None), row(3), row(3, free="khác"), row(4), row(4)]
    results = []
    for order in itertools.islice(itertools.permutations(range(6)), 0, 720, 180):
        found = landed(COLUMNS, [[content[n] for n in order]], "csv")
        results.append((found["rows"], sorted(line[1:] for line in map(repr, found["quarantine"])), found["counts"]))
    assert all(found[0] == results[0][0] and found[2] == results[0][2] for found in results)

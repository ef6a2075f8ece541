"""Formats of texts and words for nothing, against readers of their own in Python: the same texts accepted, the same values made."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from psycopg import sql

from orchestration.contracts import Column
from orchestration.landing import rules
from orchestration.warehouse import connect

from .samples import column, contract

#: Texts of each format here; the soak reads more.
MANY = 1_500
_HOSTILE = "٣３0123456789 /:.,-+xX\u00a0\t\u200bđ"


def digits(pick: random.Random, low: int, high: int, width: int) -> str:
    return str(pick.randint(low, high)).zfill(width)


def spoilt(pick: random.Random, text: str) -> str:
    if pick.random() < 0.5:
        return text
    place = pick.randint(0, len(text))
    return text[:place] + pick.choice([*_HOSTILE, ""]) + text[place + pick.choice([0, 1]) :]


def cleaned(text: str | None) -> str | None:
    """A text as Kho keeps it."""
    return unicodedata.normalize("NFC", text).strip(" \t\r\n\u00a0") or None if text is not None else None


# -- readers: the value of a cleaned text, ValueError where it has none ------------------------------------------------------


def fields(pattern: str, text: str) -> tuple[int, ...]:
    found = re.fullmatch(pattern, text, re.ASCII)
    if not found:
        raise ValueError
    return tuple(int(part) for part in found.groups())


def compact_moment(text: str) -> str:
    year, month, day, hour, minute = fields(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)", text)
    return datetime(year, month, day, hour, minute).isoformat(" ")


def compact_day(text: str) -> str:
    return date(*fields(r"(\d{4})(\d\d)(\d\d)", text)).isoformat()


def day_first(text: str) -> str:
    day, month, year = fields(r"(\d\d?)/(\d\d?)/(\d{4})", text)
    return date(year, month, day).isoformat()


def day_first_moment(text: str, *, seconds: bool) -> str:
    parts = fields(r"(\d\d?)/(\d\d?)/(\d{4}) +(\d\d?):(\d\d)" + (r":(\d\d)" if seconds else ""), text)
    day, month, year, *clock = parts
    return datetime(year, month, day, *clock).isoformat(" ")


def month(text: str) -> str:
    number, year = fields(r"(\d\d?)/(\d{4})", text)
    return date(year, number, 1).isoformat()


def partial(text: str) -> str:
    parts = text.split("/")
    numbers = [fields(r"(\d{1,2})", part)[0] for part in parts[:-1]]
    (year,) = fields(r"(\d{4})", parts[-1])
    if len(numbers) == 2 and parts[0] == "00":
        if parts[1] == "00":
            numbers = []
        else:
            numbers = numbers[1:]
    if len(numbers) > 2:
        raise ValueError
    date(year, *([*reversed(numbers), 1, 1][:2] if len(numbers) < 2 else [numbers[1], numbers[0]]))
    return text


def decimal_comma(text: str) -> str:
    if not re.fullmatch(r"-?([0-9]{1,3}(\.[0-9]{3})+|[0-9]+)(,[0-9]+)?", text):
        raise ValueError
    return str(Decimal(text.replace(".", "").replace(",", ".")))


def words(yes: str, no: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        folded = " ".join(text.split()).casefold()
        if folded not in (yes.casefold(), no.casefold()):
            raise ValueError
        return str(folded == yes.casefold()).lower()

    return read


def _made(pick: random.Random, template: str) -> str:
    """A text of a format: its letters replaced by numbers that are mostly possible."""
    parts = {
        "yyyy": digits(pick, 1890, 2060, 4) if pick.random() < 0.95 else "0000", "MM": digits(pick, 0, 13, pick.choice([1, 2, 2, 2])),
        "dd": digits(pick, 0, 32, pick.choice([1, 2, 2, 2])), "HH": digits(pick, 0, 24, 2), "mm": digits(pick, 0, 60, 2), "ss": digits(pick, 0, 60, 2),
    }  # fmt: skip
    for name, number in parts.items():
        template = template.replace(name, number)
    return template


#: Format -> type, makers of texts, reader.
FORMATS: dict[str, tuple[str, Sequence[str], Callable[[str], str]]] = {
    "yyyyMMddHHmm": ("timestamp", ["yyyyMMddHHmm"], compact_moment),
    "yyyyMMdd": ("date", ["yyyyMMdd"], compact_day),
    "dd/MM/yyyy": ("date", ["dd/MM/yyyy"], day_first),
    "dd/MM/yyyy HH:mm": ("timestamp", ["dd/MM/yyyy HH:mm", "dd/MM/yyyy  HH:mm"], lambda t: day_first_moment(t, seconds=False)),
    "dd/MM/yyyy HH:mm:ss": ("timestamp", ["dd/MM/yyyy HH:mm:ss"], lambda t: day_first_moment(t, seconds=True)),
    "MM/yyyy": ("date", ["MM/yyyy"], month),
    "partial_date": ("text", ["dd/MM/yyyy", "MM/yyyy", "yyyy", "00/00/yyyy", "00/MM/yyyy", "dd/00/yyyy"], partial),
    "decimal_comma": ("numeric", ["dd.ss0.mm0,yyyy", "-yyyy,5", "yyyy", "1.yyyy"], decimal_comma),
    "Có/Không": ("boolean", ["Có", "KHÔNG", "không", "cÓ", "Co"], words("Có", "Không")),
    "x/": ("boolean", ["x", "X", "", " ", "o"], words("x", "")),
    "Đã  số hóa/Chưa": ("boolean", ["đã số hóa", "ĐÃ SỐ  HÓA", "CHƯA", "đã"], words("Đã số hóa", "Chưa")),
}  # fmt: skip


def read_by_kho(made: Column, texts: Sequence[str | None]) -> list[tuple[str | None, set[str]]]:
    """For each text the value, as text, and the rules it breaks."""
    agreed = contract([column("n", "integer", key_position=1, required=True), made])
    found = rules.rules(agreed, as_text=True, synthetic=True)
    mine = [rule for rule in found if rule.column is made]
    codes = sql.SQL(", ").join(
        sql.SQL("case when {} then {} end").format(rule.broken, sql.Literal(rule.code)) for rule in mine
    )
    with connect("loader") as connection, connection.cursor() as cursor:
        cursor.execute(
            "set local timezone = 'Asia/Ho_Chi_Minh'; create temporary table incoming (n int, x text) on commit drop"
        )
        with cursor.copy("copy incoming from stdin") as copy:
            for number, text in enumerate(texts):
                copy.write_row((number, text))
        cursor.execute(
            sql.SQL(
                "select case when broken = '{{}}' then ({typed})::text end, broken from ("
                " select c.n, c.x, array_remove(array[{codes}]::text[], null) as broken"
                "   from incoming i cross join lateral (select i.n::text as n, {kept} as x offset 0) c offset 0) c order by n::int"
            ).format(
                codes=codes, kept=rules.kept(made, True, as_text=True), typed=rules.typed(made, rules.kept_name(made))
            )
        )
        return [(value, set(broken)) for value, broken in cursor.fetchall()]


@pytest.mark.parametrize("form", FORMATS)
def test_a_format_is_read_as_its_reader_reads_it(warehouse: Path, form: str) -> None:
    read_alike(form, 1, MANY)


def play_formats(seed: int, count: int) -> None:
    """Every format on `count` texts."""
    for form in FORMATS:
        read_alike(form, seed, count)


def read_alike(form: str, seed: int, count: int) -> None:
    """What a format's reader accepts and refuses of `count` texts, Kho does too, and makes the same values."""
    kind, templates, read = FORMATS[form]
    pick = random.Random(f"{form} {seed}")
    texts: list[str | None] = [spoilt(pick, _made(pick, pick.choice(templates))) for _ in range(count)]
    texts += [None, "", " "]
    expected: list[tuple[str | None, set[str]]] = []
    for text in texts:
        kept = cleaned(text)
        if form.endswith("/") and kept is None:  # an empty cell is the word for false
            kept = ""
        try:
            expected.append((None if kept is None else read(kept), set()))
        except ValueError:
            expected.append((None, {"type"}))
    refused = sum(bool(broken) for _, broken in expected)
    assert count // 20 < refused < count - count // 20, f"{refused} of {count} are wrong"
    found = read_by_kho(column("x", kind, format=form), texts)
    assert [(t, a, b) for t, a, b in zip(texts, found, expected, strict=True) if a != b][:5] == [], form


def test_words_for_nothing_are_found_in_any_case(warehouse: Path) -> None:
    missing = ("Không", "chưa có", "-", "N/A", "[trống]", "0000")
    known = {" ".join(word.split()).casefold() for word in missing}
    pick = random.Random(7)
    texts: list[str | None] = []
    for _ in range(MANY):
        text = "".join(
            pick.choice([c.lower(), c.upper()])
            for c in pick.choice([*missing, "khong", "chưa", "có", "NA", "000", "không có"])
        )
        text = text.replace(" ", pick.choice([" ", "  ", "\u00a0", "\n"]))
        texts.append(spoilt(pick, pick.choice([text, unicodedata.normalize("NFD", text), f" {text}\t"])))
    expected = []
    for text in texts:
        kept = cleaned(text)
        said_nothing = kept is None or " ".join(kept.split()).casefold() in known
        expected.append((None if said_nothing else kept, {"required"} if said_nothing else set()))
    assert MANY // 5 < sum(value is None for value, _ in expected) < MANY
    found = read_by_kho(column("x", missing=missing, required=True), texts)
    assert [(t, a, b) for t, a, b in zip(texts, found, expected, strict=True) if a != b][:5] == []


def test_a_default_stands_for_nothing_and_for_words_for_it(warehouse: Path) -> None:
    made = column("x", missing=("không",), default="khác")
    assert read_by_kho(made, [None, "", "Không", "có"]) == [("khác", set())] * 3 + [("có", set())]
    # Of a boolean with an empty word the empty cell is a value; a word for nothing is none.
    held = column("x", "boolean", format="x/", missing=("?",), required=True)
    assert read_by_kho(held, ["", "x", "?"]) == [("false", set()), ("true", set()), (None, {"required"})]


def test_a_row_that_is_not_looked_at_again_needs_no_cleaning(warehouse: Path) -> None:
    """Landing cleans only rows that look odd or break a rule as delivered: all others must be as they would be after cleaning."""
    columns = [
        column("a", "date", format="dd/MM/yyyy"), column("b", "boolean", format="x/"), column("c", missing=("không",)),
        column("d", "timestamptz", format="dd/MM/yyyy HH:mm"), column("e", format="partial_date"), column("f", identifier="phone"),
        column("g", "numeric", format="decimal_comma", missing=("-",)), column("h", identifier="personal_id"), column("k", pattern="^[A-Z]+$"),
    ]  # fmt: skip
    made = contract([column("n", "integer", key_position=1, required=True), *columns])
    right = ["31/01/2025", "x", "có", "1/2/2025 07:30", "00/02/1999", "0222 3822 123", "1,5", "024099000111", "AB"]
    odd = [
        "",
        " ",
        "\u00a0",
        "không",
        "Không ",
        " x",
        "-",
        " -",
        "1999",
        "1999 ",
        "o\u0300",
        "31/01/2025\t",
        "AB\n",
        "１",
    ]
    pick = random.Random(3)
    lines = []
    for number in range(MANY):
        line: list[str | None] = [str(number), *right]
        for _ in range(pick.choice([0, 1, 1, 2])):
            line[pick.randint(1, len(right))] = pick.choice([*odd, None])
        lines.append(line)
    as_delivered = rules.rules(
        made, as_text=True, synthetic=False, value_of=lambda c: rules.kept(c, False, as_text=True)
    )
    doubts = [rules.odd(rules.unguarded(made, as_text=True)), *(rule.broken for rule in as_delivered)]
    finally_broken = [rule.broken for rule in rules.rules(made, as_text=True, synthetic=False)]
    same = [
        sql.SQL("{} is not distinct from {}").format(
            rules.kept(c, True, as_text=True), rules.kept(c, False, as_text=True)
        )
        for c in columns
    ]
    kept = [sql.SQL("{} as {}").format(rules.kept(c, True, as_text=True), sql.Identifier(c.name)) for c in made.columns]
    with connect("loader") as connection, connection.cursor() as cursor:
        cursor.execute(
            f"create temporary table incoming (n text, {', '.join(f'{c.name} text' for c in columns)}) on commit drop"
        )
        with cursor.copy("copy incoming from stdin") as copy:
            for line in lines:
                copy.write_row(line)
        cursor.execute(
            sql.SQL("select ({doubt}), ({same}), ({broken}) from incoming i cross join lateral (select {kept} offset 0) c").format(
                doubt=sql.SQL(" or ").join(sql.SQL("({})").format(d) for d in doubts), same=sql.SQL(" and ").join(same),
                broken=sql.SQL(" or ").join(sql.SQL("({})").format(b) for b in finally_broken), kept=sql.SQL(", ").join(kept),
            )
        )  # fmt: skip
        found = cursor.fetchall()
    trusted = [(same, broken) for doubt, same, broken in found if not doubt]
    assert len(trusted) > MANY // 5 and sum(doubt for doubt, _, _ in found) > MANY // 5
    assert set(trusted) == {(True, False)}

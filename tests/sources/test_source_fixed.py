"""Text of fixed width: fields by position, whatever the length of a line."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.contracts import Contract
from orchestration.errors import KhoError
from orchestration.sources.fixed import headers_fixed, parse_fixed
from tests.sources.contracts_of import contract_of

COLUMNS: list[tuple[str, str, dict[str, Any]]] = [
    ("code", "Mã", {"position": (1, 4)}),
    ("name", "Tên", {"position": (5, 12)}),
    ("year", "Năm", {"position": (13, 16)}),
]


def read(contract: Contract, content: bytes) -> list[dict[str, str]]:
    columns, stream = parse_fixed(contract, io.BytesIO(content), "a.txt")
    text = b"".join(stream).decode()
    return [dict(zip(columns, row, strict=True)) for row in csv.reader(io.StringIO(text, newline=""))]


def test_lines_of_every_length() -> None:
    lines = ["A001Đất Việt1995", "A002Hà", "", "A003Bắc Ninh2001còn nữa ", "A4"]
    found = read(contract_of(COLUMNS), "\r\n".join(lines).encode())
    assert [list(row.values()) for row in found] == [
        ["1", "A001", "Đất Việt", "1995", ""],
        ["2", "A002", "Hà", "", ""],
        ["4", "A003", "Bắc Ninh", "2001", "còn nữa"],
        ["5", "A4", "", "", ""],
    ]
    assert list(found[0])[-1] == "(thừa)"
    assert headers_fixed(contract_of(COLUMNS), io.BytesIO(lines[0].encode()), "a") == (("code", "name", "year"), ())


FIELD = st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=8)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(FIELD.map(lambda text: text[:4]), FIELD, FIELD.map(lambda text: text[:4]))))
def test_what_was_padded_is_read(rows: list[tuple[str, str, str]]) -> None:
    text = "".join(f"{code:<4}{name:<8}{year:<4}\n" for code, name, year in rows)
    found = read(contract_of(COLUMNS), text.encode())
    assert [(row["code"], row["name"], row["year"]) for row in found] == [row for row in rows if any(row)]


def test_many_pieces_are_numbered_through() -> None:
    count = 60_000
    found = read(contract_of(COLUMNS), b"".join(b"%04dname    %04d\n" % (n % 10_000, n % 10_000) for n in range(count)))
    assert [int(row["_row"]) for row in found] == list(range(1, count + 1))
    assert all(row["code"] == row["year"] == f"{n % 10_000:04}" for n, row in enumerate(found))


def test_legacy_letters_count_as_characters() -> None:
    line = b"A001" + "TØnh B¾c".encode("latin-1") + b"1995\n"
    (row,) = read(contract_of(COLUMNS, charset="tcvn3"), line)
    assert (row["name"], row["year"]) == ("Tỉnh Bắc", "1995")


def test_a_header_is_compared() -> None:
    good = "Mã  Tên     Năm \nA001Hà      1995\n".encode()
    (row,) = read(contract_of(COLUMNS, header="true"), good)
    assert (row["_row"], row["name"]) == ("2", "Hà")
    with pytest.raises(KhoError) as refused:
        read(contract_of(COLUMNS, header="true"), good.replace("Năm".encode(), b"Xyz"))
    assert (refused.value.code, refused.value.where["column"]) == ("schema_drift", "Năm")


def test_what_cannot_be_read() -> None:
    with pytest.raises(KhoError) as refused:
        read(contract_of(COLUMNS), b"A001\nA\xff02\n")
    assert (refused.value.code, refused.value.where["row"]) == ("encoding", 2)
    assert refused.value.__context__ is None
    with pytest.raises(KhoError) as refused:
        read(contract_of([("code", "Mã", {})]), b"A001\n")
    assert refused.value.code == "contract"
    with pytest.raises(KhoError) as refused:
        read(contract_of(COLUMNS), b"x" * (1 << 21))
    assert refused.value.code == "file_format"

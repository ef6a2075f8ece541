"""JSON lines: whatever a record holds arrives as the text it was."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.contracts import Contract
from orchestration.errors import KhoError
from orchestration.sources.jsonl import headers_jsonl, parse_jsonl
from tests.sources.contracts_of import contract_of

COLUMNS: list[tuple[str, str, dict[str, Any]]] = [
    ("code", "ma", {}),
    ("name", "ten", {"headers": ("hoTen",)}),
    ("good", "dat", {"pg_type": "boolean", "format": "Có/Không"}),
]


def read(contract: Contract, content: bytes) -> list[dict[str, str]]:
    columns, stream = parse_jsonl(contract, io.BytesIO(content), "a.jsonl")
    text = b"".join(stream).decode()
    return [dict(zip(columns, row, strict=True)) for row in csv.reader(io.StringIO(text, newline=""))]


def test_values_and_names() -> None:
    content = (
        b'\xef\xbb\xbf{"MA": "A1", "hoten": " H\xc3\xa0 ", "dat": true, "so": 1.50}\n\n'
        b'{"ma": 12345678901234567890, "ten": null, "dat": false, "con": {"a": [1, "b"]}}'
    )
    first, second = read(contract_of(COLUMNS), content)
    assert first == {"_row": "1", "code": "A1", "name": "Hà", "good": "Có", "so": "1.50", "con": ""}
    assert (second["_row"], second["code"], second["name"]) == ("3", "12345678901234567890", "")
    assert (second["good"], second["con"]) == ("Không", '{"a":["1","b"]}')
    assert headers_jsonl(contract_of(COLUMNS), io.BytesIO(content), "a")[1] == ("so", "con")


TEXT = st.text(st.characters(exclude_categories=["C"]), max_size=10)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.fixed_dictionaries({"ma": TEXT, "ten": TEXT | st.none()}, optional={"x": TEXT}), min_size=1))
def test_what_was_dumped_is_read(records: list[dict[str, Any]]) -> None:
    content = "\n".join(json.dumps(record) for record in records).encode()
    found = read(contract_of(COLUMNS[:2]), content)
    expected = [[(record.get(name) or "").strip() for name in ("ma", "ten", "x")] for record in records]
    assert [[row["code"], row["name"], row.get("x", "")] for row in found] == expected


@pytest.mark.parametrize("line", [b"[1]", b"5", b'{"ma": "x"', b'{"ma": "\xff"}', b"[" * 100_000])
def test_a_line_that_is_no_object_is_named(line: bytes) -> None:
    with pytest.raises(KhoError) as refused:
        read(contract_of(COLUMNS[:1]), b'{"ma": "1"}\n' + line + b"\n")
    assert (refused.value.code, refused.value.where["row"]) == ("file_format", 2)
    assert refused.value.__context__ is None


def test_a_column_no_record_has_is_drift_in_a_file() -> None:
    with pytest.raises(KhoError) as refused:
        read(contract_of(COLUMNS), b'{"ma": "1"}\n{"ma": "2", "dat": true}\n')
    assert (refused.value.code, refused.value.where["column"]) == ("schema_drift", "ten")
    optional = [*COLUMNS[:1], ("name", "ten", {"optional": True}), COLUMNS[2]]
    assert read(contract_of(optional), b'{"ma": "1", "dat": true}\n')[0]["name"] == ""
    assert read(contract_of(COLUMNS), b"") == []


def test_a_record_with_a_field_twice() -> None:
    with pytest.raises(KhoError) as refused:
        read(contract_of(COLUMNS[:2]), b'{"ma": "1", "ten": "a"}\n{"ma": "2", "ten": "a", "hoTen": "b"}')
    assert (refused.value.code, refused.value.where["row"]) == ("schema_drift", 2)


def test_legacy_letters_in_one_column() -> None:
    columns = [COLUMNS[0], ("name", "ten", {"charset": "tcvn3"})]
    found = read(contract_of(columns), json.dumps({"ma": "1", "ten": "B¾c Ninh"}).encode())
    assert found[0]["name"] == "Bắc Ninh"

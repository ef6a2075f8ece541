"""XML: elements as records, Base64 within, and XML that attacks."""

from __future__ import annotations

import base64
import csv
import io
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.contracts import Contract
from orchestration.errors import KhoError
from orchestration.sources.xml_file import headers_xml, parse_xml
from tests.sources.contracts_of import contract_of

COLUMNS: list[tuple[str, str, dict[str, Any]]] = [
    ("code", "MA_LK", {}),
    ("name", "HO_TEN", {}),
]


def read(contract: Contract, content: bytes) -> list[dict[str, str]]:
    columns, stream = parse_xml(contract, io.BytesIO(content), "a.xml")
    text = b"".join(stream).decode()
    return [dict(zip(columns, row, strict=True)) for row in csv.reader(io.StringIO(text, newline=""))]


TEXT = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=10)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT)), st.sampled_from(["utf-8", "utf-16"]))
def test_what_was_written_is_read(rows: list[tuple[str, str]], encoding: str) -> None:
    inner = "".join(f"<R><MA_LK>{escape(a)}</MA_LK><HO_TEN>{escape(b)}</HO_TEN></R>" for a, b in rows)
    content = f'<?xml version="1.0" encoding="{encoding}"?><D>{inner}</D>'.encode(encoding)
    assert [(row["code"], row["name"]) for row in read(contract_of(COLUMNS, record="R"), content)] == rows


def test_paths_attributes_namespaces_and_repetition() -> None:
    columns = [
        ("code", "@id", {}),
        ("city", "noi/xa", {}),
        ("kind", "noi/@loai", {}),
        ("phone", "dt", {}),
        ("whole", "ghi", {}),
    ]
    content = (
        '<d xmlns="urn:x" xmlns:y="urn:y"><y:r ID="7"><noi loai="P"><y:xa><![CDATA[Võ Cường]]></y:xa><huyen>cũ</huyen></noi>'
        "<dt>1</dt><dt/><dt>2</dt><ghi>a<b>b</b>c</ghi></y:r><r id='8'><noi loai='X'/></r></d>"
    ).encode()
    first, second = read(contract_of(columns, record="r"), content)
    assert [first[name] for name in ("code", "city", "kind", "phone", "whole", "noi/huyen")] == [
        "7",
        "Võ Cường",
        "P",
        "1; 2",
        "abc",
        "cũ",
    ]
    assert (second["_row"], second["code"], second["kind"], second["city"]) == ("2", "8", "X", "")


def package(*bodies: str) -> bytes:
    files = "".join(
        f"<HOSO><FILEHOSO><LOAIHOSO>XML1</LOAIHOSO><NOIDUNGFILE>{base64.b64encode(body.encode()).decode()}</NOIDUNGFILE></FILEHOSO></HOSO>"
        for body in bodies
    )
    return f'<?xml version="1.0" encoding="utf-8"?><GIAMDINHHS><THONGTINHOSO><DANHSACHHOSO>{files}</DANHSACHHOSO></THONGTINHOSO></GIAMDINHHS>'.encode()


def visit(code: str, name: str) -> str:
    return f"<TONG_HOP><MA_LK>{code}</MA_LK><HO_TEN>{name}</HO_TEN></TONG_HOP>  "


def test_the_payload_of_xml_130() -> None:
    contract = contract_of(COLUMNS, record="TONG_HOP", payload="NOIDUNGFILE")
    content = package(visit("1", "Hà"), "<KHAC/>", f"<X>{visit('2', 'Lê')}{visit('3', 'Vũ')}</X>")
    assert [tuple(row.values()) for row in read(contract, content)] == [
        ("1", "1", "Hà"),
        ("2", "2", "Lê"),
        ("3", "3", "Vũ"),
    ]
    assert headers_xml(contract, io.BytesIO(content), "a") == (("code", "name"), ())
    for broken in (
        package(visit("1", "a"), "<TONG_HOP><MA_LK>"),
        package(visit("1", "a")).replace(b"<NOIDUNGFILE>", b"<NOIDUNGFILE>*"),
    ):
        with pytest.raises(KhoError) as refused:
            read(contract, broken)
        assert refused.value.code == "file_format" and "NOIDUNGFILE" in refused.value.vi
        assert refused.value.__context__ is None


@pytest.mark.parametrize(
    "content",
    [
        b'<!DOCTYPE d [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><d><R><MA_LK>&b;</MA_LK></R></d>',
        b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><d><R><MA_LK>&x;</MA_LK></R></d>',
        b'<!DOCTYPE d SYSTEM "http://127.0.0.1:9/x.dtd"><d><R><MA_LK>1</MA_LK></R></d>',
    ],
)
def test_document_types_are_refused(content: bytes) -> None:
    with pytest.raises(KhoError) as refused:
        read(contract_of(COLUMNS[:1], record="R"), content)
    assert refused.value.code == "file_format"


def test_broken_xml_names_the_line() -> None:
    content = b"<d>\n<R><MA_LK>1</MA_LK></R>\n<R><MA_LK>marked</R>\n</d>"
    with pytest.raises(KhoError) as refused:
        read(contract_of(COLUMNS[:1], record="R"), content)
    assert (refused.value.code, refused.value.where["row"]) == ("file_format", 3)
    assert "marked" not in str(refused.value) and refused.value.__context__ is None
    for content in (b"", b"no xml", b"<d><R><MA_LK>1</MA_LK></R>"):
        with pytest.raises(KhoError):
            read(contract_of(COLUMNS[:1], record="R"), content)


def test_a_field_no_record_has_is_drift() -> None:
    with pytest.raises(KhoError) as refused:
        read(contract_of(COLUMNS, record="R"), b"<d><R><MA_LK>1</MA_LK><KHAC>x</KHAC></R></d>")
    assert (refused.value.code, refused.value.where["column"]) == ("schema_drift", "HO_TEN")


@pytest.mark.parametrize("prefixed", ["record", "other"])
def test_a_prefix_that_is_declared_nowhere(prefixed: str) -> None:
    tag = "x:R" if prefixed == "record" else "x:Q"
    content = f"<D>\n<{tag}><MA_LK>Bí mật</MA_LK></{tag}></D>".encode()
    with pytest.raises(KhoError) as refused:
        read(contract_of(COLUMNS, record="R"), content)
    assert (refused.value.code, refused.value.where) == ("file_format", {"file": "a.xml", "row": 2})
    assert "mật" not in str(refused.value) and refused.value.__context__ is None

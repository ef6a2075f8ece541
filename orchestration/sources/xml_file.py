"""XML files: every element of one name is a record, perhaps within XML that lies in another as Base64.

Purpose: elements into records, in bounded memory. Belongs here: paths, attributes, payloads, hostile XML. Stays out: fields to columns
(`records`), where files and archives come from (`files`, `xml130`).

A column's physicalName is the name of a child element, a path (`a/b`) or an attribute (`@x`, `a/@x`); namespaces are left out. Of children that
repeat, the texts are joined by «; ». With the option `payload` the text of each such element is Base64 of XML, in which the records are.
Document types are refused: nobody needs them here, and entities are how XML attacks.
"""

from __future__ import annotations

import base64
import io
import itertools
from collections.abc import Iterator
from typing import Any, BinaryIO

from orchestration.contracts.columns import fold
from orchestration.contracts.model import Contract
from orchestration.errors import KhoError
from orchestration.sources.delivery import header_index
from orchestration.sources.records import Record, field_headers, parse_fields

LOOKED_AT = 1000  # records by which the probe knows the fields


def parse_xml(contract: Contract, stream: BinaryIO, name: str) -> tuple[tuple[str, ...], Iterator[bytes]]:
    """(`_row`, the contract's columns, fields it does not have; CSV text). `_row`: which record of the file, from 1.

    Options `record` (required) and `payload` of the contract's source. KhoError `file_format` with the line where XML is broken,
    `schema_drift` for a file in which no record has a column.
    """
    return parse_fields(contract, name, lambda: _records(contract, stream, name), strict=True)


def headers_xml(contract: Contract, stream: BinaryIO, name: str) -> tuple[tuple[str | None, ...], tuple[str, ...]]:
    """Contract column of each field of the first records (None: of none), and the fields that are not the contract's."""
    return field_headers(contract, name, itertools.islice(_records(contract, stream, name), LOOKED_AT), strict=True)


def _records(contract: Contract, stream: BinaryIO, name: str) -> Iterator[Record]:
    options = contract.source.options
    record, payload = options.get("record") or "", options.get("payload")
    whole = {key for key in header_index(contract) if "@" not in key}
    numbers = itertools.count(1)
    stream.seek(0)
    if not payload:
        for element in _elements(stream, record, name, ""):
            yield next(numbers), _fields(element, whole)
        return
    for count, element in enumerate(_elements(stream, payload, name, ""), 1):
        content = None
        try:
            content = base64.b64decode("".join((element.text or "").split()), validate=True)
        except ValueError:
            content = None
        place = f" ({payload} {count})"
        if content is None:
            raise KhoError(
                "file_format",
                f"{name}: {payload} thứ {count} không phải Base64",
                f"{name}: {payload} number {count} is not Base64",
                {"file": name, "row": element.sourceline or 0},
            )
        for inner in _elements(io.BytesIO(content), record, name, place):
            yield next(numbers), _fields(inner, whole)


def _elements(stream: BinaryIO, tag: str, name: str, place: str) -> Iterator[Any]:
    """The elements with that name, in their order; each is gone when the next one is asked for."""
    from lxml import etree

    failure: KhoError | None = None
    context = etree.iterparse(
        stream, events=("start", "end"), resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True
    )
    try:
        depth, inside = 0, 0  # where we are, and the depth of the element being gathered
        for event, element in context:
            if event == "start":
                if depth == 0 and element.getroottree().docinfo.doctype:
                    failure = _document_type(name)
                    break
                depth += 1
                if not inside and isinstance(element.tag, str):
                    local = _local(element.tag)
                    if ":" in local:  # a prefix that is declared nowhere: its elements would be missed
                        failure = _broken(name, place, element.sourceline or 0)
                        break
                    inside = depth if local == tag else 0
                continue
            if inside == depth:
                yield element
                inside = 0
            if not inside:
                element.clear(keep_tail=False)
                parent = element.getparent()
                if parent is not None:
                    while element.getprevious() is not None:
                        del parent[0]
            depth -= 1
    except etree.XMLSyntaxError as exc:  # its text may quote
        failure = _broken(name, place, exc.lineno or 0)
    if failure is not None:
        raise failure


def _broken(name: str, place: str, line: int) -> KhoError:
    return KhoError(
        "file_format",
        f"{name}{place}: XML hỏng ở dòng {line}",
        f"{name}{place}: the XML is broken at line {line}",
        {"file": name, "row": line},
    )


def _document_type(name: str) -> KhoError:
    return KhoError(
        "file_format",
        f"{name}: XML có DOCTYPE, không được nhận",
        f"{name}: XML with a document type is not accepted",
        {"file": name, "rule": "doctype"},
    )


def _fields(element: Any, whole: set[str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    _gather(element, "", whole, fields)
    return fields


def _gather(element: Any, path: str, whole: set[str], fields: dict[str, str]) -> None:
    """The leaves below an element by their paths; an element that is a column itself is one text, whatever is in it."""
    for name, value in element.attrib.items():
        if not name.startswith("{http://www.w3.org/2001/XMLSchema-instance}"):
            _put(fields, f"{path}@{_local(name)}", value)
    for child in element.iterchildren("*"):
        name = path + _local(child.tag)
        if not len(child):
            if child.text or not child.attrib:
                _put(fields, name, child.text or "")
            if child.attrib:
                _gather(child, f"{name}/", whole, fields)
        elif fold(name) in whole:
            _put(fields, name, "".join(child.itertext()))
        else:
            _gather(child, f"{name}/", whole, fields)


def _put(fields: dict[str, str], name: str, text: str) -> None:
    known = fields.get(name)
    if known and text.strip():
        text = f"{known}; {text}"
    fields[name] = text if text.strip() or not known else known


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]

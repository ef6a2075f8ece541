"""Rows as JSON and XML, whole columns at a time.

Belongs here: Arrow tables of texts -> Arrow texts, and their bytes. Stays out: envelopes and packages (each system).
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_XML = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"))
_XML_NEVER = "[\x00-\x08\x0b\x0c\x0e-\x1f]"  # XML 1.0 cannot hold them in any way
_CONTROL = bytes(range(0x20))
_NAME = re.compile(r"[A-Za-z_][\w.-]*")


def content(texts: Any) -> memoryview:
    """All texts of an Arrow array without nulls behind one another, as UTF-8, without copying."""
    data = texts.buffers()[2]
    if data is None or not len(texts):
        return memoryview(b"")
    first, last = bounds(texts)[[0, -1]].tolist()
    return memoryview(data)[first:last]


def bounds(texts: Any) -> npt.NDArray[np.int64]:
    """Where each text begins in the buffer of an Arrow array of texts, and where the last one ends."""
    kind = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    offsets = np.frombuffer(texts.buffers()[1], kind)[texts.offset : texts.offset + len(texts) + 1]
    return offsets.astype(np.int64)


def json_rows(rows: Any) -> Any:
    """Each row of a table of texts as a JSON object; null is null."""
    parts: list[Any] = []
    before = "{"
    for name in rows.column_names:
        column = _whole(rows.column(name))
        quoted = pc.binary_join_element_wise('"', json_escaped(column), '"', "", null_handling="skip")
        value = pc.if_else(pc.is_valid(column), quoted, "null") if column.null_count else quoted
        parts += [f"{before}{json.dumps(name, ensure_ascii=False)}:", value]
        before = ","
    return pc.binary_join_element_wise(*parts, "}", "")


def json_escaped(column: Any) -> Any:
    """Texts as they stand between the quotes of JSON."""
    if not _holds(column, b'"\\' + _CONTROL):
        return column
    column = pc.replace_substring(pc.replace_substring(column, "\\", "\\\\"), '"', '\\"')
    for code in range(0x20):
        column = pc.replace_substring(column, chr(code), json.dumps(chr(code))[1:-1])
    return column


def xml_rows(rows: Any, element: str) -> Any:
    """Each row of a table of texts as an XML element with one element a column; null is an empty one."""
    if wrong := [name for name in rows.column_names if not _NAME.fullmatch(name)]:
        raise ValueError(f"Tên không dùng được trong XML / No name in XML: {', '.join(wrong)}")
    parts: list[Any] = []
    before = f"<{element}>"
    for name in rows.column_names:
        parts += [f"{before}<{name}>", xml_escaped(pc.fill_null(_whole(rows.column(name)), ""))]
        before = f"</{name}>"
    return pc.binary_join_element_wise(*parts, f"{before}</{element}>", "")


def xml_escaped(column: Any) -> Any:
    """Texts as they stand between two tags of XML."""
    if _holds(column, b"&<>" + _CONTROL):
        column = pc.replace_substring_regex(column, _XML_NEVER, "?")
        for sign, entity in _XML:
            column = pc.replace_substring(column, sign, entity)
    return column


def _holds(column: Any, signs: bytes) -> bool:
    """Whether any of these signs is in any of the texts: most columns have none, and this tells it fastest."""
    every = bytes(content(column))
    return len(every.translate(None, signs)) < len(every)


def base64_of(texts: Any) -> Any:
    """Each text, with up to two spaces behind it, in Base64.

    With the spaces every text is a multiple of three bytes long, so the whole buffer is encoded at once and each text's
    part of the result stands for itself. White space behind the root element means nothing in XML.
    """
    missing = (-np.diff(bounds(texts))) % 3
    spaces = pa.array(["", " ", "  "], pa.string()).take(pa.array(missing))
    padded = pc.binary_join_element_wise(texts, spaces, "")
    encoded = base64.b64encode(content(padded))
    offsets = ((bounds(padded) - bounds(padded)[0]) // 3 * 4).astype(np.int32)
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(offsets), pa.py_buffer(encoded))


def _whole(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column

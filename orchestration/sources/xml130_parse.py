"""Archives of Decision 130 taken apart: visits (XML1) within Base64 within XML within ZIP.

Purpose: a tar of archives as CSV text for COPY. Belongs here: the envelope GIAMDINHHS, the payload of each FILEHOSO.
Stays out: how archives come here (`xml130`), any judgement on a value.
lxml is imported when used. Entities are never resolved. An archive is read as a stream, one visit at a time.
"""

from __future__ import annotations

import binascii
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from orchestration.contracts.columns import fold
from orchestration.contracts.model import Contract
from orchestration.errors import KhoError
from orchestration.sources.delivery import ROW, copy_text, header_index

PAYLOAD, RECORD = "NOIDUNGFILE", "TONG_HOP"
FILE = "_file"
Row = dict[str, str]


def parse_xml130(contract: Contract, path: Path, name: str) -> tuple[tuple[str, ...], Iterator[bytes]]:
    """(`_row`: number of the visit in its archive, `_file`: the archive, the contract's columns, the fields it does not have),
    and the rows as CSV text. KhoError `file_format` naming archive and visit.
    """
    fields: dict[str, None] = {}
    for _, _, visit in _visits(path, name):
        fields.update(dict.fromkeys(visit))
    index = header_index(contract)
    extra = tuple(field for field in fields if fold(field) not in index)
    places = {column.name: place for place, column in enumerate(contract.columns, 2)}
    targets = {field: places[index[fold(field)]] for field in fields if fold(field) in index}
    targets |= {field: place for place, field in enumerate(extra, 2 + len(contract.columns))}
    known = (ROW, FILE, *(column.name for column in contract.columns))
    columns = (*known, *(f"{title} (+)" if title in known else title for title in extra))
    return columns, copy_text(_rows(path, name, targets, len(columns)))


def names_of(archive: IO[bytes], name: str) -> tuple[str, ...]:
    """Fields of the first visit in an archive; () when it has none."""
    for _, visit in _archive(archive, name):
        return tuple(visit)
    return ()


def first_broken(archive: IO[bytes], name: str) -> int:
    """Which visit of an archive is the first that cannot be read; 0 when all can."""
    try:
        for _ in _archive(archive, name):
            pass
    except KhoError as broken:
        return int(broken.where["row"])
    return 0


def _rows(path: Path, name: str, targets: dict[str, int], width: int) -> Iterator[list[str]]:
    for member, number, visit in _visits(path, name):
        row = [""] * width
        row[0], row[1] = str(number), member
        for field, value in visit.items():
            row[targets[field]] = value
        yield row


def _visits(path: Path, name: str) -> Iterator[tuple[str, int, Row]]:
    """(archive, number of the visit in it, its fields) of a whole delivery."""
    failed = False
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                stream = tar.extractfile(member)
                if stream is not None:
                    with stream:
                        for number, visit in _archive(stream, member.name):
                            yield member.name, number, visit
    except tarfile.TarError:
        failed = True
    if failed:
        raise _unreadable(name, 0)


def _archive(archive: IO[bytes], name: str) -> Iterator[tuple[int, Row]]:
    """(number, fields) of the visits in an archive."""
    from lxml import etree

    number, failed, read = 0, False, _reader()
    try:
        with zipfile.ZipFile(archive) as packed:
            for entry in packed.infolist():
                with packed.open(entry) as stream:
                    for payload in _payloads(stream):
                        record = read(payload)
                        if record is not None:
                            number += 1
                            yield number, record
    except (etree.LxmlError, zipfile.BadZipFile, zlib.error, binascii.Error, ValueError, EOFError):
        failed = True
    if failed:
        raise _unreadable(name, number + 1)


def _payloads(stream: IO[bytes]) -> Iterator[bytes]:
    """What stands in Base64 in the envelope, one after the other; each leaves memory before the next."""
    from lxml import etree

    checked = False
    options: dict[str, Any] = {"resolve_entities": False, "no_network": True, "load_dtd": False}
    for _, element in etree.iterparse(stream, events=("end",), tag=f"{{*}}{PAYLOAD}", **options):
        if not checked and element.getroottree().docinfo.doctype:
            raise ValueError
        checked, text = True, element.text or ""
        visit = element.getparent()
        visit = visit.getparent() if visit is not None else None
        element.clear()
        yield binascii.a2b_base64("".join(text.split()), strict_mode=True)
        while visit is not None and visit.getprevious() is not None:
            visit.getparent().remove(visit.getprevious())


def _reader() -> Callable[[bytes], Row | None]:
    """How a payload becomes the fields of a visit; None when it is another table than XML1.

    White space around values means nothing. One parser serves all: making one costs as much as a visit.
    """
    from lxml import etree

    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )

    def read(payload: bytes) -> Row | None:
        root = etree.fromstring(payload.strip(), parser)
        if b"<!" in payload and root.getroottree().docinfo.doctype:
            raise ValueError
        if root.tag.rpartition("}")[2] != RECORD:
            return None
        return {field.tag.rpartition("}")[2]: (field.text or "").strip() for field in root}

    return read


def _unreadable(name: str, number: int) -> KhoError:
    return KhoError(
        "file_format",
        f"{name}: không đọc được hồ sơ thứ {number}",
        f"{name}: visit number {number} cannot be read",
        {"file": name, "row": number},
    )

"""Packages of health insurance after Decisions 130, 4750 and 3176/QĐ-BYT: one archive for each facility and day.

Belongs here: visits (XML1) -> XML within Base64 within XML within ZIP. Stays out: what a visit is (`views`), who asks
for packages (`insurance`).

An archive holds one file, `<facility>_<yyyyMMdd>.xml`: the envelope GIAMDINHHS with one HOSO a visit, each with one
FILEHOSO of the kind XML1. All visits of a day are written as whole columns and then cut into facilities.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulator.systems.texts import base64_of, bounds, content, xml_rows

FACILITY, ROOT = "MA_CSKCB", "TONG_HOP"
_OPEN = "<HOSO><FILEHOSO><LOAIHOSO>XML1</LOAIHOSO><NOIDUNGFILE>"
_CLOSE = "</NOIDUNGFILE></FILEHOSO></HOSO>"
_LEVEL = 1  # of compression: Base64 packs badly at any
_ROWS = 50_000  # visits at a time: about 150 MB of XML


@dataclass(frozen=True)
class Package:
    """One archive. `visits`: in it."""

    facility: str
    day: date
    visits: int
    file: Path

    @property
    def number(self) -> str:
        """Its transaction number."""
        return f"{self.facility}-{self.day:%Y%m%d}"


def write_packages(rows: Any, day: date, folder: Path) -> Iterator[Package]:
    """Write the archives of a day's visits: a table with the fields of XML1 as columns, all texts."""
    folder.mkdir(parents=True, exist_ok=True)
    facility = pc.fill_null(rows.column(FACILITY), "").combine_chunks()
    order = np.argsort(pc.dictionary_encode(facility).indices.to_numpy(), kind="stable")
    rows = rows.take(pa.array(order))
    with ThreadPoolExecutor(2) as pool:
        for piece in _pieces(rows):
            names = piece.column(FACILITY).combine_chunks()
            entries = _entries(piece)
            cuts = _changes(names)
            ends, text = bounds(entries) - bounds(entries)[0], content(entries)
            jobs = [
                (str(names[first].as_py() or ""), last - first, text[ends[first] : ends[last]])
                for first, last in pairwise(cuts.tolist())
            ]
            yield from pool.map(lambda job: _archive(folder, day, *job), jobs)


def envelope(facility: str, day: date, visits: int) -> tuple[bytes, bytes]:
    """What stands before and behind the visits of a package."""
    before = (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<GIAMDINHHS xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">'
        f"<THONGTINDONVI><MACSKCB>{facility}</MACSKCB></THONGTINDONVI>"
        f"<THONGTINHOSO><NGAYLAP>{day:%Y%m%d}</NGAYLAP><SOLUONGHOSO>{visits}</SOLUONGHOSO><DANHSACHHOSO>"
    )
    behind = "</DANHSACHHOSO></THONGTINHOSO><CHUKYDONVI/></GIAMDINHHS>\n"
    return before.encode(), behind.encode()


def _entries(rows: Any) -> Any:
    """Each visit as a HOSO."""
    return pc.binary_join_element_wise(_OPEN, base64_of(xml_rows(rows, ROOT)), _CLOSE, "")


def _pieces(rows: Any) -> Iterator[Any]:
    """Rows in the order of facilities, so many at a time, never parting one facility."""
    cuts = _changes(rows.column(FACILITY).combine_chunks())
    start = 0
    while start < rows.num_rows:
        within = cuts[(cuts > start) & (cuts <= start + _ROWS)]
        end = int(within[-1]) if len(within) else int(cuts[cuts > start][0])
        yield rows.slice(start, end - start)
        start = end


def _changes(texts: Any) -> Any:
    """Where a run of equal texts begins, and the end of the last one."""
    codes = pc.dictionary_encode(pc.fill_null(texts, "")).indices.to_numpy()
    return np.append(np.flatnonzero(np.diff(codes, prepend=-1)), len(codes))


def _archive(folder: Path, day: date, facility: str, visits: int, entries: memoryview) -> Package:
    before, behind = envelope(facility, day, visits)
    name = f"{facility}_{day:%Y%m%d}"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        entry = zipfile.ZipInfo(f"{name}.xml", (day.year, day.month, day.day, 18, 0, 0))
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, b"".join((before, entries, behind)), compresslevel=_LEVEL)
    file = folder / f"{name}.zip"
    part = folder / f".{name}.part"
    part.write_bytes(packed.getbuffer())
    part.replace(file)
    return Package(facility, day, visits, file)

"""CSV files from a drop folder.

Purpose: hand over the original bytes with the contract column of each of their columns.
Belongs here: header line, encoding. Stays out: the rows; COPY reads them.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from orchestration.contracts.model import Contract
from orchestration.errors import KhoError
from orchestration.sources.delivery import CHUNK, Delivery, match_headers
from orchestration.sources.folder import DropFile, as_of, chunks, complete_files, deliveries, drop_folder, put_away


def open_csv(contract: Contract, cursor: str | None, env: Mapping[str, str]) -> Iterator[Delivery]:
    """Deliveries of encoding csv: UTF-8 with or without BOM, comma, LF or CRLF, first line the header."""
    return deliveries(contract, env, _describe)


def probe_csv(contract: Contract, env: Mapping[str, str]) -> list[str]:
    folder, glob = drop_folder(contract, env), contract.source.options["glob"]
    lines = [f"Thư mục {contract.source.location}: đọc được"]
    for path in complete_files(folder, glob):
        day = as_of(path, glob)
        _, extra = match_headers(contract, read_header(path), path.name)
        more = f"; cột ngoài hợp đồng: {', '.join(extra)}" if extra else ""
        lines.append(f"{path.name}: ngày {day:%d/%m/%Y}, đủ {len(contract.columns)} cột{more}")
    return lines if len(lines) > 1 else [*lines, f"Chưa có tệp nào theo mẫu {glob}"]


def _describe(contract: Contract, file: DropFile) -> Delivery:
    _refuse_other_encodings(file.path)
    columns, extra = match_headers(contract, read_header(file.path), file.path.name)
    return Delivery(
        name=file.path.name,
        as_of=file.as_of,
        encoding="csv",
        chunks=chunks(file),
        columns=columns,
        extra=extra,
        sha256=file.sha256,
        done=put_away(file),
    )


def read_header(path: Path) -> list[str]:
    """The header cells. KhoError when the file has none, is not UTF-8 or is not CSV."""
    failure = None
    header: list[str] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            header = next(csv.reader(stream), [])
    except UnicodeDecodeError:
        failure = _not_utf8(path, 1)
    except csv.Error:
        failure = KhoError(
            "file_format",
            f"{path.name}: dòng tiêu đề không phải CSV",
            f"{path.name}: the header line is not CSV",
            {"file": path.name, "row": 1},
        )
    if failure is not None:
        raise failure
    if not any(cell.strip() for cell in header):
        raise KhoError(
            "file_format",
            f"{path.name}: tệp không có dòng tiêu đề",
            f"{path.name}: the file has no header line",
            {"file": path.name, "row": 1},
        )
    return header


def _refuse_other_encodings(path: Path) -> None:
    """One pass, so that a wrong encoding is told with its line instead of by COPY with the value."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    bad = False
    with path.open("rb") as stream:
        while not bad:
            block = stream.read(CHUNK)
            try:
                decoder.decode(block, final=not block)
                bad = b"\0" in block
                line += block[: block.find(b"\0")].count(b"\n") if bad else block.count(b"\n")
            except UnicodeDecodeError as exc:
                line += exc.object[: exc.start].count(b"\n")
                bad = True
            if not block:
                break
    if bad:
        raise _not_utf8(path, line)


def _not_utf8(path: Path, line: int) -> KhoError:
    return KhoError(
        "encoding",
        f"{path.name}: dòng {line} không phải UTF-8; hãy lưu lại tệp với mã UTF-8",
        f"{path.name}: line {line} is not UTF-8; save the file as UTF-8",
        {"file": path.name, "row": line, "rule": "encoding"},
    )

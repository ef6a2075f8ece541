"""CSV files from a drop folder.

Purpose: hand over the original bytes with the contract column of each of their columns.
Belongs here: the header line. Stays out: the rows; COPY reads them, and tells of another encoding.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from orchestration.contracts.model import Contract
from orchestration.errors import KhoError
from orchestration.sources.delivery import Delivery, match_headers
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
        # Only the header is judged here, however much of the rows comes along with it.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
            header = next(csv.reader(stream), [])
        "".join(header).encode()
    except UnicodeEncodeError:
        failure = _not_utf8(path)
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


def _not_utf8(path: Path) -> KhoError:
    return KhoError(
        "encoding",
        f"{path.name}: dòng 1 không phải UTF-8; hãy lưu lại tệp với mã UTF-8",
        f"{path.name}: line 1 is not UTF-8; save the file as UTF-8",
        {"file": path.name, "row": 1, "rule": "encoding"},
    )

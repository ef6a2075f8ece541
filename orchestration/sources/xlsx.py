"""Workbooks from a drop folder.

Purpose: hand over the workbook as it is, and read the kept bytes into text for COPY: the data rows of the one table
whose headers the contract names, wherever it stands. Belongs here: typed cells to text. Stays out: finding the table
and telling its rows apart (`sheet_layout`), the drop folder (`folder`), any judgement on a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.contracts.model import Contract
from orchestration.errors import KhoError
from orchestration.sources.delivery import Delivery, copy_columns, copy_text, refuse_drift
from orchestration.sources.folder import DropFile, as_of, chunks, complete_files, deliveries, drop_folder, put_away
from orchestration.sources.sheet_layout import Layout, data_rows, find_layout

if TYPE_CHECKING:
    import pandas as pd


def open_xlsx(contract: Contract, cursor: str | None, env: Mapping[str, str]) -> Iterator[Delivery]:
    """Deliveries of encoding xlsx, one per workbook."""
    return deliveries(contract, env, _describe)


def probe_xlsx(contract: Contract, env: Mapping[str, str]) -> list[str]:
    folder, glob = drop_folder(contract, env), contract.source.options["glob"]
    lines = [f"Thư mục {contract.source.location}: đọc được"]
    for path in complete_files(folder, glob):
        day = as_of(path, glob)
        layout, sheet = _table(contract, path, path.name)
        more = f"; cột ngoài hợp đồng: {', '.join(layout.extra)}" if layout.extra else ""
        count = len(data_rows(contract, layout, sheet))
        lines.append(f"{path.name}: ngày {day:%d/%m/%Y}, trang {layout.sheet}, {count} dòng dữ liệu{more}")
    return lines if len(lines) > 1 else [*lines, f"Chưa có tệp nào theo mẫu {glob}"]


def parse_xlsx(contract: Contract, path: Path) -> tuple[tuple[str, ...], Iterator[bytes]]:
    """(`_row`, the contract columns, titles of others; CSV text). KhoError `schema_drift` or `file_format` at once."""
    layout, sheet = _table(contract, path, path.name)
    rows = data_rows(contract, layout, sheet)
    # Column by column: the conversion is chosen once, and the rows come out of one zip.
    texts = [[str(row + 1) for row in rows]]
    for column in contract.columns:
        texts.append(_texts(sheet.iloc[rows, layout.position(column.name)].tolist(), column.pg_type, column.format))
    for position in layout.extra_positions:
        texts.append(_texts(sheet.iloc[rows, position].tolist(), "text", None))
    return copy_columns(contract, layout.extra), copy_text(zip(*texts, strict=True))


def _describe(contract: Contract, file: DropFile) -> Delivery:
    layout, _ = _table(contract, file.path, file.path.name)
    return Delivery(
        name=file.path.name,
        as_of=file.as_of,
        encoding="xlsx",
        chunks=chunks(file),
        columns=copy_columns(contract, layout.extra),
        extra=layout.extra,
        sha256=file.sha256,
        done=put_away(file),
    )


def _table(contract: Contract, path: Path, name: str) -> tuple[Layout, pd.DataFrame]:
    """The sheet that has the contract's headers, and where on it. KhoError when there is none."""
    import pandas as pd

    sheets: dict[str, pd.DataFrame] = {}
    failure = None
    try:
        # na_filter off: "NA" or "null" in a cell is what the agency wrote, not an empty cell.
        sheets = pd.read_excel(path, engine="calamine", sheet_name=None, header=None, dtype=object, na_filter=False)
    except Exception as exc:  # noqa: BLE001  # calamine and pandas share no base class for a broken workbook
        failure = KhoError(
            "file_format",
            f"{name}: không mở được bảng tính ({type(exc).__name__})",
            f"{name}: the workbook cannot be opened ({type(exc).__name__})",
            {"file": name},
        )
    if failure is not None:
        raise failure
    layouts = [find_layout(contract, sheet_name, sheet) for sheet_name, sheet in sheets.items()]
    if not layouts:
        raise KhoError("file_format", f"{name}: bảng tính trống", f"{name}: the workbook is empty", {"file": name})
    best = max(layouts, key=lambda layout: layout.matched)
    refuse_drift(contract, best.columns, best.headers, f"{name}, {best.sheet}" if best.matched else name)
    return best, sheets[best.sheet]


def _texts(cells: list[Any], pg_type: str, form: str | None) -> list[str]:
    """Cells as text. A typed cell is written as the column's format writes it, so that landing reads one form only."""
    return [cell.strip() if isinstance(cell, str) else _text(cell, pg_type, form) for cell in cells]


def _text(cell: Any, pg_type: str, form: str | None) -> str:
    if cell is None or cell != cell:
        return ""
    if isinstance(cell, bool):
        return str(cell) if form == "True/False" else str(cell).lower()
    if isinstance(cell, float):
        return _number(cell, comma=form == "decimal_comma")
    if isinstance(cell, date):
        return _moment(cell, pg_type, form)
    return str(cell)


def _number(cell: float, *, comma: bool) -> str:
    if cell.is_integer():
        return str(int(cell))
    # Excel keeps 15 digits; the rest of the binary number is noise.
    text = format(Decimal(f"{cell:.15g}"), "f")
    return text.replace(".", ",") if comma else text


def _moment(cell: date, pg_type: str, form: str | None) -> str:
    if form == "yyyyMMddHHmmss":
        return cell.strftime("%Y%m%d%H%M%S")
    if form == "dd/MM/yyyy":
        return cell.strftime("%d/%m/%Y")
    if pg_type == "date" or not isinstance(cell, datetime) or cell.time() == time():
        return cell.strftime("%Y-%m-%d")
    return cell.isoformat(sep=" ")

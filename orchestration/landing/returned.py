"""A workbook of quarantined rows that its agency has corrected, read back into deliveries.

Belongs here: the machine-readable part of that workbook (`report` writes it, this reads it), what a cell that was left alone
stands for, and closing the rows that were answered. Stays out: how the workbook looks (`report`), landing it (`answer`).

What is delivered is the whole row again: cells as the agency left or wrote them, and, where a cell is masked or was not
touched, the value as kept. The kept bytes of such a delivery are these rows, of its dataset only: the workbook itself may
hold personal data of the agency's other datasets, which must not lie among the files of one that has none. Its name and
SHA-256 are in kho.answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg

from orchestration.contracts import Column, Contract
from orchestration.errors import KhoError
from orchestration.landing import quarantined
from orchestration.sources import Delivery
from orchestration.sources.delivery import ROW, copy_text

#: First cell of the row that tells the columns; the dataset follows. Kho's own columns are empty in it.
MARK = "kho:"
#: Before the title of a column that the contract does not have.
EXTRA = "+"
#: A cell that is not shown: sent back as it is, it means the value as kept.
HIDDEN = "•••"
#: The channel of what came back.
CHANNEL = "quarantine answer"
#: Rows looked up at a time.
_BATCH = 2000
#: Mistakes named in one message.
_NAMED = 10


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet of a returned workbook: the dataset, the column of each place (None: Kho's own), rows as (number, cells)."""

    name: str
    dataset: str
    columns: tuple[str | None, ...]
    rows: Iterator[tuple[int, list[Any]]]


@dataclass(kw_only=True)
class Answer(Delivery):
    """Corrected rows of one dataset. `answers`: row of the sheet -> number of the quarantined row that it answers."""

    answers: Mapping[int, int]
    file: str
    sheet: str
    workbook: bytes
    by: str

    def settle(self, connection: psycopg.Connection, contract: Contract, delivery_id: int) -> int:
        """Close what was answered, right or wrong again; call it in the landing, once its rows are in raw and in quarantine.

        Returns how many rows were closed. KhoError `answer_closed` when one had left quarantine before.
        """
        numbers, ids = list(self.answers), list(self.answers.values())
        row = connection.execute(
            """select count(*) from quarantine.row
                where quarantine_id = any (%s) and dataset = %s and (state = any (%s) or closed_by = %s)""",
            (ids, contract.id, list(quarantined.WAITING), delivery_id),
        ).fetchone()
        if row is None or row[0] != len(ids):
            raise KhoError(
                "answer_closed",
                f"{self.name}: có dòng đã rời khu cách ly trong lúc chờ; hãy lấy bảng mới rồi sửa lại",
                f"{self.name}: rows have left quarantine meanwhile; have the workbook made again",
                {"file": self.file, "rule": "answer_closed"},
            )
        closed = connection.execute(
            """update quarantine.row q
                  set closed_by = %(delivery)s,
                      state = case when exists (select from quarantine.row n where n.dataset = q.dataset and n.delivery_id = %(delivery)s
                                                   and n.state = any (%(waiting)s) and n.row_number = a.number)
                                   then 'superseded' else 'resolved' end
                 from unnest(%(numbers)s::bigint[], %(ids)s::bigint[]) a(number, id)
                where q.quarantine_id = a.id and q.state = any (%(waiting)s)""",
            {"delivery": delivery_id, "numbers": numbers, "ids": ids, "waiting": list(quarantined.WAITING)},
        ).rowcount
        connection.execute(
            "insert into kho.answer (delivery_id, dataset, file_name, sheet, sha256, rows, by_whom) values (%s, %s, %s, %s, %s, %s, %s)",
            (delivery_id, contract.id, self.file, self.sheet, self.workbook, len(ids), self.by),
        )
        return closed


def sheets(path: Path) -> list[Sheet]:
    """The sheets of a workbook that hold quarantined rows. KhoError `file_format` when it cannot be opened or has none."""
    from python_calamine import CalamineWorkbook

    failure = None
    found: list[Sheet] = []
    try:
        book = CalamineWorkbook.from_path(str(path))
        for name in book.sheet_names:
            rows = ((number, list(cells)) for number, cells in enumerate(book.get_sheet_by_name(name).iter_rows(), 1))
            if sheet := _sheet(name, rows):
                found.append(sheet)
    except Exception as exc:  # noqa: BLE001  # calamine's errors share no base class
        failure = type(exc).__name__
    if failure is not None:
        raise _refused(
            path.name,
            "",
            f"không mở được bảng tính ({failure})",
            f"the workbook cannot be opened ({failure})",
            "file_format",
        )
    if not found:
        raise _refused(
            path.name,
            "",
            "không phải bảng lỗi do Kho lập (`kho quarantine report`)",
            "not a workbook made by `kho quarantine report`",
            "file_format",
        )
    return found


def _sheet(name: str, rows: Iterator[tuple[int, list[Any]]]) -> Sheet | None:
    """The sheet from its machine-readable row on; None when none of its first rows is one."""
    for number, cells in rows:
        first = next((cell for cell in cells if cell != ""), "")
        if isinstance(first, str) and first.startswith(MARK):
            columns = tuple(str(cell) or None for cell in cells)
            next(rows, None)  # the headings
            return Sheet(name, first.removeprefix(MARK), columns, rows)
        if number >= 20:
            break
    return None


def read(
    connection: psycopg.Connection,
    contract: Contract,
    sheet: Sheet,
    *,
    path: Path,
    sha256: bytes,
    by: str,
    as_of: datetime,
) -> Answer | None:
    """The rows of a sheet that were changed, as a delivery; None when nothing was.

    KhoError `answer` naming sheet and rows when a row is not one that waits, is there twice, or cannot be told.
    """
    places = _places(contract, sheet, path.name)
    extra = tuple(name.removeprefix(EXTRA) for name in sheet.columns if name and name.startswith(EXTRA))
    mark = next(place for place, name in enumerate(sheet.columns) if name and name.startswith(MARK))
    reader = _Reader(connection, contract, extra, places, path.name, sheet.name)
    batch: dict[int, tuple[int, list[Any]]] = {}
    for number, cells in sheet.rows:
        cells += [""] * (len(sheet.columns) - len(cells))
        if all(_is_blank(cells[place]) for place in places if place is not None):
            continue  # nothing of the row is left: it waits on in quarantine
        identity = _number(cells[mark])
        if identity is None:
            reader.refuse(number, "không có số của dòng cách ly (dòng thêm mới thì giao theo cách thường lệ)",
                          "has no number of a quarantined row (new rows are delivered the ordinary way)")  # fmt: skip
        elif identity in reader.seen:
            reader.refuse(number, "trùng với một dòng khác trong bảng", "is there twice")
        else:
            reader.seen.add(identity)
            batch[identity] = (number, cells)
        if len(batch) == _BATCH:
            reader.take(batch)
            batch = {}
    reader.take(batch)
    reader.finish()
    if not reader.answers:
        return None
    header = next(copy_text([(ROW, *(c.name for c in contract.columns), *extra)]))
    return Answer(
        name=f"{path.name} › {sheet.name}", as_of=as_of, encoding="csv", chunks=iter([header, *reader.lines]),
        columns=(ROW, *(c.name for c in contract.columns), *(None for _ in extra)), extra=extra, partial=True, channel=CHANNEL,
        answers=reader.answers, file=path.name, sheet=sheet.name, workbook=sha256, by=by,
    )  # fmt: skip


def _places(contract: Contract, sheet: Sheet, file: str) -> list[int | None]:
    """Place on the sheet of every column of the contract, then of every extra one; None where the sheet lacks it."""
    known = {column.name for column in contract.columns}
    named = {name: place for place, name in enumerate(sheet.columns) if name and not name.startswith(MARK)}
    unknown = [name for name in named if name not in known and not name.startswith(EXTRA)]
    lost = [name for name in contract.key if name not in named]
    if unknown or lost:
        what = ", ".join(unknown or lost)
        raise _refused(
            file,
            sheet.name,
            f"cột {what} không khớp hợp đồng hiện nay; hãy lấy bảng mới",
            f"columns {what} differ from today's contract; have the workbook made again",
        )
    extra = [name for name in sheet.columns if name and name.startswith(EXTRA)]
    return [named.get(column.name) for column in contract.columns] + [named[name] for name in extra]


class _Reader:
    """Compares the rows of a sheet with those kept, batch by batch, and collects what was changed and what is wrong."""

    def __init__(
        self,
        connection: psycopg.Connection,
        contract: Contract,
        extra: tuple[str, ...],
        places: Sequence[int | None],
        file: str,
        sheet: str,
    ) -> None:
        self.connection, self.contract, self.extra, self.places = connection, contract, extra, places
        self.file, self.sheet = file, sheet
        self.columns: list[Column | None] = [*contract.columns, *(None for _ in extra)]
        self.seen: set[int] = set()
        self.answers: dict[int, int] = {}
        self.lines: list[bytes] = []
        self.wrong: list[tuple[int, str, str]] = []
        #: Rows left alone that contradict others of their key: key -> (row of the sheet, id, texts).
        self.rivals: dict[str, list[tuple[int, int, list[str]]]] = {}

    def refuse(self, number: int, vi: str, en: str) -> None:
        self.wrong.append((number, vi, en))

    def take(self, batch: Mapping[int, tuple[int, list[Any]]]) -> None:
        """Rows of the sheet by the quarantined row that each answers."""
        if not batch:
            return
        changed, found = [], set()
        for row in quarantined.rows(self.connection, self.contract, self.extra, only=list(batch)):
            identity = int(row[quarantined.ID])
            found.add(identity)
            number, cells = batch[identity]
            kept = row[quarantined.TEXTS :]
            texts = [self._text(n, cells, kept) for n in range(len(self.columns))]
            if texts != [text or "" for text in kept]:
                changed.append((number, identity, texts))
            elif row[quarantined.KEY] is not None and any(
                problem[1] == "conflict" for problem in row[quarantined.PROBLEMS] or ()
            ):
                self.rivals.setdefault(row[quarantined.KEY], []).append((number, identity, texts))
        for identity in batch.keys() - found:
            self.refuse(batch[identity][0], *self._why_not(identity))
        self._deliver(changed)

    def finish(self) -> None:
        """Deliver, of contradicting rows, those that stand alone now; then raise what was wrong, if anything was."""
        if self.rivals:
            waiting = self.connection.execute(
                """select q.key::text, count(*) from quarantine.row q
                    where q.dataset = %s and q.state = any (%s) and q.key = any (%s::jsonb[])
                      and exists (select from quarantine.problem p where p.quarantine_id = q.quarantine_id and p.code = 'conflict')
                    group by 1""",
                (self.contract.id, list(quarantined.WAITING), list(self.rivals)),
            ).fetchall()
            for key, count in waiting:
                if count > len(self.rivals[key]):
                    self._deliver(self.rivals[key])
        if self.wrong:
            self.wrong.sort()
            more_vi = f"; và {len(self.wrong) - _NAMED} dòng nữa" if len(self.wrong) > _NAMED else ""
            more_en = f"; and {len(self.wrong) - _NAMED} more" if len(self.wrong) > _NAMED else ""
            raise _refused(
                self.file, self.sheet,
                "; ".join(f"dòng {number} {vi}" for number, vi, _ in self.wrong[:_NAMED]) + more_vi,
                "; ".join(f"row {number} {en}" for number, _, en in self.wrong[:_NAMED]) + more_en,
                row=self.wrong[0][0],
            )  # fmt: skip

    def _deliver(self, rows: Sequence[tuple[int, int, list[str]]]) -> None:
        self.answers |= {number: identity for number, identity, _ in rows}
        self.lines += copy_text([str(number), *texts] for number, _, texts in rows)

    def _text(self, n: int, cells: Sequence[Any], kept: Sequence[str | None]) -> str:
        """The text of column `n`: as kept where the cell is masked, missing or was not touched, else as written."""
        place = self.places[n]
        was = kept[n] or ""
        if place is None:
            return was
        column = self.columns[n]
        text = as_text(cells[place], column.pg_type if column else "text", column.format if column else None)
        if text.strip() == HIDDEN or _shown(text) == _shown(was):
            return was
        return text

    def _why_not(self, identity: int) -> tuple[str, str]:
        row = self.connection.execute(
            "select dataset, closed_by from quarantine.row where quarantine_id = %s", (identity,)
        ).fetchone()
        if row is None:
            return "mang số không có trong khu cách ly", "has a number that quarantine does not know"
        if row[0] != self.contract.id:
            return f"thuộc bộ dữ liệu {row[0]}", f"belongs to dataset {row[0]}"
        return f"đã rời khu cách ly nhờ lần giao {row[1]}", f"left quarantine with delivery {row[1]}"


def _shown(text: str) -> str:
    """A text as a spreadsheet gives it back: line ends and blanks at the ends may differ."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def _is_blank(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _number(cell: Any) -> int | None:
    text = str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell).strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def as_text(cell: Any, pg_type: str, form: str | None) -> str:
    """A cell as text. One that a person typed anew may be a number, a day or a truth: it is written as the column's format writes it."""
    if cell is None or isinstance(cell, str):
        return cell or ""
    if isinstance(cell, bool):
        yes, slash, no = (form or "").partition("/")
        return (yes if cell else no) if slash and pg_type == "boolean" else str(cell).lower()
    if isinstance(cell, int | float):
        text = str(int(cell)) if float(cell).is_integer() else format(Decimal(f"{cell:.15g}"), "f")
        return text.replace(".", ",") if form == "decimal_comma" else text
    if isinstance(cell, date):
        return _moment(cell, pg_type, form or "")
    return cell.isoformat() if isinstance(cell, time) else str(cell)


_WRITTEN = (("yyyy", "%Y"), ("MM", "%m"), ("dd", "%d"), ("HH", "%H"), ("mm", "%M"), ("ss", "%S"))


def _moment(cell: date, pg_type: str, form: str) -> str:
    pattern = "dd/MM/yyyy" if form == "partial_date" else form
    if "yyyy" in pattern:
        for letters, directive in _WRITTEN:
            pattern = pattern.replace(letters, directive)
        return cell.strftime(pattern)
    if pg_type == "date" or not isinstance(cell, datetime) or cell.time() == time():
        return cell.strftime("%Y-%m-%d")
    return cell.isoformat(sep=" ")


def _refused(file: str, sheet: str, vi: str, en: str, code: str = "answer", row: int = 0) -> KhoError:
    place_vi, place_en = (f"{file}, trang «{sheet}»", f"{file}, sheet «{sheet}»") if sheet else (file, file)
    where: dict[str, str | int] = {"file": file} | ({"sheet": sheet} if sheet else {}) | ({"row": row} if row else {})
    return KhoError(code, f"{place_vi}: {vi}", f"{place_en}: {en}", where)


__all__ = ["CHANNEL", "EXTRA", "HIDDEN", "MARK", "Answer", "Sheet", "as_text", "read", "sheets"]

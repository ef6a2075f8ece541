"""One sheet of an agency's workbook: the quarantined rows of one dataset, in the agency's own columns, to correct in place.

Belongs here: cells, colours, notes, masking. Stays out: which rows (`landing.quarantined`), reading back (`landing.returned`).
Every value is written as text and every column is formatted as text, so that a spreadsheet keeps leading zeros and
computes nothing. Rows go to disk as they are written: memory does not grow with them, but for the notes, which are capped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from orchestration.contracts import Contract
from orchestration.landing import quarantined
from orchestration.landing.returned import EXTRA, HIDDEN, MARK
from orchestration.report.quarantine import open_columns
from orchestration.report.quarantine_words import STATES, quality_word

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

_MACHINE, _HEADER, _FIRST = 4, 5, 6  # rows, from 0
ROWS_OF_A_SHEET = 1_048_576 - _FIRST
_LEFT = ("", "Dòng / Row", "Tệp, lần giao / File, delivery")
_RIGHT = ("Lỗi", "Problems", "Chất lượng / Quality", "Tình trạng / State")
#: A cell of a spreadsheet holds no more characters.
_LONGEST = 32_767
#: Notes on cells of one sheet: each costs memory here and time in the spreadsheet; the words at the right are always there.
NOTES = 5_000
_MEASURED = 1_000  # rows by which columns get their widths


class Formats:
    """The cell formats of one workbook."""

    def __init__(self, workbook: Workbook) -> None:
        def made(**properties: Any) -> Format:
            return workbook.add_format({"font_name": "Arial", "font_size": 10, "valign": "top"} | properties)

        broken = {
            "num_format": "@",
            "bg_color": "#FFC7CE",
            "font_color": "#9C0006",
            "border": 1,
            "border_color": "#9C0006",
        }
        self.text = made(num_format="@")
        self.broken = made(**broken)
        self.own = made(num_format="@", font_color="#595959", bg_color="#F2F2F2")
        self.words = made(text_wrap=True, font_color="#9C0006")
        self.title = made(bold=True, font_size=14)
        self.plain = made()
        self.header = made(bold=True, text_wrap=True, border=1, bg_color="#D9E1F2", valign="vcenter")
        self.own_header = made(bold=True, text_wrap=True, border=1, bg_color="#EDEDED", valign="vcenter")
        self.number = made(num_format="#,##0")
        self.share = made(num_format="0.0%")
        self.day = made(num_format="dd/mm/yyyy", align="left")
        self.late = made(bold=True, font_color="#9C0006")


def sheet_names(titles: Sequence[str]) -> list[str]:
    """Names that a workbook takes, one a title: 31 characters, without its forbidden marks, each once."""
    taken = {"tổng hợp", "history"}
    found = []
    for title in titles:
        plain = re.sub(r"[\[\]:*?/\\]", " ", title).strip(" '") or "Bộ dữ liệu"
        name, number = plain[:31].strip(" '"), 1
        while name.casefold() in taken:
            number += 1
            name = f"{plain[: 31 - len(str(number)) - 1].strip()} {number}"
        taken.add(name.casefold())
        found.append(name)
    return found


class DatasetSheet:
    """The sheet of one dataset. `extra`: titles of delivered columns that the contract does not have; they stand last."""

    def __init__(self, sheet: Worksheet, formats: Formats, contract: Contract, extra: tuple[str, ...]) -> None:
        self.sheet, self.formats, self.contract, self.extra = sheet, formats, contract, extra
        self.names = [column.name for column in contract.columns]
        self.headings = [column.source_name for column in contract.columns] + list(extra)
        self.right = len(_LEFT) + len(self.headings)
        self.widths = [max(8, *(len(word) for word in text.split()), len(text) // 2) for text in self.headings]
        self.notes = 0

    def write(self, rows: Iterable[Sequence[Any]], *, waiting: int, reveal: bool) -> int:
        """Write the rows of `quarantined.rows`; `waiting` are all there are. Returns how many were written."""
        allowed = open_columns(self.contract)
        masked = [not reveal and name not in allowed for name in self.names] + [not reveal] * len(self.extra)
        place = {name: len(_LEFT) + n for n, name in enumerate(self.names)}
        self._head(waiting, any(masked))
        at = _FIRST
        for row in rows:
            self._row(at, row, masked, place)
            at += 1
        self._finish(at)
        return at - _FIRST

    def _head(self, waiting: int, is_masked: bool) -> None:
        sheet, formats = self.sheet, self.formats
        sheet.write_string(0, 1, f"{self.contract.title} ({self.contract.agency_name})", formats.title)
        sheet.write_string(
            1, 1, "Sửa tại ô tô đỏ rồi gửi lại tệp này, sửa cả tại phần mềm nguồn. Dòng để nguyên hoặc xóa khỏi bảng thì vẫn chờ trong khu cách ly.",
            formats.plain,
        )  # fmt: skip
        sheet.write_string(
            2, 1, "Correct the red cells and send this file back; correct the source as well. Rows left alone, or deleted here, go on waiting in quarantine.",
            formats.plain,
        )  # fmt: skip
        told = f"Đang chờ {waiting} dòng / {waiting} rows waiting."
        if is_masked:
            told += f" Ô {HIDDEN} là dữ liệu cá nhân đã che: để nguyên là giữ giá trị đã gửi"
            told += f" / {HIDDEN} is masked personal data: left alone it means the value as delivered."
        sheet.write_string(3, 1, told, formats.plain)
        sheet.set_row(_MACHINE, None, None, {"hidden": True})
        sheet.write_string(_MACHINE, 0, MARK + self.contract.id)
        for n, name in enumerate([*self.names, *(EXTRA + title for title in self.extra)], len(_LEFT)):
            sheet.write_string(_MACHINE, n, name)
        sheet.set_row(_HEADER, 45)
        for n, heading in enumerate([*_LEFT, *self.headings, *_RIGHT]):
            own = n < len(_LEFT) or n >= self.right
            sheet.write_string(_HEADER, n, heading, formats.own_header if own else formats.header)

    def _row(self, at: int, row: Sequence[Any], masked: Sequence[bool], place: dict[str, int]) -> None:
        sheet, formats = self.sheet, self.formats
        sheet.write_string(at, 0, str(row[quarantined.ID]), formats.own)
        sheet.write_string(at, 1, str(row[quarantined.NUMBER]), formats.own)
        sheet.write_string(at, 2, f"{row[quarantined.FILE] or ''} ({row[quarantined.DELIVERY]})", formats.own)
        problems = row[quarantined.PROBLEMS] or []
        broken: dict[int, list[Any]] = {}
        for problem in problems:
            for name in str(problem[0] or "").split(", "):
                if name in place:
                    broken.setdefault(place[name], []).append(problem)
        for n, text in enumerate(row[quarantined.TEXTS :]):
            column = n + len(_LEFT)
            shown = None if text is None or not text.strip() else HIDDEN if masked[n] or len(text) > _LONGEST else text
            if column in broken:
                self._broken(at, column, shown, broken[column])
            elif shown is not None:
                sheet.write_string(at, column, shown, formats.text)
            if shown is not None and at < _FIRST + _MEASURED:
                self.widths[n] = max(self.widths[n], min(len(shown), 40))
        qualities = ", ".join(dict.fromkeys(quality_word(problem[1]) for problem in problems))
        sheet.write_string(at, self.right, "\n".join(problem[4] for problem in problems)[:_LONGEST], formats.words)
        sheet.write_string(at, self.right + 1, "\n".join(problem[5] for problem in problems)[:_LONGEST], formats.words)
        sheet.write_string(at, self.right + 2, qualities, formats.own)
        sheet.write_string(at, self.right + 3, " / ".join(STATES[row[quarantined.STATE]]), formats.own)

    def _broken(self, at: int, column: int, shown: str | None, problems: Sequence[Any]) -> None:
        if shown is None:
            self.sheet.write_blank(at, column, None, self.formats.broken)
        else:
            self.sheet.write_string(at, column, shown, self.formats.broken)
        if self.notes == NOTES:
            return
        self.notes += 1
        found = "(trống / empty)" if shown is None else shown[:200]
        lines = [f"Gặp / Found: {found}"]
        for _, _, _, expected, vi, en in problems:
            lines += [f"Cần / Expected: {expected or ''}"[:300], vi, en]
        self.sheet.write_comment(
            at,
            column,
            "\n".join(lines),
            {"author": "Kho", "x_scale": 2.2, "y_scale": 0.6 + 0.45 * len(problems), "visible": False},
        )

    def _finish(self, end: int) -> None:
        """Widths, filter and panes; `end` is the row after the last."""
        sheet, formats = self.sheet, self.formats
        sheet.set_column(0, 0, 10, formats.own, {"hidden": True})
        sheet.set_column(1, 1, 8, formats.own)
        sheet.set_column(2, 2, 28, formats.own)
        for n, width in enumerate(self.widths, len(_LEFT)):
            sheet.set_column(n, n, min(width, 40) + 2, formats.text)
        sheet.set_column(self.right, self.right + 1, 60, formats.words)
        sheet.set_column(self.right + 2, self.right + 3, 22, formats.own)
        last = max(end - 1, _HEADER)
        sheet.autofilter(_HEADER, 0, last, self.right + len(_RIGHT) - 1)
        sheet.freeze_panes(_FIRST, len(_LEFT))
        sheet.ignore_errors({"number_stored_as_text": f"A1:XFD{last + 1}"})

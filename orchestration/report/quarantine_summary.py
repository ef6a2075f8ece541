"""The first sheet of an agency's workbook: what waits, since when, due when, by quality word, and the trend of its nights.

Belongs here: the figures of that sheet, its tables and charts. Stays out: the rows (`quarantine_sheets`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from orchestration.report.quarantine_words import LEVELS, QUALITY, quality_word, rule_words
from orchestration.report.tickets import Ticket

if TYPE_CHECKING:
    import psycopg
    from xlsxwriter import Workbook
    from xlsxwriter.worksheet import Worksheet

    from orchestration.report.quarantine_sheets import Formats

#: Nights of the trend.
NIGHTS = 30


@dataclass(frozen=True, slots=True)
class DatasetLine:
    """A dataset with rows that wait, the sheet that shows them, and how many of them it shows."""

    title: str
    sheet: str
    waiting: int
    shown: int


@dataclass(frozen=True, slots=True)
class Night:
    """What an agency delivered in a night, in rows."""

    night: date
    received: int
    quarantined: int

    @property
    def rate(self) -> float:
        return self.quarantined / self.received if self.received else 0.0


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything on the first sheet. `titles`: by dataset; `columns`: the source's name by (dataset, column); `problems`: by rule."""

    agency_name: str
    made_at: datetime
    revealed: bool
    datasets: Sequence[DatasetLine]
    tickets: Sequence[Ticket]
    titles: Mapping[str, str]
    columns: Mapping[tuple[str, str], str]
    problems: Mapping[str, int]
    trend: Sequence[Night]


def trend(connection: psycopg.Connection, agency: str) -> list[Night]:
    """The last nights in which the agency delivered, oldest first; what came back from quarantine is not a night's delivery."""
    rows = connection.execute(
        """select night, sum(received)::bigint, sum(quarantined)::bigint from kho.delivery d
            where agency = %s and outcome = 'applied' and not exists (select from kho.answer a where a.delivery_id = d.delivery_id)
            group by night order by night desc limit %s""",
        (agency, NIGHTS),
    ).fetchall()
    return [Night(*row) for row in reversed(rows)]


def write_summary(workbook: Workbook, sheet: Worksheet, formats: Formats, summary: Summary) -> None:
    """Fill the sheet from the top; charts stand beside their tables, to the right of everything."""
    writer = _Writer(sheet, formats)
    writer.line(f"Khu cách ly: {summary.agency_name}", formats.title)
    shown = (
        "đầy đủ giá trị, chỉ dành cho đơn vị / with all values, for the agency only"
        if summary.revealed
        else "giá trị cá nhân đã che / personal values masked"
    )
    writer.line(f"Lập lúc {summary.made_at:%H:%M %d/%m/%Y}, {shown}", formats.plain)
    writer.gap()
    if not summary.datasets:
        writer.line("Không có dòng nào chờ sửa / Nothing waits", formats.plain)
    _datasets(writer, formats, summary)
    _tickets(writer, formats, summary)
    _qualities(workbook, writer, formats, summary)
    _nights(workbook, writer, formats, summary)
    sheet.set_column(0, 0, 44, formats.plain)
    sheet.set_column(1, 9, 20, formats.plain)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)


class _Writer:
    """Writes a sheet from the top to the bottom."""

    def __init__(self, sheet: Worksheet, formats: Formats) -> None:
        self.sheet, self.formats, self.at = sheet, formats, 0

    def line(self, text: str, form: Any) -> None:
        self.sheet.write_string(self.at, 0, text, form)
        self.at += 1

    def gap(self) -> None:
        self.at += 1

    def header(self, title: str, headings: Sequence[str]) -> None:
        self.line(title, self.formats.header)
        for n, text in enumerate(headings):
            self.sheet.write_string(self.at, n, text, self.formats.own_header)
        self.at += 1

    def row(self, cells: Sequence[tuple[Any, Any]]) -> None:
        """(value, format) each; texts, numbers and days, never a formula."""
        for n, (value, form) in enumerate(cells):
            if value is None:
                continue
            if isinstance(value, str):
                self.sheet.write_string(self.at, n, value, form)
            elif isinstance(value, date):
                self.sheet.write_datetime(self.at, n, datetime(value.year, value.month, value.day), form)
            else:
                self.sheet.write_number(self.at, n, value, form)
        self.at += 1


def _datasets(writer: _Writer, formats: Formats, summary: Summary) -> None:
    if not summary.datasets:
        return
    writer.header(
        "Bộ dữ liệu / Datasets",
        ["Bộ dữ liệu / Dataset", "Trang / Sheet", "Dòng chờ / Rows waiting", "Dòng trong tệp / Rows in this file"],
    )
    for line in summary.datasets:
        cut = line.shown < line.waiting
        writer.row(
            [(line.title, formats.plain), (line.sheet, formats.plain), (line.waiting, formats.number),
             (line.shown, formats.number), (f"chỉ {line.shown} dòng đầu / the first {line.shown} only" if cut else None, formats.late)]
        )  # fmt: skip
    writer.gap()


def _tickets(writer: _Writer, formats: Formats, summary: Summary) -> None:
    if not summary.tickets:
        return
    writer.header(
        "Lỗi cần sửa / What to correct",
        ["Lỗi / Problem", "Bộ dữ liệu / Dataset", "Cột / Column", "Luật / Rule", "Chất lượng / Quality", "Dòng / Rows",
         "Từ ngày / Since", "Hạn sửa / Due", "Mức / Level", "Phiếu / Ticket"],
    )  # fmt: skip
    for t in summary.tickets:
        names = ", ".join(summary.columns.get((t.dataset, name), name) for name in t.column.split(", "))
        vi, en = rule_words(t.rule)
        writer.row(
            [(f"{t.message_vi} / {t.message_en}", formats.plain), (summary.titles.get(t.dataset, t.dataset), formats.plain), (names, formats.plain),
             (f"{vi} / {en}", formats.plain), (quality_word(t.rule), formats.plain), (t.rows, formats.number), (t.opened_on, formats.day),
             (t.due_on, formats.day), (" / ".join(LEVELS[t.level]), formats.late if t.level else formats.plain), (f"#{t.ticket}", formats.plain)]
        )  # fmt: skip
    writer.gap()


def _qualities(workbook: Workbook, writer: _Writer, formats: Formats, summary: Summary) -> None:
    counts = dict.fromkeys(QUALITY, 0)
    for rule, problems in summary.problems.items():
        counts[quality_word(rule)] += problems
    total = sum(counts.values())
    if not total:
        return
    writer.header(
        "Theo sáu tiêu chí chất lượng / By quality", ["Tiêu chí / Quality", "Lỗi / Problems", "Tỷ lệ / Share"]
    )
    first = writer.at
    for word, problems in counts.items():
        writer.row(
            [
                (f"{word} / {QUALITY[word]}", formats.plain),
                (problems, formats.number),
                (problems / total, formats.share),
            ]
        )
    chart = workbook.add_chart({"type": "bar"})
    name = writer.sheet.get_name()
    chart.add_series(
        {"name": "Lỗi / Problems", "categories": [name, first, 0, writer.at - 1, 0], "values": [name, first, 1, writer.at - 1, 1],
         "data_labels": {"value": True}, "fill": {"color": "#C00000"}}
    )  # fmt: skip
    chart.set_title({"name": "Lỗi theo tiêu chí / Problems by quality", "name_font": {"size": 11}})
    chart.set_legend({"none": True})
    chart.set_y_axis({"reverse": True})
    chart.set_size({"width": 460, "height": 260})
    writer.sheet.insert_chart(first - 2, 4, chart)
    writer.at = max(writer.at, first - 2 + 14)
    writer.gap()


def _nights(workbook: Workbook, writer: _Writer, formats: Formats, summary: Summary) -> None:
    if not summary.trend:
        return
    writer.header(
        "Diễn biến / Trend", ["Đêm / Night", "Dòng nhận / Rows received", "Dòng cách ly / Quarantined", "Tỷ lệ / Rate"]
    )
    first, name = writer.at, writer.sheet.get_name()
    for night in summary.trend:
        writer.row(
            [
                (f"{night.night:%d/%m/%Y}", formats.plain),
                (night.received, formats.number),
                (night.quarantined, formats.number),
                (night.rate, formats.share),
            ]
        )
    last = writer.at - 1
    columns, line = workbook.add_chart({"type": "column"}), workbook.add_chart({"type": "line"})
    for place, title, color in ((1, "Nhận / Received", "#8EA9DB"), (2, "Cách ly / Quarantined", "#C00000")):
        columns.add_series(
            {
                "name": title,
                "categories": [name, first, 0, last, 0],
                "values": [name, first, place, last, place],
                "fill": {"color": color},
            }
        )
    line.add_series(
        {"name": "Tỷ lệ / Rate", "categories": [name, first, 0, last, 0], "values": [name, first, 3, last, 3], "y2_axis": True,
         "line": {"color": "#7F6000", "width": 2}, "marker": {"type": "circle"}}
    )  # fmt: skip
    columns.combine(line)
    line.set_y2_axis({"num_format": "0.0%", "min": 0})
    columns.set_title(
        {"name": "Nhận và cách ly theo đêm / Received and quarantined by night", "name_font": {"size": 11}}
    )
    columns.set_legend({"position": "bottom"})
    columns.set_size({"width": 640, "height": 300})
    writer.sheet.insert_chart(first - 2, 4, columns)

"""The rules of periodic reports (Decree 09/2019/NĐ-CP): periods and their days, indicators, units, one value.

Belongs here: codes and their texts, what a period is and when it is open, the lists of units and indicators.
Stays out: reports, their states and sums (`reporting`).

A period's figures end on the 14th of its last month (the decree's cut-off; the next begins on the 15th). A report may be
sent from the 15th to the 25th; how long is left to each report by the decree, the ten days are this simulator's.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

FIRST_DAY = 15  # of a month: the first of a period, and of the time in which the one before may be reported
LAST_TO_SEND = 25
MESSAGES = {
    "00": "Thành công",
    "03": "Mã đơn vị không đúng",
    "04": "Kỳ báo cáo không hợp lệ",
    "06": "Không có bản ghi hoặc quá số bản ghi cho phép",
    "11": "Báo cáo đã gửi, chỉ gửi lại sau khi được trả lại",
    "13": "Không tìm thấy báo cáo",
    "20": "Thiếu trường bắt buộc",
    "23": "Chỉ tiêu không có trong danh mục",
    "24": "Chỉ tiêu không thuộc loại kỳ báo cáo này",
    "25": "Giá trị không phải là số hợp lệ",
    "26": "Đơn vị tính không đúng với chỉ tiêu",
    "27": "Mã xã của đơn vị không còn hiệu lực",
    "29": "Chỉ tiêu lặp lại trong báo cáo",
    "40": "Tổng của các đơn vị trực thuộc không bằng số liệu toàn đơn vị",
    "41": "Còn đơn vị trực thuộc chưa gửi báo cáo",
    "42": "Đơn vị cấp trên đã gửi báo cáo, phải trả lại báo cáo cấp trên trước",
    "43": "Chưa hết kỳ số liệu, chưa mở gửi báo cáo",
    "44": "Kỳ báo cáo đã khóa",
    "45": "Số liệu khác với Cổng Dịch vụ công quốc gia",
    "46": "Thiếu lý do hoặc thời hạn",
    "99": "Lỗi hệ thống, vui lòng thử lại sau",
}
_PERIOD = re.compile(r"(20\d\d)(?:-(?:(0[1-9]|1[0-2])|Q([1-4])|H([12])))?")
_COUNT = re.compile(r"\d+")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


@dataclass(frozen=True)
class Period:
    """A period `2026-11`, `2026-Q4`, `2026-H2` or `2026`. `kind`: M, Q, H or Y; `first`, `last`: days of its figures."""

    text: str
    kind: str
    first: date
    last: date

    @classmethod
    def of(cls, text: object) -> Period | None:
        """From its text; None when it is none."""
        match = _PERIOD.fullmatch(text) if isinstance(text, str) else None
        if match is None or not isinstance(text, str):
            return None
        year = int(match[1])
        if match[2]:
            return cls(text, "M", *_days(year, int(match[2]), 1))
        if match[3]:
            return cls(text, "Q", *_days(year, 3 * int(match[3]), 3))
        if match[4]:
            return cls(text, "H", *_days(year, 6 * int(match[4]), 6))
        return cls(text, "Y", *_days(year, 12, 12))

    @property
    def last_to_send(self) -> date:
        """The last day on which a report may be sent without being reopened."""
        return self.last.replace(day=LAST_TO_SEND)

    @property
    def year_before(self) -> str:
        """The year before the one in which it ends."""
        return str(self.last.year - 1)


@dataclass(frozen=True)
class Indicator:
    """An indicator. `periods`: letters of the kinds of period in which it is reported; `adds_up`: the whole is the sum
    of its parts; `measure`: its unit, as it must come.
    """

    code: str
    name: str
    measure: str
    periods: str = "MQHY"
    adds_up: bool = True

    def value_code(self, item: Mapping[str, str], period: Period) -> str:
        """`00`, or why one value is refused."""
        if self.measure != item["DonViTinh"].strip().lower():
            return "26"
        if period.kind not in self.periods:
            return "24"
        return "00" if (_COUNT if self.adds_up else _NUMBER).fullmatch(item["GiaTri"]) else "25"


#: Dossiers; what is received is the denominator of index 1.4 of Decision 766/QĐ-TTg.
RECEIVED = "TTHC01"
INDICATORS = (
    Indicator(RECEIVED, "Số hồ sơ tiếp nhận trong kỳ", "hồ sơ"),
    Indicator("TTHC02", "Trong đó: tiếp nhận trực tuyến", "hồ sơ"),
    Indicator("TTHC03", "Số hồ sơ đã giải quyết", "hồ sơ"),
    Indicator("TTHC04", "Trong đó: trước hạn và đúng hạn", "hồ sơ"),
    Indicator("TTHC05", "Trong đó: quá hạn", "hồ sơ"),
    Indicator("TTHC06", "Tỷ lệ giải quyết đúng hạn", "%", adds_up=False),
    Indicator("TTHC07", "Số thủ tục hành chính được công bố", "thủ tục", "QHY", adds_up=False),
)


class Lists:
    """Units and indicators that the system knows, kept in a file of its own below its home."""

    def __init__(self, home: Path) -> None:
        self._file = home / "lists.json"
        self.indicators = {each.code: each for each in INDICATORS}
        self.units: dict[str, str] | None = None
        if self._file.exists():
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            self.units = kept["units"]
            self.indicators = {row["code"]: Indicator(**row) for row in kept["indicators"]}

    def know(self, units: Mapping[str, str] | None, indicators: Iterable[Indicator] | None) -> None:
        """From now on these units (code -> code of the unit above, empty for the whole; None: any below H05, of which
        those that have reported are the parts) and these indicators (None: those of before).
        """
        self.units = None if units is None else dict(units)
        if indicators is not None:
            self.indicators = {each.code: each for each in indicators}
        rows = [asdict(each) for each in self.indicators.values()]
        self._file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._file.with_name(f"{self._file.name}.part")
        unfinished.write_text(
            json.dumps({"units": self.units, "indicators": rows}, ensure_ascii=False), encoding="utf-8"
        )
        unfinished.replace(self._file)

    def read(self, folder: Path) -> None:
        """units.csv (code, parent) and indicators.csv (code, name, measure, periods, adds_up as 1 or 0), where there."""
        units, indicators = (_rows(folder / f"{name}.csv") for name in ("units", "indicators"))
        self.know(
            None if units is None else {row["code"]: row["parent"] for row in units},
            None if indicators is None else [Indicator(**row | {"adds_up": row["adds_up"] == "1"}) for row in indicators],  # type: ignore[arg-type]
        )  # fmt: skip

    def above(self, unit: str) -> str:
        """The unit above; empty when there is none."""
        return unit.rpartition(".")[0] if self.units is None else self.units[unit]

    def wanted(self, kind: str) -> set[str]:
        """Codes of the indicators that a report of a kind of period must have."""
        return {code for code, each in self.indicators.items() if kind in each.periods}


def total(values: Iterable[str]) -> str:
    """The sum of values, as text."""
    return str(sum(map(Decimal, values), Decimal(0)))


def same(one: str, other: str) -> bool:
    """True when two values are the same number."""
    return Decimal(one) == Decimal(other)


def _days(year: int, last_month: int, months: int) -> tuple[date, date]:
    """First and last day of the figures of a period that ends in a month."""
    last = date(year, last_month, FIRST_DAY) - timedelta(days=1)
    first_month = year * 12 + last_month - 1 - months
    return date(first_month // 12, first_month % 12 + 1, FIRST_DAY), last


def _rows(file: Path) -> list[dict[str, str]] | None:
    if not file.exists():
        return None
    with open(file, encoding="utf-8-sig", newline="") as text:
        return list(csv.DictReader(text))

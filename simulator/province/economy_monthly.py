"""What the economy puts out and uses, month by month: industrial production, foreign trade, electricity.

Belongs here: the tables `iip_monthly`, `trade_monthly`, `energy_use`. Stays out: public money (`budget`).

A month is published in the month after it, as a first figure; with the next month it is revised (a late correction of a
closed period) and then stands. Ids run month by month.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from simulator.chance import Bools, Floats, Ids, Ints
from simulator.province.economy_course import month_names, months_out, published
from simulator.province.economy_firm import zone_places
from simulator.scale import POPULATION
from simulator.table import Table, Total, to_date32, words

# Divisions of VSIC: code -> (name, share of industry in per mille, growth a year in %)
DIVISIONS: dict[str, tuple[str, int, float]] = {
    "08": ("Khai khoáng khác", 3, -2), "10": ("Sản xuất chế biến thực phẩm", 31, 4), "11": ("Sản xuất đồ uống", 14, 2),
    "13": ("Dệt", 12, 5), "14": ("Sản xuất trang phục", 46, 7), "16": ("Chế biến gỗ", 8, 3),
    "17": ("Sản xuất giấy", 22, 6), "18": ("In", 9, 4), "20": ("Sản xuất hóa chất", 17, 5),
    "22": ("Sản xuất sản phẩm từ cao su và plastic", 41, 9), "23": ("Sản xuất sản phẩm từ khoáng phi kim loại", 19, 3),
    "24": ("Sản xuất kim loại", 16, 2), "25": ("Sản xuất sản phẩm từ kim loại đúc sẵn", 38, 8),
    "26": ("Sản xuất sản phẩm điện tử, máy vi tính và quang học", 561, 13), "27": ("Sản xuất thiết bị điện", 74, 17),
    "28": ("Sản xuất máy móc, thiết bị", 24, 6), "31": ("Sản xuất giường, tủ, bàn, ghế", 11, 3),
    "32": ("Công nghiệp chế biến, chế tạo khác", 9, 5), "35": ("Sản xuất và phân phối điện, khí đốt", 36, 8),
    "36": ("Khai thác, xử lý và cung cấp nước", 9, 5),
}  # fmt: skip
GOODS = (
    "Máy vi tính, sản phẩm điện tử và linh kiện", "Điện thoại các loại và linh kiện", "Máy móc, thiết bị, phụ tùng",
    "Hàng dệt, may", "Sản phẩm từ chất dẻo", "Giấy và sản phẩm từ giấy", "Dây điện và cáp điện", "Sắt thép",
    "Pin năng lượng mặt trời", "Nông sản chế biến", "Gỗ và sản phẩm gỗ", "Hàng hóa khác",
)  # fmt: skip
_GOODS_EXPORT = (2700, 1650, 420, 260, 170, 60, 90, 40, 310, 45, 25, 180)  # million USD a month
_GOODS_IMPORT = (3300, 900, 380, 130, 210, 90, 60, 160, 120, 20, 15, 260)
SECTORS = ("CONG_NGHIEP_XAY_DUNG", "NONG_LAM_NGU_NGHIEP", "THUONG_MAI_DICH_VU", "QUAN_LY_TIEU_DUNG", "KHAC")
_FIRST_REVISION = 0.6  # share of the figures that are revised


class Monthly(Table):
    """A table of which each month has the same number of rows. `first`: its first month; `out_on`: day of publication."""

    first: ClassVar[date]
    out_on: ClassVar[int]
    per_month: ClassVar[int]

    def months(self, day: int) -> int:
        """Months published by the end of a day."""
        return months_out(self.first, day, self.out_on)

    def count(self, day: int) -> int:
        """Rows published."""
        return self.months(day) * self.per_month

    def touched(self, day: int) -> Ints:
        """On a day of publication the new month and the revised one; nothing on others."""
        before, now = self.months(day - 1), self.months(day)
        if before == now:
            return np.empty(0, np.int64)
        return np.arange(max(before - 1, 0) * self.per_month, now * self.per_month, dtype=np.int64)

    def known(self, ids: Ids, day: int) -> tuple[Ints, Ints, Bools]:
        """The month and the place within it of each row, and whether its figure is still the first one."""
        month, row = np.divmod(np.asarray(ids, np.int64), self.per_month)
        return month, row, np.asarray(month == self.months(day) - 1)

    def slip(self, ids: Ids, first: Bools, size: float) -> Floats:
        """The factor by which first figures are off."""
        off = self.chance.happens(f"{self.name}.off", np.asarray(ids), _FIRST_REVISION) & first
        return np.where(off, 1 + size * self.chance.normal(f"{self.name}.slip", np.asarray(ids)), 1.0)

    def stamps(self, month: Ints, first: Bools) -> Any:
        """The day on which each row was last written."""
        return to_date32(published(self.first, np.where(first, month, month + 1), self.out_on))


class IipMonthly(Monthly):
    """The index of industrial production."""

    name = "iip_monthly"
    key = ("month", "division_code")
    doc = "One row per month and division of VSIC, and one for all; statistical indicator of Decree 94/2022/NĐ-CP."
    columns = {
        "month": "`2026-10`",
        "division_code": "VSIC, two digits; `00` all industry",
        "division_name": "name",
        "index_year_percent": "index against the same month of the year before, %",
        "index_month_percent": "index against the month before, %",
        "index_cumulative_percent": "index of the year so far against the same months of the year before, %",
        "is_first_figure": "not revised yet",
        "published_on": "day of publication or revision",
    }
    first = date(2024, 1, 1)
    out_on = 6
    per_month = len(DIVISIONS) + 1

    @lru_cache(maxsize=2)  # noqa: B019 (one province lives as long as its tables)
    def _levels(self, months: int) -> Floats:
        """Output by division (the last: all) and month from January 2023 on; 100 at its beginning."""
        division, month = np.meshgrid(np.arange(len(DIVISIONS)), np.arange(months + 12), indexing="ij")
        growth = np.array([rate for _, _, rate in DIVISIONS.values()])[:, None]
        season = 1 + 0.05 * np.sin((month % 12 - 3) * np.pi / 6) - 0.14 * (month % 12 == 1)  # Tết
        noise = self.chance.normal("iip_monthly.noise", division * 4096 + month) * 0.03
        levels = 100 * (1 + growth / 100) ** (month / 12) * season * (1 + noise)
        share = np.array([share for _, share, _ in DIVISIONS.values()])
        return np.asarray(np.vstack([levels, share @ levels / share.sum()]))

    def rows(self, ids: Ids, day: int) -> Any:
        """Indices as they stand at the end of a day."""
        month, row, first = self.known(ids, day)
        levels = self._levels(int(month.max(initial=0)) + 1)
        division = (row - 1) % len(levels)  # row 0 is all industry
        now, before, earlier = (levels[division, month + shift] for shift in (12, 11, 0))
        sums = np.concatenate([np.zeros((len(levels), 1)), np.cumsum(levels, axis=1)], axis=1)
        start = month // 12 * 12
        this = sums[division, month + 13] - sums[division, start + 12]
        last = sums[division, month + 1] - sums[division, start]
        slip = self.slip(ids, first, 0.012)
        names = ["Toàn ngành công nghiệp", *(name for name, _, _ in DIVISIONS.values())]
        return pa.table(
            {
                "id": np.asarray(ids, np.int64),
                "month": month_names(self.first, month),
                "division_code": words(["00", *DIVISIONS], row),
                "division_name": words(names, row),
                "index_year_percent": np.round(now / earlier * 100 * slip, 2),
                "index_month_percent": np.round(now / before * 100 * slip, 2),
                "index_cumulative_percent": np.round(this / last * 100 * (1 + (slip - 1) / (month % 12 + 1)), 2),
                "is_first_figure": first,
                "published_on": self.stamps(month, first),
            }
        )


class TradeMonthly(Monthly):
    """Exports and imports."""

    name = "trade_monthly"
    key = ("month", "direction", "goods", "sector")
    doc = "One row per month, direction, group of goods and sector; customs statistics."
    columns = {
        "month": "`2026-10`",
        "direction": "XUAT, NHAP",
        "goods": "group of goods",
        "sector": "FDI, TRONG_NUOC",
        "value_million_usd": "value, million USD",
        "is_first_figure": "not revised yet",
        "published_on": "day of publication or revision",
    }
    first = date(2024, 1, 1)
    out_on = 12
    per_month = len(GOODS) * 4

    def rows(self, ids: Ids, day: int) -> Any:
        """Values as they stand at the end of a day."""
        ids = np.asarray(ids, np.int64)
        month, row, first = self.known(ids, day)
        goods, rest = np.divmod(row, 4)
        direction, sector = np.divmod(rest, 2)
        base = np.array([_GOODS_EXPORT, _GOODS_IMPORT])[direction, goods] * np.where(sector == 0, 0.94, 0.06)
        season = 1 + 0.06 * np.sin((month % 12 - 4) * np.pi / 6) - 0.12 * (month % 12 == 1)
        value = base * 1.11 ** (month / 12) * season * (1 + 0.05 * self.chance.normal("trade_monthly.noise", ids))
        value = value * self.scale.factor * self.slip(ids, first, 0.02)
        return pa.table(
            {
                "id": ids,
                "month": month_names(self.first, month),
                "direction": words(("XUAT", "NHAP"), direction),
                "goods": words(GOODS, goods),
                "sector": words(("FDI", "TRONG_NUOC"), sector),
                "value_million_usd": np.round(value, 3),
                "is_first_figure": first,
                "published_on": self.stamps(month, first),
            }
        )

    def totals(self, day: int) -> list[Total]:
        """Exports of the last twelve months."""
        rows = self.rows(np.arange(max(0, self.count(day) - 12 * self.per_month), self.count(day)), day)
        out = np.array(rows["direction"].to_pylist()) == "XUAT"
        value = float(rows["value_million_usd"].to_numpy()[out].sum())
        return [Total("trade_monthly.exports_of_12_months", round(value, 1), "million USD", "derived")]


class EnergyUse(Monthly):
    """Electricity."""

    name = "energy_use"
    key = ("month", "commune_code", "sector")
    doc = "One row per month, commune of today and group of customers, since July 2025; electricity company."
    columns = {
        "month": "`2026-10`",
        "commune_code": "commune of today",
        "sector": "CONG_NGHIEP_XAY_DUNG, NONG_LAM_NGU_NGHIEP, THUONG_MAI_DICH_VU, QUAN_LY_TIEU_DUNG, KHAC",
        "customer_count": "meters",
        "electricity_mwh": "electricity used, MWh",
        "is_first_figure": "not revised yet",
        "published_on": "day of publication or revision",
    }
    first = date(2025, 7, 1)
    out_on = 8
    per_month = 99 * len(SECTORS)

    def rows(self, ids: Ids, day: int) -> Any:
        """Use as it stands at the end of a day."""
        ids = np.asarray(ids, np.int64)
        month, row, first = self.known(ids, day)
        commune, sector = np.divmod(row, len(SECTORS))
        weight = np.bincount(self.geo.commune, self.geo.weight, len(self.geo.commune_codes))
        weight = (weight / weight.sum())[commune]
        zones = np.bincount(self.geo.commune[zone_places(self.province)], minlength=len(self.geo.commune_codes))
        industry = (0.15 * weight + 0.85 * (zones / zones.sum())[commune]) * 880_000
        mwh = np.select(
            [sector == 0, sector == 1, sector == 2, sector == 3],
            [industry, weight * 12_000, weight * 95_000, weight * 310_000],
            weight * 30_000,
        )
        calendar = (month + 6) % 12  # January is 0
        summer = np.where(sector == 3, 0.3, 0.08) * np.sin((calendar - 3) * np.pi / 6)
        noise = self.chance.normal("energy_use.noise", ids) * 0.04
        mwh = mwh * self.scale.factor * (1 + summer + noise) * 1.09 ** (month / 12) * self.slip(ids, first, 0.03)
        meters = np.array([0.004, 0.01, 0.05, 0.29, 0.006])[sector] * POPULATION * weight * self.scale.factor
        return pa.table(
            {
                "id": ids,
                "month": month_names(self.first, month),
                "commune_code": words([str(code) for code in self.geo.commune_codes], commune),
                "sector": words(SECTORS, sector),
                "customer_count": np.maximum(1, np.round(meters * (1 + month / 600))).astype(np.int64),
                "electricity_mwh": np.round(np.maximum(mwh, 0.001), 3),
                "is_first_figure": first,
                "published_on": self.stamps(month, first),
            }
        )

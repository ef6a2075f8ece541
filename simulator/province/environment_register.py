"""Environmental licences and sources of waste.

Belongs here: the tables `env_licence` and `waste_source`. Stays out: stations (`environment_stations`).
"""

from __future__ import annotations

from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Ids, Ints
from simulator.province.economy_firm import DAY
from simulator.table import Arrivals, Province, Table, Total, day_of, joined, padded, to_date32, words
from simulator.units import E2_STARTS

LICENCES, NEW_A_YEAR = 1_400, 180  # derived: firms with more than a registration's worth of waste
SOURCES = 2  # of each licence
_OLDEST, _MERGER = day_of(date(2019, 6, 1)), day_of(E2_STARTS)  # those before 2022 are permits to discharge
_YOUNGEST = -400  # day of foundation of the youngest holder
_TERMS = (5 * 365, 7 * 365, 10 * 365)  # days
_RIVERS = ("sông Cầu", "sông Thương", "sông Lục Nam", "sông Đuống", "sông Ngũ Huyện Khê", "sông Thái Bình", "kênh thoát nước khu công nghiệp")  # fmt: skip
_WASTE = (("NUOC_THAI", "m3/ngày đêm", 20, 4000), ("KHI_THAI", "m3/h", 1000, 90_000), ("RAN_THONG_THUONG", "kg/tháng", 200, 60_000),
          ("NGUY_HAI", "kg/năm", 50, 40_000))  # fmt: skip


class EnvLicence(Table):
    """Environmental licences of firms."""

    name = "env_licence"
    key = ("licence_no",)
    doc = (
        "One environmental licence; Law 72/2020/QH14, Decree 08/2022/NĐ-CP. Licences that run out say so from that day."
    )
    columns = {
        "enterprise": "the holder: id of table enterprise",
        "place": "where the works are: index into the places of the province",
        "licence_no": "number of the licence",
        "enterprise_code": "code of the firm",
        "enterprise_name": "name of the firm",
        "project": "what the licence is for",
        "commune_code": "commune, today's code",
        "issued_by": "who issued it: the province of that time or the ministry",
        "issued_on": "day of issue",
        "expires_on": "last day",
        "waste_water_m3_day": "waste water permitted, m³ a day",
        "emission_m3_hour": "emissions permitted, m³ an hour",
        "status": "HIEU_LUC, HET_HAN",
    }

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self.stock = province.scale.of(LICENCES, 20)
        self._new = Arrivals(NEW_A_YEAR * province.scale.factor / 365, 1)

    @cached_property
    def _order(self) -> Ints:
        firms = self.province.table("enterprise")
        drawn = self.chance.permutation("env_licence.enterprise", firms.firms)
        return np.asarray(drawn[firms.registered(drawn) // DAY < _YOUNGEST], np.int64)

    def enterprises(self, ids: Ids) -> Ints:
        """The firm of each, another for every licence as long as there are firms."""
        return np.asarray(self._order[np.asarray(ids, np.int64) % len(self._order)], np.int64)

    def count(self, day: int) -> int:
        return self.stock + self._new.through(max(day, 0))

    def _issued(self, ids: Ids, day: int) -> Ints:
        ids = np.asarray(ids, np.int64)
        later = self._new.days(np.maximum(ids - self.stock, 0), max(day, 1))
        founded = self.province.table("enterprise").registered(self.enterprises(ids)) // DAY
        drawn = self.chance.integer("env_licence.issued", ids, np.maximum(founded + 30, _OLDEST), -1)
        return np.asarray(np.where(ids < self.stock, drawn, later), np.int64)

    def _expires(self, ids: Ids, day: int) -> Ints:
        term = self.chance.pick("env_licence.term", ids, (2, 3, 5))
        return np.asarray(self._issued(ids, day) + np.array(_TERMS)[term], np.int64)

    def touched(self, day: int) -> Ints:
        if day < 1:
            return np.arange(0)
        known = np.arange(self.count(day - 1))
        ended = known[self._expires(known, day) == day - 1]
        return np.concatenate([ended, np.arange(len(known), self.count(day))]).astype(np.int64)

    def rows(self, ids: Ids, day: int) -> Any:
        ids, chance, firms = np.asarray(ids, np.int64), self.chance, self.province.table("enterprise")
        enterprise = self.enterprises(ids)
        place = firms.place_of(enterprise)
        issued, expires = self._issued(ids, day), self._expires(ids, day)
        old = self.geo.old_province[place] == "27"
        authority = np.select([chance.happens("env_licence.ministry", ids, 0.08), (issued < _MERGER) & ~old], [2, 1], 0)
        name = firms.names(enterprise)
        water = np.round(np.exp(4.2 + 1.3 * chance.normal("env_licence.water", ids))).astype(np.int64)
        air = chance.integer("env_licence.air", ids, 5, 900) * 100
        without = chance.happens("env_licence.no_emission", ids, 0.35)
        return pa.table(
            [
                pa.array(ids),
                pa.array(enterprise),
                pa.array(place),
                joined(padded(ids + 1, 0), words(("/GPMT-UBND", "/GPMT-BG", "/GPMT-BNNMT"), authority)),
                firms.codes(enterprise),
                name,
                joined("Nhà máy của ", name),
                words(list(self.geo.code_e2), place),
                words(("UBND tỉnh Bắc Ninh", "UBND tỉnh Bắc Giang", "Bộ Nông nghiệp và Môi trường"), authority),
                to_date32(issued),
                to_date32(expires),
                pa.array(water),
                pa.array(air, mask=without),
                words(("HIEU_LUC", "HET_HAN"), (expires < max(day, 0)).astype(np.int64)),
            ],
            names=["id", *self.columns],
        )


class WasteSource(Table):
    """What the licensed firms let out."""

    name = "waste_source"
    key = ("source_code",)
    doc = "One source of waste of a licensed firm: two a licence."
    columns = {
        "enterprise": "the firm: id of table enterprise",
        "licence": "id of table env_licence",
        "source_code": "code of the source",
        "licence_no": "number of the licence",
        "enterprise_code": "code of the firm",
        "kind": "NUOC_THAI, KHI_THAI, RAN_THONG_THUONG, NGUY_HAI",
        "amount": "amount permitted, in `unit`",
        "unit": "unit of the amount",
        "receiver": "what takes the waste water",
        "commune_code": "commune, today's code",
        "lat": "latitude, WGS 84, degrees",
        "lon": "longitude, WGS 84, degrees",
    }

    def count(self, day: int) -> int:
        return int(self.province.table("env_licence").count(day)) * SOURCES

    def touched(self, day: int) -> Ints:
        return np.arange(self.count(day - 1), self.count(day)) if day > 0 else np.arange(0)

    def rows(self, ids: Ids, day: int) -> Any:
        ids, chance, geo = np.asarray(ids, np.int64), self.chance, self.geo
        licence = ids // SOURCES
        held = self.province.table("env_licence").rows(licence, day)
        enterprise = held["enterprise"].to_numpy()
        kind = np.where(ids % SOURCES == 0, 0, chance.integer("waste_source.kind", ids, 1, len(_WASTE) - 1))
        lows, highs = (np.array([row[i] for row in _WASTE])[kind] for i in (2, 3))
        commune = geo.commune[held["place"].to_numpy()]
        lat, lon = (
            np.round(degrees[commune] + chance.uniform(f"waste_source.{axis}", ids) * 0.03 - 0.015, 6)
            for axis, degrees in (("lat", geo.commune_lat), ("lon", geo.commune_lon))
        )
        river = chance.integer("waste_source.receiver", ids, 0, len(_RIVERS) - 1)
        return pa.table(
            [
                pa.array(ids),
                pa.array(enterprise),
                pa.array(licence),
                joined("NT", padded(licence + 1, 5), "-", padded(ids % SOURCES + 1, 0)),
                held["licence_no"].combine_chunks(),
                held["enterprise_code"].combine_chunks(),
                words([row[0] for row in _WASTE], kind),
                pa.array(chance.integer("waste_source.amount", ids, lows, highs)),
                words([row[1] for row in _WASTE], kind),
                words(_RIVERS, river, kind == 0),
                held["commune_code"].combine_chunks(),
                pa.array(lat),
                pa.array(lon),
            ],
            names=["id", *self.columns],
        )

    def totals(self, day: int) -> list[Total]:
        return [Total("waste_source.count", self.count(day), "source")]

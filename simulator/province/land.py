"""Land: parcels and who uses them, as they are on a day.

Belongs here: tables `parcel`, `certificate`, `land_user_check`, `land_price`. Stays out: what happens to parcels
(`land_flows`).

Parcels lie in the order of their places. A parcel is named by the commune of e0, sheet and number: sheets were not
renumbered when communes merged, so sheet and number alone are used twice within most communes of today.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulator import projection
from simulator.chance import Bools, Ids, Ints
from simulator.identifiers import spread
from simulator.scale import PARCELS, split
from simulator.table import Province, Table, Total, joined, padded, to_date32, words

if TYPE_CHECKING:
    from simulator.province.land_flows import LandTransaction

WITHOUT_DATABASE = 900_000  # parcels of which no database existed in 2026
SYNCED = 1_200_000  # parcels in the national land database by late 2025
SCANNED = 160_000  # certificates scanned in the campaign of autumn 2025
CERTIFICATES = 2_400_000  # derived: half of the parcels
CHECKED, MATCHED, WRONG, POLICE = 537_367, 483_500, 26_400, 27_467  # land users compared with the population database
GROUPS = (0.62, 0.27, 0.11)  # usable, to be corrected, to be made anew: three groups of the campaign
ON_A_SHEET = 180
TYPES = ("ONT", "ODT", "LUC", "CLN", "BHK", "NTS", "RSX", "SKC", "DGT")
_TYPES_DELTA = (0.24, 0.06, 0.48, 0.05, 0.08, 0.04, 0.00, 0.02, 0.03)
_TYPES_TOWN = (0.05, 0.52, 0.22, 0.04, 0.04, 0.02, 0.00, 0.06, 0.05)
_TYPES_HILLS = (0.18, 0.02, 0.22, 0.22, 0.09, 0.03, 0.20, 0.01, 0.03)
_HILLS = ("215", "218", "219", "220")
_MEDIAN_M2 = (240.0, 95.0, 480.0, 900.0, 420.0, 1_100.0, 9_000.0, 4_000.0, 1_500.0)
_VALID_SINCE = -8_000


def exactly(ids: Ids, total: int, wanted: int, start: int) -> Bools:
    """True for exactly `wanted` of the ids below `total`, wherever they lie; ids beyond it: never."""
    ids = np.asarray(ids, np.int64)
    factor = next(f for f in (1_000_003, 999_983, 999_979) if np.gcd(f, total) == 1)
    return np.asarray((ids < total) & (spread(ids, total, factor, start) < wanted))


class Parcel(Table):
    """The parcels of the land register."""

    name = "parcel"
    key = ("origin_code", "sheet_no", "parcel_no")
    doc = (
        "One row a parcel, those that were split or merged included; 4.8 million at the beginning (land campaign 2025)"
    )
    columns = {
        "origin_code": "commune code of epoch e0: the commune whose map sheet it is",
        "commune_code": "commune code of today",
        "old_province": "24 Bắc Giang, 27 Bắc Ninh",
        "sheet_no": "number of the map sheet («tờ»)",
        "parcel_no": "number on the sheet («thửa»)",
        "area_m2": "area in m²",
        "land_type": "code of use: ONT, ODT, LUC, CLN, BHK, NTS, RSX, SKC, DGT",
        "address": "village and commune of today",
        "epsg": "plane of the coordinates: 9209 (old Bắc Ninh), 9214 (old Bắc Giang)",
        "x_m": "northing of the middle in metres",
        "y_m": "easting of the middle in metres",
        "latitude": "of the middle, degrees",
        "longitude": "of the middle, degrees",
        "data_group": "1 usable, 2 to be corrected, 3 to be made anew",
        "in_database": "it is in a database of the land office",
        "synced": "the national land database has it",
        "user_person": "id of the person who uses it",
        "status": "HIEN_HANH, DA_TACH, DA_HOP",
        "valid_from": "date since which the parcel exists",
        "updated_on": "date of the last change of the record",
    }

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self.stock = self.scale.of(PARCELS)
        rural = 1.0 / self.geo.town_weight**0.5
        self._ends = np.cumsum(split(self.stock, self.geo.weight * rural))

    @property
    def _flow(self) -> LandTransaction:
        return self.province.table("land_transaction")  # type: ignore[no-any-return]

    def count(self, day: int) -> int:
        return self.stock + self._flow.parcels_made(day)

    def touched(self, day: int) -> Ints:
        return self._flow.parcels_touched(day)

    def ancestor(self, ids: Ids) -> Ints:
        """The parcel of the stock out of which each was made: itself, or the (first) parent."""
        ids = np.asarray(ids, np.int64)
        found = ids.copy()
        made = ids >= self.stock
        if made.any():
            found[made] = self._flow.parents(ids[made] - self.stock)
        return found

    def place(self, ids: Ids) -> Ints:
        """The place in which each lies."""
        return np.asarray(np.searchsorted(self._ends, self.ancestor(ids), side="right"), np.int64)

    def first_user(self, ids: Ids) -> Ints:
        """Who used it before any transaction after day 0: an adult who lives thereabouts, in towns also another."""
        people, found = self.province.people, self.ancestor(ids)
        share = (found + 0.5) / self.stock
        near = share * len(people.adults) + self.chance.integer("parcel.user", found, -400, 400)
        return np.asarray(people.adults[np.clip(near, 0, len(people.adults) - 1).astype(np.int64)], np.int64)

    def rows(self, ids: Ids, day: int) -> Any:
        chance, geo, ids = self.chance, self.geo, np.asarray(ids, np.int64)
        old, place = self.ancestor(ids), self.place(ids)
        made = ids >= self.stock
        inside = old - np.where(place > 0, self._ends[place - 1], 0)
        kind = self._kinds(old, place)
        state = self._flow.state(ids, day)
        area = self._areas(old, kind)
        if made.any():
            share, second = self._flow.parts(ids[made] - self.stock)
            beside = np.maximum(second, 0)
            more = np.where(second < 0, 0.0, self._areas(beside, self._kinds(beside, self.place(beside))))
            area[made] = np.round(area[made] * share + more, 1)
        angle, far = chance.uniform("parcel.angle", old) * 2 * np.pi, np.sqrt(chance.uniform("parcel.far", old))
        commune = geo.commune[place]
        reach = np.sqrt(geo.commune_km2[commune] / np.pi) * far * 0.9
        lat = geo.commune_lat[commune] + reach * np.sin(angle) / 111.2
        lon = geo.commune_lon[commune] + reach * np.cos(angle) / 103.8
        ninh = geo.old_province[place] == "27"
        xy = [projection.to_plane(lat, lon, zone) for zone in (projection.BAC_NINH, projection.BAC_GIANG)]
        made_up = exactly(ids, self.stock, self.stock - self.scale.of(WITHOUT_DATABASE), 11)
        in_database = made_up | made
        updated = np.where(state.changed > 0, state.changed, -chance.integer("parcel.updated", ids, 1, 3_000))
        return pa.table(
            {
                "id": ids,
                "origin_code": words(list(geo.code_e0), place),
                "commune_code": words(list(geo.code_e2), place),
                "old_province": words(("24", "27"), ninh.astype(np.int64)),
                "sheet_no": 1 + inside // ON_A_SHEET,
                "parcel_no": np.where(made, 10_000 + ids - self.stock, 1 + inside % ON_A_SHEET),
                "area_m2": area,
                "land_type": words(TYPES, kind),
                "address": joined("Thôn ", words(list(geo.village), place), ", ", words(geo.name_in(2), place)),
                "epsg": np.where(ninh, projection.BAC_NINH, projection.BAC_GIANG),
                "x_m": np.round(np.where(ninh, xy[0][0], xy[1][0]), 2),
                "y_m": np.round(np.where(ninh, xy[0][1], xy[1][1]), 2),
                "latitude": np.round(lat, 6),
                "longitude": np.round(lon, 6),
                "data_group": 1 + chance.pick("parcel.group", ids, GROUPS),
                "in_database": in_database,
                "synced": exactly(ids, self.stock, self.scale.of(SYNCED), 11),  # all of these are in a database
                "user_person": np.where(state.user >= 0, state.user, self.first_user(ids)),
                "status": words(("HIEN_HANH", "DA_TACH", "DA_HOP"), state.ended),
                "valid_from": to_date32(np.where(made, state.made, _VALID_SINCE)),
                "updated_on": to_date32(updated),
            }
        )

    def _areas(self, ids: Ints, kind: Ints) -> Any:
        """Areas of parcels of the stock in m²."""
        return np.round(np.array(_MEDIAN_M2)[kind] * np.exp(0.55 * self.chance.normal("parcel.area", ids)), 1)

    def _kinds(self, ids: Ints, place: Ints) -> Ints:
        hills = np.isin(self.geo.district[place], _HILLS)
        town = self.geo.town_weight[place] > 1
        picked = [self.chance.pick("parcel.type", ids, w) for w in (_TYPES_DELTA, _TYPES_TOWN, _TYPES_HILLS)]
        return np.where(hills, picked[2], np.where(town, picked[1], picked[0])).astype(np.int64)

    def totals(self, day: int) -> list[Total]:
        campaign = "land campaign, September to November 2025"
        return [
            Total("parcel.count", self.count(day), "parcel", campaign, day == 0),
            Total("parcel.without_database", self.scale.of(WITHOUT_DATABASE), "parcel", "2026", True),
            Total("parcel.synced", self.scale.of(SYNCED), "parcel", "late 2025", True),
        ]


class Certificate(Table):
    """Certificates of land use."""

    name = "certificate"
    key = ("serial_no",)
    doc = "One row a certificate (GCN) and parcel; a transfer brings a new serial number"
    columns = {
        "parcel": "id of the parcel",
        "origin_code": "commune code of epoch e0 in the parcel's name",
        "sheet_no": "number of the map sheet",
        "parcel_no": "number on the sheet",
        "serial_no": "two letters and six digits, eight since 2025",
        "register_no": "number in the register of certificates",
        "issued_on": "date of issue",
        "holder_person": "id of the holder",
        "holder_name": "name of the holder",
        "holder_paper": "number of the paper shown then: identity card before 2016, personal identifier since",
        "co_holder_person": "id of the spouse, where both are named",
        "co_holder_name": "name of the spouse",
        "scanned": "scanned in the campaign of 2025",
    }

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self.stock = self.scale.of(CERTIFICATES)

    @cached_property
    def _parcels(self) -> Any:
        return self.province.table("parcel")

    def count(self, day: int) -> int:
        return self.stock

    def parcel(self, ids: Ids) -> Ints:
        """Every second parcel has one."""
        return np.asarray(ids, np.int64) * 2 + 1

    def touched(self, day: int) -> Ints:
        parcels = self._parcels.touched(day)
        mine = parcels[(parcels < self._parcels.stock) & (parcels % 2 == 1)]
        return np.asarray((mine - 1) // 2, np.int64)

    def rows(self, ids: Ids, day: int) -> Any:
        people, chance, ids = self.province.people, self.chance, np.asarray(ids, np.int64)
        parcel = self.parcel(ids)
        land = self._parcels.rows(parcel, day)
        holder = land["user_person"].to_numpy()
        changed = self._parcels._flow.state(parcel, day).changed
        of_age = np.maximum(-people.born_on(holder) - 18 * 1461 // 4, 0)  # days since the holder came of age
        aged = chance.integer("certificate.issued", ids, np.minimum(30, of_age), np.minimum(10_500, of_age))
        issued = np.where(changed > 0, changed, -aged)
        new_style = issued > -1_000  # eight digits came with the new form of 2025; some offices began earlier
        old = spread(ids, 99_999_989, start=77_777_777)  # two letters of a hundred pairs, six digits
        new = spread(ids * 4096 + np.maximum(changed, 0), 9_999_999_967, start=7_777_777_777)  # and eight
        letters = words([a + b for a in "ABCDĐ" for b in "ABCDEGHKLMNPQRSTUVXY"], np.where(new_style, new // 10**8, old // 10**6))  # fmt: skip
        digits = pc.if_else(pa.array(new_style), padded(new % 10**8, 8), padded(old % 10**6, 6))
        known = np.minimum(holder, people.stock - 1)
        spouse = np.minimum(people.head[known].astype(np.int64) + 1, people.stock - 1)
        couple = (people.role[known] == 0) & (people.role[spouse] == 1) & chance.happens("certificate.co", ids, 0.7)
        card = (issued < -3_900) & (people.birth_years(holder) < 2003)
        paper = pc.if_else(pa.array(card), people.cmnd(holder), people.personal_ids(holder))
        return pa.table(
            {
                "id": ids,
                "parcel": parcel,
                "origin_code": land["origin_code"],
                "sheet_no": land["sheet_no"],
                "parcel_no": land["parcel_no"],
                "serial_no": joined(letters, " ", digits),
                "register_no": joined(words(("CS", "VP", "CH"), chance.integer("certificate.book", ids, 0, 2)), padded(ids % 100_000, 5)),
                "issued_on": to_date32(issued),
                "holder_person": holder,
                "holder_name": people.names(holder),
                "holder_paper": paper,
                "co_holder_person": pa.array(spouse, mask=~couple),
                "co_holder_name": pc.if_else(pa.array(couple), people.names(spouse), pa.scalar(None, pa.string())),
                "scanned": exactly(ids, self.stock, self.scale.of(SCANNED), 5),
            }
        )  # fmt: skip

    def totals(self, day: int) -> list[Total]:
        return [
            Total("certificate.count", self.stock, "certificate"),
            Total("certificate.scanned", self.scale.of(SCANNED), "certificate", "campaign of autumn 2025", True),
        ]


class LandUserCheck(Table):
    """Land users compared with the population database in the campaign."""

    name = "land_user_check"
    key = ("certificate",)
    doc = "One row a land user compared, September to November 2025: 537,367, of which 483,500 matched"
    columns = {
        "certificate": "id of the certificate from which the user was taken",
        "serial_no": "its serial number",
        "person": "id of the person it really is",
        "person_id": "the personal identifier found",
        "person_name": "the name compared",
        "result": "KHOP matched, SAI wrong, CONG_AN to be settled with the police",
        "checked_on": "date",
    }

    def count(self, day: int) -> int:
        return self.scale.of(CHECKED)

    def touched(self, day: int) -> Ints:
        return np.arange(0, dtype=np.int64)

    def rows(self, ids: Ids, day: int) -> Any:
        ids, people = np.asarray(ids, np.int64), self.province.people
        certificates = self.province.table("certificate")
        certificate = ids * certificates.stock // self.count(day)
        held = certificates.rows(certificate, 0)
        persons = held["holder_person"].to_numpy()
        total, parts = self.count(day), self._parts()
        order = spread(ids, total, next(f for f in (999_983, 1_000_003) if np.gcd(f, total) == 1), 3)
        result = np.searchsorted(np.cumsum(parts), order, side="right")
        return pa.table(
            {
                "id": ids,
                "certificate": certificate,
                "serial_no": held["serial_no"],
                "person": persons,
                "person_id": people.personal_ids(persons),
                "person_name": held["holder_name"],
                "result": words(("KHOP", "SAI", "CONG_AN"), result),
                "checked_on": to_date32(-443 + self.chance.integer("land_user_check.day", ids, 0, 90)),
            }
        )

    def _parts(self) -> Ints:
        return split(self.count(0), np.array([MATCHED, WRONG, POLICE]))

    def totals(self, day: int) -> list[Total]:
        names, parts = ("matched", "wrong", "police"), self._parts().tolist()
        source = "land campaign, September to November 2025"
        found = [Total(f"land_user_check.{n}", p, "person", source) for n, p in zip(names, parts, strict=True)]
        return [Total("land_user_check.count", self.count(day), "person", source, True), *found]


class LandPrice(Table):
    """The price list of land."""

    name = "land_price"
    key = ("commune_code", "land_type", "position")
    doc = "One row a commune of today, kind of land and position; the province's price list of 2026"
    columns = {
        "commune_code": "commune code of today",
        "land_type": "code of use",
        "position": "1 (best) to 4",
        "price_vnd_m2": "price in VND for a square metre",
    }

    def count(self, day: int) -> int:
        return len(self.geo.commune_codes) * len(TYPES) * 4

    def touched(self, day: int) -> Ints:
        return np.arange(0, dtype=np.int64)

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        commune, kind, position = ids // (len(TYPES) * 4), ids // 4 % len(TYPES), ids % 4
        base = np.array([6e6, 15e6, 75e3, 70e3, 70e3, 60e3, 12e3, 3.2e6, 2.5e6])[kind]
        dear = np.exp(0.45 * self.chance.normal("land_price.commune", commune))
        return pa.table(
            {
                "id": ids,
                "commune_code": words(list(self.geo.commune_codes), commune),
                "land_type": words(TYPES, kind),
                "position": position + 1,
                "price_vnd_m2": (np.round(base * dear * 0.62**position / 1_000) * 1_000).astype(np.int64),
            }
        )


TABLES = (Parcel, Certificate, LandUserCheck, LandPrice)

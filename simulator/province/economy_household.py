"""Households that trade, and cooperatives.

Belongs here: the tables `household_business` and `cooperative`. Stays out: what the tax office knows (`economy_tax`).

A household's number was of the form `98B8012345` (province, district letter, 8, serial; here with the prefixes 98 and 99,
which no province has) until 30 June 2025; since then number and tax code are the owner's personal identifier.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulator import identifiers
from simulator.chance import Ids, Ints
from simulator.province.economy_course import BIG, CLOSE, OPEN, Register, codes, full_names
from simulator.province.economy_enterprise import MERGER, VSIC2025
from simulator.table import Total, day_of, joined, numbered, padded, to_date32, to_timestamp, words

if TYPE_CHECKING:
    from simulator.table import Province

# What households sell and make, with the industry (VSIC).
SHOPS = {
    "Tạp hóa": "47110", "Quán ăn": "56101", "Cắt tóc": "96310", "Sửa xe máy": "95420", "Vật liệu xây dựng": "47521",
    "May đo": "14100", "Điện nước": "43210", "Nông sản": "46201", "Hiệu thuốc": "47721", "Đồ gỗ mỹ nghệ": "31001",
    "Nhà nghỉ": "55103", "Vận tải": "49331", "Thời trang": "47711", "Điện thoại": "47412", "Nhôm kính": "25110",
    "Thu mua phế liệu": "46697",
}  # fmt: skip
STATES = ("HOAT_DONG", "TAM_NGUNG", "CHAM_DUT")
FIELDS = (
    "Nông nghiệp",
    "Quỹ tín dụng nhân dân",
    "Vận tải",
    "Thương mại - dịch vụ",
    "Tiểu thủ công nghiệp",
    "Môi trường",
)
_MST_OF_HOUSEHOLDS, _MST_OF_COOPERATIVES = 100_000, 600_000  # enterprises have the tax codes below
_PREFIX = {"24": "98", "27": "99"}


class Household(NamedTuple):
    """What may change of a household business, and when it was entered; arrays in the order asked for."""

    owner: Ints  # person
    place: Ints
    registered: Ints
    changed: Ints
    version: Ints  # the day of the last change; 0: none since day 0
    status: Ints  # index into STATES


class HouseholdBusiness(Register):
    """Household businesses."""

    name = "household_business"
    key = ("registration_no",)
    doc = (
        "One row per household business registered with a commune (a district until June 2025); Decree 168/2025/NĐ-CP."
    )
    columns = {
        "place": "index of the place",
        "owner_person": "person id of the owner; nobody has two",
        "registration_no": "ten signs `98B8012345` of those entered until 30 June 2025, the owner's identifier since",
        "tax_code": "the owner's personal identifier (since 1 July 2025)",
        "former_tax_code": "tax code of ten digits until 30 June 2025, null for those entered since",
        "business_name": "name on the certificate",
        "owner_name": "full name of the owner",
        "industry_code": "main industry, VSIC",
        "industry_version": "VSIC2018 or VSIC2025, by the last change",
        "address": "address in the words of the epoch of the last change",
        "commune_code": "code of the epoch of the last change",
        "capital_vnd": "capital, VND",
        "worker_count": "people at work, persons",
        "registered_on": "first registration",
        "status": "HOAT_DONG, TAM_NGUNG, CHAM_DUT",
        "updated_at": "moment of the last change",
    }
    total = 150_000  # K-low
    new_a_year = 15_000.0
    changed_a_day = 0.0006
    ended = 0.35

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self._pool = province.people.aged(20, 72)

    def owners(self, ids: Ids) -> Ints:
        """The person behind each."""
        return self._pool[identifiers.spread(ids, len(self._pool), start=4_711)].astype(np.int64)

    def facts(self, ids: Ids, day: int) -> Household:
        """What may change, at the end of a day."""
        ids, chance = np.asarray(ids, np.int64), self.chance
        owner = self.owners(ids)
        arrived = self.arrived(ids, day)
        version, ended = self.versions(ids, day)
        oldest = self.province.people.born_on(owner) + 18 * 366
        drawn = -np.floor(chance.uniform("household_business.age", ids) ** 1.4 * 7_600).astype(np.int64)
        registered = np.where(arrived > 0, arrived, np.minimum(np.maximum(drawn, oldest), 0))
        later = chance.integer("household_business.changed", ids, np.minimum(registered, 0), 0)
        touched = chance.happens("household_business.touched", ids, 0.45)
        changed = np.where(version > 0, version, np.where(touched & (arrived == 0), later, registered))
        first = chance.pick("household_business.status", ids, (88, 5, 7))
        status = np.where(arrived > 0, 0, first)
        again = chance.pick("household_business.status_again", ids * BIG + version, (85, 15))
        status = np.where((version > 0) & (first != 2), again, status)
        return Household(
            owner, self.province.people.place[owner].astype(np.int64), registered, changed, version,
            np.where(ended > 0, 2, status),
        )  # fmt: skip

    def old_numbers(self, ids: Ids, place: Ints) -> Any:
        """`98B8012345`: province, letter of the district, 8, serial."""
        districts = sorted(set(self.geo.district.tolist()))
        letter = np.array([districts.index(code) for code in self.geo.district])[place]
        prefix = words(list(_PREFIX.values()), (self.geo.old_province[place] == "27").astype(np.int64))
        serial = padded(identifiers.spread(ids, 1_000_000, start=240_727), 6)
        return joined(prefix, words("ABCDEFGHIJKLMNOPQRSTUVWXYZ", letter), "8", serial)

    def names(self, ids: Ids, owner: Ints) -> Any:
        """Names of the businesses: most bear the owner's."""
        shop = words(list(SHOPS), self.chance.integer("household_business.shop", ids, 0, len(SHOPS) - 1))
        named = self.chance.happens("household_business.named", ids, 0.6)
        person = self.province.people.names(owner)
        return pc.if_else(pa.array(named), joined("Hộ kinh doanh ", person), joined(shop, " ", person))

    def former_tax_codes(self, ids: Ids, registered: Ints) -> Any:
        """Ten digits, null for those entered since 1 July 2025."""
        old = registered < MERGER
        made = identifiers.enterprise_codes(_MST_OF_HOUSEHOLDS + np.where(old, ids, 0))
        return pc.if_else(pa.array(old), made, pa.scalar(None, pa.string()))

    def rows(self, ids: Ids, day: int) -> Any:
        """The register of households that trade."""
        ids, chance = np.asarray(ids, np.int64), self.chance
        fact = self.facts(ids, day)
        old, own = fact.registered < MERGER, self.province.people.personal_ids(fact.owner)
        epoch = self.geo.epoch(fact.place, fact.changed)
        mixed = ids * BIG + fact.version
        house = numbered("Số {}, ", chance.integer("household_business.house", ids, 1, 480))
        return pa.table(
            {
                "id": ids,
                "place": fact.place,
                "owner_person": fact.owner,
                "registration_no": pc.if_else(pa.array(old), self.old_numbers(ids, fact.place), own),
                "tax_code": own,
                "former_tax_code": self.former_tax_codes(ids, fact.registered),
                "business_name": self.names(ids, fact.owner),
                "owner_name": self.province.people.names(fact.owner),
                "industry_code": words(
                    list(SHOPS.values()), chance.integer("household_business.shop", ids, 0, len(SHOPS) - 1)
                ),
                "industry_version": words(("VSIC2018", "VSIC2025"), (fact.changed >= VSIC2025).astype(np.int64)),
                "address": joined(
                    house, words(list(self.geo.village), fact.place), ", ", full_names(self.geo, fact.place, epoch)
                ),
                "commune_code": codes(self.geo, fact.place, epoch),
                "capital_vnd": chance.integer("household_business.capital", mixed, 2, 100) * 5_000_000,
                "worker_count": chance.integer("household_business.workers", mixed, 1, 9),
                "registered_on": to_date32(fact.registered),
                "status": words(STATES, fact.status),
                "updated_at": to_timestamp(
                    fact.changed, chance.integer("household_business.second", mixed, OPEN, CLOSE)
                ),
            }
        )

    def totals(self, day: int) -> list[Total]:
        """Registered and at work."""
        fact = self.facts(np.arange(self.count(day)), day)
        return [
            Total("household_business.count", self.count(day), "household business", "7.2 of domain: ~150,000"),
            Total("household_business.active", int(np.sum(fact.status == 0)), "household business"),
        ]


class Cooperative(Register):
    """Cooperatives."""

    name = "cooperative"
    key = ("cooperative_code",)
    doc = "One row per cooperative or union of cooperatives; Law 17/2023/QH15, Decree 92/2024/NĐ-CP."
    columns = {
        "place": "index of the place",
        "chair_person": "person id of the chair",
        "cooperative_code": "`98B7012345` of those entered until July 2024, ten digits like a tax code since",
        "tax_code": "ten digits",
        "cooperative_name": "name on the certificate",
        "chair_name": "full name of the chair",
        "field": "field of work",
        "address": "village and commune, in the words of today",
        "commune_code": "code of the epoch of the last change",
        "member_count": "members, persons",
        "capital_million_vnd": "charter capital, million VND",
        "revenue_million_vnd": "revenue of the last year, million VND; null where none was reported",
        "registered_on": "first registration",
        "status": "HOAT_DONG, TAM_NGUNG, CHAM_DUT",
        "updated_on": "day of the last change",
    }
    total = 1_850  # derived
    new_a_year = 90.0
    changed_a_day = 0.002
    ended = 0.1
    least = 20

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self._pool = province.people.aged(30, 68)

    def rows(self, ids: Ids, day: int) -> Any:
        """The register of cooperatives."""
        ids, chance, people = np.asarray(ids, np.int64), self.chance, self.province.people
        version, ended = self.versions(ids, day)
        arrived, mixed = self.arrived(ids, day), ids * BIG + version
        drawn = -np.floor(chance.uniform("cooperative.age", ids) ** 1.3 * 8_500).astype(np.int64)
        registered = np.where(arrived > 0, arrived, drawn)
        changed = np.where(
            version > 0, version, chance.integer("cooperative.changed", ids, registered, registered // 2)
        )
        changed = np.maximum(changed, registered)
        place = chance.integer("cooperative.place", ids, 0, self.geo.place_count - 1)
        field = chance.pick("cooperative.field", ids, (68, 6, 8, 9, 6, 3))
        chair = people.pick_from(self._pool, "cooperative.chair", mixed)
        tax = identifiers.enterprise_codes(_MST_OF_COOPERATIVES + ids)
        serial = padded(identifiers.spread(ids, 1_000_000, start=170_023), 6)
        prefix = words(list(_PREFIX.values()), (self.geo.old_province[place] == "27").astype(np.int64))
        letter = words("ABCDEFGHIJKLMNOPQRSTUVWXYZ", chance.integer("cooperative.letter", ids, 0, 17))
        old = registered < day_of(date(2024, 7, 1))
        reported = chance.happens("cooperative.reported", mixed, 0.8)
        status = np.where(ended > 0, 2, chance.pick("cooperative.status", ids, (84, 7, 9)))
        number = numbered(" số {}", chance.integer("cooperative.number", ids, 1, 9))
        name = joined("Hợp tác xã ", words(_NAMED, field), " ", words(list(self.geo.village), place), number)
        return pa.table(
            {
                "id": ids,
                "place": place,
                "chair_person": chair,
                "cooperative_code": pc.if_else(pa.array(old), joined(prefix, letter, "7", serial), tax),
                "tax_code": tax,
                "cooperative_name": name,
                "chair_name": people.names(chair),
                "field": words(FIELDS, field),
                "address": joined(words(list(self.geo.village), place), ", ", full_names(self.geo, place, 2)),
                "commune_code": codes(self.geo, place, self.geo.epoch(place, changed)),
                "member_count": chance.integer("cooperative.members", mixed, 7, 420),
                "capital_million_vnd": chance.integer("cooperative.capital", ids, 2, 400) * 25.5,
                "revenue_million_vnd": pa.array(
                    np.round(np.exp(chance.normal("cooperative.revenue", mixed) + 6.8), 1), mask=~reported
                ),
                "registered_on": to_date32(registered),
                "status": words(STATES, status),
                "updated_on": to_date32(changed),
            }
        )


_NAMED = ("dịch vụ nông nghiệp", "tín dụng", "vận tải", "thương mại dịch vụ", "thủ công nghiệp", "vệ sinh môi trường")

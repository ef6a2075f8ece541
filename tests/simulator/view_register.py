"""A register of the tests' own: one table of the truth, and a view of it with every kind of dirt."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Bools, Ids, Ints
from simulator.table import Province, Table, joined, padded, to_date32, to_timestamp, words
from simulator.views import dirt
from simulator.views.dirt import Dirt
from simulator.views.view import Column, View

NEW_A_DAY = 40


def person_of(province: Province, ids: Ids) -> Ints:
    """Whom an entry is about: persons from all over the province."""
    return (np.asarray(ids, np.int64) * 7919) % province.people.at_day0


class Register(Table):
    """Entries about persons: `size` of them on day 0, then NEW_A_DAY a day; each day every 500th changes its amount."""

    name = "register"
    key = ("code",)
    doc = "one row an entry"
    columns: dict[str, str] = {}

    def __init__(self, province: Province, size: int) -> None:
        super().__init__(province)
        self.size = size

    def count(self, day: int) -> int:
        return self.size + NEW_A_DAY * max(day, 0)

    def touched(self, day: int) -> Ints:
        changed = np.arange(day % 500, self.count(day - 1), 500)
        return np.union1d(changed, np.arange(self.count(day - 1), self.count(day))).astype(np.int64)

    def gone(self, ids: Ids, day: int) -> Bools:
        return np.asarray(ids % 1000 == 999)

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        people, chance = self.province.people, self.chance
        person = person_of(self.province, ids)
        place = people.place[person].astype(np.int64)
        changed = day - (day - ids) % 500  # the last day on which it was touched
        return pa.table(
            {
                "id": pa.array(ids),
                "person": pa.array(person),
                "code": joined("PX", padded(ids, 7)),
                "full_name": people.names(person),
                "personal_id": people.personal_ids(person),
                "born": people.birth_dates(person),
                "place": pa.array(place),
                "commune": words(self.geo.code_e2.tolist(), place),
                "agency": words(["H05", "H05.12", "H05.12.34", "H05.12-260101-0001"], ids % 4),
                "procedure": words(["1.001193", "2.002492"], ids % 2),
                "phone": people.phones(person),
                "amount": pa.array(
                    chance.integer("r.amount", ids + 7 * np.maximum(changed, 0), 500_000, 9_000_000_000)
                ),
                "area": pa.array(chance.integer("r.area", ids, 100, 900_000) / 100),
                "budget": pa.array(chance.integer("r.budget", ids, 1, 4000)),
                "tax_code": joined("99", padded(chance.integer("r.tax", ids, 0, 99_999_999), 8)),
                "kind": words(["A", "B"], ids % 2),
                "due": to_date32(ids % 400),
                "seen_at": to_timestamp(-(ids % 300), ids % 86_400),
            }
        )


VIEW = View(
    id="tests.register",
    agency="tests",
    table="register",
    title_vi="Sổ theo dõi",
    system="folder",
    place="so_{day:%Y%m%d}.csv",
    format="csv",
    key=("Mã",),
    columns=(
        Column("Mã", "code"),
        Column("Họ và tên", "full_name"),
        Column("Tên khác", "full_name"),
        Column("Số ĐDCN", "personal_id"),
        Column("Ngày sinh", "born", "date:%d/%m/%Y"),
        Column("Mã xã", "commune"),
        Column("Mã cơ quan", "agency"),
        Column("Mã TTHC", "procedure"),
        Column("Điện thoại", "phone"),
        Column("Số tiền", "amount", "int", unit="đồng"),
        Column("Diện tích", "area", "decimal:2", unit="m²"),
        Column("Kinh phí", "budget", "int", unit="triệu đồng"),
        Column("Mã số thuế", "tax_code"),
        Column("Loại", "kind", words={"A": "Loại một", "B": "Loại hai"}),
        Column("Hạn", "due", "typed"),
        Column("Lúc", "seen_at", "stamp14"),
    ),
    person="Số ĐDCN",
    dirt=(
        *dirt.names("Họ và tên"),
        Dirt("missing", "Tên khác"),
        *dirt.dates("Ngày sinh"),
        *dirt.communes("Mã xã"),
        Dirt("agency_old", "Mã cơ quan"),
        Dirt("procedure_local", "Mã TTHC"),
        Dirt("phone_old", "Điện thoại"),
        Dirt("number_words", "Số tiền"),
        Dirt("number_scale", "Số tiền"),
        *dirt.numbers("Diện tích"),
        Dirt("code_typo", "Mã số thuế"),
        Dirt("date_fake", "Hạn"),
        Dirt("duplicate"),
        Dirt("conflict", "Số tiền"),
    ),
)


def province_of(size: int, scale: float = 0.005) -> Province:
    """A province that holds the register."""
    province = Province(24, scale)
    province._tables["register"] = Register(province, size)
    return province

"""Golden facts of the province's administrative units, from the real lists and links of its three epochs.

Here belong facts that were counted or read in the resolutions, stated as numbers and names. How a name is split or a
link is classified is shown by the unit tests beside the models.
"""

from collections import Counter
from datetime import date

import pytest

from .sandbox import Warehouse

E1_NINH, E1_GIANG, E2 = date(2024, 12, 1), date(2025, 1, 1), date(2025, 7, 1)


def names(warehouse: Warehouse, code: str) -> list[str]:
    """Full names of one commune code, epoch by epoch."""
    query = "select unit_name from governance.dim_administrative_unit where unit_code = %s order by valid_from"
    return [name for (name,) in warehouse.rows(query, code)]


def today(warehouse: Warehouse, code: str, as_of: date) -> str | None:
    """Commune of today of a code that was meant on a day; None where there is none."""
    found = warehouse.rows(
        "select commune_code from governance.dim_commune_code where reported_code = %s and valid_from <= %s"
        " and coalesce(valid_to, 'infinity') >= %s",
        *(code, as_of, as_of),
    )
    assert len(found) <= 1, "intervals of one code overlap"
    return found[0][0] if found else None


def test_each_epoch_has_its_units_by_province_level_and_type(warehouse: Warehouse) -> None:
    counted = warehouse.rows(
        "select province_name, valid_from, valid_to, unit_level, count(*) from governance.dim_administrative_unit"
        " where unit_level <> 'province' group by 1, 2, 3, 4"
    )
    start, e1_end = date(1900, 1, 1), date(2025, 6, 30)
    assert set(counted) == {
        ("Tỉnh Bắc Giang", start, date(2024, 12, 31), "commune", 209),
        ("Tỉnh Bắc Giang", start, date(2024, 12, 31), "district", 10),
        ("Tỉnh Bắc Ninh", start, date(2024, 11, 30), "commune", 126),
        ("Tỉnh Bắc Ninh", start, date(2024, 11, 30), "district", 8),
        ("Tỉnh Bắc Giang", E1_GIANG, e1_end, "commune", 192),
        ("Tỉnh Bắc Giang", E1_GIANG, e1_end, "district", 10),
        ("Tỉnh Bắc Ninh", E1_NINH, e1_end, "commune", 121),
        ("Tỉnh Bắc Ninh", E1_NINH, e1_end, "district", 8),
        ("Tỉnh Bắc Ninh", E2, None, "commune", 99),
    }
    types = warehouse.rows(
        "select valid_from, unit_type, count(*) from governance.dim_administrative_unit"
        " where unit_level = 'commune' and valid_from > '2000-01-01' group by 1, 2"
    )
    assert set(types) == {
        *((E1_GIANG, "Xã", 143), (E1_GIANG, "Phường", 35), (E1_GIANG, "Thị trấn", 14)),
        *((E1_NINH, "Xã", 66), (E1_NINH, "Phường", 50), (E1_NINH, "Thị trấn", 5)),
        *((E2, "Xã", 66), (E2, "Phường", 33)),
    }
    assert not warehouse.rows("select from governance.dim_administrative_unit where unit_type is null")
    area = warehouse.rows("select sum(area_km2) from governance.dim_administrative_unit where valid_to is null")
    assert str(area[0][0]) == "4718.61"


def test_province_code_24_changes_its_meaning_and_27_ends(warehouse: Warehouse) -> None:
    provinces = warehouse.rows(
        "select unit_code, unit_name, min(valid_from), max(coalesce(valid_to, 'infinity'))::text"
        " from governance.dim_administrative_unit where unit_level = 'province' group by 1, 2 order by 3, 1"
    )
    assert [(code, name, until) for code, name, _, until in provinces] == [
        ("24", "Tỉnh Bắc Giang", "2025-06-30"),
        ("27", "Tỉnh Bắc Ninh", "2025-06-30"),
        ("24", "Tỉnh Bắc Ninh", "infinity"),
    ]


def test_313_communes_go_whole_into_99(warehouse: Warehouse) -> None:
    links = warehouse.rows(
        "select to_code, from_code, link_kind, weight from governance.dim_administrative_unit_link"
        " where to_valid_from = %s",
        E2,
    )
    assert len(links) == len({link[1] for link in links}) == 313
    assert {weight for *_, weight in links} == {1}
    assert [link[:2] for link in links if link[2] != "whole"] == [("07663", "07663")], "Tuấn Đạo alone is untouched"
    sizes = Counter(Counter(link[0] for link in links).values())
    assert sizes == {1: 1, 2: 29, 3: 37, 4: 20, 5: 10, 6: 1, 7: 1}


def test_335_communes_go_whole_into_313(warehouse: Warehouse) -> None:
    changed = warehouse.rows(
        "select count(*) filter (where e1.unit_code is null), count(*) filter (where e1.unit_name <> e0.unit_name),"
        " count(*) filter (where e1.district_code <> e0.district_code), count(*)"
        " from (select * from governance.dim_administrative_unit where valid_from = '1900-01-01') as e0"
        " left join (select * from governance.dim_administrative_unit where valid_from in (%s, %s)) as e1"
        " using (unit_code) where e0.unit_level = 'commune'",
        *(E1_NINH, E1_GIANG),
    )
    assert changed == [(22, 62, 27, 335)]
    weights = warehouse.rows(
        "select count(*), sum(weight) from governance.dim_administrative_unit_link where to_valid_from < %s", E2
    )
    assert weights == [(335, 335)]


def test_every_code_of_every_epoch_leads_to_one_of_the_99(warehouse: Warehouse) -> None:
    counted = warehouse.rows(
        "select count(*), count(commune_code), count(distinct commune_code), max(commune_count)"
        " from governance.dim_commune_code"
    )
    assert counted == [(335 + 313 + 99, 335 + 313 + 99, 99, 1)]


def test_codes_go_on_with_another_name(warehouse: Warehouse) -> None:
    assert names(warehouse, "07210") == ["Phường Hoàng Văn Thụ", "Phường Hoàng Văn Thụ", "Phường Bắc Giang"]
    assert warehouse.rows(
        "select count(*) from governance.dim_administrative_unit as e2"
        " join governance.dim_administrative_unit as e1 using (unit_code)"
        " where e2.valid_from = %s and e1.valid_to = '2025-06-30' and e2.unit_level = 'commune'"
        " and e2.unit_name <> e1.unit_name",
        E2,
    ) == [(59,)]


def test_names_are_swapped_and_move_between_codes(warehouse: Warehouse) -> None:
    assert names(warehouse, "07261") == ["Xã Tam Hiệp", "Xã Tân Hiệp"]
    assert names(warehouse, "07276") == ["Xã Tân Hiệp"]
    assert names(warehouse, "07843") == ["Xã Quang Minh", "Xã Sơn Thịnh"]
    assert names(warehouse, "09517") == ["Xã Trừng Xá", "Xã Quang Minh"]
    assert names(warehouse, "09208") == ["Xã Thụy Hòa", "Xã Thụy Hòa", "Xã Tam Đa"]
    assert names(warehouse, "09199") == ["Xã Tam Đa", "Xã Tam Đa"]


def test_a_unit_lived_for_seven_months(warehouse: Warehouse) -> None:
    lived = warehouse.rows(
        "select unit_code, valid_from, valid_to, legal_basis from governance.dim_administrative_unit"
        " where unit_name = 'Phường Tiền Ninh Vệ'"
    )
    assert lived == [("09184", E1_NINH, date(2025, 6, 30), "1255/NQ-UBTVQH15")]
    merged = warehouse.rows(
        "select unit.name_without_type from governance.dim_administrative_unit_link as link"
        " join governance.dim_administrative_unit as unit"
        " on unit.unit_code = link.from_code and unit.valid_from = link.from_valid_from"
        " where link.to_code = '09184' order by 1"
    )
    assert {name for (name,) in merged} == {"Ninh Xá", "Tiền An", "Vệ An"}


def test_a_full_name_is_no_key(warehouse: Warehouse) -> None:
    twice = warehouse.rows(
        "select unit_name, array_agg(unit_code order by unit_code) from governance.dim_administrative_unit"
        " where unit_level = 'commune' and valid_to = '2025-06-30' group by 1 having count(*) > 1"
    )
    assert twice == [("Xã Đồng Tiến", ["07243", "07816"])]


@pytest.mark.parametrize(("name", "districts"), [("Phường Đa Mai", {"213", "216"}), ("Xã Nam Dương", {"219", "224"})])
def test_a_commune_of_today_may_span_old_districts(warehouse: Warehouse, name: str, districts: set[str]) -> None:
    found = warehouse.rows(
        "select distinct old.district_code from governance.dim_administrative_unit as new"
        " join governance.dim_administrative_unit_link as link"
        " on link.to_code = new.unit_code and link.to_valid_from = new.valid_from"
        " join governance.dim_administrative_unit as old"
        " on old.unit_code = link.from_code and old.valid_from = link.from_valid_from"
        " where new.unit_name = %s and new.valid_to is null",
        name,
    )
    assert {code for (code,) in found} == districts


def test_a_code_is_read_at_its_date(warehouse: Warehouse) -> None:
    """Codes that disappeared count until their last day, which is a month apart in the two old provinces."""
    assert today(warehouse, "07276", date(2024, 12, 31)) is not None
    assert today(warehouse, "07276", date(2025, 1, 1)) is None
    (gone,) = warehouse.rows(
        "select min(reported_code) from governance.dim_commune_code where reported_code not in"
        " (select reported_code from governance.dim_commune_code where valid_to = '2025-06-30')"
        " and valid_to = '2024-11-30'"
    )
    assert today(warehouse, gone[0], date(2024, 11, 30)) is not None
    assert today(warehouse, gone[0], date(2024, 12, 1)) is None
    assert today(warehouse, "07201", date(2025, 6, 30)) == "07210"
    assert today(warehouse, "07201", date(2025, 7, 1)) is None

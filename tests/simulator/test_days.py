"""Every table and every system of the province, from day to day.

Day N is the same whatever ran before it: what a system says anew on a day, laid over what it said the day before, is all that
it says at the day's end. And nobody in it is real.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from simulator.table import Province
from simulator.views import catalogue
from simulator.views.view import View

DAY = 2
SCALE = 0.003


@pytest.fixture(scope="module")
def province() -> Province:
    return Province(24, SCALE)


def _said(parts: list) -> tuple[np.ndarray, pa.Table | None]:
    rows = [said.rows for said in parts if said.rows.num_rows]
    ids = np.concatenate([np.zeros(0, np.int64), *(said.ids for said in parts)])
    return ids, pa.concat_tables(rows) if rows else None


@pytest.mark.parametrize("view", catalogue.all_views(), ids=lambda view: view.id)
def test_yesterday_and_the_changes_are_today(province: Province, view: View) -> None:
    table = province.table(view.table)
    ids, before = _said(list(view.batches(province, DAY - 1)))
    new_ids, changed = _said(list(view.changes(province, DAY)))
    wanted_ids, wanted = _said(list(view.batches(province, DAY)))
    touched = np.asarray(table.touched(DAY - view.lag), np.int64)
    stays = ~np.isin(ids, np.concatenate([new_ids, touched]))
    together = np.concatenate([ids[stays], new_ids])
    order = np.argsort(together, kind="stable")
    assert np.array_equal(together[order], wanted_ids)
    if wanted is None:
        return
    parts = [part for part in (before.filter(stays) if before is not None else None, changed) if part is not None]
    found = pa.concat_tables(parts).take(order)
    for name in wanted.column_names:
        same = pc.fill_null(pc.equal(found[name], wanted[name]), False)
        both = pc.and_(pc.is_null(found[name]), pc.is_null(wanted[name]))
        wrong = pc.filter(pa.array(wanted_ids), pc.invert(pc.or_(same, both))).to_pylist()
        assert not wrong, f"{view.id}.{name}: {len(wrong)} rows differ, first {wrong[:3]}"


def test_another_way_to_the_same_day(province: Province) -> None:
    """A province that never saw the days before, and one that saw a later one first."""
    straight, roundabout = Province(24, SCALE), Province(24, SCALE)
    for name in roundabout.kinds:
        table = roundabout.table(name)
        table.rows(np.arange(min(5, table.count(9))), 9)
    for name in straight.kinds:
        ids = np.arange(min(3000, straight.table(name).count(DAY)), dtype=np.int64)
        assert straight.table(name).rows(ids, DAY).equals(roundabout.table(name).rows(ids, DAY)), name


def test_another_seed_is_another_province(province: Province) -> None:
    other = Province(25, SCALE)
    for name in ("person", "parcel", "enterprise", "dossier", "visit", "pupil"):
        ids = np.arange(min(200, other.table(name).count(0), province.table(name).count(0)), dtype=np.int64)
        assert not other.table(name).rows(ids, 0).equals(province.table(name).rows(ids, 0)), name


def test_whoever_is_referred_to_exists(province: Province) -> None:
    """Every id of a person, firm or other record that a table names is one that there is on that day."""
    checked = 0
    for name in province.kinds:
        table = province.table(name)
        rows = table.rows(np.arange(min(20_000, table.count(DAY)), dtype=np.int64), DAY)
        for column in rows.column_names:
            target = column.rpartition("_")[2] if column != "id" else ""
            if target not in province.kinds or not pa.types.is_integer(rows.schema.field(column).type):
                continue
            ids = pc.drop_null(rows[column]).to_numpy()
            assert np.all((ids >= 0) & (ids < province.table(target).count(DAY))), f"{name}.{column}"
            checked += 1
    assert checked > 20


def test_no_identifier_can_be_anybodys(province: Province) -> None:
    """Twelve digits that stand for a person begin with a province code that nobody has."""
    checked = 0
    for name in province.kinds:
        table = province.table(name)
        rows = table.rows(np.arange(min(5_000, table.count(0)), dtype=np.int64), 0)
        for column in rows.column_names:
            if column == "person_id" or column.endswith(("_person_id", "_personal_id")):
                texts = pc.drop_null(rows[column])
                assert pc.all(pc.match_substring_regex(texts, r"^09[789]\d{9}$")).as_py() is not False, name
                checked += len(texts)
    assert checked > 1000


@pytest.mark.parametrize("view", catalogue.all_views(), ids=lambda view: view.id)
def test_every_kind_of_dirt_can_happen_where_it_is_named(province: Province, view: View) -> None:
    view.check(province)

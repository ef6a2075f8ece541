"""Views: rates that are kept, errors that are exactly what differs, days, parts, and who each row is about."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from simulator.table import Province, date_of
from simulator.views import dirt, forms, spoil
from simulator.views.dirt import RATES, Dirt
from simulator.views.view import Column, Said, View, constant, of_person

from .view_register import NEW_A_DAY, VIEW, person_of, province_of

MANY = 200_400
ROOT = Path(__file__).parents[2]


@cache
def many() -> tuple[Province, Said, Said]:
    """Enough rows to measure rates: the province, what is said, and the same without dirt."""
    province = province_of(MANY, 0.03)
    ids = np.arange(MANY)
    return province, VIEW.rows(province, ids, 0), VIEW.rows(province, ids, 0, clean=True)


@cache
def errors_by_kind() -> dict[str, list[dict[str, Any]]]:
    """The errors of `many`."""
    errors = many()[1].errors
    return {
        kind: errors.filter(pc.equal(errors["kind"], kind)).to_pylist() for kind in errors["kind"].unique().to_pylist()
    }


def few(view: View = VIEW, size: int = 3000) -> tuple[View, Province]:
    return view, province_of(size)


# -- rates -------------------------------------------------------------------------------------------------------------


def close(hits: int, of: int, rate: float) -> bool:
    """Within 4.5 deviations of the binomial distribution."""
    return abs(hits - of * rate) <= 4.5 * np.sqrt(of * rate * (1 - rate)) + 1


def test_personal_numbers_are_missing_wrong_and_shared_at_the_committed_rates() -> None:
    _, said, clean = many()
    kinds = {kind: len(errors) for kind, errors in errors_by_kind().items()}
    for rate, group in ((0.15, dirt.WITHOUT_VALID_ID), (0.02, dirt.WRONG_ID), (0.01, dirt.SHARED_ID)):
        assert close(sum(kinds[kind] for kind in group), clean.rows.num_rows, rate), (rate, kinds)
    assert sum(RATES[kind].rate for kind in dirt.WRONG_ID) == pytest.approx(0.02)
    # Seen from outside as well: what is no number of twelve digits is 15 %, and numbers that several bear are few.
    written = said.rows.filter(np.diff(said.ids, prepend=-1) > 0)["Số ĐDCN"].to_pylist()
    invalid = sum(not re.fullmatch("09[7-9][0-9]{9}", text or "") for text in written)
    assert close(invalid, len(written), 0.15)


@cache
def eligible() -> dict[str, int]:
    """How many cells a kind can spoil, where that is not all, counted by other means than the engine's."""
    province, _, clean = many()
    rows, geo, people = clean.rows, province.geo, province.people
    person = person_of(province, clean.ids)
    place = people.place[person]
    names = rows["Họ và tên"].to_pylist()
    young = people.birth_years(person) >= 2007
    child = (people.born[person] > -18 * 365) & (people.head[person] != person)
    toned = re.compile(r"\b(?:Th[ùúủũụ]y|H[òóỏõọ]a|H[òóỏõọ]e)\b")
    fake = sum(day[:5] != "01/01" for day in rows["Ngày sinh"].to_pylist())
    old = (geo.code_e0[place] != geo.code_e2[place]) | (geo.code_e1[place] != geo.code_e2[place])
    return {
        "id_cmnd": int((~young).sum()),
        "id_both": int((~young).sum()),
        "id_word": int(young.sum()),
        "id_head": int(child.sum()),
        "id_other": int((~child).sum()),
        "text_nfd": sum(unicodedata.normalize("NFD", n) != n for n in names),
        "text_tone": sum(bool(toned.search(n)) for n in names),
        "text_iy": sum("Lý" in n.split() for n in names),
        "text_no_diacritics": sum(not n.isascii() for n in names),
        "text_no_thi": sum(" Thị " in n for n in names),
        "date_fake": fake + sum(day.timetuple().tm_yday > 1 for day in rows["Hạn"].to_pylist()),
        "number_thousands": sum(len(area) > 6 for area in rows["Diện tích"].to_pylist()),
        "number_words": sum(int(amount) >= 1_000_000 for amount in rows["Số tiền"].to_pylist()),
        "commune_old": int(old.sum()),
    }


@pytest.mark.parametrize("kind", [kind for kind, rate in RATES.items() if rate.scope in ("cell", "row")])
def test_every_kind_happens_at_its_rate(kind: str) -> None:
    hits = len(errors_by_kind()[kind])
    of = eligible().get(kind, len(many()[2].ids))
    assert hits > 0
    assert close(hits, of, RATES[kind].rate), f"{kind}: {hits} of {of}, {RATES[kind].rate} meant"


def test_a_view_may_have_a_rate_of_its_own() -> None:
    view = dataclasses.replace(VIEW, dirt=(*dirt.sound_ids("Số ĐDCN"), Dirt("text_upper", "Họ và tên", rate=0.5)))
    _, province = few()
    errors = view.rows(province, np.arange(3000), 0).errors
    assert set(errors["kind"].to_pylist()) == {"text_upper"}
    assert close(errors.num_rows, 2997, 0.5)


# -- what is wrong, exactly --------------------------------------------------------------------------------------------


def test_errors_are_exactly_what_differs_from_a_clean_delivery() -> None:
    _, said, clean = many()
    copy = np.diff(said.ids, prepend=-1) == 0
    first = said.rows.filter(~copy)
    assert np.array_equal(said.ids[~copy], clean.ids)
    errors = [e for kind, some in errors_by_kind().items() if kind not in dirt.ROW_KINDS for e in some]
    listed = {(e["truth_id"], e["column"]): e for e in errors}
    differing = {}
    for name in first.column_names:
        found, meant = (
            forms.plain(rows[name].combine_chunks()).to_numpy(zero_copy_only=False) for rows in (first, clean.rows)
        )
        for at in np.flatnonzero(found != meant):
            differing[int(clean.ids[at]), name] = (found[at], meant[at])
    assert {cell: (e["found"], e["meant"]) for cell, e in listed.items()} == differing
    keys = dict(zip(clean.ids.tolist(), clean.rows["Mã"].to_pylist(), strict=True))
    assert all(e["key"] == keys[e["truth_id"]] for e in listed.values())
    assert len(listed) == len(errors), "a cell wrong twice"


def test_doubled_rows_are_alike_or_conflict() -> None:
    _, said, _ = many()
    second = np.flatnonzero(np.diff(said.ids, prepend=-1) == 0)
    doubled = {e["truth_id"]: e for kind in dirt.ROW_KINDS for e in errors_by_kind()[kind]}
    assert set(said.ids[second].tolist()) == doubled.keys()
    original, copy = said.rows.take(second - 1).to_pylist(), said.rows.take(second).to_pylist()
    for number, one, other in zip(said.ids[second].tolist(), original, copy, strict=True):
        differ = {name for name in one if one[name] != other[name]}
        error = doubled[number]
        assert differ == (set() if error["kind"] == "duplicate" else {"Số tiền"})
        assert error["kind"] == "duplicate" or other["Số tiền"] == error["found"] != error["meant"]


def test_each_kind_of_wrong_number_is_what_it_says() -> None:
    province, by_kind = many()[0], errors_by_kind()
    people = province.people
    of = {
        e["truth_id"]: int(person_of(province, e["truth_id"]))
        for kind in (*dirt.IDENTITY, "commune_old")
        for e in by_kind[kind]
    }
    for error in by_kind["id_typo"]:
        assert sum(a != b for a, b in zip(error["found"], error["meant"], strict=True)) == 1
    for error in by_kind["id_transposed"]:
        at = [i for i, (a, b) in enumerate(zip(error["found"], error["meant"], strict=True)) if a != b]
        assert len(at) == 2 and at[1] == at[0] + 1 and sorted(error["found"]) == sorted(error["meant"])
    heads = [of[e["truth_id"]] for e in by_kind["id_head"]]
    assert people.personal_ids(people.head[heads]).to_pylist() == [e["found"] for e in by_kind["id_head"]]
    known = set(people.personal_ids(np.arange(people.stock)).to_pylist())
    assert all(e["found"] in known for e in by_kind["id_other"])
    assert all(e["found"] == e["meant"][1:] for e in by_kind["id_zero_lost"])
    for error in by_kind["id_both"]:
        card, _, number = error["found"].partition("/")
        assert number == error["meant"] and card == people.cmnd(np.array([of[error["truth_id"]]]))[0].as_py()
    # No spoilt number is one that a province may have given.
    assert all(
        re.match("09[7-9]", e["found"]) for kind in ("id_typo", "id_transposed", "id_other") for e in by_kind[kind]
    )
    assert all(e["found"].startswith("99") for e in by_kind["code_typo"])
    geo = province.geo
    old = set(geo.code_e0.tolist()) | set(geo.code_e1.tolist())
    for error in by_kind["commune_old"]:
        place = people.place[of[error["truth_id"]]]
        assert error["found"] in (geo.code_e0[place], geo.code_e1[place]) and error["found"] in old


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        ("date_year_only", r"\d{4}"), ("date_zero", r"00/00/\d{4}"), ("date_impossible", r"(3[0-2]/(02|01|04|06|11))/\d{4}"),
        ("date_two_digit", r"\d\d/\d\d/\d\d"), ("date_order", r"\d\d/\d\d/\d{4}|\d{4}/\d\d/\d\d"),
        ("date_fake", r"01/01/\d{4}|\d{4}-01-01"), ("number_comma", r"\d+,\d\d"), ("number_thousands", r"\d\.\d{3},\d\d"),
        ("number_unit", r"\d+\.\d\d m²"), ("number_words", r"\d{1,3}(,\d)? (tỷ|triệu)"), ("number_scale", r"\d+000"),
        ("agency_old", r"000\.(00|34)\.(00|12)\.H05(-260101-0001)?"), ("procedure_local", r"[12]\.\d{6}\.000\.00\.00\.H05"),
        ("phone_old", r"024[01]\.0\d{6}"), ("commune_zero_lost", r"[1-9]\d{3}"), ("id_cmnd", r"39\d{7}"),
    ],
)  # fmt: skip
def test_wrong_cells_look_as_they_should(kind: str, pattern: str) -> None:
    found = [error["found"] for error in errors_by_kind()[kind]]
    odd = [text for text in found if not re.fullmatch(pattern, text)]
    assert found and not odd, odd[:5]


# -- days and batches --------------------------------------------------------------------------------------------------


def test_what_is_said_hangs_on_no_batch() -> None:
    view, province = few(dataclasses.replace(VIEW, share=0.8, lag=2, where=lambda truth: pc.equal(truth["kind"], "A")))
    whole = [said.rows for said in view.batches(province, 9)]
    small = [said.rows for said in view.batches(province, 9, size=77)]
    assert pa.concat_tables(whole).combine_chunks().equals(pa.concat_tables(small).combine_chunks())
    ids = np.arange(0, 3000, 7)[::-1]
    errors = {(e["truth_id"], e["column"]): e for s in view.batches(province, 9) for e in s.errors.to_pylist()}
    some = view.rows(province, ids, 9)
    assert len(some.errors) > 50
    assert all(errors[e["truth_id"], e["column"]] == e for e in some.errors.to_pylist())
    assert view.rows(province_of(3000), ids, 9).rows.equals(some.rows)


def test_a_quarter_is_put_right_and_the_row_is_then_among_the_changes() -> None:
    kinds = (
        *dirt.names("Họ và tên"),
        Dirt("missing", "Tên khác", rate=0.3),
        Dirt("duplicate"),
        Dirt("conflict", "Số tiền"),
    )
    view, province = few(dataclasses.replace(VIEW, person=None, dirt=kinds), size=900)
    province.table("register").touched = lambda day: np.zeros(0, np.int64)
    province.table("register").count = lambda day: 900
    days = dirt.CORRECTED_WITHIN + 1
    wrong = [{(e["truth_id"], e["column"], e["kind"], e["found"]) for t in view.errors(province, day) for e in t.to_pylist()}
             for day in range(days + 1)]  # fmt: skip
    assert wrong[days] == wrong[days - 1]
    for day in range(1, days + 1):
        assert wrong[day] <= wrong[day - 1], "a cell has become wrong by itself"
        mended = {cell[0] for cell in wrong[day - 1] - wrong[day]}
        changed = {int(i) for said in view.changes(province, day) for i in said.ids}
        assert changed == mended
    records = [len({cell[0] for cell in cells}) for cells in wrong]
    assert close(records[0] - records[days], records[0], RATES["late_correction"].rate)


def test_a_correction_moves_the_stamp() -> None:
    view = dataclasses.replace(VIEW, stamp="Lúc", lag=1)
    province = province_of(2000)
    before, after = (dict(zip((s := view.rows(province, np.arange(2000), day)).ids.tolist(), s.rows["Lúc"].to_pylist(), strict=True))
                     for day in (19, 20))  # fmt: skip
    moved = {i for i in before if before[i] != after[i]}
    changed = {int(i) for said in view.changes(province, 20) for i in said.ids if i < 2000}
    touched = set(province.table("register").touched(19).tolist())
    assert moved and moved <= changed <= moved | touched
    assert all(after[i].startswith(f"{date_of(19):%Y%m%d}") for i in moved)


def test_new_records_are_as_dirty_as_old_ones_when_first_said() -> None:
    lag = 3
    view = dataclasses.replace(VIEW, lag=lag, dirt=(Dirt("text_upper", "Họ và tên", rate=0.5),), person=None)
    _, province = few()
    wrong = said_first = 0
    for day in range(1, 61):
        new = np.arange(province.table("register").count(day - 1), province.table("register").count(day))
        assert len(new) == NEW_A_DAY
        assert (spoil.first_said(province.table("register"), new, day + 9, lag) == day + lag).all()
        assert view.rows(province, new, day + lag - 1).rows.num_rows == 0, "known before the lag is over"
        said = view.rows(province, new, day + lag)
        wrong, said_first = wrong + said.errors.num_rows, said_first + len(said.ids)
    assert close(wrong, said_first, 0.5)


def test_changes_are_what_differs_between_two_days() -> None:
    view, province = few()
    ids = np.arange(province.table("register").count(7))
    then, now = (grouped_rows(view, province, ids, day) for day in (6, 7))
    differing = {i for i in now if then.get(i) != now[i]}
    changed = {int(i) for said in view.changes(province, 7) for i in said.ids}
    touched = set(province.table("register").touched(7).tolist())
    assert differing and differing <= changed
    assert changed - touched <= differing
    assert len(changed) >= NEW_A_DAY


def grouped_rows(view: View, province: Province, ids: Any, day: int) -> dict[int, list[Any]]:
    said = view.rows(province, ids, day)
    found: dict[int, list[Any]] = {}
    for number, row in zip(said.ids.tolist(), said.rows.to_pylist(), strict=True):
        found.setdefault(number, []).append(row)
    return found


def test_a_system_holds_the_same_part_every_day_and_nothing_that_is_gone() -> None:
    view, province = few(dataclasses.replace(VIEW, share=0.6, dirt=()))
    days = [np.concatenate([s.ids for s in view.batches(province, day)]) for day in (0, 5)]
    assert close(len(days[0]), 2997, 0.6)
    assert np.array_equal(days[0], days[1][days[1] < 3000])
    assert not (days[1] % 1000 == 999).any()


# -- identity, properties, declarations --------------------------------------------------------------------------------


def test_identity_says_whom_each_delivered_row_is_about() -> None:
    view, province = few()
    rows = pa.concat_tables([s.rows for s in view.batches(province, 0)])
    identity = pa.concat_tables(list(view.identity(province, 0, size=500)))
    assert identity.column_names == ["view", "key", "table", "truth_id", "copy", "person"]
    assert identity["key"].to_pylist() == rows["Mã"].to_pylist()
    truth = identity["truth_id"].to_numpy()
    assert np.array_equal(identity["person"].to_numpy(), person_of(province, truth))
    assert pc.sum(identity["copy"]).as_py() == len(truth) - len(np.unique(truth)) > 0


def test_properties_list_what_is_odd_about_the_whole() -> None:
    odd = dataclasses.replace(VIEW, encoding="tcvn3", lag=2, share=0.9).properties()
    assert {what for _, what, _ in odd} >= {"encoding", "lag", "share", "unit:Số tiền", "form:Ngày sinh", "form:Lúc"}
    assert not any(what == "form:Mã" for _, what, _ in odd)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"key": ("Không có",)}, "no such column"),
        ({"group": "Không có"}, "no such column"),
        ({"dirt": (Dirt("text_nfd", "Không có"),)}, "no such column"),
        ({"dirt": (Dirt("text_nfd", "Mã", rate=0.8), Dirt("text_upper", "Mã", rate=0.3))}, "more than 1"),
        ({"columns": (*VIEW.columns, Column("X", "code", "decimall"))}, "no such form"),
        ({"columns": (*VIEW.columns, Column("Mã", "code"))}, "named twice"),
    ],
)
def test_declarations_that_cannot_be_meant_are_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        dataclasses.replace(VIEW, **change)


def test_dirt_that_is_unknown_or_cannot_stand_in_a_column_is_refused() -> None:
    for kind, columns in (("text_nfdd", ("Mã",)), ("resent_file", ("Mã",)), ("text_nfd", ()), ("duplicate", ("Mã",))):
        with pytest.raises(ValueError):
            Dirt(kind, *columns)
    _, province = few()
    VIEW.check(province)
    typed = dataclasses.replace(VIEW, dirt=(Dirt("date_zero", "Hạn"),))
    with pytest.raises(TypeError, match="date_zero"):
        typed.check(province)
    nobody = dataclasses.replace(VIEW, person=None, dirt=(Dirt("id_typo", "Số ĐDCN"),))
    with pytest.raises(ValueError, match="person"):
        nobody.check(province)


def test_every_kind_has_its_maker_and_its_line_in_the_documentation() -> None:
    assert set(spoil.KINDS) == {kind for kind, rate in RATES.items() if rate.scope == "cell"}
    text = (ROOT / "docs" / "simulator-dirt.md").read_text(encoding="utf-8")
    table = text.partition("<!-- rates:begin -->\n")[2].partition("\n<!-- rates:end -->")[0]
    assert table == dirt.rates_in_words(), "docs/simulator-dirt.md: put dirt.rates_in_words() between the marks"


def test_columns_may_be_constant_or_of_a_person() -> None:
    _, province = few()
    extra = (Column("Tỉnh", constant("24")), Column("Giới", of_person("sex")))
    rows = dataclasses.replace(VIEW, columns=(*VIEW.columns, *extra), dirt=()).rows(province, np.arange(50), 0).rows
    assert rows["Tỉnh"].to_pylist() == ["24"] * 50
    assert rows["Giới"].to_pylist() == province.people.sex(person_of(province, np.arange(50))).to_pylist()

"""What the dossier systems and the communes say: every way of failing of theirs really happens, and can be told from the truth."""

from __future__ import annotations

import io
import re
from collections import Counter
from datetime import datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from python_calamine import CalamineWorkbook

from simulator.clock import TZ
from simulator.national.dossiers import Agency, Judge, Lists
from simulator.province.procedures_receipts import REKEYED_ON
from simulator.table import DAY0, Province
from simulator.views import communes, dirt, public_services, writers
from simulator.views.public_services import DOSSIER, EVENT, FILE, VIEWS
from simulator.views.public_services_lists import LOST
from simulator.views.view import View

SCALE = 0.006


@pytest.fixture(scope="module")
def province() -> Province:
    return Province(24, SCALE)


def said(view: View, province: Province, day: int = 0, *, clean: bool = True) -> list[dict[str, Any]]:
    """Rows with the id of the truth under `id`."""
    found = []
    for some in view.batches(province, day, clean=clean):
        found += [row | {"id": int(i)} for row, i in zip(some.rows.to_pylist(), some.ids, strict=True)]
    return found


def truth(province: Province, table: str, day: int = 0) -> dict[int, dict[str, Any]]:
    one = province.table(table)
    return {row["id"]: row for row in one.rows(np.arange(one.count(day)), day).to_pylist()}


def test_every_view_speaks_and_names_its_key() -> None:
    views = (*VIEWS, *communes.VIEWS)
    assert len({view.id for view in views}) == len(views)
    assert all(set(view.key) <= {column.name for column in view.columns} for view in views)


def test_each_dossier_is_held_by_one_of_the_two_systems(province: Province) -> None:
    held = [
        {row["id"] for row in said(view, province)} for view in (public_services.BN_DOSSIER, public_services.BG_DOSSIER)
    ]
    assert not held[0] & held[1] and held[0] | held[1] == set(truth(province, "dossier"))
    own = Counter(row["TinhTrang"] for row in said(public_services.BG_EVENT, province))
    assert 15 <= len(own) <= 20
    assert 15 <= len({row["trang_thai"] for row in said(public_services.BN_EVENT, province)}) <= 20


def test_the_status_of_one_system_is_coarsened_before_sending(province: Province) -> None:
    day, coarse = 12, Counter()
    dossiers = truth(province, "dossier", day)
    for row in said(DOSSIER, province, day):
        right, sent = dossiers[row["id"]], int(row["TrangThaiHoSo"])
        if right["system"] == "BG" and right["status"] in (5, 6, 8):
            assert sent == 9
            coarse[right["status"]] += 1
        else:
            assert sent == right["status"]
    assert coarse[5] and coarse[8]
    events = truth(province, "dossier_event", day)
    assert {e["sent_status"] for e in events.values() if e["system"] == "BG" and e["status"] in (5, 6, 8)} == {9}
    own = {(r["system"], r["local_status"]): r for r in truth(province, "status_local").values()}
    assert all(own[d["system"], d["local_status"]]["sent_status"] == d["sent_status"] for d in dossiers.values())
    assert all(own[d["system"], d["local_status"]]["status"] == d["status"] for d in dossiers.values())


def test_some_links_lead_inside_the_office(province: Province) -> None:
    stores = {f["id"]: f["store"] for f in truth(province, "dossier_file").values()}
    inside = 0
    for row in said(FILE, province):
        internal = re.match(r"http://10\.\d+\.\d+\.\d+:8080/", row["DuongDanTaiTepTin"]) is not None
        assert internal == (stores[row["id"]] == "OFFICE")
        inside += internal
    assert 0.02 < inside / len(stores) < 0.09


def test_unmapped_procedures_are_sent_under_their_local_code(province: Province) -> None:
    dossiers, local = truth(province, "dossier"), truth(province, "procedure_local")
    unmapped = 0
    for row in said(DOSSIER, province):
        code = local[dossiers[row["id"]]["procedure_local"]]
        assert row["MaTTHC"] == (code["national_code"] or code["local_code"])
        unmapped += code["national_code"] is None
    assert 0 < unmapped < 0.05 * len(dossiers)
    assert any(not re.fullmatch(r"\d\.\d{6}", row["MaTTHC"]) for row in said(DOSSIER, province))


def test_what_could_not_be_sent_is_in_a_file_that_is_overwritten(province: Province, tmp_path: Path) -> None:
    day = 25
    lost = {i for i, d in truth(province, "dossier", day).items() if not d["is_sent"]}
    assert lost and not lost & {row["id"] for row in said(DOSSIER, province, day)}
    assert {d["system"] for i, d in truth(province, "dossier", day).items() if i in lost} == {"BG"}
    table, contents = province.table("dossier_lost"), {}
    for each in range(day + 1):
        found = said(LOST, province, each)
        assert {row["id"] for row in found} == set(range(table.count(each - 1), table.count(each)))
        contents[each] = {row["SoHoSo"] for row in found}
    assert len({d["dossier"] for d in truth(province, "dossier_lost", day).values()} & lost) == len(lost)
    full = [each for each in contents if contents[each]]
    assert len(full) > 1 and not contents[full[0]] & contents[full[1]]
    files = {writers.deliver(LOST, province, each, tmp_path)[0].path for each in full}
    assert [path.name for path in files] == ["loi_dong_bo.txt"]


def test_numbers_met_in_the_feed_until_they_were_made_anew(province: Province) -> None:
    before, after = said(DOSSIER, province, REKEYED_ON - 1), said(DOSSIER, province, REKEYED_ON)
    twice = {number for number, count in Counter(row["MaHoSo"] for row in before).items() if count > 1}
    assert twice and max(Counter(row["MaHoSo"] for row in after).values()) == 1
    new = {row["id"]: row["MaHoSo"] for row in after}
    moved = [row["id"] for row in before if new[row["id"]] != row["MaHoSo"]]
    changed = {int(i) for some in DOSSIER.changes(province, REKEYED_ON) for i in some.ids}
    assert moved and set(moved) <= changed
    stamps = {row["id"]: row["NgayCapNhat"] for row in after}
    assert all(stamps[i] >= "20261121" for i in moved)  # who reads by it sees them
    events = truth(province, "dossier_event", REKEYED_ON)
    steps = [(events[row["id"]]["dossier"], row["MaHoSo"]) for row in said(EVENT, province, REKEYED_ON)]
    orphans = [(i, number) for i, number in steps if i in set(moved)]
    assert all(number != new[i] for i, number in orphans)  # steps sent before keep the number of then,
    assert {number for _, number in orphans} & {
        number for i, number in new.items() if i not in set(moved)
    }  # now another's


def test_some_steps_arrive_behind_later_ones(province: Province) -> None:
    events = truth(province, "dossier_event")
    ways: dict[int, list[tuple[str, str]]] = {}
    for row in said(EVENT, province):
        ways.setdefault(events[row["id"]]["dossier"], []).append((row["NgayCapNhat"], row["ThoiDiemXuLy"]))
    wrong = sum([at for _, at in sorted(way)] != sorted(at for _, at in way) for way in ways.values())
    assert 0 < wrong < 0.1 * len(ways)
    assert all(at <= sent and at[:8] == sent[:8] for way in ways.values() for sent, at in way)


def test_the_national_portal_would_refuse_nothing_else(province: Province) -> None:
    """Without dirt: unmapped procedures (23), and what waits for its receipt under the number of the next day (25)."""
    procedures, agencies = truth(province, "procedure").values(), truth(province, "agency").values()
    lists = Lists(
        [{"MATTHC": p["procedure_code"], "TENTTHC": p["name_vi"], "MALINHVUC": p["field_code"]} for p in procedures],
        [Agency(a["agency_code"], a["valid_from"], a["valid_to"]) for a in agencies],
    )
    judge = Judge(lists, datetime.combine(DAY0, time(23, 59), TZ), DAY0)
    codes: Counter[tuple[str, bool]] = Counter()
    for row in said(DOSSIER, province):
        item = {k: {None: "", "True": "1", "False": "0"}.get(v, v) for k, v in row.items() if k != "id"}
        codes[judge.dossier(item, None, False), item["TrangThaiHoSo"] == "1"] += 1
    assert set(codes) <= {("00", True), ("00", False), ("23", True), ("23", False), ("25", True)}
    assert codes["00", False] > 0.95 * codes.total() and codes["23", False]


# -- communes ----------------------------------------------------------------------------------------------------------


def test_every_commune_has_one_template_and_its_own_files(province: Province, tmp_path: Path) -> None:
    groups = communes.TEMPLATES
    assert sum(map(len, groups.values())) == 99 and frozenset().union(*groups.values()) == set(
        province.geo.commune_codes.tolist()
    )
    counted = Counter(
        d["commune_code"] for d in truth(province, "dossier").values() if d["commune_code"] and d["channel"] != 2
    )
    for view, name in ((communes.PLAIN, "plain"), (communes.BN, "bn"), (communes.BG, "bg")):
        made = writers.deliver(view, province, 0, tmp_path)
        assert {delivery.group for delivery in made} == groups[name] & set(counted)
        rows = said(view, province)
        assert {row["Mã xã"] for row in rows} <= groups[name]
        assert Counter(row["Mã xã"] for row in rows) == {c: n for c, n in counted.items() if c in groups[name]}
    rest = dict(writers.grouped(communes.REST, province, 0))
    assert set(rest) == set(counted)


def test_the_same_is_delivered_over_the_lgsp_and_in_workbooks(province: Province) -> None:
    """Most dossiers of the counters come twice, a few in the workbook only; the two do not write them alike."""
    feed = {row["id"]: row for row in said(DOSSIER, province, clean=False)}
    books = [row for view in (communes.PLAIN, communes.BN, communes.BG) for row in said(view, province, clean=False)]
    both = [(row, feed[row["id"]]) for row in books if row["id"] in feed]
    assert len(both) > 0.9 * len(books) > 100
    assert {row["id"] for row in books} - set(feed)
    assert 0.1 < np.mean([book["Mã hồ sơ"] != sent["MaHoSo"] for book, sent in both]) < 0.5
    assert np.mean([book["Họ tên, tên tổ chức"] != sent["ChuHoSo"] for book, sent in both]) > 0.1
    told = {said["id"]: said for said in said(communes.REST, province)}
    assert {row["id"] for row in books} == set(told)


def _header(view: View, province: Province, day: int, folder: Path) -> tuple[list[str], set[str]]:
    """The header's lower row as far as it is written there, and all texts of the first column with numbers of dossiers."""
    delivery = writers.deliver(view, province, day, folder / f"{day}")[0]
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(delivery.path.read_bytes())).get_sheet_by_index(0).to_python()
    top = next(i for i, line in enumerate(sheet) if line[0] == "STT")
    names = [str(low or high) for high, low in zip(sheet[top], sheet[top + 1], strict=True)]
    place = names.index("Mã hồ sơ")
    return names, {str(line[place]) for line in sheet[top + 2 :] if line[place]}


def test_templates_change_their_version(province: Province, tmp_path: Path) -> None:
    (old, dossiers), (new, same) = (_header(communes.BG, province, day, tmp_path) for day in (0, 1))
    assert old != new and "Số định danh cá nhân" in new and "Số CMND/CCCD/MST" in old and "Ký nhận" in new
    assert old.index("Họ tên, tên tổ chức") > new.index("Họ tên, tên tổ chức")
    assert dossiers <= same
    assert (
        _header(communes.PLAIN, province, 0, tmp_path / "p")[0]
        == _header(communes.PLAIN, province, 1, tmp_path / "p")[0]
    )
    assert "Số ĐDCN/CCCD" in _header(communes.BN, province, 0, tmp_path / "b")[0]


def test_a_closed_month_is_corrected_late(province: Province) -> None:
    """Rows of October that were wrong on 19 November are put right afterwards, and delivered again on that day."""
    october = {i for i, d in truth(province, "dossier").items() if d["received_at"] and d["received_at"].month == 10}
    view = communes.BN
    wrong = [
        {
            (e["truth_id"], e["column"])
            for t in view.errors(province, day)
            for e in t.to_pylist()
            if e["truth_id"] in october
        }
        for day in (0, 7)
    ]
    mended = wrong[0] - wrong[1]
    assert mended
    again = {int(i) for day in range(1, 8) for some in view.changes(province, day) for i in some.ids}
    assert {i for i, _ in mended} <= again


def test_commune_codes_of_an_earlier_epoch_are_delivered(province: Province) -> None:
    found = pa.concat_tables(list(communes.REST.errors(province, 0)))
    old = found.filter(pc.equal(found["kind"], "commune_old"))
    codes = set(old["found"].to_pylist())
    geo = province.geo
    assert codes and codes <= {*geo.code_e0.tolist(), *geo.code_e1.tolist()}
    assert all(f != m for f, m in zip(old["found"].to_pylist(), old["meant"].to_pylist(), strict=True))


def test_identifiers_of_applicants_are_wrong_as_often_as_committed() -> None:
    province = Province(24, 0.05)
    table = province.table("dossier")
    dossiers = table.rows(np.arange(table.count(0)), 0)
    persons = len(dossiers.filter(dossiers["is_sent"])["applicant_person"].drop_null())
    found = pa.concat_tables(list(DOSSIER.errors(province, 0)))
    kinds = Counter(found.filter(pc.equal(found["column"], "SoGiayToChuHoSo"))["kind"].to_pylist())
    for some, rate in ((dirt.WITHOUT_VALID_ID, 0.15), (dirt.WRONG_ID, 0.02), (dirt.SHARED_ID, 0.01)):
        assert abs(sum(kinds[kind] for kind in some) / persons - rate) < 4 * (rate / persons) ** 0.5


def test_old_registers_are_written_in_old_fonts(province: Province, tmp_path: Path) -> None:
    made = writers.deliver(communes.CIVIL_OLD, province, 1, tmp_path)
    assert made and {delivery.group for delivery in made} <= communes.TEMPLATES["plain"]
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(made[0].path.read_bytes())).get_sheet_by_index(0).to_python()
    texts = " ".join(str(cell) for line in sheet for cell in line)
    assert "Khai" in texts or "X¸c nhËn" in texts or "KÕt h«n" in texts
    assert "Số" not in texts and "Sè" in texts

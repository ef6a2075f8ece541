"""The 99 communes as agencies of their own: what they take down at their counters, and their civil registers.

Belongs here: workbooks and REST deliveries, a part for each commune. Stays out: the systems their dossiers are kept in
(`public_services`).

A commune writes what it takes in at its counter into a workbook by hand (Circular 01/2018/TT-VPCP, «Sổ theo dõi hồ sơ»),
though the same dossiers come through the LGSP; there they have other spellings, dates and forms of the agency's code.
Workbooks follow one of three templates: communes of the old Bắc Ninh one that changed on 1 November 2026, those of the old
Bắc Giang one that changes on 20 November 2026, mountain communes the plain one of old.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from simulator.units import units
from simulator.views import dirt, dossiers
from simulator.views.dirt import Dirt
from simulator.views.view import Column, Context, View
from simulator.views.workbook import Sheet, Version

_AGENCY = "communes"
_MOUNTAINS = ("219", "220")  # Lục Ngạn, Sơn Động: plain old workbooks, and .VnTime in the registers
NEW_BN, NEW_BG = -18, 1  # days from which the templates are new ones
_DAY = "date:%d/%m/%Y"
_RETURN = {1: "Trực tiếp", 2: "Trực tuyến", 3: "Bưu chính"}
_KINDS = {
    "KS": "Khai sinh",
    "KT": "Khai tử",
    "KH": "Kết hôn",
    "XNHN": "Xác nhận tình trạng hôn nhân",
    "CC": "Cải chính",
}


def _groups() -> dict[str, frozenset[str]]:
    """Communes by template: bn, bg, plain."""
    known = units()
    found: dict[str, set[str]] = {"bn": set(), "bg": set(), "plain": set()}
    for place in known.places:
        mountains = known.district(place) in _MOUNTAINS
        group = "bn" if known.old_province(place) == "27" else "plain" if mountains else "bg"
        found[group].add(known.today(place))
    found["bg"] -= found["plain"]  # one commune has a part in the mountains
    return {group: frozenset(codes) for group, codes in found.items()}


TEMPLATES = _groups()


def _counter(group: str | None = None) -> Callable[[Any], Any]:
    """Dossiers received at the counter, or by post, in the communes of one template, or in all."""
    wanted = sorted(TEMPLATES[group]) if group else sorted(frozenset().union(*TEMPLATES.values()))

    def mask(truth: Any) -> Any:
        here = pc.is_in(truth["commune_code"], pa.array(wanted))
        return pc.and_(pc.and_(here, pc.is_valid(truth["received_at"])), pc.not_equal(truth["channel"], 2))

    return mask


def _copies(truth: Any, context: Context) -> Any:
    """Number of sets handed in."""
    return pa.array(1 + context.province.chance.pick("communes.copies", truth["id"].to_numpy(), (0.9, 0.08, 0.02)))


def _remark(truth: Any, context: Context) -> Any:
    """What the clerk notes: that it is late, that something is missing."""
    late = pc.equal(truth["ended_in_time"], False)
    waiting = pc.equal(truth["status"], 5)
    said = pc.if_else(pc.fill_null(late, False), pa.scalar("Trả chậm, đã xin lỗi"), pa.scalar(None, pa.string()))
    return pc.if_else(waiting, pa.scalar("Chờ công dân bổ sung"), said)


PLAIN = View(
    id="communes.counter_book_plain",
    agency=_AGENCY,
    table="dossier",
    title_vi="Sổ theo dõi hồ sơ (mẫu cũ)",
    system="commune_folder",
    place="so_theo_doi_ho_so_{group}_{day:%Y%m%d}.xlsx",
    format="xlsx",
    key=("Mã hồ sơ",),
    group="Mã xã",
    where=_counter("plain"),
    columns=(
        Column("Mã hồ sơ", "dossier_code"),
        Column("Mã xã", "commune_code"),
        Column("Tên thủ tục", dossiers.procedure("name_vi")),
        Column("Số bộ", _copies, "int"),
        Column("Họ tên, tên tổ chức", dossiers.applicant("name")),
        Column("Số CMND/CCCD/MST", dossiers.applicant("number")),
        Column("Địa chỉ", dossiers.applicant("address")),
        Column("Số điện thoại", dossiers.applicant("phone")),
        Column("Ngày nhận", "received_at", _DAY),
        Column("Ngày hẹn trả", "appointed_now_at", _DAY),
        Column("Ngày trả", "returned_at", _DAY),
        Column("Hình thức trả", "return_form", words=_RETURN),
        Column("Phí, lệ phí", "fee_vnd", "int", unit="đồng"),
        Column("Ghi chú", _remark),
    ),
    dirt=(
        *dirt.names("Họ tên, tên tổ chức"),
        *dirt.texts("Địa chỉ", "Tên thủ tục"),
        *dirt.numbers("Phí, lệ phí"),
        Dirt("number_words", "Phí, lệ phí"),
        Dirt("agency_old", "Mã hồ sơ"),
        Dirt("code_typo", "Mã hồ sơ"),
        Dirt("date_two_digit", "Ngày nhận", "Ngày trả"),
        Dirt("date_order", "Ngày nhận", "Ngày trả"),
        Dirt("date_impossible", "Ngày trả"),
        Dirt("missing", "Ngày trả", "Số điện thoại"),
        Dirt("commune_old", "Mã xã"),
        Dirt("commune_zero_lost", "Mã xã"),
        Dirt("phone_old", "Số điện thoại"),
        Dirt("duplicate"),
        Dirt("conflict", "Ngày trả"),
    ),
    person={"Số CMND/CCCD/MST": "applicant_person"},
    sheet=Sheet(
        name="So theo doi",
        titles=("SỔ THEO DÕI HỒ SƠ", "(Tính đến ngày {day:%d/%m/%Y})"),
        headings=dict.fromkeys(("Ngày nhận", "Ngày hẹn trả", "Ngày trả", "Hình thức trả"), "Nhận và trả kết quả"),
        sums=("Phí, lệ phí",),
        signatures=("Công chức một cửa", "Chủ tịch"),
    ),
)

# The same columns under the headers of newer templates.
_BN = Version(
    NEW_BN,
    order=("Mã hồ sơ", "Ngày nhận", "Ngày hẹn trả", "Ngày trả", "Hình thức trả"),
    rename={"Họ tên, tên tổ chức": "Chủ hồ sơ", "Số CMND/CCCD/MST": "Số ĐDCN/CCCD", "Số bộ": "Số lượng\nhồ sơ (bộ)"},
    extra=("Ký nhận",),
)
_BG = Version(
    NEW_BG,
    order=("Mã hồ sơ", "Mã xã", "Họ tên, tên tổ chức", "Số CMND/CCCD/MST"),
    rename={"Số CMND/CCCD/MST": "Số định danh cá nhân", "Ngày trả": "Ngày trả\nkết quả"},
    extra=("Lý do chậm", "Ký nhận"),
)


def _with(view: View, name: str, group: str, title: str, version: Version) -> View:
    sheet = view.sheet
    assert sheet is not None
    return replace(
        view, id=f"communes.{name}", title_vi=title, where=_counter(group), sheet=replace(sheet, versions=(version,))
    )


BN = _with(PLAIN, "counter_book_bn", "bn", "Sổ theo dõi hồ sơ (mẫu Bắc Ninh)", _BN)
BG = _with(PLAIN, "counter_book_bg", "bg", "Sổ theo dõi hồ sơ (mẫu Bắc Giang)", _BG)

REST = View(
    id="communes.counter",
    agency=_AGENCY,
    table="dossier",
    title_vi="Hồ sơ tiếp nhận tại bộ phận một cửa cấp xã",
    system="commune_rest",
    place="/ho-so-tiep-nhan",
    key=("MaHoSo",),
    group="MaXa",
    where=_counter(),
    columns=(
        Column("MaHoSo", "dossier_code"),
        Column("MaXa", "commune_code"),
        Column("MaThuTuc", "procedure_code"),
        Column("KenhTiepNhan", "channel", "int"),
        Column("ChuHoSo", dossiers.applicant("name")),
        Column("SoGiayTo", dossiers.applicant("number")),
        Column("NgayTiepNhan", "received_at", "stamp14"),
        Column("NgayHenTra", "appointed_now_at", "stamp14"),
        Column("TrangThai", "status", "int"),
        Column("NgayTra", "returned_at", "stamp14"),
        Column("NgayCapNhat", "updated_at", "stamp14"),
    ),
    dirt=(*dirt.names("ChuHoSo"), *dirt.communes("MaXa"), Dirt("procedure_local", "MaThuTuc"), Dirt("duplicate")),
    person={"SoGiayTo": "applicant_person"},
)


def _registered_in(group: tuple[str, ...]) -> Callable[[Any], Any]:
    wanted = pa.array(sorted(code for name in group for code in TEMPLATES[name]))
    return lambda truth: pc.is_in(truth["place_code"], wanted)


CIVIL = View(
    id="communes.civil_book",
    agency=_AGENCY,
    table="civil_event",
    title_vi="Sổ đăng ký hộ tịch của xã",
    system="commune_folder",
    place="so_ho_tich_{group}_{day:%Y%m%d}.xlsx",
    format="xlsx",
    key=("Loại việc", "Quyển số", "Số"),
    group="Mã xã",
    where=_registered_in(("bn", "bg")),
    columns=(
        Column("Loại việc", "kind", words=_KINDS),
        Column("Quyển số", "book"),
        Column("Số", "number"),
        Column("Ngày đăng ký", "registered_on", _DAY),
        Column("Mã xã", "place_code"),
        Column("Họ và tên", "person_name"),
        Column("Ngày sinh", "born_on", _DAY),
        Column("Giới tính", "sex"),
        Column("Số định danh", "person_id"),
        Column("Họ tên người liên quan", "other_name"),
        Column("Số định danh người liên quan", "other_person_id"),
        Column("Đã số hóa", "digitised", words={"DA_SO_HOA": "x", "CHUA": ""}),
    ),
    dirt=(
        *dirt.names("Họ và tên", "Họ tên người liên quan"),
        *dirt.dates("Ngày sinh"),
        Dirt("date_two_digit", "Ngày đăng ký"),
        *dirt.communes("Mã xã"),
        Dirt("duplicate"),
        Dirt("conflict", "Ngày sinh"),
    ),
    person={"Số định danh": "person", "Số định danh người liên quan": "other_person"},
    sheet=Sheet(
        name="HoTich",
        titles=("SỔ ĐĂNG KÝ HỘ TỊCH", "Xã, phường có mã {Mã xã}"),
        headings=dict.fromkeys(("Họ tên người liên quan", "Số định danh người liên quan"), "Người liên quan"),
        decomposed=("Họ và tên",),
        signatures=("Công chức tư pháp - hộ tịch", "Chủ tịch"),
    ),
)

CIVIL_OLD = replace(
    CIVIL,
    id="communes.civil_book_old",
    title_vi="Sổ đăng ký hộ tịch của xã (phông .VnTime)",
    where=_registered_in(("plain",)),
    encoding="tcvn3",
    lag=1,
)

VIEWS = (PLAIN, BN, BG, REST, CIVIL, CIVIL_OLD)

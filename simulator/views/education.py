"""The education department: pupils by workbooks of the schools, teachers, classes and results.

Belongs here: views of the education tables. Stays out: the list of schools, which the department drops as one workbook
(`story.education`), the truth (`province.education`).

Every school sends the ministry's template C1-HocSinh: a sheet of pupils under a header that is not in the first row, and
sixteen code lists. Three vendors fill it, each in its own way; who changed schools stands in both schools' workbooks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulator.province.education_pupils import DISABILITIES
from simulator.province.education_year import STATUSES
from simulator.province.population import ETHNIC, SPOUSE
from simulator.table import words
from simulator.units import commune_names_today
from simulator.views import dirt
from simulator.views.dirt import Dirt
from simulator.views.view import Column, Context, View, constant, of_person
from simulator.views.workbook import Sheet, Version

# Which vendor a school has signed with goes by its number: half vnEdu, more than a third SMAS, the rest MISA.
_VENDORS = {"vnedu": range(0, 10), "smas": range(10, 17), "misa": range(17, 20)}
_SILENT = 97  # one school in so many sends nothing


def uses(vendor: str) -> Callable[[Any], Any]:
    """Rows of the schools of a vendor that send anything."""

    def mask(truth: Any) -> Any:
        school = truth["school"].to_numpy()
        return np.isin(school % 20, list(_VENDORS[vendor])) & (school % _SILENT != 5)

    return mask


# -- computed columns --------------------------------------------------------------------------------------------------


def _head_of(what: str) -> Callable[[Any, Context], Any]:
    """Something of the head of the household."""

    def values(truth: Any, context: Context) -> Any:
        people = context.province.people
        return getattr(people, what)(people.head_of(truth["person"].to_numpy()))

    return values


def _parent(male: bool) -> Callable[[Any, Context], Any]:
    """Father's or mother's name; null where nobody of that sex heads the household."""

    def values(truth: Any, context: Context) -> Any:
        people = context.province.people
        head = people.head_of(truth["person"].to_numpy())
        beside = np.minimum(head + 1, people.stock - 1)
        couple = (people.role[beside] == SPOUSE) & (people.household[beside] == people.household[head])
        found = np.where(people.male[head] == male, head, beside)
        known = (people.male[head] == male) | couple
        return pc.if_else(pa.array(known), people.names(found), pa.scalar(None, pa.string()))

    return values


def _home(truth: Any, context: Context) -> Any:
    """The address as it was entered at enrolment: moves since are unknown to the school."""
    return context.province.people.addresses(truth["person"].to_numpy(), 0)


def _place_of_home(which: str) -> Callable[[Any, Context], Any]:
    def values(truth: Any, context: Context) -> Any:
        geo = context.province.geo
        places = context.province.people.place_at(truth["person"].to_numpy(), 0)
        texts = {
            "code": list(geo.code_e2),
            "village": [f"Thôn {v}" for v in geo.village],
            "commune": list(geo.commune_names[geo.commune]),
        }
        return words(texts[which], places)

    return values


# -- the template ------------------------------------------------------------------------------------------------------

_ADDRESS = "(Theo địa chỉ thường trú)"
_DATE = "date:%d/%m/%Y"
_GRADES = {-3: "NT", -2: "3T", -1: "4T", 0: "5T"} | {grade: str(grade) for grade in range(1, 13)}
_LISTS = {
    "DM_GioiTinh": {"01": "Nam", "02": "Nữ"},
    "DM_TrangThaiHS": {f"{i:02d}": text for i, text in enumerate(STATUSES, start=1)},
    "DM_DanToc": {f"{i:02d}": name for i, name in enumerate(ETHNIC, start=1)},
    "DM_TonGiao": {"00": "Không", "01": "Phật giáo", "02": "Công giáo", "03": "Tin lành"},
    "DM_KhuyetTat": {f"{i:02d}": name for i, name in enumerate(DISABILITIES, start=1)},
    "DM_KhoiHoc": {
        "NT": "Nhà trẻ",
        **{f"{a}T": f"Mẫu giáo {a} tuổi" for a in (3, 4, 5)},
        **{str(g): f"Khối {g}" for g in range(1, 13)},
    },
    "DM_Tinh": {"24": "Tỉnh Bắc Ninh"},
    "DM_Xa": commune_names_today(),
    "DM_QuocTich": {"VN": "Việt Nam", "KR": "Hàn Quốc", "CN": "Trung Quốc"},
    "DM_DoiTuongChinhSach": {"01": "Con liệt sĩ", "02": "Con thương binh", "03": "Hộ nghèo", "04": "Hộ cận nghèo"},
    "DM_KhuVuc": {"KV1": "Khu vực 1", "KV2NT": "Khu vực 2 nông thôn", "KV2": "Khu vực 2"},
    "DM_LyDoThoiHoc": {"01": "Hoàn cảnh khó khăn", "02": "Học lực yếu", "03": "Xa trường", "04": "Lý do khác"},
    "DM_HinhThucHoc": {"01": "Bán trú", "02": "Nội trú", "03": "Không bán trú"},
    "DM_NhomMau": {"A": "A", "B": "B", "AB": "AB", "O": "O"},
    "DM_NgheNghiep": {"01": "Nông dân", "02": "Công nhân", "03": "Viên chức", "04": "Tự do"},
    "DM_QuanHe": {"01": "Cha", "02": "Mẹ", "03": "Người giám hộ"},
}
_HIDDEN = tuple(name for name in _LISTS if name not in ("DM_GioiTinh", "DM_TrangThaiHS"))
_TITLES = ("SỞ GIÁO DỤC VÀ ĐÀO TẠO TỈNH BẮC NINH", "DANH SÁCH HỌC SINH - MẪU C1-HocSinh", "Ngày xuất: {day:%d/%m/%Y}")

_MOET = (
    Column("Mã trường", "school_code"),
    Column("Mã lớp", "class_code"),
    Column("Mã học sinh", "student_code"),
    Column("Họ tên", of_person("names")),
    Column("Ngày sinh", of_person("birth_dates"), _DATE),
    Column("Giới tính", of_person("sex")),
    Column("Trạng thái HS", "status_vi"),
    Column("Ngày nhập trạng thái", "status_on", _DATE),
    Column("Dân tộc", of_person("ethnic")),
    Column("Loại khuyết tật", "disability"),
    Column("Số định danh cá nhân", of_person("personal_ids")),
    Column(f"Tỉnh/Thành phố {_ADDRESS}", constant("Tỉnh Bắc Ninh")),
    Column(f"Xã/Phường {_ADDRESS}", _place_of_home("commune")),
    Column(f"Tổ/Thôn/Xóm {_ADDRESS}", _place_of_home("village")),
    Column("Chỗ ở hiện nay", _home),
    Column("Số điện thoại liên hệ", _head_of("phones")),
    Column("Họ tên cha", _parent(True)),
    Column("Họ tên mẹ", _parent(False)),
)
_BROKEN = {name: name.replace(" (", "\n(") for name in (c.name for c in _MOET) if "(" in name}

VNEDU = View(
    id="education.pupil",
    agency="education",
    table="enrolment",
    title_vi="Học sinh (mẫu C1-HocSinh, vnEdu)",
    system="folder",
    place="C1-HocSinh_{group}_{day:%Y%m%d}.xlsx",
    format="xlsx",
    key=("Mã trường", "Mã học sinh"),
    columns=_MOET,
    where=uses("vnedu"),
    lag=1,
    share=0.985,
    group="Mã trường",
    person="Số định danh cá nhân",
    dirt=(
        *dirt.names("Họ tên", "Họ tên cha", "Họ tên mẹ"),
        *dirt.dates("Ngày sinh"),
        *dirt.texts("Chỗ ở hiện nay"),
        Dirt("phone_old", "Số điện thoại liên hệ"),
        Dirt("missing", "Dân tộc", "Ngày nhập trạng thái", rate=0.01),
        Dirt("duplicate"),
    ),
    sheet=Sheet(
        name="Sheet1",
        titles=_TITLES,
        broken=_BROKEN,
        decomposed=("Họ tên", "Giới tính"),
        signatures=(),
        lists=_LISTS,
        hidden=_HIDDEN,
        # the third version of the template puts the number before the name, renames two columns and adds one
        versions=(
            Version(
                since=2,
                order=("Mã trường", "Mã học sinh", "Số định danh cá nhân", "Mã lớp", "Họ tên"),
                rename={"Họ tên": "Họ và tên", "Trạng thái HS": "Trạng thái học sinh"},
                extra=("Ghi chú",),
            ),
        ),
    ),
)

SMAS = View(
    id="education.pupil_smas",
    agency="education",
    table="enrolment",
    title_vi="Học sinh (SMAS)",
    system="folder",
    place="SMAS_HocSinh_{group}_{day:%Y%m%d}.xlsx",
    format="xlsx",
    key=("Mã trường", "Mã HS"),
    columns=(
        Column("Mã HS", "student_code"),
        Column("Họ và tên học sinh", of_person("names"), "upper"),
        Column("Lớp", "class_code"),
        Column("Ngày, tháng, năm sinh", of_person("birth_dates"), "short"),
        Column("Nữ", of_person("sex"), words={"Nữ": "x", "Nam": ""}),
        Column("Dân tộc", of_person("ethnic")),
        Column("Số ĐDCN/CCCD", of_person("personal_ids")),
        Column("Trạng thái", "status_vi"),
        Column("Ngày trạng thái", "status_on", "short"),
        Column("Khuyết tật", "disability"),
        Column("Mã xã thường trú", _place_of_home("code")),
        Column("Địa chỉ", _home),
        Column("SĐT phụ huynh", _head_of("phones")),
        Column("Mã trường", "school_code"),
    ),
    where=uses("smas"),
    lag=3,
    share=0.97,
    group="Mã trường",
    person="Số ĐDCN/CCCD",
    dirt=(
        *(Dirt(kind, "Họ và tên học sinh") for kind in ("text_nfd", "text_tone", "text_no_diacritics", "text_spaces")),
        *dirt.dates("Ngày, tháng, năm sinh"),
        *dirt.communes("Mã xã thường trú"),
        Dirt("phone_old", "SĐT phụ huynh"),
        Dirt("duplicate"),
        Dirt("conflict", "Lớp"),
    ),
    sheet=Sheet(
        name="DS_HocSinh",
        titles=("TRƯỜNG: {Mã trường}", "HỒ SƠ HỌC SINH NĂM HỌC 2026-2027"),
        headings={"Trạng thái": "Tình trạng", "Ngày trạng thái": "Tình trạng"},
        broken={"Ngày, tháng, năm sinh": "Ngày, tháng,\nnăm sinh", "Số ĐDCN/CCCD": "Số\nĐDCN/CCCD"},
        lists=_LISTS,
        hidden=tuple(_LISTS),
    ),
)

MISA = View(
    id="education.pupil_misa",
    agency="education",
    table="enrolment",
    title_vi="Học sinh (MISA)",
    system="folder",
    place="MISA_{group}_HS_{day:%Y%m%d}.xlsx",
    format="xlsx",
    key=("Mã trường", "Mã định danh Bộ GD"),
    columns=(
        Column("Mã trường", "school_code"),
        Column("Mã định danh Bộ GD", "student_code"),
        Column("Họ tên", of_person("names")),
        Column("Giới tính", of_person("sex"), words={"Nam": "01", "Nữ": "02"}),
        Column("Ngày sinh", of_person("birth_dates"), "excel"),
        Column("Mã lớp", "class_code"),
        Column("Khối", "grade", words=_GRADES),
        Column("Mã trạng thái", "status"),
        Column("Ngày cập nhật trạng thái", "status_on", "excel"),
        Column("CCCD/Mã định danh", of_person("personal_ids")),
        Column("Dân tộc", of_person("ethnic")),
        Column("Loại khuyết tật", "disability"),
        Column("Địa chỉ thường trú", _home, "nfd"),
        Column("Điện thoại", _head_of("phones")),
    ),
    where=uses("misa"),
    lag=7,
    share=0.95,
    group="Mã trường",
    person="CCCD/Mã định danh",
    dirt=(
        *dirt.names("Họ tên"),
        Dirt("date_fake", "Ngày sinh"),
        Dirt("missing", "Dân tộc", "Điện thoại"),
        Dirt("duplicate"),
    ),
    sheet=Sheet(name="HocSinh", titles=("EMIS - DANH SÁCH HỌC SINH",), stt=False, signatures=(), lists=_LISTS, hidden=_HIDDEN),
)  # fmt: skip

# -- services and figures ----------------------------------------------------------------------------------------------

TEACHER = View(
    id="education.teacher",
    agency="education",
    table="teacher",
    title_vi="Giáo viên",
    system="lgsp",
    place="/apiGiaoDuc/1.0/giaoVien",
    key=("MaGiaoVien",),
    columns=(
        Column("MaGiaoVien", "teacher_code"),
        Column("HoTen", of_person("names")),
        Column("NgaySinh", of_person("birth_dates"), "date8"),
        Column("GioiTinh", of_person("sex"), words={"Nam": "1", "Nữ": "0"}),
        Column("SoDinhDanh", of_person("personal_ids")),
        Column("MaTruong", "school_code"),
        Column("ChucVu", "position"),
        Column("MonDay", "subject"),
        Column("TrinhDo", "degree"),
        Column("LoaiHopDong", "contract"),
        Column("NamVaoNganh", "since_year", "int"),
    ),
    lag=1,
    person="SoDinhDanh",
    dirt=(*dirt.names("HoTen"), Dirt("missing", "MonDay", "TrinhDo"), Dirt("duplicate")),
)

CLASS = View(
    id="education.class",
    agency="education",
    table="class",
    title_vi="Lớp học",
    system="lgsp",
    place="/apiGiaoDuc/1.0/lopHoc",
    key=("MaLop",),
    columns=(
        Column("MaLop", "class_code"),
        Column("MaTruong", "school_code"),
        Column("TenLop", "class_name"),
        Column("Khoi", "grade", words=_GRADES),
        Column("NamHoc", "school_year"),
        Column("BuoiHoc", "shift"),
        Column("SoHocSinh", "pupil_count", "int"),
        Column("GiaoVienChuNhiem", of_person("names", "homeroom_person")),
    ),
    lag=1,
    share=0.995,
    dirt=(*dirt.names("GiaoVienChuNhiem"), Dirt("code_typo", "MaTruong")),
)

_RESULTS = ("study_1", "study_2", "study_3", "study_4", "conduct_1", "conduct_2", "conduct_3", "conduct_4")
_RESULT_NAMES = ("HT 1", "HT 2", "HT 3", "HT 4", "RL 1", "RL 2", "RL 3", "RL 4")

RESULT = View(
    id="education.result_term",
    agency="education",
    table="result_term",
    title_vi="Kết quả học tập, rèn luyện theo lớp",
    system="sftp",
    place="ket_qua_{day:%Y%m%d}.csv",
    format="csv",
    key=("Mã lớp", "Năm học", "Học kỳ"),
    columns=(
        Column("Mã lớp", "class_code"),
        Column("Mã trường", "school_code"),
        Column("Năm học", "school_year"),
        Column("Học kỳ", "term", words={1: "HK1", 2: "HK2"}),
        Column("Thông tư", "scale", words={"TT22": "22/2021/TT-BGDĐT", "TT27": "27/2020/TT-BGDĐT"}),
        Column("Sĩ số", "pupil_count", "int"),
        *(Column(name, of, "int") for name, of in zip(_RESULT_NAMES, _RESULTS, strict=True)),
    ),
    lag=2,
    share=0.99,
    dirt=(Dirt("duplicate"), Dirt("conflict", "Sĩ số"), Dirt("missing", "HT 4", "RL 4")),
)

YEAR = View(
    id="education.edu_year",
    agency="education",
    table="edu_year",
    title_vi="Số liệu giáo dục các năm học trước",
    system="folder",
    place="thong_ke_giao_duc_{day:%Y%m%d}.xlsx",
    format="xlsx",
    key=("Năm học", "Mã xã", "Cấp học"),
    columns=(
        Column("Năm học", "school_year"),
        Column("Mã xã", "commune_code"),
        Column("Cấp học", "level"),
        Column("Số trường", "school_count", "int", unit="trường"),
        Column("Số lớp", "class_count", "int", unit="lớp"),
        Column("Số học sinh", "pupil_count", "int", unit="học sinh"),
        Column("Số giáo viên", "teacher_count", "int", unit="người"),
        Column("Số bỏ học", "dropout_count", "int", unit="học sinh"),
    ),
    dirt=(*dirt.numbers("Số học sinh"), *dirt.communes("Mã xã")),
    sheet=Sheet(
        name="ThongKe",
        titles=("SỞ GIÁO DỤC VÀ ĐÀO TẠO", "SỐ LIỆU CƠ BẢN THEO XÃ, PHƯỜNG"),
        sections="Năm học",
        sums=("Số trường", "Số lớp", "Số học sinh", "Số giáo viên"),
    ),
)

VIEWS = (VNEDU, SMAS, MISA, TEACHER, CLASS, RESULT, YEAR)

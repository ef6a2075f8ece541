"""The education department: examination, dropouts, equipment.

Belongs here: views of the tables `exam_10`, `dropout`, `facility_equipment`. Stays out: pupils, teachers and classes
(`education`).
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from simulator.views import dirt
from simulator.views.dirt import Dirt
from simulator.views.view import Column, Context, View, of_person
from simulator.views.workbook import Sheet


def _school(role: str) -> Any:
    """The code of the school that a column names; null where it names none."""

    def values(truth: Any, context: Context) -> Any:
        return context.province.table("school").codes.take(pa.array(truth[role].combine_chunks()))

    return values


EXAM = View(
    id="education.exam_10",
    agency="education",
    table="exam_10",
    title_vi="Kết quả thi tuyển sinh vào lớp 10",
    system="sftp",
    place="tuyen_sinh_10_{day:%Y%m%d}.csv",
    format="csv",
    key=("SBD",),
    columns=(
        Column("SBD", "candidate_no"),
        Column("Họ và tên", of_person("names")),
        Column("Ngày sinh", of_person("birth_dates"), "date:%d/%m/%Y"),
        Column("Số ĐDCN", of_person("personal_ids")),
        Column("Toán", "maths", "comma:2"),
        Column("Ngữ văn", "literature", "comma:2"),
        Column("Tiếng Anh", "english", "comma:2"),
        Column("Điểm ưu tiên", "priority", "comma:2"),
        Column("Tổng điểm", "total", "comma:2"),
        Column("Vắng thi", "is_absent", "bool:x/"),
        Column("Nguyện vọng 1", _school("choice_school")),
        Column("Trúng tuyển", _school("admitted_school")),
    ),
    person="Số ĐDCN",
    dirt=(
        *dirt.names("Họ và tên"),
        *dirt.dates("Ngày sinh"),
        Dirt("code_typo", "Nguyện vọng 1"),
        Dirt("conflict", "Tổng điểm"),
    ),
)

DROPOUT = View(
    id="education.dropout",
    agency="education",
    table="dropout",
    title_vi="Học sinh thôi học, bỏ học",
    system="folder",
    place="hoc_sinh_bo_hoc_{day:%Y%m%d}.xlsx",
    format="xlsx",
    key=("Mã HS", "Mã trường"),
    columns=(
        Column("Mã HS", "student_code"),
        Column("Họ và tên", of_person("names")),
        Column("Ngày sinh", of_person("birth_dates"), "short"),
        Column("Số ĐDCN", of_person("personal_ids")),
        Column("Mã trường", "school_code"),
        Column("Lớp", "class_code"),
        Column("Ngày thôi học", "left_on", "short"),
        Column("Lý do", "reason"),
    ),
    lag=10,
    share=0.9,
    person="Số ĐDCN",
    dirt=(*dirt.names("Họ và tên"), *dirt.dates("Ngày sinh"), Dirt("missing", "Lý do", rate=0.08), Dirt("duplicate")),
    sheet=Sheet(name="BoHoc", titles=("SỞ GIÁO DỤC VÀ ĐÀO TẠO", "DANH SÁCH HỌC SINH THÔI HỌC NĂM HỌC 2026-2027")),
)

EQUIPMENT = View(
    id="education.facility_equipment",
    agency="education",
    table="facility_equipment",
    title_vi="Cơ sở vật chất, thiết bị trường học",
    system="folder",
    place="co_so_vat_chat_{day:%Y%m%d}.xlsx",
    format="xlsx",
    key=("Mã trường", "Hạng mục"),
    columns=(
        Column("Mã trường", "school_code"),
        Column("Hạng mục", "kind"),
        Column("Đơn vị tính", "kind_unit"),
        Column("Số lượng", "quantity", "int"),
        Column("Sử dụng được", "usable_count", "int"),
        Column("Nhu cầu theo chuẩn", "needed_count", "int"),
        Column("Năm đầu tư", "since_year", "int"),
    ),
    lag=7,
    share=0.985,
    dirt=(*dirt.texts("Hạng mục"), *dirt.numbers("Số lượng"), Dirt("missing", "Năm đầu tư"), Dirt("duplicate")),
    sheet=Sheet(
        name="CSVC",
        titles=("SỞ GIÁO DỤC VÀ ĐÀO TẠO", "KIỂM KÊ CƠ SỞ VẬT CHẤT, THIẾT BỊ DẠY HỌC"),
        headings={"Số lượng": "Hiện có", "Sử dụng được": "Hiện có"},
    ),
)

VIEWS = (EXAM, DROPOUT, EQUIPMENT)

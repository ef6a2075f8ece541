"""The Department of Science and Technology: innovation, staff, network security.

Belongs here: views of the tables of `province.science_firms`, and of `cyber_event`, which its security centre keeps.
Stays out: tasks, titles and organisations (`science_technology`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.views import dirt
from simulator.views.dirt import Dirt
from simulator.views.view import Column, Context, View, of_person
from simulator.views.workbook import Csv, Sheet

_DATE = "date:%d/%m/%Y"


def _firm(what: str) -> Callable[[Any, Context], Any]:
    """`codes` or `names` of the firm."""

    def values(truth: Any, context: Context) -> Any:
        return getattr(context.province.table("enterprise"), what)(truth["enterprise"].to_numpy())

    return values


STARTUP = View(
    id="science_technology.startup",
    agency="science_technology",
    table="startup",
    title_vi="Doanh nghiệp khởi nghiệp sáng tạo",
    system="folder",
    place="khoi_nghiep_sang_tao_{day:%Y%m%d}.xlsx",
    format="xlsx",
    key=("Mã hồ sơ",),
    columns=(
        Column("Mã hồ sơ", "startup_code"),
        Column("Mã số doanh nghiệp", _firm("codes")),
        Column("Tên doanh nghiệp", _firm("names")),
        Column("Lĩnh vực", "field"),
        Column("Giai đoạn", "stage"),
        Column("Ngày công nhận", "recognised_on", _DATE),
        Column("Vốn đã huy động", "raised_vnd", "dots:0", unit="đồng"),
        Column("Hình thức hỗ trợ", "support"),
        Column("Số lao động", "staff_count", "int"),
    ),
    lag=3,
    dirt=(*dirt.texts("Tên doanh nghiệp"), Dirt("code_typo", "Mã số doanh nghiệp"), Dirt("number_words", "Vốn đã huy động")),
    sheet=Sheet(name="KNST", titles=("SỞ KHOA HỌC VÀ CÔNG NGHỆ", "DOANH NGHIỆP KHỞI NGHIỆP SÁNG TẠO"), sections="Giai đoạn"),
)  # fmt: skip

CONTRACT = View(
    id="science_technology.tech_transfer_contract",
    agency="science_technology",
    table="tech_transfer_contract",
    title_vi="Hợp đồng chuyển giao công nghệ",
    system="folder",
    place="chuyen_giao_cong_nghe_{day:%Y%m%d}.csv",
    format="csv",
    encoding="cp1258",
    csv=Csv(delimiter=";", crlf=True),
    key=("Số giấy chứng nhận",),
    columns=(
        Column("Số giấy chứng nhận", "certificate_no"),
        Column("Mã số doanh nghiệp", _firm("codes")),
        Column("Bên nhận công nghệ", _firm("names")),
        Column("Công nghệ", "technology"),
        Column("Nước chuyển giao", "giver_country"),
        Column("Giá trị", "value_vnd", "int", unit="đồng"),
        Column("Ngày ký", "signed_on", _DATE),
        Column("Ngày cấp", "registered_on", _DATE),
        Column("Hiệu lực đến", "ends_on", _DATE),
    ),
    lag=1,
    dirt=(
        *dirt.texts("Bên nhận công nghệ"),
        *dirt.numbers("Giá trị"),
        Dirt("date_order", "Ngày ký"),
        Dirt("duplicate"),
    ),
)

STAFF = View(
    id="science_technology.st_staff",
    agency="science_technology",
    table="st_staff",
    title_vi="Nhân lực khoa học và công nghệ",
    system="sftp",
    place="nhan_luc_khcn_{day:%Y%m%d}.csv",
    format="csv",
    key=("Mã nhân lực",),
    columns=(
        Column("Mã nhân lực", "staff_code"),
        Column("Họ và tên", of_person("names")),
        Column("Ngày sinh", of_person("birth_dates"), _DATE),
        Column("Số ĐDCN/CCCD", of_person("personal_ids")),
        Column("Tổ chức", "organisation_code"),
        Column("Trình độ", "degree"),
        Column("Lĩnh vực", "field"),
        Column("Cán bộ nghiên cứu", "is_researcher", "bool:Có/Không"),
        Column("Năm vào ngành", "since_year", "int"),
    ),
    share=0.95,
    person="Số ĐDCN/CCCD",
    dirt=(*dirt.names("Họ và tên"), *dirt.dates("Ngày sinh"), Dirt("missing", "Trình độ"), Dirt("duplicate")),
)

DTI = View(
    id="science_technology.dti_index",
    agency="science_technology",
    table="dti_index",
    title_vi="Chỉ số chuyển đổi số cấp tỉnh",
    system="folder",
    place="dti_{day:%Y%m%d}.xlsx",
    format="xlsx",
    key=("Năm", "Mã tỉnh", "Mã chỉ số"),
    columns=(
        Column("Năm", "year", "int"),
        Column("Mã tỉnh", "province_code"),
        Column("Tỉnh", "province_name"),
        Column("Mã chỉ số", "component_code"),
        Column("Chỉ số", "component_name"),
        Column("Điểm", "score", "comma:4"),
        Column("Xếp hạng", "rank", "int"),
    ),
    dirt=dirt.texts("Chỉ số"),
    sheet=Sheet(name="DTI", titles=("CHỈ SỐ CHUYỂN ĐỔI SỐ CẤP TỈNH",), sections="Năm"),
)

CYBER = View(
    id="science_technology.cyber_event",
    agency="science_technology",
    table="cyber_event",
    title_vi="Sự kiện an toàn thông tin mạng",
    system="lgsp",
    place="/apiSOC/1.0/suKien",
    key=("MaSuKien",),
    columns=(
        Column("MaSuKien", "event_code"),
        Column("MaDonVi", "agency_code"),
        Column("LoaiSuKien", "kind"),
        Column("MucDo", "severity", "int"),
        Column("PhatHien", "detected_at", "stamp14"),
        Column("KhacPhuc", "resolved_at", "stamp14"),
        Column("SoMay", "host_count", "int"),
    ),
    share=0.96,
    dirt=(Dirt("agency_old", "MaDonVi"), Dirt("missing", "SoMay"), Dirt("duplicate")),
)

VIEWS = (STARTUP, CONTRACT, STAFF, DTI, CYBER)

"""The Department of Science and Technology: workbooks and CSV files of its clerks.

Belongs here: views of the science tables. Stays out: the truth (`province.science`).

The CSV files still come in the Windows code page 1258; amounts stand in million VND under a header that says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulator.province.science_words import TASK_LEVELS
from simulator.views import dirt
from simulator.views.dirt import Dirt
from simulator.views.view import Column, Context, View, of_person
from simulator.views.workbook import Csv, Sheet

_DATE = "date:%d/%m/%Y"


def _of(table: str, role: str, what: str) -> Callable[[Any, Context], Any]:
    """A column of another table by its id; null where the row names none."""

    def values(truth: Any, context: Context) -> Any:
        ids = truth[role].combine_chunks()
        some = pc.drop_null(ids).to_numpy()
        found = context.province.table(table).rows(some, context.seen)[what].combine_chunks()
        place = np.cumsum(np.asarray(ids.is_valid())) - 1
        return found.take(pa.array(place, mask=np.asarray(ids.is_null())))

    return values


def _either(
    first: Callable[[Any, Context], Any], second: Callable[[Any, Context], Any]
) -> Callable[[Any, Context], Any]:
    """The first; the second where there is none."""
    return lambda truth, context: pc.coalesce(first(truth, context), second(truth, context))


def _millions(name: str) -> Callable[[Any, Context], Any]:
    return lambda truth, context: pc.divide(pc.cast(truth[name], pa.float64()), 1e6)


ORGANISATION = View(
    id="science_technology.organisation",
    agency="science_technology",
    table="st_organisation",
    title_vi="Tổ chức khoa học và công nghệ",
    system="folder",
    place="to_chuc_khcn_{day:%Y%m%d}.csv",
    format="csv",
    encoding="cp1258",
    csv=Csv(delimiter=";", crlf=True),
    key=("Số giấy chứng nhận",),
    columns=(
        Column("Số giấy chứng nhận", "organisation_code"),
        Column("Tên tổ chức", "organisation_name"),
        Column("Loại hình", "kind"),
        Column("Lĩnh vực", "field"),
        Column("Người đứng đầu", of_person("names", "head_person")),
        Column("Mã xã", "commune_code"),
        Column("Ngày cấp", "founded_on", _DATE),
        Column("Số nhân lực", "staff_count", "int"),
        Column("Số nhà nghiên cứu", "researcher_count", "int"),
    ),
    dirt=(*dirt.communes("Mã xã"), Dirt("text_upper", "Tên tổ chức")),
)

TASK = View(
    id="science_technology.task",
    agency="science_technology",
    table="st_task",
    title_vi="Nhiệm vụ khoa học và công nghệ",
    system="folder",
    place="nhiem_vu_khcn_{day:%Y%m%d}.xlsx",
    format="xlsx",
    key=("Mã nhiệm vụ",),
    columns=(
        Column("Mã nhiệm vụ", "task_code"),
        Column("Tên nhiệm vụ", "title"),
        Column("Cấp", "level", words={level: f"Cấp {level.lower()}" for level in TASK_LEVELS}),
        Column("Lĩnh vực", "field"),
        Column("Chủ nhiệm", of_person("names", "leader_person")),
        Column("Số định danh chủ nhiệm", of_person("personal_ids", "leader_person")),
        Column("Tổ chức chủ trì", _of("st_organisation", "organisation", "organisation_name")),
        Column("Kinh phí", _millions("budget_vnd"), "comma:1", unit="triệu đồng"),
        Column("Ngân sách nhà nước", _millions("state_vnd"), "comma:1", unit="triệu đồng"),
        Column("Bắt đầu", "starts_on", "date:%m/%Y"),
        Column("Kết thúc", "ends_on", "date:%m/%Y"),
        Column("Ngày nghiệm thu", "accepted_on", _DATE),
        Column("Xếp loại", "result"),
    ),
    lag=5,
    person={"Số định danh chủ nhiệm": "leader_person"},
    dirt=(*dirt.names("Chủ nhiệm"), *dirt.texts("Tên nhiệm vụ"), Dirt("number_scale", "Kinh phí")),
    sheet=Sheet(
        name="NhiemVu",
        titles=("SỞ KHOA HỌC VÀ CÔNG NGHỆ", "DANH MỤC NHIỆM VỤ KHOA HỌC VÀ CÔNG NGHỆ", "(Đến ngày {day:%d/%m/%Y})"),
        headings={"Bắt đầu": "Thời gian thực hiện", "Kết thúc": "Thời gian thực hiện"},
        decomposed=("Tên nhiệm vụ",),
        sections="Cấp",
    ),
)

IP = View(
    id="science_technology.ip_title",
    agency="science_technology",
    table="ip_title",
    title_vi="Văn bằng bảo hộ sở hữu công nghiệp",
    system="folder",
    place="van_bang_shtt_{day:%Y%m%d}.csv",
    format="csv",
    encoding="cp1258",
    csv=Csv(delimiter=";", crlf=True, quote_all=True),
    key=("Số văn bằng",),
    columns=(
        Column("Số văn bằng", "title_no"),
        Column("Loại", "kind"),
        Column("Nhóm/Phân loại", "class_code"),
        Column("Chủ sở hữu", _either(_of("enterprise", "enterprise", "name_vi"), of_person("names", "owner_person"))),
        Column("Mã số doanh nghiệp", _of("enterprise", "enterprise", "enterprise_code")),
        Column("Số đơn", "application_no"),
        Column("Ngày nộp đơn", "filed_on", _DATE),
        Column("Ngày cấp", "granted_on", _DATE),
        Column("Ngày hết hạn", "expires_on", _DATE),
        Column("Tình trạng", "status"),
    ),
    lag=15,
    dirt=(*dirt.texts("Chủ sở hữu"), Dirt("code_typo", "Mã số doanh nghiệp"), Dirt("date_order", "Ngày nộp đơn"), Dirt("duplicate")),
)  # fmt: skip

ENTERPRISE = View(
    id="science_technology.st_enterprise",
    agency="science_technology",
    table="st_enterprise",
    title_vi="Doanh nghiệp khoa học và công nghệ",
    system="folder",
    place="doanh_nghiep_khcn_{day:%Y%m%d}.xlsx",
    format="xlsx",
    key=("Số giấy chứng nhận",),
    columns=(
        Column("Số giấy chứng nhận", "certificate_no"),
        Column("Mã số doanh nghiệp", _of("enterprise", "enterprise", "enterprise_code")),
        Column("Tên doanh nghiệp", _of("enterprise", "enterprise", "name_vi")),
        Column("Cơ quan cấp", "issued_by"),
        Column("Ngày cấp", "issued_on", _DATE),
        Column("Ngày báo cáo Bộ", "reported_on", _DATE),
        Column("Sản phẩm hình thành từ kết quả KH&CN", "product"),
        Column("Tỷ lệ doanh thu", "revenue_share", "int", unit="%"),
        Column("Tình trạng", "status", words={"HIEU_LUC": "Còn hiệu lực", "THU_HOI": "Đã thu hồi"}),
    ),
    lag=2,
    dirt=(*dirt.texts("Tên doanh nghiệp"), Dirt("number_unit", "Tỷ lệ doanh thu")),
)

INSTRUMENT = View(
    id="science_technology.measurement_instrument",
    agency="science_technology",
    table="measurement_instrument",
    title_vi="Phương tiện đo nhóm 2",
    system="folder",
    place="phuong_tien_do_{day:%Y%m%d}.csv",
    format="csv",
    encoding="cp1258",
    csv=Csv(delimiter=";", crlf=True),
    key=("Số quản lý",),
    columns=(
        Column("Số quản lý", "instrument_code"),
        Column("Loại phương tiện đo", "kind"),
        Column("Đơn vị đo", "range_unit"),
        Column("Số chế tạo", "serial_no"),
        Column("Mã số doanh nghiệp", _of("enterprise", "enterprise", "enterprise_code")),
        Column("Mã xã", "commune_code"),
        Column("Năm sản xuất", "made_year", "int"),
        Column("Ngày kiểm định", "verified_on", "short"),
        Column("Hiệu lực đến", "valid_until", "short"),
        Column("Số tem", "stamp_no"),
        Column("Kết luận", "is_passed", "bool:Đạt/Không đạt"),
    ),
    lag=1,
    share=0.93,
    dirt=(*dirt.communes("Mã xã"), Dirt("date_two_digit", "Ngày kiểm định"), Dirt("missing", "Số chế tạo"), Dirt("duplicate")),
)  # fmt: skip

RADIATION = View(
    id="science_technology.radiation_source",
    agency="science_technology",
    table="radiation_source",
    title_vi="Nguồn phóng xạ, thiết bị bức xạ",
    system="folder",
    place="nguon_buc_xa_{day:%Y%m%d}.xlsx",
    format="xlsx",
    key=("Số đăng ký",),
    columns=(
        Column("Số đăng ký", "source_code"),
        Column("Loại", "kind"),
        Column("Nhân phóng xạ", "emitter"),
        Column("Hoạt độ/Điện áp", "activity", "int"),
        Column("Đơn vị", "activity_unit"),
        Column("Nhóm an ninh", "security_group", "int"),
        Column("Cơ sở sử dụng", _either(
            _of("facility", "facility", "facility_name"), _of("enterprise", "enterprise", "name_vi"))),
        Column("Mã xã", "commune_code"),
        Column("Số giấy phép", "licence_no"),
        Column("Ngày cấp", "licensed_on", _DATE),
        Column("Ngày hết hạn", "licence_expires_on", _DATE),
        Column("Tình trạng", "status"),
    ),
    dirt=(*dirt.texts("Cơ sở sử dụng"), *dirt.communes("Mã xã")),
)  # fmt: skip

PII = View(
    id="science_technology.pii_index",
    agency="science_technology",
    table="pii_index",
    title_vi="Chỉ số đổi mới sáng tạo cấp địa phương",
    system="folder",
    place="pii_{day:%Y%m%d}.xlsx",
    format="xlsx",
    key=("Năm", "Mã tỉnh", "Mã chỉ số"),
    columns=(
        Column("Năm", "year", "int"),
        Column("Mã tỉnh", "province_code"),
        Column("Tỉnh", "province_name"),
        Column("Mã chỉ số", "component_code"),
        Column("Chỉ số thành phần", "component_name"),
        Column("Điểm", "score", "comma:2"),
        Column("Xếp hạng", "rank", "int"),
    ),
    dirt=dirt.texts("Chỉ số thành phần"),
    sheet=Sheet(name="PII", titles=("BỘ CHỈ SỐ ĐỔI MỚI SÁNG TẠO CẤP ĐỊA PHƯƠNG",), sections="Năm"),
)

VIEWS = (ORGANISATION, TASK, IP, ENTERPRISE, INSTRUMENT, RADIATION, PII)

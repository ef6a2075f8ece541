"""The department of finance: businesses of households, cooperatives, what firms registered, public investment.

Belongs here: views of its databases and workbooks. Stays out: enterprises themselves (`enterprise_registry`), money spent
(`treasury`).

The old software of the household registers writes .VnTime letters and keeps the tax code under which a household was
entered: until June 2025 ten digits, which nobody uses any more.
"""

from __future__ import annotations

from typing import Any

import pyarrow.compute as pc

from simulator.views import dirt
from simulator.views.dirt import Dirt
from simulator.views.view import Column, Context, View
from simulator.views.workbook import Sheet, Version

_STATES = {"HOAT_DONG": "Đang hoạt động", "TAM_NGUNG": "Tạm ngừng", "CHAM_DUT": "Đã chấm dứt"}
_KINDS = {
    "VON_DIEU_LE": "Thay đổi vốn điều lệ", "NGUOI_DAI_DIEN": "Thay đổi người đại diện theo pháp luật",
    "DIA_CHI": "Thay đổi địa chỉ trụ sở", "NGANH_NGHE": "Thay đổi ngành, nghề kinh doanh", "TAM_NGUNG": "Tạm ngừng kinh doanh",
    "HOAT_DONG_LAI": "Hoạt động trở lại", "GIAI_THE": "Giải thể",
}  # fmt: skip


def _code_at_entry(truth: Any, context: Context) -> Any:
    """The tax code under which a household was entered."""
    return pc.coalesce(truth["former_tax_code"], truth["tax_code"])


def _outside_zones(truth: Any) -> Any:
    """Projects in the zones are the authority's (`industrial_zones`)."""
    return pc.is_null(truth["industrial_zone"]).to_numpy()


def _billions(truth: Any, context: Context) -> Any:
    return pc.round(pc.divide(truth["capital_million_vnd"], 1000.0), 3)


def _square_metres(truth: Any, context: Context) -> Any:
    return pc.round(pc.multiply(truth["area_ha"], 10_000.0))


HOUSEHOLD = View(
    id="finance.household_business",
    agency="finance",
    table="household_business",
    title_vi="Hộ kinh doanh",
    system="mariadb",
    place="dkkd_ho.ho_kinh_doanh",
    encoding="tcvn3",
    key=("so_gcn",),
    stamp="cap_nhat_luc",
    columns=(
        Column("so_gcn", "registration_no"),
        Column("ma_so_thue", _code_at_entry),
        Column("ten_ho", "business_name"),
        Column("chu_ho", "owner_name"),
        Column("so_giay_to", "tax_code"),  # the owner's personal identifier
        Column("nganh_nghe", "industry_code"),
        Column("dia_chi", "address"),
        Column("ma_xa", "commune_code"),
        Column("von", "capital_vnd", "dots:0", unit="đồng"),
        Column("so_lao_dong", "worker_count", "int"),
        Column("ngay_cap", "registered_on", "date:%d/%m/%Y"),
        Column("tinh_trang", "status", words=_STATES),
        Column("cap_nhat_luc", "updated_at", "typed"),
    ),
    lag=5,
    share=0.965,  # some communes have not sent their books since the districts went
    dirt=(
        *dirt.names("chu_ho"),
        *dirt.texts("ten_ho", "dia_chi"),
        *dirt.dates("ngay_cap"),
        *dirt.communes("ma_xa"),
        Dirt("number_unit", "von"),
        Dirt("number_words", "von"),
        Dirt("code_typo", "ma_so_thue"),
        Dirt("missing", "nganh_nghe"),
    ),
    person={"so_giay_to": "owner_person"},
)

COOPERATIVE = View(
    id="finance.cooperative",
    agency="finance",
    table="cooperative",
    title_vi="Hợp tác xã",
    system="folder",
    place="hop_tac_xa_{day:%Y%m%d}.xlsx",
    format="xlsx",
    encoding="mixed",
    key=("Mã số HTX",),
    columns=(
        Column("Mã số HTX", "cooperative_code"),
        Column("Mã số thuế", "tax_code"),
        Column("Tên hợp tác xã", "cooperative_name"),
        Column("Chủ tịch HĐQT", "chair_name"),
        Column("Lĩnh vực", "field"),
        Column("Địa chỉ", "address"),
        Column("Mã xã", "commune_code"),
        Column("Số thành viên", "member_count", "int", unit="người"),
        Column("Vốn điều lệ", "capital_million_vnd", "decimal:1", unit="triệu đồng"),
        Column("Doanh thu năm trước", "revenue_million_vnd", "decimal:1", unit="triệu đồng"),
        Column("Ngày đăng ký", "registered_on", "excel"),
        Column("Tình trạng", "status", words=_STATES),
    ),
    lag=15,
    share=0.98,
    dirt=(
        *dirt.names("Chủ tịch HĐQT"),
        *dirt.texts("Tên hợp tác xã", "Địa chỉ"),
        *dirt.communes("Mã xã"),
        *dirt.numbers("Vốn điều lệ", "Doanh thu năm trước"),
        Dirt("number_scale", "Vốn điều lệ"),
        Dirt("date_fake", "Ngày đăng ký"),
        Dirt("date_year_only", "Ngày đăng ký"),
        Dirt("missing", "Số thành viên"),
        Dirt("duplicate"),
    ),
    sheet=Sheet(
        name="HTX",
        titles=("SỞ TÀI CHÍNH TỈNH BẮC NINH", "DANH SÁCH HỢP TÁC XÃ đến ngày {day:%d/%m/%Y}", "ĐVT: triệu đồng"),
        sections="Lĩnh vực",
        sums=("Số thành viên", "Vốn điều lệ"),
        decomposed=("Tên hợp tác xã", "Địa chỉ"),
        broken={"Doanh thu năm trước": "Doanh thu\nnăm trước"},
    ),
)

PUBLIC_PROJECT = View(
    id="finance.public_project",
    agency="finance",
    table="public_project",
    title_vi="Dự án đầu tư công",
    system="folder",
    place="dau_tu_cong_{day:%Y%m%d}.xlsx",
    format="xlsx",
    key=("Mã dự án",),
    columns=(
        Column("Mã dự án", "project_code"),
        Column("Tên dự án", "project_name"),
        Column("Chủ đầu tư", "owner_name"),
        Column("Mã QHNS", "owner_code"),
        Column("Nhà thầu", "contractor_name"),
        Column("MST nhà thầu", "contractor_code"),
        Column("Ngành, lĩnh vực", "sector"),
        Column("Nhóm", "project_group"),
        Column("Mã xã", "commune_code"),
        Column("Tổng mức đầu tư", "total_million_vnd", "decimal:1", unit="triệu đồng"),
        Column("Kế hoạch vốn năm", "plan_million_vnd", "decimal:1", unit="triệu đồng"),
        Column("Giải ngân trong năm", "disbursed_million_vnd", "decimal:1", unit="triệu đồng"),
        Column("Giải ngân lũy kế", "cumulative_million_vnd", "decimal:1", unit="triệu đồng"),
        Column("Thời gian KC", "start_year", "int"),
        Column("Thời gian HT", "end_year", "int"),
        Column("Ngày báo cáo", "reported_on", "excel"),
    ),
    lag=3,
    dirt=(
        *dirt.texts("Tên dự án", "Chủ đầu tư", "Nhà thầu"),
        *dirt.communes("Mã xã"),
        *dirt.numbers("Tổng mức đầu tư", "Kế hoạch vốn năm", "Giải ngân trong năm"),
        Dirt("number_scale", "Tổng mức đầu tư"),
        Dirt("number_words", "Tổng mức đầu tư"),
        Dirt("code_typo", "MST nhà thầu"),
        Dirt("missing", "MST nhà thầu", rate=0.08),  # small contracts name the contractor only
        Dirt("duplicate"),
        Dirt("conflict", "Giải ngân trong năm"),
    ),
    sheet=Sheet(
        name="DTC",
        titles=("SỞ TÀI CHÍNH", "TÌNH HÌNH GIẢI NGÂN VỐN ĐẦU TƯ CÔNG đến ngày {day:%d/%m/%Y}", "ĐVT: triệu đồng"),
        headings={
            "Kế hoạch vốn năm": "Kế hoạch và giải ngân",
            "Giải ngân trong năm": "Kế hoạch và giải ngân",
            "Giải ngân lũy kế": "Kế hoạch và giải ngân",
            "Thời gian KC": "Thời gian",
            "Thời gian HT": "Thời gian",
        },
        sections="Ngành, lĩnh vực",
        sums=("Tổng mức đầu tư", "Kế hoạch vốn năm", "Giải ngân trong năm", "Giải ngân lũy kế"),
        broken={"Tổng mức đầu tư": "Tổng mức\nđầu tư"},
        # since January 2027 the owner stands first, and the tax code has another name
        versions=(
            Version(
                43,
                order=("Mã QHNS", "Chủ đầu tư"),
                rename={"MST nhà thầu": "Mã số DN của nhà thầu"},
                extra=("Ghi chú",),
            ),
        ),
    ),
)

INDUSTRY = View(
    id="finance.enterprise_industry",
    agency="finance",
    table="enterprise_industry",
    title_vi="Ngành nghề đăng ký của doanh nghiệp",
    system="postgres",
    place="dkkd.nganh_nghe",
    key=("ma_so_dn", "thu_tu"),
    columns=(
        Column("ma_so_dn", "enterprise_code"),
        Column("thu_tu", "position", "typed"),
        Column("ma_nganh", "industry_code"),
        Column("phien_ban", "industry_version"),
        Column("la_nganh_chinh", "is_main", "typed"),
        Column("ngay_dang_ky", "registered_on", "typed"),
    ),
    lag=1,
)

CHANGE = View(
    id="finance.enterprise_change",
    agency="finance",
    table="enterprise_change",
    title_vi="Lịch sử thay đổi đăng ký doanh nghiệp",
    system="postgres",
    place="dkkd.thay_doi",
    key=("ma_so_dn", "lan_thu"),
    columns=(
        Column("ma_so_dn", "enterprise_code"),
        Column("lan_thu", "change_no", "typed"),
        Column("thoi_diem_thay_doi", "changed_at", "typed"),
        Column("noi_dung", "kind", words=_KINDS),
        Column("gia_tri_cu", "value_before"),
        Column("gia_tri_moi", "value_after"),
    ),
    lag=1,
    share=0.995,
)

PRIVATE_PROJECT = View(
    id="finance.investment_project",
    agency="finance",
    table="investment_project",
    title_vi="Dự án đầu tư ngoài khu công nghiệp",
    system="postgres",
    place="dau_tu.du_an",
    key=("ma_du_an",),
    columns=(
        Column("ma_du_an", "project_code"),
        Column("ten_du_an", "project_name"),
        Column("nha_dau_tu", "investor_name"),
        Column("ma_so_dn", "enterprise_code"),
        Column("ma_xa", "commune_code"),
        Column("muc_tieu", "purpose"),
        Column("von_dang_ky_ty_dong", _billions, "typed", unit="tỷ đồng"),
        Column("dien_tich_m2", _square_metres, "typed", unit="m²"),
        Column("ngay_cap", "licensed_on", "typed"),
        Column("so_lan_dieu_chinh", "amendment_count", "typed"),
        Column("trang_thai", "status"),
    ),
    where=_outside_zones,
    lag=4,
    dirt=(
        *dirt.texts("ten_du_an", "nha_dau_tu"),
        *dirt.communes("ma_xa"),
        Dirt("code_typo", "ma_so_dn"),
        Dirt("missing", "ma_so_dn"),
    ),
)

VIEWS = (HOUSEHOLD, COOPERATIVE, PUBLIC_PROJECT, INDUSTRY, CHANGE, PRIVATE_PROJECT)

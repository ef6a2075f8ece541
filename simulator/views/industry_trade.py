"""The department of industry and trade: monthly workbooks of output, trade and electricity, clusters, craft villages.

Belongs here: views of those tables, and how the templates change. Stays out: industrial zones (`industrial_zones`).

A template of 2026 gets other columns from December on, and other names with the new year.
"""

from __future__ import annotations

from simulator.views import dirt
from simulator.views.dirt import Dirt
from simulator.views.view import Column, View
from simulator.views.workbook import Sheet, Version

_DECEMBER, _JANUARY = 12, 43  # 1 December 2026 and 1 January 2027
_SECTORS = {
    "CONG_NGHIEP_XAY_DUNG": "Công nghiệp - xây dựng", "NONG_LAM_NGU_NGHIEP": "Nông, lâm, ngư nghiệp",
    "THUONG_MAI_DICH_VU": "Thương mại - dịch vụ", "QUAN_LY_TIEU_DUNG": "Quản lý, tiêu dùng", "KHAC": "Hoạt động khác",
}  # fmt: skip
_STATES = {"HOAT_DONG": "Đang hoạt động", "DANG_XAY_DUNG": "Đang xây dựng", "QUY_HOACH": "Quy hoạch"}
_FIRST = "bool:Sơ bộ/Chính thức"


def _titles(name: str, unit: str) -> tuple[str, ...]:
    return "SỞ CÔNG THƯƠNG TỈNH BẮC NINH", f"{name} đến ngày {{day:%d/%m/%Y}}", f"ĐVT: {unit}"


IIP = View(
    id="industry_trade.iip_monthly",
    agency="industry_trade",
    table="iip_monthly",
    title_vi="Chỉ số sản xuất công nghiệp",
    system="folder",
    place="iip_{day:%Y%m%d}.xlsx",
    format="xlsx",
    key=("Tháng", "Mã ngành"),
    columns=(
        Column("Tháng", "month"),
        Column("Mã ngành", "division_code"),
        Column("Tên ngành", "division_name"),
        Column("So với cùng kỳ", "index_year_percent", "decimal:2", unit="%"),
        Column("So với tháng trước", "index_month_percent", "decimal:2", unit="%"),
        Column("Lũy kế", "index_cumulative_percent", "decimal:2", unit="%"),
        Column("Loại số liệu", "is_first_figure", _FIRST),
        Column("Ngày công bố", "published_on", "excel"),
    ),
    lag=2,
    dirt=(*dirt.numbers("So với cùng kỳ", "So với tháng trước", "Lũy kế"), Dirt("text_nfd", "Tên ngành")),
    sheet=Sheet(
        name="IIP",
        titles=_titles("CHỈ SỐ SẢN XUẤT CÔNG NGHIỆP", "%"),
        headings={"So với cùng kỳ": "Chỉ số", "So với tháng trước": "Chỉ số", "Lũy kế": "Chỉ số"},
        sections="Tháng",
        broken={"So với cùng kỳ": "So với\ncùng kỳ"},
        versions=(
            Version(_DECEMBER, order=("Mã ngành", "Tên ngành", "Tháng"), extra=("Ghi chú",)),
            Version(
                _JANUARY,
                order=("Mã ngành", "Tên ngành", "Tháng"),
                rename={"Mã ngành": "Mã VSIC 2025", "Lũy kế": "Cộng dồn từ đầu năm"},
            ),
        ),
    ),
)

TRADE = View(
    id="industry_trade.trade_monthly",
    agency="industry_trade",
    table="trade_monthly",
    title_vi="Xuất khẩu, nhập khẩu",
    system="folder",
    place="xuat_nhap_khau_{day:%Y%m%d}.xlsx",
    format="xlsx",
    key=("Tháng", "Chiều", "Nhóm hàng", "Khu vực"),
    columns=(
        Column("Tháng", "month"),
        Column("Chiều", "direction", words={"XUAT": "Xuất khẩu", "NHAP": "Nhập khẩu"}),
        Column("Nhóm hàng", "goods"),
        Column("Khu vực", "sector", words={"FDI": "Có vốn ĐTNN", "TRONG_NUOC": "Trong nước"}),
        Column("Trị giá", "value_million_usd", "decimal:3", unit="triệu USD"),
        Column("Loại số liệu", "is_first_figure", _FIRST),
    ),
    lag=2,
    dirt=(*dirt.numbers("Trị giá"), *dirt.texts("Nhóm hàng"), Dirt("number_scale", "Trị giá"), Dirt("duplicate")),
    sheet=Sheet(
        name="XNK",
        titles=_titles("TRỊ GIÁ XUẤT KHẨU, NHẬP KHẨU", "triệu USD"),
        sections="Chiều",
        sums=("Trị giá",),
        versions=(Version(_DECEMBER, order=("Chiều", "Nhóm hàng"), rename={"Trị giá": "Kim ngạch"}),),
    ),
)

ENERGY = View(
    id="industry_trade.energy_use",
    agency="industry_trade",
    table="energy_use",
    title_vi="Điện thương phẩm theo xã",
    system="folder",
    place="dien_thuong_pham_{day:%Y%m%d}.xlsx",
    format="xlsx",
    key=("Tháng", "Mã xã", "Thành phần"),
    columns=(
        Column("Tháng", "month"),
        Column("Mã xã", "commune_code"),
        Column("Thành phần", "sector", words=_SECTORS),
        Column("Số khách hàng", "customer_count", "int", unit="khách hàng"),
        Column("Điện thương phẩm", "electricity_mwh", "decimal:3", unit="MWh"),
        Column("Loại số liệu", "is_first_figure", _FIRST),
    ),
    lag=3,
    share=0.995,
    dirt=(
        *dirt.communes("Mã xã"),
        *dirt.numbers("Điện thương phẩm"),
        Dirt("number_scale", "Điện thương phẩm"),
        Dirt("missing", "Số khách hàng"),
        Dirt("duplicate"),
        Dirt("conflict", "Điện thương phẩm"),
    ),
    sheet=Sheet(
        name="Dien",
        titles=_titles("ĐIỆN THƯƠNG PHẨM THEO XÃ, PHƯỜNG", "MWh"),
        sections="Tháng",
        sums=("Điện thương phẩm",),
        lists={"DM_Thanhphan": _SECTORS},
        versions=(Version(_JANUARY, order=("Mã xã", "Tháng"), rename={"Thành phần": "Nhóm phụ tải"}),),
    ),
)

CLUSTER = View(
    id="industry_trade.industrial_cluster",
    agency="industry_trade",
    table="industrial_cluster",
    title_vi="Cụm công nghiệp",
    system="folder",
    place="cum_cong_nghiep_{day:%Y%m%d}.xlsx",
    format="xlsx",
    encoding="mixed",
    key=("Mã CCN",),
    columns=(
        Column("Mã CCN", "cluster_code"),
        Column("Tên cụm", "cluster_name"),
        Column("Mã xã", "commune_code"),
        Column("Diện tích", "area_ha", "decimal:1", unit="ha"),
        Column("Đã cho thuê", "leased_ha", "decimal:1", unit="ha"),
        Column("Số doanh nghiệp", "firm_count", "int", unit="doanh nghiệp"),
        Column("Số lao động", "worker_count", "int", unit="người"),
        Column("Tình trạng", "status", words=_STATES),
        Column("Cập nhật", "updated_on", "excel"),
    ),
    lag=20,
    dirt=(
        *dirt.texts("Tên cụm"),
        *dirt.communes("Mã xã"),
        *dirt.numbers("Diện tích", "Đã cho thuê"),
        Dirt("missing", "Số lao động"),
    ),
    sheet=Sheet(
        name="CCN",
        titles=_titles("CỤM CÔNG NGHIỆP TRÊN ĐỊA BÀN", "ha"),
        sums=("Diện tích", "Số lao động"),
        versions=(Version(_JANUARY, rename={"Mã CCN": "Mã cụm công nghiệp"}),),
    ),
)

VILLAGE = View(
    id="industry_trade.craft_village",
    agency="industry_trade",
    table="craft_village",
    title_vi="Làng nghề",
    system="folder",
    place="lang_nghe_{day:%Y%m%d}.xlsx",
    format="xlsx",
    encoding="tcvn3",
    key=("Mã làng nghề",),
    columns=(
        Column("Mã làng nghề", "village_code"),
        Column("Tên làng nghề", "village_name"),
        Column("Mã xã", "commune_code"),
        Column("Nghề", "craft"),
        Column("Số hộ", "household_count", "int", unit="hộ"),
        Column("Số lao động", "worker_count", "int", unit="người"),
        Column("Năm công nhận", "recognised_year", "int"),
        Column("Truyền thống", "is_traditional", "bool:x/"),
    ),
    lag=30,
    dirt=(
        *dirt.texts("Tên làng nghề"),
        *dirt.communes("Mã xã"),
        Dirt("missing", "Năm công nhận"),
        Dirt("duplicate"),
    ),
    sheet=Sheet(name="LangNghe", titles=_titles("LÀNG NGHỀ ĐƯỢC CÔNG NHẬN", "hộ, người"), sections="Nghề"),
)

VIEWS = (IIP, TRADE, ENERGY, CLUSTER, VILLAGE)

"""The treasury: the monthly extract of TABMIS, the units that have a code there, older months.

Belongs here: views of the budget, CSV files in the letters of Windows-1258 with decimal commas. Stays out: projects
(`finance`).
"""

from __future__ import annotations

from simulator.views import dirt
from simulator.views.dirt import Dirt
from simulator.views.view import Column, View
from simulator.views.workbook import Csv

_CSV = Csv(delimiter=";", crlf=True)

LINE = View(
    id="treasury.budget_line",
    agency="treasury",
    table="budget_line",
    title_vi="Thu chi ngân sách theo mục lục (TABMIS)",
    system="sftp",
    place="tabmis_{day:%Y%m%d}.csv",
    format="csv",
    encoding="cp1258",
    csv=_CSV,
    key=("Ky", "MaQHNS", "Khoan", "TieuMuc"),
    columns=(
        Column("Ky", "period"),
        Column("NamNS", "fiscal_year", "int"),
        Column("CapNS", "level"),
        Column("MaQHNS", "unit_code"),
        Column("TenDonVi", "unit_name"),
        Column("Chuong", "chapter"),
        Column("Khoan", "category"),
        Column("TieuMuc", "item"),
        Column("DuToan", "estimate_million_vnd", "comma:3", unit="triệu đồng"),
        Column("ThucHien", "executed_million_vnd", "comma:3", unit="triệu đồng"),
        Column("NgayHachToan", "posted_on", "date:%d/%m/%Y"),
    ),
    lag=1,
    dirt=(
        *dirt.texts("TenDonVi"),
        Dirt("number_thousands", "DuToan", "ThucHien"),
        Dirt("number_scale", "ThucHien", rate=0.0005),
        Dirt("code_typo", "MaQHNS"),
        Dirt("duplicate"),
        Dirt("conflict", "ThucHien"),
    ),
)

UNIT = View(
    id="treasury.budget_unit",
    agency="treasury",
    table="budget_unit",
    title_vi="Đơn vị có quan hệ với ngân sách",
    system="sftp",
    place="don_vi_qhns_{day:%Y%m%d}.csv",
    format="csv",
    encoding="cp1258",
    csv=_CSV,
    key=("MaQHNS",),
    columns=(
        Column("MaQHNS", "unit_code"),
        Column("TenDonVi", "unit_name", "upper"),
        Column("CapNS", "level"),
        Column("Chuong", "chapter"),
        Column("MaXa", "commune_code"),
    ),
    lag=1,
    dirt=(*dirt.texts("TenDonVi"), *dirt.communes("MaXa")),
)

MONTH = View(
    id="treasury.budget_month",
    agency="treasury",
    table="budget_month",
    title_vi="Thu chi ngân sách các tháng trước",
    system="sftp",
    place="thu_chi_{day:%Y%m%d}.csv",
    format="csv",
    encoding="cp1258",
    csv=_CSV,
    key=("Ky", "CapNS", "Nhom"),
    columns=(
        Column("Ky", "period"),
        Column("CapNS", "level", words={"2": "Cấp tỉnh", "3": "Cấp huyện", "4": "Cấp xã"}),
        Column("Nhom", "item_group"),
        Column("DuToan", "estimate_million_vnd", "comma:1", unit="triệu đồng"),
        Column("ThucHien", "executed_million_vnd", "comma:1", unit="triệu đồng"),
    ),
    dirt=(Dirt("number_thousands", "DuToan", "ThucHien"),),
)

VIEWS = (LINE, UNIT, MONTH)

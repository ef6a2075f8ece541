"""The authority of the industrial zones: its REST services on the provincial platform.

Belongs here: views of zones, projects and amendments. Stays out: clusters (`industry_trade`).

The service of projects was made by another firm than that of zones: its names are half English.
"""

from __future__ import annotations

from typing import Any

import pyarrow.compute as pc

from simulator.views import dirt
from simulator.views.dirt import Dirt
from simulator.views.view import Column, View


def _inside(truth: Any) -> Any:
    """The authority has the projects of its zones; others are the finance department's."""
    return pc.is_valid(truth["industrial_zone"]).to_numpy()


ZONE = View(
    id="industrial_zones.industrial_zone",
    agency="industrial_zones",
    table="industrial_zone",
    title_vi="Khu công nghiệp",
    system="lgsp",
    place="/apiKCN/1.0/khuCongNghiep",
    key=("MaKCN",),
    columns=(
        Column("MaKCN", "zone_code"),
        Column("TenKCN", "zone_name"),
        Column("ChuDauTuHaTang", "developer_name"),
        Column("MaXa", "commune_code"),
        Column("DienTich", "area_ha", "comma:2", unit="ha"),
        Column("DienTichCoTheChoThue", "leasable_ha", "comma:2", unit="ha"),
        Column("DienTichDaChoThue", "leased_ha", "comma:2", unit="ha"),
        Column("TyLeLapDay", "occupancy_percent", "comma:2", unit="%"),
        Column("SoDuAn", "project_count", "int"),
        Column("SoDuAnFDI", "fdi_project_count", "int"),
        Column("NgayThanhLap", "established_on", "date8"),
        Column("TrangThai", "status"),
    ),
    lag=1,
    dirt=(Dirt("text_tone", "TenKCN"), *dirt.texts("ChuDauTuHaTang"), *dirt.communes("MaXa")),
)

PROJECT = View(
    id="industrial_zones.investment_project",
    agency="industrial_zones",
    table="investment_project",
    title_vi="Dự án đầu tư trong khu công nghiệp",
    system="lgsp",
    place="/apiKCN/1.0/projects",
    key=("projectCode",),
    columns=(
        Column("projectCode", "project_code"),
        Column("tenDuAn", "project_name"),
        Column("investorName", "investor_name"),
        Column("maSoDN", "enterprise_code"),
        Column("country", "country"),
        Column("isFdi", "is_fdi", "bool:1/0"),
        Column("industrialZone", "industrial_zone"),
        Column("maXa", "commune_code"),
        Column("vsicCode", "industry_code"),
        Column("mucTieu", "purpose"),
        Column("registeredCapitalUsd", "capital_usd", "int", unit="USD"),
        Column("vonDangKy", "capital_million_vnd", "int", unit="triệu đồng"),
        Column("vonThucHien", "realised_million_vnd", "int", unit="triệu đồng"),
        Column("areaHa", "area_ha", "decimal:2", unit="ha"),
        Column("licensedDate", "licensed_on", "date:%Y-%m-%d"),
        Column("soLanDieuChinh", "amendment_count", "int"),
        Column("lastAmended", "amended_on", "date:%Y-%m-%d"),
        Column(
            "status",
            "status",
            words={
                "HOAT_DONG": "ACTIVE",
                "DANG_TRIEN_KHAI": "IN_PROGRESS",
                "CHUA_TRIEN_KHAI": "NOT_STARTED",
                "CHAM_DUT": "TERMINATED",
            },
        ),
    ),
    where=_inside,
    lag=2,
    dirt=(
        *dirt.texts("tenDuAn", "investorName"),
        *dirt.communes("maXa"),
        *dirt.dates("licensedDate"),
        Dirt("number_scale", "vonDangKy"),
        Dirt("number_thousands", "vonDangKy", "registeredCapitalUsd"),
        Dirt("code_typo", "maSoDN"),
        Dirt("missing", "maSoDN", rate=0.05),  # foreign projects of before 2015 are under the investor's name only
        Dirt("missing", "areaHa"),
        Dirt("duplicate"),
        Dirt("conflict", "vonThucHien"),
    ),
)

AMENDMENT = View(
    id="industrial_zones.investment_amendment",
    agency="industrial_zones",
    table="investment_amendment",
    title_vi="Điều chỉnh giấy chứng nhận đầu tư",
    system="lgsp",
    place="/apiKCN/1.0/projectAmendments",
    key=("projectCode", "lanDieuChinh"),
    columns=(
        Column("projectCode", "project_code"),
        Column("lanDieuChinh", "amendment_no", "int"),
        Column("amendedDate", "amended_on", "date:%Y-%m-%d"),
        Column("loai", "kind"),
        Column("capitalRisePercent", "capital_rise_percent", "int", unit="%"),
    ),
    lag=2,
    share=0.99,
    dirt=(Dirt("date_order", "amendedDate"), Dirt("duplicate")),
)

VIEWS = (ZONE, PROJECT, AMENDMENT)

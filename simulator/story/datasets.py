"""Names on both sides of the wire: what each dataset's columns are called in the contract and in the agency's own
system.

Belongs here: identifiers, keys, column names, in the order in which the agency writes them.
Stays out: values (`nights`) and the way they are written down (one module per agency).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Feed = Literal["snapshot", "cursor"]


@dataclass(frozen=True)
class Dataset:
    """One dataset: `columns` maps the contract's column name to the source's own name; `key` lists contract names."""

    id: str
    feed: Feed
    key: tuple[str, ...]
    columns: dict[str, str]

    @property
    def agency(self) -> str:
        """The part of the identifier before the dot."""
        return self.id.partition(".")[0]

    def key_of(self, row: dict[str, Any]) -> tuple[str, ...]:
        """The row's key as text values; the row must have one."""
        return tuple(str(row[column]) for column in self.key)


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


UNIT_E0 = Dataset(
    "home_affairs.unit_e0",
    "snapshot",
    ("ward_code",),
    _same("ward_code")
    | {"ward_name": "ward"}
    | _same("district_code")
    | {"district_name": "district"}
    | _same("province_code"),
)
UNIT_E1 = Dataset("home_affairs.unit_e1", "snapshot", UNIT_E0.key, UNIT_E0.columns)
UNIT_E2 = Dataset(
    "home_affairs.unit_e2",
    "snapshot",
    ("ward_code",),
    _same("ward_code") | {"ward_name": "ward"} | _same("area_km2") | {"latitude": "lat", "longitude": "lon"},
)
LINK_E0_E1 = Dataset(
    "home_affairs.link_e0_e1",
    "snapshot",
    ("from_code", "to_code"),
    {"from_code": "e0_code", "from_name": "e0_name", "to_code": "e1_code", "to_name": "e1_name"},
)
LINK_E1_E2 = Dataset(
    "home_affairs.link_e1_e2",
    "snapshot",
    ("from_code", "to_code"),
    {
        "from_code": "e1_code",
        "from_name": "e1_name",
        "from_district": "e1_district",
        "from_province_code": "e1_province_code",
        "to_code": "e2_code",
        "to_name": "e2_name",
    },
)
FACILITY = Dataset(
    "health.facility",
    "cursor",
    ("facility_code",),
    {
        "facility_code": "ma_cskcb",
        "facility_name": "ten",
        "ownership": "hinh_thuc",
        "professional_level": "cap_chuyen_mon",
        "bed_count": "so_giuong",
        "commune_code": "ma_xa",
        "phone": "dien_thoai",
        "opened_on": "ngay_hoat_dong",
        "is_active": "dang_hoat_dong",
        "updated_at": "cap_nhat_luc",
    },
)
LICENCE = Dataset(
    "health.licence",
    "cursor",
    ("licence_no",),
    {
        "licence_no": "so_giay_phep",
        "facility_code": "ma_cskcb",
        "scope": "pham_vi",
        "issued_on": "ngay_cap",
        "expires_on": "ngay_het_han",
        "status": "trang_thai",
        "responsible_person": "nguoi_phu_trach",
        "responsible_id": "so_dinh_danh",
        "updated_at": "cap_nhat_luc",
    },
)
SCHOOL = Dataset(
    "education.school",
    "snapshot",
    ("school_code",),
    {
        "school_code": "Mã trường",
        "school_name": "Tên trường",
        "level": "Cấp học",
        "ownership": "Loại hình",
        "commune_code": "Mã xã",
        "founded_year": "Năm thành lập",
        "class_count": "Số lớp",
        "pupil_count": "Số học sinh",
        "teacher_count": "Số giáo viên",
        "room_count": "Số phòng học",
        "site_area_m2": "Diện tích (m²)",
        "national_standard": "Đạt chuẩn quốc gia",
        "budget_million_vnd": "Kinh phí (triệu đồng)",
        "principal_name": "Hiệu trưởng",
    },
)
ENTERPRISE = Dataset(
    "enterprise_registry.enterprise",
    "cursor",
    ("enterprise_code",),
    {
        "enterprise_code": "MaSoDN",
        "name_vi": "TenTiengViet",
        "name_short": "TenVietTat",
        "legal_form": "LoaiHinh",
        "registered_at": "NgayCapLanDau",
        "changed_at": "NgayThayDoi",
        "change_count": "SoLanThayDoi",
        "charter_capital_vnd": "VonDieuLe",
        "address": "DiaChi",
        "commune_code": "MaXa",
        "representative_name": "NguoiDaiDien",
        "industry_code": "NganhChinh",
        "industry_version": "PhienBanNganh",
        "status": "TinhTrang",
        "industrial_zone": "KhuCongNghiep",
        "is_fdi": "LaFDI",
    },
)

DATASETS: dict[str, Dataset] = {
    dataset.id: dataset
    for dataset in (UNIT_E0, UNIT_E1, UNIT_E2, LINK_E0_E1, LINK_E1_E2, FACILITY, LICENCE, SCHOOL, ENTERPRISE)
}
AGENCIES: tuple[str, ...] = tuple(dict.fromkeys(dataset.agency for dataset in DATASETS.values()))

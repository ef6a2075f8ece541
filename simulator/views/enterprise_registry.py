"""The national registry of enterprises, as the national exchange platform hands it out.

Belongs here: the view of `enterprise` under the registry's own names. Stays out: the platform (`national.ndxp`).
"""

from __future__ import annotations

from simulator.views.dirt import Dirt
from simulator.views.view import Column, View

ENTERPRISE = View(
    id="enterprise_registry.enterprise",
    agency="enterprise_registry",
    table="enterprise",
    title_vi="Doanh nghiệp đăng ký trên địa bàn tỉnh",
    system="ndxp",
    place="/apiCSDLDKDN/1.0/danhSachDoanhNghiep",
    key=("MaSoDN",),
    stamp="NgayThayDoi",
    columns=(
        Column("MaSoDN", "enterprise_code"),
        Column("TenTiengViet", "name_vi"),
        Column("TenVietTat", "name_short"),
        Column("LoaiHinh", "legal_form"),
        Column("NgayCapLanDau", "registered_at", "stamp14"),
        Column("NgayThayDoi", "changed_at", "stamp14"),
        Column("SoLanThayDoi", "change_count", "int"),
        Column("VonDieuLe", "charter_capital_vnd", "int"),
        Column("DiaChi", "address"),
        Column("MaXa", "commune_code"),
        Column("NguoiDaiDien", "representative_name"),
        Column("NganhChinh", "industry_code"),
        Column("PhienBanNganh", "industry_version"),
        Column("TinhTrang", "status"),
        Column("KhuCongNghiep", "industrial_zone"),
        Column("LaFDI", "is_fdi", "bool:True/False"),
    ),
    # A national register: codes and words are right, only its texts were typed in by hand.
    dirt=(
        Dirt("text_tone", "TenTiengViet", "DiaChi", "NguoiDaiDien"),
        Dirt("text_nfd", "DiaChi"),
        Dirt("text_spaces", "DiaChi", "NguoiDaiDien"),
        Dirt("text_iy", "NguoiDaiDien"),
    ),
)

VIEWS = (ENTERPRISE,)

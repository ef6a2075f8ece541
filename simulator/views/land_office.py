"""The land registration office: the new database of the old Bắc Ninh, the legacy one of the old Bắc Giang, and its papers.

Belongs here: views of the land tables. Stays out: the land itself (`province.land`).

Each former province has its own plane (EPSG:9209 and 9214); some records of the old Bắc Giang have been entered with the
other one's coordinates, which look right until they are mapped: 1.5 degrees, 156 km, too far east.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulator import projection
from simulator.views import dirt
from simulator.views.dirt import Dirt
from simulator.views.view import Column, Context, View
from simulator.views.workbook import Sheet

OTHER_PLANE = 0.012  # share of the legacy parcels whose coordinates are of the other plane


def _of_province(code: str) -> Callable[[Any], Any]:
    def mask(truth: Any) -> Any:
        return pc.and_(pc.equal(truth["old_province"], code), truth["in_database"]).to_numpy()

    return mask


def in_other_plane(ids: Any, context: Context) -> Any:
    """True for the parcels whose coordinates were computed in the plane of the other former province."""
    return context.province.chance.happens("land_office.other_plane", ids, OTHER_PLANE)


def _coordinate(which: int) -> Callable[[Any, Context], Any]:
    def value(truth: Any, context: Context) -> Any:
        right = truth["x_m" if which == 0 else "y_m"].to_numpy()
        lat, lon = truth["latitude"].to_numpy(), truth["longitude"].to_numpy()
        other = np.round(projection.to_plane(lat, lon, projection.BAC_NINH)[which], 2)
        return pa.array(np.where(in_other_plane(truth["id"].to_numpy(), context), other, right))

    return value


_PARCEL_DIRT = (*dirt.texts("dia_chi"), Dirt("code_typo", "ma_xa"))

NEW = View(
    id="land_office.parcel_new",
    agency="land_office",
    table="parcel",
    title_vi="Thửa đất (cơ sở dữ liệu mới, Bắc Ninh cũ)",
    system="postgres",
    place="dat_dai.thua_dat",
    key=("id_thua",),
    where=_of_province("27"),
    columns=(
        Column("id_thua", "id", "typed"),
        Column("ma_xa_cu", "origin_code"),
        Column("ma_xa", "commune_code"),
        Column("so_to", "sheet_no", "typed"),
        Column("so_thua", "parcel_no", "typed"),
        Column("dien_tich_m2", "area_m2", "typed"),
        Column("loai_dat", "land_type"),
        Column("dia_chi", "address"),
        Column("he_toa_do", "epsg", "typed"),
        Column("x", "x_m", "typed"),
        Column("y", "y_m", "typed"),
        Column("nhom_du_lieu", "data_group", "typed"),
        Column("da_dong_bo", "synced", "typed"),
        Column("trang_thai", "status"),
        Column("cap_nhat_ngay", "updated_on", "typed"),
    ),
    dirt=_PARCEL_DIRT,
)

LEGACY = View(
    id="land_office.parcel_legacy",
    agency="land_office",
    table="parcel",
    title_vi="Thửa đất (phần mềm cũ, Bắc Giang cũ)",
    system="mariadb",
    place="vilis.thuadat",
    encoding="tcvn3",
    key=("thuadat_id",),
    where=_of_province("24"),
    columns=(
        Column("thuadat_id", "id", "int"),
        Column("ma_xa", "origin_code"),  # still the codes of before 2025
        Column("sh_tobando", "sheet_no", "int"),
        Column("sh_thua", "parcel_no", "int"),
        Column("dientich", "area_m2", "comma:1"),
        Column("mucdich", "land_type"),
        Column("dia_chi", "address"),
        Column("toado_x", _coordinate(0), "decimal:2"),
        Column("toado_y", _coordinate(1), "decimal:2"),
        Column("nhom", "data_group", "int"),
        Column("ngay_bd", "updated_on", "date:%d/%m/%Y"),
    ),
    lag=3,
    share=0.995,
    dirt=(*_PARCEL_DIRT, Dirt("number_unit", "dientich")),
)

CERTIFICATE = View(
    id="land_office.certificate",
    agency="land_office",
    table="certificate",
    title_vi="Giấy chứng nhận",
    system="postgres",
    place="dat_dai.giay_chung_nhan",
    key=("so_phat_hanh",),
    columns=(
        Column("so_phat_hanh", "serial_no"),
        Column("so_vao_so", "register_no"),
        Column("ngay_cap", "issued_on", "typed"),
        Column("ma_xa", "origin_code"),
        Column("so_to", "sheet_no", "typed"),
        Column("so_thua", "parcel_no", "typed"),
        Column("ho_ten", "holder_name"),
        Column("so_giay_to", "holder_paper"),
        Column("ho_ten_dong_so_huu", "co_holder_name"),
        Column("da_quet", "scanned", "typed"),
    ),
    dirt=(*dirt.names("ho_ten", "ho_ten_dong_so_huu"),),
    person={"so_giay_to": "holder_person"},
)

CHECK = View(
    id="land_office.user_check",
    agency="land_office",
    table="land_user_check",
    title_vi="Kết quả đối chiếu người sử dụng đất với CSDL dân cư",
    system="sftp",
    place="doi_chieu_{day:%Y%m%d}.csv",
    format="csv",
    key=("Số phát hành GCN",),
    columns=(
        Column("Số phát hành GCN", "serial_no"),
        Column("Họ và tên", "person_name"),
        Column("Số ĐDCN/CCCD", "person_id"),
        Column("Kết quả", "result", words={"KHOP": "Khớp", "SAI": "Sai lệch", "CONG_AN": "Chuyển Công an"}),
        Column("Ngày đối chiếu", "checked_on", "date:%d/%m/%Y"),
    ),
    dirt=(*dirt.names("Họ và tên"),),
    person="Số ĐDCN/CCCD",
)

TRANSACTION = View(
    id="land_office.transaction",
    agency="land_office",
    table="land_transaction",
    title_vi="Biến động đất đai",
    system="lgsp",
    place="/apiDatDai/1.0/bienDong",
    key=("MaBienDong",),
    columns=(
        Column("MaBienDong", "id", "int"),
        Column("LoaiBienDong", "kind"),
        Column("MaThua", "parcel", "int"),
        Column("MaThuaKhac", "second_parcel", "int"),
        Column("NgayDangKy", "registered_on", "date:%Y%m%d000000"),
        Column("BenGiao", "giver_name"),
        Column("GiayToBenGiao", "giver_paper"),
        Column("BenNhan", "taker_name"),
        Column("GiayToBenNhan", "taker_paper"),
        Column("GiaTri", "value_vnd", "int"),
    ),
    lag=1,
    dirt=(*dirt.names("BenGiao", "BenNhan"), Dirt("duplicate")),
    person={"GiayToBenGiao": "giver_person", "GiayToBenNhan": "taker_person"},
)

PRICE = View(
    id="land_office.price",
    agency="land_office",
    table="land_price",
    title_vi="Bảng giá đất",
    system="folder",
    place="bang_gia_dat_{day:%Y%m%d}.xlsx",
    format="xlsx",
    key=("Mã xã", "Loại đất", "Vị trí"),
    columns=(
        Column("Mã xã", "commune_code"),
        Column("Loại đất", "land_type"),
        Column("Vị trí", "position", "int"),
        Column("Giá đất", "price_vnd_m2", "int", unit="đồng/m²"),
    ),
    dirt=(*dirt.communes("Mã xã"), *dirt.numbers("Giá đất")),
)


def _hectares(truth: Any, context: Context) -> Any:
    return pc.divide(pc.cast(truth["area_m2"], pa.float64()), 10_000)


PLAN = View(
    id="land_office.land_use_plan",
    agency="land_office",
    table="land_use_plan",
    title_vi="Quy hoạch, kế hoạch sử dụng đất",
    system="folder",
    place="ke_hoach_su_dung_dat_{day:%Y%m%d}.xlsx",
    format="xlsx",
    key=("Mã xã", "Năm", "Mã loại đất"),
    columns=(
        Column("Mã xã", "commune_code"),
        Column("Năm", "year", "int"),
        Column("Mã loại đất", "use_code"),
        Column("Chỉ tiêu sử dụng đất", "use_name"),
        Column("Diện tích", _hectares, "comma:2", unit="ha"),
    ),
    dirt=(*dirt.communes("Mã xã"), Dirt("number_scale", "Diện tích"), Dirt("number_unit", "Diện tích")),
    sheet=Sheet(
        name="KHSDD",
        titles=("SỞ NÔNG NGHIỆP VÀ MÔI TRƯỜNG", "CHỈ TIÊU SỬ DỤNG ĐẤT THEO XÃ, PHƯỜNG"),
        sections="Mã xã",
    ),
)

VIEWS = (NEW, LEGACY, CERTIFICATE, CHECK, TRANSACTION, PRICE, PLAN)

"""The operations centre: its services on the provincial platform.

Belongs here: views of the smart city tables. Stays out: the truth (`province.smart_city`), buses (`construction`).

Moments come from many devices. The hotline's system and some traffic sensors keep UTC and do not say so: theirs are
seven hours early.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulator.views import dirt
from simulator.views.dirt import Dirt
from simulator.views.view import Column, Context, View
from simulator.views.workbook import Sheet

UTC_CHANNEL = "Tổng đài 1022"
UTC_SENSORS = 9  # every ninth sensor's clock
_SEVEN_HOURS = 7 * 3600 * 1_000_000


def in_utc(truth: Any) -> Any:
    """Which rows carry moments in UTC: reports of the hotline, counts of every ninth sensor."""
    if "channel" in truth.column_names:
        return np.asarray(
            pc.equal(truth["channel"], UTC_CHANNEL).combine_chunks().to_numpy(zero_copy_only=False), np.bool_
        )
    numbers = pc.cast(pc.utf8_slice_codeunits(truth["sensor_code"], 2), pa.int64()).to_numpy()
    return numbers % UTC_SENSORS == 0


def _moment(name: str) -> Callable[[Any, Context], Any]:
    """A moment as the device that recorded it writes it down."""

    def values(truth: Any, context: Context) -> Any:
        right = truth[name].combine_chunks()
        shift = pa.array(np.where(in_utc(truth), _SEVEN_HOURS, 0), pa.duration("us"))
        return pc.subtract(right, shift)

    return values


REPORT = View(
    id="ioc.field_report",
    agency="ioc",
    table="field_report",
    title_vi="Phản ánh hiện trường",
    system="lgsp",
    place="/apiIOC/1.0/phanAnhHienTruong",
    key=("MaPhanAnh",),
    columns=(
        Column("MaPhanAnh", "report_code"),
        Column("LoaiPhanAnh", "kind"),
        Column("KenhTiepNhan", "channel"),
        Column("MaXa", "commune_code"),
        Column("ViDo", "latitude", "decimal:6"),
        Column("KinhDo", "longitude", "decimal:6"),
        Column("ThoiDiem", _moment("reported_at"), "stamp14"),
        Column("DonViXuLy", "unit_name"),
        Column("HanXuLy", "due_at", "stamp14"),
        Column("TrangThai", "status", words={
            "TIEP_NHAN": "1", "TU_CHOI": "9", "DANG_XU_LY": "2", "DA_XU_LY": "3", "DA_CONG_KHAI": "4"}),
        Column("ThoiDiemXuLy", _moment("handled_at"), "stamp14"),
        Column("QuaHan", "is_late", "bool:1/0"),
        Column("DanhGia", "rating", "int"),
    ),
    dirt=(*dirt.communes("MaXa"), Dirt("missing", "ViDo", "KinhDo", rate=0.06), Dirt("number_comma", "ViDo", "KinhDo"),
          Dirt("duplicate")),
)  # fmt: skip

CAMERA = View(
    id="ioc.camera",
    agency="ioc",
    table="camera",
    title_vi="Camera giám sát",
    system="lgsp",
    place="/apiIOC/1.0/camera",
    key=("MaCamera",),
    columns=(
        Column("MaCamera", "camera_code"),
        Column("TenCamera", "camera_name"),
        Column("Loai", "kind"),
        Column("MaXa", "commune_code"),
        Column("ViDo", "latitude", "decimal:6"),
        Column("KinhDo", "longitude", "decimal:6"),
        Column("NgayLapDat", "installed_on", "date8"),
        Column("DonViVanHanh", "operator"),
        Column("HoatDong", "is_online", "bool:1/0"),
    ),
    share=0.96,
    dirt=(*dirt.texts("TenCamera"), *dirt.communes("MaXa"), Dirt("date_fake", "NgayLapDat")),
)

INCIDENT = View(
    id="ioc.incident",
    agency="ioc",
    table="incident",
    title_vi="Sự cố",
    system="lgsp",
    place="/apiIOC/1.0/suCo",
    key=("MaSuCo",),
    columns=(
        Column("MaSuCo", "incident_code"),
        Column("LoaiSuCo", "kind"),
        Column("MucDo", "severity", "int"),
        Column("MaXa", "commune_code"),
        Column("ViDo", "latitude", "decimal:6"),
        Column("KinhDo", "longitude", "decimal:6"),
        Column("BatDau", "happened_at", "stamp14"),
        Column("KetThuc", "cleared_at", "stamp14"),
        Column("SoNguoiChet", "dead_count", "int"),
        Column("SoNguoiBiThuong", "injured_count", "int"),
    ),
    share=0.97,
    dirt=(*dirt.communes("MaXa"), Dirt("missing", "ViDo", "KinhDo")),
)

TRAFFIC = View(
    id="ioc.traffic_count_hour",
    agency="ioc",
    table="traffic_count_hour",
    title_vi="Lưu lượng giao thông theo giờ",
    system="lgsp",
    place="/apiIOC/1.0/luuLuongGio",
    key=("MaDiemDo", "ThoiDiem"),
    columns=(
        Column("MaDiemDo", "sensor_code"),
        Column("Duong", "road"),
        Column("MaXa", "commune_code"),
        Column("ThoiDiem", _moment("starts_at"), "stamp14"),
        Column("XeMay", "motorbike_count", "int"),
        Column("OTo", "car_count", "int"),
        Column("XeTai", "truck_count", "int"),
        Column("XeKhach", "bus_count", "int"),
        Column("TocDo", "mean_speed_kmh", "decimal:1"),
        Column("ChatLuong", "quality"),
    ),
    dirt=(*dirt.communes("MaXa"), Dirt("duplicate")),
)

INDICATOR = View(
    id="ioc.ioc_indicator",
    agency="ioc",
    table="ioc_indicator",
    title_vi="Chỉ tiêu điều hành",
    system="lgsp",
    place="/apiIOC/1.0/chiTieu",
    key=("MaChiTieu", "MaDonVi", "Ky"),
    columns=(
        Column("MaChiTieu", "indicator_code"),
        Column("TenChiTieu", "indicator_name"),
        Column("MaDonVi", "unit_code"),
        Column("Ky", "period_on", "date8"),
        Column("GiaTri", "value", "int"),
        Column("DonViTinh", "value_unit"),
    ),
    dirt=(Dirt("number_thousands", "GiaTri"), Dirt("commune_zero_lost", "MaDonVi"), Dirt("conflict", "GiaTri")),
)

WIFI = View(
    id="ioc.wifi_usage",
    agency="ioc",
    table="wifi_usage",
    title_vi="Sử dụng Wi-Fi công cộng",
    system="lgsp",
    place="/apiIOC/1.0/wifiCongCong",
    key=("MaDiem", "Ngay"),
    columns=(
        Column("MaDiem", "hotspot_code"),
        Column("MaXa", "commune_code"),
        Column("Ngay", "used_on", "date8"),
        Column("SoPhien", "session_count", "int"),
        Column("SoThietBi", "device_count", "int"),
        Column("TaiXuong", "download_mb", "decimal:1", unit="MB"),
        Column("TaiLen", "upload_mb", "decimal:1", unit="MB"),
    ),
    lag=1,
    dirt=(*dirt.communes("MaXa"), Dirt("number_comma", "TaiXuong", "TaiLen"), Dirt("duplicate")),
)

ASSET = View(
    id="ioc.asset_infrastructure",
    agency="ioc",
    table="asset_infrastructure",
    title_vi="Tài sản hạ tầng số",
    system="folder",
    place="ha_tang_so_{day:%Y%m%d}.xlsx",
    format="xlsx",
    key=("Mã tài sản",),
    columns=(
        Column("Mã tài sản", "asset_code"),
        Column("Loại", "kind"),
        Column("Đơn vị quản lý", "owner"),
        Column("Mã xã", "commune_code"),
        Column("Vĩ độ", "latitude", "comma:6"),
        Column("Kinh độ", "longitude", "comma:6"),
        Column("Ngày lắp đặt", "installed_on", "date:%d/%m/%Y"),
        Column("Tình trạng", "condition"),
        Column("Nguyên giá", "cost_million_vnd", "comma:1", unit="triệu đồng"),
    ),
    share=0.94,
    dirt=(
        *dirt.communes("Mã xã"),
        *dirt.texts("Đơn vị quản lý"),
        Dirt("missing", "Vĩ độ", "Kinh độ", rate=0.05),
        Dirt("date_fake", "Ngày lắp đặt"),
        Dirt("number_scale", "Nguyên giá"),
    ),
    sheet=Sheet(name="HaTangSo", titles=("TRUNG TÂM ĐIỀU HÀNH ĐÔ THỊ THÔNG MINH", "DANH MỤC TÀI SẢN HẠ TẦNG SỐ")),
)

VIEWS = (REPORT, CAMERA, INCIDENT, TRAFFIC, INDICATOR, WIFI, ASSET)

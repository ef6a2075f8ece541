"""Environment, as the department of agriculture and environment tells of it: stations and their files, licences, waste.

Belongs here: views of the tables of the stations and of the licences. Stays out: when the files of the stations are sent
(`province.environment_measurement`), the ministry's system (`national`).

A file of measurements is written by a logger, not by a clerk: it has no dirt of its own. What is wrong with it is in
the truth: calibrations, device errors, gaps, files that come late.
"""

from __future__ import annotations

from simulator.views import dirt
from simulator.views.dirt import Dirt
from simulator.views.view import Column, View
from simulator.views.workbook import Sheet

_KINDS = {"NUOC_THAI": "Nước thải", "KHI_THAI": "Khí thải", "KHONG_KHI": "Không khí xung quanh", "NUOC_MAT": "Nước mặt"}
_WASTE = {
    "NUOC_THAI": "Nước thải",
    "KHI_THAI": "Khí thải",
    "RAN_THONG_THUONG": "CTR thông thường",
    "NGUY_HAI": "CT nguy hại",
}

STATION = View(
    id="environment.station",
    agency="environment",
    table="station",
    title_vi="Trạm quan trắc tự động, liên tục",
    system="folder",
    place="tram_quan_trac_{day:%Y%m%d}.xlsx",
    format="xlsx",
    key=("Mã trạm",),
    columns=(
        Column("Mã trạm", "station_code"),
        Column("Tên trạm", "station_name"),
        Column("Loại trạm", "kind", words=_KINDS),
        Column("Mã số DN", "enterprise_code"),
        Column("Tên cơ sở", "enterprise_name"),
        Column("Mã xã", "commune_code"),
        Column("Vĩ độ", "lat", "comma:6"),
        Column("Kinh độ", "lon", "comma:6"),
        Column("Thông số", "symbols"),
        Column("Quy chuẩn", "rule"),
        Column("Ngày vận hành", "started_on", "date:%d/%m/%Y"),
    ),
    lag=1,
    dirt=(
        *dirt.texts("Tên trạm", "Tên cơ sở"),
        *dirt.communes("Mã xã"),
        Dirt("code_typo", "Mã số DN"),
        Dirt("missing", "Mã số DN"),
    ),
    sheet=Sheet(
        name="Tram",
        titles=("SỞ NÔNG NGHIỆP VÀ MÔI TRƯỜNG", "DANH SÁCH TRẠM QUAN TRẮC TỰ ĐỘNG, LIÊN TỤC"),
        headings={"Vĩ độ": "Tọa độ", "Kinh độ": "Tọa độ"},
        sections="Loại trạm",
    ),
)

PARAMETER = View(
    id="environment.station_parameter",
    agency="environment",
    table="station_parameter",
    title_vi="Thông số và giới hạn của trạm",
    system="folder",
    place="thong_so_tram_{day:%Y%m%d}.xlsx",
    format="xlsx",
    key=("Mã trạm", "Thông số"),
    columns=(
        Column("Mã trạm", "station_code"),
        Column("Thông số", "symbol"),
        Column("Đơn vị", "unit"),
        Column("Giới hạn dưới", "limit_low", "comma"),
        Column("Giới hạn trên", "limit_high", "comma"),
        Column("Thiết bị", "device"),
        Column("Hiệu chuẩn gần nhất", "calibrated_on", "date:%d/%m/%Y"),
    ),
    lag=1,
    dirt=(Dirt("missing", "Thiết bị"), Dirt("number_scale", "Giới hạn trên")),
    sheet=Sheet(
        name="ThongSo",
        titles=("THÔNG SỐ VÀ GIỚI HẠN CỦA TRẠM",),
        headings={"Giới hạn dưới": "Giới hạn", "Giới hạn trên": "Giới hạn"},
    ),
)

MEASUREMENT = View(
    id="environment.measurement",
    agency="environment",
    table="measurement",
    title_vi="Số liệu quan trắc 5 phút",
    system="stations",
    place="{station}_{time}.txt",
    format="txt",
    key=("station", "symbol", "time"),
    columns=(
        Column("station", "station_code"),
        Column("time", "measured_at", "stamp14"),
        Column("symbol", "symbol"),
        Column("value", "value"),
        Column("unit", "unit"),
        Column("status", "status"),
    ),
)

AIR_QUALITY = View(
    id="environment.aqi_hour",
    agency="environment",
    table="aqi_hour",
    title_vi="Chỉ số chất lượng không khí giờ",
    system="lgsp",
    place="/chat-luong-khong-khi",
    key=("maTram", "gio"),
    columns=(
        Column("maTram", "station_code"),
        Column("gio", "hour_at", "stamp14"),
        Column("vnAqi", "aqi", "int"),
        Column("muc", "level"),
        Column("thongSoChinh", "leading_symbol"),
    ),
)

LICENCE = View(
    id="environment.licence",
    agency="environment",
    table="env_licence",
    title_vi="Giấy phép môi trường",
    system="folder",
    place="giay_phep_moi_truong_{day:%Y%m%d}.xlsx",
    format="xlsx",
    key=("Số giấy phép",),
    columns=(
        Column("Số giấy phép", "licence_no"),
        Column("Mã số DN", "enterprise_code"),
        Column("Chủ dự án", "enterprise_name"),
        Column("Tên dự án, cơ sở", "project"),
        Column("Mã xã", "commune_code"),
        Column("Cơ quan cấp", "issued_by"),
        Column("Ngày cấp", "issued_on", "date:%d/%m/%Y"),
        Column("Hết hạn", "expires_on", "date:%d/%m/%Y"),
        Column("Nước thải", "waste_water_m3_day", "dots:0", unit="m³/ngày đêm"),
        Column("Khí thải", "emission_m3_hour", "dots:0", unit="m³/giờ"),
        Column("Tình trạng", "status", words={"HIEU_LUC": "Còn hiệu lực", "HET_HAN": "Hết hạn"}),
    ),
    lag=2,
    share=0.97,  # those that the ministry issued are often not known here
    dirt=(
        *dirt.texts("Chủ dự án", "Tên dự án, cơ sở"),
        *dirt.communes("Mã xã"),
        *dirt.dates("Hết hạn"),
        Dirt("code_typo", "Mã số DN"),
        Dirt("number_comma", "Nước thải"),
        Dirt("number_unit", "Nước thải", "Khí thải"),
        Dirt("duplicate"),
        Dirt("conflict", "Nước thải"),
    ),
    sheet=Sheet(
        name="GPMT",
        titles=("SỞ NÔNG NGHIỆP VÀ MÔI TRƯỜNG", "DANH SÁCH GIẤY PHÉP MÔI TRƯỜNG (đến {day:%d/%m/%Y})"),
        headings={"Nước thải": "Lưu lượng cho phép", "Khí thải": "Lưu lượng cho phép"},
        broken={"Tên dự án, cơ sở": "Tên dự án,\ncơ sở"},
        decomposed=("Hết hạn",),
    ),
)

SOURCE = View(
    id="environment.waste_source",
    agency="environment",
    table="waste_source",
    title_vi="Nguồn thải",
    system="folder",
    place="nguon_thai_{day:%Y%m%d}.csv",
    format="csv",
    encoding="tcvn3",
    key=("MA_NGUON",),
    columns=(
        Column("MA_NGUON", "source_code"),
        Column("SO_GIAY_PHEP", "licence_no"),
        Column("MA_DN", "enterprise_code"),
        Column("LOAI", "kind", words=_WASTE),
        Column("LUONG", "amount", "dots:0"),
        Column("DVT", "unit"),
        Column("NOI_TIEP_NHAN", "receiver"),
        Column("MA_XA", "commune_code"),
        Column("VI_DO", "lat", "decimal:6"),
        Column("KINH_DO", "lon", "decimal:6"),
    ),
    lag=2,
    dirt=(
        *dirt.communes("MA_XA"),
        Dirt("code_typo", "MA_DN"),
        Dirt("number_comma", "LUONG"),
        Dirt("missing", "NOI_TIEP_NHAN"),
        Dirt("duplicate"),
    ),
)

FLOOD = View(
    id="environment.flood_level",
    agency="environment",
    table="flood_level",
    title_vi="Mực nước sông",
    system="lgsp",
    place="/apiMoiTruong/1.0/mucNuoc",
    key=("Tram", "ThoiDiem"),
    columns=(
        Column("Tram", "gauge"),
        Column("Song", "river"),
        Column("MaXa", "commune_code"),
        Column("ThoiDiem", "read_at", "stamp12"),
        Column("MucNuoc", "level_cm", "int", unit="cm"),
        Column("BaoDong", "alarm", "int"),
    ),
    dirt=(*dirt.communes("MaXa"), Dirt("number_unit", "MucNuoc"), Dirt("duplicate")),
)

VIEWS = (STATION, PARAMETER, MEASUREMENT, AIR_QUALITY, LICENCE, SOURCE, FLOOD)

"""Justice: the civil registers, from the department's old database and from the ministry's electronic system.

Belongs here: views of `civil_event`. Stays out: the communes' own books (`communes`).
"""

from __future__ import annotations

from simulator.views import dirt
from simulator.views.dirt import Dirt
from simulator.views.view import Column, View

_KINDS = {
    "KS": "Khai sinh",
    "KT": "Khai tử",
    "KH": "Kết hôn",
    "XNHN": "Xác nhận tình trạng hôn nhân",
    "CC": "Cải chính",
}

EVENT = View(
    id="justice.civil_event",
    agency="justice",
    table="civil_event",
    title_vi="Sự kiện hộ tịch",
    system="mariadb",
    place="hotich.su_kien",
    encoding="tcvn3",  # the department's software of 2004 writes .VnTime
    key=("id_su_kien",),
    columns=(
        Column("id_su_kien", "id", "int"),
        Column("so", "number"),
        Column("quyen_so", "book"),
        Column("loai", "kind", words=_KINDS),
        Column("ngay_dang_ky", "registered_on", "date:%d/%m/%Y"),
        Column("noi_dang_ky", "place_code"),
        Column("so_giay_to", "person_id"),
        Column("ho_ten", "person_name"),
        Column("ngay_sinh", "born_on", "date:%d/%m/%Y"),
        Column("gioi_tinh", "sex"),
        Column("ho_ten_lien_quan", "other_name"),
        Column("so_giay_to_lien_quan", "other_person_id"),
        Column("so_hoa", "digitised", words={"DA_SO_HOA": "1", "CHUA": "0"}),
    ),
    lag=2,
    share=0.97,  # some communes' books never reach the department
    dirt=(
        *dirt.names("ho_ten", "ho_ten_lien_quan"),
        *dirt.dates("ngay_sinh"),
        *dirt.communes("noi_dang_ky"),
    ),
    person={"so_giay_to": "person", "so_giay_to_lien_quan": "other_person"},
)

ELECTRONIC = View(
    id="justice.civil_event_electronic",
    agency="justice",
    table="civil_event",
    title_vi="Hộ tịch điện tử (Bộ Tư pháp)",
    system="xroad",
    place="getHoTich",
    key=("MaSuKien",),
    columns=(
        Column("MaSuKien", "id", "int"),
        Column("SoDangKy", "number"),
        Column("QuyenSo", "book"),
        Column("LoaiSuKien", "kind"),
        Column("NgayDangKy", "registered_on", "date:%Y%m%d"),
        Column("NgaySuKien", "occurred_on", "date:%Y%m%d"),
        Column("NoiDangKy", "place_code"),
        Column("SoDinhDanh", "person_id"),
        Column("HoTen", "person_name"),
        Column("NgaySinh", "born_on", "date:%Y%m%d"),
        Column("GioiTinh", "sex", words={"Nam": "1", "Nữ": "2"}),
        Column("SoDinhDanhLienQuan", "other_person_id"),
        Column("HoTenLienQuan", "other_name"),
    ),
    share=0.88,  # entered since 2016 only, and not by all
    dirt=(*dirt.names("HoTen", "HoTenLienQuan"), Dirt("commune_old", "NoiDangKy")),
    person={"SoDinhDanh": "person", "SoDinhDanhLienQuan": "other_person"},
)

VIEWS = (EVENT, ELECTRONIC)

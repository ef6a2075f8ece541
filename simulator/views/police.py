"""The provincial police: its copy of the population register in PostgreSQL, violations on the roads in MariaDB.

Belongs here: views of persons, residence, households, old identity cards and what cameras see on the roads. Stays out:
the national database itself (`national.population`).
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from simulator.views import dirt
from simulator.views.dirt import Dirt
from simulator.views.view import Column, Context, View, of_person


def camera_code(truth: Any, context: Context) -> Any:
    """The number of the camera that saw it."""
    cameras = context.province.table("camera").rows(truth["camera"].to_numpy(), context.seen)
    return pa.chunked_array(cameras["camera_code"])


PERSON = View(
    id="police.person",
    agency="police",
    table="person",
    title_vi="Công dân",
    system="postgres",
    place="dan_cu.cong_dan",
    key=("so_dinh_danh",),
    stamp="cap_nhat_luc",
    columns=(
        Column("so_dinh_danh", "person_id"),
        Column("ho_ten", "full_name"),
        Column("ngay_sinh", "born_on", "typed"),
        Column("do_chinh_xac", "born_precision"),
        Column("gioi_tinh", "sex", words={"Nam": "1", "Nữ": "2"}),
        Column("dan_toc", "ethnic"),
        Column("so_cmnd", "cmnd"),
        Column("noi_dk_khai_sinh", "birth_place_code"),
        Column("so_dien_thoai", "phone"),
        Column("trang_thai", "status", words={"SONG": "1", "CHET": "2"}),
        Column("ngay_mat", "died_on", "typed"),
        Column("cap_nhat_luc", "updated_at", "typed"),
    ),
    dirt=(
        *dirt.sound_ids("so_dinh_danh"),
        Dirt("text_tone", "ho_ten"),
        Dirt("text_iy", "ho_ten"),
        Dirt("phone_old", "so_dien_thoai"),
    ),
    person="so_dinh_danh",
)

RESIDENCE = View(
    id="police.residence",
    agency="police",
    table="residence",
    title_vi="Thường trú",
    system="postgres",
    place="dan_cu.thuong_tru",
    key=("so_dinh_danh",),
    stamp="cap_nhat_luc",
    columns=(
        Column("so_dinh_danh", "person_id"),
        Column("ma_ho", "household_no"),
        Column("quan_he_chu_ho", "relation"),
        Column("dia_chi", "address"),
        Column("ma_xa", "commune_code"),
        Column("tu_ngay", "since", "typed"),
        Column("cap_nhat_luc", "updated_at", "typed"),
    ),
    lag=1,
    dirt=(*dirt.sound_ids("so_dinh_danh"), *dirt.texts("dia_chi")),
    person="so_dinh_danh",
)

TEMPORARY = View(
    id="police.temporary_residence",
    agency="police",
    table="temporary_residence",
    title_vi="Tạm trú",
    system="postgres",
    place="dan_cu.tam_tru",
    key=("ma_dang_ky",),
    columns=(
        Column("ma_dang_ky", "id", "int"),
        Column("so_dinh_danh", "person_id"),
        Column("dia_chi", "address"),
        Column("ma_xa", "commune_code"),
        Column("tu_ngay", "since", "typed"),
        Column("den_ngay", "until", "typed"),
    ),
    share=0.93,  # the rest never registers
    dirt=(*dirt.texts("dia_chi"), *dirt.communes("ma_xa")),
    person="so_dinh_danh",
)

HOUSEHOLD = View(
    id="police.household",
    agency="police",
    table="household",
    title_vi="Hộ gia đình",
    system="postgres",
    place="dan_cu.ho_gia_dinh",
    key=("ma_ho",),
    columns=(
        Column("ma_ho", "household_no"),
        Column("chu_ho", of_person("personal_ids", "head_person")),
        Column("ma_xa", "commune_code"),
        Column("so_nhan_khau", "member_count", "typed"),
    ),
    lag=1,
    dirt=(*dirt.sound_ids("chu_ho"), *dirt.communes("ma_xa")),
    person={"chu_ho": "head_person"},
)

ID_MAPPING = View(
    id="police.id_mapping",
    agency="police",
    table="id_mapping",
    title_vi="Xác nhận số CMND và số định danh",
    system="postgres",
    place="dan_cu.xac_nhan_cmnd",
    key=("so_cmnd",),
    columns=(
        Column("so_cmnd", "cmnd"),
        Column("so_dinh_danh", "person_id"),
        Column("la_the_thu_hai", "is_second", "typed"),
        Column("so_xac_nhan", "confirmation_no"),
        Column("ngay_xac_nhan", "confirmed_on", "typed"),
    ),
    dirt=dirt.sound_ids("so_dinh_danh"),
    person="so_dinh_danh",
)

VIOLATION = View(
    id="police.violation_event",
    agency="police",
    table="violation_event",
    title_vi="Vi phạm giao thông qua camera",
    system="mariadb",
    place="vi_pham.su_kien",
    key=("ma_vi_pham",),
    columns=(
        Column("ma_vi_pham", "violation_code"),
        Column("ma_camera", camera_code),
        Column("hanh_vi", "kind"),
        Column("bien_so", "plate_no"),
        Column("chu_xe", of_person("names", "owner_person")),
        Column("so_giay_to", of_person("personal_ids", "owner_person")),
        Column("ma_xa", "commune_code"),
        Column("thoi_diem", "happened_at", "typed"),
        Column("trang_thai", "status", words={"PHAT_HIEN": "0", "DA_THONG_BAO": "1", "DA_XU_PHAT": "2"}),
        Column("ngay_thong_bao", "notified_at", "typed"),
        Column("ngay_xu_phat", "fined_at", "typed"),
        Column("muc_phat", "fine_vnd", "typed"),
    ),
    share=0.98,
    dirt=(*dirt.names("chu_xe"), *dirt.communes("ma_xa"), Dirt("code_typo", "bien_so")),
    person={"so_giay_to": "owner_person"},
)

VIEWS = (PERSON, RESIDENCE, TEMPORARY, HOUSEHOLD, ID_MAPPING, VIOLATION)

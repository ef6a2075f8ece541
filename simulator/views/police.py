"""The provincial police: its copy of the population register, in a PostgreSQL database.

Belongs here: views of the tables `person`, `residence`, `temporary_residence`. Stays out: the national database itself
(`national.population`).
"""

from __future__ import annotations

from simulator.views import dirt
from simulator.views.dirt import Dirt
from simulator.views.view import Column, View

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

VIEWS = (PERSON, RESIDENCE, TEMPORARY)

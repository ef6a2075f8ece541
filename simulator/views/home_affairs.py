"""The Department of Home Affairs: employers' reports on labour, poor households.

Belongs here: its views; labour and poverty came to it with the former department of labour. Stays out: the truth
(`province.labour`, `province.households`), its workbook of agencies (`story.home_affairs`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow.compute as pc

from simulator.views import dirt
from simulator.views.dirt import Dirt
from simulator.views.view import Column, Context, View, of_person
from simulator.views.workbook import Sheet


def _firm_name(truth: Any, context: Context) -> Any:
    """The Vietnamese name of the firm."""
    return context.province.table("enterprise").names(truth["enterprise"].to_numpy())


def _poor(truth: Any) -> Any:
    """Poor and nearly poor households: the others are not in its list."""
    return np.asarray(
        pc.not_equal(truth["poverty_class"], "BINH_THUONG").combine_chunks().to_numpy(zero_copy_only=False)
    )


LABOUR = View(
    id="home_affairs.labour_report",
    agency="home_affairs",
    table="labour_report",
    title_vi="Báo cáo tình hình sử dụng lao động",
    system="folder",
    place="su_dung_lao_dong_{day:%Y%m%d}.xlsx",
    format="xlsx",
    key=("Mã số doanh nghiệp", "Kỳ báo cáo"),
    columns=(
        Column("Mã số doanh nghiệp", "enterprise_code"),
        Column("Tên doanh nghiệp", _firm_name),
        Column("Kỳ báo cáo", "period", "text"),
        Column("Mã xã", "commune_code"),
        Column("Tổng số lao động", "employee_count", "int", unit="người"),
        Column("Lao động nữ", "female_count", "int", unit="người"),
        Column("Lao động nước ngoài", "foreign_count", "int", unit="người"),
        Column("HĐLĐ không xác định thời hạn", "indefinite_count", "int", unit="người"),
        Column("Tham gia BHXH bắt buộc", "insured_count", "int", unit="người"),
        Column("Tiền lương bình quân", "mean_wage_vnd", "dots:0", unit="đồng"),
        Column("Ngày nộp", "reported_on", "short"),
    ),
    lag=2,
    share=0.97,
    dirt=(
        *dirt.texts("Tên doanh nghiệp"),
        *dirt.communes("Mã xã"),
        *dirt.numbers("Tổng số lao động"),
        Dirt("code_typo", "Mã số doanh nghiệp"),
        Dirt("number_words", "Tiền lương bình quân"),
        Dirt("duplicate"),
        Dirt("conflict", "Tổng số lao động"),
    ),
    sheet=Sheet(
        name="LaoDong",
        titles=("SỞ NỘI VỤ", "BÁO CÁO TÌNH HÌNH SỬ DỤNG LAO ĐỘNG CỦA DOANH NGHIỆP", "(Đến ngày {day:%d/%m/%Y})"),
        sections="Kỳ báo cáo",
    ),
)

HOUSEHOLD = View(
    id="home_affairs.poor_household",
    agency="home_affairs",
    table="household",
    title_vi="Hộ nghèo, hộ cận nghèo",
    system="mariadb",
    place="giam_ngheo.ho",
    encoding="tcvn3",  # the former department of labour's software still writes .VnTime
    key=("ma_ho",),
    columns=(
        Column("ma_ho", "household_no"),
        Column("ho_ten_chu_ho", of_person("names", "head_person")),
        Column("so_giay_to", of_person("personal_ids", "head_person")),
        Column("ma_xa", "commune_code"),
        Column("so_khau", "member_count", "int"),
        Column("loai_ho", "poverty_class", words={"HO_NGHEO": "Hộ nghèo", "HO_CAN_NGHEO": "Hộ cận nghèo"}),
    ),
    where=_poor,
    lag=20,
    share=0.98,
    dirt=(*dirt.names("ho_ten_chu_ho"), *dirt.communes("ma_xa"), Dirt("missing", "so_khau")),
    person={"so_giay_to": "head_person"},
)

VIEWS = (LABOUR, HOUSEHOLD)

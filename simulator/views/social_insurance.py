"""Social insurance: the visits that hospitals send to its gateway, and the list of the insured.

Belongs here: table XML1 as Decision 130/QĐ-BYT (with 4750 and 3176) has it, the CSV file of cards. Stays out: the
packages around it (`systems.xml130`).

All values of XML1 are texts, moments yyyyMMddHHmm, dates yyyyMMdd; the district of residence has been empty since 1 July
2025. Which number of the card a hospital sends is its own custom: fifteen characters, ten digits, or the personal number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulator.table import words
from simulator.views import dirt
from simulator.views.dirt import Dirt
from simulator.views.view import Column, Context, View, constant, of_person
from simulator.views.workbook import Csv

# Codes of Decision 121-TCTK/PPCĐ, which XML1 uses.
_ETHNIC = {"Kinh": "01", "Tày": "02", "Nùng": "07", "Sán Dìu": "18", "Sán Chay": "15", "Hoa": "04", "Dao": "09"}
_SEX = {"Nam": "1", "Nữ": "2"}
_CARDS = (45, 45, 10)  # of hundred facilities: fifteen characters, ten digits, the personal number
_LISTS_FEW = 0.3  # share of the insured whose file shows the old card


def _ids(truth: Any, name: str = "person") -> Any:
    return truth.column(name).combine_chunks().to_numpy()


def _addresses(truth: Any, context: Context) -> Any:
    """As written on the card: where the person lived on day 0."""
    return context.province.people.addresses(_ids(truth), 0)


def _commune(truth: Any, context: Context) -> Any:
    return words(list(context.province.geo.code_e2), _ids(truth, "place"))


def _card(truth: Any, context: Context) -> Any:
    """The number of the card as the facility sends it."""
    custom = pa.array(context.province.chance.pick("social_insurance.card", _ids(truth, "facility"), _CARDS))
    personal = pc.if_else(pc.is_valid(truth["card_no"]), _personal(truth, context), pa.scalar(None, pa.string()))
    columns = (
        truth["card_no"].combine_chunks(),
        truth["insurance_no"].combine_chunks(),
        pc.cast(personal, pa.string()),
    )
    return pc.choose(custom, *(c.combine_chunks() if isinstance(c, pa.ChunkedArray) else c for c in columns))


def _personal(truth: Any, context: Context) -> Any:
    return context.province.people.personal_ids(_ids(truth))


def _when_staying(name: str) -> Any:
    """A column that is filled for stays only."""

    def value(truth: Any, context: Context) -> Any:
        column = truth[name].combine_chunks()
        return pc.if_else(pc.equal(truth["category"], "03").combine_chunks(), column, pa.scalar(None, column.type))

    return value


def _reason(truth: Any, context: Context) -> Any:
    return pc.if_else(
        pc.equal(truth["category"], "05").combine_chunks(),
        "Khám định kỳ, lĩnh thuốc",
        truth["disease"].combine_chunks(),
    )


def _treatment(truth: Any, context: Context) -> Any:
    surgery = pc.equal(truth["department"], "K19").combine_chunks()
    return pc.if_else(surgery, "Phẫu thuật, chăm sóc hậu phẫu", "Điều trị nội khoa theo phác đồ")


_EMPTY = constant(None)

VISIT = View(
    id="social_insurance.visit",
    agency="social_insurance",
    table="visit",
    title_vi="Hồ sơ khám bệnh, chữa bệnh (XML1)",
    system="xml130",
    place="XML1",
    key=("MA_LK",),
    columns=(
        Column("MA_LK", "visit_no"),
        Column("STT", constant("1")),
        Column("MA_BN", "patient_no"),
        Column("HO_TEN", of_person("names")),
        Column("SO_CCCD", of_person("personal_ids")),
        Column("NGAY_SINH", of_person("birth_dates"), "date:%Y%m%d0000"),
        Column("GIOI_TINH", of_person("sex"), words=_SEX),
        Column("NHOM_MAU", _EMPTY),
        Column("MA_QUOCTICH", constant("000")),
        Column("MA_DANTOC", of_person("ethnic"), words=_ETHNIC),
        Column("MA_NGHE_NGHIEP", constant("00000")),
        Column("DIA_CHI", _addresses),
        Column("MATINH_CU_TRU", constant("24")),
        Column("MAHUYEN_CU_TRU", _EMPTY),
        Column("MAXA_CU_TRU", _commune),
        Column("DIEN_THOAI", of_person("phones")),
        Column("MA_THE_BHYT", _card),
        Column("MA_DKBD", "registered_at_code"),
        Column("GT_THE_TU", "card_from", "date8"),
        Column("GT_THE_DEN", "card_to", "date8"),
        Column("NGAY_MIEN_CCT", _EMPTY),
        Column("LY_DO_VV", _reason),
        Column("LY_DO_VNT", _when_staying("disease")),
        Column("MA_LY_DO_VNT", _EMPTY),
        Column("CHAN_DOAN_VAO", "disease"),
        Column("CHAN_DOAN_RV", "disease"),
        Column("MA_BENH_CHINH", "disease_code"),
        Column("MA_BENH_KT", "other_diseases"),
        Column("MA_BENH_YHCT", _EMPTY),
        Column("MA_PTTT_QT", _EMPTY),
        Column("MA_DOITUONG_KCB", "patient_kind"),
        Column("MA_NOI_DI", _EMPTY),
        Column("MA_NOI_DEN", "referred_to_code"),
        Column("MA_TAI_NAN", constant("0")),
        Column("NGAY_VAO", "admitted_at", "stamp12"),
        Column("NGAY_VAO_NOI_TRU", _when_staying("admitted_at"), "stamp12"),
        Column("NGAY_RA", "discharged_at", "stamp12"),
        Column("GIAY_CHUYEN_TUYEN", _EMPTY),
        Column("SO_NGAY_DTRI", "days", "int"),
        Column("PP_DIEU_TRI", _treatment),
        Column("KET_QUA_DTRI", "result", "int"),
        Column("MA_LOAI_RV", "discharge", "int"),
        Column("GHI_CHU", _EMPTY),
        Column("NGAY_TTOAN", "discharged_at", "stamp12"),
        Column("T_THUOC", "drugs_vnd", "int"),
        Column("T_VTYT", "supplies_vnd", "int"),
        Column("T_TONGCHI_BV", "total_vnd", "int"),
        Column("T_TONGCHI_BH", "insured_vnd", "int"),
        Column("T_BNTT", "self_paid_vnd", "int"),
        Column("T_BNCCT", "share_vnd", "int"),
        Column("T_BHTT", "fund_vnd", "int"),
        Column("T_NGUONKHAC", constant("0")),
        Column("T_BHTT_GDV", constant("0")),
        Column("NAM_QT", "discharged_at", "date:%Y"),
        Column("THANG_QT", "discharged_at", "date:%m"),
        Column("MA_LOAI_KCB", "category"),
        Column("MA_KHOA", "department"),
        Column("MA_CSKCB", "facility_code"),
        Column("MA_KHUVUC", _EMPTY),
        Column("CAN_NANG", "weight_kg"),
        Column("CAN_NANG_CON", _EMPTY),
        Column("NAM_NAM_LIEN_TUC", _EMPTY),
        Column("NGAY_TAI_KHAM", _EMPTY),
        Column("MA_HSBA", _when_staying("visit_no")),
        Column("MA_TTDV", "facility_code"),
        Column("DU_PHONG", _EMPTY),
    ),
    lag=1,
    share=0.985,  # the gateway refuses the rest, and some hospitals never send it again
    dirt=(
        *dirt.names("HO_TEN"),
        *dirt.texts("DIA_CHI"),
        *dirt.communes("MAXA_CU_TRU"),
        Dirt("date_fake", "NGAY_SINH"),
        Dirt("date_year_only", "NGAY_SINH"),
        Dirt("phone_old", "DIEN_THOAI"),
        Dirt("code_typo", "MA_DKBD"),
        Dirt("missing", "MA_BENH_KT"),
        Dirt("number_scale", "T_THUOC"),
        Dirt("duplicate"),
        Dirt("conflict", "T_BHTT"),
    ),
    person="SO_CCCD",
)


def _shown_card(truth: Any, context: Context) -> Any:
    old = context.province.chance.happens("social_insurance.old_card", _ids(truth), _LISTS_FEW)
    return pc.if_else(
        pa.array(np.asarray(old)), truth["card_no"].combine_chunks(), truth["insurance_no"].combine_chunks()
    )


COVERAGE = View(
    id="social_insurance.coverage",
    agency="social_insurance",
    table="insurance_coverage",
    title_vi="Người tham gia bảo hiểm y tế",
    system="sftp",
    place="bhyt_{day:%Y%m%d}.csv",
    format="csv",
    key=("MA_SO_BHXH",),
    columns=(
        Column("MA_SO_BHXH", "insurance_no"),
        Column("MA_THE", _shown_card),
        Column("HO_TEN", "full_name", "upper_ascii"),
        Column("SO_CCCD", "personal_id"),
        Column("NGAY_SINH", "born_on", "date:%d/%m/%Y"),
        Column("GIOI_TINH", "sex", words=_SEX),
        Column("DOI_TUONG", "object_code"),
        Column("MUC_HUONG", "benefit_level", "int"),
        Column("MA_XA", "commune_code"),
        Column("MA_DKBD", "facility_code"),
        Column("TU_NGAY", "valid_from", "date:%d/%m/%Y"),
        Column("DEN_NGAY", "valid_to", "date:%d/%m/%Y"),
    ),
    lag=3,
    dirt=(
        Dirt("text_spaces", "HO_TEN"),
        *dirt.dates("NGAY_SINH"),
        *dirt.communes("MA_XA"),
        Dirt("code_typo", "MA_DKBD"),
        Dirt("duplicate"),
        Dirt("conflict", "DEN_NGAY"),
    ),
    person="SO_CCCD",
    csv=Csv(delimiter=";", crlf=True),
)

LABOUR = View(
    id="social_insurance.labour",
    agency="social_insurance",
    table="labour_report",
    title_vi="Đơn vị tham gia bảo hiểm xã hội bắt buộc",
    system="sftp",
    place="don_vi_bhxh_{day:%Y%m%d}.csv",
    format="csv",
    key=("MaSoThue", "Ky"),
    columns=(
        Column("MaSoThue", "enterprise_code"),
        Column("Ky", "period"),
        Column("MaXa", "commune_code"),
        Column("SoLaoDong", "employee_count", "int"),
        Column("SoThamGia", "insured_count", "int"),
        Column("TienLuongBinhQuan", "mean_wage_vnd", "dots:0"),
    ),
    lag=5,
    share=0.9,
    dirt=(*dirt.communes("MaXa"), Dirt("code_typo", "MaSoThue"), Dirt("duplicate"), Dirt("conflict", "SoThamGia")),
)

VIEWS = (VISIT, COVERAGE, LABOUR)

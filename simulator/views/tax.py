"""The provincial tax office: its lists of taxpayers, CSV files in VNI letters.

Belongs here: views of `tax_status`, organisations and households apart. Stays out: their registers
(`enterprise_registry`, `finance`).
"""

from __future__ import annotations

from typing import Any

import pyarrow.compute as pc

from simulator.views import dirt
from simulator.views.dirt import Dirt
from simulator.views.view import Column, View
from simulator.views.workbook import Csv

_STATES = {
    "00": "00 - NNT đang hoạt động",
    "01": "01 - NNT ngừng hoạt động và đã hoàn thành thủ tục",
    "03": "03 - NNT ngừng hoạt động nhưng chưa hoàn thành thủ tục",
    "05": "05 - NNT tạm ngừng kinh doanh",
    "06": "06 - NNT không hoạt động tại địa chỉ đã đăng ký",
}
_METHODS = {
    "KHAU_TRU": "Khấu trừ",
    "TRUC_TIEP": "Trực tiếp",
    "KE_KHAI": "Kê khai",
    "TU_KHAI_HANG_NAM": "Tự khai hằng năm",
}


def _organisations(truth: Any) -> Any:
    return pc.equal(truth["taxpayer_kind"], "DN").to_numpy()


def _households(truth: Any) -> Any:
    return pc.equal(truth["taxpayer_kind"], "HKD").to_numpy()


_COMMON = (
    Column("CO_QUAN_THUE", "tax_office"),
    Column("MA_XA", "commune_code"),
    Column("PHUONG_PHAP", "method", words=_METHODS),
    Column("TRANG_THAI", "code_status", words=_STATES),
    Column("NO_THUE", "debt_vnd", "dots:0", unit="đồng"),
    Column("NGAY_KE_KHAI", "filed_on", "date:%d/%m/%Y"),
    Column("NGAY_CAP_NHAT", "updated_at", "date:%d/%m/%Y"),
)
_DIRT = (
    *dirt.texts("TEN_NNT"),
    *dirt.communes("MA_XA"),
    Dirt("number_unit", "NO_THUE"),
    Dirt("date_two_digit", "NGAY_KE_KHAI"),
    Dirt("duplicate"),
    Dirt("conflict", "NO_THUE"),
)

ORGANISATION = View(
    id="tax.tax_status_organisation",
    agency="tax",
    table="tax_status",
    title_vi="Người nộp thuế là tổ chức",
    system="sftp",
    place="nnt_to_chuc_{day:%Y%m%d}.csv",
    format="csv",
    encoding="vni",
    csv=Csv(delimiter=";", crlf=True),
    key=("MST",),
    columns=(Column("MST", "tax_code"), Column("TEN_NNT", "taxpayer_name"), *_COMMON),
    where=_organisations,
    lag=7,
    share=0.985,  # a firm founded elsewhere may still pay there
    dirt=(*_DIRT, Dirt("code_typo", "MST")),
)

HOUSEHOLD = View(
    id="tax.tax_status_household",
    agency="tax",
    table="tax_status",
    title_vi="Người nộp thuế là hộ kinh doanh",
    system="sftp",
    place="nnt_ho_kinh_doanh_{day:%Y%m%d}.csv",
    format="csv",
    encoding="vni",
    csv=Csv(delimiter=";", crlf=True),
    key=("MST",),
    columns=(
        Column("MST", "tax_code"),
        Column("MST_CU", "former_tax_code"),
        Column("TEN_NNT", "taxpayer_name", "upper"),
        *_COMMON,
    ),
    where=_households,
    lag=7,
    share=0.94,  # small ones pay nothing and are not followed
    # Since July 2025 the tax code is the owner's identifier, which the office has checked against the population database:
    # it is never empty, now and then wrong.
    dirt=(*_DIRT, *dirt.sound_ids("MST"), Dirt("id_typo", "MST", rate=0.006), Dirt("id_other", "MST", rate=0.004)),
    person={"MST": "owner_person"},
)

VIEWS = (ORGANISATION, HOUSEHOLD)

"""How values are written down, against what Python itself writes."""

from __future__ import annotations

import unicodedata
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from simulator.table import date_of, to_timestamp, words
from simulator.views import forms


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (1234567.891, "dots:2", "1.234.567,89"), (-1234567, "dots:0", "-1.234.567"), (0.5, "comma:2", "0,50"), (7, "dots:2", "7,00"),
        (1000, "dots:0", "1.000"), (999, "dots:0", "999"), (1_000_000_000_000, "english:0", "1,000,000,000,000"),
        (-0.25, "decimal:2", "-0.25"), (1234.5, "english:2", "1,234.50"), (12.0, "text", "12"), (12, "text", "12"), (1e15, "text", "1000000000000000"),
        (0.125, "text", "0.125"), (42, "int", "42"), (True, "bool:1/0", "1"), (False, "bool:Có/Không", "Không"), (False, "bool:x/", None),
    ],
)  # fmt: skip
def test_numbers_and_booleans_are_written_in_their_forms(value: Any, form: str, text: str | None) -> None:
    assert forms.write(pa.array([value, None]), form).to_pylist() == [text, None]


@pytest.mark.parametrize("pattern", ["%d/%m/%Y", "%Y%m%d", "%d-%m-%y", "ngày %d tháng %m năm %Y"])
def test_dates_are_written_as_python_writes_them(pattern: str) -> None:
    days = np.arange(-40_000, 4000, 37)
    written = forms.write(pa.array((days + 20_776).astype(np.int32), pa.date32()), f"date:{pattern}").to_pylist()
    assert written == [date_of(day).strftime(pattern) for day in days]


def test_moments_are_written_in_vietnamese_time() -> None:
    days, seconds = np.arange(-300, 300), (np.arange(600) * 7919) % 86_400
    moments = to_timestamp(days, seconds)
    for form, pattern in (
        ("stamp14", "%Y%m%d%H%M%S"),
        ("stamp12", "%Y%m%d%H%M"),
        ("date:%H:%M", "%H:%M"),
        ("text", "%Y-%m-%d %H:%M:%S"),
    ):
        assert forms.write(moments, form).to_pylist() == [moment.strftime(pattern) for moment in moments.to_pylist()]
    serial = forms.write(to_timestamp(np.array([0]), np.array([43_200])), "excel").to_pylist()
    assert serial == ["46345.500000"]  # 19 November 2026 at noon, as Excel counts
    assert forms.write(pa.array([20_776], pa.int32()).cast(pa.date32()), "short").to_pylist() == ["19/11/2026"]
    assert forms.write(pa.array([20_488], pa.int32()).cast(pa.date32()), "short").to_pylist() == ["4/2/2026"]


def test_texts_are_written_in_their_forms() -> None:
    names = pa.array(["Đặng Thị Hòa", None])
    written = {form: forms.write(names, form).to_pylist()[0] for form in ("upper", "ascii", "upper_ascii", "nfd")}
    assert written == {"upper": "ĐẶNG THỊ HÒA", "ascii": "Dang Thi Hoa", "upper_ascii": "DANG THI HOA",
                       "nfd": unicodedata.normalize("NFD", "Đặng Thị Hòa")}  # fmt: skip
    with pytest.raises(ValueError, match="no word"):
        forms.in_words(words(["A", "C"], np.array([0, 1])), {"A": "một"})

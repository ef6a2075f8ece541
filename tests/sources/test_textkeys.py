"""Keys for matching names: what is one name in two spellings, and what is not."""

from __future__ import annotations

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.textkeys import ascii_key, match_key
from simulator.names import GIVEN, MIDDLE, SURNAMES
from simulator.views import encodings

NAMES = [f"{a} {b} {c}" for a in SURNAMES for sex in (True, False) for b in MIDDLE[sex] for c in GIVEN[sex][:40:3]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hòa Bình", "HOÀ  BÌNH "), ("Lý", "Lí"), ("Mỹ Kỳ", "mĩ kì"), ("Thủy", "Thuỷ"), ("Quý", "Quí"), ("Đào", "Dào"),
        ("Ðặng", "Đặng"), ("Nguyễn\u00a0Văn", "nguyễn\nvăn"), ("toàn", "tòan"), ("Hoà-Mỹ (cũ)", "Hòa-Mĩ (CŨ)"),
    ],
)  # fmt: skip
def test_one_name(one: str, other: str) -> None:
    assert match_key(one) == match_key(other) == match_key(unicodedata.normalize("NFD", other))
    assert ascii_key(one) == ascii_key(other)


@pytest.mark.parametrize(
    ("one", "other"), [("Hoa", "Hòa"), ("Thúy", "Thúi"), ("Vân", "Văn"), ("Yến", "Iến"), ("Mai", "May")]
)
def test_two_names(one: str, other: str) -> None:
    assert match_key(one) != match_key(other)


def test_as_agencies_spell_it() -> None:
    """Whole columns as the simulator spells them: new tones, i for y, decomposed; and nothing else falls together."""
    column = pa.array(NAMES)
    keys = [match_key(name) for name in NAMES]
    for change in (encodings.new_tones, encodings.old_tones, encodings.i_for_y):
        assert [match_key(name) for name in change(column).to_pylist()] == keys
    plain = encodings.without_diacritics(column).to_pylist()
    assert [ascii_key(name) for name in NAMES] == [ascii_key(name) for name in plain]
    assert len(set(keys)) == len(set(NAMES))


@given(st.text())
def test_a_key_is_nfc_and_its_own_key(text: str) -> None:
    for key in (match_key, ascii_key):
        found = key(text)
        assert unicodedata.is_normalized("NFC", found) and "  " not in found
        assert key(unicodedata.normalize("NFD", text)) == found
    assert match_key(match_key(text)) == match_key(text)

"""How text and codes are spoilt: spelling, capitals, spaces, codes of another time or style.

Belongs here: the kinds `text_…` and those of codes and telephone numbers. Stays out: how often (`dirt`), which cells
(`spoil`), whole files in another encoding (`encodings`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulator.chance import Ints
from simulator.views import encodings
from simulator.views.dirt import Cells
from simulator.views.dirt_identity import nothing, one_digit_wrong, zero_lost

# Numbers of 2017 and 2018: area codes of the two old provinces; mobile numbers of eleven digits.
_RENUMBERED = (
    ("^0204", "0240"), ("^0222", "0241"), ("^070", "0120"), ("^079", "0121"), ("^077", "0122"), ("^076", "0126"),
    ("^078", "0128"), ("^083", "0123"), ("^084", "0124"), ("^085", "0125"), ("^081", "0127"), ("^082", "0129"),
    ("^03([2-9])", "016\\1"),
)  # fmt: skip


def _other_tones(cells: Cells) -> Any:
    newer = encodings.new_tones(cells.meant)
    return pc.if_else(pc.equal(newer, cells.meant), encodings.old_tones(cells.meant), newer)


def _spaces(cells: Cells) -> Any:
    """A doubled space (a trailing one where there is none to double), a leading or a trailing one."""
    doubled = pc.replace_substring(cells.meant, " ", "  ", max_replacements=1)
    trailing = pc.binary_join_element_wise(cells.meant, " ", "")
    leading = pc.binary_join_element_wise(" ", cells.meant, "")
    doubled = pc.if_else(pc.equal(doubled, cells.meant), trailing, doubled)
    which = cells.whole("which", 0, 3)
    return pc.if_else(pa.array(which == 0), leading, pc.if_else(pa.array(which == 1), trailing, doubled))


def _old_commune(cells: Cells) -> Any:
    """The code that the place had in e0 or e1, whichever differs from today's.

    The place is the row's own (truth column `place`) where that bears this code, else one inside the commune.
    """
    geo = cells.province.geo
    today = np.array(cells.meant.to_pylist(), np.str_)
    places = _inside(cells, today)
    own = cells.of("place")
    if own is not None and pa.types.is_integer(own.type):
        index = own.fill_null(-1).to_numpy().astype(np.int64)
        places = np.where((index >= 0) & (geo.code_e2[np.maximum(index, 0)] == today), index, places)
    epoch = cells.whole("epoch", 0, 1)
    drawn, other = (geo.code_in(np.maximum(places, 0), which) for which in (epoch, 1 - epoch))
    old = np.where(drawn == today, other, drawn)
    return pc.if_else(pa.array(places >= 0), pa.array(old.tolist(), pa.string()), cells.meant)


def _inside(cells: Cells, today: Any) -> Ints:
    """A place inside the commune of each code of today; -1 for other codes."""
    geo = cells.province.geo
    commune = np.minimum(np.searchsorted(geo.commune_codes, today), len(geo.commune_codes) - 1)
    places = geo.place_in(commune, cells.province.chance, f"{cells.stream}.place", cells.ids)
    return np.where(geo.commune_codes[commune] == today, places, -1)


def _agency_old(cells: Cells) -> Any:
    """H05, H05.12 and H05.12.34, alone or before a dossier's number -> leaf first, three figures and two twos."""
    text = pc.replace_substring_regex(cells.meant, r"^(H\d\d)\.(\d\d)\.(\d\d)($|-)", r"000.\3.\2.\1\4")
    text = pc.replace_substring_regex(text, r"^(H\d\d)\.(\d\d)($|-)", r"000.00.\2.\1\3")
    return pc.replace_substring_regex(text, r"^(H\d\d)($|-)", r"000.00.00.\1\2")


def _procedure_local(cells: Cells) -> Any:
    return pc.replace_substring_regex(cells.meant, r"^(\d\.\d{6})$", r"\1.000.00.00.H05")


def _phone_old(cells: Cells) -> Any:
    text = cells.meant
    for now, before in _RENUMBERED:
        # a number that one rule has changed begins like none of the others
        text = pc.replace_substring_regex(text, now, before)
    return text


KINDS: dict[str, Callable[[Cells], Any]] = {
    "text_nfd": lambda cells: pc.utf8_normalize(cells.meant, form="NFD"),
    "text_tone": _other_tones,
    "text_iy": lambda cells: encodings.i_for_y(cells.meant),
    "text_no_diacritics": lambda cells: encodings.without_diacritics(cells.meant),
    "text_upper": lambda cells: pc.utf8_upper(cells.meant),
    "text_spaces": _spaces,
    "text_no_thi": lambda cells: pc.replace_substring(cells.meant, " Thị ", " ", max_replacements=1),
    "commune_old": _old_commune,
    "commune_zero_lost": zero_lost,
    "agency_old": _agency_old,
    "procedure_local": _procedure_local,
    "phone_old": _phone_old,
    "code_typo": one_digit_wrong,
    "missing": nothing,
}

"""Names as one compares them: the same name may be written in several ways.

Belongs here: the key under which two spellings of one name are the same. Stays out: who has which name.

Alike are NFC and NFD, upper and lower case, several blanks and one, and both ways to place a tone (hoà and hòa). Not
alike are a name and itself without its marks, nor i and y: those are other names as far as a register is concerned.
"""

from __future__ import annotations

import re
import unicodedata

_TONE = re.compile("([\u0300\u0301\u0303\u0309\u0323])([^ ]*)")


def key_of(name: str) -> str:
    """The key: decomposed, in lower case, each syllable's tone at its end."""
    text = " ".join(unicodedata.normalize("NFD", name.casefold()).split())
    return unicodedata.normalize("NFC", _TONE.sub(r"\2\1", text))

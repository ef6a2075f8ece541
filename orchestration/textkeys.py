"""Keys to match Vietnamese names and addresses by, whoever wrote them.

Purpose: fold what is the same name in two spellings. Belongs here: keys. Stays out: the values, which keep their
spelling, and any judgement whether two records are one person.

| folded | example | match_key | ascii_key |
|---|---|---|---|
| composition, case, spaces | «NGUYỄN  thị» | yes | yes |
| đ and d, also Ð (eth) typed for Đ | «Đông», «Dông» | yes | yes |
| where the tone stands | «Hòa», «Hoà» | yes | yes |
| i for y alone after a consonant, and after qu | «Lý», «Lí»; «Quý», «Quí» | yes | yes |
| all other marks | «Hòa», «Hoa» | no | yes |

A key is for comparing, not for reading: in it the tone stands at the end of the syllable.
"""

from __future__ import annotations

import re
import unicodedata

_TONES = "\u0300\u0301\u0303\u0309\u0323"
_WORD = re.compile(r"[a-z\u0300-\u036f]+")  # of decomposed text
_TONE = re.compile(f"[{_TONES}]")
_I_FOR_Y = re.compile(r"(?<![a-z])([hklmst]|qu)y(?![a-z])")
_D = str.maketrans("đð", "dd")
_MARKS = re.compile("[\u0300-\u036f]+")
_CACHED, _LONGEST = 1 << 17, 64


def match_key(text: str) -> str:
    """The key of a name with its marks; equal for spellings of one name, see the module. NFC."""
    return " ".join(map(_keys.__getitem__, text.split()))


def ascii_key(text: str) -> str:
    """The same without any marks: for sources that have none, such as banks and machine-readable cards."""
    return " ".join(map(_plain.__getitem__, text.split()))


def _key(word: str) -> str:
    letters = unicodedata.normalize("NFD", word.casefold()).translate(_D)
    return unicodedata.normalize("NFC", _WORD.sub(_folded, letters))


def _folded(found: re.Match[str]) -> str:
    tones = "".join(_TONE.findall(found[0]))
    return _I_FOR_Y.sub(r"\1i", _TONE.sub("", found[0])) + tones


def _without_marks(word: str) -> str:
    return unicodedata.normalize("NFC", _MARKS.sub("", unicodedata.normalize("NFD", _key(word))))


class _Words(dict[str, str]):
    """Words seen and their keys: names have few different ones, so most are looked up at the speed of C."""

    def __missing__(self, word: str) -> str:
        key = self.made(word)
        if len(word) <= _LONGEST:
            if len(self) >= _CACHED:
                self.clear()
            self[word] = key
        return key

    def made(self, word: str) -> str:
        return _key(word)


class _PlainWords(_Words):
    def made(self, word: str) -> str:
        return _without_marks(word)


_keys, _plain = _Words(), _PlainWords()

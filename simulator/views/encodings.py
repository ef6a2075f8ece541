"""Vietnamese text as older systems hold it: TCVN3, VNI-Windows, Windows-1258, decomposed, without diacritics.

Belongs here: whole columns (Arrow strings) and whole texts from NFC to what a file holds. Stays out: which file holds it
(views), single wrong cells (`spoil`).

| encoding | one letter is | lost |
|---|---|---|
| `nfd` | a letter and its marks (UTF-8) | nothing |
| `mixed` | in every other value (by its length) decomposed | nothing |
| `cp1258` | a vowel (â, ă, ê, ô, ơ, ư composed) and a tone | nothing |
| `tcvn3` | one byte; fonts made for it (.VnTime) show it right | capitals with a tone: they have the bytes of small letters |
| `vni` | a letter, then a byte for its marks | nothing |

Read as Western text, bytes of the last three are the well-known «TØnh B¾c Ninh»: that is how they stand in workbooks and in
databases of UTF-8. Letters an encoding does not have become «?», as exports write them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

LEGACY = ("cp1258", "tcvn3", "vni")
_TONES = ("", "\u0300", "\u0309", "\u0303", "\u0301", "\u0323")  # none, huyền, hỏi, ngã, sắc, nặng
_VOWELS = "aăâeêioôơuưy"
# TCVN3 (TCVN 5712:1993, VN3), a row a vowel: none, huyền, hỏi, ngã, sắc, nặng; plain Latin letters are ASCII.
_TCVN3_ROWS = {
    "a": "61 B5 B6 B7 B8 B9", "ă": "A8 BB BC BD BE C6", "â": "A9 C7 C8 C9 CA CB", "e": "65 CC CE CF D0 D1",
    "ê": "AA D2 D3 D4 D5 D6", "i": "69 D7 D8 DC DD DE", "o": "6F DF E1 E2 E3 E4", "ô": "AB E5 E6 E7 E8 E9",
    "ơ": "AC EA EB EC ED EE", "u": "75 EF F1 F2 F3 F4", "ư": "AD F5 F6 F7 F8 F9", "y": "79 FA FB FC FD FE",
}  # fmt: skip
_TCVN3_CAPITALS = {"Ă": "A1", "Â": "A2", "Ê": "A3", "Ô": "A4", "Ơ": "A5", "Ư": "A6", "Đ": "A7", "đ": "AE"}
# VNI-Windows: a letter, then the sign of its marks, capital with capital; and letters that have a byte of their own.
_VNI_PLAIN, _VNI_BREVE, _VNI_ROOF = (
    ("", "ø", "û", "õ", "ù", "ï"),
    ("ê", "è", "ú", "ü", "é", "ë"),
    ("â", "à", "å", "ã", "á", "ä"),
)
_VNI_BASE = {"a": ("a", _VNI_PLAIN), "ă": ("a", _VNI_BREVE), "â": ("a", _VNI_ROOF), "e": ("e", _VNI_PLAIN),
             "ê": ("e", _VNI_ROOF), "o": ("o", _VNI_PLAIN), "ô": ("o", _VNI_ROOF), "ơ": ("ô", _VNI_PLAIN),
             "u": ("u", _VNI_PLAIN), "ư": ("ö", _VNI_PLAIN), "y": ("y", _VNI_PLAIN)}  # fmt: skip
_VNI_OWN = {"ì": "ì", "ỉ": "æ", "ĩ": "ó", "í": "í", "ị": "ò", "ỵ": "î", "đ": "ñ"}
# Typographic signs that TCVN3 and VNI do not have.
_PLAIN_SIGNS = {"–": "-", "—": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "«": '"', "»": '"'}
_PIECE = 1 << 22  # letters encoded at a time
_ASIDE = "\x1e"  # between values of one joined text; no value holds it


def letter(vowel: str, tone: int) -> str:
    """A vowel with one of six tones (0: none), composed."""
    return unicodedata.normalize("NFC", vowel + _TONES[tone])


@cache
def table(encoding: str) -> dict[str, bytes]:
    """Letter (NFC) -> its one or two bytes, for one of `LEGACY`."""
    found = {chr(code): bytes([code]) for code in range(128)}
    found |= {sign: plain.encode("ascii") for sign, plain in _PLAIN_SIGNS.items()}
    return found | {"tcvn3": _tcvn3, "vni": _vni, "cp1258": _cp1258}[encoding]()


@cache
def _pairs(encoding: str) -> npt.NDArray[np.uint16]:
    """The same by code point, both bytes as one number; the upper is 0 where there is no second."""
    pairs = np.full(1 << 16, ord("?"), np.uint16)
    for sign, content in table(encoding).items():
        pairs[ord(sign)] = int.from_bytes(content, "little")
    return pairs


def _tcvn3() -> dict[str, bytes]:
    found = {sign: bytes.fromhex(code) for sign, code in _TCVN3_CAPITALS.items()}
    for vowel, row in _TCVN3_ROWS.items():
        for tone, code in enumerate(row.split()):
            found[letter(vowel, tone)] = bytes.fromhex(code)
            if tone:
                found[letter(vowel, tone).upper()] = bytes.fromhex(code)
    return found | {sign.upper(): sign.upper().encode() for sign in "aeiouy"}


def _vni() -> dict[str, bytes]:
    texts = dict(_VNI_OWN)
    for vowel, (base, marks) in _VNI_BASE.items():
        for tone in range(6):
            texts.setdefault(letter(vowel, tone), base + marks[tone])
    texts |= {sign.upper(): text.upper() for sign, text in texts.items()}
    return {sign: text.encode("latin-1") for sign, text in texts.items()}


def _cp1258() -> dict[str, bytes]:
    tones = [mark.encode("cp1258") for mark in _TONES]
    found = {sign: sign.encode("cp1258") for sign in "đĐ₫–—‘’“”…«»°²³±×§"}
    for vowel in _VOWELS + _VOWELS.upper():
        for tone in range(6):
            found[letter(vowel, tone)] = vowel.encode("cp1258") + tones[tone]
    return found


def encode(text: str, encoding: str) -> bytes:
    """A whole text (NFC) as the bytes of a file."""
    if encoding in LEGACY:
        return b"".join(_legacy(text[at : at + _PIECE], encoding) for at in range(0, len(text), _PIECE))
    return unicodedata.normalize("NFD" if encoding == "nfd" else "NFC", text).encode()


def _legacy(text: str, encoding: str) -> bytes:
    pairs = np.take(_pairs(encoding), np.frombuffer(text.encode("utf-16-le"), np.uint16))
    if not (pairs > 255).any():
        return bytes(pairs.astype(np.uint8))
    content = pairs.astype("<u2").view(np.uint8)
    return bytes(content[content != 0])


def column(values: Any, encoding: str) -> Any:
    """A column of strings as a file of that encoding holds it, legacy bytes shown as Western text; null stays null."""
    if encoding == "utf-8":
        return values
    if encoding in LEGACY:
        return through_distinct(values, lambda text: encode(text, encoding).decode("cp1252"))
    decomposed = pc.utf8_normalize(values, form="NFD")
    if encoding == "nfd":
        return decomposed
    return pc.if_else(pc.equal(pc.bit_wise_and(pc.utf8_length(values), 1), 1), decomposed, values)


def columns(rows: Any, encoding: str) -> Any:
    """A table with all its string columns as `column` makes them; its names stay."""
    if encoding == "utf-8":
        return rows
    made = [column(_whole(c), encoding) if pa.types.is_string(c.type) else c for c in rows.columns]
    return pa.table(made, names=rows.column_names)


def shown(text: str, encoding: str) -> str:
    """One text as `column` makes it."""
    return str(column(pa.array([text], pa.string()), encoding)[0].as_py())


def through_distinct(values: Any, change: Callable[[str], str]) -> Any:
    """A column changed as one text of its distinct values; `change` must leave the sign between them (U+001E) alone."""
    coded = pc.dictionary_encode(values)
    distinct = coded.dictionary.to_pylist()
    changed = change(_ASIDE.join(distinct)).split(_ASIDE) if distinct else []
    return pa.array(changed, pa.string()).take(coded.indices)


@cache
def _folded() -> npt.NDArray[np.uint16]:
    found = np.arange(1 << 16).astype(np.uint16)
    found[ord("đ")], found[ord("Đ")] = ord("d"), ord("D")
    for vowel in _VOWELS + _VOWELS.upper():
        for tone in range(6):
            found[ord(letter(vowel, tone))] = ord(unicodedata.normalize("NFD", vowel)[0])
    return found


def without_diacritics(values: Any) -> Any:
    """«Đường Nguyễn Huệ» -> «Duong Nguyen Hue»."""
    return through_distinct(values, _fold)


def _fold(text: str) -> str:
    return np.take(_folded(), np.frombuffer(text.encode("utf-16-le"), np.uint16)).tobytes().decode("utf-16-le")


# «hòa» and «hoà»: in an open syllable with oa, oe or uy the tone stands on the first vowel or on the second.
_NO_LETTER = r"(?![^\W\d_])"
_OLD = re.compile("([òóỏõọ])([ae])" + _NO_LETTER + "|(?<!q)([ùúủũụ])(y)" + _NO_LETTER, re.IGNORECASE)
_NEW = re.compile("(o)([àáảãạèéẻẽẹ])" + _NO_LETTER + "|(?<!q)(u)([ỳýỷỹỵ])" + _NO_LETTER, re.IGNORECASE)


def _tone_moved(found: re.Match[str]) -> str:
    first, second = (unicodedata.normalize("NFD", found[at] or found[at + 2]) for at in (1, 2))
    moved = first[0] + second[1:] + second[0] + first[1:]
    return unicodedata.normalize("NFC", moved)


def new_tones(values: Any) -> Any:
    """«hòa, thủy» -> «hoà, thuỷ»."""
    return _where(values, "[òóỏõọ][ae]|[ùúủũụ]y", lambda text: _OLD.sub(_tone_moved, text))


def old_tones(values: Any) -> Any:
    """«hoà, thuỷ» -> «hòa, thủy»."""
    return _where(values, "o[àáảãạèéẻẽẹ]|u[ỳýỷỹỵ]", lambda text: _NEW.sub(_tone_moved, text))


_Y_ALONE = re.compile(r"\b([hklmst])([yỳýỷỹỵ])\b", re.IGNORECASE)
_I_FOR_Y = str.maketrans("yỳýỷỹỵYỲÝỶỸỴ", "iìíỉĩịIÌÍỈĨỊ")


def i_for_y(values: Any) -> Any:
    """«Lý Mỹ» -> «Lí Mĩ»."""
    change = partial(_Y_ALONE.sub, lambda found: found[1] + found[2].translate(_I_FOR_Y))
    return _where(values, "[hklmst][yỳýỷỹỵ]", change)


def _where(values: Any, pattern: str, change: Callable[[str], str]) -> Any:
    """A column of which only the values that have the pattern are looked at by `change`."""
    has = pc.fill_null(pc.match_substring_regex(values, pattern, ignore_case=True), False)
    changed = through_distinct(values.filter(has), change)
    return pc.replace_with_mask(values, has, changed)


def _whole(values: Any) -> Any:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values

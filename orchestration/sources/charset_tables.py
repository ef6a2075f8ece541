"""What the bytes of older Vietnamese text mean: TCVN3 (ABC), VNI-Windows, Windows-1258, VISCII, VPS.

Purpose: the facts of the published standards, as tables for C-level decoding. Belongs here: bytes, letters, marks and
the pairs that make one letter. Stays out: streams and text columns (`charsets`), VIQR (`viqr`), detection.

| charset | after | one letter is |
|---|---|---|
| tcvn3 | TCVN 5712:1993, VN3 and the capitals of VN2 | one byte; or a letter and a combining tone |
| vni | VNI-Windows | a letter, then a byte for all its marks |
| cp1258 | Windows-1258 | a vowel with its shape, then a tone |
| viscii | RFC 1456 | one byte; six capitals are control characters |
| vps | VPS of the Vietnamese Professionals Society | one byte; fourteen capitals are control characters |

Where a standard leaves a byte free, programs of Windows wrote their typographic signs (quotes, dashes): it is read as
in Windows-1252. TCVN3 so keeps 80-9F for signs, where VN1 has capitals that no ABC font shows.
"""

from __future__ import annotations

import codecs
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

UNDEFINED = "\ufffe"  # how a decoding table of Python marks a byte without meaning
GRAVE, HOOK, TILDE, ACUTE, DOT = TONES = ("\u0300", "\u0309", "\u0303", "\u0301", "\u0323")
ROOF, BREVE = "\u0302", "\u0306"

_TCVN3 = {
    0xA0: "\u00a0ĂÂÊÔƠƯĐăâêôơưđẰ",
    0xB0: GRAVE + HOOK + TILDE + ACUTE + DOT + "àảãáạẲằẳẵắẴ",
    0xC0: "ẮẦẨẪẤỀặầẩẫấậèỂẻẽ",
    0xD0: "éẹềểễếệìỉỄẾỒĩíịò",
    0xE0: "Ổỏõóọồổỗốộờởỡớợù",
    0xF0: "ỖủũúụừửữứựỳỷỹýỵỐ",
}
_VISCII = {
    0x02: "Ẳ", 0x05: "ẴẪ", 0x14: "Ỷ", 0x19: "Ỹ", 0x1E: "Ỵ",
    0x80: "ẠẮẰẶẤẦẨẬẼẸẾỀỂỄỆỐ",
    0x90: "ỒỔỖỘỢỚỜỞỊỎỌỈỦŨỤỲ",
    0xA0: "Õắằặấầẩậẽẹếềểễệố",
    0xB0: "ồổỗỠƠộờởịỰỨỪỬơớƯ",
    0xC0: "ÀÁÂÃẢĂẳẵÈÉÊẺÌÍĨỳ",
    0xD0: "ĐứÒÓÔạỷừửÙÚỹỵÝỡư",
    0xE0: "àáâãảăữẫèéêẻìíĩỉ",
    0xF0: "đựòóôõỏọụùúũủýợỮ",
}  # fmt: skip
_VPS = {
    0x02: "ẠẬẶẸỆ", 0x10: "ỊỌỘỢỤỰ", 0x19: "Ỵ", 0x1C: "ẪỮ",
    0x80: "ÀẢÃẤẦẨọỗĂếềểệẮẰẲ",
    0x90: "Ế\u2018\u2019ỀỂỄỐỒỔỖýỷỵỚỜỞ",
    0xA0: "\u00a0ắằẳẵặỠớÙờởỡŨỨợỪ",
    0xB0: "ổỬỲỸÍÌộỈĨÓửữÒỎÕự",
    0xC0: "ầÁÂấẩẫậđẻÉÊẹỉễịỹ",
    0xD0: "ƯỦồốÔỏơÈừứÚũưÝẺß",
    0xE0: "àáâãảạăçèéêẽìíîĩ",
    0xF0: "ẴĐòóôõöƠụùúủüỶẼỳ",
}  # fmt: skip
# VNI-Windows: letters of their own, and signs that stand after a letter; both as Windows-1252 shows them.
_VNI_LETTERS = dict(zip("ôöñìæóíòîÔÖÑÌÆÓÍÒÎ", "ơưđìỉĩíịỵƠƯĐÌỈĨÍỊỴ", strict=True))
_VNI_MARKS = {
    sign: shape + tone
    for shape, signs in (("", " øûõùï"), (BREVE, "êèúüéë"), (ROOF, "âàåãáä"))
    for sign, tone in zip(signs, ("", *TONES), strict=True)
    if sign != " "
}


def western(byte: int) -> str:
    """The sign of a byte in Windows-1252; the five it leaves free are the control characters of Latin-1."""
    return bytes([byte]).decode("cp1252", "ignore") or chr(byte)


def _windows_1252() -> list[str]:
    return [bytes([byte]).decode("cp1252", "ignore") or UNDEFINED for byte in range(256)]


def _laid_over(rows: dict[int, str]) -> list[str]:
    table = _windows_1252()
    for start, letters in rows.items():
        table[start : start + len(letters)] = letters
    return table


def _meanings(charset: str) -> list[str]:
    """What each of the 256 bytes means by itself, NFC; a mark is one or two combining characters."""
    if charset == "tcvn3":
        return _laid_over(_TCVN3)
    if charset == "viscii":
        return _laid_over(_VISCII)
    if charset == "vps":
        return _laid_over(_VPS)
    if charset == "cp1258":
        return [bytes([byte]).decode("cp1258", "ignore") or UNDEFINED for byte in range(256)]
    table = _windows_1252()
    for sign, meaning in (_VNI_LETTERS | _VNI_MARKS | {s.upper(): m for s, m in _VNI_MARKS.items()}).items():
        table[ord(sign)] = meaning
    return table


@dataclass(frozen=True, eq=False)  # compared by identity: there is one a charset
class Table:
    """One charset for decoding. `letters` is a decoding map for `codecs.charmap_decode`, without meaning for marks of
    two characters: those are `private` ones there, which `unfold` turns into the two.
    """

    letters: str
    marks: bytes
    unfold: dict[int, str]

    def text(self, data: bytes) -> str:
        """Whole letters -> NFC. UnicodeDecodeError with the place of a byte that has no meaning."""
        alone = data.translate(None, self.marks)
        joined = self._joined(data, alone) if len(alone) < len(data) else None
        if joined is not None:
            return joined
        # No mark at all, which is fast; or a mark without its letter, or a second one: rare, so the slow and certain way.
        text = codecs.charmap_decode(data, "strict", self.letters)[0]  # type: ignore[arg-type]
        if len(alone) == len(data):
            return text
        return unicodedata.normalize("NFC", text.translate(self.unfold) if self.unfold else text)

    def _joined(self, data: bytes, alone: bytes) -> str | None:
        """Letters joined with their marks by looking up each pair, several times as fast as normalising; or None.

        `alone`: the same without the marks.
        """
        import numpy as np

        content = np.frombuffer(data, np.uint8)
        places = np.flatnonzero(np.frombuffer(data.translate(_flags(self.marks)), np.bool_))
        pairs = _pairs(self)[content[places].astype(np.uint16) << 8 | content[places - 1]]
        if places[0] == 0 or not pairs.all():
            return None
        try:
            letters = codecs.charmap_decode(alone, "strict", self.letters)[0]  # type: ignore[arg-type]
        except UnicodeDecodeError:
            return None  # its place would be that in `alone`
        codes = np.frombuffer(letters.encode("utf-16-le"), np.uint16).copy()
        codes[places - np.arange(1, len(places) + 1)] = pairs
        return codes.tobytes().decode("utf-16-le")


@cache
def _flags(marks: bytes) -> bytes:
    return bytes(byte in marks for byte in range(256))


@cache
def _pairs(table: Table) -> npt.NDArray[np.uint16]:
    """By two bytes (mark << 8 | letter): the letter of both, or 0 where they do not make one."""
    import numpy as np

    codes = np.zeros(1 << 16, np.uint16)
    for mark in table.marks:
        meaning = table.letters[mark].translate(table.unfold)
        for first, letter in enumerate(table.letters):
            joined = unicodedata.normalize("NFC", letter + meaning)
            if first not in table.marks and len(joined) == 1:
                codes[mark << 8 | first] = ord(joined)
    return codes


@cache
def table(charset: str, lenient: bool = False) -> Table:
    """tcvn3, vni, cp1258, viscii or vps. lenient: a byte without meaning stays the Western sign that it is."""
    letters, unfold, marks = [], {}, bytearray()
    for byte, meaning in enumerate(_meanings(charset)):
        if meaning == UNDEFINED and lenient:
            meaning = western(byte)
        if len(meaning) > 1:
            unfold[0xE000 + byte] = meaning
        if unicodedata.combining(meaning[0]):
            marks.append(byte)
        letters.append(meaning if len(meaning) == 1 else chr(0xE000 + byte))
    return Table("".join(letters), bytes(marks), unfold)

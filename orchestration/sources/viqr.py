"""VIQR: Vietnamese in pure ASCII, as mail and old exports have it: «Ba('c Ninh», «DDa(.ng Thi. Ho`a».

Purpose: words of VIQR to Unicode. Belongs here: what a sign after a letter means. Stays out: streams (`charsets`).

Shapes a^ e^ o^ a( o+ u+ dd, then a tone ' ` ? ~ . ; a backslash makes the next sign an ordinary one (RFC 1456).
Where a sign may be both a tone and punctuation, the standard reading is the tone: «Ta ve.» is «Ta vẹ». It is taken for
punctuation where the tone cannot be meant, that is where
- the word has its tone already: «la`.» is «là.»;
- it follows no vowel: «kho^ng?» is «không?»;
- no Vietnamese syllable has it there, but one is spelled without it: «dda^u?» is «đâu?», «chu+a.» is «chưa.».
What stays ambiguous needs the backslash of the standard: «Ta ve\\.». A small «dd» inside a word stays («address»), a
capital one does not: «QDD» is «QĐ». A backslash before anything else stays itself: «C:\\data».
"""

from __future__ import annotations

import re
import unicodedata

from orchestration.sources.charset_tables import ACUTE, BREVE, DOT, GRAVE, HOOK, ROOF, TILDE
from orchestration.sources.syllables import is_syllable

WORD = "A-Za-z^(+'`?~.\\\\"  # of a character class
WORD_BYTES = bytes(byte for byte in range(128) if chr(byte).isalpha()) + rb"^(+'`?~.\\"
_TONES = {"'": ACUTE, "`": GRAVE, "?": HOOK, "~": TILDE, ".": DOT}
_SHAPES = {"^": ROOF, "(": BREVE, "+": "\u031b"}
_TOKENS = re.compile(f"[{WORD}]+|[^{WORD}]+")
_UNIT = re.compile(
    r"\\([\\^(+'`?~.])|([dD])\\(?=[dD])|(D[dD]|(?<![A-Za-z])dd)|(?:([aAeEoO]\^|[aA]\(|[oOuU]\+|[aeiouyAEIOUY])(['`?~.])?)|(.)",
    re.DOTALL,
)
_CACHED, _LONGEST = 1 << 17, 32


class _Words(dict[str, str]):
    """Words seen, decoded: a text has few different ones, so most of it is looked up at the speed of C."""

    def __missing__(self, word: str) -> str:
        return self.kept(word, _decoded(word))

    def kept(self, word: str, found: str) -> str:
        if len(word) <= _LONGEST:
            if len(self) >= _CACHED:
                self.clear()
            self[word] = found
        return found


class _Parts(_Words):
    """The same between two blanks, with the commas and digits that stand there: splitting at blanks alone is fastest."""

    def __missing__(self, part: str) -> str:
        return self.kept(part, "".join(map(_words.__getitem__, _TOKENS.findall(part))))


_words, _parts = _Words(), _Parts()


def viqr_text(text: str) -> str:
    """ASCII text of VIQR -> NFC; whatever is not ASCII stays."""
    return " ".join(map(_parts.__getitem__, text.split(" ")))


def _decoded(token: str) -> str:
    done: list[str] = []
    word: list[tuple[str, str, str]] = []  # letters of the word so far: letter, its shape, its tone, as signs
    for found in _UNIT.finditer(token):
        escaped, d, crossed, vowel, tone, other = found.groups()
        letter = crossed or d or vowel or (other if other and other.isalpha() else None)
        if letter is None:
            done += (_word(word), escaped or other)
            word = []
        elif crossed:
            word.append(("Đ" if crossed[0] == "D" else "đ", "", ""))
        elif tone and any(earlier for _, _, earlier in word):
            done += (_word([*word, (letter[0], letter[1:], "")]), tone)
            word = []
        else:
            word.append((letter[0], letter[1:], tone or ""))
    return "".join((*done, _word(word)))


def _word(letters: list[tuple[str, str, str]]) -> str:
    """The standard reading; but the last letter's signs are punctuation where only that makes a syllable."""
    standard = _spelled(letters)
    if not letters or is_syllable(standard.lower()):
        return standard
    letter, shape, tone = letters[-1]
    readings = [(shape, tone)]
    if shape == "(" and len(letters) > 1:  # the only shape that is punctuation too; «a(» by itself is the letter
        readings.append(("", shape + tone))
    for kept, sign in readings:
        reading = _spelled([*letters[:-1], (letter, kept, "")])
        if sign and is_syllable(reading.lower()):
            return reading + sign
    return standard


def _spelled(letters: list[tuple[str, str, str]]) -> str:
    marked = "".join(letter + _SHAPES.get(shape, "") + _TONES.get(tone, "") for letter, shape, tone in letters)
    return unicodedata.normalize("NFC", marked)

"""Whether a word can be Vietnamese: how a syllable is built, by the rules of its spelling.

Purpose: tell rightly decoded text from wrongly decoded, without a dictionary or a corpus. Belongs here: onsets, rhymes,
tones and where a tone may stand. Stays out: charsets, scores.
"""

from __future__ import annotations

import unicodedata
from functools import cache, lru_cache

from orchestration.sources.charset_tables import ACUTE, DOT, TONES

_ONSETS = " b c d đ g h k l m n p q r s t v x ch gh gi kh ng ngh nh ph qu th tr"
_RHYMES = """
a ai ao au ay ac ach am an ang anh ap at   ăc ăm ăn ăng ăp ăt   âc âm ân âng âp ât âu ây
e ec em en eng eo ep et   ê êch êm ên ênh êp êt êu   i ia ich im in inh ip it iu   iêc iêm iên iêng iêp iêt iêu
o oc oi om on ong op ot ooc oong   oa oac oach oai oam oan oang oanh oao oap oat oay oăc oăm oăn oăng oăt oe oen oeo oet
ô ôc ôi ôm ôn ông ôp ôt   ơ ơi ơm ơn ơp ơt   u ua uc ui um un ung up ut   uân uâng uât uây uê uêch uênh
uôc uôi uôm uôn uông uôt uơ   uy uya uych uyn uynh uyt uyu uyp uyên uyêt
ư ưa ưc ưi ưm ưn ưng ưt ưu   ươc ươi ươm ươn ương ươp ươt ươu   y yêm yên yêng yêt yêu ynh yt
"""
_SHAPED, _VOWELS = "ăâêôơư", "aăâeêioôơuưy"
_STOPS = ("p", "t", "c", "ch")  # with these a syllable has sắc or nặng


def _places(rhyme: str) -> tuple[int, ...]:
    """Where the tone may stand; «hòa» and «hoà» are both right."""
    shaped = [at for at, letter in enumerate(rhyme) if letter in _SHAPED]
    if shaped:
        return (shaped[-1],)
    vowels = sum(letter in _VOWELS for letter in rhyme)
    if vowels < len(rhyme):
        return (vowels - 1,)
    if vowels == 2:
        return (0, 1) if rhyme in ("oa", "oe", "uy") else (0,)
    return (vowels // 2,)


@cache
def _onsets() -> frozenset[str]:
    return frozenset(_ONSETS.split(" "))  # the first is none


@cache
def _rhymes() -> dict[str, tuple[int, ...]]:
    return {rhyme: _places(rhyme) for rhyme in _RHYMES.split()}


@cache
def _toned() -> dict[str, tuple[str, str]]:
    """Every vowel with a tone -> the vowel and the tone."""
    return {unicodedata.normalize("NFC", vowel + tone): (vowel, tone) for vowel in _VOWELS for tone in TONES}


@lru_cache(1 << 16)
def is_syllable(word: str) -> bool:
    """Whether a word (NFC, small letters) obeys the spelling of one Vietnamese syllable, its tone included."""
    if not word or len(word) > 7:
        return False
    found = [(at, *_toned()[letter]) for at, letter in enumerate(word) if letter in _toned()]
    if len(found) > 1:
        return False
    tone, plain, stands = "", word, -1
    if found:
        stands, vowel, tone = found[0]
        plain = word[:stands] + vowel + word[stands + 1 :]
    return any(_fits(plain[:cut], plain[cut:], tone, stands - cut) for cut in range(4) if plain[:cut] in _onsets())


def _fits(onset: str, rhyme: str, tone: str, stands: int) -> bool:
    places = _rhymes().get(rhyme)
    if places is None or (tone and stands not in places):
        return False
    if rhyme.endswith(_STOPS) and tone not in (ACUTE, DOT):
        return False
    if onset == "q":
        return rhyme.startswith("u")
    if onset in ("c", "ng", "g"):
        return rhyme[0] not in "eêiy" or (onset == "g" and rhyme[0] == "i")
    return onset not in ("gh", "ngh") or rhyme[0] in "eêi"


def has_case(word: str) -> bool:
    """Whether capitals and small letters stand as people write them: all small, all capitals, or the first capital."""
    return word[1:].islower() or word.isupper() or len(word) == 1

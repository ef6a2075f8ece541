"""Old Vietnamese charsets, against other people's converters: iconv, Python's codec, viparse, and the simulator's encoders."""

from __future__ import annotations

import random
import shutil
import subprocess
import unicodedata
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.errors import KhoError
from orchestration.sources import charset_tables, charsets, syllables
from orchestration.sources.charsets import decode_column, decode_text, decoded, detect, detect_text
from simulator.geography import Geography
from simulator.names import GIVEN, MIDDLE, SURNAMES
from simulator.views import encodings

SMALL = [
    unicodedata.normalize("NFC", vowel + tone)
    for vowel in "aăâeêioôơuưy"
    for tone in ("", "\u0300", "\u0309", "\u0303", "\u0301", "\u0323")
] + ["đ"]
LETTERS = SMALL + [letter.upper() for letter in SMALL]
LEGACY = ("cp1258", "tcvn3", "vni", "viscii", "vps", "viqr")
TEXT = "Ủy ban nhân dân xã Quế Võ: đồng chí Nguyễn Thị Hòa, trưởng phòng Văn hoá, ở số nhà 12/5\nthửa 345 tờ 7 Ẵ ỵ."
SIGNS = {"\u0300": "`", "\u0301": "'", "\u0303": "~", "\u0309": "?", "\u0323": ".", "\u0302": "^", "\u0306": "(", "\u031b": "+"}  # fmt: skip


def nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def whole(content: bytes, charset: str, name: str = "f.csv") -> str:
    return b"".join(decoded([content], charset, name)).decode()


def encode(text: str, charset: str) -> bytes:
    """By other people's tables, or the simulator's; `?` for what a charset lacks."""
    if charset in encodings.LEGACY:
        return encodings.encode(text, charset)
    if charset == "utf-8":
        return text.encode()
    if charset == "viqr":
        return "".join(map(_viqr, text)).encode("ascii", "replace")
    pairs = import_module("viparse.normalize.encodings").CHARMAPS[charset].pairs
    known = {letter: code for code, letter in pairs}
    return "".join(known.get(sign, sign) for sign in text).encode("latin-1", "replace")


def _viqr(sign: str) -> str:
    if sign in "^(+'`?~.\\":
        return "\\" + sign
    base, *marks = unicodedata.normalize("NFD", sign)
    marks.sort(key=lambda mark: mark not in "\u0302\u0306\u031b")
    return {"đ": "dd", "Đ": "DD"}.get(base, base) + "".join(SIGNS[mark] for mark in marks)


def after_tcvn3(text: str) -> str:
    """What is left of it: capitals with a tone are small letters."""
    toned = {letter.upper() for letter in SMALL if encodings.encode(letter, "tcvn3") == encodings.encode(letter.upper(), "tcvn3")}  # fmt: skip
    return "".join(letter.lower() if letter in toned else letter for letter in text)


@pytest.mark.parametrize("charset", LEGACY)
def test_every_letter_comes_back(charset: str) -> None:
    text = " ".join(LETTERS) + "\n" + TEXT
    assert whole(encode(text, charset), charset) == (after_tcvn3(text) if charset == "tcvn3" else text)


@pytest.mark.parametrize(("charset", "known_as"), [("tcvn3", "TCVN"), ("viscii", "VISCII"), ("cp1258", "CP1258")])
def test_as_iconv_reads_it(charset: str, known_as: str) -> None:
    """All upper bytes that both give a meaning; below A0, TCVN3 has signs of Windows where VN1 has more capitals."""
    if not shutil.which("iconv"):
        pytest.skip("no iconv here")
    upper = range(0xA0, 0x100) if charset == "tcvn3" else range(0x80, 0x100)
    for byte in [*range(0x20, 0x7F), *upper]:
        ran = subprocess.run(["iconv", "-f", known_as, "-t", "UTF-8"], input=b"x" + bytes([byte]), capture_output=True)
        if ran.returncode == 0:
            assert whole(b"x" + bytes([byte]), charset) == nfc(ran.stdout.decode()), hex(byte)


@pytest.mark.parametrize("charset", ["tcvn3", "vni", "viscii", "vps"])
def test_as_viparse_reads_it(charset: str) -> None:
    pairs = import_module("viparse.normalize.encodings").CHARMAPS[charset].pairs
    assert len(pairs) > 70
    for codes, letter in pairs:
        assert decode_text(codes, charset) == letter
        assert whole(codes.encode("latin-1"), charset) == letter


@given(st.binary(max_size=200))
def test_cp1258_is_pythons_codec_composed(content: bytes) -> None:
    try:
        expected = nfc(content.decode("cp1258"))
    except UnicodeDecodeError:
        with pytest.raises(KhoError):
            whole(content, "cp1258")
    else:
        if not content.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
            assert whole(content, "cp1258") == expected


pieces = st.lists(
    st.one_of(st.sampled_from([*LETTERS, *" \n,.?'^(+\\d"]), st.text("aeoudn?.^ ", max_size=4)), max_size=40
)


@given(pieces, st.sampled_from(LEGACY), st.lists(st.integers(0, 120), max_size=8), st.binary(max_size=5))
def test_chunks_may_be_cut_anywhere(text: list[str], charset: str, cuts: list[int], odd: bytes) -> None:
    content = encode("".join(text), charset) + (bytes(b for b in odd if b >= 0xA0) if charset != "viqr" else b"")
    places = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
    chunks = [content[a:b] for a, b in pairwise(places)]
    try:
        expected = whole(content, charset)
    except KhoError as error:
        with pytest.raises(KhoError) as found:
            list(decoded(chunks, charset, "f.csv"))
        assert found.value.where == error.where
    else:
        result = b"".join(decoded(chunks, charset)).decode()
        assert result == expected
        assert unicodedata.is_normalized("NFC", result)


@pytest.mark.parametrize("charset", LEGACY)
def test_long_streams_are_decoded_in_pieces(charset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = encode(TEXT * 3, charset)
    expected = whole(content, charset)
    monkeypatch.setattr(charsets, "_PIECE", 7)
    parts = list(decoded([content], charset))
    assert len(parts) > 10
    assert b"".join(parts).decode() == expected


def test_utf8_passes_as_it_is_but_for_its_mark() -> None:
    chunks = [
        b"ab",
        "cé".encode()[:2],
        "é".encode()[1:],
        b"\xff not looked at",
        unicodedata.normalize("NFD", "ệ").encode(),
    ]
    assert b"".join(decoded(chunks, "utf-8")) == b"".join(chunks)
    passed = list(decoded([b"abc", chunks[3]], "utf-8"))
    assert passed[1] is chunks[3]
    assert b"".join(decoded([b"\xef", b"\xbb", b"\xbfa", b"\xef\xbb\xbf"], "utf-8")) == b"a\xef\xbb\xbf"
    assert b"".join(decoded([], "utf-8")) == b"" == b"".join(decoded([], "vni"))


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
def test_utf16_is_told_by_its_mark(order: str) -> None:
    content = ("\ufeff" + TEXT).encode(order)
    for size in (1, 3, 1000):
        chunks = [content[at : at + size] for at in range(0, len(content), size)]
        assert b"".join(decoded(chunks, "utf-8")).decode() == TEXT
    with pytest.raises(KhoError, match="f.csv") as found:
        list(decoded([content[:-1]], "utf-8", "f.csv"))
    assert found.value.code == "encoding"


@pytest.mark.parametrize(
    ("charset", "bad"), [("tcvn3", b"\x81"), ("vni", b"\x8d"), ("cp1258", b"\x9a"), ("viqr", b"\xe1")]
)
def test_bytes_without_meaning_are_told_by_line_without_their_value(charset: str, bad: bytes) -> None:
    content = encode(TEXT + "\n", charset)  # two lines
    with pytest.raises(KhoError) as found:
        list(decoded([content, content[:30], content[30:] + b"secret" + bad], charset, "a.csv"))
    error = found.value
    assert (error.code, error.where) == ("encoding", {"file": "a.csv", "row": 5, "rule": "encoding"})
    assert "secret" not in str(error) and error.__context__ is None


def test_a_mark_of_unicode_where_another_charset_is_declared() -> None:
    for mark in (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"):
        with pytest.raises(KhoError) as found:
            list(decoded([mark, b"abc"], "tcvn3", "a.csv"))
        assert found.value.code == "encoding"
    for call in (
        lambda: list(decoded([b"a"], "latin-7")),
        lambda: decode_text("a", "x"),
        lambda: decode_column(["a"], "x"),
    ):
        with pytest.raises(KhoError) as found:
            call()
        assert found.value.code == "charset"


def test_letters_with_odd_marks_stand_in_nfc_all_the_same() -> None:
    assert whole(b"a\xec\xf2 \xf2", "cp1258") == nfc("a\u0301\u0323 \u0323")
    assert whole("xé aé é".encode("latin-1"), "vni") == nfc("x\u0306\u0301 ắ \u0306\u0301")
    with pytest.raises(KhoError) as found:
        list(decoded([b"a"] + [b"\xec" * 65536] * 20, "cp1258"))
    assert found.value.code == "encoding", "marks without end are not kept in memory"


@pytest.mark.parametrize(
    ("viqr", "text"),
    [
        ("Ba('c Ninh, DDa(.ng Thi. Ho`a", "Bắc Ninh, Đặng Thị Hòa"), ("ngu+o+`i ddu+o+.c", "người được"),
        ("la`. kho^ng? ba~i?", "là. không? bãi?"), ("dda^u? chu+a. ai? Ba(2)", "đâu? chưa. ai? Ba(2)"),
        ("Ta ve. ho?", "Ta vẹ hỏ"), (r"Ta ve\. ho\?", "Ta ve. ho?"),  # ambiguous: the standard reading is the tone
        ("address QDD-UBND Dda`o", "address QĐ-UBND Đào"), (r"C:\data d\d a\^ \\.", r"C:\data dd a^ \."),
    ],
)  # fmt: skip
def test_viqr(viqr: str, text: str) -> None:
    assert whole(viqr.encode(), "viqr") == text == decode_text(viqr, "viqr")


def test_text_that_is_unicode_already_stays() -> None:
    assert decode_text("TØnh B¾c Ninh", "tcvn3") == "Tỉnh Bắc Ninh" == decode_text("Tænh Baéc Ninh", "vni")
    assert decode_text("Nguyễn Văn Hà", "tcvn3") == "Nguyễn Văn Hà", "à is not decoded where ễ tells"
    assert decode_text("Lê Hà", "viqr") == "Lê Hà"
    assert decode_text(unicodedata.normalize("NFD", "Bắc"), "vni") == "Bắc"
    assert decode_text("5 ₫ → B¾c 日", "tcvn3") == "5 ₫ → Bắc 日"
    assert decode_text("a\x81b", "tcvn3") == "a\x81b", "a value cannot be refused"
    for through in ("latin-1", "cp1252"):
        text = "Nguyễn Thị ồ ế"
        assert decode_text(encode(text, "vps").decode(through, "replace"), "vps") == text


@given(
    st.lists(st.one_of(st.none(), st.text(), st.sampled_from(["", "TØnh", "Baéc", "Nguyễn Hà", "a\x1fb", "5 ₫ B¾c"]))),
    st.sampled_from(charsets.CHARSETS),
)
def test_a_column_is_its_values(values: list[str | None], charset: str) -> None:
    assert decode_column(values, charset) == [None if v is None else decode_text(v, charset) for v in values]


def test_the_separator_is_no_letter() -> None:
    for charset in ("tcvn3", "vni", "cp1258", "viscii", "vps"):
        assert charset_tables.table(charset).letters[ord(charsets.SEPARATOR)] == charsets.SEPARATOR


def generated(kind: str) -> Iterator[str]:
    """Values of the invented province, without end."""
    chance, places = random.Random(kind), Geography()
    while True:
        female = chance.random() < 0.5
        name = " ".join(
            (chance.choice([*SURNAMES]), chance.choice([*MIDDLE[not female]]), chance.choice(GIVEN[not female]))
        )
        place = f"Thôn {chance.choice(places.village)}, {chance.choice(places.commune_names)}"
        yield {
            "names": name,
            "addresses": place,
            "rows": f'{chance.randrange(10**9)},{name},01/02/1990,"{place}",Nữ',
            "capitals": name.upper(),
            "sentences": "Ủy ban nhân dân đề nghị báo cáo kết quả theo Quyết định số 12/QĐ-UBND trước ngày 30.",
        }[kind]


@pytest.mark.parametrize("kind", ["names", "addresses", "rows", "capitals", "sentences"])
@pytest.mark.parametrize("charset", charsets.CHARSETS)
def test_detected_on_enough_text(charset: str, kind: str) -> None:
    values = generated(kind)
    for size in (120, 500, 5000):
        text = ""
        while len(text) < size:
            text += next(values) + "\n"
        content = encode(text[:size], charset)
        if size == 120 and charset != "utf-8":
            with pytest.raises(KhoError) as found:
                detect(content)
            assert found.value.code == "charset_undecided" and "kho.charset" in found.value.en
            continue
        assert detect(content) == charset, size
        shown = text[:size] if charset == "utf-8" else content.decode("latin-1")
        if size > 120:
            assert detect_text(shown) == charset


def test_detection_does_not_guess() -> None:
    assert detect(b"id,name\n1,Nguyen Van A.\n" * 50) == "utf-8" == detect_text("Nguyen Van A.")
    assert detect(b"\xff\xfea\x00") == "utf-8", "UTF-16 with its mark"
    assert detect(("x" + "ệ" * 30000).encode()) == "utf-8", "cut in the middle of a letter"
    french = "Le café déjà fermé, l'hôtel à côté a été rénové là-bas, où la forêt protège l'élève. " * 10
    with pytest.raises(KhoError):
        detect(french.encode("latin-1"))
    mixed = [encodings.shown("Nguyễn Thị Hồng", "tcvn3"), "Đặng Văn Đức"] * 40
    assert detect_text("\n".join(mixed)) == "tcvn3"
    assert decode_column(mixed, "tcvn3")[:2] == ["Nguyễn Thị Hồng", "Đặng Văn Đức"]


def test_syllables() -> None:
    good = "ủy uỷ hoà hòa giếng gìn gì quốc quý nghĩa khuỷu thuở yến kỵ ngoèo quỳnh huệ tuyết đường kẻ ghế"
    assert [word for word in good.split() if not syllables.is_syllable(word)] == []
    bad = "ngiã cế qá đâủ cac bàc hoàà tx ừơng nguyễnn ghà toán\u0309 bă"
    assert [word for word in bad.split() if syllables.is_syllable(word)] == []

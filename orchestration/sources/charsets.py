"""Text of older systems -> Unicode: streams of bytes, and text that stands in Unicode columns as Western characters.

Purpose: one place that decodes, at the speed of C, and that detects a charset on enough text. Belongs here: chunk
borders, what cannot be decoded, scores. Stays out: the tables (`charset_tables`), spelling (`syllables`), where the
contract declares a charset.

Bytes are decoded strictly: an error names file and line. Text is decoded leniently, since nobody can stop at one value:
- a value with a Vietnamese letter that Windows-1252 does not have (ễ, đ, ơ, a combining mark; for VIQR any letter with
  a mark) is Unicode already: the whole value stays, in NFC;
- any other character that the charset cannot mean («₫», «→») stays, and what is around it is decoded;
- a value whose letters Windows-1252 has as well («Hà») cannot be told from a legacy one: it is decoded as declared.
TCVN3 has no capitals with a tone; ABC fonts show small ones as capitals. They become the small letters that they are.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from orchestration.errors import KhoError
from orchestration.sources.charset_tables import table, western
from orchestration.sources.syllables import has_case, is_syllable
from orchestration.sources.viqr import WORD, WORD_BYTES, viqr_text

UTF8 = "utf-8"
CHARSETS = (UTF8, "cp1258", "tcvn3", "vni", "viscii", "vps", "viqr")
SEPARATOR = "\x1f"  # between values of a column; no charset has a letter there
_PIECE = 1 << 16  # bytes decoded at a time: arrays of more are fetched from the system each time
_LONGEST_LETTER = 1 << 20  # a letter with more marks than this, or a longer word of VIQR, is no text
_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

# Detection: how much is looked at, how much is enough, how sure is sure.
_LOOKED_AT = 1 << 16
_LETTERS, _WORDS, _SOME = 200, 10, 3
_SURE, _APART = 0.75, 0.1

_UNICODE = re.compile("[ĂăĐđĨĩŨũƠơƯưẠ-ỹ\u0300-\u0303\u0306\u0309\u031b\u0323]")
_ACCENTED = re.compile("[À-ÖØ-öø-ƿẠ-ỹ\u0300-\u036f]")
_C1 = {byte: western(byte) for byte in range(0x80, 0xA0)}  # bytes that came through Latin-1 instead
_WESTERN = codecs.charmap_build("".join(map(western, range(256))))  # type: ignore[attr-defined]
_FOREIGN = re.compile(f"([^{re.escape(''.join(map(western, range(256))))}\x80-\x9f]+)")
_TOKEN = re.compile(r"[^\s\x00-\x40\[-`{-~]+")  # letters, and whatever is not ASCII
_SHAPED = re.compile(rf"[{WORD}]*(?:[aeoAEO]\^|[aA]\(|[uoUO]\+)[{WORD}]*")
_AROUND = "\u00a0«»‘’“”„…–—·•"


def decoded(chunks: Iterable[bytes], charset: str, name: str = "") -> Iterator[bytes]:
    """A stream in `charset` as UTF-8 in NFC, in bounded memory, the same wherever the chunks are cut.

    utf-8 passes as it is, without a byte order mark; UTF-16 with one becomes UTF-8; neither is normalised or checked
    here (UTF-16 is, for broken pairs). KhoError `encoding` naming file and line for bytes that the charset does not
    have, and for a byte order mark where another charset is declared.
    """
    if charset not in CHARSETS:
        raise _unknown(charset)
    stream = iter(chunks)
    first = b""
    for chunk in stream:
        first += chunk
        if len(first) >= len(codecs.BOM_UTF8):
            break
    if charset == UTF8:
        yield from _unicode(first, stream, name)
    elif first.startswith(_MARKS):
        raise KhoError(
            "encoding",
            f"{name}: hợp đồng khai báo bảng mã {charset} nhưng tệp bắt đầu bằng dấu BOM của Unicode; hãy khai báo utf-8",
            f"{name}: the contract declares the charset {charset}, but a byte order mark of Unicode is at the start; declare utf-8",
            {"file": name, "row": 1, "rule": "encoding"},
        )
    else:
        yield from _legacy(first, stream, charset, name)


def _unicode(first: bytes, stream: Iterator[bytes], name: str) -> Iterator[bytes]:
    if not first.startswith(_MARKS[1:]):
        yield first.removeprefix(codecs.BOM_UTF8)
        yield from stream
        return
    decoder, line = codecs.getincrementaldecoder("utf-16")(), 1
    for chunk in _with_end(first, stream, _PIECE):
        text = _or_error(lambda data: decoder.decode(data or b"", final=data is None), chunk)
        if text is None:
            # The decoder keeps no place: the last whole line that it gave out is the nearest.
            raise _undecodable("UTF-16", name, line)
        line += text.count("\n")
        if text:
            yield text.encode("utf-8")


def _with_end(first: bytes, stream: Iterator[bytes], size: int) -> Iterator[bytes | None]:
    """Pieces of at most `size`, then None."""
    for chunk in chain((first,), stream):
        if len(chunk) <= size:
            yield chunk
        else:
            yield from (chunk[start : start + size] for start in range(0, len(chunk), size))
    yield None


def _or_error(decode: Callable[[bytes | None], str], chunk: bytes | None) -> str | None:
    try:
        return decode(chunk)
    except UnicodeDecodeError:
        return None  # outside, so that the error's context holds no bytes


def _legacy(first: bytes, stream: Iterator[bytes], charset: str, name: str) -> Iterator[bytes]:
    decode, cut = _decoder(charset), _cut(charset)
    held, line = b"", 1
    for piece in _with_end(first, stream, _PIECE):
        if piece is None:
            data, held = held, b""
        else:
            data = held + piece if held else piece
            whole = cut(data)
            data, held = data[:whole], data[whole:]
        text, bad = "", -1
        try:
            text = decode(data)
        except UnicodeDecodeError as error:
            bad = error.start
        if bad >= 0:
            raise _undecodable(charset, name, line + data.count(b"\n", 0, bad))
        line += data.count(b"\n")
        if len(held) > _LONGEST_LETTER:
            raise _undecodable(charset, name, line)
        if text:
            yield text.encode("utf-8")


def _decoder(charset: str) -> Callable[[bytes], str]:
    if charset == "viqr":
        return lambda data: viqr_text(data.decode("ascii"))
    return table(charset).text


def _cut(charset: str) -> Callable[[bytes], int]:
    """Where the last letter (VIQR: word) begins, which the next chunk may go on with."""
    if charset == "viqr":
        return lambda data: len(data.rstrip(WORD_BYTES))
    marks = table(charset).marks
    if not marks:
        return len
    return lambda data: max(len(data.rstrip(marks)) - 1, 0)


def _undecodable(charset: str, name: str, line: int) -> KhoError:
    return KhoError(
        "encoding",
        f"{name}: dòng {line} có byte không thuộc bảng mã {charset}; hãy kiểm tra bảng mã khai báo trong hợp đồng (kho.charset)",
        f"{name}: line {line} has bytes that the charset {charset} does not have; check the charset of the contract (kho.charset)",
        {"file": name, "row": line, "rule": "encoding"},
    )


def _unknown(charset: str) -> KhoError:
    return KhoError(
        "charset",
        f"Không có bảng mã {charset}; dùng một trong: {', '.join(CHARSETS)}",
        f"There is no charset {charset}; use one of: {', '.join(CHARSETS)}",
        {"rule": charset},
    )


def decode_text(text: str, charset: str) -> str:
    """One value of a Unicode column that holds legacy text as Latin-1 or Windows-1252 characters -> NFC.

    What is Unicode already stays (see the module). Never fails for what a value holds. KhoError for an unknown charset.
    """
    if charset not in CHARSETS:
        raise _unknown(charset)
    if charset == UTF8 or _is_unicode(charset).search(text):
        return unicodedata.normalize("NFC", text)
    return _decoded_text(text, charset)


def decode_column(values: Sequence[str | None], charset: str) -> list[str | None]:
    """`decode_text` of each value of a column, at once; None stays None."""
    if charset not in CHARSETS:
        raise _unknown(charset)
    found = list(values)
    places = [at for at, value in enumerate(found) if value is not None]
    texts = [value for value in found if value is not None]
    joined = SEPARATOR.join(texts)
    if joined.count(SEPARATOR) != max(len(texts) - 1, 0):
        return [None if value is None else decode_text(value, charset) for value in found]
    if charset == UTF8:
        done = unicodedata.normalize("NFC", joined).split(SEPARATOR)
    elif not (is_unicode := _is_unicode(charset)).search(joined):
        done = _decoded_text(joined, charset).split(SEPARATOR)
    else:
        legacy = [at for at, text in enumerate(texts) if not is_unicode.search(text)]
        done = unicodedata.normalize("NFC", joined).split(SEPARATOR)
        changed = _decoded_text(SEPARATOR.join(texts[at] for at in legacy), charset).split(SEPARATOR)
        for at, text in zip(legacy, changed, strict=False):  # nothing split is one empty text
            done[at] = text
    for at, text in zip(places, done, strict=False):
        found[at] = text
    return found


def _is_unicode(charset: str) -> re.Pattern[str]:
    return _ACCENTED if charset == "viqr" else _UNICODE


def _decoded_text(text: str, charset: str) -> str:
    if charset == "viqr":
        return unicodedata.normalize("NFC", viqr_text(text))
    if text.isascii() and charset not in ("viscii", "vps"):
        return text
    letters = table(charset, lenient=True)
    if (data := _as_bytes(text)) is not None:
        return letters.text(data)
    # Every second part is foreign, and stays.
    parts = _FOREIGN.split(text)
    parts[::2] = (letters.text(_as_bytes(part) or b"") for part in parts[::2])
    return unicodedata.normalize("NFC", "".join(parts))


def _as_bytes(text: str) -> bytes | None:
    """The bytes that were shown as Western text, or None when there is a character that no byte is shown as."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        pass
    try:
        return codecs.charmap_encode(text.translate(_C1) if _has_c1(text) else text, "strict", _WESTERN)[0]
    except UnicodeEncodeError:
        return None


def _has_c1(text: str) -> bool:
    return re.search("[\x80-\x9f]", text) is not None


def detect(sample: bytes) -> str:
    """The charset of a file by its first bytes (up to 64 KiB are looked at, 200 letters are needed).

    ASCII alone is utf-8, unless its words are VIQR. KhoError `charset_undecided` when nothing fits clearly; the
    message says to declare the charset.
    """
    sample = sample[:_LOOKED_AT]
    if sample.startswith(_MARKS):
        return UTF8
    try:
        codecs.getincrementaldecoder(UTF8)().decode(sample)
    except UnicodeDecodeError:
        pass
    else:
        return _ascii(sample.decode("ascii")) if sample.isascii() else UTF8
    candidates = {}
    for charset in CHARSETS[1:-1]:
        try:
            candidates[charset] = table(charset).text(sample)
        except UnicodeDecodeError:
            continue
    return _best(candidates)


def detect_text(sample: str) -> str:
    """The charset of text in a Unicode column, some of its values joined by line breaks; utf-8: it is Unicode.

    Like `detect` otherwise. Where a column has values of both kinds, its legacy charset; `decode_column` lets the
    others be.
    """
    sample = sample[:_LOOKED_AT]
    if sample.isascii():
        return _ascii(sample)
    lines = sample.splitlines()
    candidates = {UTF8: unicodedata.normalize("NFC", sample)}
    for charset in CHARSETS[1:-1]:
        candidates[charset] = "\n".join(line or "" for line in decode_column(lines, charset))
    return _best(candidates)


def _best(candidates: dict[str, str]) -> str:
    scores = {charset: _score(text, charset) for charset, text in candidates.items()}
    order = sorted(scores, key=lambda charset: scores[charset], reverse=True)
    if scores.get(UTF8, 0.0) >= _SURE and scores[order[0]] - scores[UTF8] <= _APART:
        return UTF8
    if not order or scores[order[0]] < _SURE or (len(order) > 1 and scores[order[0]] - scores[order[1]] < _APART):
        raise _undecided()
    return order[0]


def _score(text: str, charset: str) -> float:
    """Share of the words with a mark that are spelled as Vietnamese syllables; 0 where there is too little text."""
    right = words = letters = 0
    for found in _TOKEN.findall(text):
        letters += len(found)
        word = found.strip(_AROUND)
        if word.isascii() or (word.isupper() and not re.search("[AEIOUYÀ-Ỹ]", unicodedata.normalize("NFD", word))):
            continue  # says nothing: «Ninh»; «HĐND», «QĐ»
        words += 1
        capitals = charset == "tcvn3" and "".join(filter(str.isascii, word)).isupper()
        right += is_syllable(word.lower()) and (capitals or has_case(word))
    return right / words if words >= _WORDS and letters >= _LETTERS else 0.0


def _ascii(text: str) -> str:
    """utf-8, or viqr where words with a shape (a^, u+ …) are Vietnamese once decoded; a few alone decide nothing."""
    right = words = 0
    for found in _SHAPED.findall(text):
        words += 1
        right += is_syllable(viqr_text(found).rstrip(".?'").lower())
    if right < _SOME or right / words < _SURE:
        return UTF8
    if words < _WORDS or sum(map(str.isalpha, text)) < _LETTERS:
        raise _undecided()
    return "viqr"


def _undecided() -> KhoError:
    return KhoError(
        "charset_undecided",
        "Không xác định được bảng mã (cần ít nhất 200 chữ cái tiếng Việt, trong đó 10 từ có dấu); hãy khai báo kho.charset "
        f"trong hợp đồng: {', '.join(CHARSETS)}",
        "The charset cannot be told (at least 200 letters of Vietnamese with 10 marked words are needed); declare kho.charset "
        f"in the contract: {', '.join(CHARSETS)}",
        {"rule": "kho.charset"},
    )

"""What every reader hands over, and what readers share.

Purpose: the Delivery and small helpers of the readers. Belongs here: variables of the environment, header matching, CSV
text for COPY, buffers. Stays out: any one kind of source.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from orchestration.contracts.columns import fold
from orchestration.contracts.model import SOURCE_TIME_ZONE, Contract
from orchestration.errors import KhoError

CHUNK = 256 * 1024  # bytes of one buffer: big enough that the cost per buffer disappears
LOCAL = ZoneInfo(SOURCE_TIME_ZONE)
LONGEST_TITLE = 60  # letters; a longer cell is no title
ROW = "_row"  # first column of parsed streams: row of the sheet, or line of the kept records


class Seen(str):
    """A line of a probe that tells that the columns were there to be compared with the contract, and are as it says."""

    __slots__ = ()


def nothing() -> None:
    """For sources that need no word after the receipt."""


@dataclass
class Delivery:
    """What one source hands over at one time for one dataset. Consume `chunks` first, then `keys`, then call `done`.

    encoding: csv (original bytes, first line is the header: COPY with FORMAT csv, HEADER true, once decoded from
    `charset`, fields apart by `delimiter`), binary (COPY binary), any other: a format that `parse` turns into COPY text.
    columns: contract column of every column of the COPY stream, in its order; None where the stream has a column that
    the contract does not have. Where `parse` is needed, it says it.
    extra: names of source columns the contract does not have, complete once `chunks` is consumed: the Nones of
    `columns` in their order, or, where `columns` has no None, columns that were left in the source.
    sha256: hex digest of all chunks where known beforehand; should they differ after all, their end raises Transient.
    cursor_after: the cursor to store with the receipt; call it once `chunks` is consumed.
    keys: COPY stream of the key columns of all rows of the source, binary or CSV like `chunks`, but without header.
    done: tell the source that the receipt is committed.
    partial: some rows only, although the contract promises all: nothing is deleted by it.
    channel: which of the contract's sources it came from.
    parts: values of the contract's partition column that its files' names tell.
    source_types: type of each source column as the source itself names it, where it has types.
    """

    name: str
    as_of: datetime
    encoding: str
    chunks: Iterable[bytes]
    columns: tuple[str | None, ...]
    extra: tuple[str, ...] = ()
    sha256: str | None = None
    cursor_after: Callable[[], str | None] = lambda: None
    keys: Iterable[bytes] | None = None
    done: Callable[[], None] = nothing
    charset: str = "utf-8"
    delimiter: str = ","
    partial: bool = False
    channel: str = "source"
    source_types: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[str, ...] = ()


def expand(text: str, env: Mapping[str, str]) -> str:
    """`${NAME}` -> its value. KhoError naming the variable when it is missing or empty; nothing falls back."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if not env.get(name):
            raise KhoError(
                "missing_variable",
                f"Chưa đặt biến môi trường {name}",
                f"Environment variable {name} is not set",
                {"variable": name},
            )
        return env[name]

    return re.sub(r"\$\{(\w+)\}", value, text)


def header_index(contract: Contract) -> dict[str, str]:
    """Folded header text -> contract column, for every name and synonym in the contract."""
    return {fold(text): column.name for column in contract.columns for text in (column.source_name, *column.headers)}


def match_headers(
    contract: Contract, found: Sequence[str], name: str
) -> tuple[tuple[str | None, ...], tuple[str, ...]]:
    """Contract column of every found header (None: not in the contract) and the headers that are not.

    KhoError `schema_drift` when a column of the contract is absent or there twice. What looks like a value is named by neither.
    """
    index = header_index(contract)
    columns = tuple(index.get(fold(text)) for text in found)
    refuse_drift(contract, columns, found, name)
    titles = enumerate(zip(found, columns, strict=True), 1)
    return columns, tuple(shown_title(text, number) for number, (text, column) in titles if column is None)


def refuse_drift(contract: Contract, columns: Sequence[str | None], found: Sequence[str], name: str) -> None:
    """KhoError `schema_drift` when a contract column is not exactly once among `columns`; `found` are the headers."""
    missing = [column.source_name for column in contract.columns if column.name not in columns and not column.optional]
    twice = [column.source_name for column in contract.columns if columns.count(column.name) > 1]
    if not missing and not twice:
        return
    told, others = _told(contract, columns, found)
    unknown = [text for text, column in told if column is None]
    renamed = [(name, text) for name in missing if (text := _like(name, unknown, 0.6)) is not None]
    parts_vi = [f"thiếu cột {', '.join(missing)}"] * bool(missing) + [f"cột {', '.join(twice)} có hai lần"] * bool(
        twice
    )
    parts_en = [f"missing columns {', '.join(missing)}"] * bool(missing) + [f"columns twice {', '.join(twice)}"] * bool(
        twice
    )
    parts_vi += [f"có lẽ {name} đã đổi tên thành {text}: nếu đúng, thêm vào kho.headers" for name, text in renamed]
    parts_en += [f"perhaps {name} is now called {text}: if so, add it to kho.headers" for name, text in renamed]
    found_vi, found_en = _found_words([text for text, _ in told], others)
    raise KhoError(
        "schema_drift",
        f"{name}: {'; '.join(parts_vi)}. {found_vi}",
        f"{name}: {'; '.join(parts_en)}. {found_en}",
        {"file": name, "column": ", ".join(missing or twice), "rule": "schema_drift"},
    )


def _told(
    contract: Contract, columns: Sequence[str | None], found: Sequence[str]
) -> tuple[list[tuple[str, str | None]], int]:
    """Headers that may be told, with their columns, and how many cells are not told.

    A file without a header line has a person where the headers should be. So what is none of the contract's words is told
    only where half of the line is like them, and never what looks like a value.
    """
    filled = [(" ".join(text.split()), column) for text, column in zip(found, columns, strict=True) if text.strip()]
    known = {column for _, column in filled if column is not None}
    unknown = [text for text, column in filled if column is None]
    alike = sum(c.name not in known and _like(c.source_name, unknown, 0.75) is not None for c in contract.columns)
    score, enough = len(known) + alike, min(len(filled), len(contract.columns))
    is_header = score >= min(2, len(contract.columns)) and 2 * score >= enough
    told = [(t, c) for t, c in filled if c is not None or (is_header and not looks_like_value(t, digits=1))]
    return told, len(filled) - len(told)


def _found_words(told: Sequence[str], others: int) -> tuple[str, str]:
    if not told and others:
        return f"Dòng đầu không phải tiêu đề ({others} ô)", f"The first line is no header ({others} cells)"
    headers = ", ".join(told) or "-"
    more_vi, more_en = (f" và {others} ô khác", f" and {others} other cells") if others else ("", "")
    return f"Tiêu đề nhận được: {headers}{more_vi}", f"Headers found: {headers}{more_en}"


def looks_like_value(text: str, digits: int = 6) -> bool:
    """Whether a cell among headers may be somebody's: an address, a number of that many digits, a whole sentence."""
    return "@" in text or len(text) > LONGEST_TITLE or sum(map(str.isdigit, text)) >= digits


def shown_title(text: str, number: int) -> str:
    """A title that the contract does not have, as it may be told; the number of its column where it looks like a value."""
    return f"cột {number}" if looks_like_value(text) else text.strip()


def _like(name: str, unknown: Sequence[str], cutoff: float) -> str | None:
    """The header that a missing column may have now: alike but for marks, spaces and underscores, or nearly so."""
    import difflib

    plain = {_plain(text): " ".join(text.split()) for text in unknown}
    close = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=cutoff)
    return plain[close[0]] if close else None


def _plain(text: str) -> str:
    bare = unicodedata.normalize("NFD", fold(text).replace("đ", "d"))
    return re.sub(r"[\W_]", "", "".join(c for c in bare if not unicodedata.combining(c)))


def copy_columns(contract: Contract, extra: Sequence[str]) -> tuple[str, ...]:
    """Columns of a parsed stream: `_row`, the contract's, then titles of extra ones, told apart from the former."""
    known = (ROW, *(column.name for column in contract.columns))
    extra = [shown_title(title, number) for number, title in enumerate(extra, 1)]
    return (*known, *(f"{title} (+)" if title in known else title for title in extra))


def joined(parts: Iterable[bytes | bytearray | memoryview]) -> Iterator[bytes]:
    """Small messages as buffers of about CHUNK bytes."""
    pending = bytearray()  # twice as fast as a list, since every message is let go of at once
    for part in parts:
        pending += part
        if len(pending) >= CHUNK:
            yield bytes(pending)
            pending.clear()
    if pending:
        yield bytes(pending)


def copy_text(rows: Iterable[Sequence[str]]) -> Iterator[bytes]:
    """Rows of text as CSV for COPY, without header: an empty cell is unquoted, hence NULL. In buffers of about CHUNK.

    PostgreSQL has no character 0: it becomes U+FFFD, which a reader can see.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for number, row in enumerate(rows, 1):
        writer.writerow(row)
        if number % 256 == 0 and buffer.tell() >= CHUNK:
            yield _encoded(buffer.getvalue())
            buffer.seek(0)
            buffer.truncate()
    if buffer.tell():
        yield _encoded(buffer.getvalue())


def _encoded(text: str) -> bytes:
    return text.replace("\0", "\ufffd").encode("utf-8", "replace")

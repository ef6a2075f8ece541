"""CSV text by columns: pieces of whole records, read and written at the speed of C.

Purpose: put the columns of CSV text into another order, add numbers and constants, in bounded memory. Belongs here: where a
record ends, what cannot be read. Stays out: headers (`csv_file`), what the columns mean.

Text is all there is: no value is judged, an empty cell is NULL. Arrow's own streaming reader is not used, since it reads in
threads of its own and refuses a record that is longer than its block.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from orchestration.errors import KhoError

PIECE = 4 * 1024 * 1024  # bytes read at a time
LONGEST = 64 * 1024 * 1024  # a record longer than this is a quote that nobody closed


def pieces(chunks: Iterable[bytes], name: str, first_row: int = 1) -> Iterator[bytes]:
    """CSV text as pieces that end where a record ends. KhoError `unreadable` for a record without end."""
    pending = bytearray()
    for chunk in chunks:
        pending += chunk
        if len(pending) < PIECE:
            continue
        end = _record_end(pending)
        if end:
            yield bytes(pending[:end])
            del pending[:end]
        elif len(pending) > LONGEST:
            raise unreadable(name, first_row)
    if pending:
        yield bytes(pending)


def _record_end(text: bytearray) -> int:
    """Behind the last line break that stands outside of quotes; 0 when there is none."""
    quotes, end = text.count(b'"'), len(text)
    while True:
        at = text.rfind(b"\n", 0, end)
        if at < 0:
            return 0
        quotes -= text.count(b'"', at, end)
        if quotes % 2 == 0:
            return at + 1
        end = at


def read_records(
    text: bytes, width: int, name: str, *, delimiter: str = ",", first_row: int = 1
) -> tuple[list[Any], Any, int]:
    """(Arrow columns of text, numbers of the records, number of what follows) of a piece. Records are counted from `first_row`.

    A record without any value counts, and is left out.

    KhoError `encoding` for what is not UTF-8, `unreadable` for a record of another width, naming the record.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv

    _check_utf8(text, name, first_row)
    if b"\0" in text:  # PostgreSQL has no such character
        text = text.replace(b"\0", "\ufffd".encode())
    names = [str(n) for n in range(width)]
    failure: KhoError | None = None
    table = None
    try:
        table = csv.read_csv(
            pa.py_buffer(text),
            csv.ReadOptions(use_threads=False, block_size=len(text) + 1, column_names=names),
            csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=False
            ),
            csv.ConvertOptions(
                check_utf8=False, column_types={n: pa.string() for n in names}, null_values=[""],
                strings_can_be_null=True, quoted_strings_can_be_null=True,
            ),
        )  # fmt: skip
    except pa.ArrowInvalid as exc:  # its text quotes the row
        found = re.search(r"Row #(\d+)", str(exc))
        failure = unreadable(name, first_row - 1 + int(found[1]) if found else first_row)
    if failure is not None:
        raise failure
    assert table is not None
    _check_quotes(text, table.num_rows, name, delimiter, first_row)
    columns = [table.column(n).combine_chunks() for n in range(width)]
    numbers = pa.array(np.arange(first_row, first_row + table.num_rows))
    filled = None
    for column in columns:  # mostly the first one is filled everywhere, and that is that
        filled = column.is_valid() if filled is None else pc.or_(filled, column.is_valid())
        if pc.all(filled).as_py() is not False:
            return columns, numbers, first_row + table.num_rows
    return [column.filter(filled) for column in columns], numbers.filter(filled), first_row + table.num_rows


def written(columns: Sequence[Any]) -> bytes:
    """Arrow columns of equal length as CSV text for COPY, without header. A null is an empty cell."""
    import pyarrow as pa
    from pyarrow import csv

    if not columns or not len(columns[0]):
        return b""
    sink = pa.BufferOutputStream()
    table = pa.table(list(columns), names=[str(n) for n in range(len(columns))])
    csv.write_csv(table, sink, csv.WriteOptions(include_header=False))
    text: bytes = sink.getvalue().to_pybytes()
    return text


def constant(value: str | None, length: int) -> Any:
    """A column with the same text everywhere; None is NULL."""
    import pyarrow as pa

    return pa.repeat(pa.scalar(value or None, pa.string()), length)


def unreadable(name: str, row: int) -> KhoError:
    """A record that is no record of this file."""
    return KhoError(
        "unreadable",
        f"{name}, dòng {row}: không đọc được (sai số cột hoặc dấu nháy)",
        f"{name}, row {row}: unreadable (wrong number of columns or quoting)",
        {"file": name, "row": row},
    )


def _check_quotes(text: bytes, records: int, name: str, delimiter: str, first_row: int) -> None:
    """KhoError `unreadable` unless there are as many records as COPY sees, to which every quote opens or closes something.

    Arrow takes a quote that nobody closed for one that the end of the text closes, and one within a field for a letter.
    """
    import numpy as np

    if b'"' not in text:
        return
    letters = np.frombuffer(text, dtype=np.uint8)
    inside = np.bitwise_xor.accumulate((letters == 34).view(np.uint8)).astype(bool)
    carriage = letters == 13
    ends = letters == 10
    ends[1:] &= ~carriage[:-1]
    ends |= carriage
    ends &= ~inside
    count = int(np.count_nonzero(ends))
    unended = not text.endswith((b"\n", b"\r"))
    if not inside[-1] and count + unended == records:
        return
    # The first quote that opens something and does not stand where a field begins; else the one that nobody closed.
    begins = (b"", b"\n", b"\r", delimiter.encode(), b'"')
    opening = np.flatnonzero((letters == 34) & inside).tolist()
    at = next((at for at in opening if text[at - 1 : at] not in begins), opening[-1] if opening else 0)
    raise unreadable(name, first_row + int(np.count_nonzero(ends[:at])))


def _check_utf8(text: bytes, name: str, first_row: int) -> None:
    row = None
    try:
        text.decode()
    except UnicodeDecodeError as exc:
        row = first_row + text.count(b"\n", 0, exc.start)
    if row is not None:
        raise not_utf8(name, row)


def not_utf8(name: str, row: int) -> KhoError:
    """Text that is not in the charset it should be in."""
    return KhoError(
        "encoding",
        f"{name}: dòng {row} không phải UTF-8; hãy lưu lại tệp với mã UTF-8",
        f"{name}: line {row} is not UTF-8; save the file as UTF-8",
        {"file": name, "row": row, "rule": "encoding"},
    )

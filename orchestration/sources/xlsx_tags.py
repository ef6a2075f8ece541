"""Tags of a piece of XML as arrays of positions, and the texts between them as string arrays.

Purpose: what `xlsx_cells` and `xlsx_piece` take workbooks apart with. Belongs here: finding tags, contents, entities; what a cell may be.
Stays out: what the tags of a workbook mean.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

#: What a cell is. A moment is kept as ISO text, a number as the digits of the file.
EMPTY, TEXT, NUMBER, BOOLEAN, ERROR, MOMENT, DURATION = range(7)

_T_PARTS = re.compile(rb"<t(?: [^>]*)?>([^<]*)</t>")
_PHONETIC = re.compile(rb"<rPh\b.*?</rPh>", re.DOTALL)
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


class Unusual(Exception):
    """Well-formed perhaps, but not written as office programs write it; carries nothing."""


class Tags:
    """Where the tags of a piece of XML begin, and what they are."""

    def __init__(self, piece: bytes) -> None:
        import numpy as np

        self.piece = piece
        self.bytes = np.frombuffer(piece + b"    ", dtype=np.uint8)
        self.starts = np.flatnonzero(self.bytes == 60)
        self.first = self.bytes[self.starts + 1]
        self.second = self.bytes[self.starts + 2]
        if (self.first == 33).any() or (self.first == 63).any():  # ! and ?: comments, CDATA, instructions
            raise Unusual

    def named(self, name: bytes) -> np.ndarray:
        """Indexes of the opening tags with that name of one or two or three letters."""
        import numpy as np

        wanted = self.first == name[0]
        after: Any = self.second
        if len(name) > 1:
            wanted &= self.second == name[1]
        for letter in range(2, len(name)):
            wanted &= self.bytes[np.minimum(self.starts + 1 + letter, len(self.bytes) - 1)] == name[letter]
        if len(name) > 1:
            after = self.bytes[np.minimum(self.starts + 1 + len(name), len(self.bytes) - 1)]
        return np.flatnonzero(wanted & ((after == 62) | (after == 32) | (after == 47) | (after == 10) | (after == 13)))

    def contents(self, tags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the text of the elements at `tags` begins and ends; nothing where the element is empty."""
        import numpy as np

        opening, end = self.starts[tags], self.starts[np.minimum(tags + 1, len(self.starts) - 1)]
        begin = opening + 3
        odd = np.flatnonzero(self.bytes[opening + 2] != 62)
        if len(odd):
            closers = np.flatnonzero(self.bytes == 62)
            at = closers[np.searchsorted(closers, opening[odd])]
            begin[odd] = np.where(self.bytes[at - 1] == 47, end[odd], at + 1)
        return begin, np.maximum(begin, end)

    def gather(self, begin: np.ndarray, end: np.ndarray) -> Any:
        """The stretches of the piece as a string array, entities resolved."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        lengths = end - begin
        offsets = np.zeros(len(begin) + 1, dtype=np.int32)
        np.cumsum(lengths, out=offsets[1:])
        where = np.repeat(begin - offsets[:-1], lengths) + np.arange(offsets[-1])
        data = self.bytes[where]
        texts: Any = pa.Array.from_buffers(pa.string(), len(begin), [None, pa.py_buffer(offsets), pa.py_buffer(data)])
        texts.validate(full=True)  # not UTF-8: ArrowInvalid
        if (data == 38).any() or (data == 13).any() or b"_x" in data.tobytes():
            marked = pc.match_substring_regex(texts, "&|\r|_x[0-9A-Fa-f]{4}_")
            fixed = [plain(text) for text in texts.filter(marked).to_pylist()]
            texts = pc.replace_with_mask(texts, marked, pa.array(fixed, pa.string()))
        return texts


def plain(text: str) -> str:
    """The text that XML and Excel's own `_x000D_` escapes stand for."""
    text = html.unescape(text.replace("\r\n", "\n").replace("\r", "\n"))
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def joined_texts(tags: Tags, owners: np.ndarray) -> Any:
    """For each element at `owners` the text of the t elements up to the next one, those of phonetic help left out."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    at = tags.named(b"t")
    of = np.searchsorted(owners, at, side="right") - 1
    if len(at) and of[0] < 0:
        raise Unusual
    count = np.bincount(of, minlength=len(owners))
    index = np.full(len(owners), -1)
    index[of] = np.arange(len(at))
    texts = tags.gather(*tags.contents(at)) if len(at) else pa.array([], pa.string())
    joined: Any = texts.take(pa.array(index, mask=index < 0))
    several = np.flatnonzero(count > 1)
    if len(several):
        edges = np.append(tags.starts[owners], len(tags.piece))
        fixed = []
        for n in several.tolist():
            runs = _T_PARTS.findall(_PHONETIC.sub(b"", tags.piece[edges[n] : edges[n + 1]]))
            fixed.append(plain(b"".join(runs).decode()))
        joined = pc.replace_with_mask(joined, pa.array(count > 1), pa.array(fixed, pa.string()))
    return pc.fill_null(joined, "")

"""Which files of a place have been taken, where they are left lying there.

Purpose: a cursor by which no file is ever passed over, whatever its time of change, and each is taken once. Belongs here: that
cursor. Stays out: places, deliveries.

A version of a file is its path, size, time and mark, as 64 bits. The newest `exact` files that were taken and still lie there
are known one by one; a file that has gone is forgotten. Older ones stand in slices of at least SLICE files of consecutive
times: how many were taken, and the sum of their bits. A slice that is as it was has been taken whole; where just one file
more lies in it (a late one with an old time) that file is known by what the sum differs; a slice that differs otherwise
(files were added, replaced or taken away) is taken once more as a whole. So beyond `exact` files some may be taken twice, which
brings rows that are there already; none is left out.
"""

from __future__ import annotations

import base64
import hashlib
import json
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from orchestration.errors import KhoError
from orchestration.sources.places import Found

EXACT = 100_000  # files known one by one: a cursor of a megabyte, once a day
SLICE = 500
_WIDTH = 8
_MODULUS = 2 ** (8 * _WIDTH)


class _Slice(NamedTuple):
    """Files taken with times up to `end`, from behind the end of the slice before."""

    end: int
    files: int
    total: int


class Taken:
    """What has been taken of a place. A file that changed is another one. First `look`, then `has`, `add` and `cursor`."""

    def __init__(self, cursor: str | None, exact: int = EXACT) -> None:
        """KhoError `cursor` when the text is no such cursor."""
        self._exact = exact
        self._slices: list[_Slice] = []
        self._names: set[int] = set()  # versions taken, behind the last slice
        self._left: set[int] = set()  # versions not taken, within the slices
        self._there: dict[Found, int] = {}  # all files that lie there, and their versions
        self._known: set[Found] = set()  # those of them that have been taken
        if cursor is None:
            return
        read = None
        try:
            value = json.loads(cursor)
            slices = [_Slice(int(end), int(count), int(total)) for end, count, total in value["slices"]]
            read = slices, _unpacked(value["taken"]), _unpacked(value["left"])
        except (ValueError, KeyError, TypeError, AttributeError):
            pass
        if read is None:
            raise KhoError("cursor", "Con trỏ tệp đã lưu không đọc được", "The stored cursor of files is unreadable")
        self._slices, self._names, self._left = read

    def look(self, there: Sequence[Found]) -> None:
        """Tell the taken ones among all files that lie there."""
        self._there = {file: _version(file) for file in there}
        ends = [one.end for one in self._slices]
        members: list[list[Found]] = [[] for _ in ends]
        self._known = set()
        for file, version in self._there.items():
            at = bisect_left(ends, file.mtime)
            if at == len(ends):
                if version in self._names:
                    self._known.add(file)
            elif version not in self._left:
                members[at].append(file)
        for one, files in zip(self._slices, members, strict=True):
            more = (sum(self._there[file] for file in files) - one.total) % _MODULUS
            if len(files) == one.files and not more:
                self._known.update(files)
            elif len(files) == one.files + 1 and any(self._there[file] == more for file in files):
                self._known.update(file for file in files if self._there[file] != more)

    def has(self, found: Found) -> bool:
        """Whether this version of a file that lies there was taken."""
        return found in self._known

    def add(self, files: Iterable[Found]) -> None:
        """Take files."""
        self._known.update(files)

    def cursor(self, files: Iterable[Found] = ()) -> str:
        """The cursor once `files` are taken, too."""
        known = self._known.union(files)
        slices = self._kept_slices(known)
        mark = slices[-1].end if slices else -1
        loose = sorted((file for file in known if file in self._there and file.mtime > mark), key=lambda f: f.mtime)
        while len(loose) - self._exact >= SLICE:
            count = SLICE
            while count < len(loose) and loose[count].mtime == loose[count - 1].mtime:
                count += 1  # everything of one moment is in one slice
            slices.append(self._slice(loose[count - 1].mtime, loose[:count]))
            del loose[:count]
        mark = slices[-1].end if slices else -1
        left = {version for file, version in self._there.items() if file.mtime <= mark and file not in known}
        names = {self._there[file] for file in loose}
        text = {"slices": slices, "taken": _packed(names), "left": _packed(left)}
        return json.dumps(text, separators=(",", ":"))

    def _kept_slices(self, known: set[Found]) -> list[_Slice]:
        """The slices as they are now; those of which nothing lies there any more are forgotten."""
        ends = [one.end for one in self._slices]
        members: list[list[Found]] = [[] for _ in ends]
        if ends:
            for file in known:
                at = bisect_left(ends, file.mtime)
                if at < len(ends) and file in self._there:
                    members[at].append(file)
        return [self._slice(one.end, files) for one, files in zip(self._slices, members, strict=True) if files]

    def _slice(self, end: int, files: Sequence[Found]) -> _Slice:
        return _Slice(end, len(files), sum(self._there[file] for file in files) % _MODULUS)


def _version(found: Found) -> int:
    text = f"{found.path}\0{found.size}\0{found.mtime}\0{found.mark}".encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(text, digest_size=_WIDTH).digest(), "big")


def _packed(versions: Iterable[int]) -> str:
    return base64.b64encode(b"".join(version.to_bytes(_WIDTH, "big") for version in sorted(versions))).decode()


def _unpacked(text: str) -> set[int]:
    content = base64.b64decode(text, validate=True)
    return {int.from_bytes(content[at : at + _WIDTH], "big") for at in range(0, len(content), _WIDTH)}

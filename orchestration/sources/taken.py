"""Which files of a place have been taken, where they are left lying there.

Purpose: a short cursor by which every version of a file is taken exactly once, late ones and those of the same moment too.
Belongs here: that cursor. Stays out: places, deliveries.

The cursor remembers the newest files by name. Below them is a high-water mark: older files count as taken, but for those
that are known to have been left. So a file that arrives with an old time of change (copied with its times) is still taken
as long as it is newer than the mark, that is, than the last KEPT files that were taken.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence

from orchestration.errors import KhoError
from orchestration.sources.places import Found

KEPT = 400  # files remembered by name; those of the oldest moment among them all, however many


class Taken:
    """What has been taken of a place. A file that changed is another one."""

    def __init__(self, cursor: str | None) -> None:
        """KhoError `cursor` when the text is no such cursor."""
        self._mark = -1
        self._names: dict[str, int] = {}  # digest of path and version -> time of change, above the mark
        self._left: set[str] = set()  # digests of paths at or below the mark that were not taken, whatever version
        self._now: dict[str, Found] = {}  # taken on this visit, by path
        if cursor is None:
            return
        read = None
        try:
            value = json.loads(cursor)
            names = {str(name): int(mtime) for mtime, listed in value["taken"].items() for name in listed}
            read = int(value["mark"]), names, {str(name) for name in value["left"]}
        except (ValueError, KeyError, TypeError, AttributeError):
            pass
        if read is None:
            raise KhoError("cursor", "Con trỏ tệp đã lưu không đọc được", "The stored cursor of files is unreadable")
        self._mark, self._names, self._left = read

    def has(self, found: Found) -> bool:
        """Whether this version of the file was taken."""
        if self._now and self._now.get(found.path) == found:
            return True
        if found.mtime <= self._mark:
            return not self._left or _digest(found.path) not in self._left
        return bool(self._names) and _version(found) in self._names

    def add(self, files: Iterable[Found]) -> None:
        """Take files."""
        self._now.update((file.path, file) for file in files)

    def cursor(self, there: Sequence[Found], files: Sequence[Found] = ()) -> str:
        """The cursor once `files` are taken, too. `there`: all files that lie there, taken or not."""
        now = {**self._now, **{file.path: file for file in files}}
        # What was taken at or below the mark is so because it is no longer among what was left.
        left = self._left - {_digest(path) for path in now} if self._left else set()
        times = sorted((*self._names.values(), *(f.mtime for f in now.values() if f.mtime > self._mark)), reverse=True)
        mark = self._mark
        if len(times) > KEPT:
            # Everything of one moment is kept or let go of together: its files are told apart by name only.
            mark = next((mtime for mtime in times[KEPT:] if mtime < times[KEPT - 1]), mark)
            for file in there:
                passed = self._mark < file.mtime <= mark
                if passed and now.get(file.path) != file and not self.has(file):
                    left.add(_digest(file.path))
        if len(left) > KEPT:  # without those that the agency took away itself
            left &= {_digest(file.path) for file in there}
        names = {digest: mtime for digest, mtime in self._names.items() if mtime > mark}
        names |= {_version(file): file.mtime for file in now.values() if file.mtime > mark}
        listed: dict[str, list[str]] = {}
        for digest, mtime in sorted(names.items(), key=lambda item: (item[1], item[0])):
            listed.setdefault(str(mtime), []).append(digest)
        return json.dumps({"mark": mark, "taken": listed, "left": sorted(left)}, separators=(",", ":"))


def _version(found: Found) -> str:
    return _digest(f"{found.path}\0{found.size}\0{found.mtime}\0{found.mark}")


def _digest(text: str) -> str:
    """64 bits of it."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return base64.b64encode(digest).rstrip(b"=").decode()

"""Names of files: what a glob with placeholders matches, and what stands in their places.

Purpose: `{date}`, `{moment}`, `{<column>}` and `*` of a contract's glob, read from a path below the location.
Belongs here: matching and dating. Stays out: where files lie (`places`), what becomes of them (`files`).

Names are compared as NFC, whatever the file system they were written on made of them; a name that is not UTF-8 is shown
with U+FFFD.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from orchestration.errors import KhoError
from orchestration.sources.delivery import LOCAL

DATED = {"date": r"\d{8}", "moment": r"\d{14}"}
UNFINISHED = (".part", ".tmp", ".filepart", ".partial", ".crdownload", ".uploading")
PUT_AWAY = "done"  # folder of files that were taken in
_TOKEN = re.compile(r"\{(\w+)\}|(\*)")


@dataclass(frozen=True, slots=True)
class Named:
    """What a name says: the day or moment in it, and the values of columns."""

    as_of: datetime | None
    values: Mapping[str, str]


class NamePattern:
    """A glob of a contract. `segments`: an expression for each part between slashes that lets wrong dates pass, too."""

    def __init__(self, glob: str) -> None:
        self.glob = unicodedata.normalize("NFC", glob.strip("/"))
        tokens = [match[1] or "*" for match in _TOKEN.finditer(self.glob)]
        self.is_dated = any(token in DATED for token in tokens)
        self.columns = tuple(dict.fromkeys(token for token in tokens if token != "*" and token not in DATED))
        #: Whether several files may be of one date.
        self.is_many = any(token not in DATED for token in tokens)
        parts = self.glob.split("/")
        seen: set[str] = set()
        exact = "/".join(_expression(part, seen, last=n == len(parts) - 1) for n, part in enumerate(parts))
        self._exact = re.compile(exact, re.DOTALL)
        self.segments = tuple(re.compile(_loose(part), re.DOTALL) for part in parts)

    def read(self, name: str) -> Named:
        """What stands in the places. `name` is `shown`. KhoError `file_name` when it does not follow the pattern."""
        match = self._exact.fullmatch(name)
        values = match.groupdict() if match else {}
        text = values.pop("date", None) or values.pop("moment", None)
        as_of = _moment(text) if text else None
        if match is None or (self.is_dated and as_of is None):
            wanted = self.glob.replace("{date}", "<yyyymmdd>").replace("{moment}", "<yyyymmddhhmmss>")
            raise KhoError(
                "file_name",
                f"{name}: tên tệp phải theo mẫu {wanted}",
                f"{name}: the name must follow {wanted}",
                {"file": name, "rule": "file_name"},
            )
        return Named(as_of, values)

    def of_day(self, day: str) -> str:
        """The glob with a day in place of its date: how a delivery of several files is called."""
        named = self.glob.replace("{date}", day).replace("{moment}", day)
        return _TOKEN.sub("*", named) if self.is_dated else f"{_TOKEN.sub('*', named)} {day}"


def shown(path: str) -> str:
    """A path as people read it and patterns match it."""
    if path.isascii():
        return path
    return unicodedata.normalize("NFC", path.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))


def is_complete(name: str) -> bool:
    """Whether a file's name (without folders) is none that programs give to what they are still writing."""
    return not name.startswith((".", "~$")) and not name.lower().endswith(UNFINISHED)


def _loose(part: str) -> str:
    """The expression of one part of the path, whatever stands in place of a date."""
    pieces, at = [], 0
    for token in _TOKEN.finditer(part):
        pieces += [re.escape(part[at : token.start()]), "[^/]*" if token[2] or token[1] in DATED else "[^/]+"]
        at = token.end()
    return "".join([*pieces, re.escape(part[at:])])


def _expression(part: str, seen: set[str], *, last: bool) -> str:
    pieces, at = [], 0
    for token in _TOKEN.finditer(part):
        pieces.append(re.escape(part[at : token.start()]))
        at = token.end()
        name = token[1]
        if token[2]:
            pieces.append("[^/]*?")
        elif name in seen:
            pieces.append(f"(?P={name})")
        else:
            seen.add(name)
            pieces.append(f"(?P<{name}>{DATED.get(name, '[^/]+?')})")
        if name in DATED and last:
            pieces.append("(?:[_-][^/]*)?")  # «_lan2», «-sua»: sent again on the same day
    return "".join([*pieces, re.escape(part[at:])])


@lru_cache(maxsize=4096)
def _moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%S" if len(text) == 14 else "%Y%m%d").replace(tzinfo=LOCAL)
    except ValueError:
        return None

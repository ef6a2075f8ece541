"""Code lists as declared: `assets/code_lists/<name>.csv`, one dated value a line.

Purpose: what contracts may name, and what landing puts into the database. Belongs here: reading and judging the files.
Stays out: the database (`landing.code_lists`), what the lists are good for (`landing.checks`).
"""

from __future__ import annotations

import csv
import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

from orchestration.contracts.model import DeclarationErrors, Problem
from orchestration.settings import assets_root

FOLDER = "code_lists"
COLUMNS = ("code", "label_vi", "label_en", "valid_from", "valid_to", "successor")
#: First day of a value whose first day is not known.
ALWAYS = date(1, 1, 1)
#: How a problem is told: line, field, Vietnamese, English.
Report = Callable[[int, str, str, str], None]
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


class CodeListErrors(DeclarationErrors):
    """Code lists that cannot be used."""

    kind = ("code_list", "Danh mục dùng chung", "the code lists")


@dataclass(frozen=True, slots=True)
class CodeValue:
    """A value of a list and the days on which it is in force, both included; `valid_to` None: still in force.

    `successor`: the code that takes over the day after. `line` is the line of its declaration.
    """

    code: str
    label_vi: str
    label_en: str
    valid_from: date
    valid_to: date | None
    successor: str | None
    line: int

    def covers(self, day: date) -> bool:
        """Whether the value is in force on that day."""
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


@dataclass(frozen=True, slots=True)
class CodeList:
    """A list: its name and its values in the order of code and first day. `sha256` is that of the values, 32 bytes."""

    name: str
    values: tuple[CodeValue, ...]
    sha256: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        rows = [repr(replace(value, line=0)) for value in self.values]
        object.__setattr__(self, "sha256", hashlib.sha256("\n".join(rows).encode()).digest())


def known_lists(root: Path | None = None) -> frozenset[str]:
    """Names of the lists that contracts may name; `root` is the assets folder (default: assets_root())."""
    return frozenset(path.stem for path in _files(root))


def load_lists(root: Path | None = None) -> tuple[CodeList, ...]:
    """Every code list, by name. CodeListErrors with all problems of all files."""
    stats = [(path, path.stat()) for path in _files(root)]
    return _load(tuple((path, stat.st_mtime_ns, stat.st_size, stat.st_ino) for path, stat in stats))


@lru_cache(maxsize=4)
def _load(files: tuple[tuple[Path, int, int, int], ...]) -> tuple[CodeList, ...]:
    """Read once while the files stay as they are (time of change, size and inode are part of the key): every landing asks."""
    problems: list[Problem] = []
    lists = tuple(_read(path, problems) for path, *_ in files)
    if problems:
        raise CodeListErrors(tuple(sorted(set(problems))))
    return lists


def _files(root: Path | None) -> Sequence[Path]:
    return sorted(((root or assets_root()) / FOLDER).glob("*.csv"))


def _read(path: Path, problems: list[Problem]) -> CodeList:
    label = f"{path.parent.parent.name}/{FOLDER}/{path.name}"

    def problem(line: int, field: str, vi: str, en: str) -> None:
        problems.append(Problem(label, line, field, vi, en))

    if not _NAME.fullmatch(path.stem):
        problem(1, "name", "tên tệp phải là chữ thường, số và dấu gạch dưới", "the file name must be snake_case")
    text = None
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        pass
    if text is None:
        problem(1, "file", "tệp không phải UTF-8", "the file is not UTF-8")
        return CodeList(path.stem, ())
    if not unicodedata.is_normalized("NFC", text):
        problem(1, "file", "chữ phải ở dạng dựng sẵn (NFC)", "text must be composed (NFC)")
    reader = csv.reader(text.splitlines(), strict=True)
    if tuple(next(reader, ())) != COLUMNS:
        problem(1, "header", f"dòng đầu phải là {','.join(COLUMNS)}", f"the first line must be {','.join(COLUMNS)}")
        return CodeList(path.stem, ())
    values = []
    for cells in reader:
        if len(cells) != len(COLUMNS):
            problem(reader.line_num, "line", f"phải có {len(COLUMNS)} ô", f"must have {len(COLUMNS)} cells")
            continue
        values.append(_value(cells, reader.line_num, problem))
    found = CodeList(path.stem, tuple(sorted(values, key=lambda value: (value.code, value.valid_from))))
    if reader.line_num == 1:
        problem(1, "file", "danh mục rỗng", "the list is empty")
    for line, name, vi, en in _between(found.values):
        problem(line, name, vi, en)
    return found


def _value(cells: Sequence[str], line: int, problem: Report) -> CodeValue:
    code, label_vi, label_en, first, last, successor = cells
    for name, text in zip(COLUMNS[:3], cells[:3], strict=True):
        if not text or text != text.strip():
            problem(line, name, "không được trống, không thừa khoảng trắng", "must not be empty or padded")
    days: list[date | None] = []
    for name, text in (("valid_from", first), ("valid_to", last)):
        day = None
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            try:
                day = date.fromisoformat(text)
            except ValueError:
                pass
        if text and day is None:
            problem(line, name, "phải là ngày dạng yyyy-MM-dd", "must be a day as yyyy-MM-dd")
        days.append(day)
    begins, ends = days[0] or ALWAYS, days[1]
    if ends is not None and ends < begins:
        problem(line, "valid_to", "trước valid_from", "is before valid_from")
    if successor and ends is None:
        problem(line, "successor", "mã còn hiệu lực thì không có mã thay thế", "a value in force has no successor")
    return CodeValue(code, label_vi, label_en, begins, ends, successor or None, line)


def _between(values: Iterable[CodeValue]) -> Iterable[tuple[int, str, str, str]]:
    """What must hold among the values: no code twice on one day, and successors that are in force the day after."""
    by_code: defaultdict[str, list[CodeValue]] = defaultdict(list)
    for value in values:
        for other in by_code[value.code][-1:]:
            if other.valid_to is None or other.valid_to >= value.valid_from:
                yield (
                    value.line,
                    "valid_from",
                    f"trùng thời gian với dòng {other.line}",
                    f"overlaps with line {other.line}",
                )
        by_code[value.code].append(value)
    for value in (value for found in by_code.values() for value in found):
        if value.successor is not None and value.valid_to is not None:
            after = value.valid_to + timedelta(days=1)
            if not any(other.covers(after) for other in by_code.get(value.successor, ())):
                yield (
                    value.line, "successor", "mã thay thế không có hiệu lực vào ngày hôm sau", "is not in force on the day after",
                )  # fmt: skip

"""Reading the suites: YAML in, checked dataclasses out, every mistake with its file and line.

Purpose: a suite that would not mean what its author thinks must not load. Unknown keys, types and arguments, missing
messages and rules put in the wrong scope are all reported, together.
Belongs here: the shape of a suite file. Stays out: the vocabulary (`failing.py`), the database and the run (`gate.py`).

Scope decides which rows a rule sees. `row`: the truth of a row depends on that row alone, so only changed rows are
looked at. `set`: it depends on other rows, other tables or the date, so the whole table is looked at each time.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any

import yaml

from expectations.failing import (
    COMPOUND_UNIQUE,
    IGNORE_ROW_IF,
    UNEXPECTED_ROWS,
    UNIQUE,
    VOCABULARY,
    Scope,
    has_rows,
)
from orchestration.errors import KhoError

SEVERITIES = ("critical", "warning")
QUALITY_WORDS = ("đúng", "đủ", "sạch", "sống", "thống nhất", "dùng chung")

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_ID = re.compile(r"[a-z][a-z0-9_]{2,62}")
_QUERY_START = re.compile(r"\s*(select|with)\b", re.IGNORECASE)
# One statement, no comment that could hide the parenthesis put behind it.
_FORBIDDEN_SQL = (";", "--", "/*")
# What makes the truth of a row depend on more than the row.
_NOT_ROWWISE = {
    "another relation": re.compile(r"\b(?:from|join)\s+(?!lateral\b)[\w\"]+\s*\.\s*[\w\"]+", re.IGNORECASE),
    "a join": re.compile(r"\bjoin\b", re.IGNORECASE),
    "an aggregate or window": re.compile(r"\bgroup\s+by\b|\bover\s*\(|\bcount\s*\(|\bsum\s*\(", re.IGNORECASE),
    "today's date": re.compile(
        r"\bcurrent_(?:date|time|timestamp)\b|\blocaltime(?:stamp)?\b|\b(?:now|clock_timestamp|statement_timestamp)\s*\(",
        re.IGNORECASE,
    ),
}


@dataclass(frozen=True)
class Expectation:
    """One rule. `declared_scope` is what the file says; `scope()` is what holds for a table with a given key.

    `plant` is an example for tests and readers: a valid row, given these values, breaks the rule.
    """

    id: str
    type: str
    kwargs: Mapping[str, Any]
    severity: str
    quality_word: str
    declared_scope: Scope | None
    message_vi: str
    message_en: str
    column_of_agency: str | None
    failing_key: tuple[str, ...] | None
    plant: Mapping[str, Any] | None
    file: str
    line: int

    def scope(self, key: Sequence[str]) -> Scope:
        """`row` or `set`, for a table with the primary key `key`."""
        if self.declared_scope is not None:
            return self.declared_scope
        if not has_rows(self.type) or self.kwargs.get("mostly", 1) != 1:
            return "set"
        if self.type in (UNIQUE, COMPOUND_UNIQUE):
            # The live table has this primary key, so unchanged rows cannot repeat it.
            return "row" if set(_unique_columns(self.kwargs)) == set(key) else "set"
        return "row"


@dataclass(frozen=True)
class Suite:
    """All rules of one warehouse table. `owner` is the agency that mends what no delivery explains."""

    subject: str
    table: str
    owner: str
    title: str
    expectations: tuple[Expectation, ...]
    file: str


class SuiteError(KhoError):
    """A suite is missing, misplaced or badly written. `where` has file and line of the first problem."""


@dataclass(frozen=True)
class _Problem:
    file: str
    line: int
    vi: str
    en: str


def suite_error(file: str, line: int, vi: str, en: str) -> SuiteError:
    """One problem as an error."""
    return _error([_Problem(file, line, vi, en)])


def _error(problems: Sequence[_Problem]) -> SuiteError:
    first = problems[0]
    vi = "; ".join(f"{p.file}:{p.line}: {p.vi}" for p in problems)
    en = "; ".join(f"{p.file}:{p.line}: {p.en}" for p in problems)
    return SuiteError("suite", vi, en, {"file": first.file, "line": first.line})


def load(root: Path, subject: str) -> list[Suite]:
    """Every suite of `subject`, in order of table. Raises one SuiteError that lists every problem of every file."""
    suites: list[Suite] = []
    problems: list[_Problem] = []
    seen: dict[str, str] = {}
    for path in sorted((root / subject).glob("*.y*ml")):
        reader = _Reader(path, path.relative_to(root.parent).as_posix())
        suite = reader.suite(subject)
        problems += reader.problems
        if suite is None:
            continue
        suites.append(suite)
        for expectation in suite.expectations:
            if expectation.id in seen:
                vi = f"mã kỳ vọng {expectation.id} đã dùng ở {seen[expectation.id]}"
                en = f"the id {expectation.id} is already used at {seen[expectation.id]}"
                problems.append(_Problem(expectation.file, expectation.line, vi, en))
            seen.setdefault(expectation.id, f"{expectation.file}:{expectation.line}")
    if problems:
        raise _error(problems)
    return suites


class _Reader:
    """Reads one file; collects problems instead of stopping at the first."""

    def __init__(self, path: Path, file: str) -> None:
        self.path = path
        self.file = file
        self.problems: list[_Problem] = []
        self.lines: dict[tuple[str | int, ...], int] = {}

    def _problem(self, at: tuple[str | int, ...], vi: str, en: str) -> None:
        while at and at not in self.lines:
            at = at[:-1]
        self.problems.append(_Problem(self.file, self.lines.get(at, 1), vi, en))

    def _document(self) -> Any:
        try:
            text = self.path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            text = None
        if text is None or not unicodedata.is_normalized("NFC", text):
            self._problem((), "tệp phải là UTF-8 dạng NFC", "the file must be UTF-8 in NFC")
            return None
        loader = yaml.CSafeLoader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                self._problem((), "tệp rỗng", "the file is empty")
                return None
            self._remember_lines(node, ())
            return loader.construct_document(node)
        except yaml.MarkedYAMLError as exc:
            mark = exc.problem_mark
            self.problems.append(
                _Problem(self.file, mark.line + 1 if mark else 1, "sai cú pháp YAML", f"not YAML: {exc.problem}")
            )
            return None
        finally:
            loader.dispose()

    def _remember_lines(self, node: yaml.Node, at: tuple[str | int, ...]) -> None:
        self.lines[at] = node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                name = str(key.value)
                if (*at, name) in self.lines:
                    self._problem(at, f"khóa {name} lặp lại", f"the key {name} is repeated")
                self._remember_lines(value, (*at, name))
                self.lines[(*at, name)] = key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self._remember_lines(value, (*at, index))

    def _mapping(self, value: Any, at: tuple[str | int, ...], required: set[str], optional: set[str]) -> dict[str, Any]:
        """`value` as a mapping with exactly these keys; every deviation is a problem."""
        if not isinstance(value, dict):
            self._problem(at, "phải là một nhóm khóa: giá trị", "must be a mapping")
            return {}
        for name in sorted(required - value.keys()):
            self._problem(at, f"thiếu {name}", f"{name} is missing")
        for name in value.keys() - required - optional:
            self._problem((*at, str(name)), f"không có khóa {name}", f"{name} is not known here")
        return value

    def _text(
        self, values: Mapping[str, Any], name: str, at: tuple[str | int, ...], allowed: Sequence[str] = ()
    ) -> str:
        value = values.get(name)
        if name not in values:
            return ""
        if not isinstance(value, str) or not value.strip():
            self._problem((*at, name), f"{name} phải là chữ", f"{name} must be text")
            return ""
        if allowed and value not in allowed:
            self._problem((*at, name), f"{name} phải là một trong {', '.join(allowed)}", f"{name}: not an allowed word")
        return value

    def suite(self, subject: str) -> Suite | None:
        """The suite, or None with at least one problem recorded."""
        document = self._document()
        if document is None:
            return None
        top = self._mapping(document, (), {"table", "subject", "meta", "expectations"}, set())
        table = self._text(top, "table", ())
        if table and (table != self.path.stem or not _NAME.fullmatch(table)):
            self._problem(("table",), "table phải trùng tên tệp", "table must be the name of the file")
        if self._text(top, "subject", ()) not in ("", subject):
            self._problem(("subject",), "subject phải trùng tên thư mục", "subject must be the name of the folder")
        meta = self._mapping(top.get("meta", {}), ("meta",), {"owner", "title"}, set())
        listed = top.get("expectations", [])
        if not isinstance(listed, list) or not listed:
            self._problem(("expectations",), "phải có ít nhất một kỳ vọng", "at least one expectation is needed")
            listed = []
        expectations = [self._expectation(item, ("expectations", index)) for index, item in enumerate(listed)]
        owner, title = self._text(meta, "owner", ("meta",)), self._text(meta, "title", ("meta",))
        if self.problems:
            return None
        return Suite(subject, table, owner, title, tuple(e for e in expectations if e is not None), self.file)

    def _expectation(self, item: Any, at: tuple[str | int, ...]) -> Expectation | None:
        before = len(self.problems)
        item = self._mapping(item, at, {"id", "type", "kwargs", "severity", "meta"}, set())
        identifier, type_ = self._text(item, "id", at), self._text(item, "type", at)
        if identifier and not _ID.fullmatch(identifier):
            self._problem((*at, "id"), "id chỉ gồm a-z, 0-9, _", "id must match [a-z][a-z0-9_]{2,62}")
        severity = self._text(item, "severity", at, SEVERITIES)
        meta = self._mapping(
            item.get("meta", {}),
            (*at, "meta"),
            {"quality_word", "message"},
            {"scope", "column_of_agency", "failing_key", "plant"},
        )
        word = self._text(meta, "quality_word", (*at, "meta"), QUALITY_WORDS)
        scope = self._text(meta, "scope", (*at, "meta"), ("row", "set")) or None
        message = self._mapping(meta.get("message", {}), (*at, "meta", "message"), {"vi", "en"}, set())
        vi, en = (self._text(message, name, (*at, "meta", "message")) for name in ("vi", "en"))
        key = meta.get("failing_key")
        if key is not None and not (isinstance(key, list) and key and all(isinstance(name, str) for name in key)):
            self._problem(
                (*at, "meta", "failing_key"), "failing_key phải là danh sách cột", "must be a list of columns"
            )
        if type_ and type_ not in VOCABULARY:
            self._problem((*at, "type"), f"cổng không có kỳ vọng {type_}", f"the gate does not support {type_}")
        kwargs = self._kwargs(type_, item.get("kwargs", {}), (*at, "kwargs"))
        self._check_scope(type_, kwargs, scope, at)
        if key is not None and type_ != UNEXPECTED_ROWS:
            self._problem(
                (*at, "meta", "failing_key"), f"chỉ dùng với {UNEXPECTED_ROWS}", f"only for {UNEXPECTED_ROWS}"
            )
        if "plant" in meta and not (type_ == UNEXPECTED_ROWS and isinstance(meta["plant"], dict) and meta["plant"]):
            vi = f"plant là nhóm cột: giá trị, chỉ dùng với {UNEXPECTED_ROWS}"
            self._problem((*at, "meta", "plant"), vi, f"a mapping column: value, only for {UNEXPECTED_ROWS}")
        if len(self.problems) > before:
            return None
        return Expectation(
            id=identifier,
            type=type_,
            kwargs=kwargs,
            severity=severity,
            quality_word=word,
            declared_scope=scope,  # type: ignore[arg-type]  # _text has refused every other word
            message_vi=vi,
            message_en=en,
            column_of_agency=self._text(meta, "column_of_agency", (*at, "meta")) or None,
            failing_key=tuple(key) if key else None,
            plant=meta.get("plant"),
            file=self.file,
            line=self.lines[at],
        )

    def _kwargs(self, type_: str, value: Any, at: tuple[str | int, ...]) -> dict[str, Any]:
        kind = VOCABULARY.get(type_)
        if kind is None:
            return {}
        kwargs = self._mapping(value, at, set(kind.required), set(kind.optional))
        for name, found in kwargs.items():
            wanted = kind.kwargs.get(name, (object,))
            # A YAML true is an int to Python, but not a number to the author.
            if not isinstance(found, wanted) or (
                isinstance(found, bool) and bool not in wanted and object not in wanted
            ):
                self._problem((*at, name), f"{name} sai kiểu", f"{name} has the wrong type")
                return {}
        bounded = {"min_value", "max_value"} & kind.kwargs.keys()
        if bounded and not bounded & kwargs.keys():
            self._problem(at, "cần min_value hoặc max_value", "min_value or max_value is needed")
        for name in ("value_set", "column_list"):
            if name in kwargs and (not kwargs[name] or None in kwargs[name]):
                self._problem((*at, name), f"{name} rỗng hoặc có null", f"{name} is empty or holds null")
        if kwargs.get("ignore_row_if", IGNORE_ROW_IF[0]) not in IGNORE_ROW_IF:
            self._problem((*at, "ignore_row_if"), "ignore_row_if không hợp lệ", f"one of {', '.join(IGNORE_ROW_IF)}")
        if not 0 < kwargs.get("mostly", 1) <= 1:
            self._problem((*at, "mostly"), "mostly phải trong (0, 1]", "mostly must be in (0, 1]")
        if type_ == UNEXPECTED_ROWS and isinstance(kwargs.get("unexpected_rows_query"), str):
            self._check_query(kwargs["unexpected_rows_query"], (*at, "unexpected_rows_query"))
        return kwargs

    def _check_query(self, query: str, at: tuple[str | int, ...]) -> None:
        try:
            fields = {field for _, field, _, _ in Formatter().parse(query) if field is not None}
        except ValueError:
            fields = {"?"}
        if fields != {"batch"}:
            self._problem(at, "phải có {batch}, ngoặc nhọn khác viết đôi", "needs {batch}; double any other brace")
        if not _QUERY_START.match(query) or any(part in query for part in _FORBIDDEN_SQL):
            self._problem(at, "phải là một câu select, không chú thích", "must be one select without ; or comments")

    def _check_scope(self, type_: str, kwargs: Mapping[str, Any], scope: str | None, at: tuple[str | int, ...]) -> None:
        if type_ not in VOCABULARY or not kwargs.keys() >= VOCABULARY[type_].required.keys():
            return
        at = (*at, "meta")
        if type_ == UNEXPECTED_ROWS:
            query = kwargs["unexpected_rows_query"]
            if scope is None:
                self._problem(at, "phải ghi scope: row hoặc set", "scope must be given: row or set")
            reasons = [reason for reason, pattern in _NOT_ROWWISE.items() if pattern.search(query)]
            if query.count("{batch}") > 1:
                reasons.append("the table itself a second time")
            if scope == "row" and reasons:
                vi = "câu hỏi không chỉ phụ thuộc một dòng, hãy ghi scope: set"
                self._problem((*at, "scope"), vi, f"the query looks at {', '.join(reasons)}: scope must be set")
        elif scope == "row" and (type_ in (UNIQUE, COMPOUND_UNIQUE) or not has_rows(type_) or "mostly" in kwargs):
            self._problem(
                (*at, "scope"), "kỳ vọng này không xét từng dòng", "this expectation is not about single rows"
            )


def _unique_columns(kwargs: Mapping[str, Any]) -> list[str]:
    return kwargs["column_list"] if "column_list" in kwargs else [kwargs["column"]]

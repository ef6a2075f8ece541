"""What a model does with columns that are not open, read from its text alone.

Belongs here: the text of a dbt model as tokens, and the one use of such a column that keeps it recognisable: carried bare, under its
own name, in a select list. Whatever else could give its values another name is found. Stays out: which columns these are (`lineage`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

# One pass from the left, so that `--` within a literal is no comment and a quote within a comment no literal.
_JINJA = re.compile(r"(?P<note>\{#.*?#\})|(?P<block>\{\{.*?\}\}|\{%.*?%\})", re.DOTALL)
_BLANKED = re.compile(
    r"--[^\n]*|/\*.*?\*/|\b[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|\"(?P<name>(?:[^\"]|\"\")*)\"",
    re.DOTALL,
)
_RELATION = re.compile(
    r"\{\{-?\s*(?:ref\(\s*['\"](\w+)['\"]\s*\)|source\(\s*['\"](\w+)['\"]\s*,\s*['\"](\w+)['\"]\s*\))\s*-?\}\}"
)
_TOKEN = re.compile(r"\d[\w.]*|\w+|::|[^\s\w]")
_WORD = re.compile(r"[^\W\d]\w*")
_QUERY = ("select", "with", "values", "table")
_TAIL = frozenset(["where", "group", "order", "having", "limit", "window", "offset", "fetch", "for"])
_SET = frozenset({"union", "intersect", "except"})
#: Words of a from clause that name nothing.
_NO_ALIAS = frozenset(
    ["from", "select", "with", "values", "table", "on", "using", "join", "inner", "left", "right", "full", "cross", "natural"]
    + ["lateral", "as", "and", "or", "not", "in", "is", "only"]
)  # fmt: skip
_NO_ALIAS |= _TAIL | _SET
#: What follows a `*` that stands for columns; a factor is followed by an operand.
_AFTER_ALL = frozenset({"from", ",", ")", "", ";", "into"}) | _TAIL | _SET

RULES = {
    "personal": ("dữ liệu cá nhân không được nhắc đến trong mô hình", "personal data may not be mentioned in a model"),
    "jinja": ("chỉ được viết trong câu SQL, không qua Jinja", "may only stand in plain SQL, not in Jinja"),
    "bare": (
        "cột không mở chỉ được chuyển tiếp nguyên tên, không đổi tên, không dùng để tính",
        "a column that is not open may only be carried under its own name, not renamed or computed with",
    ),
    "whole": (
        "lấy cả dòng trong khi nguồn có cột không mở: hãy liệt kê từng cột",
        "takes whole rows although a source has columns that are not open: name the columns",
    ),
    "position": (
        "union hoặc danh sách tên cột có thể đổi tên cột không mở",
        "a set operation or a list of column names may rename a column that is not open",
    ),
}


@dataclass(frozen=True, slots=True)
class Use:
    """A use that is not allowed: line of the model, column or `*` or the relation's name, and a rule of RULES."""

    line: int
    what: str
    rule: str


def mentioned(text: str, columns: Collection[str]) -> set[str]:
    """Those of the columns that the model names at all, comments and literals of SQL left out."""
    blocks, sql = _split(text)
    words = {word for part in (sql, *(block for _, block in blocks)) for word in _WORD.findall(part)}
    return words & set(columns)


def uses(text: str, closed: Collection[str], personal: Collection[str]) -> list[Use]:
    """Uses of the `closed` columns (`personal` among them) of a model's sources that are not allowed, by line."""
    if not closed:
        return []
    blocks, sql = _split(text)
    found = {Use(line, word, "jinja") for line, block in blocks for word in _WORD.findall(block) if word in closed}
    found |= set(_in_sql(*_tokens(sql), set(closed), personal))
    found = {Use(use.line, use.what, "personal") if use.what in personal else use for use in found}
    return sorted(found, key=lambda use: (use.line, use.what, use.rule))


def _blank(text: str) -> str:
    return "\n" * text.count("\n") or " "


def _split(text: str) -> tuple[list[tuple[int, str]], str]:
    """Blocks of Jinja (line, content), and the SQL with relations by name, without comments, literals and other Jinja."""
    blocks: list[tuple[int, str]] = []

    def jinja(match: re.Match[str]) -> str:
        relation = _RELATION.fullmatch(match[0])
        if relation is not None:
            return (relation[1] or f"{relation[2]}__{relation[3]}") + "\n" * match[0].count("\n")
        if match["block"]:
            blocks.append((text.count("\n", 0, match.start()) + 1, match[0].lower()))
        return _blank(match[0])

    def blanked(match: re.Match[str]) -> str:
        return _blank(match[0]) if match["name"] is None else match["name"]

    return blocks, _BLANKED.sub(blanked, _JINJA.sub(jinja, text)).lower()


def _tokens(sql: str) -> tuple[list[str], list[int]]:
    """Tokens and the line of each."""
    tokens, lines, line, end = [], [], 1, 0
    for match in _TOKEN.finditer(sql):
        line += sql.count("\n", end, match.start())
        end = match.start()
        tokens.append(match[0])
        lines.append(line)
    return tokens, lines


def _in_sql(tokens: list[str], at: list[int], closed: set[str], personal: Collection[str]) -> Iterator[Use]:
    placed = list(_placed(tokens))
    relations = _relations(placed)
    names = bool(closed & set(tokens))
    for index, place in enumerate(placed):
        token, before, after, line = place.token, place.before, place.after, at[index]
        if (token == "*" and (before == "." or (before != "(" and after in _AFTER_ALL))) or token == "table":
            yield Use(line, "*", "whole")
        elif token in closed:
            if token in personal or not _is_bare(placed, index):
                yield Use(line, token, "bare")
        elif token in relations and after != "." and before not in ("as", "."):
            if place.clause != "from" and not (place.clause == "" and after == "as"):
                yield Use(line, token, "whole")
        elif names and (token in _SET or _names_columns(placed, index)):
            yield Use(line, token, "position")


@dataclass(frozen=True, slots=True)
class _Place:
    """A token between its neighbours ("" at the ends).

    `clause`: select, from, tail; "" before a query's select; within, in parentheses that hold no query. `is_carried`: what the
    query selects keeps its name outside: it is no subquery that stands for a value.
    """

    token: str
    before: str
    after: str
    clause: str
    is_carried: bool


def _placed(tokens: list[str]) -> Iterator[_Place]:
    levels = [("", True)]
    for index, token in enumerate(tokens):
        before = tokens[index - 1] if index else ""
        after = tokens[index + 1] if index + 1 < len(tokens) else ""
        if token == ")" and len(levels) > 1:
            levels.pop()
        clause, is_carried = levels[-1]
        if clause != "within":
            if token == "select":
                clause = "select"
            elif token == "from" and before != "distinct":  # `is distinct from` opens no clause
                clause = "from"
            elif token in _TAIL and clause in ("select", "from"):
                clause = "tail"
            elif token in _SET:
                clause = ""
            levels[-1] = (clause, is_carried)
        yield _Place(token, before, after, clause, is_carried)
        if token == "(":
            is_query = after in _QUERY or after == "("
            levels.append(("", is_carried and clause in ("", "from")) if is_query else ("within", False))


def _is_bare(placed: list[_Place], index: int) -> bool:
    """Whether a column is an item of a select list by itself, perhaps qualified by its relation."""
    place = placed[index]
    start = index - 2 if place.before == "." and index > 1 and _WORD.fullmatch(placed[index - 2].token) else index
    ends = place.after in (",", "from", ")", "") or place.after in _TAIL
    opens = placed[start].before in ("select", "distinct", "all", ",")
    return place.clause == "select" and place.is_carried and opens and ends


def _relations(placed: list[_Place]) -> set[str]:
    """Names under which whole rows can be had: tables, common table expressions, aliases of both."""
    found = set()
    tokens = [place.token for place in placed]
    for index, place in enumerate(placed):
        after = tokens[index + 1 : index + 4]
        opens = place.clause == "from" and place.token in ("from", "join", ",", "lateral")
        if opens and after and _is_name(after[0]):
            found.add(after[0])
            after = after[1:]
        elif not (place.clause == "from" and place.token == ")"):
            after = []
        if after[:1] == ["as"]:
            after = after[1:]
        if after and _is_name(after[0]):
            found.add(after[0])
    return found


def _is_name(token: str) -> bool:
    return bool(_WORD.fullmatch(token)) and token not in _NO_ALIAS


def _names_columns(placed: list[_Place], index: int) -> bool:
    """Whether a list of column names follows an alias (`as t (a, b)`) or ends here (`with t (a, b) as (`)."""
    place = placed[index]
    if place.token == ")":
        return [p.token for p in placed[index + 1 : index + 3]] in (["as", "("], ["as", "materialized"], ["as", "not"])
    is_alias = place.before in ("as", ")") or _is_name(place.before)
    return place.clause == "from" and place.after == "(" and _is_name(place.token) and is_alias

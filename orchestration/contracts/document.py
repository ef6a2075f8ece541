"""YAML with its places kept.

Purpose: read one YAML file with the C parser into plain values, remembering on which line every field stands.
Belongs here: YAML syntax, duplicate keys, encoding and NFC. Stays out: what the fields mean (`parse`).
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from orchestration.contracts.model import Problem

Place = tuple[str | int, ...]


def dotted(place: Place, value: Any = None) -> str:
    """`('schema', 0, 'properties', 2, 'name')` -> `schema[facility].properties[phone].name`.

    Items of a list are called by their name, property or server, as far as `value` (the whole document) gives one.
    """
    text = ""
    for step in place:
        if isinstance(step, int):
            item = value[step] if isinstance(value, list) and step < len(value) else None
            known = item if isinstance(item, dict) else {}
            name = next((known[key] for key in ("name", "property", "server") if isinstance(known.get(key), str)), step)
            text += f"[{name}]"
            value = item
        else:
            text += f".{step}" if text else step
            value = value.get(step) if isinstance(value, dict) else None
    return text


@dataclass
class Document:
    """The values of one file, the line of every place in it, and the problems of its syntax.

    `label` is the name of the file in messages. `value` is None when the file cannot be read at all.
    """

    path: Path
    label: str
    value: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, place: Place) -> int:
        """The line of the place, or of the nearest enclosing place that is written down; 1 at worst."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def problem(self, place: Place, vi: str, en: str) -> None:
        self.problems.append(Problem(self.label, self.line(place), dotted(place, self.value) or "-", vi, en))


def read(path: Path, label: str | None = None, content: bytes | None = None) -> Document:
    """Read a YAML file, or what has been read from it. What is wrong with its content is in `Document.problems`. OSError if it cannot be
    opened.
    """
    document = Document(path, label or str(path))
    try:
        text = (path.read_bytes() if content is None else content).decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        document.problem((), f"tệp không phải UTF-8 (byte {exc.start})", f"the file is not UTF-8 (byte {exc.start})")
        return document
    if not unicodedata.is_normalized("NFC", text):
        number = next(n for n, line in enumerate(text.split("\n"), 1) if not unicodedata.is_normalized("NFC", line))
        document.problems.append(
            Problem(document.label, number, "-", "dòng này không ở dạng Unicode NFC", "this line is not Unicode NFC")
        )
    try:
        loader = yaml.CSafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            document.problem((), "tệp rỗng", "the file is empty")
        else:
            document.value = _value(document, loader, node, ())
    except yaml.YAMLError as exc:
        # The parser's wording is not passed on: it is English only, and the line says enough.
        mark = getattr(exc, "problem_mark", None) or getattr(exc, "context_mark", None)
        number = mark.line + 1 if mark else 1
        document.problems.append(Problem(document.label, number, "-", "YAML sai cú pháp", "this is not valid YAML"))
    return document


def _value(document: Document, loader: Any, node: yaml.Node, place: Place) -> Any:
    document.lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
            inner = (*place, key)
            if key in result:
                vi, en = "khai báo hai lần", "declared twice"
                document.problems.append(Problem(document.label, key_node.start_mark.line + 1, dotted(inner), vi, en))
            document.lines[inner] = key_node.start_mark.line + 1
            result[key] = _value(document, loader, value_node, inner)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_value(document, loader, item, (*place, index)) for index, item in enumerate(node.value)]
    try:
        return loader.construct_object(node)
    except (ValueError, yaml.constructor.ConstructorError):
        # Such as `2025-13-45`, which looks like a date: keep the text, the reader of the field judges it.
        return node.value

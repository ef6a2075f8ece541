"""Typed access to the fields of a YAML document, with a Problem for every field that is not as it must be.

Purpose: let `parse` and `columns` say what they expect and go on after a mistake, so that one run reports all of them.
Belongs here: presence, type, membership, custom properties. Stays out: what any one field means.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from orchestration.contracts.document import Document, Place


class Reader:
    """Reads fields of one document; every method returns None, "" or an empty collection after noting a Problem."""

    def __init__(self, document: Document) -> None:
        self.document = document

    def problem(self, place: Place, vi: str, en: str) -> None:
        self.document.problem(place, vi, en)

    def missing(self, place: Place) -> None:
        self.problem(place, "thiếu mục bắt buộc này", "this field is missing")

    def at(self, place: Place) -> Any:
        """The value at the place, None when any step of it is absent."""
        value = self.document.value
        for step in place:
            if isinstance(step, int):
                value = value[step] if isinstance(value, list) and step < len(value) else None
            else:
                value = value.get(step) if isinstance(value, dict) else None
        return value

    def text(self, place: Place, *, required: bool = True) -> str:
        """A text that is not blank; "" when absent and not required."""
        value = self.at(place)
        if value is None or value == "":
            if required:
                self.missing(place)
            return ""
        if not isinstance(value, str):
            self.problem(
                place, "phải là văn bản (đặt trong dấu nháy nếu là số)", "must be text (quote it if it is a number)"
            )
            return ""
        if required and not value.strip():
            self.missing(place)
        return value.strip()

    def matching(self, place: Place, pattern: str, vi: str, en: str) -> str:
        """A text that fully matches the pattern; `vi` and `en` describe what is expected."""
        value = self.text(place)
        if value and not re.fullmatch(pattern, value):
            self.problem(place, f"phải là {vi}", f"must be {en}")
            return ""
        return value

    def choice(self, place: Place, allowed: Collection[str]) -> str:
        """A text that is one of `allowed`."""
        value = self.text(place)
        if value and value not in allowed:
            names = ", ".join(allowed)
            self.problem(place, f"không có giá trị này; chọn một trong: {names}", f"unknown; one of: {names}")
            return ""
        return value

    def number(self, place: Place, *, required: bool = True) -> int | float | None:
        value = self.at(place)
        if value is None:
            if required:
                self.missing(place)
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.problem(place, "phải là số", "must be a number")
            return None
        return value

    def flag(self, place: Place) -> bool:
        value = self.at(place)
        if value is not None and not isinstance(value, bool):
            self.problem(place, "phải là true hoặc false", "must be true or false")
            return False
        return bool(value)

    def is_mapping(self, place: Place, value: Any) -> bool:
        if not isinstance(value, dict):
            self.problem(place, "phải là một nhóm mục có tên", "must be a mapping")
        return isinstance(value, dict)

    def items(self, place: Place, *, required: bool = True) -> list[Any]:
        """A list; with at least one item when required."""
        value = self.at(place)
        if value is None or value == []:
            if required:
                self.missing(place)
            return []
        if not isinstance(value, list):
            self.problem(place, "phải là một danh sách", "must be a list")
            return []
        return value

    def texts(self, place: Place) -> tuple[str, ...]:
        """A list of texts, perhaps empty; the field itself may be absent."""
        values = self.items(place, required=False)
        for index, value in enumerate(values):
            if not isinstance(value, str) or not value.strip():
                self.problem((*place, index), "phải là văn bản", "must be text")
        return tuple(value for value in values if isinstance(value, str))

    def only(self, place: Place, allowed: Collection[str]) -> dict[str, Any]:
        """A mapping whose fields are all in `allowed`: what Kho does not read must not look as if it had an effect."""
        value = self.at(place)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.is_mapping(place, value)
            return {}
        for name in value:
            if name not in allowed:
                self.problem((*place, name), "Kho không dùng mục này", "Kho does not read this field")
        return value

    def properties(self, place: Place, known: Mapping[str, str]) -> dict[str, Place]:
        """The custom properties of an object: name -> place of its value. Unknown names under `kho.` are problems."""
        found: dict[str, Place] = {}
        for index, item in enumerate(self.items((*place, "customProperties"), required=False)):
            inner = (*place, "customProperties", index)
            if not isinstance(item, dict) or not isinstance(item.get("property"), str):
                self.problem(inner, "phải có property và value", "must have property and value")
                continue
            name = item["property"]
            if name.startswith("kho.") and name not in known:
                names = ", ".join(known)
                self.problem(
                    inner, f"không có thuộc tính {name}; chọn một trong: {names}", f"unknown {name}; one of: {names}"
                )
            elif name in found:
                self.problem(inner, "khai báo hai lần", "declared twice")
            else:
                self.only(inner, ("property", "value", "description", "id"))
                found[name] = (*inner, "value")
        return found

    def take(self, found: Mapping[str, Place], name: str, read: Callable[[Place], Any], place: Place = ()) -> Any:
        """`read` the custom property `name`; a Problem at the object `place` and None when it is absent."""
        if name not in found:
            inner = (*place, "customProperties")
            self.problem(inner, f"thiếu thuộc tính {name}", f"property {name} is missing")
            return None
        return read(found[name])

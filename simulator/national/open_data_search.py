"""Searching the datasets of a CKAN portal.

Belongs here: the part of Solr's language that clients use, order, facets. Stays out: which datasets one may see.

Words (all of them have to be there, in name, title, notes, tags or the organization's title), "phrases", field:value,
-not and +must, * at the end of a word; (a OR b) below a field. Words are compared without case and without marks.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

Thing = dict[str, Any]
PARAMETERS = {
    "q", "fq", "fq_list", "rows", "sort", "start", "qf", "facet", "facet.mincount", "facet.limit", "facet.field", "extras",
    "tie", "defType", "mm", "df", "include_drafts", "include_deleted", "include_private", "use_default_schema", "wt", "fl",
}  # fmt: skip
_TERM = re.compile(r'([+-]?)(?:([A-Za-z_]+):)?("[^"]*"|\([^()]*\)|\[[^\]]*\]|[^\s"()]+)\s*')
_FIELDS: dict[str, Callable[[Thing], list[str]]] = {
    "id": lambda p: [p["id"]],
    "name": lambda p: [p["name"]],
    "title": lambda p: [p["title"]],
    "notes": lambda p: [p["notes"] or ""],
    "tags": lambda p: [tag["name"] for tag in p["tags"]],
    "groups": lambda p: [group["name"] for group in p["groups"]],
    "organization": lambda p: [p["organization"]["name"]] if p["organization"] else [],
    "owner_org": lambda p: [p["owner_org"] or ""],
    "license_id": lambda p: [p["license_id"] or ""],
    "res_format": lambda p: sorted({resource["format"] for resource in p["resources"] if resource["format"]}),
    "state": lambda p: [p["state"]],
    "type": lambda p: [p["type"]],
    "dataset_type": lambda p: [p["type"]],
    "metadata_modified": lambda p: [p["metadata_modified"]],
}
_WORDY = ("title", "notes", "text")


class BadQuery(ValueError):
    """A query that Solr could not read."""


def matcher(query: str) -> Callable[[Thing], bool]:
    """A test for datasets made of a query. Raises BadQuery."""
    if not query.strip() or query.strip() == "*:*":
        return lambda package: True
    tests, at = [], 0
    text = query.strip()
    while at < len(text):
        term = _TERM.match(text, at)
        if term is None:
            raise BadQuery(query)
        at = term.end()
        if term[3] not in ("AND", "*:*"):
            tests.append((term[1] != "-", _test(term[2], term[3])))
    return lambda package: all(test(package) == wanted for wanted, test in tests)


def ordered(packages: list[Thing], sort: str) -> list[Thing]:
    """Datasets in an order `field asc, field desc`; unknown fields (score) leave it as it is."""
    for part in reversed([part.split() for part in sort.split(",") if part.strip()]):
        field = {"title_string": "title"}.get(part[0], part[0])
        if packages and field in packages[0]:
            packages = sorted(packages, key=lambda p: str(p[field] or "").lower(), reverse=part[-1].lower() == "desc")
    return packages


def facets(packages: list[Thing], given: Mapping[str, Any], titles: Mapping[str, str]) -> tuple[Thing, Thing]:
    """`facets` and `search_facets` of what was found. `titles`: name of an organization or group -> its title."""
    fields = given.get("facet.field") or []
    if isinstance(fields, str):
        fields = json.loads(fields) if fields.startswith("[") else [fields]
    counts = {field: Counter(value for p in packages for value in _values(field, p)) for field in fields}
    items = {
        field: {
            "title": field,
            "items": [{"name": v, "display_name": titles.get(v, v), "count": n} for v, n in count.most_common(50)],
        }
        for field, count in counts.items()
    }
    return {field: dict(count) for field, count in counts.items()}, items


def _test(field: str | None, value: str) -> Callable[[Thing], bool]:
    if value.startswith("("):
        options = [each for each in value[1:-1].split() if each not in ("OR", "AND")]
        tests = [_test(field, each) for each in options]
        combine = all if " AND " in value else any
        return lambda package: combine(test(package) for test in tests)
    wanted = alike(value.strip('"'))
    if value.startswith("["):
        low, _, high = value[1:-1].partition(" TO ")
        return lambda p: any((low == "*" or low <= v) and (high == "*" or v <= high) for v in _values(field or "", p))
    if field is None or field in _WORDY:
        phrase = value.startswith('"')
        return lambda p: _contains(
            _text_of(p) if field in (None, "text") else alike(" ".join(_values(field, p))), wanted, phrase
        )
    if wanted.endswith("*"):
        return lambda p: any(alike(v).startswith(wanted[:-1]) for v in _values(field, p))
    return lambda p: any(alike(v) == wanted for v in _values(field, p))


def _values(field: str, package: Thing) -> list[str]:
    if field in _FIELDS:
        return _FIELDS[field](package)
    return [extra["value"] for extra in package["extras"] if extra["key"] == field]


def _contains(text: str, wanted: str, phrase: bool) -> bool:
    if phrase:
        return wanted in text
    words = re.findall(r"\w+", text)
    if wanted.endswith("*"):
        return any(word.startswith(wanted[:-1]) for word in words)
    return all(word in words for word in re.findall(r"\w+", wanted))


def _text_of(package: Thing) -> str:
    parts = [package["name"], package["title"], package["notes"] or "", *_FIELDS["tags"](package)]
    return alike(" ".join([*parts, package["organization"]["title"] if package["organization"] else ""]))


def alike(text: str) -> str:
    """A text without case and marks."""
    plain = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D"))
    return "".join(sign for sign in plain if not unicodedata.combining(sign)).lower()

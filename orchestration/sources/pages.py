"""Plain pages 1 to n of a service that has no moment to ask by: all records, each once, whatever moves meanwhile.

Purpose: read a whole list page by page and know that nothing slipped through between two pages. Belongs here: the checks
of paging, records as lines. Stays out: how a page is asked for (each service), what is in a record.

A record that leaves or moves between two pages shifts the ones behind it over a page border, where nobody looks. Three
things tell it: the total, which every page repeats; the last record of the page before, which is asked for once more by its
place after each page; and keys that came twice, whose pages are read again, since they may stand twice in the source or
may have moved. Any of them starts the reading anew. It takes eight bytes of memory a record, and a page or two.
"""

from __future__ import annotations

import json
import tempfile
from array import array
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import IO, Any

from orchestration.contracts.columns import fold
from orchestration.contracts.model import Contract
from orchestration.errors import KhoError, Transient
from orchestration.sources.delivery import CHUNK, header_index

RESTARTS = 5  # times the reading begins anew before the data are called too restless
_PLAIN = frozenset({str, int, bool, type(None)})

Record = dict[str, Any]


@dataclass(frozen=True)
class Page:
    """Records as received, each also as its line, and the number of all records the question has at this moment."""

    records: list[dict[str, Any]]
    lines: list[bytes]
    total: int


class _Shifted(Exception):
    """What was read does not fit together."""


class Pages:
    """All pages of one question. `fetch(number, size)` asks for a page from 1 on; `key` tells records apart."""

    def __init__(
        self, fetch: Callable[[int, int], Page], size: int, key: Callable[[Record], object], path: str
    ) -> None:
        self._fetch, self._size, self._key, self._path = fetch, size, key, path

    def read(self, take: Callable[[Page], None], forget: Callable[[], None]) -> None:
        """Hand every page to `take`, in order; `forget` all that was taken when the reading begins anew.

        Transient `count` when the data never hold still for one reading.
        """
        for attempt in range(1 + RESTARTS):
            if attempt:
                forget()
            try:
                self._once(take)
            except _Shifted:
                continue
            return
        raise restless(self._path)

    def _once(self, take: Callable[[Page], None]) -> None:
        keys = array("q")
        total: int | None = None
        with ThreadPoolExecutor(1) as pool:  # the far end makes the next page while this one is worked on
            number = 1
            coming: Future[tuple[Page, Page | None]] | None = pool.submit(self._step, number)
            while coming is not None:
                page, border = coming.result()
                total = page.total if total is None else total
                self._check(page, number, total)
                if border is not None and self._keys(border) != [keys[-1]]:
                    raise _Shifted
                number += 1
                coming = pool.submit(self._step, number) if (number - 1) * self._size < total else None
                keys.extend(self._keys(page))
                take(page)
        self._check_twice(keys, total or 0)

    def _step(self, number: int) -> tuple[Page, Page | None]:
        """A page, and after it the last record of the page before, by its place."""
        page = self._fetch(number, self._size)
        return page, self._fetch((number - 1) * self._size, 1) if number > 1 else None

    def _check(self, page: Page, number: int, total: int) -> None:
        if page.total != total or len(page.records) != min(self._size, max(0, total - (number - 1) * self._size)):
            raise _Shifted

    def _check_twice(self, keys: array[int], total: int) -> None:
        """Every key that came twice must still be at both places."""
        import numpy as np

        found = np.frombuffer(keys, np.int64)
        order = np.argsort(found, kind="stable")
        same = found[order[1:]] == found[order[:-1]]
        places = np.union1d(order[1:][same], order[:-1][same])
        for number in np.unique(places // self._size + 1).tolist():
            page = self._fetch(number, self._size)
            self._check(page, number, total)
            if self._keys(page) != keys[(number - 1) * self._size : number * self._size].tolist():
                raise _Shifted

    def _keys(self, page: Page) -> list[int]:
        return [hash(self._key(record)) for record in page.records]


def key_of(contract: Contract) -> Callable[[Record], object]:
    """How the records of a service are told apart: by the fields of the contract's key, by all of them where one is missing."""
    index = header_index(contract)
    fields: list[str] = []

    def key(record: Record) -> object:
        if not fields:
            names = {index.get(fold(name)): name for name in record}
            fields.extend(names[column] for column in contract.key if column in names)
            if not contract.key or len(fields) < len(contract.key):
                fields[:] = sorted(record)
        return str(record.get(fields[0])) if len(fields) == 1 else tuple(map(str, map(record.get, fields)))

    return key


class _Number:
    """A number as it was written."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def lines_of(records: Sequence[Record], body: bytes, name: str) -> list[bytes]:
    """Each of the records that stand in the array `name` of `body` as one line of JSON, its numbers as they were written."""
    import orjson

    try:
        if _PLAIN.issuperset(map(type, chain.from_iterable(map(dict.values, records)))):
            return [orjson.dumps(record) + b"\n" for record in records]
        again = json.loads(body, parse_float=_Number, parse_int=_Number)[name]
        return [orjson.dumps(record, default=lambda number: orjson.Fragment(number.text)) + b"\n" for record in again]
    except TypeError:  # half of a surrogate pair, which is no text in UTF-8
        return [
            json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
            for record in records
        ]


def spooled(fill: Callable[[IO[bytes]], None]) -> Iterator[bytes]:
    """What `fill` writes, as chunks: a reading that begins anew must not have been handed on before it was right."""
    with tempfile.TemporaryFile(buffering=CHUNK) as out:
        fill(out)
        out.seek(0)
        while block := out.read(CHUNK):
            yield block


def extra_fields(contract: Contract, fields: set[str]) -> tuple[str, ...]:
    """Fields the contract does not have."""
    index = header_index(contract)
    return tuple(sorted(name for name in fields if fold(name) not in index))


def refuse_missing(contract: Contract, names: Sequence[str], path: str) -> None:
    """KhoError `schema_drift` for columns of the contract, but optional ones, that are not among a record's names."""
    index = header_index(contract)
    found = {index.get(fold(name)) for name in names}
    missing = [c.source_name for c in contract.columns if c.name not in found and not c.optional]
    if missing:
        raise KhoError(
            "schema_drift",
            f"{path}: thiếu trường {', '.join(missing)}",
            f"{path}: missing fields {', '.join(missing)}",
            {"file": path, "column": ", ".join(missing), "rule": "schema_drift"},
        )


def unusable_cursor(kind: str) -> KhoError:
    """The error of a cursor that another kind of source has written."""
    return KhoError(
        "cursor",
        f"Con trỏ đã lưu không phải của nguồn {kind}; hãy xóa con trỏ để lấy lại từ đầu",
        f"The stored cursor is not one of a source {kind}; remove it to begin anew",
        {"rule": kind},
    )


def restless(path: str) -> Transient:
    """The error of a list that does not add up."""
    return Transient(
        "count",
        f"{path}: số bản ghi nhận được không khớp tổng số hệ thống báo",
        f"{path}: the records received do not add up to the total the service tells",
        {"file": path, "rule": "count"},
    )

"""Batches: several original files of one dataset, kept as one delivery.

Purpose: read a kept batch file by file, zips too, into one stream for COPY. Belongs here: which parser a format has, the
column `_file`, columns that are read from the name of a file. Stays out: the formats, how a batch comes about (`files`).
"""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from orchestration.contracts.columns import fold
from orchestration.contracts.model import Contract
from orchestration.errors import KhoError
from orchestration.sources.csv_columns import constant, pieces, read_records, written
from orchestration.sources.csv_file import csv_tables
from orchestration.sources.delivery import ROW
from orchestration.sources.file_names import NamePattern
from orchestration.sources.members import tar_members, zip_members

FILE = "_file"
Parser = Callable[[Contract, BinaryIO, str], tuple[tuple[str, ...], Iterator[bytes]]]
Headers = Callable[[Contract, BinaryIO, str], tuple[tuple[str | None, ...], tuple[str, ...]]]


def parse_batch(contract: Contract, path: Path, name: str) -> tuple[tuple[str, ...], Iterator[bytes]]:
    """(`_row`, `_file`, the contract's columns; CSV text for COPY) of a kept batch. `_file` is the path below the location.

    Columns that the contract does not have are left out; the delivery named them when it was collected. KhoError naming the
    member when one cannot be read.
    """
    columns = (ROW, FILE, *(column.name for column in contract.columns))
    return columns, (written(table) for table in _tables(contract, path, name) if len(table[0]))


def _tables(contract: Contract, path: Path, name: str) -> Iterator[list[Any]]:
    files = batch_files(contract, path, name)
    if contract.source.format == "stations":
        from orchestration.sources.stations import station_tables

        yield from station_tables(contract, ((member, values, stream.read()) for member, values, stream in files))
        return
    for member, values, stream in files:
        yield from file_tables(contract, stream, member, values)


def batch_files(contract: Contract, path: Path, name: str) -> Iterator[tuple[str, Mapping[str, str], BinaryIO]]:
    """(name, values of columns from it, content) of every original file of a kept batch."""
    pattern = NamePattern(contract.source.options["glob"])
    for member, _, stream in tar_members(path, name):
        yield from original_files(contract, stream, member, pattern.read(member).values)


def original_files(
    contract: Contract, stream: BinaryIO, name: str, values: Mapping[str, str]
) -> Iterator[tuple[str, Mapping[str, str], BinaryIO]]:
    """The file itself, or the members of the zip it is. KhoError `zip` or `file_name`."""
    inner = contract.source.options.get("member")
    if inner is None:
        yield name, values, stream
        return
    pattern = NamePattern(inner)
    for member, content in zip_members(stream, name, pattern):
        below = member.removeprefix(f"{name}/")
        named = pattern.read(below if len(pattern.segments) > 1 else below.rpartition("/")[2])
        yield member, {**values, **named.values}, content


def file_tables(contract: Contract, stream: BinaryIO, name: str, values: Mapping[str, str]) -> Iterator[list[Any]]:
    """Arrow columns `_row`, `_file` and the contract's of one file, a piece at a time. `values`: of columns it may lack."""
    asked = without(contract, values)
    if contract.source.format == "csv":
        titles, tables = csv_tables(asked, stream, name)
    else:
        titles, chunks = parser(contract.source.format)(asked, stream, name)
        tables = _read_again(chunks, len(titles), name)
    places = _places(contract, titles, values)
    for table in tables:
        length = len(table[0])
        row = [
            table[place] if place is not None else constant(values.get(column.name), length)
            for column, place in zip(contract.columns, places, strict=True)
        ]
        yield [table[0], constant(name, length), *row]


def _read_again(chunks: Iterator[bytes], width: int, name: str) -> Iterator[list[Any]]:
    for piece in pieces(chunks, name):
        yield read_records(piece, width, name)[0]


def _places(contract: Contract, titles: tuple[str, ...], values: Mapping[str, str]) -> list[int | None]:
    """Where each column of the contract is among the titles; None where the file lacks it."""
    known = {column.name for column in contract.columns if column.name not in values}
    others = {fold(title): n for n, title in enumerate(titles) if n and title not in known}
    places: list[int | None] = []
    for column in contract.columns:
        if column.name in values:
            texts = [fold(text) for text in (column.source_name, *column.headers)]
            places.append(next((others[text] for text in texts if text in others), None))
        else:
            places.append(titles.index(column.name) if column.name in titles else None)
    return places


def headers_of(contract: Contract, stream: BinaryIO, name: str, values: Mapping[str, str]) -> tuple[str, ...]:
    """Look whether a file can be read: names of its columns that the contract lacks. KhoError when it cannot."""
    asked = without(contract, values)
    form = contract.source.format
    _, extra = _function(form, "headers")(asked, stream, name)
    return _beside(contract, extra, values)


def read_through(contract: Contract, stream: BinaryIO, name: str, values: Mapping[str, str]) -> tuple[str, ...]:
    """As `headers_of`, and reads all rows as `parse_batch` will: KhoError when any of it cannot be read."""
    asked = without(contract, values)
    if contract.source.format == "csv":
        titles, tables = csv_tables(asked, stream, name)
        deque(tables, maxlen=0)
    else:
        titles, chunks = parser(contract.source.format)(asked, stream, name)
        deque(chunks, maxlen=0)
    return _beside(contract, titles[1 + len(asked.columns) :], values)


def _beside(contract: Contract, extra: tuple[str, ...], values: Mapping[str, str]) -> tuple[str, ...]:
    """Without the titles of columns that the name of the file gives."""
    from_name = {fold(text) for c in contract.columns if c.name in values for text in (c.source_name, *c.headers)}
    return tuple(title for title in extra if fold(title) not in from_name)


def without(contract: Contract, values: Mapping[str, str]) -> Contract:
    """The contract as a file has to fulfil it whose name gives some of the columns."""
    if not values:
        return contract
    columns = tuple(column for column in contract.columns if column.name not in values)
    return replace(contract, columns=columns, key=tuple(name for name in contract.key if name not in values))


def parser(form: str) -> Parser:
    """The parser of a format."""
    found: Parser = _function(form, "parse")
    return found


def _function(form: str, verb: str) -> Any:
    """`parse_…` or `headers_…` of the module that reads a format."""
    from orchestration.sources import PARSERS

    if form not in PARSERS:
        raise KhoError("source_kind", f"Không có bộ đọc cho {form}", f"There is no reader for {form}", {"rule": form})
    module, function = PARSERS[form]
    name = function.replace("parse_", f"{verb}_", 1)
    return getattr(importlib.import_module(f"orchestration.sources.{module}"), name)

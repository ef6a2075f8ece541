"""Sources: one reader per kind of source, from an agency's system to bytes that COPY understands.

Purpose: hand over deliveries, oldest first, as PostgreSQL can load them. Belongs here: readers, retries of the network,
matching of headers. Stays out: the warehouse, Dagster, and every judgement on a row; text is handed on as delivered.

Readers are imported when used: httpx, pandas, SQLAlchemy, paramiko and psycopg are needed by one kind each.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestration.contracts.model import Contract
from orchestration.errors import KhoError
from orchestration.sources.delivery import CHUNK, Delivery

__all__ = ["Delivery", "is_connected", "kept_delivery", "missing_variables", "open_source", "parse", "test_source"]

#: Kind of source -> (module, suffix of its two functions `open_…` and `probe_…`).
READERS = {
    "postgresql": ("postgresql", "postgresql"),
    "database": ("database", "database"),
    "files": ("files", "files"),
    "json": ("lgsp", "lgsp"),
    "receipts": ("receipts", "receipts"),
    "xroad": ("xroad", "xroad"),
    "xml130": ("xml130", "xml130"),
}
#: Formats that `parse` reads -> module and function `(contract, stream, name)`.
PARSERS = {
    "csv": ("csv_file", "parse_csv"),
    "fixed": ("fixed", "parse_fixed"),
    "xlsx": ("workbook", "parse_workbook"),
    "xls": ("workbook", "parse_workbook"),
    "ods": ("workbook", "parse_workbook"),
    "dbf": ("dbf", "parse_dbf"),
    "json": ("jsonl", "parse_jsonl"),
    "jsonl": ("jsonl", "parse_jsonl"),
    "xml": ("xml_file", "parse_xml"),
    "parquet": ("parquet_file", "parse_parquet"),
}


def open_source(contract: Contract, cursor: str | None, env: Mapping[str, str]) -> Iterator[Delivery]:
    """What the contract's first source has to hand over since `cursor` (None: everything), oldest first.

    A delivery is valid until the next one is asked for, or the iterator is dropped: it may hold a connection. KhoError
    for everything that can fail, Transient where a later attempt may succeed; both while iterating and while consuming
    chunks.
    """
    module, name = _reader(contract)
    for delivery in getattr(module, f"open_{name}")(contract, cursor, env):
        delivery.channel = contract.source.name
        yield delivery


def test_source(contract: Contract, env: Mapping[str, str]) -> list[str]:
    """Check connection, credentials and columns without loading; lines in Vietnamese for a person. Raises KhoError."""
    module, name = _reader(contract)
    lines: list[str] = getattr(module, f"probe_{name}")(contract, env)
    return lines


# Not a test of pytest, whatever its name says to its collector.
test_source.__test__ = False  # type: ignore[attr-defined]


def missing_variables(contract: Contract, env: Mapping[str, str]) -> list[str]:
    """Names of the environment variables without which nobody can be asked, as far as they are not set."""
    return [name for name in contract.variables if not env.get(name)]


def is_connected(contract: Contract, env: Mapping[str, str]) -> bool:
    """Whether the dataset is to be asked for: a draft is, once somebody has said where its source is; all others always."""
    return contract.status != "draft" or not missing_variables(contract, env)


def parse(contract: Contract, encoding: str, path: Path, name: str) -> tuple[tuple[str, ...], Iterator[bytes]]:
    """Kept bytes that COPY cannot read -> (columns, CSV text for COPY): no header, all text, empty cell = NULL.

    columns: `_row` (row of the sheet, or line of the file), `_file` where several files are one delivery, the contract's
    columns, then the titles of what the contract does not have. `name` stands in errors. KhoError when the bytes cannot be read.
    """
    if encoding == "batch":
        module = "xml130" if contract.source.kind == "xml130" else "batch"
        batch = importlib.import_module(f"orchestration.sources.{module}")
        found: tuple[tuple[str, ...], Iterator[bytes]] = getattr(batch, f"parse_{module}")(contract, path, name)
        return found
    if encoding not in PARSERS:
        raise _unknown(encoding)
    module, function = PARSERS[encoding]
    parser = getattr(importlib.import_module(f"orchestration.sources.{module}"), function)
    stream = path.open("rb")
    columns, chunks = parser(contract, stream, name)

    def closing() -> Iterator[bytes]:
        with stream:
            yield from chunks

    return columns, closing()


def kept_delivery(contract: Contract, path: Path, *, encoding: str, name: str, as_of: datetime) -> Delivery:
    """A delivery read again from its kept bytes (a plain file), as when it came."""
    if encoding == "csv" and contract.source.kind == "files":
        from orchestration.sources.csv_file import describe_csv

        delivery = describe_csv(contract, path, name, as_of)
    elif encoding in ("csv", "binary"):
        # What a database handed over has the contract's columns in their order.
        delivery = Delivery(name, as_of, encoding, (), tuple(column.name for column in contract.columns))
    else:
        delivery = Delivery(name, as_of, encoding, (), ())

    def chunks() -> Iterator[bytes]:
        with path.open("rb") as stream:
            while block := stream.read(CHUNK):
                yield block

    delivery.chunks = chunks()
    return delivery


def _reader(contract: Contract) -> tuple[Any, str]:
    kind = contract.source.kind
    if kind not in READERS:
        raise _unknown(kind)
    module, name = READERS[kind]
    return importlib.import_module(f"orchestration.sources.{module}"), name


def _unknown(kind: str) -> KhoError:
    return KhoError("source_kind", f"Không có bộ đọc cho {kind}", f"There is no reader for {kind}", {"rule": kind})

"""Sources: one reader per kind of source, from an agency's system to bytes that COPY understands.

Purpose: hand over deliveries, oldest first, as PostgreSQL can load them. Belongs here: readers, retries of the network,
matching of headers. Stays out: the warehouse, Dagster, and every judgement on a row; text is handed on as delivered.

Readers are imported when used: httpx, pandas, SQLAlchemy and psycopg are needed by one kind each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from orchestration.contracts.model import Contract
from orchestration.errors import KhoError
from orchestration.sources.delivery import CHUNK, Delivery

__all__ = ["Delivery", "kept_delivery", "open_source", "parse", "test_source"]


def open_source(contract: Contract, cursor: str | None, env: Mapping[str, str]) -> Iterator[Delivery]:
    """What the source has to hand over since `cursor` (None: everything), oldest first.

    A delivery is valid until the next one is asked for, or the iterator is dropped: it may hold a connection. KhoError
    for everything that can fail, Transient where a later attempt may succeed; both while iterating and while consuming
    chunks.
    """
    kind = contract.source.kind
    if kind == "csv":
        from orchestration.sources.csv_file import open_csv

        return open_csv(contract, cursor, env)
    if kind == "xlsx":
        from orchestration.sources.xlsx import open_xlsx

        return open_xlsx(contract, cursor, env)
    if kind == "json":
        from orchestration.sources.lgsp import open_lgsp

        return open_lgsp(contract, cursor, env)
    if kind == "postgresql":
        from orchestration.sources.postgresql import open_postgresql

        return open_postgresql(contract, cursor, env)
    raise _unknown(kind)


def test_source(contract: Contract, env: Mapping[str, str]) -> list[str]:
    """Check connection, credentials and columns without loading; lines in Vietnamese for a person. Raises KhoError."""
    kind = contract.source.kind
    if kind == "csv":
        from orchestration.sources.csv_file import probe_csv

        return probe_csv(contract, env)
    if kind == "xlsx":
        from orchestration.sources.xlsx import probe_xlsx

        return probe_xlsx(contract, env)
    if kind == "json":
        from orchestration.sources.lgsp import probe_lgsp

        return probe_lgsp(contract, env)
    if kind == "postgresql":
        from orchestration.sources.postgresql import probe_postgresql

        return probe_postgresql(contract, env)
    raise _unknown(kind)


# Not a test of pytest, whatever its name says to its collector.
test_source.__test__ = False  # type: ignore[attr-defined]


def parse(contract: Contract, encoding: str, path: Path) -> tuple[tuple[str, ...], Iterator[bytes]]:
    """Kept bytes of encoding xlsx or json -> (columns, CSV text for COPY): no header, all text, empty cell = NULL.

    columns: `_row` (row of the sheet, or line of the kept records), the contract's columns, then the titles of what the
    contract does not have. KhoError when the bytes cannot be read.
    """
    if encoding == "xlsx":
        from orchestration.sources.xlsx import parse_xlsx

        return parse_xlsx(contract, Path(path))
    if encoding == "json":
        from orchestration.sources.lgsp import parse_records

        return parse_records(contract, Path(path))
    raise _unknown(encoding)


def kept_delivery(contract: Contract, path: Path, *, encoding: str, name: str, as_of: datetime) -> Delivery:
    """A delivery read again from its kept bytes, as when it came."""
    columns: tuple[str | None, ...] = ()
    extra: tuple[str, ...] = ()
    if encoding == "csv":
        from orchestration.sources.csv_file import read_header
        from orchestration.sources.delivery import match_headers

        columns, extra = match_headers(contract, read_header(path), name)
    elif encoding == "binary":
        columns = tuple(column.name for column in contract.columns)

    def chunks() -> Iterator[bytes]:
        with path.open("rb") as stream:
            while block := stream.read(CHUNK):
                yield block

    return Delivery(name, as_of, encoding, chunks(), columns, extra)


def _unknown(kind: str) -> KhoError:
    return KhoError("source_kind", f"Không có bộ đọc cho {kind}", f"There is no reader for {kind}", {"rule": kind})

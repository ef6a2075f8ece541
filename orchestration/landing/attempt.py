"""Attempts: asking a source and landing what it has; each attempt is recorded.

Belongs here: the loop over deliveries and the record of what came of it, failures included. Stays out: landing one (`land`),
landing kept bytes once more (`again`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path
from traceback import walk_tb
from types import TracebackType
from typing import Self, TypeVar

import psycopg

from orchestration import settings
from orchestration.contracts import Contract
from orchestration.contracts.code_lists import load_lists
from orchestration.contracts.model import Source
from orchestration.errors import KhoError, pg_error, together
from orchestration.landing.code_lists import put_in
from orchestration.landing.land import Receipt, land
from orchestration.landing.state import read_state
from orchestration.sources import open_source
from orchestration.warehouse import connect, refuse_synthetic_outside

Found = TypeVar("Found")


def land_dataset(contract: Contract, *, night: date, env: Mapping[str, str]) -> list[Receipt]:
    """Ask the source of a dataset for what it has and land all of it, oldest first; every attempt is recorded.

    An empty list means that the source answered and had nothing. Raises KhoError when it did not answer or a delivery could not be read.
    Synthetic data for an external warehouse are refused before anybody is asked; nothing is written there, not even the attempt.
    """
    refuse_synthetic_outside()
    receipts: list[Receipt] = []
    failures: list[KhoError] = []
    with _Books() as books:
        books.run(lambda connection: put_in(connection, load_lists()))
        for source in contract.sources:
            failure = _land_channel(contract, source, night, env, receipts, books)
            if failure is not None:
                failures.append(failure)
    if failures:
        raise together(failures)
    return receipts


def _land_channel(
    contract: Contract, source: Source, night: date, env: Mapping[str, str], receipts: list[Receipt], books: _Books
) -> KhoError | None:
    """Land what one of the contract's sources has; its failure stops no other source, and is returned.

    What follows a delivery that is not in raw builds upon it, so its reader is asked no further in this run; only files stand alone.
    """
    started = settings.now()
    landed = 0
    failure: KhoError
    try:
        cursor = books.run(lambda connection: read_state(connection, contract.id, source.name)).cursor
        for delivery in open_source(contract.through(source), cursor, env):
            # Only the first source says what is not there any more.
            delivery.partial = delivery.partial or source is not contract.source
            receipts.append(land(contract.through(source), delivery, night=night))
            landed += 1
            _record(books, contract, source.name, night, started, receipts[-1].outcome, receipts[-1], None)
            started = settings.now()
            if receipts[-1].outcome in ("waiting", "refused") and source.kind != "files":
                break
        if not landed:
            _record(books, contract, source.name, night, started, "nothing", None, None)
        return None
    except KhoError as error:
        failure = error
    except Exception as error:  # noqa: BLE001  # whatever it is, the attempt is on record, and the next source is asked
        failure = _unforeseen(contract, source, error)
    _record(books, contract, source.name, night, started, "failed", None, failure)
    return failure


def _unforeseen(contract: Contract, source: Source, error: Exception) -> KhoError:
    """An error that nobody has given words to, by its type and place alone: its text may quote a row."""
    if isinstance(error, psycopg.Error):
        return pg_error(error, relation="kho.channel")
    name = type(error).__name__
    *_, (frame, line) = walk_tb(error.__traceback__)
    place = Path(frame.f_code.co_filename).name
    return KhoError(
        "reader",
        vi=f"{contract.id}, kênh {source.name}: lỗi ngoài dự kiến {name} ({place}:{line})",
        en=f"{contract.id}, channel {source.name}: unforeseen error {name} ({place}:{line})",
        where={"rule": name, "file": place, "row": line},
    )


class _Books:
    """The connection on which cursors are read and attempts recorded, opened once: opening one costs as much as many queries."""

    def __init__(self) -> None:
        self._connection: psycopg.Connection | None = None

    def run(self, work: Callable[[psycopg.Connection], Found]) -> Found:
        """What `work` returns, its transaction committed. A connection that was lost while rows were landed is opened again."""
        if self._connection is not None:
            try:
                return self._try(self._connection, work)
            except psycopg.OperationalError:
                self.close()
        self._connection = connect("loader")
        return self._try(self._connection, work)

    def _try(self, connection: psycopg.Connection, work: Callable[[psycopg.Connection], Found]) -> Found:
        try:
            found = work(connection)
            connection.commit()
        except BaseException:
            self.close()
            raise
        return found

    def close(self) -> None:
        """Let go of the connection; an open transaction is rolled back."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _record(
    books: _Books,
    contract: Contract,
    channel: str,
    night: date,
    started: datetime,
    outcome: str,
    receipt: Receipt | None,
    failure: KhoError | None,
) -> None:
    vi = failure.vi if failure else receipt.reason_vi if receipt else ""
    en = failure.en if failure else receipt.reason_en if receipt else ""
    values = (
        contract.id, channel, contract.agency, contract.subject, night, started, outcome, receipt.delivery_id if receipt else None,
        failure.code if failure else None, vi or None, en or None,
    )  # fmt: skip
    books.run(
        lambda connection: connection.execute(
            """insert into kho.attempt (dataset, channel, agency, subject, night, started_at, outcome, delivery_id, error_code, error_vi, error_en)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
            values,
        )
    )


def record_receipt(contract: Contract, channel: str, night: date, started: datetime, receipt: Receipt) -> None:
    """Record an attempt that a person made and that ended with a receipt."""
    with _Books() as books:
        _record(books, contract, channel, night, started, receipt.outcome, receipt, None)

"""How long delivered bytes stay, and what is still there.

Belongs here: which deliveries a contract's retention has ended, for one dataset or for all of them, delivered to or not; what a list
of deliveries says of their bytes. Stays out: removing files (`keep`).

The bytes of the delivery that was applied last, of each channel, stay beyond their time: they are the origin of what stands in raw.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from orchestration import settings
from orchestration.contracts import Contract
from orchestration.errors import KhoError, pg_error
from orchestration.landing import vault
from orchestration.landing.keep import place, sweep, sweep_folder
from orchestration.warehouse import connect


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep of everything has done: deliveries removed by dataset; datasets with bytes that no contract speaks for any more.

    The latter stay as they are, since nobody says for how long: they are for a person to decide.
    """

    removed: Mapping[str, int]
    without_contract: tuple[str, ...]


def sweep_dataset(connection: psycopg.Connection[Any], contract: Contract) -> int:
    """Remove what the contract's retention has ended and what was never finished. Call under the dataset's lock.

    Returns the number of deliveries removed.
    """
    rows = connection.execute(
        """select d.delivery_id, d.received_at < clock_timestamp() - make_interval(days => %s) and not exists (
                      select from kho.channel s where s.dataset = d.dataset and s.last_delivery = d.delivery_id)
             from kho.delivery d where d.dataset = %s""",
        (contract.retention_days, contract.id),
    ).fetchall()
    return sweep(contract, {row[0] for row in rows}, {row[0] for row in rows if row[1]})


def sweep_all(contracts: Iterable[Contract]) -> Swept:
    """Enforce every contract's retention, once a night: a dataset that delivers nothing any more has no landing that would.

    One transaction a dataset, under its lock; one that is being landed at the moment is left to its landing. Raises KhoError.
    """
    failure: KhoError
    try:
        with connect("loader") as connection:
            return _sweep_all(connection, list(contracts))
    except psycopg.Error as error:
        failure = pg_error(error, relation="kho.delivery")
    raise failure


def _sweep_all(connection: psycopg.Connection[Any], contracts: list[Contract]) -> Swept:
    removed = {}
    for contract in contracts:
        if _locked(connection, contract.id) and (number := sweep_dataset(connection, contract)):
            removed[contract.id] = number
        connection.commit()
    known = {Path(contract.agency) / contract.dataset for contract in contracts}
    strays = sorted(_folders() - known)
    for dataset in strays:
        if _locked(connection, ".".join(dataset.parts)):
            sweep_folder(dataset, None, set())
        connection.commit()
    return Swept(removed, tuple(".".join(dataset.parts) for dataset in strays))


def _locked(connection: psycopg.Connection[Any], dataset: str) -> bool:
    row = connection.execute(
        "select pg_try_advisory_xact_lock(hashtextextended(%s, 0))", (f"kho.dataset:{dataset}",)
    ).fetchone()
    return row == (True,)


def _folders() -> set[Path]:
    """`<agency>/<dataset>` of everything that is kept, bytes or keys."""
    found = set()
    for root in (settings.kept_folder(), settings.keys_folder()):
        for path in root.glob("[!.]*/*"):
            if path.is_dir() and any(path.iterdir()):
                found.add(path.relative_to(root))
    return found


def standing(
    kept_path: str, received_at: datetime, *, retention_days: int | None, is_last_applied: bool
) -> dict[str, Any]:
    """What a list of deliveries says of one's bytes.

    kept: they are there and can be read; kept_until: the last day they are, None when no end is known (no contract any more, or
    applied last); encrypted; stored_bytes: size on disk, None when they are gone.
    """
    path = settings.home() / kept_path
    encrypted = path.name.endswith(".enc")
    there = path.exists() and (not encrypted or vault.key_path(place(path)).exists())
    until: date | None = None
    if retention_days is not None and not is_last_applied:
        until = (received_at.astimezone(settings.TIMEZONE) + timedelta(days=retention_days)).date()
    return {
        "kept": there,
        "kept_until": until,
        "encrypted": encrypted,
        "stored_bytes": path.stat().st_size if there else None,
    }


def unreadable() -> list[Path]:
    """Kept bytes that cannot be opened, as places below the folder of deliveries: their keys are gone, damaged, or another master's."""
    found = []
    for path in sorted(settings.kept_folder().glob("[!.]*/*/*.enc")):
        where = place(path)
        if where.name.split(".")[1] == "keys":
            continue  # its bytes are counted
        try:
            vault.find_key(where)
        except KhoError:
            found.append(where)
    return found

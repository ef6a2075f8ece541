"""Attempts: asking a source and landing what it has, or applying a delivery that waited; each attempt is recorded.

Belongs here: the loop over deliveries and the record of what came of it, failures included. Stays out: landing one (`land`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from orchestration import settings
from orchestration.contracts import Contract
from orchestration.errors import KhoError
from orchestration.landing.keep import blocks, keys_beside
from orchestration.landing.land import Receipt, land
from orchestration.sources import kept_delivery, open_source
from orchestration.warehouse import connect, refuse_synthetic_outside


def land_dataset(contract: Contract, *, night: date, env: Mapping[str, str]) -> list[Receipt]:
    """Ask the source of a dataset for what it has and land all of it, oldest first; every attempt is recorded.

    An empty list means that the source answered and had nothing. Raises KhoError when it did not answer or a delivery could not be read.
    Synthetic data for an external warehouse are refused before anybody is asked; nothing is written there, not even the attempt.
    """
    refuse_synthetic_outside()
    receipts: list[Receipt] = []
    started = settings.now()
    failure: KhoError
    try:
        with connect("loader") as connection:
            row = connection.execute("select cursor from kho.dataset where dataset = %s", (contract.id,)).fetchone()
        for delivery in open_source(contract, row[0] if row else None, env):
            receipts.append(land(contract, delivery, night=night))
            _record(contract, night, started, receipts[-1].outcome, receipts[-1], None)
            started = settings.now()
        if not receipts:
            _record(contract, night, started, "nothing", None, None)
        return receipts
    except KhoError as error:
        failure = error
    _record(contract, night, started, "failed", None, failure)
    raise failure


def _record(
    contract: Contract, night: date, started: datetime, outcome: str, receipt: Receipt | None, failure: KhoError | None
) -> None:
    vi = failure.vi if failure else receipt.reason_vi if receipt else ""
    en = failure.en if failure else receipt.reason_en if receipt else ""
    with connect("loader") as connection:
        connection.execute(
            """insert into kho.attempt (dataset, agency, subject, night, started_at, outcome, delivery_id, error_code, error_vi, error_en)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
            (contract.id, contract.agency, contract.subject, night, started, outcome, receipt.delivery_id if receipt else None,
             failure.code if failure else None, vi or None, en or None),
        )  # fmt: skip


def confirm(contract: Contract, delivery_id: int, *, by: str, night: date) -> Receipt:
    """Apply a delivery that waits, from its kept bytes, in the name of the person who answers for it."""
    with connect("loader") as connection:
        row = connection.execute(
            "select outcome, kept_path, encoding, source_name, as_of, exists (select from kho.delivery d where d.dataset = w.dataset and d.outcome = 'applied'"
            " and d.delivery_id > w.delivery_id) from kho.delivery w where delivery_id = %s and dataset = %s",
            (delivery_id, contract.id),
        ).fetchone()
    if row is None or row[0] != "waiting" or row[5]:
        raise KhoError(
            "not_waiting",
            vi=f"lần giao {delivery_id} của {contract.id} không chờ xác nhận",
            en=f"delivery {delivery_id} of {contract.id} is not waiting",
        )
    path = settings.home() / row[1]
    if not path.exists():
        raise KhoError(
            "bytes_gone",
            vi=f"lần giao {delivery_id} của {contract.id}: dữ liệu gốc không còn được lưu, hãy giao lại",
            en=f"delivery {delivery_id} of {contract.id}: its bytes are no longer kept, have it delivered again",
            where={"file": row[1]},
        )
    delivery = kept_delivery(contract, path, encoding=row[2], name=row[3], as_of=row[4])
    if keys_beside(path).exists():
        delivery.keys = blocks(keys_beside(path))
    started = settings.now()
    receipt = land(contract, delivery, night=night, confirms=delivery_id, confirmed_by=by)
    _record(contract, night, started, receipt.outcome, receipt, None)  # the dataset waits no longer
    return receipt

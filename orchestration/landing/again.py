"""A delivery landed once more from its kept bytes: one that waited is confirmed, one that was refused is retried.

Belongs here: what is restored of it, and who answers. Stays out: whether it may be (`overtaken`), landing (`land`), its record (`attempt`).
"""

from __future__ import annotations

from contextlib import ExitStack
from datetime import date
from pathlib import Path

from orchestration import settings
from orchestration.contracts import Contract
from orchestration.errors import KhoError
from orchestration.landing.attempt import record_receipt
from orchestration.landing.keep import blocks, kept_file, keys_beside
from orchestration.landing.land import Receipt, land
from orchestration.landing.overtaken import Earlier, earlier, layout
from orchestration.sources import Delivery, kept_delivery
from orchestration.warehouse import connect


def confirm(contract: Contract, delivery_id: int, *, by: str, night: date) -> Receipt:
    """Apply a delivery that waits, from its kept bytes, in the name of the person who answers for it.

    KhoError `not_waiting`, also when somebody else has just confirmed it; `bytes_gone`; `contract_changed`.
    """
    return _again(contract, delivery_id, "waiting", by, night)


def retry(contract: Contract, delivery_id: int, *, by: str, night: date) -> Receipt:
    """Land the kept bytes of a refused delivery anew, after the contract was mended, say: every rule and guard holds as ever.

    KhoError `not_refused`; `overtaken` when a later delivery of its channel (for parts: of the same ones) was applied;
    `bytes_gone`; `contract_changed`.
    """
    return _again(contract, delivery_id, "refused", by, night)


def _again(contract: Contract, delivery_id: int, outcome: str, by: str, night: date) -> Receipt:
    with connect("loader") as connection:
        found = earlier(connection, contract, delivery_id, outcome)
    path = settings.home() / found.kept_path
    if not path.exists():
        raise KhoError(
            "bytes_gone",
            vi=f"lần giao {delivery_id} của {contract.id}: dữ liệu gốc không còn được lưu, hãy giao lại",
            en=f"delivery {delivery_id} of {contract.id}: its bytes are no longer kept, have it delivered again",
            where={"file": found.kept_path},
        )
    through = next((contract.through(s) for s in contract.sources if s.name == found.channel), contract)
    started = settings.now()
    with ExitStack() as stack:  # both proven whole before anything is landed
        delivery = _restored(through, found, stack.enter_context(kept_file(path)))
        if keys_beside(path).exists():
            delivery.keys = blocks(stack.enter_context(kept_file(keys_beside(path))))
        confirms, retries = (delivery_id, None) if outcome == "waiting" else (None, delivery_id)
        receipt = land(through, delivery, night=night, confirms=confirms, retries=retries, confirmed_by=by)
    record_receipt(through, found.channel, night, started, receipt)  # the dataset waits no longer
    return receipt


def _restored(contract: Contract, found: Earlier, plain: Path) -> Delivery:
    """The delivery as it came. KhoError `contract_changed` when its bytes mean something else by today's contract."""
    delivery = kept_delivery(contract, plain, encoding=found.encoding, name=found.source_name, as_of=found.as_of)
    if found.layout is not None and found.layout != layout(contract, delivery):
        raise KhoError(
            "contract_changed",
            vi=f"lần giao {found.delivery_id} của {contract.id}: cột của hợp đồng đã đổi từ khi giao, hãy để nguồn giao lại",
            en=f"delivery {found.delivery_id} of {contract.id}: the contract's columns have changed since; have the source deliver again",
        )
    delivery.channel, delivery.partial, delivery.parts = found.channel, found.partial, tuple(found.parts or ())
    return delivery

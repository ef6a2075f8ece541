"""What a later delivery makes of an earlier one: it is older, wholly or in parts; while it waited it was overtaken.

Belongs here: these questions to kho.delivery. Stays out: what follows from the answers (`land`, `again`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import psycopg
from psycopg.rows import class_row

from orchestration import settings
from orchestration.contracts import Contract
from orchestration.errors import KhoError
from orchestration.landing.returned import CHANNEL
from orchestration.warehouse import connect

if TYPE_CHECKING:
    from orchestration.sources import Delivery

#: SQL: whether a later one has been applied in the place of delivery `w`: itself once more, or another of its channel that
#: speaks of the same parts. What came by another channel, or was corrected in quarantine, says nothing of it.
OVERTAKEN = """exists (select from kho.delivery l
     where l.dataset = w.dataset and l.outcome = 'applied' and l.delivery_id > w.delivery_id
       and (l.confirms = w.delivery_id or l.retries = w.delivery_id
            or l.channel = w.channel and (w.parts is null or l.parts is null or l.parts && w.parts)))"""


#: SQL: whether delivery `w` still asks something of a person: it waits, or was refused, and neither was it landed once more nor
#: does its channel know a later word. What is only added to (`%(appends)s`, datasets) has no later word.
UNSETTLED = f"""(w.outcome in ('waiting', 'refused') and w.channel <> '{CHANNEL}'
     and not exists (select from kho.delivery l where l.dataset = w.dataset and l.outcome = 'applied' and w.delivery_id in (l.confirms, l.retries))
     and (w.dataset = any (%(appends)s) or not exists (select from kho.delivery l
            where l.dataset = w.dataset and l.outcome = 'applied' and l.channel = w.channel and (l.delivery_id > w.delivery_id or l.as_of > w.as_of)
              and (w.parts is null or l.parts is null or l.parts && w.parts))))"""


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A delivery that still asks something of a person: to confirm it (waiting), or to mend what it was refused for."""

    dataset: str
    delivery_id: int
    outcome: str
    reason_vi: str
    reason_en: str


def unsettled(contracts: Sequence[Contract]) -> list[Unsettled]:
    """Every such delivery of these datasets, the oldest first."""
    with connect("release") as connection:
        return (
            connection.cursor(row_factory=class_row(Unsettled))
            .execute(
                f"""select dataset, delivery_id, outcome, coalesce(reason_vi, '') as reason_vi, coalesce(reason_en, '') as reason_en
                      from kho.delivery w where dataset = any (%(datasets)s) and {UNSETTLED} order by delivery_id""",  # type: ignore[arg-type]
                {"datasets": [c.id for c in contracts], "appends": [c.id for c in contracts if c.delivery == "append"]},
            )
            .fetchall()
        )


@dataclass(frozen=True, slots=True)
class Earlier:
    """A delivery that may be landed once more, as its receipt has it."""

    delivery_id: int
    outcome: str
    kept_path: str
    encoding: str
    source_name: str
    as_of: datetime
    channel: str
    parts: list[str] | None
    partial: bool
    layout: str | None
    overtaken: bool
    done: bool


def earlier(connection: psycopg.Connection, contract: Contract, delivery_id: int, outcome: str) -> Earlier:
    """The delivery of that number, if it may be landed once more. `outcome`: waiting (to be confirmed) or refused (to be retried).

    It counts only when asked again under the dataset's lock. KhoError `not_waiting`, `not_refused` or `overtaken`.
    """
    found = (
        connection.cursor(row_factory=class_row(Earlier))
        .execute(
            f"""select delivery_id, outcome, kept_path, encoding, source_name, as_of, channel, parts, partial, layout, {OVERTAKEN} as overtaken,
                       exists (select from kho.delivery l where l.dataset = w.dataset and l.outcome = 'applied'
                                  and w.delivery_id in (l.confirms, l.retries)) as done
                  from kho.delivery w where delivery_id = %s and dataset = %s""",  # type: ignore[arg-type]
            (delivery_id, contract.id),
        )
        .fetchone()
    )
    if outcome == "waiting":
        if found is None or found.outcome != outcome or found.overtaken:
            raise KhoError(
                "not_waiting",
                vi=f"lần giao {delivery_id} của {contract.id} không chờ xác nhận",
                en=f"delivery {delivery_id} of {contract.id} is not waiting",
            )
        return found
    if found is None or found.outcome != outcome or found.channel == CHANNEL:
        raise KhoError(
            "not_refused",
            vi=f"lần giao {delivery_id} của {contract.id} không phải lần giao bị từ chối có thể tiếp nhận lại",
            en=f"delivery {delivery_id} of {contract.id} is not a refused one that can be landed again",
        )
    # What is only added to says nothing of what came before: a later file does not stand for an earlier one.
    if found.done or (found.overtaken and contract.delivery != "append"):
        raise KhoError(
            "overtaken",
            vi=f"lần giao {delivery_id} của {contract.id}: đã nhận một lần giao sau thay cho nó",
            en=f"delivery {delivery_id} of {contract.id}: a later one was taken in in its place",
        )
    return found


def older_parts(connection: psycopg.Connection, contract: Contract, delivery: Delivery) -> frozenset[str]:
    """Parts of the delivery of which the word of a later time has been taken in."""
    if contract.partition is None or delivery.partial or not delivery.parts:
        return frozenset()
    found = connection.execute(
        """select part from kho.delivery d, unnest(d.parts) part
            where d.dataset = %(dataset)s and d.outcome = 'applied' and not d.partial and d.parts && %(parts)s and part = any (%(parts)s)
            group by part having max(d.as_of) > %(as_of)s""",
        {"dataset": contract.id, "parts": list(delivery.parts), "as_of": delivery.as_of},
    ).fetchall()
    return frozenset(row[0] for row in found)


def others_since(connection: psycopg.Connection, dataset: str, channel: str, delivery_id: int | None) -> bool:
    """Whether another channel has changed rows since that delivery. What was corrected in quarantine stands until its source changes."""
    row = connection.execute(
        """select exists (select from kho.delivery where dataset = %s and outcome = 'applied' and channel <> all (%s)
                             and delivery_id > %s and inserted + updated + deleted > 0)""",
        (dataset, [channel, CHANNEL], delivery_id or 0),
    ).fetchone()
    return row == (True,)


def waiting_twin(connection: psycopg.Connection, contract: Contract, delivery: Delivery, sha256: bytes) -> int | None:
    """The number of a delivery of the same bytes that waits already, and whose bytes are still kept."""
    rows = connection.execute(
        f"""select w.delivery_id, w.kept_path from kho.delivery w
             where w.dataset = %s and w.channel = %s and w.outcome = 'waiting' and w.sha256 = %s and w.partial = %s and not {OVERTAKEN}
             order by 1 desc limit 1""",  # type: ignore[arg-type]
        (contract.id, delivery.channel, sha256, delivery.partial),
    ).fetchall()
    return next((number for number, path in rows if (settings.home() / path).exists()), None)


def layout(contract: Contract, delivery: Delivery) -> str | None:
    """What bytes of a database do not say themselves: their columns in order, of binary ones the types too. None of all others."""
    of_database = contract.source.kind != "files" and delivery.channel != CHANNEL
    if not of_database or delivery.encoding not in ("csv", "binary"):
        return None
    types = {c.name: f" {c.pg_type}" if delivery.encoding == "binary" else "" for c in contract.columns}
    return ", ".join(f"{name}{types.get(name, '')}" if name else "-" for name in delivery.columns)

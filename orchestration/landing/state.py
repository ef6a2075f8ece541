"""What is remembered of a dataset between deliveries: cursor, last bytes and their rules, what the source looked like.

Belongs here: reading and writing kho.dataset (the source that counts) and kho.channel (further ones), and comparing the
columns of a source with those of last time. Stays out: everything that is decided with it (`land`), what a later delivery
makes of an earlier one (`overtaken`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.types.json import Jsonb

from orchestration import settings
from orchestration.contracts import Contract

if TYPE_CHECKING:
    from orchestration.sources import Delivery


@dataclass(frozen=True, slots=True)
class State:
    """One channel of a dataset after its last applied delivery; all None before the first. `source_columns`: name -> type or ""."""

    cursor: str | None = None
    last_delivery: int | None = None
    last_sha256: bytes | None = None
    last_as_of: datetime | None = None
    keys_checked_at: datetime | None = None
    source_columns: Mapping[str, str] | None = None
    rules_hash: bytes | None = None


_COLUMNS = "cursor, last_delivery, last_sha256, last_as_of, keys_checked_at, source_columns, rules_hash"
#: What of a column changes no judgement of its values.
_NO_RULE = ("line", "label_vi", "description", "unit")


def read_state(connection: psycopg.Connection, dataset: str, channel: str) -> State:
    """What is remembered of a channel of a dataset."""
    row = connection.execute(
        f"select {_COLUMNS} from kho.channel where dataset = %s and channel = %s",  # type: ignore[arg-type]
        (dataset, channel),
    ).fetchone()
    if row is None:
        return State()
    cursor, delivery, sha256, as_of, keys_at, columns, rules = row
    return State(cursor, delivery, _hash(sha256), as_of, keys_at, columns, _hash(rules))


def _hash(found: bytes | None) -> bytes | None:
    return None if found is None else bytes(found)


def rules_hash(connection: psycopg.Connection, contract: Contract, delivery: Delivery, *, synthetic: bool) -> bytes:
    """Hash of all that a delivery's bytes are judged by beside themselves: the contract, its code lists on the day, what it refers to.

    `contract` is that of the delivery's channel: how its source is read is a rule as well.
    """
    columns = [
        tuple((f.name, getattr(column, f.name)) for f in fields(column) if f.name not in _NO_RULE)
        for column in contract.columns
    ]
    rules: list[Any] = [
        [[(name, dict(value) if isinstance(value, Mapping) else value) for name, value in column] for column in columns],
        contract.key, contract.delivery, contract.cursor_column, contract.deletions, contract.partition, contract.tombstone,
        contract.source.kind, sorted(contract.source.options.items()), synthetic,
    ]  # fmt: skip
    lists = sorted({column.code_list for column in contract.columns if column.code_list})
    if lists:
        # Of values in force on a day, only how many have begun and ended by then can differ while the list is the same.
        rules += connection.execute(
            """select l.list, encode(l.sha256, 'hex'), count(*) filter (where v.valid_from <= %(day)s), count(*) filter (where v.valid_to < %(day)s)
                 from kho.code_list l left join kho.code_value v using (list) where l.list = any (%(lists)s) group by 1, 2 order by 1""",
            {"day": delivery.as_of.astimezone(settings.TIMEZONE).date(), "lists": lists},
        ).fetchall()
    others = sorted({column.references.rpartition(".")[0] for column in contract.columns if column.references})
    if others:
        rules += connection.execute(
            "select dataset, last_delivery from kho.dataset where dataset = any (%s) order by 1", (others,)
        ).fetchall()
    return hashlib.sha256(repr(rules).encode()).digest()


def write_state(
    connection: psycopg.Connection,
    contract: Contract,
    delivery: Delivery,
    delivery_id: int,
    cursor: str | None,
    sha256: bytes,
    columns: Mapping[str, str],
    rules: bytes,
    keys_checked: bool,
) -> None:
    """Remember an applied delivery, of its channel and, as the last good news, of the dataset."""
    values = {
        "dataset": contract.id, "agency": contract.agency, "subject": contract.subject, "channel": delivery.channel, "cursor": cursor,
        "id": delivery_id, "sha256": sha256, "as_of": delivery.as_of, "columns": Jsonb(dict(columns)), "keys": keys_checked,
        "rules": rules,
    }  # fmt: skip
    connection.execute(
        """insert into kho.channel as s (dataset, channel, cursor, last_delivery, last_sha256, last_as_of, last_good_at, keys_checked_at, source_columns,
                                       rules_hash)
           values (%(dataset)s, %(channel)s, %(cursor)s, %(id)s, %(sha256)s, %(as_of)s, clock_timestamp(),
                   case when %(keys)s then clock_timestamp() end, %(columns)s, %(rules)s)
           on conflict (dataset, channel) do update set cursor = coalesce(excluded.cursor, s.cursor), last_delivery = excluded.last_delivery,
              last_sha256 = excluded.last_sha256, last_as_of = excluded.last_as_of, last_good_at = excluded.last_good_at,
              keys_checked_at = coalesce(excluded.keys_checked_at, s.keys_checked_at), source_columns = excluded.source_columns,
              rules_hash = excluded.rules_hash""",
        values,
    )
    connection.execute(
        """insert into kho.dataset as s (dataset, agency, subject, last_delivery, last_as_of, last_good_at)
           values (%(dataset)s, %(agency)s, %(subject)s, %(id)s, %(as_of)s, clock_timestamp())
           on conflict (dataset) do update set last_delivery = excluded.last_delivery, last_as_of = excluded.last_as_of,
              last_good_at = excluded.last_good_at, agency = excluded.agency, subject = excluded.subject""",
        values,
    )


def touch_state(
    connection: psycopg.Connection, contract: Contract, delivery: Delivery, cursor: str | None, keys_checked: bool
) -> None:
    """Remember that the source answered and nothing was new; of a snapshot, also of what time nothing was new."""
    remember_cursor(connection, contract, delivery, cursor)
    whole = contract.delivery == "snapshot" and not delivery.partial
    connection.execute(
        """update kho.channel set last_good_at = clock_timestamp(),
                  last_as_of = case when %(whole)s then greatest(last_as_of, %(as_of)s) else last_as_of end,
                  keys_checked_at = case when %(keys)s then clock_timestamp() else keys_checked_at end
            where dataset = %(dataset)s and channel = %(channel)s""",
        {
            "whole": whole,
            "as_of": delivery.as_of,
            "keys": keys_checked,
            "dataset": contract.id,
            "channel": delivery.channel,
        },
    )
    connection.execute(
        """update kho.dataset set last_good_at = clock_timestamp(),
                  last_as_of = case when %(whole)s then greatest(last_as_of, %(as_of)s) else last_as_of end
            where dataset = %(dataset)s""",
        {"whole": whole, "as_of": delivery.as_of, "dataset": contract.id},
    )


def remember_cursor(connection: psycopg.Connection, contract: Contract, delivery: Delivery, cursor: str | None) -> None:
    """Remember how far a channel has been taken, whatever became of the delivery: a file that was refused is not asked for again."""
    if cursor is not None:
        connection.execute(
            """insert into kho.channel as s (dataset, channel, cursor) values (%s, %s, %s)
               on conflict (dataset, channel) do update set cursor = excluded.cursor""",
            (contract.id, delivery.channel, cursor),
        )


def source_columns(contract: Contract, delivery: Delivery, extra: Sequence[str]) -> dict[str, str]:
    """Columns of the source as far as they are known, in its own names, each with its type there or ""."""
    if delivery.source_types:
        return dict(delivery.source_types)
    present = set(delivery.columns)
    names = [column.source_name for column in contract.columns if not present or column.name in present]
    return dict.fromkeys([*names, *extra], "")


def compare(before: Mapping[str, str] | None, now: Mapping[str, str]) -> dict[str, Any]:
    """What has been added to the source, has gone from it, or has another type than last time; empty when nothing has."""
    if before is None:
        return {}
    found: dict[str, Any] = {
        "added": [name for name in now if name not in before],
        "removed": [name for name in before if name not in now],
        "retyped": [
            {"column": name, "before": before[name], "now": kind}
            for name, kind in now.items()
            if before.get(name) and kind and before[name] != kind
        ],
    }
    return {what: names for what, names in found.items() if names}

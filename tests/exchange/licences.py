"""Licences as the warehouse releases them, and the real obligation under terms that fit a test: small batches, short waits.

Belongs here: rows, their types, releasing them. Stays out: what must arrive upstream (`oracle`), what goes wrong (`campaign_exchange`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from orchestration import exchange
from orchestration.exchange.obligation import Dated, Obligation
from simulator.ministry import Ministry
from tests.engine.subjects import released

Row = dict[str, Any]
SUBJECT, TABLE, KEY = "health", "fct_health_licence", ("licence_no",)
#: `manager_name` is no field of the message: a version that differs in it alone says nothing new upstream.
TYPES = {
    "licence_no": "text",
    "facility_code": "text",
    "manager_name": "text",
    "scope": "text",
    "issued_on": "date",
    "expires_on": "date",
    "status": "text",
    "updated_at": "timestamptz",
    "_delivery": "bigint",
}
STATUSES = ("HIEU_LUC", "TAM_DINH_CHI", "THU_HOI")
#: What text may hold and JSON, SQL or a careless encoding may break.
SCOPES = ("Khám đa khoa", 'Khám "răng"', "A\\B; 'C'", "hai\ndòng", "Cơ sở 🏥 \u2028", "%s {0} </td>", "")
FACILITIES = tuple(f"24A{number:02}" for number in range(20))
STRANGER = "99Z99"  # a facility the ministry does not know


def licence(number: int, **values: Any) -> Row:
    """A licence; without `values` one that the ministry accepts."""
    return {
        "licence_no": name(number), "facility_code": FACILITIES[number % 20], "manager_name": "Nguyễn Văn Thử",
        "scope": SCOPES[number % len(SCOPES)], "issued_on": date(2024, 1, 1) + timedelta(days=number % 300), "expires_on": None,
        "status": STATUSES[number % 3], "updated_at": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number), "_delivery": 1,
    } | values  # fmt: skip


def name(number: int) -> str:
    return f"{number:05}/BN-GPHĐ"


def licences(count: int, **values: Any) -> dict[str, Row]:
    """The first `count` licences by their numbers."""
    return {row["licence_no"]: row for row in (licence(number, **values) for number in range(count))}


def release(rows: Mapping[str, Row], subject: str = SUBJECT, table: str = TABLE) -> int:
    """Release exactly these licences; the number of the release."""
    return int(released(subject, {table: (TYPES, KEY, list(rows.values()))}).release)


@lru_cache
def _declared() -> Obligation:
    (found,) = (each for each in exchange.load_all() if each.id == "health_system.facility_licence")
    return found


def obligation(
    batch: int = 25,
    settle: float = 0.25,
    backoff: tuple[float, float] = (0.01, 0.1),
    timeout: float = 20,
    **changes: Any,
) -> Obligation:
    """The declared obligation, in batches of `batch`; the receiver is left alone for hundredths of a second."""
    declared = _declared()
    channels = tuple(
        replace(
            dated,
            value=replace(
                dated.value, settle_seconds=settle, timeout_seconds=timeout, backoff_seconds=backoff[0], backoff_limit_seconds=backoff[1]
            ),
        )
        for dated in declared.channels
    )  # fmt: skip
    sizes = tuple(Dated(batch, dated.valid_from, dated.valid_to) for dated in declared.batch_sizes)
    return replace(declared, channels=channels, batch_sizes=sizes, **changes)


def environment(url: str, key: str, secret: str) -> dict[str, str]:
    return {"KHO_NATIONAL_HEALTH": url, "KHO_NATIONAL_HEALTH_KEY": key, "KHO_NATIONAL_HEALTH_SECRET": secret}


def env_of(ministry: Ministry) -> dict[str, str]:
    """What the sender's environment says of this ministry."""
    return environment(ministry.base, ministry.key, ministry.secret)

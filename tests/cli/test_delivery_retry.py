"""`kho delivery retry`: a refused delivery is landed once more, in a person's name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Kho = Callable[..., Any]


def test_a_refused_delivery_is_retried_in_a_name(kho: Kho, empty: Path) -> None:
    from dataclasses import replace

    from orchestration.landing import land
    from orchestration.settings import now
    from orchestration.sources import Delivery

    from .office import UNITS, contract

    made = contract("home_affairs.unit_e2")
    names = {title: c.name for c in made.columns for title in (c.source_name, *c.headers)}
    columns = tuple(names[title] for title in UNITS.partition("\n")[0].split(","))

    def sent(text: str) -> Delivery:
        return Delivery("giao.csv", now(), "csv", iter([text.encode()]), columns, parts=())

    night = now().date()
    land(made, sent(UNITS), night=night)
    name = made.column("area_km2")
    other = replace(made, columns=tuple(replace(c, pg_type="text") if c is name else c for c in made.columns))
    refused = land(other, sent(UNITS.replace("1.5", "2.5")), night=night)
    assert refused.outcome == "refused"
    retry = ("delivery", "retry", refused.delivery_id)
    assert kho(*retry).code == 2 and kho(*retry, "--by", " ").code == 2
    ran = kho(*retry, "--by", "Trần Thị Giám Đốc")
    assert ran.code == 0 and "đã nhận: 0 thêm, 1 sửa" in ran.out and "applied: 0 inserted, 1 updated" in ran.out
    latest = kho("delivery", "list", "--json").json[0]
    assert (latest["retries"], latest["confirmed_by"], latest["confirms"]) == (
        refused.delivery_id,
        "Trần Thị Giám Đốc",
        None,
    )
    assert kho(*retry, "--by", "Ai").err.startswith("Lỗi / Error [overtaken]: ")
    assert kho("delivery", "retry", 1, "--by", "Ai").err.startswith("Lỗi / Error [not_refused]: ")
    assert kho("delivery", "retry", 9999, "--by", "Ai").err.startswith("Lỗi / Error [no_delivery]")
    still = land(made, sent("ward_code,ward,area_km2,lat,lon\n1,2\n"), night=night)
    ran = kho("delivery", "retry", still.delivery_id, "--by", "Ai")
    assert ran.code == 3 and "bị từ chối" in ran.out and ran.err.startswith("giao.csv")
    assert kho("ledger", "verify").code == 0

"""Health of a source in Dagster: its three checks, how it is reached, and the numbers that Dagster plots.

Belongs here: health (`orchestration.health`) in Dagster's words. Stays out: the verdicts, landing (`agency`).
A check warns and blocks nothing. It tells of columns, rules and counts, never of a value or a key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from orchestration.components.common import cell
from orchestration.contracts import Contract, Source
from orchestration.health import ChannelHealth, Health, Rule
from orchestration.report.words import SHARES, VOLUMES, both

if TYPE_CHECKING:
    from orchestration.landing import Receipt

#: Check -> what it tells.
CHECKS = {
    "volume": "Số dòng so với các lần giao trước. Rows compared with the deliveries before.",
    "quarantine": "Tỷ lệ dòng bị cách ly, dòng có lưu ý so với các lần trước. Quarantined and noted rows compared with before.",
    "drift": "Nguồn có thêm, mất, đổi kiểu cột; quy tắc không kiểm tra được. Columns added, gone or of another type; rules left unchecked.",
}
_ODD_VOLUMES = ("fewer", "more", "silent")
_ODD_SHARES = ("jump", "high")
_DRIFT = {
    "added": "Cột mới ở nguồn / new in the source",
    "removed": "Cột không còn / gone",
    "retyped": "Cột đổi kiểu / of another type",
    "extra": "Cột ngoài hợp đồng / not in the contract",
    "unchecked": "Quy tắc không kiểm tra được / rules not checked",
}
#: Option that says where a source keeps a dataset, by preference. None of them holds an address or a secret.
_WHERE = (
    ("table", "bảng / table"),
    ("glob", "tệp / files"),
    ("path", "đường dẫn / path"),
    ("service", "dịch vụ / service"),
)


def check_specs(key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """The checks of a raw asset."""
    return [dg.AssetCheckSpec(name, asset=key, description=text, blocking=False) for name, text in CHECKS.items()]


def reached(source: Source) -> str:
    """How a source is reached: what it is, and what is asked for there; never its address."""
    options = source.options
    kind = options.get("dialect") or (f"tệp {source.format} / files" if source.kind == "files" else source.kind)
    found = next((f"{words} `{options[name]}`" for name, words in _WHERE if name in options), "")
    more = ", ".join(
        f"{name} {options[name]}" for name in ("member", "record", "charset", "delimiter") if name in options
    )
    return ", ".join(part for part in (kind, found, more) if part)


def sources_text(contract: Contract) -> str:
    """The sources of a contract, one a line."""
    return "\n".join(f"- {source.name}: {reached(source)}" for source in contract.sources)


def landed_metadata(receipts: Sequence[Receipt], seconds: float) -> dict[str, Any]:
    """Counts of a landing as numbers, which Dagster plots over time; without rows there is no rate."""
    names = (
        "received", "accepted", "quarantined", "noted", "duplicates", "inserted", "updated", "deleted", "unchanged",
    )  # fmt: skip
    counts = {name: sum(getattr(receipt, name) for receipt in receipts) for name in names}
    found: dict[str, Any] = {f"kho/{name}": count for name, count in counts.items()}
    found["kho/seconds"] = round(seconds, 3)
    if counts["received"]:
        found["kho/quarantine_rate"] = counts["quarantined"] / counts["received"]
        found["kho/noted_rate"] = counts["noted"] / counts["received"]
        if seconds > 0:
            found["kho/rows_per_second"] = round(counts["received"] / seconds, 1)
    return found


def check_results(key: dg.AssetKey, health: Health, rules: Sequence[Rule]) -> Iterator[dg.AssetCheckResult]:
    """The three verdicts on the last deliveries; nothing for a dataset that never delivered."""
    channels = [channel for channel in health.channels if channel.deliveries]
    if not channels:
        return
    for name, judge in (("volume", _volume), ("quarantine", _quarantine), ("drift", _drift)):
        passed, metadata = judge(channels)
        if name == "quarantine":
            metadata["kho/tickets_open"] = health.tickets_open
            metadata["kho/tickets_overdue"] = health.tickets_overdue
            if rules:
                metadata["kho/rules"] = dg.MetadataValue.md(_rules(rules))
        yield dg.AssetCheckResult(
            asset_key=key, check_name=name, passed=passed, severity=dg.AssetCheckSeverity.WARN, metadata=metadata
        )


def _volume(channels: Sequence[ChannelHealth]) -> tuple[bool, dict[str, Any]]:
    main = channels[0]
    metadata: dict[str, Any] = {"kho/rows": main.rows[-1], "kho/trend": main.trend}
    if main.usual is not None:
        metadata["kho/usual"] = main.usual
    rows = [
        (c.channel, both(VOLUMES, c.volume), c.rows[-1], "-" if c.usual is None else f"{c.usual:g}", c.trend)
        for c in channels
    ]
    heads = ("kênh / channel", "số dòng / volume", "lần này / last", "thường lệ / usual", "xu hướng / trend")
    metadata["kho/channels"] = dg.MetadataValue.md(_table(heads, rows))
    return not any(c.volume in _ODD_VOLUMES for c in channels), metadata


def _quarantine(channels: Sequence[ChannelHealth]) -> tuple[bool, dict[str, Any]]:
    metadata: dict[str, Any] = {
        "kho/received": sum(c.received for c in channels),
        "kho/quarantined": sum(c.quarantined for c in channels),
        "kho/noted": sum(c.noted_rows for c in channels),
    }
    main = channels[0]
    for name, rate in (
        ("rate", main.quarantine_rate),
        ("usual_rate", main.usual_quarantine_rate),
        ("noted_rate", main.noted_rate),
    ):
        if rate is not None:
            metadata[f"kho/{name}"] = rate
    rows = [
        (c.channel, both(SHARES, c.quarantine), _percent(c.quarantine_rate), _percent(c.usual_quarantine_rate),
         both(SHARES, c.noted), _percent(c.noted_rate), _percent(c.usual_noted_rate))
        for c in channels
    ]  # fmt: skip
    heads = (
        "kênh / channel",
        "cách ly / quarantine",
        "lần này / last",
        "thường lệ / usual",
        "lưu ý / noted",
        "lần này / last",
        "thường lệ / usual",
    )
    metadata["kho/channels"] = dg.MetadataValue.md(_table(heads, rows))
    return not any(c.quarantine in _ODD_SHARES or c.noted == "jump" for c in channels), metadata


def _drift(channels: Sequence[ChannelHealth]) -> tuple[bool, dict[str, Any]]:
    rows = [
        (channel.channel, words, ", ".join(map(_name, channel.drift[what])))
        for channel in channels
        for what, words in _DRIFT.items()
        if channel.drift.get(what)
    ]
    metadata: dict[str, Any] = {"kho/drifted": len([c for c in channels if c.has_drifted])}
    if rows:
        heads = ("kênh / channel", "thay đổi / change", "cột, quy tắc / columns, rules")
        metadata["kho/drift"] = dg.MetadataValue.md(_table(heads, rows))
    return not any(channel.has_drifted for channel in channels), metadata


def _name(found: str | Mapping[str, str]) -> str:
    """A column, or one that has another type now."""
    return found if isinstance(found, str) else f"{found['column']} ({found['before']} → {found['now']})"


def _rules(rules: Sequence[Rule]) -> str:
    heads = ("cột / column", "quy tắc / rule", "số dòng / rows", "hạn / due")
    return _table(heads, [(rule.column or "-", rule.rule, rule.rows, f"{rule.due_on:%d/%m/%Y}") for rule in rules])


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{100 * rate:.2f} %".replace(".", ",")


def _table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell(value) for value in line)} |" for line in lines)

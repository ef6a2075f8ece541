"""NationalSystem: what the province owes one national system; every active obligation of the folder is exchanged and compared.

Belongs here: asset keys, what the UI tells of an obligation, how an outcome looks in Dagster. Stays out: sending and
comparing themselves (`exchange`), triggers (`automation`).
A run that did not finish is an observation, never a materialisation: a receiver that is dead must not look fresh.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from orchestration import settings
from orchestration.components.common import cell, failure, retry_seconds, validity
from orchestration.errors import KhoError

if TYPE_CHECKING:
    from orchestration.exchange import Obligation, ObligationState, Run

#: Seconds of sending within one step; what is left goes into the next run.
SECONDS = 45.0
#: Times a receiver that does not answer is asked again while both sides are being compared.
RETRIES = 2
#: What a run came to, on its observation: `kho night` goes on while it reads `more`.
OUTCOME = "kho/outcome"
#: Tag of the assets that compare; the job `exchange` leaves them out.
RECONCILIATION_TAG = "kho/reconciliation"


def national_key(obligation: "Obligation") -> dg.AssetKey:
    """Asset key of what is exchanged."""
    return dg.AssetKey(["national", obligation.system, obligation.name])


def reconciliation_key(obligation: "Obligation") -> dg.AssetKey:
    """Asset key of the comparison of both sides."""
    return dg.AssetKey(["national", obligation.system, f"{obligation.name}_reconciliation"])


class NationalSystem(dg.Component, dg.Model, dg.Resolvable):
    """One national system: every active obligation declared beside this component's defs.yaml. `system` is the folder's name."""

    system: str

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Two assets an obligation: one sends, one compares."""
        from orchestration import exchange

        folder = Path(context.path).resolve()
        owed = [obligation for obligation in exchange.load_all() if obligation.path.resolve().parent == folder]
        return dg.Definitions(assets=[make(o) for o in owed for make in (exchange_asset, reconciliation_asset)])


def exchange_asset(obligation: "Obligation") -> dg.AssetsDefinition:
    """The asset that sends what was released. Materialised only when nothing is left to send."""
    key = national_key(obligation)

    @dg.asset(
        key=key,
        group_name=obligation.system,
        deps=[dg.AssetKey(["live", obligation.subject, obligation.table])],
        kinds={"postgres", "json"},
        owners=[obligation.owner_contact, f"team:{obligation.system}"],
        freshness_policy=_policy(obligation),
        description=f"{obligation.title}. {obligation.description}",
        check_specs=[dg.AssetCheckSpec(name=name, asset=key, description=text) for name, text in CHECKS.items()],
        metadata=obligation_metadata(obligation),
        output_required=False,
        tags={"kho/subject": obligation.subject},
    )
    def sent(context: dg.AssetExecutionContext) -> Any:
        from orchestration import exchange

        problem: KhoError | None = None
        try:
            run = exchange.run(obligation, seconds=SECONDS, env=os.environ)
            state = exchange.states([obligation])[0]
        except KhoError as error:
            problem = error
        if problem is not None:
            raise failure(problem)
        facts = _facts(run, state)
        context.log.info(f"{obligation.id}: " + ", ".join(f"{name[4:]} {value}" for name, value in facts.items()))
        if run.outcome == "done":
            yield dg.MaterializeResult(metadata=facts)
        else:
            yield dg.AssetObservation(key, metadata=facts)
        yield from evaluations(key, state)
        if run.outcome == "waiting":
            raise failure(KhoError("receiver_waits", run.because_vi, run.because_en), **facts)

    return sent


def reconciliation_asset(obligation: "Obligation") -> dg.AssetsDefinition:
    """The asset that compares both sides. What differs goes into the outbox, and `exchange_asset` sends it."""

    @dg.asset(
        key=reconciliation_key(obligation),
        group_name=obligation.system,
        deps=[dg.AssetKey(["live", obligation.subject, obligation.table])],
        kinds={"postgres", "json"},
        owners=[obligation.owner_contact, f"team:{obligation.system}"],
        freshness_policy=_policy(obligation),
        description=f"Đối soát hai bên: {obligation.title}. Both sides are compared; what differs is sent again.",
        tags={"kho/subject": obligation.subject, RECONCILIATION_TAG: ""},
        # Not a dependency: what is owed is sent whether or not the comparison succeeds.
        op_tags={"dagster/priority": "1"},
    )
    def compared(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
        from orchestration import exchange

        problem: KhoError | None = None
        try:
            result = exchange.reconcile(obligation, env=os.environ)
        except KhoError as error:
            problem = error
        if problem is not None and problem.transient and context.retry_number < RETRIES:
            raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=retry_seconds())
        if problem is not None:
            raise failure(problem)
        counts = {name: value for name, value in asdict(result).items() if name not in ("obligation", "at")}
        return dg.MaterializeResult(metadata={f"kho/{name}": value for name, value in counts.items()})

    return compared


def _policy(obligation: "Obligation") -> dg.FreshnessPolicy:
    return dg.FreshnessPolicy.time_window(fail_window=freshness_window(obligation))


def freshness_window(obligation: "Obligation") -> timedelta:
    """Calendar days of the longest deadline ever in force, and ten more: Tết with the days swapped around it.

    Longer than a week, so that the weekly comparison, which also sends, keeps an obligation fresh to which nothing happens.
    """
    weeks = -(-max(deadline.value for deadline in obligation.deadlines) // 5)
    return timedelta(days=7 * weeks + 10)


CHECKS = {
    "nothing_rejected": "Bên nhận không từ chối thông điệp nào còn hiệu lực. The receiver refuses none of the open messages.",
    "nothing_overdue": "Không có thông điệp nào quá hạn theo quy định. No message is past its legal deadline.",
    "both_sides_equal": "Phần lệch mà lần đối soát gần nhất thấy đã được sửa. What the last comparison found to differ has been mended.",
}


def evaluations(key: dg.AssetKey, state: "ObligationState") -> Iterator[dg.AssetCheckResult]:
    """The checks of an obligation, as its outbox stands now."""

    def result(name: str, found: bool, severity: dg.AssetCheckSeverity, text: str, **facts: Any) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(
            asset_key=key, check_name=name, passed=not found, severity=severity,
            description=text if found else None, metadata={f"kho/{fact}": value for fact, value in facts.items()},
        )  # fmt: skip

    warn, error = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR
    n = state.rejected
    yield result(
        "nothing_rejected", n > 0, warn, f"{n} thông điệp bị từ chối, chờ xử lý / {n} refused messages wait to be mended",
        rejected=n,
    )  # fmt: skip
    n, due = state.overdue, state.oldest_due
    since = f" ({due:%d/%m/%Y})" if due else ""
    yield result(
        "nothing_overdue", n > 0, error, f"{n} thông điệp quá hạn{since} / {n} messages are overdue{since}", overdue=n
    )
    if state.reconciled_at is None or state.drift is None:
        yield result("both_sides_equal", True, warn, "chưa từng đối soát / both sides were never compared")
        return
    # What differs is put into the outbox: once nothing is on its way it is mended, or a dead letter says why not. Too much waits for a person.
    n, left, waits = state.drift, state.pending + state.uncertain, state.unrepaired or 0
    on = f"{state.reconciled_at.astimezone(settings.TIMEZONE):%d/%m/%Y}"
    yield result(
        "both_sides_equal", waits > 0 or (n > 0 and left > 0), error,
        f"đối soát ngày {on} thấy {n} bản ghi lệch, {waits} chờ xác nhận; còn {left} thông điệp trên đường / "
        f"{n} records differed on {on}, {waits} wait for a person; {left} messages are on their way", drift=n, unrepaired=waits, compared_on=on,
    )  # fmt: skip


def _facts(run: "Run", state: "ObligationState") -> dict[str, Any]:
    counts = ("planned", "confirmed", "rejected", "pending", "uncertain")
    return {
        OUTCOME: run.outcome,
        "kho/run": run.run,
        **{f"kho/{name}": getattr(run, name) for name in counts},
        "kho/release": state.planned,
    }


def obligation_metadata(obligation: "Obligation") -> dict[str, Any]:
    """What the UI tells of an obligation: every dated entry with its days; no address, no secret."""
    channels = [(f"{c.value.kind}: {c.value.sender} → {c.value.receiver}", c) for c in obligation.channels]
    return {
        "Đơn vị chủ quản / owner": obligation.owner_name,
        "Bên nhận / receiver": obligation.receiver_name,
        "Căn cứ pháp lý / legal basis": _dated((b.value, b) for b in obligation.legal_basis),
        "Thời hạn / deadline": _dated((f"{d.value} ngày làm việc / working days", d) for d in obligation.deadlines),
        "Kênh / channel": _dated(channels),
        "Cỡ lô / batch size": _dated((str(size.value), size) for size in obligation.batch_sizes),
        "Ánh xạ trường / field mapping": dg.MetadataValue.md(_mapping(obligation)),
        "Khai báo / declaration": dg.MetadataValue.path(str(obligation.path)),
    }


def _dated(entries: Iterable[tuple[str, Any]]) -> dg.MarkdownMetadataValue:
    lines = [f"- {text} ({validity(days.valid_from, days.valid_to)})" for text, days in entries]
    return dg.MetadataValue.md("\n".join(lines))


def _mapping(obligation: "Obligation") -> str:
    lines = [
        "| trường / field | cột / column | cách ghi / written as | bắt buộc / required | khóa / key | mã / codes | hiệu lực / in force |",
        "|---|---|---|:-:|:-:|---|---|",
    ]
    for entry in obligation.fields:
        field, codes = entry.value.field, entry.value.codes or ()
        source = field.column if field.column is not None else f"= {field.constant}"
        pairs = "; ".join(f"{ours} → {theirs}" for ours, theirs in (code.value for code in codes))
        cells = (
            field.name, source, field.format, "✓" if field.required else "", field.key_position or "", pairs,
            validity(entry.valid_from, entry.valid_to),
        )  # fmt: skip
        lines.append("| " + " | ".join(cell(one) for one in cells) + " |")
    return "\n".join(lines)

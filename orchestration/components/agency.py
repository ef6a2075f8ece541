"""Agency: the contracts of one agency's folder become one raw asset a dataset.

Belongs here: asset keys, what the UI tells of a contract, retries, the scaffold of a new agency. Stays out: landing itself.
"""

import os
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import dagster as dg

from orchestration import health
from orchestration.components.common import failure, night_of, retry_seconds, table_schema
from orchestration.components.scaffold import AgencyScaffolder
from orchestration.components.source_health import check_results, check_specs, landed_metadata, sources_text
from orchestration.contracts import Contract, Source, load
from orchestration.errors import KhoError
from orchestration.sources import is_connected, missing_variables

if TYPE_CHECKING:
    from orchestration.landing import Receipt


def raw_key(dataset: str) -> dg.AssetKey:
    """Asset key of a dataset's raw table."""
    return dg.AssetKey(["raw", *dataset.split(".")])


@dg.scaffold_with(AgencyScaffolder)
class Agency(dg.Component, dg.Model, dg.Resolvable):
    """One agency: every ODCS contract beside this component's defs.yaml becomes a landing asset.

    `retries`: how often a source that does not answer is asked again within a run.
    """

    agency: str
    retries: int = 2

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Raw assets of the agency's contracts."""
        folder = Path(context.path)
        contracts = [load(path) for path in sorted(folder.glob("*.yaml")) if path.name != "defs.yaml"]
        return dg.Definitions(assets=[landing_asset(contract, self.retries) for contract in contracts])


def landing_asset(contract: Contract, retries: int) -> dg.AssetsDefinition:
    """The asset that takes in one dataset, and its checks. Not materialised when the source had nothing: a silent source must not
    look fresh. A draft whose source nobody has connected yields nothing at all. Its checks run alone without asking anybody."""
    key = raw_key(contract.id)

    @dg.multi_asset(
        name="__".join(key.path),
        specs=[
            dg.AssetSpec(
                key,
                group_name=contract.agency,
                description=f"{contract.title}. {contract.description}\n\n{sources_text(contract)}",
                kinds={"postgres", *(icon(source) for source in contract.sources)},
                owners=[contract.owner_contact, f"team:{contract.agency}"],
                tags={"kho/subject": contract.subject, "kho/classification": contract.classification},
                freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=contract.latency_hours)),
                metadata=contract_metadata(contract),
                skippable=True,
                code_version=contract.version,
            )
        ],
        check_specs=check_specs(key),
        can_subset=True,  # else a check that is not yielded would fail the step
    )
    def landed(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        if not is_connected(contract, os.environ):
            # A draft whose source nobody has connected: not asked, not materialised, not fresh.
            names = ", ".join(missing_variables(contract, os.environ))
            context.log.info(f"{contract.id}: chưa kết nối / not connected: {names}")
            return
        if key in context.selected_asset_keys:
            yield from _land(context, contract, retries)
        found = health.of(contract, os.environ)
        wanted = {check.name for check in context.selected_asset_check_keys}
        for result in check_results(key, found, health.worst_rules(contract.id)):
            if result.check_name in wanted:
                yield result

    return landed


def _land(context: dg.AssetExecutionContext, contract: Contract, retries: int) -> Iterator[dg.MaterializeResult[Any]]:
    """Land what the source has, as a materialisation where it had anything; a failure of the asset where it has failed."""
    from orchestration.landing import land_dataset

    problem: KhoError | None = None
    receipts = []
    started = monotonic()
    try:
        receipts = land_dataset(contract, night=night_of(context), env=os.environ)
    except KhoError as error:
        problem = error
    if problem is not None and problem.transient and context.retry_number < retries:
        raise dg.RetryRequested(max_retries=retries, seconds_to_wait=retry_seconds())
    if problem is not None:
        raise failure(problem)
    for receipt in receipts:
        context.log.info(
            f"{receipt.dataset}: {receipt.outcome}, delivery {receipt.delivery_id}: received {receipt.received}, accepted {receipt.accepted}, "
            f"quarantined {receipt.quarantined}, duplicates {receipt.duplicates}, noted {receipt.noted}"
        )
    if not receipts:
        context.log.info(f"{contract.id}: nothing delivered")
        return
    last = receipts[-1]
    if open_ := _open(contract, receipts):
        raise failure(KhoError(open_.outcome, vi=open_.reason_vi, en=open_.reason_en))
    metadata = landed_metadata(receipts, monotonic() - started)
    yield dg.MaterializeResult(
        asset_key=raw_key(contract.id),
        metadata={"kho/outcome": last.outcome, "kho/delivery": last.delivery_id, **metadata},
    )


def _open(contract: Contract, receipts: "Sequence[Receipt]") -> "Receipt | None":
    """The receipt that a person has to act on, if there is one: the last, or an earlier one that no later word has settled."""
    from orchestration.landing.overtaken import unsettled

    if receipts[-1].outcome in ("waiting", "refused"):
        return receipts[-1]
    if all(receipt.outcome not in ("waiting", "refused") for receipt in receipts):
        return None
    still = {found.delivery_id for found in unsettled([contract])}
    return next((receipt for receipt in receipts if receipt.delivery_id in still), None)


def icon(source: Source) -> str:
    """Dagster's kind for a source, by what the data look like where they come from."""
    if source.kind == "database":
        return {"mssql": "sqlserver"}.get(source.options["dialect"], source.options["dialect"])
    icons = {
        "postgresql": "postgres",
        "xlsx": "excel",
        "xls": "excel",
        "ods": "excel",
        "xml130": "xml",
        "xroad": "soap",
    }
    return icons.get(source.format, source.format)


def contract_metadata(contract: Contract) -> dict[str, Any]:
    """What the UI tells of a contract."""
    basis = "\n".join(
        f"- {b.instrument} ({b.valid_from:%d/%m/%Y}{f' – {b.valid_to:%d/%m/%Y}' if b.valid_to else ''})"
        for b in contract.legal_basis
    )
    return {
        "Đơn vị chủ quản / owner": f"{contract.agency_name} ({contract.agency_code}), {contract.owner_name}",
        "Căn cứ pháp lý / legal basis": dg.MetadataValue.md(basis),
        "Phân loại / classification": contract.classification
        + (" (có dữ liệu cá nhân / personal)" if contract.is_personal else ""),
        "Lịch / schedule": contract.schedule,
        "Độ tươi / freshness": f"≤ {contract.latency_hours:g} h",
        "Cách giao / delivery": contract.delivery,
        "Nguồn / sources": dg.MetadataValue.md(sources_text(contract)),
        "Hợp đồng / contract": dg.MetadataValue.path(str(contract.path)),
        "dagster/table_name": f"raw.{contract.table}",
        "dagster/column_schema": table_schema(
            [(c.name, c.pg_type, f"{c.label_vi}. {c.description}") for c in contract.columns]
        ),
    }

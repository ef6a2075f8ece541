"""Agency: the contracts of one agency's folder become one raw asset a dataset.

Belongs here: asset keys, what the UI tells of a contract, retries, the scaffold of a new agency. Stays out: landing itself.
"""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from orchestration.components.common import failure, night_of, retry_seconds, table_schema
from orchestration.components.scaffold import AgencyScaffolder
from orchestration.contracts import Contract, load
from orchestration.errors import KhoError


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
    """The asset that takes in one dataset. Not materialised when the source had nothing: a silent source must not look fresh."""

    @dg.asset(
        key=raw_key(contract.id),
        group_name=contract.agency,
        description=f"{contract.title}. {contract.description}",
        kinds={
            "postgres",
            {"postgresql": "postgres", "csv": "csv", "xlsx": "excel", "json": "json"}[contract.source.kind],
        },
        owners=[contract.owner_contact, f"team:{contract.agency}"],
        tags={"kho/subject": contract.subject, "kho/classification": contract.classification},
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=contract.latency_hours)),
        metadata=contract_metadata(contract),
        output_required=False,
        code_version=contract.version,
    )
    def landed(context: dg.AssetExecutionContext) -> Any:
        from orchestration.landing import land_dataset

        problem: KhoError | None = None
        receipts = []
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
                f"quarantined {receipt.quarantined}, duplicates {receipt.duplicates}"
            )
        if not receipts:
            context.log.info(f"{contract.id}: nothing delivered")
            return
        last = receipts[-1]
        if last.outcome in ("waiting", "refused"):
            raise failure(KhoError(last.outcome, vi=last.reason_vi, en=last.reason_en))
        counts = ("received", "accepted", "quarantined", "duplicates", "inserted", "updated", "deleted", "unchanged")
        yield dg.MaterializeResult(
            metadata={
                "kho/outcome": last.outcome,
                "kho/delivery": last.delivery_id,
                **{f"kho/{name}": sum(getattr(receipt, name) for receipt in receipts) for name in counts},
            }
        )

    return landed


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
        "Cách giao / delivery": f"{contract.source.kind}, {contract.delivery}",
        "Hợp đồng / contract": dg.MetadataValue.path(str(contract.path)),
        "dagster/table_name": f"raw.{contract.table}",
        "dagster/column_schema": table_schema(
            [(c.name, c.pg_type, f"{c.label_vi}. {c.description}") for c in contract.columns]
        ),
    }

"""Retention: bytes whose time has come are forgotten once a night, also those of sources that deliver nothing any more.

Belongs here: the asset that the night's first job runs beside landing. Stays out: what may be forgotten (`landing.retention`).
"""

from typing import Any

import dagster as dg

from orchestration.components.common import failure
from orchestration.errors import KhoError


@dg.asset(
    key=["kho", "retention"], group_name="kho", kinds={"folder"}, output_required=False,
    description="Xóa bản lưu đã hết thời hạn theo hợp đồng. Kept bytes past the retention of their contract are removed.",
)  # fmt: skip
def retention(context: dg.AssetExecutionContext) -> Any:
    """Enforce every contract's retention; bytes that no contract speaks for are told, since they are for a person to decide."""
    from orchestration.contracts import load_all
    from orchestration.landing.retention import sweep_all

    problem: KhoError | None = None
    try:
        swept = sweep_all(load_all())
    except KhoError as error:
        problem = error
    if problem is not None:
        raise failure(problem)
    for dataset in swept.without_contract:
        context.log.warning(f"{dataset}: bản lưu không còn hợp đồng / kept bytes that no contract speaks for")
    yield dg.MaterializeResult(
        metadata={
            "kho/removed": sum(swept.removed.values()),
            "kho/datasets": len(swept.removed),
            "kho/without_contract": len(swept.without_contract),
        }
    )

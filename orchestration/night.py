"""A night in one process: the jobs in their order, each recorded in Dagster's instance as any other run.

Belongs here: running jobs one after the other and watching them. Stays out: what `kho night` prints at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from orchestration.automation.instance import prepare


@dataclass(slots=True)
class NightResult:
    """Runs of a night by job, and what failed in them (asset or step: reason)."""

    night: date
    run_ids: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


def run_night(night: date, *, subjects: list[str] | None = None, echo: Callable[[str], None] = print) -> NightResult:
    """Run `landing`, then `warehouse`, whatever landing's outcome. `subjects` limits the second job. `echo` gets a line a step."""
    prepare()
    import dagster as dg

    from orchestration.automation import progress
    from orchestration.automation.jobs import DRIVER_TAG
    from orchestration.components.common import NIGHT_TAG
    from orchestration.definitions import defs

    loaded = defs() if callable(defs) else defs
    definitions = loaded if isinstance(loaded, dg.Definitions) else loaded.load_fn()  # type: ignore[attr-defined]
    result = NightResult(night)
    progress.echo = echo
    with dg.DagsterInstance.get() as instance:
        for name in ("landing", "warehouse"):
            job = definitions.resolve_job_def(name)
            selection = None
            if name == "warehouse" and subjects:
                selection = [
                    key for key in job.asset_layer.selected_asset_keys if any(part in subjects for part in key.path)
                ]
            echo(f"── {name}")
            done = job.execute_in_process(
                instance=instance, raise_on_error=False, asset_selection=selection,
                tags={NIGHT_TAG: night.isoformat(), DRIVER_TAG: "kho night"},
                run_config={"loggers": {"progress": {}}},  # instead of the console's line an event; the instance keeps them all
            )  # fmt: skip
            result.run_ids[name] = done.run_id
            for event in done.all_events:
                if event.is_step_failure:
                    error = event.step_failure_data.user_failure_data
                    reason = (
                        error.description
                        if error is not None and error.description
                        else "lỗi ngoài dự kiến / unexpected error"
                    )
                    result.failures.append(f"{event.step_key}: {reason}")
    return result

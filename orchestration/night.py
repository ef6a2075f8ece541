"""A night in one process: the jobs in their order, each recorded in Dagster's instance as any other run.

Belongs here: running jobs one after the other and watching them. Stays out: what `kho night` prints at the end.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from orchestration.automation.instance import prepare

#: The jobs of a night, in the order in which the data walks through them.
JOBS = ("landing", "warehouse", "publish", "exchange")
#: Most runs of one job in a night; what an obligation still has to send then is left to the next run.
MOST_ROUNDS = 40


@dataclass(slots=True)
class NightResult:
    """The last run of each job of a night, and what failed in any of them (asset or step: reason)."""

    night: date
    run_ids: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


def run_night(night: date, *, subjects: list[str] | None = None, echo: Callable[[str], None] = print) -> NightResult:
    """Run the jobs one after the other, whatever became of the one before; `exchange` again while it has more to send.

    `subjects` limits the job `warehouse`. `echo` gets a line a step.
    """
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
        for name in JOBS:
            job = definitions.resolve_job_def(name)
            selection = None
            if name == "landing":
                selection = _connected(job)
            if name == "warehouse" and subjects:
                selection = [
                    key for key in job.asset_layer.selected_asset_keys if any(part in subjects for part in key.path)
                ]
            for number in range(1, MOST_ROUNDS + 1):
                echo(f"── {name}" + (f" ({number})" if number > 1 else ""))
                done = job.execute_in_process(
                    instance=instance, raise_on_error=False, asset_selection=selection,
                    tags={NIGHT_TAG: night.isoformat(), DRIVER_TAG: "kho night"},
                    run_config={"loggers": {"progress": {}}},  # instead of the console's line an event; the instance keeps them all
                )  # fmt: skip
                result.run_ids[name] = done.run_id
                result.failures += _failures(done.all_events)
                selection = _unfinished(done.all_events)
                if not selection:
                    break
            else:
                echo(f"  … {name}: còn việc cho lần chạy sau / the rest is left to the next run")
    return result


def _connected(job: Any) -> list[Any]:
    """Keys of the raw assets whose source is to be asked: drafts that nobody has connected yet would only take time."""
    from orchestration.components.agency import raw_key
    from orchestration.contracts import load_all
    from orchestration.sources import is_connected

    silent = {raw_key(contract.id) for contract in load_all() if not is_connected(contract, os.environ)}
    return [key for key in job.asset_layer.selected_asset_keys if key not in silent]


def _failures(events: Iterable[Any]) -> list[str]:
    """`step: reason` of every step that failed."""
    found = []
    for event in events:
        if event.is_step_failure:
            error = event.step_failure_data.user_failure_data
            reason = error.description if error is not None else None
            found.append(f"{event.step_key}: {reason or 'lỗi ngoài dự kiến / unexpected error'}")
    return found


def _unfinished(events: Iterable[Any]) -> list[Any]:
    """Keys of the assets whose time was up before their work was done, as their observations say."""
    from orchestration.components.national import OUTCOME

    observed = [event.asset_observation_data.asset_observation for event in events if event.is_asset_observation]
    return [
        found.asset_key for found in observed if OUTCOME in found.metadata and found.metadata[OUTCOME].value == "more"
    ]

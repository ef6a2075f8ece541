"""Jobs `landing` and `warehouse`, the schedule and the sensors.

Landing is a job of its own: within one run a failed source would skip every model behind it. The next job starts whatever the
outcome of the one before, because one agency that is down never stops the province.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from orchestration import settings
from orchestration.automation.progress import progress_logger
from orchestration.components.agency import raw_key
from orchestration.components.common import NIGHT_TAG

#: Runs that `kho night` drives itself carry this tag; the chain sensor leaves them alone.
DRIVER_TAG = "kho/driver"
STAGE_TAG = "kho/stage"

_RAW = dg.AssetSelection.key_prefixes("raw")
landing = dg.define_asset_job(
    "landing", selection=_RAW, executor_def=dg.in_process_executor, tags={STAGE_TAG: "landing"},
    description="Hỏi mọi nguồn, nhận dữ liệu theo hợp đồng. Every source is asked; deliveries land under contract.",
)  # fmt: skip
warehouse = dg.define_asset_job(
    "warehouse", selection=dg.AssetSelection.all() - _RAW, executor_def=dg.in_process_executor, tags={STAGE_TAG: "warehouse"},
    description="Dựng, kiểm tra và phát hành mọi lĩnh vực. Every subject is built, gated and released.",
)  # fmt: skip


@dg.schedule(
    job=landing,
    cron_schedule="0 1 * * *",
    execution_timezone="Asia/Ho_Chi_Minh",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """01:00 Asia/Ho_Chi_Minh."""
    night = context.scheduled_execution_time.astimezone(settings.TIMEZONE).date().isoformat()
    return dg.RunRequest(run_key=f"night:{night}", tags={NIGHT_TAG: night})


@dg.sensor(job=warehouse, minimum_interval_seconds=15, default_status=dg.DefaultSensorStatus.RUNNING)
def after_landing(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Start `warehouse` for every `landing` run that has ended, however it ended. The cursor is a position in the run storage."""
    finished = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
    position = int(context.cursor or 0)
    records = context.instance.get_run_records(filters=RunsFilter(job_name="landing"), limit=50)
    requests = []
    for record in sorted(records, key=lambda r: r.storage_id):
        if record.storage_id <= position:
            continue
        if record.dagster_run.status not in finished:
            break  # keep the order of the runs; the next tick looks again
        position = record.storage_id
        if DRIVER_TAG not in record.dagster_run.tags:
            night = record.dagster_run.tags.get(NIGHT_TAG, settings.now().date().isoformat())
            requests.append(dg.RunRequest(run_key=f"warehouse:{record.dagster_run.run_id}", tags={NIGHT_TAG: night}))
    return dg.SensorResult(run_requests=requests, cursor=str(position))


@dg.sensor(job=landing, minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.STOPPED)
def arrivals(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Land a file as soon as it lies in an agency's drop folder. Off by default: the nightly run takes files too.

    The run key is dataset, path, arrival and hash, because Dagster never repeats a key; the cursor is the newest arrival per dataset.
    """
    from orchestration.contracts import load_all

    seen: dict[str, int] = json.loads(context.cursor or "{}")
    requests = []
    for contract in load_all():
        if contract.source.kind not in ("csv", "xlsx"):
            continue
        for arrived, path in _new_files(
            contract.source.location, contract.source.options["glob"], seen.get(contract.id, 0)
        ):
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
            requests.append(
                dg.RunRequest(
                    run_key=f"{contract.id}:{path.name}:{arrived}:{digest}", asset_selection=[raw_key(contract.id)]
                )
            )
            seen[contract.id] = arrived
    return dg.SensorResult(run_requests=requests, cursor=json.dumps(seen))


def _new_files(location: str, pattern: str, after: int) -> Iterator[tuple[int, Path]]:
    """(arrival in ns, path) of the files of a drop folder that arrived later, in order. A folder nobody configured has none."""
    folder = Path(os.path.expandvars(location))
    if "$" in str(folder) or not folder.is_dir():
        return
    yield from sorted((p.stat().st_mtime_ns, p) for p in folder.glob(pattern) if p.stat().st_mtime_ns > after)


def automation() -> dg.Definitions:
    """Jobs, schedule and sensors."""
    return dg.Definitions(
        jobs=[landing, warehouse],
        schedules=[nightly],
        sensors=[after_landing, arrivals],
        loggers={"progress": progress_logger},
    )

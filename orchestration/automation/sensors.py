"""The sensors: the warehouse follows landing, exchange and publication follow a release, files are taken as they arrive.

Belongs here: what starts a job, once. Stays out: the jobs. The next job starts whatever the outcome of the one before, because
one agency that is down never stops the province.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from orchestration import settings
from orchestration.automation.jobs import DRIVER_TAG, exchange, landing, publish, warehouse
from orchestration.components.agency import raw_key
from orchestration.components.common import NIGHT_TAG
from orchestration.components.national import national_key
from orchestration.components.open_data import CATALOGUE, portal_key
from orchestration.contracts import Source
from orchestration.errors import KhoError, pg_error


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


@dg.sensor(jobs=[exchange, publish], minimum_interval_seconds=15, default_status=dg.DefaultSensorStatus.RUNNING)
def after_release(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Send and publish what the database says is waiting. The database knows of every release, whoever made it: no cursor.

    Dagster never repeats a run key, and the keys name the work: what a run left behind, or may be tried again, has a new one.
    """
    import psycopg

    requests: list[dg.RunRequest] = []
    problems: list[str] = []
    for look in (_to_publish, _to_send):
        try:
            requests += look()
        except KhoError as error:
            problems.append(str(error))
        except psycopg.Error as error:
            problems.append(str(pg_error(error, relation="warehouse")))
    if problems and not requests:
        return dg.SkipReason("; ".join(sorted(set(problems))))
    for problem in problems:
        context.log.warning(problem)
    return dg.SensorResult(run_requests=requests)


def _to_send() -> Iterator[dg.RunRequest]:
    from orchestration import exchange as engine

    owed = {obligation.id: obligation for obligation in engine.load_all()}
    for name, key in engine.waiting_work(list(owed.values())):
        yield dg.RunRequest(run_key=key, job_name=exchange.name, asset_selection=[national_key(owed[name])])


def _to_publish() -> Iterator[dg.RunRequest]:
    from orchestration import portal

    for name, key in portal.waiting_work(portal.parse_all()[0]):
        yield dg.RunRequest(run_key=key, job_name=publish.name, asset_selection=[portal_key(name), CATALOGUE])


@dg.sensor(job=landing, minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.STOPPED)
def arrivals(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Land a file as soon as it lies in an agency's drop folder. Off by default: the nightly run takes files too.

    The run key is dataset, path, arrival and hash, because Dagster never repeats a key; the cursor is the newest arrival per dataset.
    """
    from orchestration.contracts import load_all

    seen: dict[str, int] = json.loads(context.cursor or "{}")
    requests = []
    for contract in load_all():
        if contract.source.kind != "files":
            continue
        for arrived, path in _new_files(contract.source, seen.get(contract.id, 0)):
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
            requests.append(
                dg.RunRequest(
                    run_key=f"{contract.id}:{path.name}:{arrived}:{digest}", asset_selection=[raw_key(contract.id)]
                )
            )
            seen[contract.id] = arrived
    return dg.SensorResult(run_requests=requests, cursor=json.dumps(seen))


def _new_files(source: Source, after: int) -> Iterator[tuple[int, Path]]:
    """(arrival in ns, path) of the files of a drop folder that arrived later, in order. A folder nobody configured has none.

    Files on other machines are for the nightly run: to look at them every minute is not what their owners agreed to.
    """
    folder = Path(os.path.expandvars(source.location))
    if "$" in str(folder) or not folder.is_dir():
        return
    pattern = re.sub(r"\{\w+\}", "*", source.options["glob"])
    yield from sorted((p.stat().st_mtime_ns, p) for p in folder.glob(pattern) if p.stat().st_mtime_ns > after)

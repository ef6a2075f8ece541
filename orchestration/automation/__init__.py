"""When things move: jobs and schedules, the sensors that start the next job, arrivals.

Belongs here: triggers. Stays out: assets (`components`).
"""

import dagster as dg

from orchestration.automation import jobs, sensors
from orchestration.automation.progress import progress_logger

__all__ = ["automation"]


def automation() -> dg.Definitions:
    """Jobs, schedules and sensors."""
    return dg.Definitions(
        jobs=[jobs.landing, jobs.warehouse, jobs.publish, jobs.exchange, jobs.reconcile],
        schedules=[jobs.nightly, jobs.weekly],
        sensors=[sensors.after_landing, sensors.after_release, sensors.arrivals],
        loggers={"progress": progress_logger},
    )

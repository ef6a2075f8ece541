"""When things move: jobs and schedules, the sensors that start the next job, arrivals.

Belongs here: triggers. Stays out: assets (`components`).
"""

import dagster as dg

from orchestration.automation import jobs, sensors
from orchestration.automation.progress import progress_logger
from orchestration.automation.retention import retention

__all__ = ["automation"]


def automation() -> dg.Definitions:
    """Jobs, schedules and sensors, and the asset of retention."""
    return dg.Definitions(
        assets=[retention],
        jobs=[jobs.landing, jobs.warehouse, jobs.publish, jobs.exchange, jobs.reconcile],
        schedules=[jobs.nightly, jobs.weekly],
        sensors=[sensors.after_landing, sensors.after_release, sensors.arrivals],
        loggers={"progress": progress_logger},
    )

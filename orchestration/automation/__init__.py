"""When things move: jobs, the nightly schedule, the sensor that starts the next job, arrivals.

Belongs here: triggers. Stays out: assets (`components`).
"""

from orchestration.automation.jobs import automation

__all__ = ["automation"]

"""Dagster's own instance: its home under KHO_HOME, its storage in PostgreSQL.

Belongs here: dagster.yaml and the variables it needs. Stays out: jobs.
"""

from __future__ import annotations

import os
from pathlib import Path

from orchestration import settings
from orchestration.warehouse import sqlalchemy_url

_CONFIGURATION = """\
# Written by Kho. Storage is the warehouse's server, database kho_dagster; the address comes from the environment.
storage:
  postgres:
    postgres_url:
      env: KHO_DAGSTER_URL
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  runs:
    max_concurrent_runs: 4
    tag_concurrency_limits:
      - key: kho/stage
        value: warehouse
        limit: 1
      - key: kho/stage
        value: publish
        limit: 1
retention:
  schedule:
    purge_after_days: 90
  sensor:
    purge_after_days:
      skipped: 7
      failure: 30
      success: 90
freshness:
  enabled: true
"""


def prepare() -> Path:
    """Write dagster.yaml, set DAGSTER_HOME and KHO_DAGSTER_URL for this process and its children; returns the folder."""
    folder = settings.home() / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dagster.yaml").write_text(_CONFIGURATION, encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(folder)
    os.environ["KHO_HOME"] = str(settings.home())
    os.environ["KHO_DAGSTER_URL"] = sqlalchemy_url("dagster")
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
    return folder

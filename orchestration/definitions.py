"""The Dagster code location: every declaration under `assets/`, and what moves them.

Belongs here: putting together. Stays out: everything else.
"""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from orchestration.automation import automation


@dg.definitions
def defs() -> dg.Definitions:
    """All assets and checks of the province, with jobs, schedule and sensors."""
    declared = dg.load_from_defs_folder(path_within_project=Path(__file__).resolve().parent)
    return dg.Definitions.merge(declared, automation())

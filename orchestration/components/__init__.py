"""Declarations become Dagster assets and checks here; with `automation` the only room that knows Dagster.

Belongs here: what an engineer sees and runs in the UI. Stays out: what the steps do (`landing`, `release`, `exchange`, `portal`).
"""

from orchestration.components.agency import Agency
from orchestration.components.national import NationalSystem
from orchestration.components.open_data import OpenData
from orchestration.components.warehouse import Warehouse

__all__ = ["Agency", "NationalSystem", "OpenData", "Warehouse"]

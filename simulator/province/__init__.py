"""The truth about the province, a module per domain.

Belongs here: which tables there are. Stays out: what agencies make of them (`views`).
"""

from __future__ import annotations

from importlib import import_module

from simulator.table import Table

DOMAINS = (
    "registers",
    "civil",
    "land",
    "land_flows",
    "health",
    "environment",
    "economy",
    "budget",
    "education",
    "science",
    "governance",
    "procedures",
    "smart_city",
    "households",
    "identity_cards",
    "labour",
    "land_plans",
    "environment_water",
    "education_exams",
    "education_facilities",
    "science_firms",
    "smart_city_events",
    "smart_city_assets",
)


def all_tables() -> list[type[Table]]:
    """Every table of the truth, domain by domain."""
    return [kind for domain in DOMAINS for kind in import_module(f"simulator.province.{domain}").TABLES]

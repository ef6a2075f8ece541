"""Every view there is, agency by agency.

Belongs here: the list. Stays out: the views themselves (a module per agency).
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

from simulator.views.view import View

AGENCIES = (
    "police",
    "justice",
    "statistics",
    "land_office",
    "environment",
    "education",
    "education_exams",
    "health",
    "social_insurance",
    "home_affairs",
    "enterprise_registry",
    "finance",
    "tax",
    "treasury",
    "industry_trade",
    "industrial_zones",
    "science_technology",
    "science_technology_firms",
    "construction",
    "ioc",
    "public_services",
    "communes",
)

# Tables whose rows are things that happened: who delivers files of them delivers those of the day.
FLOWS = frozenset(
    {"civil_event", "dossier", "dossier_event", "visit", "measurement", "immunisation", "traffic_count_hour"}
)


@cache
def all_views() -> tuple[View, ...]:
    """All views, in the order of the agencies; ValueError when two have one id."""
    views = tuple(view for agency in AGENCIES for view in import_module(f"simulator.views.{agency}").VIEWS)
    ids = [view.id for view in views]
    if twice := {name for name in ids if ids.count(name) > 1}:
        raise ValueError(f"Hai khung nhìn cùng mã / Two views of one id: {', '.join(sorted(twice))}")
    return views


def view(name: str) -> View:
    """The view of an id; KeyError when there is none."""
    return {each.id: each for each in all_views()}[name]


def daily() -> frozenset[str]:
    """Ids of the views that deliver what changed on a day and not all they have: those of tables that only grow."""
    return frozenset(view.id for view in all_views() if view.table in FLOWS)

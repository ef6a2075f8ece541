"""Landing: a delivery becomes raw rows, quarantined rows and a receipt, in one transaction.

Belongs here: keeping bytes, typed split, duplicates, the guard against shrinking snapshots, the receipt.
Stays out: how an agency is reached (`sources`) and what the rows mean (dbt).
"""

from orchestration.landing.again import confirm, retry
from orchestration.landing.attempt import land_dataset
from orchestration.landing.land import Receipt, land

__all__ = ["Receipt", "confirm", "land", "land_dataset", "retry"]

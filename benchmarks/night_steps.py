"""The steps of a night on the register of parcels, called directly, without Dagster.

Belongs here: what `night` and `night_gate` share. Stays out: measuring, the floor.
"""

from __future__ import annotations

import os
from datetime import date
from typing import TYPE_CHECKING

from benchmarks import parcels
from benchmarks.ground import LAND
from orchestration.landing import land_dataset
from orchestration.release import builds, ledger, pipeline
from orchestration.warehouse import dbt, sqlalchemy_url

if TYPE_CHECKING:
    from expectations.gate import GateResult
    from orchestration.landing import Receipt

SUBJECT = "land"
STEPS = ("landing", "dbt", "diff", "gate", "promotion")


def use_project() -> None:
    """dbt runs the benchmarks' project from now on."""
    os.environ["KHO_DBT_PROJECT"] = str(LAND / "dbt_project")


def take_in(night: date) -> Receipt:
    (receipt,) = land_dataset(parcels.contract("parcel"), night=night, env=os.environ)
    return receipt


def build(night: date) -> int:
    return pipeline.build(dbt.graph(), SUBJECT, night)[0]


def check(number: int) -> GateResult:
    from expectations import gate

    found = gate.run(
        SUBJECT,
        number,
        conn_url=sqlalchemy_url("gate"),
        key_hash_extra=pipeline.rule_versions(SUBJECT, [parcels.contract("parcel")]),
        append_ledger=lambda connection, kind, of, ref, _hash: ledger.append(connection, kind, of, ref),
        root=LAND / "expectations",
    )
    assert found.verdict == "pass", [item.id for item in found.failed]
    return found


def release(night: date) -> None:
    outcome = pipeline.release(dbt.graph(), SUBJECT, night)
    assert outcome.state == "released", outcome


def first_night() -> None:
    """Everything for the first time; also warms dbt and Great Expectations up."""
    night = parcels.day(0)
    take_in(night)
    number = build(night)
    builds.diff(SUBJECT, number)
    check(number)
    release(night)

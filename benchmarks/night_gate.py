"""gate: the gate of a night in which 1.2 % of the rows change, against plain Great Expectations on the whole table. Both warm.

Plain means its own PostgreSQL data source and its own expectations, the same ones, asked as its documentation shows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks import night_steps as steps
from benchmarks import parcels
from benchmarks.ground import LAND, settle
from benchmarks.measure import ROUNDS, Contender, Figures, Watch, result
from expectations.suites import load
from orchestration.release import builds
from orchestration.warehouse import connections


def run(_: Path) -> None:
    """One benchmark."""
    steps.use_project()
    parcels.make_register()
    steps.first_night()
    plain = plain_expectations()
    plain(Watch())
    figures = Figures()
    for version in range(1, ROUNDS + 1):
        night = parcels.day(version)
        parcels.move_register(version)
        steps.take_in(night)
        number = steps.build(night)
        builds.diff(steps.SUBJECT, number)
        figures.run("kho", gate_of(number))
        figures.run("Great Expectations", plain)
        steps.release(night)
    figures.table(f"gate: {count()} expectations", ["kho", "Great Expectations"])
    result("gate", figures.median("kho"), figures.median("Great Expectations"), 0.25)


def count() -> int:
    return sum(len(suite.expectations) for suite in load(LAND / "expectations", steps.SUBJECT))


def gate_of(number: int) -> Contender:
    def contender(watch: Watch) -> None:
        settle()
        with watch:
            found = steps.check(number)
        assert not found.full_scan
        watch.phases.update(found.seconds)

    return contender


def plain_expectations() -> Contender:
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.expectations.registry import get_expectation_impl

    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    address: dict[str, Any] = {**connections.parts("analyst")}
    source = context.data_sources.add_postgres(
        "plain", connection_string="postgresql+psycopg2://kho@localhost/kho", kwargs={"connect_args": address}
    )
    asset = source.add_table_asset("dim_parcel", table_name="dim_parcel", schema_name=steps.SUBJECT)
    batch = asset.add_batch_definition_whole_table("all")
    (suite,) = load(LAND / "expectations", steps.SUBJECT)
    expectations = [get_expectation_impl(e.type)(**e.kwargs, severity=e.severity) for e in suite.expectations]

    def contender(watch: Watch) -> None:
        settle()
        with watch:
            found = batch.get_batch().validate(gx.ExpectationSuite(name="plain", expectations=expectations))
        assert found.success, found.statistics

    return contender

"""dbt: the dbt step of a night over all subjects, one call a subject, against one bare `dbt run` of the same models.

The real project on the demo's data. Both in this process and warm; the bare run is what dbt's command line does, less the start of
the process: its project is parsed (partially, as after the first time), its models run, tests and seeds left out. The bare run with
a manifest given, which leaves out parsing too, is shown beside it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from benchmarks.measure import Contender, Watch, result, take_turns
from orchestration.contracts import load_all
from orchestration.landing import land_dataset
from orchestration.release import builds, pipeline
from orchestration.warehouse import dbt
from simulator.clock import FIRST_NIGHT
from simulator.run import ProvinceInABox

NIGHT = FIRST_NIGHT


def run(home: Path) -> None:
    """One benchmark."""
    os.environ.pop("KHO_DBT_PROJECT", None)
    os.environ["KHO_SYNTHETIC"] = "1"
    contracts = load_all()
    with ProvinceInABox(home / "province") as box:
        for contract in contracts:
            land_dataset(contract, night=NIGHT, env=box.env)
    graph = dbt.graph()
    for subject in graph.subjects():  # a subject reads the release of another
        number, _ = pipeline.build(graph, subject, NIGHT)
        pipeline.check(subject, number, NIGHT, contracts)
        pipeline.release(graph, subject, NIGHT)
    contenders = {
        "kho, a call a subject": by_subject,
        "bare dbt run": bare(home, None),
        "bare, manifest given": bare(home, dbt.manifest()),
    }
    for contender in contenders.values():
        contender(Watch())
    figures = take_turns(contenders)
    models = sum(len(graph.nodes(subject)) for subject in graph.subjects())
    figures.table(
        f"dbt: {len(graph.models)} models, {len(graph.subjects())} subjects, {models} builds", list(contenders)
    )
    result("dbt", figures.median("kho, a call a subject"), figures.median("bare dbt run"), 1.3)


def begin() -> None:
    for subject in dbt.graph().subjects():
        builds.begin(subject, NIGHT)


def by_subject(watch: Watch) -> None:
    begin()
    graph = dbt.graph()
    with watch:
        for subject in graph.subjects():
            with watch.phase(subject):
                dbt.build([model.name for model in graph.nodes(subject)])


def bare(home: Path, manifest: Any) -> Contender:
    def contender(watch: Watch) -> None:
        from dbt.cli.main import dbtRunner

        begin()
        project, target = str(dbt.project_folder()), str(home / "bare")
        arguments = [
            "--quiet",
            "run",
            "--project-dir",
            project,
            "--profiles-dir",
            project,
            "--target-path",
            target,
            "--log-path",
            target,
        ]
        before = dict(os.environ)
        os.environ.update(dbt.environment(offline=False), DBT_SEND_ANONYMOUS_USAGE_STATS="0")
        try:
            with watch:
                done = dbtRunner(manifest=manifest).invoke(arguments)
        finally:
            os.environ.clear()
            os.environ.update(before)
        assert done.success, done.exception

    return contender

"""Warehouse: dbt's models, the gate and the release of every subject as Dagster assets.

For each subject three steps: its models are built (candidate), frozen and checked (gate), released (release). The gate's results
are asset checks that block nothing by themselves: the release step always asks the database, and fails where the database refuses.
Belongs here: lineage, metadata, checks. Stays out: the steps themselves (`release.pipeline`).
Subjects read each other's *released* tables. Those are external assets, so that a held subject does not skip its readers; the
order between subjects within a run is given by step priority.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from orchestration.components.agency import raw_key
from orchestration.components.common import failure, night_of, table_schema
from orchestration.errors import KhoError
from orchestration.release import pipeline
from orchestration.warehouse import connect
from orchestration.warehouse.dbt import Built, Graph, Model


def model_key(model: Model) -> dg.AssetKey:
    """Asset key of a dbt model; warehouse models are candidates until released."""
    return dg.AssetKey(
        ["candidate", model.subject or "", model.name] if model.layer == "warehouse" else [model.layer, model.name]
    )


def live_key(model: Model) -> dg.AssetKey:
    """Asset key of the released table of a warehouse model."""
    return dg.AssetKey(["live", model.subject or "", model.name])


class Warehouse(dg.Component, dg.Model, dg.Resolvable):
    """All subjects that have warehouse models in the dbt project."""

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Assets of every subject, inputs before their readers."""
        from orchestration.warehouse.dbt import graph

        models = graph()
        subjects = models.subjects()
        assets: list[Any] = []
        owned: set[str] = set()
        for position, subject in enumerate(subjects):
            tags = {"dagster/priority": str(len(subjects) - position)}
            mine = [model for model in models.nodes(subject) if model.name not in owned]
            owned |= {model.name for model in mine}
            assets.append(_models_asset(models, subject, mine, tags))
            assets.append(_gate_asset(models, subject, tags))
            assets.append(_release_asset(models, subject, tags))
            assets += [_live_spec(subject, model) for model in models.tables(subject)]
        return dg.Definitions(assets=assets)


def _deps(models: Graph, model: Model) -> list[dg.AssetKey]:
    upstream = [models.models[name] for name in model.depends_on]
    keys = [live_key(m) if m.layer == "warehouse" and m.subject != model.subject else model_key(m) for m in upstream]
    return keys + [raw_key(source) for source in model.sources]


def _columns(model: Model) -> dg.TableSchema:
    return table_schema([(name, str(c["type"] or "text"), str(c["description"])) for name, c in model.columns.items()])


def _models_asset(models: Graph, subject: str, mine: list[Model], tags: dict[str, str]) -> dg.AssetsDefinition:
    specs = [
        dg.AssetSpec(
            model_key(model), deps=_deps(models, model), group_name=subject, kinds={"dbt", "view" if model.layer != "warehouse" else "table"},
            description=model.description or None, tags={"kho/subject": subject},
            metadata={
                "dagster/column_schema": _columns(model), "Mô hình / model": dg.MetadataValue.path(model.path),
                **{f"kho/{name}": str(value) for name, value in model.meta.items()},
            },
        )
        for model in mine
    ]  # fmt: skip

    @dg.multi_asset(name=f"models_{subject}", specs=specs, op_tags=tags)
    def built(context: dg.AssetExecutionContext) -> Iterator[Any]:
        problem: KhoError | None = None
        results: list[Built] = []
        try:
            number, results = pipeline.build(models, subject, night_of(context))
            context.log.info(f"{subject}: build {number}")
        except KhoError as error:
            problem = error
        if problem is not None:
            raise failure(problem)
        found = {result.model: result for result in results}
        for model in mine:
            one = found[model.name]
            metadata: dict[str, Any] = {"kho/seconds": one.seconds}
            if one.rows is not None:
                metadata["dagster/row_count"] = one.rows
            yield dg.MaterializeResult(asset_key=model_key(model), metadata=metadata)

    return built


def _gate_asset(models: Graph, subject: str, tags: dict[str, str]) -> dg.AssetsDefinition:
    from expectations.suites import load
    from orchestration.settings import REPOSITORY

    key = dg.AssetKey(["gate", subject])
    checks = [
        dg.AssetCheckSpec(
            name=f"{suite.table}__{expectation.id}", asset=key, description=f"{expectation.message_vi} / {expectation.message_en}",
            metadata={"kho/severity": expectation.severity, "kho/quality_word": expectation.quality_word, "kho/type": expectation.type},
        )
        for suite in load(REPOSITORY / "expectations", subject) for expectation in suite.expectations
    ]  # fmt: skip

    @dg.asset(
        key=key, group_name=subject, deps=[model_key(m) for m in models.tables(subject)], check_specs=checks, op_tags=tags, kinds={"greatexpectations"},
        description=f"Cổng chất lượng lĩnh vực {pipeline.SUBJECTS_VI[subject]}: phần thay đổi được đóng băng rồi kiểm tra. "
        "The quality gate: what changes is frozen, then checked; nothing else can be released.",
    )  # fmt: skip
    def checked(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
        from orchestration.contracts import load_all

        problem: KhoError | None = None
        try:
            frozen, result = pipeline.check(subject, _building(subject), night_of(context), load_all())
        except KhoError as error:
            problem = error
        if problem is not None:
            raise failure(problem)
        changes = "\n".join(
            f"| {f.table} | {'✓' if f.baseline else ''} | {f.inserted} | {f.updated} | {f.deleted} |" for f in frozen
        )
        return dg.MaterializeResult(
            metadata={
                "kho/build": result.build, "kho/verdict": result.verdict, "kho/full_scan": result.full_scan,
                "Thay đổi / changes": dg.MetadataValue.md(f"| bảng | lần đầu | thêm | sửa | xóa |\n|---|---|--:|--:|--:|\n{changes}"),
                **{f"kho/seconds_{phase}": round(seconds, 3) for phase, seconds in result.seconds.items()},
            },
            check_results=[
                dg.AssetCheckResult(
                    check_name=f"{one.table}__{one.id}", passed=one.success,
                    severity=dg.AssetCheckSeverity.ERROR if one.severity == "critical" else dg.AssetCheckSeverity.WARN,
                    description=None if one.success else f"{one.message_vi} / {one.message_en}",
                    metadata={"kho/unexpected": one.unexpected_count or 0, "kho/elements": one.element_count or 0, "kho/quality_word": one.quality_word},
                )
                for one in result.results
            ],
        )  # fmt: skip

    return checked


def _building(subject: str) -> int:
    with connect("release") as connection:
        row = connection.execute("select max(build) from kho.build where subject = %s", (subject,)).fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def _release_asset(models: Graph, subject: str, tags: dict[str, str]) -> dg.AssetsDefinition:
    @dg.asset(
        key=dg.AssetKey(["release", subject]), group_name=subject, deps=[dg.AssetKey(["gate", subject])], op_tags=tags, kinds={"postgres"},
        description=f"Bản phát hành lĩnh vực {pipeline.SUBJECTS_VI[subject]}: cơ sở dữ liệu tự kiểm tra sổ cái trước khi nhận. "
        "The release: the database itself checks the ledger before it takes the rows in.",
    )  # fmt: skip
    def released(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
        problem: KhoError | None = None
        try:
            outcome = pipeline.release(models, subject, night_of(context), by=f"dagster {context.run.run_id[:8]}")
        except KhoError as error:
            problem = error
        if problem is not None:
            raise failure(problem)
        for model in models.tables(subject):
            context.log_event(
                dg.AssetMaterialization(asset_key=live_key(model), metadata=_live_facts(model, outcome.release))
            )
        return dg.MaterializeResult(
            metadata={
                "kho/release": outcome.release,
                "kho/state": outcome.state,
                "kho/because": outcome.because_vi or "–",
            }
        )

    return released


def _live_spec(subject: str, model: Model) -> dg.AssetSpec:
    return dg.AssetSpec(
        live_key(model), deps=[dg.AssetKey(["release", subject])], group_name=subject, kinds={"postgres", "table"},
        description=model.description or None, tags={"kho/subject": subject},
        metadata={"dagster/table_name": f"{subject}.{model.name}", "dagster/column_schema": _columns(model)},
    )  # fmt: skip


def _live_facts(model: Model, release: int) -> dict[str, Any]:
    """Size and a few rows of a released table; only columns that their own metadata calls open or shared are shown."""
    from psycopg import sql

    shown = [name for name, c in model.columns.items() if c["meta"].get("classification") in ("open", "shared")]
    table = sql.Identifier(model.subject or "", model.name)
    with connect("analyst") as connection:
        size = connection.execute(sql.SQL("select count(*) from {}").format(table)).fetchone()
        rows = connection.execute(
            sql.SQL("select {} from {} limit 5").format(sql.SQL(", ").join(map(sql.Identifier, shown[:8])), table)
        ).fetchall()
    lines = ["| " + " | ".join(shown[:8]) + " |", "|" + "---|" * len(shown[:8])]
    lines += [
        "| " + " | ".join("" if value is None else str(value).replace("|", "\\|") for value in row) + " |"
        for row in rows
    ]
    return {
        "kho/release": release,
        "dagster/row_count": int(size[0]) if size else 0,
        "Xem trước / preview": dg.MetadataValue.md("\n".join(lines)),
    }

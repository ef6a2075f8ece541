"""OpenData: every declared dataset is published from its released table, and the catalogue tells of all of them.

Belongs here: asset keys, what the UI tells of a dataset, how an outcome looks in Dagster. Stays out: publishing itself (`portal`).
The catalogue depends on no dataset: within a run a dataset that is held would skip it. Step priority puts it last.
"""

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from orchestration.components.common import cell, failure, validity
from orchestration.errors import KhoError

if TYPE_CHECKING:
    from orchestration.contracts import Problem
    from orchestration.portal import OpenDataset, Published

CATALOGUE = dg.AssetKey(["portal", "catalogue"])
CHECK = "may_be_published"


def portal_key(dataset: str) -> dg.AssetKey:
    """Asset key of a published dataset."""
    return dg.AssetKey(["portal", dataset])


class OpenData(dg.Component, dg.Model, dg.Resolvable):
    """Every dataset declared beside this component's defs.yaml, and the catalogue."""

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """One asset a dataset, and the catalogue."""
        from orchestration import portal

        folder = Path(context.path).resolve()
        datasets, problems = portal.parse_all(folder.parent)
        broken = [broken_asset(name, problems) for name in sorted({portal.declared(problem) for problem in problems})]
        return dg.Definitions(assets=[*map(dataset_asset, datasets), *broken, catalogue_asset(datasets)])


def _live(dataset: "OpenDataset") -> dg.AssetKey:
    return dg.AssetKey(["live", dataset.subject, dataset.table])


def dataset_asset(dataset: "OpenDataset") -> dg.AssetsDefinition:
    """The asset that publishes one dataset. Materialised only when a version was written; red when the version before is held."""
    key = portal_key(dataset.id)

    @dg.asset(
        key=key,
        group_name="portal",
        deps=[_live(dataset)],
        description=f"{dataset.title_vi}. {dataset.description_vi} {dataset.title_en}. {dataset.description_en}",
        kinds={"csv", "json", "parquet"},
        owners=[dataset.contact_email],
        tags={"kho/subject": dataset.subject},
        metadata={
            "Căn cứ pháp lý / legal basis": dg.MetadataValue.md(
                "\n".join(f"- {b.instrument} ({validity(b.valid_from, b.valid_to)})" for b in dataset.legal_basis)
            ),
            "Giấy phép / licence": dg.MetadataValue.url(dataset.licence),
            "Cột công bố / columns": dg.MetadataValue.md(_columns(dataset)),
            "Khai báo / declaration": dg.MetadataValue.path(str(dataset.path)),
        },
        check_specs=[
            dg.AssetCheckSpec(
                name=CHECK, asset=key,
                description="Luật, hợp đồng và nội dung đều cho phép công bố. Law, contracts and content allow publication.",
            )
        ],
        output_required=False,
    )  # fmt: skip
    def published(context: dg.AssetExecutionContext) -> Any:
        from orchestration import portal

        problem: KhoError | None = None
        try:
            result = portal.publish(dataset, env=os.environ)
        except KhoError as error:
            problem = error
        if problem is not None:
            raise failure(problem)
        because = f"{result.because_vi} / {result.because_en}"
        context.log.info(f"{dataset.id}: {result.state}, version {result.version}, release {result.release}")
        if result.state == "published":
            yield dg.MaterializeResult(metadata=_facts(dataset, result))
        looked = result.state in ("published", "unchanged")
        yield dg.AssetCheckResult(
            asset_key=key, check_name=CHECK, passed=looked, description=None if looked else because,
            severity=dg.AssetCheckSeverity.WARN if result.state == "never" else dg.AssetCheckSeverity.ERROR,
        )  # fmt: skip
        if result.state == "held":
            raise failure(KhoError("held", result.because_vi, result.because_en))

    return published


def broken_asset(name: str, problems: "list[Problem]") -> dg.AssetsDefinition:
    """The asset of a declaration that cannot be used: it says why and fails, and stops no other."""
    from orchestration import portal

    mine = tuple(problem for problem in problems if portal.declared(problem) == name)
    error = portal.OpenDataErrors(mine)

    @dg.asset(key=portal_key(name), group_name="portal", description=f"{error.vi}. {error.en}")
    def unreadable() -> None:
        raise failure(error)

    return unreadable


def catalogue_asset(datasets: "list[OpenDataset]") -> dg.AssetsDefinition:
    """The asset that writes the DCAT catalogue of all published versions, whatever became of each dataset in this run."""

    @dg.asset(
        key=CATALOGUE,
        group_name="portal",
        deps=sorted({_live(dataset) for dataset in datasets}),
        kinds={"json"},
        op_tags={"dagster/priority": "-1"},
        description="Danh mục dữ liệu mở (DCAT-AP) của mọi phiên bản đã công bố. The catalogue of every published version.",
    )
    def written(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
        from orchestration import portal

        problem: KhoError | None = None
        try:
            path = portal.write_catalogue()
        except KhoError as error:
            problem = error
        if problem is not None:
            raise failure(problem)
        return dg.MaterializeResult(metadata={"Tệp / file": dg.MetadataValue.path(str(path))})

    return written


def _facts(dataset: "OpenDataset", result: "Published") -> dict[str, Any]:
    files = [dg.TableRecord(asdict(file)) for file in result.files]
    schema = dg.TableSchema([dg.TableColumn("name"), dg.TableColumn("bytes", "int"), dg.TableColumn("sha256")])
    return {
        "kho/version": result.version,
        "kho/release": result.release,
        "dagster/row_count": result.rows,
        "Giấy phép / licence": dg.MetadataValue.url(dataset.licence),
        "Tệp / files": dg.MetadataValue.table(files, schema),
    }


def _columns(dataset: "OpenDataset") -> str:
    lines = ["| cột / column | nhãn / label | đơn vị / unit |", "|---|---|---|"]
    lines += [
        "| " + " | ".join(cell(one) for one in (column.name, column.label_vi, column.unit or "")) + " |"
        for column in dataset.columns
    ]
    return "\n".join(lines)

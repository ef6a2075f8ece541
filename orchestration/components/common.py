"""What the components need: the night a run belongs to, errors as Dagster should show them, and pieces of tables.

Belongs here: translation between Kho's words and Dagster's. Stays out: any step.
"""

from __future__ import annotations

import os
from datetime import date
from typing import Any

import dagster as dg

from orchestration import settings
from orchestration.errors import KhoError

NIGHT_TAG = "kho/night"


def night_of(context: dg.AssetExecutionContext) -> date:
    """The night a run is tagged with; a run started by hand belongs to today."""
    tag = context.run.tags.get(NIGHT_TAG)
    return date.fromisoformat(tag) if tag else settings.now().date()


def retry_seconds() -> float:
    """KHO_RETRY_SECONDS: the wait before a source that did not answer is asked again (default 30)."""
    return float(os.environ.get("KHO_RETRY_SECONDS") or 30)


def failure(error: KhoError, **metadata: Any) -> dg.Failure:
    """A KhoError as a failure that is not retried. Raise it outside `except`, so that no other error's text comes along."""
    places = {f"kho/{key}": str(value) for key, value in error.where.items()}
    return dg.Failure(
        description=f"{error.vi} / {error.en}",
        metadata={"kho/code": error.code, **places, **metadata},
        allow_retries=False,
    )


def table_schema(columns: list[tuple[str, str, str]]) -> dg.TableSchema:
    """Columns as (name, type, description)."""
    return dg.TableSchema(columns=[dg.TableColumn(name, kind, description=text) for name, kind, text in columns])


def validity(valid_from: date, valid_to: date | None) -> str:
    """The days of a dated entry: `01/07/2025 – 31/12/2025`, open at the end as `01/07/2025 –`."""
    return f"{valid_from:%d/%m/%Y} –" + (f" {valid_to:%d/%m/%Y}" if valid_to else "")


def cell(value: object) -> str:
    """A value of a declaration in a Markdown table."""
    return str(value).replace("|", "\\|").replace("\n", " ")

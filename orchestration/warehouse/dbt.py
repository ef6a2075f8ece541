"""dbt, in process: one call a subject, on a manifest parsed once.

Belongs here: how dbt is invoked and what of its answer may be told. Stays out: Dagster, and what the models mean.
dbt's messages and run_results.json quote values of rows: neither is written, and only names, states and times leave this file.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration import settings
from orchestration.errors import KhoError

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

#: Two invocations at once in one process break dbt.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True, slots=True)
class Model:
    """A dbt model as the rest of the platform sees it. `layer` is staging, intermediate or warehouse."""

    name: str
    layer: str
    subject: str | None
    description: str
    columns: dict[str, dict[str, Any]]
    meta: dict[str, Any]
    depends_on: list[str]
    sources: list[str]
    path: str
    #: Changes when the model's SQL or any macro of the project does.
    version: str


@dataclass(frozen=True, slots=True)
class Graph:
    """The models by name, and what follows from them for subjects."""

    models: dict[str, Model] = field(default_factory=dict)

    def subjects(self) -> list[str]:
        """Subjects that have warehouse models, inputs before their readers. KhoError when subjects read each other in a circle."""
        reads = {
            subject: self.reads(subject)
            for subject in sorted({m.subject for m in self.models.values() if m.layer == "warehouse" and m.subject})
        }
        ordered: list[str] = []
        while len(ordered) < len(reads):
            ready = [s for s in reads if s not in ordered and reads[s] <= set(ordered)]
            if not ready:
                circle = ", ".join(s for s in reads if s not in ordered)
                raise KhoError(
                    "subject_circle",
                    vi=f"các lĩnh vực đọc vòng nhau: {circle}",
                    en=f"subjects read each other in a circle: {circle}",
                )
            ordered += ready
        return ordered

    def tables(self, subject: str) -> list[Model]:
        """Warehouse models of a subject: its released tables."""
        return [m for m in self.models.values() if m.layer == "warehouse" and m.subject == subject]

    def nodes(self, subject: str) -> list[Model]:
        """Every model to build for a subject, inputs first: its warehouse models and what leads to them, but nothing of another subject's."""
        found: dict[str, Model] = {}
        waiting = self.tables(subject)
        while waiting:
            model = waiting.pop()
            if model.name in found or (model.layer == "warehouse" and model.subject != subject):
                continue
            found[model.name] = model
            waiting += [self.models[name] for name in model.depends_on]
        ordered: dict[str, Model] = {}
        while len(ordered) < len(found):
            ready = [
                m
                for m in found.values()
                if m.name not in ordered and all(n in ordered or n not in found for n in m.depends_on)
            ]
            ordered.update((m.name, m) for m in sorted(ready, key=lambda m: m.name))
        return list(ordered.values())

    def reads(self, subject: str) -> set[str]:
        """Other subjects whose releases a subject reads."""
        upstream = (self.models[name] for m in self.nodes(subject) for name in m.depends_on)
        return {m.subject for m in upstream if m.layer == "warehouse" and m.subject and m.subject != subject}

    def datasets(self, subject: str) -> list[str]:
        """Datasets (`agency.dataset`) that a subject is built from."""
        return sorted({source for m in self.nodes(subject) for source in m.sources})


def project_folder() -> Path:
    """KHO_DBT_PROJECT, or `dbt_project` beside the package."""
    return Path(os.environ.get("KHO_DBT_PROJECT") or settings.REPOSITORY / "dbt_project")


def _fingerprint() -> str:
    """Changes when any file of the project does."""
    digest = hashlib.sha256()
    for path in sorted(project_folder().rglob("*")):
        if path.suffix in (".sql", ".yml", ".yaml", ".csv") and "target" not in path.parts:
            digest.update(str(path).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def environment(*, offline: bool) -> dict[str, str]:
    """The variables that profiles.yml asks for. `offline`: parsing asks for them too, but connects to nothing."""
    from orchestration.warehouse import connections

    if offline:
        return {
            "KHO_PG_HOST": "localhost",
            "KHO_PG_PORT": "5432",
            "KHO_PG_DATABASE": connections.database_name(),
            "KHO_PG_USER": "kho_transform",
            "KHO_PG_PASSWORD": "",
        }
    connections.ensure_running()
    parts = connections.parts("transform")
    return {
        "KHO_PG_HOST": parts["host"], "KHO_PG_PORT": parts["port"], "KHO_PG_DATABASE": parts["dbname"],
        "KHO_PG_USER": parts["user"], "KHO_PG_PASSWORD": parts.get("password", ""),
    }  # fmt: skip


def _invoke(arguments: list[str], manifest: Manifest | None = None, *, offline: bool = False) -> Any:
    from dbt.cli.main import dbtRunner

    target = settings.home() / "dbt"
    target.mkdir(parents=True, exist_ok=True)
    project = str(project_folder())
    with _ONE_AT_A_TIME:
        before = dict(os.environ)
        os.environ.update(environment(offline=offline), DBT_SEND_ANONYMOUS_USAGE_STATS="0", DO_NOT_TRACK="1")
        try:
            return dbtRunner(manifest=manifest).invoke(
                [
                    "--quiet",
                    "--log-level",
                    "none",
                    "--log-level-file",
                    "none",
                    "--no-use-colors",
                    "--no-version-check",
                    *arguments,
                ]
                + [
                    "--project-dir",
                    project,
                    "--profiles-dir",
                    project,
                    "--target-path",
                    str(target),
                    "--log-path",
                    str(target),
                    "--no-write-json",
                ]
            )
        finally:
            os.environ.clear()
            os.environ.update(before)


@functools.lru_cache(maxsize=2)
def _parsed(fingerprint: str) -> Manifest:
    done = _invoke(["parse"], offline=True)
    if not done.success or done.result is None:
        raise KhoError(
            "dbt_parse",
            vi=f"dbt không đọc được dự án: {done.exception}",
            en=f"dbt cannot parse the project: {done.exception}",
        )
    return done.result


def manifest() -> Manifest:
    """The parsed project; parsed again when one of its files has changed."""
    return _parsed(_fingerprint())


def known_graph() -> Graph | None:
    """The graph if it is known without asking dbt, which costs seconds; None when the project has changed since it was last asked."""
    fingerprint = _fingerprint()
    if fingerprint not in _GRAPHS and not _cached_graph(fingerprint).exists():
        return None
    return _graph(fingerprint)


def graph() -> Graph:
    """Models, layers, subjects and lineage of the project."""
    return _graph(_fingerprint())


def _cached_graph(fingerprint: str) -> Path:
    return settings.home() / "dbt" / f"graph-{fingerprint[:16]}.json"


#: Graphs of this process by the project's fingerprint.
_GRAPHS: dict[str, Graph] = {}


def _graph(fingerprint: str) -> Graph:
    if fingerprint in _GRAPHS:
        return _GRAPHS[fingerprint]
    # Importing and running dbt costs seconds; the code location and `kho` only need what follows from the files.
    cached = _cached_graph(fingerprint)
    if not cached.exists():
        found = [asdict(model) for model in _read_models(_parsed(fingerprint))]
        for old in cached.parent.glob("graph-*.json"):
            old.unlink(missing_ok=True)
        staged = cached.with_suffix(f".{os.getpid()}")
        staged.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")
        staged.rename(cached)
    models = [Model(**one) for one in json.loads(cached.read_text(encoding="utf-8"))]
    _GRAPHS[fingerprint] = Graph({model.name: model for model in models})
    return _GRAPHS[fingerprint]


def _read_models(parsed: Manifest) -> Iterator[Model]:
    macros = hashlib.sha256(
        "".join(sorted(m.macro_sql for m in parsed.macros.values() if m.package_name == "kho")).encode()
    )
    for node in parsed.nodes.values():
        if node.resource_type != "model":
            continue
        layer = node.fqn[1]
        yield Model(
            name=node.name,
            layer=layer,
            subject=node.fqn[2] if layer in ("intermediate", "warehouse") else None,
            description=node.description,
            columns={
                name: {
                    "type": column.data_type,
                    "description": column.description,
                    "meta": dict(column.config.meta or {}),
                }
                for name, column in node.columns.items()
            },
            meta=dict(node.config.meta),
            depends_on=[parsed.nodes[i].name for i in node.depends_on.nodes if i.startswith("model.")],
            sources=[
                f"{parsed.sources[i].source_name}.{parsed.sources[i].name}"
                for i in node.depends_on.nodes
                if i.startswith("source.")
            ],
            path=node.original_file_path,
            version=hashlib.sha256(
                f"{macros.hexdigest()} {node.raw_code} {node.config.materialized}".encode()
            ).hexdigest()[:16],
        )


@dataclass(frozen=True, slots=True)
class Built:
    """One model built: its name, seconds taken and rows touched (None for a view)."""

    model: str
    seconds: float
    rows: int | None


def build(names: Iterable[str], *, full_refresh: bool = False) -> list[Built]:
    """Build the named models. Raises KhoError naming the models that failed; the reason is found by running dbt by hand."""
    selected = list(names)
    arguments = ["run", "--select", *selected] + (["--full-refresh"] if full_refresh else [])
    done = _invoke(arguments, manifest())
    results = list(done.result.results) if done.result is not None and hasattr(done.result, "results") else []
    failed = [r.node.name for r in results if str(r.status) not in ("success", "pass")]
    skipped = sorted(set(selected) - {r.node.name for r in results})
    if not done.success or failed or skipped:
        broken = (
            ", ".join(sorted(r.node.name for r in results if str(r.status) in ("error", "fail")))
            or type(done.exception).__name__
        )
        raise KhoError(
            "dbt_build",
            vi=f"dbt không dựng được: {broken} (xem lý do: `kho dbt run --select {selected[-1]}`)",
            en=f"dbt could not build: {broken} (for the reason: `kho dbt run --select {selected[-1]}`)",
            where={"relation": broken},
        )
    return [Built(r.node.name, round(r.execution_time, 3), _rows(r.adapter_response)) for r in results]


def _rows(response: Any) -> int | None:
    affected = response.get("rows_affected") if isinstance(response, dict) else None
    return affected if isinstance(affected, int) and affected >= 0 else None

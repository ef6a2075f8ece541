"""Publishing: look at a dataset, and write a version when what may be published has changed.

Belongs here: the order of the steps, every outcome. Stays out: the rules (`lineage`, `content`), bytes and folders (`files`), rows of
the database (`record`). Order: rules of contracts and models, one snapshot of release and rows, rules of content; files staged,
synced and renamed into place; version and evidence committed; `latest.json` pointed at it. A crash between any two leaves a version
that readers are pointed to which is always one that the database and its ledger know.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration import settings
from orchestration.contracts import Problem, assets_root
from orchestration.contracts import load_all as load_contracts
from orchestration.errors import KhoError, pg_error
from orchestration.faults import step
from orchestration.portal import content, files, lineage, metadata, record
from orchestration.portal.declaration import parse_all
from orchestration.portal.model import TAX_CODE, OpenDataset, Published, Version
from orchestration.warehouse import connect, dbt

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

    from orchestration.warehouse.dbt import Graph


def check(root: Path | None = None) -> list[Problem]:
    """Every problem of every declaration: its own, and what contracts and models forbid."""
    datasets, problems = parse_all(root)
    if datasets:
        contracts, graph = load_contracts(root or assets_root()), dbt.graph()
        problems += [p for dataset in datasets for p in lineage.refusals(dataset, graph, contracts)]
    return sorted(set(problems))


def publish(dataset: OpenDataset, *, env: Mapping[str, str] | None = None) -> Published:
    """Publish the newest release of a dataset's subject, if that changes anything and nothing forbids it.

    `env` may name KHO_PORTAL_URL, as the environment does. What a crash left of an earlier call is repaired. KhoError, noted as
    `failed`, for trouble with warehouse, disk, contracts or dbt project; what law, contracts or content forbid is an outcome (`held`),
    and the version before stays.
    """
    import psycopg

    failure: KhoError
    try:
        with connect("portal", autocommit=True) as connection, record.alone(connection, dataset.id):
            record.begin(connection, dataset)
            return _publish(connection, dataset, settings.portal_url(env))
    except psycopg.Error as error:
        failure = pg_error(error, relation=f"{dataset.subject}.{dataset.table}")
    except OSError as error:
        failure = files.disk_error(error)
    except KhoError as error:
        failure = error
    record.fail(dataset, failure)
    raise failure


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at a dataset: what it is looked at with, and the version that it has."""

    connection: psycopg.Connection
    dataset: OpenDataset
    rules: bytes
    last: Version | None

    def comes_out(self, state: str, release: int, vi: str = "", en: str = "") -> Published:
        """Note an outcome that writes no version."""
        number = self.last.version if self.last else None
        record.end(self.connection, self.dataset, self.rules, number, state, release, vi, en)
        return _outcome(self.dataset, self.last, state, release, vi, en)


def _publish(connection: psycopg.Connection, dataset: OpenDataset, url: str) -> Published:
    known = record.versions(connection).get(dataset.id, [])
    files.tidy(dataset.id, [version.version for version in known])
    metadata.point(dataset.id, known)
    graph, contracts = dbt.graph(), load_contracts()
    last = known[-1] if known else None
    look = _Look(connection, dataset, lineage.rules_sha256(dataset, graph, contracts), last)
    current = record.released(connection).get(dataset.subject, 0)
    refusals = lineage.refusals(dataset, graph, contracts)
    if refusals:
        vi, en = (
            "; ".join(f"{p.file}:{p.line}: {p.field}: {getattr(p, name)}" for p in refusals) for name in ("vi", "en")
        )
        return look.comes_out("held", current, vi, en)
    held: KhoError | None = None
    try:
        found = content.read(connection, dataset)
    except KhoError as error:
        held = error
    if held is not None:
        return look.comes_out("held", current, held.vi, held.en)
    if found is None:
        table = f"{dataset.subject}.{dataset.table}"
        vi, en = f"{table} chưa từng phát hành", f"{table} was never released"
        return look.comes_out("never" if last is None else "held", current, vi, en)
    because = _forbidden(connection, dataset, graph, found)
    if because is not None:
        return look.comes_out("held", found.release, *because)
    data = files.data_files(found.texts, found.typed)
    terms = metadata.terms(dataset, found, lineage.sources(dataset, graph))
    schema = str(found.typed.schema.remove_metadata())
    sha256 = hashlib.sha256(b"\0".join([schema.encode(), files.json_text(terms), data["data.csv"]])).digest()
    if last is not None and last.content_sha256 == sha256 and metadata.read(last) is not None:
        return look.comes_out("unchanged", found.release)
    number = max([0, *files.numbers(dataset.id), *(version.version for version in known)]) + 1
    now = settings.now()
    described = metadata.of_version(dataset, terms, found, number, last, now, files.describe(data), sha256, url)
    staged, listed = files.stage(dataset.id, number, {**data, files.METADATA: files.json_text(described)})
    step("portal:written")
    files.put_in_place(staged, dataset.id)
    step("portal:renamed")
    version = Version(
        dataset.id, number, last.version if last else None, dataset.subject, found.release, now,
        last.first_published_at if last else now, found.texts.num_rows, listed, sha256,
    )  # fmt: skip
    record.add(connection, dataset, look.rules, version)
    step("portal:committed")
    metadata.point(dataset.id, [*known, version])
    return _outcome(dataset, version, "published", found.release, "", "")


def _forbidden(
    connection: psycopg.Connection, dataset: OpenDataset, graph: Graph, found: content.Content
) -> tuple[str, str] | None:
    """Why what was read may not be published, in Vietnamese and English."""
    names = {model.name for model in lineage.ancestry(dataset, graph)}
    changed = ", ".join(sorted(record.other_models(connection, graph, names, dataset.subject, found.release)))
    if changed:
        vi = f"mô hình {changed} đã đổi sau khi dựng bản phát hành {found.release}: chờ lần dựng sau"
        return vi, f"models {changed} have changed since release {found.release} was built: waits for the next build"
    tax_codes = {column.name for column in dataset.columns if column.format == TAX_CODE}
    findings = content.findings(found, tax_codes)
    if findings:
        return "; ".join(finding.vi for finding in findings), "; ".join(finding.en for finding in findings)
    return None


def _outcome(dataset: OpenDataset, version: Version | None, state: str, release: int, vi: str, en: str) -> Published:
    if version is None:
        return Published(dataset.id, state, None, release, 0, vi, en, ())
    return Published(dataset.id, state, version.version, release, version.rows, vi, en, version.files)

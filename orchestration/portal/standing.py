"""Where each open dataset stands, and which of them has something to be done.

Belongs here: comparing what was looked at with what is there now. Stays out: doing it (`publish`, `catalogue`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from orchestration.contracts import Problem
from orchestration.contracts import load_all as load_contracts
from orchestration.errors import KhoError
from orchestration.portal import catalogue, files, lineage, metadata, record
from orchestration.portal.model import OpenDataset, PortalState, Version
from orchestration.portal.record import Looked
from orchestration.warehouse import connect, dbt
from orchestration.warehouse.dbt import Graph

if TYPE_CHECKING:
    import psycopg


def states(datasets: Sequence[OpenDataset]) -> list[PortalState]:
    """Where each dataset stands, in the order given."""
    if not datasets:
        return []
    with connect("release") as connection:
        versions, looked, released = _told(connection)
    rules = _rules([dataset for dataset in datasets if dataset.id in looked], dbt.known_graph)
    found = []
    for dataset in datasets:
        mine, release = looked.get(dataset.id), released.get(dataset.subject, 0)
        if mine is None:
            state, vi, en = "never", "chưa từng công bố", "never published"
        else:
            state, vi, en = "published" if mine.state == "unchanged" else mine.state, mine.because_vi, mine.because_en
        behind = _behind(mine, release, rules.get(dataset.id)) if mine is not None else None
        if behind is not None and (state != "failed" or not vi):
            state, (vi, en) = "behind", behind
        known = versions.get(dataset.id, [])
        found.append(
            _state(dataset.id, dataset.title_vi, dataset.title_en, dataset.subject, state, release, known, vi, en)
        )
    return found


def unreadable(problems: Sequence[Problem]) -> list[PortalState]:
    """States of the datasets whose declarations have these problems: failed, with the versions that readers have."""
    if not problems:
        return []
    with connect("release") as connection:
        versions = record.versions(connection)
    found = []
    for name in sorted({declared(problem) for problem in problems}):
        mine = [problem for problem in problems if declared(problem) == name]
        vi, en = (
            "; ".join(f"{p.file}:{p.line}: {p.field}: {getattr(p, which)}" for p in mine) for which in ("vi", "en")
        )
        known = versions.get(name, [])
        found.append(_state(name, name, name, known[-1].subject if known else "", "failed", 0, known, vi, en))
    return found


def declared(problem: Problem) -> str:
    """The dataset in whose declaration a problem is."""
    return PurePosixPath(problem.file).stem


def waiting_work(datasets: Sequence[OpenDataset]) -> list[tuple[str, str]]:
    """(dataset, run key) of each that is to be looked at, because something changed, because the last attempt came to no outcome, or
    because its pointer is not current. The catalogue has no key of its own: the first dataset with a version stands for it.

    Each attempt has a key of its own. What was tried is tried again after a while only.
    """
    if not datasets:
        return []
    with connect("release") as connection:
        versions, looked, released = _told(connection)
    rules = _rules(datasets, dbt.graph)
    try:
        stale = not catalogue.is_current(versions)
        moved = {d.id for d in datasets if d.id in versions and not metadata.is_pointed(d.id, versions[d.id])}
    except OSError as error:
        failure: KhoError | None = files.disk_error(error)
    else:
        failure = None
    if failure is not None:
        raise failure
    found = []
    for dataset in datasets:
        mine, release = looked.get(dataset.id), released.get(dataset.subject, 0)
        may_repeat = mine is None or mine.is_long_ago
        if release and _behind(mine, release, rules.get(dataset.id)) is not None:
            is_due = mine is None or not mine.is_unfinished or may_repeat
        else:
            unlisted = stale and dataset.id in versions
            is_due = may_repeat and (dataset.id in moved or unlisted)
            stale = stale and not unlisted
        if is_due:
            key = (rules.get(dataset.id) or dataset.sha256).hex()[:12]
            found.append((dataset.id, f"{dataset.id}:{release}:{key}:{mine.attempts if mine else 0}"))
    return found


def _told(connection: psycopg.Connection) -> tuple[dict[str, list[Version]], dict[str, Looked], dict[str, int]]:
    """What the database knows: versions of each dataset, how each came out when last looked at, newest release of each subject."""
    return record.versions(connection), record.looked(connection), record.released(connection)


def _rules(datasets: Sequence[OpenDataset], graph_of: Callable[[], Graph | None]) -> dict[str, bytes]:
    """What each is to be looked at by; empty while contracts or models cannot be read, which publishing then says, and when the models
    have changed since anybody asked dbt about them: then that is what is to be looked at.
    """
    if not datasets:
        return {}
    try:
        graph, contracts = graph_of(), load_contracts()
    except KhoError:
        return {}
    if graph is None:
        return {}
    return {dataset.id: lineage.rules_sha256(dataset, graph, contracts) for dataset in datasets}


def _behind(looked: Looked | None, released: int, rules: bytes | None) -> tuple[str, str] | None:
    """Why a dataset is to be looked at, in Vietnamese and English; None when it was, as things are now."""
    if looked is None:
        return "chưa từng công bố", "never published"
    if looked.state == "failed" or looked.is_unfinished:
        return "lần công bố trước chưa xong", "the last publication did not finish"
    if looked.release != released:
        return f"chưa xét bản phát hành {released}", f"release {released} has not been looked at"
    if looked.rules_sha256 != rules:
        return "khai báo, hợp đồng hoặc mô hình đã đổi", "declaration, contracts or models have changed"
    return None


def _state(
    name: str, title_vi: str, title_en: str, subject: str, state: str, released: int, known: Sequence[Version], vi: str, en: str,
) -> PortalState:  # fmt: skip
    version = known[-1] if known else None
    return PortalState(
        name, title_vi, title_en, subject, state, version.version if version else None, version.release if version else None,
        released, version.rows if version else 0, version.published_at if version else None, vi, en,
    )  # fmt: skip

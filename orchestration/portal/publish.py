"""Publishing one dataset: allowed, read, looked over, compared, written, recorded.

Belongs here: the order of the steps, what a crash leaves behind, where each dataset stands. Stays out: the rules (`lineage`,
`content`), the bytes (`files`), the catalogue. One publisher a dataset at a time; files come first and the row last, so a version
that readers are pointed to is always one that the database and its ledger know.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from orchestration import settings
from orchestration.contracts import Problem, assets_root
from orchestration.contracts import load_all as load_contracts
from orchestration.errors import KhoError, pg_error
from orchestration.faults import step
from orchestration.portal import content, files, lineage, metadata
from orchestration.portal.declaration import parse_all
from orchestration.portal.model import File, OpenDataset, PortalState, Published, Version
from orchestration.release import ledger
from orchestration.warehouse import connect, dbt

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

_VERSIONS = """
select v.dataset, v.version, lag(v.version) over w, v.subject, v.release, v.published_at, first_value(v.published_at) over w,
       v.row_count, v.files, v.content_sha256
  from kho.portal_version v where v.dataset = any(%s) window w as (partition by v.dataset order by v.version)
 order by v.dataset, v.version"""


def check(root: Path | None = None) -> list[Problem]:
    """Every problem of every declaration: its own, and what contracts and models forbid."""
    datasets, problems = parse_all(root)
    if datasets:
        contracts, graph = load_contracts(root or assets_root()), dbt.graph()
        problems += [p for dataset in datasets for p in lineage.refusals(dataset, graph, contracts)]
    return sorted(set(problems))


def versions(connection: psycopg.Connection, datasets: Iterable[str]) -> list[Version]:
    """Every version of the datasets, oldest first within each."""
    return [
        Version(
            name, number, previous, subject, release, at.astimezone(settings.TIMEZONE), first.astimezone(settings.TIMEZONE), rows,
            tuple(File(**file) for file in listed), bytes(sha256),
        )
        for name, number, previous, subject, release, at, first, rows, listed, sha256 in connection.execute(
            _VERSIONS, (list(datasets),)
        ).fetchall()
    ]  # fmt: skip


def publish(dataset: OpenDataset, *, env: Mapping[str, str] | None = None) -> Published:
    """Publish the newest release of a dataset's subject, if that changes anything and nothing forbids it.

    `env` may name KHO_PORTAL_URL, as the environment does. What a crash left of an earlier call is repaired. KhoError for trouble
    with warehouse, disk or dbt project; what law, contracts or content forbid is an outcome (`held`), and the version before stays.
    """
    import psycopg

    failure: KhoError
    try:
        with connect("portal", autocommit=True) as connection, _alone(connection, dataset.id):
            return _publish(connection, dataset, settings.portal_url(env))
    except psycopg.Error as error:
        failure = pg_error(error, relation=f"{dataset.subject}.{dataset.table}")
    raise failure


@contextmanager
def _alone(connection: psycopg.Connection, dataset: str) -> Iterator[None]:
    """Wait for whoever is publishing the same dataset. Held by the session: a snapshot taken before the wait would be an old one."""
    name = f"kho.portal:{dataset}"
    connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (name,))
    yield
    connection.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", (name,))


def _publish(connection: psycopg.Connection, dataset: OpenDataset, url: str) -> Published:
    known = versions(connection, [dataset.id])
    last = known[-1] if known else None
    if last is not None:
        _point(last)
    graph, contracts = dbt.graph(), load_contracts()
    refusals = lineage.refusals(dataset, graph, contracts)
    if refusals:
        vi, en = (
            "; ".join(f"{p.file}:{p.line}: {p.field}: {getattr(p, name)}" for p in refusals) for name in ("vi", "en")
        )
        return _record(connection, dataset, last, "held", _current(connection, dataset), vi, en)
    held: KhoError | None = None
    try:
        found = content.read(connection, dataset)
    except KhoError as error:
        held = error
    if held is not None:
        return _record(connection, dataset, last, "held", _current(connection, dataset), held.vi, held.en)
    if found is None:
        vi, en = f"{dataset.subject} chưa từng phát hành", f"{dataset.subject} was never released"
        return _record(connection, dataset, last, "never" if last is None else "held", 0, vi, en)
    findings = content.findings(found)
    if findings:
        vi, en = ("; ".join(getattr(finding, name) for finding in findings) for name in ("vi", "en"))
        return _record(connection, dataset, last, "held", found.release, vi, en)
    data = files.data_files(found.texts, found.typed)
    sha256 = hashlib.sha256(f"{found.typed.schema.remove_metadata()}\n".encode() + data["data.csv"]).digest()
    if last is not None and last.content_sha256 == sha256 and (files.folder(dataset.id) / str(last.version)).is_dir():
        return _record(connection, dataset, last, "unchanged", found.release, "", "")
    number = last.version + 1 if last is not None else 1
    now = settings.now()
    described = metadata.of_version(
        dataset, found, number, now, files.describe(data), lineage.sources(dataset, graph), sha256, url
    )
    staged, listed = files.stage(dataset.id, number, {**data, files.METADATA: files.json_text(described)})
    step("portal:written")
    files.put_in_place(staged, dataset.id, number)
    step("portal:renamed")
    version = Version(
        dataset.id, number, last.version if last else None, dataset.subject, found.release, now,
        last.first_published_at if last else now, found.texts.num_rows, listed, sha256,
    )  # fmt: skip
    _commit(connection, dataset, version)
    step("portal:committed")
    _point(version)
    return _outcome(dataset, version, "published", found.release, "", "")


def _commit(connection: psycopg.Connection, dataset: OpenDataset, version: Version) -> None:
    from psycopg.types.json import Jsonb

    with connection.transaction():
        connection.execute(
            """insert into kho.portal_version (dataset, version, subject, release, published_at, row_count, files, content_sha256,
                                               declaration_sha256) values (%s, %s, %s, %s, %s, %s, %s, %s, %s)""",
            (
                version.dataset, version.version, version.subject, version.release, version.published_at, version.rows,
                Jsonb([asdict(file) for file in version.files]), version.content_sha256, dataset.sha256,
            ),
        )  # fmt: skip
        _note(connection, dataset, version.version, "published", version.release, "", "")
        ledger.append(connection, "publication", version.dataset, version.version)


def _current(connection: psycopg.Connection, dataset: OpenDataset) -> int:
    row = connection.execute("select coalesce(max(release), 0) from kho.release where subject = %s", (dataset.subject,))
    return int((row.fetchone() or (0,))[0])


def _record(
    connection: psycopg.Connection,
    dataset: OpenDataset,
    last: Version | None,
    state: str,
    release: int,
    vi: str,
    en: str,
) -> Published:
    """Note an outcome that writes no version."""
    _note(connection, dataset, last.version if last else None, state, release, vi, en)
    return _outcome(dataset, last, state, release, vi, en)


def _note(
    connection: psycopg.Connection,
    dataset: OpenDataset,
    version: int | None,
    state: str,
    release: int,
    vi: str,
    en: str,
) -> None:
    connection.execute(
        """insert into kho.portal_dataset (dataset, subject, release, version, state, because_vi, because_en, declaration_sha256)
           values (%s, %s, %s, %s, %s, %s, %s, %s)
           on conflict (dataset) do update set subject = excluded.subject, release = excluded.release, version = excluded.version,
               state = excluded.state, because_vi = excluded.because_vi, because_en = excluded.because_en,
               declaration_sha256 = excluded.declaration_sha256, looked_at = clock_timestamp()""",
        (dataset.id, dataset.subject, release, version, state, vi, en, dataset.sha256),
    )


def _outcome(dataset: OpenDataset, version: Version | None, state: str, release: int, vi: str, en: str) -> Published:
    if version is None:
        return Published(dataset.id, state, None, release, 0, vi, en, ())
    return Published(dataset.id, state, version.version, release, version.rows, vi, en, version.files)


def _point(version: Version) -> None:
    """`latest.json`: the version that readers are to take. Written again when a crash came before it."""
    if (files.folder(version.dataset) / str(version.version)).is_dir():
        files.write_if_changed(files.folder(version.dataset) / files.LATEST, files.json_text(metadata.pointer(version)))


def states(datasets: Sequence[OpenDataset]) -> list[PortalState]:
    """Where each dataset stands, in the order given."""
    names = [dataset.id for dataset in datasets]
    with connect("release") as connection:
        newest = {version.dataset: version for version in versions(connection, names)}
        looked = {
            row[0]: row[1:]
            for row in connection.execute(
                "select dataset, state, because_vi, because_en from kho.portal_dataset where dataset = any(%s)",
                (names,),
            ).fetchall()
        }
        released = _released(connection)
    found = []
    for dataset in datasets:
        version = newest.get(dataset.id)
        unseen = ("never", "chưa từng công bố", "never published")
        state, vi, en = looked.get(dataset.id, unseen)
        found.append(
            PortalState(
                dataset.id, dataset.title_vi, dataset.title_en, dataset.subject, "published" if state == "unchanged" else state,
                version.version if version else None, version.release if version else None, released.get(dataset.subject, 0),
                version.rows if version else 0, version.published_at if version else None, vi, en,
            )
        )  # fmt: skip
    return found


def waiting_work(datasets: Sequence[OpenDataset]) -> list[tuple[str, str]]:
    """(dataset, run key) of each whose subject has a release that was not looked at yet, or whose declaration changed since."""
    with connect("release") as connection:
        looked: dict[str, tuple[Any, ...]] = {
            row[0]: row[1:]
            for row in connection.execute(
                "select dataset, release, declaration_sha256 from kho.portal_dataset"
            ).fetchall()
        }
        released = _released(connection)
    return [
        (dataset.id, f"{dataset.id}:{released[dataset.subject]}:{dataset.sha256.hex()[:12]}")
        for dataset in datasets
        if dataset.subject in released and looked.get(dataset.id) != (released[dataset.subject], dataset.sha256)
    ]


def _released(connection: psycopg.Connection) -> dict[str, int]:
    return dict(connection.execute("select subject, max(release) from kho.release group by subject").fetchall())

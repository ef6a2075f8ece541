"""What the database knows of open data: versions, by which models a release was made, and what was looked at last.

Belongs here: reading and writing those rows, the lock of a dataset. Stays out: deciding (`publish`), telling (`standing`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from orchestration import settings
from orchestration.errors import KhoError
from orchestration.portal.model import File, OpenDataset, Version
from orchestration.release import ledger
from orchestration.warehouse import connect

if TYPE_CHECKING:
    import psycopg

    from orchestration.warehouse.dbt import Graph

_VERSIONS = """
select v.dataset, v.version, lag(v.version) over w, v.subject, v.release, v.published_at, first_value(v.published_at) over w,
       v.row_count, v.files, v.content_sha256
  from kho.portal_version v window w as (partition by v.dataset order by v.version)
 order by v.dataset collate "C", v.version"""
#: What made a release: a rollback has no build of its own making, so the release that it restores is asked.
_MADE_BY = """
with recursive made as (
    select * from kho.release where subject = %(subject)s and release = %(release)s
    union all
    select r.* from made join kho.release r on r.subject = made.subject and r.release = made.restores)
select b.versions, b.started_at from made join kho.build b using (build) order by made.release limit 1"""
#: An attempt that came to no outcome is repeated after this while, not at once: what stood in its way may still be there.
_LOOKED = """
select dataset, release, state, because_vi, because_en, rules_sha256, attempts, coalesce(looked_at < attempted_at, true),
       attempted_at < clock_timestamp() - interval '10 minutes'
  from kho.portal_dataset"""


@dataclass(frozen=True, slots=True)
class Looked:
    """How a dataset came out when it was last looked at.

    `rules_sha256` is of declaration, contracts and models. `is_unfinished`: the last attempt failed, was killed, or is under way;
    `is_long_ago`: an attempt may be repeated.
    """

    release: int
    state: str
    because_vi: str
    because_en: str
    rules_sha256: bytes
    attempts: int
    is_unfinished: bool
    is_long_ago: bool


def versions(connection: psycopg.Connection) -> dict[str, list[Version]]:
    """Every version, oldest first, by dataset."""
    found: dict[str, list[Version]] = {}
    for name, number, previous, subject, release, at, first, rows, listed, sha256 in connection.execute(_VERSIONS):
        at, first = at.astimezone(settings.TIMEZONE), first.astimezone(settings.TIMEZONE)
        files = tuple(File(**file) for file in listed)
        version = Version(name, number, previous, subject, release, at, first, rows, files, bytes(sha256))
        found.setdefault(name, []).append(version)
    return found


def looked(connection: psycopg.Connection) -> dict[str, Looked]:
    """What was looked at, by dataset."""
    return {name: Looked(*row) for name, *row in connection.execute(_LOOKED).fetchall()}


def released(connection: psycopg.Connection) -> dict[str, int]:
    """Current release of every subject that has one."""
    return dict(connection.execute("select subject, max(release) from kho.release group by subject").fetchall())


def other_models(
    connection: psycopg.Connection, graph: Graph, names: Collection[str], subject: str, release: int
) -> set[str]:
    """Those of the models `names` that are not, or not in this version, those which the release was made by.

    Another subject that it reads is followed to the release that was current when the build began.
    """
    row = connection.execute(_MADE_BY, {"subject": subject, "release": release}).fetchone()
    made_by, began = row or (None, None)
    models = [model for model in graph.nodes(subject) if model.name in names]
    found = {model.name for model in models if (made_by or {}).get(model.name) != model.version}
    for other in sorted(graph.reads(subject)):
        read = connection.execute(
            "select max(release) from kho.release where subject = %s and released_at <= %s", (other, began)
        ).fetchone()
        if read is not None and read[0] is not None:
            found |= other_models(connection, graph, names, other, read[0])
    return found


@contextmanager
def alone(connection: psycopg.Connection, name: str) -> Iterator[None]:
    """Wait for whoever is at the same dataset. Held by the session: a snapshot taken before the wait would be an old one."""
    connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (f"kho.portal:{name}",))
    yield
    connection.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", (f"kho.portal:{name}",))


def is_busy(connection: psycopg.Connection, name: str) -> bool:
    """Whether somebody is at the dataset now."""
    key = (f"kho.portal:{name}",)
    if connection.execute("select pg_try_advisory_lock(hashtextextended(%s, 0))", key).fetchone() != (True,):
        return True
    connection.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", key)
    return False


def begin(connection: psycopg.Connection, dataset: OpenDataset) -> None:
    """Count an attempt before anything is done: what kills it cannot hide it."""
    connection.execute(
        """insert into kho.portal_dataset (dataset, subject, state, attempts, attempted_at) values (%s, %s, 'never', 1, clock_timestamp())
           on conflict (dataset) do update set attempts = portal_dataset.attempts + 1, attempted_at = clock_timestamp()""",
        (dataset.id, dataset.subject),
    )


def end(
    connection: psycopg.Connection, dataset: OpenDataset, rules: bytes, version: int | None, state: str, release: int,
    vi: str = "", en: str = "",
) -> None:  # fmt: skip
    """Note how an attempt came out, and on which release and rules."""
    connection.execute(
        """update kho.portal_dataset set subject = %s, release = %s, version = %s, state = %s, because_vi = %s, because_en = %s,
                  rules_sha256 = %s, looked_at = clock_timestamp() where dataset = %s""",
        (dataset.subject, release, version, state, vi, en, rules, dataset.id),
    )


def fail(dataset: OpenDataset, failure: KhoError) -> None:
    """Note why an attempt came to no outcome; what was looked at stays. Without a database the unfinished attempt tells."""
    import psycopg

    with contextlib.suppress(psycopg.Error, KhoError), connect("portal", autocommit=True) as connection:
        connection.execute(
            "update kho.portal_dataset set state = 'failed', because_vi = %s, because_en = %s where dataset = %s",
            (failure.vi, failure.en, dataset.id),
        )


def add(connection: psycopg.Connection, dataset: OpenDataset, rules: bytes, version: Version) -> None:
    """A version and its evidence, committed together."""
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
        end(connection, dataset, rules, version.version, "published", version.release)
        ledger.append(connection, "publication", version.dataset, version.version)

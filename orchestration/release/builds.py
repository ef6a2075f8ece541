"""A build of a subject on its way to release: begin, freeze, promote, roll back.

Belongs here: one transaction a step, each with the role of its stage. Stays out: deciding; the database decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from orchestration.errors import KhoError, pg_error
from orchestration.faults import step
from orchestration.release import ledger
from orchestration.warehouse import connect

if TYPE_CHECKING:
    import psycopg

#: What the database says when it refuses, in Vietnamese; its own English messages hold names and numbers, never values.
_REFUSALS = {
    "KH031": "bản dự tuyển không phải là bảng thường",
    "KH032": "bản dự tuyển có cột thuộc kiểu không phát hành được",
    "KH033": "bản dự tuyển thiếu cột khóa",
    "KH034": "bản dự tuyển có dòng thiếu khóa",
    "KH035": "khóa của bản dự tuyển khác khóa của bản phát hành",
    "KH036": "bản dự tuyển thiếu cột của bản phát hành: hãy đổi tên hoặc bỏ cột trong bản phát hành trước",
    "KH037": "bản dự tuyển đổi kiểu cột",
    "KH038": "bản dự tuyển này không còn đang dựng",
    "KH039": "lĩnh vực chưa khai báo bảng nào",
    "KH040": "bản dự tuyển này không phát hành được",
    "KH041": "bản dự tuyển chưa qua cổng chất lượng",
    "KH042": "kết quả cổng chất lượng không khớp sổ cái",
    "KH043": "cổng chất lượng giữ bản dự tuyển",
    "KH044": "bản phát hành đã thay đổi kể từ khi bắt đầu dựng",
    "KH045": "không có bản phát hành trước đó để khôi phục",
    "KH046": "bảng này chưa từng được phát hành",
    "KH047": "bản dự tuyển có nhiều dòng cùng khóa",
}


@dataclass(frozen=True, slots=True)
class Frozen:
    """Frozen changes of one table: rows inserted, updated, deleted; `baseline` marks a first load."""

    table: str
    baseline: bool
    inserted: int
    updated: int
    deleted: int


@dataclass(frozen=True, slots=True)
class Promoted:
    """A release: its number within the subject and the build it came from."""

    subject: str
    release: int
    build: int


def _translate(error: psycopg.Error, subject: str) -> KhoError:
    """A refusal of the database keeps its own words (they hold names only); anything else loses them."""
    state = error.sqlstate or ""
    if state in _REFUSALS:
        return KhoError(
            state,
            vi=f"{subject}: {_REFUSALS[state]}",
            en=str(error.diag.message_primary),
            where={"relation": subject, "sqlstate": state},
        )
    return pg_error(error, relation=subject)


def begin(subject: str, night: date) -> int:
    """Start a build and return its number; a build of the subject that was under way is over."""
    with connect("transform") as connection:
        row = connection.execute("select release.begin(%s, %s)", (subject, night)).fetchone()
        assert row is not None
        return int(row[0])


def last_versions(subject: str) -> dict[str, str] | None:
    """Versions of the models by which the candidate was built last; None when it never was."""
    with connect("transform") as connection:
        row = connection.execute(
            "select versions from kho.build where subject = %s and versions is not null order by build desc limit 1",
            (subject,),
        ).fetchone()
    return dict(row[0]) if row else None


def built(build: int, versions: dict[str, str]) -> None:
    """Note by which versions of the models the candidate was built."""
    import json

    with connect("transform") as connection:
        connection.execute("select release.built(%s, %s::jsonb)", (build, json.dumps(versions)))


def describe(subject: str, table: str, descriptions: dict[str, str]) -> None:
    """Put the descriptions of a released table ("") and its columns into the database."""
    import json

    with connect("release") as connection:
        connection.execute(
            "select release.describe(%s, %s, %s::jsonb)", (subject, table, json.dumps(descriptions, ensure_ascii=False))
        )


def fail(build: int, reason: str) -> None:
    """Mark a build as failed; `reason` must not hold values of rows."""
    with connect("transform") as connection:
        connection.execute("select release.fail(%s, %s)", (build, reason))


def diff(subject: str, build: int) -> list[Frozen]:
    """Freeze how the candidate differs from the release, for every table of the subject, in one transaction."""
    import psycopg

    failure: KhoError
    try:
        with connect("release") as connection:
            # A comparison of wide rows costs more than the planner knows: without this it would leave it to one core.
            connection.execute(
                "set local work_mem = '256MB'; set local parallel_setup_cost = 100; set local parallel_tuple_cost = 0.0001"
            )
            connection.execute("select release.diff(%s, %s)", (subject, build))
            step("diff:before-commit")
            rows = connection.execute(
                "select table_name, baseline, inserted, updated, deleted from kho.build_table where build = %s order by table_name",
                (build,),
            ).fetchall()
        step("diff:committed")
        return [Frozen(*row) for row in rows]
    except psycopg.Error as error:
        failure = _translate(error, subject)
    raise failure


def promote(subject: str, build: int | None = None, *, by: str = "kho") -> Promoted:
    """Release the frozen rows of a build (default: the newest) if the database finds that its gate passed.

    A promotion that already happened, its answer lost, is answered again. Raises KhoError with the database's reason otherwise.
    """
    import psycopg

    failure: KhoError
    try:
        with connect("release") as connection:
            connection.execute("select release.lock(%s)", (subject,))
            connection.execute("set local maintenance_work_mem = '512MB'")
            if build is None:
                row = connection.execute("select max(build) from kho.build where subject = %s", (subject,)).fetchone()
                build = row[0] if row else None
            done = connection.execute("select release from kho.release where build = %s", (build,)).fetchone()
            if done is not None and build is not None:
                return Promoted(subject, int(done[0]), build)
            row = connection.execute("select release.promote(%s, %s, %s)", (subject, build, by)).fetchone()
            assert row is not None and build is not None
            step("promote:applied")
            ledger.append(connection, "release", subject, int(row[0]))
            step("promote:before-commit")
        step("promote:committed")
        return Promoted(subject, int(row[0]), build)
    except psycopg.Error as error:
        failure = _translate(error, subject)
    raise failure


def rollback(subject: str, to_release: int, *, by: str) -> Promoted:
    """Restore an earlier release as a new one. The next night builds on today's sources again."""
    import psycopg

    failure: KhoError
    try:
        with connect("release") as connection:
            connection.execute("select release.lock(%s)", (subject,))
            row = connection.execute("select release.rollback(%s, %s, %s)", (subject, to_release, by)).fetchone()
            assert row is not None
            ledger.append(connection, "rollback", subject, int(row[0]))
            build = connection.execute(
                "select build from kho.release where subject = %s and release = %s", (subject, row[0])
            ).fetchone()
            assert build is not None
        return Promoted(subject, int(row[0]), int(build[0]))
    except psycopg.Error as error:
        failure = _translate(error, subject)
    raise failure

"""A subject's night, step by step: build, freeze and gate, release; each step leaves its outcome where everyone can read it.

Belongs here: the order of the steps and the words for how a subject came out (released, stale, held, blocked, failed).
Stays out: Dagster (the Warehouse component calls these steps), SQL of the steps.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from orchestration.contracts import Contract
from orchestration.errors import KhoError
from orchestration.faults import step
from orchestration.release import builds, ledger
from orchestration.warehouse import connect, sqlalchemy_url

if TYPE_CHECKING:
    from expectations.gate import GateResult
    from orchestration.warehouse.dbt import Built, Graph

SUBJECTS_VI = {
    "population": "Dân cư", "enterprises": "Doanh nghiệp", "land": "Đất đai", "procedures": "Thủ tục hành chính", "education": "Giáo dục",
    "health": "Y tế", "environment": "Môi trường", "science_technology": "Khoa học và công nghệ", "industry_investment": "Công nghiệp và đầu tư",
    "budget": "Ngân sách", "smart_city": "Đô thị thông minh", "governance": "Quản trị dữ liệu",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a subject came out of a night."""

    subject: str
    state: str
    release: int
    because_vi: str
    because_en: str


class Blocked(KhoError):
    """A subject cannot be built: an input was never delivered or never released."""


def missing_inputs(graph: Graph, subject: str) -> list[str]:
    """Datasets never landed and subjects never released that `subject` needs."""
    with connect("transform") as connection:
        missing = [
            dataset for dataset in graph.datasets(subject)
            if connection.execute("select to_regclass(%s)", ("raw." + dataset.replace(".", "__"),)).fetchone() == (None,)
        ]  # fmt: skip
        for other in sorted(graph.reads(subject)):
            for table in graph.tables(other):
                if connection.execute("select to_regclass(%s)", (f"{other}.{table.name}",)).fetchone() == (None,):
                    missing.append(f"{other} (bản phát hành / release)")
                    break
    return missing


def build(graph: Graph, subject: str, night: date, *, full_refresh: bool = False) -> tuple[int, list[Built]]:
    """Build the candidate of a subject with dbt; afresh when a model's logic is not that of the last build.

    Raises Blocked or KhoError, the outcome recorded either way.
    """
    missing = missing_inputs(graph, subject)
    if missing:
        names = ", ".join(missing)
        blocked = Blocked(
            "blocked",
            vi=f"{SUBJECTS_VI[subject]} bị chặn: chưa từng có {names}",
            en=f"{subject} is blocked: never received {names}",
        )
        record(subject, night, "blocked", None, blocked.vi, blocked.en)
        raise blocked
    from orchestration.warehouse import dbt

    nodes = graph.nodes(subject)
    versions = {model.name: model.version for model in nodes}
    afresh = full_refresh or builds.last_versions(subject) not in (versions, None)
    number = builds.begin(subject, night)
    failure: KhoError
    try:
        results = dbt.build([model.name for model in nodes], full_refresh=afresh)
        builds.built(number, versions)
        return number, results
    except KhoError as error:
        failure = error
    builds.fail(number, failure.code)
    record(subject, night, "failed", number, failure.vi, failure.en)
    raise failure


def check(
    subject: str, build_number: int, night: date, contracts: list[Contract]
) -> tuple[list[builds.Frozen], GateResult]:
    """Freeze the delta of a build and run the gate on it. A red gate is a result, not an error."""
    from expectations import gate

    failure: KhoError
    try:
        frozen = builds.diff(subject, build_number)
        step("gate:before")
        result = gate.run(
            subject, build_number, conn_url=sqlalchemy_url("gate"), key_hash_extra=rule_versions(subject, contracts),
            append_ledger=lambda connection, kind, of, ref, _hash: ledger.append(connection, kind, of, ref),
        )  # fmt: skip
        step("gate:committed")
        return frozen, result
    except KhoError as error:
        failure = error
    builds.fail(build_number, failure.code)
    record(subject, night, "failed", build_number, failure.vi, failure.en)
    raise failure


def rule_versions(subject: str, contracts: list[Contract]) -> list[str]:
    """What besides the suites decides what must hold: the contracts of the subject."""
    return sorted(
        f"{contract.id} {hashlib.sha256(contract.path.read_bytes()).hexdigest()}"
        for contract in contracts
        if contract.subject == subject
    )


def release(graph: Graph, subject: str, night: date, *, by: str = "kho") -> Outcome:
    """Release the newest build of a subject, if the database agrees; otherwise raise its refusal. The outcome is recorded."""
    failure: KhoError
    try:
        promoted = builds.promote(subject, by=by)
        for model in graph.tables(subject):
            builds.describe(
                subject,
                model.name,
                {"": model.description} | {name: c["description"] for name, c in model.columns.items()},
            )
        stale = stale_datasets(graph.datasets(subject), night)
        names = ", ".join(stale)
        vi = f"dùng số liệu lần trước của {names}" if stale else ""
        en = f"on earlier rows of {names}" if stale else ""
        return record(subject, night, "stale" if stale else "released", promoted.build, vi, en)
    except KhoError as error:
        failure = error
    state = "held" if failure.code == "KH043" else "failed"
    with connect("release") as connection:
        row = connection.execute("select max(build) from kho.build where subject = %s", (subject,)).fetchone()
        build_number = row[0] if row else None
        if state == "held":
            reasons = connection.execute(
                """select string_agg(message_vi || ' (' || coalesce(unexpected_count::text, '-') || ')', '; ' order by expectation_id),
                          string_agg(message_en || ' (' || coalesce(unexpected_count::text, '-') || ')', '; ' order by expectation_id)
                     from kho.gate_result where build = %s and not success and severity = 'critical'""",
                (build_number,),
            ).fetchone()
            if reasons is not None and reasons[0] is not None:
                failure = KhoError(
                    "held", vi=f"{SUBJECTS_VI[subject]} bị giữ: {reasons[0]}", en=f"{subject} is held: {reasons[1]}"
                )
    if state == "held" or not _already_recorded(subject, night):
        record(subject, night, state, build_number, failure.vi, failure.en)
    raise failure


def _already_recorded(subject: str, night: date) -> bool:
    """Whether an earlier step of this night said why the subject cannot be released (blocked, failed): that reason stays."""
    with connect("release") as connection:
        row = connection.execute(
            "select state from kho.subject_night where subject = %s and night = %s", (subject, night)
        ).fetchone()
    return row is not None and row[0] in ("blocked", "failed")


def stale_datasets(datasets: list[str], night: date) -> list[str]:
    """Datasets of which this night's last attempt brought nothing acceptable: source down, delivery refused or waiting."""
    with connect("release") as connection:
        rows = connection.execute(
            """select a.dataset from (select distinct on (dataset) dataset, outcome from kho.attempt
                                       where night = %s and dataset = any(%s) order by dataset, attempt_id desc) a
                where a.outcome in ('failed', 'refused', 'waiting') order by 1""",
            (night, datasets),
        ).fetchall()
    return [row[0] for row in rows]


def record(subject: str, night: date, state: str, build_number: int | None, vi: str, en: str) -> Outcome:
    """Write down how the subject came out; a later attempt of the same night overwrites it."""
    with connect("release") as connection:
        row = connection.execute(
            """insert into kho.subject_night (subject, night, state, release, build, because_vi, because_en)
               values (%s, %s, %s, release.current(%s), %s, %s, %s)
               on conflict (subject, night) do update set state = excluded.state, release = excluded.release, build = excluded.build,
                   because_vi = excluded.because_vi, because_en = excluded.because_en, at = clock_timestamp() returning release""",
            (subject, night, state, subject, build_number, vi, en),
        ).fetchone()
    assert row is not None
    return Outcome(subject, state, int(row[0]), vi, en)

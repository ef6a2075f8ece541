"""A column that is not open keeps its name in every model, or the model is refused, with file, line, column and rule."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orchestration.contracts import load_all as contracts
from orchestration.portal import lineage, sqltext
from orchestration.portal.model import OpenDataset
from orchestration.settings import REPOSITORY
from orchestration.warehouse import dbt

SCHOOL = "models/staging/education/stg_education__school.sql"
FACILITY = "models/staging/health/stg_health__facility.sql"

REFUSED = {
    "renamed": ("select phone as contact from t", "bare"),
    "renamed without as": ("select phone contact from t", "bare"),
    "renamed in a second select": ("with x as (select phone from t) select x.phone as c from x", "bare"),
    "computed with": ("select upper(phone) as c from t", "bare"),
    "cast": ("select phone::text from t", "bare"),
    "concatenated": ("select a || phone || b from t", "bare"),
    "in a case": ("select case when a then phone end as x from t", "bare"),
    "aggregated": ("select max(phone) from t", "bare"),
    "filtered by": ("select a from t where phone is not null", "bare"),
    "ordered by": ("select a from t order by phone", "bare"),
    "in an array": ("select array[phone] from t", "bare"),
    "a factor": ("select a * phone from t", "bare"),
    "as a value of a subquery": ("select (select phone from t limit 1) as contact from u", "bare"),
    "of a row": ("select (t).phone from t", "bare"),
    "quoted": ('select "phone" as x from t', "bare"),
    "behind a comment within a literal": ("select coalesce(a, '--') as a, phone as head from t", "bare"),
    "behind a dollar quote": ("select $q$ ' $q$ as q, phone as c from t", "bare"),
    "behind a backslash": ("select 'a\\' as q, phone as c -- '\nfrom t", "bare"),
    "given to a macro": ("select {{ f('phone') }} as a from t", "jinja"),
    "everything": ("select *, 1 as x from {{ ref('t') }}", "whole"),
    "everything of one": ("select t.* from t", "whole"),
    "everything, distinct": ("select distinct on (a)\n  *\nfrom t", "whole"),
    "as json": ("select to_jsonb(f) as j from {{ ref('t') }} as f", "whole"),
    "as json, all of it": ("select to_jsonb(f.*) as j from t as f", "whole"),
    "as a row": ("select f from {{ source('a', 't') }} f", "whole"),
    "as a row by its own name": ("select t__u from {{ source('t', 'u') }}", "whole"),
    "as a row of a subquery": ("with f as (select phone from t) select json_agg(f) from f", "whole"),
    "as a row in a join": ("select e.value from t, lateral jsonb_each(to_jsonb(t)) as e", "whole"),
    "table": ("table t", "whole"),
    "by position in a union": ("select phone, name from a union all select name, phone from b", "position"),
    "by a list of names": ("select contact from (select phone from t) as x (contact)", "position"),
    "by a list of names before": ("with x (a, b) as (select phone, c from t) select a from x", "position"),
}
ALLOWED = {
    "carried": "select a, phone, b from t",
    "carried with its relation": "select f.a, f.phone\nfrom {{ ref('t') }} as f where f.a > 1",
    "carried through": "with f as (\n select a, phone from t where not gone\n)\nselect f.phone, g.a from f join g on f.a = g.a",
    "counted rows": "select count(*) as n, bed * 2 as m, phone from t group by a",
    "in a comment": "-- phone as x, *\nselect phone from t /* upper(phone) */",
    "in a literal": "select 'phone as x' as y, '*' as z from t",
    "a union of other columns": "select a from x union all select b from y",
    "a scalar subquery of none": "select (select release.current_build('health')) as _build, facility._deleted from facility",
}


@pytest.mark.parametrize("name", REFUSED)
def test_whatever_could_give_the_column_another_name_is_refused(name: str) -> None:
    text, rule = REFUSED[name]
    assert rule in {use.rule for use in sqltext.uses(text, {"phone"}, set())}
    assert {use.rule for use in sqltext.uses(text, {"phone"}, {"phone"})} & {"personal", "whole", "position"}
    assert sqltext.uses(text, set(), set()) == []


@pytest.mark.parametrize("name", ALLOWED)
def test_what_keeps_the_name_is_allowed_but_for_persons(name: str) -> None:
    text = ALLOWED[name]
    assert sqltext.uses(text, {"phone"}, set()) == []
    expected = {"personal"} if sqltext.mentioned(text, {"phone"}) else set()
    assert {use.rule for use in sqltext.uses(text, {"phone"}, {"phone"})} == expected


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the models and macros to spoil."""
    for name in ("models", "macros"):
        shutil.copytree(REPOSITORY / "dbt_project" / name, tmp_path / "dbt_project" / name)
    return tmp_path / "dbt_project"


def plant(project: Path, name: str, old: str, new: str) -> int:
    path = project / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


@pytest.mark.parametrize(
    ("name", "old", "new", "what", "words"),
    [
        (SCHOOL, "class_count,", "class_count, principal_name,", "principal_name", "personal"),
        (SCHOOL, "class_count,", "class_count, upper(PRINCIPAL_NAME) as head,", "principal_name", "personal"),
        (SCHOOL, "school_name,", "coalesce(school_name, '--') as school_name, principal_name as head,", "principal_name", "personal"),
        (SCHOOL, "school_code,", "*,", "*", "whole rows"),
        ("macros/unit_name.sql", "{%- for type", "principal_name {%- for type", "principal_name", "Jinja"),
    ],
)  # fmt: skip
def test_a_model_that_reads_a_personal_column_closes_an_open_contract(
    warehouse: Path,
    project: Path,
    dataset: Callable[[str], OpenDataset],
    name: str,
    old: str,
    new: str,
    what: str,
    words: str,
) -> None:
    declared, graph = dataset("schools_by_commune"), dbt.graph()
    assert lineage.refusals(declared, graph, contracts(), project) == []
    line = plant(project, name, old, new)
    found = lineage.refusals(declared, graph, contracts(), project)
    if name.startswith("macros"):  # a macro is everybody's: it is refused as soon as the column has left raw
        assert found == []
        plant(project, SCHOOL, "class_count,", "class_count, principal_name,")
        found = [p for p in lineage.refusals(declared, graph, contracts(), project) if "macros" in p.file]
        line = 1
    assert [(p.file, p.line, p.field) for p in found] == [(f"dbt_project/{name}", line, what)]
    assert words in found[0].en


def test_a_shared_column_cannot_be_published_under_another_name(
    warehouse: Path, project: Path, facilities: OpenDataset
) -> None:
    """Even when the model says that the new name is open."""
    graph = dbt.graph()
    model = graph.models["dim_health_facility"]
    columns = {**model.columns, "contact": {"type": "text", "description": "x", "meta": {"classification": "open"}}}
    graph = dbt.Graph({**graph.models, model.name: replace(model, columns=columns)})
    declared = replace(facilities, columns=(*facilities.columns, replace(facilities.columns[1], name="contact")))
    line = plant(project, FACILITY, "    phone,", "    phone as contact,")
    (problem,) = lineage.refusals(declared, graph, contracts(), project)
    assert (problem.file, problem.line, problem.field) == (f"dbt_project/{FACILITY}", line, "phone")
    assert "not renamed" in problem.en and "không đổi tên" in problem.vi


def test_a_column_that_is_left_behind_closes_nothing_further_on(
    warehouse: Path, project: Path, facilities: OpenDataset
) -> None:
    """Where a staging model leaves it out, a later model may use its name for something else, and take whole rows."""
    plant(project, FACILITY, "    phone,\n", "")
    plant(project, "models/warehouse/health/dim_health_facility.sql", "        phone,\n", "        *,\n")
    plant(project, "models/warehouse/health/dim_health_facility.sql", "facility.phone,", "null as phone,")
    assert lineage.refusals(facilities, dbt.graph(), contracts(), project) == []

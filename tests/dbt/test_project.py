"""The dbt project keeps its rules: where models are built, what they may read, that they are described and tested.

Here belong rules over all models, read from the manifest or the database. Figures are in the other modules.
"""

from typing import Any

import pytest

from .sandbox import SUBJECTS, Warehouse

PERSONAL = {"responsible_person", "responsible_id", "principal_name", "representative_name"}


def models(warehouse: Warehouse, layer: str = "") -> list[Any]:
    """Models of the manifest, of one layer or all."""
    nodes = [node for node in warehouse.manifest.nodes.values() if node.resource_type == "model"]
    return [node for node in nodes if not layer or node.fqn[1] == layer]


def parents(warehouse: Warehouse, node: Any) -> list[Any]:
    manifest = warehouse.manifest
    return [manifest.nodes[unique_id] for unique_id in node.depends_on.nodes if unique_id in manifest.nodes]


def compiled(warehouse: Warehouse, *arguments: str) -> dict[str, str]:
    result = warehouse.dbt("compile", *arguments)
    assert result.success, result.exception
    return {r.node.name: r.node.compiled_code for r in result.result.results}


def test_unit_tests_pass(province: Warehouse) -> None:
    result = province.dbt("test", "--select", "test_type:unit")
    outcomes = {r.node.name: (r.status, r.message) for r in result.result.results}
    assert len(outcomes) >= 10
    assert {name: outcome for name, outcome in outcomes.items() if outcome[0] != "pass"} == {}


def test_every_column_is_described(province: Warehouse) -> None:
    """The manifest describes each model and exactly the columns that the database has, named in Vietnamese."""
    found: dict[tuple[str, str], set[str]] = {}
    for schema, table, column in province.rows(
        "select table_schema, table_name, column_name from information_schema.columns"
    ):
        found.setdefault((schema, table), set()).add(column)
    for node in models(province):
        assert node.description and node.config.meta.get("name_vi"), f"{node.name}: describe the model"
        assert set(node.columns) == found[node.schema, node.name], f"{node.name}: columns described and columns built"
        for column in node.columns.values():
            assert column.description, f"{node.name}.{column.name}: describe the column"
            assert column.config.meta.get("name_vi"), f"{node.name}.{column.name}: name it in Vietnamese"


def test_warehouse_models_carry_what_the_engine_and_the_catalogue_need(province: Warehouse) -> None:
    needed = {"grain", "key", "watermark", "owner", "classification", "legal_basis"}
    for node in models(province, "warehouse"):
        meta = node.config.meta
        assert needed <= set(meta), f"{node.name}: config.meta lacks {needed - set(meta)}"
        assert node.config.contract.enforced, f"{node.name}: contract not enforced"
        assert meta["watermark"] == (node.config.materialized == "incremental"), node.name
        assert ("_build" in node.columns) == ("_deleted" in node.columns) == meta["watermark"], node.name
        assert "_delivery" in node.columns, node.name
        for column in node.columns.values():
            classified = column.config.meta.get("classification") in ("open", "shared", "restricted")
            assert classified or column.name.startswith("_"), f"{node.name}.{column.name}: classify the column"
    declared = province.rows("select subject, model, key, watermark from release.declared")
    assert {(d[0], d[1], tuple(d[2]), d[3]) for d in declared} == {
        (node.fqn[2], node.name, tuple(node.config.meta["key"]), node.config.meta["watermark"])
        for node in models(province, "warehouse")
    }


def test_candidates_are_plain_tables_of_built_in_types(province: Warehouse) -> None:
    foreign = province.rows(
        "select c.relname, a.attname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
        " join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped"
        " join pg_type as t on t.oid = a.atttypid where n.nspname like 'candidate\\_%%' and c.relkind <> 'i'"
        " and (c.relkind <> 'r' or t.typnamespace <> 'pg_catalog'::regnamespace or t.typname = 'json')"
    )
    assert foreign == []


def test_no_personal_column_leaves_raw(province: Warehouse) -> None:
    for node in models(province):
        assert not PERSONAL & set(node.columns), node.name
        assert not any(name in node.raw_code for name in PERSONAL), node.name


def test_staging_touches_one_source_and_no_model(province: Warehouse) -> None:
    for node in models(province, "staging"):
        agency, dataset = node.fqn[2], node.name.removeprefix(f"stg_{node.fqn[2]}__")
        assert node.depends_on.nodes == [f"source.kho.{agency}.{dataset}"], node.name
        source = province.manifest.sources[node.depends_on.nodes[0]]
        assert (source.schema, source.identifier) == ("raw", f"{agency}__{dataset}")
        assert {"_delivery", "_deleted"} <= set(node.columns), node.name


def test_models_are_built_by_their_folder(province: Warehouse) -> None:
    for node in models(province):
        expected = f"candidate_{node.fqn[2]}" if node.fqn[1] == "warehouse" else node.fqn[1]
        assert node.schema == expected, node.name


def test_the_graph_of_subjects_is_acyclic(province: Warehouse) -> None:
    reads: dict[str, set[str]] = {subject: set() for subject in SUBJECTS}
    for node in [*models(province, "intermediate"), *models(province, "warehouse")]:
        subjects = {p.fqn[2] for p in parents(province, node) if p.fqn[1] != "staging"}
        reads[node.fqn[2]] |= subjects - {node.fqn[2]}
    while reads:
        free = [subject for subject, needs in reads.items() if not needs & set(reads)]
        assert free, f"subjects read each other in a circle: {sorted(reads)}"
        reads = {subject: needs for subject, needs in reads.items() if subject not in free}


def test_another_subject_is_read_as_released_and_stays_a_dependency(province: Warehouse) -> None:
    code = compiled(province, "--select", "path:models/warehouse")
    for node in models(province, "warehouse"):
        for parent in parents(province, node):
            own = parent.fqn[1] == "staging" or parent.fqn[2] == node.fqn[2]
            schema = parent.schema if own else parent.fqn[2]
            assert f'"{schema}"."{parent.name}"' in code[node.name], f"{node.name} reads {parent.name}"
            if not own:
                assert f'"{parent.schema}"."{parent.name}"' not in code[node.name], f"{node.name} reads a candidate"
    profile = next(node for node in models(province, "warehouse") if node.name == "mart_commune_profile")
    assert {p.fqn[2] for p in parents(province, profile)} == {"governance", "health", "education", "enterprises"}


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("select 1 from t {{ today_commune('t.code') }}", "means nothing without its date"),
        ("select 1 from {{ ref('int_governance__epoch') }}", "an intermediate model of subject governance"),
    ],
)
def test_what_must_not_be_written_does_not_compile(
    province: Warehouse, capfd: pytest.CaptureFixture[str], query: str, reason: str
) -> None:
    result = province.dbt("compile", "--inline", query)
    assert not result.success
    assert reason in f"{result.exception}{capfd.readouterr().out}"


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_subject_is_selected_with_its_staging_and_nothing_else(province: Warehouse, subject: str) -> None:
    own = [n for n in models(province) if n.fqn[1] in ("intermediate", "warehouse") and n.fqn[2] == subject]
    staging = {p.name for node in own for p in parents(province, node) if p.fqn[1] == "staging"}
    assert province.built[subject] == {node.name for node in own} | staging


def test_the_profile_counts_what_was_released(province: Warehouse) -> None:
    profile = province.rows(
        "select commune_name, active_health_facility_count, bed_count, health_licence_in_force_count,"
        " primary_school_count, pupil_count, pupils_per_class, active_enterprise_count, active_enterprise_capital_vnd"
        " from smart_city.mart_commune_profile where pupil_count > 0"
    )
    assert [tuple(map(str, row)) for row in profile] == [
        ("Phường Bắc Giang", "1", "120", "1", "1", "700", "35.00", "1", "5000000000")
    ]
    assert province.rows("select count(*) from smart_city.mart_commune_profile") == [(99,)]

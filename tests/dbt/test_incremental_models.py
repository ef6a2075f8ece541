"""An incremental run equals a full refresh, whatever came before it: changes, deletions, returns, late dimensions.

The reference is the model's own SQL as compiled for a full refresh, run on the same raw rows. Each round also shows
that a run rewrites only what changed, since that is what makes a night cost what changed.
"""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from .sandbox import Warehouse

MODELS = {
    "dim_health_facility": ("health", "facility_code"),
    "fct_health_licence": ("health", "licence_no"),
    "dim_enterprise": ("enterprises", "enterprise_code"),
}
SELECTION = ["--select", *MODELS]
ROUNDS = 4
KEYS = 40


@pytest.fixture(scope="module")
def references(province: Warehouse) -> Iterator[dict[str, str]]:
    """Full-refresh SQL of each model; afterwards the released mapping is put back as it was."""
    compiled = province.dbt("compile", "--full-refresh", *SELECTION)
    yield {result.node.name: result.node.compiled_code for result in compiled.result.results}
    province.promote("governance")


def business_columns(warehouse: Warehouse, model: str) -> str:
    columns = warehouse.rows(
        "select column_name from information_schema.columns"
        " where table_schema = %s and table_name = %s and left(column_name, 1) <> '_' order by 1",
        *(f"candidate_{MODELS[model][0]}", model),
    )
    return ", ".join(name for (name,) in columns)


def contents(warehouse: Warehouse, model: str) -> dict[str, tuple[Any, ...]]:
    """Key -> (build, (delivery, deleted, the row as text))."""
    subject, key = MODELS[model]
    columns = business_columns(warehouse, model)
    return {
        row[0]: (row[1], row[2:])
        for row in warehouse.rows(
            f"select {key}, _build, _delivery, _deleted, row({columns})::text from candidate_{subject}.{model}"
        )
    }


def differences(warehouse: Warehouse, model: str, reference: str) -> int:
    """Rows by which the candidate and a full refresh differ, tombstones out of sight."""
    columns = business_columns(warehouse, model)
    left = f"select {columns} from candidate_{MODELS[model][0]}.{model} where not _deleted"
    right = f"select {columns} from ({reference}) as reference where not _deleted"
    query = f"select count(*) from (({left} except all {right}) union all ({right} except all {left})) as d"
    return int(warehouse.rows(query)[0][0])


class Agencies:
    """Random but repeatable deliveries of a few rows, over the codes and dates where epochs meet."""

    def __init__(self, warehouse: Warehouse, seed: int) -> None:
        self.warehouse = warehouse
        self.random = random.Random(seed)
        self.delivery = int(
            warehouse.rows(
                "select max(d) from (select max(_delivery) as d from raw.health__facility union all"
                " select max(_delivery) from raw.health__licence union all"
                " select max(_delivery) from raw.enterprise_registry__enterprise) as deliveries"
            )[0][0]
        )
        codes = "select distinct reported_code from governance.dim_commune_code order by 1"
        self.codes = [code for (code,) in warehouse.rows(codes)][::20]
        self.codes.append("99999")

    def day(self) -> date:
        edge = self.random.choice([date(2024, 11, 30), date(2024, 12, 31), date(2025, 6, 30), date(2026, 1, 1)])
        return edge + timedelta(days=self.random.randint(-1, 1))

    def moment(self) -> datetime:
        return datetime.combine(self.day(), datetime.min.time(), UTC) + timedelta(hours=self.random.randint(0, 23))

    def facility(self, key: int) -> dict[str, Any]:
        return {
            "facility_code": f"24{key:03d}",
            "commune_code": self.random.choice(self.codes),
            "opened_on": self.random.choice([None, self.day()]),
            "updated_at": self.moment(),
            "bed_count": self.random.randint(0, 3),
            "is_active": self.random.choice([True, False]),
        }

    def licence(self, key: int) -> dict[str, Any]:
        return {
            "licence_no": f"GP{key}",
            "facility_code": f"24{self.random.randrange(KEYS):03d}",
            "status": self.random.choice(["HIEU_LUC", "THU_HOI"]),
        }

    def enterprise(self, key: int) -> dict[str, Any]:
        return {
            "enterprise_code": f"{2300000000 + key}",
            "commune_code": self.random.choice(self.codes),
            "registered_at": self.moment(),
            "changed_at": self.moment(),
            "status": self.random.choice(["HOAT_DONG", "GIAI_THE"]),
            "charter_capital_vnd": self.random.randint(0, 3),
        }

    def deliver(self) -> None:
        """Each dataset delivers or not: new rows, changes, deletions, rows that come back."""
        tables = {
            "health__facility": self.facility,
            "health__licence": self.licence,
            "enterprise_registry__enterprise": self.enterprise,
        }
        for table, make in tables.items():
            keys = self.random.sample(range(KEYS), self.random.choice([0, 10, 25]))
            rows = [make(key) | {"_deleted": self.random.random() < 0.3} for key in keys]
            self.delivery += 1
            self.warehouse.land(table, rows, self.delivery)

    def reorganise(self) -> None:
        """Governance releases another mapping: other communes of today, an interval gone, an interval shortened."""
        codes = self.random.sample(self.codes, 12)
        self.warehouse.execute(
            "update governance.dim_commune_code set commune_code = %s where reported_code = any(%s)",
            *(self.random.choice([None, *self.codes]), codes[:10]),
        )
        self.warehouse.execute("delete from governance.dim_commune_code where reported_code = %s", codes[10])
        self.warehouse.execute(
            "update governance.dim_commune_code set valid_to = valid_to - 1 where reported_code = %s", codes[11]
        )


@pytest.mark.parametrize("seed", [1, 2])
def test_incremental_equals_full_refresh(province: Warehouse, references: dict[str, str], seed: int) -> None:
    province.promote("governance")
    agencies = Agencies(province, seed)
    rewritten, moved = 0, 0
    for number in range(ROUNDS):
        before = {model: contents(province, model) for model in MODELS}
        province.execute("update release.build set build = build + 1")
        ((build,),) = province.rows("select build from release.build")
        if number != 3:  # a night without deliveries: only the mapping moves
            agencies.deliver()
        if number in (1, 3):
            agencies.reorganise()
        province.run(*SELECTION)
        for model, reference in references.items():
            assert differences(province, model, reference) == 0, f"{model} in round {number} of seed {seed}"
            for key, (row_build, row) in contents(province, model).items():
                _, old = before[model].get(key, (None, None))
                assert (row_build == build) == (row != old), f"{model} in round {number}: rewritten without a change"
                rewritten += row_build == build
                moved += row_build == build and old is not None and row[:2] == old[:2]
    assert rewritten > 50 and moved > 5, (rewritten, moved, "the rounds changed too little to show anything")


def test_a_real_full_refresh_changes_nothing(province: Warehouse, references: dict[str, str]) -> None:
    before = {model: contents(province, model) for model in MODELS}
    province.run(*SELECTION, "--full-refresh")
    for model in MODELS:
        after = contents(province, model)
        assert {key: row for key, (_, row) in after.items()} == {key: row for key, (_, row) in before[model].items()}

"""The contracts of the province, and what the typed model says of them."""

from __future__ import annotations

import importlib.resources
import json
import re
import subprocess
import sys
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest
import yaml
from open_data_contract_standard import model as odcs

from orchestration.contracts import Contract, assets_root, catalogue, check, columns, load_all, model, parse, servers

FILES = sorted(path for group in ("agencies", "national") for path in (assets_root() / group).glob("*/*.yaml"))
ALL = sorted(
    f"{path.parent.name}.{path.stem}" for path in FILES if "kind: DataContract" in path.read_text(encoding="utf-8")
)


@pytest.fixture(scope="module")
def contracts() -> dict[str, Contract]:
    return {contract.id: contract for contract in load_all()}


def test_all_contracts_are_good(contracts: dict[str, Contract]) -> None:
    assert check() == []
    assert list(contracts) == ALL


def test_they_follow_the_published_schema_of_odcs(contracts: dict[str, Contract]) -> None:
    schema = json.loads(importlib.resources.files("open_data_contract_standard").joinpath("schema.json").read_text())
    validator = jsonschema.Draft201909Validator(schema)
    for contract in contracts.values():
        plain = yaml.safe_load(contract.path.read_text(encoding="utf-8"))
        document = json.loads(json.dumps(plain, default=str))
        assert [error.message for error in validator.iter_errors(document)] == [], contract.id


def test_model_of_a_database_contract(contracts: dict[str, Contract]) -> None:
    facility = contracts["health.facility"]
    assert (facility.agency, facility.dataset, facility.table, facility.subject) == (
        "health",
        "facility",
        "health__facility",
        "health",
    )
    assert facility.key == ("facility_code",)
    assert (facility.delivery, facility.cursor_column, facility.deletions) == ("cursor", "updated_at", "key_check")
    assert facility.cursor_lookback == timedelta(minutes=15)
    assert facility.source == model.Source("postgresql", "${KHO_SOURCE_HEALTH}", {"table": "syt.co_so_kcb"})
    assert (facility.latency_hours, facility.frequency, facility.retention_days) == (26, timedelta(days=1), 30)
    assert facility.legal_basis[-1].valid_from == date(2025, 10, 22)
    assert not facility.is_personal
    beds = facility.column("bed_count")
    assert (beds.pg_type, beds.minimum, beds.maximum, beds.required) == ("integer", Decimal(0), Decimal(5000), False)
    assert facility.column("ownership").allowed == ("CONG", "TU")
    assert contracts["health.licence"].is_personal


def test_model_of_a_workbook_contract(contracts: dict[str, Contract]) -> None:
    school = contracts["education.school"]
    assert school.source.options == {"format": "xlsx", "glob": "truong_hoc_{date}.xlsx"}
    assert school.column("national_standard").default == "0"
    assert school.column("national_standard").allowed == ("0", "1", "2")
    assert school.column("budget_million_vnd").format == "decimal_comma"
    assert school.column("pupil_count").headers == ("Số HS",)
    line = school.path.read_text(encoding="utf-8").splitlines()[school.column("level").line - 1]
    assert line.strip() == "- name: level"


def test_identifiers_are_declared(contracts: dict[str, Contract]) -> None:
    assert {
        f"{contract.id}.{column.name}": column.identifier
        for contract in contracts.values()
        for column in contract.columns
        if column.identifier is not None and contract.status == "active"
    } == {
        "enterprise_registry.enterprise.enterprise_code": "tax_code",
        "health.licence.responsible_id": "personal_id",
    }
    assert model.UNASSIGNED.keys() <= model.IDENTIFIERS.keys()
    assert model.UNASSIGNED["personal_id"] == ("097", "098", "099")


def test_keys_are_in_key_order(contracts: dict[str, Contract]) -> None:
    assert contracts["home_affairs.link_e1_e2"].key == ("from_code", "to_code")


def test_defs_name_the_component_of_their_folder() -> None:
    for path in assets_root().glob("*/*/defs.yaml"):
        text = yaml.safe_load(path.read_text(encoding="utf-8"))
        if text["type"] == "orchestration.components.Agency":
            assert text["attributes"]["agency"] == path.parent.name


def test_every_documented_property_is_read_and_every_property_read_is_documented() -> None:
    """Drift between the vocabulary in `model` and the code that reads it, in both directions."""
    source = "".join(Path(module.__file__ or "").read_text(encoding="utf-8") for module in (parse, columns, servers))
    own_fields = {"format"}  # ODCS has a field for it
    read = set(re.findall(r'"(kho\.\w+)"', source)) | {
        f"kho.{option}"
        for pair in model.SOURCE_OPTIONS.values()
        for options in pair
        for option in options
        if option not in own_fields
    }
    documented = {*model.CONTRACT_PROPERTIES, *model.COLUMN_PROPERTIES, *model.SERVER_PROPERTIES}
    assert documented - read == set(), "documented in contracts/model.py, read nowhere: remove it or read it"
    assert read - documented == set(), "read in contracts/, not documented: add it to contracts/model.py"


def test_fields_that_are_accepted_exist_in_odcs() -> None:
    def fields(cls: type[odcs.pyd.BaseModel]) -> set[str]:
        return {field.alias or name for name, field in cls.model_fields.items()}

    assert fields(odcs.OpenDataContractStandard) >= parse.CONTRACT_FIELDS
    assert fields(odcs.Server) >= servers.SERVER_FIELDS
    assert fields(odcs.SchemaObject) >= parse.SCHEMA_FIELDS
    assert fields(odcs.ServiceLevelAgreementProperty) >= parse.SLA_FIELDS
    assert fields(odcs.Team) >= parse.TEAM_FIELDS
    assert fields(odcs.TeamMember) >= parse.MEMBER_FIELDS
    assert fields(odcs.Description) >= parse.DESCRIPTION_FIELDS
    assert fields(odcs.SchemaProperty) >= columns.COLUMN_FIELDS
    assert fields(odcs.DataQuality) >= columns.QUALITY_FIELDS


def test_the_night_loads_without_the_odcs_model() -> None:
    code = (
        "import sys\n"
        "from orchestration.contracts import load_all\n"
        "load_all()\n"
        "assert not {'pydantic', 'open_data_contract_standard', 'pandas', 'dagster'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_catalogue(contracts: dict[str, Contract]) -> None:
    rows = {row.dataset: row for row in catalogue(contracts.values(), on=date(2025, 8, 1))}
    licence = rows["health.licence"]
    assert (licence.classification, licence.sharing_method, licence.update_frequency) == (
        "dùng chung",
        "cơ sở dữ liệu",
        "mỗi 1 ngày",
    )
    assert licence.has_personal_data
    assert "Nghị định 278/2025/NĐ-CP" not in licence.legal_basis, "not in force on that day"
    assert "Số định danh cá nhân" in licence.items
    assert rows["home_affairs.unit_e2"].classification == "dữ liệu mở"
    assert list(rows) == ALL

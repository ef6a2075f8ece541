"""An agency is complete when its own folders are: contracts, dbt source, staging, suites. What is missing is named.

Here belong: the project itself, each omission and drift planted in a copy of it, and the README's way to a new agency
walked step by step. Out of here stay the rules themselves (`completeness`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orchestration import contracts

from .completeness import problems
from .documents import ROOT, example_files

AGENCY = "culture_tourism"
NEW_CONTRACT = f"assets/agencies/{AGENCY}/example.yaml"
STAGING = "dbt_project/models/staging"
FACILITY = "assets/agencies/health/facility.yaml"
LICENCE = "assets/agencies/health/licence.yaml"
FACILITY_SQL = f"{STAGING}/health/stg_health__facility.sql"
FACILITY_YML = f"{STAGING}/health/stg_health__facility.yml"
SOURCES = f"{STAGING}/health/_health__sources.yml"
SUITE = "expectations/health/dim_health_facility.yaml"


def copy_of_the_project(target: Path) -> Path:
    """What declares the province, without the engine."""
    ignored = shutil.ignore_patterns("target", "logs", "__pycache__")
    for name in ("assets", "dbt_project", "expectations"):
        shutil.copytree(ROOT / name, target / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", target)
    # A draft needs nothing of the project, and a hundred of them would be read for each omission.
    for path in (target / "assets" / "agencies").glob("*/*.yaml"):
        if "\nstatus: draft\n" in path.read_text(encoding="utf-8"):
            path.unlink()
    for folder in (target / "assets" / "agencies").iterdir():
        if {path.name for path in folder.iterdir()} <= {"defs.yaml"}:
            shutil.rmtree(folder)
    return target


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return copy_of_the_project(tmp_path)


def test_the_project_is_complete() -> None:
    assert problems(ROOT) == []


#: what is done to a copy of the project -> what is said. (file, text, replacement); replacement None: the file goes.
PLANTS = {
    "no defs.yaml": ("assets/agencies/health/defs.yaml", "", None, "health/defs.yaml: missing: dg scaffold defs"),
    "other agency": ("assets/agencies/health/defs.yaml", "agency: health", "agency: heath", "set it to health"),
    "other component": ("assets/agencies/health/defs.yaml", ".Agency", ".Warehouse", "declares no agency"),
    "no source": (SOURCES, "- name: facility", "- name: facilities", f"{SOURCES}: no source of health.facility"),
    "source without contract": (SOURCES, "- name: facility", "- name: facilities", "health.facilities has no contract"),
    "other schema": (SOURCES, "schema: raw", "schema: public", "set it to raw"),
    "other identifier": (SOURCES, "health__facility", "facility", "identifier is facility: set it to health__facility"),
    "source knows more": (
        SOURCES,
        "identifier: health__facility",
        "identifier: health__facility\n        columns: [{name: fax}]",
        "column fax is not in the contract health.facility",
    ),
    "no staging model": (FACILITY_SQL, "", None, f"{FACILITY_SQL}: missing"),
    "staging of another source": (FACILITY_SQL, "'facility')", "'licence')", "does not read source('health', 'fac"),
    "staging lacks a column": (FACILITY_SQL, "    phone,\n", "", f"phone of {FACILITY}:"),
    "staging lacks the tombstone": (FACILITY_SQL, "_delivery,\n    _deleted", "_delivery", "_deleted is missing"),
    "staging reads more": (FACILITY_SQL, "phone,", "phone,\n    fax,", "reads fax, which the contract lacks"),
    "staging computes with more": (FACILITY_SQL, "phone,", "coalesce(phone, fax) as phone,", "reads fax, which the"),
    "contract gains a column": (
        FACILITY,
        "      - name: phone\n",
        "      - name: fax\n        physicalName: so_fax\n        businessName: Fax\n        description: Fax number\n"
        "        logicalType: string\n        physicalType: text\n        classification: shared\n"
        "      - name: phone\n",
        f"fax of {FACILITY}:",
    ),
    "personal identifier not declared": (LICENCE, "kho.identifier", "identifier", "declare kho.identifier: personal_id"),
    "enterprise code declared as another": (
        "assets/national/enterprise_registry/enterprise.yaml",
        "value: tax_code}",
        "value: personal_id}",
        "enterprise_code takes identifiers of kind enterprise_code",
    ),
    "personal column leaves raw": (FACILITY_SQL, "phone,", "phone,", "phone is personal: take it out"),
    "nothing reads staging": (
        "dbt_project/models/warehouse/health/fct_health_licence.sql",
        "ref('stg_health__licence')",
        "ref('stg_health__facility')",
        "stg_health__licence.sql: nothing reads it, so health.licence is never released",
    ),
    "no description": (FACILITY_YML, "", None, f"{FACILITY_YML}: missing: describe the model"),
    "column not described": (FACILITY_YML, "- name: phone", "- name: _x", "facility.phone is not described"),
    "description of nothing": (FACILITY_YML, "- name: phone", "- name: _x", "facility._x is not selected"),
    "empty description": (FACILITY_YML, '"Licensed beds."', '""', "bed_count has no description"),
    "no suite": (SUITE, "", None, f"{SUITE}: missing"),
    "suite of nothing": (
        "dbt_project/models/warehouse/health/dim_health_facility.sql",
        "",
        None,
        f"{SUITE}: dbt_project/models/warehouse/health has no such model",
    ),
    "key not unique": (SUITE, "values_to_be_unique", "values_to_not_be_null", "no critical rule that the key (fac"),
    "key may be missing": (
        SUITE,
        "type: expect_column_values_to_not_be_null\n    kwargs: {column: facility_code}",
        "type: expect_column_values_to_not_be_null\n    kwargs: {column: bed_count}",
        "no critical rule that facility_code (of the key) is present",
    ),
    "empty table passes": (
        SUITE,
        "type: expect_table_row_count_to_be_between\n    kwargs: {min_value: 1}",
        "type: expect_column_values_to_not_be_null\n    kwargs: {column: bed_count}",
        f"{SUITE}: an empty table would pass",
    ),
    "rule of no column": (SUITE, "{column: facility_name}", "{column: facility_title}", "has no column facility_title"),
    "suite that does not load": (SUITE, "severity: critical", "severity: fatal", "not an allowed word"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTS)
def test_what_is_missing_or_has_drifted_is_named(project: Path, name: str) -> None:
    file, old, new, said = PLANTS[name]
    path = project / file
    text = path.read_text(encoding="utf-8")
    if new is None:
        path.unlink()
    else:
        assert old in text, f"{file} no longer has what this test changes"
        path.write_text(text.replace(old, new), encoding="utf-8")
    if name == "personal column leaves raw":
        contract = (project / FACILITY).read_text(encoding="utf-8")
        head, tail = contract.split("- name: phone", 1)
        (project / FACILITY).write_text(f"{head}- name: phone{tail.replace('shared', 'personal', 1)}", encoding="utf-8")
    found = problems(project)
    assert any(said in problem for problem in found), "\n".join(found)


def test_a_contract_in_a_folder_of_its_own_is_asked_for(project: Path) -> None:
    (project / "assets" / "agencies" / "empty").mkdir()
    assert any("assets/agencies/empty: no contract" in problem for problem in problems(project))


@pytest.mark.timeout(300)
def test_the_readme_leads_to_a_new_agency(project: Path) -> None:
    """Scaffold, then write the example files of both pages: after each step exactly what is missing is named."""
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    scaffold(project)
    made = {path for path in project.rglob("*") if path.is_file()} - before.keys()
    assert {path.relative_to(project).as_posix() for path in made} == {
        NEW_CONTRACT,
        f"assets/agencies/{AGENCY}/defs.yaml",
    }
    assert all(path.read_bytes() == content for path, content in before.items()), "the scaffold changes a shared file"

    assert contracts.check(project / "assets") == []
    assert problems(project) == [], "a draft is taken in and checked; it needs nothing but its contract"
    contract = project / NEW_CONTRACT
    contract.write_text(
        contract.read_text(encoding="utf-8").replace("status: draft", "status: active"), encoding="utf-8"
    )
    assert [problem.split(":")[0] for problem in problems(project)] == [
        f"{STAGING}/{AGENCY}/_{AGENCY}__sources.yml",
        f"{STAGING}/{AGENCY}/stg_{AGENCY}__example.sql",
        f"{STAGING}/{AGENCY}/stg_{AGENCY}__example.yml",
    ]

    write(project, example_files("README.md"), own=(f"assets/agencies/{AGENCY}/", f"{STAGING}/{AGENCY}/"))
    (unread,) = problems(project)
    assert "so culture_tourism.example is never released" in unread

    files = example_files("CONTRIBUTING.md")
    suite = {name: files.pop(name) for name in list(files) if name.startswith("expectations/")}
    write(project, files, own=("dbt_project/models/warehouse/governance/dim_example.",))
    assert problems(project) == [
        "expectations/governance/dim_example.yaml: missing: write what must be true of governance.dim_example"
    ]
    write(project, suite, own=("expectations/governance/dim_example.yaml",))
    assert problems(project) == []
    assert contracts.check(project / "assets") == []
    assert all(path.read_bytes() == content for path, content in before.items()), "a shared file had to change"

    parsed = subprocess.run(
        [str(Path(sys.executable).parent / "kho"), "dbt", "parse"],
        env={**bare_environment(project), "KHO_DBT_PROJECT": str(project / "dbt_project")},
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert parsed.returncode == 0, parsed.stdout[-2000:] + parsed.stderr[-2000:]


def scaffold(project: Path) -> None:
    """Run the README's `dg scaffold defs …` in the copy."""
    command = ["dg", "scaffold", "defs", "orchestration.components.Agency", f"agencies/{AGENCY}"]
    assert " ".join(command) in (ROOT / "README.md").read_text(encoding="utf-8")
    command[0] = str(Path(sys.executable).parent / "dg")
    done = subprocess.run(
        command, cwd=project, env=bare_environment(project), capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def bare_environment(project: Path) -> dict[str, str]:
    """Nothing of the developer's, and nothing written into his folders."""
    home = project.parent / f"{project.name}-home"
    home.mkdir(exist_ok=True)
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("KHO_", "DAGSTER_", "WAREHOUSE_"))
    }
    return {**kept, "HOME": str(home), "KHO_HOME": str(home / "kho"), "DAGSTER_DISABLE_TELEMETRY": "yes"}


def write(project: Path, files: dict[str, str], *, own: tuple[str, ...]) -> None:
    """Write example files; each must be new and of the agency's own."""
    assert files, "the page has no example files"
    for name, text in files.items():
        assert name.startswith(own), f"{name} is not the agency's own"
        path = project / name
        assert not path.exists(), f"{name} exists: an agency would edit a shared file"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

"""Health of a source in Dagster, on a real warehouse and an ephemeral instance: checks, numbers to plot, and what stays silent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from orchestration.components.agency import contract_metadata, landing_asset, raw_key
from orchestration.components.source_health import CHECKS, reached, sources_text
from orchestration.contracts import Contract, Source, load_all

HEADER = "ward_code,ward,area_km2,lat,lon"
SECRET = "Phường Kín Đáo"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


@pytest.fixture
def units(empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Contract:
    """A dataset of CSV files in a folder of this test."""
    monkeypatch.setenv("KHO_SOURCE_HOME_AFFAIRS", str(tmp_path))
    return next(contract for contract in load_all() if contract.id == "home_affairs.unit_e2")


def deliver(folder: Path, day: int, rows: int, *, wrong: int = 0, header: str = HEADER, more: str = "") -> None:
    """A file of the units as of a day in November 2025; the last `wrong` rows lie outside the province."""
    lines = [f"{n:05},{SECRET} {n},1.50,{12.1 if n >= rows - wrong else 21.1},106.1{more}" for n in range(rows)]
    (folder / f"units_e2_202511{day:02}.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")


def night(contract: Contract, instance: dg.DagsterInstance, **selection: Any) -> tuple[Any, dict[str, Any]]:
    """The asset materialised, and its check results by name."""
    done = dg.materialize([landing_asset(contract, 0)], instance=instance, raise_on_error=False, **selection)
    return done, {found.check_name: found for found in done.get_asset_check_evaluations()}


def plain(metadata: Any) -> dict[str, Any]:
    return {name: value.value for name, value in metadata.items()}


def test_nights_as_usual_pass_and_are_plotted(units: Contract, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    spec = landing_asset(units, 0).specs_by_key[raw_key(units.id)]
    assert "tệp csv / files, tệp / files `units_e2_{date}.csv`" in str(spec.description)
    for day in (1, 2, 3, 4):
        deliver(tmp_path, day, 400 + day)
        done, checks = night(units, instance)
        assert done.success and {name: found.passed for name, found in checks.items()} == dict.fromkeys(CHECKS, True)
    records = instance.fetch_materializations(raw_key(units.id), limit=10).records
    told = [plain(record.asset_materialization.metadata) for record in records]  # type: ignore[union-attr]
    assert [each["kho/received"] for each in told] == [404, 403, 402, 401]
    for each in told:
        assert each["kho/quarantine_rate"] == each["kho/noted_rate"] == 0 == each["kho/quarantined"]
        assert each["kho/seconds"] > 0 and each["kho/rows_per_second"] > 0
    assert plain(checks["volume"].metadata)["kho/usual"] == 402 and plain(checks["volume"].metadata)["kho/rows"] == 404


def test_what_is_out_of_the_usual_warns_and_names_rules_but_no_value(
    units: Contract, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    for day in (1, 2, 3):
        deliver(tmp_path, day, 398 + day)
        night(units, instance)
    deliver(tmp_path, 4, 800, wrong=200, header=HEADER + ",ghi_chu", more=",x")
    done, checks = night(units, instance)
    assert done.success
    assert {name: found.passed for name, found in checks.items()} == {
        "volume": False,
        "quarantine": False,
        "drift": False,
    }
    assert {found.severity for found in checks.values()} == {dg.AssetCheckSeverity.WARN}
    volume, quarantine, drift = (plain(checks[name].metadata) for name in ("volume", "quarantine", "drift"))
    assert "nhiều hơn hẳn / far more" in volume["kho/channels"] and (volume["kho/rows"], volume["kho/usual"]) == (
        600,
        400,
    )
    assert volume["kho/trend"][-1] == "█" and len(volume["kho/trend"]) == 4
    assert (quarantine["kho/received"], quarantine["kho/quarantined"], quarantine["kho/rate"]) == (800, 200, 0.25)
    assert re.search(r"\| latitude \| minimum \| 200 \| \d\d/\d\d/\d{4} \|", quarantine["kho/rules"])
    assert quarantine["kho/tickets_open"] == 1
    assert "ghi_chu" in drift["kho/drift"]
    everything = json.dumps([volume, quarantine, drift], ensure_ascii=False)
    assert SECRET not in everything and "12.1" not in everything and "00799" not in everything


def test_a_draft_nobody_has_connected_yields_nothing(
    units: Contract, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KHO_SOURCE_HOME_AFFAIRS")
    done, checks = night(replace(units, status="draft"), instance)
    assert done.success and checks == {} and not instance.fetch_materializations(raw_key(units.id), limit=1).records
    done, checks = night(units, instance)  # an active one has to be connected
    assert not done.success and checks == {}


def test_a_source_with_nothing_new_is_judged_without_looking_fresh(
    units: Contract, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    done, checks = night(units, instance)
    assert done.success and checks == {}  # nothing was ever delivered
    deliver(tmp_path, 1, 40, wrong=20)
    night(units, instance)
    done, checks = night(units, instance)
    assert done.success and not done.asset_materializations_for_node("raw__home_affairs__unit_e2")
    assert {name: found.passed for name, found in checks.items()} == {
        "volume": True,
        "quarantine": False,
        "drift": True,
    }


def test_checks_alone_ask_no_source(units: Contract, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    deliver(tmp_path, 1, 40)
    night(units, instance)
    deliver(tmp_path, 2, 41)
    selection = dg.AssetSelection.checks(*(dg.AssetCheckKey(raw_key(units.id), name) for name in ("volume", "drift")))
    done, checks = night(units, instance, selection=selection)
    assert done.success and set(checks) == {"volume", "drift"}
    assert (tmp_path / "units_e2_20251102.csv").exists()


def test_the_description_says_how_a_source_is_reached_and_never_where() -> None:
    for contract in load_all():
        description, metadata = sources_text(contract), str(contract_metadata(contract))
        for source in contract.sources:
            told = reached(source)
            assert told in description
            assert any(source.options.get(name, "none") in told for name in ("table", "glob", "path", "service"))
            secrets = ("key", "secret", "token", "client", "private_key")
            hidden = [source.location, *(source.options.get(name, "") for name in secrets)]
            assert not [text for text in hidden if text and text in description + metadata]


def test_every_kind_of_source_says_how_it_is_reached() -> None:
    assert reached(Source("postgresql", "${X}", {"table": "a.b"})) == "postgresql, bảng / table `a.b`"
    assert reached(Source("database", "${X}", {"table": "b", "dialect": "mysql"})) == "mysql, bảng / table `b`"
    files = Source("files", "${X}", {"format": "csv", "glob": "a_{date}.csv", "charset": "tcvn3", "host_key": "${K}"})
    assert reached(files) == "tệp csv / files, tệp / files `a_{date}.csv`, charset tcvn3"

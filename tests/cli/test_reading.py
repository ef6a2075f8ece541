"""Commands that only show: what they tell, in which form, and what they never tell."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from datetime import date
from typing import Any

Kho = Callable[..., Any]


def test_status_as_json(kho: Kho, province: Any) -> None:
    found = kho("status", "--json").json
    assert set(found) == {"synthetic", "datasets", "subjects", "obligations", "portal"}
    assert found["synthetic"] is False
    units = next(d for d in found["datasets"] if d["dataset"] == "home_affairs.unit_e2")
    assert {k: units[k] for k in ("agency", "last_delivery", "received", "accepted", "quarantined", "state")} == {
        "agency": "home_affairs", "last_delivery": 2, "received": 10, "accepted": 8, "quarantined": 2, "state": "fresh",
    }  # fmt: skip
    states = {s["subject"]: s["state"] for s in found["subjects"]}
    assert states == {"education": "stale", "governance": "released", "health": "held", "smart_city": "blocked"}
    health = next(s for s in found["subjects"] if s["subject"] == "health")
    assert health["release"] == 1 and "known_commune" in health["failed_expectations"] and health["because"]


def test_status_of_an_earlier_night(kho: Kho, province: Any) -> None:
    found = kho("status", "--json", "--night", province.first).json
    assert {s["subject"]: s["state"] for s in found["subjects"]} == {"governance": "released", "health": "released"}


def test_status_for_people_is_whole_and_plain_in_a_pipe(kho: Kho, province: Any) -> None:
    ran = kho("status")
    assert ran.code == 0 and "\x1b" not in ran.out and "…" not in ran.out
    assert "bị giữ / held" in ran.out and "mới / fresh" in ran.out
    assert "Y tế bị giữ: Mã xã phải có trong danh mục (14) / health is held: commune (14)" in ran.out
    assert unicodedata.is_normalized("NFC", ran.out)


def test_status_says_first_of_all_that_nothing_of_it_is_real(kho: Kho, province: Any, monkeypatch: Any) -> None:
    said = "Dữ liệu mô phỏng / Synthetic data"
    assert said not in kho("status").out
    monkeypatch.setattr("orchestration.status.is_synthetic", lambda: True)
    assert kho("status").out.startswith(said) and kho("status", "--json").json["synthetic"] is True


def test_status_tells_what_is_owed_and_what_is_open(kho: Kho, warehouse: Any, outward: Any) -> None:
    outward.owes(
        state="overdue", overdue=3, pending=3, oldest_due=date(2025, 11, 28), because_vi="bên nhận không trả lời",
        because_en="the receiver does not answer",
    )  # fmt: skip
    outward.publishes()
    outward.publishes("schools", state="held", because_vi="cột không còn mở", because_en="a column is no longer open")
    found = kho("status", "--json").json
    assert [(o["obligation"], o["state"], o["oldest_due"]) for o in found["obligations"]] == [
        ("health_system.facility_licence", "overdue", "2025-11-28")
    ]
    assert [(d["dataset"], d["state"], d["version"]) for d in found["portal"]] == [
        ("communes", "published", 3),
        ("schools", "held", 3),
    ]
    shown = kho("status").out
    for text in (
        "Đồng bộ lên hệ thống quốc gia / Sent to national systems", "quá hạn / overdue", "28/11/2025",
        "bên nhận không trả lời / the receiver does not answer", "Dữ liệu mở / Open data", "22/11/2025 01:30",
        "cột không còn mở / a column is no longer open",
    ):  # fmt: skip
        assert text in shown


def test_quarantine_tells_row_column_rule_and_both_languages(kho: Kho, province: Any) -> None:
    rows = kho("quarantine", "list", "--dataset", "home_affairs.unit_e2", "--json").json
    assert [(r["row_number"], r["column"], r["rule"], r["found"], r["key"]) for r in rows] == [
        (10, "ward_code", "pattern", "7299", None),
        (11, "latitude", "minimum", "12.1", {"ward_code": "07250"}),
    ]
    assert all(r["vi"] and r["en"] and r["expected"] and r["state"] == "open" for r in rows)
    assert kho("quarantine", "list", "--state", "resolved", "--json").json == []
    assert len(kho("quarantine", "list", "--limit", "1", "--json").json) == 1
    assert len(kho("quarantine", "list", "--limit", "0", "--json").json) == 5


def test_quarantine_shows_no_personal_value_and_none_of_an_unknown_column(kho: Kho, province: Any) -> None:
    rows = kho("quarantine", "list", "--dataset", "health.licence", "--json").json
    assert {r["column"]: r["found"] for r in rows} == {
        "responsible_id": None,
        "no_longer_there": None,
        "status": "DA_HUY",
    }
    for arguments in (["quarantine", "list"], ["quarantine", "list", "--json", "--state", "all"], ["status", "--json"]):
        ran = kho(*arguments)
        assert province.secret not in ran.out + ran.err
        assert "DA_HUY" in ran.out or arguments[0] == "status"


def test_quarantine_hides_a_key_that_is_personal(province: Any) -> None:
    from dataclasses import replace

    from orchestration.contracts import Column, load_all
    from orchestration.report.quarantine import HIDDEN, kinds, problems

    def reclassified(column: Column) -> Column:
        return replace(column, classification="personal") if column.name == "licence_no" else column

    contracts = [replace(c, columns=tuple(map(reclassified, c.columns))) for c in load_all()]
    _, rows = problems(contracts, dataset="health.licence", state="open", limit=0)
    assert {tuple(r["key"].items()) for r in rows} == {(("licence_no", HIDDEN),)}
    first = kinds(contracts, province.second)["health.licence"][1][0].first
    assert first == [(2, 17, {"licence_no": HIDDEN})]


def test_deliveries(kho: Kho, province: Any) -> None:
    rows = kho("delivery", "list", "--json").json
    assert [(r["delivery"], r["outcome"], r["waiting"], r["quarantined"]) for r in rows] == [
        (2, "applied", False, 2),
        (1, "applied", False, 0),
    ]
    assert len(rows[0]["sha256"]) == 64 and rows[0]["source_name"] == "units_e2_20251121.csv"
    kept = [tuple(r[name] for name in ("kept", "current", "kept_until", "encrypted")) for r in rows]
    assert kept[0] == (True, True, None, False) and kept[1][:2] == (True, False) and rows[1]["kept_until"] > "2025"
    assert all(0 < r["stored_bytes"] < r["size_bytes"] for r in rows)
    shown = kho("delivery", "list").out
    assert "units_e2_20251120.csv" in shown and "đang dùng / in use" in shown and "đến / until" in shown
    assert "không có / none" in kho("delivery", "list", "--waiting").out


def test_releases(kho: Kho, province: Any) -> None:
    rows = kho("release", "list", "--subject", "governance", "--json").json
    assert [(r["release"], r["inserted"], r["updated"], r["deleted"], r["current"]) for r in rows] == [
        (2, 1, 1, 1, True),
        (1, 10, 0, 0, False),
    ]
    shown = kho("release", "show", "governance", "--json").json
    assert shown["release"] == 2 and shown["gate"]["verdict"] == "pass" and shown["failed"][0]["severity"] == "warning"
    assert shown["tables"] == [{"table_name": "dim_unit", "baseline": False, "inserted": 1, "updated": 1, "deleted": 1}]
    ran = kho("release", "show", "governance", "1")
    assert ran.code == 0 and "dim_unit" in ran.out and "release 1" in ran.out
    assert kho("release", "show", "governance", "9").err.startswith("Lỗi / Error [no_release]: governance chưa có")


def test_release_diff_tells_keys_and_operations(kho: Kho, province: Any) -> None:
    found = kho("release", "diff", "governance", 1, 2, "--json").json
    (table,) = found["tables"]
    assert [(row["op"], row["key"]["code"]) for row in table["rows"]] == [
        ("D", "07200"),
        ("I", "07210"),
        ("U", "07203"),
    ]
    assert (table["inserted"], table["updated"], table["deleted"], table["total"]) == (1, 1, 1, 3)
    assert "Mới" not in kho("release", "diff", "governance", 1, 2).out  # keys only, no other column
    first = kho("release", "diff", "governance", 0, 1, "--json").json["tables"][0]
    assert first["baseline"] and first["inserted"] == 10 and first["rows"] == []
    assert kho("release", "diff", "governance", 2, 1).code == 2
    assert kho("release", "diff", "governance", 1, 7).code == 1
    assert kho("release", "diff", "governance", 1, 2, "--table", "none").code == 1


def test_ledger_verify(kho: Kho, province: Any, tmp_path: Any) -> None:
    anchor = province.home / "anchors" / f"{province.second}.json"
    ran = kho("ledger", "verify", "--anchor", anchor)
    assert ran.code == 0 and "toàn vẹn" in ran.out
    forged = tmp_path / "forged.json"
    forged.write_text('{"seq": 1, "mac": "00"}')
    ran = kho("ledger", "verify", "--anchor", forged, "--json")
    assert ran.code == 1 and [f["seq"] for f in ran.json["faults"]] == [1]
    assert kho("ledger", "verify", "--anchor", tmp_path / "none.json").code == 2


def test_contracts(kho: Kho) -> None:
    assert kho("contract", "check").code == 0
    assert kho("contract", "check", "--json").json == []
    rows = {r["dataset"]: r for r in kho("contract", "list", "--json").json}
    assert rows["health.licence"]["has_personal"] is True and rows["health.licence"]["agency_name"] == "Sở Y tế"
    assert "Sở Giáo dục và Đào tạo" in kho("contract", "list").out


def test_contract_check_names_file_line_and_field(kho: Kho, tmp_path: Any, monkeypatch: Any) -> None:
    from orchestration.contracts import assets_root

    folder = tmp_path / "assets" / "agencies" / "health"
    folder.mkdir(parents=True)
    text = (assets_root() / "agencies/health/facility.yaml").read_text(encoding="utf-8")
    (folder / "facility.yaml").write_text(text.replace("domain: health", "domain: healht"), encoding="utf-8")
    monkeypatch.setenv("KHO_ASSETS", str(tmp_path / "assets"))
    ran = kho("contract", "check", "--json")
    assert ran.code == 1
    assert any(p["file"].endswith("facility.yaml") and p["field"] == "domain" and p["line"] for p in ran.json)


def test_source_test(kho: Kho, province: Any, monkeypatch: Any) -> None:
    province.land_units(province.second, province.units)
    monkeypatch.setenv("KHO_SOURCE_HOME_AFFAIRS", str(province.drop))
    ran = kho("source", "test", "home_affairs.unit_e2", "health", "--json")
    assert ran.code == 1
    assert {r["dataset"]: r["ok"] for r in ran.json if r["status"] == "active"} == {
        "home_affairs.unit_e2": True, "health.facility": False, "health.licence": False,
    }  # fmt: skip
    assert "KHO_SOURCE_HEALTH" in kho("source", "test", "health").out
    unknown = kho("source", "test", "nobody")
    assert unknown.code == 2 and "nobody" in unknown.err

"""Commands that do something: the night, confirmation, rollback, renaming."""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

Kho = Callable[..., Any]
EXCHANGE = "national__health_system__facility_licence"
SENT = "Chưa gửi xong / Not all sent: health_system.facility_licence"
OPEN = "Chưa công bố / Not published: communes"


@dataclass
class Result:
    """What the jobs of a night answer."""

    night: date
    run_ids: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a function in the place of Dagster's jobs: `kho night` is judged by what it does around them."""

    def install(run: Callable[[date], list[str] | None]) -> None:
        def run_night(night: date, *, subjects: list[str] | None = None, echo: Callable[[str], None] = print) -> Result:
            echo("── landing")
            return Result(night, failures=run(night) or [])

        module = types.ModuleType("orchestration.night")
        module.run_night = run_night  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "orchestration.night", module)

    return install


def record(*states: str) -> Callable[[date], None]:
    """A night that leaves one subject in each of these states."""

    def run(night: date) -> None:
        from orchestration.release import pipeline

        for subject, state in zip(("governance", "health", "education"), states, strict=False):
            pipeline.record(subject, night, state, None, f"lý do {state}", f"because {state}")

    return run


@pytest.mark.parametrize(
    ("states", "code"),
    [(["released"] * 3, 0), (["released", "stale", "held"], 3), (["released", "held", "failed"], 1), ([], 1)],
)
def test_the_exit_code_tells_how_the_night_went(kho: Kho, empty: Any, jobs: Any, states: list[str], code: int) -> None:
    night = date(2025, 12, 1)
    if not states:
        jobs(lambda night: record("released")(night - timedelta(days=1)))  # nothing recorded for this one
        ran = kho("night", "--date", night)
        assert ran.code == 1 and ran.err.startswith("── landing\nLỗi / Error [no_night]: ")
        return
    jobs(record(*states))
    ran = kho("night", "--date", night)
    assert ran.code == code
    behind = [s for s, state in zip(("governance", "health", "education"), states, strict=True) if state != "released"]
    assert all(f"Chưa phát hành / Not released: {subject}" in ran.err for subject in behind)
    assert ran.err.count("Not released") == len(behind)
    assert (empty / "reports" / "2025-12-01.html").exists() and (empty / "anchors" / "2025-12-01.json").exists()
    assert "because" in ran.out


def test_a_night_of_synthetic_data_on_an_external_warehouse_does_not_begin(
    kho: Kho, jobs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It needs no answer of the server to say so: there is none at this address."""
    jobs(lambda _: pytest.fail("the jobs were run"))
    monkeypatch.setenv("KHO_HOME", str(tmp_path))
    monkeypatch.setenv("KHO_SYNTHETIC", "1")
    monkeypatch.setenv("WAREHOUSE_URL", "postgresql://postgres@127.0.0.1:9/kho")
    ran = kho("night")
    assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert ran.err.startswith("Lỗi / Error [KH070]: kho ngoài (WAREHOUSE_URL) không bao giờ nhận dữ liệu mô phỏng")
    assert " / an external warehouse (WAREHOUSE_URL) never takes synthetic data" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_a_subject_the_night_never_reached_counts_as_failed(kho: Kho, empty: Any, jobs: Any) -> None:
    jobs(record("released", "released"))
    assert kho("night", "--date", "2025-12-01").code == 0

    def broken(night: date) -> list[str]:
        record("released")(night)
        return ["health: unexpected error"]

    jobs(broken)
    ran = kho("night", "--date", "2025-12-02")
    assert ran.code == 1 and "Not released: health: lỗi / failed" in ran.err and "Step failed: health" in ran.err


@pytest.mark.parametrize(
    ("owed", "open_", "failures", "code", "told"),
    [
        ("current", "published", [], 0, []),
        (
            "never",
            "unchanged",
            [],
            3,
            [f"{SENT}: chưa gửi lần nào / nothing sent yet (lý do gửi / because of sending)"],
        ),
        ("rejected", "published", [], 3, [f"{SENT}: bị từ chối / rejected (lý do gửi"]),
        ("overdue", "held", [], 3, [f"{SENT}: quá hạn / overdue (lý do gửi", f"{OPEN}: bị giữ / held (lý do giữ"]),
        # Why a step failed says more than the state: here that nobody has configured the receiver.
        (
            "pending",
            "published",
            [f"{EXCHANGE}: chưa đặt KHO_X / KHO_X is not set"],
            3,
            [f"{SENT}: đang gửi / on its way (chưa đặt KHO_X"],
        ),
        ("current", "held", ["portal__communes: cột / column"], 3, [f"{OPEN}: bị giữ / held (cột / column)"]),
        # Failed, and the state knows nothing of it: something else is wrong.
        ("current", "published", [f"{EXCHANGE}: unexpected error"], 1, []),
        ("current", "published", ["portal__catalogue: the disk is full"], 1, []),
    ],
)
def test_what_did_not_leave_the_house_is_behind(
    kho: Kho,
    empty: Any,
    jobs: Any,
    outward: Any,
    owed: str,
    open_: str,
    failures: list[str],
    code: int,
    told: list[str],
) -> None:
    def run(night: date) -> list[str]:
        record("released")(night)
        return failures

    outward.owes(state=owed, because_vi="lý do gửi", because_en="because of sending")
    outward.publishes(state=open_, because_vi="lý do giữ", because_en="because of holding")
    jobs(run)
    ran = kho("night", "--date", "2025-12-01")
    assert ran.code == code
    lines = [line for line in ran.err.splitlines() if line.startswith("Chưa ")]
    assert len(lines) == len(told) and all(line.startswith(start) for line, start in zip(lines, told, strict=True))
    assert all(f"Step failed: {failure}" in ran.err for failure in failures)


def test_one_night_at_a_time(kho: Kho, empty: Any, jobs: Any) -> None:
    from orchestration.warehouse import connect

    jobs(record("released"))
    lock = "select pg_advisory_lock(hashtextextended('kho.night', 0))"
    with connect("release", autocommit=True) as other:
        other.execute(lock)
        ran = kho("night", "--no-wait")
        assert (
            ran.code == 1
            and ran.err == "Lỗi / Error [night_running]: một đêm khác đang chạy / another night is under way\n"
        )
        threading.Timer(0.5, other.execute, ["select pg_advisory_unlock_all()"]).start()
        ran = kho("night", "--wait")
    assert ran.code == 0 and "chờ đến lượt / Another night is under way, waiting" in ran.err
    with connect("release", autocommit=True) as other:  # and it let go
        assert other.execute(lock.replace("pg_advisory", "pg_try_advisory")).fetchone() == (True,)


def test_a_shrinking_delivery_waits_for_a_named_person(kho: Kho, province: Any) -> None:
    province.land_units(date(2025, 11, 25), province.units[:4])
    (waiting,) = kho("delivery", "list", "--waiting", "--json").json
    assert waiting["outcome"] == "waiting" and "chờ người có thẩm quyền" in waiting["reason_vi"]
    page = kho("report", "--open", "no")
    assert f"Xác nhận hoặc từ chối lần giao {waiting['delivery']}" in Path(page.out.strip()).read_text(encoding="utf-8")
    assert kho("delivery", "confirm", waiting["delivery"]).code == 2
    assert kho("delivery", "confirm", waiting["delivery"], "--by", " ").code == 2
    ran = kho("delivery", "confirm", waiting["delivery"], "--by", "Trần Thị Giám Đốc")
    assert ran.code == 0 and "deleted" in ran.out
    rows = kho("delivery", "list", "--json").json
    assert rows[0]["confirmed_by"] == "Trần Thị Giám Đốc" and rows[0]["confirms"] == waiting["delivery"]
    assert kho("delivery", "list", "--waiting", "--json").json == []
    units = next(d for d in kho("status", "--json").json["datasets"] if d["dataset"] == "home_affairs.unit_e2")
    assert units["state"] == "fresh"
    assert kho("delivery", "confirm", waiting["delivery"], "--by", "Ai").err.startswith("Lỗi / Error [not_waiting]")
    assert kho("delivery", "confirm", 9999, "--by", "Ai").err.startswith("Lỗi / Error [no_delivery]")
    assert kho("ledger", "verify").code == 0


def test_rollback_makes_a_new_release(kho: Kho, province: Any) -> None:
    assert kho("release", "rollback", "governance", 1).code == 2  # nobody answers for it
    ran = kho("release", "rollback", "governance", 1, "--by", "Lê Văn Quản Trị")
    assert ran.code == 0 and "release 3 restores 1" in ran.out
    diff = kho("release", "diff", "governance", 2, 3, "--json").json["tables"][0]
    assert [(row["op"], row["key"]["code"]) for row in diff["rows"]] == [("D", "07210"), ("I", "07200"), ("U", "07203")]
    assert kho("release", "diff", "governance", 1, 3, "--json").json["tables"][0]["inserted"] == 0
    shown = kho("release", "show", "governance").out
    assert "khôi phục bản 1" in shown and "Lê Văn Quản Trị" in shown
    assert kho("release", "rollback", "governance", 9, "--by", "Ai").err.startswith("Lỗi / Error [KH045]")
    assert kho("ledger", "verify").code == 0


def test_rename_column(kho: Kho, province: Any) -> None:
    from orchestration.warehouse import connect

    assert kho("release", "rename-column", "governance", "dim_unit", "name", "unit_name").code == 0
    with connect("analyst") as connection:
        assert connection.execute("select count(unit_name) from governance.dim_unit").fetchone() == (10,)
    ran = kho("release", "rename-column", "governance", "dim_unit", "nope", "x")
    assert ran.code == 1 and ran.err.startswith("Lỗi / Error [database]") and "42703" in ran.err
    assert kho("release", "rename-column", "weather", "dim_unit", "a", "b").code == 2

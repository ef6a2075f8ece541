"""`kho source test` against real files, databases and silence, and what `kho status` tells of sources."""

from __future__ import annotations

import socket
import sqlite3
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestration.components.scaffold import _CONTRACT
from orchestration.contracts import assets_root

Kho = Callable[..., Any]
FOLDER = """type: local
    path: ${{KHO_SOURCE_{variable}}}   # the drop folder; set the variable where Kho runs
    format: csv"""
TABLE = """type: custom
    location: ${{KHO_SOURCE_{variable}}}
    format: table"""
GLOB = "{{property: kho.glob, value: 'example_{{date}}.csv'}}   # {{date}} is the as-of date as yyyyMMdd"


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Declare an agency as the scaffold does; without `options` its source is a folder, which is made and returned."""
    assets = tmp_path / "assets"
    monkeypatch.setenv("KHO_ASSETS", str(assets))
    monkeypatch.setenv("KHO_HOME", str(tmp_path / "home"))

    def declare(agency: str, *options: str, status: str = "active", variable: str = "", url: str = "") -> Path:
        text = _CONTRACT.replace("status: draft", f"status: {status}")
        if options:
            more = "\n      - ".join(
                f"{{{{property: {name}, value: {value}}}}}" for name, value in (o.split("=") for o in options)
            )
            assert FOLDER in text and GLOB in text
            text = text.replace(FOLDER, TABLE).replace(GLOB, more)
        variable = variable or agency.upper()
        (assets / "agencies" / agency).mkdir(parents=True)
        (assets / "agencies" / agency / "example.yaml").write_text(
            text.format(agency=agency, variable=variable, mail=agency.replace("_", "-")), encoding="utf-8"
        )
        drop = tmp_path / "drop" / agency
        drop.mkdir(parents=True)
        monkeypatch.setenv(f"KHO_SOURCE_{variable}", url or str(drop))
        return drop

    return declare


@pytest.fixture
def closing() -> Iterator[list[socket.socket]]:
    """Sockets that are closed at the end."""
    found: list[socket.socket] = []
    yield found
    for each in found:
        each.close()


def refuses(closing: list[socket.socket]) -> int:
    """A PostgreSQL that asks for a password and does not accept it; gives its port."""
    server = socket.create_server(("127.0.0.1", 0))
    closing.append(server)

    def answer() -> None:
        while True:
            try:
                caller, _ = server.accept()
            except OSError:
                return
            with caller:
                while (hello := caller.recv(4096)) and struct.unpack("!I", hello[4:8])[0] in (80877103, 80877104):
                    caller.sendall(b"N")
                if not hello:
                    continue
                caller.sendall(b"R" + struct.pack("!II", 8, 3))
                caller.recv(4096)
                said = b'SFATAL\0C28P01\0Mpassword authentication failed for user "s3cret"\0\0'
                caller.sendall(b"E" + struct.pack("!I", len(said) + 4) + said)

    threading.Thread(target=answer, daemon=True).start()
    return int(server.getsockname()[1])


def steps(trial: dict[str, Any]) -> tuple[str, ...]:
    return tuple(trial["steps"][name] for name in ("connection", "credentials", "contract"))


def test_every_step_is_told_and_nothing_is_written(
    kho: Kho, office: Callable[..., Path], tmp_path: Path, closing: list[socket.socket]
) -> None:
    (office("a_good") / "example_20260301.csv").write_text("ma,ten\n1,a\n", encoding="utf-8")
    office("b_empty")
    (office("c_drift") / "example_20260301.csv").write_text("ma,tên gọi\n1,a\n", encoding="utf-8")
    office("d_gone").rmdir()
    login = f"postgresql://s3cret:s3cret@127.0.0.1:{refuses(closing)}/x"
    office("e_login", "kho.table=a.b", url=login)
    office("f_down", "kho.table=a.b", url="postgresql://s3cret:s3cret@127.0.0.1:9/x")
    base = tmp_path / "base.db"
    with sqlite3.connect(base) as database:
        database.execute("create table t (ma text, ten text)")
    database.close()
    office("g_sqlite", "kho.table=t", "kho.dialect=sqlite", url=f"sqlite:///{base}")
    office("h_unmade", "kho.table=t", "kho.dialect=sqlite", url=f"sqlite:///{tmp_path}/unmade.db")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    ran = kho("source", "test", "--json")

    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert ran.code == 1 and "s3cret" not in ran.out + ran.err
    assert {t["agency"]: (t["state"], *steps(t)) for t in ran.json} == {
        "a_good": ("ok", "ok", "ok", "ok"),
        "b_empty": ("ok", "ok", "ok", "not_seen"),
        "c_drift": ("failed", "ok", "ok", "failed"),
        "d_gone": ("failed", "failed", "not_reached", "not_reached"),
        "e_login": ("failed", "ok", "failed", "not_reached"),
        "f_down": ("failed", "failed", "not_reached", "not_reached"),
        "g_sqlite": ("ok", "ok", "ok", "ok"),
        "h_unmade": ("failed", "failed", "not_reached", "not_reached"),
    }
    assert [t["agency"] for t in ran.json] == sorted(t["agency"] for t in ran.json)
    assert all(t["seconds"] >= 0 and t["lines"] and t["ok"] == (t["state"] == "ok") for t in ran.json)
    assert {t["agency"]: t["code"] for t in ran.json if t["code"]} == {
        "c_drift": "schema_drift", "d_gone": "source_down", "e_login": "login_refused", "f_down": "database", "h_unmade": "database",
    }  # fmt: skip

    shown = kho("source", "test", "a_good", "b_empty")
    assert shown.code == 0 and "OK  a_good.example" in shown.out and "Kết nối / connection: được / ok" in shown.out
    assert "Hợp đồng / contract: chưa có gì để so / nothing there to compare" in shown.out
    assert "Nguồn dữ liệu / Sources" in shown.out and shown.out.count(" s\n") + shown.out.count(" s ") >= 4
    assert kho("source", "test", "c_drift.example").code == 1


def test_a_draft_not_connected_counts_only_when_named(
    kho: Kho, office: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (office("a_good") / "example_20260301.csv").write_text("ma,ten\n1,a\n", encoding="utf-8")
    office("b_draft", status="draft")
    monkeypatch.delenv("KHO_SOURCE_B_DRAFT")
    ran = kho("source", "test")
    assert ran.code == 0 and "b_draft.example" not in ran.out
    assert "1 nguồn nháp chưa kết nối: b_draft 1 / 1 sources of drafts not connected" in ran.out
    (trial,) = (t for t in kho("source", "test", "--json").json if t["agency"] == "b_draft")
    assert (trial["state"], trial["ok"], trial["missing"]) == ("not_connected", False, ["KHO_SOURCE_B_DRAFT"])
    named = kho("source", "test", "b_draft")
    assert named.code == 1 and "KHO_SOURCE_B_DRAFT" in named.out
    monkeypatch.delenv("KHO_SOURCE_A_GOOD")
    active = kho("source", "test")
    assert active.code == 1 and "chưa đặt KHO_SOURCE_A_GOOD" in active.out


def test_agencies_are_asked_side_by_side_and_told_in_order(
    kho: Kho, office: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for agency in "abcdef":
        office(f"{agency}_office")
    together = threading.Barrier(2)
    at_once: list[int] = []
    running = [0]
    lock = threading.Lock()

    def ask(contract: Any, env: Any) -> list[str]:
        with lock:
            running[0] += 1
            at_once.append(running[0])
        together.wait(20)  # one after the other, they would wait here for ever
        with lock:
            running[0] -= 1
        return [contract.agency]

    monkeypatch.setattr("orchestration.sources.trial.test_source", ask)
    trials = kho("source", "test", "--json").json
    assert [t["lines"] for t in trials] == [[f"{agency}_office"] for agency in "abcdef"]
    assert 2 <= max(at_once) <= 4 and {t["state"] for t in trials} == {"ok"}


def test_a_source_that_hangs_is_given_up_and_its_address_not_tried_again(
    kho: Kho, office: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    office("a_hangs")
    folder = assets_root() / "agencies" / "a_hangs"
    text = (folder / "example.yaml").read_text(encoding="utf-8")
    (folder / "second.yaml").write_text(text.replace("example", "second"), encoding="utf-8")
    office("b_breaks")
    office("c_good")
    never, asked = threading.Event(), []

    def ask(contract: Any, env: Any) -> list[str]:
        asked.append(contract.id)
        if contract.agency == "a_hangs":
            never.wait()
        if contract.agency == "b_breaks":
            raise ZeroDivisionError("s3cret")
        return ["được"]

    monkeypatch.setattr("orchestration.sources.trial.test_source", ask)
    ran = kho("source", "test", "--json", "--timeout", "0.2")
    never.set()
    assert ran.code == 1 and "s3cret" not in ran.out + ran.err
    assert [(t["dataset"], t["state"], t["code"]) for t in ran.json] == [
        ("a_hangs.example", "failed", "timeout"),
        ("a_hangs.second", "failed", "timeout"),
        ("b_breaks.example", "failed", "internal"),
        ("c_good.example", "ok", None),
    ]
    assert "0.2" in ran.json[0]["lines"][0] and "a_hangs.second" not in asked
    assert kho("source", "test", "--timeout", "0").code == 2


# -- kho status -------------------------------------------------------------------------------------------------------------


def test_status_tells_trend_rate_and_tickets(kho: Kho, province: Any) -> None:
    units = next(d for d in kho("status", "--json").json["datasets"] if d["dataset"] == "home_affairs.unit_e2")
    assert (units["volume"], len(units["trend"]), units["quarantine_rate"], units["noted"]) == ("new", 2, 0.2, 0)
    assert (units["tickets_open"], units["tickets_overdue"], units["missing"]) == (2, 2, [])
    (channel,) = units["channels"]
    assert channel["deliveries"] == [1, 2] and channel["rows"] == [10, 8] and channel["connection"] == "connected"
    licences = next(d for d in kho("status", "--json").json["datasets"] if d["dataset"] == "health.licence")
    assert licences["channels"][0]["connection"] == "failing" and licences["channels"][0]["failing_since"]
    shown = kho("status").out
    assert "█▆ chưa đủ để so / too few to compare" in shown and "20,00 %" in shown


def test_drafts_not_connected_are_one_line_and_never_behind(
    kho: Kho, province: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.contracts import load_all

    drafts = [c for c in load_all() if c.status == "draft"]
    for variable in {name for c in drafts for name in c.variables}:
        monkeypatch.delenv(variable, raising=False)
    silent = drafts[0]
    found = {d["dataset"]: d for d in kho("status", "--json").json["datasets"]}
    assert found[silent.id]["state"] == "not_connected" and found[silent.id]["missing"] == list(silent.variables)
    assert {d["dataset"] for d in found.values() if d["state"] == "not_connected"} == {c.id for c in drafts}
    shown = kho("status").out
    assert f"{len(drafts)} drafts not connected" in shown and silent.id not in shown
    assert silent.id in kho("status", "--all").out
    for variable in silent.variables:
        monkeypatch.setenv(variable, "/nowhere")
    (now,) = (d for d in kho("status", "--json").json["datasets"] if d["dataset"] == silent.id)
    assert now["state"] == "never" and now["missing"] == []


def test_status_of_one_agency(kho: Kho, province: Any) -> None:
    found = kho("status", "--json", "--agency", "health").json
    assert {d["agency"] for d in found["datasets"]} == {"health"}
    assert [s["subject"] for s in found["subjects"]] == ["health"]
    assert "home_affairs.unit_e2" not in kho("status", "--agency", "health").out
    assert kho("status", "--agency", "nobody").code == 2

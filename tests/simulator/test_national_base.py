"""What all national systems have in common: fault plans, the table of failure modes, the record, the life of a service.

Belongs here: promises of the base that hold for every system, seen through one of them.
Stays out: what a single system answers (its own test).
"""

from __future__ import annotations

import ast
import json
import re
import socket
import subprocess
import sys
import threading
from collections import Counter
from importlib import import_module

import pytest

from simulator.ministry import Ministry
from simulator.national import KINDS, Fault, FaultPlan, Record, Service
from simulator.national import command as national
from simulator.national.dvcqg import SEND, Dvcqg, DvcqgFaults
from simulator.national.modes import AGENCY_MODES, FAULT_MODES
from simulator.national.ndxp import CATEGORIES, ENTERPRISE, Ndxp, NdxpFaults
from simulator.national.population import PopulationFaults

from .national_client import CLOCK, EXAMPLES, ROOT, Lost, curl_of, serve, wait_for

OURS = ("dvcqg", "ndxp", "population")
LISTS = "/dmdc/1.0/AllCategory"
#: What the domain knows to go wrong, one by one.
KNOWN = """
    token_expires unknown_outcome is_updating partial_batch error_code errors_lost status_coarsened internal_links
    procedure_unmapped totals_differ old_commune out_of_order files_resent template_version closed_period rekeyed clock
    nested delivered_twice
"""


@pytest.fixture
def gateway(tmp_path):
    with Ndxp(tmp_path / "ndxp", NdxpFaults(restart_seconds=0.2)) as service:
        yield service


def get(client, path: str = LISTS):
    return client.send("GET", path, headers={"Authorization": f"Bearer {client.session}"})


# --- what goes wrong -------------------------------------------------------------------------------------------------


def test_no_known_failure_is_left_out():
    assert [mode.name for mode in FAULT_MODES] == KNOWN.split()
    for mode in FAULT_MODES:
        assert mode.upstream or mode.agency, f"{mode.name} is simulated nowhere"
        for at in mode.upstream:
            module = import_module(f"simulator.national.{at.system}")
            assert (at.fault is None) != (at.refusal is None)
            assert at.fault is None or at.fault in module.SYSTEM.plan_type.kinds(), f"{mode.name}: {at}"
            assert at.refusal is None or at.refusal in module.MESSAGES, f"{mode.name}: {at}"
    assert len(set(AGENCY_MODES)) == len(AGENCY_MODES) >= 12


def test_every_kind_strikes_somewhere():
    struck = {kind for plan in (DvcqgFaults, NdxpFaults, PopulationFaults) for kind in plan.kinds()}
    assert struck == set(KINDS)


@pytest.mark.parametrize("plan_type", [DvcqgFaults, NdxpFaults, PopulationFaults])
def test_plans_are_seeded_and_readable(tmp_path, plan_type):
    chances = dict.fromkeys(plan_type.kinds(), 0.03)
    plan, other = (plan_type(probabilities=chances, seed=seed) for seed in (7, 8))
    for service, kinds in plan_type.strikes.items():
        struck = Counter(plan.at(service, n, n) for n in range(1, 1501))
        assert set(struck) == {*kinds, None}, "each happens, and only where it makes sense"
        assert all(15 < struck[kind] < 85 for kind in kinds)
        assert [plan.at(service, n, 0) for n in range(1, 300)] == [plan.at(service, n, n) for n in range(1, 300)]
        assert [plan.at(service, n, n) for n in range(1, 300)] != [other.at(service, n, n) for n in range(1, 300)]
    file = tmp_path / "plan.json"
    for one in (plan, plan_type((Fault(2, "drop"),), services=("token",), poison=("x",)), plan_type(token_requests=3)):
        file.write_text(one.json())
        assert plan_type.read(file) == one == plan_type.read(one.json())
    silent = plan_type(probabilities={"drop": 1.0}, services=("token",))
    assert {silent.at(service, 1, 1) for service in plan_type.strikes} == {"drop", None}


def test_plans_that_make_no_sense_are_refused(tmp_path):
    for wrong in (
        '{"faults": [{"request": 1, "kind": "gremlin"}]}',
        '{"probabilities": {"lax_order": 1}}',
        "{",
        "[]",
        '{"x": 1}',
    ):
        with pytest.raises(ValueError, match="gremlin|lax_order|Unreadable"):
            NdxpFaults.read(wrong)
    with pytest.raises(ValueError, match="XinChao"):
        NdxpFaults((Fault(1, "drop", "XinChao"),))
    with pytest.raises(TypeError, match="NdxpFaults"):
        Ndxp(tmp_path, DvcqgFaults())
    assert FaultPlan().kinds() == ()


def test_faults_without_a_service_count_all_of_them(gateway):
    gateway.plan = NdxpFaults((Fault(3, "error_code"), Fault(2, "error502", "token")))
    client = curl_of(gateway)
    assert [client.token(), client.token(), client.token()] == [200, 502, 200]
    paths = [LISTS, f"/apiCSDLDKDN/1.0/{ENTERPRISE}?msdn=1", LISTS, LISTS]
    assert [get(client, path)[1]["error_code"] for path in paths] == ["00", "12", "99", "00"]
    assert [(r.service, r.number, r.fault) for r in gateway.record.requests() if r.fault] == [
        ("token", 2, "error502"), (CATEGORIES, 2, "error_code"),
    ]  # fmt: skip


# --- the wire --------------------------------------------------------------------------------------------------------


def test_who_is_not_let_in_is_not_counted(gateway):
    client = curl_of(gateway)
    assert get(client)[1]["fault"]["code"] == 900901
    assert client.send("GET", LISTS)[1]["fault"]["code"] == 900902
    assert get(client, "/dmdc/2.0/AllCategory")[0] == 404 and client.send("POST", LISTS)[0] == 404
    client.token()
    get(client)
    assert [(r.service, r.number, r.status) for r in gateway.record.requests()] == [
        (CATEGORIES, None, 401), (CATEGORIES, None, 401), ("token", 1, 200), (CATEGORIES, 1, 200),
    ]  # fmt: skip
    assert client.secret not in str(gateway.record.requests()), "no password in the record"


def test_a_request_that_ends_in_the_middle_is_none(gateway):
    for length in ("1000", "x"):
        with socket.create_connection(("127.0.0.1", gateway._port)) as connection:
            head = f"POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\ngrant"
            connection.sendall(head.encode())
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(1000)
        assert answer.startswith(b"HTTP/1.1 400") if length == "x" else answer == b""
    assert not gateway.record.requests()


def test_tokens_wear_out(gateway):
    gateway.plan = NdxpFaults(token_requests=2)
    client = curl_of(gateway)
    client.token()
    assert [get(client)[0] for _ in range(4)] == [200, 200, 401, 401]
    gateway.plan = NdxpFaults(token_seconds=60)
    client.token()
    first = client.session
    assert get(client)[0] == 200
    gateway.plan = NdxpFaults(token_seconds=0)
    assert get(client)[0] == 401
    client.token()
    assert client.session != first


def test_poison_kills_whatever_brings_it(tmp_path):
    with Dvcqg(tmp_path, DvcqgFaults(poison=("H05-261117-0002",))) as portal:
        client = curl_of(portal)
        client.send("POST", "/mapi/login", {"username": client.key, "password": client.secret})
        envelope = {"session": client.session, "madonvi": "H05", "service": SEND, "isUpdating": "False"}
        headers = {"dstcode": "VN:GOV:000.00.00.G22:vpcpdvcprovider"}
        for items, status in ((["1"], 200), (["1", "2"], 500), (["2"], 500)):
            body = envelope | {"data": [{"MaHoSo": f"H05-261117-000{number}"} for number in items]}
            assert client.send("POST", "/mapi/g", body, headers)[0] == status


# --- life ------------------------------------------------------------------------------------------------------------


def test_down_and_up_and_started_again(tmp_path):
    with Ndxp(tmp_path) as first:
        client = curl_of(first)
        client.token()
        first.down()
        with pytest.raises(Lost):
            get(client)
        first.up()
        assert get(client)[0] == 401, "the old token is dead"
        client.token()
        assert get(client)[0] == 200
        first.record.set_clock(CLOCK)
    with pytest.raises(Lost):
        get(client)
    with Ndxp(tmp_path, NdxpFaults((Fault(2, "error502", CATEGORIES),))) as second:
        assert (second.base, second.key, second.secret) == (client.base, client.key, client.secret)
        client.token()
        assert get(client)[0] == 502, "requests are counted on"
        assert 0 <= (second._hold().now() - CLOCK).total_seconds() < 60, "the clock goes on"
    assert len(second.record.requests()) == 6, "and can still be read"


def test_down_by_hand_wins_over_a_restart(gateway):
    gateway.plan = NdxpFaults((Fault(1, "restart"),), restart_seconds=0.3)
    client = curl_of(gateway)
    client.token()
    with pytest.raises(Lost):
        get(client)
    gateway.down()
    wait_for(lambda: not any(t.name == "restart" for t in threading.enumerate()), "never tried to return")
    assert not gateway.is_up
    gateway.up()
    assert client.token() == 200


def test_a_request_is_written_down_whole_or_not_at_all(gateway, monkeypatch, capfd):
    client = curl_of(gateway)
    client.token()
    monkeypatch.setattr(Ndxp, "perform", broken)
    with pytest.raises(Lost):
        get(client)
    assert "the program fails" in capfd.readouterr().err
    assert not gateway.record.objects("thing") and not gateway.record.effects()
    assert [r.service for r in gateway.record.requests()] == ["token"]
    monkeypatch.undo()
    assert get(client)[0] == 200, "and it goes on"


def broken(self, call, writing):
    writing.put("thing", "insert", "1", {}, "")
    raise RuntimeError("the program fails")


def test_what_is_changed_behind_its_back_leaves_no_effect(gateway):
    record = gateway.record
    record.alter("thing", add={"1": {"a": "x"}, "2": {"a": "y"}, "3": {}})
    record.alter("thing", remove=["3"], change={"2": {"b": "z"}})
    assert record.objects("thing") == {"1": {"a": "x"}, "2": {"a": "y", "b": "z"}}
    with pytest.raises(ValueError, match="no such thing"):
        record.alter("thing", remove=["1", "9"])
    assert set(record.objects("thing")) == {"1", "2"}, "all or nothing"
    assert not record.effects() and not record.objects("other")
    with pytest.raises(ValueError, match="no record"):
        Record(gateway.home / "elsewhere").effects()


# --- processes and files -----------------------------------------------------------------------------------------------


def test_every_system_is_found_by_its_name():
    assert set(OURS) <= set(national.names())
    for name in OURS:
        made = national.system(name)
        assert issubclass(made, Service) and made.name == name
        assert (EXAMPLES / f"{name}.json").exists(), "messages that anybody can send"
    assert issubclass(Ministry, Service), "the ministry's health system stands on the same base"


def test_a_process_ends_well_and_says_what_is_wrong(tmp_path):
    process, client = serve("ndxp", tmp_path, "--key", "khoa", "--secret", "mat-khau")
    assert (client.key, client.secret) == ("khoa", "mat-khau") and client.token() == 200
    assert (tmp_path / "ndxp.json").stat().st_mode & 0o077 == 0
    process.terminate()
    assert process.wait(20) == 0 and not (tmp_path / "ndxp.json").exists()
    for arguments, said in ((["xyz"], "No such system"), (["ndxp", "--faults", "{"], "Unreadable")):
        program = "from simulator.national.command import national; national()"
        command = [sys.executable, "-c", program, *arguments, "--home", str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 1 and said in done.stderr


def test_national_systems_stand_alone():
    """They know neither the province nor its agencies' systems nor whoever sends."""
    allowed = {"simulator.clock", "simulator.gateway"}
    for file in sorted((ROOT / "simulator" / "national").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if isinstance(node, ast.ImportFrom) and node.module == "simulator":
                names = [f"simulator.{each.name}" for each in node.names]
            for name in names:
                ours = name.startswith("simulator.") and not name.startswith("simulator.national")
                assert not name.startswith("orchestration") and (not ours or name in allowed), f"{file.name}: {name}"


def test_examples_hold_no_real_person():
    for file in EXAMPLES.glob("*.json"):
        text = file.read_text(encoding="utf-8")
        json.loads(text)
        real = [number for number in re.findall(r"\b[0-9]{12}\b", text) if number[:3] not in ("097", "098", "099")]
        assert not real, f"{file.name}: {real}"

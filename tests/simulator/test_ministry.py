"""The ministry's health system, seen with a plain HTTP client and by its record.

Belongs here: that it refuses what it should, forgets nothing when killed, and knows the box's story.
Stays out: its faults (`test_ministry_faults`), how anybody sends to it.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from simulator.ministry import Fault, Ministry, MinistryFaults, Record
from simulator.run import ProvinceInABox
from simulator.story import datasets as ds
from simulator.story.nights import Story

from .ministry_client import ASK, BUCKETS, DELETE, LIST, LOST, SEND, Client, client_of, item, wait_for

ROOT = Path(__file__).parents[2]


@pytest.fixture
def ministry(tmp_path):
    with Ministry(tmp_path / "bo", ["24001", "24002"]) as service:
        yield service


@pytest.fixture
def client(ministry):
    return client_of(ministry)


# --- protocol --------------------------------------------------------------------------------------------------------


def test_token_and_gateway_refusals(ministry, client):
    good = client.headers["Authorization"]
    assert Client(ministry.base, ministry.key, "sai").login() == 401
    for authorization, code in (("Bearer sai", 900901), ("", 900902)):
        client.headers["Authorization"] = authorization
        status, content = client.call(SEND, [item(1)])
        assert (status, content["fault"]["code"]) == (401, code)
    client.headers["Authorization"] = good
    path, headers = f"/apiYTe/1.0/{SEND}", client.headers
    assert client.post(path, "{", headers)[0] == 400
    assert client.post(path, '{"data": 1}', headers)[0] == 400
    assert client.call(SEND, [item(1) | {"TrangThai": 1}])[0] == 400, "every value is a string"
    assert client.post("/apiYTe/1.0/XinChao", "{}", headers)[0] == 404
    client.headers = {name: value for name, value in headers.items() if name != "dstcode"}
    assert client.call(SEND, [item(1)])[0] == 400
    assert not ministry.record.effects()


@pytest.mark.parametrize(
    ("code", "service", "count", "updating", "envelope"),
    [
        ("02", SEND, 1, "true", {}),
        ("02", SEND, 1, "", {}),
        ("02", DELETE, 1, "False", {}),
        ("03", SEND, 501, "False", {}),
        ("03", ASK, 1001, "False", {}),
        ("05", SEND, 1, "False", {"madonvi": "H05.99"}),
        ("06", SEND, 1, "False", {"service": DELETE}),
    ],
)
def test_envelope_refusals(ministry, client, code, service, count, updating, envelope):
    status, content = client.call(service, [item(n) for n in range(count)], updating, **envelope)
    assert (status, content["error_code"]) == (200, code) and content["message"]
    assert content.get("soBanGhi", "0") == "0"
    assert not ministry.record.effects() and not ministry.record.processed()


def test_limits_are_inclusive(client):
    assert client.call(SEND, [item(n) for n in range(500)])[1]["soBanGhi"] == "500"
    assert len(client.call(ASK, [{"MaThongDiep": f"m{n}"} for n in range(1000)])[1]["data"]) == 500


@pytest.mark.parametrize(
    ("code", "change"),
    [
        *(("20", {name: ""}) for name in ("MaThongDiep", "SoGiayPhep", "MaCSKCB", "NgayCap", "TrangThai")),
        ("21", {"NgayCap": "20230229000000"}),
        ("21", {"NgayHetHan": "2030-01-01"}),
        ("21", {"ThoiDiemCapNhat": "20261119"}),
        ("22", {"TrangThai": "4"}),
        ("23", {"MaCSKCB": "24999"}),
        ("24", {"NgayHetHan": "20200130235959"}),
        ("11", {"SoGiayPhep": "00000/BN-GPHĐ"}),
    ],
)
def test_item_refusals_on_insert(ministry, client, code, change):
    client.call(SEND, [item(0)])
    status, content = client.call(SEND, [item(1), item(2) | change, item(3)])
    assert (status, content["error_code"], content["soBanGhi"]) == (200, "00", "2"), "the others are applied"
    assert [(e["MaThongDiep"], e["maLoi"]) for e in content["loi"]] == [((item(2) | change)["MaThongDiep"], code)]
    assert content["loi"][0]["moTa"]
    assert [r.code for r in ministry.record.refusals()] == [code]
    asked = client.call(ASK, [{"MaThongDiep": m} for m in ("m2", "m3", "never")])[1]["data"]
    told = {entry["MaThongDiep"]: entry["maLoi"] for entry in asked}
    assert told == {"m3": "00"} | ({"m2": code} if change.get("MaThongDiep") != "" else {})


def test_updates_and_deletes_need_their_key_and_are_not_deduplicated(ministry, client):
    client.call(SEND, [item(1, "a")])
    for message, expected in (("b", "00"), ("b", "00"), ("a", "11")):
        content = client.call(SEND, [item(1, message, TrangThai="2")], "False" if message == "a" else "True")[1]
        assert [e["maLoi"] for e in content["loi"]] == ([] if expected == "00" else [expected])
    assert client.call(SEND, [item(9)], "True")[1]["loi"][0]["maLoi"] == "12"
    ministry.know(["24002"])
    assert client.call(DELETE, [item(1, "d")], "True")[1]["soBanGhi"] == "1", "its facility may be gone already"
    assert client.call(DELETE, [item(1, "d")], "True")[1]["loi"][0]["maLoi"] == "12"
    effects = [(e.operation, e.message_id, e.previous) for e in ministry.record.effects()]
    assert effects == [("insert", "a", None), ("update", "b", "a"), ("update", "b", "b"), ("delete", "d", "b")]
    assert [e.content["TrangThai"] for e in ministry.record.effects()] == ["1", "2", "2", "2"]
    assert not ministry.record.licences()
    ministry.know(None)
    assert client.call(SEND, [item(2, MaCSKCB="nowhere")])[1]["soBanGhi"] == "1"


def test_buckets_against_an_independent_computation(client):
    items = [
        item(n, NgayHetHan="" if n % 3 else f"2030010{1 + n % 9}000000", PhamVi=f"Phạm vi {n}") for n in range(400)
    ]
    client.call(SEND, items)
    expected: dict[str, list[int]] = {}
    for one in items:
        names = sorted((name for name in one if name != "MaThongDiep"), key=lambda name: name.encode("utf-8"))
        record = hashlib.md5("\u001f".join(one[name] for name in names).encode("utf-8")).hexdigest()[:16]
        expected.setdefault(hashlib.md5(one["SoGiayPhep"].encode("utf-8")).hexdigest()[:2], []).append(int(record, 16))
    told = client.call(BUCKETS, [])[1]["data"]
    assert len(told) == len(expected) < 256, "empty buckets are absent"
    for entry in told:
        total = 0
        for number in expected[entry["nhom"]]:
            total ^= number
        assert (entry["soBanGhi"], entry["maBam"]) == (str(len(expected[entry["nhom"]])), format(total, "016x"))


def test_list_by_pages_and_buckets(client):
    items = {one["SoGiayPhep"]: one for one in (item(n) for n in range(30, 0, -1))}
    client.call(SEND, list(items.values()))
    pages = [client.call(LIST, [{"trang": str(page), "kichThuoc": "12"}])[1] for page in (1, 2, 3, 4)]
    assert [(len(p["data"]), p["tongSo"], p["trang"]) for p in pages] == [
        (12, "30", "1"), (12, "30", "2"), (6, "30", "3"), (0, "30", "4"),
    ]  # fmt: skip
    rows = [row for page in pages for row in page["data"]]
    assert [row["SoGiayPhep"] for row in rows] == sorted(items)
    assert all(
        row | {"MaThongDiep": items[row["SoGiayPhep"]]["MaThongDiep"]} == items[row["SoGiayPhep"]] for row in rows
    )
    assert all("MaThongDiep" not in row for row in rows)
    for bucket in client.call(BUCKETS, [])[1]["data"]:
        content = client.call(LIST, [{"trang": "1", "kichThuoc": "500", "nhom": bucket["nhom"]}])[1]
        assert content["tongSo"] == bucket["soBanGhi"] == str(len(content["data"]))
    for wrong in ([], [{"trang": "0"}], [{"kichThuoc": "501"}]):
        assert client.call(LIST, wrong)[1]["error_code"] == "01"


# --- memory ----------------------------------------------------------------------------------------------------------


def test_started_again_it_goes_on(tmp_path):
    with Ministry(tmp_path, None) as first:
        client_of(first).call(SEND, [item(1)])
    with Ministry(tmp_path, None, MinistryFaults((Fault(2, "error_code"),))) as second:
        assert (second.base, second.key, second.secret) == (first.base, first.key, first.secret)
        client = client_of(second)
        assert client.call(SEND, [item(1)])[1]["error_code"] == "99", "requests are counted on"
        assert client.call(SEND, [item(1)])[1]["loi"][0]["maLoi"] == "11"
    assert list(second.record.licences()) == ["00001/BN-GPHĐ"] and len(second.record.effects()) == 1


def test_tampering_leaves_no_effect(ministry, client):
    client.call(SEND, [item(n) for n in range(4)])
    before = {b["nhom"]: b for b in client.call(BUCKETS, [])[1]["data"]}
    ministry.tamper(remove=["00000/BN-GPHĐ"], change={"00001/BN-GPHĐ": {"TrangThai": "3"}}, add=[item(9)])
    listed = client.call(LIST, [{"trang": "1", "kichThuoc": "500"}])[1]["data"]
    assert [(row["SoGiayPhep"][:5], row["TrangThai"]) for row in listed] == [
        ("00001", "3"), ("00002", "1"), ("00003", "1"), ("00009", "1"),
    ]  # fmt: skip
    assert {b["nhom"]: b for b in client.call(BUCKETS, [])[1]["data"]} != before
    assert len(ministry.record.effects()) == 4
    with pytest.raises(ValueError, match="no such licence"):
        ministry.tamper(add=[item(8)], remove=["none"])
    assert "00008/BN-GPHĐ" not in ministry.record.licences(), "all or nothing"
    change = ("--change", "00002/BN-GPHĐ", "PhamVi", "Khác", "--remove", "00003/BN-GPHĐ", "--add", json.dumps(item(7)))
    assert cli("tamper", "--home", ministry.home, *change).returncode == 0
    held = ministry.record.licences()
    assert sorted(key[:5] for key in held) == ["00001", "00002", "00007", "00009"]
    assert held["00002/BN-GPHĐ"]["PhamVi"] == "Khác"
    assert "no such licence" in cli("tamper", "--home", ministry.home, "--remove", "none").stderr
    assert "no record" in cli("tamper", "--home", ministry.home / "other").stderr


def cli(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "simulator", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False)


def serve(home: Path, *options: str) -> tuple[subprocess.Popen[bytes], Client]:
    (home / "ministry.json").unlink(missing_ok=True)
    command = [sys.executable, "-m", "simulator", "ministry", "--home", str(home), "--any-facility", *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    wait_for(lambda: (home / "ministry.json").exists() or process.poll() is not None, "not ready")
    ready = json.loads((home / "ministry.json").read_text())
    client = Client(ready["url"], ready["key"], ready["secret"])
    assert client.login() == 200
    return process, client


def test_the_record_survives_kills_in_the_middle_of_the_load(tmp_path):
    """Every answered batch is there, every unanswered one is there whole or not at all, and nothing else is."""
    answered: set[int] = set()
    sent = 0
    addresses = set()
    for _ in range(3):
        process, client = serve(tmp_path)
        addresses.add((client.connection.port, client.pair))
        try:
            goal = len(answered) + 4
            while True:
                batch, sent = sent, sent + 1
                if len(answered) == goal:  # this one is on its way when the process dies
                    threading.Timer(0.003, process.kill).start()
                try:
                    content = client.call(SEND, [item(batch * 500 + n) for n in range(500)])[1]
                except LOST:
                    break
                assert content["soBanGhi"] == "500"
                answered.add(batch)
        finally:
            process.kill()
            assert process.wait() == -signal.SIGKILL
    assert len(addresses) == 1, "same port, key and secret"
    process, client = serve(tmp_path)
    try:
        held = Counter(int(e.message_id[1:]) // 500 for e in Record(tmp_path).effects())
        assert set(held.values()) == {500} and answered <= set(held) <= set(range(sent))
        assert len(Record(tmp_path).licences()) == len(held) * 500
        last = {"MaThongDiep": f"m{max(answered) * 500}"}
        assert client.call(ASK, [last])[1]["data"] == [last | {"maLoi": "00"}]
        assert sum(r.count for r in Record(tmp_path).requests() if r.service == SEND) == len(held) * 500
    finally:
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(20) == 0
    assert not (tmp_path / "ministry.json").exists()


# --- the box ---------------------------------------------------------------------------------------------------------


def message(row: dict, name: str) -> dict[str, str]:
    day = {None: ""} | {d: f"{d:%Y%m%d}000000" for d in (row["issued_on"], row["expires_on"]) if d}
    status = {"HIEU_LUC": "1", "TAM_DINH_CHI": "2", "THU_HOI": "3"}[row["status"]]
    dates = {"NgayCap": day[row["issued_on"]], "NgayHetHan": day[row["expires_on"]], "TrangThai": status}
    return item(0, name, SoGiayPhep=row["licence_no"], MaCSKCB=row["facility_code"], **dates)


def test_two_licences_are_refused_and_one_of_them_is_mended(tmp_path):
    with ProvinceInABox(tmp_path, 24, 0.02, ministry_faults=MinistryFaults()) as box:
        where, key, secret, settle = (box.env[f"KHO_{name}"] for name in (
            "NATIONAL_HEALTH", "NATIONAL_HEALTH_KEY", "NATIONAL_HEALTH_SECRET", "EXCHANGE_SETTLE"))  # fmt: skip
        assert float(settle) == 0.5
        client = Client(where, key, secret)
        client.login()
        content = client.call(SEND, [message(r, r["licence_no"]) for r in box.truth.rows[ds.LICENCE.id]])[1]
        assert sorted(e["MaThongDiep"] for e in content["loi"]) == box.refused and len(box.refused) == 2
        assert {e["maLoi"] for e in content["loi"]} == {"23"}
        first = box.refused
        box.down("ministry")
        with pytest.raises(LOST):
            client.login()
        box.night(3)
        assert not box.ministry.is_up, "only those who took it down bring it up"
        box.up("ministry")
        client.login()
        changed = {key[0] for key in box.truth.updated[ds.LICENCE.id]}
        (mended,) = set(first) - set(box.refused)
        assert mended in changed and len(box.refused) == 1 and not changed & set(box.refused)
        rows = {row["licence_no"]: row for row in box.truth.rows[ds.LICENCE.id]}
        again = [message(rows[number], f"again {number}") for number in first]
        assert [e["MaThongDiep"] for e in client.call(SEND, again)[1]["loi"]] == [f"again {box.refused[0]}"]
        assert box.refused[0] in cli("expected", "--night", 3, "--scale", 0.02).stdout


@pytest.mark.parametrize(("seed", "scale"), [(24, 0.1), (0, 0.02), (1, 0.003), (2, 0.05)])
def test_the_ministrys_list_lacks_exactly_the_refused_ones(seed, scale):
    province, same = Story(seed, scale), Story(seed, scale)
    assert [same.refused_upstream(n) for n in (3, 2, 1)] == [province.refused_upstream(n) for n in (3, 2, 1)]
    for night in (1, 2, 3):
        known, rows = province.known_upstream(night), province.night(night).rows[ds.LICENCE.id]
        strangers = sorted(row["licence_no"] for row in rows if row["facility_code"] not in known)
        assert strangers == province.refused_upstream(night) and len(strangers) == (1 if night == 3 else 2)
    (mended,) = set(province.refused_upstream(1)) - set(province.refused_upstream(3))
    assert (mended,) in province.night(3).updated[ds.LICENCE.id]

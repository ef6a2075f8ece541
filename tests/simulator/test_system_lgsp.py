"""The provincial platform and the communes' deliveries, seen with curl.

Belongs here: who is let in, pages, changes, receipts, and every fault of the plan. Stays out: the box.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

import simulator.systems as systems
from simulator.systems.commune_rest import CommuneRest
from simulator.systems.lgsp import Lgsp
from simulator.systems.plan import REST_KINDS, Fault, FaultPlan
from simulator.views import writers

from .systems_curl import FAILED, bearer, curl
from .systems_fakes import TinyProvince, person_view, truth

PLACE = "/apiDanCu/1.0/congDan"


def lgsp(tmp_path, plan=None):
    system = Lgsp(tmp_path / "lgsp", [person_view("lgsp", PLACE)], plan or FaultPlan(), tmp_path / "lgsp.jsonl")
    system.load(TinyProvince(), 0)
    system.start()
    return system


@pytest.fixture
def system(tmp_path):
    found = lgsp(tmp_path)
    yield found
    found.stop()


def let_in(system):
    env = system.env
    return bearer(env["url"], env["key"], env["secret"])


def pages(system, since=None, size=200):
    """All rows, page by page."""
    headers, rows, number = let_in(system), [], 1
    while True:
        query = f"?trang={number}&kichThuoc={size}" + (f"&tuNgay={since}" if since else "")
        content = curl(system.web.base + PLACE + query, headers=headers).json
        assert (content["error_code"], content["trang"]) == ("00", str(number))
        rows += content["data"]
        if len(content["data"]) < size:
            assert len(rows) == int(content["tongSo"])
            return rows
        number += 1


def wire(row):
    """A person as the platform writes it."""
    return {
        "so_dinh_danh": row["code"],
        "ho_ten": row["name"],
        "ngay_sinh": f"{row['born']:%Y%m%d}000000",
        "so_tien": f"{row['amount']}",
        "con_song": f"{row['alive']}",
        "ghi_chu": row["note"] or "",
        "ma_xa": row["commune"],
        "cap_nhat_luc": f"{row['changed']:%Y%m%d%H%M%S}",
    }


def in_order(day):
    return [wire(row) for row in sorted(truth(day), key=lambda row: (row["changed"], row["id"]))]


def test_pages_hold_everything_as_texts_in_the_order_of_change(system):
    assert pages(system) == in_order(0)
    system.advance(TinyProvince(), 1)
    system.advance(TinyProvince(), 2)
    assert pages(system, size=499) == in_order(2)
    since = "20261121080130"
    changed = [row for row in in_order(2) if row["cap_nhat_luc"] >= since]
    assert pages(system, since, 7) == changed and 10 < len(changed) < 100
    system.load(TinyProvince(), 4)
    assert pages(system) == in_order(4), "anew is the same as step by step"


def test_a_service_without_a_moment_of_change_says_so_and_keeps_its_order(tmp_path):
    view = person_view("lgsp", PLACE)
    plain = replace(view, columns=view.columns[:2])
    system, anew = (Lgsp(tmp_path / n, [plain], FaultPlan(), tmp_path / f"{n}.jsonl") for n in ("a", "b"))
    system.load(TinyProvince(), 1)
    system.advance(TinyProvince(), 2)
    anew.load(TinyProvince(), 2)
    system.start()
    anew.start()
    try:
        assert pages(system) == pages(anew) == [{k: wire(r)[k] for k in ("so_dinh_danh", "ho_ten")} for r in truth(2)]
        reply = curl(f"{system.web.base}{PLACE}?tuNgay=20261119000000", headers=let_in(system))
        assert reply.json["error_code"] == "02"
    finally:
        system.stop()
        anew.stop()


def test_bad_parameters_are_answered_with_a_code(system):
    headers = let_in(system)
    for query in ("trang=0", "kichThuoc=1001", "trang=x", "tuNgay=2026-11-20", "tuNgay=20261399000000"):
        reply = curl(f"{system.web.base}{PLACE}?{query}", headers=headers)
        assert (reply.status, reply.json["error_code"], reply.json["data"]) == (200, "01", []), query
    assert curl(f"{system.web.base}/apiDanCu/1.0/khac", headers=headers).status == 404


def test_who_is_let_in(system):
    url, application, stranger = system.web.base + PLACE, system.env["headers"], system.web.stranger.headers
    assert curl(url, headers=application).json["tongSo"] == "500"
    for name in application:
        without = {other: value for other, value in application.items() if other != name}
        assert curl(url, headers=without).status == 401, name
    wrong = {"AppName": 401, "AccessKey": 401, "SecretKey": 401, "PartnerCode": 403}
    for name, status in wrong.items():
        assert curl(url, headers=application | {name: "khac"}).status == status, name
    reply = curl(url, headers=stranger)
    assert reply.status == 403 and "chưa được cấp quyền" in reply.json["message"]
    assert curl(url).status == 401 and curl(url, headers={"Authorization": "Bearer x"}).json["fault"]["code"] == 900901
    assert curl(f"{system.web.base}/token", "--user", "a:b", "--data", "grant_type=client_credentials").status == 401


def test_over_the_quota_one_must_wait(system):
    system.web.quota, system.web.quota_seconds = 2, 600.0
    url, headers = system.web.base + PLACE, system.env["headers"]
    assert [curl(url, headers=headers).status for _ in range(2)] == [200, 200]
    reply = curl(url, headers=headers)
    assert reply.status == 429 and 0 < int(reply.headers["Retry-After"]) <= 601
    assert curl(url, headers=system.web.stranger.headers).status == 403, "the quota is the application's own"


def test_it_remembers_what_was_asked_and_no_secrets(system):
    headers = let_in(system)
    curl(f"{system.web.base}{PLACE}?kichThuoc=2&token=verborgen", headers=headers)
    entries = curl(f"{system.web.base}/__record").json
    assert [(e["method"], e["path"], e["status"], e["rows"]) for e in entries] == [
        ("POST", "/token", 200, 0),
        ("GET", PLACE, 200, 2),
    ]
    text = system.web.record.file.read_text()
    for secret in (headers["Authorization"].split()[1], system.env["secret"], "verborgen", "Nguyễn"):
        assert secret not in text


def shape(content):
    """Names and types, whatever the values; a list is as its first item."""
    if isinstance(content, dict):
        return {name: shape(value) for name, value in content.items()}
    return [shape(content[0])] if isinstance(content, list) and content else type(content).__name__


def example(name):
    return json.loads((Path(systems.__file__).parent / "examples" / f"{name}.json").read_text(encoding="utf-8"))


def test_the_committed_messages_are_those_of_the_platform(system):
    url, application = system.web.base + PLACE, system.env["headers"]
    page, shown = curl(f"{url}?kichThuoc=1", headers=application).json, example("lgsp_page")
    assert {type(value) for value in shown["data"][0].values()} == {str} == {type(v) for v in page["data"][0].values()}
    assert shape(page | {"data": "rows"}) == shape(shown | {"data": "rows"})
    user = f"{system.web.key}:{system.web.secret}"
    token = curl(f"{system.web.base}/token", "--user", user, "--data", "grant_type=client_credentials").json
    assert shape(token) == shape(example("token"))
    assert curl(url, headers=system.web.stranger.headers).json == example("lgsp_forbidden")
    assert curl(url, headers={"Authorization": "Bearer x"}).json == example("lgsp_unauthorised")
    system.web.plan = FaultPlan((Fault("lgsp", 2, "too_many"), Fault("lgsp", 3, "error_code")))
    assert curl(url, headers=application).json == example("lgsp_throttled")
    assert curl(url, headers=application).json == example("lgsp_error")


def struck(system, kind, url, headers):
    """What curl makes of the next request, for a plan that strikes it with a kind."""
    reply = curl(url, headers=headers, seconds=5)
    if kind == "too_many":
        assert reply.status == 429 and reply.headers["Retry-After"] == "1"
    elif kind == "bad_gateway":
        assert reply.status == 502 and reply.headers["Content-Type"] == "text/html"
    elif kind == "timeout":
        assert reply.code == FAILED["empty"]
    elif kind == "cut":
        assert reply.code == FAILED["partial"] and reply.status == 200
    elif kind == "slow":
        assert reply.json["error_code"] == "00"
    elif kind == "error_code":
        assert reply.status == 200 and reply.json["error_code"] == "99" and not reply.json["data"]
    elif kind == "expired":
        assert reply.status == 401
        assert curl(url, headers=headers).status == 401, "the token is dead"
        return let_in(system)
    return headers


@pytest.mark.parametrize("seed", [1, 24])
def test_every_fault_of_a_seeded_plan_really_happens(tmp_path, seed):
    plan = FaultPlan.seeded(seed, slow_seconds=0.2, timeout_seconds=0.2)
    expected = {fault.request: fault.kind for fault in plan.faults if fault.system == "lgsp"}
    assert sorted(expected.values()) == sorted(REST_KINDS) and set(expected) == {2, 4, 6, 8, 10, 12, 14}
    assert plan == FaultPlan.read(plan.json()) == FaultPlan.seeded(seed, slow_seconds=0.2, timeout_seconds=0.2)
    system = lgsp(tmp_path, plan)
    try:
        headers, url = let_in(system), f"{system.web.base}{PLACE}?kichThuoc=5"
        for request in range(1, 16):
            headers = struck(system, expected.get(request, "slow"), url, headers)
        faults = [e["fault"] for e in system.record() if e["path"] == PLACE and (e["fault"] or e["status"] == 200)]
    finally:
        system.stop()
    assert [fault for fault in faults if fault] == [expected[n] for n in sorted(expected)]


def test_a_plan_strikes_at_its_rates_and_others_order_differently():
    plan = FaultPlan(rates={"cut": 0.1, "slow": 0.2}, seed=3)
    drawn = [plan.at("lgsp", n) for n in range(1, 5001)]
    assert abs(drawn.count("cut") - 500) < 100 and abs(drawn.count("slow") - 1000) < 120
    assert drawn == [plan.at("lgsp", n) for n in range(1, 5001)] != [plan.at("xroad", n) for n in range(1, 5001)]
    orders = {tuple(f.kind for f in FaultPlan.seeded(seed).faults) for seed in range(5)}
    assert len(orders) == 5
    with pytest.raises(ValueError, match="No such kind of fault: nap"):
        FaultPlan.read('{"rates": {"nap": 1}}')
    with pytest.raises(ValueError, match="No such system: fax"):
        FaultPlan((Fault("fax", 1, "cut"),))


# -- communes ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def communes(tmp_path):
    views = [
        person_view("commune_rest", "/dan", "text", "commune", group="ma_xa"),
        person_view("commune_rest", "/dan", "text", "commune_09208", id="commune_09208.log"),
    ]
    plan = FaultPlan(rates={"again": 1.0})
    system = CommuneRest(
        tmp_path / "communes", views, plan, tmp_path / "c.jsonl", writers.grouped, {"commune_09208.log"}
    )
    system.load(TinyProvince(), 0)
    system.start()
    yield system
    system.stop()


def test_a_delivery_is_what_its_receipt_says(communes):
    headers, base = let_in(communes), communes.web.base
    assert curl(f"{base}/xa", headers=headers).json["data"] == ["07210", "07213", "09208"]
    listed = curl(f"{base}/xa/09208/giao-nhan?ngay=20261119", headers=headers).json["data"]
    assert [one["SoBienNhan"] for one in listed] == ["BN09208-261119-001", "BN09208-261119-002"]
    for receipt in listed:
        reply = curl(f"{base}/xa/09208/giao-nhan/{receipt['SoBienNhan']}", headers=headers)
        assert hashlib.sha256(reply.body).hexdigest() == receipt["SHA256"] == reply.headers["X-SHA256"]
        assert str(len(reply.body)) == receipt["KichThuoc"]
        assert len(reply.json["data"]) == int(receipt["SoDong"]) and reply.json["SoBienNhan"] == receipt["SoBienNhan"]
    first = curl(f"{base}/xa/09208/giao-nhan/BN09208-261119-001", headers=headers).json["data"]
    of_commune = [row for row in truth(0) if row["commune"] == "09208"]
    assert [row["ho_ten"] for row in first] == [row["name"] for row in of_commune]
    assert [row["ghi_chu"] for row in first] == [row["note"] or "" for row in of_commune]
    assert curl(f"{base}/xa/09208/giao-nhan").status == 401
    assert curl(f"{base}/xa/09999/giao-nhan", headers=headers).status == 404


def test_a_delivery_is_confirmed_only_as_it_is(communes):
    headers, url = let_in(communes), f"{communes.web.base}/xa/07210/giao-nhan/BN07210-261119-001"
    (receipt,) = curl(f"{communes.web.base}/xa/07210/giao-nhan", headers=headers).json["data"]
    right = {"SHA256": receipt["SHA256"], "SoDong": receipt["SoDong"]}
    answers = [right, right | {"SoDong": "1"}, right | {"SHA256": "0" * 64}, {"SHA256": "x"}, [1]]
    codes = [curl(url, "--json", json.dumps(body), headers=headers).json for body in answers]
    assert [one["error_code"] for one in codes] == ["00", "03", "03", "01", "01"]
    assert codes[0]["MaXacNhan"].startswith("XN-")


def test_the_committed_messages_are_those_of_the_communes(communes):
    headers, base = let_in(communes), f"{communes.web.base}/xa/07210/giao-nhan"
    listed = curl(base, headers=headers).json
    assert shape(listed) == shape(example("commune_receipts"))
    number, sha256, rows = (listed["data"][0][name] for name in ("SoBienNhan", "SHA256", "SoDong"))
    delivered = curl(f"{base}/{number}", headers=headers).json
    assert shape(delivered | {"data": []}) == shape(example("commune_delivery") | {"data": []})
    body = json.dumps({"SHA256": sha256, "SoDong": rows})
    assert shape(curl(f"{base}/{number}", "--json", body, headers=headers).json) == shape(
        example("commune_confirmation")
    )


def test_the_next_day_brings_its_deliveries_and_the_old_ones_again(communes):
    before = curl(f"{communes.web.base}/xa/09208/giao-nhan", headers=let_in(communes)).json["data"]
    communes.advance(TinyProvince(), 1)
    after = curl(f"{communes.web.base}/xa/09208/giao-nhan", headers=let_in(communes)).json["data"]
    assert after[:2] == before and {one["Ngay"] for one in after[2:]} == {f"{date(2026, 11, 20):%Y%m%d}"}
    whole, changes, *again = after[2:]
    assert int(whole["SoDong"]) == sum(row["commune"] == "09208" for row in truth(1))
    assert int(changes["SoDong"]) == len(TinyProvince().table("person").touched(1))
    assert [one["SHA256"] for one in again] == [one["SHA256"] for one in before], "the same under new receipts"
    assert len({one["SoBienNhan"] for one in after}) == 6

"""The province in a box, seen with other people's clients: psql, psycopg, openpyxl, calamine, urllib, http.client.

Belongs here: that each far end speaks its wire, that the planted defects are there, that one seed gives one province.
Stays out: how the warehouse takes it in. Expected values come from the truth, never from a delivered file.
"""

from __future__ import annotations

import base64
import csv
import http.client
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import unicodedata
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import openpyxl
import psycopg
import pytest
from python_calamine import CalamineWorkbook
from stdnum.vn import mst

from simulator.run import ProvinceInABox
from simulator.story import datasets as ds
from simulator.story import education, health, home_affairs
from simulator.story.faults import Fault, FaultPlan
from simulator.story.nights import Story
from simulator.story.registry import LIST_PATH, Registry, wire_record
from simulator.units import DATA, FILES, units

from .systems_fakes import client

SCALE = 0.02
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def province() -> Story:
    return Story(24, SCALE)


@pytest.fixture(scope="module")
def nights(tmp_path_factory):
    """The box lived through once; what a reader of each night sees of the database is noted on the way."""
    seen: dict = {}
    with ProvinceInABox(tmp_path_factory.mktemp("box"), 24, SCALE, faults=FaultPlan()) as box:
        seen["box"], seen["env"] = box, box.env
        seen[1] = read_health(box.env["KHO_SOURCE_HEALTH"])
        seen["psql"] = psql(box.env["KHO_SOURCE_HEALTH"], "select count(*) from syt.co_so_kcb")
        seen["write"] = psql(box.env["KHO_SOURCE_HEALTH"], "delete from syt.co_so_kcb")
        seen["superuser"] = psql(box.env["KHO_SOURCE_HEALTH"].replace("kho_doc:", "postgres:"), "select 1")
        box.night(2)
        seen[2] = psql(box.env["KHO_SOURCE_HEALTH"], "select 1")
        box.up("health")
        seen["up by hand"] = psql(box.env["KHO_SOURCE_HEALTH"], "select 1")
        box.night(3)
        seen[3] = read_health(box.env["KHO_SOURCE_HEALTH"])
        seen["folder"] = Path((box.home / "health" / "cluster").read_text())
        seen["files"] = sorted(p.name for p in (box.home / "home_affairs").iterdir())
        yield seen


def psql(url: str, command: str) -> subprocess.CompletedProcess[str]:
    program = client("psql", "postgresql-client")
    return subprocess.run([program, "-XAt", "-c", command, url], capture_output=True, text=True, check=False)


def read_health(url: str) -> dict[str, list[dict]]:
    with psycopg.connect(url) as connection:
        tables = {}
        for dataset, table in health.TABLES.items():
            columns = ds.DATASETS[dataset].columns
            cursor = connection.execute(f"select {', '.join(columns.values())} from {table}")
            tables[dataset] = [dict(zip(columns, row, strict=True)) for row in cursor]
    return tables


# --- truth ---------------------------------------------------------------------------------------------------------


def test_same_seed_same_province_and_bytes():
    one, two, other = Story(24, SCALE), Story(24, SCALE), Story(25, SCALE)
    for number in (1, 2, 3):
        assert one.night(number) == two.night(number)
        for dataset in home_affairs.STEMS:
            views = (p.night(number).views[dataset] for p in (one, two))
            assert len({home_affairs.csv_bytes(dataset, view) for view in views}) == 1
    assert education.workbook_bytes(one.night(1)) == education.workbook_bytes(two.night(1))
    assert one.night(1).rows[ds.SCHOOL.id] != other.night(1).rows[ds.SCHOOL.id]


def test_sizes_at_full_scale():
    night = Story().night(1)
    sizes = {name: len(night.views[name]) for name in (ds.FACILITY.id, ds.LICENCE.id, ds.ENTERPRISE.id)}
    assert sizes == {ds.FACILITY.id: 1409, ds.LICENCE.id: 1747, ds.ENTERPRISE.id: 45_000}
    assert len(night.views[ds.SCHOOL.id]) == 1221 + 2  # two copies
    assert len(night.rows[ds.UNIT_E2.id]) == 99
    ties = Counter(row["changed_at"] for row in night.rows[ds.ENTERPRISE.id])
    assert max(ties.values()) > 500, "more enterprises share one time of change than fit on a page"
    stale = [r for r in night.rows[ds.ENTERPRISE.id] if r["changed_at"].date().isoformat() < "2025-07-01"]
    assert 0.15 < len(stale) / 45_000 < 0.35
    with pytest.raises(ValueError, match=r"0\.001"):
        Story(scale=0.0001)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_truth_is_consistent(province, number):
    night = province.night(number)
    place = units()
    facilities = {row["facility_code"] for row in night.rows[ds.FACILITY.id]}
    assert {row["facility_code"] for row in night.rows[ds.LICENCE.id]} <= facilities
    for row in night.rows[ds.LICENCE.id]:
        assert row["responsible_id"] is None or re.fullmatch(r"09[789]\d{9}", row["responsible_id"])
        assert row["expires_on"] is None or row["expires_on"] > row["issued_on"]
    epochs = {0: place.e0, 1: place.e1, 2: place.e2}
    for dataset, stamp in ((ds.FACILITY.id, "updated_at"), (ds.ENTERPRISE.id, "changed_at")):
        for row in night.rows[dataset]:
            day = row[stamp].date().isoformat()
            code = row["commune_code"]
            province_code = place.e0[code]["province_code"]  # every code of this province was one of e0 too
            first = "2024-12-01" if province_code == "27" else "2025-01-01"
            assert code in epochs[(day >= first) + (day >= "2025-07-01")]
    for row in night.rows[ds.ENTERPRISE.id]:
        assert mst.is_valid(row["enterprise_code"].replace("-", ""))
        assert row["registered_at"] <= row["changed_at"]
    for dataset in ds.DATASETS.values():
        keys = [dataset.key_of(row) for row in night.rows[dataset.id]]
        assert len(keys) == len(set(keys))
        assert all(list(row) == list(dataset.columns) for row in night.rows[dataset.id])
        text = [v for row in night.rows[dataset.id] for v in row.values() if isinstance(v, str)]
        assert all(unicodedata.is_normalized("NFC", value) for value in text)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_view_rows_and_dirt_add_up(province, number):
    """Every row an agency lists is accepted, a counted copy, or one entry of dirt."""
    night = province.night(number)
    for name, dataset in ds.DATASETS.items():
        wrong = [d for d in night.dirt if d.dataset == name]
        if name not in night.delivered:
            assert not wrong
            continue
        if dataset.feed == "snapshot":
            accepted = {dataset.key_of(row) for row in night.rows[name]} - {d.record for d in wrong}
            assert len(night.views[name]) == len(accepted) + len(wrong) + night.duplicates[name]
        before = province.night(number - 1).rows[name] if number > 1 else []
        grown = len(before) + len(night.inserted[name]) - len(night.deleted[name])
        assert grown == len(night.rows[name])


def test_the_three_nights(province):
    one, two, three = (province.night(n) for n in (1, 2, 3))
    assert [n.date.isoformat() for n in (one, two, three)] == ["2026-11-20", "2026-11-21", "2026-11-22"]
    assert Counter(d.rule for d in one.dirt if d.dataset == ds.SCHOOL.id) == {"type": 2, "conflict": 2, "required": 1}
    assert [d.key for d in one.dirt if d.rule == "required"] == [None]
    assert (one.duplicates[ds.SCHOOL.id], two.duplicates[ds.SCHOOL.id]) == (1, 0)
    assert two.down == {"health"} and two.held == {"education"}
    assert two.rows[ds.FACILITY.id] == one.rows[ds.FACILITY.id]
    refused = {d.record[0]: d.value for d in two.warehouse_dirt}
    assert len(refused) == 7
    known = set(units().e0) | set(units().e1) | set(units().e2)
    held = {row["school_code"]: row["commune_code"] for row in two.rows[ds.SCHOOL.id]}
    assert all(re.fullmatch(r"\d{5}", code) and code not in known for code in refused.values())
    assert {code: held[code] for code in refused} == refused
    assert not three.warehouse_dirt and not [d for d in three.dirt if d.dataset == ds.SCHOOL.id]
    assert not [d for d in two.dirt if d.dataset.startswith("health.")]
    assert {d.rule for d in three.dirt if d.dataset.startswith("health.")} == {"minimum", "allowed", "required"}
    for night in (two, three):
        assert night.updated[ds.ENTERPRISE.id] and night.inserted[ds.ENTERPRISE.id]
        assert not night.deleted[ds.ENTERPRISE.id], "the registry never deletes"
        assert night.deleted[ds.SCHOOL.id] and night.inserted[ds.SCHOOL.id] and night.updated[ds.SCHOOL.id]
    assert three.deleted[ds.FACILITY.id] and three.deleted[ds.LICENCE.id]


# --- home affairs --------------------------------------------------------------------------------------------------


def test_csv_folder(nights):
    folder = Path(nights["env"]["KHO_SOURCE_HOME_AFFAIRS"])
    days = {stem: [f[-12:-4] for f in nights["files"] if f.startswith(stem)] for stem in home_affairs.STEMS.values()}
    assert days == {
        "units_e0": ["20261120", "20261121"],
        "units_e1": ["20261120"],
        "units_e2": ["20261120", "20261121"],
        "links_e0_e1": ["20261120"],
        "links_e1_e2": ["20261120", "20261122"],
    }
    for dataset, stem in home_affairs.STEMS.items():
        assert (folder / f"{stem}_20261120.csv").read_bytes() == (DATA / FILES[dataset.partition(".")[2]]).read_bytes()
    for stem, day in (("units_e0", "20261121"), ("links_e1_e2", "20261122")):
        assert (folder / f"{stem}_{day}.csv").read_bytes() == (folder / f"{stem}_20261120.csv").read_bytes()
    first, second = (
        list(csv.DictReader(io.StringIO((folder / f"units_e2_{day}.csv").read_text("utf-8"))))
        for day in ("20261120", "20261121")
    )
    changed = [(a, b) for a, b in zip(first, second, strict=True) if a != b]
    assert len(changed) == 1
    assert {k for k in changed[0][0] if changed[0][0][k] != changed[0][1][k]} == {"lat", "lon"}


# --- health --------------------------------------------------------------------------------------------------------


def by_key(dataset: str, rows: list[dict]) -> dict:
    return {ds.DATASETS[dataset].key_of(row): row for row in rows}


def test_health_database_follows_the_nights(nights):
    province = nights["box"].story
    for number in (1, 3):
        for dataset in health.TABLES:
            assert by_key(dataset, nights[number][dataset]) == by_key(dataset, province.night(number).views[dataset])
    assert int(nights["psql"].stdout) == len(province.night(1).views[ds.FACILITY.id])
    assert any(len(row["commune_code"]) == 4 for row in nights[1][ds.FACILITY.id])
    assert any(row["bed_count"] == -5 for row in nights[3][ds.FACILITY.id])
    assert max(row["updated_at"] for row in nights[3][ds.FACILITY.id]).isoformat() == "2026-11-21T17:30:00+07:00"


def test_reader_may_only_read(nights):
    assert "permission denied" in nights["write"].stderr
    assert "no pg_hba.conf entry" in nights["superuser"].stderr


def test_health_refuses_connections_on_night_two(nights):
    assert nights[2].returncode == 2 and "Connection refused" in nights[2].stderr
    assert nights["up by hand"].returncode == 0


# --- education -----------------------------------------------------------------------------------------------------


def workbook(nights, day: str) -> Path:
    return Path(nights["env"]["KHO_SOURCE_EDUCATION"]) / f"truong_hoc_{day}.xlsx"


def grid(path: Path) -> tuple[list[str], list[dict]]:
    """Header texts as they stand (the leaf of each merged pair) and the rows of schools as seen by calamine."""
    cells = CalamineWorkbook.from_path(path).get_sheet_by_name(education.SHEET).to_python(skip_empty_area=False)
    top, bottom = cells[education.HEADER_ROW - 1], cells[education.HEADER_ROW]
    header = [low or high for high, low in zip(top, bottom, strict=True)]
    rows = [dict(zip(header, row, strict=True)) for row in cells[education.HEADER_ROW + 1 :]]
    return header, [row for row in rows if isinstance(row["STT"], float)]


def plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).replace("\n", " ")


def test_workbook_is_as_ugly_as_promised(nights):
    book = openpyxl.load_workbook(workbook(nights, "20261120"))
    assert book.sheetnames == [education.SHEET, "DM_CapHoc", "DM_LoaiHinh", "DM_Xa"]
    assert book["DM_Xa"].sheet_state == "hidden" and book["DM_Xa"].max_row == 100
    sheet = book[education.SHEET]
    merged = {str(area) for area in sheet.merged_cells.ranges}
    assert {"A7:A8", "H7:K7"} <= merged and sheet["H7"].value == "Quy mô"
    column = [plain(str(cell.value)) for cell in sheet["C"] if cell.value]
    assert column.count("Cộng") == 5 and column.count("Tổng cộng") == 1 and "Người lập biểu" in column
    assert [cell.value for cell in sheet["A"] if cell.value in education.ROMAN] == ["I", "II", "III", "IV", "V"]
    assert any(str(c.value).startswith("Bắc Ninh, ngày 20") for c in sheet["K"])
    header, rows = grid(workbook(nights, "20261120"))
    assert any("\n" in text for text in header)
    assert any(not unicodedata.is_normalized("NFC", text) for text in header)
    assert [plain(text) for text in header[1:]] == list(ds.SCHOOL.columns.values())
    names = [row[header[2]] for row in rows]
    assert 0 < sum(not unicodedata.is_normalized("NFC", name) for name in names) < len(names) / 2


def test_workbook_holds_the_view(nights):
    for number, day in ((1, "20261120"), (2, "20261121"), (3, "20261122")):
        header, rows = grid(workbook(nights, day))
        leaf = {plain(text): text for text in header}
        view = nights["box"].story.night(number).views[ds.SCHOOL.id]
        assert len(rows) == len(view)
        found = Counter(
            (row[leaf["Mã trường"]] or None, plain(row[leaf["Tên trường"]]), str(row[leaf["Mã xã"]]).removesuffix(".0"))
            for row in rows
        )
        assert found == Counter((s["school_code"], s["school_name"], str(s["commune_code"])) for s in view)
        money = {str(row[leaf["Kinh phí (triệu đồng)"]]) for row in rows}
        assert money == {education.money_text(s["budget_million_vnd"]) for s in view}
        assert any(re.fullmatch(r"\d\.\d{3},\d{3}", m) for m in money)
        assert any(re.fullmatch(r"\d\.\d{3}", m) for m in money)
        assert all(isinstance(row[leaf["Diện tích (m²)"]], str) for row in rows)


def test_planted_dirt_is_in_the_workbooks(nights):
    header, rows = grid(workbook(nights, "20261120"))
    leaf = {plain(text): text for text in header}
    codes = Counter(row[leaf["Mã trường"]] for row in rows)
    assert codes[""] == 1 and sorted(codes.values())[-2:] == [2, 2]
    twice = [
        {json.dumps([row[h] for h in header[1:]]) for row in rows if row[leaf["Mã trường"]] == code}
        for code, count in codes.items()
        if count == 2
    ]
    assert sorted(len(variants) for variants in twice) == [1, 2], "one identical copy, one conflicting pair"
    assert {row[leaf["Số học sinh"]] for row in rows if isinstance(row[leaf["Số học sinh"]], str)} == {
        "khoảng 300",
        "khoảng 450",
    }
    header, rows = grid(workbook(nights, "20261121"))
    communes = [row[plain("Mã xã")] for row in rows]
    assert sum(str(code).startswith("99") for code in communes) == 7 and 7243.0 in communes


def test_columns_move_on_night_three(nights):
    two, three = ([plain(text) for text in grid(workbook(nights, day))[0]] for day in ("20261121", "20261122"))
    assert three[-1] == "Ghi chú" and set(three) - set(two) == {"Ghi chú"}
    assert two != three[:-1] and two[0] == three[0] == "STT"


# --- enterprise registry -------------------------------------------------------------------------------------------


class Client:
    """A plain client of the registry."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def token(self, secret: str | None = None) -> str:
        pair = base64.b64encode(f"{self.registry.key}:{secret or self.registry.secret}".encode()).decode()
        data = urllib.parse.urlencode({"grant_type": "client_credentials"}).encode()
        request = urllib.request.Request(f"{self.registry.base}/token", data, {"Authorization": f"Basic {pair}"})
        with urllib.request.urlopen(request, timeout=5) as response:
            content = json.load(response)
        assert (content["token_type"], content["expires_in"]) == ("Bearer", 3600)
        return content["access_token"]

    def get(
        self, token: str, since: str = "20000101000000", page: int = 1, size: int = 500, timeout: float = 5
    ) -> dict:
        query = urllib.parse.urlencode({"tuNgay": since, "trang": page, "kichThuoc": size})
        request = urllib.request.Request(
            f"{self.registry.base}{LIST_PATH}?{query}", headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return json.load(response)


@pytest.fixture
def registry(tmp_path, province):
    service = Registry(tmp_path / "record.jsonl", FaultPlan())
    service.show(province.night(1))
    service.start()
    yield service
    service.stop()


def test_registry_pages_hold_the_view(registry, province):
    client = Client(registry)
    token = client.token()
    total = len(province.night(1).views[ds.ENTERPRISE.id])
    whole, rest = divmod(total, 120)
    pages = [client.get(token, page=page, size=120) for page in range(1, whole + 3)]
    assert [len(page["data"]) for page in pages] == [120] * whole + [rest, 0]
    assert {(p["error_code"], p["tongSo"]) for p in pages} == {("00", str(total))}
    records = [record for page in pages for record in page["data"]]
    assert all(isinstance(value, str) for record in records for value in record.values())
    assert [(r["NgayThayDoi"], r["MaSoDN"]) for r in records] == sorted(
        (r["NgayThayDoi"], r["MaSoDN"]) for r in records
    )
    view = province.night(1).views[ds.ENTERPRISE.id]
    assert {r["MaSoDN"]: r for r in records} == {row["enterprise_code"]: wire_record(row) for row in view}
    assert {"TNHH3", "1,5 tỷ", "20199931000000"} <= {value for r in records for value in r.values()}
    registry.show(province.night(2))
    news = client.get(token, since="20261119173001")
    assert 0 < int(news["tongSo"]) < 40 and "GIAI_THE" in {r["TinhTrang"] for r in news["data"]}
    assert client.get(token, since="hôm qua")["error_code"] == "01"


def test_registry_credentials(registry):
    client = Client(registry)
    for attempt in (lambda: client.token("wrong"), lambda: client.get("wrong")):
        with pytest.raises(urllib.error.HTTPError) as refused:
            attempt()
        assert refused.value.code == 401
    assert json.load(refused.value)["fault"]["code"] == 900901


def test_each_fault_happens_once(registry):
    kinds = ("too_many", "bad_gateway", "error_code", "slow", "cut")
    faults = tuple(Fault(1, number, kind) for number, kind in enumerate(kinds, start=1))
    registry.plan = FaultPlan(faults, token_requests=6, slow_seconds=0.5)
    client = Client(registry)
    token = client.token()
    with pytest.raises(urllib.error.HTTPError) as answer:
        client.get(token)
    assert (answer.value.code, answer.value.headers["Retry-After"]) == (429, "1")
    with pytest.raises(urllib.error.HTTPError) as answer:
        client.get(token)
    assert answer.value.code == 502 and b"<html>" in answer.value.read()
    assert client.get(token)["error_code"] == "99"
    with pytest.raises(TimeoutError):
        client.get(token, timeout=0.2)
    with pytest.raises(http.client.IncompleteRead):
        client.get(token)
    assert client.get(token)["error_code"] == "00"
    with pytest.raises(urllib.error.HTTPError) as answer:
        client.get(token)
    assert answer.value.code == 401
    assert client.get(client.token())["error_code"] == "00"
    with urllib.request.urlopen(f"{registry.base}/__record") as response:
        record = json.load(response)
    asked = [entry for entry in record if entry["path"] == LIST_PATH]
    assert [entry["fault"] for entry in asked] == [*kinds, None, "token_expired", None]
    assert [entry["status"] for entry in asked] == [429, 502, 200, 200, 200, 200, 401, 200]
    lines = registry._record_file.read_text().splitlines()
    assert [json.loads(line) for line in lines] == record
    assert token not in json.dumps(record)


def test_registry_down_and_up(registry):
    where = urlsplit(registry.base)
    kept = http.client.HTTPConnection(where.hostname, where.port, timeout=2)
    kept.request("GET", "/__record")
    assert kept.getresponse().read() == b"[]"
    registry.down()
    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        kept.request("GET", "/__record")
        kept.getresponse()
    with pytest.raises(urllib.error.URLError, match="refused"):
        Client(registry).token()
    registry.up()
    assert Client(registry).token()


def test_fault_plans(tmp_path):
    plan = FaultPlan.seeded(24)
    assert plan == FaultPlan.seeded(24)
    assert {fault.kind for fault in plan.faults if fault.night == 1} == {
        "too_many",
        "bad_gateway",
        "error_code",
        "slow",
        "cut",
    }
    file = tmp_path / "plan.json"
    file.write_text(plan.json())
    assert FaultPlan.read(file) == plan
    file.write_text('{"faults": [{"night": 1, "request": 1, "kind": "gremlin"}]}')
    with pytest.raises(ValueError, match="gremlin"):
        FaultPlan.read(file)


# --- command line --------------------------------------------------------------------------------------------------


def cli(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "simulator", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False)


def test_serve_moves_and_stops_cleanly(tmp_path):
    home = tmp_path / "tinh"
    command = [sys.executable, "-m", "simulator", "--bare", "--home", str(home), "--scale", "0.02"]
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while not (home / "sources.json").exists() and process.poll() is None:
            assert time.monotonic() < deadline, "not ready in 60 s"
            time.sleep(0.05)
        env = json.loads((home / "sources.json").read_text())
        assert (home / "sources.json").stat().st_mode & 0o077 == 0
        cluster = Path((home / "health" / "cluster").read_text())
        moved = cli("night", 2, "--home", home)
        assert moved.returncode == 0 and "health: down" in moved.stdout
        assert psql(env["KHO_SOURCE_HEALTH"], "select 1").returncode == 2
        assert "Không thể về đêm 1" in cli("night", 1, "--home", home).stderr
    finally:
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(20) == 0, (tmp_path / "log").read_text()
    assert not cluster.exists() and not (home / "sources.json").exists()
    assert (home / "health" / "postgresql.json").exists()


def test_truth_on_the_command_line(province):
    told = json.loads(cli("expected", "--night", 2, "--dataset", ds.SCHOOL.id, "--scale", SCALE, "--json").stdout)[
        ds.SCHOOL.id
    ]
    assert [row["school_code"] for row in told["rows"]] == [
        r["school_code"] for r in province.night(2).rows[ds.SCHOOL.id]
    ]
    assert {dirt["rule"] for dirt in told["warehouse_dirt"]} == {"unknown_commune"}
    assert "--scale" in cli("--help").stdout

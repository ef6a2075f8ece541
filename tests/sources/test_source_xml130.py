"""The insurance gateway: every archive once, as it was sent, whatever goes wrong, and its visits as rows.

Belongs here: the reader against the simulator's gateway. Stays out: landing.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from orchestration.contracts import Contract
from orchestration.errors import KhoError, Transient
from orchestration.sources import open_source, parse, test_source, wire, xml130
from simulator.systems.insurance import Insurance
from simulator.systems.plan import FaultPlan

from ..simulator.systems_fakes import TinyProvince, visit_view
from .services import contract_of

VISIT = {"visit": "MA_LK", "name": "HO_TEN", "discharged": "NGAY_RA", "total": "T_TONGCHI_BV", "facility": "MA_CSKCB"}
DAY = -22  # 28 October 2026
Archives = dict[str, bytes]


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr(wire.time, "sleep", waited.append)
    monkeypatch.setattr(xml130, "_today", lambda: date(2026, 10, 20))  # far ends may be ahead of our clock
    return waited


@pytest.fixture
def contract() -> Contract:
    return contract_of("xml130", {"path": "/api/qd130", "key": "${KHO_KEY}", "secret": "${KHO_SECRET}"}, VISIT, "visit")


def made(tmp_path: Path, plan: FaultPlan) -> Any:
    """Whoever runs it must stop it: ten visits a day from 21 to 27 October, sent a day later."""
    system = Insurance(tmp_path / "xml130", [visit_view()], plan, tmp_path / "xml130.jsonl")
    system.load(TinyProvince(), DAY)
    system.start()
    return system


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Any]:
    system = made(tmp_path, FaultPlan())
    yield system
    system.stop()


def env(system: Any) -> dict[str, str]:
    found = system.env
    return {"KHO_SOURCE_TEST": found["url"], "KHO_KEY": found["user"], "KHO_SECRET": found["password"]}


def run(
    contract: Contract, cursor: str | None, environment: dict[str, str]
) -> tuple[list[tuple[str, Archives]], str | None]:
    """(name, archives) of each delivery as it was landed, and the last cursor."""
    found = []
    for delivery in open_source(contract, cursor, environment):
        assert delivery.encoding == "batch"
        with tarfile.open(fileobj=io.BytesIO(b"".join(delivery.chunks)), mode="r:") as tar:
            archives = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
        found.append((delivery.name, archives))
        cursor = delivery.cursor_after()
        delivery.done()
    return found, cursor


def files(system: Any) -> Archives:
    return {f"{number}.zip": one.package.file.read_bytes() for number, one in system.web.received.items()}


def merged(*runs: list[tuple[str, Archives]]) -> Archives:
    """All archives; none may have come twice."""
    found = [pair for one in runs for _, archives in one for pair in archives.items()]
    assert len(found) == len(dict(found))
    return dict(found)


def test_a_day_is_one_delivery_of_the_original_archives(contract: Contract, gateway: Any) -> None:
    first, cursor = run(contract, None, env(gateway))
    assert [name for name, _ in first] == [f"/api/qd130 202610{n}" for n in range(22, 29)]
    assert merged(first) == files(gateway)
    assert run(contract, cursor, env(gateway)) == ([], cursor)
    for day in (DAY + 1, DAY + 2):
        gateway.advance(TinyProvince(), day)
    second, cursor = run(contract, cursor, env(gateway))
    assert [name for name, _ in second] == ["/api/qd130 20261029", "/api/qd130 20261030"]
    assert merged(first, second) == files(gateway)
    assert run(contract, cursor, env(gateway))[0] == []
    assert len(cursor or "") < 1000


def test_a_late_archive_of_an_earlier_day_is_taken(contract: Contract, gateway: Any) -> None:
    cursor = run(contract, None, env(gateway))[1]
    received = gateway.web.received
    late = replace(received["24001-20261028"], day=received["24001-20261024"].day)
    gateway.web.received = {**received, late.number: late}
    second, after = run(contract, cursor, env(gateway))
    ((name, archives),) = second
    assert (name, list(archives)) == ("/api/qd130 20261024", ["24001-20261024-L2.zip"])
    assert run(contract, after, env(gateway))[0] == []


@pytest.mark.parametrize("seed", range(3))
def test_every_archive_once_under_every_fault(contract: Contract, tmp_path: Path, seed: int) -> None:
    plan = FaultPlan.seeded(seed, slow_seconds=0.05, timeout_seconds=0.05)
    system = made(tmp_path, replace(plan, rates={**plan.rates, "again": 1.0}))
    try:
        first, cursor = run(contract, None, env(system))
        system.advance(TinyProvince(), DAY + 1)
        second, _ = run(contract, cursor, env(system))
        assert merged(first, second) == files(system)
        assert any(name.endswith("-L2.zip") for name in merged(second))
        assert len({entry["fault"] for entry in system.record()} - {None}) == 7
    finally:
        system.stop()


def spoil(system: Any, number: str, content: bytes) -> bytes:
    """Another content under a number; returns what it was. The list goes on telling the size of the file."""
    file = system.web.received[number].package.file
    was: bytes = file.read_bytes()
    file.write_bytes(content)
    return was


def zipped(*texts: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for n, text in enumerate(texts):
            archive.writestr(f"{n}.xml", text)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"PK no zip at all", "ZIP"), (zipped("<GIAMDINHHS><HOSO></HOSO></GIAMDINHHS>"), "số hồ sơ"), (zipped("", ""), "một tệp")],
    ids=["no zip", "visits", "two files"],
)  # fmt: skip
def test_a_facility_that_lies_holds_up_no_other(contract: Contract, gateway: Any, content: bytes, told: str) -> None:
    was = spoil(gateway, "24001-20261024", content)
    found: list[tuple[str, Archives]] = []
    with pytest.raises(Transient) as failure:
        for delivery in open_source(contract, None, env(gateway)):
            with tarfile.open(fileobj=io.BytesIO(b"".join(delivery.chunks)), mode="r:") as tar:
                found.append((delivery.name, {m.name: tar.extractfile(m).read() for m in tar}))  # type: ignore[union-attr]
            cursor = delivery.cursor_after()
            delivery.done()
    assert "24001-20261024" in failure.value.vi and told in failure.value.vi
    assert "24001-20261023.zip" in merged(found) and "24001-20261025.zip" not in merged(found)
    assert sum(name.startswith("24002") for name in merged(found)) == 7
    spoil(gateway, "24001-20261024", was)
    rest, _ = run(contract, cursor, env(gateway))
    assert merged(found, rest) == files(gateway)


def test_visits_as_copy_text(contract: Contract, gateway: Any, tmp_path: Path) -> None:
    deliveries = open_source(contract, None, env(gateway))
    rows: list[dict[str, str]] = []
    for delivery in deliveries:
        path = tmp_path / "kept.tar"
        path.write_bytes(b"".join(delivery.chunks))
        columns, stream = parse(contract, "batch", path, delivery.name)
        assert columns == ("_row", "_file", *VISIT, "MAHUYEN_CU_TRU")
        rows += [dict(zip(columns, row, strict=True)) for row in csv.reader(io.StringIO(b"".join(stream).decode()))]
        delivery.done()
    assert sorted(row["visit"] for row in rows) == [f"LK{n:08d}" for n in range(70)]
    (one,) = [row for row in rows if row["visit"] == "LK00000067"]
    assert one == {
        "_row": one["_row"], "_file": "2700A-20261028.zip", "visit": "LK00000067", "name": "Trần & Hoà <Bình>",
        "discharged": "202610271000", "total": "67000", "facility": "2700A", "MAHUYEN_CU_TRU": "",
    }  # fmt: skip


def envelope(*payloads: str, head: str = "") -> str:
    files = "".join(
        f"<HOSO><FILEHOSO><LOAIHOSO>XML1</LOAIHOSO><NOIDUNGFILE>{base64.b64encode(p.encode()).decode()}</NOIDUNGFILE></FILEHOSO></HOSO>"
        for p in payloads
    )
    return f"{head}<GIAMDINHHS><THONGTINHOSO><DANHSACHHOSO>{files}</DANHSACHHOSO></THONGTINHOSO></GIAMDINHHS>"


def kept(tmp_path: Path, *archives: bytes) -> Path:
    path = tmp_path / "kept.tar"
    with tarfile.open(path, "w") as tar:
        for n, content in enumerate(archives):
            member = tarfile.TarInfo(f"{n}.zip")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def test_other_tables_spaces_and_extra_fields(contract: Contract, tmp_path: Path) -> None:
    text = envelope(
        "<TONG_HOP><MA_LK> a </MA_LK></TONG_HOP>  ", "<CHITIEU_CHITIET_THUOC><DSACH/></CHITIEU_CHITIET_THUOC>"
    )
    more = envelope("<TONG_HOP><MA_LK>b</MA_LK><MOI>ạ\n</MOI></TONG_HOP>")
    columns, stream = parse(contract, "batch", kept(tmp_path, zipped(text), zipped(more)), "ngày")
    rows = [dict(zip(columns, row, strict=True)) for row in csv.reader(io.StringIO(b"".join(stream).decode()))]
    assert [(r["_file"], r["_row"], r["visit"], r["MOI"]) for r in rows] == [
        ("0.zip", "1", "a", ""),
        ("1.zip", "1", "b", "ạ"),
    ]


@pytest.mark.parametrize(
    ("text", "row"),
    [
        (envelope("<TONG_HOP><MA_LK>a</TONG_HOP>"), 1),
        (envelope("<TONG_HOP/>")[:-20], 2),
        (envelope("<TONG_HOP/>").replace("PFR", "P*R"), 1),
        (envelope("<TONG_HOP/>", head='<!DOCTYPE a [<!ENTITY b "Bí mật">]>'), 1),
        (envelope('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><TONG_HOP><MA_LK>&b;</MA_LK></TONG_HOP>'), 1),
    ],
    ids=["payload", "cut", "base64", "dtd", "entity"],
)
def test_an_archive_that_cannot_be_read_is_named(contract: Contract, tmp_path: Path, text: str, row: int) -> None:
    with pytest.raises(KhoError) as refused:
        list(parse(contract, "batch", kept(tmp_path, zipped(envelope("<TONG_HOP/>")), zipped(text)), "ngày")[1])
    assert (refused.value.code, refused.value.where) == ("file_format", {"file": "1.zip", "row": row})
    assert refused.value.__context__ is None


def test_credentials_cursor_and_probe(contract: Contract, gateway: Any) -> None:
    good = env(gateway)
    with pytest.raises(KhoError) as refused:
        run(contract, None, good | {"KHO_SECRET": "verborgen"})
    assert refused.value.code == "login_refused" and "verborgen" not in str(refused.value)
    for cursor in ("20251010080000", json.dumps({"day": "x", "taken": {}, "waiting": {}})):
        with pytest.raises(KhoError) as strange:
            run(contract, cursor, good)
        assert (strange.value.code, strange.value.__context__) == ("cursor", None)
    assert test_source(contract, good)[1:] == ["/api/qd130: 28 gói hồ sơ", "Đủ 5 trường của hợp đồng"]
    lacking = replace(contract, columns=(*contract.columns, replace(contract.columns[0], name="x", headers=("X",))))
    with pytest.raises(KhoError) as drift:
        test_source(lacking, good)
    assert drift.value.code == "schema_drift"


def test_two_facilities_that_are_waited_for(contract: Contract, gateway: Any) -> None:
    """The earlier one is taken, and the run dies before it reaches the later one."""
    early, later = spoil(gateway, "24001-20261022", b"PK"), spoil(gateway, "24002-20261025", b"PK")
    found: list[tuple[str, Archives]] = []

    def until(cursor: str | None, name: str) -> str | None:
        deliveries = open_source(contract, cursor, env(gateway))
        for delivery in deliveries:
            with tarfile.open(fileobj=io.BytesIO(b"".join(delivery.chunks)), mode="r:") as tar:
                found.append((delivery.name, {m.name: tar.extractfile(m).read() for m in tar}))  # type: ignore[union-attr]
            if delivery.name.endswith(name):
                return delivery.cursor_after()
            delivery.done()
        return None

    cursor = until(None, "20261028")
    assert json.loads(cursor or "")["waiting"] == {"24001": "20261022", "24002": "20261025"}
    spoil(gateway, "24001-20261022", early)
    spoil(gateway, "24002-20261025", later)
    cursor = until(cursor, "20261022")
    assert json.loads(cursor or "")["waiting"] == {"24002": "20261025"}
    rest, cursor = run(contract, cursor, env(gateway))
    assert merged(found, rest) == files(gateway) and json.loads(cursor or "")["waiting"] == {}


@pytest.mark.parametrize("refused", ["20261022", "20261024"])
def test_a_day_that_was_not_landed_comes_again(contract: Contract, gateway: Any, refused: str) -> None:
    """The cursors of later days know nothing of it, and what its facilities sent later waits for it."""
    found: list[tuple[str, Archives]] = []
    cursor = None
    for delivery in open_source(contract, None, env(gateway)):
        with tarfile.open(fileobj=io.BytesIO(b"".join(delivery.chunks)), mode="r:") as tar:
            archives = {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]
        if not delivery.name.endswith(refused):
            found.append((delivery.name, archives))
            cursor = delivery.cursor_after()
            delivery.done()
    kept = len(merged(found))
    assert kept < len(files(gateway)), "the refused one, and what comes after it"
    rest, cursor = run(contract, cursor, env(gateway))
    assert rest[0][0].endswith(refused) and merged(found, rest) == files(gateway)
    assert run(contract, cursor, env(gateway))[0] == []


def test_an_archive_that_cannot_be_read_waits_alone(contract: Contract, gateway: Any, tmp_path: Path) -> None:
    """As many visits as listed, but one of them is no Base64: its facility waits, the day's others go on."""
    file = gateway.web.received["24001-20261024"].package.file
    with zipfile.ZipFile(file) as archive:
        ((text, entry),) = [(archive.read(one), one.filename) for one in archive.infolist()]
    at = text.index(b"</NOIDUNGFILE>")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(entry, text[: at - 4] + b"*" + text[at - 3 :])
    was = spoil(gateway, "24001-20261024", packed.getvalue())
    found: list[tuple[str, Archives]] = []
    with pytest.raises(Transient) as failure:
        for delivery in open_source(contract, None, env(gateway)):
            path = tmp_path / "kept.tar"
            path.write_bytes(b"".join(delivery.chunks))
            assert sum(1 for _ in parse(contract, "batch", path, delivery.name)[1])
            with tarfile.open(path) as tar:
                found.append((delivery.name, {m.name: tar.extractfile(m).read() for m in tar}))  # type: ignore[union-attr]
            cursor = delivery.cursor_after()
            delivery.done()
    assert "24001-20261024: không đọc được hồ sơ thứ 1" in failure.value.vi
    assert "24001-20261023.zip" in merged(found) and "24001-20261025.zip" not in merged(found)
    spoil(gateway, "24001-20261024", was)
    assert merged(found, run(contract, cursor, env(gateway))[0]) == files(gateway)

"""Zipped drops and workbooks in batches: read by member, and what cannot be used stays."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import openpyxl
import pytest

from orchestration.errors import KhoError
from orchestration.sources import members, places, test_source

from .file_contracts import cells, contract, opened, parsed, put


@pytest.fixture
def drop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(places, "SETTLE", 0.0)
    (tmp_path / "drop").mkdir()
    return tmp_path / "drop"


# -- zips ----------------------------------------------------------------------------------------------------------------


def zipped(files: dict[str, bytes | str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


ZIPS = {"glob": "ho_so_{date}.zip", "member": "dan_{ward}.csv"}


def test_zips_are_kept_as_they_are_and_read_by_member(drop: Path, tmp_path: Path) -> None:
    asked = contract("id", "ward", **ZIPS)
    content = zipped({"2026/dan_1.csv": "id\n1\n", "dan_Đông.csv": "id,note\n2,x\n", "doc.txt": "not this"})
    path = put(drop, "ho_so_20261119.zip", content)
    (delivery,), contents, error = opened(asked, drop)
    assert error is None and content in contents[0] and delivery.extra == ("note",)
    assert (delivery.encoding, delivery.name) == ("batch", "ho_so_20261119.zip")
    rows = parsed(asked, delivery, tmp_path)
    assert cells(rows, "_file", "id", "ward") == [
        ("ho_so_20261119.zip/2026/dan_1.csv", "1", "1"),
        ("ho_so_20261119.zip/dan_Đông.csv", "2", "Đông"),
    ]
    delivery.done()
    assert not path.exists()


def encrypted() -> bytes:
    data = bytearray(zipped({"dan_1.csv": "id\n1\n"}))
    at = data.rfind(b"PK\x01\x02")
    data[6] |= 1
    data[at + 8] |= 1
    return bytes(data)


@pytest.mark.parametrize("reason", ["broken", "encrypted", "limit", "empty", "cut", "drift"])
def test_zips_that_cannot_be_used_do_not_hold_up_the_others(
    drop: Path, tmp_path: Path, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "RATIO_FROM", 1_000_000)
    good = zipped({"dan_1.csv": "id\n1\n"})
    bad = {
        "broken": b"PK no zip",
        "encrypted": encrypted(),
        "limit": zipped({"dan_1.csv": b"id\n" + b"0\n" * 2_000_000}),
        "empty": zipped({"other.csv": "id\n1\n"}),
        "cut": zipped({"dan_1.csv": os.urandom(5000)})[:2000],
        "drift": zipped({"dan_1.csv": "id\n1\n", "dan_2.csv": "other\n1\n"}),
    }[reason]
    put(drop, "ho_so_20261118.zip", bad)
    put(drop, "ho_so_20261119.zip", good)
    found, _, error = opened(contract("id", "ward", **ZIPS), drop)
    assert [d.name for d in found] == ["ho_so_20261119.zip"]
    assert error is not None and "ho_so_20261118.zip" in error.vi and not error.transient
    assert error.code == ("schema_drift" if reason == "drift" else "zip")
    assert error.where["rule"] == {"cut": "broken", "drift": "schema_drift"}.get(reason, reason)
    assert error.__context__ is None and (drop / "ho_so_20261118.zip").exists()


# -- other formats -------------------------------------------------------------------------------------------------------


def book(*rows: tuple[object, ...]) -> bytes:
    workbook = openpyxl.Workbook()
    for row in rows:
        workbook.active.append(row)  # type: ignore[union-attr]
    stream = io.BytesIO()
    workbook.save(stream)
    return stream.getvalue()


def test_workbooks_of_schools_are_one_delivery(drop: Path, tmp_path: Path) -> None:
    asked = contract(
        {"name": "pupil=Mã học sinh"},
        {"name": "full_name=Họ tên"},
        "school",
        glob="C1_{school}_{date}.xlsx",
        format="xlsx",
    )
    put(
        drop,
        "C1_A01_20261119.xlsx",
        book(("STT", "Mã học sinh", "Họ tên"), (1, "0001", "Nguyễn Văn Thử"), (2, "0002", None)),
    )
    put(
        drop, "C1_A02_20261119.xlsx", book(("STT", "Họ tên", "Mã học sinh", "Lớp"), (1, 'Trần "Thị" Thử', "0003", "9A"))
    )
    put(drop, "C1_A03_20261119.xlsx", b"no workbook")
    (delivery,), _, error = opened(asked, drop)
    assert error is not None and "C1_A03_20261119.xlsx" in error.vi and delivery.extra == ("Lớp",)
    rows = parsed(asked, delivery, tmp_path)
    assert cells(rows, "_row", "_file", "pupil", "full_name", "school") == [
        ("2", "C1_A01_20261119.xlsx", "0001", "Nguyễn Văn Thử", "A01"),
        ("3", "C1_A01_20261119.xlsx", "0002", "", "A01"),
        ("2", "C1_A02_20261119.xlsx", "0003", 'Trần "Thị" Thử', "A02"),
    ]
    with pytest.raises(KhoError):
        test_source(asked, {"KHO_SOURCE_TEST": str(drop)})
    (drop / "C1_A03_20261119.xlsx").unlink()
    assert "C1_A02_20261119.xlsx: ngày 19/11/2026, đủ 3 cột; cột ngoài hợp đồng: Lớp" in test_source(
        asked, {"KHO_SOURCE_TEST": str(drop)}
    )

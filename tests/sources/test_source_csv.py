"""CSV files of a drop folder: original bytes, matched headers, files put away only when they are done."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from orchestration.contracts import Contract, assets_root, load
from orchestration.errors import KhoError, Transient
from orchestration.sources import Delivery, open_source, places, test_source

HEADER = "ward_code,ward,district_code,district,province_code"
ROWS = "07201,Phường Thọ Xương,213,Thành phố Bắc Giang,24\n"


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load(assets_root() / "agencies" / "home_affairs" / "unit_e0.yaml")


@pytest.fixture
def drop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(places, "SETTLE", 0.0)
    return tmp_path


def put(drop: Path, name: str, text: str | bytes) -> Path:
    path = drop / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def deliveries(contract: Contract, drop: Path) -> Iterator[Delivery]:
    return open_source(contract, None, {"KHO_SOURCE_HOME_AFFAIRS": str(drop)})


def refusal(contract: Contract, drop: Path) -> KhoError:
    with pytest.raises(KhoError) as refused:
        list(deliveries(contract, drop))
    return refused.value


def test_original_bytes_oldest_first(contract: Contract, drop: Path) -> None:
    later = put(drop, "units_e0_20250201.csv", f"{HEADER}\n{ROWS}")
    put(drop, "units_e0_20241001.csv", f"\ufeff{HEADER}\r\n{ROWS}".replace("\n", "\r\n"))
    put(drop, "units_e1_20250101.csv", "another dataset")
    found = list(deliveries(contract, drop))
    assert [delivery.name for delivery in found] == ["units_e0_20241001.csv", "units_e0_20250201.csv"]
    last = found[1]
    assert last.as_of == datetime(2025, 2, 1, tzinfo=ZoneInfo("Asia/Ho_Chi_Minh"))
    assert (last.encoding, last.keys, last.cursor_after(), last.extra) == ("csv", None, None, ())
    assert last.columns == ("ward_code", "ward_name", "district_code", "district_name", "province_code")
    assert b"".join(last.chunks) == later.read_bytes()
    assert last.sha256 == hashlib.sha256(later.read_bytes()).hexdigest()


def test_headers_by_name_not_by_position(contract: Contract, drop: Path) -> None:
    header = unicodedata.normalize("NFD", 'PROVINCE_CODE,"  Ward\n",Ghi chú,ward_code,district,district_code')
    put(drop, "units_e0_20250201.csv", f"{header}\n")
    (delivery,) = deliveries(contract, drop)
    expected = ("province_code", "ward_name", None, "ward_code", "district_name", "district_code")
    assert delivery.columns == expected
    assert [unicodedata.normalize("NFC", name) for name in delivery.extra] == ["Ghi chú"]


@pytest.mark.parametrize(
    ("header", "column"),
    [("ward_code,ward,district_code,district", "province_code"), (f"{HEADER},WARD", "ward")],
    ids=["missing", "twice"],
)
def test_drift_of_headers_is_refused(contract: Contract, drop: Path, header: str, column: str) -> None:
    put(drop, "units_e0_20250201.csv", f"{header}\n{ROWS}")
    error = refusal(contract, drop)
    assert error.code == "schema_drift"
    assert error.where == {"file": "units_e0_20250201.csv", "column": column, "rule": "schema_drift"}
    assert not error.transient
    assert "district_code" in error.vi and "Thọ Xương" not in str(error), "headers are told, values are not"


def test_a_bad_file_does_not_hold_up_the_good_ones(contract: Contract, drop: Path) -> None:
    put(drop, "units_e0_20250101.csv", "ward_code\n07201\n")
    put(drop, "units_e0_20250201.csv", f"{HEADER}\n{ROWS}")
    put(drop, "units_e0_final.csv", f"{HEADER}\n{ROWS}")
    names = []
    with pytest.raises(KhoError) as refused:
        for delivery in deliveries(contract, drop):
            names.append(delivery.name)
    assert names == ["units_e0_20250201.csv"]
    assert "units_e0_20250101.csv" in refused.value.vi and "units_e0_final.csv" in refused.value.en


def test_another_encoding_is_told(contract: Contract, drop: Path) -> None:
    put(drop, "units_e0_20250201.csv", HEADER.encode() + b",t\xbbnh\n")
    error = refusal(contract, drop)
    assert (error.code, error.where["row"]) == ("encoding", 1)


def test_unicode_text_of_office_programs_is_read(contract: Contract, drop: Path) -> None:
    put(drop, "units_e0_20250201.csv", f"{HEADER},tỉnh\n{ROWS}".encode("utf-16"))
    (delivery,) = deliveries(contract, drop)
    assert (delivery.columns[0], delivery.extra) == ("ward_code", ("tỉnh",))


@pytest.mark.parametrize("row", [b"\xff\xfe\n", b"a\0b\n"], ids=["latin", "nul"])
def test_rows_of_another_encoding_are_left_to_landing(contract: Contract, drop: Path, row: bytes) -> None:
    content = f"{HEADER}\n{ROWS}".encode() + row
    put(drop, "units_e0_20250201.csv", content)
    (delivery,) = deliveries(contract, drop)
    assert b"".join(delivery.chunks) == content


@pytest.mark.parametrize("content", ["", "\n", ",,\n"])
def test_a_file_without_header(contract: Contract, drop: Path, content: str) -> None:
    put(drop, "units_e0_20250201.csv", content)
    assert refusal(contract, drop).code == "file_format"


def test_a_file_still_being_written_waits(contract: Contract, drop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(drop, "units_e0_20250101.csv.part", HEADER)
    growing = put(drop, "units_e0_20250201.csv", f"{HEADER}\n")
    monkeypatch.setattr(places.time, "sleep", lambda _: growing.write_text(f"{HEADER}\n{ROWS}", encoding="utf-8"))
    assert list(deliveries(contract, drop)) == []


def test_done_puts_the_file_away_and_keeps_older_ones(contract: Contract, drop: Path) -> None:
    for text in ("\n", f"\n{ROWS}"):
        put(drop, "units_e0_20250201.csv", HEADER + text)
        (delivery,) = deliveries(contract, drop)
        b"".join(delivery.chunks)
        delivery.done()
        delivery.done()
    assert sorted(path.name for path in drop.rglob("*.csv")) == ["units_e0_20250201.2.csv", "units_e0_20250201.csv"]
    assert list(deliveries(contract, drop)) == []


def test_done_leaves_a_file_that_was_replaced_meanwhile(contract: Contract, drop: Path) -> None:
    path = put(drop, "units_e0_20250201.csv", f"{HEADER}\n")
    (delivery,) = deliveries(contract, drop)
    path.write_text(f"{HEADER}\n{ROWS}", encoding="utf-8")
    delivery.done()
    assert path.exists()


def test_done_says_when_it_cannot_put_away(contract: Contract, drop: Path) -> None:
    put(drop, "units_e0_20250201.csv", f"{HEADER}\n")
    (delivery,) = deliveries(contract, drop)
    (drop / "done").write_text("in the way", encoding="utf-8")
    with pytest.raises(KhoError) as refused:
        delivery.done()
    assert refused.value.code == "put_away"
    assert refused.value.__context__ is None


def test_a_file_that_changes_while_it_is_read(contract: Contract, drop: Path) -> None:
    path = put(drop, "units_e0_20250201.csv", f"{HEADER}\n")
    (delivery,) = deliveries(contract, drop)
    path.write_text(f"{HEADER}\n{ROWS}", encoding="utf-8")
    with pytest.raises(Transient):
        list(delivery.chunks)


def test_folder_and_variable(contract: Contract, drop: Path) -> None:
    with pytest.raises(KhoError) as refused:
        list(open_source(contract, None, {}))
    assert refused.value.where == {"variable": "KHO_SOURCE_HOME_AFFAIRS"}
    with pytest.raises(Transient) as down:
        list(deliveries(contract, drop / "nowhere"))
    assert os.fspath(drop) not in str(down.value)


def test_probe(contract: Contract, drop: Path) -> None:
    env = {"KHO_SOURCE_HOME_AFFAIRS": str(drop)}
    assert "Chưa có tệp" in test_source(contract, env)[-1]
    path = put(drop, "units_e0_20250201.csv", f"{HEADER},note\n{ROWS}")
    assert (
        test_source(contract, env)[-1] == "units_e0_20250201.csv: ngày 01/02/2025, đủ 5 cột; cột ngoài hợp đồng: note"
    )
    assert path.exists()

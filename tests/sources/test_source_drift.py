"""What is told of headers: what the contract lacks and what has moved, and never a person who stands where headers should be."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from pathlib import Path

import pytest

from orchestration.contracts.model import Source
from orchestration.sources import kept_delivery
from orchestration.sources.delivery import LOCAL

from .file_contracts import contract, opened, put

PERSONS = contract(
    "so_dinh_danh=Số định danh", "ho_ten=Họ tên", "gioi=Giới tính", "nam=Nam", "email=Thư điện tử", glob="a_{date}.csv"
)
PERSON = "024199000123,Hồ Tiến,Nam,Nam,ho.tien@bacninh.gov.vn"


@pytest.mark.parametrize("line", [PERSON, PERSON.replace(",", ";"), "Hồ Tiến,Nữ", f"{PERSON},Số 5 phố Huyền Quang"])
def test_a_line_of_a_person_in_place_of_headers_is_not_repeated(tmp_path: Path, line: str) -> None:
    put(tmp_path, "a_20261119.csv", f"{line}\n{line}\n")
    _, _, error = opened(PERSONS, tmp_path)
    assert error is not None and error.code == "schema_drift"
    text = f"{error} {error.where}"
    assert not any(part in text for part in ("0241", "Hồ Tiến", "ho.tien", "Huyền Quang", "@"))
    assert "thiếu cột Số định danh" in error.vi and " ô" in error.vi


def test_no_header_line_is_called_so(tmp_path: Path) -> None:
    put(tmp_path, "a_20261119.csv", "024199000123,Hồ Tiến,x\n")
    _, _, error = opened(PERSONS, tmp_path)
    assert error is not None and "Dòng đầu không phải tiêu đề (3 ô)" in error.vi
    assert "The first line is no header (3 cells)" in error.en


def test_headers_that_are_like_those_of_the_contract_are_named(tmp_path: Path) -> None:
    header = "Số định danh,Họ và tên,Giới tính,Nam,0912345678,Thư điện-tử,Ghi chú,a@b.vn"
    put(tmp_path, "a_20261119.csv", f"{header}\n")
    _, _, error = opened(PERSONS, tmp_path)
    assert error is not None and "có lẽ Họ tên đã đổi tên thành Họ và tên" in error.vi
    assert "Thư điện-tử, Ghi chú và 2 ô khác" in error.vi and "0912" not in str(error) and "a@b" not in str(error)


def test_titles_beside_the_contract_that_look_like_values_are_numbers_of_columns(tmp_path: Path) -> None:
    header = "Số định danh,Họ tên,0912345678,Giới tính,Nam,Thư điện tử,a@b.vn,Quý 1/2026," + "x" * 61
    put(tmp_path, "a_20261119.csv", f"{header}\n")
    (delivery,), _, error = opened(PERSONS, tmp_path)
    assert error is None and delivery.extra == ("cột 3", "cột 7", "Quý 1/2026", "cột 9")
    assert delivery.columns.count(None) == 4


def test_what_databases_hand_over_is_read_again(tmp_path: Path) -> None:
    """One writes the contract's names into its first line, another the source's: it is the order that counts."""
    asked = dataclasses.replace(PERSONS, sources=(Source("database", "${KHO_SOURCE_X}", {"table": "a"}),))
    kept = tmp_path / "kept"
    for names in ([c.name for c in asked.columns], [c.source_name for c in asked.columns]):
        kept.write_text(",".join(names) + "\n1,2,3,4,5\n", encoding="utf-8")
        again = kept_delivery(asked, kept, encoding="csv", name="a", as_of=datetime(2026, 11, 19, tzinfo=LOCAL))
        assert again.columns == tuple(c.name for c in asked.columns) and again.extra == ()
        assert b"".join(again.chunks) == kept.read_bytes()

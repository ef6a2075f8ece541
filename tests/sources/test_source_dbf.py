"""DBF tables: what independent writers wrote, in their code pages, and what is no table."""

from __future__ import annotations

import csv
import datetime
import io
import struct
from decimal import Decimal
from pathlib import Path
from typing import Any

import dbf
import dbfread
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration.contracts import Contract
from orchestration.errors import KhoError
from orchestration.sources.dbf import headers_dbf, parse_dbf
from tests.sources.contracts_of import contract_of

COLUMNS: list[tuple[str, str, dict[str, Any]]] = [
    ("code", "MA", {}),
    ("amount", "SO", {"pg_type": "numeric(12,2)"}),
    ("day", "NGAY", {"pg_type": "date", "format": "dd/MM/yyyy"}),
    ("good", "DAT", {"pg_type": "boolean", "format": "x/"}),
]
SPEC = "MA C(20); SO N(12,2); NGAY D; DAT L"


def read(contract: Contract, content: bytes) -> list[dict[str, str]]:
    columns, stream = parse_dbf(contract, io.BytesIO(content), "a.dbf")
    text = b"".join(stream).decode()
    return [dict(zip(columns, row, strict=True)) for row in csv.reader(io.StringIO(text, newline=""))]


def table(path: Path, spec: str, rows: list[tuple[Any, ...]], *, kind: str = "db3", codepage: str = "cp1252") -> bytes:
    made = dbf.Table(str(path), spec, codepage=codepage, dbf_type=kind)
    made.open(dbf.READ_WRITE)
    for row in rows:
        made.append(row)
    made.close()
    return path.read_bytes()


VALUES = st.tuples(
    st.text(st.characters(codec="cp1252", exclude_categories=["C", "Z"]), max_size=20),
    st.none() | st.decimals(Decimal("-9999999.99"), Decimal("99999999.99"), places=2),
    st.none() | st.dates(datetime.date(1000, 1, 1)),
    st.none() | st.booleans(),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(VALUES, max_size=8), st.sampled_from(["db3", "vfp"]))
def test_what_dbf_writes_is_what_dbfread_reads(tmp_path: Path, rows: list[tuple[Any, ...]], kind: str) -> None:
    path = tmp_path / "a.dbf"
    content = table(path, SPEC, rows, kind=kind)
    expected = [
        {
            "code": row["MA"].strip(),
            "amount": None if row["SO"] is None else Decimal(str(row["SO"])),
            "day": f"{row['NGAY']:%d/%m}/{row['NGAY'].year:04}" if row["NGAY"] else "",
            "good": "x" if row["DAT"] else "",
        }
        for row in dbfread.DBF(str(path), char_decode_errors="strict")
    ]
    found = [
        {**row, "amount": Decimal(row["amount"]) if row["amount"] else None}
        for row in read(contract_of(COLUMNS), content)
    ]
    assert [{key: row[key] for key in expected[0]} for row in found] == expected if expected else not found


def test_a_deleted_record_is_not_there_and_keeps_its_number(tmp_path: Path) -> None:
    path = tmp_path / "a.dbf"
    content = bytearray(table(path, SPEC, [(f"A{n}", n, None, None) for n in range(5)]))
    start, length = struct.unpack_from("<HH", content, 8)
    content[start + 2 * length] = ord("*")
    path.write_bytes(content)
    found = read(contract_of(COLUMNS), bytes(content))
    assert [(row["_row"], row["code"]) for row in found] == [("1", "A0"), ("2", "A1"), ("4", "A3"), ("5", "A4")]
    assert [row["MA"].strip() for row in dbfread.DBF(str(path))] == [row["code"] for row in found]


def test_legacy_letters_by_the_contract(tmp_path: Path) -> None:
    content = table(tmp_path / "a.dbf", "MA C(20)", [("Bac",)]).replace(b"Bac       ", "B¾c Ninh  ".encode("latin-1"))
    (row,) = read(contract_of(COLUMNS[:1], charset="tcvn3"), content)
    assert row["code"] == "Bắc Ninh"
    (row,) = read(contract_of(COLUMNS[:1], charset="utf-8"), content.replace(b"B\xbec Ninh", "Đất ".encode() + b"  "))
    assert row["code"] == "Đất"
    with pytest.raises(KhoError) as refused:
        read(contract_of(COLUMNS[:1], charset="utf-8"), content)
    assert (refused.value.code, refused.value.where["column"]) == ("encoding", "MA")
    assert refused.value.__context__ is None


def test_without_a_code_page_only_ascii_is_read(tmp_path: Path) -> None:
    content = bytearray(table(tmp_path / "a.dbf", "MA C(20)", [("Hà",)]))
    content[29] = 0
    with pytest.raises(KhoError, match="kho.charset"):
        read(contract_of(COLUMNS[:1]), bytes(content))


def test_foxpro_types(tmp_path: Path) -> None:
    moment = datetime.datetime(2025, 9, 5, 7, 30, 15)
    content = table(
        tmp_path / "a.dbf",
        "MA C(5); N I; B B; T T; Y Y",
        [("A", -7, 2.5, moment, Decimal("-12.3456")), ("B", 8, 3.0, None, 1)],
        kind="vfp",
    )
    contract = contract_of([("code", "MA", {}), *[(name.lower(), name, {}) for name in "NBTY"]])
    found = read(contract, content)
    assert [found[0][name] for name in "nbty"] == ["-7", "2.5", "2025-09-05 07:30:15", "-12.3456"]
    assert [found[1][name] for name in "nbty"] == ["8", "3", "", "1.0000"]


def test_a_memo_is_refused_by_name(tmp_path: Path) -> None:
    content = table(tmp_path / "a.dbf", "MA C(5); GHICHU M", [("A", "dài")])
    with pytest.raises(KhoError) as refused:
        headers_dbf(contract_of(COLUMNS[:1]), io.BytesIO(content), "a.dbf")
    assert (refused.value.code, refused.value.where["column"]) == ("file_format", "GHICHU")


def test_more_and_fewer_fields(tmp_path: Path) -> None:
    content = table(tmp_path / "a.dbf", "MA C(5); THEM C(5)", [("A", "B")])
    columns, _ = parse_dbf(contract_of(COLUMNS[:1]), io.BytesIO(content), "a.dbf")
    assert columns == ("_row", "code", "THEM")
    with pytest.raises(KhoError) as refused:
        parse_dbf(contract_of(COLUMNS), io.BytesIO(content), "a.dbf")
    assert (refused.value.code, refused.value.where["column"]) == ("schema_drift", "SO, NGAY, DAT")


def test_what_is_cut_off_or_no_table(tmp_path: Path) -> None:
    content = table(tmp_path / "a.dbf", SPEC, [(f"A{n}", n, None, None) for n in range(5)])
    for broken in (b"", b"PK\3\4" + b"x" * 100, content[:40], content[:32] + b"\0" * 400):
        with pytest.raises(KhoError) as refused:
            read(contract_of(COLUMNS), broken)
        assert refused.value.code in ("file_format", "schema_drift")
    with pytest.raises(KhoError) as refused:
        read(contract_of(COLUMNS), content[: -45 - 1])
    assert refused.value.where["row"] in (4, 5)

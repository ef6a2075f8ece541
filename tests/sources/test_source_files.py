"""Files as deliveries: names and dates, batches, zips, charsets, what is taken once, and what cannot be used."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import tarfile
import unicodedata
from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.errors import KhoError, Transient
from orchestration.sources import members, places
from orchestration.sources import taken as taken_module
from orchestration.sources.csv_columns import pieces, read_records, written
from orchestration.sources.delivery import LOCAL
from orchestration.sources.file_names import NamePattern, shown
from orchestration.sources.places import Found
from orchestration.sources.taken import SLICE, Taken

from .file_contracts import cells, contract, opened, parsed, put

WARDS = "dan_{ward}_{date}.csv"


@pytest.fixture
def drop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(places, "SETTLE", 0.0)
    (tmp_path / "drop").mkdir()
    return tmp_path / "drop"


# -- names ---------------------------------------------------------------------------------------------------------------

WORD = st.text("abzÁỄđ0_-.", min_size=1, max_size=6)


@settings(deadline=None, max_examples=60)
@given(before=WORD, value=st.text("abc019ễ", min_size=1, max_size=5), day=st.dates(date(1900, 1, 1), date(2100, 1, 1)),
       suffix=st.sampled_from(["", "_lan2", "-sửa", "_20250101"]), nfd=st.booleans(), folder=WORD)  # fmt: skip
def test_a_name_made_after_a_pattern_is_read_back(
    before: str, value: str, day: date, suffix: str, nfd: bool, folder: str
) -> None:
    pattern = NamePattern(f"{{xa}}/{before}~{{ma}}~{{date}}.csv")
    name = f"{folder}/{before}~{value}~{day:%Y%m%d}{suffix}.csv"
    name = unicodedata.normalize("NFD" if nfd else "NFC", name)
    named = pattern.read(shown(name))
    assert named.as_of == datetime(day.year, day.month, day.day, tzinfo=LOCAL)
    assert named.values == {"xa": unicodedata.normalize("NFC", folder), "ma": unicodedata.normalize("NFC", value)}
    assert all(s.fullmatch(p) for s, p in zip(pattern.segments, shown(name).split("/"), strict=True))
    assert pattern.is_many


@settings(deadline=None, max_examples=60)
@given(name=st.text("ab20251301_-.csv/", max_size=24))
def test_whatever_is_read_was_let_through_and_has_a_real_date(name: str) -> None:
    pattern = NamePattern("a*_{date}.csv")
    try:
        named = pattern.read(name)
    except KhoError as refused:
        assert refused.code == "file_name"
        return
    assert pattern.segments[0].fullmatch(name)
    assert named.as_of is not None and f"_{named.as_of:%Y%m%d}" in name and name.startswith("a") and "/" not in name


def test_moments_literals_and_wrong_dates() -> None:
    named = NamePattern("{tram}_{moment}.txt").read("BN_NT_01_20261119000500.txt")
    assert (named.as_of, named.values) == (datetime(2026, 11, 19, 0, 5, tzinfo=LOCAL), {"tram": "BN_NT_01"})
    for name in ("ab[1].csv", "a20260231.csv", "a2026013.csv", "b20260101.csv", "a20260101x.csv"):
        with pytest.raises(KhoError):
            NamePattern("a{date}.csv").read(name)
    assert not NamePattern("a{date}.csv").is_many and NamePattern("[1]?.csv").read("[1]?.csv").as_of is None


# -- the cursor ----------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3)), max_size=6), max_size=6),
    st.sampled_from([0, 2, 5, 1000]),
    st.data(),
)
def test_no_file_is_passed_over_and_none_taken_twice(
    arrivals: list[list[tuple[int, int]]], exact: int, data: st.DataObject
) -> None:
    """Arrivals as (time of change, how many of that moment), in any order; some are not taken at their first visit, some go.

    Taken twice are only files beyond those known one by one, where more than one came late or some have gone.
    """
    there: list[Found] = []
    taken: list[Found] = []
    cursor: str | None = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(taken_module, "SLICE", 3)
        for visit, listed in enumerate([*arrivals, []]):
            if exact != 1000:
                there = [file for file in there if data.draw(st.integers(0, 9))]
            for n, (mtime, many) in enumerate(listed):
                there += [Found(f"{visit}-{n}-{k}.txt", 1, mtime) for k in range(many)]
            state = Taken(cursor, exact)
            state.look(there)
            new = [file for file in there if not state.has(file)]
            assert {file for file in there if file not in taken} <= set(new), "passed over"
            last = visit == len(arrivals)
            some = new if last else [file for file in new if data.draw(st.booleans())]
            cut = len(some) // 2
            for group in (
                some[:cut],
                some[cut:],
            ):  # two deliveries: the cursor of the first must not speak of the second
                cursor = state.cursor(group)
                taken += group
                state.add(group)
                stored = Taken(cursor, exact)
                stored.look(there)
                assert {f for f in there if not stored.has(f)} == {f for f in there if not state.has(f)}
    if exact == 1000:
        assert sorted(taken) == sorted(there), "once"


def test_a_late_file_with_an_old_time_is_found_among_any_number() -> None:
    there = [Found(f"{n}.txt", 1, n // 7) for n in range(9 * SLICE)]
    left = there[:3] + there[100 : 100 + 2]
    state = Taken(None, 2 * SLICE)
    state.look(there)
    cursor = state.cursor([file for file in there if file not in left])
    assert len(cursor) < 12 * 3 * SLICE + 7 * 60, "what is exact, and some letters for each slice"
    state = Taken(cursor, 2 * SLICE)
    state.look(there)
    assert [file for file in there if not state.has(file)] == left
    late, grown = Found("late.txt", 1, 5), left[0]._replace(size=2)
    now = [late, grown, *there[1:]]
    state = Taken(cursor, 2 * SLICE)
    state.look(now)
    assert all(not state.has(file) for file in (late, grown, *left[1:]))
    state = Taken(state.cursor([file for file in now if not state.has(file)]), 2 * SLICE)
    state.look(now)
    assert all(state.has(file) for file in now)
    one = Found("one.txt", 1, 5)
    state.look([*now, one])
    assert [file for file in [*now, one] if not state.has(file)] == [one], "one more is known by itself"
    gone = now[: 2 * SLICE] + now[2 * SLICE + 1 :]
    state.look(gone)
    assert 0 < sum(not state.has(file) for file in gone) < 2 * SLICE, "its slice only"
    state.look([])
    assert json.loads(state.cursor()) == {"slices": [], "taken": "", "left": ""}
    with pytest.raises(KhoError):
        Taken("2026-11-19")


# -- batches -------------------------------------------------------------------------------------------------------------


def test_all_files_of_a_date_are_one_delivery(drop: Path, tmp_path: Path) -> None:
    asked = contract("ward", "id", "name", glob=WARDS, key=("id",))
    put(drop, "dan_07213_20261119.csv", "name,id,note\nBình,2,x\n")
    put(drop, unicodedata.normalize("NFD", "dan_Đông_20261119.csv"), 'id,name\n3,"Cúc\nHai"\n\n4,\n')
    put(drop, "dan_07210_20261119_sua.csv", "ID,Name,Ward\n1,An,99999\n5,Ơn,\n")
    put(drop, "dan_07210_20261118.csv", "id,name\n0,Không\n")
    (first, second), contents, error = opened(asked, drop)
    assert error is None
    assert [d.name for d in (first, second)] == ["dan_*_20261118.csv", "dan_*_20261119.csv"]
    assert (second.encoding, second.as_of, second.extra, second.partial) == (
        "batch", datetime(2026, 11, 19, tzinfo=LOCAL), ("note",), False,
    )  # fmt: skip
    assert second.sha256 == hashlib.sha256(contents[1]).hexdigest()
    with tarfile.open(fileobj=io.BytesIO(contents[1])) as tar:
        kept = {m.name: tar.extractfile(m).read() for m in tar.getmembers()}  # type: ignore[union-attr]
    assert kept["dan_Đông_20261119.csv"] == 'id,name\n3,"Cúc\nHai"\n\n4,\n'.encode()
    rows = parsed(asked, second, tmp_path)
    assert list(rows[0]) == ["_row", "_file", "ward", "id", "name"]
    assert cells(rows, "_row", "_file", "ward", "id", "name") == [
        ("2", "dan_07210_20261119_sua.csv", "99999", "1", "An"),  # the file has the column itself
        ("3", "dan_07210_20261119_sua.csv", "", "5", "Ơn"),
        ("2", "dan_07213_20261119.csv", "07213", "2", "Bình"),
        ("2", "dan_Đông_20261119.csv", "Đông", "3", "Cúc\nHai"),
        ("4", "dan_Đông_20261119.csv", "Đông", "4", ""),
    ]
    first.done()
    second.done()
    assert len(list((drop / "done").iterdir())) == 4
    assert opened(asked, drop)[0] == []


def test_a_bad_file_of_a_batch_stays_and_the_rest_is_known_to_be_a_part(drop: Path, tmp_path: Path) -> None:
    asked = contract("ward", "id", glob=WARDS, key=("id",))
    put(drop, "dan_1_20261119.csv", "id\n1\n")
    bad = put(drop, "dan_2_20261119.csv", "other\n2\n")
    wrong = put(drop, "dan_3_20261345.csv", "id\n3\n")
    alone = put(drop, "dan_4_20261120.csv", b"\xff\xfe\xfa\n")
    (delivery,), _, error = opened(asked, drop)
    assert delivery.partial and cells(parsed(asked, delivery, tmp_path), "id") == [("1",)]
    assert error is not None and not error.transient
    assert all(name in error.vi for name in ("dan_2_20261119", "dan_3_20261345", "dan_4_20261120"))
    delivery.done()
    assert bad.exists() and wrong.exists() and alone.exists() and not (drop / "dan_1_20261119.csv").exists()
    whole = dataclasses.replace(asked, partition="ward")
    put(drop, "dan_1_20261119.csv", "id\n1\n")
    assert not opened(whole, drop)[0][0].partial, "each file is the whole of its ward, whatever the others are"


def test_a_file_of_a_batch_that_changes_while_it_is_read(drop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = contract("ward", "id", glob=WARDS)
    put(drop, "dan_1_20261119.csv", "id\n1\n")
    growing = put(drop, "dan_2_20261119.csv", "id\n2\n")
    true = places.Folder.blocks

    def blocks(self: places.Folder, found: Found):  # type: ignore[no-untyped-def]
        yield from true(self, found)
        if "dan_2" in found.path:
            growing.write_text("id\n2\n3\n", encoding="utf-8")

    monkeypatch.setattr(places.Folder, "blocks", blocks)
    (delivery,), contents, error = opened(asked, drop)
    assert isinstance(error, Transient) and "dan_2" in error.vi and delivery.partial
    assert b"dan_1" in contents[0] and b"dan_2" not in contents[0]


def test_files_that_are_left_are_taken_once_and_late_ones_are_a_part(drop: Path, tmp_path: Path) -> None:
    asked = contract("ward", "id", glob=WARDS, after="leave")
    put(drop, "dan_1_20261119.csv", "id\n1\n")
    put(drop, "dan_1_20261120.csv", "id\n1\n")
    (first, second), _, _ = opened(asked, drop)
    first.done()
    cursor = second.cursor_after()
    assert opened(asked, drop, cursor)[0] == []
    again, _, _ = opened(asked, drop, first.cursor_after())
    assert [d.name for d in again] == ["dan_*_20261120.csv"], "the first cursor does not speak of the second delivery"
    put(drop, "dan_2_20261119.csv", "id\n2\n", age=7200)
    (late,), _, _ = opened(asked, drop, cursor)
    assert late.partial and cells(parsed(asked, late, tmp_path), "_file") == [("dan_2_20261119.csv",)]


def test_without_a_date_the_time_of_change_counts(drop: Path) -> None:
    path = put(drop, "ho_so.csv", "id\n1\n", age=100_000)
    (delivery,), _, _ = opened(contract("id", glob="ho_so.csv"), drop)
    assert delivery.as_of == datetime.fromtimestamp(int(path.stat().st_mtime), LOCAL)
    assert (delivery.encoding, delivery.name) == ("csv", "ho_so.csv")


def test_a_large_member_is_read_in_pieces(drop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.sources.csv_columns.PIECE", 50_000)
    monkeypatch.setattr(members, "IN_MEMORY", 10_000)
    lines = [f'{n},"x\ny {n}"' for n in range(40_000)]
    put(drop, "dan_1_20261119.csv", "id,name\n" + "\n".join(lines))
    put(drop, "dan_2_20261119.csv", "id,name\n7,z\n")
    asked = contract("id", "name", "ward", glob=WARDS)
    (delivery,), _, _ = opened(asked, drop)
    rows = parsed(asked, delivery, tmp_path)
    assert len(rows) == 40_001 and [row["_row"] for row in rows[:40_000]] == [str(n + 2) for n in range(40_000)]
    assert (rows[39_999]["name"], rows[40_000]["_file"]) == ("x\ny 39999", "dan_2_20261119.csv")


# -- text ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("charset", ["tcvn3", "auto"])
def test_tabs_and_legacy_letters(drop: Path, tmp_path: Path, charset: str) -> None:
    from simulator.views.encodings import encode

    text = "mã\ttên\n" + "1\ttỉnh Bắc Ninh, phường Kinh Bắc, đường Nguyễn Trãi\n" * 40
    raw = encode(text, "tcvn3")
    put(drop, "dan_1_20261119.csv", raw)
    put(drop, "dan_2_20261119.csv", raw if charset == "tcvn3" else text)
    columns = ({"name": "id=mã"}, {"name": "name=tên"})
    asked = contract(*columns, "ward", glob=WARDS, charset=charset, delimiter="tab")
    (delivery,), contents, error = opened(asked, drop)
    assert error is None and raw in contents[0], "what is kept are the original bytes"
    rows = parsed(asked, delivery, tmp_path)
    assert {row["name"] for row in rows} == {"tỉnh Bắc Ninh, phường Kinh Bắc, đường Nguyễn Trãi"}
    assert len(rows) == 80
    single = contract(*columns, glob="dan_1_{date}.csv", charset=charset, delimiter="tab")
    (delivery,), contents, _ = opened(single, drop)
    assert (delivery.encoding, delivery.charset, delivery.delimiter) == ("csv", "tcvn3", "\t")
    assert delivery.columns == ("id", "name") and contents == [raw]


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(st.lists(st.text('ab",\n\r\t éệ', max_size=6), min_size=3, max_size=3).filter(any), max_size=30),
    size=st.integers(1, 40),
)
def test_pieces_and_columns_are_what_a_csv_reader_reads(rows: list[list[str]], size: int) -> None:
    import csv as reference

    stream = io.StringIO()
    quoting = reference.QUOTE_ALL if "\r" in str(rows).replace("\\r", "\r") else reference.QUOTE_MINIMAL
    reference.writer(stream, lineterminator="\n", quoting=quoting).writerows(rows)
    text = stream.getvalue().encode()
    chunks = [text[n : n + size] for n in range(0, len(text), size)]
    found: list[list[str]] = []
    first = 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("orchestration.sources.csv_columns.PIECE", size * 2)
        for piece in pieces(chunks, "x"):
            columns, numbers, first = read_records(piece, 3, "x", first_row=first)
            out = written([numbers, *columns]).decode()
            found += list(reference.reader(io.StringIO(out, newline="")))
    assert found == [[str(n), *row] for n, row in enumerate(rows, 1)]


@pytest.mark.parametrize(
    ("text", "code", "row"),
    [
        (b"id,name\n1,2\n1,2,3\n", "unreadable", 3),
        (b"id,name\n1,\xff\n", "encoding", 2),
        (b'id,name\n1,2\n2,"a\n3,4\n5,6\n', "unreadable", 3),
        (b'id,name\n1,2\n2,3" a\n3,4\n5,6" b\n', "unreadable", 3),
        (b'id,name\n1,"x\ny"\n2,"a', "unreadable", 3),
    ],
    ids=["width", "encoding", "open", "within", "end"],
)
@pytest.mark.parametrize("after", ["move", "leave"])
def test_a_file_that_cannot_be_read_to_its_end_is_left_out_and_named(
    drop: Path, tmp_path: Path, text: bytes, code: str, row: int, after: str
) -> None:
    asked = contract("id", "name", "ward", glob=WARDS, after=after)
    bad, good = put(drop, "dan_1_20261119.csv", text), put(drop, "dan_2_20261119.csv", "id,name\n7,8\n")
    (delivery,), _, refused = opened(asked, drop)
    assert cells(parsed(asked, delivery, tmp_path), "id", "ward") == [("7", "2")] and delivery.partial
    assert refused is not None and (refused.code, refused.where["row"]) == (code, row)
    assert refused.where["file"] == "dan_1_20261119.csv" and refused.__context__ is None
    cursor = delivery.cursor_after()
    delivery.done()
    assert bad.exists() and good.exists() == (after == "leave")
    again, _, error = opened(asked, drop, cursor)
    assert again == [] and error is not None, "it is told until it is mended"


def test_records_that_break_further_on(drop: Path, tmp_path: Path) -> None:
    asked = contract("id", "ward", glob="dan_{ward}_{date}.jsonl", format="jsonl")
    put(drop, "dan_1_20261119.jsonl", '{"id": "1"}\n' * 3 + '{"id": \n')
    put(drop, "dan_2_20261119.jsonl", '{"id": "2", "more": 1}\n')
    (delivery,), _, refused = opened(asked, drop)
    assert cells(parsed(asked, delivery, tmp_path), "id") == [("2",)] and delivery.extra == ("more",)
    assert refused is not None and refused.where["file"] == "dan_1_20261119.jsonl"


@settings(max_examples=300, deadline=None)
@given(st.text('ab",\n', max_size=20))
def test_quotes_are_counted_as_copy_counts_them(text: str) -> None:
    """As many records as COPY would see, or an error: a line is never taken for a part of another."""
    content = ("x,y\n" + text).encode()
    inside, ends = False, 0
    for letter in content.decode():
        inside ^= letter == '"'
        ends += letter == "\n" and not inside
    expected = ends + (not content.endswith(b"\n"))
    try:
        found = read_records(content, 2, "a")[2] - 1
    except KhoError as refused:
        assert refused.code == "unreadable"
        return
    assert not inside and found == expected

"""What landing makes of the ways a source may deliver: notes, parts, tombstones, further channels, key checks, drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration.contracts import Contract
from orchestration.landing import Receipt, land

from .cluster import rows, value
from .samples import NIGHT, column, contract, csv_delivery, text_rows
from .strategies import examples

NAMES = ("code", "part", "name")
COLUMNS = [
    column("code", key_position=1, required=True),
    column("part", required=True),
    column("name", pattern=r"^[a-z]+$", on_breach="note"),
]
Line = tuple[str | None, ...]


def take(made: Contract, lines: Sequence[Line], day: int = 0, **given: Any) -> Receipt:
    """Land these lines; of a contract with parts, as files whose names tell the parts of the lines."""
    names = tuple(c.name for c in made.columns)
    if made.partition is not None:
        given.setdefault("parts", tuple(sorted({str(line[names.index(made.partition)]) for line in lines})))
    return land(made, csv_delivery(made, text_rows(names, *lines), day=day, **given), night=NIGHT)


def present(made: Contract) -> set[tuple[Any, ...]]:
    names = ", ".join(c.name for c in made.columns)
    return set(rows(f"select {names} from raw.{made.table} where not _deleted"))


def told(receipt: Receipt) -> list[tuple[Any, ...]]:
    return rows(
        "select row_number, key ->> 'code', state, code, found from quarantine.row join quarantine.problem using (quarantine_id)"
        " where delivery_id = %s order by row_number",
        (receipt.delivery_id,),
    )


# -- notes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("messy", [False, True])
def test_a_row_with_a_note_is_taken_in_and_told(empty: Path, messy: bool) -> None:
    """On the clean way and, because of an odd row, on the general one."""
    made = contract(COLUMNS)
    odd: list[Line] = [(" K4 ", "a", "d")] if messy else []
    receipt = take(made, [("K1", "a", "b"), ("K2", "a", "C3"), ("K3", "a", None), *odd])
    assert (receipt.accepted, receipt.quarantined, receipt.noted) == (3 + messy, 0, 1)
    assert ("K2", "a", "C3") in present(made)
    assert told(receipt) == [(3, "K2", "noted", "pattern", "C3")]
    assert value("select content from quarantine.row") is None
    # The next delivery answers it.
    again = take(made, [("K1", "a", "b"), ("K2", "a", "c"), ("K3", "a", None), *odd], day=1)
    assert again.noted == 0
    assert rows("select state, closed_by from quarantine.row") == [("resolved", again.delivery_id)]


def test_a_note_that_comes_again_is_superseded(empty: Path) -> None:
    made = contract(COLUMNS)
    take(made, [("K1", "a", "B"), ("K2", "a", "C")])
    again = take(made, [("K1", "a", "X"), ("K2", "a", "c")], day=1)
    assert rows("select key ->> 'code', state, closed_by from quarantine.row order by quarantine_id") == [
        ("K1", "superseded", again.delivery_id),
        ("K2", "resolved", again.delivery_id),
        ("K1", "noted", None),
    ]


def test_a_row_that_is_held_is_told_everything(empty: Path) -> None:
    made = contract([COLUMNS[0], column("part", required=True), COLUMNS[2]])
    receipt = take(made, [("K1", None, "B"), ("K2", "a", "b")])
    assert (receipt.quarantined, receipt.noted) == (1, 0)
    assert {(line[1], line[2], line[3]) for line in told(receipt)} == {
        ("K1", "open", "required"),
        ("K1", "open", "pattern"),
    }


# -- a file that is a part ---------------------------------------------------------------------------------------------


def test_a_file_of_one_part_says_nothing_of_the_others(empty: Path) -> None:
    made = replace(contract(COLUMNS), partition="part")
    take(made, [("K1", "a", "x"), ("K2", "a", "x"), ("K3", "b", "x"), ("K4", "b", "x"), ("K5", "b", "x")])
    second = take(made, [("K3", "b", "y"), ("K4", "b", "x"), ("K6", "b", "x")], day=1)
    assert (second.inserted, second.updated, second.deleted) == (1, 1, 1)
    assert present(made) == {("K1", "a", "x"), ("K2", "a", "x"), ("K3", "b", "y"), ("K4", "b", "x"), ("K6", "b", "x")}


def test_a_row_that_moves_to_another_part_stays_one_row(empty: Path) -> None:
    made = replace(contract(COLUMNS), partition="part")
    take(made, [("K1", "a", "x"), ("K2", "a", "x"), ("K3", "b", "x")])
    take(made, [("K1", "b", "x"), ("K3", "b", "x")], day=1)
    assert present(made) == {("K1", "b", "x"), ("K2", "a", "x"), ("K3", "b", "x")}


def test_an_empty_file_empties_its_part(empty: Path) -> None:
    made = replace(contract(COLUMNS), partition="part")
    take(made, [("K1", "a", "x"), ("K2", "b", "x"), *((f"L{n}", "a", "x") for n in range(8))])
    receipt = take(made, [], day=1, parts=("b",))
    assert receipt.deleted == 1 and ("K2", "b", "x") not in present(made) and len(present(made)) == 9


def test_a_stray_row_does_not_speak_for_its_part(empty: Path) -> None:
    made = replace(contract(COLUMNS), partition="part")
    take(made, [("K1", "a", "x"), ("K2", "a", "x"), ("K3", "b", "x"), ("K4", "b", "x"), ("K5", "b", "x")])
    second = take(made, [("K1", "a", "x"), ("K2", "a", "x"), ("K9", "b", "x")], day=1, parts=("a",))
    assert (second.quarantined, second.deleted) == (1, 0)
    assert told(second) == [(4, "K9", "open", "part", "b")]
    assert len(present(made)) == 5


def test_a_part_that_loses_most_of_its_rows_waits(empty: Path) -> None:
    made = replace(contract(COLUMNS), partition="part")
    many: list[Line] = [(f"A{n:03}", "a", "x") for n in range(200)]
    take(made, [*many, *((f"B{n:03}", "b", "x") for n in range(20))])
    second = take(made, [*many, ("B000", "b", "x")], day=1)
    assert second.outcome == "waiting" and "phần b" in second.reason_vi
    third = take(made, [*many, *((f"B{n:03}", "b", "x") for n in range(11))], day=2)
    assert (third.outcome, third.deleted) == ("applied", 9)


def test_quarantine_of_other_parts_stays_open(empty: Path) -> None:
    made = replace(contract([*COLUMNS[:2], column("name", required=True)]), partition="part")
    take(made, [("K1", "a", None), ("K2", "b", None), ("K3", "a", "x")])
    take(made, [("K2", "b", "x")], day=1)
    assert rows("select key ->> 'code', state from quarantine.row order by 1") == [("K1", "open"), ("K2", "resolved")]


LINES = st.lists(st.tuples(st.sampled_from("KLMN"), st.sampled_from("abc"), st.sampled_from("xy")), max_size=6)


FILES = st.lists(LINES, min_size=1, max_size=4)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FILES)
def test_any_files_of_parts_leave_what_the_last_file_of_each_part_said(empty: Path, files: list[Any]) -> None:
    parts_follow(files)


def play_parts(seed: int, count: int) -> None:
    """`count` histories of a dataset delivered in parts."""
    examples(seed, count, parts_follow, files=FILES)


def parts_follow(files: list[Any]) -> None:
    """Against an oracle: a part is what its last file says, and a key is where it was last seen."""
    made = replace(contract(COLUMNS), partition="part")
    expected: dict[str, tuple[str, str]] = {}
    for day, lines in enumerate(files):
        content = {code: (part, name) for code, part, name in lines}
        parts = {part for part, _ in content.values()}
        receipt = land(
            made,
            csv_delivery(made, text_rows(NAMES, *((k, *v) for k, v in content.items())), day=day, parts=tuple(sorted(parts))),
            night=NIGHT, confirms=None, confirmed_by="thử nghiệm",
        )  # fmt: skip
        assert receipt.outcome in ("applied", "unchanged")
        expected = {k: v for k, v in expected.items() if v[0] not in parts or k in content} | content
    assert present(made) == {(k, *v) for k, v in expected.items()}


# -- tombstones --------------------------------------------------------------------------------------------------------


def test_a_tombstone_deletes_and_may_be_taken_back(empty: Path) -> None:
    columns = [COLUMNS[0], column("gone", "boolean"), column("stamp", "timestamptz", required=True)]
    made = replace(
        contract(columns, delivery="cursor"),
        deletions="tombstone",
        tombstone=("gone", ("true",)),
        cursor_lookback=timedelta(0),
    )
    first = take(made, [(f"K{n}", "true" if n == 0 else "false", "2026-03-01") for n in range(9)])
    assert (first.accepted, len(present(made))) == (9, 8)
    second = take(made, [("K1", "true", "2026-03-02"), ("K0", "true", "2026-03-02"), ("K2", None, "2026-03-02")], day=1)
    assert (second.accepted, second.deleted, second.updated, second.unchanged) == (3, 1, 1, 0)
    assert len(present(made)) == 7
    third = take(made, [("K1", "false", "2026-03-03")], day=2)
    assert third.inserted == 1 and len(present(made)) == 8


# -- two channels ------------------------------------------------------------------------------------------------------


def test_of_two_channels_the_later_word_counts(empty: Path) -> None:
    made = contract([*COLUMNS[:2], column("name")])
    take(made, [(f"K{n}", "a", "main") for n in range(9)])
    by_hand = take(made, [("K1", "a", "hand"), ("L1", "a", "hand")], day=3, channel="manual", partial=True)
    assert (by_hand.inserted, by_hand.updated, by_hand.deleted) == (1, 1, 0)
    # A snapshot of before that: what came by hand is the later word, and is not missing.
    older = take(made, [(f"K{n}", "a", "main2") for n in range(9)], day=2)
    assert (older.updated, older.duplicates, older.deleted) == (8, 1, 0)
    assert older.received == older.accepted + older.quarantined + older.duplicates
    assert {("K1", "a", "hand"), ("L1", "a", "hand"), ("K2", "a", "main2")} <= present(made)
    # A snapshot of after that says all there is.
    newer = take(made, [(f"K{n}", "a", "main3") for n in range(9)], day=4)
    assert (newer.updated, newer.deleted) == (9, 1)
    assert present(made) == {(f"K{n}", "a", "main3") for n in range(9)}


def test_the_same_rows_by_both_channels_change_nothing(empty: Path) -> None:
    made = contract([*COLUMNS[:2], column("name")])
    lines: list[Line] = [(f"K{n}", "a", "x") for n in range(5)]
    take(made, lines)
    again = take(made, lines, day=1, channel="manual", partial=True)
    assert (again.inserted, again.updated, again.deleted) == (0, 0, 0)
    assert value("select count(*) from kho.channel") == 2


def test_a_note_on_a_row_that_another_channel_has_newer_is_none(empty: Path) -> None:
    made = contract(COLUMNS)
    take(made, [("K1", "a", "x")], day=3, channel="manual", partial=True)
    receipt = take(made, [("K1", "a", "Y")], day=1)
    assert (receipt.accepted, receipt.duplicates, receipt.noted) == (0, 1, 0)


def test_different_records_under_one_number_are_told_in_a_first_load(empty: Path) -> None:
    columns = [COLUMNS[0], column("name"), column("stamp", "timestamptz", required=True)]
    made = contract(columns, delivery="cursor")
    first = take(
        made,
        [
            ("K1", "An", "2026-03-01"),
            ("K1", "Bình", "2026-03-02"),
            ("K2", "x", "2026-03-01"),
            ("K2", "x", "2026-03-02"),
        ],
    )
    assert (first.accepted, first.duplicates, first.noted) == (2, 2, 1)
    assert told(first) == [(2, "K1", "noted", "conflict", None)]
    assert value("select content ->> 'NAME' from quarantine.row") == "An"
    later = take(made, [("K3", "An", "2026-03-03"), ("K3", "Bình", "2026-03-04")], day=1)
    assert (later.accepted, later.noted) == (1, 0), "two states of one record"


def test_a_date_without_a_format_is_year_first(empty: Path) -> None:
    """Whatever the server would guess: the fifth of March is refused, and not taken for the third of May."""
    made = contract([COLUMNS[0], column("opened", "date")])
    receipt = take(made, [("K1", "05/03/2026"), ("K2", "2026-03-05")])
    assert (receipt.accepted, receipt.quarantined) == (1, 1)


# -- key checks, drift, optional columns -------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "deleted"), [(0, 1), (7, 0)])
def test_keys_are_compared_when_it_is_time(empty: Path, days: int, deleted: int) -> None:
    columns = [COLUMNS[0], column("stamp", "timestamptz", required=True)]
    made = replace(contract(columns, delivery="cursor"), key_check_days=days)
    take(made, [(f"K{n}", "2026-03-01") for n in range(8)])
    first = take(made, [("K0", "2026-03-02")], day=1, keys=[b"".join(b"K%d\n" % n for n in range(8))])
    assert first.deleted == 0
    second = take(made, [("K0", "2026-03-03")], day=2, keys=[b"".join(b"K%d\n" % n for n in range(7))])
    assert second.deleted == deleted


def test_keys_are_cleaned_as_rows_are_and_an_unreadable_one_deletes_nothing(empty: Path) -> None:
    columns = [column("code", "integer", key_position=1, required=True), column("stamp", "timestamptz", required=True)]
    made = contract(columns, delivery="cursor")
    take(made, [(str(n), "2026-03-01") for n in range(8)])
    assert take(made, [("0", "2026-03-02")], day=1, keys=[b" 0\n01\n2\n3\n4\n5\n6\n"]).deleted == 1
    receipt = take(made, [("0", "2026-03-03")], day=2, keys=[b"0\nzwei\n"])
    assert receipt.deleted == 0
    assert value("select deletions_withheld from kho.delivery where delivery_id = %s", (receipt.delivery_id,)) is True


def test_what_changed_in_the_source_is_on_the_receipt(empty: Path) -> None:
    made = contract([*COLUMNS[:2], column("name")])
    types = {"CODE": "VARCHAR(5)", "PART": "VARCHAR(5)", "NAME": "TEXT", "OLD": "TEXT"}
    take(made, [("K1", "a", "x")], source_types=types)
    now = {"CODE": "VARCHAR(9)", "PART": "VARCHAR(5)", "NAME": "TEXT", "NEW": "TEXT"}
    take(made, [("K1", "a", "y")], day=1, source_types=now)
    assert rows("select drift from kho.delivery order by delivery_id") == [
        ({},),
        (
            {
                "added": ["NEW"],
                "removed": ["OLD"],
                "retyped": [{"column": "CODE", "before": "VARCHAR(5)", "now": "VARCHAR(9)"}],
            },
        ),
    ]


def test_an_optional_column_may_come_later(empty: Path) -> None:
    made = contract([*COLUMNS[:2], column("name", optional=True)])
    receipt = land(made, csv_delivery(made, text_rows(NAMES[:2], ("K1", "a")), names=NAMES[:2]), night=NIGHT)
    assert receipt.accepted == 1 and present(made) == {("K1", "a", None)}
    take(made, [("K1", "a", "x")], day=1)
    assert present(made) == {("K1", "a", "x")}


def test_a_person_s_number_in_another_column_is_not_told(empty: Path) -> None:
    made = contract([COLUMNS[0], column("note", pattern=r"^[a-z]+$")])
    receipt = take(made, [("K1", "CCCD 098099000111"), ("K2", "A1")])
    assert [(line[1], line[4]) for line in told(receipt)] == [("K1", None), ("K2", "A1")]

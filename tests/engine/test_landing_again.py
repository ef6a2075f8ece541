"""When the same bytes change nothing, and when they are judged anew; keys, parts and answers in a row of deliveries."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from orchestration import settings
from orchestration.contracts import Contract
from orchestration.contracts.code_lists import CodeList, CodeValue
from orchestration.landing import land
from orchestration.landing.code_lists import put_in
from orchestration.landing.overtaken import unsettled
from orchestration.landing.returned import CHANNEL, Answer
from orchestration.warehouse import connect

from .attempts import COLUMNS, NAMES, WHO, Line, lines, outcomes, present, sent, take
from .cluster import rows, value
from .samples import NIGHT, START, column, contract, csv_delivery, text_rows


@pytest.fixture
def made(empty: Path) -> Contract:
    return contract(COLUMNS)


# -- unchanged, or not ----------------------------------------------------------------------------------------------------


def test_the_same_bytes_after_another_channel_are_not_unchanged(made: Contract) -> None:
    take(made, lines(10))
    take(made, [("A000", "a", "hand")], day=1, channel="manual", partial=True)
    back = take(made, lines(10), day=2)
    assert (back.outcome, back.updated) == ("applied", 1) and ("A000", "a", "x") in present(made)
    assert take(made, lines(10), day=3).outcome == "unchanged"
    # What an agency corrected in quarantine stands until its source says something new.
    take(made, [("A001", "a", "corrected")], day=4, channel=CHANNEL, partial=True)
    assert take(made, lines(10), day=5).outcome == "unchanged"


def test_channels_that_agree_come_to_rest(made: Contract) -> None:
    for day in range(3):
        take(made, lines(3), day=2 * day)
        take(made, lines(3), day=2 * day + 1, channel="manual", partial=True)
    assert outcomes() == ["applied", "applied"]


def test_the_same_bytes_under_other_rules_are_judged_anew(made: Contract) -> None:
    strict = replace(made, columns=(*COLUMNS[:2], column("name", pattern="^[a-z]+$")))
    content: list[Line] = [("A1", "a", "x"), ("A2", "a", "X9")]
    assert take(strict, content).quarantined == 1
    assert take(strict, content, day=1).outcome == "unchanged"
    mended = take(made, content, day=2)
    assert (mended.outcome, mended.accepted) == ("applied", 2)
    assert value("select state from quarantine.row") == "resolved"
    described = replace(made, columns=(*COLUMNS[:2], column("name", description="Other words.", line=7)))
    assert take(described, content, day=3).outcome == "unchanged"


def test_the_same_bytes_under_another_code_list_are_judged_anew(empty: Path) -> None:
    made = contract([*COLUMNS[:2], column("name", code_list="kinds")])

    def declare(*codes: str, until: date | None = None) -> None:
        values = tuple(CodeValue(code, code, code, date(1, 1, 1), until, None, 1) for code in codes)
        with connect("loader") as connection:
            put_in(connection, [CodeList("kinds", values)])

    declare("x")
    content: list[Line] = [("A1", "a", "x"), ("A2", "a", "y")]
    assert take(made, content).quarantined == 1
    assert take(made, content, day=1).outcome == "unchanged"
    declare("x", "y", until=START.date() + timedelta(days=3))
    longer = take(made, content, day=2)
    assert (longer.outcome, longer.accepted) == ("applied", 2)
    assert take(made, content, day=3).outcome == "unchanged"
    # The list is the same; the day on which its values end is past.
    assert take(made, content, day=4).quarantined == 2


def test_rows_wait_no_longer_than_for_what_they_refer_to(empty: Path) -> None:
    other = contract([column("code", key_position=1, required=True)])
    made = contract([*COLUMNS[:2], column("name", references=f"{other.id}.code")])
    content: list[Line] = [("A1", "a", "X1"), ("A2", "a", "X2")]
    take(other, [("X1",)])
    assert take(made, content).quarantined == 1
    assert take(made, content, day=1).outcome == "unchanged"
    take(other, [("X1",), ("X2",)], day=1)
    complete = take(made, content, day=2)
    assert (complete.outcome, complete.accepted) == ("applied", 2)


# -- key checks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("again", [True, False])
def test_keys_that_could_not_be_read_are_due_again(empty: Path, again: bool) -> None:
    """Also when the rows that came with them are those that raw has; that deletions were withheld is on a receipt."""
    columns = [column("code", "integer", key_position=1, required=True), column("stamp", "timestamptz", required=True)]
    made = replace(contract(columns, delivery="cursor"), key_check_days=7)
    take(made, [(str(n), "2026-03-01") for n in range(8)])
    line = ("0", "2026-03-01" if again else "2026-03-02")
    withheld = take(made, [line], day=1, keys=[b"0\nzwei\n"])
    assert value("select keys_checked_at from kho.channel") is None
    assert rows("select deletions_withheld from kho.delivery where delivery_id = %s", (withheld.delivery_id,)) == [
        (True,)
    ]
    assert take(made, [line], day=2, keys=[b"0\n1\n2\n3\n4\n5\n6\n"]).deleted == 1
    assert value("select keys_checked_at from kho.channel") is not None


# -- parts and their days -------------------------------------------------------------------------------------------------


def test_a_part_is_older_than_itself_only(empty: Path) -> None:
    made = replace(contract(COLUMNS), partition="part")
    take(made, lines(3, part="a"), day=5, parts=("a",))
    assert take(made, lines(3, part="b"), day=2, parts=("b",)).inserted == 3
    old = take(made, lines(3, "old", part="a"), day=4, parts=("a",))
    assert old.outcome == "refused" and "phần a" in old.reason_vi
    both = take(made, lines(3, "new", part="a") + lines(3, "new", part="b"), day=3, parts=("a", "b"))
    assert (both.outcome, both.updated, both.duplicates, both.deleted) == ("applied", 3, 3, 0)
    assert {row[1:] for row in present(made)} == {("a", "x"), ("b", "new")}
    assert rows("select parts from kho.delivery order by delivery_id") == [(["a"],), (["b"],), (["a"],), (["b"],)]


def test_the_same_file_of_a_later_day_makes_its_part_later(empty: Path) -> None:
    made = replace(contract(COLUMNS), partition="part")
    take(made, lines(3, part="a"), day=1, parts=("a",))
    assert take(made, lines(3, part="a"), day=1, parts=("a",)).outcome == "unchanged"
    take(made, lines(3, part="a"), day=3, parts=("a",))
    take(made, lines(3, part="b"), day=4, parts=("b",))
    assert take(made, lines(3, "old", part="a"), day=2, parts=("a",)).outcome == "refused"


# -- answers --------------------------------------------------------------------------------------------------------------


def test_an_answer_is_the_word_after_all_that_was_landed_before_it(made: Contract) -> None:
    now = settings.now()
    answered = csv_delivery(made, text_rows(NAMES, ("A000", "a", "corrected")))
    late = Answer(
        **{name: getattr(answered, name) for name in ("name", "encoding", "chunks", "columns")},
        as_of=now - timedelta(hours=1), partial=True, channel=CHANNEL, answers={}, file="a.xlsx", sheet="1", workbook=b"", by=WHO,
    )  # fmt: skip
    take(made, lines(3), as_of=now)
    assert land(made, late, night=NIGHT, confirmed_by=WHO).updated == 1


# -- what still asks something of a person --------------------------------------------------------------------------------


def test_what_waits_or_was_refused_is_told_until_it_is_settled(made: Contract, empty: Path) -> None:
    take(made, lines(10))
    assert unsettled([made]) == []
    waiting = take(made, lines(2), day=1)
    assert [(u.delivery_id, u.outcome) for u in unsettled([made])] == [(waiting.delivery_id, "waiting")]
    take(made, lines(11), day=2)
    assert unsettled([made]) == [], "a later word of the same channel"
    take(made, lines(10), day=1)
    assert unsettled([made]) == [], "older than what is known"


def test_a_refused_file_of_an_append_feed_is_told_whatever_comes_later(empty: Path) -> None:
    feed = contract(COLUMNS, delivery="append")
    take(feed, lines(3))
    refused = land(feed, replace(sent(feed, lines(3)), chunks=[b"CODE,PART,NAME\nA009,a\n"]), night=NIGHT)
    take(feed, lines(3, start=20), day=2)
    assert (refused.outcome, [u.delivery_id for u in unsettled([feed])]) == ("refused", [refused.delivery_id])

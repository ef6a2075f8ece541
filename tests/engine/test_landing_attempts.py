"""Deliveries in a row: several of one reader, several channels, those that wait or were refused and are landed once more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestration import settings
from orchestration.contracts import Contract, Source
from orchestration.errors import KhoError
from orchestration.landing import attempt, confirm, land, land_dataset, retry
from orchestration.landing.returned import CHANNEL
from orchestration.sources import Delivery
from orchestration.warehouse import connect

from .attempts import COLUMNS, DATABASE, WHO, lines, outcomes, present, sent, take
from .cluster import rows, value
from .samples import NIGHT, START, column, contract


@pytest.fixture
def made(empty: Path) -> Contract:
    return contract(COLUMNS)


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Put deliveries in the place of a reader; the list that it returns fills with what is asked for and what is told."""

    def install(*deliveries: Delivery | Exception) -> list[str]:
        seen: list[str] = []

        def asked(made: Contract, cursor: str | None, env: Any) -> Iterator[Delivery]:
            for number, found in enumerate(deliveries, 1):
                if isinstance(found, Exception):
                    raise found
                seen.append(f"{number} asked")
                found.done = lambda n=number: seen.append(f"{n} told")  # type: ignore[misc]
                found.cursor_after = lambda n=number: f"cursor {n}"  # type: ignore[misc]
                found.channel = made.source.name
                yield found

        monkeypatch.setattr(attempt, "open_source", asked)
        return seen

    return install


# -- several deliveries of one reader ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["database", "files"])
@pytest.mark.parametrize("outcome", ["refused", "waiting"])
def test_what_follows_a_delivery_that_was_not_taken_in(
    made: Contract, reader: Callable[..., list[str]], kind: str, outcome: str
) -> None:
    """Its reader is asked no further, is told nothing and keeps its cursor; files stand alone, and each has its receipt."""
    made = made if kind == "files" else replace(made, sources=(DATABASE,))
    broken = sent(made, lines(10), day=1)
    if outcome == "refused":
        broken.chunks = [b"CODE,PART,NAME\nA001\n"]
    else:
        broken.chunks = sent(made, lines(2)).chunks
    seen = reader(sent(made, lines(10)), broken, sent(made, lines(10, "y"), day=2))
    receipts = land_dataset(made, night=NIGHT, env={})
    cursor = value("select cursor from kho.channel")
    attempts = [row[0] for row in rows("select outcome from kho.attempt order by attempt_id")]
    if kind == "files":
        assert [r.outcome for r in receipts] == attempts == ["applied", outcome, "applied"]
        assert seen == ["1 asked", "1 told", "2 asked", "2 told", "3 asked", "3 told"] and cursor == "cursor 3"
    else:
        assert [r.outcome for r in receipts] == attempts == ["applied", outcome]
        assert seen == ["1 asked", "1 told", "2 asked"] and cursor == "cursor 1"


def test_an_error_that_nobody_foresaw_is_on_record_without_its_text(
    made: Contract, reader: Callable[..., list[str]]
) -> None:
    reader(sent(made, lines(3)), ZeroDivisionError("Trần Thị Kín Đáo"))
    with pytest.raises(KhoError) as failed:
        land_dataset(made, night=NIGHT, env={})
    assert failed.value.code == "reader" and "ZeroDivisionError (test_landing_attempts.py:" in failed.value.vi
    error: BaseException | None = failed.value
    while error is not None:
        assert "Kín Đáo" not in repr(error)
        error = error.__context__ or error.__cause__
    attempts = rows("select outcome, error_code, error_vi || error_en from kho.attempt order by attempt_id")
    assert [row[:2] for row in attempts] == [("applied", None), ("failed", "reader")]
    assert "ZeroDivisionError" in attempts[1][2] and "Kín Đáo" not in attempts[1][2]


def test_one_channel_with_an_unforeseen_error_stops_no_other(made: Contract, monkeypatch: pytest.MonkeyPatch) -> None:
    second = Source("files", "${KHO_SOURCE_SAMPLE}", {"format": "csv", "glob": "s_{date}.csv"}, "manual")
    both = replace(made, sources=(made.source, second))

    def asked(through: Contract, cursor: str | None, env: Any) -> Iterator[Delivery]:
        if through.source.name != "manual":
            raise RuntimeError
        yield sent(through, lines(2), channel="manual")

    monkeypatch.setattr(attempt, "open_source", asked)
    with pytest.raises(KhoError):
        land_dataset(both, night=NIGHT, env={})
    assert outcomes() == ["applied"] and value("select partial from kho.delivery")
    assert rows("select channel, outcome from kho.attempt order by 1") == [("manual", "applied"), ("source", "failed")]


# -- refused, and landed again --------------------------------------------------------------------------------------------


def test_a_refused_delivery_is_landed_again_once_the_contract_is_mended(made: Contract) -> None:
    take(made, lines(3))
    wrong = replace(made, columns=(*COLUMNS[:2], column("name", "integer")))
    refused = take(wrong, lines(3, "y"), day=1)
    assert refused.outcome == "refused"
    again = retry(made, refused.delivery_id, by=WHO, night=NIGHT)
    assert (again.outcome, again.updated) == ("applied", 3) and again.delivery_id > refused.delivery_id
    assert rows(
        "select retries, confirms, confirmed_by, as_of from kho.delivery order by delivery_id desc limit 1"
    ) == [(refused.delivery_id, None, WHO, START + timedelta(days=1))]
    assert value("select outcome from kho.attempt order by attempt_id desc limit 1") == "applied"
    with pytest.raises(KhoError) as twice:
        retry(made, refused.delivery_id, by=WHO, night=NIGHT)
    assert twice.value.code == "overtaken"
    with pytest.raises(KhoError) as applied:
        retry(made, again.delivery_id, by=WHO, night=NIGHT)
    assert applied.value.code == "not_refused"


def test_who_retries_does_not_confirm(made: Contract) -> None:
    """A retried delivery that would delete too much waits like any other; one that is too old is refused like any other."""
    take(made, lines(10))
    wrong = replace(made, columns=(*COLUMNS[:2], column("name", "integer")))
    few = take(wrong, lines(2), day=1)
    waiting = retry(made, few.delivery_id, by=WHO, night=NIGHT)
    assert waiting.outcome == "waiting" and len(present(made)) == 10
    assert confirm(made, waiting.delivery_id, by=WHO, night=NIGHT).deleted == 8
    old = take(made, lines(3), day=-1)
    assert old.outcome == "refused"
    with pytest.raises(KhoError) as gone:
        retry(made, few.delivery_id, by=WHO, night=NIGHT)
    assert gone.value.code == "overtaken"
    assert retry(made, old.delivery_id, by=WHO, night=NIGHT).outcome == "refused"


def test_a_later_delivery_ends_what_can_be_retried(made: Contract) -> None:
    take(made, lines(3))
    broken = take(replace(made, columns=(*COLUMNS[:2], column("name", "integer"))), lines(3, "y"), day=1)
    take(made, lines(3, "hand"), day=1, channel="manual", partial=True)  # says nothing of the first channel
    take(made, lines(3, "z"), day=2)
    with pytest.raises(KhoError) as late:
        retry(made, broken.delivery_id, by=WHO, night=NIGHT)
    assert late.value.code == "overtaken" and {row[2] for row in present(made)} == {"z"}


def test_a_later_file_of_an_append_feed_overtakes_none(empty: Path) -> None:
    made = contract(COLUMNS, delivery="append")
    take(made, lines(3))
    broken = take(replace(made, columns=(*COLUMNS[:2], column("name", "integer"))), lines(2, start=3), day=1)
    take(made, lines(2, start=5), day=2)
    assert retry(made, broken.delivery_id, by=WHO, night=NIGHT).inserted == 2 and len(present(made)) == 7
    with pytest.raises(KhoError) as twice:
        retry(made, broken.delivery_id, by=WHO, night=NIGHT)
    assert twice.value.code == "overtaken"


def test_bytes_of_a_database_are_not_read_by_other_columns(empty: Path) -> None:
    """They do not say which column is which: two of one type that changed places would be taken in, exchanged."""
    made = replace(contract(COLUMNS), sources=(DATABASE,))
    take(made, lines(3))
    broken = sent(made, lines(3, "y"), day=1)
    broken.chunks = [*broken.chunks, b"A9\n"]
    refused = land(made, broken, night=NIGHT)
    assert refused.outcome == "refused"
    turned = replace(made, columns=(COLUMNS[0], COLUMNS[2], COLUMNS[1]))
    with pytest.raises(KhoError) as changed:
        retry(turned, refused.delivery_id, by=WHO, night=NIGHT)
    assert changed.value.code == "contract_changed"
    assert retry(made, refused.delivery_id, by=WHO, night=NIGHT).outcome == "refused"  # still broken


def test_bytes_that_have_gone_cannot_be_retried(made: Contract) -> None:
    broken = sent(made, lines(1))
    broken.chunks = [b"CODE,PART,NAME\nA\n"]
    refused = land(made, broken, night=NIGHT)
    (settings.home() / value("select kept_path from kho.delivery")).unlink()
    with pytest.raises(KhoError) as gone:
        retry(made, refused.delivery_id, by=WHO, night=NIGHT)
    assert gone.value.code == "bytes_gone"


# -- waiting, and confirmed -----------------------------------------------------------------------------------------------


def test_another_channel_overtakes_no_waiting_delivery(made: Contract) -> None:
    take(made, lines(10))
    waiting = take(made, lines(5, "y"), day=1)
    take(made, [("H001", "h", "hand")], day=1, channel="manual", partial=True)
    take(made, [("A009", "a", "corrected")], day=1, channel=CHANNEL, partial=True)
    assert confirm(made, waiting.delivery_id, by=WHO, night=NIGHT).outcome == "applied"


def test_parts_wait_for_themselves(empty: Path) -> None:
    made = replace(contract(COLUMNS), partition="part")
    take(made, lines(100, part="a"), parts=("a",))
    take(made, lines(100, part="b"), parts=("b",))
    first = take(made, lines(1, part="a"), day=1, parts=("a",))
    second = take(made, lines(1, part="b"), day=1, parts=("b",))
    assert (first.outcome, second.outcome) == ("waiting", "waiting")
    take(made, lines(101, part="b"), day=2, parts=("b",))
    done = confirm(made, first.delivery_id, by=WHO, night=NIGHT)
    assert (done.outcome, done.deleted) == ("applied", 99)
    with pytest.raises(KhoError) as late:
        confirm(made, second.delivery_id, by=WHO, night=NIGHT)
    assert late.value.code == "not_waiting"


def test_an_empty_file_of_a_part_still_empties_it_when_confirmed(empty: Path) -> None:
    """Which part that is only its name says, and the receipt remembers."""
    made = replace(contract(COLUMNS), partition="part")
    take(made, lines(100, part="a") + lines(100, part="b"), parts=("a", "b"))
    waiting = take(made, [], day=1, parts=("b",))
    assert waiting.outcome == "waiting"
    assert confirm(made, waiting.delivery_id, by=WHO, night=NIGHT).deleted == 100
    assert {row[1] for row in present(made)} == {"a"}


def test_a_partial_delivery_stays_partial_when_retried(made: Contract) -> None:
    take(made, lines(10))
    broken = take(replace(made, columns=(*COLUMNS[:2], column("name", "integer"))), lines(9, "y"), day=1, partial=True)
    again = retry(made, broken.delivery_id, by=WHO, night=NIGHT)
    assert (again.outcome, again.updated, again.deleted) == ("applied", 9, 0)


def test_two_who_confirm_at_once_apply_it_once(made: Contract) -> None:
    take(made, lines(10))
    waiting = take(made, lines(5), day=1)
    found: list[str] = []

    def confirming() -> None:
        try:
            found.append(confirm(made, waiting.delivery_id, by=WHO, night=NIGHT).outcome)
        except KhoError as error:
            found.append(error.code)

    with connect("admin") as holder:
        holder.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (f"kho.dataset:{made.id}",))
        both = [threading.Thread(target=confirming) for _ in range(2)]
        for thread in both:
            thread.start()
        asked = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        while value(asked) < 2:  # each has found it waiting, and awaits the lock
            assert any(thread.is_alive() for thread in both)
        holder.execute("select pg_advisory_unlock_all()")
        for thread in both:
            thread.join()
    assert sorted(found) == ["applied", "not_waiting"] and outcomes() == ["applied", "waiting", "applied"]


def test_the_same_bytes_wait_once(made: Contract) -> None:
    take(made, lines(10))
    first = take(made, lines(2), day=1)
    second = take(made, lines(2), day=2)
    assert (second.outcome, second.delivery_id) == ("waiting", first.delivery_id) and second.reason_vi
    assert outcomes() == ["applied", "waiting"]
    kept = settings.kept_folder() / made.agency / made.dataset
    assert sorted(int(path.name.split(".")[0]) for path in kept.iterdir()) == [1, first.delivery_id]
    assert take(made, lines(1), day=3).delivery_id > first.delivery_id

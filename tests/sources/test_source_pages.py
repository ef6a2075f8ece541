"""Plain pages: every record that was there all the while comes, each once, whatever moves between two pages.

Belongs here: the checks of paging, on a list in memory. Stays out: any service.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.errors import Transient
from orchestration.sources.pages import RESTARTS, Page, Pages, lines_of

SIZE = 3
# What happens before the nth question: nothing, or a record leaves, comes, changes its place, or two things at once.
CHANGES = st.lists(
    st.lists(st.tuples(st.sampled_from(["leaves", "comes", "to the end", "swaps"]), st.integers(0, 40)), max_size=2),
    max_size=12,
)


class Service:
    """Records in the order of a list that changes before its questions as `changes` say."""

    def __init__(self, count: int, changes: list[list[tuple[str, int]]] | None = None) -> None:
        self.records = list(range(count))
        self.always = set(self.records)  # what was there all the while
        self.ever = set(self.records)
        self.changes, self.asked = changes or [], 0

    def __call__(self, number: int, size: int) -> Page:
        if self.asked < len(self.changes):
            for what, place in self.changes[self.asked]:
                self.change(what, place)
        self.asked += 1
        found = [{"id": n} for n in self.records[(number - 1) * size : number * size]]
        return Page(found, [json.dumps(record).encode() + b"\n" for record in found], len(self.records))

    def change(self, what: str, place: int) -> None:
        if what == "comes":
            self.records.append(1000 + len(self.ever))
            self.ever.add(self.records[-1])
        elif what == "swaps" and self.records:
            a, b = place % len(self.records), (place * 7 + 3) % len(self.records)
            self.records[a], self.records[b] = self.records[b], self.records[a]
        elif self.records:
            record = self.records.pop(place % len(self.records))
            if what == "leaves":
                self.always.discard(record)
            else:
                self.records.append(record)


def read(service: Any) -> list[int]:
    taken: list[int] = []

    def take(page: Page) -> None:
        taken.extend(record["id"] for record in page.records)

    Pages(service, SIZE, lambda record: record["id"], "/service").read(take, taken.clear)
    return taken


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 6, 7, 20])
def test_all_pages_of_a_list_that_holds_still(count: int) -> None:
    assert read(Service(count)) == list(range(count))


@given(st.integers(0, 20), CHANGES)
@settings(max_examples=120, deadline=None)
def test_nothing_that_stays_is_lost_or_doubled(count: int, changes: list[list[tuple[str, int]]]) -> None:
    service = Service(count, changes)
    try:
        taken = read(service)
    except Transient as failure:
        assert failure.code == "count"
        return
    assert service.always <= set(taken) <= service.ever
    assert len(taken) == len(set(taken))


@pytest.mark.parametrize("question", range(1, 10))
def test_one_leaves_and_another_comes_between_two_pages(question: int) -> None:
    """The total says nothing of it, nor does a key that came twice."""
    service = Service(20, [*[[]] * question, [("leaves", 0), ("comes", 0)]])
    assert service.always <= set(read(service))


def test_a_total_that_changes_begins_anew() -> None:
    service = Service(18, [[], [], [], [("comes", 0)]])
    assert read(service) == service.records and len(service.records) == 19


@pytest.mark.parametrize("question", range(2, 10))
def test_two_that_change_places_across_what_was_read(question: int) -> None:
    """Neither the total nor the border tells it; the one that is read twice does."""
    service = Service(20, [*[[]] * question, [("swaps", 1)]])  # places 1 and 10
    assert sorted(read(service)) == list(range(20))


def test_real_duplicates_of_the_source_are_all_handed_on() -> None:
    service = Service(20)
    service.records = [1, 2, 3, 1, 2, 4, 5, 1, 1, 6]
    assert read(service) == [1, 2, 3, 1, 2, 4, 5, 1, 1, 6]


def test_a_list_without_any_order_is_not_believed() -> None:
    service = Service(20)

    def shuffled(number: int, size: int) -> Page:
        service.records = service.records[7:] + service.records[:7]
        return service(number, size)

    with pytest.raises(Transient) as failure:
        read(shuffled)
    assert failure.value.code == "count" and service.asked <= 4 * (1 + RESTARTS)


@pytest.mark.parametrize("lie", ["more", "fewer", "total"])
def test_a_service_that_does_not_keep_to_the_size_it_was_asked_for(lie: str) -> None:
    service = Service(20)

    def lying(number: int, size: int) -> Page:
        page = service(number, size + (lie == "more") - (lie == "fewer"))
        return Page(page.records, page.lines, page.total + (lie == "total"))

    with pytest.raises(Transient):
        read(lying)


@pytest.mark.parametrize(
    ("written", "line"),
    [
        ('{"a": "ạ\\n", "b": null, "c": true, "d": 12}', '{"a":"ạ\\n","b":null,"c":true,"d":12}'),
        ('{"a": 1.50, "b": "data"}', '{"a":1.50,"b":"data"}'),
        ('{"a": 123456789012345678901234567890}', '{"a":123456789012345678901234567890}'),
        ('{"a": {"data": [1.10]}, "b": [1e5]}', '{"a":{"data":[1.10]},"b":[1e5]}'),
        ('{"a": "\\ud800"}', '{"a":"?"}'),
    ],
    ids=["plain", "decimal", "long", "nested", "half a pair"],
)
def test_lines_have_numbers_as_they_were_written(written: str, line: str) -> None:
    body = f'{{"data": [{written}, {written}]}}'.encode()
    assert lines_of(json.loads(body)["data"], body, "data") == [f"{line}\n".encode()] * 2

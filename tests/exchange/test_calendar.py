"""Working days as the state's offices keep them. The known days are those the Government announced for 2025 and 2026."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.calendar import due, is_working_day


def days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


OFF = [
    date(2025, 1, 1),
    *days(date(2025, 1, 25), date(2025, 2, 2)),  # Tết
    date(2025, 4, 7),  # Hùng Kings
    *days(date(2025, 4, 30), date(2025, 5, 4)),  # 2 May in exchange for 26 April
    *days(date(2025, 8, 30), date(2025, 9, 2)),
    *days(date(2026, 1, 1), date(2026, 1, 4)),  # 2 January in exchange for 10 January
    *days(date(2026, 2, 14), date(2026, 2, 22)),  # Tết
    *days(date(2026, 4, 25), date(2026, 4, 27)),  # Hùng Kings on a Sunday
    *days(date(2026, 4, 30), date(2026, 5, 3)),
    *days(date(2026, 8, 29), date(2026, 9, 2)),  # 31 August in exchange for 22 August
    date(2026, 11, 24),  # Day of Vietnamese Culture, since 2026
]
WORKED = [
    date(2025, 4, 26),
    date(2026, 1, 10),
    date(2026, 8, 22),
    date(2025, 1, 24),
    date(2025, 2, 3),
    date(2025, 5, 5),
    date(2025, 9, 3),
    date(2025, 11, 24),
    date(2026, 2, 13),
    date(2026, 2, 23),
    date(2026, 8, 28),
    date(2026, 9, 3),
]


@pytest.mark.parametrize("day", OFF, ids=str)
def test_a_day_off(day: date) -> None:
    assert not is_working_day(day)


@pytest.mark.parametrize("day", WORKED, ids=str)
def test_a_working_day(day: date) -> None:
    assert is_working_day(day)


def test_an_exchange_across_new_year() -> None:
    """31 December 2018 was off, Saturday 5 January 2019 worked; the other way about in 2014/15."""
    assert not is_working_day(date(2018, 12, 31)) and is_working_day(date(2019, 1, 5))
    assert not is_working_day(date(2015, 1, 2)) and is_working_day(date(2014, 12, 27))


@pytest.mark.parametrize(
    ("released", "expected"),
    [
        (date(2026, 3, 2), date(2026, 3, 9)),  # Monday to Monday
        (date(2026, 3, 7), date(2026, 3, 13)),  # released on a Saturday: Monday is the first day
        (date(2026, 2, 12), date(2026, 2, 26)),  # across Tết
        (date(2026, 8, 20), date(2026, 8, 26)),  # a Saturday worked
        (date(2025, 4, 25), date(2025, 5, 6)),  # 26, 28, 29 April, 5, 6 May
        (date(2025, 12, 31), date(2026, 1, 9)),  # across New Year: 5 to 9 January
    ],
)
def test_five_working_days(released: date, expected: date) -> None:
    assert due(released, 5) == expected


def test_a_deadline_of_no_days_is_refused() -> None:
    with pytest.raises(ValueError):
        due(date(2026, 3, 2), 0)


RELEASED = st.dates(date(2019, 1, 1), date(2035, 12, 31))
NUMBER = st.integers(1, 60)


@settings(deadline=None)
@given(RELEASED, NUMBER)
def test_due_is_the_nth_working_day_after(released: date, number: int) -> None:
    found = due(released, number)
    assert found > released and is_working_day(found)
    assert sum(is_working_day(day) for day in days(released + timedelta(days=1), found)) == number


@settings(deadline=None)
@given(RELEASED, NUMBER, st.integers(0, 40))
def test_later_is_never_due_earlier(released: date, number: int, later: int) -> None:
    assert due(released + timedelta(days=later), number) >= due(released, number)
    assert due(released, number + 1) > due(released, number)

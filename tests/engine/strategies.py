"""Hypothesis strategies for stories, and a run of many examples; shared by the tests and the soak."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from .samples import blemishes
from .story import INITIAL_KEYS, Edit, Step, Story

_KEYS = st.integers(0, INITIAL_KEYS + 3)
_SHADES = st.integers(0, 9)
_BLEMISHES = st.one_of(st.just(""), st.sampled_from(["", *blemishes(formats=False)]))
_WHAT = st.sampled_from(["set"] * 5 + ["twin", "rival", "remove", "remove", "keyless", "tidy"])
EDITS = st.builds(Edit, _WHAT, _KEYS, _SHADES, _BLEMISHES)
_ACTIONS = st.sampled_from(
    ["deliver"] * 8 + ["again", "back", "back", "older", "half", "garbage", "confirm", "confirm"]
)
STEPS = st.builds(
    Step, _ACTIONS, st.lists(EDITS, max_size=5).map(tuple), st.booleans(), st.integers(0, 5), st.booleans()
)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Six to ten steps on one dataset; the source starts with INITIAL_KEYS good rows."""
    binary = draw(st.booleans())
    steps = draw(st.lists(STEPS, min_size=6, max_size=10))
    return Story(draw(st.booleans()), not binary and draw(st.booleans()), draw(st.booleans()), binary, (Step(), *steps))


def examples(first: int, count: int, check: Callable[..., None], **drawn: st.SearchStrategy[Any]) -> None:
    """`check` on `count` examples of the seed `first`; what it raises for the smallest one found that does not hold."""

    @seed(first)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    @given(**drawn)
    def every(**given: Any) -> None:
        check(**given)

    every()

"""An empty warehouse that owes licences, and the ministry that takes them, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from simulator.ministry import Ministry, MinistryFaults

from .desk import Desk


@pytest.fixture
def desk(empty: Path, tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    """Starts a ministry beside an empty warehouse: `desk(count, *faults, facilities=…, plan={…}, **terms)`."""
    with ExitStack() as stack:

        def start(count: int = 10, *faults: Any, facilities: Any = None, plan: Any = None, **terms: Any) -> Desk:
            options = {"retry_after_seconds": 0, "late_seconds": 0.2, "restart_seconds": 0.05} | (plan or {})
            ministry = stack.enter_context(
                Ministry(tmp_path / "ministry", facilities, MinistryFaults(tuple(faults), **options))
            )
            return Desk(ministry, count, facilities, **({"batch": 5} | terms))

        yield start

"""Rehearsed crashes: a process that dies at a named step.

Belongs here: the one function that stages call at the steps whose crash the tests rehearse. Stays out: any handling; a crash has none.
"""

from __future__ import annotations

import os
import signal


def step(name: str) -> None:
    """Die by SIGKILL when KHO_KILL_AT names this step; otherwise nothing."""
    if os.environ.get("KHO_KILL_AT") == name:
        os.kill(os.getpid(), signal.SIGKILL)

"""A line a step while a night runs in the foreground.

Belongs here: turning Dagster's step events into short lines. Stays out: what is printed before and after.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import dagster as dg

#: Where the lines go; `run_night` sets it.
echo: Callable[[str], None] = print


class _Steps(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        event = (getattr(record, "dagster_meta", None) or {}).get("dagster_event")
        if event is None or event.step_key is None:
            return
        name = event.step_key.replace("__", " ")
        if event.is_step_success:
            echo(f"  ✓ {name:<44} {event.step_success_data.duration_ms / 1000:6.1f} s")
        elif event.is_step_up_for_retry:
            echo(f"  ↻ {name:<44} không trả lời, hỏi lại / no answer, asking again")
        elif event.is_step_failure:
            found = event.step_failure_data.user_failure_data
            echo(f"  ✗ {name:<44} {found.description if found is not None and found.description else 'lỗi / error'}")


@dg.logger(config_schema={}, description="Một dòng mỗi bước / a line a step")
def progress_logger(context: dg.InitLoggerContext) -> logging.Logger:
    """The logger `progress`, for runs that a person watches."""
    logger = logging.getLogger("kho.progress")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(_Steps())
    return logger

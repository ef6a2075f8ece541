"""The night's report: one page that a director reads, an agency acts on, and a printer takes.

Belongs here: the facts of a night (`content`, `quarantine`, `duties`), their words (`words`) and the page (`page`).
Stays out: the states themselves (`status`), and every personal value.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from orchestration.contracts import Contract

__all__ = ["write"]


def write(contracts: list[Contract], night: date | None = None) -> Path:
    """Write `reports/<night>.html` under KHO_HOME, and `latest.html` when it is the newest night; returns the former.

    `night` None means the newest. Raises KhoError when there was no such night.
    """
    import os

    from orchestration import settings
    from orchestration.report.content import gather
    from orchestration.report.page import render

    content = gather(contracts, night)
    text = render(content)
    folder = settings.reports_folder()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{content.night.isoformat()}.html"
    for target in [path] + ([folder / "latest.html"] if content.is_newest else []):
        staged = target.with_name(f".{target.name}.{os.getpid()}")  # a reader never sees half a page
        staged.write_text(text, encoding="utf-8")
        staged.replace(target)
    return path

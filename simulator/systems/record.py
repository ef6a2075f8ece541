"""What was asked of a server, and what it answered: JSON lines that any process may read while the server runs.

Belongs here: writing and reading them. Stays out: what a server notes. Never in it: passwords, tokens, rows.
"""

from __future__ import annotations

import json
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

from simulator.clock import TZ


class Record:
    """One server's record; it begins empty with each `clear`."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = threading.Lock()
        self._count = 0

    def clear(self) -> None:
        """Begin anew."""
        with self._lock:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.file.write_text("", encoding="utf-8")
            self._count = 0

    def note(self, **what: Any) -> None:
        """Add an entry; it gets a number and the time."""
        with self._lock:
            self._count += 1
            entry = {"seq": self._count, "at": datetime.now(TZ).isoformat(timespec="milliseconds"), **what}
            with open(self.file, "a", encoding="utf-8") as file:
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def entries(self) -> list[dict[str, Any]]:
        """All entries, in order."""
        if not self.file.exists():
            return []
        return [json.loads(line) for line in self.file.read_text(encoding="utf-8").splitlines()]

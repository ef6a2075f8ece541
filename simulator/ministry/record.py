"""The ministry's memory: licences by their number.

Belongs here: the fields of a licence, and the record under the names of this system.
Stays out: how a record is kept (`simulator.national.record`), what is applied and what is refused (`services`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from simulator.national import record as base
from simulator.national.record import FILE, Effect, Refusal, Request, Writing, bucket_of

KIND = "licence"
KEY = "SoGiayPhep"
FIELDS = (KEY, "MaCSKCB", "PhamVi", "NgayCap", "NgayHetHan", "TrangThai", "ThoiDiemCapNhat")


class Record(base.Record):
    """The record below a home; the home of a whole province will do as well. Reading never waits for the writer."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, "ministry")

    def licences(self) -> dict[str, dict[str, str]]:
        """Key -> content (without MaThongDiep)."""
        return self.objects(KIND)

    def tamper(
        self,
        remove: Iterable[str] = (),
        change: Mapping[str, Mapping[str, str]] | None = None,
        add: Iterable[Mapping[str, str]] = (),
    ) -> None:
        """Change the present content behind everybody's back, in one transaction; no effect is noted.

        remove: keys. change: key -> fields to set. add: whole records by field name; one that exists is replaced.
        """
        added = {record.get(KEY, ""): {name: record.get(name, "") for name in FIELDS} for record in add}
        if "" in added:
            raise ValueError(f"Thiếu / Missing: {KEY}")
        self.alter(KIND, remove, change, added)


__all__ = ["FIELDS", "FILE", "KEY", "KIND", "Effect", "Record", "Refusal", "Request", "Writing", "bucket_of"]

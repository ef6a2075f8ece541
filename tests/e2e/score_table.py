"""The table of a score, and the reasons why some breaches are told though nobody planted them.

Belongs here: exceptions with their reasons, the generated block of docs/simulator-dirt.md. Stays out: scoring (`score`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.score import Verdict

DOCUMENT = Path(__file__).parents[2] / "docs" / "simulator-dirt.md"
BEGIN, END = "<!-- score:begin -->", "<!-- score:end -->"
#: (dataset, column, rule) -> why the agency is told of something that is no planted dirt; «*» stands for any.
EXCEPTIONS: dict[tuple[str, str, str], str] = {
    (
        "public_services.dossier",
        "*",
        "conflict",
    ): "both systems count dossiers of departments for themselves: two of them have one number",
    (
        "land_office.parcel_legacy",
        "easting_m",
        "maximum",
    ): "in the truth some old land files stand in another zone (EPSG:9209): domain fact 5",
    ("public_services.file", "link", "pattern"): "files that only the office's own network reaches are so in the truth",
    (
        "public_services.dossier",
        "procedure_code",
        "identifier",
    ): "a local procedure without a national code goes under its own",
}


def report(verdicts: Sequence[Verdict], scale: float, days: int) -> str:
    """The block for the documentation."""
    first = [verdict for verdict in verdicts if verdict.day == 0]
    planted, breaches, found = Counter[str](), Counter[str](), Counter[str]()
    for verdict in first:
        planted, breaches, found = planted + verdict.planted, breaches + verdict.breaches, found + verdict.found
    invented = sum(len(v.invented) + v.unplanted.total() for v in verdicts)
    lines = [
        f"`python -m tests.e2e.score --scale {scale} --days {days} --write`: {len(first)} datasets, {sum(v.rows for v in first):,} rows on the first day.",
        f"Invented: {invented}. Lost: {sum(len(v.lost) for v in verdicts)}.", "",
        "| kind | planted | of these breach a contract | found | missed |", "|---|---:|---:|---:|---:|",
    ]  # fmt: skip
    lines += [
        f"| `{k}` | {planted[k]:,} | {breaches[k]:,} | {found[k]:,} | {breaches[k] - found[k]:,} |"
        for k in sorted(planted)
    ]
    lines.append(
        f"| all | {planted.total():,} | {breaches.total():,} | {found.total():,} | {breaches.total() - found.total():,} |"
    )
    return "\n".join(lines)


def documented() -> str:
    """What stands between the marks."""
    found = re.search(f"{BEGIN}\n(.*?)\n{END}", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    return found[1] if found else ""


def write(text: str) -> None:
    """Put the table between its marks."""
    said = DOCUMENT.read_text(encoding="utf-8")
    block = f"{BEGIN}\n{text}\n{END}"
    DOCUMENT.write_text(re.sub(f"{BEGIN}.*?{END}", lambda _: block, said, flags=re.DOTALL), encoding="utf-8")

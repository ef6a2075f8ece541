"""The home affairs department's far end: a folder into which it drops CSV files.

Belongs here: file names, and the bytes of a file. Stays out: what is in it and which files are dropped when (`nights`).

Files are UTF-8 with a comma, CRLF and a header, named `<plural>_<YYYYMMDD>.csv` after the date their content is of.
"""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

from simulator.story import datasets as ds
from simulator.story.nights import Night

STEMS = {
    ds.UNIT_E0.id: "units_e0",
    ds.UNIT_E1.id: "units_e1",
    ds.UNIT_E2.id: "units_e2",
    ds.LINK_E0_E1.id: "links_e0_e1",
    ds.LINK_E1_E2.id: "links_e1_e2",
}


def deliver(folder: Path, night: Night) -> list[Path]:
    """Write the files of a night; each appears whole under its name."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for dataset, stem in STEMS.items():
        if dataset in night.delivered:
            path = folder / f"{stem}_{night.date:%Y%m%d}.csv"
            drop(path, csv_bytes(dataset, night.views[dataset]))
            paths.append(path)
    return paths


def clear(folder: Path) -> None:
    """Take back what an earlier run dropped and nobody took."""
    for stem in STEMS.values():
        for path in folder.glob(f"{stem}_*.csv"):
            path.unlink()


def drop(path: Path, content: bytes) -> None:
    """Put a file into a folder that is being watched: nobody sees it half written."""
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_bytes(content)
    unfinished.replace(path)


def csv_bytes(dataset: str, rows: list[dict[str, Any]]) -> bytes:
    """The file's content; numbers without trailing zeros but for `13.0`, as the department writes them."""
    columns = ds.DATASETS[dataset].columns
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns.values())
    writer.writerows([_text(row[name]) for name in columns] for row in rows)
    return text.getvalue().encode()


def _text(value: Any) -> str:
    if not isinstance(value, Decimal):
        return str(value)
    text = f"{value:f}".rstrip("0")
    return f"{text}0" if text.endswith(".") else text

"""Tables for people, JSON for scripts.

Belongs here: how things look in a terminal or a pipe. Stays out: what is shown.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any

import click

from orchestration.settings import TIMEZONE


def print_json(value: Any) -> None:
    """`value` as JSON on stdout, Vietnamese readable, dates in ISO 8601."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, note: str = "") -> None:
    """A table on stdout; in a pipe no line is cut or coloured.

    A heading `vi / en` takes two lines; one that ends in `#` is set flush right. Counts are ints and get dots;
    numbers that somebody may type again (deliveries, rows) come as texts.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    width = None if sys.stdout.isatty() else 2000
    console = Console(file=sys.stdout, highlight=False, markup=False, width=width)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for name in columns:
        number = name.endswith("#")
        heading = name.rstrip("# ").replace(" / ", "\n")
        table.add_column(heading, justify="right" if number else "left", no_wrap=number, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    console.print(Text(title if table.row_count else f"{title}: không có / none", "bold"))
    if table.row_count:
        console.print(table)
    if note:
        console.print(Text(note))


def print_columns(
    title: str, rows: Iterable[Any], columns: Sequence[tuple[str, Callable[[Any], Any]]], *, note: str = ""
) -> None:
    """The table of `print_table`, each column given as its heading and its value in a row."""
    cells = [[value(row) for _, value in columns] for row in rows]
    print_table(title, [heading for heading, _ in columns], cells, note=note)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "có / yes" if value else "không / no"
    if isinstance(value, int):
        return f"{value:,}".replace(",", ".")
    if isinstance(value, datetime):
        local = value.astimezone(TIMEZONE) if value.tzinfo else value
        return local.strftime("%d/%m/%Y %H:%M")
    if isinstance(value, date):
        return value.strftime("%d/%m/%Y")
    if isinstance(value, dict):
        return ", ".join(f"{name}={part}" for name, part in value.items())
    return str(value)

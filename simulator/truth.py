"""The truth, told: every table, every aggregate, every planted error, and who each delivered row is really about.

Purpose: detection, matching and statistics can be scored against it. Nothing is stored: what is asked for is computed
from seed, scale and day, and streams out batch by batch.
Belongs here: the command `truth`. Stays out: the truth itself (`province`), dirt (`views`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import pyarrow as pa

from simulator.run import SEED
from simulator.table import Province
from simulator.views import catalogue

FORMATS = ("csv", "jsonl", "parquet")


@click.command()
@click.option("--table", help="Các dòng của một bảng / The rows of one table of the truth")
@click.option("--view", "view_name", help="Điều một hệ thống nói / What one system says, as it says it")
@click.option("--errors", help="Ô nào của một hệ thống sai, sai thế nào / Which cells of a system are wrong, and how")
@click.option("--identity", help="Mỗi dòng của một hệ thống thật ra nói về ai / Who each row is really about")
@click.option("--totals", is_flag=True, help="Mọi số tổng hợp đúng / Every aggregate as it really is")
@click.option("--day", default=0, show_default=True, help="Ngày; 0 là 19/11/2026 / Day; 0 is 19 November 2026")
@click.option("--format", "form", type=click.Choice(FORMATS), default="csv", show_default=True)
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Tệp; không có: ra màn hình / File"
)
@click.option("--limit", type=click.IntRange(min=1), help="Chừng này dòng đầu / So many rows at most")
@click.option("--json", "as_json", is_flag=True, help="JSON cho danh sách và số tổng hợp / JSON for list and totals")
@click.option("--seed", default=SEED, show_default=True, help="Hạt giống / Seed")
@click.option("--scale", default=0.01, show_default=True, help="Tỷ lệ / Scale")
def truth(
    table: str | None,
    view_name: str | None,
    errors: str | None,
    identity: str | None,
    totals: bool,
    day: int,
    form: str,
    output: Path | None,
    limit: int | None,
    as_json: bool,
    seed: int,
    scale: float,
) -> None:
    """Điều đúng của tỉnh mô phỏng, để chấm điểm; không cần mô phỏng đang chạy.

    The truth of the simulated province, to score by; no running simulator is needed. Without an option: all tables and
    systems.

    \b
    kho simulate truth --totals                              # dân số, học sinh, thửa đất … / population, pupils, parcels …
    kho simulate truth --table person --limit 5
    kho simulate truth --errors justice.civil_event --day 2  # sai ở đâu / what is wrong where
    kho simulate truth --identity land_office.user_check -o ai.parquet --format parquet
    """
    if sum(bool(each) for each in (table, view_name, errors, identity, totals)) > 1:
        raise click.UsageError("Chỉ một trong / Only one of: --table, --view, --errors, --identity, --totals")
    try:
        province = Province(seed, scale)
        batches = _batches(province, day, table, view_name, errors, identity)
    except (KeyError, ValueError) as error:
        raise click.ClickException(_unknown(error)) from None
    if batches is not None:
        _write(_first(batches, limit), form, output)
    elif totals:
        _tell(_totals(province, day), as_json)
    else:
        _tell(_tables(province, day), as_json)
        if not as_json:
            click.echo()
            _tell(_views(), as_json)


def _batches(
    province: Province, day: int, table: str | None, view: str | None, errors: str | None, identity: str | None
) -> Iterator[Any] | None:
    """What is asked for, batch by batch; None when it is a list."""
    if table:
        batches: Iterator[Any] = province.table(table).batches(day)
        return batches
    if view:
        return (said.rows for said in catalogue.view(view).batches(province, day))
    if errors:
        return catalogue.view(errors).errors(province, day)
    return catalogue.view(identity).identity(province, day) if identity else None


def _unknown(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"Không có {error} / There is no {error}: kho simulate truth"
    return str(error)


def _first(batches: Iterable[Any], limit: int | None) -> Iterator[Any]:
    left = limit
    for batch in batches:
        yield batch if left is None else batch.slice(0, left)
        if left is not None and (left := left - batch.num_rows) <= 0:
            return


def _write(batches: Iterator[Any], form: str, output: Path | None) -> None:
    if form == "parquet" and output is None:
        raise click.UsageError("Parquet cần --output / Parquet needs --output")
    unfinished = output.with_name(f".{output.name}.part") if output else None
    target: Any = unfinished.open("wb") if unfinished else sys.stdout.buffer
    try:
        writer: Any = None
        for batch in batches:
            if form == "jsonl":
                lines = (json.dumps(row, ensure_ascii=False, default=str) for row in batch.to_pylist())
                target.write("".join(f"{line}\n" for line in lines).encode())
                continue
            if writer is None:
                writer = _writer(form, target, batch.schema)
            writer.write_table(batch)
        if writer is not None:
            writer.close()
    finally:
        if unfinished:
            target.close()
    if unfinished and output:
        unfinished.replace(output)


def _writer(form: str, target: Any, schema: Any) -> Any:
    if form == "parquet":
        import pyarrow.parquet

        return pyarrow.parquet.ParquetWriter(target, schema)
    import pyarrow.csv

    return pyarrow.csv.CSVWriter(pa.PythonFile(target, "w"), schema)


def _tables(province: Province, day: int) -> list[dict[str, Any]]:
    found = []
    for name in province.kinds:
        table = province.table(name)
        found.append({"table": name, "rows": table.count(day), "touched": len(table.touched(day)), "doc": table.doc})
    return found


def _views() -> list[dict[str, Any]]:
    return [
        {"view": v.id, "table": v.table, "system": v.system, "format": v.format, "title": v.title_vi}
        for v in catalogue.all_views()
    ]


def _totals(province: Province, day: int) -> list[dict[str, Any]]:
    return [
        {"total": t.name, "value": t.value, "unit": t.unit, "exact": t.exact, "source": t.source}
        for name in province.kinds
        for t in province.table(name).totals(day)
    ]


def _tell(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    shown = Table(box=None, pad_edge=False)
    for name, value in rows[0].items():
        shown.add_column(name, justify="right" if isinstance(value, int) and not isinstance(value, bool) else "left")
    for row in rows:
        shown.add_row(*(f"{v:,}" if isinstance(v, int) and not isinstance(v, bool) else str(v) for v in row.values()))
    Console(width=160 if not sys.stdout.isatty() else None).print(shown)

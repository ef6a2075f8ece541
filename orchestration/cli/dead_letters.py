"""`kho exchange dead-letters` and `kho exchange retry`: what a receiver refused, who has to mend it, and sending it again.

Belongs here: the lists by owner, for the terminal, scripts and Excel. Stays out: the rest of `kho exchange` (`exchange`).
Keys of records (numbers of licences and the like) are shown here and nowhere else.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, fields
from itertools import groupby
from typing import IO, TYPE_CHECKING

import click

from orchestration import settings
from orchestration.cli.base import (
    Command,
    by_option,
    chosen_obligations,
    examples,
    json_option,
    limit_option,
    obligations_argument,
)
from orchestration.cli.output import print_columns, print_json

if TYPE_CHECKING:
    from orchestration.exchange import DeadLetter


@click.command(
    cls=Command,
    name="dead-letters",
    help="Bản ghi bị bên nhận từ chối: vì sao, ai phải sửa, hạn nào / "
    "Records the receiver refused: why, who must mend them, by when",
    epilog=examples(
        "kho exchange dead-letters",
        "kho exchange dead-letters health_system.facility_licence --limit 0",
        "kho exchange dead-letters --csv bi-tu-choi.csv",
    ),
)
@obligations_argument
@click.option("--all", "closed", is_flag=True, help="Kể cả đã sửa xong / Those already mended too")
@limit_option(50)
@json_option
@click.option(
    "--csv",
    "csv_file",
    type=click.File("w", encoding="utf-8-sig", atomic=True),
    metavar="FILE",
    help="Ghi ra tệp CSV, `-` là màn hình / Write a CSV file, `-` for stdout",
)
def dead_letters(names: tuple[str, ...], closed: bool, limit: int, as_json: bool, csv_file: IO[str] | None) -> None:
    """One table an owner, so that each can be told; everything, without limit, as JSON or CSV."""
    from orchestration import exchange as engine

    wanted = {obligation.id for obligation in chosen_obligations(names)} if names else None
    found = [d for d in engine.dead_letters(closed=closed) if wanted is None or d.obligation in wanted]
    found.sort(key=lambda d: (d.owner, d.obligation, d.seq))
    if csv_file is not None:
        _write_csv(csv_file, found)
    if as_json:
        print_json([asdict(letter) for letter in found])
    elif csv_file is None:
        for owner, letters in groupby(found, key=lambda d: d.owner):
            _show_letters(owner, list(letters), limit)
        if not found:
            click.echo("Không có bản ghi nào bị từ chối / No refused records")


def _show_letters(owner: str, letters: Sequence[DeadLetter], limit: int) -> None:
    shown = letters[: limit or None]
    today = settings.now().date()

    def late(letter: DeadLetter) -> str:
        return " (quá hạn / overdue)" if letter.closed_by is None and letter.due_on < today else ""

    print_columns(
        f"{owner}: {len(letters)} bản ghi phải xử lý / records to deal with",
        shown,
        [
            ("Số / Seq #", lambda d: str(d.seq)),
            ("Nghĩa vụ / Obligation", lambda d: d.obligation),
            ("Khóa / Key", lambda d: d.key.replace("\x1f", " · ")),
            ("Bản phát hành / Release #", lambda d: d.release),
            ("Mã / Code", lambda d: d.code),
            ("Lý do / Reason", lambda d: f"{d.reason_vi} / {d.reason_en}"),
            ("Từ / Since", lambda d: d.rejected_at),
            ("Hạn / Due", lambda d: f"{d.due_on:%d/%m/%Y}" + late(d)),
            ("Đã sửa ở / Mended by #", lambda d: None if d.closed_by is None else str(d.closed_by)),
        ],
        note=f"{len(shown)} / {len(letters)}; đủ với / all with --limit 0, --csv" if len(shown) < len(letters) else "",
    )


def _write_csv(file: IO[str], found: Sequence[DeadLetter]) -> None:
    """The dead letters under the names of their fields, as Excel opens them."""
    from orchestration.exchange import DeadLetter

    writer = csv.writer(file, lineterminator="\n")
    names = [field.name for field in fields(DeadLetter)]
    writer.writerow(names)
    for letter in found:
        values = [getattr(letter, name) for name in names]
        writer.writerow([value.isoformat() if hasattr(value, "isoformat") else value for value in values])


@click.command(
    cls=Command,
    name="retry",
    short_help="Gửi lại nguyên văn khi lỗi ở phía bên nhận / Send again, the same bytes, when the cause lay at the receiver",
    help="Gửi lại nguyên văn những bản ghi bị từ chối mà lỗi ở phía bên nhận / Send refused records again, the same "
    "bytes, when the cause lay at the receiver. Sai trong số liệu thì sửa tại nguồn: đêm sau bản đúng tự được gửi / "
    "A fault in the data is mended at the source: the next night sends the corrected record by itself.",
    epilog=examples(
        'kho exchange retry health_system.facility_licence --seq 1042 --seq 1043 --by "Nguyễn Văn A"',
        'kho exchange retry health_system.facility_licence --all --by "Nguyễn Văn A"',
    ),
)
@click.argument("name", metavar="OBLIGATION")
@click.option(
    "--seq", "seqs", type=int, multiple=True, metavar="N", help="Bản ghi số mấy, lặp lại được / Which, repeatable"
)
@click.option("--all", "all_", is_flag=True, help="Mọi bản ghi còn bị từ chối / All that are still refused")
@by_option
def retry(name: str, seqs: tuple[int, ...], all_: bool, by: str) -> None:
    """Put refused messages back into the outbox as they are."""
    from orchestration import exchange as engine

    if bool(seqs) == all_:
        raise click.UsageError("chọn --seq N hoặc --all / give either --seq N or --all")
    (obligation,) = chosen_obligations([name], systems=False)
    count = engine.retry(obligation, None if all_ else sorted(set(seqs)), by=by)
    click.echo(
        f"{obligation.id}: {count} bản ghi sẽ được gửi lại nguyên văn ở lần gửi tới (`kho exchange send`). "
        "Sai trong số liệu thì sửa tại nguồn / "
        f"{count} records go out again with the next sending, the same bytes. "
        "A fault in the data is mended at the source"
    )

"""`kho gate show`: what the gate found in the newest build of a subject, and by which rows.

Belongs here: reading the verdict. Stays out: running the gate, which belongs to a night.
"""

from __future__ import annotations

from typing import Any

import click

from orchestration.cli.base import Group, json_option
from orchestration.cli.output import print_json, print_table
from orchestration.errors import KhoError

_RESULTS = """
select r.table_name, r.expectation_id, r.severity, r.quality_word, r.success, r.element_count, r.unexpected_count, r.message_vi, r.message_en
  from kho.gate_result r where r.build = %s order by r.success, r.severity, r.table_name, r.expectation_id"""
_FAILURES = """
select f.expectation_id, f.table_name, f.key, f.delivery_id, f.agency, d.source_name
  from kho.gate_failure f left join kho.delivery d using (delivery_id) where f.build = %s order by 1, 2, f.key::text limit %s"""


@click.group(
    cls=Group, help="Cổng chất lượng: phán quyết và các dòng không đạt / The quality gate: verdicts and failing rows"
)
def gate() -> None:
    """The gate."""


@gate.command(name="show", help="Lần kiểm tra mới nhất của một lĩnh vực / The newest check of a subject")
@click.argument("subject")
@click.option("--limit", default=50, show_default=True, help="Số dòng không đạt / Failing rows to list (0: all)")
@json_option
def show(subject: str, limit: int, as_json: bool) -> int:
    """Failed expectations and the keys of the rows that failed them; keys only, no other value."""
    from psycopg.rows import dict_row

    from orchestration.warehouse import connect

    with connect("release") as connection:
        cursor = connection.cursor(row_factory=dict_row)
        verdict: dict[str, Any] | None = cursor.execute(
            "select g.build, g.verdict, g.full_scan, g.checked_at, b.night from kho.gate g join kho.build b using (build)"
            " where g.subject = %s order by g.build desc limit 1",
            (subject,),
        ).fetchone()
        if verdict is None:
            raise KhoError(
                "no_gate",
                vi=f"lĩnh vực {subject} chưa qua cổng lần nào",
                en=f"subject {subject} has never been through its gate",
            )
        results = cursor.execute(_RESULTS, (verdict["build"],)).fetchall()
        failures = cursor.execute(_FAILURES, (verdict["build"], limit or None)).fetchall()
        total = cursor.execute(
            "select count(*) as n from kho.gate_failure where build = %s", (verdict["build"],)
        ).fetchone()
    count = int(total["n"]) if total else 0
    if as_json:
        print_json({**verdict, "subject": subject, "results": results, "failures": failures, "failing_rows": count})
        return 0
    failed = [row for row in results if not row["success"]]
    state = "đạt / passed" if verdict["verdict"] == "pass" else "không đạt, bị giữ / failed, held"
    click.echo(
        f"{subject}, bản dự tuyển / build {verdict['build']}: {state}; {len(results) - len(failed)}/{len(results)} kỳ vọng đạt / expectations met"
    )
    print_table(
        "Kỳ vọng không đạt / Expectations not met",
        [
            "Bảng / Table",
            "Kỳ vọng / Expectation",
            "Mức / Severity",
            "Chất lượng / Quality",
            "Số dòng / Rows #",
            "Ý nghĩa / Meaning",
        ],
        [
            (
                r["table_name"],
                r["expectation_id"],
                r["severity"],
                r["quality_word"],
                r["unexpected_count"],
                f"{r['message_vi']} / {r['message_en']}",
            )
            for r in failed
        ],
    )
    print_table(
        "Dòng không đạt / Failing rows",
        ["Kỳ vọng / Expectation", "Khóa / Key", "Lần giao / Delivery #", "Tệp / File", "Đơn vị / Agency"],
        [
            (r["expectation_id"], r["key"], str(r["delivery_id"] or "-"), r["source_name"], r["agency"])
            for r in failures
        ],
        note=f"{len(failures)} / {count} dòng / rows" if count else "",
    )
    return 0

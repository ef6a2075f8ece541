"""Releases: `kho release list | show | diff | rollback | rename-column`.

Belongs here: showing releases and asking for what a person decides about them. Stays out: deciding; the database
decides. Shown are keys and counts, never other columns; live tables carry no personal column.
"""

from __future__ import annotations

from typing import Any

import click

from orchestration.cli.base import Group, by_option, json_option, limit_option, subject_argument
from orchestration.cli.output import print_json, print_table
from orchestration.errors import KhoError
from orchestration.report.words import OPERATIONS, both


@click.group(cls=Group, help="Bản phát hành của các lĩnh vực / Releases of the subjects")
def release() -> None:
    """Releases."""


def _rows(role: str, query: Any, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    from psycopg.rows import dict_row

    from orchestration.warehouse import connect

    with connect(role) as connection:
        return connection.cursor(row_factory=dict_row).execute(query, parameters).fetchall()


_LIST = """
    select r.subject, r.release, r.kind, r.restores, r.build, b.night, r.released_at, r.by_whom,
           coalesce(sum(t.inserted), 0)::bigint as inserted, coalesce(sum(t.updated), 0)::bigint as updated,
           coalesce(sum(t.deleted), 0)::bigint as deleted, r.release = release.current(r.subject) as current
      from kho.release r join kho.build b using (build) left join kho.build_table t using (build)
     where %(subject)s::text is null or r.subject = %(subject)s
     group by r.subject, r.release, b.night order by r.released_at desc limit nullif(%(limit)s, 0)"""


@release.command(name="list", help="Các bản phát hành, mới nhất trước / Releases, the newest first")
@click.option("--subject", help="Chỉ một lĩnh vực / One subject only")
@limit_option(50)
@json_option
def release_list(subject: str | None, limit: int, as_json: bool) -> None:
    """One line per release."""
    rows = _rows("release", _LIST, {"subject": subject, "limit": limit})
    if as_json:
        print_json(rows)
        return
    print_table(
        "Bản phát hành / Releases",
        [
            "Lĩnh vực / Subject",
            "Bản / Release #",
            "Loại / Kind",
            "Đêm / Night",
            "Lúc / At",
            "Người / By",
            "Thêm / Inserted #",
            "Sửa / Updated #",
            "Xóa / Deleted #",
            "Đang dùng / Current",
        ],
        [
            (
                r["subject"],
                r["release"],
                _kind(r),
                r["night"],
                r["released_at"],
                r["by_whom"],
                r["inserted"],
                r["updated"],
                r["deleted"],
                "✓" if r["current"] else "",
            )
            for r in rows
        ],
    )


def _kind(row: dict[str, Any]) -> str:
    if row["kind"] == "rollback":
        return f"khôi phục bản {row['restores']} / restores {row['restores']}"
    return "phát hành / release"


@release.command(
    name="show", help="Một bản phát hành: bảng, thay đổi, cổng chất lượng / One release: tables, changes, gate"
)
@subject_argument
@click.argument("number", type=int, required=False, metavar="[RELEASE]")
@json_option
def release_show(subject: str, number: int | None, as_json: bool) -> None:
    """The newest release of the subject, or the one asked for."""
    found = next(
        (r for r in _rows("release", _LIST, {"subject": subject, "limit": 0}) if number in (None, r["release"])), None
    )
    if found is None:
        raise _no_release(subject, number)
    build = {"build": found["build"]}
    found["tables"] = _rows(
        "release",
        """select table_name, baseline, inserted, updated, deleted from kho.build_table
            where build = %(build)s order by 1""",
        build,
    )
    gates = _rows("release", "select verdict, full_scan, checked_at from kho.gate where build = %(build)s", build)
    found["gate"] = gates[0] if gates else None
    found["failed"] = _rows(
        "release",
        """select table_name, expectation_id, severity, quality_word, unexpected_count, message_vi, message_en
             from kho.gate_result where build = %(build)s and not success
            order by severity, table_name, expectation_id""",
        build,
    )
    if as_json:
        print_json(found)
        return
    click.echo(
        f"{subject}, bản {found['release']} / release {found['release']}: {_kind(found)}, "
        f"{found['released_at']:%d/%m/%Y %H:%M}, {found['by_whom']}, đêm / night {found['night']:%d/%m/%Y}"
    )
    print_table(
        "Bảng / Tables",
        ["Bảng / Table", "Nạp lần đầu / First load", "Thêm / Inserted #", "Sửa / Updated #", "Xóa / Deleted #"],
        [tuple(table.values()) for table in found["tables"]],
    )
    if found["gate"] is not None:
        print_table(
            f"Cảnh báo của cổng chất lượng / The gate's warnings ({found['gate']['verdict']})",
            [
                "Bảng / Table",
                "Kỳ vọng / Expectation",
                "Mức / Severity",
                "Tiêu chí / Quality",
                "Số dòng / Rows #",
                "Nội dung / Message",
            ],
            [
                (
                    f["table_name"],
                    f["expectation_id"],
                    f["severity"],
                    f["quality_word"],
                    f["unexpected_count"],
                    f"{f['message_vi']} / {f['message_en']}",
                )
                for f in found["failed"]
            ],
        )


def _no_release(subject: str, number: int | None) -> KhoError:
    which = "" if number is None else f" {number}"
    return KhoError("no_release", f"{subject} chưa có bản phát hành{which}", f"{subject} has no release{which}")


@release.command(
    name="diff",
    help="Khóa thêm, sửa, xóa giữa hai bản phát hành / Keys inserted, updated, deleted between two releases",
)
@subject_argument
@click.argument("from_", type=int, metavar="FROM")
@click.argument("to", type=int, metavar="TO")
@click.option("--table", help="Chỉ một bảng / One table only")
@limit_option(50)
@json_option
def release_diff(subject: str, from_: int, to: int, table: str | None, limit: int, as_json: bool) -> None:
    """Net changes from the journal; FROM 0 is before the first release. `--limit` holds for each table."""
    if from_ >= to:
        raise click.UsageError("FROM phải nhỏ hơn TO / FROM must be less than TO")
    builds = _rows(
        "release", "select release, build from kho.release where subject = %(subject)s", {"subject": subject}
    )
    numbers = {row["release"] for row in builds} | {0}
    if not {from_, to} <= numbers:
        raise _no_release(subject, max({from_, to} - numbers))
    between = [row["build"] for row in builds if from_ < row["release"] <= to]
    tables = _rows(
        "release",
        """select table_name, bool_or(baseline) as baseline, sum(inserted) filter (where baseline)::bigint as loaded
             from kho.build_table
            where build = any(%(builds)s) and (%(table)s::text is null or table_name = %(table)s)
            group by 1 order by 1""",
        {"builds": between, "table": table},
    )
    if table is not None and not tables:
        raise KhoError(
            "no_table",
            f"{subject} không có bảng {table} giữa hai bản",
            f"{subject} has no table {table} between these releases",
        )
    found = [_table_diff(subject, row, between, limit) for row in tables]
    if as_json:
        print_json({"subject": subject, "from": from_, "to": to, "tables": found})
        return
    for each in found:
        if each["baseline"]:
            click.echo(f"{each['table']}: nạp lần đầu {each['inserted']} dòng / first load of {each['inserted']} rows")
            continue
        print_table(
            f"{each['table']}: {each['inserted']} thêm / inserted, {each['updated']} sửa / updated, "
            f"{each['deleted']} xóa / deleted",
            ["Thay đổi / Change", "Khóa / Key"],
            [(both(OPERATIONS, row["op"]), row["key"]) for row in each["rows"]],
            note="" if len(each["rows"]) == each["total"] else f"{len(each['rows'])} / {each['total']}",
        )


def _table_diff(subject: str, table: dict[str, Any], builds: list[int], limit: int) -> dict[str, Any]:
    """Net change of every key over the builds. A table first loaded among them is told by its number of rows."""
    from psycopg import sql

    from orchestration.warehouse import connect

    name = table["table_name"]
    counts = {"I": table["loaded"] or 0, "U": 0, "D": 0}
    rows: list[Any] = []
    with connect("release") as connection:
        there = connection.execute(
            "select to_regclass(format('journal.%%I', %s::text)) is not null", (f"{subject}__{name}",)
        ).fetchone()
        if not table["baseline"] and there == (True,):
            keys = connection.execute(
                """select a.attname
                     from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
                    where i.indrelid = format('%%I.%%I', %s::text, %s::text)::regclass and i.indisprimary
                    order by array_position(i.indkey::int2[], a.attnum)""",
                (subject, name),
            ).fetchall()
            columns = [sql.Identifier(key) for (key,) in keys]
            pairs = sql.SQL(", ").join(
                sql.SQL("{}, {}").format(sql.Literal(key), sql.Identifier(key)) for (key,) in keys
            )
            # A key's net change: what it was before its first operation, against what it is after its last.
            net = sql.SQL(
                """with ops as (
                       select {columns}, (array_agg(journal_op order by journal_build))[1] as first_op,
                              (array_agg(journal_op order by journal_build desc))[1] as last_op
                         from {journal}
                        where journal_build = any(%(builds)s) and journal_op in ('I', 'U', 'D') group by {columns}
                   ), net as (
                       select {columns},
                              case when first_op = 'I' then 'I' when last_op = 'D' then 'D' else 'U' end as op
                         from ops where not (first_op = 'I' and last_op = 'D')
                   ) """
            ).format(columns=sql.SQL(", ").join(columns), journal=sql.Identifier("journal", f"{subject}__{name}"))
            counts |= dict(
                connection.execute(
                    net + sql.SQL("select op, count(*) from net group by op"), {"builds": builds}
                ).fetchall()
            )
            listed = sql.SQL(
                "select op, jsonb_build_object({pairs}) from net order by op, {columns} limit nullif(%(limit)s, 0)"
            )
            rows = connection.execute(
                net + listed.format(pairs=pairs, columns=sql.SQL(", ").join(columns)),
                {"builds": builds, "limit": limit},
            ).fetchall()
    return {
        "table": name,
        "baseline": table["baseline"],
        "inserted": counts["I"],
        "updated": counts["U"],
        "deleted": counts["D"],
        "total": sum(counts.values()),
        "rows": [{"op": op, "key": key} for op, key in rows],
    }


@release.command(
    name="rollback", help="Khôi phục một bản trước đó thành bản mới / Restore an earlier release as a new one"
)
@subject_argument
@click.argument("number", type=int, metavar="RELEASE")
@by_option
def release_rollback(subject: str, number: int, by: str) -> None:
    """The next night builds on today's sources again."""
    from orchestration.release import rollback

    done = rollback(subject, number, by=by)
    click.echo(
        f"{subject}: bản {done.release} khôi phục bản {number}; đêm sau lại dựng từ nguồn / "
        f"release {done.release} restores {number}; the next night builds from the sources again"
    )


@release.command(
    name="rename-column",
    help="Đổi tên cột trong bản phát hành và nhật ký / Rename a column in the release and its journal",
)
@subject_argument
@click.argument("table", metavar="TABLE")
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
def rename_column(subject: str, table: str, old: str, new: str) -> None:
    """Live table and journal change together, so that earlier releases stay within reach."""
    import psycopg

    from orchestration.errors import pg_error
    from orchestration.warehouse import connect

    failure: KhoError
    try:
        with connect("release") as connection:
            connection.execute("select release.rename_column(%s, %s, %s, %s)", (subject, table, old, new))
        click.echo(f"{subject}.{table}: {old} → {new}")
        return
    except psycopg.Error as error:
        failure = pg_error(error, relation=f"{subject}.{table}")
    raise failure

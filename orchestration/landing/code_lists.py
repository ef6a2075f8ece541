"""Code lists into the database: `kho.code_value` made equal to what is declared, list by list, when its hash has changed.

Belongs here: writing the two tables. Stays out: reading the declarations (`contracts.code_lists`), checking codes (`checks`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestration.contracts.code_lists import CodeList

if TYPE_CHECKING:
    import psycopg


def put_in(connection: psycopg.Connection, lists: Sequence[CodeList]) -> list[str]:
    """Bring the database's lists to `lists` in the caller's transaction; names of those written or taken out, in order.

    Costs one small query where nothing has changed. The role must be the loader's.
    """
    if not _changed(connection, lists):
        return []
    connection.execute("select pg_advisory_xact_lock(hashtextextended('kho.code_lists', 0))")
    changed = _changed(connection, lists)  # another landing may have done it while this one waited
    if not changed:
        return []
    connection.execute("delete from kho.code_value where list = any (%s)", (changed,))
    connection.execute("delete from kho.code_list where list = any (%s)", (changed,))
    written = [found for found in lists if found.name in changed]
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "copy kho.code_value (list, code, valid_from, valid_to, label_vi, label_en, successor) from stdin"
        ) as copy,
    ):
        for found in written:
            for v in found.values:
                copy.write_row((found.name, v.code, v.valid_from, v.valid_to, v.label_vi, v.label_en, v.successor))
    connection.execute(
        "insert into kho.code_list (list, sha256) select * from unnest(%s::text[], %s::bytea[])",
        ([found.name for found in written], [found.sha256 for found in written]),
    )
    return sorted(changed)


def _changed(connection: psycopg.Connection, lists: Sequence[CodeList]) -> list[str]:
    """Names of lists that the database lacks, has otherwise, or has although they are declared no longer."""
    known = {name: bytes(sha256) for name, sha256 in connection.execute("select list, sha256 from kho.code_list")}
    declared = {found.name: found.sha256 for found in lists}
    return [name for name in known.keys() | declared.keys() if known.get(name) != declared.get(name)]

"""The errors that cross a stage.

Purpose: one typed, bilingual exception that says what failed and where, and never quotes a value of a row.
Belongs here: the exception classes and the translation of a PostgreSQL error into one of them.
Stays out: what to do about an error (retries, quarantine, Dagster failures), and every message of one stage only.

PostgreSQL, HTTP clients and spreadsheet readers quote the offending value in their own messages. Translate such an
error inside its `except` block and raise the result after the block: `raise … from None` hides the original from a
traceback, but it stays in `__context__`, where whoever serialises exceptions finds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Where = dict[str, str | int]


class KhoError(Exception):
    """A failure with a stable `code`, a message in Vietnamese and English, and a place.

    `where` names places only: file, row, column, rule, relation, sqlstate, url path, variable. Never a value of a row.
    `transient` says that the same call may succeed later without anybody changing anything; only such are retried.
    """

    transient: bool = False

    def __init__(
        self,
        code: str,
        vi: str,
        en: str,
        where: Mapping[str, str | int] | None = None,
        *,
        transient: bool | None = None,
    ) -> None:
        self.code = code
        self.vi = vi
        self.en = en
        self.where: Where = dict(where or {})
        if transient is not None:
            self.transient = transient
        # Exactly the positional arguments, so that the exception survives pickling between processes.
        super().__init__(code, vi, en, self.where)

    def __str__(self) -> str:
        return f"{self.vi} / {self.en}"


class Transient(KhoError):
    """A failure of the moment: source down, timeout, lock not granted, serialisation conflict."""

    transient = True


def together(failures: Sequence[KhoError]) -> KhoError:
    """Several failures of one piece of work as one: every text, code and place of the first; transient when all are."""
    first = failures[0]
    return KhoError(
        first.code,
        "; ".join(failure.vi for failure in failures),
        "; ".join(failure.en for failure in failures),
        first.where,
        transient=all(failure.transient for failure in failures),
    )


# SQLSTATE classes and codes that pass by themselves: connection, resources, operator intervention, conflicts, locks.
_TRANSIENT_CLASSES = ("08", "53", "57")
_TRANSIENT_STATES = frozenset({"40001", "40P01", "55P03"})
# A cancelled statement is the decision of a person or a limit, not an outage.
_PERMANENT_STATES = frozenset({"57014"})

_CLASS_MESSAGES = {
    "08": ("Không kết nối được cơ sở dữ liệu", "The database connection failed"),
    "22": ("Dữ liệu không đúng kiểu hoặc vượt phạm vi", "Data of the wrong type or out of range"),
    "23": ("Vi phạm ràng buộc dữ liệu", "An integrity constraint is violated"),
    "25": ("Giao dịch ở trạng thái không hợp lệ", "The transaction is in an invalid state"),
    "28": ("Đăng nhập cơ sở dữ liệu bị từ chối", "The database refused the login"),
    "3D": ("Không có cơ sở dữ liệu này", "The database does not exist"),
    "40": ("Giao dịch xung đột với giao dịch khác", "The transaction conflicts with another one"),
    "42": ("Thiếu đối tượng, thiếu quyền hoặc câu lệnh sai", "Missing object, missing privilege or wrong statement"),
    "53": ("Máy chủ cơ sở dữ liệu thiếu tài nguyên", "The database server is short of resources"),
    "55": ("Đối tượng đang bị khóa", "The object is locked"),
    "57": ("Máy chủ cơ sở dữ liệu dừng hoặc hủy câu lệnh", "The database server stopped or cancelled the statement"),
}
_UNKNOWN_MESSAGE = ("Lỗi cơ sở dữ liệu", "Database error")


def pg_error(exc: BaseException, relation: str = "") -> KhoError:
    """Translate a PostgreSQL error into a KhoError (Transient where it may pass by itself) without its message.

    Accepts errors of psycopg 3, psycopg2 and SQLAlchemy (its `.orig`). Kept: SQLSTATE, relation, column and constraint.
    An error without SQLSTATE that is an OperationalError or InterfaceError is a lost or refused connection.
    The caller raises the result outside the `except` block.
    """
    original = getattr(exc, "orig", None) or exc
    state = str(getattr(original, "sqlstate", None) or getattr(original, "pgcode", None) or "")
    diag = getattr(original, "diag", None)
    where: Where = {}
    if state:
        where["sqlstate"] = state
    schema, table = getattr(diag, "schema_name", None), getattr(diag, "table_name", None)
    name = relation or ".".join(part for part in (schema, table) if part)
    if name:
        where["relation"] = name
    for key, attribute in (("column", "column_name"), ("constraint", "constraint_name")):
        found = getattr(diag, attribute, None)
        if found:
            where[key] = str(found)
    lost = not state and type(original).__name__ in {"OperationalError", "InterfaceError", "ConnectionTimeout"}
    transient = lost or (
        state not in _PERMANENT_STATES and (state[:2] in _TRANSIENT_CLASSES or state in _TRANSIENT_STATES)
    )
    vi, en = _CLASS_MESSAGES["08"] if lost else _CLASS_MESSAGES.get(state[:2], _UNKNOWN_MESSAGE)
    place = ", ".join(f"{key}={value}" for key, value in where.items())
    suffix = f" ({place})" if place else ""
    kind = Transient if transient else KhoError
    return kind("database", vi + suffix, en + suffix, where)

"""One obligation: from its YAML document to an Obligation, with every mistake of the file.

Purpose: read `assets/national/<system>/<name>.yaml` and judge it by itself, also where two of its dated entries meet.
Belongs here: finding the files, their fields, and the rules between their entries. Stays out: what dbt, contracts and
suites say of the released table (`released`), and what an obligation does.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeVar

from orchestration.contracts import assets_root
from orchestration.contracts.document import Document, Place, read
from orchestration.contracts.load import DEFS, is_contract
from orchestration.contracts.model import SUBJECTS, DeclarationErrors
from orchestration.contracts.reader import Reader
from orchestration.contracts.servers import VARIABLE, VARIABLE_WORDS
from orchestration.exchange.obligation import (
    CHANNEL_KINDS,
    FORMATS,
    STATUSES,
    Channel,
    CodedField,
    Dated,
    Field,
    Obligation,
    Refusal,
    Services,
    in_force,
)

TOP = (
    "kind",
    "id",
    "name",
    "status",
    "subject",
    "table",
    "key",
    "receiver",
    "owner",
    "description",
    "legal_basis",
    "deadline",
    "batch_size",
    "channel",
    "fields",
    "refusals",
)
SERVICES = ("send", "delete", "ask", "buckets", "list")
SECONDS = ("timeout_seconds", "settle_seconds", "backoff_seconds", "backoff_limit_seconds")
VALIDITY = ("valid_from", "valid_to")
MESSAGE_ID = "MaThongDiep"
APPLIED = "00"
# What a receiver may be asked about at a time, so what a batch may hold.
LARGEST_BATCH = 1000
AGENCY_CODE = (r"[0-9A-Z.]{1,35}", "mã cơ quan theo Quyết định 20/2020/QĐ-TTg", "an agency code")
IDENTIFIER = (r"[a-z][a-z0-9_]*", "chữ thường, số và dấu _", "lower case letters, digits and _")
ID = (r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*", "<hệ thống>.<tên>", "<system>.<name>")
WIRE_NAME = (r"[A-Za-z][A-Za-z0-9_]*", "chữ không dấu, số và dấu _", "unaccented letters, digits and _")
CODE = (r"\S{1,40}", "mã không có dấu cách", "a code without spaces")

T = TypeVar("T")
#: What two entries have in common that must not hold on the same day.
Identity = Callable[[T], Hashable]
#: Entries with their places.
Entries = list[tuple[Place, Dated[T]]]


class ObligationErrors(DeclarationErrors):
    """Obligations that cannot be used."""

    kind = ("obligation", "Khai báo nghĩa vụ đồng bộ", "the obligations")


@dataclass(frozen=True)
class Parsed:
    """A file after reading: its obligation when it has no mistake of its own, and what can be compared with the table.

    `fields` are those without a mistake, with their places.
    """

    document: Document
    obligation: Obligation | None
    id: str
    subject: str
    table: str
    key: tuple[str, ...]
    fields: tuple[tuple[Place, Dated[CodedField]], ...]


def load_all(root: Path | None = None) -> list[Obligation]:
    """Every active obligation below `root` (default: assets_root()), by id. ObligationErrors with all problems of all files."""
    found = parse_obligations(root)
    problems = [problem for parsed in found for problem in parsed.document.problems]
    if problems:
        raise ObligationErrors(tuple(sorted(set(problems))))
    obligations = (parsed.obligation for parsed in found if parsed.obligation is not None)
    return sorted((each for each in obligations if each.status == "active"), key=lambda each: each.id)


def parse_obligations(root: Path | None = None) -> list[Parsed]:
    """Every declaration of `national/*/` that is not a contract, whatever its status, in the order of their paths."""
    root = Path(root or assets_root())
    files = (path for suffix in ("yaml", "yml") for path in (root / "national").glob(f"*/*.{suffix}"))
    documents = (read(path, str(path.relative_to(root.parent))) for path in sorted(files) if path.name != DEFS)
    found = [parse(document) for document in documents if not is_contract(document.value)]
    first: dict[str, str] = {}
    for parsed in found:
        if parsed.id:
            label = first.setdefault(parsed.id, parsed.document.label)
            if label != parsed.document.label:  # the same name with another suffix
                parsed.document.problem(("id",), f"mã này đã dùng ở {label}", f"this id is already used at {label}")
    return found


def parse(document: Document) -> Parsed:
    """Judge one document. Its mistakes are in `document.problems`."""
    reader = Reader(document)
    reader.only((), TOP)
    reader.choice(("kind",), ("Obligation",))
    values = _identity(reader)
    key = values["key"]

    def section(name: str, names: Sequence[str], value_at: Callable[[Place], T], identity: Identity[T]) -> Entries[T]:
        return _dated(reader, (name,), names, value_at, identity)

    fields = section("fields", FIELD, lambda at: _field(reader, at, key), lambda coded: coded.field.name)
    _keys_complete(reader, _entries(fields), key)
    values |= {
        "fields": _entries(fields),
        "channels": _entries(section("channel", CHANNEL, lambda at: _channel(reader, at), _only_one)),
        "batch_sizes": _entries(
            section("batch_size", ("records",), lambda at: _whole(reader, (*at, "records"), LARGEST_BATCH), _only_one)
        ),
        "deadlines": _entries(
            section("deadline", ("working_days",), lambda at: _whole(reader, (*at, "working_days"), 250), _only_one)
        ),
        "legal_basis": _entries(
            section("legal_basis", ("instrument",), lambda at: reader.text((*at, "instrument")), lambda text: text)
        ),
        "refusals": _entries(section("refusals", REFUSAL, lambda at: _refusal(reader, at), lambda each: each.code)),
    }
    good = not document.problems
    obligation = Obligation(**values, label=document.label, path=document.path) if good else None
    return Parsed(document, obligation, values["id"], values["subject"], values["table"], key, tuple(fields))


def _identity(reader: Reader) -> dict[str, Any]:
    path = reader.document.path
    identifier = reader.matching(("id",), *ID)
    system, _, name = identifier.partition(".")
    if identifier and system != path.parent.name:
        folder = path.parent.name
        reader.problem(
            ("id",), f"phải bắt đầu bằng tên thư mục {folder}", f"must start with the folder's name {folder}"
        )
    if identifier and name != path.stem:
        reader.problem(("id",), f"khác tên tệp {path.name}", f"differs from the file name {path.name}")
    reader.only(("owner",), ("unit", "contact"))
    reader.only(("description",), ("purpose", "usage", "limitations"))
    purpose, _, _ = (reader.text(("description", part)) for part in ("purpose", "usage", "limitations"))
    if not reader.items(("key",)):
        key: tuple[str, ...] = ()
    else:
        key = reader.texts(("key",))
        if len(set(key)) < len(key):
            reader.problem(("key",), "có cột lặp lại", "names a column twice")
    return {
        "id": identifier,
        "system": system,
        "name": name,
        "title": reader.text(("name",)),
        "status": reader.choice(("status",), STATUSES),
        "subject": reader.choice(("subject",), SUBJECTS),
        "table": reader.matching(("table",), *IDENTIFIER),
        "key": key,
        "receiver_name": reader.text(("receiver",)),
        "owner_name": reader.text(("owner", "unit")),
        "owner_contact": reader.text(("owner", "contact")),
        "description": purpose,
    }


def _only_one(_: Any) -> Hashable:
    """Of such a section only one entry may hold at a time."""
    return ""


def _dated(
    reader: Reader, place: Place, names: Sequence[str], value_at: Callable[[Place], T], identity: Identity[T]
) -> Entries[T]:
    """The entries of a section. Two of the same identity must not hold on the same day; days without any are allowed."""
    found: Entries[T] = []
    for index, item in enumerate(reader.items(place)):
        inner = (*place, index)
        if not reader.is_mapping(inner, item):
            continue
        before = len(reader.document.problems)
        reader.only(inner, (*names, *VALIDITY))
        value, (start, end) = value_at(inner), _days(reader, inner)
        if start is None or len(reader.document.problems) > before:
            continue
        entry = Dated(value, start, end)
        for where, other in found:
            if identity(other.value) == identity(value) and (entry.holds(other.valid_from) or other.holds(start)):
                line = reader.document.line(where)
                reader.problem(
                    (*inner, "valid_from"),
                    f"trùng thời gian hiệu lực với mục ở dòng {line}",
                    f"is in force at the same time as the entry on line {line}",
                )
        found.append((inner, entry))
    return found


def _entries(found: Entries[T]) -> tuple[Dated[T], ...]:
    return tuple(entry for _, entry in found)


def _days(reader: Reader, place: Place) -> tuple[date | None, date | None]:
    days: list[date | None] = []
    for name in VALIDITY:
        value = reader.at((*place, name))
        if value is None and name == "valid_from":
            reader.missing((*place, name))
        elif value is not None and type(value) is not date:
            reader.problem((*place, name), "phải là ngày yyyy-mm-dd", "must be a date yyyy-mm-dd")
        days.append(value if type(value) is date else None)
    start, end = days
    if start is not None and end is not None and end < start:
        reader.problem((*place, "valid_to"), "trước valid_from", "is before valid_from")
    return start, end


def changes(entries: Iterable[Dated[T]]) -> list[date]:
    """The days on which something begins, or has just ended: between two of them nothing changes."""
    days = set()
    for entry in entries:
        days.add(entry.valid_from)
        if entry.valid_to is not None and entry.valid_to < date.max:
            days.add(entry.valid_to + timedelta(days=1))
    return sorted(days)


def _whole(reader: Reader, place: Place, largest: int) -> int:
    value = reader.number(place)
    if value is not None and not (isinstance(value, int) and 1 <= value <= largest):
        reader.problem(place, f"phải là số nguyên từ 1 đến {largest}", f"must be a whole number from 1 to {largest}")
    return int(value or 0)


CHANNEL = ("kind", "location", "key", "secret", "path", "sender", "receiver", "services", *SECONDS)


def _channel(reader: Reader, at: Place) -> Channel:
    # Addresses and secrets come from the environment, whole: the declaration is public.
    location, key, secret = (
        reader.matching((*at, name), VARIABLE, *VARIABLE_WORDS) for name in ("location", "key", "secret")
    )
    reader.only((*at, "services"), SERVICES)
    services = {name: reader.matching((*at, "services", name), *WIRE_NAME) for name in SERVICES}
    named = [name for name in services.values() if name]
    if len(set(named)) < len(named):
        reader.problem((*at, "services"), "một dịch vụ được dùng cho hai việc", "one service is named for two purposes")
    seconds: dict[str, float] = {}
    for name in SECONDS:
        value = reader.number((*at, name))
        if value is not None and not 0 < value <= 86400:
            reader.problem((*at, name), "phải là số giây từ trên 0 đến 86400", "must be seconds, above 0, up to 86400")
        seconds[name] = float(value or 0)
    if seconds["backoff_limit_seconds"] < seconds["backoff_seconds"]:
        place = (*at, "backoff_limit_seconds")
        reader.problem(place, "nhỏ hơn backoff_seconds", "is less than backoff_seconds")
    return Channel(
        kind=reader.choice((*at, "kind"), CHANNEL_KINDS),
        location=location,
        key=key,
        secret=secret,
        path=reader.matching((*at, "path"), r"(/[A-Za-z0-9._-]+)+", "đường dẫn như /api/1.0", "a path like /api/1.0"),
        sender=reader.matching((*at, "sender"), *AGENCY_CODE),
        receiver=reader.matching((*at, "receiver"), *AGENCY_CODE),
        services=Services(**services),
        **seconds,
    )


FIELD = ("name", "column", "constant", "format", "codes", "required", "key_position")


def _field(reader: Reader, at: Place, key: tuple[str, ...]) -> CodedField:
    def given(name: str) -> bool:
        return reader.at((*at, name)) is not None

    name = reader.matching((*at, "name"), *WIRE_NAME)
    if name == MESSAGE_ID:
        reader.problem((*at, "name"), "Kho tự thêm trường này", "Kho adds this field itself")
    column = reader.matching((*at, "column"), *IDENTIFIER) if given("column") else ""
    constant = reader.text((*at, "constant")) if given("constant") else ""
    if given("column") == given("constant"):
        reader.problem(at, "phải có đúng một trong column, constant", "must have exactly one of column, constant")
    written = reader.choice((*at, "format"), FORMATS)
    codes = None
    if given("codes"):
        codes = _codes(reader, (*at, "codes"))
        if written != "text" or not column:
            reader.problem((*at, "codes"), "chỉ dùng cho cột có format text", "only for a column of format text")
    if constant and written not in ("text", ""):
        reader.problem((*at, "format"), "hằng số phải có format text", "a constant must have format text")
    required = reader.flag((*at, "required"))
    position = None
    if given("key_position"):
        position = _whole(reader, (*at, "key_position"), max(len(key), 1))
        if column and key and key[position - 1 : position] != (column,):
            reader.problem(
                (*at, "key_position"), f"cột {column} không đứng ở vị trí này trong key", f"column {column} is not at this place of key"
            )  # fmt: skip
        if not required:
            reader.problem((*at, "required"), "trường khóa phải có required: true", "a key field must be required")
    return CodedField(Field(name, column or None, constant or None, written, None, required, position), codes)


def _codes(reader: Reader, place: Place) -> tuple[Dated[tuple[str, str]], ...]:
    def pair(at: Place) -> tuple[str, str]:
        return reader.matching((*at, "code"), *CODE), reader.matching((*at, "receiver"), *CODE)

    return _entries(_dated(reader, place, ("code", "receiver"), pair, lambda each: each[0]))


REFUSAL = ("code", "vi", "en", "owner")


def _refusal(reader: Reader, at: Place) -> Refusal:
    code = reader.matching((*at, "code"), *CODE)
    if code == APPLIED:
        reader.problem((*at, "code"), "mã này nghĩa là đã nhận", "this code means that it was applied")
    return Refusal(code, *(reader.text((*at, name)) for name in ("vi", "en", "owner")))


def _keys_complete(reader: Reader, fields: tuple[Dated[CodedField], ...], key: tuple[str, ...]) -> None:
    """On every day that has fields, each column of the key is the key of exactly one of them."""
    if any(problem.field.startswith("fields") for problem in reader.document.problems):
        return  # already told; the rest would only follow from it
    for day in changes(fields):
        current = [coded.field for coded in in_force(fields, day)]
        positions = sorted(field.key_position for field in current if field.key_position is not None)
        if current and positions != list(range(1, len(key) + 1)):
            reader.problem(
                ("fields",),
                f"ngày {day:%d/%m/%Y}: mỗi cột của key phải có đúng một trường với key_position",
                f"on {day.isoformat()}: each column of key needs exactly one field with key_position",
            )
            return

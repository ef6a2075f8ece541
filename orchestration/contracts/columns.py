"""One column of a contract: from its ODCS property to a Column.

Purpose: read and judge the columns. Belongs here: types, key, classification, row rules, headers of one column and what
must hold among the columns of one contract. Stays out: everything about the dataset as a whole (`parse`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from orchestration.contracts.document import Place
from orchestration.contracts.model import (
    BOOLEAN_WORDS,
    BREACHES,
    CHARSETS,
    COLUMN_CLASSIFICATIONS,
    COLUMN_PROPERTIES,
    FORMATS,
    IDENTIFIERS,
    Column,
)
from orchestration.contracts.reader import Reader

COLUMN_FIELDS = frozenset(
    {
        "id",
        "name",
        "physicalName",
        "businessName",
        "description",
        "logicalType",
        "physicalType",
        "primaryKey",
        "primaryKeyPosition",
        "required",
        "classification",
        "logicalTypeOptions",
        "quality",
        "customProperties",
        "tags",
        "examples",
        "authoritativeDefinitions",
    }
)
OPTION_FIELDS = frozenset({"pattern", "minimum", "maximum", "minLength", "maxLength"})
QUALITY_FIELDS = frozenset({"id", "name", "description", "type", "metric", "mustBe", "arguments"})

# logicalType of ODCS -> the PostgreSQL types a raw column may have. `json` is refused: it has no equality.
PG_TYPES = {
    "string": r"text|uuid",
    "integer": r"smallint|integer|bigint",
    "number": r"numeric(\(\d{1,4}(,\d{1,4})?\))?|double precision",
    "boolean": r"boolean",
    "date": r"date",
    "timestamp": r"timestamp|timestamptz",
    "object": r"jsonb",
}
COMMON_TYPES = "text, integer, bigint, numeric(p,s), boolean, date, timestamptz, jsonb"
FORMAT_TYPES = {
    "yyyyMMddHHmmss": r"timestamp|timestamptz|date",
    "yyyyMMddHHmm": r"timestamp|timestamptz|date",
    "yyyyMMdd": r"date",
    "dd/MM/yyyy": r"date",
    "dd/MM/yyyy HH:mm": r"timestamp|timestamptz",
    "dd/MM/yyyy HH:mm:ss": r"timestamp|timestamptz",
    "MM/yyyy": r"date",
    "decimal_comma": r"smallint|integer|bigint|numeric.*|double precision",
    "partial_date": r"text",
}
NUMBER_TYPES = r"smallint|integer|bigint|numeric.*|double precision"
# What Python's `re` accepts and PostgreSQL does not: named and atomic groups, conditionals, possessive quantifiers.
NOT_IN_POSTGRESQL = re.compile(r"\(\?(?:P|>|\(|<[A-Za-z_])|(?<!\\)[*+?}]\+")
IDENTIFIER = r"[a-z][a-z0-9_]{0,62}"


@lru_cache(maxsize=1 << 14)  # the headers of thousands of workbooks are the same few
def fold(text: str) -> str:
    """A header as it is compared: NFC, white space and line breaks as one space, without case."""
    return " ".join(unicodedata.normalize("NFC", text).split()).casefold()


def read_columns(reader: Reader, place: Place) -> tuple[Column, ...]:
    """All columns at `place` (schema[0].properties). Columns with a mistake are returned as far as they can be read."""
    columns = tuple(
        _column(reader, (*place, index))
        for index, item in enumerate(reader.items(place))
        if reader.is_mapping((*place, index), item)
    )
    _together(reader, place, columns)
    return columns


def _column(reader: Reader, place: Place) -> Column:
    reader.only(place, COLUMN_FIELDS)
    extra = reader.properties(place, COLUMN_PROPERTIES)
    name = reader.matching((*place, "name"), IDENTIFIER, "chữ thường, số và dấu gạch dưới", "lower case snake_case")
    source_name = reader.text((*place, "physicalName"))
    pg_type = _type(reader, place)
    pattern, low, high, shortest, longest = _options(reader, place, pg_type)
    allowed = _allowed(reader, place, pg_type)
    form = _format(reader, extra["kho.format"], pg_type) if "kho.format" in extra else None
    if form and pg_type and not re.fullmatch(FORMAT_TYPES.get(form, "boolean"), pg_type):
        reader.problem(
            extra["kho.format"],
            f"định dạng này không dùng cho kiểu {pg_type}",
            f"this format is not for type {pg_type}",
        )
    default = reader.text(extra["kho.default"]) if "kho.default" in extra else None
    if default and allowed and default not in allowed:
        reader.problem(
            extra["kho.default"],
            "giá trị mặc định không nằm trong danh sách cho phép",
            "the default is not an allowed value",
        )
    kind, agrees_with = (
        _identifier(reader, extra["kho.identifier"], pg_type) if "kho.identifier" in extra else (None, {})
    )
    code_list, code_list_at = _code_list(reader, extra["kho.codeList"]) if "kho.codeList" in extra else (None, None)
    key_position = _key_position(reader, place)
    required = reader.flag((*place, "required"))
    if key_position is not None and not required:
        reader.problem((*place, "required"), "cột khóa phải có required: true", "a key column must have required: true")
    return Column(
        name=name,
        source_name=source_name,
        headers=reader.texts(extra["kho.headers"]) if "kho.headers" in extra else (),
        pg_type=pg_type,
        required=required,
        key_position=key_position,
        pattern=pattern,
        allowed=allowed,
        minimum=low,
        maximum=high,
        min_length=shortest,
        max_length=longest,
        classification=reader.choice((*place, "classification"), COLUMN_CLASSIFICATIONS),
        format=form or None,
        default=default or None,
        unit=(reader.text(extra["kho.unit"]) or None) if "kho.unit" in extra else None,
        identifier=kind or None,
        label_vi=reader.text((*place, "businessName")),
        description=reader.text((*place, "description")),
        line=reader.document.line(place),
        identifier_with=agrees_with,
        missing=reader.texts(extra["kho.missing"]) if "kho.missing" in extra else (),
        charset=(reader.choice(extra["kho.charset"], CHARSETS) or None) if "kho.charset" in extra else None,
        on_breach=(reader.choice(extra["kho.onBreach"], BREACHES) or "hold") if "kho.onBreach" in extra else "hold",
        code_list=code_list,
        code_list_at=code_list_at,
        references=_references(reader, extra["kho.references"]) if "kho.references" in extra else None,
        position=_position(reader, extra["kho.position"]) if "kho.position" in extra else None,
        optional=reader.flag(extra["kho.optional"]) if "kho.optional" in extra else False,
    )


def _format(reader: Reader, place: Place, pg_type: str) -> str:
    """One of FORMATS or, for a boolean, the two words that stand for true and false."""
    text = reader.at(place)
    if pg_type == "boolean" and isinstance(text, str) and text not in FORMATS:
        return reader.matching(
            place, BOOLEAN_WORDS, "hai từ cách nhau bằng /, như Có/Không", "two words with / between"
        )
    return reader.choice(place, FORMATS)


def _identifier(reader: Reader, place: Place, pg_type: str) -> tuple[str, dict[str, str]]:
    """Kind and columns to agree with, by role, of `personal_id` or `{kind: personal_id, born: birth_date}`."""
    if pg_type and pg_type != "text":
        reader.problem(place, "chỉ dùng cho kiểu text", "only for type text")
    if not isinstance(reader.at(place), dict):
        return reader.choice(place, IDENTIFIERS), {}
    kind = reader.choice((*place, "kind"), IDENTIFIERS)
    roles = reader.only(place, ("kind", *IDENTIFIERS.get(kind, ())))
    return kind, {role: reader.text((*place, role)) for role in roles if role != "kind"}


def _code_list(reader: Reader, place: Place) -> tuple[str, str | None]:
    """List and date column of `commune` or `{list: commune, at: received_on}`."""
    if not isinstance(reader.at(place), dict):
        return reader.matching(place, IDENTIFIER, "tên một danh mục", "the name of a list"), None
    reader.only(place, ("list", "at"))
    name = reader.matching((*place, "list"), IDENTIFIER, "tên một danh mục", "the name of a list")
    return name, reader.text((*place, "at"))


def _references(reader: Reader, place: Place) -> str | None:
    words = "<cơ quan>.<tập dữ liệu>.<cột>", "<agency>.<dataset>.<column>"
    return reader.matching(place, rf"{IDENTIFIER}\.{IDENTIFIER}\.{IDENTIFIER}", *words) or None


def _position(reader: Reader, place: Place) -> tuple[int, int] | None:
    text = reader.matching(place, r"[1-9]\d{0,4}-[1-9]\d{0,4}", "như 1-12", "like 1-12")
    if not text:
        return None
    first, last = (int(part) for part in text.split("-"))
    if last < first:
        reader.problem(place, "vị trí cuối trước vị trí đầu", "the last position is before the first")
    return first, last


def _type(reader: Reader, place: Place) -> str:
    logical = reader.choice((*place, "logicalType"), PG_TYPES)
    pg_type = reader.text((*place, "physicalType"))
    if not pg_type:
        return ""
    if not any(re.fullmatch(pattern, pg_type) for pattern in PG_TYPES.values()):
        reader.problem(
            (*place, "physicalType"),
            f"Kho không có kiểu PostgreSQL này; dùng một trong: {COMMON_TYPES}",
            f"unknown PostgreSQL type; one of: {COMMON_TYPES}",
        )
        return ""
    if logical and not re.fullmatch(PG_TYPES[logical], pg_type):
        reader.problem(
            (*place, "logicalType"), f"không khớp với physicalType {pg_type}", f"does not fit physicalType {pg_type}"
        )
    return pg_type


def _key_position(reader: Reader, place: Place) -> int | None:
    if not reader.flag((*place, "primaryKey")):
        if reader.at((*place, "primaryKeyPosition")) not in (None, -1):
            reader.problem(
                (*place, "primaryKeyPosition"), "chỉ dùng với primaryKey: true", "only with primaryKey: true"
            )
        return None
    position = reader.number((*place, "primaryKeyPosition"))
    return int(position) if position is not None else 0


def _options(
    reader: Reader, place: Place, pg_type: str
) -> tuple[str | None, Decimal | None, Decimal | None, int | None, int | None]:
    place = (*place, "logicalTypeOptions")
    options = reader.only(place, OPTION_FIELDS)
    is_text, is_number = pg_type == "text", bool(re.fullmatch(NUMBER_TYPES, pg_type))
    for name in options:
        suits = is_number if name in ("minimum", "maximum") else is_text
        if pg_type and name in OPTION_FIELDS and not suits:
            reader.problem((*place, name), f"không dùng cho kiểu {pg_type}", f"not for type {pg_type}")
    pattern = reader.text((*place, "pattern")) if "pattern" in options else None
    if pattern:
        _judge_pattern(reader, (*place, "pattern"), pattern)
    low, high = (
        Decimal(str(value)) if (value := reader.number((*place, name), required=False)) is not None else None
        for name in ("minimum", "maximum")
    )
    if low is not None and high is not None and low > high:
        reader.problem((*place, "minimum"), "lớn hơn maximum", "is greater than maximum")
    shortest, longest = (
        int(value) if (value := reader.number((*place, name), required=False)) is not None else None
        for name in ("minLength", "maxLength")
    )
    if shortest is not None and longest is not None and shortest > longest:
        reader.problem((*place, "minLength"), "lớn hơn maxLength", "is greater than maxLength")
    return pattern or None, low, high, shortest, longest


def _judge_pattern(reader: Reader, place: Place, pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error:
        reader.problem(place, "biểu thức chính quy sai cú pháp", "not a valid regular expression")
        return
    if NOT_IN_POSTGRESQL.search(pattern):
        reader.problem(place, "PostgreSQL không hiểu biểu thức này", "PostgreSQL does not know this expression")
    elif not (pattern.startswith("^") and pattern.endswith("$")):
        reader.problem(place, "phải bắt đầu bằng ^ và kết thúc bằng $", "must start with ^ and end with $")


def _allowed(reader: Reader, place: Place, pg_type: str) -> tuple[str, ...] | None:
    """The valid values, as texts, of the one quality rule Kho reads on a column: library / invalidValues / mustBe 0."""
    result: tuple[str, ...] | None = None
    for index, rule in enumerate(reader.items((*place, "quality"), required=False)):
        inner = (*place, "quality", index)
        reader.only(inner, QUALITY_FIELDS)
        is_rule = isinstance(rule, dict)
        if not is_rule or (rule.get("type"), rule.get("metric"), rule.get("mustBe")) != ("library", "invalidValues", 0):
            reader.problem(
                inner,
                "Kho chỉ đọc quy tắc library, invalidValues, mustBe: 0 với validValues",
                "Kho reads only library, invalidValues, mustBe: 0 with validValues",
            )
            continue
        values = reader.items((*inner, "arguments", "validValues"))
        kinds: Any = (int, str) if re.fullmatch(PG_TYPES["integer"], pg_type) else str
        for number, value in enumerate(values):
            if isinstance(value, bool) or not isinstance(value, kinds):
                reader.problem(
                    (*inner, "arguments", "validValues", number),
                    "phải là văn bản (đặt trong dấu nháy)",
                    "must be text (quote it)",
                )
        if pg_type and not re.fullmatch(f"text|{PG_TYPES['integer']}", pg_type):
            reader.problem((*inner, "metric"), f"không dùng cho kiểu {pg_type}", f"not for type {pg_type}")
        result = tuple(str(value) for value in values)
    return result


def _together(reader: Reader, place: Place, columns: Sequence[Column]) -> None:
    """What must hold among the columns: one name each, no header that could mean two columns, a usable key."""
    names: dict[str, int] = {}
    headers: dict[str, int] = {}
    for index, column in enumerate(columns):
        if column.name and names.setdefault(column.name, index) != index:
            reader.problem((*place, index, "name"), "trùng tên với một cột khác", "another column has this name")
        for header in {fold(text) for text in (column.source_name, *column.headers) if text}:
            if headers.setdefault(header, index) != index:
                reader.problem(
                    (*place, index, "physicalName"),
                    "tiêu đề này đã thuộc cột khác",
                    "this header belongs to another column",
                )
        for role, other in (*column.identifier_with.items(), ("at", column.code_list_at)):
            if other and other not in {c.name for c in columns}:
                reader.problem(
                    (*place, index, "customProperties"),
                    f"{role}: không có cột {other} trong hợp đồng",
                    f"{role}: the contract has no column {other}",
                )
            kind = next((c.pg_type for c in columns if c.name == other), "")
            if role in ("on", "received", "at") and other and kind and not re.match("date|timestamp", kind):
                reader.problem(
                    (*place, index, "customProperties"),
                    f"{role}: {other} không phải cột ngày",
                    f"{role}: {other} is no date column",
                )
        if any(not word.strip() for word in column.missing):
            reader.problem(
                (*place, index, "customProperties"), "từ trống trong kho.missing", "a blank word in kho.missing"
            )
        if column.optional and column.required:
            reader.problem(
                (*place, index, "required"),
                "cột có thể vắng mặt thì không bắt buộc",
                "an optional column cannot be required",
            )
    keys = [(index, column.key_position) for index, column in enumerate(columns) if column.key_position is not None]
    if columns and not keys:
        reader.problem(place, "không có cột khóa (primaryKey: true)", "no key column (primaryKey: true)")
    positions = sorted(position for _, position in keys)
    if positions and 0 not in positions and positions != list(range(1, len(keys) + 1)):
        reader.problem(
            (*place, keys[-1][0], "primaryKeyPosition"),
            f"thứ tự cột khóa phải là 1 đến {len(keys)}",
            f"key positions must be 1 to {len(keys)}",
        )

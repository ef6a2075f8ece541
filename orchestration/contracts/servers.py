"""Where a dataset comes from: the servers of an ODCS contract as typed sources.

Purpose: read and judge `servers`. Belongs here: kinds of source, their options, what a column may say of itself for one
kind only. Stays out: reaching the source (`orchestration.sources`), the rest of the contract (`parse`).

The first server is the source that counts; further ones are other ways in which the same rows arrive.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from orchestration.contracts.document import Place
from orchestration.contracts.model import (
    CHARSETS,
    DIALECTS,
    FILE_FORMATS,
    PROTOCOLS,
    SERVER_PROPERTIES,
    SOURCE_OPTIONS,
    Column,
    Source,
)
from orchestration.contracts.reader import Reader

SERVER_FIELDS = frozenset(
    [
        "id",
        "server",
        "type",
        "description",
        "environment",
        "location",
        "path",
        "format",
        "delimiter",
        "customProperties",
    ]
)
# ODCS server type -> formats. `custom` carries what comes whole from the environment: the URL of a database, whose ODCS type would want
# host and port, and of an SFTP, FTP or S3 server, whose types would want the address itself.
SERVER_FORMATS: dict[str, tuple[str, ...]] = {
    "postgresql": ("table",),
    "custom": ("table", *FILE_FORMATS),
    "local": FILE_FORMATS,
    "api": ("json", "xml"),
}
VARIABLE = r"\$\{KHO_[A-Z0-9_]+\}"
VARIABLE_WORDS = ("biến môi trường ${KHO_…}", "an environment variable ${KHO_…}")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_VARIABLES = ("key", "secret", "token", "host_key", "private_key")
_ONE_CHARSET = ("csv", "fixed", "stations")  # formats that are read as one text, in the charset of the file
_CHOICES = {"header": ("true", "false"), "dialect": DIALECTS, "charset": CHARSETS, "after": ("move", "leave")}


def read_sources(reader: Reader, columns: Sequence[Column]) -> tuple[Source, ...]:
    """Every server of the contract, the one that counts first; at least one, as far as it can be read."""
    servers = reader.items(("servers",))
    sources = tuple(_source(reader, ("servers", index), columns) for index in range(max(1, len(servers))))
    names = [source.name for source in sources]
    for index, name in enumerate(names):
        if names.index(name) != index:
            reader.problem(("servers", index, "server"), "trùng tên với một nguồn khác", "another source has this name")
    for source in sources:
        _columns_suit(reader, source, columns)
    return sources


def _source(reader: Reader, place: Place, columns: Sequence[Column]) -> Source:
    reader.only(place, SERVER_FIELDS)
    server_type = reader.choice((*place, "type"), SERVER_FORMATS)
    found = reader.properties(place, SERVER_PROPERTIES)
    # ODCS gives a server of type api no format: it is what its protocol makes it.
    form = "json" if server_type == "api" else ""
    if not form or reader.at((*place, "format")) is not None:
        form = reader.choice((*place, "format"), SERVER_FORMATS.get(server_type, ("table", "json", *FILE_FORMATS)))
    kind = _kind(reader, server_type, form, found)
    field = "path" if server_type == "local" else "location"
    # The address comes from the environment, whole: a contract is public, a URL may hold a password.
    location = reader.matching((*place, field), VARIABLE, *VARIABLE_WORDS)
    options = _options(reader, place, kind, form, found, columns)
    return Source(kind, location, options, reader.text((*place, "server"), required=False) or "source")


def _kind(reader: Reader, server_type: str, form: str, found: dict[str, Place]) -> str:
    if server_type == "api":
        protocol = reader.choice(found["kho.protocol"], PROTOCOLS) if "kho.protocol" in found else "ndxp"
        return PROTOCOLS.get(protocol, "")
    if form == "table":
        return "database" if "kho.dialect" in found else "postgresql"
    return "files" if form else ""


def _options(
    reader: Reader, place: Place, kind: str, form: str, found: dict[str, Place], columns: Sequence[Column]
) -> dict[str, str]:
    required, optional = SOURCE_OPTIONS.get(kind, ((), ()))
    options: dict[str, str] = {"format": form} if kind == "files" else {}
    for name in (*required, *optional):
        if name == "format" or (name in optional and f"kho.{name}" not in found):
            continue
        value = reader.take(found, f"kho.{name}", reader.at, place)
        if value is None:
            continue
        options[name] = str(value)
        _judge(reader, found[f"kho.{name}"], kind, name, value, columns)
    if kind == "files" and form == "xml" and "record" not in options:
        reader.problem((*place, "customProperties"), "thiếu thuộc tính kho.record", "property kho.record is missing")
    for name in found:
        known = name == "kho.protocol" or name.removeprefix("kho.") in (*required, *optional)
        if kind and name in SERVER_PROPERTIES and not known:
            reader.problem(found[name][:-1], f"không dùng cho nguồn {kind}", f"not for a source of kind {kind}")
    return options


def _judge(reader: Reader, at: Place, kind: str, name: str, value: object, columns: Sequence[Column]) -> None:
    """Whether the value of an option can be meant."""
    if name in _VARIABLES:
        reader.matching(at, VARIABLE, *VARIABLE_WORDS)
    elif name in _CHOICES:
        reader.choice(at, _CHOICES[name])
    elif name == "delimiter" and value != "tab":
        if not (isinstance(value, str) and len(value) == 1 and value.isascii() and not value.isalnum()):
            reader.problem(at, "phải là một ký tự, hoặc tab", "must be one character, or tab")
    elif name == "page_size" and not (isinstance(value, int) and 1 <= value <= 10_000):
        reader.problem(at, "phải là số từ 1 đến 10000", "must be a number from 1 to 10000")
    elif name == "table":
        # Not every database has schemas; a PostgreSQL has, and its search path is nobody's promise.
        schema = r"[^.\s]+\." if kind == "postgresql" else r"([^.\s]+\.)?"
        reader.matching(at, schema + r"[^.\s]+", "schema.bảng", "schema.table")
    elif name == "path" and not str(value).startswith("/"):
        reader.problem(at, "phải bắt đầu bằng /", "must start with /")
    elif name == "glob":
        known = {"date", "moment", *(column.name for column in columns)}
        placeholders = PLACEHOLDER.findall(str(value))
        for unknown in sorted(set(placeholders) - known):
            reader.problem(at, f"{{{unknown}}} không phải ngày hay một cột", f"{{{unknown}}} is no date and no column")
        # Names of files stand on receipts, in logs and in Dagster.
        for personal in sorted({c.name for c in columns if c.is_personal} & set(placeholders)):
            reader.problem(
                at,
                f"{personal} là dữ liệu cá nhân, không đặt vào tên tệp",
                f"{personal} is personal: not in a file's name",
            )
        if placeholders.count("date") + placeholders.count("moment") > 1:
            reader.problem(at, "chỉ được có một ngày", "exactly one date is allowed")


def _columns_suit(reader: Reader, source: Source, columns: Sequence[Column]) -> None:
    for index, column in enumerate(columns):
        place: Place = ("schema", 0, "properties", index, "customProperties")
        if source.kind == "postgresql" and column.headers:
            reader.problem(
                place,
                "kho.headers không dùng cho nguồn PostgreSQL",
                "kho.headers is not for a PostgreSQL source",
            )
        if column.charset is not None and source.format in _ONE_CHARSET:
            reader.problem(
                place,
                "kho.charset của cột không dùng cho tệp csv, fixed, stations: khai báo cho cả tệp (servers)",
                "kho.charset of a column is not for csv, fixed or stations: declare it for the whole file (servers)",
            )
        if (source.format == "fixed") != (column.position is not None):
            reader.problem(
                place,
                "kho.position đi cùng định dạng fixed, cho mọi cột",
                "kho.position goes with format fixed, for every column",
            )

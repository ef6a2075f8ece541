"""Declarations of open data: from `assets/portal/<id>.yaml` to OpenDataset, with every mistake of the file.

Belongs here: fields, their form, and what must hold within one declaration.
Stays out: whether contracts and models allow it (`lineage`), what the values say (`content`).
"""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

from orchestration.contracts import LegalBasis, Problem, assets_root
from orchestration.contracts.document import Document, Place, read
from orchestration.contracts.model import SUBJECTS, DeclarationErrors
from orchestration.contracts.reader import Reader
from orchestration.portal.model import TAX_CODE, Body, OpenColumn, OpenDataset

FOLDER = "portal"
#: The component's file, which declares no dataset.
DEFS = "defs.yaml"
FIELDS = frozenset(
    [
        "kind",
        "id",
        "title",
        "description",
        "subject",
        "table",
        "key",
        "columns",
        "smallest_count",
        "theme",
        "keywords",
        "licence",
        "creator",
        "publisher",
        "contact",
        "frequency",
        "languages",
        "place",
        "covers",
        "legal_basis",
    ]
)
COLUMN_FIELDS = frozenset({"name", "label", "unit", "counts", "format"})
#: First steps of other identifiers below KHO_PORTAL_URL, and the catalogue's own name.
RESERVED = frozenset({"agent", "place", "theme", "law", "catalogue"})
NAME = r"[a-z][a-z0-9_]{0,40}"
EU = "http://publications.europa.eu/resource/authority"
LEAST_SMALLEST = 5
NAME_WORDS = ("chữ thường, số và dấu gạch dưới", "lower case snake_case")


class OpenDataErrors(DeclarationErrors):
    """Open datasets that cannot be published as declared."""

    kind = ("open_data", "Khai báo dữ liệu mở", "the declarations of open data")


def load_all(root: Path | None = None) -> list[OpenDataset]:
    """Every declaration below `root`/portal (default: assets_root()), by id. OpenDataErrors with all problems of all files."""
    datasets, problems = parse_all(root)
    if problems:
        raise OpenDataErrors(tuple(problems))
    return datasets


def parse_all(root: Path | None = None) -> tuple[list[OpenDataset], list[Problem]]:
    """Declarations without a mistake, and the problems of the others. No folder means no open data."""
    base = Path(root or assets_root())
    datasets: list[OpenDataset] = []
    problems: list[Problem] = []
    for path in sorted((base / FOLDER).glob("*.y*ml")):
        if path.name == DEFS:
            continue
        document = read(path, str(path.relative_to(base.parent)))
        dataset = _parse(document)
        problems += document.problems
        if dataset is not None:
            datasets.append(dataset)
    return sorted(datasets, key=lambda dataset: dataset.id), sorted(set(problems))


def _parse(document: Document) -> OpenDataset | None:
    if document.value is None:
        return None
    reader = Reader(document)
    reader.only((), FIELDS)
    if not isinstance(document.value, dict):
        return None
    reader.choice(("kind",), ("OpenDataset",))
    name = reader.matching(("id",), NAME, *NAME_WORDS)
    if name and name != document.path.stem:
        file = document.path.name
        reader.problem(("id",), f"khác tên tệp {file}", f"differs from the file name {file}")
    if name in RESERVED:
        reader.problem(("id",), "tên này đã dùng cho địa chỉ khác", "this name is taken by other addresses")
    columns = _columns(reader)
    key = _key(reader, columns)
    title, description = _both(reader, ("title",)), _both(reader, ("description",))
    reader.only(("theme",), ("eu", "vi"))
    reader.only(("keywords",), ("vi", "en"))
    reader.only(("contact",), ("name", "email"))
    reader.only(("place",), ("code", "from", "name"))
    since, _ = _period(reader, ("place",), ("from", "to"))
    place = _both(reader, ("place", "name"))
    reader.only(("covers",), ("from", "to"))
    covers = _period(reader, ("covers",), ("from", "to"))
    dataset = OpenDataset(
        id=name,
        title_vi=title[0],
        title_en=title[1],
        description_vi=description[0],
        description_en=description[1],
        subject=reader.choice(("subject",), SUBJECTS),
        table=reader.matching(("table",), r"[a-z][a-z0-9_]*", *NAME_WORDS),
        columns=columns,
        key=key,
        smallest=_smallest(reader, columns),
        theme=_listed(reader, ("theme", "eu"), "data-theme"),
        theme_vi=reader.text(("theme", "vi")),
        keywords_vi=_words(reader, ("keywords", "vi")),
        keywords_en=_words(reader, ("keywords", "en")),
        licence=reader.matching(("licence",), r"https?://[^\s<>\"]+", "một địa chỉ http(s)", "an http(s) address"),
        creator=_body(reader, ("creator",)),
        publisher=_body(reader, ("publisher",)),
        contact_name=reader.text(("contact", "name")),
        contact_email=reader.matching(("contact", "email"), r"[^\s@:]+@[^\s@]+", "địa chỉ thư", "an e-mail address"),
        frequency=_listed(reader, ("frequency",), "frequency"),
        languages=tuple(
            _listed(reader, ("languages", index), "language") for index, _ in enumerate(reader.items(("languages",)))
        ),
        place_code=reader.matching(
            ("place", "code"), r"\d{2}|\d{5}", "mã đơn vị hành chính 2 hoặc 5 chữ số", "a unit's code of 2 or 5 digits"
        ),
        place_from=since or date.min,
        place_vi=place[0],
        place_en=place[1],
        covers_from=covers[0] or date.min,
        covers_to=covers[1],
        legal_basis=_legal_basis(reader),
        path=document.path,
        label=document.label,
        sha256=hashlib.sha256(document.path.read_bytes()).digest(),
        lines=tuple((field, document.line((field,))) for field in sorted(FIELDS)),
    )
    return None if document.problems else dataset


def _both(reader: Reader, place: Place) -> tuple[str, str]:
    """A text in Vietnamese and English."""
    if reader.at(place) is None:
        reader.missing(place)
        return "", ""
    reader.only(place, ("vi", "en"))
    return reader.text((*place, "vi")), reader.text((*place, "en"))


def _words(reader: Reader, place: Place) -> tuple[str, ...]:
    reader.items(place)
    return reader.texts(place)


def _listed(reader: Reader, place: Place, authority: str) -> str:
    """An entry of one of the EU's authority tables."""
    stem = f"{EU}/{authority}/"
    return reader.matching(place, rf"{stem}[A-Z0-9_]+", f"địa chỉ bắt đầu bằng {stem}", f"an entry of {stem}")


def _body(reader: Reader, place: Place) -> Body:
    reader.only(place, ("name", "code"))
    vi, en = _both(reader, (*place, "name"))
    code = reader.matching((*place, "code"), r"[0-9A-Z.]{1,35}", "mã theo Quyết định 20/2020/QĐ-TTg", "an agency code")
    return Body(vi, en, code)


def _columns(reader: Reader) -> tuple[OpenColumn, ...]:
    found: list[OpenColumn] = []
    for index, item in enumerate(reader.items(("columns",))):
        place: Place = ("columns", index)
        if not reader.is_mapping(place, item):
            continue
        reader.only(place, COLUMN_FIELDS)
        name = reader.matching((*place, "name"), r"[a-z][a-z0-9_]*", *NAME_WORDS)
        if name and any(column.name == name for column in found):
            reader.problem((*place, "name"), "khai báo hai lần", "declared twice")
        vi, en = _both(reader, (*place, "label"))
        unit = reader.text((*place, "unit"), required=False) or None
        counts = reader.at((*place, "counts")) is not None
        if counts:
            reader.choice((*place, "counts"), ("persons",))
        has_format = reader.at((*place, "format")) is not None
        shape = reader.choice((*place, "format"), (TAX_CODE,)) if has_format else None
        found.append(OpenColumn(name, vi, en, unit, counts, shape, reader.document.line(place)))
    return tuple(found)


def _key(reader: Reader, columns: tuple[OpenColumn, ...]) -> tuple[str, ...]:
    reader.items(("key",))
    key = reader.texts(("key",))
    for index, name in enumerate(key):
        column = next((column for column in columns if column.name == name), None)
        if column is None:
            reader.problem(("key", index), "không có trong columns", "is not among the columns")
        elif column.counts_persons:
            reader.problem(("key", index), "cột khóa không thể là cột đếm người", "a key cannot count people")
    return key


def _smallest(reader: Reader, columns: tuple[OpenColumn, ...]) -> int | None:
    """k of small cells; needed where a column counts people, out of place otherwise."""
    place: Place = ("smallest_count",)
    counting = any(column.counts_persons for column in columns)
    value = reader.number(place, required=counting)
    if value is None:
        return None
    if not counting:
        reader.problem(place, "không có cột nào đếm người", "no column counts people")
    if not isinstance(value, int) or value < LEAST_SMALLEST:
        reader.problem(place, f"phải là số nguyên từ {LEAST_SMALLEST}", f"must be an integer from {LEAST_SMALLEST}")
        return None
    return value


def _period(reader: Reader, place: Place, names: tuple[str, str]) -> tuple[date | None, date | None]:
    """Two days, the second may be absent."""
    days: list[date | None] = []
    for name in names:
        value = reader.at((*place, name))
        if value is None and name == names[0]:
            reader.missing((*place, name))
        elif value is not None and type(value) is not date:
            reader.problem((*place, name), "phải là ngày yyyy-mm-dd", "must be a date yyyy-mm-dd")
        days.append(value if type(value) is date else None)
    first, last = days
    if first is not None and last is not None and last < first:
        reader.problem((*place, names[1]), f"trước {names[0]}", f"is before {names[0]}")
    return first, last


def _legal_basis(reader: Reader) -> tuple[LegalBasis, ...]:
    result = []
    for index, item in enumerate(reader.items(("legal_basis",))):
        place: Place = ("legal_basis", index)
        if not reader.is_mapping(place, item):
            continue
        reader.only(place, ("instrument", "validFrom", "validTo"))
        instrument = reader.text((*place, "instrument"))
        valid_from, valid_to = _period(reader, place, ("validFrom", "validTo"))
        if valid_from is not None:
            result.append(LegalBasis(instrument, valid_from, valid_to))
    return tuple(result)

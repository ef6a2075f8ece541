"""What a contract says of one cell and one row, in plain Python: the judge that landing is compared with.

Written from the contract vocabulary (`orchestration/contracts/model.py` lists it) and the published rules of identifiers, read from the YAML
itself; nothing of `orchestration.landing` is used. Belongs here: reading the YAML, cleaning and reading a cell, the rules. Stays out: what
sources said (`score_said`), duplicates and days (`score_book`), what Kho did (`score`).
"""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.engine import identifier_oracle as identifiers

ROOT = Path(__file__).parents[2]
VIETNAM = timezone(timedelta(hours=7))
#: What a source hands over: text, or what a workbook or a database holds as such.
Cell = str | date | datetime | Decimal | bool | None
UNREADABLE = object()
_BLANKS = " \t\r\n\u00a0"
_BOOLEANS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
_INTEGERS = {"smallint": 15, "integer": 31, "bigint": 63}
_MOMENTS = {"yyyyMMddHHmmss": "%Y%m%d%H%M%S", "yyyyMMddHHmm": "%Y%m%d%H%M", "yyyyMMdd": "%Y%m%d", "dd/MM/yyyy": "%d/%m/%Y",
            "dd/MM/yyyy HH:mm": "%d/%m/%Y %H:%M", "dd/MM/yyyy HH:mm:ss": "%d/%m/%Y %H:%M:%S", "MM/yyyy": "%m/%Y"}  # fmt: skip
_SHAPES = {"yyyyMMddHHmmss": r"\d{14}", "yyyyMMddHHmm": r"\d{12}", "yyyyMMdd": r"\d{8}", "MM/yyyy": r"\d{1,2}/\d{4}"}
#: Rules of a key column after which the key still says which row it is.
_KEY_STANDS = {"disagrees", "code_list", "references"}


@dataclass(frozen=True)
class Rule:
    """One column of a contract as its YAML has it. `note`: all but type and required are told and the row taken in."""

    name: str
    title: str
    titles: tuple[str, ...]
    kind: str
    key: int
    required: bool
    personal: bool
    note: bool
    form: str
    default: str | None
    missing: tuple[str, ...]
    pattern: str | None
    low: Decimal | None
    high: Decimal | None
    shortest: int | None
    longest: int | None
    allowed: tuple[str, ...] | None
    identifier: str
    roles: Mapping[str, str]
    code_list: str
    at: str | None
    references: str | None

    @property
    def is_text(self) -> bool:
        return self.kind == "text"


@dataclass
class Agreement:
    """A contract as far as scoring needs it. `server`: its first source as written."""

    id: str
    agency: str
    rules: dict[str, Rule]
    key: tuple[str, ...]
    delivery: str
    deletions: str
    cursor: str | None
    lookback: timedelta
    partition: str | None
    tombstone: tuple[str, tuple[str, ...]] | None
    server: dict[str, Any]
    properties: dict[str, Any] = field(default_factory=dict)


def fold(text: str) -> str:
    """As titles and words are compared: composed, single spaces, no case."""
    return " ".join(unicodedata.normalize("NFC", text).split()).casefold()


def _properties(item: Mapping[str, Any]) -> dict[str, Any]:
    return {p["property"]: p["value"] for p in item.get("customProperties") or ()}


def read_agreement(path: Path) -> Agreement:
    """The contract of a file."""
    said = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    whole, server = _properties(said), said["servers"][0]
    rules = {item["name"]: _rule(item) for item in said["schema"][0]["properties"]}
    cursor = whole.get("kho.cursor") or {}
    count, _, unit = str(cursor.get("lookback") or "0 days").partition(" ")
    stone = whole.get("kho.tombstone")
    return Agreement(
        id=said["id"], agency=whole["kho.agency"], rules=rules,
        key=tuple(r.name for r in sorted((r for r in rules.values() if r.key), key=lambda r: r.key)),
        delivery=whole["kho.delivery"], deletions=whole["kho.deletions"], cursor=cursor.get("column"),
        lookback=timedelta(**{unit.rstrip("s") + "s": int(count)}), partition=whole.get("kho.partition"),
        tombstone=(stone["column"], tuple(str(v) for v in stone["values"])) if stone else None, server=server, properties=_properties(server),
    )  # fmt: skip


def _rule(item: Mapping[str, Any]) -> Rule:
    more, limits = _properties(item), item.get("logicalTypeOptions") or {}
    identifier, listed = more.get("kho.identifier") or "", more.get("kho.codeList") or ""
    roles = {k: v for k, v in identifier.items() if k != "kind"} if isinstance(identifier, dict) else {}
    allowed = [tuple(str(v) for v in q["arguments"]["validValues"]) for q in item.get("quality") or ()]
    return Rule(
        name=item["name"], title=item["physicalName"], titles=tuple(map(fold, (item["physicalName"], *more.get("kho.headers", ())))), kind=item["physicalType"],
        key=(item.get("primaryKeyPosition") or 1) if item.get("primaryKey") else 0, required=bool(item.get("required")),
        personal=item["classification"] in ("personal", "sensitive"), note=more.get("kho.onBreach") == "note",
        form=str(more.get("kho.format") or ""), default=more.get("kho.default"), missing=tuple(map(fold, more.get("kho.missing", ()))),
        pattern=limits.get("pattern"), low=_decimal(limits.get("minimum")), high=_decimal(limits.get("maximum")),
        shortest=limits.get("minLength"), longest=limits.get("maxLength"), allowed=allowed[0] if allowed else None,
        identifier=identifier["kind"] if isinstance(identifier, dict) else identifier, roles=roles,
        code_list=listed["list"] if isinstance(listed, dict) else listed, at=listed.get("at") if isinstance(listed, dict) else None,
        references=more.get("kho.references"),
    )  # fmt: skip


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))


# -- one cell -------------------------------------------------------------------------------------------------------------


def clean(rule: Rule, cell: Cell) -> Cell:
    """The cell without outer blanks, composed; None for nothing and words for it; else the default."""
    if isinstance(cell, str):
        cell = unicodedata.normalize("NFC", cell).strip(_BLANKS) or None
        if cell is not None and fold(str(cell)) in rule.missing:
            cell = None
    return rule.default if cell is None else cell


def read(rule: Rule, cell: Cell) -> Any:
    """The cleaned cell as a value of the column's type; UNREADABLE when it is none."""
    words = _words(rule)
    if words is not None and (cell is None or isinstance(cell, str)):
        return {words[0]: True, words[1]: False}.get(fold(str(cell or "")), None if cell is None else UNREADABLE)
    if cell is None:
        return None
    if rule.is_text:
        return _text(rule, cell)
    if rule.kind == "boolean":
        return cell if isinstance(cell, bool) else _BOOLEANS.get(_plain(cell).lower(), UNREADABLE)
    if rule.kind in ("date", "timestamp", "timestamptz"):
        return _moment(rule, cell)
    if rule.kind in ("jsonb", "uuid"):
        return cell
    return _number(rule, cell)


def _words(rule: Rule) -> tuple[str, str] | None:
    if rule.kind != "boolean" or "/" not in rule.form:
        return None
    yes, _, no = rule.form.partition("/")
    return fold(yes), fold(no)


def _text(rule: Rule, cell: Cell) -> Any:
    if isinstance(cell, datetime):
        text = f"{cell:%Y-%m-%d %H:%M:%S}"
    elif isinstance(cell, date):
        text = f"{cell:%d/%m/%Y}" if rule.form == "partial_date" else f"{cell:%Y-%m-%d}"
    else:
        text = _plain(cell)
    return text if rule.form != "partial_date" or is_partial_date(text) else UNREADABLE


def _plain(cell: Cell) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if not isinstance(cell, Decimal):
        return str(cell)
    return f"{cell:f}".rstrip("0").rstrip(".") if "." in f"{cell:f}" else f"{cell:f}"


def is_partial_date(text: str) -> bool:
    """dd/MM/yyyy that exists, or MM/yyyy, yyyy, 00/MM/yyyy, 00/00/yyyy."""
    found = re.fullmatch(r"(?:(\d{1,2})/)?(?:(\d{1,2})/)?(\d{4})", text, re.ASCII)
    if not found or found[3] == "0000":
        return False
    first, second = found[1], found[2]
    if second is None:
        return first is None or 1 <= int(first) <= 12
    if first == "00":
        return second == "00" or 1 <= int(second) <= 12
    return _day(int(found[3]), int(second), int(str(first))) is not None


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _moment(rule: Rule, cell: Cell) -> Any:
    found: Any = cell
    if isinstance(cell, str):
        try:
            if rule.form:
                shape = _SHAPES.get(rule.form, r"\d{1,2}/\d{1,2}/\d{4}.*")
                found = (
                    datetime.strptime(re.sub(" +", " ", cell), _MOMENTS[rule.form])
                    if re.fullmatch(shape, cell, re.ASCII)
                    else UNREADABLE
                )
            else:
                found = datetime.fromisoformat(cell) if re.match(r"\d{4}-\d\d-\d\d", cell, re.ASCII) else UNREADABLE
        except ValueError:
            return UNREADABLE
    if isinstance(found, Decimal | bool) or found is UNREADABLE:
        return UNREADABLE
    if rule.kind == "date":
        return found.astimezone(VIETNAM).date() if isinstance(found, datetime) and found.tzinfo else _as_date(found)
    moment = found if isinstance(found, datetime) else datetime(found.year, found.month, found.day)
    if rule.kind == "timestamp":
        return moment.astimezone(VIETNAM).replace(tzinfo=None) if moment.tzinfo else moment
    return moment if moment.tzinfo else moment.replace(tzinfo=VIETNAM)


def _as_date(found: date) -> date:
    return found.date() if isinstance(found, datetime) else found


def _number(rule: Rule, cell: Cell) -> Any:
    if isinstance(cell, date | bool):
        return UNREADABLE
    text = cell if isinstance(cell, str) else _plain(cell)
    if rule.form == "decimal_comma" and isinstance(cell, str):
        if not re.fullmatch(r"-?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?", cell, re.ASCII):
            return UNREADABLE
        text = cell.replace(".", "").replace(",", ".")
    if rule.kind in _INTEGERS:
        if not re.fullmatch(r"[+-]?\d+", text, re.ASCII):
            return UNREADABLE
        return Decimal(text) if -(1 << _INTEGERS[rule.kind]) <= int(text) < 1 << _INTEGERS[rule.kind] else UNREADABLE
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text, re.ASCII):
        return UNREADABLE
    value = Decimal(text)
    size = re.fullmatch(r"numeric\((\d+)(?:,(\d+))?\)", rule.kind)
    if size:
        places = int(size[2] or 0)
        value = value.quantize(Decimal(1).scaleb(-places), rounding="ROUND_HALF_UP")
        if abs(value) >= Decimal(10) ** (int(size[1]) - places):
            return UNREADABLE
    return value


def shown(rule: Rule, value: Any) -> str:
    """A value as text, for patterns and lists."""
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


# -- rules ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """What lies outside a row: the day of the delivery, and the keys of datasets that have been landed, by reference."""

    as_of: date
    known: Mapping[str, Collection[Any]]


def own_rules(rule: Rule, cell: Cell, value: Any) -> list[str]:
    """Rules that the cell breaks by itself: required, type, pattern, allowed, range, length, identifiers without roles."""
    if cell is None and value is None:
        return ["required"] if rule.required else []
    if value is UNREADABLE:
        # What is no value of its type has no range, but its text is still a text.
        return ["type", *(_text_rules(rule, str(cell)) if rule.is_text else [])]
    broken = _text_rules(rule, shown(rule, value))
    if isinstance(value, Decimal):
        broken += ["minimum"] if rule.low is not None and value < rule.low else []
        broken += ["maximum"] if rule.high is not None and value > rule.high else []
    return broken


def _text_rules(rule: Rule, text: str) -> list[str]:
    broken = []
    if rule.pattern is not None and not re.search(rule.pattern, text, re.ASCII):
        broken.append("pattern")
    if rule.allowed is not None and text not in rule.allowed:
        broken.append("allowed")
    if rule.shortest is not None and len(text) < rule.shortest:
        broken.append("min_length")
    if rule.longest is not None and len(text) > rule.longest:
        broken.append("max_length")
    if rule.identifier and rule.identifier not in ("tax_code", "dossier_code") and not _CHECKS[rule.identifier](text):
        broken.append("identifier")
    return broken


_CHECKS: dict[str, Callable[[str], bool]] = {
    "personal_id": identifiers.personal_id, "citizen_id": identifiers.citizen_id, "enterprise_code": identifiers.enterprise_code,
    "insurance_number": identifiers.insurance_number, "health_card": identifiers.health_card, "facility_code": identifiers.facility_code,
    "household_code": identifiers.household_code, "procedure_code": identifiers.procedure_code, "agency_code": identifiers.agency_code,
    "phone": lambda text: identifiers.phone_normal(text) is not None,
}  # fmt: skip


def row_rules(rule: Rule, values: Mapping[str, Any], texts: Mapping[str, Cell], world: World) -> list[str]:
    """Rules that need more than the cell: identifiers with a day, agreement with other columns, dated lists, references.

    `texts`: cleaned cells of columns that another one must agree with.
    """
    value = values[rule.name]
    if value is None:
        return []
    broken: list[str] = []
    if rule.identifier and value is not UNREADABLE:
        broken += _identity(rule, str(value), values, texts, world)
    if rule.code_list and value is not UNREADABLE:
        day = _day_of(values.get(rule.at)) if rule.at else None
        if not in_force(rule.code_list, shown(rule, value), day or world.as_of):
            broken.append("code_list")
    if rule.references and value is not UNREADABLE and rule.references in world.known:
        broken += [] if value in world.known[rule.references] else ["references"]
    return broken


def _identity(rule: Rule, text: str, values: Mapping[str, Any], texts: Mapping[str, Cell], world: World) -> list[str]:
    if rule.identifier == "tax_code":
        day = _day_of(values.get(rule.roles["on"])) if "on" in rule.roles else None
        return [] if identifiers.tax_code(text, day or world.as_of) else ["identifier"]
    if rule.identifier == "dossier_code":
        received = _day_of(values.get(rule.roles["received"])) if "received" in rule.roles else None
        return [] if identifiers.dossier_code(text, received) else ["identifier"]
    if rule.identifier in ("personal_id", "citizen_id") and rule.roles:
        born, sex = (values.get(rule.roles[role]) if role in rule.roles else None for role in ("born", "sex"))
        if born is UNREADABLE:  # «31/02/1960» is no day, but says its year
            born = texts.get(rule.roles["born"])
        year = born.year if isinstance(born, date) else identifiers.year_said(born if isinstance(born, str) else None)
        said = None if sex is None or sex is UNREADABLE else _plain(sex)
        return ["disagrees"] if identifiers.personal_id_agrees(text, year, said) is False else []
    return []


def _day_of(value: Any) -> date | None:
    if isinstance(value, datetime):
        return (value.astimezone(VIETNAM) if value.tzinfo else value).date()
    return value if isinstance(value, date) else None


@cache
def _list(name: str) -> dict[str, list[tuple[date, date]]]:
    found: dict[str, list[tuple[date, date]]] = {}
    with open(ROOT / "assets" / "code_lists" / f"{name}.csv", encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            first, last = line["valid_from"] or "0001-01-01", line["valid_to"] or "9999-12-31"
            found.setdefault(line["code"], []).append((date.fromisoformat(first), date.fromisoformat(last)))
    return found


@cache
def in_force(name: str, code: str, day: date) -> bool:
    """Whether a list has the code on that day."""
    return any(first <= day <= last for first, last in _list(name).get(code, ()))


def key_stands(rule: Rule, broken: Collection[str]) -> bool:
    """Whether a key column in breach of these rules still says which row it is."""
    hard = {b for b in broken if b not in _KEY_STANDS}
    return not hard if not rule.note else not hard & {"type", "required"}


def holds(rule: Rule, broken: str) -> bool:
    """Whether the rule keeps the row out."""
    return broken in ("type", "required") or not rule.note


def canonical(value: Any) -> Any:
    """A value in the form in which two of them are compared, whoever wrote them."""
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, str) and value[:1] in "{[":
        try:
            return json.dumps(json.loads(value), sort_keys=True)
        except ValueError:
            return value
    return value

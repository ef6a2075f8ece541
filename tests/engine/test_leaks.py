"""A marked personal value goes every way through landing, failures included: it may be found in raw and quarantine only; kept bytes are encrypted."""

from __future__ import annotations

import dataclasses
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from orchestration import release
from orchestration.errors import KhoError
from orchestration.landing import confirm, land, land_dataset
from orchestration.sources import Delivery, places
from orchestration.warehouse import connect, embedded

from .cluster import rows
from .samples import NIGHT, START, Cell, Row, binary_bytes, column, contract, csv_bytes, csv_delivery, in_chunks
from .subjects import judge, put_candidate

MARK = "MARK7f3a"
COLUMNS = [
    column("code", key_position=1, required=True, pattern=r"^K\d$", classification="personal"),
    column("person", required=True, classification="personal", max_length=30),
    column("identity", classification="personal", pattern=r"^\d{12}$"),
    column("born", "date", classification="personal"),
    column("kin", "integer", classification="sensitive"),
]
GOOD = {"code": "K1", "person": f"{MARK} An", "identity": None, "born": "2000-01-01", "kin": "1"}
BROKEN: dict[str, dict[str, str | None]] = {
    "good": {},
    "too long": {"person": f"{MARK} " + "x" * 40},
    "pattern": {"identity": MARK},
    "cast to date": {"born": MARK},
    "cast to integer": {"kin": MARK},
    "key": {"code": MARK},
    "no person": {"person": None, "identity": MARK},
}


def row(**given: str | None) -> Row:
    return {name: Cell(text, text) for name, text in (GOOD | given).items()}


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The exception and all it drags along, as whoever serialises it would find them."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        found = waiting.pop()
        if found is not None and id(found) not in seen:
            seen.add(id(found))
            yield found
            waiting += [found.__cause__, found.__context__]


class Witness:
    """Collects whatever a stage says: receipts, errors with their chains."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.failures = 0

    def see(self, work: Any) -> Any:
        try:
            result = work()
        except (KhoError, psycopg.Error) as error:
            self.failures += 1
            for found in chain(error):
                self.said += [str(found), repr(found), repr(found.args), repr(vars(found))]
            self.said.append("".join(traceback.format_exception(error)))
            return None
        self.said.append(repr(result))
        return result


def leaks(home: Path, witness: Witness, printed: str) -> list[str]:
    """Where the mark is found and may not be."""
    found = [text[:200] for text in witness.said if MARK in text] + (
        [f"printed: {printed[:200]}"] if MARK in printed else []
    )
    tables = rows(
        "select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where c.relkind = 'r' and n.nspname in ('kho', 'quarantine') and c.relname <> 'row'"
    )
    for (table,) in tables:
        found += [table for (text,) in rows(f"select t::text from {table} t") if MARK in text]
    for path in home.rglob("*"):
        inside = path.relative_to(home).parts
        if (
            path.is_file()
            and (inside[0] != "postgres" or path.name == "server.log")
            and MARK.encode() in path.read_bytes()
        ):
            found.append(str(path))
    return found


def test_no_personal_value_leaves_landing(
    empty: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(places, "SETTLE", 0.0)
    witness = Witness()
    names = tuple(c.name for c in COLUMNS)
    for broken in BROKEN.values():
        content = [
            row(code="K0"),
            row(**broken),
            row(code="K2"),
            row(code="K2", person=f"{MARK} khác"),
            row(code="K3"),
            row(code="K3"),
        ]
        for extra in ((), (f"Ghi chú {len(broken)}",)):
            made = contract(COLUMNS)
            for day in range(2):  # the first load and the delta against it
                witness.see(
                    lambda m=made, d=day, e=extra, c=content: land(
                        m, csv_delivery(m, c, day=d, extra=e, name=f"d{d}.csv"), night=NIGHT
                    )
                )
    made = contract(COLUMNS)
    typed = [row(code=f"K{n}", identity=MARK if n == 1 else None) for n in range(5)]
    for day in range(2):
        body = binary_bytes(COLUMNS, [*typed, row(code=f"K{day}", person=f"{MARK} {day}")])
        witness.see(
            lambda b=body, d=day: land(
                made, Delivery("t", START.replace(day=d + 1), "binary", in_chunks(b), names), night=NIGHT
            )
        )
    # Unreadable: the broken line holds the mark.
    for tail in (f"K7,{MARK}\n", f'K7,"{MARK}\n', f"K7,{MARK},,,,\n", f"K7,{MARK}\udcff,,,\n"):
        made = contract(COLUMNS)
        content = csv_bytes(names, typed) + tail.encode("utf-8", "surrogateescape")
        witness.see(
            lambda m=made, c=content: land(m, Delivery("t.csv", START, "csv", in_chunks(c), names), night=NIGHT)
        )
        (tmp_path / "sample_20260301.csv").write_bytes(content)
        witness.see(lambda m=made: land_dataset(m, night=NIGHT, env={"KHO_SOURCE_SAMPLE": str(tmp_path)}))
        (tmp_path / "sample_20260301.csv").unlink(missing_ok=True)

    # A source that fails in the middle, a server that fails inside: constraint, cast and overflow on raw itself.
    def interrupted() -> Iterator[bytes]:
        yield csv_bytes(names, typed)
        raise KhoError("source_down", vi="nguồn dừng", en="the source stopped", transient=True)

    made = contract(COLUMNS)
    witness.see(lambda: land(made, dataclasses.replace(csv_delivery(made, typed), chunks=interrupted()), night=NIGHT))
    land(made, csv_delivery(made, [row(code="K0")]), night=NIGHT)
    with connect("admin") as admin:
        admin.execute(f"alter table raw.{made.table} add constraint c check (person not like '%khác')")
    for person in (f"{MARK} khác", f"{MARK} khác nữa khác"):
        witness.see(lambda p=person: land(made, csv_delivery(made, [row(code="K0", person=p)], day=1), night=NIGHT))
    waiting = contract(COLUMNS)
    land(waiting, csv_delivery(waiting, typed), night=NIGHT)
    receipt = witness.see(lambda: land(waiting, csv_delivery(waiting, typed[:1], day=1), night=NIGHT))
    witness.see(lambda: confirm(waiting, receipt.delivery_id, by="Nguyễn Văn Thử", night=NIGHT))

    printed = capfd.readouterr()
    assert witness.failures >= 3
    assert leaks(empty, witness, printed.out + printed.err + caplog.text) == []
    allowed = rows("select count(*) from quarantine.row where content::text like %s", (f"%{MARK}%",))
    assert allowed != [(0,)], "the mark did get as far as quarantine"


def test_no_personal_value_leaves_release(empty: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Candidates that the database cannot take: a CHECK, a double key, a row without a key; and what a transformation does wrong."""
    witness = Witness()
    types = {"code": "text", "person": "text", "_delivery": "bigint"}

    def night(content: list[dict[str, Any]]) -> None:
        build = release.begin("health", NIGHT)
        put_candidate("health", "facility", types, ("code",), content)
        release.diff("health", build)
        judge("health", build)
        release.promote("health", build)

    one = {"code": f"{MARK}1", "person": MARK}
    witness.see(lambda: night([one, one]))
    night([one])
    witness.see(lambda: night([one, {"code": None, "person": MARK}]))
    witness.see(lambda: night([{"code": f"{MARK}2", "person": f"{MARK} 2"}] * 2))
    with connect("admin") as admin:
        admin.execute("alter table health.facility add constraint c check (person not like '%khác')")
    witness.see(lambda: night([one | {"person": f"{MARK} khác"}]))
    assert witness.failures == 4
    with connect("transform") as connection:
        connection.execute("create table candidate_health.t (person text check (length(person) < 3), n int unique)")
    for statement in (
        f"insert into candidate_health.t values ('{MARK}', 1)",
        f"select '{MARK}'::int",
        f"select 1/0, '{MARK}'",
        f"this is no SQL {MARK}",
    ):
        with pytest.raises(psycopg.Error):
            rows(statement, role="transform")
    printed = capfd.readouterr()
    assert leaks(empty, witness, printed.out + printed.err) == []


def test_the_search_finds_what_is_there(empty: Path) -> None:
    """The search itself: a value in an error's chain, in a table of Kho, in the server's log."""
    witness = Witness()

    def careless() -> None:
        try:
            rows("select %s::int", (MARK,))
        except psycopg.Error:
            raise KhoError("database", vi="lỗi", en="error") from None

    witness.see(careless)
    assert len(leaks(empty, witness, "")) > 0
    rows(
        "insert into kho.attempt (dataset, agency, subject, night, started_at, outcome, error_vi) values ('d', 'a', 's', '2026-03-01', now(), 'failed', %s)",
        (MARK,),
    )
    assert leaks(empty, Witness(), "") == ["kho.attempt"]
    rows("truncate kho.attempt")
    with pytest.raises(psycopg.Error), connect("admin", options="-c log_min_messages=error") as admin:
        admin.execute("select %s::int", (MARK,))
    assert leaks(empty, Witness(), "") == [str(embedded.data_folder() / "server.log")]
    log = embedded.data_folder() / "server.log"
    log.write_bytes(log.read_bytes().replace(MARK.encode(), b"removed"))

"""Scored on the simulator: every planted breach of a contract is found, none is invented, no row is lost.

    python -m tests.e2e.score --scale 0.001 --days 2 [--only police.person …] [--write]

All systems of the simulated province run; every draft contract is landed through its real wire, in a warehouse of its own. What Kho told is
compared with an independent judge (`score_rules`, `score_said`, `score_book`). Belongs here: running, comparing, the table of
docs/simulator-dirt.md. Stays out: the judge.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from tests.e2e.score_book import ROW, Book, Told, as_known
from tests.e2e.score_rules import VIETNAM, Agreement, World, canonical, clean, read, read_agreement
from tests.e2e.score_said import handed_over, views_of
from tests.e2e.score_table import EXCEPTIONS, report, write

ROOT = Path(__file__).parents[2]
FIRST_NIGHT = date(2026, 11, 20)
SEED = 24


@dataclass
class Verdict:
    """What came of one dataset on one day. Lists are samples for people; empty when all is well."""

    dataset: str
    day: int
    rows: int = 0
    failed: str = ""
    missed: list[Told] = field(default_factory=list)
    invented: list[Told] = field(default_factory=list)
    unplanted: Counter[tuple[str, str]] = field(default_factory=Counter)
    counts: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    planted: Counter[str] = field(default_factory=Counter)
    breaches: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)

    @property
    def holds(self) -> bool:
        return not (self.failed or self.missed or self.invented or self.unplanted or self.counts or self.lost)

    def __str__(self) -> str:
        parts = [f"{self.dataset} day {self.day}: {self.rows} rows"]
        parts += [f"  FAILED {self.failed}"] if self.failed else []
        for name in ("missed", "invented"):
            told: list[Told] = getattr(self, name)
            kinds = Counter((column, rule, state) for _, column, rule, state in told)
            parts += [
                f"  {name} {count} {kind}, e.g. {next(t[0] for t in told if t[1:] == kind)}"
                for kind, count in kinds.most_common(6)
            ]
        parts += [f"  not planted {count} {what}" for what, count in self.unplanted.most_common(6)]
        parts += [f"  {text}" for text in (*self.counts, *self.lost[:6])]
        return "\n".join(parts)


class Scorer:
    """Drafts of the tree, landed and judged day by day. `only`: these datasets; `keep`: another day follows, so values are kept."""

    def __init__(self, only: Collection[str] = (), keep: bool = True) -> None:
        from orchestration.contracts import load_all

        drafts = {c.id: c for c in load_all() if c.status == "draft"}
        self.contracts = {name: drafts[name] for name in in_order(drafts) if not only or name in only}
        self.agreements = {name: read_agreement(c.path) for name, c in self.contracts.items()}
        self.books = {name: Book(agreement) for name, agreement in self.agreements.items()}
        self.landed: list[str] = []
        self.keep = keep

    def views(self) -> list[Any]:
        """The views of these datasets."""
        return list({view.id: view for a in self.agreements.values() for view in views_of(a)}.values())

    def day(self, number: int, province: Any, env: dict[str, str]) -> Iterator[Verdict]:
        """Land every dataset and judge it."""
        for name in self.contracts:
            yield self._dataset(name, number, province, env)

    def _dataset(self, name: str, number: int, province: Any, env: dict[str, str]) -> Verdict:
        from orchestration.errors import KhoError
        from orchestration.landing import land_dataset

        verdict, book, agreement = Verdict(name, number), self.books[name], self.agreements[name]
        if not views_of(agreement):
            verdict.failed = "no view stands where the contract says"
            return verdict
        receipts = []
        try:
            receipts = land_dataset(self.contracts[name], night=FIRST_NIGHT + timedelta(days=number), env=env)
        except KhoError as error:
            verdict.failed = f"{error.code}: {error.en}"
        bad = [f"{r.outcome}: {r.reason_en}" for r in receipts if r.outcome in ("waiting", "refused")]
        verdict.failed = verdict.failed or "; ".join(bad)
        if verdict.failed:
            return verdict
        world = World(self._as_of(name), self._known(name))
        deliveries = list(handed_over(agreement, province, number, number == 0))
        for pieces in deliveries:
            book.take(pieces, world, first=number == 0, whole=pieces is deliveries[-1])
            verdict.rows += book.received
        compare(verdict, book, receipts)
        score(verdict, book)
        book.rows = []
        if not self.keep:
            book.raw = dict.fromkeys(book.raw, ())
        if name not in self.landed:
            self.landed.append(name)
        return verdict

    def _as_of(self, name: str) -> date:
        found = _rows("select max(as_of) from kho.delivery where dataset = %s", (name,))[0][0]
        return found.astimezone(VIETNAM).date() if found else FIRST_NIGHT

    def _known(self, name: str) -> dict[str, set[Any]]:
        """Keys of datasets that this one refers to and that were landed before it, where the column is the first of their key."""
        known = {}
        for rule in self.agreements[name].rules.values():
            other, _, column = (rule.references or "").rpartition(".")
            if other in self.landed and other != name and self.agreements[other].key[0] == column:
                known[str(rule.references)] = {key[0] for key in self.books[other].raw}
        return known


def compare(verdict: Verdict, book: Book, receipts: list[Any]) -> None:
    """What Kho told and keeps against what it should; counts of receipts, on the first day, against those of the judge."""
    told, expected = kho_told(book.agreement), book.told
    verdict.missed, verdict.invented = sorted(expected - told, key=str), sorted(told - expected, key=str)
    for r in receipts:
        if r.outcome == "applied" and r.received != r.accepted + r.quarantined + r.duplicates:
            verdict.counts.append(f"received {r.received} is not {r.accepted} + {r.quarantined} + {r.duplicates}")
    got = tuple(
        sum(getattr(r, name) for r in receipts)
        for name in ("received", "accepted", "quarantined", "duplicates", "noted")
    )
    said = (book.received, book.accepted, book.held, book.duplicates, book.noted)
    if receipts and got != said and verdict.day == 0:
        verdict.counts.append(f"received, accepted, held, duplicates, noted are {got}, should be {said}")
    raw = kho_raw(book.agreement)
    verdict.lost += [f"lost {key}" for key in list(book.raw.keys() - raw.keys())]
    verdict.lost += [f"not said {key}" for key in list(raw.keys() - book.raw.keys())]
    names = list(book.agreement.rules)
    for key in raw.keys() & book.raw.keys():
        if raw[key] != book.raw[key]:
            at = next(n for n, (a, b) in enumerate(zip(raw[key], book.raw[key], strict=True)) if a != b)
            verdict.lost.append(f"{names[at]} of {key} is {raw[key][at]!r}, was {book.raw[key][at]!r}")


def score(verdict: Verdict, book: Book) -> None:
    """Per kind of dirt: cells planted, those of them that breach the contract, those found; and what was told without a planted error."""
    missed = {(ident, column) for ident, column, _, _ in verdict.missed}
    agreement, whole = book.agreement, ", ".join(book.agreement.key)
    told: set[tuple[Any, str]] = set()
    kinds: dict[tuple[str, int, str, str], set[Any]] = defaultdict(set)  # planted -> rows it is in
    doubled = {
        row.ident for row in book.rows if any(c in agreement.key or "conflict" in k for c, k in row.planted.items())
    }
    for row in book.rows:
        in_conflict = row.overtaken or (row.fate == "held" and not row.held)
        told |= {(row.ident, column) for column, _ in row.broken} | ({(row.ident, whole)} if in_conflict else set())
        planted = {(column, kind) for column, found in row.planted.items() for kind in found}
        for column, kind in planted:
            if column == ROW or column in agreement.rules:
                kinds[row.view, row.truth, column, kind].add(row.ident)
        for column, rule in row.broken:
            near = {column, agreement.rules[column].at, *agreement.rules[column].roles.values()}
            if not any(name in row.planted for name in near) and not excepted(agreement.id, column, rule):
                verdict.unplanted[column, rule] += 1
        if in_conflict and row.ident not in doubled and not excepted(agreement.id, ROW, "conflict"):
            verdict.unplanted[ROW, "conflict"] += 1
    for (_, _, column, kind), idents in kinds.items():
        related = {column, *([whole] if kind == "conflict" else [])}
        related |= {r.name for r in agreement.rules.values() if column in (r.at, *r.roles.values())}
        broken = [(ident, name) for ident in idents for name in related if (ident, name) in told]
        verdict.planted[kind] += 1
        if column == ROW:
            verdict.breaches[kind] += 1
            verdict.found[kind] += not verdict.lost and not verdict.counts
        elif broken:
            verdict.breaches[kind] += 1
            verdict.found[kind] += any(each not in missed for each in broken)


def excepted(dataset: str, column: str, rule: str) -> bool:
    """Whether there is a reason why such a breach is not the simulator's dirt."""
    return any(
        (name, at, what) in EXCEPTIONS for name in (dataset, "*") for at in (column, "*") for what in (rule, "*")
    )


def kho_told(agreement: Agreement) -> set[Told]:
    """What is in quarantine and not closed."""
    found: set[Told] = set()
    query = """select q.key, q.content, q.state, p.column_name, p.code from quarantine.row q join quarantine.problem p using (quarantine_id)
                where q.dataset = %s and q.state in ('open', 'noted')"""
    rules = agreement.rules
    for key, content, state, column, code in _rows(query, (agreement.id,)):
        if key is not None:
            ident = True, tuple(canonical(read(_plainly(rules[name]), key[name])) for name in agreement.key)
        else:
            cells = {name: clean(rules[name], (content or {}).get(rules[name].title)) for name in agreement.key}
            ident = False, tuple(as_known(read(rules[n], cells[n]), cells[n]) for n in agreement.key)
        found.add((ident, column, code, state))
    return found


def _plainly(rule: Any) -> Any:
    """The rule for a value that PostgreSQL wrote: no form, no words, no default."""
    from dataclasses import replace

    return replace(rule, form="", missing=(), default=None)


def kho_raw(agreement: Agreement) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Rows of raw that are not deleted, by key."""
    from psycopg import sql

    table = f"{agreement.agency}__{agreement.id.partition('.')[2]}"
    if _rows("select to_regclass(%s)", (f"raw.{table}",))[0][0] is None:
        return {}
    names = list(agreement.rules)
    query = sql.SQL("select {} from raw.{} where not _deleted").format(
        sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in names), sql.Identifier(table)
    )
    rules, found = [_plainly(agreement.rules[name]) for name in names], {}
    places = [names.index(name) for name in agreement.key]
    for row in _rows(query):
        values = tuple(canonical(read(rule, cell)) for rule, cell in zip(rules, row, strict=True))
        found[tuple(values[at] for at in places)] = values
    return found


def _rows(query: Any, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    from orchestration.warehouse import connect

    with connect("release") as connection:
        connection.execute("set timezone = 'Asia/Ho_Chi_Minh'")
        return connection.execute(query, parameters or None).fetchall()


def in_order(contracts: dict[str, Any]) -> list[str]:
    """Datasets with those they refer to before them, as far as that is possible."""
    order: list[str] = []

    def add(name: str, above: frozenset[str]) -> None:
        if name in order or name in above or name not in contracts:
            return
        for column in contracts[name].columns:
            if column.references:
                add(column.references.rpartition(".")[0], above | {name})
        order.append(name)

    for name in sorted(contracts):
        add(name, frozenset())
    return order


@contextmanager
def simulated(home: Path, scorer: Scorer, scale: float, seed: int) -> Iterator[tuple[Any, Any]]:
    """(systems, province), running."""
    from simulator.systems.box import Systems
    from simulator.table import Province
    from simulator.views import catalogue

    province = Province(seed, scale)
    with Systems(home, scorer.views(), province, daily=catalogue.daily()) as box:
        box.load(0)
        box.start()
        yield box, province


def play(scorer: Scorer, home: Path, scale: float, days: int, seed: int = SEED) -> Iterator[Verdict]:
    """Simulate, land and judge; KHO_HOME and KHO_SYNTHETIC must be set and the warehouse made."""
    from simulator.systems.variables import variables

    with simulated(home, scorer, scale, seed) as (box, province):
        for number in range(days):
            if number:
                box.advance(number)
            yield from scorer.day(number, province, dict(os.environ) | variables(box.env))


def main() -> int:
    """Print the verdicts and the table; 1 when anything does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scale", type=float, default=0.001)
    parser.add_argument("--days", type=int, default=1)
    parser.add_argument("--seed", type=int, default=SEED, help="of the province")
    parser.add_argument("--only", nargs="*", default=())
    parser.add_argument(
        "--write", action="store_true", help="put the table into docs/simulator-dirt.md, when all holds"
    )
    chosen = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="kho-score-"))
    os.environ |= {"KHO_HOME": str(home / "home"), "KHO_SYNTHETIC": "1"}
    os.environ.pop("WAREHOUSE_URL", None)
    from orchestration.warehouse import embedded, schema

    verdicts, began = [], time.monotonic()
    try:
        schema.init()
        scorer = Scorer(chosen.only, keep=chosen.days > 1)
        for verdict in play(scorer, home / "box", chosen.scale, chosen.days, chosen.seed):
            verdicts.append(verdict)
            print(verdict, flush=True)
    finally:
        embedded.stop()
        shutil.rmtree(home, ignore_errors=True)
    text = report(verdicts, chosen.scale, chosen.days)
    print(text, f"{time.monotonic() - began:.0f} s", sep="\n")
    held = all(verdict.holds for verdict in verdicts)
    if chosen.write and held:
        write(text)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())

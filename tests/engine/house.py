"""A subject whose candidate changes at random, in content and shape, with the images of all its releases to compare with.

Here belong its random life and what must hold at every step; the tests of the delta and the soak play it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from psycopg import sql

from orchestration import release
from orchestration.warehouse import connect

from .cluster import rows, value
from .subjects import Image, frozen, is_live, judge, live, released

KEY = ("k1", "k2")
TYPES = {"k1": "text", "k2": "integer", "v1": "integer", "v2": "text", "_delivery": "bigint"}
Values = dict[tuple[Any, ...], dict[str, Any]]


def random_row(pick: random.Random, key: tuple[Any, ...], columns: Iterable[str]) -> dict[str, Any]:
    choices: dict[str, list[Any]] = {
        "v1": [None, 0, 1],
        "v2": [None, "", "x"],
        "v3": [None, "new"],
        "_delivery": [1, 2, 3],
    }
    return dict(zip(KEY, key, strict=True)) | {name: pick.choice(choices[name]) for name in columns if name in choices}


def keys(pick: random.Random) -> list[tuple[Any, ...]]:
    return [(a, b) for a in "ab" for b in range(5) if pick.random() < 0.6]


SUBJECT = "education"
ACTIONS = ["publish"] * 3 + ["hold", "add_column", "rename_column", "add_table", "roll_back", "roll_back"]


class House:
    """A subject whose candidate changes at random, shape included, and the images of all its releases."""

    def __init__(self, seed: int) -> None:
        self.pick = random.Random(seed)
        self.types: dict[str, dict[str, str]] = {"school": dict(TYPES)}
        self.content: dict[str, Values] = {"school": {}}
        self.images: dict[int, dict[str, Image]] = {}
        self.release = 0
        self.renamed = 0

    def change(self) -> None:
        for table, content in self.content.items():
            for key in keys(self.pick):
                if self.pick.random() < 0.3:
                    content.pop(key, None)
                else:
                    content[key] = random_row(self.pick, key, ())
                    for name, kind in self.types[table].items():
                        if name not in KEY:
                            content[key][name] = self.pick.choice(
                                [None, 1, 2] if kind in ("integer", "bigint") else [None, "x", "y"]
                            )

    def tables(self) -> dict[str, tuple[Mapping[str, str], Sequence[str], Iterable[Mapping[str, Any]]]]:
        return {table: (self.types[table], KEY, list(content.values())) for table, content in self.content.items()}

    def publish(self) -> None:
        done = released(SUBJECT, self.tables())
        self.release = done.release
        self.images[self.release] = self.now()
        for table, content in self.content.items():
            expected = {key: {c: row.get(c) for c in self.types[table]} for key, row in content.items()}
            assert self._compared(self.images[self.release][table]) == self._compared(expected)

    def hold(self) -> None:
        """A build that is not released: frozen only, or red."""
        before = self.now()
        build = frozen(SUBJECT, self.tables())
        if self.pick.random() < 0.5:
            judge(SUBJECT, build, "fail")
        assert self.now() == before

    def roll_back(self, to: int) -> None:
        self.release = release.rollback(SUBJECT, to, by="tests").release
        self.images[self.release] = self.now()
        for table in self.types:
            if is_live(SUBJECT, table):
                # A table that came later is as it was when it came.
                known = next(
                    image[table] for number, image in sorted(self.images.items()) if number >= to and table in image
                )
                assert self._shaped(table, self.images[self.release][table]) == self._shaped(table, known)
                self.content[table] = {key: dict(row) for key, row in self.images[self.release][table].items()}

    def add_column(self) -> None:
        table = self.pick.choice(list(self.types))
        self.types[table][f"c{len(self.types[table])}_{self.release}"] = "text"

    def rename_column(self) -> None:
        table = self.pick.choice([t for t in self.types if is_live(SUBJECT, t)])
        old = self.pick.choice(
            [c for c in self.types[table] if c not in KEY and c != "_delivery" and self._in_live(table, c)]
        )
        self.renamed += 1
        new = f"renamed{self.renamed}"
        with connect("release") as connection:
            connection.execute("select release.rename_column(%s, %s, %s, %s)", (SUBJECT, table, old, new))
        self.types[table] = {new if c == old else c: kind for c, kind in self.types[table].items()}
        for image in [self.content, *self.images.values()]:
            for row in image.get(table, {}).values():
                if old in row:
                    row[new] = row.pop(old)

    def add_table(self) -> None:
        name = f"later{len(self.types)}"
        self.types[name], self.content[name] = dict(TYPES), {}

    def now(self) -> dict[str, Image]:
        return {table: live(SUBJECT, table, KEY) for table in self.types if is_live(SUBJECT, table)}

    def _in_live(self, table: str, column: str) -> bool:
        return bool(value("select delta.has_column(%s::regclass, %s)", (f"{SUBJECT}.{table}", column)))

    def _compared(self, image: Mapping[tuple[Any, ...], Mapping[str, Any]]) -> Values:
        """Without columns that the diff carries but does not compare."""
        return {key: {c: v for c, v in row.items() if not c.startswith("_")} for key, row in image.items()}

    def _shaped(self, table: str, image: Mapping[tuple[Any, ...], Mapping[str, Any]]) -> Values:
        """With the columns of today: one that was not there yet is empty. Where from a row came is carried, not compared."""
        return self._compared({key: {c: row.get(c) for c in self.types[table]} for key, row in image.items()})

    def check_journal(self) -> None:
        """Undoing the journal from today back to any release gives that release."""
        undone = {table: {key: dict(row) for key, row in image.items()} for table, image in self.now().items()}
        builds = dict(rows("select release, build from kho.release where subject = %s", (SUBJECT,)))
        for number in range(self.release, 0, -1):
            for table, image in undone.items():
                if table in self.images[number]:
                    assert self._shaped(table, image) == self._shaped(table, self.images[number][table]), (
                        f"as of release {number}"
                    )
                    self._undo(table, image, builds[number])

    def _undo(self, table: str, image: Values, build: int) -> None:
        journal = f"{SUBJECT}__{table}"
        if rows("select to_regclass(%s)", (f"journal.{journal}",)) == [(None,)]:
            return
        with connect("admin") as connection:
            cursor = connection.execute(
                sql.SQL("select * from journal.{} where journal_build = {}").format(
                    sql.Identifier(journal), sql.Literal(build)
                )
            )
            names = [c.name for c in cursor.description or ()]
            for entry in [dict(zip(names, row, strict=True)) for row in cursor]:
                op, key = entry["journal_op"], tuple(entry[k] for k in KEY)
                row = {c: v for c, v in entry.items() if not c.startswith("journal_")}
                if op == "I":
                    del image[key]
                elif op in "BD":
                    image[key] = row


def play_house(seed: int) -> None:
    """Nine steps of a subject, then back to every release."""
    house = House(seed)
    for number in range(9):
        house.change()
        action = house.pick.choice(ACTIONS)
        if house.release == 0 or number in (1, 2) or (action == "roll_back" and house.release < 2):
            house.publish()
        elif action == "roll_back":
            house.roll_back(house.pick.randrange(1, house.release))
        else:
            getattr(house, action)()
            if action not in ("publish", "hold"):
                house.publish()
    house.check_journal()
    for to in range(1, house.release):
        house.roll_back(to)
    house.check_journal()

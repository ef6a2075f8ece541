"""The delta, Kho's one primitive, against dictionaries; and the releases that are made of deltas, rolled back to any of them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from orchestration import release
from orchestration.errors import KhoError
from orchestration.warehouse import connect

from .cluster import rows, value
from .house import KEY, TYPES, Values, keys, play_house, random_row
from .subjects import NIGHT, judge, live, put_candidate, released


def make(name: str, types: Mapping[str, str], content: Iterable[Mapping[str, Any]]) -> None:
    """A table in a schema of the test."""
    with connect("admin") as connection:
        connection.execute("create schema if not exists trial")
        columns = sql.SQL(", ").join(sql.SQL("{} " + pg_type).format(sql.Identifier(c)) for c, pg_type in types.items())
        connection.execute(sql.SQL("drop table if exists trial.{}").format(sql.Identifier(name)))
        connection.execute(sql.SQL("create table trial.{} ({})").format(sql.Identifier(name), columns))
        for row in content:
            connection.execute(
                sql.SQL("insert into trial.{} ({}) values ({})").format(
                    sql.Identifier(name),
                    sql.SQL(", ").join(map(sql.Identifier, row)),
                    sql.SQL(", ").join(sql.Placeholder() * len(row)),
                ),
                list(row.values()),
            )


@pytest.mark.parametrize("seed", range(14))
def test_freeze_and_apply_as_with_dictionaries(empty: Path, seed: int) -> None:
    pick = random.Random(seed)
    whole = seed % 2 == 0
    marked = pick.random() < 0.5  # the new relation has _build and _deleted
    tombstones = pick.random() < 0.5
    images = pick.random() < 0.5
    extra = {"v3": "text"} if pick.random() < 0.5 else {}
    lacks = "v1" if pick.random() < 0.3 else ""
    # Landing's tombstones set _delivery themselves; a release carries it along.
    columns = ["v1", "v2", *([] if tombstones else ["_delivery"]), *extra]
    new_types = {name: kind for name, kind in (TYPES | extra).items() if name != lacks}
    old_types = TYPES | ({"_deleted": "boolean"} if tombstones else {})
    old = {
        key: random_row(pick, key, TYPES) | ({"_deleted": pick.random() < 0.3} if tombstones else {})
        for key in keys(pick)
    }
    since = None if whole or not marked else 5
    new: Values = {}
    for key in keys(pick):
        source = old[key] if key in old and pick.random() < 0.5 else random_row(pick, key, new_types)
        new[key] = {name: source.get(name) for name in new_types}
        if marked:
            new[key] |= {"_build": pick.choice([4, 5, 6]), "_deleted": pick.random() < 0.3}
    present = [key for key in old if pick.random() < 0.3] if whole and pick.random() < 0.5 else None
    make("new", new_types | ({"_build": "bigint", "_deleted": "boolean"} if marked else {}), new.values())
    make("old", old_types, old.values())
    make("into", {"journal_build": "bigint", "journal_op": "text"} | TYPES | extra, [])
    make("present", {"k1": "text", "k2": "integer"}, [dict(zip(KEY, key, strict=True)) for key in present or ()])

    counts = value(
        "select delta.freeze(9, 'trial.new', 'trial.old', 'trial.into', %s, %s, %s, %s, %s, %s::regclass)::text",
        (list(KEY), columns, whole, since, images, None if present is None else "trial.present"),
    )

    old_image = {key: {c: row.get(c) for c in [*KEY, *columns]} for key, row in old.items() if not row.get("_deleted")}
    expected: list[tuple[Any, ...]] = []
    arrived = {key: row for key, row in new.items() if since is None or row["_build"] > since}
    for key, row in arrived.items():
        image = {c: row.get(c) for c in [*KEY, *columns]}
        if row.get("_deleted"):
            continue
        if key not in old_image:
            expected.append(("I", *image.values()))
        elif any(image[c] != old_image[key][c] for c in columns if not c.startswith("_")):
            expected.append(("U", *image.values()))
            if images:
                expected.append(("B", *old_image[key].values()))
    for key, image in old_image.items():
        marked_gone = key in arrived and bool(arrived[key].get("_deleted"))
        gone = (marked_gone or key not in new) and key not in (present or ()) if whole else marked_gone
        # A row that says itself that it is deleted is deleted, whoever counts as present.
        if gone:
            expected.append(("D", *image.values()))
    names = sql.SQL(", ").join(map(sql.Identifier, ["journal_op", *KEY, *columns]))
    with connect("admin") as connection:
        found = connection.execute(sql.SQL("select {} from trial.into").format(names)).fetchall()
    assert sorted(found, key=repr) == sorted(expected, key=repr)
    assert counts == "({})".format(",".join(str(sum(row[0] == op for row in expected)) for op in "IUD"))

    if extra:
        rows("alter table trial.old add v3 text")
    rows("alter table trial.old add primary key (k1, k2)")
    rows("select delta.apply(9, 'trial.into', 'trial.old', %s, %s, %s)", (list(KEY), columns, tombstones))
    final = {key: dict(row) | {"v3": None} for key, row in old.items()}
    for op, *values in expected:
        key = tuple(values[:2])
        if op in "IU":
            final[key] = dict(zip([*KEY, *columns], values, strict=True)) | (
                {"_delivery": 9, "_deleted": False} if tombstones else {}
            )
        elif op == "D" and tombstones:
            final[key] |= {"_delivery": 9, "_deleted": True}
        elif op == "D":
            del final[key]
    shown = [*KEY, *columns, *(["_deleted"] if tombstones else [])]
    with connect("admin") as connection:
        after = connection.execute(
            sql.SQL("select {} from trial.old").format(sql.SQL(", ").join(map(sql.Identifier, shown)))
        ).fetchall()
    assert sorted(after, key=repr) == sorted((tuple(row.get(c) for c in shown) for row in final.values()), key=repr)


@pytest.mark.parametrize(
    "meddling", ["delete from trial.old where k2 = 1", "insert into trial.old values ('a', 7, 1, '', 1)"]
)
def test_apply_refuses_a_target_that_has_moved_on(empty: Path, meddling: str) -> None:
    base = [{"k1": "a", "k2": n, "v1": 1} for n in range(3)]
    make("old", TYPES, base)
    rows("alter table trial.old add primary key (k1, k2)")
    make("new", TYPES, [{"k1": "a", "k2": 1, "v1": 2}, {"k1": "a", "k2": 7, "v1": 2}])
    make("into", {"journal_build": "bigint", "journal_op": "text"} | TYPES, [])
    columns = ["v1", "v2", "_delivery"]
    rows("select delta.freeze(1, 'trial.new', 'trial.old', 'trial.into', %s, %s, true)", (list(KEY), columns))
    rows(meddling)
    with pytest.raises(Exception) as refused:
        rows("select delta.apply(1, 'trial.into', 'trial.old', %s, %s, false)", (list(KEY), columns))
    assert refused.value.sqlstate in ("KH021", "23505")  # type: ignore[attr-defined]


# -- releases and rollback -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_any_release_can_be_restored(empty: Path, seed: int) -> None:
    play_house(seed)


MUTATIONS = {
    "no before-images": ("release.past", "''B'', ", ""),
    "empty values not compared": ("delta.freeze", "is distinct from row", "<> row"),
    "one column not applied": (
        "delta.apply",
        "format('%I = d.%I', c, c), ', ') into assign",
        "format('%I = t.%I', c, c), ', ') into assign",
    ),
    "unpromoted rows stay": (
        "release.drop_unpromoted",
        "delete from journal.%I where journal_build = %s",
        "select 1 from journal.%I limit %s",
    ),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_the_checks_notice_a_broken_delta(empty: Path, mutation: str) -> None:
    name, before, after = MUTATIONS[mutation]
    source = value("select pg_get_functiondef(%s::regproc)", (name,))
    assert before in source
    try:
        with connect("admin") as connection:
            connection.execute(source.replace(before, after))
        with pytest.raises((AssertionError, KhoError)):  # a wrong image, or a refusal on the way to one
            for seed in range(6):
                play_house(seed)
    finally:
        with connect("admin") as connection:
            connection.execute(source)


def test_watermark_reads_only_what_is_new(empty: Path) -> None:
    """A candidate with _build and _deleted, built incrementally: red builds in between, a rollback and a full refresh included."""
    types = {"code": "text", "beds": "integer", "_delivery": "bigint", "_build": "bigint", "_deleted": "boolean"}
    candidate: dict[str, dict[str, Any]] = {}

    def build(changes: Mapping[str, int | None], *, full: bool = False) -> int:
        number = release.begin("health", NIGHT)
        for code, beds in changes.items():
            gone = beds is None
            kept = candidate.get(code, {}).get("beds") if gone else beds
            candidate[code] = {"code": code, "beds": kept, "_delivery": number, "_build": number, "_deleted": gone}
        if full:
            for code in [code for code, row in candidate.items() if row["_deleted"]]:
                del candidate[code]
            for row in candidate.values():
                row["_build"] = number
        put_candidate("health", "facility", types, ("code",), list(candidate.values()), watermark=True)
        release.diff("health", number)
        return number

    def publish(number: int) -> None:
        judge("health", number)
        release.promote("health", number)
        expected = {
            (code,): {"code": code, "beds": row["beds"]} for code, row in candidate.items() if not row["_deleted"]
        }
        found = {
            key: {"code": row["code"], "beds": row["beds"]}
            for key, row in live("health", "facility", ("code",)).items()
        }
        assert found == expected

    publish(build({"A": 1, "B": 2, "C": 3}))
    assert set(live("health", "facility", ("code",))[("A",)]) == {"code", "beds", "_delivery"}
    publish(build({"A": 5, "B": None}))
    judge("health", build({"C": 9, "D": 4}), "fail")
    publish(build({"E": 1}))  # carries the red build's rows too
    publish(build({"B": 7}))
    publish(build({"C": None}, full=True))  # gone without a tombstone
    release.rollback("health", 1, by="tests")
    publish(build({}))
    untouched = build({})
    assert rows("select inserted, updated, deleted from kho.build_table where build = %s", (untouched,)) == [(0, 0, 0)]
    # Rows of the past are not looked at: were they changed without a new _build, the diff would not see it.
    candidate["A"]["beds"] = 1000
    silent = build({"E": 2})
    assert rows("select inserted, updated, deleted from kho.build_table where build = %s", (silent,)) == [(0, 1, 0)]


def test_release_of_a_night_without_changes_touches_nothing(empty: Path) -> None:
    content = [{"k1": "a", "k2": n, "v1": n, "_delivery": 1} for n in range(50)]
    released("land", {"parcel": (TYPES, KEY, content)})
    before = rows("select ctid, xmin from land.parcel order by 1")
    for row in content:
        row["_delivery"] = 2  # carried, not compared
    content[7]["v1"] = 1000
    released("land", {"parcel": (TYPES, KEY, content)})
    after = rows("select ctid, xmin from land.parcel order by 1")
    assert len(set(before) - set(after)) == 1
    assert rows("select k2, _delivery from land.parcel where _delivery = 2") == [(7, 2)]

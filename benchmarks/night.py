"""night-landing, night-diff, night-promotion, night-whole: what a night costs in which 1.2 % of the rows change.

The three steps against hand-written SQL for the same effect, each contender on tables of its own with the same content.
night-landing compares snapshots (a whole file against the table); night-diff and night-promotion the subject's table, by the full
join (the watermark, which the model has, is measured beside it). night-whole is a real night by cursor and watermark, all steps,
against a twentieth of the first night plus a night in which nothing changed.
"""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks import night_steps as steps
from benchmarks import parcels
from benchmarks.csv_landing import PARCEL_TABLE, PHASES, offer
from benchmarks.ground import psql, reset, settle
from benchmarks.measure import ROUNDS, Contender, Figures, Watch, result
from orchestration.landing import land
from orchestration.release import builds
from orchestration.sources import open_source
from orchestration.warehouse import connect, connections

WAREHOUSE = connections.DATABASE
COLUMNS = "address, commune_code, land_use_code, registered_on, sheet_number, area_m2, is_mortgaged, is_residential, updated_at"
FILE_COLUMNS = ", ".join(parcels.COLUMNS[1:])


def run(home: Path) -> None:
    """All four."""
    steps.use_project()
    landing(home)
    diff_and_promotion()
    whole()


# -- landing --------------------------------------------------------------------------------------------------------------


def landing(home: Path) -> None:
    figures = Figures()
    for version in range(ROUNDS + 1):
        file = parcels.write_csv(home / "snapshot.csv", version)
        for name, contender in (
            ("kho", land_file(home, file, version)),
            ("hand-written SQL", land_by_hand(file, version)),
        ):
            if version:
                figures.run(name, contender)
            else:  # what the nights start from
                contender(Watch())
        file.unlink()
    figures.table("night-landing: a snapshot with 1.2 % changes", list(figures.watches))
    result("night-landing", figures.median("kho"), figures.median("hand-written SQL"), 2)


def land_file(home: Path, file: Path, version: int) -> Contender:
    def contender(watch: Watch) -> None:
        contract = parcels.contract("parcel_file")
        offer(home, file, version)
        settle()
        with watch, watch.calls(PHASES):
            with watch.phase("look"):
                delivery = next(iter(open_source(contract, None, os.environ)))
            receipt = land(contract, delivery, night=parcels.day(version))
        assert receipt.outcome == "applied" and (not version or receipt.deleted), receipt
        (home / "files" / "done" / delivery.name).unlink()

    return contender


def land_by_hand(file: Path, version: int) -> Contender:
    """Stage, one full join, three statements; nothing checked, nothing kept, no receipt."""
    assign = ", ".join(f"{name} = d.{name}" for name in parcels.COLUMNS[1:])
    new, old = (", ".join(f"{alias}.{name}" for name in parcels.COLUMNS[1:]) for alias in "no")
    both = ", ".join(
        f"case when n.ma_thua is null then o.{name} else n.{name} end as {name}" for name in parcels.COLUMNS
    )
    copy = rf"\copy {{}} from '{file}' with (format csv, header)"
    first = (
        f"create schema hand ;; create table hand.raw ({PARCEL_TABLE}) ;; {copy.format('hand.raw')} ;; analyze hand.raw"
    )
    night = f"""
        set work_mem = '256MB' ;; begin ;;
        create unlogged table hand.stage ({PARCEL_TABLE}) ;; {copy.format("hand.stage")} ;;
        create unlogged table hand.delta as
            select case when o.ma_thua is null then 'I' when n.ma_thua is null then 'D' else 'U' end as op, {both}
              from hand.stage n full join hand.raw o on n.ma_thua = o.ma_thua
             where n.ma_thua is null or o.ma_thua is null or row({new}) is distinct from row({old}) ;;
        delete from hand.raw t using hand.delta d where d.op = 'D' and t.ma_thua = d.ma_thua ;;
        update hand.raw t set {assign} from hand.delta d where d.op = 'U' and t.ma_thua = d.ma_thua ;;
        insert into hand.raw select {", ".join(parcels.COLUMNS)} from hand.delta where op = 'I' ;;
        drop table hand.stage, hand.delta ;; commit"""

    def contender(watch: Watch) -> None:
        settle()
        with watch:
            psql(WAREHOUSE, night if version else first)

    return contender


# -- diff and promotion ---------------------------------------------------------------------------------------------------


def diff_and_promotion() -> None:
    reset()
    parcels.make_register()
    steps.first_night()
    psql(
        WAREHOUSE,
        f"""create table hand.live as select parcel_code, {COLUMNS}, _delivery from land.dim_parcel ;;
            alter table hand.live add primary key (parcel_code) ;; analyze hand.live ;; analyze land.dim_parcel ;;
            create table hand.journal (build int, op text, like hand.live) ;; create index on hand.journal (build)""",
    )
    figures = Figures()
    for version in range(1, ROUNDS + 1):
        night = parcels.day(version)
        parcels.move_register(version)
        steps.take_in(night)
        number = steps.build(night)
        # The same build is frozen twice: by its watermark, then (as if never done) by the full join.
        figures.run("kho, by watermark", freeze(number, watermark=True, undo=True))
        figures.run("kho, full join", freeze(number, watermark=False, undo=False))
        figures.run("diff by hand", hand(diff_by_hand(version)))
        steps.check(number)
        figures.run("kho, promotion", promote)
        figures.run("promotion by hand", hand(promotion_by_hand(version)))
        same = psql(
            WAREHOUSE,
            f"select count(*) from (select parcel_code, {COLUMNS} from land.dim_parcel except all"
            f" select parcel_code, {COLUMNS} from hand.live) d",
        )
        assert int(same) == 0
    figures.table("night-diff", ["kho, by watermark", "kho, full join", "diff by hand"])
    result("night-diff", figures.median("kho, full join"), figures.median("diff by hand"), 2)
    figures.table("night-promotion", ["kho, promotion", "promotion by hand"])
    result("night-promotion", figures.median("kho, promotion"), figures.median("promotion by hand"), 2)


def freeze(number: int, *, watermark: bool, undo: bool) -> Contender:
    def contender(watch: Watch) -> None:
        psql(WAREHOUSE, f"update kho.warehouse_table set watermark = {watermark}")
        settle()
        with watch:
            (frozen,) = builds.diff(steps.SUBJECT, number)
        assert frozen.inserted == parcels.BATCH and frozen.updated and frozen.deleted, frozen
        if undo:
            with connect("admin") as admin:
                admin.execute("delete from journal.land__dim_parcel where journal_build = %s", (number,))
                admin.execute("delete from kho.build_table where build = %s", (number,))
                admin.execute("update kho.build set state = 'building' where build = %s", (number,))
            psql(WAREHOUSE, "vacuum journal.land__dim_parcel")

    return contender


def promote(watch: Watch) -> None:
    settle()
    with watch:
        builds.promote(steps.SUBJECT)


def hand(script: str) -> Contender:
    def contender(watch: Watch) -> None:
        settle()
        with watch:
            psql(WAREHOUSE, f"set work_mem = '256MB' ;; begin ;; {script} ;; commit")

    return contender


def diff_by_hand(number: int) -> str:
    names = [name.strip() for name in COLUMNS.split(",")]
    new, old = (", ".join(f"{alias}.{name}" for name in names) for alias in "no")
    delta = ", ".join(f"n.{name} as n_{name}, o.{name} as o_{name}" for name in ["parcel_code", *names, "_delivery"])
    image = {alias: ", ".join(f"{alias}_{name}" for name in ["parcel_code", *names, "_delivery"]) for alias in "no"}
    return f"""
        create temporary table d as select {delta}
          from (select * from candidate_land.dim_parcel where not _deleted) n full join hand.live o on n.parcel_code = o.parcel_code
         where n.parcel_code is null or o.parcel_code is null or row({new}) is distinct from row({old}) ;;
        insert into hand.journal select {number}, case when o_parcel_code is null then 'I' else 'U' end, {image["n"]}
          from d where n_parcel_code is not null ;;
        insert into hand.journal select {number}, case when n_parcel_code is null then 'D' else 'B' end, {image["o"]}
          from d where o_parcel_code is not null"""


def promotion_by_hand(number: int) -> str:
    names = [*(name.strip() for name in COLUMNS.split(",")), "_delivery"]
    assign = ", ".join(f"{name} = d.{name}" for name in names)
    of_build = f"d.build = {number} and t.parcel_code = d.parcel_code"
    return f"""
        delete from hand.live t using hand.journal d where d.op = 'D' and {of_build} ;;
        update hand.live t set {assign} from hand.journal d where d.op = 'U' and {of_build} ;;
        insert into hand.live select parcel_code, {", ".join(names)} from hand.journal d where d.op = 'I' and d.build = {number}"""


# -- the whole night ------------------------------------------------------------------------------------------------------


def whole() -> None:
    figures = Figures()
    for _ in range(ROUNDS):
        reset()
        parcels.make_register()
        figures.run("first night", whole_night(0))
        figures.run("nothing changed", whole_night(1))
        parcels.move_register(1)
        figures.run("night", whole_night(2))
    figures.table("night-whole", ["first night", "nothing changed", "night"])
    first, idle, night = (figures.median(name) for name in ("first night", "nothing changed", "night"))
    print(f"  a night takes {100 * (night - idle) / first:.1f} % of the first one more than a night without changes")
    result("night-whole", night, 0.05 * first + idle, 1)


def whole_night(number: int) -> Contender:
    def contender(watch: Watch) -> None:
        night = parcels.day(number)
        settle()
        with watch:
            with watch.phase("landing"):
                steps.take_in(night)
            with watch.phase("dbt"):
                build = steps.build(night)
            with watch.phase("diff"):
                builds.diff(steps.SUBJECT, build)
            with watch.phase("gate"):
                steps.check(build)
            with watch.phase("promotion"):
                steps.release(night)

    return contender

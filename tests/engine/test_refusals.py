"""The database decides: what no role may do to live tables, journals and evidence, and what it refuses to release."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from orchestration import release
from orchestration.errors import KhoError
from orchestration.release import ledger
from orchestration.warehouse import connect

from .cluster import rows, sqlstate, value
from .samples import column, contract, csv_delivery, text_rows
from .story import land
from .subjects import NIGHT, frozen, judge, live, put_candidate, refusal, released

ROLES = ("loader", "transform", "gate", "release", "exchange", "portal", "analyst")
EVIDENCE = ("kho", "quarantine", "journal", "health")
TYPES = {"code": "text", "beds": "integer", "_delivery": "bigint"}
ROWS = [{"code": f"F{n}", "beds": n, "_delivery": 1} for n in range(5)]
DENIED = "42501"

#: What a stage is there to write; all else is refused. Nobody updates or deletes evidence, and nobody truncates anything.
MAY = {
    ("loader", "insert"): {"kho.delivery", "kho.attempt", "kho.dataset", "kho.channel", "kho.answer"}
    | {"quarantine.row", "quarantine.problem", "kho.code_list", "kho.code_value"},
    ("loader", "update"): {"kho.dataset", "kho.channel", "quarantine.row", "kho.code_list", "kho.code_value"},
    # Code lists are no evidence: they are made equal to what is declared.
    ("loader", "delete"): {"kho.code_list", "kho.code_value"},
    ("gate", "insert"): {"kho.gate", "kho.gate_result", "kho.gate_failure"},
    ("release", "insert"): {"kho.subject_night", "kho.disclosure"},
    ("release", "update"): {"kho.subject_night"},
    ("exchange", "insert"): {"kho.exchange_run", "kho.reconciliation"},
    ("portal", "insert"): {"kho.portal_version", "kho.portal_dataset"},
    ("portal", "update"): {"kho.portal_dataset"},
}
#: Single columns that a role may update: how the receiver is doing, never what is sent.
MAY_COLUMNS = {("exchange", "kho.obligation"): {"failures", "next_at", "problem_vi", "problem_en", "looked_at"}}
#: Functions of the schemas kho, release, delta and exchange that a role may call.
CALLS = {
    "loader": {"kho.ledger_next", "kho.ledger_append", "kho.keep_tickets", "delta.*"},
    "transform": {"release.begin", "release.declare", "release.current_build", "release.current", "release.fail"}
    | {"release.built"},
    "gate": {"kho.ledger_next", "kho.ledger_append"},
    "release": {"kho.ledger_next", "kho.ledger_append", "kho.evidence", "release.diff", "release.promote", "release.rollback", "release.lock"}
    | {"release.rename_column", "release.drop_column", "release.current", "release.fail", "release.describe"},
    "exchange": {"kho.ledger_next", "kho.ledger_append", "release.current", "exchange.declare", "exchange.plan", "exchange.claim"}
    | {"exchange.confirm", "exchange.resolve", "exchange.put_back", "exchange.adopt", "exchange.isolate", "exchange.retry"}
    | {"exchange.image", "exchange.begin_listing", "exchange.compare", "exchange.repair", "exchange.take_back"},
    "portal": {"kho.ledger_next", "kho.ledger_append", "release.current"},
    "analyst": set(),
}  # fmt: skip


def facility(content: list[dict[str, Any]] = ROWS) -> dict[str, Any]:
    return {"facility": (TYPES, ("code",), content)}


@pytest.fixture
def house(empty: Path) -> Path:
    """Two releases of one table, so that there is a journal, and a delivery with a quarantined row."""
    columns = [column("code", key_position=1, required=True), column("beds", "integer")]
    made = contract(columns, name="sample")
    land(made, csv_delivery(made, text_rows(("code", "beds"), ("A", "1"), ("B", "x"))), night=NIGHT)
    released("health", facility())
    released("health", facility([*ROWS[1:], {"code": "F9", "beds": 9}]))
    return empty


def test_no_role_changes_live_tables_journals_or_evidence(house: Path) -> None:
    tables = rows(
        "select n.nspname || '.' || c.relname, (select attname from pg_attribute a where a.attrelid = c.oid and attnum > 0 and not attisdropped limit 1)"
        " from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p') and n.nspname = any(%s)",
        (list(EVIDENCE),),
    )
    assert {"kho.ledger", "kho.delivery", "kho.gate", "kho.release", "health.facility", "journal.health__facility"} <= {
        name for name, _ in tables
    }
    wrong = []
    for role in ROLES:
        with connect(role, autocommit=True) as connection:
            for name, first in tables:
                attempts = {
                    "insert": f'insert into {name} select * from {name} where false',
                    "update": f'update {name} set "{first}" = "{first}" where false',
                    "delete": f"delete from {name} where false",
                    "truncate": f"truncate {name} cascade",
                    "drop": f"drop table {name} cascade",
                    "alter": f"alter table {name} add smuggled int",
                    "own": f"alter table {name} owner to kho_{role}",
                    "trigger": f"create trigger t before insert on {name} execute function pg_catalog.suppress_redundant_updates_trigger()",
                    "rule": f"create rule r as on insert to {name} do instead nothing",
                    "policy": f"create policy p on {name}",
                    "grant": f"grant all on {name} to kho_{role}",
                    "index": f'create index on {name} ("{first}")',
                }  # fmt: skip
                for what, statement in attempts.items():
                    state = _try(connection, statement)
                    allowed = name in MAY.get((role, what), set())
                    # A grant of what one does not have is a warning, and gives nothing.
                    if what == "grant":
                        continue
                    # Inserting reads the table too; a writer that may not read it is refused here and not elsewhere.
                    if (state == "") != allowed and not (allowed and what == "insert" and _may_insert(role, name)):
                        wrong.append((role, what, name, state))
    assert wrong == []
    privileges = rows(
        "select grantee, privilege_type, table_schema || '.' || table_name from information_schema.role_table_grants"
        " where table_schema = any(%s) and privilege_type <> 'SELECT' and grantee not in ('kho_owner', 'postgres')",
        (list(EVIDENCE),),
    )
    assert {(g.removeprefix("kho_"), p.lower(), t) for g, p, t in privileges} == {
        (r, what, t) for (r, what), names in MAY.items() for t in names
    }
    columns = rows(
        "select grantee, table_schema || '.' || table_name, column_name from information_schema.column_privileges c where table_schema = any(%s)"
        " and privilege_type <> 'SELECT' and grantee not in ('kho_owner', 'postgres') and not exists (select from information_schema.role_table_grants t"
        " where (t.grantee, t.table_schema, t.table_name, t.privilege_type) = (c.grantee, c.table_schema, c.table_name, c.privilege_type))",
        (list(EVIDENCE),),
    )
    assert {(g.removeprefix("kho_"), t, c) for g, t, c in columns} == {
        (r, t, c) for (r, t), names in MAY_COLUMNS.items() for c in names
    }


@pytest.mark.parametrize(
    "statement", ["grant update on kho.gate to kho_gate", "grant delete on health.facility to kho_transform"]
)
def test_the_matrix_notices_a_grant(house: Path, statement: str) -> None:
    rows(statement)
    try:
        with pytest.raises(AssertionError):
            test_no_role_changes_live_tables_journals_or_evidence(house)
    finally:
        rows(statement.replace("grant", "revoke").replace(" to ", " from "))


def _try(connection: psycopg.Connection[Any], statement: str) -> str:
    try:
        connection.execute(statement)  # type: ignore[arg-type]
    except psycopg.Error as error:
        return error.sqlstate or "?"
    return ""


def _may_insert(role: str, name: str) -> bool:
    return bool(value("select has_table_privilege(%s, %s, 'insert')", (f"kho_{role}", name)))


def test_every_function_is_for_its_stage_only(house: Path) -> None:
    functions = rows(
        "select n.nspname, p.proname, p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace"
        " where n.nspname in ('kho', 'release', 'delta', 'exchange')"
    )
    assert len(functions) > 20
    for role, calls in CALLS.items():
        may = {
            f"{s}.{name}"
            for s, name, signature in functions
            if value("select has_function_privilege(%s, %s, 'execute')", (f"kho_{role}", signature))
        }
        wanted = {f"{s}.{name}" for s, name, _ in functions if f"{s}.{name}" in calls or f"{s}.*" in calls}
        assert may == wanted, role


def test_what_runs_as_the_owner_has_a_fixed_search_path(house: Path) -> None:
    loose = rows(
        "select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace"
        " where n.nspname in ('kho', 'release', 'delta', 'exchange')"
        " and not exists (select from unnest(p.proconfig) c where c = 'search_path=pg_catalog, pg_temp')"
    )
    assert loose == []


@pytest.mark.parametrize("role", ROLES)
def test_no_role_becomes_another(house: Path, role: str) -> None:
    for other in (
        "postgres",
        "kho_owner",
        *(f"kho_{name}" for name in ROLES if name != role),
        "pg_read_all_data",
        "pg_write_all_data",
    ):
        assert sqlstate(role, f"set role {other}") == DENIED
        assert sqlstate(role, f"set session authorization {other}") == DENIED
    assert (
        rows("select 1 from pg_auth_members m join pg_roles r on r.oid = m.member where r.rolname like 'kho_%%'", ())
        == []
    )
    assert sqlstate(role, "create role smuggler") == DENIED
    assert sqlstate(role, "create schema smuggled") == DENIED
    for schema in ("health", "kho", "journal", "release", "delta", "exchange", "public"):
        assert sqlstate(role, f"create table {schema}.smuggled (a int)") == DENIED
        assert sqlstate(role, f"create function {schema}.smuggled() returns int language sql as 'select 1'") == DENIED
    assert sqlstate(role, "set log_min_messages = debug1") == DENIED
    assert sqlstate(role, "copy (select 1) to program 'cat'") == DENIED


def test_the_owner_and_the_dagster_role_do_not_get_in(house: Path) -> None:
    for role, database in (("owner", "kho"), ("dagster", "kho")):
        with pytest.raises(KhoError):
            connect(role, dbname=database)


@pytest.mark.parametrize(
    "table", [("kho", "ledger", "mac"), ("kho", "gate", "verdict"), ("candidate_health", "facility", "beds")]
)
def test_a_change_of_shape_reaches_released_tables_only(house: Path, table: tuple[str, str, str]) -> None:
    assert sqlstate("release", "select release.rename_column(%s, %s, %s, 'gone')", table) == "KH046"
    assert sqlstate("release", "select release.drop_column(%s, %s, %s)", table) == "KH046"


# -- smuggling ------------------------------------------------------------------------------------------------------------

CANDIDATE = "candidate_health.facility"
DISGUISES = {
    "view": (f"drop table {CANDIDATE}; create view {CANDIDATE} as select 'x'::text as code, 1 as beds", "KH031"),
    "materialised view": (f"drop table {CANDIDATE}; create materialized view {CANDIDATE} as select 'x'::text as code, 1 as beds", "42809"),
    "row security": (f"alter table {CANDIDATE} enable row level security", "KH031"),
    "rule": (f"create rule r as on insert to {CANDIDATE} do also notify smuggled", "KH031"),
    "domain": (f"create domain candidate_health.d as int check (value > 0); alter table {CANDIDATE} alter beds type candidate_health.d", "KH032"),
    "composite type": (f"create type candidate_health.t as (a int); alter table {CANDIDATE} add smuggled candidate_health.t", "KH032"),
    "enum": (f"create type candidate_health.e as enum ('a'); alter table {CANDIDATE} add smuggled candidate_health.e[]", "KH032"),
    "json": (f"alter table {CANDIDATE} add smuggled json", "KH032"),
    "generated": (f"alter table {CANDIDATE} add smuggled int generated always as (beds + 1) stored", "KH032"),
    "no key column": (f"alter table {CANDIDATE} drop code", "KH033"),
    "empty key": (f"insert into {CANDIDATE} values (null, 1)", "KH034"),
    "another key": ("select release.declare('health', 'facility', array['beds'], false)", "KH035"),
    "column gone": (f"alter table {CANDIDATE} drop beds", "KH036"),
    "another type": (f"alter table {CANDIDATE} alter beds type bigint", "KH037"),
    "double key": (f"insert into {CANDIDATE} values ('F1', 1)", "KH047"),
    "double new key": (f"insert into {CANDIDATE} values ('new', 1), ('new', 1)", "KH047"),
}  # fmt: skip


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_candidate_in_disguise_is_refused(house: Path, disguise: str) -> None:
    statement, code = DISGUISES[disguise]
    before = live("health", "facility", ("code",))
    build = release.begin("health", NIGHT)
    put_candidate("health", "facility", TYPES, ("code",), [{"code": "F1", "beds": 777}])
    rows(statement, role="transform")
    try:
        with pytest.raises(KhoError) as refused:
            release.diff("health", build)
            judge("health", build)
            release.promote("health", build)
        assert refused.value.code == code or refused.value.where["sqlstate"] == code
        assert live("health", "facility", ("code",)) == before
    finally:
        rows(
            f"drop table if exists {CANDIDATE} cascade"
            if "view" not in disguise
            else "drop view if exists candidate_health.facility; "
            "drop materialized view if exists candidate_health.facility"
            if disguise == "view"
            else "drop materialized view candidate_health.facility"
        )
        rows(
            "drop domain if exists candidate_health.d; drop type if exists candidate_health.t; drop type if exists candidate_health.e"
        )


def test_a_candidate_cannot_be_changed_while_it_is_read(house: Path) -> None:
    build = release.begin("health", NIGHT)
    put_candidate("health", "facility", TYPES, ("code",), ROWS)
    with connect("release") as connection:
        connection.execute("select release.diff('health', %s)", (build,))
        assert (
            sqlstate("transform", f"set lock_timeout = 200; alter table {CANDIDATE} enable row level security")
            == "55P03"
        )


def test_what_changes_after_the_gate_does_not_reach_readers(house: Path) -> None:
    build = frozen("health", facility([{"code": "F1", "beds": 1}, {"code": "F2", "beds": 22}]))
    judge("health", build)
    rows(f"update {CANDIDATE} set beds = 666; insert into {CANDIDATE} values ('evil', 1)", role="transform")
    release.promote("health", build)
    assert {key[0]: row["beds"] for key, row in live("health", "facility", ("code",)).items()} == {"F1": 1, "F2": 22}


# -- promotion ------------------------------------------------------------------------------------------------------------


def promoted(build: int) -> str:
    try:
        release.promote("health", build)
    except KhoError as error:
        return refusal(error)
    return ""


def test_promotion_needs_this_build_s_green_gate(house: Path) -> None:
    before = live("health", "facility", ("code",))
    first = frozen("health", facility([{"code": "G1", "beds": 1}]))
    assert promoted(first) == "KH041"
    judge("health", first, "fail")
    assert promoted(first) == "KH043"
    assert sqlstate("gate", "update kho.gate set verdict = 'pass'") == DENIED
    second = frozen("health", facility([{"code": "G2", "beds": 1}]))
    assert promoted(second) == "KH041"  # another build was judged
    assert promoted(first) == "KH040"  # dropped
    building = release.begin("health", NIGHT)
    assert promoted(building) == "KH040"
    assert promoted(987654) == "KH040"
    assert live("health", "facility", ("code",)) == before


def test_a_gate_of_another_subject_does_not_count(house: Path) -> None:
    build = frozen("health", facility([{"code": "G1", "beds": 1}]))
    with connect("gate") as connection:
        connection.execute(
            "insert into kho.gate (build, subject, verdict, rules_hash, full_scan) values (%s, 'land', 'pass', 'r', true)",
            (build,),
        )
        ledger.append(connection, "gate", "land", build)
    assert promoted(build) == "KH041"


def test_a_gate_altered_before_promotion_does_not_count(house: Path) -> None:
    build = frozen("health", facility([{"code": "G1", "beds": 1}]))
    judge("health", build, "fail")
    rows("update kho.gate set verdict = 'pass' where build = %s", (build,))
    assert promoted(build) == "KH042"


def test_a_hand_made_gate_without_its_ledger_row_does_not_commit(house: Path) -> None:
    build = frozen("health", facility([{"code": "G1", "beds": 1}]))
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        judge("health", build, testify=False)
    assert promoted(build) == "KH041"


@pytest.mark.parametrize(
    ("role", "kind"),
    [("loader", "gate"), ("loader", "release"), ("gate", "release"), ("gate", "receipt"), ("release", "gate")],
)
def test_a_role_testifies_only_to_its_own_stage(house: Path, role: str, kind: str) -> None:
    statement = "select kho.ledger_append(%s, '2026-01-01T00:00:00Z', %s, 'health', 1, '\\x00')"
    seq = value("select max(seq) + 1 from kho.ledger")
    assert sqlstate(role, statement, (seq, kind)) == "KH011"
    for table in ("gate", "release", "delivery", "ledger"):
        if (role, table) not in (("gate", "gate"), ("loader", "delivery")):
            assert sqlstate(role, f"insert into kho.{table} select * from kho.{table}") == DENIED


def test_promotion_refuses_when_live_has_moved_on(house: Path) -> None:
    older = frozen("health", facility([{"code": "G1", "beds": 1}]))
    judge("health", older)
    newer = release.begin("health", NIGHT)
    assert promoted(older) == ""
    put_candidate("health", "facility", TYPES, ("code",), [{"code": "G2", "beds": 2}])
    release.diff("health", newer)
    judge("health", newer)
    assert promoted(newer) == "KH044"
    assert set(live("health", "facility", ("code",))) == {("G1",)}


def test_twice_is_once(house: Path) -> None:
    build = frozen("health", facility([{"code": "G1", "beds": 1}]))
    judge("health", build)
    assert release.promote("health", build) == release.promote("health", build)
    assert sqlstate("release", "select release.promote('health', %s, 'x')", (build,)) == "KH040"
    assert rows("select count(*) from kho.release where build = %s", (build,)) == [(1,)]
    assert sqlstate("release", "select release.diff('health', %s)", (build,)) == "KH038"


def test_two_promotions_at_once_make_one_release(house: Path) -> None:
    build = frozen("health", facility([{"code": f"G{n}", "beds": n} for n in range(3000)]))
    judge("health", build)
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(release.promote("health", build))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 3 and len(set(answers)) == 1
    assert len(live("health", "facility", ("code",))) == 3000


def test_nothing_of_a_build_is_readable_before_its_release(empty: Path) -> None:
    """Neither the frozen rows of a first load nor the candidate: only the gate looks at them."""
    build = frozen("health", facility())
    names = "relname ~ 'health__|^facility$'"
    relations = rows(f"select oid::regclass::text from pg_class where relkind in ('r', 'v') and {names}")
    assert len(relations) == 4
    for (relation,) in relations:
        assert sqlstate("analyst", sql.SQL("select * from {}").format(sql.SQL(relation)).as_string(None)) == DENIED  # type: ignore[arg-type]
        assert sqlstate("exchange", f"select * from {relation}") == DENIED
    assert rows("select count(*) from journal.health__facility__future", role="gate") == [(5,)]
    judge("health", build)
    release.promote("health", build)
    assert rows("select count(*) from health.facility", role="analyst") == [(5,)]

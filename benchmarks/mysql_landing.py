"""mysql: a MariaDB table into raw, against `mariadb --batch --quick` piped into COPY of a keyed table, and against dlt.

Ours is the first delivery of a cursor feed: reading under a snapshot, keeping and hashing the bytes, every rule of the contract, receipt,
ledger. The pipe checks and keeps nothing. dlt reads with its sql_database source (Arrow) and its fastest loader; ingestr
is shown where it is there.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmarks import ingestr, parcels
from benchmarks.csv_landing import PARCEL_TABLE, PHASES
from benchmarks.ground import FLOOR, psql, psql_command, reset, settle
from benchmarks.measure import ROWS, Contender, Watch, result, take_turns
from orchestration.contracts import Contract
from orchestration.contracts.model import Source
from orchestration.landing import land_dataset
from orchestration.warehouse import connections

VARIABLE = "KHO_SOURCE_LAND_MYSQL"


def run(home: Path) -> None:
    """One benchmark; RuntimeError with what to install where there is no MariaDB."""
    from simulator.systems.mariadb import Server

    server = Server(home / "mariadb")
    try:
        server.prepare()
        make_register(server, home / "parcel.csv")
        at = server.account
        url = f"mysql://{at['user']}:{quote(at['password'], safe='')}@{at['host']}:{at['port']}/register"
        os.environ[VARIABLE] = url
        contenders: dict[str, Contender] = {"kho": ours, "mariadb | psql": floor(at), "dlt": peer(home, url)}
        if ingestr.is_there():
            contenders["ingestr"] = ingestr.peer(home, url, "register.parcel")
        figures = take_turns(contenders)
    finally:
        server.stop()
    figures.table(f"mysql: {ROWS} rows of 9 columns", list(contenders))
    for name in list(contenders)[2:]:
        print(f"  {name} takes {figures.median(name) / figures.median('kho'):.2f} times as long as kho")
    result("mysql", figures.median("kho"), figures.median("mariadb | psql"), 1.6)


def make_register(server: Any, file: Path) -> None:
    """The parcels as a table of MariaDB, with its key and the index an agency would have on its cursor."""
    parcels.write_csv(file, moment=True)
    with server.connect() as cursor:
        cursor.execute("set global general_log = off")  # nobody pays for writing down what was asked
        cursor.execute("create database register")
        cursor.execute(f"grant select on register.* to {server.account['user']}@'127.0.0.1'")
        cursor.execute(
            "create table register.parcel (ma_thua varchar(20), dia_chi varchar(200), ma_xa varchar(5), loai_dat varchar(3), ngay_dang_ky date,"
            " so_to int, dien_tich decimal(12,1), the_chap tinyint(1), cap_nhat_luc datetime, primary key (ma_thua))"
        )
        cursor.execute(
            f"load data local infile '{file}' into table register.parcel character set utf8mb4 fields terminated by ',' optionally enclosed by '\"'"
            " ignore 1 lines (ma_thua, dia_chi, ma_xa, loai_dat, ngay_dang_ky, so_to, dien_tich, @pledged, cap_nhat_luc)"
            " set the_chap = @pledged = 't'"
        )
        cursor.execute("alter table register.parcel add index (cap_nhat_luc)")
        cursor.execute("analyze table register.parcel")
    file.unlink()


def contract() -> Contract:
    """The cursor feed of parcels, from MariaDB instead of PostgreSQL."""
    source = Source("database", f"${{{VARIABLE}}}", {"table": "register.parcel", "dialect": "mysql"})
    return replace(parcels.contract("parcel"), sources=(source,))


def ours(watch: Watch) -> None:
    reset()
    settle()
    with watch, watch.calls(PHASES):
        (receipt,) = land_dataset(contract(), night=parcels.day(0), env=os.environ)
    assert (receipt.outcome, receipt.inserted) == ("applied", ROWS), receipt


def floor(at: dict[str, Any]) -> Contender:
    """What `--batch` writes is what COPY reads, but for how a missing value is spelt."""
    command = [
        "mariadb",
        "--no-defaults",
        "--batch",
        "--quick",
        "--skip-column-names",
        "--default-character-set=utf8mb4",
    ]
    command += [f"--host={at['host']}", f"--port={at['port']}", f"--user={at['user']}", f"--password={at['password']}"]

    def contender(watch: Watch) -> None:
        psql(FLOOR, "drop table if exists parcel")
        psql(FLOOR, f"create table parcel ({PARCEL_TABLE}, cap_nhat_luc timestamptz)")
        settle()
        into = psql_command(FLOOR, "copy parcel from stdin with (null 'NULL')")
        with watch:
            sender = subprocess.Popen([*command, "-e", "select * from register.parcel"], stdout=subprocess.PIPE)
            subprocess.run(into, stdin=sender.stdout, check=True)
            assert sender.wait() == 0
        assert int(psql(FLOOR, "select count(*) from parcel")) == ROWS

    return contender


def peer(home: Path, url: str) -> Contender:
    """dlt: Arrow tables of its sql_database source, loaded as parquet by ADBC into a table without a key."""

    def contender(watch: Watch) -> None:
        import adbc_driver_postgresql.dbapi  # noqa: F401  # dlt imports it while it loads; no contender pays for imports
        import dlt
        from dlt.sources.sql_database import sql_table

        address = connections.parts("admin")
        target_url = f"postgresql://postgres:none@localhost:{address['port']}/{FLOOR}?host={address['host']}"
        psql(FLOOR, "drop schema if exists peer cascade")
        settle()
        with watch:
            target = dlt.destinations.postgres(target_url)
            pipeline = dlt.pipeline("mysql", pipelines_dir=str(home / "dlt"), destination=target, dataset_name="peer")
            source = url.replace("mysql://", "mysql+pymysql://", 1)
            table = sql_table(source, table="parcel", backend="pyarrow", chunk_size=50_000)
            pipeline.run(table, loader_file_format="parquet")
        pipeline.drop()
        assert int(psql(FLOOR, "select count(*) from peer.parcel")) == ROWS

    return contender

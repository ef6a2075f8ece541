"""database: an agency's PostgreSQL into raw, against two psql in a pipe with binary COPY into a keyed table.

Source and target are databases of one cluster. Ours is the first delivery of a cursor feed: reading under a snapshot, keeping and
hashing the bytes, every rule of the contract, receipt, ledger. The pipe checks and keeps nothing.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from benchmarks import ingestr, parcels
from benchmarks.csv_landing import PARCEL_TABLE, PHASES
from benchmarks.ground import AGENCY, FLOOR, psql, psql_command, reset, settle
from benchmarks.measure import ROWS, Contender, Watch, result, take_turns
from orchestration.landing import land_dataset
from orchestration.warehouse import connections


def run(home: Path) -> None:
    """One benchmark."""
    parcels.make_register()
    contenders: dict[str, Contender] = {"kho": ours, "psql | psql": floor}
    if ingestr.is_there():
        address = connections.parts("admin")
        source = f"postgresql+psycopg2://postgres:none@localhost:{address['port']}/{AGENCY}?host={address['host']}"
        contenders["ingestr"] = ingestr.peer(home, source, "register.parcel")
    figures = take_turns(contenders)
    figures.table(f"database: {ROWS} rows of 9 columns", list(contenders))
    result("database", figures.median("kho"), figures.median("psql | psql"), 1.6)


def ours(watch: Watch) -> None:
    reset()
    settle()
    with watch, watch.calls(PHASES):
        (receipt,) = land_dataset(parcels.contract("parcel"), night=parcels.day(0), env=os.environ)
    assert (receipt.outcome, receipt.inserted) == ("applied", ROWS), receipt


def floor(watch: Watch) -> None:
    psql(FLOOR, "drop table if exists parcel")
    psql(FLOOR, f"create table parcel ({PARCEL_TABLE}, cap_nhat_luc timestamptz)")
    settle()
    out = psql_command(AGENCY, "copy (select * from register.parcel) to stdout (format binary)")
    into = psql_command(FLOOR, "copy parcel from stdin (format binary)")
    with watch:
        sender = subprocess.Popen(out, stdout=subprocess.PIPE)
        subprocess.run(into, stdin=sender.stdout, check=True)
        assert sender.wait() == 0
    assert int(psql(FLOOR, "select count(*) from parcel")) == ROWS

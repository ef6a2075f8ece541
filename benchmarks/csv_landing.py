"""csv, csv-dirty: a CSV file into raw, against `\\copy` of the same file into a keyed table, and against dlt.

Ours is the whole landing: reading the drop folder, keeping and hashing the bytes, every rule of the contract, receipt, ledger.
The floor checks nothing. dlt gets an Arrow table and its fastest loader.
"""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks import parcels
from benchmarks.ground import FLOOR, psql, reset, settle
from benchmarks.measure import ROWS, Contender, Watch, result, take_turns
from orchestration.landing import land, set_aside
from orchestration.landing.keep import Kept
from orchestration.landing.load import Loader
from orchestration.sources import open_source
from orchestration.warehouse import connections

PARCEL_TABLE = (
    "ma_thua text primary key, dia_chi text, ma_xa text, loai_dat text, ngay_dang_ky date, so_to integer,"
    " dien_tich numeric(12,1), the_chap boolean"
)
PHASES = {
    (Loader, "_copy"): "copy",
    (Loader, "count"): "check",
    (Loader, "_unique"): "key",
    (set_aside, "hold"): "quarantine",
    (Kept, "seal"): "keep",
}


def run(home: Path) -> None:
    """Both benchmarks, against one floor."""
    clean = parcels.write_csv(home / "clean.csv")
    dirty = parcels.write_csv(home / "dirty.csv", dirty=True)
    bad = ROWS // 100 if ROWS % 100 < 77 else ROWS // 100 + 1
    contenders: dict[str, Contender] = {
        "kho, clean file": ours(home, clean, quarantined=0),
        r"\copy, clean file": floor(clean),
        "kho, 1 % bad rows": ours(home, dirty, quarantined=bad),
        "dlt, clean file": peer(home, clean),
    }
    figures = take_turns(contenders)
    median = figures.median
    figures.table(f"csv: {clean.stat().st_size / 2**20:.0f} MB, {ROWS} rows of 8 columns", list(contenders))
    for name in list(contenders)[3:]:
        print(f"  {name.partition(',')[0]} takes {median(name) / median('kho, clean file'):.2f} times as long as kho")
    result("csv", median("kho, clean file"), median(r"\copy, clean file"), 1.5)
    result("csv-dirty", median("kho, 1 % bad rows"), median(r"\copy, clean file"), 2)


def offer(home: Path, file: Path, version: int = 0) -> None:
    """Lay a file into the drop folder under the name of a version's day."""
    target = home / "files" / f"parcel_{parcels.day(version):%Y%m%d}.csv"
    target.unlink(missing_ok=True)
    os.link(file, target)


def ours(home: Path, file: Path, *, quarantined: int) -> Contender:
    def contender(watch: Watch) -> None:
        reset()
        offer(home, file)
        settle()
        with watch, watch.calls(PHASES):
            with watch.phase("look"):
                delivery = next(iter(open_source(parcels.contract("parcel_file"), None, os.environ)))
            receipt = land(parcels.contract("parcel_file"), delivery, night=parcels.day(0))
        assert (receipt.outcome, receipt.received, receipt.quarantined) == ("applied", ROWS, quarantined), receipt
        (home / "files" / "done" / delivery.name).unlink()

    return contender


def floor(file: Path) -> Contender:
    def contender(watch: Watch) -> None:
        psql(FLOOR, "drop table if exists parcel")
        settle()
        with watch:
            psql(
                FLOOR, rf"create table parcel ({PARCEL_TABLE}) ;; \copy parcel from '{file}' with (format csv, header)"
            )
        assert int(psql(FLOOR, "select count(*) from parcel")) == ROWS

    return contender


def peer(home: Path, file: Path) -> Contender:
    """dlt: an Arrow table read by pyarrow, loaded as parquet by ADBC (its COPY, and faster here than its CSV loader)."""

    def contender(watch: Watch) -> None:
        import adbc_driver_postgresql.dbapi  # noqa: F401  # dlt imports it while it loads; no contender pays for imports
        import dlt
        import pyarrow as pa
        from pyarrow import csv

        address = connections.parts("admin")
        # dlt asks for a host and a password; libpq takes the socket of the query.
        url = f"postgresql://postgres:none@localhost:{address['port']}/{FLOOR}?host={address['host']}"
        types = {
            "ma_thua": pa.string(), "dia_chi": pa.string(), "ma_xa": pa.string(), "loai_dat": pa.string(), "ngay_dang_ky": pa.date32(),
            "so_to": pa.int32(), "dien_tich": pa.decimal128(12, 1), "the_chap": pa.bool_(),
        }  # fmt: skip
        psql(FLOOR, "drop schema if exists peer cascade")
        settle()
        with watch:
            target = dlt.destinations.postgres(url)
            pipeline = dlt.pipeline("parcels", pipelines_dir=str(home / "dlt"), destination=target, dataset_name="peer")
            options = csv.ConvertOptions(column_types=types, true_values=["t"], false_values=["f"])
            table = csv.read_csv(file, convert_options=options)
            pipeline.run(table, table_name="parcel", loader_file_format="parquet")
        pipeline.drop()
        assert int(psql(FLOOR, "select count(*) from peer.parcel")) == ROWS

    return contender

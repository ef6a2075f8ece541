"""ingestr as a further peer, shown where the environment variable INGESTR names its program.

Belongs here: its command line and environment. Stays out: what is measured beside it. It is in no dependency group: the versions under an
open-source licence (0.13, MIT) ask for SQLAlchemy below 2 and older pyarrow than Kho does, so they need an environment of their own:

    uv venv ingestr && uv pip install --python ingestr/bin/python 'ingestr==0.13.94'
    INGESTR=$PWD/ingestr/bin/ingestr make bench BENCH=mysql

Later versions have the Functional Source License and fetch a program from elsewhere when first started. It is not shown for CSV files,
of which that version loses rows: of 20,000 it loaded 19,981, all as texts.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from benchmarks.ground import FLOOR, psql, settle
from benchmarks.measure import ROWS, Contender, Watch
from orchestration.warehouse import connections


def is_there() -> bool:
    """Whether somebody has said where it is."""
    return bool(os.environ.get("INGESTR"))


def peer(home: Path, source: str, table: str) -> Contender:
    """A table of a source (URI) into a table without a key; the start of its program is counted, as for everybody who calls it."""

    def contender(watch: Watch) -> None:
        address = connections.parts("admin")
        target = f"postgresql://postgres:none@localhost:{address['port']}/{FLOOR}?host={address['host']}"
        psql(FLOOR, "drop schema if exists ingested cascade")
        settle()
        command = [
            os.environ["INGESTR"],
            "ingest",
            "--yes",
            "--progress",
            "log",
            "--full-refresh",
            "--sql-backend",
            "pyarrow",
        ]
        command += [
            "--source-uri",
            source,
            "--source-table",
            table,
            "--dest-uri",
            target,
            "--dest-table",
            "ingested.parcel",
        ]
        command += ["--pipelines-dir", str(home / "ingestr")]
        quiet = {"DISABLE_TELEMETRY": "true", "INGESTR_DISABLE_TELEMETRY": "true", "RUNTIME__DLTHUB_TELEMETRY": "false"}
        with watch:
            done = subprocess.run(
                command, env={**os.environ, **quiet}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        if done.returncode:
            raise RuntimeError(done.stdout.decode(errors="replace")[-2000:])
        assert int(psql(FLOOR, "select count(*) from ingested.parcel")) == ROWS

    return contender

"""`python -m benchmarks [name …] [--second-night]`: run the benchmarks named, or all of them. ROWS, ROUNDS and SCALE are read from the environment."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys

from benchmarks.ground import ground, server_version
from benchmarks.measure import RESULTS, ROUNDS, ROWS, machine

MODULES = {
    "csv": "csv_landing",
    "database": "database_landing",
    "mysql": "mysql_landing",
    "excel": "excel_landing",
    "stations": "station_landing",
    "night": "night",
    "gate": "night_gate",
    "dbt": "dbt_step",
    "exchange-send": "exchange_send",
    "exchange-plan": "exchange_plan",
    "simulate": "simulate",
    "province": "province_landing",
}


def main(arguments: list[str]) -> int:
    names = [argument for argument in arguments if argument != "--second-night"]
    if names != arguments:
        os.environ["NIGHTS"] = "2"
    unknown = [name for name in names if name not in MODULES]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; there are {', '.join(MODULES)}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that server and folder go in every case
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    for name in names or MODULES:
        with ground() as home:
            if not RESULTS:
                print(f"{machine()}, PostgreSQL {server_version()}, {ROWS} rows, {ROUNDS} rounds", flush=True)
            importlib.import_module(f"benchmarks.{MODULES[name]}").run(home)
    print("\n" + "\n".join(RESULTS))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The register of parcels, made up: the same rows as a CSV file and as an agency's table.

Belongs here: rows as a function of (number, version), written by the server itself. Stays out: measuring.
From one version to the next 1 % of the rows are updated, 0.1 % inserted, 0.1 % deleted. Versions 0 to 40.
"""

from __future__ import annotations

import os
from datetime import date, timedelta
from pathlib import Path

from benchmarks.ground import AGENCY, psql
from benchmarks.measure import ROWS
from orchestration.contracts import Contract, load

BATCH = max(1, ROWS // 1000)
FIRST_DAY = date(2026, 1, 1)
_ASSETS = Path(__file__).parent / "land" / "assets" / "agencies" / "land_office"


def contract(name: str) -> Contract:
    """`parcel` (the agency's database, by cursor) or `parcel_file` (CSV snapshots)."""
    return load(_ASSETS / f"{name}.yaml")


def day(version: int) -> date:
    """The as-of date, and the night, of a version."""
    return FIRST_DAY + timedelta(days=version)


def rows_sql(version: int, where: str = "true") -> str:
    """A query of the rows of a version, with g (number of the parcel) and w (version of its last change)."""
    return f"""
        select 'TD' || lpad(g::text, 10, '0') as ma_thua,
               'Thửa ' || g % 997 || ', ' || (array['đường Lý Thái Tổ', 'phố Vũ Ninh', 'thôn Đồng Kỵ', 'ngõ Yên Thế',
                   'tổ dân phố Nếnh', 'đường Hoàng Hoa Thám', 'khu Thượng'])[1 + h % 7] || ', phường Kinh Bắc' as dia_chi,
               (7000 + h % 2999)::text || g % 10 as ma_xa,
               (array['ONT', 'ODT', 'LUC', 'CLN', 'NTS', 'SKC'])[1 + h % 6] as loai_dat,
               date '2005-01-01' + (h % 7000)::int as ngay_dang_ky,
               (1 + h % 9999)::int as so_to,
               ((h % 100000 + 100 * w) / 10.0)::numeric(12, 1) as dien_tich,
               h % 5 = 0 as the_chap,
               timestamptz '{FIRST_DAY}' + make_interval(days => w::int, secs => g % 86000) as cap_nhat_luc,
               g, w
          from (select g, greatest(case when g % 100 between 1 and {version} then g % 100 else 0 end,
                                   (g - {ROWS} + {BATCH - 1}) / {BATCH}) as w,
                       abs(hashint8(g)::bigint) as h
                  from generate_series(1::bigint, {ROWS + version * BATCH}) g
                 where not (g <= {ROWS} and g % 1000 between 551 and {550 + version})) r
         where {where}"""


#: One row in a hundred breaks the contract, in six ways that take turns.
_DIRT = {
    "dia_chi": "case when bad = 0 then null else dia_chi end",
    "ma_xa": "case when bad = 1 then '24-X' else ma_xa end",
    "loai_dat": "case when bad = 2 then 'odt?' else loai_dat end",
    "ngay_dang_ky": "case when bad = 3 then '31/02/2020' else ngay_dang_ky::text end",
    "so_to": "case when bad = 4 then '0' else so_to::text end",
    "dien_tich": "case when bad = 5 then 'một sào' else dien_tich::text end",
}
COLUMNS = ("ma_thua", "dia_chi", "ma_xa", "loai_dat", "ngay_dang_ky", "so_to", "dien_tich", "the_chap")


def write_csv(path: Path, version: int = 0, *, dirty: bool = False, moment: bool = False) -> Path:
    """The snapshot of a version as a CSV file, its last write long ago. `moment`: with the local time of a row's last change."""
    columns = [f"{_DIRT[name]} as {name}" if dirty and name in _DIRT else name for name in COLUMNS]
    columns += ["cap_nhat_luc at time zone 'Asia/Ho_Chi_Minh' as cap_nhat_luc"] if moment else []
    bad = "case when g % 100 = 77 then (g / 100) % 6 end as bad"
    query = f"select {', '.join(columns)} from (select *, {bad} from ({rows_sql(version)}) rows) rows"
    with path.open("wb") as file:
        psql(AGENCY, f"copy ({query}) to stdout with (format csv, header)", stdout=file)
    os.utime(path, (path.stat().st_mtime - 60,) * 2)
    return path


def make_register() -> None:
    """The agency's table at version 0, with the index an agency would have on its cursor."""
    columns = ", ".join([*COLUMNS, "cap_nhat_luc"])
    psql(
        AGENCY,
        f"""drop schema if exists register cascade ;; create schema register ;;
            create table register.parcel as select {columns} from ({rows_sql(0)}) rows ;;
            alter table register.parcel add primary key (ma_thua) ;; create index on register.parcel (cap_nhat_luc) ;;
            vacuum analyze register.parcel""",
    )


def move_register(version: int) -> None:
    """The agency's table moves on to a version from the one before."""
    columns = ", ".join([*COLUMNS, "cap_nhat_luc"])
    changed = f"select * from ({rows_sql(version)}) rows where w = {version}"
    psql(
        AGENCY,
        f"""create temporary table gone as select 'TD' || lpad(g::text, 10, '0') as ma_thua
              from generate_series(1::bigint, {ROWS}) g where g % 1000 = {550 + version} ;;
            delete from register.parcel p using gone where p.ma_thua = gone.ma_thua ;;
            create temporary table changed as {changed} ;;
            insert into register.parcel ({columns}) select {columns} from changed on conflict (ma_thua) do update
               set dien_tich = excluded.dien_tich, cap_nhat_luc = excluded.cap_nhat_luc ;;
            vacuum analyze register.parcel""",
    )

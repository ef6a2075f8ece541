"""The health department's far end: a PostgreSQL server of its own.

Belongs here: its schema `syt`, its rows moved from night to night by real statements.
Stays out: the server as such (`systems.postgres`), what is in the rows (`nights`).
"""

from __future__ import annotations

from pathlib import Path

from simulator.story import datasets as ds
from simulator.story.nights import Key, Night, Row
from simulator.systems.postgres import READER, Cluster

DATABASE = "syt"
TABLES = {ds.FACILITY.id: "syt.co_so_kcb", ds.LICENCE.id: "syt.giay_phep"}
_SCHEMA = """
create schema syt;
create table syt.co_so_kcb (
    ma_cskcb text primary key, ten text, hinh_thuc text, cap_chuyen_mon text, so_giuong integer, ma_xa text,
    dien_thoai text, ngay_hoat_dong date, dang_hoat_dong boolean, cap_nhat_luc timestamptz);
create table syt.giay_phep (
    so_giay_phep text primary key, ma_cskcb text, pham_vi text, ngay_cap date, ngay_het_han date, trang_thai text,
    nguoi_phu_trach text, so_dinh_danh text, cap_nhat_luc timestamptz);
create index on syt.co_so_kcb (cap_nhat_luc);
create index on syt.giay_phep (cap_nhat_luc);
comment on table syt.co_so_kcb is 'Cơ sở khám bệnh, chữa bệnh';
comment on table syt.giay_phep is 'Giấy phép hoạt động khám bệnh, chữa bệnh';
"""


class HealthSystem:
    """The health department's database server. Steps: `prepare`, `load`, then `apply`, `down`, `up` at will, `stop`."""

    def __init__(self, home: Path) -> None:
        """`home`: where the server's log and the note of its whereabouts go."""
        self._cluster = Cluster(home, "syt")
        self._rows: dict[str, dict[Key, Row]] = {}

    @property
    def url(self) -> str:
        """For readers."""
        return self._cluster.url(DATABASE)

    def prepare(self) -> None:
        """Make an empty cluster and start it."""
        self._cluster.prepare()

    def load(self, night: Night) -> None:
        """Create the database with the content of the first night."""
        self._cluster.create_database(DATABASE)
        with self._cluster.connect(DATABASE) as connection, connection.transaction():
            connection.execute(_SCHEMA)
            connection.execute(f"grant usage on schema syt to {READER}")
            connection.execute(f"grant select on all tables in schema syt to {READER}")
            for dataset, table in TABLES.items():
                columns = ds.DATASETS[dataset].columns
                rows = night.views[dataset]
                with connection.cursor().copy(f"copy {table} ({', '.join(columns.values())}) from stdin") as copy:
                    for row in rows:
                        copy.write_row([row[name] for name in columns])
                self._rows[dataset] = {ds.DATASETS[dataset].key_of(row): row for row in rows}

    def apply(self, night: Night) -> dict[str, int]:
        """Bring the tables to a later night by DELETE, UPDATE, INSERT in one transaction; returns how many of each."""
        counts = {"delete": 0, "update": 0, "insert": 0}
        with self._cluster.connect(DATABASE) as connection, connection.transaction():
            for dataset, table in TABLES.items():
                now = {ds.DATASETS[dataset].key_of(row): row for row in night.views[dataset]}
                before = self._rows[dataset]
                source = ds.DATASETS[dataset].columns
                key = source[ds.DATASETS[dataset].key[0]]
                for gone in before.keys() - now.keys():
                    connection.execute(f"delete from {table} where {key} = %s", gone)
                    counts["delete"] += 1
                for code, row in now.items():
                    if code not in before:
                        marks = ", ".join(["%s"] * len(source))
                        connection.execute(
                            f"insert into {table} ({', '.join(source.values())}) values ({marks})",
                            [row[name] for name in source],
                        )
                        counts["insert"] += 1
                    elif row != before[code]:
                        changed = [name for name in source if row[name] != before[code][name]]
                        sets = ", ".join(f"{source[name]} = %s" for name in changed)
                        values = [row[name] for name in changed]
                        connection.execute(f"update {table} set {sets} where {key} = %s", [*values, *code])
                        counts["update"] += 1
                self._rows[dataset] = now
        return counts

    @property
    def is_up(self) -> bool:
        """True when the server runs."""
        return self._cluster.is_up

    def up(self) -> None:
        """Start the server; nothing when it runs."""
        self._cluster.up()

    def down(self) -> None:
        """Stop the server: connections break and new ones are refused. The data stays."""
        self._cluster.down()

    def stop(self) -> None:
        """Stop the server, keep its log, remove its folder."""
        self._cluster.stop()

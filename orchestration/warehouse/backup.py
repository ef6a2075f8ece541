"""The warehouse in one file, and back.

Belongs here: pg_dump and pg_restore, the moment they are of, one database in the other's place, the order of it all. Stays out: the
file, its manifest and the keys beside it (`archive`); verifying the ledger (the caller hands that in).

Roles are cluster-wide and made by `sql/roles.sql`; the ledger's key is a secret and stays outside. A restore fills a database of
its own beside the warehouse and takes its place only when everything has been checked.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration import settings
from orchestration.errors import KhoError
from orchestration.warehouse import archive, connections, schema
from orchestration.warehouse.archive import DAGSTER_DUMP, DUMP, KEYS, Manifest
from orchestration.warehouse.connections import connect, is_external

if TYPE_CHECKING:
    import tarfile

    import psycopg


def backup(target: Path, *, deliveries: bool = True, dagster: bool = False) -> Manifest:
    """Write the backup to `target`, replacing it, and return its manifest. Nobody has to stop working meanwhile.

    Where there are keys of personal deliveries, `KEYS` beside it is replaced too; KhoError when that is another warehouse's.
    """
    beside = target.with_name(KEYS)
    if beside.exists():
        archive.read_keys(beside, archive.key_id())
    files: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix=".kho-backup-", dir=target.absolute().parent) as scratch:
        dump = Path(scratch) / "dump"
        # The dump and the head it must verify against are of one snapshot.
        with connect("admin") as admin:
            admin.execute("set transaction isolation level repeatable read, read only")
            version = _dump_version(admin.info.server_version)
            row = admin.execute(
                """select pg_export_snapshot(), (select version_num from kho.schema_version),
                          coalesce((select max(seq) from kho.ledger), 0),
                          coalesce((select encode(mac, 'hex') from kho.ledger order by seq desc limit 1), ''),
                          exists (select from kho.delivery where synthetic)"""
            ).fetchone()
            assert row is not None
            snapshot, schema_version, seq, mac, synthetic = row
            manifest = Manifest(
                archive.FORMAT,
                settings.now().isoformat(timespec="seconds"),
                admin.info.server_version,
                version,
                schema_version,
                seq,
                mac,
                archive.key_id(),
                synthetic,
                files,
            )
            _dump(connections.parts("admin"), dump, f"--snapshot={snapshot}")
        with archive.written(target, "w") as tar:
            archive.add(tar, dump, DUMP, files)
            if dagster:
                _dump({**connections.parts("admin"), "dbname": _dagster_database()}, dump)
                archive.add(tar, dump, DAGSTER_DUMP, files)
            if deliveries:
                archive.add_folder(tar, "deliveries", settings.kept_folder(), files)
            archive.add_folder(tar, "portal", settings.portal_folder(), files)
            archive.add_manifest(tar, manifest)
    archive.write_keys(beside)
    return manifest


def restore(
    source: Path,
    *,
    replace: bool,
    check: Callable[[psycopg.Connection, Manifest], None] | None,
    keys: Path | None = None,
) -> Manifest:
    """Bring a backup back and return its manifest.

    `keys`: the file with the keys of personal deliveries, by default `KEYS` beside the backup where there is one. Bytes whose keys
    are nowhere come back all the same; the caller asks which they are.

    `check` gets a connection of kho_release to the restored database and may refuse it.
    Synthetic data are not brought into an external warehouse.
    Without `replace` a warehouse that holds evidence is refused. The previous one is dropped once the new one stands.
    """
    with archive.opened(source) as tar:
        manifest = archive.verified(tar, source)
        _can_restore(manifest.pg_dump_version)
        ring = keys or source.with_name(KEYS)
        held = archive.read_keys(ring, manifest.key_id) if keys or ring.exists() else {}
        if manifest.synthetic and is_external():
            raise KhoError(
                connections.SYNTHETIC_OUTSIDE,
                "bản sao lưu này là của một kho dữ liệu mô phỏng, kho ngoài (WAREHOUSE_URL) không bao giờ nhận",
                "this is a backup of a warehouse of synthetic data, which an external one (WAREHOUSE_URL) never takes",
            )
        if check is not None and not archive.has_ledger_key(manifest.key_id):
            raise KhoError(
                "ledger_key",
                "khóa sổ cái ở đây không phải của bản sao lưu: hãy chép secrets/ledger.key hoặc đặt KHO_LEDGER_KEY",
                "the ledger's key here is not that of the backup: first copy secrets/ledger.key or set KHO_LEDGER_KEY",
            )
        connections.ensure_running()
        database = connections.database_name()
        if _holds_evidence(database) and not replace:
            raise KhoError(
                "not_empty",
                "kho đang có dữ liệu; thêm --yes để thay",
                "the warehouse holds data; add --yes to replace it",
            )
        restored = f"{database}_restoring"
        with tempfile.TemporaryDirectory(prefix="kho-restore-", dir=archive.made(settings.home())) as scratch:
            _fill(restored, tar, DUMP, manifest, scratch, roles=True)
            if check is not None:
                with connect("release", dbname=restored) as connection:
                    check(connection, manifest)
            _forget_what_was_sent(restored)
            _take_place(restored, database)
            if DAGSTER_DUMP in manifest.files:
                history = _dagster_database()
                _fill(f"{history}_restoring", tar, DAGSTER_DUMP, manifest, scratch)
                _take_place(f"{history}_restoring", history)
        archive.extract(tar, "deliveries", settings.kept_folder())
        archive.put_back(held, manifest)
        archive.extract(tar, "portal", settings.portal_folder())
        for folder in settings.kept_folder().rglob("*"):
            if folder.is_dir():
                folder.chmod(0o700)
        archive.show(settings.portal_folder())
    schema.init()
    return manifest


def _forget_what_was_sent(database: str) -> None:
    """Since the backup, what waits in the outbox may have been sent: as if its sender had died, it is asked about first, after a while."""
    with connect("admin", dbname=database) as admin:
        if admin.execute("select to_regclass('kho.batch')").fetchone() != (None,):
            admin.execute(
                "update kho.batch set state = 'sending', sent_at = clock_timestamp() where state <> 'confirmed'"
            )


# -- dumping -------------------------------------------------------------------------------------------------------


def _program(name: str) -> str:
    """The program of the embedded server, or the one on the PATH."""
    if not is_external():
        from orchestration.warehouse import embedded

        return str(embedded.binaries() / name)
    found = shutil.which(name)
    if found is None:
        raise KhoError(f"{name}_missing", f"không tìm thấy {name} trên PATH", f"there is no {name} on the PATH")
    return found


def _version(name: str) -> int:
    """Major version of a client program."""
    told = subprocess.run([_program(name), "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"(\d+)", told)
    assert found is not None
    return int(found[1])


def _dump_version(server_version: int) -> int:
    """pg_dump's major version; refused when older than the server's, of which it would know too little."""
    version, needed = _version("pg_dump"), server_version // 10000
    if version < needed:
        raise KhoError(
            "pg_dump_old",
            f"pg_dump {version} cũ hơn máy chủ {needed}",
            f"pg_dump {version} is older than the server {needed}",
        )
    return version


def _can_restore(version: int) -> None:
    """Refused when pg_restore is older than the pg_dump of the backup, whose dump it could not read."""
    if _version("pg_restore") < version:
        raise KhoError(
            "pg_restore_old", f"cần pg_restore {version} trở lên", f"pg_restore {version} or newer is needed"
        )


def _dump(parts: dict[str, str], target: Path, *options: str) -> None:
    _run("pg_dump", parts, "--format=custom", f"--file={target}", *options)


def _run(name: str, parts: dict[str, str], *arguments: str) -> None:
    """Run a client program. Its messages may quote rows: only the names of the objects in them are told."""
    password = {"PGPASSWORD": parts["password"]} if "password" in parts else {}
    login = [
        f"--host={parts['host']}",
        f"--port={parts['port']}",
        f"--username={parts['user']}",
        f"--dbname={parts['dbname']}",
        "--no-password",
    ]
    environment = {**os.environ, **password, "LC_ALL": "C"}
    done = subprocess.run(
        [_program(name), *login, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        objects = (
            ", ".join(dict.fromkeys(re.findall(r"from TOC entry \d+; \d+ \d+ (.+)", done.stderr)))
            or f"exit {done.returncode}"
        )
        raise KhoError(name, f"{name} thất bại ({objects})", f"{name} failed ({objects})")


def _dagster_database() -> str:
    database = connections.database_name()
    return f"{database}_dagster" if is_external() else connections.DAGSTER_DATABASE


# -- restoring -----------------------------------------------------------------------------------------------------


def _maintenance() -> psycopg.Connection:
    """An administrator's connection that stands in nobody's way."""
    return connect("admin", autocommit=True, dbname="postgres")


def _holds_evidence(database: str) -> bool:
    with _maintenance() as admin:
        if admin.execute("select from pg_database where datname = %s", (database,)).fetchone() is None:
            return False
    with connect("admin") as admin:
        if admin.execute("select to_regclass('kho.ledger')").fetchone() == (None,):
            return False
        return admin.execute(
            "select exists (select from kho.ledger) or exists (select from kho.attempt)"
        ).fetchone() == (True,)


def _fill(
    database: str, tar: tarfile.TarFile, dump: str, manifest: Manifest, scratch: str, *, roles: bool = False
) -> None:
    """A new database with what the dump holds; all of it or none."""
    from psycopg import sql

    tar.extract(dump, scratch, filter="data")
    path = Path(scratch) / dump
    with _maintenance() as admin:
        admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(database)))
        admin.execute(sql.SQL("create database {} encoding UTF8 template template0").format(sql.Identifier(database)))
    if roles:
        with connect("admin", dbname=database) as admin:
            admin.execute((schema.HERE / "sql" / "roles.sql").read_text(encoding="utf-8"))
    # What roles.sql has made (empty schemas) is made anew from the dump, with the grants the dump remembers.
    parts = {**connections.parts("admin"), "dbname": database}
    _run("pg_restore", parts, "--single-transaction", "--exit-on-error", "--clean", "--if-exists", str(path))
    path.unlink()


def _take_place(restored: str, database: str) -> None:
    """Put the restored database in the other's place. Sessions on the old one end."""
    from psycopg import sql

    with _maintenance() as admin:
        admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(database)))
        admin.execute(
            sql.SQL("alter database {} rename to {}").format(sql.Identifier(restored), sql.Identifier(database))
        )

"""The warehouse in one file, and back.

Belongs here: pg_dump, pg_restore, the manifest, the kept deliveries, the published versions. Stays out: verifying the
ledger (the caller hands that in).

The file is a tar: `kho.dump` (and `kho_dagster.dump`), `deliveries/…`, `portal/…`, `manifest.json` last. It holds personal data,
so nobody but its maker may read it (mode 0600). Roles are cluster-wide and made by `sql/roles.sql`; the ledger's key
is a secret and stays outside. A restore fills a database of its own beside the warehouse and takes its place only when
everything has been checked.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from orchestration import settings
from orchestration.errors import KhoError
from orchestration.warehouse import connections, schema
from orchestration.warehouse.connections import connect, is_external

if TYPE_CHECKING:
    import psycopg

FORMAT = 1
_DUMP, _DAGSTER_DUMP, _MANIFEST = "kho.dump", "kho_dagster.dump", "manifest.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup is: `ledger_seq` and `ledger_mac` (hex) of the head at that moment, SHA-256 of every member.

    `key_id` tells whether a ledger key is the one the chain was made with, without telling the key. `synthetic`: the
    warehouse took in synthetic data.
    """

    format: int
    created_at: str
    server_version: int
    pg_dump_version: int
    schema_version: str
    ledger_seq: int
    ledger_mac: str
    key_id: str
    synthetic: bool = False
    files: dict[str, str] = field(default_factory=dict)


def backup(target: Path, *, deliveries: bool = True, dagster: bool = False) -> Manifest:
    """Write the backup to `target`, replacing it, and return its manifest. Nobody has to stop working meanwhile."""
    staged = target.with_name(f".{target.name}.part")
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
                FORMAT,
                settings.now().isoformat(timespec="seconds"),
                admin.info.server_version,
                version,
                schema_version,
                seq,
                mac,
                _key_id(),
                synthetic,
                files,
            )
            _dump(connections.parts("admin"), dump, f"--snapshot={snapshot}")
        try:
            with (
                os.fdopen(os.open(staged, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b") as stream,
                tarfile.open(fileobj=stream, mode="w") as tar,
            ):
                _add(tar, dump, _DUMP, files)
                if dagster:
                    _dump({**connections.parts("admin"), "dbname": _dagster_database()}, dump)
                    _add(tar, dump, _DAGSTER_DUMP, files)
                if deliveries:
                    _add_folder(tar, "deliveries", settings.kept_folder(), files)
                _add_folder(tar, "portal", settings.portal_folder(), files)
                note = Path(scratch) / _MANIFEST
                note.write_text(json.dumps(asdict(manifest), ensure_ascii=False, indent=1), encoding="utf-8")
                tar.add(note, _MANIFEST)
            staged.replace(target)
        finally:
            staged.unlink(missing_ok=True)
    return manifest


def restore(source: Path, *, replace: bool, check: Callable[[psycopg.Connection, Manifest], None] | None) -> Manifest:
    """Bring a backup back and return its manifest.

    `check` gets a connection of kho_release to the restored database and may refuse it.
    Synthetic data are not brought into an external warehouse.
    Without `replace` a warehouse that holds evidence is refused. The previous one is dropped once the new one stands.
    """
    with _opened(source) as tar:
        manifest = _verified(tar, source)
        if manifest.synthetic and is_external():
            raise KhoError(
                connections.SYNTHETIC_OUTSIDE,
                "bản sao lưu này là của một kho dữ liệu mô phỏng, kho ngoài (WAREHOUSE_URL) không bao giờ nhận",
                "this is a backup of a warehouse of synthetic data, which an external one (WAREHOUSE_URL) never takes",
            )
        if check is not None and not _has_ledger_key(manifest.key_id):
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
        with tempfile.TemporaryDirectory(prefix="kho-restore-", dir=_made(settings.home())) as scratch:
            _fill(restored, tar, _DUMP, manifest, scratch, roles=True)
            if check is not None:
                with connect("release", dbname=restored) as connection:
                    check(connection, manifest)
            _forget_what_was_sent(restored)
            _take_place(restored, database)
            if _DAGSTER_DUMP in manifest.files:
                history = _dagster_database()
                _fill(f"{history}_restoring", tar, _DAGSTER_DUMP, manifest, scratch)
                _take_place(f"{history}_restoring", history)
        _extract(tar, "deliveries", settings.kept_folder())
        _extract(tar, "portal", settings.portal_folder())
        for folder in settings.kept_folder().rglob("*"):
            if folder.is_dir():
                folder.chmod(0o700)
        _show(settings.portal_folder())
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


class _Hashing:
    """A file that is hashed while it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        self.digest.update(block)
        return block


def _add(tar: tarfile.TarFile, path: Path, name: str, files: dict[str, str]) -> None:
    with path.open("rb") as file:
        member = tar.gettarinfo(arcname=name, fileobj=file)
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mode = 0o600
        hashing = _Hashing(file)
        tar.addfile(member, hashing)  # type: ignore[arg-type]
    files[name] = hashing.digest.hexdigest()


def _add_folder(tar: tarfile.TarFile, name: str, folder: Path, files: dict[str, str]) -> None:
    """Kept bytes or published versions. A file that goes meanwhile is not missed; a later one is not in the dump: bytes are swept, versions kept."""
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and path.suffix != ".part" and not any(part.startswith(".") for part in relative.parts):
            try:
                _add(tar, path, f"{name}/{relative}", files)
            except FileNotFoundError:
                continue


def _extract(tar: tarfile.TarFile, name: str, folder: Path) -> None:
    """The members below `name`, in place of files of the same names (a published one is read-only)."""
    members = [member for member in tar.getmembers() if member.name.startswith(f"{name}/") and member.isfile()]
    for member in members:
        (folder.parent / member.name).unlink(missing_ok=True)
    if members:
        tar.extractall(_made(folder).parent, members, filter="data")


def _show(portal: Path) -> None:
    """Modes that published files have: a web server of another user reads them, and nobody writes to a version."""
    for path in (portal, *portal.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
        elif path.is_file():
            path.chmod(0o444 if path.parent.name.isdecimal() else 0o644)


def _key_id() -> str:
    return hmac.new(settings.ledger_key(), b"kho.backup", hashlib.sha256).hexdigest()[:16]


# -- restoring -----------------------------------------------------------------------------------------------------


def _damaged(source: Path, what: str) -> KhoError:
    where = {"file": str(source)}
    return KhoError("backup_damaged", f"bản sao lưu hỏng: {what}", f"the backup is damaged: {what}", where)


def _opened(source: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(source, mode="r:")
    except tarfile.TarError:
        pass
    raise _damaged(source, source.name)


def _verified(tar: tarfile.TarFile, source: Path) -> Manifest:
    """The manifest, once every member has been found to have the hash it names."""
    try:
        members = {member.name: member for member in tar.getmembers() if member.isfile()}
        content = tar.extractfile(members[_MANIFEST])
        assert content is not None
        manifest = Manifest(**json.loads(content.read()))
        wrong = sorted(members.keys() ^ {*manifest.files, _MANIFEST})
        for name, expected in manifest.files.items():
            file = tar.extractfile(members[name]) if name in members else None
            if file is None or hashlib.file_digest(file, "sha256").hexdigest() != expected:  # type: ignore[arg-type]
                wrong.append(name)
    except (tarfile.TarError, KeyError, TypeError, ValueError):
        wrong = [_MANIFEST]
    if wrong:
        raise _damaged(source, ", ".join(dict.fromkeys(wrong)))
    if manifest.format != FORMAT:
        raise KhoError(
            "backup_format",
            f"không đọc được bản sao lưu kiểu {manifest.format}",
            f"backups of format {manifest.format} are unknown here",
        )
    if _version("pg_restore") < manifest.pg_dump_version:
        wanted = manifest.pg_dump_version
        raise KhoError("pg_restore_old", f"cần pg_restore {wanted} trở lên", f"pg_restore {wanted} or newer is needed")
    return manifest


def _has_ledger_key(key_id: str) -> bool:
    """Whether the backup's ledger key is here; asking must not make a new one."""
    there = bool(os.environ.get("KHO_LEDGER_KEY")) or (settings.home() / "secrets" / "ledger.key").exists()
    return there and hmac.compare_digest(_key_id(), key_id)


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


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder

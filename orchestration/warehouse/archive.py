"""The file of a backup: what is in it, that it is whole, and the keys that lie beside it.

Belongs here: the tar and its manifest, members put in and taken out, the file with the keys of personal deliveries. Stays out:
what the database does (`backup`: dump, restore, one in the other's place).

The file is a tar: `kho.dump` (and `kho_dagster.dump`), `deliveries/…`, `portal/…`, `manifest.json` last. It holds personal data,
so nobody but its maker may read it (mode 0600).

Personal deliveries are in it encrypted, without their keys: a backup that held both would keep alive what is to be forgotten. The
keys go into a file of their own beside it, `kept-keys.tar.gz`, one for all backups of a folder and replaced by each: keys that
retention has removed are gone with the previous one, and from then on older backups cannot be read there either.
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import io
import json
import os
import re
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from orchestration import settings
from orchestration.errors import KhoError

FORMAT = 1
DUMP, DAGSTER_DUMP, MANIFEST = "kho.dump", "kho_dagster.dump", "manifest.json"
#: The keys of personal deliveries, for all backups of a folder.
KEYS = "kept-keys.tar.gz"
_OWNER, _KEY = "warehouse", re.compile(r"keys/([^/]+/[^/]+/\d+)\.key")


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


# -- the file ------------------------------------------------------------------------------------------------------


@contextmanager
def written(path: Path, mode: str) -> Iterator[tarfile.TarFile]:
    """A new tar that takes the place of `path` once it is whole, and that nobody else may read. `mode`: as tarfile has it."""
    staged = path.with_name(f".{path.name}.part")
    try:
        with (
            os.fdopen(os.open(staged, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b") as stream,
            tarfile.open(fileobj=stream, mode=mode) as tar,  # type: ignore[call-overload]
        ):
            yield tar
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)


def add_manifest(tar: tarfile.TarFile, manifest: Manifest) -> None:
    """The last member."""
    _add_bytes(tar, MANIFEST, json.dumps(asdict(manifest), ensure_ascii=False, indent=1).encode())


def opened(source: Path) -> tarfile.TarFile:
    """The tar, to be closed by the caller; KhoError when it is none."""
    try:
        return tarfile.open(source, mode="r:")
    except tarfile.TarError:
        pass
    raise _damaged(source, source.name)


def verified(tar: tarfile.TarFile, source: Path) -> Manifest:
    """The manifest, once every member has been found to have the hash it names; KhoError when one has not, or the format is unknown."""
    try:
        members = {member.name: member for member in tar.getmembers() if member.isfile()}
        content = tar.extractfile(members[MANIFEST])
        assert content is not None
        manifest = Manifest(**json.loads(content.read()))
        wrong = sorted(members.keys() ^ {*manifest.files, MANIFEST})
        for name, expected in manifest.files.items():
            file = tar.extractfile(members[name]) if name in members else None
            if file is None or hashlib.file_digest(file, "sha256").hexdigest() != expected:  # type: ignore[arg-type]
                wrong.append(name)
    except (tarfile.TarError, KeyError, TypeError, ValueError):
        wrong = [MANIFEST]
    if wrong:
        raise _damaged(source, ", ".join(dict.fromkeys(wrong)))
    if manifest.format != FORMAT:
        raise KhoError(
            "backup_format",
            f"không đọc được bản sao lưu kiểu {manifest.format}",
            f"backups of format {manifest.format} are unknown here",
        )
    return manifest


class _Hashing:
    """A file that is hashed while it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        self.digest.update(block)
        return block


def add(tar: tarfile.TarFile, path: Path, name: str, files: dict[str, str]) -> None:
    """One file as the member `name`; its SHA-256 (hex) is noted in `files`."""
    with path.open("rb") as file:
        member = tar.gettarinfo(arcname=name, fileobj=file)
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mode = 0o600
        hashing = _Hashing(file)
        tar.addfile(member, hashing)  # type: ignore[arg-type]
    files[name] = hashing.digest.hexdigest()


def add_folder(tar: tarfile.TarFile, name: str, folder: Path, files: dict[str, str]) -> None:
    """Kept bytes or published versions. A file that goes meanwhile is not missed; a later one is not in the dump: bytes are swept, versions kept."""
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if (
            path.is_file()
            and path.suffix not in (".part", ".plain")
            and not any(part.startswith(".") for part in relative.parts)
        ):
            try:
                add(tar, path, f"{name}/{relative}", files)
            except FileNotFoundError:
                continue


def extract(tar: tarfile.TarFile, name: str, folder: Path) -> None:
    """The members below `name`, in place of files of the same names (a published one is read-only)."""
    members = [member for member in tar.getmembers() if member.name.startswith(f"{name}/") and member.isfile()]
    for member in members:
        (folder.parent / member.name).unlink(missing_ok=True)
    if members:
        tar.extractall(made(folder).parent, members, filter="data")


def made(folder: Path) -> Path:
    """The folder, which is there from now on."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def show(portal: Path) -> None:
    """Modes that published files have: a web server of another user reads them, and nobody writes to a version."""
    for path in (portal, *portal.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
        elif path.is_file():
            path.chmod(0o444 if path.parent.name.isdecimal() else 0o644)


# -- the keys ------------------------------------------------------------------------------------------------------


def write_keys(target: Path) -> None:
    """Replace the file with the keys by one that holds those of today."""
    found = sorted(settings.keys_folder().glob("*/*/*.key"))
    if not found and not target.exists():
        return
    with written(target, "w:gz") as tar:
        _add_bytes(tar, _OWNER, key_id().encode())
        for path in found:
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                continue  # its time has just ended
            _add_bytes(tar, f"keys/{path.relative_to(settings.keys_folder())}", content)


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o600
    tar.addfile(member, io.BytesIO(content))


def read_keys(path: Path, owner: str) -> dict[str, bytes]:
    """`<agency>/<dataset>/<id>` -> its wrapped key. KhoError when the file is damaged or of another warehouse than `owner` (a `key_id`)."""
    found: dict[str, bytes] = {}
    said = b""
    try:
        with gzip.open(path) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            for member in tar:
                file = tar.extractfile(member)
                named = _KEY.fullmatch(member.name)
                if file is not None and member.name == _OWNER:
                    said = file.read()
                elif file is not None and named:
                    found[named[1]] = file.read()
            while stream.read(1 << 20):  # its checksum stands at the end
                pass
        whole = True
    except (tarfile.TarError, OSError, EOFError, zlib.error):
        whole = False
    if not whole:
        raise _damaged(path, path.name)
    if not hmac.compare_digest(said, owner.encode()):
        raise KhoError(
            "keys_of_another",
            f"{path} giữ khóa của một kho dữ liệu khác: hãy dùng thư mục khác hoặc chuyển tệp đó đi",
            f"{path} holds the keys of another warehouse: use another folder, or move that file away",
            {"file": str(path)},
        )
    return found


def put_back(keys: dict[str, bytes], manifest: Manifest) -> None:
    """The keys of the deliveries that are in the backup, and of no others."""
    wanted = {name.removeprefix("deliveries/").split(".")[0] for name in manifest.files if name.endswith(".enc")}
    for name in sorted(wanted & keys.keys()):
        path = settings.keys_folder() / f"{name}.key"
        for folder in (settings.keys_folder(), path.parent.parent, path.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(keys[name])


def has_ledger_key(owner: str) -> bool:
    """Whether the backup's ledger key (`owner` is its `key_id`) is here; asking must not make a new one."""
    there = bool(os.environ.get("KHO_LEDGER_KEY")) or (settings.home() / "secrets" / "ledger.key").exists()
    return there and hmac.compare_digest(key_id(), owner)


def key_id() -> str:
    """What tells this warehouse's ledger key from others without telling the key; 16 hexadecimal digits."""
    return hmac.new(settings.ledger_key(), b"kho.backup", hashlib.sha256).hexdigest()[:16]


def _damaged(source: Path, what: str) -> KhoError:
    where = {"file": str(source)}
    return KhoError("backup_damaged", f"bản sao lưu hỏng: {what}", f"the backup is damaged: {what}", where)

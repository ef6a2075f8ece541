"""The delivered bytes, kept: compressed, those of personal datasets encrypted too.

Belongs here: writing them down while they pass, hashing them, making them durable, reading them again, removing them.
Stays out: what they mean, how they are packed (`pack`) and encrypted (`vault`), when they go (`retention`).

A file's name tells what it is: `….csv` plain (from before), `….csv.zst` one zstd frame, `….csv.zst.enc` that under the delivery's key.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from orchestration import settings
from orchestration.contracts import Contract
from orchestration.errors import KhoError
from orchestration.faults import step
from orchestration.landing import vault
from orchestration.landing.pack import Writer, disk, inflated, plain_blocks

_SUFFIX = {"binary": "pgcopy", "json": "ndjson", "fixed": "txt", "batch": "tar"}
#: What COPY takes as it stands; parsers of everything else want a plain file to move about in.
_COPIED = ("csv", "binary")
_PART, _PLAIN = ".part", ".plain"
#: Plain copies that are being read; in the folder of deliveries, so that they are on the same disk and as private.
_OPEN = ".open"


def folder(contract: Contract) -> Path:
    """Where a dataset's deliveries are kept."""
    return settings.kept_folder() / contract.agency / contract.dataset


class Kept:
    """One delivery on its way to disk: `through` passes the chunks on; `seal` makes the file durable under its final name."""

    def __init__(self, contract: Contract, delivery_id: int, encoding: str) -> None:
        self.encrypted = contract.is_personal
        ending = "zst.enc" if self.encrypted else "zst"
        original = folder(contract) / f"{delivery_id:09d}.{_SUFFIX.get(encoding, encoding)}"
        self.path = original.with_name(f"{original.name}.{ending}")
        self._part = self.path.with_name(self.path.name + _PART)
        self._plain = original.with_name(original.name + _PLAIN)
        self._is_copied = encoding in _COPIED
        self._key: bytes | None = None
        self._writer: Writer | None = None
        self.size = 0
        self._sealed = False
        vault.private_folder(self.path.parent)

    def through(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Keep and hash each chunk as it passes. Transient `kept_write` when the disk does not take it."""
        if self.encrypted:
            self._key = vault.make_key(place(self.path))
        step("landing:keyed")
        plain = None if self._is_copied else self._plain
        self._writer = writer = Writer(self._part, place(self.path), self._key, plain=plain)
        try:
            for chunk in chunks:
                writer.write(chunk)
                self.size += len(chunk)
                yield chunk
        finally:
            writer.finish()

    @property
    def staged(self) -> Path:
        """The bytes before they are sealed, once all have passed: a plain file, or, of what COPY takes, one for `blocks`."""
        return self._part if self._is_copied else self._plain

    def plain(self) -> Path:
        """The bytes before they are sealed, once all have passed, as a plain file whatever they are. It goes when they are sealed."""
        if not self._plain.exists():
            with disk(), vault.private_file(self._plain) as file:
                file.writelines(kept_stream(self._part))
        return self._plain

    @property
    def sha256(self) -> bytes:
        """Hash of what has passed; complete once all has."""
        return self._writer.digest() if self._writer else hashlib.sha256().digest()

    def seal(self) -> None:
        """Force bytes and key to disk and give the file its name. To be called before the receipt is committed."""
        if self._key is not None:
            vault.make_key_durable(place(self.path))
        with self._part.open("rb") as file:
            os.fsync(file.fileno())
        self._part.rename(self.path)
        self._sealed = True
        self._plain.unlink(missing_ok=True)
        vault.make_durable(self.path)

    def keep_keys(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Keep the key list of a key check beside the bytes as it passes: whoever confirms the delivery needs both."""
        writer = Writer(self.keys, place(self.keys), self._key)
        try:
            for chunk in chunks:
                writer.write(chunk)
                yield chunk
        finally:
            writer.finish()
        with self.keys.open("rb") as file:
            os.fsync(file.fileno())

    @property
    def keys(self) -> Path:
        """Where the key list of a key check is kept."""
        return keys_beside(self.path)

    def discard(self) -> None:
        """Forget the bytes: nothing was received. Once sealed they stay, since a commit whose answer was lost may have named
        them; what no receipt names goes with the next landing's `sweep`.
        """
        if self._writer is not None:
            self._writer.abandon()
        self._plain.unlink(missing_ok=True)
        if not self._sealed:
            if self.encrypted:
                vault.key_path(place(self.path)).unlink(missing_ok=True)
            self._part.unlink(missing_ok=True)
            self.keys.unlink(missing_ok=True)

    def relative(self) -> str:
        """The path as the receipt names it: below KHO_HOME."""
        return str(self.path.relative_to(settings.home()))


# -- reading again --------------------------------------------------------------------------------------------------------


def place(path: Path) -> Path:
    """Where kept bytes lie below the folder of deliveries, whatever state of being written they are in."""
    return path.relative_to(settings.kept_folder()).with_name(path.name.removesuffix(_PART))


def kept_stream(path: Path) -> Iterator[bytes]:
    """The original bytes of a kept file in blocks of at most 256 kB; the name tells how it is kept.

    KhoError at once: `bytes_gone` when there is no such file, `key_gone` when its key was removed or the master key differs.
    While reading, and at the latest at the end: `kept_damaged` when it is not, to the last byte, what was written.
    """
    file: BinaryIO | None = None
    try:
        file = path.open("rb")
    except FileNotFoundError:
        pass
    if file is None:
        raise KhoError(
            "bytes_gone",
            f"dữ liệu gốc không còn được lưu: {path.name}",
            f"the bytes are no longer kept: {path.name}",
            where={"file": path.name},
        )
    name = path.name.removesuffix(_PART)
    try:
        if name.endswith(".enc"):
            return inflated(file, vault.find_key(place(path)), place(path))
    except BaseException:
        file.close()
        raise
    return inflated(file, None, Path(name)) if name.endswith(".zst") else plain_blocks(file)


#: The same, for bytes that are still being received (`Kept.staged`).
blocks = kept_stream


@contextmanager
def kept_file(path: Path) -> Iterator[Path]:
    """The original bytes of a kept file as a plain one that can be moved about in, proven to the last byte; removed afterwards.

    It can be read by nobody else (mode 0600); what a killed process leaves of it goes with the next `sweep`. Raises as `kept_stream`.
    """
    stream = kept_stream(path)
    where = vault.private_folder(settings.kept_folder() / _OPEN)
    while True:
        descriptor, name = tempfile.mkstemp(prefix=f"{path.name.split('.')[0]}-", dir=where)
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # a copy without a lock has lost its reader: so `sweep` tells them apart
        plain = Path(name)
        if plain.exists():  # and was not swept before it was locked
            break
        os.close(descriptor)
    with os.fdopen(descriptor, "wb") as file:
        try:
            with disk():
                file.writelines(stream)
                file.flush()
            yield plain
        finally:
            plain.unlink(missing_ok=True)


def keys_beside(path: Path) -> Path:
    """The file of the key list that belongs to kept bytes, kept as they are."""
    number, _, suffix = path.name.partition(".")
    _, _, how = suffix.partition(".")
    return path.with_name(f"{number}.keys{'.' + how if how else ''}")


# -- removing -------------------------------------------------------------------------------------------------------------


def sweep(contract: Contract, known: set[int], expired: set[int]) -> int:
    """Remove what killed attempts left behind (no receipt) and what retention has ended. Call under the dataset's lock.

    Keys go first and for good, then the bytes: from then on no copy of these can be read. Returns the number of deliveries removed.
    """
    return sweep_folder(Path(contract.agency) / contract.dataset, known, expired)


def sweep_folder(dataset: Path, known: set[int] | None, expired: set[int]) -> int:
    """`sweep` of `<agency>/<dataset>`. With `known` None only what was never finished goes: nobody can say what is owed to the rest."""
    close_abandoned()
    gone: set[int] = set()
    for root in (settings.keys_folder() / dataset, settings.kept_folder() / dataset):
        removed = False
        for path in sorted(root.iterdir()) if root.exists() else ():
            stem = path.name.split(".")[0]
            number = int(stem) if stem.isdigit() else -1
            unfinished = path.name.endswith((_PART, _PLAIN))
            if unfinished or number in expired or (known is not None and number not in known):
                path.unlink()
                removed = True
                gone |= {number} & expired
        if removed:
            vault.make_durable(root)
            if root.is_relative_to(settings.keys_folder()):
                step("retention:keys-gone")
    return len(gone)


def close_abandoned() -> None:
    """Remove plain copies (`kept_file`) whose reader has died."""
    where = settings.kept_folder() / _OPEN
    for path in where.iterdir() if where.exists() else ():
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
        except (BlockingIOError, FileNotFoundError):
            continue  # it is being read, or has gone by itself

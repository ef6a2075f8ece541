"""The delivered bytes, kept.

Belongs here: writing them down while they pass, hashing them, making them durable, forgetting them when retention ends.
Stays out: what they mean.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from orchestration import settings
from orchestration.contracts import Contract

_SUFFIX = {"csv": "csv", "binary": "pgcopy", "xlsx": "xlsx", "json": "ndjson"}


def folder(contract: Contract) -> Path:
    """Where a dataset's deliveries are kept."""
    return settings.kept_folder() / contract.agency / contract.dataset


class Kept:
    """One delivery on its way to disk: `through` passes the chunks on; `seal` makes the file durable under its final name."""

    def __init__(self, contract: Contract, delivery_id: int, encoding: str) -> None:
        self.path = folder(contract) / f"{delivery_id:09d}.{_SUFFIX[encoding]}"
        self._staged = self.path.with_suffix(".part")
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._hash = hashlib.sha256()
        self.size = 0
        self._sealed = False

    def through(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Write and hash each chunk as it passes."""
        with self._staged.open("wb", buffering=0) as file:
            for chunk in chunks:
                self._hash.update(chunk)
                file.write(chunk)
                self.size += len(chunk)
                yield chunk

    @property
    def staged(self) -> Path:
        """The file as far as it has been written, to be read again."""
        return self._staged

    @property
    def sha256(self) -> bytes:
        """Hash of what has passed."""
        return self._hash.digest()

    def seal(self) -> None:
        """Force the bytes to disk and give the file its name. To be called before the receipt is committed."""
        with self._staged.open("rb") as file:
            os.fsync(file.fileno())
        self._staged.rename(self.path)
        self._sealed = True
        descriptor = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def keep_keys(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Write the key list of a key check beside the bytes as it passes: whoever confirms the delivery needs both."""
        with self.keys.open("wb", buffering=0) as file:
            for chunk in chunks:
                file.write(chunk)
                yield chunk
            os.fsync(file.fileno())

    @property
    def keys(self) -> Path:
        """Where the key list of a key check is kept."""
        return keys_beside(self.path)

    def discard(self) -> None:
        """Forget the bytes: nothing was received. Once sealed they stay, since a commit whose answer was lost may have named
        them; what no receipt names goes with the next landing's `sweep`.
        """
        if not self._sealed:
            self._staged.unlink(missing_ok=True)
            self.keys.unlink(missing_ok=True)

    def relative(self) -> str:
        """The path as the receipt names it: below KHO_HOME."""
        return str(self.path.relative_to(settings.home()))


def blocks(path: Path) -> Iterator[bytes]:
    """A kept file, read again."""
    with path.open("rb", buffering=0) as file:
        while block := file.read(1 << 18):
            yield block


def keys_beside(path: Path) -> Path:
    """The file of the key list that belongs to kept bytes."""
    return path.with_suffix(".keys")


def sweep(contract: Contract, known: set[int], expired: set[int]) -> None:
    """Remove what killed attempts left behind (no receipt) and what retention has ended. Call under the dataset's lock."""
    where = folder(contract)
    for path in where.iterdir() if where.exists() else ():
        number = int(path.stem) if path.stem.isdigit() else None
        if path.suffix == ".part" or number is None or number not in known or number in expired:
            path.unlink()

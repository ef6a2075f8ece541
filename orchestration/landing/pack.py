"""How kept bytes are packed: one zstd frame and its length, sealed where there is a key.

Belongs here: writing that form in a thread beside the landing, reading it again. Stays out: file names and what becomes of the
files (`keep`), keys and ciphers (`vault`).
"""

from __future__ import annotations

import hashlib
import os
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from orchestration.errors import KhoError, Transient
from orchestration.landing import vault

BLOCK = 1 << 18  # bytes
#: Level 1 makes a table half as big as the faster negative levels do, at two thirds of their speed; 3 costs half as much again
#: and saves nothing.
_LEVEL = 1
#: The frame is followed by a skippable one (tools pass it over): how many bytes there were, without which a cut file looks whole.
_TRAILER, _TRAILER_BYTES = b"\x50\x2a\x4d\x18\x08\x00\x00\x00", 16


class Writer:
    """Hashes, compresses and encrypts in a thread of its own, which is there once there is enough to do."""

    def __init__(self, target: Path, place: Path, key: bytes | None, *, plain: Path | None = None) -> None:
        import zstandard

        self._hash = hashlib.sha256()
        self._frame = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()
        self._seal = vault.Seal(key, place) if key is not None else None
        self._size = 0
        with disk():
            self._file = vault.private_file(target)
            self._copy = vault.private_file(plain) if plain is not None else None
        self._pending: list[bytes] = []
        self._waiting = 0
        self._blocks: queue.Queue[bytes | None] = queue.Queue(8)
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._finished = False

    def write(self, chunk: bytes) -> None:
        """Take the chunk; it is worked on when there is a block of them."""
        self._pending.append(bytes(chunk))
        self._waiting += len(chunk)
        if self._waiting >= BLOCK:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="kho-keep", daemon=True)
                self._thread.start()
            self._blocks.put(self._taken())
            if self._failure is not None:
                self._raise()

    def finish(self) -> None:
        """Work off what is left and close the file."""
        if self._finished:
            return
        self._finished = True
        if self._thread is not None:
            self._blocks.put(None)
            self._thread.join()
        if self._failure is None:
            try:
                self._keep(self._taken())
                end = self._frame.flush() + _TRAILER + self._size.to_bytes(8, "little")
                self._file.write(self._seal.update(end) + self._seal.finish() if self._seal else end)
            except OSError as error:
                self._failure = error
        for file in (self._file, self._copy):
            try:
                if file is not None:
                    file.close()
            except OSError as error:
                self._failure = self._failure or error
        if self._failure is not None:
            self._raise()

    def abandon(self) -> None:
        """Stop, whatever came of it."""
        try:
            self.finish()
        except KhoError:
            pass

    def digest(self) -> bytes:
        """Hash of everything, once finished."""
        assert self._finished, "what is hashed has not passed yet"
        return self._hash.digest()

    def _taken(self) -> bytes:
        block = self._pending[0] if len(self._pending) == 1 else b"".join(self._pending)
        self._pending.clear()
        self._waiting = 0
        return block

    def _work(self) -> None:
        while (block := self._blocks.get()) is not None:
            if self._failure is None:  # after one, nobody must wait for room in the queue
                try:
                    self._keep(block)
                except BaseException as error:  # noqa: BLE001  # raised where the delivery is being received
                    self._failure = error

    def _keep(self, block: bytes) -> None:
        self._hash.update(block)
        self._size += len(block)
        if self._copy is not None:
            self._copy.write(block)
        out = self._frame.compress(block)
        if out:
            self._file.write(self._seal.update(out) if self._seal else out)

    def _raise(self) -> None:
        failure = self._failure
        if isinstance(failure, OSError):
            raise _not_written(failure) from None
        assert failure is not None
        raise failure


def plain_blocks(file: BinaryIO) -> Iterator[bytes]:
    """A file in blocks; closed at the end."""
    with file:
        while block := file.read(BLOCK):
            yield block


class _Source:
    """What is to be inflated, for a reader that asks in pieces; remembers the end of it."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest, self.tail = pieces, memoryview(b""), b""

    def read(self, size: int = -1) -> bytes:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._rest = memoryview(piece)
            self.tail = (self.tail + piece)[-_TRAILER_BYTES:]
        taken = self._rest if size < 0 else self._rest[:size]
        self._rest = self._rest[len(taken) :]
        return bytes(taken)


def inflated(file: BinaryIO, key: bytes | None, where: Path) -> Iterator[bytes]:
    """What a Writer was given, in blocks. KhoError `kept_damaged` when the file is not what it wrote, at the end at the latest."""
    import zstandard

    with file:
        source = _Source(plain_blocks(file) if key is None else vault.opened(file, key, where))
        reader = zstandard.ZstdDecompressor().stream_reader(source)  # type: ignore[arg-type]
        size, block = 0, b"?"
        while block:
            try:
                block = reader.read(BLOCK)
            except zstandard.ZstdError:
                break
            size += len(block)
            if block:
                yield block
        while source.read():  # to the end, which proves that nothing was cut off
            pass
        if block or source.tail != _TRAILER + size.to_bytes(8, "little"):
            raise vault.damaged(where)


@contextmanager
def disk() -> Iterator[None]:
    """A disk that is full or broken is a failure of the moment, told as such."""
    failure: KhoError
    try:
        yield
        return
    except OSError as error:
        failure = _not_written(error)
    raise failure from None


def _not_written(error: OSError) -> KhoError:
    what = os.strerror(error.errno) if error.errno else type(error).__name__
    return Transient(
        "kept_write",
        f"không ghi được dữ liệu gốc ({what})",
        f"the delivered bytes could not be written ({what})",
    )

"""Personal deliveries under a key of their own: without the key, no copy of the bytes can be read.

Belongs here: the key of a delivery (made, wrapped, found, removed) and the sealing of a stream under it. Stays out: compression and
what a file is called (`keep`), when retention ends (`retention`).

A delivery's key is random and lies wrapped in `KHO_HOME/keys/<agency>/<dataset>/<id>.key`: neither beside the bytes nor in the
database, so that what copies those does not copy it. The wrapping key comes from `settings.kept_key()`.
A sealed file is a header and a series of chunks under AES-256-GCM. The nonce is the number of the chunk and whether it is the last
(STREAM), so cut, reordered and exchanged chunks are refused; the file's key is derived from the delivery's, a random salt and the
file's own place, so a file is not accepted under the name of another.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from orchestration import settings
from orchestration.errors import KhoError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_MAGIC, _KEY_MAGIC = b"KHOSEAL1", b"KHOKEY01"
_CHUNK, _TAG, _SALT, _NONCE, _MASTER = 1 << 16, 16, 32, 12, 8
KEY_BYTES = 32


def key_path(place: Path) -> Path:
    """The key file of kept bytes; `place` is `<agency>/<dataset>/<id>…` below the folder of deliveries."""
    return settings.keys_folder() / place.parent / f"{place.name.split('.')[0]}.key"


def make_key(place: Path) -> bytes:
    """A new key for the delivery at `place`, already in its file, though not yet durable there."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    path = key_path(place)
    private_folder(path.parent)
    master = settings.kept_key(make=True)
    assert master is not None
    key, nonce = os.urandom(KEY_BYTES), os.urandom(_NONCE)
    wrapped = AESGCM(_derived(master, b"", b"kho kept: wrap")).encrypt(nonce, key, _name(path))
    staged = path.with_suffix(".part")
    with private_file(staged) as file:
        file.write(_KEY_MAGIC + _master_id(master) + nonce + wrapped)
    staged.replace(path)
    return key


def find_key(place: Path) -> bytes:
    """The key of the delivery at `place`. KhoError `key_gone` when it was removed, or wrapped by another master key."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    path = key_path(place)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = None
    if content is None:
        raise _gone(place, "khóa của lần giao đã bị xóa", "the delivery's key has been removed")
    master = settings.kept_key(make=False)
    head = len(_KEY_MAGIC) + _MASTER
    if content[: len(_KEY_MAGIC)] != _KEY_MAGIC or len(content) != head + _NONCE + KEY_BYTES + _TAG:
        raise damaged(place)
    if master is None or content[len(_KEY_MAGIC) : head] != _master_id(master):
        raise _gone(
            place,
            "khóa chủ ở đây không phải khóa đã dùng (secrets/kept.key hoặc KHO_KEPT_KEY)",
            "the master key here is not the one that was used (secrets/kept.key or KHO_KEPT_KEY)",
        )
    nonce, wrapped = content[head : head + _NONCE], content[head + _NONCE :]
    try:
        return AESGCM(_derived(master, b"", b"kho kept: wrap")).decrypt(nonce, wrapped, _name(path))
    except InvalidTag:
        pass
    raise damaged(place)


def make_key_durable(place: Path) -> None:
    """Force the key to disk; to be called before the receipt that needs it is committed."""
    make_durable(key_path(place))


class Seal:
    """Seals a stream: `update` with whatever there is, then `finish`; what both return makes up the file."""

    def __init__(self, key: bytes, place: Path) -> None:
        salt = os.urandom(_SALT)
        self._cipher = _cipher(key, salt, place)
        self._pending = bytearray()
        self._number = 0
        self._head = _MAGIC + salt

    def update(self, data: bytes) -> bytes:
        """The next bytes of the file. One chunk is always held back: it may be the last."""
        out, self._head = [self._head], b""
        self._pending += data
        while len(self._pending) > _CHUNK:
            out.append(self._chunk(bytes(self._pending[:_CHUNK]), last=False))
            del self._pending[:_CHUNK]
        return b"".join(out)

    def finish(self) -> bytes:
        """The end of the file."""
        return self.update(b"") + self._chunk(bytes(self._pending), last=True)

    def _chunk(self, data: bytes, *, last: bool) -> bytes:
        self._number += 1
        return self._cipher.encrypt(_nonce(self._number, last), data, None)


def opened(file: BinaryIO, key: bytes, place: Path) -> Iterator[bytes]:
    """What was sealed, chunk by chunk, each only once it has been proven. KhoError `kept_damaged` at the first that is not as it was.

    A cut file is noticed at its end: whoever uses the chunks before must be able to undo it.
    """
    from cryptography.exceptions import InvalidTag

    head = file.read(len(_MAGIC) + _SALT)
    if len(head) != len(_MAGIC) + _SALT or not head.startswith(_MAGIC):
        raise damaged(place)
    cipher = _cipher(key, head[len(_MAGIC) :], place)
    chunk, number = file.read(_CHUNK + _TAG), 0
    while True:
        following = file.read(_CHUNK + _TAG)
        number += 1
        data: bytes | None = None
        try:
            data = cipher.decrypt(_nonce(number, not following), chunk, None)
        except InvalidTag:
            pass
        if data is None:
            raise damaged(place)
        yield data
        if not following:
            return
        chunk = following


def damaged(place: Path) -> KhoError:
    """Kept bytes, or a key, that are not what was written."""
    return KhoError(
        "kept_damaged",
        f"dữ liệu gốc đã lưu bị hỏng hoặc bị thay: {place}",
        f"kept bytes are damaged or were exchanged: {place}",
        where={"file": str(place)},
    )


def _gone(place: Path, vi: str, en: str) -> KhoError:
    return KhoError("key_gone", f"{place}: {vi}", f"{place}: {en}", where={"file": str(place)})


def _cipher(key: bytes, salt: bytes, place: Path) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(_derived(key, salt, b"kho kept: " + place.as_posix().encode()))


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(_NONCE - 1, "big") + bytes([last])


def _derived(secret: bytes, salt: bytes, purpose: bytes) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), KEY_BYTES, salt or None, purpose).derive(secret)


def _master_id(master: bytes) -> bytes:
    """Tells master keys apart without telling the key."""
    return hashlib.sha256(_derived(master, b"", b"kho kept: id")).digest()[:_MASTER]


def _name(path: Path) -> bytes:
    return path.relative_to(settings.keys_folder()).as_posix().encode()


# -- files that are nobody else's business --------------------------------------------------------------------------------


def private_folder(folder: Path) -> Path:
    """Make a folder below KHO_HOME, open to its owner only, with those above it as far as they are missing."""
    home = settings.home()
    missing = [level for level in (folder, *folder.parents) if level.is_relative_to(home) and not level.exists()]
    for level in reversed(missing):
        level.mkdir(mode=0o777 if level == home else 0o700, parents=True, exist_ok=True)
    return folder


def private_file(path: Path) -> BinaryIO:
    """A new file, open to its owner only, to be written."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def make_durable(path: Path) -> None:
    """Force a file to disk, and its name: the folders up to KHO_HOME may be new themselves."""
    home = settings.home()
    for level in (path, *path.parents):
        descriptor = os.open(level, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if level == home:
            return

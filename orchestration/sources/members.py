"""Files in files: the tar that keeps several original files as one delivery, and the zips that agencies drop.

Purpose: write the one, read both, member by member, in bounded memory. Belongs here: what a zip may cost, what is refused.
Stays out: which files go into a batch (`files`), what is in them (`batch`).
"""

from __future__ import annotations

import contextlib
import io
import lzma
import shutil
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from orchestration.errors import KhoError
from orchestration.sources.delivery import CHUNK
from orchestration.sources.file_names import NamePattern, shown

IN_MEMORY = 8 * 1024 * 1024  # bytes of a file beyond which it waits on disk
MEMBER_LIMIT = 4 * 1024**3  # bytes of one unpacked member
ZIP_LIMIT = 16 * 1024**3  # bytes of all unpacked members of a zip
ZIP_MEMBERS = 20_000
RATIO, RATIO_FROM = 200, 64 * 1024 * 1024  # a member beyond this size may be so many times what it was packed
_MODE, _OCTAL = b"0000600\0" + 2 * b"0000000\0", 8**11
_REST = b"0" + bytes(100) + b"ustar\x0000" + bytes(247)
_CHECKSUM = sum(_MODE) + sum(_REST) + 8 * ord(" ")
_BROKEN = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, struct.error, NotImplementedError, RuntimeError, ValueError, OSError,
)  # fmt: skip


def tar_header(name: str, size: int, mtime: int) -> bytes:
    """The header of a member. `mtime`: seconds since 1970."""
    mtime = max(mtime, 0)
    if len(name) <= 100 and name.isascii() and size < _OCTAL and mtime < _OCTAL:
        # As below, ten times as fast: of 57,600 files a day nothing else differs.
        numbers = f"{size:011o}\0{mtime:011o}\0".encode()
        begin = name.encode()
        total = _CHECKSUM + sum(begin) + sum(numbers)
        return b"%s%s%s%s%06o\0 %s" % (begin, bytes(100 - len(begin)), _MODE, numbers, total, _REST)
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size, mtime, 0o600
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def tar_padding(size: int) -> bytes:
    """What follows a member of that size."""
    return bytes(-size % tarfile.BLOCKSIZE)


def tar_end() -> bytes:
    """What follows the last member."""
    return bytes(2 * tarfile.BLOCKSIZE)


def tar_members(path: Path, name: str) -> Iterator[tuple[str, int, BinaryIO]]:
    """(name, bytes, content) of each member of a kept batch, the content seekable and valid until the next one.

    KhoError `file_format` when it is not whole.
    """
    with path.open("rb") as file:
        longer: dict[str, str] = {}  # of a member whose name does not fit into its header
        while True:
            header = file.read(tarfile.BLOCKSIZE)
            if header == bytes(tarfile.BLOCKSIZE):
                return
            if len(header) < tarfile.BLOCKSIZE or header[257:262] != b"ustar" or header[156:157] not in b"0x":
                break
            size, start = int(longer.get("size") or int(header[124:135], 8)), file.tell()
            if header[156:157] == b"x":
                longer = _pax(file.read(size))
            else:
                member = longer.get("path") or header[:100].rstrip(b"\0").decode()
                longer = {}
                if size <= CHUNK:
                    content: BinaryIO = io.BytesIO(file.read(size))
                else:
                    content = cast(BinaryIO, io.BufferedReader(_Window(path, start, size), CHUNK))
                with content:
                    yield member, size, content
            file.seek(start + size + -size % tarfile.BLOCKSIZE)
    raise KhoError(
        "file_format",
        f"{name}: gói tệp đã lưu không đọc được",
        f"{name}: the kept batch cannot be read",
        {"file": name},
    )


def _pax(text: bytes) -> dict[str, str]:
    """The records «length key=value» that stand before a member."""
    found = {}
    while text:
        length = int(text.partition(b" ")[0])
        key, _, value = text[:length].rstrip(b"\n").partition(b" ")[2].partition(b"=")
        found[key.decode()] = value.decode("utf-8", "surrogateescape")
        text = text[length:]
    return found


class _Window(io.RawIOBase):
    """A part of a file as a file."""

    def __init__(self, path: Path, start: int, size: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._start, self._size, self._at = start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)[: max(self._size - self._at, 0)]
        self._file.seek(self._start + self._at)
        read = self._file.readinto(view) or 0
        self._at += read
        return read

    def close(self) -> None:
        self._file.close()
        super().close()


def zip_members(stream: BinaryIO, name: str, pattern: NamePattern) -> Iterator[tuple[str, BinaryIO]]:
    """(`<name>/<member>`, content) of each member that matches, the content seekable and valid until the next one.

    A pattern without slash is that of the last part of the name. KhoError `zip` for what is no zip, is encrypted, unpacks
    to more than the limits, is broken, or has no such member.
    """
    problem = ""
    count = unpacked = 0
    with contextlib.ExitStack() as stack:
        try:
            archive = stack.enter_context(zipfile.ZipFile(stream))
            infos = _wanted(archive, pattern)
            if len(infos) > ZIP_MEMBERS:
                problem = "limit"
                infos = []
            for info in infos:
                if info.flag_bits & 0x1:
                    problem = "encrypted"
                    break
                content, problem = _unpacked(archive, info, ZIP_LIMIT - unpacked)
                with content:
                    if problem:
                        break
                    unpacked += content.tell()
                    content.seek(0)
                    count += 1
                    yield f"{name}/{shown(info.filename)}", cast(BinaryIO, content)
        except _BROKEN:
            problem = "broken"
    if problem or not count:
        raise _refused(name, problem or "empty", pattern)


def _wanted(archive: zipfile.ZipFile, pattern: NamePattern) -> list[zipfile.ZipInfo]:
    found = []
    for info in archive.infolist():
        path = shown(info.filename)
        parts = path.split("/") if len(pattern.segments) > 1 else [path.rpartition("/")[2]]
        same = len(parts) == len(pattern.segments)
        if same and not info.is_dir() and all(s.fullmatch(p) for s, p in zip(pattern.segments, parts, strict=True)):
            found.append(info)
    return found


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, left: int) -> tuple[IO[bytes], str]:
    """A member, unpacked as far as the limits go, and whether they were reached: sizes that a zip states are not believed."""
    content = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the caller closes it
    limit, size = min(MEMBER_LIMIT, left), 0
    with archive.open(info) as packed:
        while block := packed.read(CHUNK):
            size += len(block)
            if size > limit or (size > RATIO_FROM and size > RATIO * max(info.compress_size, 1)):
                return content, "limit"
            content.write(block)
    return content, ""


def spooled(blocks: Iterable[bytes]) -> IO[bytes]:
    """Bytes as a seekable file without a name, at its beginning; on disk where they are many. Close it."""
    file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the caller closes it
    try:
        for block in blocks:
            file.write(block)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def copy_to(content: IO[bytes], target: IO[bytes]) -> None:
    """All of a file, from its beginning."""
    content.seek(0)
    shutil.copyfileobj(content, target, CHUNK)


_REASONS = {
    "encrypted": ("tệp nén có mật khẩu; hãy gửi lại không đặt mật khẩu", "the zip is encrypted; send it without a password"),
    "limit": ("tệp nén giải ra quá lớn", "the zip unpacks to more than is allowed"),
    "broken": ("không phải tệp zip, hoặc tệp zip bị hỏng", "no zip, or a broken one"),
    "empty": ("tệp nén không có tệp theo mẫu {0}", "the zip has no file like {0}"),
}  # fmt: skip


def _refused(name: str, reason: str, pattern: NamePattern) -> KhoError:
    vi, en = (text.format(pattern.glob) for text in _REASONS[reason])
    return KhoError("zip", f"{name}: {vi}", f"{name}: {en}", {"file": name, "rule": reason})

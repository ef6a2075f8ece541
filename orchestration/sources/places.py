"""Places where agencies leave files: a folder, SFTP, FTP, S3, behind one small interface.

Purpose: list, look, read, put away. Belongs here: the interface, addresses, local folders. Stays out: the protocols of the
net (`places_remote`), which of the files are wanted and what is in them (`files`).

Errors are typed: Transient for what is unreachable, cut or hanging, KhoError for what somebody has to mend. Their texts name
the variable of the address and paths below it, never the address, which may hold a password.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

from orchestration.contracts.model import Contract
from orchestration.errors import KhoError, Transient
from orchestration.sources.delivery import CHUNK, expand
from orchestration.sources.file_names import PUT_AWAY, is_complete, shown

RECENT = 5.0  # seconds since the last write within which a local file may still be growing
RECENT_REMOTE = 60.0  # the same where the clock is another's
STRANGE = 3600.0  # seconds after which nobody still writes
SETTLE = 0.2  # seconds between two looks at such a file
SECOND = 1_000_000_000
LINK = "link"  # mark of what is no file itself
_FOLDER = os.O_RDONLY | os.O_DIRECTORY
REMOTE = ("sftp", "ftp", "s3")
T = TypeVar("T")


class Found(NamedTuple):  # made for every file that lies there, tens of thousands at a time
    """A file: path below the location as the place spells it, bytes, and time of change in ns since 1970.

    `mark` tells one version of a file from the next where size and time do not: the inode, an ETag.
    """

    path: str
    size: int
    mtime: int
    mark: str = ""

    @property
    def shown(self) -> str:
        """The path as people read it."""
        return shown(self.path)


class Place(ABC):
    """One location. Close it when done; it may hold a connection."""

    is_local = False
    recent = RECENT_REMOTE

    def __init__(self, location: str) -> None:
        """`location`: as the contract spells it, for messages."""
        self.location = location
        self.links: list[str] = []  # what `files` found to be links: nobody follows them

    @abstractmethod
    def entries(self, folder: str) -> Iterator[tuple[str, bool, Found | None]]:
        """(name, is a folder, the file if it is one) of everything in a folder below the location; "" is the location.

        A link has the mark LINK, even if it is one to a folder.
        """

    @abstractmethod
    def look(self, path: str) -> Found | None:
        """The file as it is now; None when it has gone."""

    @abstractmethod
    def blocks(self, found: Found) -> Iterator[bytes]:
        """The bytes of a file as they are now, however many."""

    @abstractmethod
    def move(self, path: str, target: str) -> None:
        """Give a file another name, in a folder that is made if need be. Errors of the system or the protocol pass."""

    @abstractmethod
    def problem(self, error: Exception, path: str = "") -> KhoError:
        """An error of the system or the protocol as ours, without values and secrets."""

    #: What `entries`, `look`, `blocks` and `move` may raise, apart from KhoError.
    failures: tuple[type[Exception], ...] = (OSError,)

    def revive(self) -> None:  # noqa: B027 - most need none
        """Connect again if the connection broke while nobody needed it. Transient when that cannot be done."""

    def close(self) -> None:  # noqa: B027
        """Let go of the connection."""

    def files(self, segments: Sequence[re.Pattern[str]]) -> list[Found]:
        """Complete files whose path matches, part by part. Names of unfinished files are left alone, and the folder `done`."""
        self.links = []
        return self._try(lambda: list(self._walk("", segments)))

    def _walk(self, folder: str, segments: Sequence[re.Pattern[str]]) -> Iterator[Found]:
        first, rest = segments[0], segments[1:]
        for name, is_folder, found in self.entries(folder):
            if is_folder != bool(rest) or not first.fullmatch(shown(name)):
                continue
            if is_folder:
                if name == PUT_AWAY or name.startswith("."):
                    continue
                if found is not None and found.mark == LINK:
                    self.links.append(found.shown)
                else:
                    yield from self._walk(f"{folder}/{name}" if folder else name, rest)
            elif found is not None and is_complete(shown(name)):
                if found.mark == LINK:
                    self.links.append(found.shown)
                else:
                    yield found

    def settled(self, files: Sequence[Found]) -> list[Found]:
        """Those that do not change between two looks, where they are young enough to be still written."""
        newest = max((file.mtime for file in files), default=0) / SECOND
        # A clock that goes behind makes young files look old: what is newest there is young in any case.
        since = (time.time() if self.is_local else min(time.time(), newest)) - self.recent
        young = {file.path: file for file in files if file.mtime / SECOND > since}
        if not young:
            return list(files)
        time.sleep(SETTLE)
        # What is not new and differs all the same is no file that grows: reading it will tell what is the matter.
        strange = {path for path, file in young.items() if file.mtime / SECOND < time.time() - STRANGE}
        waiting = {path for path, file in young.items() if path not in strange and self._now(path) != file}
        return [file for file in files if file.path not in waiting]

    def _now(self, path: str) -> Found | None:
        return self._try(lambda: self.look(path), path)

    def read(self, found: Found) -> Generator[bytes, None, None]:
        """The bytes of exactly this version. Transient when it changes, vanishes or is cut meanwhile."""
        size = 0
        failure: KhoError | None = None
        try:
            for block in self.blocks(found):
                size += len(block)
                if size > found.size:
                    break
                yield block
            if size != found.size or self.look(found.path) != found:
                failure = changed(found.shown)
        except self.failures as exc:
            failure = self.problem(exc, found.path)
        if failure is not None:
            raise failure

    def put_away(self, found: Found) -> None:
        """Move a file to `done/` beside it, under a free name; leave it when it is no longer the one that was read.

        KhoError `put_away` when it cannot be moved.
        """
        failure = ""
        try:
            if self.look(found.path) != found:
                return  # already collected, or replaced meanwhile by a new delivery that must not be lost
            folder, slash, name = found.path.rpartition("/")
            done = f"{folder}{slash}{PUT_AWAY}/"
            target = done + name
            number = 1
            while self.look(target) is not None:
                number += 1
                path = PurePosixPath(name)
                target = f"{done}{path.stem}.{number}{path.suffix}"
            self.move(found.path, target)
        except KhoError as exc:
            failure = exc.code
        except self.failures as exc:
            failure = errno.errorcode.get(getattr(exc, "errno", None) or 0, type(exc).__name__)
        if failure:
            raise KhoError(
                "put_away",
                f"Đã nhận {found.shown} nhưng không chuyển được vào thư mục {PUT_AWAY} ({failure})",
                f"{found.shown} was received but cannot be moved to the folder {PUT_AWAY} ({failure})",
                {"file": found.shown, "rule": "put_away"},
            )

    def _try(self, call: Callable[[], T], path: str = "") -> T:
        """The call, its errors as ours; raised outside `except`, so that the original is not carried along."""
        failure: KhoError
        try:
            return call()
        except self.failures as exc:
            failure = self.problem(exc, path)
        raise failure


class Folder(Place):
    """A folder of this machine, or one that is mounted. Below it no link is followed: it might lead anywhere on this machine."""

    is_local = True
    recent = RECENT

    def __init__(self, location: str, root: Path, relation: str) -> None:
        super().__init__(location)
        self.root, self.relation = root, relation
        if not root.is_dir():
            # A share that is not mounted comes back by itself.
            raise Transient(
                "source_down",
                f"Không thấy thư mục nhận dữ liệu {location} của {relation}",
                f"No drop folder {location} of {relation}",
                {"relation": relation},
            )

    def entries(self, folder: str) -> Iterator[tuple[str, bool, Found | None]]:
        with self._inside(folder) as directory, os.scandir(directory) as found:
            for entry in found:
                try:
                    state = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # gone meanwhile
                path = f"{folder}/{entry.name}" if folder else entry.name
                if stat.S_ISLNK(state.st_mode):
                    yield entry.name, entry.is_dir(), _found(path, state)
                else:
                    is_folder = stat.S_ISDIR(state.st_mode)
                    yield entry.name, is_folder, _found(path, state) if stat.S_ISREG(state.st_mode) else None

    def look(self, path: str) -> Found | None:
        try:
            return _found(path, os.lstat(f"{self.root}/{path}"))  # a Path for each costs more than the call
        except (FileNotFoundError, NotADirectoryError):
            return None

    def blocks(self, found: Found) -> Iterator[bytes]:
        # System calls only: there are 57,600 files of stations a day.
        folder, _, name = found.path.rpartition("/")
        with self._inside(folder) as directory:
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=directory)
        try:
            while block := os.read(file, CHUNK):
                yield block
                if len(block) < CHUNK and len(block) == found.size:
                    return  # the common small file, whose size is looked at again
        finally:
            os.close(file)

    def move(self, path: str, target: str) -> None:
        try:
            self._rename(path, target)
        except FileNotFoundError:
            above, _, folder = target.rpartition("/")[0].rpartition("/")
            with self._inside(above) as directory, contextlib.suppress(FileExistsError):
                os.mkdir(folder, dir_fd=directory)
            self._rename(path, target)

    def _rename(self, path: str, target: str) -> None:
        (folder, _, name), (other, _, new) = path.rpartition("/"), target.rpartition("/")
        with self._inside(folder) as directory, self._inside(other) as goal:
            os.rename(name, new, src_dir_fd=directory, dst_dir_fd=goal)

    @contextlib.contextmanager
    def _inside(self, folder: str) -> Iterator[int]:
        """A folder below the root ("": the root) to open files in. OSError where a part of the way is a link."""
        directory = os.open(self.root, _FOLDER)
        try:
            for part in folder.split("/") if folder else ():
                above = directory
                directory = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=above)
                os.close(above)
            yield directory
        finally:
            os.close(directory)

    def problem(self, error: Exception, path: str = "") -> KhoError:
        if isinstance(error, FileNotFoundError) and path:
            return changed(shown(path))
        number = getattr(error, "errno", None) or 0
        if path and number in (errno.ELOOP, errno.ENOTDIR):
            return refused_link(shown(path))
        name = errno.errorcode.get(number, "OSError")
        where = f"{self.location}/{shown(path)}" if path else self.location
        kind = KhoError if isinstance(error, PermissionError) else Transient
        return kind(
            "access_refused" if isinstance(error, PermissionError) else "source_down",
            f"Không đọc được {where} ({name})",
            f"{where} cannot be read ({name})",
            {"relation": self.relation},
        )


def open_place(contract: Contract, env: Mapping[str, str]) -> Place:
    """The location of the contract's source. Nothing is asked of a server yet but to let us in.

    KhoError when a variable is missing, the address cannot be meant, or the login is refused; Transient when nobody answers.
    """
    source = contract.source
    address = expand(source.location, env)
    scheme = address.partition("://")[0] if "://" in address else ""
    if not scheme:
        return Folder(source.location, Path(address), contract.id)
    if scheme not in REMOTE:
        raise bad_address(source.location)
    from orchestration.sources import places_remote

    url = _url(address, source.location)
    if scheme == "sftp":
        options = {
            name: expand(source.options[name], env) for name in ("host_key", "private_key") if name in source.options
        }
        return places_remote.Sftp(source.location, url, contract.id, **options)
    if scheme == "ftp":
        return places_remote.Ftp(source.location, url, contract.id)
    return places_remote.S3(source.location, url, contract.id, env)


def is_folder(contract: Contract, env: Mapping[str, str]) -> bool:
    """Whether the location is a folder of this machine."""
    return "://" not in expand(contract.source.location, env)


def login(url: SplitResult) -> tuple[str, str]:
    """User and password of an address, empty where there is none."""
    return unquote(url.username or ""), unquote(url.password or "")


def bad_address(location: str) -> KhoError:
    """The address is of no kind that can be opened."""
    return KhoError(
        "bad_address",
        f"{location} không phải địa chỉ sftp://, ftp://, s3:// hoặc thư mục hợp lệ",
        f"{location} is no valid address sftp://, ftp://, s3:// or folder",
        {"variable": location},
    )


def refused_link(name: str) -> KhoError:
    """A link lies where a file should."""
    return KhoError(
        "link",
        f"{name} là liên kết, không phải tệp; không được nhận",
        f"{name} is a link and no file; it is not accepted",
        {"file": name, "rule": "link"},
    )


def changed(name: str) -> Transient:
    """A file is not what it was when it was looked at."""
    return Transient(
        "file_changed",
        f"{name} thay đổi trong khi đang đọc",
        f"{name} changed while it was being read",
        {"file": name},
    )


def _url(address: str, location: str) -> SplitResult:
    with contextlib.suppress(ValueError):
        url = urlsplit(address)
        _ = url.port  # raises when it is no number
        if url.hostname:
            return url
    raise bad_address(location)


def _found(path: str, state: os.stat_result) -> Found:
    mark = LINK if stat.S_ISLNK(state.st_mode) else str(state.st_ino)
    return Found(path, state.st_size, state.st_mtime_ns, mark)

"""Places on the net: SFTP, FTP and S3.

Purpose: what `places.Place` asks for, with a time limit on every answer. Belongs here: connections, listings, what the
errors of each library mean. Stays out: which files are wanted.

SFTP is paramiko's own client: the host key must be known beforehand, and fsspec's wrapper accepts any. FTP is ftplib, one
transfer from beginning to end; S3 is s3fs.
"""

from __future__ import annotations

import contextlib
import ftplib
import logging
import re
import stat
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote

from orchestration.errors import KhoError, Transient
from orchestration.sources.delivery import CHUNK
from orchestration.sources.file_names import shown
from orchestration.sources.places import SECOND, Found, Place, bad_address, changed, login

TIMEOUT = 30.0  # seconds without an answer after which a server counts as hanging
PIECE = 32 * 1024  # bytes of one SFTP read: more is not promised to come in one answer
WINDOW = 64  # SFTP reads on their way at a time
S3_BLOCK = 8 * 1024 * 1024
_MLSD_TIME = re.compile(r"(\d{14})(?:\.(\d+))?")


class _Remote(Place):
    """What the three have in common: how their failures are told."""

    def __init__(self, location: str, relation: str) -> None:
        super().__init__(location)
        self.relation = relation

    def down(self, how: str) -> Transient:
        """Nobody answers, or not in time, or the answer breaks off."""
        return Transient(
            "source_down",
            f"Không kết nối được {self.location} của {self.relation}, hoặc kết nối bị đứt ({how})",
            f"{self.location} of {self.relation} is out of reach, or the connection broke ({how})",
            {"relation": self.relation},
        )

    def refused(self, how: str) -> KhoError:
        """The server does not know us."""
        return KhoError(
            "login_refused",
            f"{self.location} từ chối đăng nhập của {self.relation} ({how})",
            f"{self.location} refuses the login of {self.relation} ({how})",
            {"variable": self.location},
        )

    def forbidden(self, path: str, how: str) -> KhoError:
        """The server knows us and does not let us."""
        where = f"{self.location}/{shown(path)}" if path else self.location
        return KhoError(
            "access_refused",
            f"Không có quyền đọc {where} ({how})",
            f"{where} may not be read ({how})",
            {"relation": self.relation},
        )

    def missing(self, path: str) -> KhoError:
        """No such folder on a server that is there; or a file has gone meanwhile."""
        if path:
            return changed(shown(path))
        return KhoError(
            "missing_folder",
            f"Máy chủ trả lời nhưng không có thư mục {self.location} của {self.relation}",
            f"The server answers but has no folder {self.location} of {self.relation}",
            {"relation": self.relation},
        )


class Sftp(_Remote):
    """A folder below the account's root on an SFTP server whose host key is known beforehand."""

    def __init__(
        self, location: str, url: SplitResult, relation: str, host_key: str = "", private_key: str = ""
    ) -> None:
        """`host_key`: lines of a known_hosts file; `private_key`: path of a key file. The password is the address's."""
        import paramiko  # type: ignore[import-untyped]

        super().__init__(location, relation)
        logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # it logs what is raised anyway
        self.failures = (OSError, EOFError, paramiko.SSHException)
        self._root = unquote(url.path) or "/"
        user, password = login(url)
        if not user:
            raise bad_address(location)
        self._client = paramiko.SSHClient()
        self._know(paramiko, host_key)
        self._client.set_missing_host_key_policy(paramiko.RejectPolicy())
        failure: KhoError | None = None
        try:
            self._client.connect(
                url.hostname, url.port or 22, user, password or None, key_filename=private_key or None,
                allow_agent=False, look_for_keys=False, timeout=TIMEOUT, banner_timeout=TIMEOUT, auth_timeout=TIMEOUT,
                channel_timeout=TIMEOUT,
            )  # fmt: skip
            transport = self._client.get_transport()
            assert transport is not None
            transport.set_keepalive(30)  # while a delivery lands
            self._sftp = self._client.open_sftp()
            self._sftp.get_channel().settimeout(TIMEOUT)
        except paramiko.BadHostKeyException:
            failure = self._stranger()
        except paramiko.AuthenticationException as exc:
            failure = self.refused(type(exc).__name__)
        except FileNotFoundError:
            failure = self.refused("private_key")  # the key file is not there
        except (paramiko.SSHException, OSError, EOFError, ValueError) as exc:
            unknown = "not found in known_hosts" in str(exc)
            failure = self._stranger() if unknown else self.down(type(exc).__name__)
        if failure is not None:
            self._client.close()
            raise failure

    def _know(self, paramiko: Any, host_key: str) -> None:
        keys = self._client.get_host_keys()
        lines = [line.strip() for line in host_key.splitlines() if line.strip() and not line.startswith("#")]
        entries: list[Any] = [None] * (not lines)
        with contextlib.suppress(paramiko.SSHException, ValueError):
            entries += [paramiko.hostkeys.HostKeyEntry.from_line(line) for line in lines]
        if len(entries) != len(lines) or None in entries:
            raise self._stranger()
        for name, key in ((name, entry.key) for entry in entries for name in entry.hostnames):
            keys.add(name, key.get_name(), key)

    def _stranger(self) -> KhoError:
        return KhoError(
            "host_key",
            f"Khóa máy chủ của {self.location} không đúng với host_key đã khai báo; không kết nối",
            f"The host key of {self.location} is not the one declared in host_key; not connected",
            {"variable": self.location, "rule": "host_key"},
        )

    def _at(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{path}" if path else self._root

    def entries(self, folder: str) -> Iterator[tuple[str, bool, Found | None]]:
        for entry in self._sftp.listdir_attr(self._at(folder)):
            path = f"{folder}/{entry.filename}" if folder else entry.filename
            if stat.S_ISLNK(entry.st_mode or 0):
                found, is_folder = self._state(path)
            else:
                found, is_folder = _of_sftp(path, entry), stat.S_ISDIR(entry.st_mode or 0)
            yield entry.filename, is_folder, found

    def _state(self, path: str) -> tuple[Found | None, bool]:
        try:
            state = self._sftp.stat(self._at(path))
        except FileNotFoundError:
            return None, False
        return _of_sftp(path, state), stat.S_ISDIR(state.st_mode or 0)

    def look(self, path: str) -> Found | None:
        return self._state(path)[0]

    def blocks(self, found: Found) -> Iterator[bytes]:
        with self._sftp.open(self._at(found.path), "rb") as file:
            if found.size <= PIECE:
                yield file.read(max(found.size, 1))  # whether it has grown, `look` says
                return
            # As many reads on their way as the window has: the next ones are sent when these are used up.
            for start in range(0, found.size, PIECE * WINDOW):
                end = min(start + PIECE * WINDOW, found.size)
                yield from file.readv([(at, min(PIECE, end - at)) for at in range(start, end, PIECE)])
            file.seek(found.size)
            while block := file.read(PIECE):
                yield block

    def move(self, path: str, target: str) -> None:
        with contextlib.suppress(OSError):  # it is there already, or `rename` says what is wrong
            self._sftp.mkdir(self._at(str(PurePosixPath(target).parent)))
        self._sftp.rename(self._at(path), self._at(target))

    def problem(self, error: Exception, path: str = "") -> KhoError:
        if isinstance(error, FileNotFoundError):
            return self.missing(path)
        if isinstance(error, PermissionError):
            return self.forbidden(path, "SFTP")
        return self.down(type(error).__name__)

    def close(self) -> None:
        self._client.close()


def _of_sftp(path: str, entry: Any) -> Found:
    return Found(path, entry.st_size or 0, (entry.st_mtime or 0) * SECOND)


class Ftp(_Remote):
    """A folder of an FTP server, passive mode. One connection, one transfer at a time."""

    failures = (*(kind for kind in ftplib.all_errors), EOFError, UnicodeError)

    def __init__(self, location: str, url: SplitResult, relation: str) -> None:
        super().__init__(location, relation)
        self._root = unquote(url.path).rstrip("/")
        self._lists = True
        self._url = url
        self._connect()

    def _connect(self) -> None:
        self._ftp = ftplib.FTP(timeout=TIMEOUT)
        self._busy = False  # in the middle of a transfer: the next answer would be of that
        failure: KhoError | None = None
        try:
            self._ftp.connect(str(self._url.hostname), self._url.port or 21)
            self._ftp.login(*login(self._url))
            self._ftp.voidcmd("TYPE I")
        except ftplib.error_perm:
            failure = self.refused("FTP")
        except self.failures as exc:
            failure = self.down(type(exc).__name__)
        if failure is not None:
            self._ftp.close()
            raise failure

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root or "/"

    def entries(self, folder: str) -> Iterator[tuple[str, bool, Found | None]]:
        if self._lists:
            try:
                listed = list(self._ftp.mlsd(self._at(folder)))
                self._ftp.voidcmd("TYPE I")  # lists are text, and so would be what follows
            except ftplib.error_perm as exc:
                if not str(exc).startswith(("500", "501", "502", "504")):
                    raise
                self._lists = False  # an old server
            else:
                for name, facts in listed:
                    path = f"{folder}/{name}" if folder else name
                    kind = facts.get("type", "").lower()
                    if kind in ("file", "dir"):
                        yield name, kind == "dir", _of_ftp(path, facts.get("size", "0"), facts.get("modify", ""))
                return
        lines: list[str] = []
        self._ftp.cwd(self._at(folder))  # LIST with a path is read as options by some
        self._ftp.retrlines("LIST", lines.append)
        self._ftp.voidcmd("TYPE I")
        for line in lines:
            parts = line.split(None, 8)
            if len(parts) == 9 and line[0] in "-d" and parts[8] not in (".", ".."):
                path = f"{folder}/{parts[8]}" if folder else parts[8]
                yield parts[8], line[0] == "d", None if line[0] == "d" else self.look(path)

    def look(self, path: str) -> Found | None:
        try:
            size = self._ftp.sendcmd(f"SIZE {self._at(path)}").split()[-1]
            modified = self._ftp.sendcmd(f"MDTM {self._at(path)}").split()[-1]
        except ftplib.error_perm as exc:
            if str(exc).startswith("550"):
                return None
            raise
        return _of_ftp(path, size, modified)

    def blocks(self, found: Found) -> Iterator[bytes]:
        if self._busy:
            self.revive()
        with self._ftp.transfercmd(f"RETR {self._at(found.path)}") as connection:
            self._busy = True
            while block := connection.recv(CHUNK):
                yield block
        self._ftp.voidresp()  # says whether the end is one
        self._busy = False

    def move(self, path: str, target: str) -> None:
        with contextlib.suppress(ftplib.error_perm):  # it is there already, or the renaming says what is wrong
            self._ftp.mkd(self._at(str(PurePosixPath(target).parent)))
        self._ftp.rename(self._at(path), self._at(target))

    def problem(self, error: Exception, path: str = "") -> KhoError:
        code = str(error)[:3] if isinstance(error, ftplib.Error) else ""
        if code == "550":
            return self.missing(path)
        if code == "530":
            return self.refused("FTP 530")
        if code.startswith("5"):
            return self.forbidden(path, f"FTP {code}")
        return self.down(f"FTP {code}" if code else type(error).__name__)

    def revive(self) -> None:
        try:
            if not self._busy:
                self._ftp.voidcmd("NOOP")
                return
        except self.failures:
            pass  # connecting again says what is the matter
        self._ftp.close()
        self._connect()

    def close(self) -> None:
        # Without `QUIT`: after a transfer that was dropped its answer would be waited for.
        self._ftp.close()


def _of_ftp(path: str, size: str, modified: str) -> Found:
    match = _MLSD_TIME.match(modified)
    moment = datetime.strptime(match[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC) if match else None
    nanoseconds = int(((match and match[2]) or "").ljust(9, "0")[:9] or 0) if match else 0
    return Found(path, int(size), int(moment.timestamp()) * SECOND + nanoseconds if moment else 0)


class S3(_Remote):
    """A bucket and a prefix. Objects appear whole, so that none is ever half written."""

    def __init__(self, location: str, url: SplitResult, relation: str, env: Mapping[str, str]) -> None:
        import botocore.exceptions  # type: ignore[import-untyped]
        import s3fs  # type: ignore[import-untyped]

        super().__init__(location, relation)
        self.failures = (
            OSError,
            TimeoutError,
            ValueError,
            botocore.exceptions.BotoCoreError,
            botocore.exceptions.ClientError,
        )
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        user, password = login(url)
        key, secret = user or env.get("AWS_ACCESS_KEY_ID"), password or env.get("AWS_SECRET_ACCESS_KEY")
        if not key or not secret:
            raise self.refused("AWS_ACCESS_KEY_ID")
        # The bucket is what stands where a host does; urlsplit puts a host in lower case, as buckets are.
        self._root = f"{url.hostname}/{unquote(url.path).strip('/')}".rstrip("/")
        self._fs: Any = s3fs.S3FileSystem(
            key=key, secret=secret, token=env.get("AWS_SESSION_TOKEN") if not user else None,
            endpoint_url=query.get("endpoint") or env.get("AWS_ENDPOINT_URL"), skip_instance_cache=True,
            use_listings_cache=False, client_kwargs={"region_name": query.get("region") or env.get("AWS_REGION", "us-east-1")},
            config_kwargs={"connect_timeout": TIMEOUT, "read_timeout": TIMEOUT, "retries": {"total_max_attempts": 1}},
        )  # fmt: skip
        self._fs.retries = 2

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root

    def entries(self, folder: str) -> Iterator[tuple[str, bool, Found | None]]:
        where = self._at(folder)
        try:
            listed = self._fs.ls(where, detail=True)
        except FileNotFoundError:
            # A prefix without objects is an empty folder; a bucket that is not there is a mistake.
            bucket = self._root.partition("/")[0]
            if self._fs.exists(bucket):
                return
            raise
        for entry in listed:
            name = str(entry["name"])[len(where) + 1 :]
            path = f"{folder}/{name}" if folder else name
            if name:
                is_folder = entry["type"] == "directory"
                yield name, is_folder, None if is_folder else _of_s3(path, entry)

    def look(self, path: str) -> Found | None:
        try:
            return _of_s3(path, self._fs.info(self._at(path), refresh=True))
        except FileNotFoundError:
            return None

    def blocks(self, found: Found) -> Iterator[bytes]:
        if found.size <= S3_BLOCK:
            yield self._fs.cat_file(self._at(found.path))
            return
        with self._fs.open(self._at(found.path), "rb", block_size=S3_BLOCK, cache_type="readahead") as file:
            while block := file.read(S3_BLOCK):
                yield block

    def move(self, path: str, target: str) -> None:
        self._fs.copy(self._at(path), self._at(target))
        self._fs.rm_file(self._at(path))

    def problem(self, error: Exception, path: str = "") -> KhoError:
        code = ""
        for exc in (error, error.__cause__):  # s3fs makes an OSError of what it knows
            response = getattr(exc, "response", None)
            code = code or str(response["Error"].get("Code", "")) if isinstance(response, dict) else code
        if code in ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"):
            return self.refused(code)
        if isinstance(error, FileNotFoundError):
            return self.missing(path)
        if isinstance(error, PermissionError) or code in ("AccessDenied", "403"):
            return self.forbidden(path, code or "S3")
        return self.down(code or type(error).__name__)


def _of_s3(path: str, entry: Mapping[str, Any]) -> Found:
    modified = entry["LastModified"]
    return Found(
        path, int(entry["size"]), int(modified.timestamp() * 1000) * (SECOND // 1000), str(entry.get("ETag", ""))
    )

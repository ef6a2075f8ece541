"""SFTP: one server for all agencies that drop files there, one account each, shut into its folder, read only.

Belongs here: accounts, keys, what a client may do, faults of a transfer, the record. Stays out: the files (`folders`,
`stations`).

It is paramiko's server and not OpenSSH's: `sshd` serves accounts of the operating system, so it would have to make one
for each agency, needs root and folders that belong to root to shut them in, and cannot be told to break off in the
middle of a file. Python's is slower (see the documentation), which for the folders of agencies does not matter.
"""

from __future__ import annotations

import hmac
import io
import logging
import os
import secrets
import socket
import threading
from pathlib import Path
from typing import Any

import paramiko  # type: ignore[import-untyped]
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from simulator.gateway import free_port
from simulator.systems.plan import FaultPlan, Kind
from simulator.systems.record import Record

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
logging.getLogger("paramiko").addHandler(logging.NullHandler())  # a client that goes away is no news
logging.getLogger("paramiko").propagate = False


class Account:
    """An account: a password and a key, and the folder that is all it sees."""

    def __init__(self, name: str, root: Path, key_file: Path) -> None:
        """`key_file`: where `write_key` puts its private key."""
        self.name, self.root, self.key_file = name, root, key_file
        self.password = secrets.token_urlsafe(12)
        self._key = _new_key()
        self.public = paramiko.Ed25519Key.from_private_key(io.StringIO(self._key)).asbytes()

    def write_key(self) -> None:
        """Leave the private key where clients find it, readable by its owner only."""
        self.key_file.parent.mkdir(parents=True, exist_ok=True)
        self.key_file.unlink(missing_ok=True)
        with open(os.open(self.key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(self._key)


class SftpServer:
    """The server. Steps: `add` accounts, `up`, then `down` and `up` at will."""

    def __init__(self, keys: Path, record: Path, plan: FaultPlan) -> None:
        """`keys`: the folder for the accounts' keys."""
        self._keys = keys
        self.record = Record(record)
        self.plan = plan
        self.accounts: dict[str, Account] = {}
        self.port = free_port()
        self.stopping = threading.Event()
        self._host_key = paramiko.Ed25519Key.from_private_key(io.StringIO(_new_key()))
        self._listener: socket.socket | None = None
        self._transports: set[Any] = set()
        self._lock = threading.Lock()
        self._opened = 0

    @property
    def known_hosts(self) -> str:
        """The line of a `known_hosts` file by which a client knows this server."""
        return f"[127.0.0.1]:{self.port} {self._host_key.get_name()} {self._host_key.get_base64()}"

    @property
    def is_up(self) -> bool:
        """True when the server lets clients in."""
        return self._listener is not None

    def add(self, account: str, root: Path) -> None:
        """Make an account that sees a folder."""
        self.accounts[account] = Account(account, root, self._keys / f"{account}.key")

    def env(self, account: str) -> dict[str, Any]:
        """How to reach it with an account."""
        found = self.accounts[account]
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": found.name,
            "password": found.password,
            "key_file": str(found.key_file),
            "known_hosts": self.known_hosts,
        }

    def up(self) -> None:
        """Let clients in (again), on the same port; nothing when it does."""
        if self._listener is not None:
            return
        if not self.record.file.exists():
            self.record.clear()
        for account in self.accounts.values():
            account.write_key()
        self.stopping.clear()
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True, name="sftp").start()

    def down(self) -> None:
        """Break all connections and refuse new ones."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        self.stopping.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        with self._lock:
            transports, self._transports = self._transports, set()
        for transport in transports:
            transport.close()

    def strike(self) -> Kind | None:
        """Count a file that is opened; the fault that strikes it, if any."""
        with self._lock:
            self._opened += 1
            return self.plan.at("sftp", self._opened)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return  # closed
            transport = paramiko.Transport(connection)
            transport.add_server_key(self._host_key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Files)
            with self._lock:
                self._transports = {other for other in self._transports if other.is_active()} | {transport}
            # With an event of its own it does not wait until the client has said who it is.
            transport.start_server(threading.Event(), _Login(self, transport))


class _Login(paramiko.ServerInterface):  # type: ignore[misc]
    """One connection: who is let in, and to what."""

    def __init__(self, server: SftpServer, transport: Any) -> None:
        self.server, self.transport = server, transport
        self.account: Account | None = None

    def get_allowed_auths(self, username: str) -> str:
        return "publickey,password"

    def check_auth_password(self, username: str, password: str) -> int:
        account = self.server.accounts.get(username)
        good = account is not None and hmac.compare_digest(account.password.encode(), password.encode())
        return self._let_in(username, account if good else None, "password")

    def check_auth_publickey(self, username: str, key: Any) -> int:
        account = self.server.accounts.get(username)
        return self._let_in(username, account if account and account.public == key.asbytes() else None, "key")

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return int(paramiko.OPEN_SUCCEEDED if kind == "session" else paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED)

    def _let_in(self, username: str, account: Account | None, how: str) -> int:
        # With a key this is asked twice: whether it would do, and when the signature has been checked.
        if account is None or self.account is None:
            self.server.record.note(account=username, what="login" if account else "refused", how=how)
        self.account = account
        return int(paramiko.AUTH_SUCCESSFUL if account else paramiko.AUTH_FAILED)


class _Files(paramiko.SFTPServerInterface):  # type: ignore[misc]
    """What an account sees. Whatever is not here paramiko refuses as unsupported."""

    def __init__(self, login: _Login, *other: Any, **options: Any) -> None:
        super().__init__(login, *other, **options)
        assert login.account is not None
        self._server, self._transport, self._account = login.server, login.transport, login.account
        self._root = os.path.realpath(login.account.root)

    def list_folder(self, path: str) -> Any:
        try:
            with os.scandir(self._real(path)) as found:
                entries = [paramiko.SFTPAttributes.from_stat(entry.stat(), entry.name) for entry in found]
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)
        self._server.record.note(account=self._account.name, what="list", path=path, rows=len(entries))
        return sorted(entries, key=lambda entry: str(entry.filename))

    def stat(self, path: str) -> Any:
        try:
            return paramiko.SFTPAttributes.from_stat(Path(self._real(path)).stat())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    lstat = stat

    def open(self, path: str, flags: int, attr: Any) -> Any:
        if flags & _WRITING:
            return paramiko.SFTP_PERMISSION_DENIED
        try:
            file = os.open(self._real(path), os.O_RDONLY)
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)
        fault = self._server.strike()
        if fault in ("slow", "timeout"):
            plan = self._server.plan
            self._server.stopping.wait(plan.slow_seconds if fault == "slow" else plan.timeout_seconds)
        return _Open(self._server, self._transport, file, {"account": self._account.name, "path": path}, fault)

    def remove(self, path: str) -> int:
        return int(paramiko.SFTP_PERMISSION_DENIED)

    def rename(self, oldpath: str, newpath: str) -> int:
        return int(paramiko.SFTP_PERMISSION_DENIED)

    def mkdir(self, path: str, attr: Any) -> int:
        return int(paramiko.SFTP_PERMISSION_DENIED)

    def rmdir(self, path: str) -> int:
        return int(paramiko.SFTP_PERMISSION_DENIED)

    posix_rename = rename

    def _real(self, path: str) -> str:
        """The file of a path; FileNotFoundError when it lies outside the account's folder, whatever links there are."""
        real = os.path.realpath(f"{self._root}/{self.canonicalize(path)}")
        if real != self._root and not real.startswith(f"{self._root}/"):
            raise FileNotFoundError(2, "outside")
        return real


class _Open(paramiko.SFTPHandle):  # type: ignore[misc]
    """A file that a client reads; it goes into the record when it is closed."""

    def __init__(self, server: SftpServer, transport: Any, file: int, what: dict[str, str], fault: Kind | None) -> None:
        super().__init__()
        self._server, self._transport, self._file = server, transport, file
        self._what, self._fault = what, fault
        self._size = os.fstat(file).st_size
        self._read = 0
        self._open = True
        if fault == "timeout":
            self._break_off()

    def read(self, offset: int, length: int) -> Any:
        if self._fault == "cut":
            length = min(length, self._size // 2 - offset)
            if length <= 0:
                self._break_off()
                return paramiko.SFTP_FAILURE
        try:
            data = os.pread(self._file, length, offset)
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)
        self._read += len(data)
        return data or paramiko.SFTP_EOF

    def stat(self) -> Any:
        return paramiko.SFTPAttributes.from_stat(os.fstat(self._file))

    def close(self) -> None:
        if self._open:
            self._open = False
            os.close(self._file)
            self._server.record.note(**self._what, what="read", bytes=self._read, size=self._size, fault=self._fault)

    def _break_off(self) -> None:
        self.close()
        self._transport.close()


def _new_key() -> str:
    """A private key as OpenSSH writes it."""
    key = Ed25519PrivateKey.generate()
    kind = serialization.PrivateFormat.OpenSSH
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()).decode()

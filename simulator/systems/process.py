"""Servers that are programs of their own: a folder for each, a user to run as, and nothing left behind.

Belongs here: what PostgreSQL and MariaDB have in common as processes. Stays out: everything about databases.

A server's folder lies below the system's temporary folder, since it must belong to another user when the simulator runs
as root, and since the path of a socket must be short. A note at home tells the next run where it is, so that the server
of a run that was killed is stopped and removed.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

SYSTEM_USER = "embedded_postgres"  # database servers refuse to run as root
_PATIENCE = 30.0  # seconds for a leftover to end


def system_user() -> str | None:
    """The user to run servers as: another one (made when missing) for root, oneself otherwise."""
    if os.geteuid() != 0:
        return None
    import pwd

    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        subprocess.run(["useradd", "-s", "/bin/bash", SYSTEM_USER], check=True, capture_output=True)
    return SYSTEM_USER


class Den:
    """A server's own folder. Steps: `make`, then `remove`; `make` first removes what an earlier run has left."""

    def __init__(self, note: Path, prefix: str, pid_file: str, ending: signal.Signals) -> None:
        """`note`: file that tells where the folder is. `pid_file`: below the folder, its first line is the server's
        process. `ending`: the signal that ends a leftover server at once.
        """
        self._note, self._prefix, self._pid_file, self._ending = note, prefix, pid_file, ending
        self.folder: Path | None = None

    @property
    def path(self) -> Path:
        """The folder; RuntimeError before `make`."""
        if self.folder is None:
            raise RuntimeError("Máy chủ chưa được tạo / The server has not been prepared")
        return self.folder

    @property
    def pid(self) -> int | None:
        """The server's process while it runs."""
        return _process_of(self.folder / self._pid_file, self.folder) if self.folder else None

    def make(self) -> Path:
        """A new folder, readable by the server's user only."""
        self._note.parent.mkdir(parents=True, exist_ok=True)
        self.clear()
        self.folder = Path(tempfile.gettempdir()) / f"{self._prefix}{secrets.token_hex(4)}"
        # The note is there, and whole, before the folder is: whoever kills us leaves no folder that nobody knows of.
        unfinished = self._note.with_name(f".{self._note.name}.part")
        unfinished.write_text(str(self.folder), encoding="utf-8")
        unfinished.replace(self._note)
        self.folder.mkdir(mode=0o700)
        if (user := system_user()) is not None:
            shutil.chown(self.folder, user, user)
        return self.folder

    def remove(self) -> None:
        """Remove the folder of a stopped server; nothing when there is none."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self._note.unlink(missing_ok=True)
            self.folder = None

    def clear(self) -> None:
        """Stop and remove what an earlier run over the same home left when it was killed."""
        if not self._note.exists():
            return
        folder = Path(self._note.read_text(encoding="utf-8"))
        if folder.is_dir() and folder.name.startswith(self._prefix):
            if (pid := _process_of(folder / self._pid_file, folder)) is not None:
                os.kill(pid, self._ending)
                _wait_for_end(pid, folder)
            shutil.rmtree(folder, ignore_errors=True)
        self._note.unlink()


def run(command: list[str], cwd: Path, **options: Any) -> None:
    """Run a server's program as the server's user; on failure raise with what it said (on files and ports, no rows)."""
    # A file, not a pipe, takes the output: a server that stays behind inherits it and would keep a pipe open.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, user=system_user(), cwd=cwd, check=False,
            **options,
        )  # fmt: skip
        if done.returncode:
            output.seek(0)
            name = Path(command[0]).name
            raise RuntimeError(f"{name} thất bại / {name} failed: {output.read().strip()}")


def write_private(file: Path, content: object) -> None:
    """Write JSON that only its owner may read (it holds passwords) and that appears whole."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}.part")
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        json.dump(content, out, indent=2, ensure_ascii=False)
    unfinished.replace(file)


def _process_of(pid_file: Path, folder: Path) -> int | None:
    """The living process of a pid file, if it really is one that was started on this folder and not a later stranger."""
    try:
        pid = int(pid_file.read_text(encoding="utf-8").split()[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError, IndexError, ValueError):
        return None
    return pid if str(folder).encode() in command else None


def _wait_for_end(pid: int, folder: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while Path(f"/proc/{pid}/cmdline").exists() and str(folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
        if time.monotonic() > deadline:
            raise RuntimeError(f"Tiến trình cũ không dừng / The process of an earlier run does not end: {pid}")
        time.sleep(0.02)

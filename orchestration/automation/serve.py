"""`kho up`: Dagster's web server and daemon in the foreground, everything stopped together.

Belongs here: starting and stopping processes. Stays out: what they serve.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from orchestration import settings
from orchestration.automation.instance import prepare
from orchestration.warehouse import embedded, is_external


def serve(port: int = 3000) -> int:
    """Run the UI on 127.0.0.1 and the daemon until Ctrl-C or SIGTERM, then stop them and the embedded server."""
    prepare()
    tools = Path(sys.executable).parent
    workspace = str(settings.REPOSITORY / "workspace.yaml")
    commands = [
        [
            str(tools / "dagster-webserver"),
            "-w",
            workspace,
            "-h",
            "127.0.0.1",
            "-p",
            str(port),
            "--log-level",
            "warning",
        ],
        [str(tools / "dagster-daemon"), "run", "-w", workspace, "--log-level", "warning"],
    ]
    # Sessions of their own: a Ctrl-C in the terminal reaches this process only, which then stops them in order.
    children = [subprocess.Popen(command, cwd=settings.REPOSITORY, start_new_session=True) for command in commands]
    ended = 0
    try:
        for ending in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(ending, _interrupt)
        while all(child.poll() is None for child in children):
            time.sleep(0.5)
        ended = 1  # one of them ended by itself: so does the other
    except KeyboardInterrupt:
        pass
    finally:
        for child in reversed(children):
            if child.poll() is None:
                child.send_signal(signal.SIGINT)
        for child in children:
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        if not is_external():
            embedded.stop()
    return ended


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt

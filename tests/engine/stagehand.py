"""The process that forks stages and ends them at the wrong moment; `Stagehand` starts it.

It has everything imported, no thread and no connection, so that a stage starts by fork in a millisecond. Requests and answers are
length-prefixed pickles on its standard input and output. Here belong the stages as a child runs them and the ways to end them;
what must hold afterwards stays out (`campaign`).
"""

from __future__ import annotations

import importlib
import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

#: Where the package is imported from, whatever its name is in this process.
ROOT = Path(__file__).resolve().parents[__name__.count(".")] if __name__ != "__main__" else Path()


@dataclass(frozen=True)
class Event:
    """How a stage ends early.

    step: SIGKILL at the named step, when it is passed for the `nth` time; server_step: the postmaster dies there instead; moment: SIGKILL
    `seconds` after the start; server_moment: the postmaster then; lost_before, lost_after: the connection goes just before the commit, or
    after it but before its answer.
    """

    kind: str = "none"
    step: str = ""
    seconds: float = 0.0
    nth: int = 1


@dataclass(frozen=True)
class Answer:
    """What the stage returned, the code of what it raised, or neither: it was killed. `struck`: the trap has gone off."""

    result: Any = None
    error: str = ""
    killed: bool = False
    struck: bool = False


class Stagehand:
    """Handle on the process; use it as a context manager."""

    def __enter__(self) -> Stagehand:
        self.process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=30)

    def run(self, stage: str, *arguments: Any, event: Event = Event()) -> Answer:
        """Run a stage in a child of its own until it ends or is ended."""
        assert self.process.stdin is not None and self.process.stdout is not None
        _send(self.process.stdin, (stage, arguments, event))
        return _receive(self.process.stdout)


def _send(stream: BinaryIO, message: Any) -> None:
    content = pickle.dumps(message)
    stream.write(struct.pack("!I", len(content)) + content)
    stream.flush()


def _receive(stream: BinaryIO) -> Any:
    head = stream.read(4)
    if len(head) < 4:
        raise EOFError
    return pickle.loads(stream.read(struct.unpack("!I", head)[0]))


# -- in the process -------------------------------------------------------------------------------------------------------


def serve() -> None:
    """Answer requests until standard input ends."""
    import psycopg  # noqa: F401  # imported before the fork, as is all that follows
    import zstandard  # noqa: F401

    import orchestration.landing.land
    import orchestration.release.builds
    import orchestration.release.pipeline  # noqa: F401

    from . import subjects  # noqa: F401

    for name in ("ciphers.aead", "kdf.hkdf"):
        importlib.import_module(f"cryptography.hazmat.primitives.{name}")

    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that a stage prints may get between the answers
    while True:
        try:
            stage, arguments, event = _receive(requests)
        except EOFError:
            return
        if stage == "preload":
            for name in arguments or ("great_expectations", "expectations.gate"):
                importlib.import_module(name)
            _send(answers, Answer("ready"))
            continue
        _send(answers, _fork(stage, arguments, event))


def _fork(stage: str, arguments: tuple[Any, ...], event: Event) -> Answer:
    from .cluster import kill_postmaster

    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        answer, struck = Answer(error="unfinished"), []
        try:
            struck = _arm(event)
            answer = Answer(STAGES[stage](*arguments))
        except BaseException as error:  # the parent judges
            answer = Answer(error=str(getattr(error, "code", "")) or f"{type(error).__name__}: {error}")
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(replace(answer, struck=bool(struck)), pipe)
        os._exit(0)
    os.close(writing)
    if event.kind in ("moment", "server_moment"):
        finished, _, _ = select.select([reading], [], [], event.seconds)
        if not finished:
            if event.kind == "moment":
                os.kill(child, signal.SIGKILL)
            else:
                kill_postmaster()
    with os.fdopen(reading, "rb") as pipe:
        content = pipe.read()
    os.waitpid(child, 0)
    return pickle.loads(content) if content else Answer(killed=True, struck=True)


def _arm(event: Event) -> list[str]:
    """In the child: lay the trap. The list gets an entry when it goes off."""
    import psycopg

    landing = importlib.import_module("orchestration.landing.land")  # the package gives its name to the function
    from orchestration.landing import keep
    from orchestration.release import builds, pipeline
    from orchestration.warehouse import connect

    from .cluster import kill_postmaster

    struck: list[str] = []
    if event.kind == "step" and event.nth == 1:
        os.environ["KHO_KILL_AT"] = event.step
    elif event.kind in ("step", "server_step"):
        passed: list[str] = []

        def step(name: str) -> None:
            if name != event.step:
                return
            passed.append(name)
            if event.kind == "server_step":
                struck.append(name)
                kill_postmaster()
            elif len(passed) == event.nth:
                os.kill(os.getpid(), signal.SIGKILL)

        senders = [sys.modules.get(f"orchestration.exchange.{name}") for name in ("run", "reconcile")]
        for module in filter(None, (landing, keep, builds, pipeline, sys.modules[__name__], *senders)):
            module.step = step  # type: ignore[attr-defined]
    elif event.kind in ("lost_before", "lost_after"):
        commit = psycopg.Connection.commit

        def losing(self: psycopg.Connection[Any]) -> None:
            psycopg.Connection.commit = commit  # type: ignore[method-assign]
            struck.append(event.kind)
            if event.kind == "lost_after":
                commit(self)
            with connect("admin", autocommit=True) as admin:
                admin.execute("select pg_terminate_backend(%s, 5000)", (self.info.backend_pid,))
            if event.kind == "lost_before":
                commit(self)
            else:
                self.execute("select 'the answer to the commit'")

        psycopg.Connection.commit = losing  # type: ignore[method-assign]
    return struck


def step(name: str) -> None:
    from orchestration import faults

    faults.step(name)


# -- the stages -----------------------------------------------------------------------------------------------------------


def _land(made: Any, parcel: Any) -> Any:
    from orchestration.landing import land

    from .samples import NIGHT

    return land(made, parcel.delivery(), night=NIGHT)


def _build(subject: str, tables: Any) -> int:
    from orchestration import release

    from .subjects import NIGHT, put_candidate

    build = release.begin(subject, NIGHT)
    for table, (types, key, content) in tables.items():
        put_candidate(subject, table, types, key, content)
    return build


def _diff(subject: str, build: int) -> None:
    from orchestration import release

    release.diff(subject, build)


def _gate(subject: str, build: int, verdict: str) -> None:
    from .subjects import judge

    step("gate:before")
    judge(subject, build, verdict)
    step("gate:committed")


def _real_gate(subject: str, build: int, root: Path) -> str:
    """Diff and gate as the pipeline runs them, with the suites under `root`."""
    import functools

    from expectations import gate
    from orchestration.release import pipeline

    from .subjects import NIGHT

    gate.run = functools.partial(gate.run, root=root)  # type: ignore[assignment]
    return pipeline.check(subject, build, NIGHT, [])[1].verdict


def _promote(subject: str, build: int) -> int:
    from orchestration import release

    return release.promote(subject, build).release


def _rollback(subject: str, to: int) -> int:
    from orchestration import release

    return release.rollback(subject, to, by="tests").release


def _exchange(obligation: Any, env: dict[str, str], seconds: float) -> Any:
    from orchestration import exchange

    return exchange.run(obligation, env=env, seconds=seconds)


def _reconcile(obligation: Any, env: dict[str, str], full: bool) -> Any:
    from orchestration import exchange

    return exchange.reconcile(obligation, env=env, full=full)


def _call(function: Any, home: Path, arguments: tuple[Any, ...]) -> None:
    """Any function of a module, in another warehouse."""
    os.environ["KHO_HOME"] = str(home)
    function(*arguments)


STAGES = {
    "land": _land,
    "call": _call,
    "build": _build,
    "diff": _diff,
    "gate": _gate,
    "real_gate": _real_gate,
    "promote": _promote,
    "rollback": _rollback,
    "exchange": _exchange,
    "reconcile": _reconcile,
}


def settle(timeout: float = 15.0) -> None:
    """Start the server if it is down and wait until nothing of a dead client is left in it."""
    from orchestration.warehouse import connect, embedded

    embedded.start()
    deadline = time.monotonic() + timeout
    with connect("admin", autocommit=True) as admin:
        query = "select count(*) from pg_stat_activity where application_name like 'kho %' and pid <> pg_backend_pid()"
        while admin.execute(query).fetchone() != (0,):
            if time.monotonic() > deadline:
                raise TimeoutError("a backend outlives its client")
            time.sleep(0.002)


def at_step(name: str, *, server: bool = False) -> Event:
    return replace(Event("server_step" if server else "step"), step=name)


if __name__ == "__main__":
    # Under its importable name, so that pickles and traps mean the same module.
    from . import stagehand

    stagehand.serve()

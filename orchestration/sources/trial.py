"""Sources tried out: whether each answers, lets us in and has the contract's columns, many at a time and within a time.

Purpose: what `kho source test` tells. Belongs here: which step a failure belongs to, threads, the time limit. Stays out:
asking one source (the readers' `probe_…`). Nothing is loaded, and nothing written anywhere.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, TypeVar

from orchestration.contracts.model import Contract, Source
from orchestration.errors import KhoError
from orchestration.sources import is_connected, missing_variables, test_source
from orchestration.sources.delivery import Seen

#: What is tried, in this order. A step is ok, failed, not_reached, or not_seen: nothing lay there to look at.
STEPS = ("connection", "credentials", "contract")
AT_ONCE = 4  # agencies asked at the same time
TIMEOUT = 30.0  # seconds for one source
_CREDENTIALS = frozenset({"login_refused", "access_refused"})
_CONNECTION = frozenset(
    {
        "bad_address", "host_key", "internal", "missing_driver", "missing_folder", "missing_variable", "source_address",
        "source_down", "source_kind", "timeout",
    }
)  # fmt: skip
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Trial:
    """One source tried. state: ok, not_connected (variables in `missing` are not set), failed (`code`, and `lines` say why).

    `steps` are those of STEPS. `lines` are for a person; `seconds` is how long it took.
    """

    dataset: str
    agency: str
    channel: str
    status: str
    state: str
    steps: dict[str, str]
    missing: list[str]
    lines: list[str]
    code: str | None
    seconds: float


def try_sources(
    contracts: Sequence[Contract], env: Mapping[str, str], *, timeout: float = TIMEOUT, at_once: int = AT_ONCE
) -> Iterator[Trial]:
    """A trial of every source, in the order of the contracts, each as soon as it and those before it are done.

    The sources of an agency are asked one after the other, `at_once` agencies together. A source that has not answered
    within `timeout` seconds is given up, and others at the same address are not asked any more. An abandoned call ends with the
    process at the latest: it runs in a daemon thread.
    """
    futures: list[Future[Trial]] = []
    agencies: dict[str, list[tuple[Contract, Source, Future[Trial]]]] = {}
    for contract in contracts:
        for source in contract.sources:
            futures.append(Future())
            agencies.setdefault(contract.agency, []).append((contract, source, futures[-1]))
    waiting: SimpleQueue[list[tuple[Contract, Source, Future[Trial]]]] = SimpleQueue()
    for jobs in agencies.values():
        waiting.put(jobs)
    for _ in range(min(at_once, len(agencies))):
        threading.Thread(target=_work, args=(waiting, env, timeout), daemon=True).start()
    for future in futures:
        yield future.result()


def _work(
    waiting: SimpleQueue[list[tuple[Contract, Source, Future[Trial]]]], env: Mapping[str, str], timeout: float
) -> None:
    while True:
        try:
            jobs = waiting.get_nowait()
        except Empty:
            return
        hanging: set[str] = set()
        for contract, source, future in jobs:
            try:
                future.set_result(_try(contract, source, env, timeout, hanging))
            except Exception as defect:  # noqa: BLE001 - raised again where it is waited for
                future.set_exception(defect)


def _try(contract: Contract, source: Source, env: Mapping[str, str], timeout: float, hanging: set[str]) -> Trial:
    of_source = contract.through(source)
    missing = missing_variables(of_source if is_connected(contract, env) else contract, env)
    not_reached = dict.fromkeys(STEPS, "not_reached")

    def trial(state: str, steps: dict[str, str], lines: list[str], code: str | None = None) -> Trial:
        return Trial(
            contract.id, contract.agency, source.name, contract.status, state, steps, missing, lines, code,
            round(monotonic() - started, 3),
        )  # fmt: skip

    started = monotonic()
    if missing:
        names = ", ".join(missing)
        text = f"Chưa kết nối: chưa đặt {names} / not connected: {names} not set"
        return trial("not_connected", not_reached, [text], "missing_variable")
    if source.location in hanging:
        text = "Không thử: địa chỉ này vừa không trả lời / not tried: this address has just not answered"
        return trial("failed", not_reached | {"connection": "failed"}, [text], "timeout")
    failure: KhoError
    try:
        lines = _within(timeout, lambda: test_source(of_source, env))
        seen = any(isinstance(line, Seen) for line in lines)
        steps = dict.fromkeys(STEPS, "ok") | ({} if seen else {"contract": "not_seen"})
        return trial("ok", steps, [str(line) for line in lines])
    except KhoError as error:
        failure = error
    if failure.code == "timeout":
        hanging.add(source.location)
    at = STEPS.index(_step(failure))
    steps = not_reached | dict.fromkeys(STEPS[:at], "ok") | {STEPS[at]: "failed"}
    return trial("failed", steps, [f"[{failure.code}] {failure}"], failure.code)


def _step(failure: KhoError) -> str:
    """The step at which a trial failed."""
    state, rule = str(failure.where.get("sqlstate", "")), str(failure.where.get("rule", ""))
    if failure.code in _CREDENTIALS or state[:2] == "28" or state == "42501":
        return "credentials"
    if failure.code == "service_refused" and rule in ("401", "403"):
        return "credentials"
    # A database that fails while it is looked at has not been reached as it should; every other error is of what was found.
    if failure.transient or failure.code in _CONNECTION or (failure.code == "database" and state[:2] != "42"):
        return "connection"
    return "contract"


def _within(seconds: float, call: Callable[[], T]) -> T:
    """The call, given up after `seconds` (KhoError `timeout`). A defect is told by its kind only."""
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(call())
        except KhoError as failure:
            done.set_exception(failure)
        except Exception as defect:  # noqa: BLE001 - told as what it is; its text may quote a value
            name = type(defect).__name__
            done.set_exception(KhoError("internal", f"Lỗi ngoài dự kiến {name}", f"Unexpected {name}"))

    threading.Thread(target=run, daemon=True).start()
    try:
        return done.result(seconds)
    except TimeoutError:
        pass
    raise KhoError(
        "timeout",
        f"Không trả lời trong {seconds:g} giây",
        f"No answer within {seconds:g} seconds",
        {"rule": f"{seconds:g} s"},
    )


def as_plain(trial: Trial) -> dict[str, Any]:
    """A trial for JSON."""
    from dataclasses import asdict

    return {**asdict(trial), "ok": trial.state == "ok"}

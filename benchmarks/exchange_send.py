"""exchange-send: 100,000 records in batches of 500 through the outbox, against a bare loop over http.client with the same bytes.

Ours is the whole engine: batches claimed with a durable commit before the first byte leaves, bytes from PostgreSQL, SHA-256 of what was
sent, answers judged, confirmed with a durable commit, the run in the ledger. The floor has its bodies in memory, keeps the connection
and looks at `error_code`; a crash loses it. Planning comes before and is printed beside.
"""

from __future__ import annotations

import hashlib
import http.client
import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks import licences
from benchmarks.measure import ROWS, Contender, Watch, result, take_turns
from benchmarks.sink import sink
from orchestration import exchange, settings
from orchestration.exchange import Obligation
from orchestration.exchange.gateway import Gateway
from orchestration.exchange.outbox import Outbox, open_outbox
from orchestration.warehouse import connect

RECORDS = min(ROWS, 100_000)
PHASES = {
    (Outbox, "confirm_and_claim"): "outbox",
    (Gateway, "envelope"): "envelope",
    (Gateway, "send"): "wire",
    (Outbox, "record"): "evidence",
}


def run(_: Path) -> None:
    """One benchmark."""
    licences.release_rows(RECORDS)
    obligation = licences.obligation()
    with sink() as env:
        plan(obligation, Watch())
        bodies = planned_bodies(obligation, env)
        contenders = {"kho": ours(obligation, env), "http.client": floor(obligation, env, bodies)}
        figures = take_turns(contenders)
    assert durable(), "fsync and synchronous_commit must be on"
    assert sent() == [hashlib.sha256(body).digest() for body in bodies], "not the same bytes on both sides"
    size = sum(map(len, bodies)) / 1e6
    figures.table(f"exchange-send: {RECORDS} records, {len(bodies)} batches, {size:.1f} MB", list(contenders))
    result("exchange-send", figures.median("kho"), figures.median("http.client"), 2.5)


def plan(obligation: Obligation, watch: Watch) -> None:
    """Everything planned, nothing sent; seconds go to the phase `planning, before`."""
    licences.empty_outbox()
    with open_outbox(obligation) as outbox:
        assert outbox is not None
        with watch:
            assert outbox.plan(obligation.on(settings.now().date())) == RECORDS


def planned_bodies(obligation: Obligation, env: Mapping[str, str]) -> list[bytes]:
    """The bodies of all batches, in order, as the engine makes them."""
    channel = obligation.on(settings.now().date()).channel
    with connect("admin") as admin, Gateway(channel, env) as gateway:
        items = admin.execute(
            "select string_agg(item, ',' order by seq) from kho.message group by batch order by batch"
        ).fetchall()
        return [gateway.envelope(channel.services.send, False, each) for (each,) in items]


def ours(obligation: Obligation, env: Mapping[str, str]) -> Contender:
    def contender(watch: Watch) -> None:
        planning = Watch()
        plan(obligation, planning)
        with watch, watch.calls(PHASES):
            done = exchange.run(obligation, env=env, seconds=600)
        assert (done.outcome, done.confirmed) == ("done", RECORDS), done
        print(f"  (planning, before: {planning.seconds:.2f} s)", flush=True)

    return contender


def floor(obligation: Obligation, env: Mapping[str, str], bodies: list[bytes]) -> Contender:
    channel = obligation.on(settings.now().date()).channel
    address = urlsplit(env[channel.location.strip("${}")])
    path = f"{channel.path}/{channel.services.send}"
    headers = {
        "Authorization": "Bearer sink",
        "Content-Type": "application/json; charset=utf-8",
        "dstcode": channel.receiver,
    }

    def contender(watch: Watch) -> None:
        with watch:
            connection = http.client.HTTPConnection(address.hostname or "", address.port)
            for body in bodies:
                connection.request("POST", path, body, headers)
                answer = json.loads(connection.getresponse().read())
                assert answer["error_code"] == "00", answer
            connection.close()

    return contender


def durable() -> bool:
    """Whether a commit that has been answered survives the machine."""
    with connect("exchange") as connection:
        shown = [connection.execute(f"show {name}").fetchone() for name in ("fsync", "synchronous_commit")]
    return shown == [("on",), ("on",)]


def sent() -> list[bytes]:
    """SHA-256 of every body the engine has sent last, in order."""
    with connect("admin") as admin:
        return [
            digest for (digest,) in admin.execute("select sent_sha256 from kho.batch order by first_seq").fetchall()
        ]

"""Deliveries of communes over REST: each with a receipt that says what it should be, each confirmed once it is landed.

Purpose: one Delivery for all receipts of a day, over all communes, so that a day is one transaction. Belongs here: which
receipts are new, whether a delivery is what its receipt says, confirmations. Stays out: HTTP and retries (`wire`), rows.

- A commune's receipts are taken in order. One that is not what it says stops its commune for now, not the others; at the end
  of the run Transient tells all that was wrong. The next run begins there again.
- What was delivered before and lies there once more under a new receipt, the same to the byte, brings no rows: they might be
  older than what came in between. Its receipt is confirmed like any other.
- A delivery counts as taken when it is told so (`done`): the cursors of later ones know nothing of it before, and leave out its
  communes.
- The cursor is JSON: per commune moment and number of the last receipt taken and how many are not later than it, and the
  receipts to be confirmed. These commit with the rows, and the word to the commune comes after the commit; so the next run
  confirms them once more, which means nothing where it arrived and makes good where it did not.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import IO, Any
from urllib.parse import parse_qsl, quote

from orchestration.contracts.model import Contract
from orchestration.errors import KhoError, Transient
from orchestration.sources.delivery import CHUNK, LOCAL, Delivery, Seen, expand
from orchestration.sources.pages import extra_fields, lines_of, refuse_missing, unusable_cursor
from orchestration.sources.wire import Again, Reply, Wire, client_credentials, json_object, retried

OK, BUSY = "00", "99"
PATIENCE = 3  # calls in a row without any answer before the gateway is held to be down
LISTING = "giao-nhan"
MOMENT = "%Y%m%d%H%M%S"
_NAMES = {
    "number": "SoBienNhan",
    "moment": "ThoiDiem",
    "day": "Ngay",
    "rows": "SoDong",
    "size": "KichThuoc",
    "sha256": "SHA256",
}


@dataclass(frozen=True, order=True)
class Receipt:
    """What a commune says it delivered. In order of receipt."""

    moment: str
    number: str
    commune: str
    day: str
    rows: int
    size: int
    sha256: str

    @property
    def wire(self) -> list[str | int]:
        """What a confirmation needs."""
        return [self.commune, self.number, self.sha256, self.rows]


class _Lie(Exception):
    """A commune's answer that is not what it should be: `vi` and `en` say in what, without a value."""

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(en)
        self.vi, self.en = vi, en


@dataclass
class _State:
    """The cursor. `communes`: moment and number of the last receipt taken, how many there are up to it. `confirm`: still to be said."""

    communes: dict[str, list[Any]] = field(default_factory=dict)
    confirm: list[list[Any]] = field(default_factory=list)

    @classmethod
    def read(cls, cursor: str | None) -> _State:
        if cursor is None:
            return cls()
        try:
            found = json.loads(cursor)
            return cls(dict(found["communes"]), list(found["confirm"]))
        except (ValueError, KeyError, TypeError):
            found = None
        raise unusable_cursor("receipts")

    def text(self) -> str:
        return json.dumps({"communes": self.communes, "confirm": self.confirm}, separators=(",", ":"))


def open_receipts(contract: Contract, cursor: str | None, env: Mapping[str, str]) -> Iterator[Delivery]:
    """A Delivery of encoding json (NDJSON) for each day with new receipts, oldest first; its `done` confirms them.

    Transient after the last one when a commune could not be taken, or a confirmation not be given.
    """
    with _Client(contract, env) as client:
        run = _Run(contract, client, _State.read(cursor))
        run.confirm(list(run.state.confirm))
        yield from run.deliveries()
        run.tell()


def probe_receipts(contract: Contract, env: Mapping[str, str]) -> list[str]:
    """Log in, list the communes, and compare one delivery with the contract."""
    with _Client(contract, env) as client:
        communes = client.communes()
        lines = [f"Cổng {contract.source.location}: đăng nhập được", f"{client.path}: {len(communes)} xã"]
        for commune in communes:
            for receipt in client.receipts(commune)[-1:]:
                with tempfile.TemporaryFile() as out:
                    records, _ = client.delivery(receipt, out)
                if records:
                    refuse_missing(contract, tuple(records[0]), client.path)
                    return [*lines, Seen(f"Đủ {len(contract.columns)} trường của hợp đồng")]
        return lines


class _Client:
    """A session with the communes' gateway.

    The option `path` is that of the list of communes; behind `?` fields that a receipt must have, as `?BoDuLieu=ho_ngheo`.
    The token is an access token, or `key:secret` with which one is asked for.
    """

    def __init__(self, contract: Contract, env: Mapping[str, str]) -> None:
        path, _, wanted = contract.source.options["path"].partition("?")
        self.path, self._wanted = path.rstrip("/"), dict(parse_qsl(wanted))
        key, found, secret = expand(contract.source.options["token"], env).partition(":")
        fixed = None if found else {"Authorization": f"Bearer {key}"}
        self._headers = fixed or {}
        self._wire = Wire(expand(contract.source.location, env), client_credentials(key, secret) if found else None)

    def __enter__(self) -> _Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._wire.__exit__()

    def communes(self) -> list[str]:
        """Codes of the communes that deliver."""
        found = self._said("GET", self.path).get("data")
        if not isinstance(found, list) or not all(isinstance(c, str) and re.fullmatch(r"\w{1,20}", c) for c in found):
            raise self._protocol()
        return sorted(set(found))

    def receipts(self, commune: str) -> list[Receipt]:
        """All receipts of a commune, in order. _Lie when one of them cannot be read."""
        listed = self._said("GET", f"{self.path}/{commune}/{LISTING}").get("data")
        if not isinstance(listed, list):
            raise self._protocol()
        wanted = [one for one in listed if not isinstance(one, dict) or self._wanted.items() <= one.items()]
        return sorted(_receipt(commune, one) for one in wanted)

    def delivery(self, receipt: Receipt, out: IO[bytes]) -> tuple[list[dict[str, Any]], int]:
        """Its records, which are also written as lines, and their number. _Lie when it is not what the receipt says."""
        path = self._path(receipt.commune, receipt.number)
        reply = retried(path, lambda: self._ask("GET", path))
        if len(reply.body) != receipt.size:
            raise _Lie("kích thước không khớp biên nhận", "its size is not that of the receipt")
        if hashlib.sha256(reply.body).hexdigest() != receipt.sha256:
            raise _Lie("SHA256 không khớp biên nhận", "its SHA256 is not that of the receipt")
        body: dict[str, Any] | None = None
        try:
            body = json_object(reply.body)
        except Again:
            body = None
        records = body.get("data") if body else None
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise _Lie("nội dung không phải JSON như đã thống nhất", "it is not JSON as agreed")
        if len(records) != receipt.rows:
            raise _Lie("số dòng không khớp biên nhận", "its number of rows is not that of the receipt")
        out.writelines(lines_of(records, reply.body, "data"))
        return records, len(records)

    def confirm(self, commune: str, number: str, sha256: str, rows: int) -> bool:
        """Say that a delivery has been landed; True. Saying it again changes nothing."""
        self._said("POST", self._path(commune, number), json={"SHA256": sha256, "SoDong": str(rows)})
        return True

    def _said(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        """An answer with the code 00."""
        return retried(path, lambda: json_object(self._ask(method, path, **arguments).body))

    def _ask(self, method: str, path: str, **arguments: Any) -> Reply:
        """An answer that is no refusal. A delivery says no code, but a refusal instead of it does."""
        reply = self._wire.ask(method, path, headers=self._headers, **arguments)
        if len(reply.body) < 2_000 or method == "POST" or not path.startswith(f"{self.path}/"):
            code = json_object(reply.body).get("error_code", OK)
            if code == BUSY:
                raise Again(f"error_code {BUSY}")
            if code != OK:
                shown = code if re.fullmatch(r"\w{1,10}", str(code)) else "?"
                raise KhoError(
                    "service_refused",
                    f"{path}: hệ thống từ chối yêu cầu (error_code {shown})",
                    f"{path}: the service refused the request (error_code {shown})",
                    {"file": path, "rule": f"error_code {shown}"},
                )
        return reply

    def _path(self, commune: str, number: str) -> str:
        return f"{self.path}/{quote(commune, safe='')}/{LISTING}/{quote(number, safe='')}"

    def _protocol(self) -> KhoError:
        return KhoError(
            "protocol",
            f"{self.path}: câu trả lời không có data như đã thống nhất",
            f"{self.path}: the answer lacks data as agreed",
            {"file": self.path, "rule": "protocol"},
        )


class _Run:
    """One run over all communes. Deliveries are handed over day by day; what went wrong is told at the end."""

    def __init__(self, contract: Contract, client: _Client, state: _State) -> None:
        self.contract, self.client, self.state = contract, client, state
        self.failed: dict[str, tuple[str, str]] = {}  # commune -> what is wrong, in both languages
        self.unconfirmed = self._down = 0
        self._communes: list[str] = []
        self._listed: dict[str, list[Receipt]] = {}
        self._taken: set[Receipt] = set()
        self._held: set[str] = set()  # communes of a delivery that was handed over and not taken

    def deliveries(self) -> Iterator[Delivery]:
        """Those of the days that have something new, one at a time."""
        self._communes = self.client.communes()
        for commune in self._communes:
            self._attempt(commune, partial(self._look, commune))
        new = sorted(receipt for listed in self._listed.values() for receipt in listed if self._is_new(receipt))
        for day, receipts in groupby(sorted(new, key=lambda r: (r.day, r)), key=lambda r: r.day):
            with tempfile.TemporaryFile(buffering=CHUNK) as out:
                yield from self._day(day, list(receipts), out)

    def _look(self, commune: str) -> None:
        listed = self.client.receipts(commune)
        moment, number, count = self.state.communes.get(commune, ["", "", 0])
        if sum((one.moment, one.number) <= (moment, number) for one in listed) > count:
            # Told until the next receipt is taken: from then on the new number counts.
            self.failed[commune] = ("có biên nhận mới mang thời điểm cũ", "it has new receipts with an old moment")
        self._listed[commune] = listed

    def _is_new(self, receipt: Receipt) -> bool:
        moment, number, _ = self.state.communes.get(receipt.commune, ["", "", 0])
        return (receipt.moment, receipt.number) > (moment, number)

    def _day(self, day: str, receipts: list[Receipt], out: IO[bytes]) -> Iterator[Delivery]:
        taken: list[Receipt] = []
        fields: set[str] = set()
        blocked = self._held | {commune for commune in self.failed if commune not in self._listed}
        rows = 0
        for receipt in receipts:
            if receipt.commune in blocked:
                continue
            begin = out.tell()
            if not self._is_again(receipt):
                found = self._attempt(receipt.commune, partial(self.client.delivery, receipt, out))
                if found is None:
                    out.seek(begin)
                    out.truncate()
                    blocked.add(receipt.commune)
                    self._listed.pop(receipt.commune)
                    continue
                fields.update(*found[0])
                rows += found[1]
            taken.append(receipt)
        if not taken:
            return
        out.seek(0)
        after = self._after(taken)
        landed = False

        def done() -> None:
            nonlocal landed
            self.state, landed = after, True
            self._taken.update(taken)
            self.confirm(list(after.confirm))

        if not rows:
            # Nothing but what was taken before: there is nothing to commit, so the word can be given at once.
            done()
            return
        yield Delivery(
            name=f"{self.client.path} {day}",
            as_of=datetime.strptime(taken[-1].moment, MOMENT).replace(tzinfo=LOCAL),
            encoding="json",
            chunks=iter(lambda: out.read(CHUNK), b""),
            columns=(),
            extra=extra_fields(self.contract, fields),
            cursor_after=after.text,
            done=done,
            partial={receipt.commune for receipt in taken} != set(self._communes),
        )
        if not landed:
            # It comes again, and what its communes sent later comes after it.
            self._held.update(receipt.commune for receipt in taken)

    def _after(self, taken: list[Receipt]) -> _State:
        """The state once these are taken: of each commune, as far as nothing before is missing."""
        communes, known = dict(self.state.communes), self._taken.union(taken)
        for commune in {receipt.commune for receipt in taken}:
            listed = self._listed[commune]
            for upto, receipt in enumerate(listed, 1):
                if self._is_new(receipt) and receipt not in known:
                    break
                if receipt in known:
                    communes[commune] = [receipt.moment, receipt.number, upto]
        return _State(communes, [*self.state.confirm, *(receipt.wire for receipt in taken)])

    def _is_again(self, receipt: Receipt) -> bool:
        same = (receipt.sha256, receipt.rows, receipt.size)
        return any((one.sha256, one.rows, one.size) == same and one < receipt for one in self._listed[receipt.commune])

    def confirm(self, receipts: list[list[Any]]) -> None:
        """Give these confirmations; what cannot be given stays owed, and is told at the end of the run."""
        for receipt in receipts:
            if self._attempt("", partial(self.client.confirm, *receipt)):
                self.state.confirm.remove(receipt)
        self.unconfirmed = len(self.state.confirm)

    def _attempt(self, commune: str, call: Callable[[], Any]) -> Any:
        """What `call` gives; None where it failed, which is remembered of the commune ("": of nobody).

        When several in a row got no answer, it is the gateway that is down, and the rest is left for the next run.
        """
        failure = ("cổng không trả lời", "the gateway does not answer")
        if self._down < PATIENCE:
            try:
                found = call()
                self._down = 0
                return found
            except _Lie as lie:
                failure, self._down = (lie.vi, lie.en), 0
            except KhoError as error:
                failure = (error.vi, error.en)
                self._down = self._down + 1 if error.code == "source_down" else 0
        if commune:
            self.failed[commune] = failure
        return None

    def tell(self) -> None:
        """Transient with all that went wrong, if anything did: the next run tries it again."""
        if not self.failed and not self.unconfirmed:
            return
        vi = [f"xã {commune}: {failure[0]}" for commune, failure in sorted(self.failed.items())]
        en = [f"commune {commune}: {failure[1]}" for commune, failure in sorted(self.failed.items())]
        if self.unconfirmed:
            vi.append(f"{self.unconfirmed} biên nhận chưa xác nhận được")
            en.append(f"{self.unconfirmed} receipts could not be confirmed")
        raise Transient(
            "receipts",
            f"{self.client.path}: {'; '.join(vi)}",
            f"{self.client.path}: {'; '.join(en)}",
            {"file": self.client.path, "rule": "receipts"},
        )


def _receipt(commune: str, listed: Any) -> Receipt:
    """A receipt as it is listed. _Lie when it is none."""
    found = {name: str(listed.get(key, "")) for name, key in _NAMES.items()} if isinstance(listed, dict) else {}
    good = (
        bool(found)
        and re.fullmatch(r"[\w.-]{1,64}", found["number"])
        and re.fullmatch(r"\d{8}", found["day"])
        and _is_moment(found["moment"])
        and all(re.fullmatch(r"[0-9]{1,12}", found[name]) for name in ("rows", "size"))
        and re.fullmatch(r"[0-9a-fA-F]{64}", found["sha256"])
    )
    if not good:
        raise _Lie("có biên nhận thiếu hoặc sai mục", "a receipt lacks a field or has a wrong one")
    return Receipt(
        found["moment"], found["number"], commune, found["day"], int(found["rows"]), int(found["size"]), found["sha256"].lower(),
    )  # fmt: skip


def _is_moment(text: str) -> bool:
    try:
        return len(text) == 14 and text.isdecimal() and datetime.fromisoformat(f"{text[:8]}T{text[8:]}") is not None
    except ValueError:
        return False

"""What the 99 communes deliver over REST: one endpoint a commune, each delivery with a receipt of its own.

Belongs here: deliveries on disk, their receipts, the services to list, fetch and confirm them. Stays out: HTTP and
faults (`web`), what is in the rows (`views`).

    POST {base}/token                               Basic key:secret, grant_type=client_credentials
    GET  {base}/xa                                  Bearer; the communes that deliver
    GET  {base}/xa/{code}/giao-nhan?ngay=yyyyMMdd   receipts of a day, without `ngay` of all days
    GET  {base}/xa/{code}/giao-nhan/{receipt}       the delivery: JSON; X-SHA256 and X-So-Dong say what it should be
    POST {base}/xa/{code}/giao-nhan/{receipt}       confirm: {"SHA256": "…", "SoDong": "…"}; answers a confirmation number

Now and then the same delivery lies there again a day later, under a receipt of that day.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from simulator.gateway import Answer, json_answer, not_found
from simulator.systems.plan import FaultPlan
from simulator.systems.source import Progress, Said, View, wire_table
from simulator.systems.texts import content, json_rows
from simulator.systems.web import Call, Web, WebSystem
from simulator.table import date_of

#: (view, province, day, changes) -> (commune, what is said of it) for each commune
Grouped = Callable[..., Iterator[tuple[str, Said]]]
_PATH = re.compile(r"/xa(?:/(?P<commune>\w+)/giao-nhan(?:/(?P<receipt>[\w-]+))?)?")
_AGENCY = "commune_"


@dataclass(frozen=True)
class Receipt:
    """What a commune says it delivered. `again`: the receipt under which the same was delivered before."""

    number: str
    commune: str
    dataset: str
    day: int
    moment: str
    rows: int
    size: int
    sha256: str
    file: Path
    again: str | None = None

    @property
    def wire(self) -> dict[str, str]:
        """As it is listed."""
        return {
            "SoBienNhan": self.number,
            "MaXa": self.commune,
            "BoDuLieu": self.dataset,
            "Ngay": f"{date_of(self.day):%Y%m%d}",
            "ThoiDiem": self.moment,
            "SoDong": str(self.rows),
            "KichThuoc": str(self.size),
            "SHA256": self.sha256,
        }


class Endpoints(Web):
    """The communes' endpoints, behind one gateway."""

    system = "commune_rest"
    api = "/xa/1.0"

    def __init__(self, record: Path, plan: FaultPlan) -> None:
        super().__init__(record, plan)
        self.receipts: dict[str, dict[str, Receipt]] = {}  # commune -> number -> receipt

    def answer(self, call: Call) -> Answer:
        """A list, a delivery, a confirmation, or why not."""
        found = _PATH.fullmatch(call.path)
        if found is None:
            return not_found()
        if refusal := self.authorise(call.headers.get("Authorization", "")):
            return refusal
        fault = self.strike()
        if refusal := self.refusal(fault):
            return refusal
        if fault == "error_code":
            return json_answer(200, _said("99", "Lỗi hệ thống, vui lòng thử lại sau"), fault=fault)
        commune, number = found["commune"], found["receipt"]
        if commune is None:
            return json_answer(200, _said("00", "", sorted(self.receipts)), fault=fault)
        receipts = self.receipts.get(commune)
        receipt = (receipts or {}).get(number or "")
        if receipts is None or (number and receipt is None):
            return not_found()
        if receipt is None:
            day = call.value("ngay")
            listed = [r.wire for r in receipts.values() if not day or r.wire["Ngay"] == day]
            return json_answer(200, _said("00", "", listed), fault=fault, records=len(listed))
        if call.method == "POST":
            return self._confirm(receipt, call, fault)
        told = (("X-SHA256", receipt.sha256), ("X-So-Dong", str(receipt.rows)))
        return Answer(200, receipt.file.read_bytes(), headers=told, fault=fault, records=receipt.rows)

    def _confirm(self, receipt: Receipt, call: Call, fault: str | None) -> Answer:
        try:
            body = json.loads(call.body)
            same = (str(body["SHA256"]).lower(), str(body["SoDong"])) == (receipt.sha256, str(receipt.rows))
        except (ValueError, KeyError, TypeError):
            return json_answer(200, _said("01", "Tham số không hợp lệ"), fault=fault)
        if not same:
            return json_answer(200, _said("03", "SHA256 hoặc số dòng không khớp biên nhận"), fault=fault)
        number = hashlib.blake2b(receipt.number.encode(), digest_size=6).hexdigest()
        content = _said("00", "") | {"MaXacNhan": f"XN-{number}", "SoBienNhan": receipt.number}
        return json_answer(200, content, fault=fault)


class CommuneRest(WebSystem):
    """The views of the system `commune_rest`: of one commune each (agency `commune_<code>`), or grouped by commune.

    `daily`: views that deliver what changed on a day; others deliver all they have. `grouped`: how a view is split.
    """

    name = "commune_rest"

    def __init__(
        self,
        home: Path,
        views: Sequence[View],
        plan: FaultPlan,
        record: Path,
        grouped: Grouped,
        daily: Collection[str] = (),
        progress: Progress | None = None,
    ) -> None:
        super().__init__(home, views, progress)
        self.web: Endpoints = Endpoints(record, plan)
        self._grouped, self._daily = grouped, frozenset(daily)

    def load(self, province: Any, day: int) -> None:
        """The deliveries of one day and no others."""
        shutil.rmtree(self.home, ignore_errors=True)
        self.web.receipts = self._delivered(province, day, {}, first=True)

    def advance(self, province: Any, day: int) -> None:
        """The deliveries of one more day."""
        before = self.web.receipts
        receipts = {commune: dict(listed) for commune, listed in before.items()}
        self.web.receipts = self._delivered(province, day, receipts)

    @property
    def env(self) -> dict[str, Any]:
        """Address and credentials."""
        return {"url": self.web.base, "key": self.web.key, "secret": self.web.secret}

    def _delivered(
        self, province: Any, day: int, receipts: dict[str, dict[str, Receipt]], first: bool = False
    ) -> dict[str, dict[str, Receipt]]:
        """The receipts there were, and those of this day; those of the day before may come again."""
        again = [
            r for listed in receipts.values() for r in listed.values() if r.day == day - 1 and self._comes_again(r)
        ]
        for view in self.views:
            changes = not first and view.id in self._daily
            done = 0
            for commune, rows in self._parts(view, province, day, changes):
                listed = receipts.setdefault(commune, {})
                receipt = self._write(view, commune, day, rows, len([r for r in listed.values() if r.day == day]))
                listed[receipt.number] = receipt
                done += receipt.rows
                self.told(view, done)
        for old in again:
            listed = receipts[old.commune]
            number, moment = _numbered(old.commune, day, len([r for r in listed.values() if r.day == day]))
            listed[number] = replace(old, number=number, day=day, moment=moment, again=old.number)
        return receipts

    def _comes_again(self, receipt: Receipt) -> bool:
        return receipt.again is None and self.web.plan.of_file(f"commune_rest/{receipt.number}") == "again"

    def _parts(self, view: View, province: Any, day: int, changes: bool) -> Iterator[tuple[str, Any]]:
        if view.group:
            for commune, said in self._grouped(view, province, day, changes=changes):
                yield commune, said.rows
            return
        whole = view.changes(province, day) if changes else view.batches(province, day)
        if parts := [said.rows for said in whole]:
            yield view.agency.removeprefix(_AGENCY), pa.concat_tables(parts).combine_chunks()

    def _write(self, view: View, commune: str, day: int, rows: Any, serial: int) -> Receipt:
        number, moment = _numbered(commune, day, serial)
        head = {"SoBienNhan": number, "MaXa": commune, "BoDuLieu": view.id.rpartition(".")[2], "TieuDe": view.title_vi}
        lines = pc.binary_join_element_wise(json_rows(wire_table(rows)), ",\n", "")
        body = json.dumps(head, ensure_ascii=False)[:-1].encode() + b', "data": [\n'
        body += bytes(content(lines))[:-2] + b"\n]}\n"
        file = self.home / commune / f"{number}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
        sha256 = hashlib.sha256(body).hexdigest()
        return Receipt(number, commune, head["BoDuLieu"], day, moment, rows.num_rows, len(body), sha256, file)


def _numbered(commune: str, day: int, serial: int) -> tuple[str, str]:
    """Number and moment of a commune's next receipt of a day: a minute after the one before, from 17:30 on."""
    hour, minute = divmod(17 * 60 + 30 + serial, 60)
    on = date_of(day)
    return f"BN{commune}-{on:%y%m%d}-{serial + 1:03d}", f"{on:%Y%m%d}{hour:02d}{minute:02d}00"


def _said(code: str, message: str, data: Sequence[Any] | None = None) -> dict[str, Any]:
    said: dict[str, Any] = {"error_code": code, "message": message}
    return said if data is None else said | {"data": list(data)}

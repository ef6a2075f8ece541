"""The National Public Service Portal (Cổng Dịch vụ công quốc gia): dossiers and their progress.

Belongs here: its address, login and session, the envelope, the five services and what they answer.
Stays out: the fields of a dossier and the rules over them (`dossiers`), HTTP and what a fault does (`service`).

    POST {base}/mapi/login   {"username", "password"} -> {"session", "error_code"}
    POST {base}/mapi/g       dstcode: VN:GOV:000.00.00.G22:vpcpdvcprovider
                             {"session", "madonvi", "service", "isUpdating": "True"|"False", "data": […]}

Session, unit and parameters travel in the body, so a session that is dead is answered with HTTP 200 and the code 02.
`error_code` is 00 when at least one item was applied; of a batch in which none was, it is the first item's. `result`
tells of every item. The shapes are those of senders in use; the codes and their texts, the size of a batch and the
steps from one status to another are this simulator's own, for no public page gives them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from simulator.gateway import Answer, json_answer
from simulator.national.call import Call, bad_request
from simulator.national.dossiers import MESSAGES, Agency, Judge, Lists, agency_of, content_of, procedure_of, step_of
from simulator.national.faults import ANSWER_KINDS, BATCH_KINDS, TOKEN, TOKEN_KINDS, FaultPlan
from simulator.national.record import Writing
from simulator.national.service import Service

LOGIN_PATH, PATH = "/mapi/login", "/mapi/g"
DESTINATION = "VN:GOV:000.00.00.G22:vpcpdvcprovider"
UNIT = "H05"
PROCEDURES, PROCEDURE = "LayDanhSachTTHC", "LayThuTuc"
FIND, SEND, PROGRESS = "TraCuuHoSo", "DongBoHoSoMC", "CapNhatTienDoHoSoMC"
WRITING = (SEND, PROGRESS)
SERVICES = (PROCEDURES, PROCEDURE, FIND, SEND, PROGRESS)
DOSSIER, STEP = "dossier", "step"
MOST_ITEMS = 500


class DvcqgFaults(FaultPlan):
    """A plan for the login and the five services."""

    strikes = {
        TOKEN: TOKEN_KINDS,
        PROCEDURES: ANSWER_KINDS,
        PROCEDURE: ANSWER_KINDS,
        FIND: (*ANSWER_KINDS, "contrary"),
        SEND: (*ANSWER_KINDS, *BATCH_KINDS, "contrary", "old_list", "skew", "utc"),
        PROGRESS: (*ANSWER_KINDS, *BATCH_KINDS, "contrary", "lax_order", "skew", "utc"),
    }


class Dvcqg(Service):
    """The portal. Its username and password are the key and secret of the base."""

    name, api, plan_type = "dvcqg", "/mapi/1.0", DvcqgFaults
    _lists = Lists()  # until it is told more

    def know(
        self, procedures: Iterable[Mapping[str, str]] | None = None, agencies: Iterable[Agency] | None = None
    ) -> None:
        """From now on these are its lists. `procedures`: rows with MATTHC, TENTTHC, MALINHVUC, TENLINHVUC; None: any
        code of the right form. `agencies`: None: any below the province's own code.
        """
        self._lists = Lists(procedures, agencies)

    def load(self, folder: Path) -> None:
        """procedures.csv (MATTHC, TENTTHC, MALINHVUC, TENLINHVUC) and agencies.csv (MaCoQuan, HieuLucTu, HieuLucDen as
        yyyy-mm-dd or empty); a file that is missing means: any.
        """
        procedures, agencies = (_rows(folder / f"{name}.csv") for name in ("procedures", "agencies"))
        self.know(procedures, None if agencies is None else [Agency.of(row) for row in agencies])

    def route(self, call: Call) -> str | None:
        """The login by its path, a service by its name in the body (empty: one that does not exist)."""
        if call.method != "POST" or call.path not in (LOGIN_PATH, PATH):
            return None
        if call.path == LOGIN_PATH:
            return TOKEN
        asked = call.content.get("service") if isinstance(call.content, dict) else None
        return asked if asked in SERVICES else ""

    def grant(self, call: Call) -> Answer:
        """A session for username and password; the same one until it dies."""
        given = call.content if isinstance(call.content, dict) else {}
        if (given.get("username"), given.get("password")) != (self.key, self.secret):
            return json_answer(200, _refusal("01") | {"session": ""})
        return json_answer(200, _told("00") | {"session": self.session()})

    def admit(self, call: Call) -> Answer | None:
        """The session, which travels in the body."""
        if not isinstance(call.content, dict):
            return bad_request()
        if not self.in_session(call.content.get("session")):
            return json_answer(200, _refusal("02"))
        return self.worn()

    def expire(self, fault: str) -> Answer:
        """The session dies with this request: HTTP 200 all the same."""
        self._token = None
        return json_answer(200, _refusal("02"), fault=fault)

    def malformed(self, call: Call) -> Answer | None:
        """The wrong destination, or `data` that is no list of objects."""
        items = call.content.get("data", [])
        shaped = isinstance(items, list) and all(isinstance(item, dict) for item in items)
        return None if shaped and call.headers.get("dstcode") == DESTINATION else bad_request()

    def failed(self, call: Call) -> dict[str, Any]:
        """HTTP went well, the portal did not."""
        return _refusal("99")

    def kept(self, call: Call) -> str | None:
        """The body without its session."""
        text = super().kept(call)
        return None if text is None else re.sub(r'("session"\s*:\s*)"[^"]*"', r'\1""', text)

    def perform(self, call: Call, writing: Writing) -> dict[str, Any]:
        """One of the five services."""
        code = _envelope_code(call)
        if code != "00":
            return _refusal(code)
        if call.service == PROCEDURES:
            found = [{"MATTHC": p["MATTHC"], "TENTTHC": p["TENTTHC"]} for p in self._lists.procedures.values()]
            return _told("00") | {"result": found}
        if call.service == PROCEDURE:
            known = self._lists.procedures.get(call.content["maTTHC"])
            return _refusal("23") if known is None else _told("00") | {"result": [procedure_of(known)]}
        if call.service == FIND:
            return _told("00") | {"result": _find(call.content["mahoso"], writing, call.fault == "contrary")}
        return self._apply(call, writing)

    def _apply(self, call: Call, writing: Writing) -> dict[str, Any]:
        judge = Judge(self._lists, call.now, call.list_day, lax_order=call.fault == "lax_order")
        updating = call.content.get("isUpdating") == "True"
        result = []
        for position, item in enumerate(call.items):
            key = item["MaHoSo"] if isinstance(item.get("MaHoSo"), str) else ""
            before = writing.find(DOSSIER, key)
            held = before[0] if before else None
            if call.unseen(position):
                code = "99"
            elif call.fault == "contrary":
                code = "11" if call.service == SEND and not updating else "12"
            elif call.service == SEND:
                code = judge.dossier(item, held, updating)
            else:
                code = judge.step(item, held)
            if code != "00":
                writing.refuse(STEP if call.service == PROGRESS else DOSSIER, key, "", code)
            elif call.service == SEND:
                kept = {"_buoc": held["_buoc"], "_thoi_diem": held["_thoi_diem"]} if held else {}
                started = {"_buoc": 0, "_thoi_diem": ""} | kept
                writing.put(DOSSIER, "update" if updating else "insert", key, content_of(item) | started, "")
            elif held is not None:
                number = held["_buoc"] + 1
                writing.put(STEP, "insert", f"{key}#{number:04d}", step_of(item), "")
                moved = {"TrangThaiHoSo": item["TrangThai"], "_buoc": number, "_thoi_diem": item["ThoiDiemXuLy"]}
                writing.store(DOSSIER, key, held | moved, "")
            result.append({"MaHoSo": key} | _told(code))
        applied = [line for line in result if line["error_code"] == "00"]
        told = _told("00" if applied else result[0]["error_code"])
        return told | {"soBanGhi": str(len(applied)), "result": result}


def _envelope_code(call: Call) -> str:
    """`00`, or why a whole request is refused."""
    if not call.service:
        return "04"
    if not isinstance(unit := call.content.get("madonvi"), str) or agency_of(unit) != UNIT:
        return "03"
    if call.service == SEND and call.content.get("isUpdating") not in ("True", "False"):
        return "05"
    if call.service in WRITING and not 0 < len(call.items) <= MOST_ITEMS:
        return "06"
    parameter = {PROCEDURE: "maTTHC", FIND: "mahoso"}.get(call.service)
    if parameter and not (isinstance(given := call.content.get(parameter), str) and given):
        return "07"
    return "00"


def _find(key: str, writing: Writing, contrary: bool) -> list[dict[str, Any]]:
    """The dossier as it stands, with its steps; none when it is unknown."""
    found = writing.find(DOSSIER, key)
    if contrary:
        return [] if found else [{"MaHoSo": key, "TrangThaiHoSo": "1"}]
    if found is None:
        return []
    steps = [writing.find(STEP, f"{key}#{number:04d}") for number in range(1, found[0]["_buoc"] + 1)]
    told = {name: value for name, value in found[0].items() if not name.startswith("_")}
    return [told | {"QuaTrinhXuLy": [step[0] for step in steps if step]}]


def _told(code: str) -> dict[str, Any]:
    return {"error_code": code, "message": MESSAGES[code]}


def _refusal(code: str) -> dict[str, Any]:
    """The answer that refuses a whole request."""
    return _told(code) | {"result": []}


def _rows(file: Path) -> list[dict[str, str]] | None:
    if not file.exists():
        return None
    with open(file, encoding="utf-8-sig", newline="") as text:
        return list(csv.DictReader(text))


SYSTEM = Dvcqg
__all__ = [
    "DESTINATION",
    "FIND",
    "LOGIN_PATH",
    "MESSAGES",
    "PATH",
    "PROGRESS",
    "SEND",
    "SYSTEM",
    "Dvcqg",
    "DvcqgFaults",
]

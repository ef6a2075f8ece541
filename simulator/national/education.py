"""The ministry of education's sector database (csdl.moet.gov.vn): schools, classes and pupils of a school year.

Belongs here: its addresses, what it takes in batches, transfers of pupils, lookups, the lock of a school year.
Stays out: the rules over one item (`education_rules`), the workbook that a school uploads (`education_template`), HTTP
and what a fault does (`service`).

    POST {base}/token                                 Basic key:secret, grant_type=client_credentials
    POST {base}/apiCSDLGDDT/1.0/dongBoTruong          Bearer; {"madonvi", "namHoc": "2026-2027", "data": [{"MaTruong", "TenTruong", "CapHoc", "MaXa"}]}
    POST {base}/apiCSDLGDDT/1.0/dongBoLop             … "data": [{"MaLop", "TenLop", "MaTruong", "Khoi"}]
    POST {base}/apiCSDLGDDT/1.0/dongBoHocSinh         … "data": [PUPIL]
    POST {base}/apiCSDLGDDT/1.0/chuyenTruong          … "data": [{"MaHocSinh", "TruongDi", "TruongDen", "LopDen", "NgayChuyen"}]
    POST {base}/apiCSDLGDDT/1.0/taiTepC1              multipart: namHoc, maTruong, tep (a workbook, template C1-HocSinh)
    POST {base}/apiCSDLGDDT/1.0/khoaNamHoc            {"madonvi", "namHoc", "data": [{"MaTruong"}]}: no more changes
    POST {base}/apiCSDLGDDT/1.0/moKhoaNamHoc          … "data": [{"MaTruong", "LyDo", "DenNgay": "yyyyMMdd"}]: late correction
    GET  {base}/apiCSDLGDDT/1.0/traCuuHocSinh         namHoc, and maHocSinh or soDinhDanh
    GET  {base}/apiCSDLGDDT/1.0/tongHop               namHoc, maTruong: classes, pupils by status
    GET  {base}/apiCSDLGDDT/1.0/phienBanMau           the template of today: version and columns

A school year runs from August to July; after 31 July it is closed unless it was reopened for a school. What is sent
again as it is changes nothing and is counted. `error_code` is 00 when at least one item (or line) was applied; of a
batch in which none was, it is the first item's. Every value is a string. The templates and the twelve states are the
database's; no public page gives the shape of its services, which is this simulator's own.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from typing import Any

from simulator.gateway import TOKEN_PATH, Answer
from simulator.national import multipart
from simulator.national.call import Call, bad_request
from simulator.national.dossiers import agency_of
from simulator.national.education_rules import (
    CLASSES,
    LOCK,
    MESSAGES,
    MOVE,
    PUPILS,
    SCHOOLS,
    STATUSES,
    UNLOCK,
    UPLOAD,
    Applying,
    year_ends,
)
from simulator.national.education_template import BadFile, read, today
from simulator.national.faults import ANSWER_KINDS, BATCH_KINDS, TOKEN, TOKEN_KINDS, FaultPlan
from simulator.national.record import Writing
from simulator.national.service import Service

FIND, SUM, TEMPLATE = "traCuuHocSinh", "tongHop", "phienBanMau"
METHODS = {
    SCHOOLS: "POST", CLASSES: "POST", PUPILS: "POST", MOVE: "POST", UPLOAD: "POST", LOCK: "POST", UNLOCK: "POST",
    FIND: "GET", SUM: "GET", TEMPLATE: "GET",
}  # fmt: skip
KINDS = {
    SCHOOLS: "school", CLASSES: "class", PUPILS: "pupil", MOVE: "pupil", UPLOAD: "pupil", LOCK: "year", UNLOCK: "year",
}  # fmt: skip
MOST_ITEMS = 500
FILE_CODES = ("50", "51", "52")  # with which a whole workbook is refused
_KEYS = {SCHOOLS: "MaTruong", CLASSES: "MaLop", LOCK: "MaTruong", UNLOCK: "MaTruong"}
_BATCH = (*ANSWER_KINDS, *BATCH_KINDS, "skew", "utc")


class EducationFaults(FaultPlan):
    """A plan for the token and the ten services."""

    strikes = {
        TOKEN: TOKEN_KINDS, SCHOOLS: (*_BATCH, "old_list"), CLASSES: _BATCH, PUPILS: _BATCH, MOVE: (*_BATCH, "lax_order"),
        UPLOAD: _BATCH, LOCK: ANSWER_KINDS, UNLOCK: ANSWER_KINDS, FIND: (*ANSWER_KINDS, "contrary"), SUM: ANSWER_KINDS,
        TEMPLATE: ANSWER_KINDS,
    }  # fmt: skip


class Education(Service):
    """The service. Kinds of the record, each followed by a blank and the school year: school, class, pupil, personal_id,
    year (locked or reopened, by school), late (corrections of a closed year, with what was there before).
    """

    name, api, plan_type = "education", "/apiCSDLGDDT/1.0", EducationFaults

    def route(self, call: Call) -> str | None:
        """The token's path, or a service's by path and method."""
        if call.path == TOKEN_PATH:
            return TOKEN if call.method == "POST" else None
        asked = call.path.removeprefix(f"{self.api}/")
        return asked if METHODS.get(asked) == call.method else None

    def malformed(self, call: Call) -> Answer | None:
        """Anything but an object whose `data` is a list of objects of texts; of an upload: but a form with a file."""
        if METHODS[call.service] == "GET":
            return None
        if call.service == UPLOAD:
            form = multipart.parts(call.headers, call.body) or []
            files = [part for part in form if part.name == "tep" and part.file]
            fields = {part.name: part.text for part in form if part.file is None}
            if not files:
                return bad_request()
            call.content = fields | {"madonvi": "H05", "tep": files[0].file} | _rows(files[0].content, call.now.date())
            return None
        shaped = isinstance(call.content, dict) and isinstance(call.content.get("data"), list)
        texts = all(isinstance(item, dict) and all(isinstance(v, str) for v in item.values()) for item in call.items)
        return None if shaped and texts else bad_request()

    def kept(self, call: Call) -> str | None:
        """Of an upload the fields and the name of the file."""
        if call.service != UPLOAD:
            return super().kept(call)
        fields = call.content if isinstance(call.content, dict) else {}
        return json.dumps({name: value for name, value in fields.items() if name != "data"}, ensure_ascii=False)

    def failed(self, call: Call) -> dict[str, Any]:
        """HTTP went well, the database did not."""
        return _told("99")

    def perform(self, call: Call, writing: Writing) -> dict[str, Any] | Answer:
        """Apply a batch, or look something up."""
        if METHODS[call.service] == "GET":
            return self._look(call, writing)
        content = call.content
        year = content.get("namHoc") if isinstance(content.get("namHoc"), str) else ""
        code = _envelope_code(content, call)
        if code != "00":
            writing.refuse(KINDS[call.service], "", "", code)
            return _told(code, content["chiTiet"] if code in FILE_CODES else "") | {"loi": []}
        done: Counter[str] = Counter()
        errors = []
        for position, item in enumerate(call.items):
            code = "99" if call.unseen(position) else Applying(call, writing, year).apply(item, done)
            if code != "00":
                key = item.get(_KEYS.get(call.service, "MaHocSinh"), "")
                if code != "99":
                    writing.refuse(KINDS[call.service], key, "", code)
                errors.append({"dong": item.get("dong", str(position + 1)), "ma": key} | _told(code))
        counts = {"soBanGhi": str(done.total()), "themMoi": str(done["insert"]), "capNhat": str(done["update"])}
        code = "00" if done else errors[0]["error_code"]
        return _told(code) | counts | {"khongDoi": str(done["same"]), "loi": errors}

    def _look(self, call: Call, writing: Writing) -> dict[str, Any]:
        if call.service == TEMPLATE:
            template = today(call.now.date())
            return _told("00") | {"mau": "C1-HocSinh", "phienBan": template.version, "cot": list(template.columns)}
        year = call.value("namHoc")
        if not year_ends(year):
            return _told("04")
        if call.service == SUM:
            return _told("00") | _summary(writing, year, call.value("maTruong"))
        pupil, number = call.value("maHocSinh"), call.value("soDinhDanh")
        if number and not pupil:
            known = writing.find(f"personal_id {year}", number)
            pupil = known[0]["MaHocSinh"] if known else ""
        found = writing.find(f"pupil {year}", pupil)
        if call.fault == "contrary":
            missing = {"MaHocSinh": pupil, "TrangThai": "01"}
            return _told("13") | {"data": []} if found else _told("00") | {"data": [missing]}
        return _told("00") | {"data": [found[0]]} if found else _told("13") | {"data": []}


def _rows(workbook: bytes, on: date) -> dict[str, Any]:
    """What an upload adds to the content: the rows as items, or why the file is refused."""
    try:
        return {"data": read(workbook, on, {name: code for code, name in STATUSES.items()})}
    except BadFile as refused:
        return {"data": [], "tuChoi": refused.code, "chiTiet": refused.detail}


def _envelope_code(content: dict[str, Any], call: Call) -> str:
    """`00`, or why a whole request is refused."""
    unit = agency_of(content["madonvi"]) if isinstance(content.get("madonvi"), str) else None
    if unit is None or unit.split(".")[0] != "H05":
        return "03"
    if not year_ends(content.get("namHoc")):
        return "04"
    if call.service == UPLOAD:
        content["nop"] = content.get("maTruong", "")
        return str(content.get("tuChoi", "00"))
    return "00" if 0 < len(call.items) <= MOST_ITEMS else "06"


def _summary(writing: Writing, year: str, school: str) -> dict[str, Any]:
    """How many classes and pupils of each state a school has; without one, the whole province."""

    def of(kind: str) -> list[dict[str, Any]]:
        return [each for each in writing.contents(f"{kind} {year}") if school in ("", each["MaTruong"])]

    states = Counter(pupil["TrangThai"] for pupil in of("pupil"))
    told = {code: str(states[code]) for code in STATUSES if states[code]}
    return {"soLop": str(len(of("class"))), "soHocSinh": str(states.total()), "trangThai": told}


def _told(code: str, detail: str = "") -> dict[str, str]:
    return {"error_code": code, "message": f"{MESSAGES[code]}: {detail}" if detail else MESSAGES[code]}


SYSTEM = Education

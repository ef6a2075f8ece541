"""The national reporting system (Decree 09/2019/NĐ-CP): what each unit reports of each period.

Belongs here: its addresses, reports and their states, sums of sub-units, comparison with the public service portal.
Stays out: periods, indicators, codes (`reporting_rules`), HTTP and what a fault does (`service`).

    POST {base}/token                       Basic key:secret, grant_type=client_credentials
    POST {base}/apiBaoCao/1.0/guiBaoCao     Bearer; {"madonvi": "H05.12", "ky": "2026-11", "data": [{"MaChiTieu", "GiaTri", "DonViTinh"}]}
    POST {base}/apiBaoCao/1.0/traBaoCao     {"madonvi", "ky", "lyDo"}: back to its unit, which may then send again
    POST {base}/apiBaoCao/1.0/moKhoa        {"madonvi", "ky", "lyDo", "denNgay": "yyyyMMdd"}: a closed period, reopened
    POST {base}/apiBaoCao/1.0/soLieuCong    {"ky", "data": [{"madonvi", "MaChiTieu", "GiaTri"}]}: what the portal counted
    GET  {base}/apiBaoCao/1.0/layBaoCao     madonvi, ky
    GET  {base}/apiBaoCao/1.0/tongHop       ky: the state of every report
    GET  {base}/apiBaoCao/1.0/doiChieu      ky: what differs from the portal
    GET  {base}/apiBaoCao/1.0/mauSo         ky: dossiers received by unit, the denominator of index 1.4
    GET  {base}/apiBaoCao/1.0/danhMuc       indicators

States: 1 incomplete, 2 sent, 3 returned. A right value is taken and a wrong one refused alone; a report that has all its
indicators is sent, and one that is sent is changed only after its return. What adds up must, in the report of a unit
with units below it, be the sum of theirs. Every value is a string. No public page gives the shape of the services.
"""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

from simulator.gateway import TOKEN_PATH, Answer
from simulator.national import dossiers
from simulator.national.call import Call, bad_request
from simulator.national.faults import ANSWER_KINDS, BATCH_KINDS, TOKEN, TOKEN_KINDS, FaultPlan
from simulator.national.record import Writing
from simulator.national.reporting_rules import MESSAGES, RECEIVED, Lists, Period, same, total
from simulator.national.service import Service

SEND, RETURN, UNLOCK, PORTAL = "guiBaoCao", "traBaoCao", "moKhoa", "soLieuCong"
GET, STATES, COMPARE, DENOMINATORS, CATALOGUE = "layBaoCao", "tongHop", "doiChieu", "mauSo", "danhMuc"
WRITES = (SEND, RETURN, UNLOCK, PORTAL)
READS = (GET, STATES, COMPARE, DENOMINATORS, CATALOGUE)
INCOMPLETE, SENT, RETURNED = "1", "2", "3"
MOST_ITEMS = 2000
_REQUIRED = {SEND: ("MaChiTieu", "GiaTri", "DonViTinh"), PORTAL: ("madonvi", "MaChiTieu", "GiaTri")}
_AGENCIES = dossiers.Lists()
Report = dict[str, Any]


class ReportingFaults(FaultPlan):
    """A plan for the token and the nine services."""

    strikes = {
        TOKEN: TOKEN_KINDS, SEND: (*ANSWER_KINDS, *BATCH_KINDS, "skew", "utc", "old_list"), RETURN: (*ANSWER_KINDS, "lax_order"),
        UNLOCK: ANSWER_KINDS, PORTAL: (*ANSWER_KINDS, *BATCH_KINDS), GET: (*ANSWER_KINDS, "contrary"), STATES: ANSWER_KINDS,
        COMPARE: ANSWER_KINDS, DENOMINATORS: ANSWER_KINDS, CATALOGUE: ANSWER_KINDS,
    }  # fmt: skip


class Reporting(Service):
    """The service. `lists.know(…)` before or after `start`; a home keeps its lists.

    Kinds of the record, each but the last two followed by a blank and the period: report (by unit), portal (by unit and
    indicator), difference (likewise), unlock (by unit); late: what was changed in a period that was closed.
    """

    name, api, plan_type = "reporting", "/apiBaoCao/1.0", ReportingFaults

    def __init__(self, home: Path | str, faults: FaultPlan | None = None, port: int = 0, **credentials: Any) -> None:
        super().__init__(home, faults, port, **credentials)
        self.lists = Lists(self.home)

    def load(self, folder: Path) -> None:
        """units.csv and indicators.csv; see `Lists.read`."""
        self.lists.read(folder)

    def route(self, call: Call) -> str | None:
        """The token's path, or a service's by path and method."""
        if call.path == TOKEN_PATH:
            return TOKEN if call.method == "POST" else None
        asked = call.path.removeprefix(f"{self.api}/")
        return asked if asked in {"POST": WRITES, "GET": READS}.get(call.method, ()) else None

    def malformed(self, call: Call) -> Answer | None:
        """Anything but an object of texts, and of a batch: whose `data` is a list of objects of texts."""
        if call.service in READS:
            return None
        content = call.content if isinstance(call.content, dict) else {}
        fields = {name: value for name, value in content.items() if name != "data"}
        texts = bool(content) and all(isinstance(value, str) for value in fields.values())
        if call.service in (SEND, PORTAL):
            texts &= isinstance(content.get("data"), list)
            texts &= all(isinstance(i, dict) and all(isinstance(v, str) for v in i.values()) for i in call.items)
        return None if texts else bad_request()

    def failed(self, call: Call) -> dict[str, Any]:
        """HTTP went well, the system did not."""
        return _told("99")

    def perform(self, call: Call, writing: Writing) -> dict[str, Any] | Answer:
        """Apply what came, or look something up."""
        if call.service == CATALOGUE:
            rows = self.lists.indicators.values()
            told = [{"ma": i.code, "ten": i.name, "donViTinh": i.measure, "loaiKy": i.periods} for i in rows]
            return _told("00") | {"data": told}
        given = call.content if call.service in WRITES else {name: call.value(name) for name in ("madonvi", "ky")}
        period = Period.of(given.get("ky"))
        unit, code = "", "04" if period is None else "00"
        if code == "00" and call.service in (SEND, RETURN, UNLOCK, GET):
            unit, code = self._unit(given.get("madonvi", ""), call)
        if code != "00" or period is None:
            if call.service in WRITES:
                writing.refuse("report", f"{given.get('ky', '')} {given.get('madonvi', '')}", "", code)
            return _told(code)
        if call.service in READS:
            return self._look(call, writing, period, unit)
        if call.service == PORTAL:
            return self._portal(call, writing, period)
        doing = {SEND: self._send, RETURN: self._hand_back, UNLOCK: self._unlock}[call.service]
        answer = doing(call, writing, period, unit)
        if answer["error_code"] not in ("00", "99") and "loi" not in answer:
            writing.refuse("report", f"{period.text} {unit}", "", answer["error_code"])
        return answer

    # -- what comes in --------------------------------------------------------------------------------------------------

    def _send(self, call: Call, writing: Writing, period: Period, unit: str) -> dict[str, Any]:
        code, late = _open(call, writing, period, unit)
        before = _report(writing, period.text, unit)
        if code == "00" and before and before["trangThai"] == SENT:
            code = "11"
        if code == "00" and not 0 < len(call.items) <= MOST_ITEMS:
            code = "06"
        below = self._below(writing, period.text, unit)
        missing = sorted(name for name, report in below.items() if not report or report["trangThai"] != SENT)
        if code == "00" and missing:
            code = "41"
        if code != "00":
            return _told(code) | ({"thieu": missing} if code == "41" else {})
        kept = before["GiaTri"] if before and before["trangThai"] == INCOMPLETE else {}
        values = {name: value for name, value in kept.items() if self._of_parts(name, value, below) is None}
        seen: set[str] = set()
        errors = []
        for position, item in enumerate(call.items):
            code = "99" if call.unseen(position) else self._value_code(item, period, seen)
            indicator, sums = item.get("MaChiTieu", ""), {}
            of_parts = self._of_parts(indicator, item["GiaTri"], below) if code == "00" else None
            if of_parts is not None:
                code, sums = "40", {"tongTrucThuoc": of_parts}
            if code == "00":
                seen.add(indicator)
                values[indicator] = item["GiaTri"]
                continue
            if code != "99":
                writing.refuse("value", f"{period.text} {unit} {indicator}", "", code)
            errors.append({"MaChiTieu": indicator} | _told(code) | sums)
        if not seen:
            return _told(errors[0]["error_code"]) | {"soBanGhi": "0", "loi": errors}
        done = INCOMPLETE if self.lists.wanted(period.kind) - values.keys() else SENT
        report: Report = {"madonvi": unit, "trangThai": done, "GiaTri": values, "lyDo": ""}
        report |= {
            "lan": str(int(before["lan"]) + 1 if before else 1),
            "luc": f"{call.now:%Y%m%d%H%M%S}",
            "muon": "1" if late else "0",
        }
        writing.put(f"report {period.text}", "update" if before else "insert", unit, report, "")
        if late:
            was = {"truoc": before, "sau": report, "ky": period.text}
            writing.put("late", "insert", f"{period.text} {unit} {writing.seq}", was, "")
        warnings = [w for code in values for w in _compare(writing, period.text, unit, code)]
        counts = {"soBanGhi": str(len(seen)), "trangThai": done}
        return _told("00") | counts | {"loi": errors, "canhBao": warnings}

    def _hand_back(self, call: Call, writing: Writing, period: Period, unit: str) -> dict[str, Any]:
        report = _report(writing, period.text, unit)
        above = _report(writing, period.text, self.lists.above(unit))
        if not call.content.get("lyDo", "").strip():
            return _told("46")
        if report is None or report["trangThai"] == RETURNED:
            return _told("13")
        if above and above["trangThai"] == SENT and call.fault != "lax_order":
            return _told("42")
        state = report | {"trangThai": RETURNED, "lyDo": call.content["lyDo"]}
        writing.put(f"report {period.text}", "update", unit, state, "")
        return _told("00") | {"trangThai": RETURNED}

    def _unlock(self, call: Call, writing: Writing, period: Period, unit: str) -> dict[str, Any]:
        until = _day(call.content.get("denNgay", ""))
        if not call.content.get("lyDo", "").strip() or until is None or until < call.now.date():
            return _told("46")
        if call.now.date() <= period.last:
            return _told("43")
        state = {"denNgay": call.content["denNgay"], "lyDo": call.content["lyDo"]}
        operation = "update" if writing.find(f"unlock {period.text}", unit) else "insert"
        writing.put(f"unlock {period.text}", operation, unit, state, "")
        return _told("00")

    def _portal(self, call: Call, writing: Writing, period: Period) -> dict[str, Any]:
        if not 0 < len(call.items) <= MOST_ITEMS:
            return _told("06")
        done, errors = 0, []
        for position, item in enumerate(call.items):
            unit, code = "", "99"
            if not call.unseen(position):
                unit, code = self._unit(item.get("madonvi", ""), call)
                indicator = self.lists.indicators.get(item.get("MaChiTieu", ""))
                if code == "00" and indicator is None:
                    code = "23"
                elif code == "00" and indicator:
                    code = indicator.value_code(
                        {"DonViTinh": indicator.measure, "GiaTri": item.get("GiaTri", "")}, period
                    )
            if code != "00":
                errors.append(
                    {"madonvi": item.get("madonvi", ""), "MaChiTieu": item.get("MaChiTieu", "")} | _told(code)
                )
                continue
            key, kind = f"{unit} {item['MaChiTieu']}", f"portal {period.text}"
            operation = "update" if writing.find(kind, key) else "insert"
            writing.put(kind, operation, key, {"GiaTri": item["GiaTri"]}, "")
            _compare(writing, period.text, unit, item["MaChiTieu"])
            done += 1
        return _told("00" if done else errors[0]["error_code"]) | {"soBanGhi": str(done), "loi": errors}

    # -- what goes out --------------------------------------------------------------------------------------------------

    def _look(self, call: Call, writing: Writing, period: Period, unit: str) -> dict[str, Any]:
        if call.service == GET:
            report = _report(writing, period.text, unit)
            if (report is None) != (call.fault == "contrary"):
                return _told("13")
            return _told("00") | {"baoCao": report or {"madonvi": unit, "trangThai": SENT, "GiaTri": {}}}
        if call.service == COMPARE:
            return _told("00") | {"data": writing.contents(f"difference {period.text}")}
        reports = writing.contents(f"report {period.text}")
        if call.service == STATES:
            names = ("madonvi", "trangThai", "lan", "luc", "muon", "lyDo")
            return _told("00") | {"data": [{name: each[name] for name in names} for each in reports]}
        before = {each["madonvi"]: each for each in writing.contents(f"report {period.year_before}")}
        rows = [
            {
                "madonvi": each["madonvi"],
                "soHoSo": each["GiaTri"][RECEIVED],
                "namTruoc": _received(before.get(each["madonvi"])),
            }
            for each in reports
            if each["trangThai"] == SENT and RECEIVED in each["GiaTri"]
        ]
        return _told("00") | {"chiTieu": RECEIVED, "ky": period.text, "data": rows}

    # -- rules over several reports -------------------------------------------------------------------------------------

    def _unit(self, given: str, call: Call) -> tuple[str, str]:
        """A unit's code in the newer style, and `00` or why it is refused."""
        unit = dossiers.agency_of(given)
        code = _AGENCIES.agency_code(given, call.list_day)
        if unit is None or code != "00":
            return "", code if code == "27" else "03"
        return unit, "00" if self.lists.units is None or unit in self.lists.units else "03"

    def _below(self, writing: Writing, period: str, unit: str) -> dict[str, Report | None]:
        """The reports of the units right below one, None for those that are to come; empty when it has none below."""
        if self.lists.units is not None:
            names = (name for name, above in self.lists.units.items() if above == unit)
            return {name: _report(writing, period, name) for name in names}
        reports = writing.contents(f"report {period}")
        return {each["madonvi"]: each for each in reports if self.lists.above(each["madonvi"]) == unit}

    def _of_parts(self, indicator: str, value: str, below: dict[str, Report | None]) -> str | None:
        """The sum over the parts where a value should be that and is not; None when all is well."""
        if not below or not self.lists.indicators[indicator].adds_up:
            return None
        of_parts = total(report["GiaTri"].get(indicator, "0") for report in below.values() if report)
        return None if same(of_parts, value) else of_parts

    def _value_code(self, item: dict[str, str], period: Period, seen: set[str]) -> str:
        if any(not item.get(name, "").strip() for name in _REQUIRED[SEND]):
            return "20"
        indicator = self.lists.indicators.get(item["MaChiTieu"])
        if indicator is None:
            return "23"
        return "29" if indicator.code in seen else indicator.value_code(item, period)


def _open(call: Call, writing: Writing, period: Period, unit: str) -> tuple[str, bool]:
    """`00` when a period may be reported now, or why not; and whether it is only because it was reopened."""
    today = call.now.date()
    if today <= period.last:
        return "43", False
    if today <= period.last_to_send:
        return "00", False
    found = writing.find(f"unlock {period.text}", unit)
    until = _day(found[0]["denNgay"]) if found else None
    return ("00" if until is not None and today <= until else "44"), True


def _compare(writing: Writing, period: str, unit: str, indicator: str) -> list[dict[str, str]]:
    """Hold a reported value against what the portal counted; a difference is noted, and forgotten when it is mended."""
    key, kind = f"{unit} {indicator}", f"difference {period}"
    counted, report = writing.find(f"portal {period}", key), _report(writing, period, unit)
    value = report["GiaTri"].get(indicator) if report else None
    if counted is None or value is None:
        return []
    before = writing.find(kind, key)
    if same(counted[0]["GiaTri"], value):
        if before:
            writing.remove(kind, key, "")
        return []
    told = {"madonvi": unit, "MaChiTieu": indicator, "GiaTri": value, "GiaTriCong": counted[0]["GiaTri"]}
    if before is None or before[0] != told:
        writing.put(kind, "update" if before else "insert", key, told, "")
    return [told | _told("45")]


def _report(writing: Writing, period: str, unit: str) -> Report | None:
    found = writing.find(f"report {period}", unit)
    return found[0] if found else None


def _received(report: Report | None) -> str:
    return str(report["GiaTri"].get(RECEIVED, "")) if report else ""


def _day(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%Y%m%d").date()
    except ValueError:
        return None


def _told(code: str) -> dict[str, str]:
    return {"error_code": code, "message": MESSAGES[code]}


SYSTEM = Reporting

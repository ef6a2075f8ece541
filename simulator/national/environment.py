"""The ministry of environment's monitoring data (as Envisoft takes them): files of automatic stations, hour by hour.

Belongs here: its addresses, taking a file and its lines, means of hours, gaps, what came twice or late.
Stays out: how stations make files (`simulator.systems.stations`), limits and exceedances, HTTP and faults (`service`).

    POST {base}/token                                              Basic key:secret, grant_type=client_credentials
    PUT  {base}/apiQuanTrac/1.0/tep/<STATION>_<YYYYMMDDhhmmss>.txt  Bearer; the file as it is (POST will do as well)
    GET  {base}/apiQuanTrac/1.0/trungBinhGio    maTram, thongSo, ngay=yyyyMMdd: means of the hours, of status 00 only
    GET  {base}/apiQuanTrac/1.0/khoangTrong     maTram, ngay: from when to when no file came
    GET  {base}/apiQuanTrac/1.0/thongKe         maTram, ngay: files taken, sent again, replaced, late

A file is that of Circular 10/2021/TT-BTNMT: one station and five minutes, a line a symbol, `Name Value Unit Time Status`
divided by tabs, ended by CRLF; status 00 measuring, 01 calibrating, 02 error of the device. A file of the wrong form, of
an unknown station or of the future is refused whole; a wrong line alone, with its number, and the rest is taken. The
logger keeps 60 days and sends again in order after an outage: a file that is there already is counted and changes
nothing, one with other content replaces it, one of more than an hour ago counts as late. A mean holds with nine of the
twelve values of an hour. No public page gives the services' shape, the codes or the tolerances: they are this simulator's.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from simulator.clock import TZ
from simulator.gateway import TOKEN_PATH, Answer
from simulator.national.call import STAMP, Call
from simulator.national.faults import ANSWER_KINDS, BATCH_KINDS, TOKEN, TOKEN_KINDS, FaultPlan
from simulator.national.holdings import Holding
from simulator.national.record import Writing
from simulator.national.service import Service

SEND, MEANS, GAPS, COUNTS = "tep", "trungBinhGio", "khoangTrong", "thongKe"
FILE = "stations.sqlite"
STEP = timedelta(minutes=5)
KEPT = timedelta(days=60)  # how long a logger keeps what it could not send
LATE = timedelta(hours=1)
TOLERANCE = timedelta(minutes=5)  # by which a logger's clock may be ahead
VALID_MEAN = 9
STATUSES = ("00", "01", "02")  # measuring, calibrating, error of the device
#: Symbol (Circular 10/2021, annex 15) -> units in which it may come.
UNITS: dict[str, tuple[str, ...]] = {
    "Flow": ("m3/h",), "Temp": ("oC",), "Color": ("Pt-Co",), "pH": ("-",), "TSS": ("mg/l",), "COD": ("mg/l",),
    "NH4": ("mg/l",), "TP": ("mg/l",), "TN": ("mg/l",), "TOC": ("mg/l",), "Cl": ("mg/l",), "RH": ("%",), "P": ("kPa", "hPa"),
    "NO": ("mg/Nm3", "ug/m3"), "NO2": ("mg/Nm3", "ug/m3"), "CO": ("mg/Nm3", "ug/m3"), "SO2": ("mg/Nm3", "ug/m3"),
    "O2": ("%V",), "H2S": ("mg/Nm3",), "NH3": ("mg/Nm3",), "VHg": ("mg/Nm3",), "PM": ("mg/Nm3",), "O3": ("ug/m3",),
    "PM10": ("ug/m3",), "PM2,5": ("ug/m3",),
}  # fmt: skip
MESSAGES = {
    "00": "Thành công",
    "13": "Trạm chưa đăng ký",
    "20": "Tên tệp không đúng dạng <TRẠM>_<YYYYMMDDhhmmss>.txt",
    "21": "Tệp rỗng, không phải UTF-8 hoặc không xuống dòng bằng CRLF",
    "22": "Dòng không đủ 5 cột cách nhau bằng tab",
    "23": "Thông số không có trong Bảng ký hiệu",
    "24": "Trạm không đăng ký thông số này",
    "25": "Giá trị không phải là số",
    "26": "Đơn vị đo không đúng với thông số",
    "27": "Thời gian của dòng không khớp với tên tệp",
    "28": "Mã trạng thái ngoài danh mục 00, 01, 02",
    "29": "Thông số lặp lại trong tệp",
    "30": "Tham số không hợp lệ",
    "31": "Thời gian ở tương lai so với đồng hồ máy chủ",
    "32": "Dữ liệu quá 60 ngày",
    "99": "Lỗi hệ thống, vui lòng thử lại sau",
}
_NAME = re.compile(r"([A-Za-z0-9_-]{2,30})_(20\d{12})\.txt")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_QUERY_KINDS = (*ANSWER_KINDS, "skew", "utc")


class EnvironmentFaults(FaultPlan):
    """A plan for the token and the four services."""

    strikes = {
        TOKEN: TOKEN_KINDS, SEND: (*ANSWER_KINDS, *BATCH_KINDS, "skew", "utc"), MEANS: (*ANSWER_KINDS, "contrary"),
        GAPS: _QUERY_KINDS, COUNTS: ANSWER_KINDS,
    }  # fmt: skip


class Stations:
    """The stations that are registered, in a file of its own below the system's home."""

    def __init__(self, home: Path) -> None:
        self._holding = Holding(home / FILE, "code text, symbols text", "code", ("code",))

    def hold(self, rows: Iterable[Mapping[str, str]]) -> int:
        """Hold these stations and no others; returns how many. `ma_tram`, and `thong_so`: symbols with a semicolon
        between them (empty: any).
        """
        return self._holding.fill([[(row["ma_tram"], row.get("thong_so", "")) for row in rows]])

    def symbols(self, code: str) -> tuple[str, ...] | None:
        """The symbols that a station has; None when it is not registered."""
        rows = self._holding.read("select symbols from held where code = ?", (code,))
        return tuple(filter(None, rows[0][0].split(";"))) or tuple(UNITS) if rows else None

    def close(self) -> None:
        """Let go of the file."""
        self._holding.close()


class Environment(Service):
    """The service. `stations.hold(…)` before or after `start`; a home that has stations keeps them.

    Kinds of the record: `file STATION yyyyMMdd`, key the time of the file; so all of a station's day are together.
    """

    name, api, plan_type = "environment", "/apiQuanTrac/1.0", EnvironmentFaults

    def __init__(self, home: Path | str, faults: FaultPlan | None = None, port: int = 0, **credentials: Any) -> None:
        super().__init__(home, faults, port, **credentials)
        self.stations = Stations(self.home)

    def load(self, folder: Path) -> None:
        """stations.csv: ma_tram, thong_so (symbols with a semicolon between them)."""
        with open(folder / "stations.csv", encoding="utf-8-sig", newline="") as text:
            self.stations.hold(csv.DictReader(text))

    def stop(self) -> None:
        """Take it down for good."""
        super().stop()
        self.stations.close()

    def route(self, call: Call) -> str | None:
        """The token's path, a file's, or a query's."""
        if call.path == TOKEN_PATH:
            return TOKEN if call.method == "POST" else None
        asked = call.path.removeprefix(f"{self.api}/")
        if asked.startswith(f"{SEND}/"):
            return SEND if call.method in ("PUT", "POST") else None
        return asked if asked in (MEANS, GAPS, COUNTS) and call.method == "GET" else None

    def malformed(self, call: Call) -> Answer | None:
        """Nothing: what is wrong with a file is told by a code. The lines become the items of the request."""
        if call.service == SEND:
            text = call.body.decode(errors="replace")
            lines = text.removesuffix("\r\n").split("\r\n") if text.strip() else []
            call.content = {"data": lines, "tep": call.path.rsplit("/", 1)[1]}
        return None

    def poisoned(self, call: Call) -> bool:
        """True when a line begins with a key of the plan's `poison`."""
        return any(str(line).split("\t")[0] in self.plan.poison for line in call.items)

    def failed(self, call: Call) -> dict[str, Any]:
        """HTTP went well, the system did not."""
        return _told("99")

    def perform(self, call: Call, writing: Writing) -> dict[str, Any] | Answer:
        """Take a file, or answer a query."""
        if call.service == SEND:
            return self._take(call, writing)
        station, day = call.value("maTram"), call.value("ngay")
        known = self.stations.symbols(station) is not None
        if known == (call.fault == "contrary"):
            return _told("13")
        first = _moment(f"{day}000000")
        if first is None:
            return _told("30")
        files = writing.contents(f"file {station} {day}")
        if call.service == COUNTS:
            return _told("00") | _counts(files)
        if call.service == GAPS:
            return _told("00") | {"khoangTrong": _gaps(files, first, call.now)}
        symbol = call.value("thongSo")
        if symbol not in UNITS:
            return _told("23")
        return _told("00") | {"maTram": station, "thongSo": symbol, "data": _means(files, symbol)}

    def _take(self, call: Call, writing: Writing) -> dict[str, Any]:
        name = call.content["tep"]
        code, station, at = self._file_code(name, call)
        if code != "00":
            writing.refuse("file", name, "", code)
            return _told(code) | {"tepTin": name, "loi": []}
        values: dict[str, list[str]] = {}
        errors = []
        for number, line in enumerate(call.items, 1):
            code = "99" if call.unseen(number - 1) else self._line_code(line, station, at, values)
            if code not in ("00", "99"):
                writing.refuse("line", f"{name}:{number}", "", code)
            if code != "00":
                errors.append({"dong": str(number), **_told(code)})
            else:
                symbol, value, unit, _, status = line.split("\t")
                values[symbol] = [value, unit, status]
        if not values:
            return _told(errors[0]["error_code"]) | {"tepTin": name, "loi": errors}
        told = self._keep(call, writing, (name, station, at), values)
        return _told("00") | {"tepTin": name, "soBanGhi": str(len(values))} | told | {"loi": errors}

    def _keep(
        self, call: Call, writing: Writing, file: tuple[str, str, datetime], values: dict[str, list[str]]
    ) -> dict[str, str]:
        """Keep what was right of a file; says how many times it came now, and whether it is late."""
        name, station, at = file
        kind, key = f"file {station} {at:%Y%m%d}", f"{at:{STAMP}}"
        digest = hashlib.sha256(call.body).hexdigest()
        found = writing.find(kind, key)
        before = found[0] if found else None
        state = {"luc": key, "tre": call.now - at > LATE, "lan": 1, "thayThe": 0, "sha256": digest, "dong": values}
        if before is None:
            writing.put(kind, "insert", key, state, name)
        else:
            replaced = before["sha256"] != digest
            state |= {"tre": before["tre"], "lan": before["lan"] + 1, "thayThe": before["thayThe"] + replaced}
            if before["dong"] == values:
                writing.store(kind, key, state, name)
            else:  # other content, or the whole of what had been taken by half
                writing.put(kind, "update", key, state, name)
        return {"lanNhan": str(state["lan"]), "tre": "1" if state["tre"] else "0"}

    def _file_code(self, name: str, call: Call) -> tuple[str, str, datetime]:
        """`00` or why a whole file is refused; the station and the time in its name."""
        match = _NAME.fullmatch(name)
        at = _moment(match[2]) if match else None
        if match is None or at is None:
            return "20", "", call.now
        code = "00"
        if self.stations.symbols(match[1]) is None:
            code = "13"
        elif not call.items or not _is_text(call.body):
            code = "21"
        elif at > call.now + TOLERANCE:
            code = "31"
        elif call.now - at > KEPT:
            code = "32"
        return code, match[1], at

    def _line_code(self, line: str, station: str, at: datetime, values: dict[str, list[str]]) -> str:
        """`00`, or why one line is refused."""
        fields = line.split("\t")
        if len(fields) != 5:
            return "22"
        symbol, value, unit, time, status = fields
        if symbol not in UNITS:
            return "23"
        if symbol not in (self.stations.symbols(station) or ()):
            return "24"
        if not _NUMBER.fullmatch(value):
            return "25"
        if unit not in UNITS[symbol]:
            return "26"
        moment = _moment(time)
        if moment is None or abs(moment - at) >= STEP:
            return "27"
        if status not in STATUSES:
            return "28"
        return "29" if symbol in values else "00"


def _is_text(body: bytes) -> bool:
    """True for UTF-8 in which every line ends with CRLF; the last one may go without."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not re.search("(?<!\r)\n|\r(?!\n)", text)


def _means(files: list[dict[str, Any]], symbol: str) -> list[dict[str, str]]:
    """Hour by hour, of the values while measuring; `hopLe` 0 where there are too few."""
    hours: dict[str, list[float]] = {}
    for key, lines in ((each["luc"], each["dong"]) for each in files):
        if symbol in lines and lines[symbol][2] == "00":
            hours.setdefault(key[:10], []).append(float(lines[symbol][0]))
    return [
        {"gio": hour, "trungBinh": f"{sum(v) / len(v):.4f}", "soGiaTri": str(len(v)), "hopLe": str(int(len(v) >= VALID_MEAN))}
        for hour, v in sorted(hours.items())
    ]  # fmt: skip


def _gaps(files: list[dict[str, Any]], first: datetime, now: datetime) -> list[dict[str, str]]:
    """Runs of five-minute steps of a day up to now, of which no file came."""
    times = (_moment(each["luc"]) or first for each in files)
    came = {at - timedelta(minutes=at.minute % 5, seconds=at.second) for at in times}
    gaps: list[list[datetime]] = []
    for step in (first + number * STEP for number in range(288)):
        if step <= now and step not in came:
            if gaps and gaps[-1][-1] + STEP == step:
                gaps[-1].append(step)
            else:
                gaps.append([step])
    return [{"tu": f"{gap[0]:{STAMP}}", "den": f"{gap[-1]:{STAMP}}", "soTep": str(len(gap))} for gap in gaps]


def _counts(files: list[dict[str, Any]]) -> dict[str, str]:
    return {
        "soTep": str(len(files)),
        "guiLai": str(sum(each["lan"] - 1 for each in files)),
        "thayThe": str(sum(each["thayThe"] for each in files)),
        "tre": str(sum(each["tre"] for each in files)),
    }


def _moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, STAMP).replace(tzinfo=TZ) if re.fullmatch(r"\d{14}", text) else None
    except ValueError:
        return None


def _told(code: str) -> dict[str, str]:
    return {"error_code": code, "message": MESSAGES[code]}


SYSTEM = Environment

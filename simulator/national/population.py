"""The national population database (CSDLQG về dân cư): it says whether a person's data are right, and nothing else.

Belongs here: the verification service, its quota, its log of who asked what for; the persons that it holds.
Stays out: who the persons are (they come in as an iterator or a file), HTTP and what a fault does (`service`).

    POST {base}/token                                   Basic key:secret, grant_type=client_credentials
    POST {base}/apiCSDLDanCu/1.0/xacThucThongTin        Bearer; {"madonvi", "nguoiYeuCau", "mucDich", "data": [
                                                        {"MaYeuCau", "SoDinhDanh", "HoTen", "NgaySinh", "DoChinhXac"}]}

NgaySinh is yyyyMMdd with the precision D, yyyyMM with M, yyyy with Y; dates are compared at the coarser precision of
both sides. KetQua: 1 they agree, 2 they do not (TruongKhongKhop says in which field, never what would be right), 3 there
is nobody with this number, 4 to be settled with the police: two persons hold the number, the entry is under
correction, or its holder is no longer alive or missing. The answer to a request with neither purpose nor requester is a
refusal; every other one leaves a line in the log, of how many and what for, not of whom (the requests themselves are in
the record, as every system's are, for whoever watches the simulation). Beyond the day's quota: 429.
The shape is this simulator's own, made from what the service is known to do; no public page gives it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from simulator.gateway import TOKEN_PATH, Answer, json_answer
from simulator.national.call import Call, bad_request
from simulator.national.dossiers import agency_of
from simulator.national.faults import ANSWER_KINDS, BATCH_KINDS, TOKEN, TOKEN_KINDS, FaultPlan
from simulator.national.holdings import Holding, Row
from simulator.national.names import key_of
from simulator.national.record import Writing
from simulator.national.service import Service

VERIFY = "xacThucThongTin"
FILE = "persons.sqlite"
MOST_ITEMS = 500
DAILY_QUOTA = 100_000
MATCHED, MISMATCH, NOT_FOUND, SETTLE = "1", "2", "3", "4"
RESULTS = {
    MATCHED: "Khớp",
    MISMATCH: "Không khớp",
    NOT_FOUND: "Không tìm thấy",
    SETTLE: "Cần phối hợp công an làm rõ",
}
MESSAGES = {
    "00": "Thành công",
    "03": "Mã đơn vị không đúng",
    "06": "Không có bản ghi hoặc quá số bản ghi cho phép",
    "08": "Thiếu mục đích khai thác",
    "09": "Thiếu người yêu cầu",
    "20": "Thiếu trường bắt buộc",
    "21": "Ngày sinh không khớp với độ chính xác",
    "24": "Số định danh sai cấu trúc",
    "99": "Lỗi hệ thống, vui lòng thử lại sau",
}
_DIGITS = {"D": 8, "M": 6, "Y": 4}
_FORMATS = {"D": "%Y%m%d", "M": "%Y%m", "Y": "%Y"}
_REQUIRED = ("MaYeuCau", "SoDinhDanh", "HoTen", "NgaySinh", "DoChinhXac")
_ALIVE = "1"
_PRECISIONS = ("D", "M", "Y")
_SETTLE = 4  # a remark is the index of the precision, and this on top when it is to be settled
_EPOCH = date(1970, 1, 1)


class PopulationFaults(FaultPlan):
    """A plan for the token and the one service."""

    strikes = {TOKEN: TOKEN_KINDS, VERIFY: (*ANSWER_KINDS, *BATCH_KINDS, "contrary")}


class Persons:
    """The persons that the database holds, in a file of its own below the system's home."""

    def __init__(self, home: Path) -> None:
        columns = "number integer, name text, born integer, remark integer"
        self._holding = Holding(home / FILE, columns, "number", ("number",))

    def hold(self, batches: Iterable[Any]) -> int:
        """Hold the persons of pyarrow batches or tables, and nobody else; returns how many.

        Columns: so_dinh_danh (12 digits), ho_ten, ngay_sinh (date), and, where there are any, do_chinh_xac (D, M, Y;
        without: D), trang_thai (1 alive, 2 dead, 3 missing; without: 1), can_lam_ro (under correction; without: false).
        """
        return self._holding.fill(_rows(batch) for batch in batches)

    def change(self, batch: Any) -> None:
        """Add the persons of a batch, and replace those who are there already."""
        self._holding.update(_rows(batch))

    @property
    def held(self) -> bool:
        """True when it was filled, now or by an earlier run."""
        return self._holding.exists

    def find(self, numbers: Iterable[str]) -> dict[str, list[tuple[str, str, str, bool]]]:
        """Number -> name, date of birth, its precision, whether it is to be settled; of all who hold it."""
        found = defaultdict(list)
        for number in dict.fromkeys(numbers):
            query = "select name, born, remark from held where number = ?"
            for name, born, remark in self._holding.read(query, (int(number),)):
                settle, precision = divmod(remark, _SETTLE)
                day = _EPOCH + timedelta(days=born)
                found[number].append((name, f"{day:%Y%m%d}", _PRECISIONS[precision], bool(settle)))
        return dict(found)

    def close(self) -> None:
        """Let go of the file."""
        self._holding.close()


def _rows(batch: Any) -> Iterator[Row]:
    """Rows for the table, made column by column: number, name, day of birth, and precision and "to settle" in one."""
    table = batch if isinstance(batch, pa.Table) else pa.Table.from_batches([batch])
    remark = np.zeros(table.num_rows, np.int64)
    if "do_chinh_xac" in table.column_names:
        remark += pc.fill_null(pc.index_in(table["do_chinh_xac"], pa.array(_PRECISIONS)), 0).to_numpy()
    if "trang_thai" in table.column_names:
        remark |= np.where(pc.equal(table["trang_thai"], _ALIVE).to_numpy(), 0, _SETTLE)
    if "can_lam_ro" in table.column_names:
        remark |= np.where(table["can_lam_ro"].to_numpy(), _SETTLE, 0)
    numbers = pc.cast(table["so_dinh_danh"], pa.int64()).to_numpy().tolist()
    born = pc.cast(table["ngay_sinh"], pa.int32()).to_numpy().tolist()
    return zip(numbers, table["ho_ten"].to_pylist(), born, remark.tolist(), strict=True)


class Population(Service):
    """The service. `persons.hold(…)` before or after `start`; a home that has persons keeps them."""

    name, api, plan_type = "population", "/apiCSDLDanCu/1.0", PopulationFaults
    quota = DAILY_QUOTA

    def __init__(self, home: Path | str, faults: FaultPlan | None = None, port: int = 0, **credentials: Any) -> None:
        super().__init__(home, faults, port, **credentials)
        self.persons = Persons(self.home)

    def load(self, folder: Path) -> None:
        """persons.parquet, with the columns of `Persons.hold`."""
        file = folder / "persons.parquet"
        if not file.exists():
            raise ValueError(f"Thiếu tệp / Missing: {file}")
        with pq.ParquetFile(file) as parquet:
            self.persons.hold(parquet.iter_batches(100_000))

    def stop(self) -> None:
        """Take it down for good."""
        super().stop()
        self.persons.close()

    def route(self, call: Call) -> str | None:
        """The token's path, or the service's."""
        if call.method != "POST":
            return None
        return TOKEN if call.path == TOKEN_PATH else VERIFY if call.path == f"{self.api}/{VERIFY}" else None

    def malformed(self, call: Call) -> Answer | None:
        """Anything but an object whose `data` is a list of objects of texts."""
        shaped = isinstance(call.content, dict) and isinstance(call.content.get("data"), list)
        items = call.items
        texts = all(isinstance(item, dict) and all(isinstance(v, str) for v in item.values()) for item in items)
        return None if shaped and texts else bad_request()

    def failed(self, call: Call) -> dict[str, Any]:
        """HTTP went well, the database did not."""
        return _told("99") | {"data": []}

    def perform(self, call: Call, writing: Writing) -> dict[str, Any] | Answer:
        """Verify persons."""
        code = _envelope_code(call)
        if code != "00":
            return _told(code) | {"data": []}
        day = call.now.date().isoformat()
        before = writing.find("quota", day)
        used = (before[0]["persons"] if before else 0) + (len(call.items) if call.first is None else call.first)
        if used > self.quota:
            return _over_quota(call.now)
        writing.store("quota", day, {"persons": used}, None)
        data, results = self._verify(call, writing), Counter[str]()
        results.update(line["KetQua"] for line in data if line["KetQua"])
        logged = {name: call.content[name] for name in ("madonvi", "nguoiYeuCau", "mucDich")}
        writing.put("access", "insert", str(writing.seq), logged | {"soNguoi": len(call.items), "ketQua": results}, "")
        return _told("00") | {"soBanGhi": str(results.total()), "data": data}

    def _verify(self, call: Call, writing: Writing) -> list[dict[str, str]]:
        codes = ["99" if call.unseen(position) else _code(item) for position, item in enumerate(call.items)]
        asked = [item["SoDinhDanh"] for item, code in zip(call.items, codes, strict=True) if code == "00"]
        found = self.persons.find(asked)
        data = []
        for item, code in zip(call.items, codes, strict=True):
            result, fields = "", ""
            if code == "00":
                result, fields = _result(item, found.get(item["SoDinhDanh"], []), call.fault == "contrary")
            else:
                writing.refuse("person", "", item.get("MaYeuCau", ""), code)
            told = {"MaYeuCau": item.get("MaYeuCau", ""), "KetQua": result, "TruongKhongKhop": fields}
            data.append(told | _told(code))
        return data


def _envelope_code(call: Call) -> str:
    """`00`, or why a whole request is refused."""
    given = {name: call.content.get(name) for name in ("madonvi", "nguoiYeuCau", "mucDich")}
    texts = {name: value.strip() for name, value in given.items() if isinstance(value, str)}
    unit = agency_of(texts.get("madonvi", ""))
    if unit is None or unit.split(".")[0] != "H05":
        return "03"
    if not texts.get("mucDich"):
        return "08"
    if not texts.get("nguoiYeuCau"):
        return "09"
    return "00" if 0 < len(call.items) <= MOST_ITEMS else "06"


def _code(item: dict[str, str]) -> str:
    """`00`, or why one person is refused."""
    if any(not item.get(name) for name in _REQUIRED):
        return "20"
    if not re.fullmatch("[0-9]{12}", item["SoDinhDanh"]):
        return "24"
    digits = _DIGITS.get(item["DoChinhXac"])
    if digits is None or not re.fullmatch(f"[0-9]{{{digits}}}", item["NgaySinh"]):
        return "21"
    try:
        datetime.strptime(item["NgaySinh"], _FORMATS[item["DoChinhXac"]])
    except ValueError:
        return "21"
    return "00"


def _result(item: dict[str, str], holders: list[tuple[str, str, str, bool]], contrary: bool) -> tuple[str, str]:
    """KetQua and TruongKhongKhop. `contrary`: whoever is there is not, and the other way round."""
    if contrary:
        return (NOT_FOUND if holders else MATCHED), ""
    if not holders:
        return NOT_FOUND, ""
    name, born, precision, settle = holders[0]
    if settle or len(holders) > 1:
        return SETTLE, ""
    digits = min(_DIGITS[precision], _DIGITS[item["DoChinhXac"]])
    wrong = {"HoTen": key_of(item["HoTen"]) != key_of(name), "NgaySinh": item["NgaySinh"][:digits] != born[:digits]}
    fields = ";".join(field for field, differs in wrong.items() if differs)
    return (MISMATCH if fields else MATCHED), fields


def _over_quota(now: datetime) -> Answer:
    """The day's quota is used up; to be tried again when the next day begins."""
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    body = {
        "fault": {"code": 900804, "message": "Message throttled out", "description": "You have exceeded your quota"}
    }
    seconds = str(int((midnight - now).total_seconds()) + 1)
    return json_answer(429, body, headers=(("Retry-After", seconds),))


def _told(code: str) -> dict[str, str]:
    return {"error_code": code, "message": MESSAGES[code]}


SYSTEM = Population

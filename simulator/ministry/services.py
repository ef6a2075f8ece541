"""The five services of the ministry's health system: what is applied, what is refused, what is told.

Belongs here: the rules of the envelope and of the items, the buckets and the list, by the ministry's own code.
Stays out: tokens, faults and bytes on the wire (`server`), storage (`record`).

Every value on the wire is a string. A refused envelope changes nothing; items are judged one by one, in order, and one
that is refused does not stop the others. A message that was processed before is processed again: whoever sends twice
is refused (insert) or leaves a second effect (update, delete).
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Container
from datetime import datetime
from typing import Any

from simulator.ministry.record import FIELDS, KEY, KIND, Writing

SEND, DELETE = "DongBoGiayPhepKCB", "HuyGiayPhepKCB"
ASK, BUCKETS, LIST = "TraCuuThongDiep", "DoiSoatGiayPhepKCB", "DanhSachGiayPhepKCB"
WRITING = (SEND, DELETE)
SERVICES = (SEND, DELETE, ASK, BUCKETS, LIST)
MOST_ITEMS, MOST_ASKED = 500, 1000
STAMP = "%Y%m%d%H%M%S"
STATUSES = ("1", "2", "3")

MESSAGES = {
    "00": "",
    "01": "Tham số không hợp lệ",
    "02": "isUpdating phải là True hoặc False",
    "03": "Quá số bản ghi cho phép",
    "05": "Mã đơn vị không đúng",
    "06": "Dịch vụ không khớp",
    "11": "Giấy phép đã tồn tại",
    "12": "Giấy phép không tồn tại",
    "20": "Thiếu trường bắt buộc",
    "21": "Ngày sai định dạng",
    "22": "Trạng thái ngoài danh mục",
    "23": "Mã cơ sở KBCB ngoài danh mục",
    "24": "Ngày hết hạn trước ngày cấp",
    "99": "Lỗi hệ thống, vui lòng thử lại sau",
}
_REQUIRED = ("MaThongDiep", "SoGiayPhep", "MaCSKCB", "NgayCap", "TrangThai")
_DATES = ("NgayCap", "NgayHetHan", "ThoiDiemCapNhat")

Envelope = dict[str, Any]


def malformed(envelope: object) -> bool:
    """True when the body is no envelope at all: an object of texts whose `data` is a list of objects of texts."""
    if not isinstance(envelope, dict) or not isinstance(envelope.get("data"), list):
        return True
    items = envelope["data"]
    texts = [envelope.get(name, "") for name in ("madonvi", "service", "isUpdating")]
    if not all(isinstance(item, dict) for item in items):
        return True
    return not all(isinstance(value, str) for value in [*texts, *(v for item in items for v in item.values())])


def refusal(service: str, code: str) -> dict[str, Any]:
    """The answer that refuses a whole request."""
    nothing: dict[str, Any] = {"soBanGhi": "0", "loi": []} if service in WRITING else {"data": []}
    return {"error_code": code, "message": MESSAGES[code], **nothing}


def envelope_code(service: str, envelope: Envelope, unit: str) -> str:
    """`00`, or why the envelope is refused. `unit`: to whom the token was given."""
    items, updating = envelope["data"], envelope.get("isUpdating")
    if envelope.get("service") != service:
        return "06"
    if envelope.get("madonvi") != unit:
        return "05"
    if updating not in ("True", "False") or (service == DELETE and updating == "False"):
        return "02"
    if len(items) > (MOST_ASKED if service == ASK else MOST_ITEMS):
        return "03"
    return "00"


def answer(
    service: str,
    envelope: Envelope,
    unit: str,
    facilities: Container[str] | None,
    writing: Writing,
    *,
    first: int | None = None,
) -> dict[str, Any]:
    """Do what is asked; returns the answer's content.

    `facilities`: those the ministry knows, None for any. `first`: only so many items are looked at, the rest gets 99.
    """
    code = envelope_code(service, envelope, unit)
    if code != "00":
        return refusal(service, code)
    if service in WRITING:
        operation = "delete" if service == DELETE else "update" if envelope["isUpdating"] == "True" else "insert"
        return _apply(operation, envelope["data"], facilities, writing, first)
    if service == ASK:
        found = writing.codes(item.get("MaThongDiep", "") for item in envelope["data"])
        return _told([{"MaThongDiep": message_id, "maLoi": code} for message_id, code in found])
    return _told(_buckets(writing)) if service == BUCKETS else _page(envelope["data"], writing)


def _told(data: list[dict[str, str]]) -> dict[str, Any]:
    return {"error_code": "00", "message": "", "data": data}


def _apply(
    operation: str, items: list[dict[str, str]], known: Container[str] | None, writing: Writing, first: int | None
) -> dict[str, Any]:
    refused = []
    for position, item in enumerate(items):
        key, message_id = item.get(KEY, ""), item.get("MaThongDiep", "")
        code = "99" if first is not None and position >= first else _judge(operation, item, known, writing)
        if code == "00" and operation == "delete":
            writing.remove(KIND, key, message_id)
        elif code == "00":
            writing.put(KIND, operation, key, {name: item.get(name, "") for name in FIELDS}, message_id)
        else:
            writing.refuse(KIND, key, message_id, code)
            refused.append({"MaThongDiep": message_id, "maLoi": code, "moTa": MESSAGES[code]})
        if code != "99" and message_id:
            writing.process(message_id, code)
    applied = len(items) - len(refused)
    return {"error_code": "00", "message": "", "soBanGhi": str(applied), "loi": refused}


def _judge(operation: str, item: dict[str, str], known: Container[str] | None, writing: Writing) -> str:
    """`00`, or why an item is refused. A delete is judged by what it must name and by its key only: what is to go may
    well be wrong by today's lists."""
    if any(not item.get(name) for name in _REQUIRED):
        return "20"
    if operation != "delete":
        if any(item.get(name) and not _is_date(item[name]) for name in _DATES):
            return "21"
        if item["TrangThai"] not in STATUSES:
            return "22"
        if known is not None and item["MaCSKCB"] not in known:
            return "23"
        if item.get("NgayHetHan") and item["NgayHetHan"] < item["NgayCap"]:
            return "24"
    exists = writing.find(KIND, item[KEY]) is not None
    if operation == "insert":
        return "11" if exists else "00"
    return "00" if exists else "12"


def _is_date(text: str) -> bool:
    """yyyyMMddHHmmss, and a day that exists."""
    if not re.fullmatch("[0-9]{14}", text):
        return False
    try:
        datetime.strptime(text, STAMP)
    except ValueError:
        return False
    return True


def digest(content: dict[str, str]) -> int:
    """The first 64 bits of the MD5 of a licence's values in byte order of their names, joined by U+001F."""
    canonical = "\x1f".join(content[name] for name in sorted(content, key=str.encode))
    return int.from_bytes(hashlib.md5(canonical.encode()).digest()[:8], "big")


def _buckets(writing: Writing) -> list[dict[str, str]]:
    counts: dict[str, int] = defaultdict(int)
    sums: dict[str, int] = defaultdict(int)
    for content in writing.contents(KIND):
        bucket = hashlib.md5(content[KEY].encode()).hexdigest()[:2]
        counts[bucket] += 1
        sums[bucket] ^= digest(content)
    return [{"nhom": b, "soBanGhi": str(counts[b]), "maBam": f"{sums[b]:016x}"} for b in sorted(counts)]


def _page(data: list[dict[str, str]], writing: Writing) -> dict[str, Any]:
    if len(data) != 1:
        return refusal(LIST, "01")
    page, size, bucket = data[0].get("trang", "1"), data[0].get("kichThuoc", str(MOST_ITEMS)), data[0].get("nhom")
    if not re.fullmatch("[1-9][0-9]{0,8}", page) or not re.fullmatch("[1-9][0-9]{0,2}", size) or int(size) > MOST_ITEMS:
        return refusal(LIST, "01")
    found = writing.contents(KIND, bucket or None, (int(page) - 1) * int(size), int(size))
    return {"error_code": "00", "tongSo": str(writing.total(KIND, bucket or None)), "trang": page, "data": found}

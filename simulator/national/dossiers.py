"""Dossiers as the National Public Service Portal wants them: their fields, their code, and what it refuses.

Belongs here: names of fields, code lists, the ten statuses and the steps between them, the judgement on one item.
Stays out: sessions, envelopes and storage (`dvcqg`).

Every value is a string; moments are yyyyMMddHHmmss in Vietnam. Which fields must be there follows the senders in use
(those that they mark as not obligatory may be empty); 1 (registered) and 3 (not received) have no day of receipt, and the
day on which they were handed in stands in for it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from simulator.clock import TZ
from simulator.national.codes import communes

MESSAGES = {
    "00": "Thành công",
    "01": "Tên đăng nhập hoặc mật khẩu không đúng",
    "02": "Phiên làm việc không hợp lệ hoặc đã hết hạn",
    "03": "Mã đơn vị không đúng",
    "04": "Dịch vụ không tồn tại",
    "05": "isUpdating phải là True hoặc False",
    "06": "Không có bản ghi hoặc quá số bản ghi cho phép",
    "07": "Thiếu tham số",
    "11": "Hồ sơ đã tồn tại",
    "12": "Hồ sơ không tồn tại",
    "20": "Thiếu trường bắt buộc",
    "21": "Ngày giờ sai định dạng",
    "22": "Giá trị ngoài danh mục",
    "23": "Mã thủ tục hành chính không có trong cơ sở dữ liệu quốc gia",
    "24": "Mã hồ sơ sai cấu trúc",
    "25": "Ngày trong mã hồ sơ khác ngày tiếp nhận",
    "26": "Mã cơ quan không có hoặc không còn hiệu lực",
    "27": "Mã đơn vị hành chính không còn hiệu lực",
    "28": "Không truy cập được đường dẫn tệp tin",
    "29": "Trình tự trạng thái không hợp lệ",
    "30": "Thời điểm xử lý trước lần cập nhật trước",
    "31": "Thời điểm ở tương lai",
    "32": "Giá trị phải là chuỗi ký tự",
    "33": "Mã lĩnh vực không khớp với thủ tục",
    "99": "Lỗi hệ thống, vui lòng thử lại sau",
}
STATUSES = {
    "1": "Mới đăng ký",
    "2": "Được tiếp nhận",
    "3": "Không được tiếp nhận",
    "4": "Đang xử lý",
    "5": "Yêu cầu bổ sung giấy tờ",
    "6": "Yêu cầu thực hiện nghĩa vụ tài chính",
    "7": "Công dân yêu cầu rút hồ sơ",
    "8": "Dừng xử lý",
    "9": "Đã xử lý xong",
    "10": "Đã trả kết quả",
}
#: Status -> those that may follow it. 3 and 10 are the end; 4 may follow itself, from desk to desk.
NEXT = {
    "1": ("2", "3", "7"),
    "2": ("4", "5", "6", "7", "8", "9", "10"),
    "3": (),
    "4": ("4", "5", "6", "7", "8", "9", "10"),
    "5": ("2", "4", "7", "8"),
    "6": ("4", "7", "8", "9"),
    "7": ("8", "10"),
    "8": ("10",),
    "9": ("10",),
    "10": (),
}
FIELDS = (
    "MaHoSo", "MaTTHC", "TenTTHC", "MaLinhVuc", "TenLinhVuc", "KenhThucHien", "SoGiayToChuHoSo", "ChuHoSo",
    "LoaiDoiTuong", "MaDoiTuong", "ThongTinKhac", "Email", "Fax", "SoDienThoai", "TrichYeuHoSo", "NgayTiepNhan",
    "NgayHenTra", "TrangThaiHoSo", "NgayTra", "ThongTinTra", "HinhThuc", "NgayKetThucXuLy", "DonViXuLy", "GhiChu",
    "NoiNopHoSo", "HoSoCoThanhPhanSoHoa", "TaiKhoanDuocXacThucVoiVNeID", "DuocThanhToanTrucTuyen", "NgayTuChoi",
    "NgayNopHoSo",
)  # fmt: skip
#: Lists within a dossier, and the fields of their entries; None: any.
LISTS: dict[str, tuple[str, ...] | None] = {
    "DinhDanhCHS": ("LoaiDinhDanh", "SoDinhDanh"),
    "DSKetNoiCSDL": ("MaCSDL",),
    "TaiLieuNop": (
        "TepDinhKemId", "TenTepDinhKem", "IsDeleted", "MaThanhPhanHoSo", "DuongDanTaiTepTin", "DuocSoHoa",
        "DuocTaiSuDung", "DuocLayTuKhoDMQG", "MaKetQuaThayThe",
    ),
    "DanhSachLePhi": ("TenPhiLePhi", "MaPhiLePhi", "HinhThucThu", "Gia", "LoaiPhiLePhi"),
    "DanhSachTepDinhKemKhac": None,
    "DanhSachHoSoBoSung": None,
    "DanhSachGiayToKetQua": (
        "TenGiayTo", "MaThanhPhanHoSo", "GiayToId", "DuongDanTepTinKetQua", "MaGiayToKetQua",
    ),
}  # fmt: skip
STEP_FIELDS = (
    "MaHoSo", "NguoiXuLy", "ChucDanh", "ThoiDiemXuLy", "PhongBanXuLy", "NoiDungXuLy", "TrangThai", "NgayBatDau",
    "NgayKetThucTheoQuyDinh",
)  # fmt: skip
_REQUIRED = (
    "MaHoSo", "MaTTHC", "TenTTHC", "MaLinhVuc", "TenLinhVuc", "LoaiDoiTuong", "TrichYeuHoSo", "TrangThaiHoSo",
    "HinhThuc", "DonViXuLy",
)  # fmt: skip
_STEP_REQUIRED = ("MaHoSo", "NguoiXuLy", "ThoiDiemXuLy", "NoiDungXuLy", "TrangThai")
_MOMENTS = ("NgayTiepNhan", "NgayHenTra", "NgayTra", "NgayKetThucXuLy", "NgayTuChoi", "NgayNopHoSo")
_STEP_MOMENTS = ("ThoiDiemXuLy", "NgayBatDau", "NgayKetThucTheoQuyDinh")
_NOT_RECEIVED = ("1", "3")
_CODES = {
    "KenhThucHien": ("1", "2", "3"),
    "LoaiDoiTuong": ("1", "2", "3", "4"),
    "TrangThaiHoSo": tuple(STATUSES),
    "HinhThuc": ("0", "1"),
    "HoSoCoThanhPhanSoHoa": ("0", "1"),
    "TaiKhoanDuocXacThucVoiVNeID": ("0", "1"),
    "DuocThanhToanTrucTuyen": ("0", "1", "2"),
}
_LINKS = {"TaiLieuNop": "DuongDanTaiTepTin", "DanhSachGiayToKetQua": "DuongDanTepTinKetQua"}
_PROCEDURE = re.compile(r"\d\.\d{6}")
_OLD_AGENCY = re.compile(r"\d{3}\.[0-9A-Z]{2}\.[0-9A-Z]{2}\.[A-Z]\d{2}")  # QCVN 102:2016, the leaf first
_AGENCY = re.compile(r"[A-Z]\d{2}(\.[0-9A-Z]+)*")  # Decision 20/2020/QĐ-TTg, the root first
_DOSSIER = re.compile(r"(?P<agency>[0-9A-Z.]{3,35})-(?P<day>\d{6})-\d{4,5}")  # Circular 01/2018/TT-VPCP, Article 19
_COMMUNE = re.compile(r"\d{5}")
_MOMENT = re.compile("[0-9]{14}")
_TOLERANCE = timedelta(minutes=5)


def agency_of(code: str) -> str | None:
    """An agency's code in the newer style: `000.00.12.H05` and `H05.12` are both `H05.12`; None when it is none."""
    if _OLD_AGENCY.fullmatch(code):
        root, *rest = reversed(code.split("."))
        return ".".join([root, *(group for group in rest if group.strip("0"))])
    return code if len(code) <= 35 and _AGENCY.fullmatch(code) else None


@dataclass(frozen=True)
class Agency:
    """An agency of the list. `code`: in the newer style; `first`, `last`: its first and last day, None: open."""

    code: str
    first: date | None = None
    last: date | None = None

    @classmethod
    def of(cls, row: Mapping[str, str]) -> Agency:
        """From MaCoQuan (either style), HieuLucTu, HieuLucDen (yyyy-mm-dd or empty). Raises ValueError."""
        code = agency_of(row["MaCoQuan"])
        if code is None:
            raise ValueError(f"Mã cơ quan sai cấu trúc / Malformed agency code: {row['MaCoQuan']}")
        first, last = (date.fromisoformat(row[name]) if row.get(name) else None for name in ("HieuLucTu", "HieuLucDen"))
        return cls(code, first, last)


class Lists:
    """The code lists of the portal. None: anything of the right form (an agency: below the province's code H05)."""

    def __init__(
        self, procedures: Iterable[Mapping[str, str]] | None = None, agencies: Iterable[Agency] | None = None
    ) -> None:
        self._any_procedure = procedures is None
        self.procedures = {row["MATTHC"]: dict(row) for row in procedures or ()}
        self._agencies: dict[str, list[Agency]] | None = None if agencies is None else {}
        for agency in agencies or ():
            if self._agencies is not None:
                self._agencies.setdefault(agency.code, []).append(agency)

    def has_procedure(self, code: str) -> bool:
        """True for a national code that exists."""
        return bool(_PROCEDURE.fullmatch(code)) if self._any_procedure else code in self.procedures

    def agency_code(self, text: str, on: date) -> str:
        """`00`, or why the agency of a dossier's code is refused. A group of five digits is a commune's code."""
        code = agency_of(text)
        if code is None:
            return "24"
        if any(_COMMUNE.fullmatch(group) and group not in communes(on) for group in code.split(".")):
            return "27"
        if self._agencies is None:
            return "00" if code.split(".")[0] == "H05" else "26"
        valid = (
            (a.first is None or a.first <= on) and (a.last is None or on <= a.last)
            for a in self._agencies.get(code, ())
        )
        return "00" if any(valid) else "26"


def procedure_of(row: Mapping[str, str]) -> dict[str, Any]:
    """A procedure as LayThuTuc tells it."""
    field = {"MALINHVUC": row.get("MALINHVUC", ""), "TENLINHVUC": row.get("TENLINHVUC", "")}
    return {"MATTHC": row["MATTHC"], "TENTTHC": row["TENTTHC"], "LINHVUCTHUCHIEN": [field]}


def content_of(item: Mapping[str, Any]) -> dict[str, Any]:
    """What the portal keeps of a dossier: the fields it knows."""
    texts: dict[str, Any] = {name: item.get(name, "") for name in FIELDS}
    for name, fields in LISTS.items():
        entries = item.get(name) or []
        texts[name] = [{f: entry.get(f, "") for f in fields} if fields else entry for entry in entries]
    return texts


def step_of(item: Mapping[str, Any]) -> dict[str, str]:
    """What the portal keeps of a step."""
    return {name: item.get(name, "") for name in STEP_FIELDS}


class Judge:
    """Says of one item `00`, or the code with which it is refused. `now`: the portal's clock, `on`: the day of its
    lists, `lax_order`: steps and statuses may come in any order.
    """

    def __init__(self, lists: Lists, now: datetime, on: date, *, lax_order: bool = False) -> None:
        self._lists, self._on, self._lax_order = lists, on, lax_order
        self._latest = now + _TOLERANCE

    def dossier(self, item: Mapping[str, Any], held: Mapping[str, Any] | None, updating: bool) -> str:
        """An item of DongBoHoSoMC. `held`: what the portal has of it."""
        return (
            _shape(item)
            or _missing(item, _REQUIRED)
            or self._moments(item, _MOMENTS)
            or _codes(item)
            or self._name(item, updating)
            or self._procedure(item)
            or _links(item)
            or ("11" if held and not updating else "")
            or ("12" if updating and not held else "")
            or self._order(held, item["TrangThaiHoSo"], repeated=True)
            or "00"
        )

    def step(self, item: Mapping[str, Any], held: Mapping[str, Any] | None) -> str:
        """An item of CapNhatTienDoHoSoMC."""
        return (
            _shape(item)
            or _missing(item, _STEP_REQUIRED)
            or self._moments(item, _STEP_MOMENTS)
            or ("" if item["TrangThai"] in STATUSES else "22")
            or ("" if held else "12")
            or self._time(item, held or {})
            or self._order(held, item["TrangThai"], repeated=False)
            or "00"
        )

    def _moments(self, item: Mapping[str, Any], names: Iterable[str]) -> str:
        """Formats, and that nothing has happened in the future (it may well be due there)."""
        for name in names:
            if not (text := item.get(name)):
                continue
            moment = _moment(text)
            if moment is None:
                return "21"
            if name not in ("NgayHenTra", "NgayKetThucTheoQuyDinh") and moment > self._latest:
                return "31"
        return ""

    def _name(self, item: Mapping[str, Any], updating: bool) -> str:
        """The dossier's code: its form, its day, its agency. The agency of one that exists was valid when it came."""
        parts = _DOSSIER.fullmatch(item["MaHoSo"])
        if parts is None:
            return "24"
        received = item.get("NgayTiepNhan") or (
            item.get("NgayNopHoSo") if item["TrangThaiHoSo"] in _NOT_RECEIVED else ""
        )
        if not received:
            return "20"
        agency = self._lists.agency_code(parts["agency"], self._on)
        if agency == "24" or (agency != "00" and not updating):
            return agency
        return "" if received[2:8] == parts["day"] else "25"

    def _procedure(self, item: Mapping[str, Any]) -> str:
        if not self._lists.has_procedure(item["MaTTHC"]):
            return "23"
        known = self._lists.procedures.get(item["MaTTHC"])
        return "33" if known and known.get("MALINHVUC", item["MaLinhVuc"]) != item["MaLinhVuc"] else ""

    def _time(self, item: Mapping[str, Any], held: Mapping[str, Any]) -> str:
        return "30" if item["ThoiDiemXuLy"] < held.get("_thoi_diem", "") and not self._lax_order else ""

    def _order(self, held: Mapping[str, Any] | None, status: str, *, repeated: bool) -> str:
        if held is None or self._lax_order or (repeated and held["TrangThaiHoSo"] == status):
            return ""
        return "" if status in NEXT[held["TrangThaiHoSo"]] else "29"


def _shape(item: Mapping[str, Any]) -> str:
    """Texts, and lists of objects where lists are due: no number, no true or false, no null."""
    for name, value in item.items():
        if name not in LISTS:
            fits = isinstance(value, str)
        else:
            fits = isinstance(value, list) and all(isinstance(entry, dict) and _texts(entry) for entry in value)
        if not fits:
            return "32"
    return ""


def _texts(entry: Mapping[str, Any]) -> bool:
    return all(isinstance(value, (str, list)) for value in entry.values())


def _missing(item: Mapping[str, Any], names: Iterable[str]) -> str:
    return "20" if any(not item.get(name) for name in names) else ""


def _codes(item: Mapping[str, Any]) -> str:
    return "22" if any(item.get(name) and item[name] not in codes for name, codes in _CODES.items()) else ""


def _links(item: Mapping[str, Any]) -> str:
    """Files that nobody outside the sender's network can fetch."""
    links = (entry.get(field) for name, field in _LINKS.items() for entry in item.get(name, ()))
    return "28" if any(link and not _public(link) for link in links) else ""


def _public(link: str) -> bool:
    try:
        parts = urlsplit(link)
        host = parts.hostname or ""
    except ValueError:
        return False
    try:
        return parts.scheme in ("http", "https") and ipaddress.ip_address(host).is_global
    except ValueError:  # a name
        return parts.scheme in ("http", "https") and "." in host and not host.endswith((".local", ".lan", ".internal"))


def _moment(text: str) -> datetime | None:
    """yyyyMMddHHmmss in Vietnam, and a moment that exists."""
    if not _MOMENT.fullmatch(text):
        return None
    try:
        day, hour, minute, second = date.fromisoformat(text[:8]), int(text[8:10]), int(text[10:12]), int(text[12:])
        return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=TZ)
    except ValueError:
        return None

"""Public services: the dossier systems of both former provinces, what they send over the LGSP, and the lists that go with it.

Belongs here: views of the tables of procedures and dossiers, and of agencies. Stays out: what communes deliver themselves
(`communes`), columns that both have (`dossiers`).

What is wrong with them beside the dirt of single cells:

- Each system has statuses of its own (17 and 18); that of Bắc Giang sends 9 for 5, 6 and 8.
- Both count dossiers of departments for themselves, so two dossiers have one number, until the night in which those of
  Bắc Giang were given new ones (`procedures_receipts.REKEYED_ON`). Steps, files and fees sent before keep the old number.
- Procedures have local codes; where the mapping table is silent the local one is sent.
- A dossier that the system of Bắc Giang could not send stands in a text file that the next day overwrites, and nowhere
  else; its steps and files are sent all the same, and belong to nothing.
- It sends some steps hours late, behind later ones. Some links lead to servers inside the office's network.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow.compute as pc

from simulator.views import dirt, dossiers
from simulator.views.dirt import Dirt
from simulator.views.public_services_lists import LISTS
from simulator.views.view import Column, View, of_person

_AGENCY = "public_services"
_MOMENT = "date:%d/%m/%Y %H:%M"


def _of(system: str) -> Callable[[Any], Any]:
    return lambda truth: pc.equal(truth["system"], system)


def _sent(truth: Any) -> Any:
    return truth["is_sent"]


BN_DOSSIER = View(
    id="public_services.dossier_bn",
    agency=_AGENCY,
    table="dossier",
    title_vi="Hồ sơ một cửa (hệ thống Bắc Ninh cũ)",
    system="postgres",
    place="motcua.ho_so",
    key=("id_ho_so",),
    where=_of("BN"),
    columns=(
        Column("id_ho_so", "id", "typed"),
        Column("ma_ho_so", "local_code"),
        Column("ma_thu_tuc", dossiers.local_procedure),
        Column("ma_don_vi", "agency_code"),
        Column("kenh", "channel", "typed"),
        Column("loai_doi_tuong", "applicant_type", "typed"),
        Column("chu_ho_so", dossiers.applicant("name")),
        Column("so_giay_to", dossiers.applicant("number")),
        Column("dien_thoai", dossiers.applicant("phone")),
        Column("dia_chi", dossiers.applicant("address")),
        Column("thu_dien_tu", dossiers.email),
        Column("ngay_nop", "submitted_at", "typed"),
        Column("ngay_tiep_nhan", "received_at", "typed"),
        Column("ngay_hen_tra", "appointed_at", "typed"),
        Column("ngay_hen_tra_moi", "appointed_now_at", "typed"),
        Column("trang_thai", "local_status"),
        Column("ngay_ket_thuc", "finished_at", "typed"),
        Column("ngay_tra", "returned_at", "typed"),
        Column("ngay_tu_choi", "rejected_at", "typed"),
        Column("ngay_dung", "stopped_at", "typed"),
        Column("hinh_thuc_tra", "return_form", "typed"),
        Column("tong_le_phi", "fee_vnd", "typed", unit="đồng"),
        Column("thanh_toan_truc_tuyen", "online_payment", "typed"),
        Column("so_hoa_thanh_phan", "has_digitised_parts", "typed"),
        Column("ket_qua_dien_tu", "has_electronic_result", "typed"),
        Column("xac_thuc_vneid", "is_vneid_verified", "typed"),
        Column("khai_thac_dan_cu", "is_population_checked", "typed"),
        Column("noi_nop", "submitted_to", "typed"),
        Column("cap_nhat_luc", "updated_at", "typed"),
    ),
    dirt=(
        *dirt.names("chu_ho_so"),
        *dirt.texts("dia_chi"),
        Dirt("phone_old", "dien_thoai"),
        Dirt("missing", "dien_thoai"),
    ),
    person={"so_giay_to": "applicant_person"},
    stamp="cap_nhat_luc",
)

BG_DOSSIER = View(
    id="public_services.dossier_bg",
    agency=_AGENCY,
    table="dossier",
    title_vi="Hồ sơ một cửa (hệ thống Bắc Giang cũ)",
    system="mariadb",
    place="egate.tbl_hoso",
    key=("HoSoID",),
    where=_of("BG"),
    columns=(
        Column("HoSoID", "id", "typed"),
        Column("SoHoSo", "local_code"),
        Column("MaThuTuc", dossiers.local_procedure),
        Column("DonViID", "agency", "typed"),
        Column("TenDonVi", dossiers.agency_name),
        Column("HinhThucNop", "channel", words={1: "TRUC_TIEP", 2: "TRUC_TUYEN", 3: "BUU_CHINH"}),
        Column("LoaiNguoiNop", "applicant_type", words={1: "CN", 2: "DN", 3: "CQ"}),
        Column("NguoiNop", dossiers.applicant("name")),
        Column("CMND_CCCD_MST", dossiers.applicant("number")),
        Column("SDT", dossiers.applicant("phone")),
        Column("DiaChi", dossiers.applicant("address")),
        Column("NgayNop", "submitted_at", _MOMENT),
        Column("NgayNhan", "received_at", _MOMENT),
        Column("HanTra", "appointed_now_at", _MOMENT),
        Column("TinhTrang", "local_status"),
        Column("NgayCoKQ", "finished_at", _MOMENT),
        Column("NgayTraKQ", "returned_at", _MOMENT),
        Column("NgayTuChoi", "rejected_at", _MOMENT),
        Column("LePhi", "fee_vnd", "dots:0", unit="đồng"),
        Column("DaNopTrucTuyen", "online_payment", words={0: "0", 1: "1", 2: "1"}),
        Column("CoSoHoa", "has_digitised_parts", "bool:1/0"),
        Column("CoKQDienTu", "has_electronic_result", "bool:1/0"),
        Column("NgayCapNhat", "updated_at", "typed"),
    ),
    dirt=(
        *dirt.names("NguoiNop"),
        *dirt.texts("DiaChi"),
        Dirt("phone_old", "SDT"),
        Dirt("missing", "SDT"),
        Dirt("number_words", "LePhi"),
    ),
    person={"CMND_CCCD_MST": "applicant_person"},
    stamp="NgayCapNhat",
)

BN_EVENT = View(
    id="public_services.event_bn",
    agency=_AGENCY,
    table="dossier_event",
    title_vi="Quá trình xử lý (hệ thống Bắc Ninh cũ)",
    system="postgres",
    place="motcua.qua_trinh",
    key=("id_qua_trinh",),
    where=_of("BN"),
    columns=(
        Column("id_qua_trinh", "id", "typed"),
        Column("id_ho_so", "dossier", "typed"),
        Column("trang_thai", "local_status"),
        Column("nguoi_xu_ly", of_person("names", "actor_person")),
        Column("chuc_danh", "actor_title"),
        Column("phong_ban", "unit_name"),
        Column("noi_dung", "content"),
        Column("bat_dau", "started_at", "typed"),
        Column("thoi_diem", "at", "typed"),
        Column("cap_nhat_luc", "sent_at", "typed"),
    ),
    dirt=(Dirt("text_nfd", "noi_dung"), Dirt("text_tone", "nguoi_xu_ly")),
    stamp="cap_nhat_luc",
)

BG_EVENT = View(
    id="public_services.event_bg",
    agency=_AGENCY,
    table="dossier_event",
    title_vi="Luồng xử lý (hệ thống Bắc Giang cũ)",
    system="mariadb",
    place="egate.tbl_luongxuly",
    key=("LuongID",),
    where=_of("BG"),
    columns=(
        Column("LuongID", "id", "typed"),
        Column("HoSoID", "dossier", "typed"),
        Column("TinhTrang", "local_status"),
        Column("CanBo", of_person("names", "actor_person"), "upper"),
        Column("ChucVu", "actor_title"),
        Column("GhiChu", "content"),
        Column("ThoiGian", "at", "date:%d/%m/%Y %H:%M:%S"),
        Column("NgayCapNhat", "sent_at", "typed"),
    ),
    dirt=(Dirt("text_nfd", "GhiChu"), Dirt("text_no_diacritics", "CanBo")),
    stamp="NgayCapNhat",
)

DOSSIER = View(
    id="public_services.dossier",
    agency=_AGENCY,
    table="dossier",
    title_vi="Hồ sơ đồng bộ qua LGSP (cả hai hệ thống)",
    system="lgsp",
    place="/dvc/1.0/ho-so",
    key=("MaHoSo",),
    stamp="NgayCapNhat",
    where=_sent,
    columns=(
        Column("MaHoSo", "local_code"),
        Column("MaTTHC", dossiers.sent_procedure),
        Column("TenTTHC", dossiers.procedure("name_vi")),
        Column("MaLinhVuc", dossiers.procedure("field_code")),
        Column("TenLinhVuc", dossiers.procedure("field_name")),
        Column("KenhThucHien", "channel", "int"),
        Column("SoGiayToChuHoSo", dossiers.applicant("number")),
        Column("LoaiDinhDanh", dossiers.kind_of_id, "int"),
        Column("ChuHoSo", dossiers.applicant("name")),
        Column("LoaiDoiTuong", "applicant_type", "int"),
        Column("Email", dossiers.email),
        Column("SoDienThoai", dossiers.applicant("phone")),
        Column("TrichYeuHoSo", dossiers.procedure("name_vi")),
        Column("NgayNopHoSo", "submitted_at", "stamp14"),
        Column("NgayTiepNhan", "received_at", "stamp14"),
        Column("NgayHenTra", "appointed_now_at", "stamp14"),
        Column("TrangThaiHoSo", "sent_status", "int"),
        Column("NgayKetThucXuLy", "finished_at", "stamp14"),
        Column("NgayTra", "returned_at", "stamp14"),
        Column("NgayTuChoi", "rejected_at", "stamp14"),
        Column("HinhThuc", dossiers.national_return, "int"),
        Column("MaDonVi", "agency_code"),
        Column("DonViXuLy", dossiers.agency_name),
        Column("NoiNopHoSo", "submitted_to", "int"),
        Column("HoSoCoThanhPhanSoHoa", "has_digitised_parts", "bool:True/False"),
        Column("TaiKhoanDuocXacThucVoiVNeID", "is_vneid_verified", "bool:True/False"),
        Column("DuocThanhToanTrucTuyen", "online_payment", "int"),
        Column("KhaiThacCSDLDanCu", "is_population_checked", "bool:True/False"),
        Column("NgayCapNhat", "updated_at", "stamp14"),
    ),
    dirt=(*dirt.names("ChuHoSo"), Dirt("agency_old", "MaDonVi"), Dirt("phone_old", "SoDienThoai")),
    person={"SoGiayToChuHoSo": "applicant_person"},
)

EVENT = View(
    id="public_services.event",
    agency=_AGENCY,
    table="dossier_event",
    title_vi="Tiến độ hồ sơ đồng bộ qua LGSP",
    system="lgsp",
    place="/dvc/1.0/tien-do",
    key=("MaHoSo", "ThoiDiemXuLy", "TrangThai"),
    stamp="NgayCapNhat",
    columns=(
        Column("MaHoSo", "dossier_code"),
        Column("NguoiXuLy", of_person("names", "actor_person")),
        Column("ChucDanh", "actor_title"),
        Column("ThoiDiemXuLy", "at", "stamp14"),
        Column("PhongBanXuLy", "unit_name"),
        Column("NoiDungXuLy", "content"),
        Column("TrangThai", "sent_status", "int"),
        Column("NgayBatDau", "started_at", "stamp14"),
        Column("NgayKetThucTheoQuyDinh", "due_at", "stamp14"),
        Column("NgayCapNhat", "sent_at", "stamp14"),
    ),
    dirt=(Dirt("text_tone", "NguoiXuLy"),),
)

FILE = View(
    id="public_services.file",
    agency=_AGENCY,
    table="dossier_file",
    title_vi="Tệp đính kèm và kết quả của hồ sơ",
    system="lgsp",
    place="/dvc/1.0/tep",
    key=("TepDinhKemId",),
    stamp="NgayCapNhat",
    columns=(
        Column("TepDinhKemId", "file_code"),
        Column("MaHoSo", "dossier_code"),
        Column("TenTepDinhKem", "file_name"),
        Column("MaThanhPhanHoSo", "component_code"),
        Column("LoaiTep", "kind", words={"PART": "TP", "RESULT": "KQ"}),
        Column("DuongDanTaiTepTin", dossiers.link),
        Column("DuocSoHoa", "is_digitised", "bool:1/0"),
        Column("DuocTaiSuDung", "is_reused", "bool:1/0"),
        Column("DuocLayTuKhoDMQG", "is_from_citizen_store", "bool:1/0"),
        Column("NgayCapNhat", "created_at", "stamp14"),
    ),
    dirt=(Dirt("text_no_diacritics", "TenTepDinhKem"), Dirt("text_nfd", "TenTepDinhKem")),
)

FEE = View(
    id="public_services.fee",
    agency=_AGENCY,
    table="dossier_fee",
    title_vi="Phí, lệ phí của hồ sơ",
    system="lgsp",
    place="/dvc/1.0/le-phi",
    key=("MaHoSo", "MaPhiLePhi"),
    columns=(
        Column("MaHoSo", "dossier_code"),
        Column("MaPhiLePhi", "fee_code"),
        Column("TenPhiLePhi", "fee_name"),
        Column("LoaiPhiLePhi", "kind", "int"),
        Column("HinhThucThu", "collected_as", "int"),
        Column("Gia", "amount_vnd", "int", unit="đồng"),
        Column("NgayThanhToan", "paid_at", "stamp14"),
        Column("ThanhToanTrucTuyen", "is_paid_online", "bool:True/False"),
    ),
)

SUPPLEMENT = View(
    id="public_services.supplement",
    agency=_AGENCY,
    table="dossier_supplement",
    title_vi="Yêu cầu bổ sung hồ sơ",
    system="lgsp",
    place="/dvc/1.0/bo-sung",
    key=("HoSoBoSungId",),
    columns=(
        Column("HoSoBoSungId", "id", "int"),
        Column("MaHoSo", "dossier_code"),
        Column("NguoiYeuCauBoSung", of_person("names", "actor_person")),
        Column("NoiDungBoSung", "content"),
        Column("NgayBoSung", "requested_at", "stamp14"),
        Column("NgayTiepNhanBoSung", "answered_at", "stamp14"),
        Column("TrangThaiBoSung", "status", "int"),
        Column("NgayHenTraTruoc", "appointed_before_at", "stamp14"),
        Column("NgayHenTraMoi", "appointed_after_at", "stamp14"),
    ),
)

VIEWS = (BN_DOSSIER, BN_EVENT, BG_DOSSIER, BG_EVENT, DOSSIER, EVENT, FILE, FEE, SUPPLEMENT, *LISTS)

"""Public services: lists, logs and reports beside the dossiers themselves.

Belongs here: views of procedures, code tables, agencies, ratings, citizens' reports and weekly figures, and the text file of
what could not be sent. Stays out: dossiers (`public_services`).
"""

from __future__ import annotations

from simulator.views import dirt
from simulator.views.dirt import Dirt
from simulator.views.view import Column, View
from simulator.views.workbook import Csv, Sheet

_AGENCY = "public_services"
_LEVELS = {"PROVINCE": "Cấp tỉnh", "COMMUNE": "Cấp xã", "BOTH": "Cấp tỉnh, cấp xã"}
_MODES = {"FULL": "Toàn trình", "PARTIAL": "Một phần", "INFORMATION": "Cung cấp thông tin"}
_UNITS = {"WORKING_DAY": "Ngày làm việc", "DAY": "Ngày", "HOUR": "Giờ làm việc"}

PROCEDURE = View(
    id="public_services.procedure",
    agency=_AGENCY,
    table="procedure",
    title_vi="Danh mục thủ tục hành chính",
    system="folder",
    place="danh_muc_tthc_{day:%Y%m%d}.xlsx",
    format="xlsx",
    key=("Mã TTHC",),
    columns=(
        Column("Mã TTHC", "procedure_code"),
        Column("Tên thủ tục hành chính", "name_vi"),
        Column("Mã lĩnh vực", "field_code"),
        Column("Lĩnh vực", "field_name"),
        Column("Cơ quan công bố", "agency_code"),
        Column("Cấp thực hiện", "level", words=_LEVELS),
        Column("Mức độ DVC", "mode", words=_MODES),
        Column("Thời hạn giải quyết", "time_limit", "int"),
        Column("Đơn vị tính", "time_unit", words=_UNITS),
        Column("Phí", "fee_vnd", "int", unit="đồng"),
        Column("Lệ phí", "charge_vnd", "int", unit="đồng"),
        Column("Thu theo trang", "fee_per_page", "bool:x/"),
        Column("Có kết quả giấy", "has_paper_result", "bool:Có/Không"),
        Column("Quyết định công bố", "decision_no"),
        Column("Ngày quyết định", "decided_on", "excel"),
        Column("Ngày hiệu lực", "effective_on", "excel"),
        Column("Ngày công khai", "published_on", "excel"),
    ),
    dirt=(
        *dirt.texts("Tên thủ tục hành chính"),
        *dirt.numbers("Phí", "Lệ phí"),
        Dirt("procedure_local", "Mã TTHC"),
        Dirt("agency_old", "Cơ quan công bố"),
        Dirt("duplicate"),
    ),
    sheet=Sheet(
        name="TTHC",
        titles=("DANH MỤC THỦ TỤC HÀNH CHÍNH THUỘC THẨM QUYỀN GIẢI QUYẾT", "(Cập nhật đến ngày {day:%d/%m/%Y})"),
        headings={
            "Thời hạn giải quyết": "Thời hạn",
            "Đơn vị tính": "Thời hạn",
            "Phí": "Phí, lệ phí",
            "Lệ phí": "Phí, lệ phí",
        },
        broken={"Quyết định công bố": "Quyết định\ncông bố"},
        decomposed=("Lĩnh vực",),
        sections="Lĩnh vực",
    ),
)

PROCEDURE_LOCAL = View(
    id="public_services.procedure_local",
    agency=_AGENCY,
    table="procedure_local",
    title_vi="Bảng ánh xạ mã thủ tục của hai hệ thống",
    system="folder",
    place="anh_xa_ma_tthc_{day:%Y%m%d}.csv",
    format="csv",
    key=("He thong", "Ma noi bo"),
    columns=(
        Column("He thong", "system", words={"BN": "Một cửa Bắc Ninh", "BG": "eGate Bắc Giang"}),
        Column("Ma noi bo", "local_code"),
        Column("Ten noi bo", "local_name"),
        Column("Ma quoc gia", "national_code"),
    ),
    csv=Csv(delimiter=";", bom=True, crlf=True),
    dirt=(*dirt.texts("Ten noi bo"),),
)

STATUS_LOCAL = View(
    id="public_services.status_local",
    agency=_AGENCY,
    table="status_local",
    title_vi="Bảng ánh xạ trạng thái của hai hệ thống",
    system="folder",
    place="anh_xa_trang_thai_{day:%Y%m%d}.csv",
    format="csv",
    key=("He thong", "Ma trang thai"),
    columns=(
        Column("He thong", "system", words={"BN": "Một cửa Bắc Ninh", "BG": "eGate Bắc Giang"}),
        Column("Ma trang thai", "local_status"),
        Column("Ten trang thai", "local_name"),
        Column("Ma gui Cong DVCQG", "sent_status", "int"),
    ),
    csv=Csv(delimiter=";", bom=True, crlf=True),
)

AGENCY = View(
    id="public_services.agency",
    agency=_AGENCY,
    table="agency",
    title_vi="Danh mục mã định danh cơ quan",
    system="folder",
    place="ma_dinh_danh_{day:%Y%m%d}.xlsx",
    format="xlsx",
    key=("Mã định danh", "Hiệu lực từ"),
    columns=(
        Column("Mã định danh", "agency_code"),
        Column("Mã theo QCVN 102:2016", "old_style_code"),
        Column("Tên cơ quan", "name_vi"),
        Column("Mã cấp trên", "parent_code"),
        Column("Mã ĐVHC", "commune_code"),
        Column("Hiệu lực từ", "valid_from", "date:%d/%m/%Y"),
        Column("Hiệu lực đến", "valid_to", "date:%d/%m/%Y"),
        Column("Cơ quan kế thừa", "successor_code"),
        Column("Căn cứ", "legal_basis"),
    ),
    dirt=(*dirt.texts("Tên cơ quan"), Dirt("commune_zero_lost", "Mã ĐVHC")),
    sheet=Sheet(name="DanhMuc", titles=("DANH MỤC MÃ ĐỊNH DANH ĐIỆN TỬ CỦA CÁC CƠ QUAN, ĐƠN VỊ",)),
)

LOST = View(
    id="public_services.send_errors",
    agency=_AGENCY,
    table="dossier_lost",
    title_vi="Nhật ký lỗi đồng bộ của hệ thống Bắc Giang cũ",
    system="folder",
    place="loi_dong_bo.txt",  # no day in the name: today's errors overwrite yesterday's
    format="csv",
    key=("SoHoSo",),
    columns=(
        Column("ThoiGian", "failed_at", "date:%Y-%m-%d %H:%M:%S"),
        Column("SoHoSo", "dossier_code"),
        Column("Loi", "message"),
    ),
    csv=Csv(delimiter="\t", crlf=True),
)

RATING = View(
    id="public_services.rating",
    agency=_AGENCY,
    table="dossier_rating",
    title_vi="Đánh giá của người dân sau khi trả kết quả",
    system="postgres",
    place="motcua.danh_gia",
    key=("id_ho_so",),
    columns=(
        Column("id_ho_so", "dossier", "typed"),
        Column("thoi_diem", "rated_at", "typed"),
        Column("diem", "score", "typed"),
        Column("gop_y", "remark"),
    ),
    dirt=(Dirt("text_no_diacritics", "gop_y"),),
)

REPORT = View(
    id="public_services.citizen_report",
    agency=_AGENCY,
    table="citizen_report",
    title_vi="Phản ánh, kiến nghị",
    system="postgres",
    place="pakn.phan_anh",
    key=("ma_phan_anh",),
    columns=(
        Column("ma_phan_anh", "report_code"),
        Column("nguoi_gui", "person_name"),
        Column("dien_thoai", "phone"),
        Column("ma_don_vi", "agency_code"),
        Column("chu_de", "topic"),
        Column("noi_dung", "content"),
        Column("nguon", "source"),
        Column("tiep_nhan_luc", "received_at", "typed"),
        Column("han_tra_loi", "due_on", "typed"),
        Column("trang_thai", "status"),
        Column("tu_choi_luc", "refused_at", "typed"),
        Column("yeu_cau_bo_sung_luc", "asked_at", "typed"),
        Column("tra_loi_luc", "answered_at", "typed"),
        Column("cong_khai_luc", "published_at", "typed"),
        Column("hai_long", "is_liked", "typed"),
    ),
    dirt=(
        *dirt.names("nguoi_gui"),
        Dirt("text_no_diacritics", "noi_dung", rate=0.06),  # typed on telephones
        Dirt("phone_old", "dien_thoai"),
        Dirt("agency_old", "ma_don_vi"),
    ),
)

KPI = View(
    id="public_services.kpi_766_week",
    agency=_AGENCY,
    table="kpi_766_week",
    title_vi="Bộ chỉ số 766 theo tuần",
    system="folder",
    place="bao_cao_766_{day:%Y%m%d}.xlsx",
    format="xlsx",
    key=("Mã đơn vị", "Từ ngày"),
    columns=(
        Column("Mã đơn vị", "agency_code"),
        Column("Từ ngày", "week_from", "date:%d/%m/%Y"),
        Column("Đến ngày", "week_to", "date:%d/%m/%Y"),
        Column("Tiếp nhận", "received", "int", unit="hồ sơ"),
        Column("Trực tuyến", "online_received", "int", unit="hồ sơ"),
        Column("Giải quyết", "ended", "int", unit="hồ sơ"),
        Column("Đúng hạn", "ended_in_time", "int", unit="hồ sơ"),
        Column("Quá hạn", "overdue", "int", unit="hồ sơ"),
        Column("Tỷ lệ đúng hạn", "on_time_percent", "comma:2", unit="%"),
        Column("Công khai, minh bạch", "transparency_points", "comma:2"),
        Column("Tiến độ giải quyết", "progress_points", "comma:2"),
        Column("Dịch vụ trực tuyến", "online_points", "comma:2"),
        Column("Thanh toán trực tuyến", "payment_points", "comma:2"),
        Column("Mức độ hài lòng", "satisfaction_points", "comma:2"),
        Column("Số hóa hồ sơ", "digitisation_points", "comma:2"),
        Column("Tổng điểm", "total_points", "comma:2"),
    ),
    lag=1,
    dirt=(Dirt("agency_old", "Mã đơn vị"), Dirt("number_scale", "Tiếp nhận")),
    sheet=Sheet(
        name="766",
        titles=("KẾT QUẢ ĐÁNH GIÁ CHẤT LƯỢNG PHỤC VỤ NGƯỜI DÂN, DOANH NGHIỆP", "(Theo Quyết định 766/QĐ-TTg)"),
        headings=dict.fromkeys(("Tiếp nhận", "Trực tuyến", "Giải quyết", "Đúng hạn", "Quá hạn"), "Hồ sơ"),
        sums=("Tiếp nhận", "Giải quyết"),
    ),
)

LISTS = (PROCEDURE, PROCEDURE_LOCAL, STATUS_LOCAL, AGENCY, LOST, RATING, REPORT, KPI)

"""Words of science and technology: fields, kinds of instruments and sources, components of the innovation index.

Belongs here: code lists of the domain. Stays out: the tables (`science`).
"""

from __future__ import annotations

FIELDS = ("Khoa học tự nhiên", "Khoa học kỹ thuật và công nghệ", "Khoa học y, dược", "Khoa học nông nghiệp",
          "Khoa học xã hội", "Khoa học nhân văn")  # fmt: skip
ORGANISATION_KINDS = ("Trường đại học", "Trường cao đẳng", "Viện nghiên cứu", "Trung tâm nghiên cứu ứng dụng",
                      "Tổ chức dịch vụ khoa học và công nghệ")  # fmt: skip
TASK_LEVELS = ("Quốc gia", "Tỉnh", "Cơ sở")
TASK_VERBS = ("Nghiên cứu", "Ứng dụng", "Xây dựng mô hình", "Đánh giá", "Hoàn thiện quy trình", "Chuyển giao công nghệ")
TASK_SUBJECTS = (
    "sản xuất vải thiều theo tiêu chuẩn xuất khẩu", "xử lý nước thải làng nghề", "nuôi thủy sản tuần hoàn",
    "bảo tồn dân ca quan họ", "chẩn đoán hình ảnh bằng trí tuệ nhân tạo", "giống lúa chất lượng cao",
    "cảnh báo sớm chất lượng không khí", "tiết kiệm năng lượng trong khu công nghiệp", "chế biến dược liệu",
    "truy xuất nguồn gốc nông sản", "phát triển du lịch văn hóa", "dạy học cá thể hóa ở trường phổ thông",
    "vật liệu không nung từ phế thải", "chăn nuôi gà đồi an toàn sinh học", "bảo quản cam, bưởi sau thu hoạch",
    "điều khiển đèn tín hiệu giao thông thích ứng", "nâng cao chất lượng nguồn nhân lực bán dẫn",
    "phòng trừ bệnh hại cây ăn quả", "số hóa di sản Hán Nôm", "quản lý bệnh không lây nhiễm ở trạm y tế",
)  # fmt: skip
TASK_PLACES = (
    "trên địa bàn tỉnh",
    "tại các xã miền núi",
    "tại vùng ven sông Cầu",
    "trong các khu công nghiệp",
    "tại các làng nghề",
)
TASK_RESULTS = ("Xuất sắc", "Đạt", "Không đạt")
# kind: (share, prefix of the number, years of protection)
IP_KINDS = {
    "Nhãn hiệu": (0.815, "4-", 10),
    "Kiểu dáng công nghiệp": (0.105, "3-", 5),
    "Sáng chế": (0.045, "1-", 20),
    "Giải pháp hữu ích": (0.025, "2-", 10),
    "Nhãn hiệu tập thể, chứng nhận": (0.009, "4-", 10),
    "Chỉ dẫn địa lý": (0.001, "6-", 99),
}
IP_STATUSES = ("Còn hiệu lực", "Hết hiệu lực", "Đã gia hạn", "Chấm dứt")
# kind: (share, unit of the range, months between verifications)
INSTRUMENTS = {
    "Cân đồng hồ lò xo": (0.22, "kg", 12),
    "Cân bàn điện tử": (0.12, "kg", 12),
    "Cân ô tô": (0.03, "tấn", 12),
    "Cột đo xăng dầu": (0.10, "L/phút", 12),
    "Công tơ điện 1 pha": (0.22, "A", 60),
    "Đồng hồ đo nước lạnh": (0.15, "m³/h", 60),
    "Taximet": (0.05, "km", 12),
    "Huyết áp kế": (0.07, "mmHg", 12),
    "Máy đo nồng độ cồn": (0.01, "mg/L", 12),
    "Phương tiện đo điện tim": (0.03, "mV", 24),
}
# kind: (share, radionuclide or generator, unit of activity, security group: Circular 01/2019/TT-BKHCN)
SOURCES = {
    "Máy chụp X-quang chẩn đoán": (0.44, "Máy phát tia X", "kV", 5),
    "Máy chụp cắt lớp vi tính": (0.12, "Máy phát tia X", "kV", 5),
    "Máy soi kiểm tra bo mạch": (0.28, "Máy phát tia X", "kV", 5),
    "Nguồn đo mức, đo độ dày": (0.11, "Kr-85", "GBq", 4),
    "Nguồn chụp ảnh phóng xạ công nghiệp": (0.03, "Ir-192", "GBq", 2),
    "Máy gia tốc xạ trị": (0.02, "Máy phát tia X", "MV", 3),
}
# The provincial innovation index: five pillars of input, two of output, 52 components (names abridged).
PILLARS = (
    ("Thể chế", (
        "Ban hành chính sách phát triển khoa học, công nghệ và đổi mới sáng tạo", "Thiết chế pháp lý và an ninh trật tự",
        "Chính sách hỗ trợ doanh nghiệp", "Chi phí gia nhập thị trường", "Tính năng động của chính quyền",
        "Cải cách hành chính", "Cạnh tranh bình đẳng", "Chi phí không chính thức")),
    ("Vốn con người và nghiên cứu phát triển", (
        "Điểm thi tốt nghiệp trung học phổ thông", "Học sinh dự thi khoa học kỹ thuật", "Chi giáo dục bình quân một người đi học",
        "Nhân lực nghiên cứu và phát triển", "Chi nghiên cứu và phát triển trên GRDP", "Chi khoa học và công nghệ từ ngân sách",
        "Tổ chức khoa học và công nghệ trên 10.000 dân")),
    ("Cơ sở hạ tầng", (
        "Hạ tầng số", "Quản trị điện tử", "Hạ tầng cơ bản", "Diện tích đất công nghiệp đã xây dựng hạ tầng",
        "Quản trị môi trường", "Vốn sản xuất kinh doanh", "Tăng trưởng vốn đầu tư")),
    ("Trình độ phát triển của thị trường", (
        "Tín dụng cho khu vực tư nhân", "Vay tài chính vi mô", "Vốn hóa thị trường chứng khoán", "Giá trị tài sản doanh nghiệp",
        "Doanh nghiệp ngành dịch vụ chuyên môn", "Mật độ doanh nghiệp", "Đóng góp vào GDP cả nước")),
    ("Trình độ phát triển của doanh nghiệp", (
        "Chi đào tạo lao động", "Lao động qua đào tạo", "Nữ quản lý có trình độ", "Doanh nghiệp có hoạt động nghiên cứu",
        "Hợp tác viện, trường và doanh nghiệp", "Dự án đầu tư trong khu công nghiệp", "Vốn đầu tư nước ngoài",
        "Doanh nghiệp có chứng chỉ ISO")),
    ("Sản phẩm tri thức, sáng tạo và công nghệ", (
        "Đơn đăng ký sáng chế và giải pháp hữu ích", "Đơn đăng ký giống cây trồng", "Năng suất lao động tăng thêm",
        "Doanh nghiệp mới thành lập", "Doanh nghiệp khoa học và công nghệ", "Doanh nghiệp khởi nghiệp sáng tạo",
        "Đơn đăng ký nhãn hiệu", "Đơn đăng ký kiểu dáng công nghiệp", "Chỉ dẫn địa lý được bảo hộ")),
    ("Tác động", (
        "Tốc độ tăng năng suất các nhân tố tổng hợp", "Chỉ số phát triển con người", "Tốc độ giảm nghèo",
        "Lao động có việc làm trong nền kinh tế", "Thu nhập bình quân đầu người", "Tăng trưởng sản xuất công nghiệp")),
)  # fmt: skip

"""Words of the economy: what firms are called, what they do, where industry stands.

Belongs here: lists that several tables of the economy draw from. Stays out: drawing (`economy_*`).

Industrial zones and countries are named as they are in public; which firm stands where is invented.
"""

from __future__ import annotations

FORMS = {
    "TNHH1": (38, "CÔNG TY TNHH MỘT THÀNH VIÊN"),
    "TNHH2": (28, "CÔNG TY TNHH"),
    "CP": (24, "CÔNG TY CỔ PHẦN"),
    "DNTN": (9, "DOANH NGHIỆP TƯ NHÂN"),
    "HD": (1, "CÔNG TY HỢP DANH"),
}
TRADES = {
    "THƯƠNG MẠI VÀ DỊCH VỤ": ("46900", "47190"),
    "XÂY DỰNG": ("41020", "42102"),
    "VẬN TẢI": ("49331", "49332"),
    "CƠ KHÍ": ("25920", "25910"),
    "ĐIỆN TỬ": ("26100", "26200"),
    "BAO BÌ": ("17021", "22201"),
    "MAY MẶC": ("14100", "13920"),
    "NÔNG SẢN": ("10309", "0121"),
    "GỖ MỸ NGHỆ": ("16291", "31001"),
    "DU LỊCH": ("5510", "7912"),
}
FIRST = (
    "AN", "BẢO", "ĐẠI", "ĐỨC", "GIA", "HẢI", "HOÀNG", "KIM", "LONG", "MINH", "NAM", "PHÚ", "QUANG", "TÂN", "THÀNH",
    "VIỆT", "KINH BẮC", "SÔNG CẦU", "SÔNG THƯƠNG", "YÊN TỬ", "ANH", "BÌNH", "ĐÔNG", "HƯNG", "KHÁNH", "NGỌC", "NHẬT",
    "PHƯƠNG", "TRƯỜNG", "XUÂN",
)  # fmt: skip
SECOND = (
    "PHÁT", "THỊNH", "HƯNG", "LỢI", "PHÚC", "CƯỜNG", "TIẾN", "VINH", "KHANG", "AN", "LỘC", "DƯƠNG", "LINH", "SƠN",
    "THẮNG", "TÍN", "ĐẠT", "HÀ", "HÒA", "HUY", "KHÔI", "LÂM", "NGUYÊN", "QUÂN", "TÙNG", "TOÀN", "TRÍ", "THỦY",
)  # fmt: skip
STREETS = (
    "Lý Thái Tổ", "Nguyễn Văn Cừ", "Ngô Gia Tự", "Hùng Vương", "Lê Lợi", "Trần Hưng Đạo", "Hoàng Hoa Thám",
    "Nguyễn Thị Lưu", "Nguyễn Đăng Đạo", "Lý Anh Tông", "Xương Giang", "Thân Nhân Trung", "Kinh Dương Vương",
)  # fmt: skip

# Zone -> (district of e1, hectares in tenths): 33 zones on 10,100 ha; the hectares of each are derived.
ZONES: dict[str, tuple[str, int]] = {
    "KCN Quế Võ": ("259", 6110), "KCN Yên Phong": ("258", 6550), "KCN VSIP Bắc Ninh": ("261", 5000),
    "KCN Tiên Sơn": ("260", 4100), "KCN Thuận Thành": ("262", 2500), "KCN Gia Bình": ("263", 3060),
    "KCN Quang Châu": ("222", 5160), "KCN Vân Trung": ("222", 3500), "KCN Đình Trám": ("222", 1270),
    "KCN Hòa Phú": ("223", 2930), "KCN Quế Võ II": ("259", 2700), "KCN Quế Võ III": ("259", 5210),
    "KCN Yên Phong II-A": ("258", 1510), "KCN Yên Phong II-C": ("258", 2210), "KCN VSIP Bắc Ninh II": ("264", 2730),
    "KCN Đại Đồng - Hoàn Sơn": ("260", 3680), "KCN Nam Sơn - Hạp Lĩnh": ("256", 4320), "KCN Hanaka": ("261", 740),
    "KCN Thuận Thành I": ("262", 2490), "KCN Thuận Thành II": ("262", 2520), "KCN Thuận Thành III": ("262", 4400),
    "KCN Gia Bình II": ("263", 2500), "KCN Song Khê - Nội Hoàng": ("213", 1600), "KCN Việt Hàn": ("222", 1480),
    "KCN Yên Lư": ("213", 3770), "KCN Tân Hưng": ("217", 1050), "KCN Yên Sơn - Bắc Lũng": ("218", 3000),
    "KCN Tiên Sơn - Ninh Sơn": ("222", 2140), "KCN Phúc Sơn": ("216", 1240), "KCN Nghĩa Hưng": ("217", 1410),
    "KCN Mỹ Thái": ("217", 1600), "KCN Ngọc Thiện": ("216", 2000),
    "KCN Châu Minh - Bắc Lý - Hương Lâm": ("223", 6520),
}  # fmt: skip

# The foreign investors' countries, 44 of them, by weight.
COUNTRIES: dict[str, float] = {
    "Hàn Quốc": 620, "Trung Quốc": 560, "Hồng Kông": 210, "Đài Loan": 150, "Nhật Bản": 130, "Singapore": 120,
    "Samoa": 40, "Quần đảo Virgin thuộc Anh": 36, "Hoa Kỳ": 20, "Quần đảo Cayman": 14, "Malaysia": 12, "Thái Lan": 12,
    "Seychelles": 12, "Đức": 8, "Pháp": 6, "Anh": 6, "Hà Lan": 6, "Úc": 5, "Ấn Độ": 5, "Ma Cao": 4, "Canada": 4,
    "Thụy Sĩ": 4, "Ý": 3, "Thụy Điển": 3, "Indonesia": 3, "Đan Mạch": 3, "Phần Lan": 2, "Bỉ": 2, "Áo": 2,
    "Nga": 2, "Philippines": 2, "Belize": 2, "Mauritius": 2, "Brunei": 2, "New Zealand": 1, "Na Uy": 1,
    "Tây Ban Nha": 1, "Ba Lan": 1, "Luxembourg": 1, "Cộng hòa Séc": 1, "Thổ Nhĩ Kỳ": 1, "Israel": 1, "Marshall": 1,
    "Bermuda": 1,
}  # fmt: skip

# Other lines of business (VSIC, four or five digits) that firms enter beside the main one; their number is prime, so that
# steps through them never meet.
OTHER_INDUSTRIES = (
    "01110", "01181", "01450", "01500", "02210", "03222", "08101", "10101", "10612", "10790", "11041", "13110", "14300",
    "15200", "16210", "16230", "17010", "18110", "20221", "22190", "22202", "23920", "23941", "24100", "25110", "25991",
    "26300", "26400", "27101", "27400", "28190", "29300", "31009", "32900", "33120", "33200", "35119", "36000", "38110",
    "38210", "41010", "42101", "42200", "43110", "43210", "43300", "45120", "45200", "46201", "46310", "46411", "46497",
    "46520", "46591", "46622", "46632", "46697", "47110", "47521", "49321", "52101", "52242", "55103", "56101", "62010",
    "68100", "70200", "71101", "73100", "77101", "78200",
)  # fmt: skip

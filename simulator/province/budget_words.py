"""Words of public money: bodies that spend, chapters, categories and items of the budget's chart.

Belongs here: lists that the tables of public money draw from. Stays out: drawing (`budget`).

Chapters, categories and items follow Circular 324/2016/TT-BTC.
"""

from __future__ import annotations

# Provincial bodies after the mergers of 2025: name -> (chapter, categories).
BODIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "Văn phòng UBND tỉnh": ("405", ("341", "338")),
    "Văn phòng Đoàn ĐBQH và HĐND tỉnh": ("402", ("341",)),
    "Sở Tài chính": ("418", ("341", "338")),
    "Sở Nông nghiệp và Môi trường": ("412", ("341", "281", "251")),
    "Sở Xây dựng": ("419", ("341", "292", "312")),
    "Sở Công Thương": ("416", ("341", "309")),
    "Sở Khoa học và Công nghệ": ("417", ("341", "101", "314")),
    "Sở Giáo dục và Đào tạo": ("422", ("341", "074", "085")),
    "Sở Y tế": ("423", ("341", "131", "398")),
    "Sở Nội vụ": ("435", ("341", "371", "085")),
    "Sở Tư pháp": ("414", ("341", "338")),
    "Sở Văn hóa, Thể thao và Du lịch": ("425", ("341", "161", "221")),
    "Sở Dân tộc và Tôn giáo": ("483", ("341", "338")),
    "Sở Ngoại vụ": ("411", ("341",)),
    "Thanh tra tỉnh": ("437", ("341",)),
    "Ban Quản lý các khu công nghiệp": ("505", ("341", "309")),
    "Trung tâm Phục vụ hành chính công": ("405", ("341",)),
    "Ban QLDA đầu tư xây dựng các công trình giao thông": ("419", ("292",)),
    "Ban QLDA đầu tư xây dựng công trình dân dụng và công nghiệp": ("419", ("341", "338")),
    "Đài Phát thanh và Truyền hình": ("599", ("191",)),
}
# Units of every commune, with their chapter and categories.
COMMUNE_UNITS: dict[str, tuple[str, tuple[str, ...]]] = {
    "Văn phòng HĐND và UBND": ("805", ("341", "041", "011")),
    "Phòng Kinh tế": ("831", ("341", "281", "292")),
    "Phòng Văn hóa - Xã hội": ("832", ("341", "161", "371")),
    "Trung tâm Phục vụ hành chính công": ("833", ("341",)),
    "Văn phòng Đảng ủy": ("819", ("351",)),
}
# Subordinate units of the province's bodies: a word, chapter, category.
SUBORDINATE = (
    ("Chi cục Kiểm lâm", "412", "281"), ("Trung tâm Khuyến nông", "412", "281"), ("Chi cục Thủy lợi", "412", "283"),
    ("Trung tâm Quan trắc môi trường", "412", "251"), ("Bảo tàng", "425", "161"), ("Thư viện tỉnh", "425", "161"),
    ("Trung tâm Dịch vụ việc làm", "435", "338"), ("Trung tâm Bảo trợ xã hội", "423", "398"),
    ("Trung tâm Trợ giúp pháp lý", "414", "338"), ("Văn phòng Đăng ký đất đai, chi nhánh", "412", "332"),
    ("Trung tâm Kiểm định xây dựng", "419", "338"), ("Trung tâm Khuyến công", "416", "309"),
)  # fmt: skip
SCHOOL_CHAPTER, SCHOOL_CATEGORY = ("822", "422"), {"MN": "071", "TH": "072", "THCS": "073", "THPT": "074"}
FACILITY_CHAPTER, FACILITY_CATEGORY = "423", "132"

# Items of spending (mục, tiểu mục); their number is prime, so that steps through them never meet.
ITEMS = (
    "6001", "6003", "6049", "6051", "6099", "6101", "6102", "6105", "6107", "6112", "6113", "6115", "6116", "6121",
    "6149", "6151", "6155", "6199", "6201", "6202", "6249", "6251", "6253", "6299", "6301", "6302", "6303", "6304",
    "6349", "6401", "6404", "6449", "6501", "6502", "6503", "6504", "6505", "6549", "6551", "6552", "6553", "6599",
    "6601", "6605", "6608", "6612", "6618", "6649", "6651", "6657", "6699", "6701", "6702", "6703", "6704", "6751",
    "6757", "6758", "6799", "6901", "6905", "6907", "6949", "6954", "6956", "6999", "7001", "7004", "7012", "7049",
    "7756", "7757", "7799",
)  # fmt: skip

# What public projects build, with their sector.
WORKS: dict[str, str] = {
    "Cải tạo, nâng cấp đường": "Giao thông", "Xây dựng cầu": "Giao thông", "Xây dựng nhà lớp học Trường Tiểu học": "Giáo dục",
    "Xây dựng Trường Mầm non": "Giáo dục", "Cải tạo Trạm Y tế": "Y tế", "Xây dựng nhà văn hóa": "Văn hóa",
    "Kiên cố hóa kênh mương": "Thủy lợi", "Nâng cấp trạm bơm": "Thủy lợi", "Hạ tầng khu tái định cư": "Hạ tầng đô thị",
    "Trụ sở làm việc UBND": "Trụ sở", "Hệ thống chiếu sáng": "Hạ tầng đô thị", "Nhà máy xử lý nước thải": "Môi trường",
}  # fmt: skip

"""Words about quarantine: which of the six qualities a rule is about, what a rule and a ticket's level are called.

Belongs here: closed vocabularies of rules and tickets. Stays out: the messages of the rules themselves (`landing.rules`).
"""

from __future__ import annotations

from datetime import date

#: The six words that every user of the warehouse knows, with their English.
QUALITY = {
    "đúng": "accurate",
    "đủ": "complete",
    "sạch": "clean",
    "sống": "live",
    "thống nhất": "unified",
    "dùng chung": "shared",
}
#: Code of a rule -> quality word. Every other rule is about a value that is not right: «đúng».
_OF_RULE = {
    "required": "đủ",
    "allowed": "thống nhất",
    "code_list": "thống nhất",
    "references": "thống nhất",
    "conflict": "thống nhất",
    "disagrees": "thống nhất",
    "encoding": "sạch",
}
RULES = {
    "required": ("thiếu giá trị", "value missing"),
    "type": ("sai kiểu", "wrong type"),
    "pattern": ("sai mẫu", "wrong pattern"),
    "allowed": ("ngoài danh mục", "not in the list"),
    "code_list": ("mã ngoài danh mục", "code not in the list"),
    "references": ("không có ở bộ dữ liệu được dẫn tới", "not in the dataset referred to"),
    "minimum": ("quá nhỏ", "too small"),
    "maximum": ("quá lớn", "too large"),
    "min_length": ("quá ngắn", "too short"),
    "max_length": ("quá dài", "too long"),
    "conflict": ("trùng khóa, khác nội dung", "one key, different rows"),
    "identifier": ("mã định danh sai", "wrong identifier"),
    "disagrees": ("mâu thuẫn với cột khác", "disagrees with another column"),
    "part": ("khác với tên tệp", "differs from the file's name"),
    "synthetic": ("mã mô phỏng", "synthetic identifier"),
}
LEVELS = (
    ("trong hạn", "in time"),
    ("quá hạn, việc của thủ trưởng đơn vị", "overdue, for the head of the agency"),
    (
        "quá hạn lần hai, việc của Sở Khoa học và Công nghệ",
        "overdue twice, for the Department of Science and Technology",
    ),
)
STATES = {
    "open": ("giữ lại, chưa vào kho", "held back"),
    "noted": ("đã nhận, cần sửa", "taken in, to be corrected"),
    "resolved": ("đã sửa", "put right"),
    "superseded": ("đã thay", "replaced"),
}


def quality_word(rule: str) -> str:
    """The quality that a rule is about, in Vietnamese."""
    return _OF_RULE.get(rule, "đúng")


def rule_words(rule: str) -> tuple[str, str]:
    """A rule in Vietnamese and English; one without words is called by its code."""
    return RULES.get(rule) or RULES.get(rule.partition("_")[0]) or (rule, rule)


def level(due_on: date, second_due_on: date, today: date) -> int:
    """Who has to act: 0 the owner, 1 the agency's head, 2 the Department of Science and Technology. Follows from the dates alone."""
    return (today > due_on) + (today > second_due_on)

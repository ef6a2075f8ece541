"""States in words, for everybody who reads them: the terminal and the night's report.

Belongs here: Vietnamese and English of the closed vocabularies. Stays out: reasons, which the engine writes itself.
"""

SUBJECT_STATES = {
    "released": ("đã phát hành", "released"),
    "stale": ("cũ", "stale"),
    "held": ("bị giữ", "held"),
    "blocked": ("bị chặn", "blocked"),
    "failed": ("lỗi", "failed"),
}
DATASET_STATES = {
    "fresh": ("mới", "fresh"),
    "stale": ("cũ", "stale"),
    "waiting": ("chờ xác nhận", "waiting"),
    "refused": ("bị từ chối", "refused"),
    "never": ("chưa giao", "never delivered"),
}
DELIVERY_OUTCOMES = {
    "applied": ("đã nhận", "applied"),
    "waiting": ("chờ xác nhận", "waiting"),
    "refused": ("bị từ chối", "refused"),
    "unchanged": ("không đổi", "unchanged"),
    "nothing": ("không có gì mới", "nothing new"),
    "failed": ("lỗi nguồn", "failed"),
}
OBLIGATION_STATES = {
    "never": ("chưa gửi lần nào", "nothing sent yet"),
    "current": ("đã gửi đủ", "current"),
    "pending": ("đang gửi", "on its way"),
    "waiting": ("chờ bên nhận", "waiting for the receiver"),
    "rejected": ("bị từ chối", "rejected"),
    "overdue": ("quá hạn", "overdue"),
}
RUN_OUTCOMES = {
    "done": ("đã gửi hết", "done"),
    "more": ("còn nữa", "more to send"),
    "waiting": ("chờ bên nhận", "waiting for the receiver"),
    "busy": ("nơi khác đang gửi", "another sender is at it"),
}
PORTAL_STATES = {
    "never": ("chưa công bố", "never published"),
    "published": ("đã công bố", "published"),
    "unchanged": ("không đổi", "unchanged"),
    "held": ("bị giữ", "held"),
    "behind": ("chờ xét", "behind"),
    "failed": ("lỗi", "failed"),
}
CLASSIFICATIONS = {
    "open": ("mở", "open"),
    "shared": ("dùng chung", "shared"),
    "restricted": ("dùng riêng", "restricted"),
}
OPERATIONS = {"I": ("thêm", "inserted"), "U": ("sửa", "updated"), "D": ("xóa", "deleted")}


def both(words: dict[str, tuple[str, str]], key: str) -> str:
    """`vi / en` of a word."""
    vi, en = words[key]
    return f"{vi} / {en}"

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
    "not_connected": ("chưa kết nối", "not connected"),
}
VOLUMES = {
    "new": ("chưa đủ để so", "too few to compare"),
    "normal": ("như thường lệ", "as usual"),
    "fewer": ("ít hơn hẳn", "far fewer"),
    "more": ("nhiều hơn hẳn", "far more"),
    "silent": ("im lặng", "silent"),
}
SHARES = {
    "none": ("không có dòng nào", "no rows"),
    "normal": ("như thường lệ", "as usual"),
    "jump": ("tăng vọt", "jumped"),
    "high": ("cao", "high"),
}
CONNECTIONS = {
    "connected": ("đã kết nối", "connected"),
    "failing": ("đang lỗi", "failing"),
    "not_connected": ("chưa kết nối", "not connected"),
    "not_asked": ("chưa hỏi", "not asked yet"),
}
TRIAL_STEPS = {
    "connection": ("Kết nối", "connection"),
    "credentials": ("Đăng nhập", "credentials"),
    "contract": ("Hợp đồng", "contract"),
}
TRIAL_STATES = {
    "ok": ("được", "ok"),
    "failed": ("lỗi", "failed"),
    "not_connected": ("chưa kết nối", "not connected"),
    "not_reached": ("chưa tới", "not reached"),
    "not_seen": ("chưa có gì để so", "nothing there to compare"),
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

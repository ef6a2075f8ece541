"""«Việc phải làm»: who has to do what before the next night.

Belongs here: one sentence per duty, in Vietnamese, addressed to the one who can act.
Stays out: reading the warehouse (`content`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestration.report.content import Delivered, Subject, Waiting

#: Who looks after the warehouse itself.
OPERATORS = "Đơn vị vận hành kho"
MANAGERS = "Người có thẩm quyền"


@dataclass(frozen=True, slots=True)
class Duty:
    """One thing to do. `urgent` means that a subject is not released until it is done."""

    who: str
    contact: str
    what: str
    urgent: bool


def duties(delivered: Sequence[Delivered], subjects: Sequence[Subject], quarantine: Sequence[Waiting]) -> list[Duty]:
    """All duties, those that hold a subject back first."""
    contacts = {d.agency: d.contact for d in delivered}
    found: list[Duty] = []
    for subject in subjects:
        if subject.state == "held":
            for failing in subject.failing:
                where = f"{subject.name}, bảng {failing.table}"
                what = f"{where}: sửa tại nguồn {vi(failing.rows)} dòng («{failing.message}») rồi giao lại."
                if failing.agency is None:
                    what = f"{where}: tìm nguyên nhân của {vi(failing.rows)} dòng không đạt («{failing.message}»)."
                found.append(Duty(failing.agency_name or OPERATORS, contacts.get(failing.agency or "", ""), what, True))
        elif subject.state == "blocked":
            found.append(
                Duty(
                    OPERATORS,
                    "",
                    f"{subject.because}: đôn đốc cơ quan giao lần đầu, hoặc phát hành lĩnh vực đầu vào trước.",
                    True,
                )
            )
        elif subject.state == "failed":
            found.append(Duty(OPERATORS, "", f"{subject.name} chưa dựng được: {subject.because}", True))
    for dataset in delivered:
        if dataset.outcome == "failed":
            what = (
                f"Khôi phục nguồn «{dataset.title}»: {dataset.reason} (thử bằng `kho source test {dataset.dataset}`)."
            )
            found.append(Duty(dataset.agency_name, dataset.contact, what, False))
        elif dataset.outcome == "refused":
            found.append(
                Duty(dataset.agency_name, dataset.contact, f"Giao lại «{dataset.title}»: {dataset.reason}.", False)
            )
        for delivery in dataset.waiting:
            what = (
                f"Xác nhận hoặc từ chối lần giao {delivery} của «{dataset.title}» ({dataset.agency_name}): "
                f'{dataset.reason} (`kho delivery confirm {delivery} --by "Họ tên"`).'
            )
            found.append(Duty(MANAGERS, "", what, False))
    not_asked = ", ".join(f"«{dataset.title}»" for dataset in delivered if dataset.outcome == "none")
    if not_asked:
        found.append(Duty(OPERATORS, "", f"Đêm này không hỏi đến {not_asked}: kiểm tra khai báo và lịch.", False))
    for waiting in quarantine:
        what = f"Sửa tại nguồn {vi(waiting.rows)} dòng của «{waiting.title}» (xem mục Dòng chờ sửa)."
        found.append(Duty(waiting.agency_name, contacts.get(waiting.agency, ""), what, False))
    return sorted(found, key=lambda duty: not duty.urgent)


def vi(number: int) -> str:
    """A number as Vietnamese writes it: 1.234.567."""
    return f"{number:,}".replace(",", ".")

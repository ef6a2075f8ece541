"""«Việc phải làm»: who has to do what before the next night.

Belongs here: one sentence per duty, in Vietnamese, addressed to the one who can act.
Stays out: reading the warehouse (`content`).
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestration.exchange import ObligationState
from orchestration.portal import PortalState
from orchestration.report.facts import Delivered, Duty, Refused, Subject, Waiting
from orchestration.status import is_behind

#: Who looks after the warehouse itself.
OPERATORS = "Đơn vị vận hành kho"
MANAGERS = "Người có thẩm quyền"


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


def outward_duties(
    delivered: Sequence[Delivered],
    sent: Sequence[ObligationState],
    refused: Sequence[Refused],
    published: Sequence[PortalState],
) -> list[Duty]:
    """Duties towards national systems and the open data portal, those of who must mend a refused record first."""
    contacts = {d.agency_name: d.contact for d in delivered}
    found = []
    for letters in refused:
        what = (
            f"Xử lý {vi(letters.messages)} bản ghi của «{letters.title}» bị hệ thống quốc gia từ chối "
            f"(mã {letters.code}: {letters.reason_vi}), hạn {letters.due_on:%d/%m/%Y} "
            f"(danh sách: `kho exchange dead-letters {letters.obligation}`)."
        )
        found.append(Duty(letters.owner, contacts.get(letters.owner, ""), what, False))
    for state in sent:
        if is_behind(state.state, state.released) and (state.pending or state.uncertain or state.state == "never"):
            what = f"Gửi nốt «{state.title}»: {state.because_vi} (`kho exchange send {state.obligation}`)."
            found.append(Duty(OPERATORS, "", what, False))
        if state.unrepaired:
            what = (
                f"Cho phép hoặc từ chối sửa {vi(state.unrepaired)} bản ghi của «{state.title}» lệch với hệ thống quốc gia "
                f'(`kho exchange reconcile {state.obligation} --confirm "Họ tên"`).'
            )
            found.append(Duty(MANAGERS, "", what, False))
        elif state.drift:
            what = (
                f"Tìm nguyên nhân {vi(state.drift)} bản ghi của «{state.title}» lệch với hệ thống quốc gia ở lần đối "
                f"soát gần nhất (`kho exchange reconcile {state.obligation}`)."
            )
            found.append(Duty(OPERATORS, "", what, False))
    for dataset in published:
        if is_behind(dataset.state, dataset.released):
            found.append(
                Duty(OPERATORS, "", f"Dữ liệu mở «{dataset.title_vi}» chưa công bố được: {dataset.because_vi}.", False)
            )
    return found


def vi(number: int) -> str:
    """A number as Vietnamese writes it: 1.234.567."""
    return f"{number:,}".replace(",", ".")

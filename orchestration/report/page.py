"""The page: content to one self-contained HTML file, without scripts and without anything fetched.

Belongs here: the headline, the tiles, filters of the template. Stays out: facts (`content`) and layout (the two
files beside this one).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from pathlib import Path

from orchestration.report.duties import vi
from orchestration.report.facts import Content, Delivered
from orchestration.report.words import DELIVERY_OUTCOMES, OBLIGATION_STATES, PORTAL_STATES, SUBJECT_STATES
from orchestration.status import is_behind

HERE = Path(__file__).parent
#: A state's tone: colour and mark, never the colour alone.
TONES = {
    "released": "good",
    "applied": "good",
    "unchanged": "good",
    "nothing": "calm",
    "stale": "warn",
    "waiting": "warn",
    "none": "calm",
    "held": "bad",
    "blocked": "bad",
    "failed": "bad",
    "refused": "bad",
    "never": "calm",
    "current": "good",
    "pending": "calm",
    "rejected": "bad",
    "overdue": "bad",
    "published": "good",
}
MARKS = {"good": "✓", "warn": "!", "bad": "✕", "calm": "–"}


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure of the night."""

    value: str
    label: str
    tone: str


def render(content: Content) -> str:
    """The whole page."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": vi, "day": _day, "date": _date, "moment": _moment, "commands": _commands}
    agencies = [(name, list(rows)) for name, rows in groupby(content.delivered, key=lambda d: d.agency_name)]
    waiting = [(name, list(rows)) for name, rows in groupby(content.quarantine, key=lambda w: w.agency_name)]
    refused = [(owner, list(rows)) for owner, rows in groupby(content.refused, key=lambda r: r.owner)]
    return environment.get_template("page.html.j2").render(
        c=content,
        headline=headline(content),
        tone=_tone(content),
        tiles=tiles(content),
        agencies=agencies,
        waiting=waiting,
        refused=refused,
        tones=TONES,
        marks=MARKS,
        states={name: words[0] for name, words in SUBJECT_STATES.items()},
        sending=OBLIGATION_STATES,
        publishing=PORTAL_STATES,
        outcomes={name: words[0] for name, words in DELIVERY_OUTCOMES.items()} | {"none": "không hỏi"},
        css=(HERE / "page.css").read_text(encoding="utf-8"),
    )


def _commands(text: str) -> str:
    """The text, escaped, with what stands in backquotes as code."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def headline(content: Content) -> str:
    """The night in a sentence or two."""
    by_state = {state: [s.name for s in content.subjects if s.state == state] for state in SUBJECT_STATES}
    total, released = len(content.subjects), len(by_state["released"])
    if not total:
        first = "Đêm này chưa có lĩnh vực nào được dựng."
    elif released == total:
        first = f"Cả {total} lĩnh vực đã phát hành."
    else:
        behind = "; ".join(
            f"{', '.join(names)} {phrase}"
            for state, phrase in (
                ("held", "bị giữ ở cổng chất lượng"),
                ("blocked", "bị chặn vì thiếu đầu vào"),
                ("failed", "gặp lỗi khi dựng"),
                ("stale", "phát hành trên số liệu lần trước"),
            )
            if (names := by_state[state])
        )
        first = f"{released} trên {total} lĩnh vực đã phát hành trọn vẹn; {behind}."
    came, agencies = _agencies(content.delivered)
    rows = sum(w.rows for w in content.quarantine)
    waits = f"{vi(rows)} dòng chờ sửa tại nguồn" if rows else "không dòng nào chờ sửa"
    return f"{first} {came} trên {agencies} cơ quan đã giao số liệu, {waits}.{_outward(content)}"


def _outward(content: Content) -> str:
    """What has not left the province as it should; empty when everything has."""
    sent = [f"«{s.title}»" for s in content.sent if is_behind(s.state, s.released, s.unrepaired)]
    published = [f"«{d.title_vi}»" for d in content.published if is_behind(d.state, d.released)]
    return (f" Chưa gửi xong lên hệ thống quốc gia: {', '.join(sent)}." if sent else "") + (
        f" Chưa công bố được dữ liệu mở: {', '.join(published)}." if published else ""
    )


def tiles(content: Content) -> list[Tile]:
    """The figures on top of the page."""
    came, agencies = _agencies(content.delivered)
    count = {state: sum(1 for s in content.subjects if s.state == state) for state in SUBJECT_STATES}
    rows = sum(w.rows for w in content.quarantine)
    found = [
        Tile(f"{came}/{agencies}", "cơ quan giao", "good" if came == agencies else "warn"),
        Tile(str(count["released"]), "lĩnh vực phát hành", "good" if count["released"] else "calm"),
        Tile(str(count["held"]), "lĩnh vực bị giữ", "bad" if count["held"] else "calm"),
        Tile(str(count["stale"]), "lĩnh vực dùng số liệu cũ", "warn" if count["stale"] else "calm"),
        Tile(str(count["blocked"]), "lĩnh vực bị chặn", "bad" if count["blocked"] else "calm"),
        Tile(vi(rows), "dòng chờ sửa", "warn" if rows else "good"),
    ]
    if content.noted:
        found.append(Tile(vi(content.noted), "dòng đã nhận kèm lưu ý", "calm"))
    if content.tickets:
        text = f"phiếu lỗi chưa đóng, {vi(content.overdue)} quá hạn" if content.overdue else "phiếu lỗi chưa đóng"
        found.append(Tile(vi(content.tickets), text, "bad" if content.overdue else "calm"))
    if count["failed"]:
        found.insert(5, Tile(str(count["failed"]), "lĩnh vực lỗi", "bad"))
    rejected, overdue = sum(s.rejected for s in content.sent), sum(s.overdue for s in content.sent)
    if rejected:
        found.append(Tile(vi(rejected), "bản ghi hệ thống quốc gia từ chối", "bad"))
    if overdue:
        found.append(Tile(vi(overdue), "bản ghi quá hạn gửi", "bad"))
    return found


def _agencies(delivered: list[Delivered]) -> tuple[int, int]:
    """Agencies that answered for every dataset they were asked for, and all agencies."""
    came = {d.agency for d in delivered if d.outcome in ("applied", "unchanged", "nothing")}
    missing = {d.agency for d in delivered if d.outcome in ("failed", "refused", "waiting")}
    return len(came - missing), len({d.agency for d in delivered})


def _tone(content: Content) -> str:
    states = {s.state for s in content.subjects}
    if not states or states & {"held", "blocked", "failed"}:
        return "bad"
    return "warn" if "stale" in states or _outward(content) else "good"


def _day(value: date) -> str:
    return f"{value:%d/%m/%Y}"


def _date(value: datetime) -> str:
    from orchestration.settings import TIMEZONE

    return _day(value.astimezone(TIMEZONE).date())


def _moment(value: datetime) -> str:
    from orchestration.settings import TIMEZONE

    return f"{value.astimezone(TIMEZONE):%H:%M ngày %d/%m/%Y}"

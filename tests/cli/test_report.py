"""The night's report: what a director reads in it, and what is never in it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

Kho = Callable[..., Any]


class Page(HTMLParser):
    """Text, tags and references of a page; fails on a tag that is not closed."""

    VOID = ("meta", "br", "link", "img")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def page(kho: Kho, province: Any) -> Page:
    ran = kho("report", "--open", "no")
    assert ran.code == 0
    path = Path(ran.out.strip())
    assert path == province.home / "reports" / f"{province.second}.html"
    text = path.read_text(encoding="utf-8")
    assert (path.parent / "latest.html").read_text(encoding="utf-8") == text
    return Page(text)


def test_it_tells_the_night(page: Page, province: Any) -> None:
    assert "Báo cáo đêm 21/11/2025" in page.text
    assert "1 trên 4 lĩnh vực đã phát hành trọn vẹn; Y tế bị giữ ở cổng chất lượng" in page.text
    assert "Đô thị thông minh bị chặn vì thiếu đầu vào; Giáo dục phát hành trên số liệu lần trước" in page.text
    assert "3 dòng chờ sửa tại nguồn" in page.text
    for tile in (
        "1/4 cơ quan giao",
        "1 lĩnh vực phát hành",
        "1 lĩnh vực bị giữ",
        "1 lĩnh vực bị chặn",
        "3 dòng chờ sửa",
    ):
        assert tile in page.text


def test_it_names_who_must_do_what(page: Page) -> None:
    assert "Sở Y tế data@syt.bacninh.example Y tế, bảng dim_facility: sửa tại nguồn 14 dòng" in page.text
    assert "Khôi phục nguồn «Giấy phép hoạt động khám bệnh, chữa bệnh»" in page.text
    assert "Sửa tại nguồn 2 dòng của «Đơn vị hành chính cấp xã từ 01/7/2025»" in page.text


def test_it_lists_first_rows_and_totals(page: Page) -> None:
    assert page.text.count("code=240") == 10 and "… và 4 dòng nữa" in page.text and "lần giao 2, units_e2" in page.text
    assert "11 · 07250" in page.text and "10 · không có khóa" in page.text


def test_it_holds_nothing_personal(page: Page, province: Any) -> None:
    assert province.secret not in page.text and "Số định danh: không đúng mẫu" in page.text


def test_it_stands_alone_and_is_accessible(page: Page, province: Any) -> None:
    text = (province.home / "reports" / "latest.html").read_text(encoding="utf-8")
    assert unicodedata.is_normalized("NFC", text)
    names = [tag for tag, _ in page.tags]
    assert not {"script", "link", "img", "iframe"} & set(names)
    assert not re.search(r"https?://|@import|url\(", text)
    assert ("html", {"lang": "vi"}) in page.tags and names.count("h1") == 1
    assert all("scope" in attributes for tag, attributes in page.tags if tag == "th")
    labels = {a["id"] for _, a in page.tags if "id" in a}
    assert {a["aria-labelledby"] for _, a in page.tags if "aria-labelledby" in a} <= labels


def test_an_earlier_night_is_told_as_it_was(kho: Kho, province: Any) -> None:
    ran = kho("report", "--night", province.first, "--open", "no")
    page = Page(Path(ran.out.strip()).read_text(encoding="utf-8"))
    assert "Cả 2 lĩnh vực đã phát hành." in page.text and "không dòng nào chờ sửa" in page.text
    assert "Báo cáo đêm 21/11/2025" in (province.home / "reports" / "latest.html").read_text(encoding="utf-8")
    assert kho("report", "--night", "2020-01-01").err.startswith("Lỗi / Error [no_night]")


def test_it_tells_what_was_sent_refused_and_published(kho: Kho, province: Any, outward: Any) -> None:
    outward.owes(
        state="overdue", pending=1500, uncertain=100, rejected=3, overdue=3, oldest_due=date(2025, 11, 28), drift=7,
        reconciled_at=datetime(2025, 11, 20, 20, 0, tzinfo=UTC), because_vi="bên nhận <b>503</b>", because_en="503",
    )  # fmt: skip
    for seq, owner in ((1, "Sở Y tế"), (2, "Sở Y tế"), (3, "Bộ Y tế")):
        outward.refuses(seq, owner)
    outward.owes("land_system.parcel", state="current", drift=480, unrepaired=480)
    outward.publishes()
    outward.publishes("schools", state="held", because_vi="cột không còn mở", because_en="a column is no longer open")
    ran = kho("report", "--open", "no")
    page = Page(Path(ran.out.strip()).read_text(encoding="utf-8"))
    for text in (
        "Chưa gửi xong lên hệ thống quốc gia: «Nghĩa vụ facility_licence», «Nghĩa vụ parcel». Chưa công bố được dữ liệu mở: «Bộ schools».",
        "3 bản ghi hệ thống quốc gia từ chối",
        "Sở Y tế data@syt.bacninh.example Xử lý 2 bản ghi của «Nghĩa vụ facility_licence»",
        "Bộ Y tế Xử lý 1 bản ghi",
        "Đơn vị vận hành kho Gửi nốt «Nghĩa vụ facility_licence»: bên nhận <b>503</b>",
        "Tìm nguyên nhân 7 bản ghi",
        "Người có thẩm quyền Cho phép hoặc từ chối sửa 480 bản ghi của «Nghĩa vụ parcel»",
        "Dữ liệu mở «Bộ schools» chưa công bố được: cột không còn mở",
        "Đồng bộ lên hệ thống quốc gia Sent to national systems",
        "quá hạn overdue 1.200 1.600 100 chưa rõ uncertain 3 3 hạn 28/11/2025 oldest due 7 đối soát 21/11/2025 compared",
        "bên nhận <b>503</b>",
        "Mã cơ sở không có trong danh mục của Bộ The facility is unknown to the ministry",
        "Dữ liệu mở Open data",
        "bị giữ held 3 2 99 01:30 ngày 22/11/2025",
    ):
        assert text in page.text
    assert "GP-" not in page.text.partition("Đồng bộ lên")[2]  # keys are for `kho exchange dead-letters`
    earlier = Path(kho("report", "--night", province.first, "--open", "no").out.strip()).read_text(encoding="utf-8")
    assert "Đồng bộ lên" not in earlier and "hệ thống quốc gia" not in earlier  # it would tell of today


def test_all_sent_and_published_is_no_duty(kho: Kho, province: Any, outward: Any) -> None:
    outward.owes(state="current", drift=0, reconciled_at=datetime(2025, 11, 20, 20, 0, tzinfo=UTC))
    outward.publishes()
    text = Page(Path(kho("report", "--open", "no").out.strip()).read_text(encoding="utf-8")).text
    assert "đã gửi đủ current" in text and "đã công bố published" in text
    assert "Gửi nốt" not in text and "Chưa gửi xong" not in text and "chưa công bố được" not in text


def test_text_from_sources_is_escaped(kho: Kho, province: Any) -> None:
    from orchestration.release import pipeline

    pipeline.record("land", province.second, "failed", None, "<script>alert(1)</script>", "x")
    text = Path(kho("report", "--open", "no").out.strip()).read_text(encoding="utf-8")
    assert "<code>kho source test health.licence</code>" in text
    assert "<script>" not in text and "&lt;script&gt;" in text


@pytest.mark.parametrize("foreground", ["good", "warn", "bad", "calm"])
def test_contrast_is_enough_for_weak_eyes(foreground: str) -> None:
    from orchestration.report.page import HERE

    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})", (HERE / "page.css").read_text(encoding="utf-8")))

    def luminance(name: str) -> float:
        digits = colours[name].lstrip("#")
        digits = "".join(d * 2 for d in digits) if len(digits) == 3 else digits
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for front, back in ((foreground, f"{foreground}-bg"), ("quiet", "paper"), ("quiet", "ground"), ("head", "calm-bg")):
        light, dark = sorted((luminance(front), luminance(back)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (front, back)

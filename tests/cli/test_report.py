"""The night's report: what a director reads in it, and what is never in it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
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

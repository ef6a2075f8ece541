"""docs/sources.md against the vocabularies of contracts: every kind, option, format, charset and column property is explained."""

from __future__ import annotations

import re

import pytest

from orchestration import health
from orchestration.contracts import model
from orchestration.settings import REPOSITORY

PAGE = (REPOSITORY / "docs" / "sources.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """Cells of the tables below a heading, up to the next one."""
    _, _, text = PAGE.partition(f"\n{heading}\n")
    assert text, f"docs/sources.md has no heading {heading}"
    lines = re.split(r"\n#+ ", text)[0].splitlines()
    cells = [
        [cell.strip() for cell in line.strip().removesuffix("|").removeprefix("|").split("|")]
        for line in lines
        if line.startswith("| ")
    ]
    return [row for row in cells if row[0].startswith("`")]


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_kinds_and_their_options() -> None:
    told = {named(row[0])[0]: (set(named(row[3])), set(named(row[4]))) for row in rows("## Kinds of source")}
    assert told == {kind: (set(must), set(may)) for kind, (must, may) in model.SOURCE_OPTIONS.items()}
    for name in (*model.PROTOCOLS, *model.DIALECTS):
        assert f"`{name}`" in PAGE, f"docs/sources.md does not name {name}"


@pytest.mark.parametrize(
    ("heading", "vocabulary"), [("### Options", model.SERVER_PROPERTIES), ("## Columns", model.COLUMN_PROPERTIES)]
)
def test_properties(heading: str, vocabulary: dict[str, str]) -> None:
    told = {named(row[0])[0]: row[1] for row in rows(heading) if named(row[0])[0].startswith("kho.")}
    assert set(told) == set(vocabulary)
    assert all(len(explanation) > 10 for explanation in told.values())


def test_formats_charsets_identifiers_and_ways_of_delivery() -> None:
    files = [name for row in rows("## Formats of files") for name in named(row[0])]
    assert sorted(files) == sorted(model.FILE_FORMATS)
    texts = {name for row in rows("## Columns") for name in named(row[0]) if not name.startswith("kho.")}
    assert set(model.FORMATS) <= texts
    assert all(name in model.FORMATS or re.fullmatch(model.BOOLEAN_WORDS, name) for name in texts)
    charsets = re.search(r"\*\*Charsets\*\*: (.*?)\. Everything", PAGE, re.DOTALL)
    assert charsets is not None and set(named(charsets[1])) == set(model.CHARSETS)
    (identifier,) = (row[1] for row in rows("## Columns") if named(row[0]) == ["kho.identifier"])
    assert set(model.IDENTIFIERS) <= set(named(identifier))
    ways = rows("## Ways of delivery")
    assert {name for row in ways for name in named(row[0])} == set(model.DELIVERIES)
    assert {name for row in ways for name in named(row[1])} == set(model.DELETIONS)


def test_thresholds_of_health() -> None:
    (text,) = re.findall(r"\n## Health\n(.*)", PAGE, re.DOTALL)
    words = {3: "three", 5: "five", 10: "ten"}
    for said in (
        f"last {health.LAST}",
        f"once there are {words[health.EARLIER]}",
        f"{round(100 * health.SHARE)} % of it, {words[health.DISTANCES]} times the usual distance and {words[health.ROWS]} rows",
        f"{words[health.TIMES]} times more or less",
        f"{words[health.SILENT]} times the contract's `frequency`",
        f"at least {words[health.JUMP_ROWS]} rows, and a share {words[health.JUMP]} times the usual one and a point more",
    ):
        assert said in text, f"docs/sources.md no longer says: {said}"
    assert (1 / health.HIGH, 1 / health.POINTS) == (5, 100)

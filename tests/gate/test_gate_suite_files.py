"""A suite that would not mean what its author thinks does not load: file, line and reason are told."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from expectations.suites import SuiteError, load

GOOD = """\
table: t
subject: x
meta: {owner: o, title: T}
expectations:
  - id: w_present
    type: expect_column_values_to_not_be_null
    kwargs: {column: w}
    severity: critical
    meta:
      quality_word: đủ
      message: {vi: "Thiếu w", en: "No w"}
  - id: v_rows
    type: unexpected_rows_expectation
    kwargs:
      unexpected_rows_query: select * from {batch} where v > 1
    severity: warning
    meta:
      quality_word: đúng
      scope: row
      plant: {v: 2}
      message: {vi: "v quá lớn", en: "v too large"}
"""
QUERY = "select * from {batch} where v > 1"
BAD = {
    "not yaml": ("kwargs: {column: w}", "kwargs: {column: w", 8, "not YAML"),
    "repeated key": ("severity: critical", "severity: critical\n    severity: warning", 5, "repeated"),
    "other file": ("table: t", "table: u", 1, "name of the file"),
    "other folder": ("subject: x", "subject: y", 2, "name of the folder"),
    "unknown type": ("_to_not_be_null", "_to_be_nullish", 6, "does not support expect_column_values_to_be_nullish"),
    "quantiles": ("values_to_not_be_null", "quantile_values_to_be_between", 6, "does not support"),
    "unknown argument": ("{column: w}", "{column: w, mostly_: 1}", 7, "mostly_ is not known"),
    "missing argument": ("{column: w}", "{}", 7, "column is missing"),
    "argument type": ("{column: w}", "{column: 1}", 7, "wrong type"),
    "row condition": ("{column: w}", "{column: w, row_condition: v > 1}", 7, "row_condition is not known"),
    "mostly": ("{column: w}", "{column: w, mostly: 2}", 7, "mostly must be"),
    "severity": ("severity: critical", "severity: fatal", 8, "not an allowed word"),
    "no severity": ("    severity: critical\n", "", 5, "severity is missing"),
    "no meta": (
        'meta:\n      quality_word: đủ\n      message: {vi: "Thiếu w", en: "No w"}',
        "note: none",
        5,
        "meta is missing",
    ),
    "no message": ('      message: {vi: "Thiếu w", en: "No w"}\n', "", 9, "message is missing"),
    "one language": ('{vi: "Thiếu w", en: "No w"}', '{en: "No w"}', 11, "vi is missing"),
    "quality word": ("quality_word: đủ", "quality_word: tốt", 10, "not an allowed word"),
    "repeated id": ("id: v_rows", "id: w_present", 12, "already used"),
    "no batch": (QUERY, "select * from t where v > 1", 15, "needs {batch}"),
    "two statements": (QUERY, "select * from {batch}; drop table t", 15, "one select"),
    "not a select": (QUERY, "delete from {batch}", 15, "one select"),
    "comment": (QUERY, "select * from {batch} -- where v > 1", 15, "one select"),
    "no scope": ("      scope: row\n", "", 17, "scope must be given"),
    "another table": (QUERY, "select * from {batch} where v > (select 1 from x.u)", 19, "another relation"),
    "itself again": (QUERY, "select * from {batch} where v > (select max(v) from {batch})", 19, "a second time"),
    "date": (QUERY, "select * from {batch} where d > current_date", 19, "today's date"),
    "window": (QUERY, "select *, count(*) over () from {batch}", 19, "an aggregate or window"),
    "plant": ("plant: {v: 2}", "plant: 2", 20, "mapping"),
    "not nfc": ("Thiếu w", unicodedata.normalize("NFD", "Thiếu w"), 1, "NFC"),
}


def write(root: Path, text: str) -> Path:
    (root / "x").mkdir()
    (root / "x" / "t.yaml").write_text(text, encoding="utf-8")
    return root


def test_a_good_suite_loads(tmp_path: Path) -> None:
    (suite,) = load(write(tmp_path, GOOD), "x")
    assert [(e.id, e.line, e.scope(("k",))) for e in suite.expectations] == [
        ("w_present", 5, "row"),
        ("v_rows", 12, "row"),
    ]


def test_a_share_is_about_the_whole_table(tmp_path: Path) -> None:
    (suite,) = load(write(tmp_path, GOOD.replace("{column: w}", "{column: w, mostly: 0.9}")), "x")
    assert suite.expectations[0].scope(("k",)) == "set"


@pytest.mark.parametrize("name", BAD)
def test_a_bad_suite_is_refused(tmp_path: Path, name: str) -> None:
    old, new, line, reason = BAD[name]
    assert old in GOOD
    with pytest.raises(SuiteError) as caught:
        load(write(tmp_path, GOOD.replace(old, new)), "x")
    assert reason in caught.value.en
    assert f"x/t.yaml:{line}: " in caught.value.en
    assert caught.value.where["line"] == line


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("severity: critical", "severity: fatal").replace("quality_word: đúng", "quality_word: tốt")
    with pytest.raises(SuiteError) as caught:
        load(write(tmp_path, text), "x")
    assert ":8: " in caught.value.en
    assert ":18: " in caught.value.en

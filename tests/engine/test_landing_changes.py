"""What landing does when the agreement or the file changes: new columns, other types, drift, unreadable files, confirmation, retention."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestration import settings
from orchestration.contracts import Contract
from orchestration.errors import KhoError
from orchestration.landing import confirm, land, land_dataset
from orchestration.landing.keep import kept_stream
from orchestration.sources import places

from .cluster import rows, value
from .samples import NIGHT, START, Row, column, contract, csv_bytes, csv_delivery, text_rows

COLUMNS = [
    column("code", key_position=1, required=True),
    column("name", required=True),
    column("amount", "numeric(8,2)"),
]
NAMES = ("code", "name", "amount")


def lines(count: int, name: str = "x") -> list[Row]:
    return text_rows(NAMES, *((f"K{n:03}", name, "1.50") for n in range(count)))


def raw(made: Contract) -> list[tuple[Any, ...]]:
    return rows(f"select * from raw.{made.table} order by 1")


def changed(made: Contract, *columns: Any) -> Contract:
    return dataclasses.replace(made, columns=tuple(columns))


@pytest.fixture
def made(empty: Path) -> Contract:
    return contract(COLUMNS)


def test_a_new_column_of_the_contract(made: Contract) -> None:
    land(made, csv_delivery(made, lines(3)), night=NIGHT)
    wider = changed(made, *COLUMNS, column("phone"))
    content = text_rows(
        (*NAMES, "phone"), ("K000", "x", "1.50", None), ("K001", "x", "1.50", "0240"), ("K002", "x", "1.50", None)
    )
    receipt = land(wider, csv_delivery(wider, content, day=1), night=NIGHT)
    assert (receipt.inserted, receipt.updated, receipt.unchanged) == (0, 1, 2)
    assert rows(f"select code, phone, _delivery from raw.{made.table} order by 1") == [
        ("K000", None, 1),
        ("K001", "0240", 2),
        ("K002", None, 1),
    ]


def test_a_column_that_leaves_the_contract_keeps_its_rows(made: Contract) -> None:
    land(made, csv_delivery(made, lines(3)), night=NIGHT)
    narrower = changed(made, *COLUMNS[:2])
    receipt = land(
        narrower,
        csv_delivery(narrower, text_rows(NAMES[:2], *((f"K{n:03}", "y") for n in range(3))), day=1),
        night=NIGHT,
    )
    assert receipt.updated == 3
    assert {row[2] for row in raw(made)} == {value("select 1.50::numeric")}


@pytest.mark.parametrize("pg_type", ["text", "numeric(12,2)", "numeric(8,4)", "integer"])
def test_another_type_is_refused(made: Contract, pg_type: str) -> None:
    """Precision included: a wider number would be rounded into the old column or fail on it each night."""
    land(made, csv_delivery(made, lines(3)), night=NIGHT)
    before = raw(made)
    other = changed(made, *COLUMNS[:2], column("amount", pg_type))
    receipt = land(other, csv_delivery(other, lines(3, "z"), day=1), night=NIGHT)
    assert receipt.outcome == "refused" and "numeric(8,2)" in receipt.reason_vi and pg_type in receipt.reason_en
    assert raw(made) == before
    assert rows("select outcome from kho.delivery order by delivery_id") == [("applied",), ("refused",)]


def test_a_column_nobody_agreed_on_is_noted_and_kept_in_quarantine(made: Contract) -> None:
    content = [*lines(2), *text_rows(NAMES, ("K9", None, "1"))]
    land(made, csv_delivery(made, content, extra=("Ghi chú", "Người nhập")), night=NIGHT)
    assert value("select drift from kho.delivery") == {"extra": ["Ghi chú", "Người nhập"]}
    assert value("select content from quarantine.row") == {
        "CODE": "K9",
        "NAME": None,
        "AMOUNT": "1",
        "Ghi chú": "Ghi chú",
        "Người nhập": "Người nhập",
    }
    assert len(raw(made)) == 2


UNREADABLE = {
    "too many columns": (b"K7,x,1\nK8,x,1,more\n", 5),
    "too few columns": (b"K8,x\n", 4),
    "open quote": (b'K7,x,1\nK8,"x,1\n', 6),  # noticed where the file ends
    "not UTF-8": (b"K8,\xff,1\n", 4),
    "a zero byte": (b"K8,\x00,1\n", 4),
}


@pytest.mark.parametrize("what", UNREADABLE)
@pytest.mark.parametrize("first", [True, False])
def test_an_unreadable_file_is_refused_with_its_row(made: Contract, what: str, first: bool) -> None:
    tail, line = UNREADABLE[what]
    if not first:
        land(made, csv_delivery(made, lines(1)), night=NIGHT)
    delivery = csv_delivery(made, lines(2), day=1, name="bao_cao.csv")
    content = b"".join(delivery.chunks) + tail
    receipt = land(made, dataclasses.replace(delivery, chunks=[content]), night=NIGHT)
    assert receipt.outcome == "refused"
    assert "bao_cao.csv" in receipt.reason_vi and f"dòng {line}" in receipt.reason_vi
    assert f"row {line}" in receipt.reason_en or f"line {line}" in receipt.reason_en
    kept, outcome = rows("select kept_path, outcome from kho.delivery order by delivery_id desc limit 1")[0]
    assert b"".join(kept_stream(settings.home() / kept)) == content and outcome == "refused"
    # The next one is not held up.
    assert land(made, csv_delivery(made, lines(3), day=2), night=NIGHT).outcome == "applied"


def test_a_missing_column_is_refused_where_everyone_sees_it(
    made: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader refuses it, so there is no delivery: the attempt says why, and the file stays."""
    monkeypatch.setattr(places, "SETTLE", 0.0)
    (tmp_path / "sample_20260301.csv").write_bytes(csv_bytes(NAMES, lines(2)))
    (tmp_path / "sample_20260302.csv").write_bytes(csv_bytes(NAMES[:2], lines(2)))
    with pytest.raises(KhoError) as refused:
        land_dataset(made, night=NIGHT, env={"KHO_SOURCE_SAMPLE": str(tmp_path)})
    assert (
        refused.value.code == "schema_drift"
        and "AMOUNT" in refused.value.vi
        and "sample_20260302.csv" in refused.value.vi
    )
    attempts = rows("select outcome, error_code from kho.attempt order by attempt_id")
    assert attempts == [("applied", None), ("failed", "schema_drift")]
    assert sorted(path.name for path in tmp_path.rglob("*.csv")) == ["sample_20260301.csv", "sample_20260302.csv"]
    assert (tmp_path / "sample_20260302.csv").exists()


# -- waiting and confirmation ---------------------------------------------------------------------------------------------


def test_a_shrinking_snapshot_waits_for_a_named_person(made: Contract) -> None:
    land(made, csv_delivery(made, lines(10)), night=NIGHT)
    assert land(made, csv_delivery(made, lines(8), day=1), night=NIGHT).outcome == "applied"  # a fifth, no more
    waiting = land(made, csv_delivery(made, lines(6), day=2), night=NIGHT)
    assert waiting.outcome == "waiting" and "2 trong 8" in waiting.reason_vi
    assert len([row for row in raw(made) if not row[-1]]) == 8
    with pytest.raises(KhoError):
        confirm(made, waiting.delivery_id - 1, by="Nguyễn Văn Thử", night=NIGHT)
    done = confirm(made, waiting.delivery_id, by="Nguyễn Văn Thử", night=NIGHT)
    assert (done.outcome, done.deleted) == ("applied", 2)
    assert rows("select confirms, confirmed_by from kho.delivery where delivery_id = %s", (done.delivery_id,)) == [
        (waiting.delivery_id, "Nguyễn Văn Thử")
    ]
    with pytest.raises(KhoError) as twice:
        confirm(made, waiting.delivery_id, by="Nguyễn Văn Thử", night=NIGHT)
    assert twice.value.code == "not_waiting"


def test_a_delivery_overtaken_by_a_later_one_is_no_longer_confirmed(made: Contract) -> None:
    land(made, csv_delivery(made, lines(10)), night=NIGHT)
    waiting = land(made, csv_delivery(made, lines(2), day=1), night=NIGHT)
    land(made, csv_delivery(made, lines(11), day=2), night=NIGHT)
    with pytest.raises(KhoError) as late:
        confirm(made, waiting.delivery_id, by="Nguyễn Văn Thử", night=NIGHT)
    assert late.value.code == "not_waiting"
    assert len(raw(made)) == 11


def test_deletions_of_a_key_check_can_be_confirmed(empty: Path) -> None:
    """The key list is kept beside the bytes: without it the confirmed delivery would delete nothing, and wait for ever."""
    made = contract([*COLUMNS, column("stamp", "timestamptz", required=True)], delivery="cursor")
    names = (*NAMES, "stamp")
    content = text_rows(names, *((f"K{n}", "x", "1", "2026-03-01T00:00:00Z") for n in range(10)))
    land(made, csv_delivery(made, content), night=NIGHT)
    keys = [csv_bytes(("code",), content[:4], header=False)]
    changes = text_rows(names, ("K0", "new", "1", "2026-03-02T00:00:00Z"))
    waiting = land(made, csv_delivery(made, changes, day=1, keys=keys), night=NIGHT)
    assert waiting.outcome == "waiting"
    done = confirm(made, waiting.delivery_id, by="Nguyễn Văn Thử", night=NIGHT)
    assert (done.outcome, done.updated, done.deleted) == ("applied", 1, 6)


def test_deletions_without_changes_are_seen_night_after_night(empty: Path) -> None:
    """The look-back sends the same newest rows again; that they are the same must not hide that other keys have gone."""
    made = contract([*COLUMNS, column("stamp", "timestamptz", required=True)], delivery="cursor")
    names = (*NAMES, "stamp")
    content = text_rows(names, *((f"K{n}", "x", "1", "2026-03-01T00:00:00Z") for n in range(12)))
    land(made, csv_delivery(made, content), night=NIGHT)
    for night in (1, 2, 3):
        keys = [csv_bytes(("code",), content[: 12 - night], header=False)]
        receipt = land(made, csv_delivery(made, content[:1], day=night, keys=keys), night=NIGHT)
        assert receipt.deleted == 1, f"night {night}"


def test_a_row_put_right_leaves_quarantine_with_a_receipt(empty: Path) -> None:
    """Also when the row that comes back right is the one that raw already has."""
    made = contract([*COLUMNS, column("stamp", "timestamptz", required=True)], delivery="cursor")
    names = (*NAMES, "stamp")
    good = text_rows(names, ("K0", "x", "1", "2026-03-01T00:00:00Z"))
    land(made, csv_delivery(made, good), night=NIGHT)
    land(made, csv_delivery(made, text_rows(names, ("K0", None, "1", "2026-03-02T00:00:00Z")), day=1), night=NIGHT)
    receipt = land(made, csv_delivery(made, [*good, *good], day=2), night=NIGHT)
    state, closed_by = rows("select state, closed_by from quarantine.row")[0]
    assert (state, closed_by) == ("resolved", receipt.delivery_id)
    assert rows("select outcome from kho.delivery where delivery_id = %s", (closed_by,)) == [("applied",)]


# -- kept bytes -----------------------------------------------------------------------------------------------------------


def test_bytes_survive_a_source_that_cannot_be_told(made: Contract) -> None:
    """The receipt is committed before the source is told; a folder that cannot be written to loses nothing."""

    def done() -> None:
        raise KhoError("put_away", vi="không chuyển được", en="cannot be moved")

    with pytest.raises(KhoError):
        land(made, csv_delivery(made, lines(3), done=done), night=NIGHT)
    (kept,) = rows("select kept_path from kho.delivery")[0]
    assert (settings.home() / kept).exists()
    assert len(raw(made)) == 3


def test_retention_ends_the_bytes_not_the_receipt(made: Contract) -> None:
    for day in range(3):
        land(made, csv_delivery(made, lines(3, f"v{day}"), day=day), night=NIGHT)
    waiting = land(made, csv_delivery(made, lines(1), day=3), night=NIGHT)
    stray = settings.kept_folder() / made.agency / made.dataset / "000000999.csv"
    stray.write_bytes(b"orphan")
    stray.with_suffix(".part").write_bytes(b"orphan")
    rows("update kho.delivery set received_at = received_at - interval '31 days'")
    land(made, csv_delivery(made, lines(3, "v4"), day=4), night=NIGHT)
    left = sorted(int(path.name.split(".")[0]) for path in stray.parent.iterdir())
    newest = value("select max(delivery_id) from kho.delivery")
    assert left == [3, newest], "the last applied bytes and this delivery's stay"
    assert value("select count(*) from kho.delivery") == 5
    rows("update kho.delivery set outcome = 'refused' where delivery_id = %s", (newest,))
    with pytest.raises(KhoError) as gone:
        confirm(made, waiting.delivery_id, by="Nguyễn Văn Thử", night=NIGHT)
    assert gone.value.code == "bytes_gone"


def test_a_snapshot_of_the_same_day_may_come_again(made: Contract) -> None:
    for text in ("a", "b", "a"):
        assert land(made, csv_delivery(made, lines(3, text)), night=NIGHT).updated in (0, 3)
    older = csv_delivery(made, lines(3, "c"), as_of=START - timedelta(days=1))
    assert land(made, older, night=NIGHT).outcome == "refused"
    assert {row[1] for row in raw(made)} == {"a"}

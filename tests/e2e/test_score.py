"""Every planted breach of a contract is found, none is invented, no row is lost: two days of one dataset of each kind of system and format.

All datasets, and larger provinces, are in `tests.soak` and `python -m tests.e2e.score`.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e import score, score_table
from tests.e2e.score_book import Book
from tests.e2e.score_rules import VIETNAM, is_partial_date, read_agreement

#: At least one of each system, format, charset and way of delivery; with the datasets they refer to.
CHOSEN = (
    "communes.civil_book", "communes.counter", "communes.counter_book", "education.exam_10", "education.pupil_smas", "environment.measurement",
    "environment.station", "finance.cooperative", "finance.household_business", "health.beneficiary", "health.birth_notice",
    "health.drug_outlet", "justice.civil_event", "land_office.price", "police.residence",
    "police.temporary_residence", "public_services.dossier", "public_services.procedure", "social_insurance.coverage", "social_insurance.visit",
    "statistics.civil_year", "tax.tax_status_organisation", "treasury.budget_line", "treasury.budget_unit",
)  # fmt: skip
#: Kinds of dirt that must come up in so many datasets; a score without them would say nothing.
CERTAIN = (
    "commune_old",
    "commune_zero_lost",
    "conflict",
    "date_two_digit",
    "duplicate",
    "id_zero_lost",
    "number_unit",
    "procedure_local",
)


@pytest.fixture(scope="module")
def scored(reset: Callable[[], Path]) -> Iterator[tuple[list[score.Verdict], Book]]:
    """Verdicts of two days, and the book of one dataset as it stands in the warehouse afterwards."""
    home = Path(tempfile.mkdtemp(prefix="kho-score-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KHO_SYNTHETIC", "1")
        reset()
        scorer = score.Scorer(CHOSEN)
        try:
            yield list(score.play(scorer, home, scale=0.001, days=2)), scorer.books["land_office.price"]
        finally:
            shutil.rmtree(home, ignore_errors=True)


def test_what_was_told_is_what_is_wrong_and_every_row_is_somewhere(scored: tuple[list[score.Verdict], Book]) -> None:
    verdicts, _ = scored
    assert {verdict.dataset for verdict in verdicts} == set(CHOSEN)
    assert "\n".join(str(verdict) for verdict in verdicts if not verdict.holds) == ""


def test_every_kind_of_dirt_that_breaches_a_contract_is_found(scored: tuple[list[score.Verdict], Book]) -> None:
    breaches, found = Counter[str](), Counter[str]()
    for verdict in scored[0]:
        breaches, found = breaches + verdict.breaches, found + verdict.found
    assert found == breaches
    assert {kind for kind in CERTAIN if not breaches[kind]} == set()


def test_a_breach_not_told_one_invented_and_a_lost_row_would_be_noticed(
    scored: tuple[list[score.Verdict], Book],
) -> None:
    _, book = scored
    honest = score.Verdict(book.agreement.id, 1)
    score.compare(honest, book, [])
    assert honest.holds, str(honest)
    ident, problems = next((i, p) for i, p in book.waiting.items() if p)
    taken = problems.pop()
    book.waiting[True, ("nobody",)].add(("price_vnd_m2", "type", "open"))
    key = next(iter(book.raw))
    row = book.raw.pop(key)
    book.raw["nobody",] = row
    tampered = score.Verdict(book.agreement.id, 1)
    score.compare(tampered, book, [])
    assert tampered.invented == [(ident, *taken)]
    assert [told[0] for told in tampered.missed] == [(True, ("nobody",))]
    assert len(tampered.lost) == 2


def test_the_judge_reads_dates_as_the_vocabulary_says() -> None:
    right = ["05/03/1960", "5/3/1960", "03/1960", "1960", "00/00/1960", "00/03/1960", "29/02/2024"]
    wrong = ["31/02/1960", "13/1960", "60", "5/3/60", "1960-03-05", "00/13/1960", "0000", "29/02/2023", "05/00/1960"]
    assert [text for text in right if not is_partial_date(text)] == []
    assert [text for text in wrong if is_partial_date(text)] == []
    assert VIETNAM.utcoffset(None).total_seconds() == 7 * 3600


def test_every_exception_is_of_a_column_there_is_and_has_a_reason() -> None:
    for (dataset, column, rule), reason in score_table.EXCEPTIONS.items():
        agency, _, name = dataset.partition(".")
        rules = read_agreement(score.ROOT / "assets" / "agencies" / agency / f"{name}.yaml").rules
        assert column in rules or column == "*", dataset
        assert rule and len(reason) > 20


def test_the_documented_score_has_no_missed_and_no_invented_breach() -> None:
    block = score_table.documented()
    assert "Invented: 0. Lost: 0." in block
    totals = [line.split("|")[1:-1] for line in block.splitlines() if line.startswith("| ")][1:]
    assert totals and {cells[-1].strip() for cells in totals} == {"0"}

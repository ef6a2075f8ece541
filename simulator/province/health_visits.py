"""Visits: who was treated where, for what, at what cost: the facts that table XML1 of Decision 130/QĐ-BYT tells.

Belongs here: the table `visit`. Stays out: the details of drugs and services (XML2, XML3), how it is written (`views`).

A visit has the day on which it ended. Of each day the first are the newborn of that day, then those who died in a
hospital on it; everybody else is drawn, the old and the small more often. Amounts add up: the total is what insurance
covers and what the patient pays alone; of the former the fund pays what the patient's share leaves.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulator.chance import Bools, Floats, Ids, Ints
from simulator.identifiers import spread
from simulator.province import health_diseases as diseases
from simulator.province import health_events as events
from simulator.province.health_insurance import PAID, Card, Cards
from simulator.table import (
    FLOW_DAYS,
    Arrivals,
    Province,
    Table,
    Total,
    date_of,
    joined,
    padded,
    to_date32,
    to_timestamp,
    words,
)

VISITS = 600_000  # in the 30 days: 7.3 million a year, derived from 2.1 insured visits a head
FIRST = 1 - FLOW_DAYS
OUTPATIENT, CHRONIC, INPATIENT = "01", "05", "03"  # categories of treatment
# Who comes how: registered here, elsewhere at the same level, referred, by appointment, newborn, emergency, uninsured.
KINDS = ("1.1", "1.2", "1.3", "1.5", "1.7", "2", "9")
NO_SHARE_BELOW = 2_530_000 * 15 // 100  # VND: below 15 % of the base salary the patient pays no share
REVISED, REVISED_WITHIN = 0.004, 25  # share of the visits that are corrected, and days within which
_WEIGHTS = (1.6, 0.55, 0.75, 2.4)  # of those below 6, 18, 60, and above
_DEPARTMENTS = ("K01", "K03", "K18", "K19", "K27")  # examination, internal, children, surgery, obstetrics
_SURGERY = tuple(diseases.CODES.index(code) for code in ("K35.8", "S52.5", "S61.9", "S06.0", "N20.0", "I84.9"))
_LASTING = tuple(diseases.CODES.index(code) for code in ("I10", "E11.9", "E78.5", "J44.9", "B18.1", "G40.9", "F20.9"))


def exact_arrivals(total: int, weekend: float) -> Arrivals:
    """Arrivals that bring exactly a total in the 30 days up to day 0, and go on like that."""
    unit = Arrivals(1e9, FIRST, weekend).through(0)
    return Arrivals((total + 0.5) * 1e9 / unit, FIRST, weekend)


class Visit(Table):
    """Visits to facilities that treat the insured."""

    name = "visit"
    key = ("visit_no",)
    doc = "One visit or stay that ended since day -29: table XML1 of Decision 130/QĐ-BYT (4750, 3176); older years in health_year."
    columns = {
        "person": "the patient: id of table person",
        "place": "where the patient lives: index into the places of the province",
        "facility": "id of table facility",
        "visit_no": "number of the visit, unique in the country (MA_LK)",
        "patient_no": "number of the patient in the facility (MA_BN)",
        "facility_code": "code of the facility (MA_CSKCB)",
        "category": "01 examination, 03 stay, 05 lasting illness (MA_LOAI_KCB)",
        "patient_kind": "1.1 registered here, 1.2 elsewhere, 1.3 referred, 1.5 by appointment, 1.7 newborn, 2 emergency, 9 uninsured",
        "insurance_no": "social insurance number; none without a card",
        "card_no": "number of the card of fifteen characters; none without a card",
        "card_from": "first day of the card",
        "card_to": "last day of the card",
        "registered_at_code": "facility of first registration (MA_DKBD)",
        "disease_code": "main disease, ICD-10",
        "disease": "main disease in words",
        "other_diseases": "other diseases, ICD-10 with semicolons",
        "admitted_at": "beginning of the visit",
        "discharged_at": "end of the visit",
        "days": "days of treatment",
        "result": "1 cured, 2 better, 3 unchanged, 4 worse, 5 died",
        "discharge": "1 discharged, 2 referred to another facility, 4 at own wish",
        "referred_to_code": "facility to which the patient was referred",
        "department": "department of treatment",
        "weight_kg": "weight of children below one, kg",
        "drugs_vnd": "drugs, VND",
        "supplies_vnd": "medical supplies, VND",
        "total_vnd": "all costs, VND: insured_vnd and self_paid_vnd (T_TONGCHI_BV)",
        "insured_vnd": "costs that insurance covers, VND: fund_vnd and share_vnd (T_TONGCHI_BH)",
        "self_paid_vnd": "what the patient pays alone, VND (T_BNTT)",
        "share_vnd": "the patient's share of the insured costs, VND (T_BNCCT)",
        "fund_vnd": "what the fund pays, VND (T_BHTT)",
        "revision": "0, or 1 once amounts were corrected after the fact",
    }

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self._arrivals = exact_arrivals(province.scale.of(VISITS), weekend=0.35)

    def count(self, day: int) -> int:
        return self._arrivals.through(day)

    def touched(self, day: int) -> Ints:
        recent = np.arange(self.count(day - REVISED_WITHIN - 1), self.count(day - 1), dtype=np.int64)
        corrected = recent[self.chance.happens("visit.revised", recent, REVISED)]
        return np.concatenate([corrected[self._revised_on(corrected, day) == day], self._arrivals.ids(day)])

    def _revised_on(self, ids: Ids, day: int) -> Ints:
        return self._arrivals.days(ids, day) + self.chance.integer("visit.revised_after", ids, 1, REVISED_WITHIN)

    @cached_property
    def _cards(self) -> Cards:
        found: Cards = self.province.table("insurance_coverage").cards
        return found

    # -- who ---------------------------------------------------------------------------------------------------------

    @cached_property
    def _pool(self) -> Floats:
        """Cumulated weights of the persons of day 0."""
        people = self.province.people
        group = np.searchsorted((6, 18, 60), -people.born[: people.at_day0] * 4 // 1461, side="right")
        weight = np.array(_WEIGHTS)[group] * np.where(self._cards.covered(np.arange(people.at_day0)), 1.0, 0.25)
        return np.cumsum(weight)

    def _drawn(self, ids: Ids, days: Ids) -> Ints:
        """Somebody who lived then, born at least a month before."""
        people, persons = self.province.people, np.zeros(len(ids), np.int64)
        there, attempt = np.arange(len(ids)), 0
        while len(there):
            chosen = self.chance.uniform(f"visit.person/{attempt}", ids[there]) * self._pool[-1]
            persons[there] = np.searchsorted(self._pool, chosen, side="right")
            lives = people.died_on(persons[there]) > days[there]
            there, attempt = there[~lives | (people.born_on(persons[there]) > days[there] - 30)], attempt + 1
        return persons

    def _who(self, ids: Ids, days: Ids) -> tuple[Ints, Bools, Bools]:
        """Patients; which of them were born, which died on the day of the visit."""
        people, persons = self.province.people, np.full(len(ids), -1, np.int64)
        born, died = np.zeros(len(ids), np.bool_), np.zeros(len(ids), np.bool_)
        for day in np.unique(days):
            there = np.flatnonzero(days == day)
            rank = ids[there] - self._arrivals.through(int(day) - 1)
            newborn, dead = people.newborn(int(day)), people.deceased(int(day))
            dead = dead[events.died_in_hospital(self.province, dead)]
            first = np.concatenate([newborn, dead])
            known = rank < len(first)
            persons[there[known]] = first[rank[known]]
            born[there[known]] = rank[known] < len(newborn)
            died[there[known]] = rank[known] >= len(newborn)
        others = persons < 0
        persons[others] = self._drawn(ids[others], days[others])
        return persons, born, died

    # -- what --------------------------------------------------------------------------------------------------------

    def rows(self, ids: Ids, day: int) -> Any:
        ids, people, province, chance = np.asarray(ids, np.int64), self.province.people, self.province, self.chance
        days = self._arrivals.days(ids, max(day, FIRST))
        persons, born, died = self._who(ids, days)
        years = np.maximum(days - people.born_on(persons), 0) * 4 // 1461
        places = people.place_at(persons, 0)
        disease = diseases.draw(chance, "visit.disease", ids, years, people.is_male(persons))
        overnight = born | died | chance.happens("visit.overnight", ids, diseases.OVERNIGHT[disease])
        nights = np.minimum(1 - np.floor(4 * np.log1p(-chance.uniform("visit.nights", ids))), 25).astype(np.int64)
        nights = np.where(overnight & ~born, nights, 0)
        facility = events.providers(province).any("visit.facility", ids, places, days, overnight)
        facility[born] = events.birth_facilities(province, persons[born])
        facility[died] = events.death_facilities(province, persons[died])
        card = self._cards.of(persons, days - nights)
        insured = self._cards.covered(persons) & ~born
        money = self._money(ids, days, day, overnight, nights, card, insured | born, born)
        referred = ~overnight & ~died & chance.happens("visit.referred", ids, 0.03)
        admitted, discharged = self._moments(ids, days, nights, persons, born)
        near = events.providers(province)
        columns = {
            "id": pa.array(ids),
            "person": pa.array(persons),
            "place": pa.array(places),
            "facility": pa.array(facility),
            "visit_no": joined(near.codes(facility), self._stamps(days), padded(self._ranks(ids, days), 6)),
            "patient_no": joined(near.codes(facility), ".", padded(spread(persons * 7 + facility, 99_999_989), 8)),
            "facility_code": near.codes(facility),
            "category": self._category(disease, overnight),
            "patient_kind": self._kind(ids, facility, card, insured, born, overnight),
            "insurance_no": _where(insured, self._cards.numbers(persons)),
            "card_no": _where(insured, self._cards.card_numbers(persons, card.object)),
            "card_from": to_date32(card.valid_from, insured),
            "card_to": to_date32(card.valid_to, insured),
            "registered_at_code": _where(insured, near.codes(card.facility)),
            **self._diagnosis(ids, persons, years, disease, born, died),
            "admitted_at": admitted,
            "discharged_at": discharged,
            "days": pa.array(np.where(overnight, np.maximum(nights, 1), 1)),
            "result": pa.array(np.where(died, 5, 1 + chance.pick("visit.result", ids, (30, 62, 6, 2)))),
            "discharge": pa.array(
                np.where(referred, 2, np.where(overnight & ~died & chance.happens("visit.own_wish", ids, 0.02), 4, 1))
            ),
            "referred_to_code": _where(referred, near.codes(near.hospital("visit.referred_to", ids, places))),
            "department": words(_DEPARTMENTS, self._department(disease, years, overnight, born)),
            "weight_kg": self._weight(persons, days, born),
            **money,
        }
        assert list(columns)[1:] == list(self.columns)
        return pa.table(columns)

    def _ranks(self, ids: Ids, days: Ids) -> Ints:
        """The number of each on its day, from 0 on."""
        unique, where = np.unique(days, return_inverse=True)
        return ids - np.array([self._arrivals.through(int(each) - 1) for each in unique], np.int64)[where]

    def _stamps(self, days: Ids) -> Any:
        unique, where = np.unique(days, return_inverse=True)
        return words([f"{date_of(int(each)):%y%m%d}" for each in unique], where)

    def _category(self, disease: Ids, overnight: Bools) -> Any:
        lasting = np.isin(disease, _LASTING)
        return words((OUTPATIENT, CHRONIC, INPATIENT), np.where(overnight, 2, np.where(lasting, 1, 0)))

    def _kind(self, ids: Ids, facility: Ids, card: Card, insured: Bools, born: Bools, overnight: Bools) -> Any:
        urgent = overnight & self.chance.happens("visit.emergency", ids, 0.3)
        elsewhere = 1 + self.chance.pick("visit.elsewhere", ids, (7, 2, 1))
        return words(KINDS, np.select([born, ~insured, urgent, facility == card.facility], [4, 6, 5, 0], elsewhere))

    def _diagnosis(self, ids: Ids, persons: Ids, years: Ids, disease: Ids, born: Bools, died: Bools) -> dict[str, Any]:
        """Main and other diseases: those of the newborn, the cause of death, or what was drawn."""
        baby, count = events.newborn_diagnosis(self.province, persons), len(diseases.CODES)
        drawn = np.where(born, count + baby, disease)
        cause_code, cause = events.death_causes(self.province, persons)
        dead = pa.array(died)
        others = diseases.secondary(self.chance, "visit.others", ids, years, disease)
        return {
            "disease_code": pc.if_else(dead, cause_code, words((*diseases.CODES, *diseases.NEWBORN[0]), drawn)),
            "disease": pc.if_else(dead, cause, words((*diseases.NAMES, *diseases.NEWBORN_NAMES), drawn)),
            "other_diseases": _where(~born & ~died, others),
        }

    def _moments(self, ids: Ids, days: Ids, nights: Ids, persons: Ids, born: Bools) -> tuple[Any, Any]:
        """Beginning and end, to the minute; the newborn begin with their birth."""
        minute = self.chance.integer("visit.minute", ids, 390, 960)
        end = minute + self.chance.integer("visit.lasts", ids, 15, 240)
        birth = events.birth_seconds(self.province, persons) // 60
        begin = np.where(born, birth, np.where(nights > 0, end - 200, minute))
        return to_timestamp(days - nights, begin * 60), to_timestamp(days, np.where(born, 1439, end) * 60)

    def _department(self, disease: Ids, years: Ids, overnight: Bools, born: Bools) -> Ints:
        child, birth = (years < 16) | born, np.isin(disease, diseases.BIRTHS) & ~born
        inside = np.select([np.isin(disease, _SURGERY) & ~born, child, birth], [3, 2, 4], 1)
        return np.where(overnight, inside, 0).astype(np.int64)

    def _weight(self, persons: Ids, days: Ids, born: Bools) -> Any:
        """Weight of those below one: at birth, then 20 g a day."""
        age = days - self.province.people.born_on(persons)
        grams = events.birth_grams(self.province, persons) + np.minimum(age, 365) * 20
        return pa.array(np.where(born, events.birth_grams(self.province, persons), grams) / 1000, mask=age >= 365)

    def _money(
        self, ids: Ids, days: Ids, day: int, overnight: Bools, nights: Ids, card: Card, insured: Bools, born: Bools
    ) -> dict[str, Any]:
        """Costs in whole VND."""
        chance = self.chance
        stay = np.where(overnight, 5.0 * np.maximum(nights, 1) ** 0.8, 1.0)
        services = (np.exp(11.7 + 0.6 * chance.normal("visit.services", ids)) * stay).astype(np.int64) // 100 * 100
        drugs = (np.exp(11.5 + 0.8 * chance.normal("visit.drugs", ids)) * stay).astype(np.int64)
        supplies = (np.exp(10.0 + 1.0 * chance.normal("visit.supplies", ids)) * stay * overnight).astype(np.int64)
        revised = chance.happens("visit.revised", ids, REVISED)
        revised &= days + chance.integer("visit.revised_after", ids, 1, REVISED_WITHIN) <= day
        drugs = np.where(revised, drugs * 9 // 10, drugs)
        costs = services + drugs + supplies
        extra = chance.happens("visit.extra", ids, 0.3) * chance.uniform("visit.extra_share", ids) * 0.2
        extras = (costs * extra).astype(np.int64) // 1000 * 1000
        covered = np.where(insured, costs, 0)
        paid = np.where(born | (covered < NO_SHARE_BELOW), 1.0, PAID[card.object])
        fund = np.floor(covered * paid + 1e-6).astype(np.int64)
        own = np.where(insured, extras, costs + extras)
        return {
            "drugs_vnd": pa.array(drugs),
            "supplies_vnd": pa.array(supplies),
            "total_vnd": pa.array(covered + own),
            "insured_vnd": pa.array(covered),
            "self_paid_vnd": pa.array(own),
            "share_vnd": pa.array(covered - fund),
            "fund_vnd": pa.array(fund),
            "revision": pa.array(revised.astype(np.int64)),
        }

    def totals(self, day: int) -> list[Total]:
        return [
            Total(
                "visit.count",
                self.count(day),
                "visit",
                "2.1 insured visits a head and year: 600,000 in 30 days",
                day == 0,
            )
        ]


def _where(valid: Bools, texts: Any) -> Any:
    """The texts, null where not `valid`."""
    return pc.if_else(pa.array(valid), texts, pa.scalar(None, pa.string()))

"""The administrative procedures and the codes they go by in the two systems that were joined.

Belongs here: tables `procedure`, `procedure_local`. Stays out: the words (`procedures_words`), dossiers.

The catalogue is law: it does not shrink with the scale.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Bools, Ids, Ints
from simulator.identifiers import spread
from simulator.province.procedures_words import ACTIONS, FIELDS, KNOWN, LOCAL_ONLY
from simulator.scale import split
from simulator.table import Table, Total, joined, numbered, padded, to_date32, words

PROCEDURES, FULLY_ONLINE, OF_COMMUNES = 2_150, 1_049, 414  # catalogue and weekly reports of the province, 2025
_PARTLY_ONLINE, _BOTH = 720, 36  # derived
LEVELS = ("PROVINCE", "COMMUNE", "BOTH")
MODES = ("FULL", "PARTIAL", "INFORMATION")
UNITS = ("WORKING_DAY", "DAY", "HOUR")
WORKING_DAY, DAY, HOUR = range(3)
SYSTEMS = ("BN", "BG")  # the systems of the former provinces Bắc Ninh and Bắc Giang
#: Share of procedures whose local code the system's own table does not lead to a national one.
UNMAPPED = {"BN": 0.01, "BG": 0.04}


class Procedure(Table):
    """The catalogue. Ids 0 to 413 are those a commune lists, the first of them the ones known by name."""

    name = "procedure"
    key = ("procedure_code",)
    doc = "One row an administrative procedure of the province; does not shrink with the scale"
    columns = {
        "procedure_code": "national code, like 1.001193",
        "name_vi": "name",
        "field_code": "field of law, like G03-GD10",
        "field_name": "its name",
        "agency_code": "department that publishes it",
        "level": "who decides: PROVINCE, COMMUNE, BOTH",
        "mode": "online service: FULL, PARTIAL, INFORMATION",
        "time_limit": "in `time_unit`",
        "time_unit": "WORKING_DAY, DAY, HOUR (working hours)",
        "fee_vnd": "fee (phí), đồng",
        "charge_vnd": "charge (lệ phí), đồng",
        "fee_per_page": "the fee is due for every page",
        "has_paper_result": "the result is (also) on paper",
        "decision_no": "decision that published it",
        "decided_on": "its date",
        "effective_on": "day on which its legal base came into force",
        "published_on": "day on which it stood in the national database",
    }

    def count(self, day: int) -> int:
        return PROCEDURES

    def touched(self, day: int) -> Ints:
        return np.arange(0, dtype=np.int64)

    # -- what dossiers ask -------------------------------------------------------------------------------------------

    @cached_property
    def _every(self) -> Ints:
        return np.arange(PROCEDURES, dtype=np.int64)

    @cached_property
    def field(self) -> Ints:
        """Index into `FIELDS` by id."""
        codes = [field.code for field in FIELDS]
        known = np.array([codes.index(each.field) for each in KNOWN])
        communes = split(OF_COMMUNES - len(known), np.array([field.commune for field in FIELDS]))
        province = split(PROCEDURES - OF_COMMUNES, np.array([field.province for field in FIELDS]))
        every = np.arange(len(FIELDS))
        return np.concatenate([known, np.repeat(every, communes), np.repeat(every, province)]).astype(np.int64)

    @cached_property
    def number(self) -> Ints:
        """The number of each among those of its field, counted from 0; those known by name have none of their own (-1)."""
        field = self.field[len(KNOWN) :]
        order = np.argsort(field, kind="stable")
        starts = np.searchsorted(field[order], np.arange(len(FIELDS)))
        rank = np.empty(len(field), np.int64)
        rank[order] = np.arange(len(field)) - starts[field[order]]
        return np.concatenate([np.full(len(KNOWN), -1), rank]).astype(np.int64)

    @cached_property
    def department(self) -> Ints:
        """The agency (id) that publishes it, and decides unless a commune does."""
        agency = self.province.table("agency")
        return np.array([agency.department(field.department) for field in FIELDS])[self.field].astype(np.int64)

    @cached_property
    def level(self) -> Ints:
        """Index into `LEVELS`."""
        level = np.where(self._every < OF_COMMUNES, 1, 0)
        others = np.arange(len(KNOWN), OF_COMMUNES)
        level[others[np.argsort(self.chance.bits("procedure.both", others), kind="stable")[:_BOTH]]] = 2
        return level.astype(np.int64)

    @cached_property
    def mode(self) -> Ints:
        """Index into `MODES`; exactly `FULLY_ONLINE` are online from end to end."""
        known = [each.mode for each in KNOWN]
        full, partly = FULLY_ONLINE - known.count(0), _PARTLY_ONLINE - known.count(1)
        rest = self.chance.permutation("procedure.mode", PROCEDURES - len(known))
        drawn = np.where(rest < full, 0, np.where(rest < full + partly, 1, 2))
        return np.concatenate([known, drawn]).astype(np.int64)

    @cached_property
    def unit(self) -> Ints:
        """Index into `UNITS`."""
        known = [HOUR if each.hours else WORKING_DAY for each in KNOWN]
        drawn = self.chance.pick("procedure.unit", self._every, (0.78, 0.17, 0.05))
        return np.concatenate([known, drawn[len(known) :]]).astype(np.int64)

    @cached_property
    def limit(self) -> Ints:
        """The time limit in its unit."""
        days = np.array([1, 2, 3, 5, 7, 10, 15, 20, 30, 45, 60])
        communes, province = (8, 6, 20, 22, 10, 15, 10, 5, 3, 1, 0), (1, 1, 9, 18, 14, 20, 17, 9, 7, 3, 1)
        which = np.where(
            self._every < OF_COMMUNES,
            self.chance.pick("procedure.limit", self._every, communes),
            self.chance.pick("procedure.limit", self._every, province),
        )
        limit = np.where(self.unit == HOUR, np.array([4, 8])[self._every % 2], days[which])
        return np.concatenate([[each.days for each in KNOWN], limit[len(KNOWN) :]]).astype(np.int64)

    def _amount(self, name: str, share: float, known: list[int]) -> Ints:
        amounts = np.array([8_000, 15_000, 20_000, 50_000, 75_000, 100_000, 150_000, 300_000, 500_000, 1_000_000])
        picked = amounts[self.chance.integer(f"procedure.{name}", self._every, 0, len(amounts) - 1)]
        drawn = np.where(self.chance.happens(f"procedure.has_{name}", self._every, share), picked, 0)
        return np.concatenate([known, drawn[len(known) :]]).astype(np.int64)

    @cached_property
    def fee(self) -> Ints:
        """Fee in đồng; for every page where `per_page`."""
        return self._amount("fee", 0.28, [each.fee for each in KNOWN])

    @cached_property
    def charge(self) -> Ints:
        """Charge in đồng."""
        return self._amount("charge", 0.16, [each.charge for each in KNOWN])

    @cached_property
    def per_page(self) -> Bools:
        """True where the fee is due for every page."""
        return np.array([i < len(KNOWN) and KNOWN[i].per_page for i in range(PROCEDURES)], np.bool_)

    @cached_property
    def paper(self) -> Bools:
        """True where the result is on paper too."""
        return (self._every < len(KNOWN)) | self.chance.happens("procedure.paper", self._every, 0.45)

    @cached_property
    def firms(self) -> Any:
        """Share of enterprises among those who apply."""
        return np.array([field.firms for field in FIELDS])[self.field]

    @cached_property
    def busy(self) -> Any:
        """How many dossiers it brings, as a weight among the procedures of one receiving agency."""
        rank = self.chance.permutation("procedure.rank", PROCEDURES)
        zipf = 1.0 / (1.0 + rank % 40)
        commune = self._every < OF_COMMUNES
        group = self.field * 2 + commune
        sums = np.bincount(group, weights=zipf)
        weight = zipf / sums[group] * np.array([field.busy for field in FIELDS])[self.field]
        known = np.array([each.busy for each in KNOWN])
        others = commune & (self._every >= len(KNOWN))
        weight[others] *= (1000.0 - known.sum()) / weight[others].sum()
        weight[: len(KNOWN)] = known
        return weight

    @cached_property
    def codes(self) -> list[str]:
        """National codes by id."""
        first = 1 + self.chance.pick("procedure.code", self._every, (0.6, 0.25, 0.15))
        made = joined(padded(first, 1), ".", padded(5_000 + spread(self._every, 9_000, factor=1_007, start=211), 6))
        codes: list[str] = made.to_pylist()
        return [each.code for each in KNOWN] + codes[len(KNOWN) :]

    @cached_property
    def names(self) -> list[str]:
        """Names by id."""
        named = [each.name for each in KNOWN]
        for field, number in zip(self.field[len(KNOWN) :].tolist(), self.number[len(KNOWN) :].tolist(), strict=True):
            objects = FIELDS[field].objects
            named.append(f"{ACTIONS[number // len(objects)]} {objects[number % len(objects)]}")
        return named

    def menu(self, agency: int) -> Ints:
        """The procedures (ids) for which dossiers are handed in at an agency: a commune or a department."""
        if agency in self.province.table("agency").communes:
            return np.arange(OF_COMMUNES, dtype=np.int64)
        return np.flatnonzero((self.department == agency) & (self.level != 1)).astype(np.int64)

    # -- rows --------------------------------------------------------------------------------------------------------

    @cached_property
    def _whole(self) -> Any:
        chance, every = self.chance, self._every
        decided = -chance.integer("procedure.decided", every, 40, 500)
        law_late = chance.happens("procedure.decided_late", every, 0.05)
        ahead = np.where(
            law_late,
            chance.integer("procedure.behind", every, -10, 3),
            chance.integer("procedure.ahead", every, 16, 50),
        )
        published_late = chance.happens("procedure.published_late", every, 0.03)
        wait = np.where(
            published_late,
            chance.integer("procedure.wait", every, 20, 60),
            chance.integer("procedure.soon", every, 0, 4),
        )
        agency = self.province.table("agency")
        return pa.table(
            {
                "id": every,
                "procedure_code": pa.array(self.codes),
                "name_vi": pa.array(self.names),
                "field_code": words([field.code for field in FIELDS], self.field),
                "field_name": words([field.name for field in FIELDS], self.field),
                "agency_code": words(agency.codes, self.department),
                "level": words(LEVELS, self.level),
                "mode": words(MODES, self.mode),
                "time_limit": self.limit,
                "time_unit": words(UNITS, self.unit),
                "fee_vnd": self.fee,
                "charge_vnd": self.charge,
                "fee_per_page": pa.array(self.per_page),
                "has_paper_result": pa.array(self.paper),
                "decision_no": joined(padded(chance.integer("procedure.decision", every, 101, 2_400), 0), "/QĐ-UBND"),
                "decided_on": to_date32(decided),
                "effective_on": to_date32(decided + ahead),
                "published_on": to_date32(decided + wait),
            }
        )

    @cached_property
    def decided_in_time(self) -> Bools:
        """True where the decision came five working days before the law it rests on (766 index, 1.1)."""
        return ~self.chance.happens("procedure.decided_late", self._every, 0.05)

    def rows(self, ids: Ids, day: int) -> Any:
        return self._whole.take(pa.array(np.asarray(ids, np.int64)))

    def totals(self, day: int) -> list[Total]:
        return [
            Total("procedure.count", PROCEDURES, "procedure", "catalogue of the province, 2025", exact=True),
            Total(
                "procedure.fully_online", int((self.mode == 0).sum()), "procedure", "weekly report, 2025", exact=True
            ),
            Total(
                "procedure.of_communes", int((self.level > 0).sum()), "procedure", "list of a commune, 2025", exact=True
            ),
            Total("procedure.decided_in_time", int(self.decided_in_time.sum()), "procedure"),
        ]


class ProcedureLocal(Table):
    """The codes the joined systems use: every procedure in each of them, then what is in no national list."""

    name = "procedure_local"
    key = ("system", "local_code")
    doc = "One row a system and code used in it; does not shrink with the scale"
    columns = {
        "system": "BN, BG: the system of the former province",
        "local_code": "code in that system",
        "local_name": "name there",
        "procedure": "id of the procedure it really is; null: it is in no national list",
        "national_code": "national code according to the system's own mapping table; null: unmapped",
    }

    def count(self, day: int) -> int:
        return 2 * PROCEDURES + len(LOCAL_ONLY)

    def touched(self, day: int) -> Ints:
        return np.arange(0, dtype=np.int64)

    @cached_property
    def unmapped(self) -> Bools:
        """By id: the mapping table is silent. Never of a procedure known by name, always of what is local only."""
        ids = np.arange(self.count(0))
        share = np.where(ids < PROCEDURES, UNMAPPED["BN"], UNMAPPED["BG"])
        drawn = self.chance.happens("procedure_local.unmapped", ids, share) & (ids % PROCEDURES >= len(KNOWN))
        return np.asarray(drawn | (ids >= 2 * PROCEDURES))

    @cached_property
    def codes(self) -> list[str]:
        """Local codes by id: the national one with the tail of the agency, as it is, or of the list before 2018."""
        procedure: Procedure = self.province.table("procedure")
        every = np.arange(PROCEDURES)
        old = numbered("T-BGI-{:06d}-TT", 270_000 + spread(every, 9_000, factor=1_007, start=77)).to_pylist()
        plain = self.chance.uniform("procedure_local.form", np.arange(2 * PROCEDURES))
        found = [c if plain[i] < 0.6 else f"{c}.000.00.00.H05" for i, c in enumerate(procedure.codes)]
        found += [
            f"{c}.000.00.00.H02" if plain[PROCEDURES + i] < 0.8 or i < len(KNOWN) else old[i]
            for i, c in enumerate(procedure.codes)
        ]
        return found + [code for code, _ in LOCAL_ONLY]

    @cached_property
    def _whole(self) -> Any:
        procedure: Procedure = self.province.table("procedure")
        count, ids = self.count(0), np.arange(self.count(0))
        known = ids < 2 * PROCEDURES
        place = np.where(known, ids % PROCEDURES, 0)
        local = [code.endswith("H02") for code, _ in LOCAL_ONLY]
        system = np.concatenate([np.repeat([0, 1], PROCEDURES), np.array(local, np.int64)])
        return pa.table(
            {
                "id": np.arange(count, dtype=np.int64),
                "system": words(SYSTEMS, system),
                "local_code": pa.array(self.codes),
                "local_name": pa.array([*procedure.names, *procedure.names, *(name for _, name in LOCAL_ONLY)]),
                "procedure": pa.array(place.astype(np.int64), mask=~known),
                "national_code": words(procedure.codes, place, ~self.unmapped),
            }
        )

    def rows(self, ids: Ids, day: int) -> Any:
        return self._whole.take(pa.array(np.asarray(ids, np.int64)))

    def totals(self, day: int) -> list[Total]:
        return [
            Total("procedure_local.count", self.count(day), "code"),
            Total("procedure_local.unmapped", int(self.unmapped.sum()), "code"),
        ]

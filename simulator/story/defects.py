"""The planted defects: which record is wrong in what, from which night until which, and who must notice.

Belongs here: the list of defects, as data. Stays out: laying them over the records (`nights`).

A defect of stage `contract` breaks a rule of its dataset's contract and must be quarantined at landing; one of stage
`warehouse` keeps its contract and must be refused by the gate of its subject; `copy` is an identical second copy, which
is no defect but must be counted.

| night | dataset | what |
|---|---|---|
| 1 | education.school | two pupil counts in words; an identical copy; two conflicting rows; a row without its code |
| 1 | health.facility / licence | a commune code of four digits / an unknown status, a personal number of five digits |
| 1 | enterprise | unknown legal form, capital in words, impossible date |
| 2 | education.school | a pupil count in words, a commune code without its zero, a new school of unknown level |
| 2 | education.school | (at the gate) seven communes that never existed |
| 2 | health.facility | (agency down: seen on night 3) beds below zero; a name lost and found again unseen |
| 2 | enterprise | commune code of three digits, name lost, a new one of unknown status |
| 3 | health, enterprise | unknown ownership, date of issue lost, a yes that is no boolean; education is right again |
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Literal

from simulator.story import datasets as ds

Rule = Literal["required", "type", "pattern", "allowed", "minimum", "conflict", "copy", "unknown_commune"]
Stage = Literal["contract", "warehouse", "copy"]
Key = tuple[str, ...]
Tables = dict[str, dict[Key, dict[str, Any]]]
FOREVER = 99

# Cursor feeds and the column that moves with every change.
STAMPS = {ds.FACILITY.id: "updated_at", ds.LICENCE.id: "updated_at", ds.ENTERPRISE.id: "changed_at"}


@dataclass(frozen=True)
class Dirt:
    """One planted defect.

    key: the key as delivered, None when the row has lost it. record: the key in reality.
    column, value: what stands wrong where; for the first row of a conflicting pair value is None (it stands as it is).
    since, until: first and last night on which the agency's list says so.
    """

    dataset: str
    key: Key | None
    column: str | None
    rule: Rule
    stage: Stage
    since: int
    until: int
    record: Key
    value: Any = None

    @property
    def breaks_contract(self) -> bool:
        """True when landing must quarantine the row."""
        return self.stage == "contract"


# (dataset, which records, column, value, rule, last night)
_Plan = tuple[str, Literal["any", "new", "unlicensed"], str, Any, Rule, int]
_PLANS: dict[int, tuple[_Plan, ...]] = {
    1: (
        (ds.SCHOOL.id, "any", "pupil_count", "khoảng 300", "type", 1),
        (ds.SCHOOL.id, "any", "pupil_count", "khoảng 450", "type", 1),
        (ds.SCHOOL.id, "any", "school_code", None, "required", 1),
        (ds.FACILITY.id, "unlicensed", "commune_code", "7243", "pattern", 1),
        (ds.LICENCE.id, "any", "status", "HET_HAN", "allowed", FOREVER),
        (ds.LICENCE.id, "any", "responsible_id", "09712", "pattern", 2),
        (ds.ENTERPRISE.id, "any", "legal_form", "TNHH3", "allowed", 2),
        (ds.ENTERPRISE.id, "any", "charter_capital_vnd", "1,5 tỷ", "type", FOREVER),
        (ds.ENTERPRISE.id, "any", "registered_at", "20199931000000", "type", 1),
    ),
    2: (
        (ds.SCHOOL.id, "any", "pupil_count", "chưa báo cáo", "type", 2),
        (ds.SCHOOL.id, "any", "commune_code", 7243, "pattern", 2),
        (ds.SCHOOL.id, "new", "level", "THCS_THPT", "allowed", 2),
        *((ds.SCHOOL.id, "any", "commune_code", f"99{n:03d}", "unknown_commune", 2) for n in range(1, 8)),
        (ds.FACILITY.id, "any", "bed_count", -5, "minimum", FOREVER),
        (ds.FACILITY.id, "any", "facility_name", None, "required", 2),
        (ds.ENTERPRISE.id, "any", "commune_code", "244", "pattern", 2),
        (ds.ENTERPRISE.id, "any", "name_vi", None, "required", FOREVER),
        (ds.ENTERPRISE.id, "new", "status", "DANG_HOAT_DONG", "allowed", FOREVER),
    ),
    3: (
        (ds.FACILITY.id, "any", "ownership", "LIEN_DOANH", "allowed", FOREVER),
        (ds.LICENCE.id, "any", "issued_on", None, "required", FOREVER),
        (ds.ENTERPRISE.id, "any", "is_fdi", "Có", "type", FOREVER),
    ),
}


def plant(
    night: int, reality: Tables, rng: random.Random, born: dict[str, list[Key]], avoid: set[tuple[str, Key]]
) -> list[Dirt]:
    """The defects that begin on a night, each on a record of its own.

    `born`: keys new this night. `avoid`: (dataset, key) of records that must be left alone: those already spoilt and
    those stamped with the night's last moment. Enterprises with branches are left alone too, so that no branch loses
    its parent.
    """
    taken = set(avoid)
    licensed = {row["facility_code"] for row in reality[ds.LICENCE.id].values()}
    parents = {key[0][:10] for key in reality[ds.ENTERPRISE.id] if "-" in key[0]}

    def choose(dataset: str, which: str) -> Key:
        fresh = set(born.get(dataset, ()))
        candidates = [
            key
            for key in reality[dataset]
            if (dataset, key) not in taken
            and (key in fresh) == (which == "new")
            and (which != "unlicensed" or key[0] not in licensed)
            and key[0] not in parents
        ]
        key = rng.choice(candidates)
        taken.add((dataset, key))
        return key

    planted = []
    for dataset, which, column, value, rule, until in _PLANS.get(night, ()):
        record = choose(dataset, which)
        key = None if column in ds.DATASETS[dataset].key else record
        stage: Stage = "warehouse" if rule == "unknown_commune" else "contract"
        planted.append(Dirt(dataset, key, column, rule, stage, night, until, record, value))
    if night == 1:
        planted += _twice(reality, choose(ds.SCHOOL.id, "any"), choose(ds.SCHOOL.id, "any"))
    return planted


def _twice(reality: Tables, same: Key, other: Key) -> list[Dirt]:
    """One school listed twice alike, one listed twice with different numbers of pupils."""
    pupils = reality[ds.SCHOOL.id][other]["pupil_count"]
    return [
        Dirt(ds.SCHOOL.id, same, None, "copy", "copy", 1, 1, same),
        Dirt(ds.SCHOOL.id, other, "pupil_count", "conflict", "contract", 1, 1, other),
        Dirt(ds.SCHOOL.id, other, "pupil_count", "conflict", "contract", 1, 1, other, pupils + 41),
    ]

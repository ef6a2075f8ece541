"""The people: who lives where and with whom, who is born, dies and moves.

Belongs here: `People`, which every other domain draws its persons from. Stays out: their registers (`registers`), all
dirt.

Persons lie in the order of their households and households in that of their places. Ids from 0: those alive on day 0,
then those who died in the 30 days up to it, then the newborn of each day after it.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from simulator import identifiers, names
from simulator.chance import Bools, Ids, Ints
from simulator.scale import POPULATION, split
from simulator.table import DAY0, FLOW_DAYS, Arrivals, joined, padded, to_date32, words

if TYPE_CHECKING:
    from simulator.table import Province

BIRTHS_A_YEAR, DEATHS_A_YEAR, MOVES_A_YEAR = 50_000, 22_000, 290_000  # derived from rates of the region
HEAD, SPOUSE, CHILD, GRANDPARENT = range(4)
_SIZES = (0.09, 0.17, 0.20, 0.28, 0.15, 0.08, 0.03)  # households of one to seven; on average 3.6
_UNDER_3, _FROM_3_TO_17 = (
    50_000,
    62_100,
)  # of each year of age: the second holds the pupils of 15 cohorts and a few more
_DEATHS_KNOWN = 1500  # days for which the order of deaths is fixed
ETHNIC = ("Kinh", "Tày", "Nùng", "Sán Dìu", "Sán Chay", "Hoa", "Dao")
_ETHNIC_DELTA = (0.985, 0.005, 0.005, 0.001, 0.001, 0.002, 0.001)
_ETHNIC_HILLS = (0.62, 0.10, 0.14, 0.06, 0.05, 0.01, 0.02)
_HILLS = ("215", "218", "219", "220")  # Yên Thế, Lục Nam, Lục Ngạn, Sơn Động


class People:
    """All persons as arrays by id (see the module for their order). Days are numbers: 0 is `DAY0`."""

    def __init__(self, province: Province) -> None:
        self.province = province
        self.chance, self.geo, self.scale = province.chance, province.geo, province.scale
        self.at_day0 = self.scale.of(POPULATION)
        factor = self.scale.factor
        self._births = Arrivals(BIRTHS_A_YEAR * factor / 365, 1, weekend=1.0)
        self._deaths = Arrivals(DEATHS_A_YEAR * factor / 365, 1 - FLOW_DAYS, weekend=1.0)
        self._moves = Arrivals(MOVES_A_YEAR * factor / 365, 1, weekend=0.3)
        self.lost = self._deaths.through(0)
        self.stock = self.at_day0 + self.lost
        self._settle()

    def _settle(self) -> None:
        """Households, then their members with sex and age, so that parents are older than their children."""
        chance, total = self.chance, self.at_day0
        drawn = np.arange(total // 3 + 100)
        sizes = 1 + chance.pick("household.size", drawn, _SIZES)
        drawn_household = np.repeat(drawn, sizes)[:total]
        bounds = np.cumsum(split(total, self.geo.weight))
        place = np.searchsorted(bounds, np.arange(total), side="right")
        first = np.ones(total, np.bool_)
        first[1:] = (drawn_household[1:] != drawn_household[:-1]) | (place[1:] != place[:-1])
        household = np.cumsum(first) - 1
        head = np.flatnonzero(first)[household]
        position = np.arange(total) - head
        size = np.bincount(household)
        self.household_count = len(size)
        role = self._roles(household, position, size)
        self.male = self._sexes(role, head)
        age_days = self._ages(role, household, head)
        self.born: npt.NDArray[np.int32] = -age_days.astype(np.int32)
        self.place: npt.NDArray[np.int16] = place.astype(np.int16)
        self.household: npt.NDArray[np.int32] = household.astype(np.int32)
        self.head: npt.NDArray[np.int32] = head.astype(np.int32)
        self.role: npt.NDArray[np.int8] = role.astype(np.int8)
        self._bury()

    def _roles(self, household: Ints, position: Ints, size: Ints) -> Ints:
        ids = np.arange(len(household))
        of_size = size[household]
        role = np.where(position == 0, HEAD, CHILD)
        single = self.chance.happens("household.single", household, 0.16)
        role[(position == 1) & ~single] = SPOUSE
        old = self.chance.happens("household.three_generations", household, 0.6)
        role[(of_size >= 5) & old & (position == of_size - 1) & (position >= 3)] = GRANDPARENT
        assert len(ids) == len(role)
        return role

    def _sexes(self, role: Ints, head: Ints) -> Bools:
        ids = np.arange(len(role))
        head_male = self.chance.happens("person.head_male", head, 0.76)
        male = self.chance.happens("person.male", ids, 0.524)  # of children; the surplus of boys of the region
        male = np.where(role == HEAD, head_male, male)
        male = np.where(role == SPOUSE, ~head_male, male)
        return np.asarray(np.where(role == GRANDPARENT, self.chance.happens("person.old_male", ids, 0.35), male))

    def _ages(self, role: Ints, household: Ints, head: Ints) -> Ints:
        """Ages in days at day 0. Places of children are dealt the ages of minors first, the rest are grown up."""
        chance, ids = self.chance, np.arange(len(role))
        slots = np.flatnonzero(role == CHILD)
        minors = np.array([_UNDER_3] * 3 + [_FROM_3_TO_17] * 15)
        wanted = split(self.scale.of(int(minors.sum())), minors)
        order = slots[np.argsort(chance.bits("person.slot", slots), kind="stable")]
        years = np.repeat(np.arange(18), wanted)[: len(order)]
        grown = 18 + chance.integer("person.grown", order[len(years) :], 0, 11)
        age = np.zeros(len(role), np.int64)
        age[order] = np.concatenate([years, grown])
        eldest = np.full(int(household[-1]) + 1, -1)
        np.maximum.at(eldest, household[slots], age[slots])
        with_child = eldest[household] >= 0
        alone = 24 + np.abs(chance.normal("person.head_age", household) * 21 + 26).astype(np.int64)
        parent = eldest[household] + chance.integer("person.parent_age", household, 21, 33)
        head_age = np.where(with_child, parent, np.minimum(alone, 92))
        age = np.where(role == HEAD, head_age, age)
        beside = np.maximum(head_age + chance.integer("person.spouse_age", ids, -4, 3), 20)
        age = np.where(role == SPOUSE, np.where(with_child, np.maximum(beside, eldest[household] + 19), beside), age)
        age = np.where(role == GRANDPARENT, head_age + chance.integer("person.old_age", ids, 21, 31), age)
        return (age * 1461) // 4 + chance.integer("person.birthday", ids, 0, 364)

    def _bury(self) -> None:
        """Those who died in the days up to day 0 stand behind the living; they had lived in one of their households."""
        dead = np.arange(self.at_day0, self.stock)
        beside = self.chance.integer("person.dead_beside", dead, 0, self.at_day0 - 1)
        age = self.chance.integer("person.dead_age", dead, 61 * 365, 96 * 365)
        self.male = np.concatenate([self.male, self.chance.happens("person.dead_male", dead, 0.53)])
        self.born = np.concatenate([self.born, -age.astype(np.int32)])
        self.role = np.concatenate([self.role, np.full(self.lost, GRANDPARENT, np.int8)])
        for name in ("place", "household", "head"):
            array = getattr(self, name)
            setattr(self, name, np.concatenate([array, array[beside]]))

    # -- who there is ------------------------------------------------------------------------------------------------

    def count(self, day: int) -> int:
        """How many persons were ever known by the end of a day."""
        return self.stock + self._births.through(day)

    def newborn(self, day: int) -> Ints:
        """Ids of those born on a day, from day -29 on."""
        if day > 0:
            return self.stock + self._births.ids(day)
        return np.flatnonzero(self.born[: self.at_day0] == day).astype(np.int64)

    def deceased(self, day: int) -> Ints:
        """Ids of those who died on a day, from day -29 on."""
        numbers = self._deaths.ids(day)
        return self.at_day0 + numbers if day <= 0 else self._death_order[numbers - self.lost]

    @cached_property
    def _death_order(self) -> Ints:
        """Who dies next, next and next: the old sooner than the young (Gompertz: the risk doubles in eight years)."""
        most = min(self._deaths.through(_DEATHS_KNOWN) - self.lost, self.at_day0)
        ids = np.arange(self.at_day0)
        risk = 0.00004 * np.exp2(-self.born[: self.at_day0] / 365.25 / 8.0) + 0.0002
        waiting = -np.log1p(-self.chance.uniform("person.death", ids)) / risk
        first = np.argpartition(waiting, most - 1)[:most]
        return first[np.argsort(waiting[first], kind="stable")].astype(np.int64)

    @cached_property
    def _death_days(self) -> npt.NDArray[np.int32]:
        days = np.full(self.stock, 1 << 30, np.int32)
        days[self.at_day0 :] = self._deaths.days(np.arange(self.lost), 0)
        numbers = self.lost + np.arange(len(self._death_order))
        days[self._death_order] = self._deaths.days(numbers, _DEATHS_KNOWN)
        return days

    def died_on(self, ids: Ids) -> Ints:
        """The day each dies on; 2**30 for those of whom no death is known."""
        ids = np.asarray(ids)
        return np.where(ids < self.stock, self._death_days[np.minimum(ids, self.stock - 1)], 1 << 30).astype(np.int64)

    def alive(self, ids: Ids, day: int) -> Bools:
        """Born and not dead at the end of a day."""
        return np.asarray((self.died_on(ids) > day) & (np.asarray(ids) < self.count(day)))

    def mother(self, ids: Ids) -> Ints:
        """The mother of those born after day 0: a woman of 20 to 40."""
        return self.pick_from(self._mothers, "person.mother", ids)

    @cached_property
    def _mothers(self) -> Ints:
        ids = self.aged(20, 40)
        return ids[~self.male[ids]]

    def _base(self, ids: Ids) -> tuple[Ints, Bools]:
        """Where to look a person up in the arrays: the mother for those born since; and which those are."""
        ids = np.asarray(ids, np.int64)
        later = ids >= self.stock
        if not later.any():
            return ids, later
        found = ids.copy()
        found[later] = self.mother(ids[later])
        return found, later

    def born_on(self, ids: Ids) -> Ints:
        """The day of birth."""
        ids = np.asarray(ids, np.int64)
        later = ids >= self.stock
        days = self.born[np.minimum(ids, self.stock - 1)].astype(np.int64)
        if later.any():
            last = 1
            while self.stock + self._births.through(last) <= int(ids.max()):
                last += 30
            days[later] = self._births.days(ids[later] - self.stock, last)
        return days

    def is_male(self, ids: Ids) -> Bools:
        """True for men and boys."""
        ids = np.asarray(ids, np.int64)
        drawn = self.chance.happens("person.male_later", ids, 0.524)
        return np.asarray(np.where(ids >= self.stock, drawn, self.male[np.minimum(ids, self.stock - 1)]))

    def household_of(self, ids: Ids, day: int) -> Ints:
        """The number of the household; who moves founds a new one."""
        found, later = self._base(ids)
        moved = np.where(later, -1, self._moved(day)[0][found])  # children stay where they were born
        return np.where(moved >= 0, self.household_count + moved, self.household[found]).astype(np.int64)

    def head_of(self, ids: Ids) -> Ints:
        """The head of the household each belonged to on day 0."""
        return self.head[self._base(ids)[0]].astype(np.int64)

    def place_at(self, ids: Ids, day: int) -> Ints:
        """Where each lives at the end of a day."""
        found, later = self._base(ids)
        return np.where(later, self.place[found], self._moved(day)[1][found]).astype(np.int64)

    def movers(self, day: int) -> Ints:
        """Ids of those who move on a day (from day 1 on); somebody dead or drawn twice does not."""
        numbers = self._moves.ids(day)
        drawn = np.unique(self.chance.integer("person.mover", numbers, 0, self.at_day0 - 1))
        return drawn[self.alive(drawn, day)]

    @lru_cache(maxsize=3)  # noqa: B019 (one province lives as long as its people)
    def _moved(self, day: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int16]]:
        """For everybody of the stock: the number of the last move (-1: none) and the place."""
        move, place = np.full(self.stock, -1, np.int32), self.place.copy()
        for each in range(1, day + 1):
            ids = self.movers(each)
            start = self._moves.through(each - 1)
            move[ids] = start + np.arange(len(ids))
            place[ids] = self.geo.town_places(self.chance, "person.moved_to", start + np.arange(len(ids)))
        return move, place

    # -- choosing persons --------------------------------------------------------------------------------------------

    def aged(self, low: int, high: int) -> Ints:
        """Ids of the living who are `low` to `high` years old on day 0, both included."""
        years = -self.born[: self.at_day0] * 4 // 1461
        return np.flatnonzero((years >= low) & (years <= high)).astype(np.int64)

    @cached_property
    def adults(self) -> Ints:
        """Ids of those of age on day 0."""
        return self.aged(18, 120)

    def pick_from(self, pool: Ids, name: str, ids: Ids) -> Ints:
        """One of a pool for each id, each as likely."""
        return np.asarray(pool)[self.chance.integer(name, ids, 0, len(pool) - 1)].astype(np.int64)

    def pick_adults(self, name: str, ids: Ids) -> Ints:
        """One adult for each id."""
        return self.pick_from(self.adults, name, ids)

    # -- what is written about them ----------------------------------------------------------------------------------

    def surname(self, ids: Ids) -> Ints:
        """Index into `names.SURNAMES`: children bear the father's."""
        found, later = self._base(ids)
        child = (self.role[found] == CHILD) | later
        head = self.head[found].astype(np.int64)
        spouse = np.minimum(head + 1, self.stock - 1)
        father = np.where(self.male[head] | (self.role[spouse] != SPOUSE), head, spouse)
        return names.surnames(self.chance, "person", np.where(child, father, found))

    def names(self, ids: Ids) -> Any:
        """Full names, NFC."""
        return names.full_names(self.chance, "person", np.asarray(ids), self.is_male(ids), self.surname(ids))

    def birth_years(self, ids: Ids) -> Ints:
        """Calendar years of birth."""
        days = (self.born_on(ids) + (DAY0.toordinal() - 719_163)).astype("datetime64[D]")
        return days.astype("datetime64[Y]").astype(np.int64) + 1970

    @cached_property
    def _ranks(self) -> npt.NDArray[np.int32]:
        """The number of each among those of the same sex and year of birth."""
        ids = np.arange(self.stock)
        group = self.birth_years(ids) * 2 + self.male
        order = np.argsort(group, kind="stable")
        starts = np.flatnonzero(np.diff(group[order], prepend=-1))
        ranks = np.empty(self.stock, np.int32)
        ranks[order] = ids - np.repeat(starts, np.diff(np.append(starts, self.stock)))
        return ranks

    def personal_ids(self, ids: Ids) -> Any:
        """Twelve digits: nobody shares one."""
        ids = np.asarray(ids, np.int64)
        later = 200_000 + ids - self.stock  # no year of birth has so many of one sex
        ranks = np.where(ids < self.stock, self._ranks[np.minimum(ids, self.stock - 1)], later)
        return identifiers.personal_ids(ranks, self.birth_years(ids), self.is_male(ids))

    def cmnd(self, ids: Ids) -> Any:
        """Number of the old identity card."""
        return identifiers.old_cards(ids)

    def phones(self, ids: Ids) -> Any:
        """Land lines."""
        found, _ = self._base(ids)
        return identifiers.phones(
            self.chance.integer("person.phone", ids, 0, 999_999), self.geo.old_province[self.place[found]]
        )

    def addresses(self, ids: Ids, day: int, epoch: int | None = None) -> Any:
        """House, village, commune as one writes it on that day (or in an epoch)."""
        places = self.place_at(ids, day)
        which = int(self.geo.epoch(places[:1], day)[0]) if epoch is None and len(places) else epoch or 2
        house = padded(self.chance.integer("person.house", ids, 1, 480), 0)
        return joined(
            "Số nhà ", house, ", ", words(list(self.geo.village), places), ", ", words(self.geo.name_in(which), places)
        )

    def sex(self, ids: Ids) -> Any:
        """Nam or Nữ."""
        return words(("Nữ", "Nam"), self.is_male(ids).astype(np.int64))

    def birth_dates(self, ids: Ids) -> Any:
        """Dates of birth."""
        return to_date32(self.born_on(ids))

    def ethnic(self, ids: Ids) -> Any:
        """Ethnic group; a household has one."""
        found, _ = self._base(ids)
        households = self.household[found]
        hills = np.isin(self.geo.district[self.place[found]], _HILLS)
        picked = np.where(
            hills,
            self.chance.pick("household.ethnic", households, _ETHNIC_HILLS),
            self.chance.pick("household.ethnic", households, _ETHNIC_DELTA),
        )
        return words(ETHNIC, picked)

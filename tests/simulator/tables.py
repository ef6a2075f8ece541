"""What every table of the truth must keep: pure functions of seed, scale, day and id."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow.compute as pc

from simulator.table import Province


def check_table(name: str, scale: float = 0.01, days: Sequence[int] = (0, 1, 2), most: int = 20_000) -> None:
    """Same seed, same rows, in any batch and any order of asking; a row changes only on a day that names it."""
    first, again = Province(24, scale), Province(24, scale)
    table, other = first.table(name), again.table(name)
    assert table.rows(np.arange(0), days[0]).column_names[0] == "id"
    for day in reversed(days):  # the other is asked backwards
        other.rows(np.arange(min(other.count(day), 10)), day)
    for day in days:
        count = table.count(day)
        assert count == other.count(day) > 0
        step = max(1, count // most)
        ids = np.arange(0, count, step, dtype=np.int64)
        rows = table.rows(ids, day)
        assert rows.column_names == ["id", *table.columns], name
        assert pc.all(pc.equal(rows["id"], ids)).as_py() is not False
        shuffled = first.chance.permutation("test", len(ids))
        assert other.rows(ids[shuffled], day).equals(rows.take(shuffled)), f"{name}: batching or history matters"
        if day > days[0]:
            before = table.count(day - 1)
            assert before <= count
            old = ids[ids < before]
            touched = table.touched(day)
            assert np.all(np.diff(touched) > 0) and (not len(touched) or touched[-1] < count)
            assert set(range(before, count)) <= set(touched.tolist())
            now, then = table.rows(old, day), table.rows(old, day - 1)
            same = np.ones(len(old), bool)
            for column in now.column_names:
                equal = pc.equal(now[column], then[column])
                both_null = pc.and_(pc.is_null(now[column]), pc.is_null(then[column]))
                same &= pc.fill_null(pc.or_kleene(pc.fill_null(equal, False), both_null), False).to_numpy()
            untold = set(old[~same].tolist()) - set(touched.tolist())
            assert not untold, f"{name}: {len(untold)} rows changed on day {day} without being touched"
    keyed = [table.rows(np.arange(min(table.count(days[-1]), 5000)), days[-1])[k].to_pylist() for k in table.key]
    keys = list(zip(*keyed, strict=True))
    assert len(set(keys)) == len(keys), f"{name}: keys are not unique"

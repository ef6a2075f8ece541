"""Chance without a state: a value drawn is a pure function of the seed, the name of the draw and the id it is drawn for.

Belongs here: bits, and the few distributions made of them. Stays out: what is drawn.

So a record comes out the same in whatever batch it is asked for, a day the same whatever day ran before it, and more of
one thing changes nothing of another. Names are written `<table>.<column>`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[Any]  # of integers
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Chance:
    """The chance of one province; all methods take an array of ids and answer in its order and length."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def bits(self, name: str, ids: Ids) -> npt.NDArray[np.uint64]:
        """64 independent bits for each id (SplitMix64 over a keyed stream)."""
        key = hashlib.blake2b(f"{self.seed}:{name}".encode(), digest_size=8).digest()
        with np.errstate(over="ignore"):
            x = np.asarray(ids).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(
                int.from_bytes(key, "big")
            )
            for _ in range(2):  # two rounds, so that neighbouring streams cannot be seen to be shifted copies
                x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                x ^= x >> np.uint64(31)
        return x

    def uniform(self, name: str, ids: Ids) -> Floats:
        """In [0, 1)."""
        return (self.bits(name, ids) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def integer(self, name: str, ids: Ids, low: int | Ids, high: int | Ids) -> Ints:
        """Whole numbers from `low` to `high`, both included; each may be one for all or one for each id."""
        first = np.asarray(low, np.int64)
        spread = np.asarray(high, np.int64) - first + 1
        return np.asarray(first + np.floor(self.uniform(name, ids) * spread), np.int64)

    def pick(self, name: str, ids: Ids, weights: Sequence[float] | Floats) -> Ints:
        """An index into `weights`, as often as they say."""
        sums = np.cumsum(np.asarray(weights, np.float64))
        return np.asarray(np.searchsorted(sums, self.uniform(name, ids) * sums[-1], side="right"), np.int64)

    def happens(self, name: str, ids: Ids, share: float | Floats) -> Bools:
        """True for about this share of them."""
        return np.asarray(self.uniform(name, ids) < share, np.bool_)

    def normal(self, name: str, ids: Ids) -> Floats:
        """Mean 0, deviation 1 (Box and Muller)."""
        radius = np.sqrt(-2.0 * np.log1p(-self.uniform(f"{name}/r", ids)))
        return np.asarray(radius * np.cos(2.0 * np.pi * self.uniform(f"{name}/a", ids)), np.float64)

    def permutation(self, name: str, count: int) -> Ints:
        """The numbers from 0 to count - 1 in a random order."""
        return np.argsort(self.bits(name, np.arange(count)), kind="stable").astype(np.int64)

"""The programme of `extract_interactions` on some masks only, with columns made as they are needed.

All 2^n AND and 2^n OR functions are columns of one linear programme with a row for each measured
mask. A master programme holds a few of them; two transforms of its multipliers price all others,
and those that would lower the cost enter. Multipliers divided by their largest violation over all
columns certify a lower bound.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from sim.cores import Errand
from sim.extraction._interior import interior_point
from theory.lattice import zeta

PENALTY, STIFFER = 4.0, 8.0  # of what a row leaves uncovered, where an interaction costs 1
ROUNDS = 50
AT_ONCE = 300  # columns that enter in a round
HASTE = 0.1  # gap of a master programme, relative to that over all columns
FINEST = 1e-7  # gap of a master programme: rounding allows no less
IDLE, EARLY = 0.5, 5  # columns that earn less than this share of their cost leave in early rounds
SLIGHT = 1e-6  # interactions of this share of max |v| are none


class Columns(NamedTuple):
    """AND and OR functions, by their sets."""

    sets: np.ndarray  # (columns,)
    is_or: np.ndarray  # bool (columns,)

    def on(self, masks: np.ndarray) -> np.ndarray:
        """Their values 0 and 1 on masks, (masks, columns)."""
        met = masks[:, None] & self.sets
        return np.where(self.is_or, met != 0, met == self.sets).astype(np.float64)

    def of(self, table: np.ndarray) -> np.ndarray:
        """Their entries in a table (2, 2^n) of AND and OR."""
        return table[self.is_or.astype(int), self.sets]

    def at(self, index: np.ndarray) -> Columns:
        return Columns(self.sets[index], self.is_or[index])

    def join(self, other: Columns) -> Columns:
        """Both, each column once."""
        both = Columns(*(np.concatenate(parts) for parts in zip(self, other, strict=True)))
        _, first = np.unique(2 * both.sets + both.is_or, return_index=True)
        return both.at(np.sort(first))


@dataclasses.dataclass(frozen=True)
class Programme:
    """One sample in normalised units: v(∅) = 0, and max |v| = 1."""

    n: int
    masks: np.ndarray  # (rows,) without ∅
    v: np.ndarray  # (rows,)
    bound: float
    most: int  # columns that a master programme may hold


class Outcome(NamedTuple):
    """What column generation has come to."""

    columns: Columns
    x: np.ndarray  # (columns,)
    upper: float  # the cost of x
    lower: float  # what the multipliers certify over all columns


def lowest(n: int) -> Columns:
    """Single players, under AND, and all pairs."""
    players = 2 ** np.arange(n)
    first, second = np.triu_indices(n, 1)
    pairs = players[first] + players[second]
    is_or = np.repeat([False, True], [n + len(pairs), len(pairs)])
    return Columns(np.concatenate([players, pairs, pairs]), is_or)


def prices(n: int, masks: np.ndarray, m: np.ndarray) -> np.ndarray:
    """What multipliers pay for a unit of every AND and OR interaction, (2, 2^n): Aᵀm."""
    on_sets = np.zeros(2**n)
    on_sets[masks] = m
    inside, around = np.asarray(zeta(np.stack([on_sets, on_sets[::-1]])))
    paid = np.stack([around[::-1], m.sum() - inside[::-1]])  # Σ_{S⊇T} and Σ_{S∩T≠∅}
    paid[:, 0] = 0.0
    return paid


def generate(
    programme: Programme, costs: np.ndarray, columns: Columns, tolerance: float, errand: Errand
) -> Outcome:
    """Lets columns enter until the gap over all of them is within the tolerance.

    Args:
        programme: what is to be explained.
        costs: (2, 2^n), above 0: of a unit of every AND and OR interaction; ∅ plays no part.
        columns: to begin with.
        tolerance: relative gap.
        errand: asked now and then whether anybody still waits.
    """
    masks, v, bound = programme.masks, programme.v, programme.bound
    if np.abs(v).max() <= bound:  # nothing is to be explained
        return Outcome(columns, np.zeros(len(columns.sets)), 0.0, 0.0)
    penalty, gap, lower, wanted = PENALTY, 1.0, 0.0, HASTE
    for turn in range(ROUNDS):
        errand.check()
        held = columns
        a, cost = columns.on(masks), columns.of(costs)
        x, m, value = interior_point(a, v, bound, cost, penalty, wanted)
        paid = np.abs(prices(programme.n, masks, m)) / costs
        worst = max(1.0, float(paid.max()))
        lower = max(lower, float(m @ v - bound * np.abs(m).sum()) / worst)
        upper = float(cost @ np.abs(x))
        gap = (value - lower) / value
        if gap <= tolerance:
            if value - upper <= tolerance * value:
                break
            penalty *= STIFFER  # it was cheaper to leave some of a row uncovered
        settled = worst <= 1.0 + wanted
        wanted = max(min(HASTE * wanted if settled else wanted, HASTE * gap), FINEST)
        if worst > 1.0:
            entering = _paying(paid, costs, min(AT_ONCE, programme.most // 3))
            best = np.argsort(-columns.of(paid))[: programme.most - len(entering.sets)]
            idle = IDLE if turn < EARLY else 0.0  # later on, those that leave would come back
            columns = columns.at(best[columns.of(paid)[best] > idle]).join(entering)
    return Outcome(held, x, upper, lower)


def _paying(paid: np.ndarray, costs: np.ndarray, count: int) -> Columns:
    """Columns that would lower the cost, those that are paid for best; of equals the cheapest.

    Columns that no mask tells apart are paid for equally, so that one of them is enough.
    """
    size = paid.shape[1]
    flat = paid.ravel()
    good = np.flatnonzero(flat > 1.0 + 1e-9)
    if len(good) > 20 * count:
        good = good[np.argpartition(-flat[good], 20 * count)[: 20 * count]]
    level = np.round(flat[good], 9)
    good = good[np.lexsort((np.bitwise_count(good % size), costs.ravel()[good], -level))]
    _, first = np.unique(np.round(flat[good], 9), return_index=True)
    good = good[np.sort(first)[:count]]
    return Columns(good % size, good >= size)


def polished(
    programme: Programme, costs: np.ndarray, outcome: Outcome
) -> tuple[Columns, np.ndarray]:
    """The answer without interactions that are none, solved again so that no row suffers."""
    columns, x = outcome.columns, outcome.x
    for _ in range(3):
        keep = np.abs(x) > SLIGHT
        columns, x = columns.at(keep), x[keep]
        if keep.all() or not keep.any():
            break
        a, cost = columns.on(programme.masks), columns.of(costs)
        x = interior_point(a, programme.v, programme.bound, cost, 1e3, FINEST).x
    return columns, x

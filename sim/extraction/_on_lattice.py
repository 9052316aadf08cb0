"""Extraction from some masks on the lattice of all subsets.

The programme on some masks is the one on all of them with a box for δ that has no bound where
nothing was measured. A few steps in single precision say, sooner than prices do, which interactions
are likely to matter; where those are many, all of it is solved here.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from sim.cores import Errand
from sim.extraction._certificate import Costs
from sim.extraction._columns import SLIGHT, Columns, Outcome, Programme, lowest
from sim.extraction._geometry import geometry
from sim.extraction._splitting import box_of, run, sparse, start
from sim.extraction._stages import SINGLE, STEPS, Method, Problem, solve_here

BLOCKS, AT_ONCE = 80, 8  # times STEPS; and between two looks at whether anybody waits
FEWEST, MOST = 11, 16  # players: of fewer, prices are as fast; of more, the lattice is slow
SPARSEST = 100  # times as many sets as masks, beyond which prices are fast
# Masks times the square of the columns, which the time of prices goes with, for each set, which
# that of the lattice goes with. Measured on a digits MLP of 16 players: from 2,048 masks after 60
# epochs 564 columns and 11 s of processor time (the lattice 30), from 4,096 masks after one epoch
# 1,843 columns and 118 s (the lattice 37).
MANY = 30_000
MAX_ITERATIONS = 50_000
FEASIBLE = 1e-6  # of max |v|: what a row may miss


def worth_a_start(n: int, masks: int) -> bool:
    """Whether `likely` takes less time than it saves."""
    return FEWEST <= n <= MOST and SPARSEST * masks >= 2**n


def likely(programme: Programme, costs: np.ndarray, errand: Errand) -> np.ndarray:
    """Columns that are likely to matter, as places in a flat table (2, 2^n); the largest first."""
    v, bound, free = _on_all_sets(programme)
    nought, geo, priced = np.zeros_like(v), geometry(programme.n, SINGLE), _priced(costs, SINGLE)
    lanes = start(geo, v, box_of(v, bound, free), nought, nought, nought)
    for _ in range(0, BLOCKS, AT_ONCE):
        errand.check()
        lanes, *_ = run(geo, priced, lanes, AT_ONCE, STEPS)
    found = np.abs(np.concatenate([np.asarray(part)[0] for part in sparse(geo, priced, lanes)]))
    found[[0, 2**programme.n]] = 0.0
    largest = np.argsort(-found, kind="stable")
    return largest[found[largest] > 0]


def are_many(programme: Programme, columns: int) -> bool:
    """Whether so many columns are better found on the lattice than by prices."""
    return len(programme.masks) * columns**2 > MANY * 2**programme.n


def chosen(programme: Programme, costs: np.ndarray, places: np.ndarray) -> Columns:
    """The largest columns to begin with, at most a third of the most that a master may hold."""
    most = min(programme.most // 3, programme.most - len(lowest(programme.n).sets))
    kept = np.unique(cheapest_alike(programme, costs, places[: max(most, 0)]))
    return Columns(kept % 2**programme.n, kept >= 2**programme.n)


def on_lattice(
    programme: Programme,
    costs: np.ndarray,
    leaning: np.ndarray | None,
    tolerance: float,
    errand: Errand,
) -> Outcome:
    """The whole programme, certified, as far as that many steps come.

    Args:
        programme: what is to be explained.
        costs: (2, 2^n), that the certificate is about.
        leaning: (2, 2^n), costs that choose among equally good answers; None for any of them.
        tolerance: relative gap.
        errand: asked now and then whether anybody still waits.
    """
    size = 2**programme.n
    v, bound, free = _on_all_sets(programme)
    problem = Problem(v, bound, *np.zeros((3, 1, size)))
    even, lean = _priced(costs, v.dtype), None if leaning is None else _priced(leaning, v.dtype)
    method = Method(even, lean, tolerance, MAX_ITERATIONS, lanes=1, free=free)
    answers, _ = solve_here(problem, method, errand)
    x = np.concatenate([np.asarray(answers.i_and)[0], np.asarray(answers.i_or)[0]])
    x[[0, size]] = 0.0
    by = costs if leaning is None else leaning
    alike = cheapest_alike(programme, by, np.arange(2 * size))
    for slight in (SLIGHT, 0.1 * SLIGHT, 0.01 * SLIGHT, 0.0):
        kept = np.flatnonzero(np.abs(x) > slight)
        places, back = np.unique(alike[kept], return_inverse=True)
        columns = Columns(places % size, places >= size)
        values = np.bincount(back, x[kept], len(places))
        if beyond(programme, columns, values) <= FEASIBLE:
            break
    return Outcome(columns, values, float(np.abs(values).sum()), float(answers.lower[0]))


def _on_all_sets(programme: Programme) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outputs (1, 2^n), zero where not known; their bound (1,); which are not known (2^n,)."""
    v, free = np.zeros((1, 2**programme.n)), np.ones(2**programme.n, bool)
    v[0, programme.masks], free[programme.masks] = programme.v, False
    return v, np.array([programme.bound]), free


def beyond(programme: Programme, columns: Columns, x: np.ndarray) -> float:
    """By how much the row that is explained worst misses its bound; below 0 if none does."""
    said = np.zeros(len(programme.masks))
    for first in range(0, len(x), 1000):  # all columns at once may not fit into memory
        some = np.arange(first, min(first + 1000, len(x)))
        said += columns.at(some).on(programme.masks) @ x[some]
    return float(np.abs(programme.v - said).max()) - programme.bound


def cheapest_alike(programme: Programme, costs: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """For each of these columns the cheapest that no mask tells from it, of equals the smallest.

    Args:
        programme: what is to be explained.
        costs: (2, 2^n).
        columns: places in a flat table (2, 2^n) of AND and OR.
    """
    size = 2**programme.n
    costs = costs.copy()
    costs[:, 0] = np.inf  # ∅ is no interaction, though an OR that every mask meets is like it
    on_sets = np.zeros(size, np.uint64)  # sums of random numbers, modulo 2^64, name functions
    drawn = np.random.default_rng(0).integers(0, 2**64, len(programme.masks), np.uint64)
    on_sets[programme.masks] = drawn
    above, below = on_sets.copy(), on_sets
    for player in range(programme.n):
        for sums, into in ((above, 0), (below, 1)):
            pairs = sums.reshape(-1, 2, 2**player)
            pairs[:, into] += pairs[:, 1 - into]
    names = np.concatenate([above, drawn.sum() - below[::-1]])
    order = np.lexsort((np.bitwise_count(np.arange(2 * size) % size), costs.ravel(), names))
    first: np.ndarray = order[np.searchsorted(names[order], names[columns])]
    return first


def _priced(costs: np.ndarray, dtype: jnp.dtype) -> Costs:
    """Costs as the splitting takes them, zero at ∅."""
    return Costs(*(jnp.asarray(np.where(np.arange(len(c)) > 0, c, 0.0), dtype) for c in costs))

"""Columns that `extract_sampled` begins with: few steps of the splitting on the lattice of subsets.

The programme on some masks is the one on all of them with a box for δ that has no bound where
nothing was measured. In single precision and without a certificate it says, sooner than prices do,
which interactions are likely to matter.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from sim.extraction._certificate import Costs
from sim.extraction._columns import Columns, Programme
from sim.extraction._geometry import geometry
from sim.extraction._splitting import run, sparse, start
from sim.extraction._stages import SINGLE, STEPS

BLOCKS = 80  # times STEPS
FEWEST, MOST = 11, 16  # players: of fewer, prices are as fast; of more, the lattice is slow
SPARSEST = 100  # times as many sets as masks, beyond which prices are fast


def worth_a_start(n: int, masks: int) -> bool:
    """Whether `likely` takes less time than it saves."""
    return FEWEST <= n <= MOST and SPARSEST * masks >= 2**n


def likely(programme: Programme, costs: np.ndarray) -> Columns:
    """Columns that are likely to matter, at most a third of the most that a master may hold."""
    n, masks = programme.n, programme.masks
    v = np.zeros((1, 2**n), np.float32)
    box = np.full_like(v, np.inf)
    v[0, masks], box[0, masks], box[0, 0] = programme.v, programme.bound, 0.0
    nought, geo = np.zeros_like(v), geometry(n, SINGLE)
    priced = Costs(*(jnp.asarray(np.where(np.arange(2**n) > 0, c, 0.0), SINGLE) for c in costs))
    lanes, *_ = run(geo, priced, start(geo, v, box, nought, nought, nought), BLOCKS, STEPS)
    found = np.abs(np.concatenate([np.asarray(part)[0] for part in sparse(geo, priced, lanes)]))
    found[[0, 2**n]] = 0.0
    largest = np.argsort(-found, kind="stable")[: programme.most // 3]
    chosen = cheapest_alike(programme, costs, largest[found[largest] > 0])
    return Columns(chosen % 2**n, chosen >= 2**n)


def cheapest_alike(programme: Programme, costs: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Of the columns that no mask tells from these, the cheapest; of equals that of lowest order.

    Args:
        programme: what is to be explained.
        costs: (2, 2^n).
        columns: places in a flat table (2, 2^n) of AND and OR.
    """
    size = 2**programme.n
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
    first = order[np.searchsorted(names[order], names[columns])]
    return np.unique(first)

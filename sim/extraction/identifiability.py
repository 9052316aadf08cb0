"""How far the split of outputs into AND and OR interactions is determined by the outputs."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from sim.checks import ArgumentError, check_nonnegative
from sim.extraction.programme import NOISE_BOUND, Extraction, extract_interactions
from sim.machine import check_memory
from sim.progress import Progress
from theory import strength_by_order
from theory.checks import as_sets

KINDS = ("and", "or", "total")
HELD = 77  # arrays of the outputs' size at a time, as measured at 2^11 and 2^13 sets


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class SplitUncertainty:
    """Range of the strength of each kind and order over all almost optimal explanations.

    Returned by `split_uncertainty`, whose example shows it in use.

    Axis -3 of `attained` and `bound` (axis -2 of `strength`) runs over AND, OR and their sum; the
    axis of orders runs over 1..n; the last axis of the ranges holds their lower and upper end. The
    strength of an order is Σ_{|S|=k} |I(S)|, without a salience threshold, in units of the outputs.
    The first order is counted under AND alone.

    Attributes:
        strength: (..., 3, n), of the extraction itself.
        attained: (..., 3, n, 2), strengths that almost optimal explanations really have: the
            true range is at least this wide.
        bound: (..., 3, n, 2), proven: no explanation with an objective of at most
            (1 + slack)·objective has a strength outside.
        slack: (), how much worse than the extraction an explanation may be, relative.
    """

    strength: jax.Array
    attained: jax.Array
    bound: jax.Array
    slack: jax.Array


def split_uncertainty(
    outputs: ArrayLike,
    extraction: Extraction | None = None,
    slack: float = 1e-3,
    noise_bound: float = NOISE_BOUND,
    tolerance: float = 2e-4,
    *,
    tilts: tuple[float, ...] = (0.1,),
    progress: Progress | None = None,
    **options: Any,
) -> SplitUncertainty:
    """Bounds how much strength can move between AND and OR, and between explanations, for free.

    The programme of `extract_interactions` often has many optima: the AND and the OR of two players
    are together the sum of the two, at the same cost, so that strength moves freely not only
    between AND and OR but also between the orders 1 and 2. For the strength A of one kind
    and order, the programme is solved again with the weight of those interactions tilted to 1 ± t.
    With F the objective, F̂ that of the extraction and L± the certified lower bounds of the tilted
    programmes, min F ± t·A ≥ L± holds for every explanation, so F ≤ (1 + slack)·F̂ implies

        (L₊ − (1 + slack)·F̂) / t  ≤  A  ≤  ((1 + slack)·F̂ − L₋) / t.

    The tilted solutions themselves, mixed with the extraction so far that F ≤ (1 + slack)·F̂ still
    holds, show that at least the attained range is possible. (Ours.)

    It costs 6·n solutions of the programme for each tilt.

    Args:
        outputs: (..., 2^n), v(S) of every sample.
        extraction: the answer of `extract_interactions` for these outputs and `noise_bound`; solved
            here if it is missing.
        slack: how much worse an explanation may be, relative to the objective of `extraction`. The
            bounds are loose by about (slack + tolerance)·objective / t.
        noise_bound: as in `extract_interactions`.
        tolerance: relative duality gap of the programmes solved here.
        tilts: sizes t of the tilt, between 0 and 1; of several, the best bounds are kept.
        progress: called as progress(done, total) after each programme.
        **options: passed on to `extract_interactions`.

    Returns:
        The ranges, by kind and order.

    Raises:
        ValueError: an argument is out of range, or `extraction` does not fit `outputs`.

    Example:
        >>> found = split_uncertainty([0.0, 1.0, 2.0, 4.0], noise_bound=0.0, slack=1e-6)
        >>> print(found.attained[1, 1].round(2) + 0.0)  # OR of both players: anything from 0 to 1
        [0. 1.]
    """
    outputs, n = as_sets(outputs, "outputs")
    check_nonnegative(slack, "slack")
    if not tilts or not all(0 < t < 1 for t in tilts):
        raise ArgumentError("tilts", "hold numbers between 0 and 1", f"is {tilts}")
    samples = outputs.size >> n
    what = f"Bounding the split of {samples} samples and {n} players"
    check_memory(HELD * outputs.nbytes, what, "fewer samples at a time")
    solve = functools.partial(
        extract_interactions, outputs, noise_bound, tolerance=tolerance, **options
    )
    if extraction is None:
        extraction = solve()
    elif extraction.i_and.shape != outputs.shape:
        raise ArgumentError(
            "extraction",
            f"hold interactions of the shape of `outputs`, {outputs.shape}",
            f"they have shape {extraction.i_and.shape}",
        )
    extraction = jax.tree.map(np.asarray, extraction)
    allowed = (1.0 + slack) * extraction.objective
    strength = _strengths(extraction.i_and, extraction.i_or)
    low, high = strength, strength
    floor = np.zeros_like(strength)
    ceiling = np.broadcast_to(allowed[..., None, None], strength.shape).copy()

    programmes = [
        (kind, order, sign * tilt)
        for tilt in tilts
        for kind in range(len(KINDS))
        for order in range(1, n + 1)
        for sign in (-1, 1)
        if order > 1 or kind == 0
    ]
    for done, (kind, order, tilt) in enumerate(programmes):
        weights = np.ones((2, n + 1))
        weights[_rows(kind), order] += tilt
        tilted = jax.tree.map(
            np.asarray,
            solve(
                and_weights=weights[0],
                or_weights=weights[1],
                warm_start=extraction,
                prefer=None,  # the tilt is a preference of its own
            ),
        )
        limit = (tilted.objective * (1.0 - tilted.gap) - allowed) / tilt
        entry = (..., kind, order - 1)
        if tilt > 0:
            floor[entry] = np.maximum(floor[entry], limit)
        else:
            ceiling[entry] = np.minimum(ceiling[entry], limit)
        mixed = _strengths(*_towards(extraction, tilted, slack))
        low, high = np.minimum(low, mixed), np.maximum(high, mixed)
        if progress is not None:
            progress(done + 1, len(programmes))

    bound = np.stack([floor, ceiling], axis=-1)  # (..., 3, n, 2)
    # The first order is AND by convention, whatever is asked of OR or of the sum.
    bound[..., 1, 0, :] = 0.0
    bound[..., 2, 0, :] = bound[..., 0, 0, :]
    return SplitUncertainty(
        strength=jnp.asarray(strength),
        attained=jnp.asarray(np.stack([low, high], axis=-1)),
        bound=jnp.asarray(bound),
        slack=jnp.asarray(slack, outputs.dtype),
    )


def _rows(kind: int) -> list[int]:
    return ([0], [1], [0, 1])[kind]


def _objective(i_and: np.ndarray, i_or: np.ndarray) -> np.ndarray:
    return np.sum(np.abs(i_and[..., 1:]) + np.abs(i_or[..., 1:]), axis=-1)


def _strengths(i_and: ArrayLike, i_or: ArrayLike) -> np.ndarray:
    both = [np.asarray(strength_by_order(i)) for i in (i_and, i_or)]
    return np.stack([*both, both[0] + both[1]], axis=-2)


def _towards(
    extraction: Extraction, tilted: Extraction, slack: float
) -> tuple[np.ndarray, np.ndarray]:
    """AND and OR of the mixture furthest towards the tilted solution that is still allowed.

    The objective is convex, so a share θ of the way costs at most a share θ of the difference.
    """
    first, last = (
        (np.asarray(found.i_and), np.asarray(found.i_or)) for found in (extraction, tilted)
    )
    excess = _objective(*last) - _objective(*first)
    allowed = slack * _objective(*first)
    share = np.where(excess > allowed, allowed / np.where(excess > allowed, excess, 1.0), 1.0)
    share = share[..., None]
    return first[0] + share * (last[0] - first[0]), first[1] + share * (last[1] - first[1])

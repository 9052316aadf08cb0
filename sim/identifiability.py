"""How far the split of outputs into AND and OR interactions is determined by the outputs."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from sim.extraction import Extraction, extract_interactions
from theory import strength_by_order
from theory._lattice import as_sets

KINDS = ("and", "or", "total")


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["strength", "attained", "bound", "slack"],
    meta_fields=[],
)
@dataclasses.dataclass(frozen=True)
class SplitUncertainty:
    """Range of the strength of each kind and order over all almost optimal explanations.

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
    noise_bound: float = 0.02,
    tolerance: float = 2e-4,
    *,
    tilts: tuple[float, ...] = (0.1,),
    progress: Callable[[int, int], Any] | None = None,
    **options: Any,
) -> SplitUncertainty:
    """Bounds how much strength can move between AND and OR, and between explanations, for free.

    The programme of `extract_interactions` often has many optima. For the strength A of one kind
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
    if not slack >= 0:
        raise ValueError(f"Argument `slack` must be nonnegative, but is {slack}.")
    if not tilts or not all(0 < t < 1 for t in tilts):
        raise ValueError(f"Argument `tilts` must hold numbers between 0 and 1, but is {tilts}.")
    solve = functools.partial(
        extract_interactions, outputs, noise_bound, tolerance=tolerance, **options
    )
    if extraction is None:
        extraction = solve()
    elif extraction.i_and.shape != outputs.shape:
        raise ValueError(
            f"Argument `extraction` must hold interactions of the shape of `outputs`, "
            f"{outputs.shape}, but they have shape {extraction.i_and.shape}."
        )
    allowed = (1.0 + slack) * extraction.objective
    strength = _strengths(extraction)
    low, high = strength, strength
    floor, ceiling = jnp.zeros_like(strength), jnp.broadcast_to(allowed[..., None, None], low.shape)

    programmes = [
        (kind, order, sign * tilt)
        for tilt in tilts
        for kind in range(len(KINDS))
        for order in range(1, n + 1)
        for sign in (-1, 1)
        if order > 1 or kind == 0
    ]
    for done, (kind, order, tilt) in enumerate(programmes):
        weights = jnp.ones((2, n + 1)).at[jnp.asarray(_rows(kind)), order].add(tilt)
        tilted = solve(and_weights=weights[0], or_weights=weights[1], warm_start=extraction)
        lower = tilted.objective * (1.0 - tilted.gap)
        if tilt > 0:
            value = jnp.maximum(floor[..., kind, order - 1], (lower - allowed) / tilt)
            floor = floor.at[..., kind, order - 1].set(value)
        else:
            value = jnp.minimum(ceiling[..., kind, order - 1], (lower - allowed) / tilt)
            ceiling = ceiling.at[..., kind, order - 1].set(value)
        mixed = _strengths(_towards(extraction, tilted, slack))
        low, high = jnp.minimum(low, mixed), jnp.maximum(high, mixed)
        if progress is not None:
            progress(done + 1, len(programmes))

    # The first order is AND by convention, whatever is asked of OR or of the sum.
    floor = floor.at[..., 2, 0].set(floor[..., 0, 0]).at[..., 1, 0].set(0.0)
    ceiling = ceiling.at[..., 2, 0].set(ceiling[..., 0, 0]).at[..., 1, 0].set(0.0)
    return SplitUncertainty(
        strength=strength,
        attained=jnp.stack([low, high], axis=-1),
        bound=jnp.stack([floor, ceiling], axis=-1),
        slack=jnp.asarray(slack, outputs.dtype),
    )


def _rows(kind: int) -> tuple[int, ...]:
    return ((0,), (1,), (0, 1))[kind]


def _objective(i_and: jax.Array, i_or: jax.Array) -> jax.Array:
    return jnp.sum(jnp.abs(i_and[..., 1:]) + jnp.abs(i_or[..., 1:]), axis=-1)


def _strengths(extraction: Extraction) -> jax.Array:
    both = [strength_by_order(i) for i in (extraction.i_and, extraction.i_or)]
    return jnp.stack([*both, both[0] + both[1]], axis=-2)


def _towards(extraction: Extraction, tilted: Extraction, slack: float) -> Extraction:
    """The mixture furthest towards the tilted solution whose objective is still allowed.

    The objective is convex, so a share θ of the way costs at most a share θ of the difference.
    """
    excess = _objective(tilted.i_and, tilted.i_or) - extraction.objective
    allowed = slack * extraction.objective
    share = jnp.where(excess > allowed, allowed / jnp.where(excess > allowed, excess, 1.0), 1.0)
    share = share[..., None]
    return dataclasses.replace(
        extraction,
        i_and=extraction.i_and + share * (tilted.i_and - extraction.i_and),
        i_or=extraction.i_or + share * (tilted.i_or - extraction.i_or),
    )

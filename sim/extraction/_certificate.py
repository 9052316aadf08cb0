"""What proves an explanation good: feasible interactions above the optimum, multipliers below it.

Any interactions become feasible by adding what the bound does not cover, and any multipliers by
division by their largest violation; the best of each so far bound the optimum from both sides. The
bounds come from the programme itself, never from the residual of the iteration.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from sim.extraction._geometry import Geometry


class Costs(NamedTuple):
    """Cost of a unit of every interaction, zero at ∅."""

    i_and: jax.Array  # (2^n,)
    i_or: jax.Array


class Answers(NamedTuple):
    """The best feasible interactions and multipliers so far, for one choice of costs."""

    i_and: jax.Array  # (lanes, 2^n)
    i_or: jax.Array
    upper: jax.Array  # (lanes,) their cost
    multipliers: jax.Array  # (lanes, 2^n)
    lower: jax.Array  # (lanes,) the bound that they certify


def column(x: jax.Array) -> jax.Array:
    return x[:, None]


def choose(mask: jax.Array, first: Any, second: Any) -> Any:
    """Takes each lane from `first` where `mask` is set, else from `second`."""
    return jax.tree.map(
        lambda x, y: jnp.where(mask.reshape((-1,) + (1,) * (x.ndim - 1)), x, y), first, second
    )


def _cheaper(first: jax.Array, second: jax.Array) -> jax.Array:
    """Whether the first cost is smaller by more than rounding, so that ties fall the same way."""
    return first < second * (1.0 - 64.0 * jnp.finfo(first.dtype).eps)


def objective(costs: Costs, i_and: jax.Array, i_or: jax.Array) -> jax.Array:
    return jnp.sum(jnp.abs(i_and) * costs.i_and[None] + jnp.abs(i_or) * costs.i_or[None], axis=-1)


def pull(geo: Geometry, m: jax.Array) -> tuple[jax.Array, jax.Array]:
    """What the multipliers m pay for a unit of each AND and of each OR interaction."""
    m = m.at[:, 0].set(0.0)
    m = m.at[:, 0].set(-jnp.sum(m, axis=-1))  # then −Eᵀm is the sum over the sets that meet T
    return geo.zeta_t(m), -geo.disjoint_t(m)


def _certified(
    geo: Geometry, costs: Costs, m: jax.Array, v: jax.Array, box: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Scales any m into the dual's feasible set; returns it and the lower bound it certifies.

    Sets without a bound on δ have no multiplier.
    """
    m, box = (jnp.where(jnp.isfinite(box), x, 0.0) for x in (m, box))
    pull_and, pull_or = pull(geo, m)
    ratio_and = jnp.abs(pull_and[:, 1:]) / costs.i_and[None, 1:]
    ratio_or = jnp.abs(pull_or[:, 1:]) / costs.i_or[None, 1:]
    violation = jnp.max(jnp.maximum(ratio_and, ratio_or), axis=-1)
    m = m.at[:, 0].set(0.0) / column(jnp.maximum(violation, jnp.finfo(m.dtype).tiny))
    return m, jnp.sum(m * v - jnp.abs(m) * box, axis=-1)


def _repaired(
    geo: Geometry, costs: Costs, i_and: jax.Array, i_or: jax.Array, v: jax.Array, box: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Makes any interactions feasible: what the bound does not cover goes to AND, OR or both."""
    rest = v - geo.zeta(i_and) + geo.disjoint(i_or)
    rest = rest - jnp.clip(rest, -box, box)
    add_and, add_or = geo.moebius(rest), -geo.disjoint_inverse(rest)
    best = (i_and, i_or, jnp.full(v.shape[0], jnp.inf, v.dtype))
    for share in (0.0, 0.5, 1.0):
        trial_and, trial_or = i_and + share * add_and, i_or + (1.0 - share) * add_or
        trial = (trial_and, trial_or, objective(costs, trial_and, trial_or))
        best = choose(_cheaper(trial[2], best[2]), trial, best)
    return best


def no_answers(v: jax.Array) -> Answers:
    """What everything is better than."""
    nought, zero = jnp.zeros_like(v), jnp.zeros(v.shape[:1], v.dtype)
    return Answers(nought, nought, zero + jnp.inf, nought, zero)


def cheaper(
    geo: Geometry,
    costs: Costs,
    answers: Answers,
    v: jax.Array,
    box: jax.Array,
    i_and: jax.Array,
    i_or: jax.Array,
) -> Answers:
    """The answers, with new interactions where they cost less once they are feasible."""
    best = (answers.i_and, answers.i_or, answers.upper)
    trial = _repaired(geo, costs, i_and, i_or, v, box)
    best = choose(_cheaper(trial[2], best[2]), trial, best)
    return answers._replace(i_and=best[0], i_or=best[1], upper=best[2])


def tighter(
    geo: Geometry, costs: Costs, answers: Answers, v: jax.Array, box: jax.Array, m: jax.Array
) -> Answers:
    """The answers, with new multipliers where they certify more."""
    best = (answers.multipliers, answers.lower)
    certificate = _certified(geo, costs, m, v, box)
    best = choose(certificate[1] > best[1], certificate, best)
    return answers._replace(multipliers=best[0], lower=best[1])

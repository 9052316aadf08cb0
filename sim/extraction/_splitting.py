"""The iteration behind `extract_interactions`: splitting the programme on the lattice of subsets.

In normalised units (v(∅) = 0, max |v| = 1) the programme reads

    minimise  Σ c_and |a| + c_or |o|   such that   Z a − E o + δ = v,   |δ| ≤ ζ,   δ(∅) = 0,

with Z the zeta transform, E its counterpart over disjoint sets, and costs that vanish at ∅: the
constants a(∅), o(∅) are free, so −E o stands for the OR interactions. Both Z and E are Kronecker
powers of 2×2 matrices, which is why everything here runs on the full lattice.

Peaceman–Rachford splitting alternates the proximal step of the costs (soft thresholds and a clip)
with the projection onto the linear constraint, in a metric that weights a set by its order. The
projection solves with K = Z W⁻¹ Zᵀ + E W⁻¹ Eᵀ + 1; neither K nor the metric depends on the step
size σ, which therefore adapts to every sample at no cost. Halpern's iteration pulls the state back
towards an anchor, with weight 1/(k+2) after k steps, which makes the residual fall like 1/k; moving
the anchor to the state each time that the residual has fallen enough makes it fall geometrically.
Bounds on the optimum come from the programme itself, never from the residual.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from sim.extraction._geometry import Geometry

_FIRST_SIGMA = 0.05
# When to restart, by the residual and the steps since the last restart: the rules and the numbers
# of cuPDLP, a restarted method for linear programmes (Lu and Yang 2023, arXiv 2311.12180).
_SUFFICIENT, _NECESSARY, _OVERDUE = 0.2, 0.8, 0.36


class Costs(NamedTuple):
    """Cost of a unit of every interaction, zero at ∅."""

    i_and: jax.Array  # (2^n,)
    i_or: jax.Array


class Point(NamedTuple):
    """A value of the programme's three variables."""

    i_and: jax.Array  # (lanes, 2^n)
    i_or: jax.Array
    bound: jax.Array  # δ


class Lanes(NamedTuple):
    """Samples being solved side by side, each with its own step size and best answers so far."""

    v: jax.Array  # (lanes, 2^n) normalised outputs
    box: jax.Array  # (lanes, 2^n) bound on |δ|, zero at ∅
    state: Point
    anchor: Point  # the state at the last restart
    since: jax.Array  # (lanes,) steps since then
    first: jax.Array  # (lanes,) residual at the last restart
    last: jax.Array  # (lanes,) residual at the last check
    sigma: jax.Array  # (lanes,) step size
    i_and: jax.Array  # (lanes, 2^n) best feasible interactions
    i_or: jax.Array
    upper: jax.Array  # (lanes,) their objective
    multipliers: jax.Array  # (lanes, 2^n) best feasible dual point
    lower: jax.Array  # (lanes,) the bound it certifies
    steps: jax.Array  # (lanes,) int32, taken in all


def column(x: jax.Array) -> jax.Array:
    return x[:, None]


def combine(f: Callable[..., jax.Array], *points: Point) -> Point:
    return Point(*(f(*arrays) for arrays in zip(*points, strict=True)))


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


def certified(
    geo: Geometry, costs: Costs, m: jax.Array, v: jax.Array, box: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Scales any m into the dual's feasible set; returns it and the lower bound it certifies."""
    pull_and, pull_or = pull(geo, m)
    ratio_and = jnp.abs(pull_and[:, 1:]) / costs.i_and[None, 1:]
    ratio_or = jnp.abs(pull_or[:, 1:]) / costs.i_or[None, 1:]
    violation = jnp.max(jnp.maximum(ratio_and, ratio_or), axis=-1)
    m = m.at[:, 0].set(0.0) / column(jnp.maximum(violation, jnp.finfo(m.dtype).tiny))
    return m, jnp.sum(m * v - jnp.abs(m) * box, axis=-1)


def pull(geo: Geometry, m: jax.Array) -> tuple[jax.Array, jax.Array]:
    """What the multipliers m pay for a unit of each AND and of each OR interaction."""
    m = m.at[:, 0].set(0.0)
    m = m.at[:, 0].set(-jnp.sum(m, axis=-1))  # then −Eᵀm is the sum over the sets that meet T
    return geo.zeta_t(m), -geo.disjoint_t(m)


def repaired(
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


def start(
    geo: Geometry,
    costs: Costs,
    v: jax.Array,
    bound: jax.Array,
    i_and: jax.Array,
    i_or: jax.Array,
    m: jax.Array,
) -> Lanes:
    """Lanes for new samples, from interactions and multipliers that are hoped to be close."""
    box = jnp.where(jnp.arange(v.shape[1])[None] == 0, 0.0, column(bound))
    nought, zero = jnp.zeros_like(v), jnp.zeros_like(bound)
    best = repaired(geo, costs, nought, nought, v, box)
    trial = repaired(geo, costs, i_and, i_or, v, box)
    best = choose(_cheaper(trial[2], best[2]), trial, best)
    dual = (nought, zero)
    for guess in (m, v):
        certificate = certified(geo, costs, guess, v, box)
        dual = choose(certificate[1] > dual[1], certificate, dual)

    sigma = zero + _FIRST_SIGMA
    rest = v - geo.zeta(i_and) + geo.disjoint(i_or)
    weight = geo.weight[None]
    pull_and, pull_or = pull(geo, m)
    state = Point(
        i_and + column(sigma) * pull_and / weight,
        i_or + column(sigma) * pull_or / weight,
        jnp.clip(rest, -box, box) + column(sigma) * m,
    )
    return Lanes(
        v=v,
        box=box,
        state=state,
        anchor=state,
        since=zero,
        first=zero + jnp.inf,
        last=zero + jnp.inf,
        sigma=sigma,
        i_and=best[0],
        i_or=best[1],
        upper=best[2],
        multipliers=dual[0],
        lower=dual[1],
        steps=jnp.zeros(v.shape[0], jnp.int32),
    )


def _proximal(geo: Geometry, costs: Costs, lanes: Lanes, state: Point) -> Point:
    def soft(x: jax.Array, cost: jax.Array) -> jax.Array:
        threshold = column(lanes.sigma) * (cost / geo.weight)[None]
        return x - jnp.clip(x, -threshold, threshold)

    return Point(
        soft(state.i_and, costs.i_and),
        soft(state.i_or, costs.i_or),
        jnp.clip(state.bound, -lanes.box, lanes.box),
    )


def _project(geo: Geometry, v: jax.Array, x: Point) -> tuple[Point, jax.Array]:
    weight = geo.weight[None]
    rest = geo.zeta(x.i_and) - geo.disjoint(x.i_or) - v
    m = geo.inverse(rest + x.bound if geo.bounded else rest)
    return Point(
        x.i_and - geo.zeta_t(m) / weight,
        x.i_or + geo.disjoint_t(m) / weight,
        x.bound - m if geo.bounded else jnp.zeros_like(m),
    ), m


@functools.partial(jax.jit, static_argnames="steps")
def advance(geo: Geometry, costs: Costs, lanes: Lanes, steps: int) -> Lanes:
    """Takes `steps` steps in every lane, renews its two bounds, and restarts it where that pays."""

    def step(k: jax.Array | int, state: Point) -> tuple[Point, Point, Point, jax.Array]:
        x = _proximal(geo, costs, lanes, state)
        y, m = _project(geo, lanes.v, combine(lambda xi, si: 2.0 * xi - si, x, state))
        pull_back = column(1.0 / (lanes.since + k + 2.0))
        state = combine(
            lambda si, xi, yi, ai: (1.0 - pull_back) * (si + 2.0 * (yi - xi)) + pull_back * ai,
            state,
            x,
            y,
            lanes.anchor,
        )
        return state, x, y, m

    # The last step apart: the others need not write down what only the bounds are made of.
    state = jax.lax.fori_loop(0, steps - 1, lambda k, state: step(k, state)[0], lanes.state)
    state, x, y, m = step(steps - 1, state)

    best = (lanes.i_and, lanes.i_or, lanes.upper)
    trial = repaired(geo, costs, y.i_and, y.i_or, lanes.v, lanes.box)  # y needs less repair than x
    best = choose(_cheaper(trial[2], best[2]), trial, best)
    certificate = certified(geo, costs, -m / column(lanes.sigma), lanes.v, lanes.box)
    dual = choose(certificate[1] > lanes.lower, certificate, (lanes.multipliers, lanes.lower))

    lanes = lanes._replace(
        state=state,
        since=lanes.since + steps,
        i_and=best[0],
        i_or=best[1],
        upper=best[2],
        multipliers=dual[0],
        lower=dual[1],
        steps=lanes.steps + steps,
    )
    return _restart(geo, costs, lanes, _norm(geo, combine(jnp.subtract, y, x)))


def _norm(geo: Geometry, x: Point) -> jax.Array:
    squares = geo.weight[None] * (x.i_and**2 + x.i_or**2) + x.bound**2
    return jnp.sqrt(jnp.sum(squares, axis=-1))


def _restart(geo: Geometry, costs: Costs, lanes: Lanes, residual: jax.Array) -> Lanes:
    """Moves the anchor to the state where the residual has fallen enough, or long not; there σ
    takes the value that balances the primal and the dual distance covered since the last restart.
    """
    fallen = residual <= _SUFFICIENT * lanes.first
    turned = (residual <= _NECESSARY * lanes.first) & (residual > lanes.last)
    overdue = lanes.since >= _OVERDUE * lanes.steps
    now = fallen | turned | overdue | jnp.isinf(lanes.first)

    x = _proximal(geo, costs, lanes, lanes.state)
    x_anchor = _proximal(geo, costs, lanes, lanes.anchor)
    dual = combine(jnp.subtract, lanes.state, x)
    dual_anchor = combine(jnp.subtract, lanes.anchor, x_anchor)
    primal_distance = _norm(geo, combine(jnp.subtract, x, x_anchor))
    dual_distance = _norm(geo, combine(jnp.subtract, dual, dual_anchor))
    moved = (primal_distance > 0) & (dual_distance > 0)
    ratio = jnp.where(moved, primal_distance, 1.0) / jnp.where(moved, dual_distance, 1.0)
    factor = jnp.where(now, jnp.sqrt(jnp.clip(ratio, 0.01, 100.0)), 1.0)

    state = combine(lambda xi, di: xi + column(factor) * di, x, dual)
    return lanes._replace(
        state=state,
        anchor=choose(now, state, lanes.anchor),
        since=jnp.where(now, 0.0, lanes.since),
        first=jnp.where(now, residual, lanes.first),
        last=jnp.where(now, jnp.inf, residual),
        sigma=lanes.sigma * factor,
    )

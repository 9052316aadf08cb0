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
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sim.extraction._certificate import Costs, choose, column, pull
from sim.extraction._geometry import Geometry

FIRST_SIGMA = 0.05  # step size σ, in normalised units
# When to restart, by the residual and the steps since the last restart: the rules and the numbers
# of cuPDLP, a restarted method for linear programmes (Lu and Yang 2023, arXiv 2311.12180).
_SUFFICIENT, _NECESSARY, _OVERDUE = 0.2, 0.8, 0.36


class Point(NamedTuple):
    """A value of the programme's three variables."""

    i_and: jax.Array  # (lanes, 2^n)
    i_or: jax.Array
    bound: jax.Array  # δ


class Lanes(NamedTuple):
    """Samples being solved side by side, each with its own step size."""

    v: jax.Array  # (lanes, 2^n) normalised outputs
    box: jax.Array  # (lanes, 2^n) bound on |δ|, zero at ∅
    state: Point
    anchor: Point  # the state at the last restart
    since: jax.Array  # (lanes,) steps since then
    first: jax.Array  # (lanes,) residual at the last restart
    last: jax.Array  # (lanes,) residual at the last check
    sigma: jax.Array  # (lanes,) step size
    steps: jax.Array  # (lanes,) int32, taken in all


def combine(f: Callable[..., jax.Array], *points: Point) -> Point:
    return Point(*(f(*parts) for parts in zip(*points, strict=True)))


def box_of(v: np.ndarray, bound: np.ndarray, free: np.ndarray | None = None) -> np.ndarray:
    """The bound on |δ|, (lanes, 2^n), from that of each lane; none on sets that are free."""
    box = np.repeat(bound[:, None], v.shape[1], axis=1)
    if free is not None:
        box[:, free] = np.inf
    box[:, 0] = 0.0
    return box


@jax.jit
def start(
    geo: Geometry, v: jax.Array, box: jax.Array, i_and: jax.Array, i_or: jax.Array, m: jax.Array
) -> Lanes:
    """Lanes for new samples, from interactions and multipliers that are hoped to be close."""
    dtype = geo.weight.dtype
    v, box, i_and, i_or, m = (x.astype(dtype) for x in (v, box, i_and, i_or, m))
    rest = v - geo.zeta(i_and) + geo.disjoint(i_or)
    pull_and, pull_or = pull(geo, m)
    zero, weight = jnp.zeros_like(v[:, 0]), geo.weight[None]
    state = Point(
        i_and + FIRST_SIGMA * pull_and / weight,
        i_or + FIRST_SIGMA * pull_or / weight,
        jnp.clip(rest, -box, box) + FIRST_SIGMA * m,
    )
    return Lanes(
        v=v,
        box=box,
        state=state,
        anchor=state,
        since=zero,
        first=zero + jnp.inf,
        last=zero + jnp.inf,
        sigma=zero + FIRST_SIGMA,
        steps=jnp.zeros(v.shape[0], jnp.int32),
    )


def recast(lanes: Lanes, v: jax.Array, box: jax.Array, dtype: jnp.dtype) -> Lanes:
    """The lanes in another precision, and with it v and its box as they are there."""

    def cast(x: jax.Array) -> jax.Array:
        return x.astype(dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x

    return jax.tree.map(cast, lanes._replace(v=v, box=box))


def proximal(geo: Geometry, costs: Costs, lanes: Lanes, state: Point) -> Point:
    """The proximal step of the costs: sparse interactions."""
    over = _thresholds(geo, costs, lanes)
    return Point(
        state.i_and - jnp.clip(state.i_and, -over.i_and, over.i_and),
        state.i_or - jnp.clip(state.i_or, -over.i_or, over.i_or),
        jnp.clip(state.bound, -over.bound, over.bound),
    )


@jax.jit
def sparse(geo: Geometry, costs: Costs, lanes: Lanes) -> tuple[jax.Array, jax.Array]:
    """AND and OR interactions of the states, most of them zero; they need not explain v."""
    x = proximal(geo, costs, lanes, lanes.state)
    return x.i_and, x.i_or


def _thresholds(geo: Geometry, costs: Costs, lanes: Lanes) -> Point:
    """What the soft thresholds take away at most, and the box of δ."""
    by_and, by_or = (column(lanes.sigma) * (cost / geo.weight)[None] for cost in costs)
    return Point(by_and, by_or, lanes.box)


def advance(
    geo: Geometry, costs: Costs, lanes: Lanes, steps: int
) -> tuple[Lanes, jax.Array, jax.Array, jax.Array]:
    """Takes `steps` steps in every lane, and restarts it where that pays.

    With x the proximal point of a state s, and y the projection of its reflection 2x − s, a step
    goes from s to s + 2(y − x), which is 2y minus the reflection.

    Returns:
        The lanes; AND and OR interactions that explain v up to their δ, which may leave its box;
        and multipliers, (lanes, 2^n) each.
    """
    over, light = _thresholds(geo, costs, lanes), 1.0 / geo.weight[None]

    def reflect(s: Point) -> Point:
        return Point(
            s.i_and - 2.0 * jnp.clip(s.i_and, -over.i_and, over.i_and),
            s.i_or - 2.0 * jnp.clip(s.i_or, -over.i_or, over.i_or),
            2.0 * jnp.clip(s.bound, -over.bound, over.bound) - s.bound,
        )

    def project(r: Point) -> tuple[Point, jax.Array]:
        """What the projection takes away, and its multipliers."""
        m = geo.inverse(geo.zeta(r.i_and) - geo.disjoint(r.i_or) - lanes.v + r.bound)
        return Point(light * geo.zeta_t(m), -light * geo.disjoint_t(m), m), m

    def pulled(k: jax.Array | int, r: Point, away: Point) -> Point:
        """The next state, pulled back to the anchor."""
        share = column(1.0 / (lanes.since + k + 2.0)).astype(lanes.v.dtype)
        return combine(
            lambda ri, di, ai: (1.0 - share) * (ri - 2.0 * di) + share * ai, r, away, lanes.anchor
        )

    def step(k: jax.Array, state: Point) -> Point:
        r = reflect(state)
        return pulled(k, r, project(r)[0])

    # The last step apart: the others need not write down what only the answers are made of.
    state = jax.lax.fori_loop(0, steps - 1, step, lanes.state)
    r = reflect(state)
    away, m = project(r)
    y = combine(jnp.subtract, r, away)
    moved = lanes._replace(
        state=pulled(steps - 1, r, away), since=lanes.since + steps, steps=lanes.steps + steps
    )
    residual = _norm(geo, combine(lambda yi, ri, si: yi - 0.5 * (ri + si), y, r, state))
    return _restart(geo, costs, moved, residual), y.i_and, y.i_or, -m / column(lanes.sigma)


@functools.partial(jax.jit, static_argnames="steps")
def run(
    geo: Geometry, costs: Costs, lanes: Lanes, blocks: int, steps: int
) -> tuple[Lanes, jax.Array, jax.Array, jax.Array]:
    """Takes blocks · steps steps, and returns what the last block of them does; see `advance`.

    One compilation for any number of blocks: it takes longer than many a small extraction.
    """
    nothing = jnp.zeros_like(lanes.v)
    return jax.lax.fori_loop(
        0,
        blocks,
        lambda _, now: advance(geo, costs, now[0], steps),
        (lanes, nothing, nothing, nothing),
    )


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

    x = proximal(geo, costs, lanes, lanes.state)
    x_anchor = proximal(geo, costs, lanes, lanes.anchor)
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

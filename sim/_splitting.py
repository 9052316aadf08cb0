"""The iteration behind `sim.extraction`: splitting the programme on the lattice of subsets.

In normalised units (v(∅) = 0, max |v| = 1) the programme reads

    minimise  Σ c_and |a| + c_or |o|   such that   Z a − E o + δ = v,   |δ| ≤ ζ,   δ(∅) = 0,

with Z the zeta transform, E its counterpart over disjoint sets, and costs that vanish at ∅: the
constants a(∅), o(∅) are free, so −E o stands for the OR interactions. Both Z and E are Kronecker
powers of 2×2 matrices, which is why everything here runs on the full lattice.

Douglas–Rachford splitting alternates the proximal step of the costs (soft thresholds and a clip)
with the projection onto the linear constraint, in a metric that weights a set by its order. The
projection solves with K = Z W⁻¹ Zᵀ + E W⁻¹ Eᵀ + W_δ⁻¹; neither K nor the metric depends on the step
size σ, which therefore adapts to every sample at no cost.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

_GROWTH = 1.4  # of the metric with the order of a set
_BOUND_WEIGHT = 1.0  # of δ in the metric
_RELAXATION = 1.6

_ZETA = np.array([[1.0, 0.0], [1.0, 1.0]])
_DISJOINT = np.array([[1.0, 1.0], [1.0, 0.0]])

DENSE_PLAYERS = 12  # up to here K⁻¹ is a matrix


def _power(matrix: np.ndarray, exponent: int) -> np.ndarray:
    return functools.reduce(np.kron, [matrix] * exponent, np.ones((1, 1)))


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["high", "low"],
    meta_fields=[],
)
@dataclasses.dataclass(frozen=True)
class Power:
    """The Kronecker power M^{⊗n} of a 2×2 matrix, as two blocks that are applied as matrices."""

    high: jax.Array  # (2^⌈n/2⌉, 2^⌈n/2⌉)
    low: jax.Array  # (2^⌊n/2⌋, 2^⌊n/2⌋)

    @classmethod
    def of(cls, matrix: np.ndarray, n: int, dtype: jnp.dtype) -> Power:
        return cls(
            jnp.asarray(_power(matrix, n - n // 2), dtype),
            jnp.asarray(_power(matrix, n // 2), dtype),
        )

    def __call__(self, x: jax.Array) -> jax.Array:  # (lanes, 2^n)
        pairs = x.reshape(-1, self.high.shape[0], self.low.shape[0])
        return jnp.einsum("hk,bkl,ml->bhm", self.high, pairs, self.low).reshape(x.shape)


class Geometry(NamedTuple):
    """The linear algebra of the programme for one n; nothing in it depends on the data."""

    zeta: Power
    zeta_t: Power
    moebius: Power
    disjoint: Power
    disjoint_t: Power
    disjoint_inverse: Power
    weight: jax.Array  # (2^n,) metric of a and o
    weight_bound: jax.Array | None  # (2^n,) metric of δ, or None where there is no noise bound
    inverse: jax.Array | tuple[Power, Power, jax.Array]  # of K: dense, or in its eigenbasis


@functools.lru_cache(maxsize=8)
def geometry(n: int, bounded: bool, dtype: jnp.dtype) -> Geometry:
    """Builds the transforms and the inverse of K; `bounded` says whether δ is a variable."""
    metric = np.diag([1.0, 1.0 / _GROWTH])
    forms = [m @ metric @ m.T for m in (_ZETA, _DISJOINT)]
    inverse: jax.Array | tuple[Power, Power, jax.Array]
    if bounded:
        matrix = _power(forms[0], n) + _power(forms[1], n) + np.eye(2**n) / _BOUND_WEIGHT
        inverse = jnp.asarray(np.linalg.inv(matrix), dtype)
    else:
        values, vectors = _generalised_eigenbasis(*forms)
        modes = 1.0 / (_power(np.diag(values), n).diagonal() + 1.0)
        inverse = (
            Power.of(vectors, n, dtype),
            Power.of(vectors.T, n, dtype),
            jnp.asarray(modes, dtype),
        )
    order = np.array([s.bit_count() for s in range(2**n)])
    return Geometry(
        Power.of(_ZETA, n, dtype),
        Power.of(_ZETA.T, n, dtype),
        Power.of(np.linalg.inv(_ZETA), n, dtype),
        Power.of(_DISJOINT, n, dtype),
        Power.of(_DISJOINT.T, n, dtype),
        Power.of(np.linalg.inv(_DISJOINT), n, dtype),
        jnp.asarray(_GROWTH**order, dtype),
        jnp.full(2**n, _BOUND_WEIGHT, dtype) if bounded else None,
        inverse,
    )


def _generalised_eigenbasis(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values and vectors with vectorsᵀ·first·vectors = diag(values), vectorsᵀ·second·vectors = 1."""
    root = np.linalg.inv(np.linalg.cholesky(second))
    values, rotation = np.linalg.eigh(root @ first @ root.T)
    return values, root.T @ rotation


class Lanes(NamedTuple):
    """Samples being solved side by side, each with its own step size and best answers so far."""

    v: jax.Array  # (lanes, 2^n) normalised outputs
    box: jax.Array  # (lanes, 2^n) bound on |δ|, zero at ∅
    s_and: jax.Array  # (lanes, 2^n) state of the iteration
    s_or: jax.Array
    s_bound: jax.Array
    sigma: jax.Array  # (lanes,) step size
    i_and: jax.Array  # (lanes, 2^n) best feasible interactions
    i_or: jax.Array
    upper: jax.Array  # (lanes,) their objective
    multipliers: jax.Array  # (lanes, 2^n) best feasible dual point
    lower: jax.Array  # (lanes,) the bound it certifies
    checks: jax.Array  # (lanes,) int32, how often the lane was advanced


class Costs(NamedTuple):
    """Cost of a unit of every interaction, zero at ∅."""

    i_and: jax.Array  # (2^n,)
    i_or: jax.Array


def _soft(x: jax.Array, threshold: jax.Array) -> jax.Array:
    return x - jnp.clip(x, -threshold, threshold)


def _apply_inverse(geo: Geometry, x: jax.Array) -> jax.Array:
    if isinstance(geo.inverse, tuple):
        vectors, transposed, modes = geo.inverse
        return vectors(modes[None] * transposed(x))
    return x @ geo.inverse


def objective(costs: Costs, i_and: jax.Array, i_or: jax.Array) -> jax.Array:
    return jnp.sum(jnp.abs(i_and) * costs.i_and[None] + jnp.abs(i_or) * costs.i_or[None], axis=-1)


def certified(
    geo: Geometry, costs: Costs, m: jax.Array, v: jax.Array, box: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Scales any m into the dual's feasible set; returns it and the lower bound it certifies."""
    m = m.at[:, 0].set(0.0)
    m = m.at[:, 0].set(-jnp.sum(m, axis=-1))  # then −Eᵀm is the sum over the sets that meet T
    pull_and, pull_or = jnp.abs(geo.zeta_t(m)), jnp.abs(geo.disjoint_t(m))
    ratio = jnp.maximum(
        pull_and[:, 1:] / costs.i_and[None, 1:], pull_or[:, 1:] / costs.i_or[None, 1:]
    )
    m = m.at[:, 0].set(0.0) / jnp.maximum(jnp.max(ratio, axis=-1), jnp.finfo(m.dtype).tiny)[:, None]
    return m, jnp.sum(m * v - jnp.abs(m) * box, axis=-1)


def repaired(
    geo: Geometry, costs: Costs, i_and: jax.Array, i_or: jax.Array, v: jax.Array, box: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Makes any interactions feasible: what the bound does not cover is spread over both kinds."""
    rest = v - geo.zeta(i_and) + geo.disjoint(i_or)
    rest = rest - jnp.clip(rest, -box, box)
    add_and, add_or = geo.moebius(rest), -geo.disjoint_inverse(rest)
    best = (i_and, i_or, jnp.full(v.shape[0], jnp.inf, v.dtype))
    for share in (0.0, 0.5, 1.0):
        trial_and, trial_or = i_and + share * add_and, i_or + (1.0 - share) * add_or
        trial = (trial_and, trial_or, objective(costs, trial_and, trial_or))
        best = _better(trial, best, trial[2] < best[2])
    return best


def _better(first: tuple, second: tuple, choose: jax.Array) -> tuple:
    return tuple(
        jnp.where(choose.reshape((-1,) + (1,) * (x.ndim - 1)), x, y)
        for x, y in zip(first, second, strict=True)
    )


@functools.partial(jax.jit, static_argnames="steps")
def advance(geo: Geometry, costs: Costs, lanes: Lanes, steps: int) -> Lanes:
    """Runs `steps` iterations in every lane, then renews its two bounds and its step size."""
    weight = geo.weight[None]
    threshold_and = lanes.sigma[:, None] * costs.i_and[None] / weight
    threshold_or = lanes.sigma[:, None] * costs.i_or[None] / weight

    def proximal(s: tuple) -> tuple:
        return (
            _soft(s[0], threshold_and),
            _soft(s[1], threshold_or),
            jnp.clip(s[2], -lanes.box, lanes.box),
        )

    def project(x: tuple) -> tuple[tuple, jax.Array]:
        rest = geo.zeta(x[0]) - geo.disjoint(x[1]) - lanes.v
        if geo.weight_bound is None:
            m = _apply_inverse(geo, rest)
            moved = jnp.zeros_like(m)
        else:
            m = _apply_inverse(geo, rest + x[2])
            moved = x[2] - m / geo.weight_bound[None]
        return (x[0] - geo.zeta_t(m) / weight, x[1] + geo.disjoint_t(m) / weight, moved), m

    def step(_: int, carry: tuple) -> tuple:
        s = carry[0]
        x = proximal(s)
        y, m = project(tuple(2.0 * xi - si for xi, si in zip(x, s, strict=True)))
        s = tuple(si + _RELAXATION * (yi - xi) for si, xi, yi in zip(s, x, y, strict=True))
        return s, x, y, m

    s = (lanes.s_and, lanes.s_or, lanes.s_bound)
    s, x, y, m = jax.lax.fori_loop(0, steps, step, (s, s, s, lanes.v))

    best = (lanes.i_and, lanes.i_or, lanes.upper)
    for point in (x, y):
        trial = repaired(geo, costs, point[0], point[1], lanes.v, lanes.box)
        best = _better(trial, best, trial[2] < best[2])
    trial = certified(geo, costs, -m / lanes.sigma[:, None], lanes.v, lanes.box)
    dual = _better(trial, (lanes.multipliers, lanes.lower), trial[1] > lanes.lower)

    sigma, s = _balance(geo, lanes.sigma, s, x, lanes.checks)
    return lanes._replace(
        s_and=s[0], s_or=s[1], s_bound=s[2], sigma=sigma, i_and=best[0], i_or=best[1],
        upper=best[2], multipliers=dual[0], lower=dual[1], checks=lanes.checks + 1,
    )  # fmt: skip


def _balance(
    geo: Geometry, sigma: jax.Array, s: tuple, x: tuple, checks: jax.Array
) -> tuple[jax.Array, tuple]:
    """Moves σ towards equal size of the primal and the (scaled) dual part of the state."""
    weights = (
        geo.weight,
        geo.weight,
        jnp.ones(()) if geo.weight_bound is None else geo.weight_bound,
    )

    def norm(parts: list) -> jax.Array:
        return sum(
            jnp.sum(w.reshape(1, -1) * p * p, axis=-1) for w, p in zip(weights, parts, strict=True)
        )

    dual = [si - xi for si, xi in zip(s, x, strict=True)]
    ratio = norm(list(x)) / jnp.maximum(norm(dual), jnp.finfo(sigma.dtype).tiny)
    factor = jnp.where(checks < 8, jnp.clip(ratio**0.25, 0.2, 5.0), 1.0)
    moved = tuple(xi + factor[:, None] * di for xi, di in zip(x, dual, strict=True))
    return sigma * factor, moved

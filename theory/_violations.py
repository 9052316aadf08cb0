"""Where [Ren24 Proposition 1] fails: the orders and noise levels at which its clauses are false."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from theory._learning import log_thresholds
from theory._rows import log_norm_ratios
from theory.checks import ArgumentError, check_players
from theory.noise import NoiseModel, check_noise

STEP = 0.1  # of the search in ln σ²; gains vary over about 1, their poles being at distance π
BLOCK = 64  # points evaluated at once

Interval = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class RatioViolations:
    """Where the clauses of [Ren24 Proposition 1] fail for n players.

    Returned by `norm_ratio_violations`, whose example shows it in use.

    Attributes:
        n: number of players.
        not_above_one: for each order k = 0..n−1, the intervals of σ² on which r^(k) ≤ 1.
        not_increasing: for each order k, the intervals of σ² on which r^(k) does not increase.
    """

    n: int
    not_above_one: tuple[tuple[Interval, ...], ...]
    not_increasing: tuple[tuple[Interval, ...], ...]

    @property
    def orders_below_one(self) -> tuple[int, ...]:
        """The orders k for which r^(k) ≤ 1 somewhere."""
        return tuple(k for k, intervals in enumerate(self.not_above_one) if intervals)

    @property
    def orders_not_increasing(self) -> tuple[int, ...]:
        """The orders k for which r^(k) does not increase everywhere."""
        return tuple(k for k, intervals in enumerate(self.not_increasing) if intervals)

    @property
    def holds(self) -> bool:
        """Whether the proposition holds for this n, at every order and every noise."""
        return not self.orders_below_one and not self.orders_not_increasing


def norm_ratio_violations(n: int, noise: NoiseModel = NoiseModel()) -> RatioViolations:
    """Orders k and intervals of σ² where r^(k) = ‖m̂_k‖/‖m̂_{k+1}‖ is ≤ 1, or does not increase.

    [Ren24 Proposition 1] claims that there are none. For the paper's noise that is so up to n = 9.
    An order first stops increasing at n = 10, 11, 12, 13 and first goes below 1 at n = 10, 11, 13,
    14, for k = 0, 1, 2, 3.

    Found from ln r^(k) and its exact derivative, on a grid of ln σ² that covers all learning
    thresholds and well beyond; every change of sign is then bisected. Outside the grid r^(k) is
    ruled by its limits, 1 and `limiting_norm_ratio`, and an interval that is open at an end of the
    grid is extended to 0 or ∞. A pair of sign changes of the derivative closer than 0.1 in ln σ²
    would be missed. Computed in 64-bit whatever the setting.

    Args:
        n: number of players, at most 64; at most 32 where correlation·√growth > ½, for which
            `row_norms` loses accuracy.
        noise: the noise's covariance, given by numbers: this function is not traceable.

    Returns:
        The intervals for each order, in units of σ².

    Raises:
        TypeError: n is not an integer.
        ValueError: n is less than 1 or too large.

    Example:
        >>> norm_ratio_violations(6).holds
        True
        >>> [(low, high)] = norm_ratio_violations(10).not_above_one[0]
        >>> print(f"r^(0) <= 1 from {low:.2e} to {high:.2e}")
        r^(0) <= 1 from 2.01e-07 to 6.02e-07
    """
    check_noise(noise)
    n = check_players(n)
    largest = 32 if float(noise.correlation) * float(noise.growth) ** 0.5 > 0.5 else 64
    if n > largest:
        raise ArgumentError(
            "n",
            f"be at most {largest} for this noise (beyond, row norms are not accurate enough)",
            f"is {n}",
        )
    with jax.enable_x64(True):
        return _violations(n, noise)


def _violations(n: int, noise: NoiseModel) -> RatioViolations:
    log_theta = np.asarray(log_thresholds(n, noise, jnp.float64))
    grid = np.arange(log_theta[-1] - 10, log_theta[0] + 15, STEP)

    def evaluate(points: np.ndarray, which: int) -> np.ndarray:
        blocks = np.resize(points, (-(-len(points) // BLOCK), BLOCK))  # one shape: compiled once
        values = [_ratios_and_slopes(jnp.asarray(block), noise, n)[which] for block in blocks]
        return np.concatenate(values)[: len(points)]

    ratio, slope = functools.partial(evaluate, which=0), functools.partial(evaluate, which=1)

    turns = _sign_changes(slope, grid)
    # With the extrema among the nodes, no crossing of 1 can hide between two of them.
    crossings = _sign_changes(ratio, np.union1d(grid, turns[1]))
    return RatioViolations(
        n, _nonpositive(ratio, grid, *crossings), _nonpositive(slope, grid, *turns)
    )


@functools.partial(jax.jit, static_argnames="n")
def _ratios_and_slopes(points: jax.Array, noise: NoiseModel, n: int) -> tuple[jax.Array, jax.Array]:
    """ln r^(k) and its derivative by ln σ², each (points, k)."""

    def at(point: jax.Array) -> tuple[jax.Array, jax.Array]:
        return jax.jvp(
            lambda x: log_norm_ratios(jnp.exp(x), noise, n), (point,), (jnp.ones_like(point),)
        )

    return jax.lax.map(at, points)


def _sign_changes(
    f: Callable[[np.ndarray], np.ndarray], nodes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where each column of f changes from positive to not, or back: column and ln σ²."""
    positive = f(nodes) > 0
    cell, column = np.nonzero(positive[1:] != positive[:-1])
    low, high, start = nodes[cell], nodes[cell + 1], positive[cell, column]
    row = np.arange(len(cell))
    for _ in range(32 if len(cell) else 0):
        middle = 0.5 * (low + high)
        same = (f(middle) > 0)[row, column] == start
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return column, 0.5 * (low + high)


def _nonpositive(
    f: Callable[[np.ndarray], np.ndarray],
    nodes: np.ndarray,
    column: np.ndarray,
    changes: np.ndarray,
) -> tuple[tuple[Interval, ...], ...]:
    first = f(nodes[:1])[0] > 0
    result = []
    for k, starts_positive in enumerate(first):
        ends = [float(np.exp(x)) for x in np.sort(changes[column == k])]
        if not starts_positive:
            ends = [0.0, *ends]
        if len(ends) % 2:
            ends.append(float("inf"))
        result.append(tuple(zip(ends[::2], ends[1::2], strict=True)))
    return tuple(result)

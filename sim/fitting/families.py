"""Families of interactions with one parameter: the theory's, and those that know as much but it.

All start from the same true interactions w*, the last checkpoint's, and every member of a family is
a set of interactions, whose outputs go through the same instrument as the network's own.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from sim.fitting.prediction import Target
from theory import NoiseModel, learning_thresholds, optimal_interactions, orders

Pair = tuple[jax.Array, jax.Array]
"""AND and OR interactions, (samples, 2^n) each."""

STEP = 0.7  # of the theory's grid in ln σ²; neighbouring thresholds are 2.3 apart
BEYOND = 4.0  # how far it reaches in ln σ² beyond the lowest and the highest threshold


@dataclasses.dataclass(frozen=True)
class Family:
    """Interactions with at most one free parameter.

    Attributes:
        member: from w*, a parameter and the noise's covariance to AND and OR interactions.
        grid: for n players and a covariance, the parameters to try, increasing; one point for a
            family of one member.
        simplest: the end of the grid at which the explanation is simplest, 0 or −1.
    """

    member: Callable[[Target, jax.Array, NoiseModel], Pair]
    grid: Callable[[int, NoiseModel], np.ndarray]
    simplest: int = -1

    @property
    def parameters(self) -> int:
        """Number of free parameters for each checkpoint."""
        return int(self.grid(2, NoiseModel()).size > 1)


@jax.jit
def learned(target: Target, log_sigma2: jax.Array, noise: NoiseModel) -> Pair:
    """ŵ(σ²) of the theory [Ren24 Theorem 3], AND and OR each."""
    sigma2 = jnp.exp(log_sigma2)
    return (
        optimal_interactions(target.w_and, sigma2, noise),
        optimal_interactions(target.w_or, sigma2, noise),
    )


@jax.jit
def tilted_interactions(target: Target, beta: jax.Array, noise: NoiseModel) -> Pair:
    """w*_T · e^{−β(|T|−1)}: weaker by the same factor with every order."""
    order = orders(target.n).astype(target.w_and.dtype)
    factor = jnp.exp(-beta * jnp.maximum(order - 1, 0))[None]
    return target.w_and * factor, target.w_or * factor


@jax.jit
def cut_off_interactions(target: Target, order: jax.Array, noise: NoiseModel) -> Pair:
    """w*_T · clip(order − |T| + 1, 0, 1): all up to a real order, and nothing beyond."""
    kept = jnp.clip(order - orders(target.n) + 1, 0.0, 1.0).astype(target.w_and.dtype)[None]
    return target.w_and * kept, target.w_or * kept


@jax.jit
def frozen_interactions(target: Target, anything: jax.Array, noise: NoiseModel) -> Pair:
    """w* itself."""
    return target.w_and, target.w_or


def _noise_levels(n: int, noise: NoiseModel) -> np.ndarray:
    thresholds = np.log(np.asarray(_thresholds(n, noise)))
    low, high = thresholds.min() - BEYOND, thresholds.max() + BEYOND
    return np.linspace(low, high, round((high - low) / STEP) + 1)


_thresholds = functools.partial(jax.jit, static_argnames="n")(learning_thresholds)

THEORY = Family(learned, _noise_levels)
RIVALS: dict[str, Family] = {
    "frozen": Family(frozen_interactions, lambda n, noise: np.zeros(1)),
    "tilt": Family(tilted_interactions, lambda n, noise: np.linspace(-0.4, 6.0, 33)),
    "cut_off": Family(
        cut_off_interactions, lambda n, noise: np.linspace(1.0, n, 4 * (n - 1) + 1), simplest=0
    ),
}
"""Families that know the same w* and the same start as the theory, by name."""

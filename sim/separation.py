"""Decay and spindle: what generalizes told by shape alone, a reconstruction of [Cheng25]."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from sim.checks import ArgumentError, check_finite
from theory import NoiseModel, initial_strength, optimal_interactions, sum_by_order


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Separation:
    """Strength by order as a decay plus a spindle (a reconstruction of [Cheng25]).

    Returned by `separate`, whose example shows it in use.

    Attributes:
        decay: (checkpoints, n), the part that follows the decay: taken for generalizable.
        spindle: (checkpoints, n), the part that follows the spindle: taken for non-generalizable.
        sigma2: (checkpoints,), noise level of the decay's shape.
        rho: (checkpoints,), ratio of the spindle's shape C(n,k)·ρ^k.
        residual: (checkpoints,), Σ |strength − decay − spindle| over Σ strength.
    """

    decay: np.ndarray
    spindle: np.ndarray
    sigma2: np.ndarray
    rho: np.ndarray
    residual: np.ndarray

    @property
    def share(self) -> np.ndarray:
        """The decay's part of all strength at each checkpoint, (checkpoints,)."""
        decay, spindle = self.decay.sum(axis=1), self.spindle.sum(axis=1)
        return decay / (decay + spindle)


def separate(
    strength: ArrayLike,
    true: ArrayLike,
    noise: NoiseModel = NoiseModel(),
    *,
    sigma2: ArrayLike | None = None,
    rho: ArrayLike | None = None,
) -> Separation:
    """Separates strength by order into a decay and a spindle, without any reference network.

    RECONSTRUCTION: [Cheng25] says that generalizable strength decays with order and that
    non-generalizable strength is a spindle; its formulas were not available to us. Here the decay
    is d·Σ_{|S|=k} |ŵ_S(σ²)| for given interactions w, the spindle α·C(n,k)·ρ^k, with d, α ≥ 0. All
    four numbers are found for each checkpoint: σ² and ρ on a grid, d and α by nonnegative least
    squares. Whether the parts mean what they are called is for reference networks to say
    (`generalizable_strength`), and for a control on shuffled labels.

    Args:
        strength: (checkpoints, n), measured strength of the orders 1..n, without a threshold of
            salience (`threshold=0`), since the shapes have none.
        true: (samples, 2^n), or (2, samples, 2^n) for AND and OR: the interactions w whose
            order strengths at noise σ² give the decay's shape, such as those of the last
            checkpoint.
        noise: the noise's covariance.
        sigma2: noise levels to try; by default 61 from 1e-6 to 1.
        rho: ratios to try; by default 25 from 0.5 to 2.

    Returns:
        The separation.

    Raises:
        ValueError: shapes that do not match, or values that are negative or not finite.

    Example:
        >>> k = np.arange(1, 4)
        >>> spindle = np.array([3, 3, 1]) * 1.5 ** k
        >>> found = separate(spindle[None], np.eye(8)[1][None], rho=[1.0, 1.5])
        >>> round(float(found.share[0]), 6), float(found.rho[0])
        (0.0, 1.5)
    """
    measured = np.asarray(strength, dtype=np.float64)
    given = jnp.asarray(true)
    n = given.shape[-1].bit_length() - 1
    if measured.ndim != 2 or measured.shape[1] != n:
        raise ArgumentError(
            "strength",
            f"have shape (checkpoints, {n}), one entry for each order of `true`",
            f"has shape {measured.shape}",
        )
    check_finite(measured, "strength", nonnegative=True)
    levels = np.geomspace(1e-6, 1.0, 61) if sigma2 is None else np.atleast_1d(sigma2)
    ratios = np.geomspace(0.5, 2.0, 25) if rho is None else np.atleast_1d(rho)
    decays = np.asarray(_decay_strength(given, jnp.asarray(levels), noise))  # (levels, n)
    spindles = np.stack([np.asarray(initial_strength(n, r)) for r in ratios])  # (ratios, n)
    shapes = decays / decays.sum(axis=1, keepdims=True), spindles
    a, b, error = _nonnegative_pairs(measured, *shapes)
    flat = error.reshape(len(measured), -1).argmin(axis=1)
    level, ratio = np.unravel_index(flat, error.shape[1:])
    rows = np.arange(len(measured))
    decay = a[rows, level, ratio][:, None] * shapes[0][level]
    spindle = b[rows, level, ratio][:, None] * shapes[1][ratio]
    missed = np.abs(measured - decay - spindle).sum(axis=1)
    total = measured.sum(axis=1)
    return Separation(
        decay=decay,
        spindle=spindle,
        sigma2=levels[level],
        rho=ratios[ratio],
        residual=np.divide(missed, total, out=np.zeros_like(total), where=total > 0),
    )


@jax.jit
def _decay_strength(true: jax.Array, sigma2: jax.Array, noise: NoiseModel) -> jax.Array:
    def at(variance: jax.Array) -> jax.Array:
        learned = jnp.abs(optimal_interactions(true, variance, noise))
        return jnp.sum(sum_by_order(learned)[..., 1:], axis=tuple(range(learned.ndim - 1)))

    return jax.lax.map(at, sigma2)


def _nonnegative_pairs(
    measured: np.ndarray, first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Least squares a·first[i] + b·second[j] ≈ measured with a, b ≥ 0, for every i and j.

    Returns:
        a, b and the squared error, (checkpoints, len(first), len(second)) each.
    """
    xx, yy = (first**2).sum(axis=1)[:, None], (second**2).sum(axis=1)[None]
    xy = first @ second.T
    mx, my = (measured @ first.T)[:, :, None], (measured @ second.T)[:, None, :]
    determinant = np.maximum(xx * yy - xy**2, 1e-12 * xx * yy)
    a, b = (mx * yy - my * xy) / determinant, (my * xx - mx * xy) / determinant
    shape = np.broadcast_shapes(a.shape, b.shape)
    alone_a, alone_b = np.broadcast_to(mx / xx, shape), np.broadcast_to(my / yy, shape)
    candidates = [(a, b), (alone_a, np.zeros(shape)), (np.zeros(shape), alone_b)]
    best_a, best_b, best = np.zeros(shape), np.zeros(shape), np.full(shape, np.inf)
    norm = (measured**2).sum(axis=1)[:, None, None]
    for u, v in candidates:
        error = norm - 2 * (u * mx + v * my) + u**2 * xx + v**2 * yy + 2 * u * v * xy
        better = (u >= 0) & (v >= 0) & (error < best)
        best_a, best_b = np.where(better, u, best_a), np.where(better, v, best_b)
        best = np.where(better, error, best)
    return best_a, best_b, best

"""A direct look at the noise: how interactions fluctuate, without the theory's fit."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from sim.checks import ArgumentError, check_epochs
from theory import estimate_noise

Model = TypeVar("Model")


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class NoiseLaw:
    """Noise of the interactions at every checkpoint, read off repeated measurements.

    Returned by `observe_noise`, whose example shows it in use.

    Attributes:
        epochs: (checkpoints,).
        growth: (checkpoints,), factor by which the variance of interactions grows with each order;
            2 under [Ren24 Lemma 1].
        growth_error: (checkpoints,), its standard error.
        sigma2: (checkpoints,), variance at order 0 relative to the mean of (v(N) − v(∅))², since
            the theory's noise acts on what triggers an interaction, in units of its effect.
        sigma2_error: (checkpoints,), its standard error.
        variance: (checkpoints, n+1), variance of interactions by order, in squared units of v.
    """

    epochs: np.ndarray
    growth: np.ndarray
    growth_error: np.ndarray
    sigma2: np.ndarray
    sigma2_error: np.ndarray
    variance: np.ndarray

    def agreement(self, fitted: ArrayLike) -> float:
        """One number: Spearman's rank correlation of the direct σ² with fitted ones.

        Args:
            fitted: (checkpoints,), σ² of the same checkpoints, from `fit_noise`. Entries that are
                NaN are left out.

        Returns:
            Between −1 and 1; NaN for fewer than three checkpoints, or without any variation.
        """
        from scipy.stats import rankdata  # half a second, for those who ask

        fitted = np.asarray(fitted, dtype=float)
        if fitted.shape != self.sigma2.shape:
            raise ArgumentError("fitted", f"have shape {self.sigma2.shape}", f"has {fitted.shape}")
        known = np.isfinite(fitted)
        if known.sum() < 3:
            return float("nan")
        ranks = [rankdata(values[known]) for values in (fitted, self.sigma2)]
        if min(np.ptp(rank) for rank in ranks) == 0:
            return float("nan")
        return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def observe_noise(repeats: ArrayLike, epochs: ArrayLike) -> NoiseLaw:
    """Estimates the noise law from outputs that were measured several times.

    Repeats may be networks with perturbed parameters (`perturb`), networks from other seeds, or
    checkpoints next to one another (`neighbour_residuals`).

    Args:
        repeats: (checkpoints, repeats, samples, 2^n), v(S) of the same samples, at least 3 repeats.
        epochs: (checkpoints,), increasing.

    Returns:
        The noise by checkpoint.

    Raises:
        ValueError: wrong shapes, values that are not finite, or repeats that do not differ.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> clean = rng.normal(size=(4, 2**5))
        >>> noise = rng.normal(size=(2, 300, 4, 2**5)) * np.array([1.0, 0.1])[:, None, None, None]
        >>> law = observe_noise(clean + noise, [1, 2])
        >>> law.growth.round(1).tolist(), bool(law.sigma2[0] > 50 * law.sigma2[1])
        ([2.0, 2.0], True)
    """
    array = np.asarray(repeats, dtype=np.float64)
    if array.ndim != 4:
        raise ArgumentError(
            "repeats", "have shape (checkpoints, repeats, samples, 2^n)", f"has shape {array.shape}"
        )
    if not np.isfinite(array).all():
        raise ArgumentError("repeats", "be finite", "is not")
    epochs = check_epochs(epochs, len(array))
    found = [estimate_noise(jnp.asarray(outputs)) for outputs in array]
    effect = ((array[..., -1] - array[..., 0]).mean(axis=1) ** 2).mean(axis=1)
    return NoiseLaw(
        epochs=epochs,
        growth=np.array([float(e.growth) for e in found]),
        growth_error=np.array([float(e.growth_error) for e in found]),
        sigma2=np.array([float(e.sigma2) for e in found]) / effect,
        sigma2_error=np.array([float(e.sigma2_error) for e in found]) / effect,
        variance=np.array([np.asarray(e.variance_by_order) for e in found]),
    )


def perturb(model: Model, scale: float, key: jax.Array) -> Model:
    """A network with normal noise on its parameters.

    Args:
        model: any pytree, such as an equinox network; its floating arrays are perturbed.
        scale: standard deviation of the noise, relative to each array's root mean square.
        key: of the noise.

    Returns:
        A network like `model`.

    Example:
        >>> noisy = perturb({"w": jnp.ones(3), "depth": 2}, 0.1, jax.random.key(0))
        >>> noisy["depth"], bool((abs(noisy["w"] - 1) < 0.5).all())
        (2, True)
    """
    if not (np.isfinite(scale) and scale >= 0):
        raise ArgumentError("scale", "be finite and nonnegative", f"is {scale}")
    leaves, structure = jax.tree.flatten(model)
    keys = jax.random.split(key, len(leaves))

    def shaken(leaf: Any, key: jax.Array) -> Any:
        if not (hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)):
            return leaf
        size = jnp.sqrt(jnp.mean(leaf**2))
        return leaf + scale * size * jax.random.normal(key, leaf.shape, leaf.dtype)

    return jax.tree.unflatten(structure, map(shaken, leaves, keys))


def neighbour_residuals(outputs: ArrayLike) -> np.ndarray:
    """What each checkpoint's outputs stray from the middle of its neighbours.

    Scaled so that independent noise keeps its variance; a network that still moves adds its
    curvature, so the neighbours should be close.

    Args:
        outputs: (checkpoints, samples, 2^n), at least 3 checkpoints at even distances.

    Returns:
        (checkpoints − 2, samples, 2^n).

    Example:
        >>> drift = np.arange(4.0)[:, None, None] * np.ones((4, 2, 8))
        >>> neighbour_residuals(drift).any(), neighbour_residuals(drift).shape
        (np.False_, (2, 2, 8))
    """
    array = np.asarray(outputs, dtype=np.float64)
    if array.ndim != 3 or len(array) < 3:
        raise ArgumentError(
            "outputs",
            "have shape (checkpoints, samples, 2^n) with at least 3 checkpoints",
            f"has shape {array.shape}",
        )
    return (array[1:-1] - 0.5 * (array[:-2] + array[2:])) / 1.5**0.5

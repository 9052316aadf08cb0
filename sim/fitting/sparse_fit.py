"""The noise level of every checkpoint where there are too many players for 2^n.

The direct comparison of the paper, for interactions that are given sparsely: sets and values, as an
extraction from sampled masks finds them. Predictions are `theory.estimate_strength`.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from sim.checks import ArgumentError, as_number, check_epochs, check_fraction, check_seed
from sim.fitting.distances import nearest_on_grid, total_variation
from sim.fitting.families import THEORY
from sim.strength import averaged_distribution
from theory import SALIENCE, NoiseModel, estimate_strength, order_distribution, order_transfer

DRAWS = 200  # sets drawn of each order for each sample and half: errors are averaged over samples


@dataclasses.dataclass(frozen=True)
class SparseNoiseFit:
    """The theory fitted to every checkpoint of interactions that are given sparsely.

    Returned by `fit_sparse_noise`, whose example shows it in use.

    Attributes:
        epochs: (checkpoints,).
        sigma2: (checkpoints,), the noise variance that fits best.
        measured: (checkpoints, n), measured distribution over the orders 1..n.
        predicted: (checkpoints, n), the theory's at `sigma2`.
        error: (checkpoints,), how far the prediction may be off, in total variation, since it is
            estimated from drawn sets: half the sum of the standard errors of its shares.
        total_variation: (checkpoints,), between measured and predicted.
    """

    epochs: np.ndarray
    sigma2: np.ndarray
    measured: np.ndarray
    predicted: np.ndarray
    error: np.ndarray
    total_variation: np.ndarray


def fit_sparse_noise(
    and_sets: ArrayLike,
    i_and: ArrayLike,
    or_sets: ArrayLike,
    i_or: ArrayLike,
    n: int,
    epochs: ArrayLike,
    noise: NoiseModel = NoiseModel(),
    *,
    effect: ArrayLike | None = None,
    salience: float = SALIENCE,
    draws: int = DRAWS,
    seed: int = 0,
) -> SparseNoiseFit:
    """Fits the noise variance σ² of every checkpoint, for up to 64 players  [Ren24 Sec. 4].

    As `fit_noise(…, through="direct")`: w* is the last checkpoint's salient interactions, σ² is
    chosen so that the distribution of ŵ(σ²) over orders comes nearest to the measured one in total
    variation, and of ŵ(σ²) too those count that are salient: at least `salience` times the mean of
    |Σ_{S≠∅} ŵ_S|, AND and OR together. Only v(∅) is left out of w*. Nothing of size 2^n is made;
    predictions are estimates, and `SparseNoiseFit.error` says how good.

    Args:
        and_sets: (k,) integers, sets of AND interactions; those of a `SampledExtraction`.
        i_and: (checkpoints, samples, k), their values.
        or_sets: (l,) integers, sets of OR interactions.
        i_or: (checkpoints, samples, l), their values.
        n: number of players, at most 64.
        epochs: (checkpoints,), increasing; the last is the target.
        noise: the noise's covariance.
        effect: (checkpoints,), the mean of |v(N) − v(∅)| over the samples, which salience is a
            share of; None for what the interactions given add up to.
        salience: factor of the threshold of salience.
        draws: sets drawn of each order for each sample.
        seed: of the draws.

    Returns:
        The fit, on a grid of σ² a factor of two apart, and straight lines in between.

    Raises:
        ValueError: shapes that do not match, a set that is not one of n players, or a last
            checkpoint without any salient interaction.

    Example:
        >>> from theory import optimal_at
        >>> sets, true = [0b11, 0b111 << 9, 0b11001], np.array([[1.0, 2.0, -1.5]])  # 12 players
        >>> near = sorted({s & ~(1 << i) for s in sets for i in range(12)})  # and one player less
        >>> learned = np.stack([optimal_at(near, sets, true, 12, s) for s in (1e-3, 0.0)])
        >>> none = np.zeros((2, 1, 0))
        >>> fit = fit_sparse_noise(near, learned, [], none, 12, [1, 2], draws=50)
        >>> bool(fit.sigma2[0] > 1e3 * fit.sigma2[1])
        True
    """
    halves = _halves(i_and, i_or)
    listed = [np.asarray(sets, dtype=object) for sets in (and_sets, or_sets)]
    for name, sets, values in zip(("and_sets", "or_sets"), listed, halves, strict=True):
        if sets.shape != values.shape[2:]:
            raise ArgumentError(
                name, f"have shape {values.shape[2:]}, one for each value", f"has {sets.shape}"
            )
    epochs = check_epochs(epochs, len(halves[0]))
    salience = as_number(salience, "salience")
    check_fraction(salience, "salience")
    key = jax.random.key(check_seed(seed))
    # The empty set is no order's, and v(∅) no interaction.
    filled = [np.array([int(s) != 0 for s in sets], bool) for sets in listed]
    listed = [sets[some] for sets, some in zip(listed, filled, strict=True)]
    halves = [values[..., some] for values, some in zip(halves, filled, strict=True)]
    if effect is None:
        effect = np.abs(sum(values.sum(axis=-1) for values in halves)).mean(axis=1)
    effect = _checked_effect(effect, len(epochs))
    kept = [
        np.where(np.abs(values) >= salience * effect[:, None, None], values, 0.0)
        for values in halves
    ]
    measured = np.asarray(averaged_distribution(_strength(listed, kept, n)))
    if not measured[-1].any():
        raise ValueError("The last checkpoint must have a salient interaction, but has none.")
    sets, values = _compact(listed, [values[-1] for values in kept])
    grid = THEORY.grid(n, noise)
    strength, error = _predicted(key, sets, values, n, np.exp(grid), noise, salience, draws)
    some = strength.any(axis=1)  # among many players endless noise leaves nothing salient
    grid, strength, error = grid[some], strength[some], error[some]
    match = nearest_on_grid(
        jnp.asarray(measured), order_distribution(strength), jnp.asarray(grid), total_variation
    )
    near = np.abs(np.asarray(match.parameter)[:, None] - grid).argmin(axis=1)
    share = error / strength.sum(axis=1, keepdims=True)
    return SparseNoiseFit(
        epochs=epochs,
        sigma2=np.exp(np.asarray(match.parameter)),
        measured=measured,
        predicted=np.asarray(match.predicted),
        error=0.5 * share.sum(axis=1)[near],
        total_variation=np.asarray(match.distance),
    )


def _checked_effect(effect: ArrayLike, checkpoints: int) -> np.ndarray:
    array = np.asarray(effect, float)
    if array.shape != (checkpoints,):
        must = f"have shape ({checkpoints},), one for each checkpoint"
        raise ArgumentError("effect", must, f"has shape {array.shape}")
    if not np.all(np.isfinite(array) & (array >= 0)):
        raise ArgumentError("effect", "be finite and not negative", f"is {effect}")
    return array


def _halves(i_and: ArrayLike, i_or: ArrayLike) -> list[np.ndarray]:
    """AND and OR values as arrays (checkpoints, samples, sets)."""
    halves = [np.asarray(i, float) for i in (i_and, i_or)]
    first, second = halves
    if first.ndim != 3 or second.ndim != 3 or first.shape[:2] != second.shape[:2]:
        raise ValueError(
            f"Arguments `i_and` and `i_or` must have shapes (checkpoints, samples, sets) with the "
            f"same checkpoints and samples, but have {first.shape} and {second.shape}."
        )
    for name, half in zip(("i_and", "i_or"), halves, strict=True):
        if not np.isfinite(half).all():
            raise ArgumentError(name, "be finite", "holds NaN or infinity")
    return halves


def _strength(listed: list[np.ndarray], halves: list[np.ndarray], n: int) -> np.ndarray:
    """Strength by order, AND and OR added, (checkpoints, samples, n)."""
    strength = np.zeros((*halves[0].shape[:2], n))
    for sets, values in zip(listed, halves, strict=True):
        order = np.array([int(s).bit_count() for s in sets], int)
        strength += np.abs(values) @ (order[:, None] == np.arange(1, n + 1))
    return strength


def _compact(listed: list[np.ndarray], halves: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Sets and values (2, samples, sources) of what is not 0; zeros fill the rest."""
    rows = [
        [(sets[row != 0], row[row != 0]) for row in values]
        for sets, values in zip(listed, halves, strict=True)
    ]
    most = max(1, *(len(values) for half in rows for _, values in half))
    shape = (2, len(halves[0]), most)
    sets, values = np.zeros(shape, np.uint64), np.zeros(shape)
    for half, targets in enumerate(rows):
        for sample, (own, value) in enumerate(targets):
            sets[half, sample, : len(own)] = [int(s) for s in own]
            values[half, sample, : len(own)] = value
    return sets, values


def _predicted(
    key: jax.Array,
    sets: np.ndarray,
    values: np.ndarray,
    n: int,
    sigma2: np.ndarray,
    noise: NoiseModel,
    salience: float,
    draws: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Strength by order of ŵ(σ²), mean over samples, and its standard error, (m, n) each."""
    sums = np.asarray(order_transfer(n, sigma2, noise, of="sum"))[:, 1:].sum(axis=1)  # (m, n+1)
    effect = (values[None] * sums[:, np.bitwise_count(sets)]).sum(axis=(1, 3))  # (m, samples)
    threshold = salience * np.abs(effect).mean(axis=1)
    found = estimate_strength(
        key, sets, values, n, sigma2, threshold[:, None, None], noise, draws=draws
    )
    strength = np.asarray(found.strength).sum(axis=1).mean(axis=1)
    error = np.sqrt((np.asarray(found.error) ** 2).sum(axis=(1, 2))) / values.shape[1]
    return strength, error

"""Which noise law a network prefers: the fit over the family of covariances."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sim.checks import ArgumentError, check_fraction, check_resamples, check_seed
from sim.fitting.bootstrap import (
    BETTER,
    LEVEL,
    MATERIAL,
    SAME,
    WORSE,
    check_room,
    input_weights,
    resampled_fit,
)
from sim.fitting.distances import distance_named
from sim.fitting.noise_fit import NoiseFit, check_direct
from sim.fitting.prediction import noise_range, predicted_strength
from sim.progress import Progress
from sim.strength import weighted_distributions
from theory import NoiseModel

GROWTHS = (0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6)
CORRELATIONS = (-(0.5**0.5), -0.5, -0.25, 0.0, 0.25, 0.5)
POINTS = 192  # values of ln σ² for each covariance, 0.2 to 0.3 apart at n = 10
TABLE = 2.65 * POINTS  # numbers of a resample for each order at a time, as measured

PAPER = NoiseModel()
LEMMA1 = NoiseModel(correlation=-(0.5**0.5))


@dataclasses.dataclass(frozen=True)
class NoiseProfile:
    """How well the theory fits under every noise law of a family.

    Returned by `profile_noise`, whose example shows it in use.

    Attributes:
        growth: (a,), values of the growth g that were tried.
        correlation: (b,), values of the correlation c.
        distance: (a, b), mean over the fitted checkpoints, each at its own best σ².
        best: the law with the smallest distance.
        growth_interval: of the best growth, from drawing the inputs anew, each with all of its
            training runs. Its ends are values of the grid, and open where they are the grid's own
            ends.
        correlation_interval: of the best correlation.
        references: by name (`paper`, `lemma1`, `independent`), the distance under that law, and
            the interval and verdict of (best law − reference): each resample chooses its best law,
            which is then held against the reference on the inputs that the resample left out, so
            that the choice among many laws wins nothing by itself. Without resamples, only the
            distance.
        checkpoints: index of the checkpoints fitted.
    """

    growth: np.ndarray
    correlation: np.ndarray
    distance: np.ndarray
    best: NoiseModel
    growth_interval: tuple[float, float]
    correlation_interval: tuple[float, float]
    references: dict[str, dict[str, Any]]
    checkpoints: np.ndarray


def profile_noise(
    fit: NoiseFit,
    growths: Sequence[float] = GROWTHS,
    correlations: Sequence[float] = CORRELATIONS,
    *,
    checkpoints: slice | Sequence[int] | np.ndarray = slice(None, -1),
    resamples: int = 100,
    level: float = LEVEL,
    seed: int = 0,
    progress: Progress | None = None,
) -> NoiseProfile:
    """Fits σ² of every checkpoint under each noise law Cov ε ∝ ⊗[[1, c√g], [c√g, g]].

    The paper's law is g = 2, c = 0 [Ren24 Assumption 1]; independent noise on the outputs would
    give g = 2, c = −1/√2 [Ren24 Lemma 1].

    Args:
        fit: a direct fit under any law; its measured strengths, target and options are used.
        growths: values of g to try.
        correlations: values of c to try.
        checkpoints: index of the checkpoints that count, by default all but the last, which is
            the target. The theory claims only those of the second phase.
        resamples: bootstrap resamples of the inputs, for the intervals.
        level: coverage of the intervals.
        seed: of the resamples.
        progress: called with (laws done, laws in all).

    Returns:
        The profile.

    Raises:
        ValueError: no checkpoint, or a covariance that is not positive definite.

    Example:
        >>> from sim import fit_noise
        >>> from theory import optimal_interactions, zeta
        >>> true = np.random.default_rng(0).normal(size=(6, 16))
        >>> learned = optimal_interactions(true, np.array([0.1, 0.01, 0.0]), NoiseModel(4.0))
        >>> options = {"through": "direct", "resamples": 0}
        >>> fit = fit_noise(learned, 0 * learned, zeta(learned), range(3), **options)
        >>> profile_noise(fit, [2.0, 4.0], [0.0], resamples=0).best.growth
        4.0
    """
    check_direct(fit)
    chosen = np.arange(len(fit.epochs))[checkpoints]
    if chosen.size == 0:
        raise ArgumentError("checkpoints", "select at least one checkpoint", "selects none")
    check_resamples(resamples)
    check_fraction(level, "level")
    seed = check_seed(seed)
    samples = fit.strength.shape[1]
    check_room(2 * resamples, (chosen.size, samples, fit.target.n), TABLE)
    weights = np.full((1, samples), 1 / samples)
    runs = fit.settings["runs"]
    if samples // runs > 2 and resamples > 0:
        draw = input_weights(samples, runs, resamples, seed)
        draw = draw[(draw == 0).any(axis=1)]
        rest = (draw == 0) / (draw == 0).sum(axis=1, keepdims=True)
        weights = np.concatenate([weights, draw, rest])
    growth, correlation = np.array(growths, float), np.array(correlations, float)
    laws = [NoiseModel(float(g), float(c)) for g in growth for c in correlation]
    references = {"paper": PAPER, "lemma1": LEMMA1, "independent": NoiseModel(1.0)}
    draws = []
    for done, law in enumerate([*laws, *references.values()], start=1):
        draws.append(_mean_distance(fit, law, jnp.asarray(weights), chosen))
        if progress is not None:
            progress(done, len(laws) + len(references))
    family, beside = np.array(draws[: len(laws)]), draws[len(laws) :]  # (laws, weights)
    count = len(weights) // 2
    drawn, left_out = slice(1, 1 + count), slice(1 + count, None)
    winners = family[:, drawn if count else slice(1)].argmin(axis=0)
    found: dict[str, dict[str, Any]] = {}
    for name, reference in zip(references, beside, strict=True):
        found[name] = {"distance": float(reference[0])}
        if count:
            gain = family[:, left_out][winners, np.arange(count)] - reference[left_out]
            low, high = _ends(gain, level)
            said = BETTER if high < -MATERIAL else WORSE if low > MATERIAL else SAME
            found[name] |= {"low": low, "high": high, "verdict": said}
    rows, columns = np.unravel_index(winners, (growth.size, correlation.size))
    return NoiseProfile(
        growth=growth,
        correlation=correlation,
        distance=family[:, 0].reshape(growth.size, correlation.size),
        best=laws[int(family[:, 0].argmin())],
        growth_interval=_ends(growth[rows], level),
        correlation_interval=_ends(correlation[columns], level),
        references=found,
        checkpoints=chosen,
    )


def _mean_distance(
    fit: NoiseFit, law: NoiseModel, weights: jax.Array, chosen: np.ndarray
) -> np.ndarray:
    """Distance of every resample, mean over checkpoints, at the best σ² of each: (resamples,)."""
    grid = np.linspace(*noise_range(fit.target.n, law), POINTS)
    # Traced numbers, so that all laws share one compilation.
    noise = NoiseModel(jnp.asarray(law.growth), jnp.asarray(law.correlation))
    strength = predicted_strength(fit.target, np.exp(grid), noise, fit.settings["parts"])
    measured = jnp.asarray(fit.strength)[chosen]
    away = distance_named(fit.settings["distance"])
    tables, shares = (weighted_distributions(weights, each) for each in (strength, measured))
    return np.asarray(resampled_fit(shares, tables, jnp.asarray(grid), away, away)[1]).mean(axis=1)


def _ends(draws: np.ndarray, level: float) -> tuple[float, float]:
    tail = (1 - level) / 2
    low, high = np.quantile(draws, [tail, 1 - tail], method="nearest")
    return float(low), float(high)

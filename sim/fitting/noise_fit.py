"""Fitting the theory to measured interactions: one noise level for each checkpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from sim.checks import (
    ArgumentError,
    check_epochs,
    check_fraction,
    check_nonnegative,
    check_outputs,
)
from sim.fitting.bootstrap import LEVEL, MATERIAL
from sim.fitting.comparison import Comparison, compare
from sim.fitting.distances import Distance, Match, distance_named, nearest_member, total_variation
from sim.fitting.nulls import NULLS, NullFit, fit_nulls
from sim.fitting.prediction import (
    Target,
    noise_grid,
    noise_range,
    predicted_distribution,
    predicted_strength,
    salient_target,
)
from sim.strength import averaged_distribution, check_parts, measured_strength
from theory import SALIENCE, NoiseModel, mean_order, reconstruct
from theory.noise import check_noise

BOUNDS = ("any", "zero", "infinite", "at_most", "at_least")
"""Names of the bounds of `NoiseFit.bound`, in the order in which they take precedence."""

RESAMPLES = 200
"""Bootstrap resamples behind the intervals of a fit, by default."""

_reconstructed = jax.jit(reconstruct)


@dataclasses.dataclass(frozen=True)
class NoiseFit:
    """The theory fitted to every checkpoint, beside the null models.

    Returned by `fit_noise`, whose example shows it in use.

    Attributes:
        epochs: (checkpoints,).
        sigma2: (checkpoints,), the noise variance that fits best.
        bound: (checkpoints,), empty where the data determine σ². Otherwise `zero` or `infinite`:
            beyond `sigma2` the prediction no longer changes (with `zero` it is the final
            distribution itself that comes nearest, as it does at the last checkpoint); or `at_most`
            or `at_least`: no noise at all, or endless noise, comes as near with another prediction;
            or `any`: both do.
        strength: (checkpoints, samples, n), measured strength by order, of the parts fitted.
        measured: (checkpoints, n), its distribution over the orders 1..n.
        predicted: (checkpoints, n), the theory's distribution at `sigma2`.
        total_variation: (checkpoints,), between the two.
        nulls: by name, the null models fitted to the same distributions.
        noise: the noise's covariance.
        target: the true interactions w*.
        settings: the options of the fit, for the record.
        comparison: intervals and verdicts from bootstrap resamples, or None without them.
    """

    epochs: np.ndarray
    sigma2: np.ndarray
    bound: np.ndarray
    strength: np.ndarray
    measured: np.ndarray
    predicted: np.ndarray
    total_variation: np.ndarray
    nulls: Mapping[str, NullFit]
    noise: NoiseModel
    target: Target
    settings: Mapping[str, Any]
    comparison: Comparison | None = None

    def __repr__(self) -> str:
        away = np.median(self.total_variation[:-1])
        return (
            f"NoiseFit({len(self.epochs)} checkpoints, epochs {self.epochs[0]:g} to "
            f"{self.epochs[-1]:g}, median total variation {away:.3f})"
        )

    @property
    def inside(self) -> np.ndarray:
        """Where the data determine σ², (checkpoints,): where it is not only a bound."""
        return self.bound == ""

    @property
    def mean_order(self) -> np.ndarray:
        """Mean order of the measured distribution at every checkpoint, (checkpoints,)."""
        return np.asarray(mean_order(self.measured))

    @property
    def parameters(self) -> dict[str, int]:
        """Free parameters that each model spends on each checkpoint."""
        return {"theory": 1} | {name: null.parameters for name, null in self.nulls.items()}

    def records(self) -> list[dict[str, Any]]:
        """One plain dictionary a checkpoint, as written to `fit.json`."""
        return [self._record(c) for c in range(len(self.epochs))]

    def _record(self, c: int) -> dict[str, Any]:
        compared = self.comparison
        beside = {} if compared is None else compared.differences
        return {
            "epoch": float(self.epochs[c]),
            "sigma2": float(self.sigma2[c]),
            "bound": str(self.bound[c]) or None,
            "measured": self.measured[c].tolist(),
            "predicted": self.predicted[c].tolist(),
            "total_variation": float(self.total_variation[c]),
            "mean_order": float(self.mean_order[c]),
            "nulls": {
                name: null.record(c) | (beside[name].record(c) if name in beside else {})
                for name, null in self.nulls.items()
            },
            **({} if compared is None else compared.record(c)),
        }


def fit_noise(
    i_and: ArrayLike,
    i_or: ArrayLike,
    outputs: ArrayLike,
    epochs: ArrayLike,
    noise: NoiseModel = NoiseModel(),
    *,
    distance: str = "total_variation",
    parts: str = "both",
    target: str = "salient",
    centred: bool = False,
    salience: float = SALIENCE,
    per_sample: bool = False,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> NoiseFit:
    """Fits the noise variance σ² of every checkpoint  [Ren24 Sec. 4, Fig. 4].

    The last checkpoint's salient interactions are the true interactions w*; at each checkpoint σ²
    is chosen so that the predicted distribution over orders comes nearest to the measured one, by a
    global search over the whole range in which the prediction changes. Null models are fitted to
    the same distributions by the same distance.

    Intervals come from drawing the samples anew, the same ones for all checkpoints, for the target
    and for the null models. The thresholds of salience, which are a convention and not an estimate,
    stay those of all samples.

    Args:
        i_and: (checkpoints, samples, 2^n), AND interactions.
        i_or: (checkpoints, samples, 2^n), OR interactions.
        outputs: (checkpoints, samples, 2^n), v(S), for the threshold of salience.
        epochs: (checkpoints,), increasing.
        noise: the noise's covariance.
        distance: `total_variation`, `jensen_shannon` or `least_squares`.
        parts: whose strength is compared: AND and OR added (`both`), `and` or `or`.
        target: what w* is made of: the last checkpoint's `salient` interactions, as in the paper,
            or `all` of them.
        centred: leave v(∅) out of w*.
        salience: factor of the threshold of salience, 0.03 in the paper.
        per_sample: give every sample its own threshold, instead of the mean over samples.
        resamples: bootstrap resamples; 0, or a single sample, gives no intervals.
        level: coverage of the intervals.
        seed: of the resamples.

    Returns:
        The fit. Where several σ² fit equally well, the largest is given.

    Raises:
        ValueError: shapes that do not match, values that are not finite, an unknown option, or a
            checkpoint without any salient interaction.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> true = rng.normal(size=(6, 16)) * (rng.uniform(size=(6, 16)) < 0.5)
        >>> from theory import optimal_interactions, zeta
        >>> learned = np.stack([optimal_interactions(true, s) for s in (0.02, 0.001, 0.0)])
        >>> fit = fit_noise(learned, 0 * learned, zeta(learned), [1, 2, 3])
        >>> bool(fit.sigma2[0] > fit.sigma2[1])
        True
    """
    i_and, i_or, outputs = check_interactions(i_and, i_or, outputs)
    epochs = check_epochs(epochs, len(outputs))
    if len(epochs) < 2:
        raise ValueError(
            "A fit needs at least two checkpoints, since the last is the target, but there is one."
        )
    check_noise(noise)
    away = distance_named(distance)
    _check_options(parts, target, salience, resamples, level)

    strength, threshold = measured_strength(
        i_and, i_or, outputs, parts=parts, salience=salience, per_sample=per_sample
    )
    measured = np.asarray(averaged_distribution(strength))
    _check_strength(measured, salience)
    true = salient_target(
        jnp.asarray(i_and[-1]),
        jnp.asarray(i_or[-1]),
        threshold[-1] if target == "salient" else jnp.zeros_like(threshold[-1]),
        centred=centred,
        fraction=salience,
        per_sample=per_sample,
    )
    match = fit_target(measured, true, noise, away, parts)
    ends = predicted_distribution(true, np.exp(noise_range(true.n, noise)), noise, parts)
    settings = {
        "distance": distance,
        "parts": parts,
        "target": target,
        "centred": centred,
        "salience": salience,
        "per_sample": per_sample,
        "resamples": resamples,
        "level": level,
        "seed": seed,
    }
    comparison = None
    if resamples and strength.shape[1] > 1:
        grid = noise_grid(true.n, noise)
        comparison = compare(
            strength,
            predicted_strength(true, np.exp(grid), noise, parts),
            grid,
            NULLS,
            away,
            resamples=resamples,
            level=level,
            seed=seed,
        )
    return NoiseFit(
        epochs=epochs,
        sigma2=np.exp(match.parameter),
        bound=_bounds(measured, match, ends, away),
        strength=np.asarray(strength),
        measured=measured,
        predicted=match.predicted,
        total_variation=np.asarray(
            total_variation(jnp.asarray(measured), jnp.asarray(match.predicted))
        ),
        nulls=fit_nulls(measured, measured[-1], away, total_variation),
        noise=noise,
        target=true,
        settings=settings,
        comparison=comparison,
    )


def fit_target(
    measured: np.ndarray, target: Target, noise: NoiseModel, away: Distance, parts: str = "both"
) -> Match[np.ndarray]:
    """The theory's family over ln σ², matched to measured distributions (checkpoints, n)."""
    return nearest_member(
        measured,
        lambda log_sigma2: predicted_distribution(target, np.exp(log_sigma2), noise, parts),
        noise_grid(target.n, noise),
        away,
    )


def _bounds(
    measured: np.ndarray, match: Match[np.ndarray], ends: jax.Array, away: Distance
) -> np.ndarray:
    """Names of the bounds of `NoiseFit.bound`, from the predictions (2, n) at the range's ends."""
    beyond = ends[None]
    moved = np.asarray(total_variation(jnp.asarray(match.predicted)[:, None], beyond))
    lost = np.asarray(away(beyond, jnp.asarray(measured)[:, None])) - match.distance[:, None]
    # The other distances are of second order in the differences of distributions.
    tied = lost <= (MATERIAL if away is total_variation else MATERIAL**2)
    (zero, infinite), (at_most, at_least) = (moved <= MATERIAL).T, tied.T
    return np.select([at_most & at_least, zero, infinite, at_most, at_least], BOUNDS, "")


def check_interactions(
    i_and: ArrayLike, i_or: ArrayLike, outputs: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The three as float64 of one shape (checkpoints, samples, 2^n)."""
    outputs = check_outputs(outputs)
    i_and, i_or = check_outputs(i_and, "i_and"), check_outputs(i_or, "i_or")
    for name, array in (("i_and", i_and), ("i_or", i_or)):
        if array.shape != outputs.shape:
            raise ArgumentError(
                name,
                f"have the shape {outputs.shape} of `outputs`",
                f"has shape {array.shape}",
                opening="",
            )
    _check_sums(i_and, i_or, outputs)
    return i_and, i_or, outputs


def _check_sums(i_and: np.ndarray, i_or: np.ndarray, outputs: np.ndarray) -> None:
    """Raises where the interactions explain less of the outputs than nothing would."""
    sums = np.asarray(_reconstructed(i_and, i_or))
    effects, explained = (v - v[..., :1] for v in (outputs, sums))
    missed, whole = (np.linalg.norm(x) for x in (effects - explained, effects))
    if missed > whole and missed > 1e-6 * np.linalg.norm(sums):
        raise ValueError(
            f"`i_and` and `i_or` must add up to `outputs` (theory.reconstruct), but miss effects "
            f"of size {whole:.3g} by {missed:.3g}; are the arrays in the order i_and, i_or, "
            f"outputs, and extracted by extract_interactions?"
        )


def _check_options(parts: str, target: str, salience: float, resamples: int, level: float) -> None:
    check_parts(parts)
    if target not in ("salient", "all"):
        raise ArgumentError("target", "be `salient` or `all`", f"is {target!r}")
    check_nonnegative(salience, "salience")
    check_nonnegative(resamples, "resamples")
    check_fraction(level, "level")


def _check_strength(measured: np.ndarray, salience: float) -> None:
    empty = np.flatnonzero(~measured.any(axis=1))
    if empty.size:
        raise ValueError(
            f"Every checkpoint must have salient interactions, but checkpoint {empty[0]} of "
            f"{len(measured)} has none among the parts that are fitted: all are weaker than "
            f"{salience:g} (`salience`) of the mean |v(N) − v(∅)|, or the outputs are constant."
        )

"""The two phases of training: the order of interactions falls first, and rises after."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike

from sim.checks import ArgumentError, check_epochs, check_finite, check_fraction
from sim.phases.boundary import COVERAGE, boundary_ends, pattern_p_value, shared_jitter
from sim.phases.loss_gap import ROUGH, gap_onset, loss_gap


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Phases:
    """Whether training had two phases, and where the second began.

    Returned by `find_phases`, whose example shows it in use.

    Attributes:
        boundary: epoch of the smallest mean order, or None where there is no two-phase pattern.
        low: lower end of the boundary's interval (epoch), or None.
        high: upper end of it, or None. The interval reaches to the checkpoints next to the
            bootstrap's minima, since a minimum is known no better than the epochs measured.
        p_value: chance of a fall and a rise this large in a training run without two phases.
        level: there is a pattern where `p_value` is at most this.
        epochs: (checkpoints,).
        mean_order: (checkpoints,), m(t).
        spread: (checkpoints,), standard error of m(t) over samples.
        jitter: standard deviation of m(t) from checkpoint to checkpoint beyond that, common to
            all samples; 0 where fewer than 7 checkpoints leave it unknown.
        fall: m(first) − m(t₀) at the smallest interior mean order t₀, in orders.
        rise: m(last) − m(t₀).
        loss_gap: (checkpoints,), test loss − training loss, or None.
        onset: epoch from which the loss gap stays above its own noise, or None where it never
            does or the losses are not known.
    """

    boundary: float | None
    low: float | None
    high: float | None
    p_value: float
    level: float = dataclasses.field(metadata={"static": True})
    epochs: np.ndarray
    mean_order: np.ndarray
    spread: np.ndarray
    jitter: float
    fall: float
    rise: float
    loss_gap: np.ndarray | None = None
    onset: float | None = None

    @property
    def lag(self) -> float | None:
        """Epochs from the boundary to the onset of the loss gap; None where either is missing."""
        if self.boundary is None or self.onset is None:
            return None
        return self.onset - self.boundary

    def verdict(self) -> str:
        """The finding in one or two sentences."""
        if self.boundary is None:
            text = (
                f"No two-phase pattern: the mean order does not fall and then rise by more than "
                f"its noise (p = {self.p_value:.2g})."
            )
        else:
            text = (
                f"Two phases: the mean order falls by {self.fall:.2f} to its minimum at epoch "
                f"{self.boundary:g} ({COVERAGE} interval {self.low:g} to {self.high:g}) and then "
                f"rises by {self.rise:.2f} (p = {self.p_value:.2g})."
            )
        if self.loss_gap is None:
            return text
        if self.onset is None:
            return f"{text} The loss gap never rises above its noise."
        text = f"{text} The loss gap rises from epoch {self.onset:g}"
        return text + ("." if self.lag is None else f", {self.lag:+g} epochs from the boundary.")

    def record(self) -> dict[str, Any]:
        """A plain dictionary, as written to `fit.json`."""
        return {
            "boundary": self.boundary,
            "low": self.low,
            "high": self.high,
            "p_value": self.p_value,
            "level": self.level,
            "fall": self.fall,
            "rise": self.rise,
            "jitter": self.jitter,
            "mean_order": self.mean_order.tolist(),
            "spread": self.spread.tolist(),
            "loss_gap": None if self.loss_gap is None else self.loss_gap.tolist(),
            "loss_gap_onset": self.onset,
            "lag": self.lag,
            "verdict": self.verdict(),
        }


def find_phases(
    epochs: ArrayLike,
    distributions: ArrayLike,
    *,
    train_loss: ArrayLike | None = None,
    test_loss: ArrayLike | None = None,
    level: float = 0.05,
    resamples: int = 1999,
    seed: int = 0,
) -> Phases:
    """Finds the boundary between the two phases of training, or says that there is none.

    The mean order m(t) = Σ_k k·d^(k)(t) of a two-phase training run falls from the start to an
    interior minimum and rises after it [Zhang24]. Both changes must exceed their noise: with
    A_t = (m(first) − m(t)) / se and B_t = (m(last) − m(t)) / se, the statistic is max_t min(A_t,
    B_t), and its null distribution is that of the largest of all the A_t and B_t when m is
    constant, so the choice of the minimum is paid for, and neither a monotone nor a constant m(t)
    is called two-phase more often than `level`. The noise has two parts. Differences between
    samples are followed through by flipping the signs of whole samples, the same for all
    checkpoints. Jitter that all samples share (one checkpoint is one draw of a network) is
    estimated from how far m(t) strays from the middle of its neighbours. (Ours.)

    Args:
        epochs: (checkpoints,), increasing; at least 3.
        distributions: (checkpoints, samples, orders), for the orders 1..n: strength of the salient
            interactions, such as `NoiseFit.strength`, which is averaged over samples before it is
            normalised; or each sample's shares. Strength without a threshold of salience holds the
            many weak interactions of every order too, and may show other phases.
        train_loss: (checkpoints,), to find the onset of the loss gap.
        test_loss: (checkpoints,), the same.
        level: rate of false alarms that is accepted.
        resamples: draws of the null distribution and of the bootstrap.
        seed: of both.

    Returns:
        The phases; `boundary` is None where there is no two-phase pattern.

    Raises:
        ValueError: shapes that do not match, values that are negative or not finite, a checkpoint
            without any strength, or too little data to know the noise.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> centre = np.array([4, 3.5, 3, 2.5, 2, 2.5, 3, 3.5])[:, None, None]
        >>> shares = np.exp(-((np.arange(1, 7) - centre + 0.3 * rng.normal(size=(8, 20, 1))) ** 2))
        >>> phases = find_phases(range(8), shares)
        >>> phases.boundary, phases.low, phases.high
        (4.0, 3.0, 5.0)
    """
    shares = _check_distributions(distributions)
    epochs = check_epochs(epochs, len(shares))
    check_fraction(level, "level")
    checkpoints, samples, _ = shares.shape
    if (fault := too_few_for_phases(checkpoints, samples)) is not None:
        raise ValueError(fault)
    moments = shares @ np.arange(1.0, shares.shape[-1] + 1), shares.sum(axis=-1)
    mean = moments[0].sum(axis=1) / moments[1].sum(axis=1)
    # What one sample contributes to m(t): the ratio of means, linearised.
    influence = (moments[0] - mean[:, None] * moments[1]) / moments[1].mean(axis=1)[:, None]
    rng = np.random.default_rng(seed)

    jitter = shared_jitter(mean, influence)
    p_value = pattern_p_value(mean, influence, jitter, resamples, rng)
    lowest = 1 + int(np.argmin(mean[1:-1]))
    boundary = low = high = None
    if p_value <= level:
        boundary = float(epochs[lowest])
        ends = boundary_ends(moments, lowest, jitter, resamples, rng)
        low, high = (float(epochs[end]) for end in ends)
    gap = loss_gap(train_loss, test_loss, checkpoints)
    return Phases(
        boundary=boundary,
        low=low,
        high=high,
        p_value=p_value,
        level=level,
        epochs=epochs,
        mean_order=mean,
        spread=np.sqrt((influence**2).mean(axis=1) / max(samples - 1, 1)),
        jitter=jitter,
        fall=float(mean[0] - mean[lowest]),
        rise=float(mean[-1] - mean[lowest]),
        loss_gap=gap,
        onset=None if gap is None else gap_onset(epochs, gap),
    )


def too_few_for_phases(checkpoints: int, samples: int) -> str | None:
    """What is missing to look for phases, as a sentence; None where it is enough."""
    if checkpoints >= 3 and (samples >= 2 or checkpoints >= ROUGH):
        return None
    return (
        f"Phases need at least 3 checkpoints of several samples, or {ROUGH} checkpoints of one, "
        f"but there are {checkpoints} checkpoints of {samples}."
    )


def _check_distributions(distributions: ArrayLike) -> np.ndarray:
    try:
        shares = np.asarray(distributions, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(
            "Argument `distributions` must be an array (checkpoints, samples, orders), such as "
            f"`fit_noise(...).strength`, but is of type {type(distributions).__name__}."
        ) from None
    if shares.ndim != 3 or 0 in shares.shape:
        raise ArgumentError(
            "distributions",
            "have shape (checkpoints, samples, orders)",
            f"has shape {shares.shape}",
        )
    check_finite(shares, "distributions", nonnegative=True)
    empty = np.flatnonzero(shares.sum(axis=(1, 2)) == 0)
    if empty.size:
        raise ArgumentError(
            "distributions",
            "have some strength at every checkpoint",
            f"checkpoint {empty[0]} has none",
        )
    return shares

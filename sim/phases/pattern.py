"""What the mean order does over training, as it was found, and what that is in sentences."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from sim.phases.boundary import COVERAGE

PATTERNS = ("two-phase", "rises", "falls", "flat", "undetermined")
"""What a mean order can do over training."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Phases:
    """What the mean order does over training, and where a second phase began.

    Returned by `find_phases`, whose example shows it in use.

    Attributes:
        pattern: one of `two-phase`, `rises` (no first phase), `falls` (no second), `flat` and
            `undetermined`.
        reason: why it is undetermined, as half a sentence; else empty.
        boundary: epoch of the smallest mean order, from which orders rise, or None unless there
            are two phases.
        low: lower end of the boundary's interval over inputs (epoch), or None.
        high: upper end of it, or None. The interval reaches to the neighbours of the checkpoints
            that may be the lowest, since a minimum is known no better than the epochs measured.
        without: what dropping the checkpoint of the boundary does where the minimum rests on it
            alone: the epoch to which the boundary moves, or −1 where no two phases are left. None
            where it stays between the neighbours, or there is none.
        p_value: chance of such a valley where there are no two phases; None where the run is
            watched.
        trend_p_value: chance of such a change from the first checkpoint to the last where the mean
            order does nothing but wander; None where the run is watched.
        level: there is a pattern where its chance is at most this; over all looks where the run is
            watched.
        found_at: epoch of the first look that found two phases, where the run is watched; or None.
        epochs: (checkpoints,).
        mean_order: (checkpoints,), m(t).
        spread: (checkpoints,), standard error of m(t) over inputs.
        noise: (checkpoints,), standard deviation of m(t) about a smooth course near a checkpoint.
        fall: m(first) − m(t₀) at the smallest interior mean order t₀, in orders.
        rise: m(last) − m(t₀).
        run_mean_order: (runs, checkpoints), m(t) of each training run, or None with a single one.
        run_boundaries: (runs,), epoch of the smallest interior mean order in each training run, or
            None with a single run.
        run_low: lower end of the boundary's interval over training runs, or None.
        run_high: upper end of it, or None.
        least_test_loss: epoch at which the test loss is least, or None where it is not known.
        overfits: whether the test loss stays above that by more than its own noise afterwards.
        loss_gap: (checkpoints,), test loss − training loss, or None.
        gap_onset: epoch from which the loss gap stays above its own noise, or None where it never
            does or the losses are not known.
    """

    pattern: str = dataclasses.field(metadata={"static": True})
    reason: str = dataclasses.field(metadata={"static": True})
    boundary: float | None
    low: float | None
    high: float | None
    without: float | None
    p_value: float | None
    trend_p_value: float | None
    level: float = dataclasses.field(metadata={"static": True})
    found_at: float | None
    epochs: np.ndarray
    mean_order: np.ndarray
    spread: np.ndarray
    noise: np.ndarray
    fall: float
    rise: float
    run_mean_order: np.ndarray | None = None
    run_boundaries: np.ndarray | None = None
    run_low: float | None = None
    run_high: float | None = None
    least_test_loss: float | None = None
    overfits: bool | None = None
    loss_gap: np.ndarray | None = None
    gap_onset: float | None = None

    def verdict(self) -> str:
        """The pattern in a few sentences."""
        return _pattern_sentences(self)

    def losses(self) -> str:
        """Where the test loss is least and its gap leaves its noise; empty without losses."""
        return _loss_sentences(self)

    def record(self) -> dict[str, Any]:
        """A plain dictionary, as written to `fit.json`, where the epochs stand beside it."""
        plain = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name != "epochs"
        }
        plain = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in plain.items()}
        return plain | {"verdict": self.verdict(), "losses": self.losses()}


def _pattern_sentences(phases: Phases) -> str:
    """The pattern, the boundary with its intervals, and what it rests on."""
    first, last = phases.mean_order[0], phases.mean_order[-1]
    change = abs(last - first)
    if phases.p_value is None or phases.trend_p_value is None:
        return _watched(phases)
    chance = f"(p = {phases.trend_p_value:.2g})"
    match phases.pattern:
        case "two-phase":
            return " ".join(filter(None, [_two_phases(phases), _on_one(phases), _runs(phases)]))
        case "rises":
            return (
                f"The mean order rises throughout, by {change:.2f} {chance}: there is no first "
                f"phase.{_dip(phases)}"
            )
        case "falls":
            return (
                f"The mean order falls throughout, by {change:.2f} {chance}: there is no second "
                f"phase.{_dip(phases)}"
            )
        case "flat":
            moved = np.ptp(phases.mean_order)
            return f"The mean order is flat, within {moved:.2f} orders: there are no phases."
    return (
        f"Phases are undetermined: {phases.reason} (two phases: p = {phases.p_value:.2g}; a rise "
        f"or a fall throughout: p = {phases.trend_p_value:.2g})."
    )


def _watched(phases: Phases) -> str:
    """Of a run that goes on."""
    share = f"{100 * phases.level:g} %"
    if phases.boundary is None:
        return (
            f"Two phases are not found so far (looking after every checkpoint, at most {share} of "
            f"the runs without them are ever taken for one)."
        )
    return (
        f"Two phases, found at epoch {phases.found_at:g}: the mean order has its minimum at epoch "
        f"{phases.boundary:g} ({COVERAGE} interval over inputs {phases.low:g} to {phases.high:g}); "
        f"looking after every checkpoint, at most {share} of the runs without two phases are ever "
        f"taken for one."
    )


def _loss_sentences(phases: Phases) -> str:
    """Where the test loss is least, and where its gap to the training loss leaves its own noise.

    Neither is the epoch from which orders rise. Empty where the losses are not known.
    """
    if phases.loss_gap is None or phases.least_test_loss is None:
        return ""
    least = f"Test loss is least at epoch {phases.least_test_loss:g}"
    if phases.overfits:
        text = f"{least}; over-fitting follows it."
    elif phases.least_test_loss == phases.epochs[-1]:
        text = "Test loss is least at the last checkpoint: no over-fitting is to be seen."
    else:
        text = f"{least}; what follows is within its noise of that."
    if phases.gap_onset is None:
        return f"{text} Test loss − training loss never leaves its own noise."
    gap = phases.loss_gap[np.searchsorted(phases.epochs, phases.gap_onset)]
    text += f" Test loss − training loss leaves its own noise at epoch {phases.gap_onset:g}"
    if gap >= 0:
        return f"{text}, at {gap:.2g} nats."
    return (
        f"{text}, where it is still negative ({gap:.2g} nats): the training data are the harder "
        f"ones, as they are with relabelled samples among them."
    )


def _two_phases(phases: Phases) -> str:
    return (
        f"Two phases: the mean order falls by {phases.fall:.2f} to its minimum at epoch "
        f"{phases.boundary:g} ({COVERAGE} interval over inputs {phases.low:g} to {phases.high:g}) "
        f"and then rises by {phases.rise:.2f} (p = {phases.p_value:.2g})."
    )


def _on_one(phases: Phases) -> str:
    if phases.without is None:
        return ""
    becomes = (
        "no two phases could be told from chance"
        if phases.without < 0
        else f"the boundary would be epoch {phases.without:g}"
    )
    return f"It rests on this one checkpoint, without which {becomes}."


def _runs(phases: Phases) -> str:
    if phases.run_boundaries is None:
        return "Another training run may have it elsewhere: one was measured."
    epochs = listed([f"{epoch:g}" for epoch in phases.run_boundaries])
    return (
        f"In {len(phases.run_boundaries)} training runs the minimum is at epochs {epochs} "
        f"({COVERAGE} interval over runs {phases.run_low:g} to {phases.run_high:g})."
    )


def _dip(phases: Phases) -> str:
    """What it goes back on the way; nothing if it does not."""
    depth = min(phases.fall, phases.rise)
    return f" (What it goes back on the way, {depth:.2f}, is small.)" if depth > 0 else ""


def listed(texts: Sequence[str]) -> str:
    """Several texts with commas, and "and" before the last."""
    return " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))

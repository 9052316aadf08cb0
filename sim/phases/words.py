"""What the phases and the losses are, said in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sim.phases.boundary import COVERAGE

if TYPE_CHECKING:
    from sim.phases.phases import Phases


def pattern_sentences(phases: Phases) -> str:
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


def loss_sentences(phases: Phases) -> str:
    """Where the test loss is least, and where its gap to the training loss leaves its own noise.

    Neither is the epoch from which orders rise. Empty where the losses are not known.
    """
    if phases.loss_gap is None or phases.least_test_loss is None:
        return ""
    if phases.least_test_loss == phases.epochs[-1]:
        text = "Test loss is least at the last checkpoint: no over-fitting is to be seen."
    else:
        text = f"Test loss is least at epoch {phases.least_test_loss:g}; over-fitting follows it."
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
    return (
        f"In {len(phases.run_boundaries)} training runs the minimum is at epochs "
        f"{_listed(phases.run_boundaries)} ({COVERAGE} interval over runs {phases.run_low:g} to "
        f"{phases.run_high:g})."
    )


def _dip(phases: Phases) -> str:
    """A fall before a rise, or a rise after a fall, that chance explains; nothing if there is
    none.
    """
    depth = min(phases.fall, phases.rise)
    if depth <= 0:
        return ""
    return f" The valley of {depth:.2f} within it is no more than chance makes."


def _listed(values: Sequence[float] | np.ndarray) -> str:
    texts = [f"{value:g}" for value in values]
    return " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))

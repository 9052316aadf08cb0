"""The two phases of training: the order of interactions falls first, and rises after."""

from __future__ import annotations

import numpy as np
from jax.typing import ArrayLike
from scipy.special import stdtr

from sim.checks import (
    ArgumentError,
    check_epochs,
    check_finite,
    check_fraction,
    check_runs,
    check_seed,
    check_whole,
)
from sim.machine import check_host_memory, over_sets
from sim.phases.boundary import (
    boundary_ends,
    lowest_checkpoint,
    paired_error,
)
from sim.phases.loss_gap import ROUNDING, checked_losses, gap_onset, local_noise
from sim.phases.pattern import Phases
from sim.phases.wandering import (
    fewest_checkpoints,
    first_valley,
    trend_chance,
    valley_chance,
)

PATHS = 4  # arrays of (draws, checkpoints) at a time, as measured
LARGEST = 2.0**63
TWO = ("two-phase", "")

FLAT = 0.1
"""A mean order that moves by less than so many orders, with its standard errors, is called flat."""

SMALL = 0.1
"""What a mean order that goes one way throughout may go back, as a share of its whole change."""

DRAWS = 9_999
"""Signs that are drawn, where there are more patterns of them than so many."""


def find_phases(
    epochs: ArrayLike,
    distributions: ArrayLike,
    *,
    runs: int = 1,
    train_loss: ArrayLike | None = None,
    test_loss: ArrayLike | None = None,
    level: float = 0.05,
    watching: bool = False,
    draws: int = DRAWS,
    seed: int = 0,
) -> Phases:
    """Says what the mean order does over training, and where the second of two phases began.

    The mean order m(t) = Σ_k k·d^(k)(t) of a two-phase training run falls from the start to an
    interior minimum and rises after it [Zhang24]. Chance can do the same, and two things must be
    told from it. (Both ours.)

    *Wandering.* Checkpoints are draws of one network: their jitter is common to all samples, may be
    large early and small late, and a mean order that wanders falls and rises too. So the increments
    of m are held against themselves with other signs, whatever their sizes: the valley's depth is
    min(x_first, x_last) − min x of the path x of signed square roots of the increments, and its
    chance, doubled, the share of all sign patterns that make one as deep. That is exact for a
    random walk with independent symmetric steps, and on the safe side for jitter about a constant
    or monotone mean. Doubled, since a mean order that drifts one way leaves one side to chance
    alone; where it wanders widely on that side, false alarms of up to 10 % are left, which
    `make calibrate` measures. The price is power: fewer than 7 checkpoints never tell at the level
    of 0.05, and a fall or a rise must take several.

    *Inputs.* The fall and the rise must be more than the differences between inputs explain: a
    one-sided t test of each, over inputs. With a single input nothing is said of others.

    The pattern is `flat` where m moves by less than 0.1 orders; else two-phase where both chances
    are at most `level`; else `rises` or `falls` where the change from first to last passes the same
    two tests and what it goes back on the way is small or within its noise; else `undetermined`.

    Args:
        epochs: (checkpoints,), increasing; at least 3.
        distributions: (checkpoints, samples, orders), for the orders 1..n: strength of the salient
            interactions, such as `NoiseFit.strength`, which is averaged over samples before it is
            normalised; or each sample's shares. Strength without a threshold of salience holds the
            many weak interactions of every order too, and may show other phases.
        runs: how many training runs the samples hold, one after the other, with the same inputs in
            each; `Measurement.runs`. The boundary then has an interval over runs beside that over
            inputs.
        train_loss: (checkpoints,) or (runs, checkpoints).
        test_loss: the same.
        level: rate of false alarms that is accepted, of two phases and of a trend each.
        watching: whether the run goes on and is looked at again and again. Two phases are then
            found at most in a share `level` of the runs that have none, over all looks after every
            checkpoint together (alpha spending; `found_at` is the first look that found them), and
            no other pattern is looked for. The price is again power: they are found later.
        draws: of signs, where there are more patterns of them than so many.
        seed: of the draws.

    Returns:
        The phases; `boundary` is None unless there are two.

    Raises:
        ValueError: shapes that do not match, values that are negative or not finite, a checkpoint
            without any strength, or fewer than 3 checkpoints.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> centre = np.array([4, 3.5, 3, 2.5, 2, 2.5, 3, 3.5])[:, None, None]
        >>> shares = np.exp(-((np.arange(1, 7) - centre + 0.3 * rng.normal(size=(8, 20, 1))) ** 2))
        >>> phases = find_phases(range(8), shares)
        >>> phases.pattern, phases.boundary, phases.low, phases.high
        ('two-phase', 4.0, 2.0, 6.0)
    """
    shares = _check_distributions(distributions)
    checkpoints, samples, _ = shares.shape
    epochs = check_epochs(epochs, checkpoints)
    check_fraction(level, "level")
    runs = check_runs(runs, samples)
    check_whole(draws, "draws", 1)
    seed = check_seed(seed)
    if (fault := too_few_for_phases(checkpoints)) is not None:
        raise ValueError(fault)
    losses = checked_losses(train_loss, test_loss, checkpoints, runs)
    draws = max(draws, int(np.ceil(min(20 / level, LARGEST))))  # a chance below it is in reach
    patterns = draws if watching else min(draws, over_sets(checkpoints - 1))
    what = f"Drawing {draws} patterns of signs"
    reduce = "fewer draws, or a larger level"
    check_host_memory(8 * PATHS * patterns * checkpoints, what, reduce)

    moments = shares @ np.arange(1.0, shares.shape[-1] + 1), shares.sum(axis=-1)
    mean = moments[0].sum(axis=1) / moments[1].sum(axis=1)
    # What one sample contributes to m(t): the ratio of means, linearised.
    influence = (moments[0] - mean[:, None] * moments[1]) / moments[1].mean(axis=1)[:, None]
    by_run = influence.reshape(checkpoints, runs, -1)
    inputs = by_run.mean(axis=1)
    spread = np.sqrt((inputs**2).mean(axis=1) / max(inputs.shape[1] - 1, 1))

    noise = local_noise(np.log1p(epochs), mean)
    chances = found_at = None
    if watching:
        found_at = _watched(mean, inputs, level, draws, seed)
        pattern, reason = ("undetermined", "none are found so far") if found_at is None else TWO
    else:
        chances = _Chances(mean, inputs, draws, seed)
        pattern, reason = _pattern(chances, mean, spread, noise, level)
    lowest = lowest_checkpoint(mean)
    boundary = low = high = without = run_low = run_high = courses = run_boundaries = None
    if runs > 1:
        courses = _of_runs(shares.reshape(checkpoints, runs, -1, shares.shape[-1]))
        run_boundaries = np.array([epochs[lowest_checkpoint(one)] for one in courses])
    if pattern == "two-phase":
        boundary = float(epochs[lowest])
        low, high = (float(epochs[end]) for end in boundary_ends(mean, inputs, noise))
        if not watching:
            without = _without(lowest, epochs, mean, inputs, level, draws, seed)
        if runs > 1:
            ends = boundary_ends(mean, by_run.mean(axis=2), None)
            run_low, run_high = (float(epochs[end]) for end in ends)
    gap = None if losses is None else losses[1] - losses[0]
    return Phases(
        pattern=pattern,
        reason=reason,
        boundary=boundary,
        low=low,
        high=high,
        without=without,
        p_value=None if chances is None else chances.valley,
        trend_p_value=None if chances is None else chances.trend,
        level=level,
        found_at=None if found_at is None else float(epochs[found_at]),
        epochs=epochs,
        mean_order=mean,
        spread=spread,
        noise=noise,
        fall=float(mean[0] - mean[lowest]),
        rise=float(mean[-1] - mean[lowest]),
        run_mean_order=courses,
        run_boundaries=run_boundaries,
        run_low=run_low,
        run_high=run_high,
        least_test_loss=None if losses is None else float(epochs[np.argmin(losses[1])]),
        overfits=None if losses is None else gap_onset(epochs, losses[1]) is not None,
        loss_gap=gap,
        gap_onset=None if gap is None else gap_onset(epochs, gap),
    )


def _of_runs(shares: np.ndarray) -> np.ndarray:
    """Mean order (runs, checkpoints) of shares (checkpoints, runs, inputs, orders)."""
    by_order = shares.sum(axis=2)
    total = by_order.sum(axis=-1)
    if (total == 0).any():
        checkpoint, run = np.argwhere(total == 0)[0]
        raise ArgumentError(
            "distributions",
            "have some strength at every checkpoint of every run",
            f"checkpoint {checkpoint} of run {run} has none",
        )
    return (by_order @ np.arange(1.0, shares.shape[-1] + 1) / total).T


def too_few_for_phases(checkpoints: int) -> str | None:
    """What is missing to look for phases, as a sentence; None where it is enough."""
    if checkpoints >= 3:
        return None
    return f"Phases need at least 3 checkpoints, but there are {checkpoints}."


class _Chances:
    """Chances of a valley and of a trend: by wandering, by the choice of inputs, and by both."""

    def __init__(self, mean: np.ndarray, inputs: np.ndarray, draws: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.valley_wanders = valley_chance(mean, draws, rng)
        self.trend_wanders = trend_chance(mean, draws, rng)
        self.valley_inputs = _valley_in_inputs(mean, inputs)
        change = abs(mean[-1] - mean[0])
        self.trend_inputs = min(
            1.0, 2 * _t_chance(change, paired_error(inputs, 0)[-1], inputs.shape[1])
        )

    @property
    def valley(self) -> float:
        return max(self.valley_wanders, self.valley_inputs)

    @property
    def trend(self) -> float:
        return max(self.trend_wanders, self.trend_inputs)


def _watched(
    mean: np.ndarray, inputs: np.ndarray, level: float, draws: int, seed: int
) -> int | None:
    """The checkpoint of the first look that finds two phases; None where none does."""
    allowed = np.zeros(len(mean), bool)
    fewest = fewest_checkpoints(level)
    for look, last in enumerate(range(fewest, len(mean) + 1), start=1):
        chance = _valley_in_inputs(mean[:last], inputs[:last])
        allowed[last - 1] = chance <= level / (look * (look + 1))
    return first_valley(mean, allowed, level, draws, np.random.default_rng(seed))


def _valley_in_inputs(mean: np.ndarray, inputs: np.ndarray) -> float:
    """Chance that inputs without a valley in their population show one: of its weaker side."""
    lowest, units = lowest_checkpoint(mean), inputs.shape[1]
    error = paired_error(inputs, lowest)
    return max(_t_chance(mean[end] - mean[lowest], error[end], units) for end in (0, -1))


def _t_chance(change: float, error: float, units: int) -> float:
    """One-sided chance of a change in so many units; 0 with a single one, of which nothing more is
    known.
    """
    if units == 1:
        return 0.0
    if error < ROUNDING:
        return 0.0 if change > ROUNDING else 1.0
    return float(stdtr(units - 1, -change / error))


def _pattern(
    chances: _Chances, mean: np.ndarray, spread: np.ndarray, noise: np.ndarray, level: float
) -> tuple[str, str]:
    """The pattern, and the reason where it is undetermined."""
    if np.ptp(mean) + 2 * spread.max() < FLAT:
        return "flat", ""
    if chances.valley <= level:
        return TWO
    rises = bool(mean[-1] > mean[0])
    if chances.trend <= level:
        lowest = lowest_checkpoint(mean)
        back = min(mean[0], mean[-1]) - mean[lowest]
        own = 2 * np.hypot(noise[lowest], noise[0 if rises else -1])
        if back <= max(FLAT, own, SMALL * abs(mean[-1] - mean[0])):
            return ("rises" if rises else "falls"), ""
        whole, other = ("rises", "fall at its start") if rises else ("falls", "rise at its end")
        return "undetermined", (
            f"the mean order {whole} on the whole, but the {other} by {back:.2f} is neither told "
            "from chance nor small"
        )
    needed = fewest_checkpoints(level)
    if len(mean) < needed:
        return "undetermined", (
            f"{len(mean)} checkpoints are too few to tell a pattern from chance, which takes at "
            f"least {needed}"
        )
    if min(chances.valley_wanders, chances.trend_wanders) <= level:
        return "undetermined", "the inputs differ too much, or are too few"
    return "undetermined", "the mean order moves no more steadily than one that only wanders"


def _without(
    lowest: int,
    epochs: np.ndarray,
    mean: np.ndarray,
    inputs: np.ndarray,
    level: float,
    draws: int,
    seed: int,
) -> float | None:
    """Where the boundary would be without its checkpoint; see `Phases.without`."""
    rest = np.arange(len(mean)) != lowest
    left = mean[rest]
    if len(left) < 3:
        return -1.0
    enough = len(left) >= fewest_checkpoints(level)
    if enough and _Chances(left, inputs[rest], draws, seed).valley > level:
        return -1.0
    moved = np.flatnonzero(rest)[lowest_checkpoint(left)]
    return None if abs(moved - lowest) <= 1 else float(epochs[moved])


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

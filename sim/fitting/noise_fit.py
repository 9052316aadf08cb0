"""Fitting the theory to measured interactions: one noise level for each checkpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from sim.checks import (
    ArgumentError,
    as_number,
    check_choice,
    check_epochs,
    check_fraction,
    check_nonnegative,
    check_outputs,
    check_positive,
    check_resamples,
    check_runs,
    check_seed,
)
from sim.extraction import (
    NOISE_BOUND,
    TOLERANCE,
    check_noise_bound,
    check_preference,
    extract_interactions,
)
from sim.fitting.bootstrap import LEVEL, TABLES, agreed, check_room, input_weights, run_weights
from sim.fitting.comparison import Comparison, Models, Observed, compare
from sim.fitting.direct import fit_direct
from sim.fitting.distances import Distance, distance_named
from sim.fitting.forward import ForwardModel, Instrument
from sim.fitting.instrumented import fit_instrumented, whole_target
from sim.fitting.nulls import NullFit
from sim.fitting.outcome import Fitted
from sim.fitting.prediction import Target, salient_target
from sim.machine import check_memory
from sim.processes import SharedWork
from sim.progress import NamedProgress, Progress
from sim.strength import PARTS, averaged_distribution, measured_strength
from theory import SALIENCE, NoiseModel, mean_order, reconstruct
from theory.noise import check_noise

THROUGH = ("extraction", "direct")
"""What predictions go through before they are compared."""

OTHER_END = {"low": "high", "high": "low"}

ONE_END = " (at one end only)"
"""Added to a verdict where no fit at the other end of `prefer` is beside it."""

HELD = 10  # arrays of the outputs' size at a time: 8.5 to 11.5, as measured at 2^13 and 2^15 sets

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
        scale: (checkpoints,), s: how large the learned interactions are beside what the theory
            predicts at `sigma2`, from the mean of |v(N) − v(∅)|. The theory predicts shares only.
        nulls: by name, the null models fitted to the same distributions; families of shares are
            `shares_…`.
        noise: the noise's covariance.
        target: the true interactions w*.
        settings: the options of the fit, for the record.
        comparison: intervals and verdicts from drawing the inputs anew, or None without resamples.
        over_runs: intervals from drawing the training runs anew, or None where there is one.
        other: the fit at the other end of `prefer`, or None where it was not asked for.
    """

    epochs: np.ndarray
    sigma2: np.ndarray
    bound: np.ndarray
    strength: np.ndarray
    measured: np.ndarray
    predicted: np.ndarray
    total_variation: np.ndarray
    scale: np.ndarray
    nulls: Mapping[str, NullFit]
    noise: NoiseModel
    target: Target
    settings: Mapping[str, Any]
    comparison: Comparison | None = None
    over_runs: Comparison | None = None
    other: NoiseFit | None = None

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
    def starts(self) -> bool:
        """Whether the initial outputs are part of every prediction."""
        return bool(self.settings["start"])

    @property
    def tested(self) -> np.ndarray:
        """Where the fit says something, (checkpoints,): not at the target, which every model meets,
        nor at the start where that is part of the prediction.
        """
        return judged_checkpoints(len(self.epochs), self.starts)

    @property
    def parameters(self) -> dict[str, int]:
        """Free parameters that each model spends on each checkpoint."""
        return {"theory": 1} | {name: null.parameters for name, null in self.nulls.items()}

    @property
    def verdicts(self) -> Mapping[str, list[str | None]]:
        """By null model, for each checkpoint, where the theory stands; empty without resamples.

        `better`, `worse` or `not distinguishable`, corrected for the number of verdicts, and None
        where nothing is tested. A verdict stands only if both ends of `prefer` give it; where only
        one explanation was fitted, it says so: `better (at one end only)`.
        """
        ends = [end.verdicts for end in self._ends()]
        return {
            name: [_standing(*said) for said in zip(*(end[name] for end in ends), strict=True)]
            for name in (ends[0] if ends else ())
        }

    def overall(self, checkpoints: np.ndarray | None = None) -> dict[str, dict[str, Any]]:
        """`Comparison.overall`, with verdicts as those of `verdicts`; empty without resamples."""
        ends = [end.overall(checkpoints) for end in self._ends()]
        return {
            name: entry | {"verdict": _standing(*(end[name]["verdict"] for end in ends))}
            for name, entry in (ends[0] if ends else {}).items()
        }

    def _ends(self) -> list[Comparison]:
        """The comparisons at the ends of `prefer` that were fitted."""
        fits = (self, self.other)
        return [fit.comparison for fit in fits if fit is not None and fit.comparison is not None]

    def records(self) -> list[dict[str, Any]]:
        """One plain dictionary a checkpoint, as written to `fit.json`."""
        verdicts = self.verdicts
        return [self._record(c, verdicts) for c in range(len(self.epochs))]

    def _record(self, c: int, verdicts: Mapping[str, list[str | None]]) -> dict[str, Any]:
        compared = self.comparison
        record = {
            "epoch": float(self.epochs[c]),
            "sigma2": float(self.sigma2[c]),
            "bound": str(self.bound[c]) or None,
            "scale": float(self.scale[c]),
            "tested": bool(self.tested[c]),
            "measured": self.measured[c].tolist(),
            "predicted": self.predicted[c].tolist(),
            "total_variation": float(self.total_variation[c]),
            "mean_order": float(self.mean_order[c]),
            "nulls": {
                name: null.record(c) | self._beside(name, c, verdicts)
                for name, null in self.nulls.items()
            },
            **({} if compared is None else compared.record(c)),
            **self._of_runs(c),
        }
        if self.other is not None:
            record["other"] = {
                "sigma2": float(self.other.sigma2[c]),
                "bound": str(self.other.bound[c]) or None,
                "measured": self.other.measured[c].tolist(),
                "predicted": self.other.predicted[c].tolist(),
                "total_variation": float(self.other.total_variation[c]),
                "mean_order": float(self.other.mean_order[c]),
                "nulls": self.other.null_standings(c),
            }
        return record

    def null_standings(self, c: int) -> dict[str, dict[str, Any]]:
        """By null model, its distance at a checkpoint and the verdict of this end by itself."""
        said = {} if self.comparison is None else self.comparison.verdicts
        return {
            name: {
                "total_variation": float(null.total_variation[c]),
                "verdict": said[name][c] if said else None,
            }
            for name, null in self.nulls.items()
        }

    def _of_runs(self, c: int) -> dict[str, Any]:
        """Intervals over training runs, named so."""
        if self.over_runs is None:
            return {}
        return {f"run_{name}": value for name, value in self.over_runs.record(c).items()}

    def _beside(
        self, name: str, c: int, verdicts: Mapping[str, list[str | None]]
    ) -> dict[str, Any]:
        """What the comparison says of a null model at a checkpoint."""
        if self.comparison is None:
            return {}
        of_null = self.comparison.differences[name]
        return {
            "difference_interval": [float(of_null.low[c]), float(of_null.high[c])],
            "verdict": verdicts[name][c],
        }


def fit_noise(
    i_and: ArrayLike,
    i_or: ArrayLike,
    outputs: ArrayLike,
    epochs: ArrayLike,
    noise: NoiseModel = NoiseModel(),
    *,
    runs: int = 1,
    through: str = "extraction",
    start: bool | None = None,
    noise_bound: float = NOISE_BOUND,
    tolerance: float = TOLERANCE,
    prefer: str | None = "low",
    both_ends: bool = True,
    distance: str = "total_variation",
    parts: str = "both",
    target: str | None = None,
    centred: bool = False,
    salience: float = SALIENCE,
    per_sample: bool = False,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
    progress: NamedProgress | None = None,
    work: SharedWork | None = None,
) -> NoiseFit:
    """Fits the noise variance σ² of every checkpoint  [Ren24 Sec. 4, Fig. 4].

    The true interactions w* are those of the last checkpoint, and at each checkpoint σ² is chosen
    so that the predicted distribution over orders comes nearest to the measured one, by a global
    search over the whole range in which the prediction changes.

    The theory predicts outputs, and what is measured is what an extraction finds in outputs. So the
    predicted outputs are extracted too: with the same bound, tolerance and preference, and with the
    same threshold of salience (`through="extraction"`). They are v̂ = v₀ + s·J ŵ(σ²), the initial
    outputs with the learned ones on top (as `theory.superpose`), s being such that the mean of
    |v(N) − v(∅)| is the observed one: σ² is the only free number of a checkpoint, in both phases.
    There w* is the last checkpoint less the first, so that the last one itself is what is predicted
    without noise. It follows that the start is not kept for good: w* holds the start with a minus
    sign, and as s·ŵ(σ²) grows, it fades. With `through="direct"` ŵ(σ²) itself is compared, as the
    paper does.

    Null models know the same w* and the same start: w* weaker by a factor with every order
    (`tilt`), up to an order (`cut_off`), or as it is (`frozen`), all through the same instrument;
    beside them families of shares (`shares_…`), the only ones in the direct comparison. Which
    explanation of outputs is found is not determined by the outputs; `prefer` says which, and
    verdicts are given where the fits at both of its ends agree.

    Intervals come from drawing the inputs anew, the same ones for all checkpoints, for the target
    and for the null models (Student's t with the bootstrap's standard error; `make calibrate`
    measures what they cover), and with several `runs` others from drawing those; over inputs, they
    say nothing about another training run. The thresholds of salience and the scales s, which are
    conventions and not estimates, stay those of all samples. σ² is measured as if the last
    checkpoint had none: where that one's own noise is 10⁻³, an earlier 3·10⁻³ comes out low by a
    factor of 2 to 3.

    Args:
        i_and: (checkpoints, samples, 2^n), AND interactions.
        i_or: (checkpoints, samples, 2^n), OR interactions.
        outputs: (checkpoints, samples, 2^n), v(S).
        epochs: (checkpoints,), increasing; the first checkpoint is the start, the last the target.
        noise: the noise's covariance.
        runs: how many training runs the samples hold, one after the other, with the same inputs
            in each; `Measurement.runs`. All share one σ² at a checkpoint; each has its own start
            and target.
        through: `extraction` or `direct`.
        start: whether the initial outputs are part of every prediction; only through the
            extraction, where it is the default.
        noise_bound: of the extraction that `i_and` and `i_or` come from.
        tolerance: of that extraction, which its preference depends on.
        prefer: of that extraction.
        both_ends: extract and fit at the other end of `prefer` too. Without it, and with `prefer`
            None, whose explanation is no end of anything, verdicts are `at one end only`.
        distance: `total_variation`, `jensen_shannon` or `least_squares`.
        parts: whose strength is compared: AND and OR added (`both`), `and` or `or`.
        target: what w* is made of: the last checkpoint's `salient` interactions, as in the paper
            and by default in the direct comparison, or `all` of them; through the extraction, `all`
            holds also what that leaves unexplained, less what was there at the start where that is
            part of the prediction, so that without noise the prediction is the target.
        centred: leave v(∅) out of w*.
        salience: factor of the threshold of salience, 0.03 in the paper.
        per_sample: give every sample its own threshold, instead of the mean over samples.
        resamples: bootstrap resamples; 0, or a single sample, gives no intervals and no verdicts.
        level: coverage of the intervals, and 1 − the accepted chance of any false verdict.
        seed: of the resamples.
        progress: called with (what is done, steps done, steps in all).
        work: of several processes that fit the same: each extracts for some of the samples and
            predicts for some of the checkpoints, and all return the whole, to the bit what one
            alone returns.

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
        >>> fit = fit_noise(learned, 0 * learned, zeta(learned), [1, 2, 3], through="direct")
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
    check_choice(through, "through", THROUGH)
    start = through == "extraction" if start is None else start
    if start and through == "direct":
        raise ArgumentError("start", "be False in the direct comparison", "is True")
    target = target or ("all" if through == "extraction" else "salient")
    check_preference(prefer)
    noise_bound, tolerance = check_noise_bound(noise_bound), as_number(tolerance, "tolerance")
    check_positive(tolerance, "tolerance")
    _check_options(parts, target, salience, resamples, level)
    seed = check_seed(seed)
    checkpoints, samples, size = outputs.shape
    n = size.bit_length() - 1
    what = f"Fitting {checkpoints} × {samples} outputs of {n} players"
    check_memory(HELD * outputs.nbytes, what, "fewer players, samples or checkpoints")
    check_room(resamples, (checkpoints, samples, n), TABLES[through])
    settings = {
        "runs": check_runs(runs, samples),
        "through": through,
        "start": start,
        "noise_bound": noise_bound,
        "tolerance": tolerance,
        "prefer": prefer,
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
    fit = _fit(i_and, i_or, outputs, epochs, noise, settings, progress, work)
    if not both_ends or prefer is None:
        return fit
    end = OTHER_END[prefer]
    found = extract_interactions(
        outputs,
        noise_bound,
        tolerance,
        prefer=end,
        progress=None if progress is None else _named(progress, f"extract, prefer {end}"),
        work=work,
    )
    halves = np.asarray(found.i_and), np.asarray(found.i_or)
    other = _fit(*halves, outputs, epochs, noise, settings | {"prefer": end}, progress, work)
    return dataclasses.replace(fit, other=other)


def judged_checkpoints(count: int, start: bool) -> np.ndarray:
    """All checkpoints but the last, and but the first where the start is part of predictions."""
    inside = np.arange(count) < count - 1
    inside[0] &= not start
    return inside


def _standing(first: str | None, second: str | None = None) -> str | None:
    """What the verdicts at the ends of `prefer` amount to; None where nothing is tested."""
    if first is None:
        return None
    return f"{first}{ONE_END}" if second is None else agreed(first, second)


def _named(progress: NamedProgress, what: str) -> Progress:
    return lambda done, total: progress(what, done, total)


def _fit(
    i_and: np.ndarray,
    i_or: np.ndarray,
    outputs: np.ndarray,
    epochs: np.ndarray,
    noise: NoiseModel,
    settings: Mapping[str, Any],
    progress: NamedProgress | None,
    work: SharedWork | None,
) -> NoiseFit:
    """The fit of one extraction of the outputs."""
    away = distance_named(settings["distance"])
    salience, per_sample = settings["salience"], settings["per_sample"]
    strength, threshold = measured_strength(
        i_and, i_or, outputs, parts=settings["parts"], salience=salience, per_sample=per_sample
    )
    measured = np.asarray(averaged_distribution(strength))
    _check_strength(measured, salience)
    observed = np.abs(outputs[..., -1] - outputs[..., 0]).mean(axis=1)
    initial = (outputs[0] - outputs[0][:, :1]) * float(settings["start"])
    whole = settings["target"] == "all"
    if whole and settings["through"] == "extraction":
        learned = outputs[-1] - initial  # with what was there at the start they are the last ones
        target = whole_target(i_and[-1], i_or[-1], learned, settings["centred"])
    else:
        target = salient_target(
            jnp.asarray(i_and[-1]),
            jnp.asarray(i_or[-1]),
            jnp.zeros_like(threshold[-1]) if whole else threshold[-1],
            centred=settings["centred"],
            fraction=salience,
            per_sample=per_sample,
        )
    if settings["through"] == "direct":
        fitted = fit_direct(measured, observed, target, noise, away, settings["parts"])
    else:
        tool = Instrument(
            settings["noise_bound"],
            settings["tolerance"],
            settings["prefer"],
            settings["parts"],
            salience,
            per_sample,
        )
        model = ForwardModel(target, initial, noise, tool)
        fitted = fit_instrumented(measured, observed, model, away, progress=progress, work=work)
    over_inputs, over_runs = _resampled(
        np.asarray(strength), measured, fitted, away, settings, len(epochs)
    )
    return NoiseFit(
        epochs=epochs,
        sigma2=fitted.sigma2,
        bound=fitted.bound,
        strength=np.asarray(strength),
        measured=measured,
        predicted=fitted.predicted,
        total_variation=fitted.total_variation,
        scale=fitted.scale,
        nulls=fitted.nulls,
        noise=noise,
        target=target,
        settings=settings,
        comparison=over_inputs,
        over_runs=over_runs,
    )


def _resampled(
    strength: np.ndarray,
    measured: np.ndarray,
    fitted: Fitted,
    away: Distance,
    settings: Mapping[str, Any],
    checkpoints: int,
) -> tuple[Comparison | None, Comparison | None]:
    """The comparison over inputs and that over training runs; None where there is only one."""
    samples, runs = strength.shape[1], settings["runs"]
    if not settings["resamples"]:
        return None, None
    observed = Observed(np.log(fitted.sigma2), fitted.total_variation, measured, fitted.differences)

    def over(weigh: Callable[..., np.ndarray], units: int, models: Models) -> Comparison | None:
        if units == 1:
            return None
        return compare(
            strength,
            fitted.tables,
            models,
            away,
            observed,
            weigh(samples, runs, settings["resamples"], settings["seed"]),
            units=units,
            tested=judged_checkpoints(checkpoints, settings["start"]),
            material=fitted.material,
            level=settings["level"],
        )

    # Verdicts are over inputs: a few runs leave none.
    return over(input_weights, samples // runs, fitted.models), over(run_weights, runs, {})


def check_direct(fit: NoiseFit) -> None:
    """Raises unless a fit is a direct comparison, which is what goes on from closed forms needs."""
    if fit.settings["through"] != "direct":
        raise ArgumentError(
            "fit", 'be of the direct comparison, fit_noise(..., through="direct")', "is not"
        )


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
    check_choice(parts, "parts", PARTS)
    if target not in ("salient", "all"):
        raise ArgumentError("target", "be `salient` or `all`", f"is {target!r}")
    check_nonnegative(salience, "salience")
    check_resamples(resamples)
    check_fraction(level, "level")


def _check_strength(measured: np.ndarray, salience: float) -> None:
    empty = np.flatnonzero(~measured.any(axis=1))
    if empty.size:
        raise ValueError(
            f"Every checkpoint must have salient interactions, but checkpoint {empty[0]} of "
            f"{len(measured)} has none among the parts that are fitted: all are weaker than "
            f"{salience:g} (`salience`) of the mean |v(N) − v(∅)|, or the outputs are constant."
        )

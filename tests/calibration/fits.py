"""What the intervals of a fit cover, and how often its verdicts are wrong."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence

import jax
import numpy as np
from rates import Rate, Section

from sim import extract_interactions, fit_noise, profile_noise, retention
from sim.fitting.bootstrap import SAME, bootstrap_weights, standing
from theory import optimal_interactions, orders, zeta

PLAYERS = 6
LEVELS = np.array([5e-2, 3e-3])  # σ² of the two checkpoints before the target
POPULATION = 20_000
SAMPLES = (3, 5, 10, 30)

Ends = Iterator[tuple[str, Sequence[float] | np.ndarray, float]]
"""Intervals by name, each with its two ends and the value that it should hold."""

_learned = jax.jit(jax.vmap(jax.vmap(optimal_interactions), (None, 0)))


def _targets(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Sparse w* of inputs that differ in their orders, (samples, 2^n)."""
    order = np.asarray(orders(PLAYERS))
    true = rng.normal(size=(samples, 2**PLAYERS))
    true *= rng.uniform(size=true.shape) < 0.25
    true *= np.exp(-0.25 * rng.normal(size=(samples, 1)) * order)
    true[:, 0] = 0.0
    return true


def _checkpoints(true: np.ndarray, sigma2: np.ndarray) -> np.ndarray:
    """ŵ(σ²) of each input at its own σ² (checkpoints, samples), and w* after them."""
    return np.concatenate([np.asarray(_learned(true, sigma2)), true[None]])


def _drawn(samples: int, rng: np.random.Generator) -> np.ndarray:
    true = _targets(samples, rng)
    own = np.exp(0.7 * rng.normal(size=(len(LEVELS), samples)))
    return _checkpoints(true, LEVELS[:, None] * own)


def _fit(learned: np.ndarray, **options):
    outputs = np.asarray(zeta(learned))
    options = {"through": "direct", "both_ends": False} | options
    return fit_noise(learned, 0 * learned, outputs, range(len(learned)), **options)


@functools.cache
def _population():
    return _fit(_drawn(POPULATION, np.random.default_rng(0)), resamples=0)


def over_inputs(repeats: int) -> Section:
    """Intervals over inputs, at samples drawn from one large population."""
    whole = _population()

    def once(samples: int, rng: np.random.Generator) -> Ends:
        records = _fit(_drawn(samples, rng)).records()
        for at, level in enumerate(LEVELS):
            record = records[at]
            yield f"σ² = {level:g}", record["sigma2_interval"], whole.sigma2[at]
            for k in (0, 2):
                share = [end[k] for end in record["measured_interval"]]
                yield f"share of order {k + 1}, σ² = {level:g}", share, whole.measured[at, k]

    return Section(
        "Intervals over inputs hold the value of the population",
        "Promised: 95 %. Columns: inputs. Direct comparison, 6 players, inputs that differ in "
        "their w* and, by a factor of 2 (one standard deviation), in their σ².",
        [str(samples) for samples in SAMPLES],
        _held(once, SAMPLES, repeats),
        at_least=0.95,
    )


def _held(
    once: Callable[[int, np.random.Generator], Ends], sizes: Sequence[int], repeats: int
) -> list[tuple[str, list[Rate]]]:
    """How often each interval of `once` holds its value, a row by name and a rate by size."""
    rows: dict[str, list[Rate]] = {}
    for size in sizes:
        rng = np.random.default_rng(size)
        outcomes: dict[str, list[bool]] = {}
        for _ in range(repeats):
            for name, (low, high), true in once(size, rng):
                outcomes.setdefault(name, []).append(bool(low <= true <= high))
        for name, each in outcomes.items():
            rows.setdefault(name, []).append(Rate.of(each))
    return list(rows.items())


def over_runs(repeats: int) -> Section:
    """Intervals over training runs, which differ in their σ² by a factor of 1.5."""
    sizes = (3, 5, 10)
    true = _targets(30, np.random.default_rng(1))
    many = _runs(true, 300, np.random.default_rng(2))
    whole = _fit(many, runs=300, resamples=0)
    rows = [(f"σ² = {level:g}", []) for level in LEVELS]
    for runs in sizes:
        rng = np.random.default_rng(runs)
        held = []
        for _ in range(repeats):
            low, high = _fit(_runs(true, runs, rng), runs=runs).over_runs.sigma2_interval
            held.append((low <= whole.sigma2) & (whole.sigma2 <= high))
        for at, (_, rates) in enumerate(rows):
            rates.append(Rate.of([bool(one[at]) for one in held]))
    return Section(
        "Intervals over training runs hold the value of many runs",
        "Promised: 95 %. Columns: training runs, of the same 30 inputs.",
        [str(runs) for runs in sizes],
        rows,
        at_least=0.95,
    )


def _runs(true: np.ndarray, runs: int, rng: np.random.Generator) -> np.ndarray:
    own = np.exp(np.log(1.5) * rng.normal(size=(runs, len(LEVELS), 1)))
    sigma2 = LEVELS[:, None] * own * np.ones(len(true))
    return np.concatenate([_checkpoints(true, one) for one in sigma2], axis=1)


def through_the_extraction(repeats: int) -> Section:
    """Intervals over inputs where predictions keep the start and are extracted, as by default."""
    whole = _extracted(_started(1_000, np.random.default_rng(0)), resamples=0)
    sizes = (5, 10)

    def once(samples: int, rng: np.random.Generator) -> Ends:
        record = _extracted(_started(samples, rng)).records()[1]
        yield "σ²", record["sigma2_interval"], whole.sigma2[1]
        yield "total variation", record["total_variation_interval"], whole.total_variation[1]
        for k in (0, 1):
            share = [end[k] for end in record["measured_interval"]]
            yield f"share of order {k + 1}", share, whole.measured[1, k]

    return Section(
        "Intervals of the default fit, through the extraction",
        "Meant: 95 %; promised: 90 %. 4 players; columns: inputs.",
        [str(samples) for samples in sizes],
        _held(once, sizes, repeats),
        at_least=0.9,
    )


def _started(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Outputs of a start, of a network at a noise level of its own, and of the target."""
    true = rng.normal(size=(samples, 16)) * (rng.uniform(size=(samples, 16)) < 0.4)
    true[:, 0] = 0.0
    own = 3e-2 * np.exp(0.7 * rng.normal(size=(1, samples)))
    learned = np.asarray(_learned(true, own))[0]
    start = 0.02 * rng.normal(size=(samples, 16))
    return np.asarray(zeta(np.stack([start, start + learned, start + true])))


def _extracted(outputs: np.ndarray, **options):
    found = extract_interactions(outputs)
    options = {"both_ends": False, "resamples": 200} | options
    return fit_noise(found.i_and, found.i_or, outputs, range(3), **options)


def of_retention(repeats: int) -> Section:
    """Intervals of sizes and overlaps of interactions beside the start."""
    truth = retention(_course(POPULATION, np.random.default_rng(0)), resamples=0)

    def once(samples: int, rng: np.random.Generator) -> Ends:
        found = retention(_course(samples, rng))
        for name in ("size", "overlap", "kept"):
            ends, true = getattr(found, f"{name}_interval")[:, 1], getattr(truth, name)[1]
            for k in (2, 4):
                yield f"{name}, order {k + 1}", ends[:, k], true[k]

    return Section(
        "Intervals of retention hold the value of the population",
        "Meant: 95 %; promised, on inputs as heavy-tailed as these (log-normal squares): 90 %. "
        "Columns: inputs.",
        [str(samples) for samples in SAMPLES],
        _held(once, SAMPLES, repeats),
        at_least=0.9,
    )


def _course(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Outputs whose interactions keep a part that differs between inputs, and gain others."""
    start = rng.normal(size=(samples, 2**PLAYERS)) * np.exp(0.5 * rng.normal(size=(samples, 1)))
    kept = np.exp(0.3 * rng.normal(size=(samples, 1))) - 0.4
    later = kept * start + 0.5 * rng.normal(size=start.shape)
    return np.asarray(zeta(np.stack([start, later])))


def verdict_errors(repeats: int) -> Section:
    """Any verdict at all between two models that are equally near, at 12 places at once."""
    sizes = (3, 5, 8, 30)
    rows = []
    for name, draw in (("means of differences", _means), ("distances of shares", _distances)):
        rates = []
        for samples in sizes:
            rng = np.random.default_rng(samples)
            wrong = []
            for _ in range(repeats):
                difference, of_weights = draw(samples, 12, rng)
                weights = bootstrap_weights(samples, 200, int(rng.integers(2**31)))
                said = standing(difference, of_weights(weights), samples, 0.95, 0.0)
                wrong.append(any(one != SAME for one in said))
            rates.append(Rate.of(wrong))
        rows.append((name, rates))
    return Section(
        "A verdict between two models that are equally near, anywhere among 12",
        "Accepted: 5 %. Columns: inputs.",
        [str(samples) for samples in sizes],
        rows,
        at_most=0.05,
    )


def _means(samples: int, verdicts: int, rng: np.random.Generator):
    each = rng.normal(size=(samples, verdicts))
    return each.mean(axis=0), lambda weights: weights @ each


def _distances(samples: int, verdicts: int, rng: np.random.Generator):
    strength = rng.gamma(2.0, size=(verdicts, 1, 6))
    parts = strength * rng.lognormal(0, 0.5, size=(3, verdicts, samples, 6))

    def difference(weights):
        measured, one, two = np.einsum("rs,mvso->mrvo", weights, parts)
        measured, one, two = (x / x.sum(axis=-1, keepdims=True) for x in (measured, one, two))
        return 0.5 * (np.abs(measured - one) - np.abs(measured - two)).sum(axis=-1)

    return difference(np.full((1, samples), 1 / samples))[0], difference


def of_profiles(repeats: int) -> tuple[Section, Section]:
    """The noise law that fits best, where the paper's law is the true one."""
    rows: dict[str, list[Rate]] = {"growth": [], "correlation": []}
    wrong = []
    for samples in SAMPLES:
        rng = np.random.default_rng(samples)
        found = [profile_noise(_fit(_drawn(samples, rng), resamples=0)) for _ in range(repeats)]
        for name, true in (("growth", 2.0), ("correlation", 0.0)):
            ends = [getattr(profile, f"{name}_interval") for profile in found]
            rows[name].append(Rate.of([low <= true <= high for low, high in ends]))
        wrong.append(Rate.of([p.references["paper"]["verdict"] != SAME for p in found]))
    columns = [str(samples) for samples in SAMPLES]
    return (
        Section(
            "The intervals of a profile over noise laws hold the true law",
            "Promised: 95 %. Columns: inputs. Its ends are values of the grid.",
            columns,
            list(rows.items()),
            at_least=0.95,
        ),
        Section(
            "Another noise law told apart from the true one",
            "Accepted: 5 %. Columns: inputs.",
            columns,
            [("best law beside the paper's", wrong)],
            at_most=0.05,
        ),
    )


def noise_of_the_last(repeats: int) -> Section:
    """Fitted over true σ² where the last checkpoint, which counts as free of noise, has some."""
    own, earlier = (0.0, 1e-4, 1e-3), (3e-3, 3e-2)
    rng = np.random.default_rng(0)
    rows = [(f"earlier σ² = {level:g}", []) for level in earlier]
    true = _targets(20 * repeats, rng)
    for noise in own:
        sigma2 = np.array([*earlier[::-1], max(noise, 1e-12)])[:, None] * np.ones(len(true))
        learned = np.asarray(_learned(true, sigma2))
        found = _fit(learned, resamples=0).sigma2[1::-1]
        for (_, ratios), value, level in zip(rows, found, earlier, strict=True):
            ratios.append(float(value / level))
    return Section(
        "Fitted σ² over the true one, where the last checkpoint has noise of its own",
        "Plain factors. Columns: the last checkpoint's own σ².",
        [f"{noise:g}" for noise in own],
        rows,
    )

"""The content of `fit.json`: everything that tables, figures and the report are made of."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from sim.dilution import retention
from sim.explanation import explain_samples, spread_checkpoints
from sim.extraction import Interactions
from sim.fitting import NoiseFit
from sim.machine import versions
from sim.measurement import CURVES, Measurement, dummies_in_words
from sim.phases import Phases, too_few_for_phases

EXAMPLES = 6  # inputs that are named
EXPLAINED, EXPLAINED_AT = 3, 4  # inputs that are explained, and the checkpoints of the first


def fit_document(
    interactions: Interactions,
    fit: NoiseFit,
    phases: Phases | None,
    other_phases: Phases | None = None,
) -> dict[str, Any]:
    """Gathers a fit into one plain dictionary.

    Keys: those of `findings`, with the largest certified `gap` in each record of `checkpoints`;
    `curves` (losses and accuracies); `examples` (the first few inputs, with what they and their
    players are called); `dummies` (a sentence on players that hardly matter, or None); `explained`
    (the first few inputs with their largest interactions, see `sim.explanation`); `samples` (the
    mean order of every input); `settings` (with the seed and the versions). This is what `interdyn
    fit` writes to `fit.json`, and what `write_report` and the figures take.

    Args:
        interactions: that were fitted, with their measurement.
        fit: of their arrays, by `fit_noise`.
        phases: by `find_phases`, or None where there is too little to look for them.
        other_phases: the same of `fit.other`, or None where that was not looked at.

    Example:
        >>> from sim import Measurement, extract_interactions, fit_noise
        >>> outputs = np.random.default_rng(0).normal(size=(2, 3, 8))
        >>> found = extract_interactions(outputs)
        >>> fit = fit_noise(found.i_and, found.i_or, outputs, [0, 1], through="direct", resamples=0)
        >>> interactions = Interactions(Measurement(outputs, [0, 1]), found, {})
        >>> document = fit_document(interactions, fit, None)
        >>> [record["epoch"] for record in document["checkpoints"]]
        [0.0, 1.0]
    """
    measurement, extraction = interactions.measurement, interactions.extraction
    found = findings(fit, phases, other_phases)
    until = None
    if phases is not None and phases.boundary is not None:
        until = int(np.searchsorted(measurement.epochs, phases.boundary))
    kept = retention(measurement.outputs, runs=measurement.runs, seed=fit.settings["seed"])
    found["retention"] = kept.record(measurement.epochs, until)
    for record, gap in zip(found["checkpoints"], np.asarray(extraction.gap), strict=True):
        record["gap"] = float(gap.max())
    curves = {name: getattr(measurement, name) for name in CURVES}
    return {
        **found,
        "examples": examples(measurement),
        "dummies": dummies_in_words(measurement),
        "explained": explained(interactions, until),
        "samples": sample_orders(measurement, np.asarray(fit.strength)),
        "curves": {k: None if v is None else _over_runs(v) for k, v in curves.items()},
        "settings": {
            "players": measurement.n,
            "samples": measurement.samples,
            "runs": measurement.runs,
            "noise": {
                "growth": float(fit.noise.growth),
                "correlation": float(fit.noise.correlation),
            },
            "extraction": dict(interactions.settings),
            "measurement": dict(measurement.metadata),
            "seed": measurement.metadata.get("seed"),
            "versions": versions(),
        },
    }


def examples(measurement: Measurement) -> list[dict[str, Any]]:
    """The first few inputs, each by its name, label and players as far as they are known."""
    names = measurement.sample_names
    return [
        {
            "output": float(measurement.outputs[-1, at, -1]),
            "name": None if names is None else str(names[at]),
            "label": measurement.class_of(at),
            "players": None if measurement.player_names is None else measurement.players(at),
        }
        for at in range(min(EXAMPLES, measurement.input_count))
    ]


def explained(interactions: Interactions, boundary: int | None = None) -> list[dict[str, Any]]:
    """The first few inputs with their largest interactions at the last checkpoint.

    Those of the first input are there at some checkpoints more, the boundary's among them.
    """
    measurement = interactions.measurement
    last = [measurement.checkpoints - 1]
    first = spread_checkpoints(measurement.checkpoints, EXPLAINED_AT, boundary)
    inputs = range(min(EXPLAINED, measurement.input_count))
    wanted = [(at, last if at else first) for at in inputs]
    return [dataclasses.asdict(one) for one in explain_samples(interactions, wanted)]


def sample_orders(measurement: Measurement, strength: np.ndarray) -> dict[str, Any]:
    """The mean order of every input at every checkpoint, over the training runs; and their names.

    Args:
        measurement: whose samples they are.
        strength: (checkpoints, samples, n).
    """
    shape = (len(strength), measurement.runs, measurement.input_count, -1)
    strength = strength.reshape(shape).mean(axis=1)
    total = strength.sum(axis=-1)
    orders = strength @ np.arange(1, strength.shape[-1] + 1)
    with np.errstate(invalid="ignore"):
        means = np.where(total > 0, orders / total, np.nan)
    return {
        "names": [measurement.sample_name(sample) for sample in range(measurement.input_count)],
        "mean_order": [[x if np.isfinite(x) else None for x in row] for row in means.tolist()],
    }


def _over_runs(curve: np.ndarray) -> list[float]:
    """A curve (checkpoints,) or (runs, checkpoints), averaged over the runs."""
    return curve.reshape(-1, curve.shape[-1]).mean(axis=0).tolist()


def findings(
    fit: NoiseFit, phases: Phases | None, other_phases: Phases | None = None
) -> dict[str, Any]:
    """What a fit and its phases amount to, as plain values: what tables and curves are made of.

    Keys: `checkpoints` (one record each: `epoch`, `sigma2`, `scale`, `measured` and `predicted`
    over the orders 1..n, `total_variation`, `mean_order`, `nulls`, and the same at the `other` end
    of the preference), `phases` (`Phases.record`) and `other_phases` (the same at that other end,
    or None), `fit` (the options of the fit), `parameters` (free parameters that each model spends
    on each checkpoint) and `overall`: for every null model
    the interval and verdict of (theory − null), averaged over all checkpoints that are tested; in a
    direct comparison, which claims nothing of the first phase, over those of the second phase, or
    over all where there are no two. None without bootstrap intervals. `phases` is None where there
    is too little to look for them.
    """
    chosen = np.flatnonzero(fit.tested)
    if phases is not None and phases.boundary is not None and not fit.starts:
        chosen = chosen[fit.epochs[chosen] >= phases.boundary]
    overall = fit.overall(chosen) if fit.comparison is not None and chosen.size else None
    return {
        "checkpoints": fit.records(),
        "phases": _unknown_phases(fit) if phases is None else phases.record(),
        "other_phases": None if other_phases is None else other_phases.record(),
        "fit": dict(fit.settings),
        "parameters": fit.parameters,
        "overall": overall,
    }


def _unknown_phases(fit: NoiseFit) -> dict[str, Any]:
    fault = too_few_for_phases(len(fit.epochs))
    return {"boundary": None, "low": None, "high": None, "p_value": None, "verdict": fault}

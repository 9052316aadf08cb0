"""What commands do with interactions from sampled masks: extract them, and say what they tell."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from sim.cli._console import out, print_text
from sim.cli._phases import phases_of
from sim.cli._plan import in_no_order, tell, trial
from sim.extraction import ENOUGH, SampledInteractions, extract_sampled
from sim.measurement import Measurement
from sim.phases import Phases, listed, too_few_for_phases
from sim.processes import SharedWork
from sim.progress import NamedProgress
from sim.strength import averaged_distribution, salient_strength
from theory import mean_order

SHOWN = 4  # orders with a column of their own; the last holds those above it too


def run_extract_sampled(
    measurement: Measurement,
    path: Path,
    progress: NamedProgress,
    settings: Mapping[str, Any],
    work: SharedWork | None = None,
    *,
    plan: bool = False,
) -> SampledInteractions:
    """Extracts and saves; tells before what it will take, and with `plan` ends there.

    Raises:
        Finished: it is for another process to save.
    """
    job = in_no_order(measurement)
    tell(
        f"Extracting from {measurement.shape_in_words()}",
        measurement.outputs.size,
        plan,
        lambda: trial(lambda progress: _extracted(job, progress, settings)),
    )
    interactions = _extracted(measurement, progress, settings, work)
    if work is not None:
        work.leave_saving()
    interactions.save(path, overwrite=True)  # which the folder allowed
    return interactions


def _extracted(
    measurement: Measurement,
    progress: NamedProgress,
    settings: Mapping[str, Any],
    work: SharedWork | None = None,
) -> SampledInteractions:
    extraction = extract_sampled(
        np.asarray(measurement.sets),
        measurement.outputs,
        measurement.n,
        **settings,
        progress=lambda done, total: progress("extract", done, total),
        work=work,
    )
    return SampledInteractions(measurement, extraction, settings)


@dataclasses.dataclass(frozen=True)
class Course:
    """Orders over the checkpoints, as far as the masks tell.

    Attributes:
        epochs: (checkpoints,).
        shares: (checkpoints, n), distribution of strength over the orders; NaN where the masks were
            not enough.
        held_out: (checkpoints, samples), R² on the masks kept aside.
        enough: (checkpoints,), for how many of the samples the masks were.
        gap: (checkpoints,), the largest of a sample.
        phases: over the checkpoints where they were enough; None of fewer than three.
    """

    epochs: np.ndarray
    shares: np.ndarray
    held_out: np.ndarray
    enough: np.ndarray
    gap: np.ndarray
    phases: Phases | None

    @property
    def known(self) -> np.ndarray:
        """At which checkpoints the masks were enough, bool (checkpoints,)."""
        known: np.ndarray = np.isfinite(self.shares).all(axis=1)
        return known

    @property
    def mean_order(self) -> np.ndarray:
        """(checkpoints,), NaN where the masks were not enough."""
        return np.asarray(mean_order(self.shares))

    def record(self) -> dict[str, Any]:
        """The same in plain values; None in place of what is not known."""
        return {
            "checkpoints": [
                {
                    "epoch": float(epoch),
                    "distribution": [_known(share) for share in self.shares[at]],
                    "mean_order": _known(self.mean_order[at]),
                    "held_out": [_known(fit) for fit in self.held_out[at]],
                    "enough": int(self.enough[at]),
                    "gap": float(self.gap[at]),
                }
                for at, epoch in enumerate(self.epochs)
            ],
            "phases": None if self.phases is None else self.phases.record(),
        }


def course(interactions: SampledInteractions, seed: int = 0) -> Course:
    """Shares of the orders and phases, over the checkpoints at which the masks were enough.

    Args:
        interactions: of all checkpoints and samples.
        seed: of the draws by which phases are told from chance.
    """
    measurement, extraction = interactions.measurement, interactions.extraction
    strength, known = salient_strength(interactions), interactions.known
    shares = np.full((measurement.checkpoints, measurement.n), np.nan)
    shares[known] = averaged_distribution(strength[known])
    return Course(
        measurement.epochs,
        shares,
        extraction.held_out,
        extraction.enough.sum(axis=1),
        extraction.gap.max(axis=1),
        phases_of(measurement.at(known), strength[known], seed) if known.any() else None,
    )


def print_course(found: Course, interactions: SampledInteractions) -> None:
    """The table, and below it what it tells."""
    out.print(_table(found, interactions))
    for paragraph in course_words(found):
        out.print()
        print_text(paragraph)


def _table(found: Course, interactions: SampledInteractions) -> Table:
    """The checkpoints: shares of the orders where the masks were enough, and whether they were."""
    measurement = interactions.measurement
    n, samples = measurement.n, measurement.samples
    columns = min(SHOWN, n)
    table = Table(
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
        pad_edge=False,
        title=f"Shares of strength by order, from {measurement.outputs.shape[-1]} of 2^{n} masks",
        title_justify="left",
        caption=f"R²: on masks kept aside, the median sample's and the least. enough: samples, of "
        f"{samples}, with {ENOUGH:g} or more.\ngap: largest certified gap of a sample.",
        caption_justify="left",
    )
    heads = [f"order {k + 1}{'+' if k + 1 == columns < n else ''}" for k in range(columns)]
    for name in ("epoch", "mean\norder", *heads, "R²", "least", "enough", "gap"):
        table.add_column(name, justify="right", no_wrap=True)
    for at, epoch in enumerate(found.epochs):
        shares = [*found.shares[at, : columns - 1], found.shares[at, columns - 1 :].sum()]
        fits = found.held_out[at]
        table.add_row(
            f"{epoch:g}",
            _cell(found.mean_order[at]),
            *map(_cell, shares),
            _cell(float(np.median(fits))),
            _cell(float(fits.min())),
            f"{found.enough[at]}",
            f"{found.gap[at]:.0e}",
        )
    return table


def course_words(found: Course) -> list[str]:
    """Whether the masks were enough, and the phases as far as they were."""
    known = found.known
    missing = listed([f"{epoch:g}" for epoch in found.epochs[~known]]) if not known.all() else ""
    if not known.any():
        return [
            f"The masks are not enough at any checkpoint: those kept aside are not predicted (R² "
            f"below {ENOUGH:g}), so the interactions explain the measured masks and no others, and "
            f"nothing is said of orders. Measure more masks, or at most 14 players without --masks."
        ]
    said = []
    if missing:
        said.append(
            f"The masks are not enough at epoch {missing}: those kept aside are not predicted (R² "
            f"below {ENOUGH:g}). The interactions there explain the measured masks and no others, "
            f"and orders are left out. More masks may help; where interactions are not sparse, as "
            f"before training, nothing short of all 2^n does."
        )
    said.append(
        "Enough is said of outputs, which R² is about. It vouches less for shares of the orders: "
        "measure twice as many masks and see which stay."
    )
    if found.phases is None:
        said.append(str(too_few_for_phases(int(known.sum()))))
    elif missing:
        alone = "Of the other epochs alone, so that a phase at those left out is not seen"
        said.append(f"{alone}: {found.phases.verdict()}")
    else:
        said.append(found.phases.verdict())
    return said


def _cell(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "–"


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None

"""One checkpoint, measured: outputs, losses and accuracies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sim.experiments._registry import Checkpoint, Experiment
from sim.measurement import CURVES, Measurement, measure_outputs
from sim.progress import Progress

Piece = Mapping[str, np.ndarray | float]
"""What is kept of a checkpoint: its outputs, and its losses and accuracies, if known, by name."""


def measured_piece(
    experiment: Experiment,
    checkpoint: Checkpoint,
    progress: Progress | None,
    samples: Sequence[int] | None = None,
) -> Piece:
    """Measures the experiment's inputs, or some of them, at a checkpoint."""
    curves = {name: getattr(checkpoint, name) for name in CURVES}
    known: dict[str, Any] = {name: np.array([c]) for name, c in curves.items() if c is not None}
    try:
        outputs = measure_outputs(
            checkpoint.score,
            experiment.inputs if checkpoint.inputs is None else checkpoint.inputs,
            experiment.masking,
            experiment.labels,
            masks=experiment.sets,
            samples=samples,
            progress=progress,
        )
        # Its checks of losses and accuracies, before another checkpoint is measured in vain.
        Measurement(np.zeros((1, 1, 2)), np.zeros(1), **known)
    except ValueError as error:
        raise ValueError(f"At epoch {checkpoint.epoch}: {error}") from error
    return {"outputs": outputs} | {name: curve[0] for name, curve in known.items()}


def check_differ(first: Sequence[Piece], second: Sequence[Piece], seeds: tuple[int, int]) -> None:
    """Raises where two training runs, from different seeds, gave the same outputs."""
    pairs = zip(first, second, strict=True)
    if all(np.array_equal(a["outputs"], b["outputs"]) for a, b in pairs):
        raise ValueError(
            f"Training from the seeds {seeds[0]} and {seeds[1]} gave the same outputs at every "
            f"checkpoint: the experiment's `seeded` must make use of its seed."
        )

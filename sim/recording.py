"""Recording a training run: an experiment trains, and every checkpoint is measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sim.experiments import Experiment
from sim.measurement import CURVES, Measurement, measure_outputs

Report = Callable[[str, int, int], None]
"""Called with (what is done, steps done, steps in all)."""


def record(
    experiment: Experiment, metadata: dict[str, Any], report: Report | None = None
) -> Measurement:
    """Trains the experiment's network and measures it at each of its checkpoints.

    Args:
        experiment: what trains, and on which inputs it is measured.
        metadata: added to the experiment's own, such as versions.
        report: called with ("train", epochs done, epochs) and ("measure", checkpoints done, …).

    Raises:
        ValueError: a score that is not finite or of the wrong shape; names the checkpoint.
    """
    checkpoints = len(experiment.epochs)
    outputs, curves = [], []

    def trained(done: int, total: int) -> None:
        if report is not None:
            report("train", done, total)

    for done, checkpoint in enumerate(experiment.train(trained, None), start=1):
        try:
            measured = measure_outputs(
                checkpoint.score,
                experiment.inputs if checkpoint.inputs is None else checkpoint.inputs,
                experiment.masking,
                experiment.labels,
            )
        except ValueError as error:
            raise ValueError(f"At epoch {checkpoint.epoch}: {error}") from error
        outputs.append(measured)
        curves.append([getattr(checkpoint, name) for name in CURVES])
        if report is not None:
            report("measure", done, checkpoints)
    return Measurement(
        outputs=np.array(outputs),
        epochs=np.array(experiment.epochs),
        labels=experiment.labels,
        **dict(zip(CURVES, np.array(curves).T, strict=True)),
        metadata=experiment.metadata | metadata,
    )

"""The phases of a measurement, as commands look for them."""

from __future__ import annotations

import numpy as np

from sim.measurement import Measurement
from sim.phases import Phases, find_phases, too_few_for_phases


def phases_of(measurement: Measurement, strength: np.ndarray, seed: int) -> Phases | None:
    """The phases, with the measurement's losses; None with too few checkpoints.

    Args:
        measurement: of the checkpoints that are looked at.
        strength: (checkpoints, samples, n), of its salient interactions.
        seed: of the draws by which they are told from chance.
    """
    if too_few_for_phases(measurement.checkpoints) is not None:
        return None
    train_loss, test_loss = measurement.train_loss, measurement.test_loss
    if train_loss is None or test_loss is None:
        train_loss = test_loss = None  # one alone makes no gap
    return find_phases(
        measurement.epochs,
        strength,
        runs=measurement.runs,
        train_loss=train_loss,
        test_loss=test_loss,
        seed=seed,
    )

"""How much memory a simulation takes, asked for before its arrays are made."""

from __future__ import annotations

import jax

from sim.machine import check_memory
from sim.simulation.descent import Descent

# Arrays of the targets' size that are there at a time, as measured at 2^17 to 2^22 sets where none
# had been freed before (the closed form takes 9.2 of them in equilibrium, 11.9 in relaxation).
CLOSED, CLOSED_IN_PIECES, TRAINED = 10.5, 9.5, 15
BATCHES = 8  # numbers for each mask of a batch


def check_room(
    targets: jax.Array,
    epochs: int,
    *,
    keep: bool,
    told: bool,
    substeps: int,
    descent: Descent | None,
) -> None:
    """Raises where a run would take more memory than there is.

    Args:
        targets: (kinds, members, 2^n).
        epochs: how many are recorded.
        keep: whether the interactions are kept, all of them.
        told: whether the run tells its progress; its pieces are then joined at the end, so that
            what they hold is there twice.
        substeps: of a relaxation, between two epochs; else 0.
        descent: of a run that really trains; else None.

    Raises:
        ValueError: there is not enough memory.
    """
    if isinstance(targets, jax.core.Tracer):
        return
    kinds, members, size = targets.shape
    n = size.bit_length() - 1
    arrays = TRAINED if descent else CLOSED_IN_PIECES if told else CLOSED
    pieces = 2 if told else 1
    numbers = arrays * targets.size + 4 * epochs * kinds * members * n  # strengths by order
    what, reduce = f"Simulating {n} players at {epochs} epochs", "fewer players, members or epochs"
    if keep:
        numbers += pieces * epochs * targets.size
        what += ", with interactions,"
    devices = len(targets.sharding.device_set)
    itemsize = targets.dtype.itemsize
    check_memory(numbers * itemsize, what, reduce, devices)
    # Steps and batches are whole on every device.
    if substeps:
        numbers = 4 * (n + 2) * (epochs - 1) * substeps
        what = f"Relaxation in {substeps} substeps at {epochs} epochs"
        check_memory(numbers * itemsize, what, "fewer substeps or epochs")
    if descent is not None:
        numbers = 6 * epochs * descent.steps_per_epoch
        what = f"Training by {descent.steps_per_epoch} steps per epoch at {epochs} epochs"
        check_memory(numbers * 8, what, "fewer steps per epoch or epochs")
        masks = descent.batch_size or 0
        numbers = BATCHES * kinds * members * masks
        what = f"Training with a batch size of {masks}"
        check_memory(numbers * itemsize, what, "a smaller batch size, or fewer members")

"""One simulation with all its arguments checked: what every method starts from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import numpy as np

from sim.progress import Progress
from theory import NoiseModel


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """What is simulated, apart from the method's own settings.

    Attributes:
        starts: (kinds, members, 2^n), the kinds being AND and, where there are any, OR.
        targets: (kinds, members, 2^n), the true interactions w*.
        variance: σ² at the given epochs, of their shape (m,).
        epochs: (E,), rising, those to record.
        noise: the noise's covariance.
        salience: see `snapshot`.
        keep: keep the interactions themselves.
        progress: called with (epochs done, epochs in all), or None.
    """

    starts: jax.Array
    targets: jax.Array
    variance: Callable[[np.ndarray], jax.Array]
    epochs: np.ndarray
    noise: NoiseModel
    salience: float
    keep: bool
    progress: Progress | None

    @property
    def n(self) -> int:
        """Number of players."""
        return self.targets.shape[-1].bit_length() - 1

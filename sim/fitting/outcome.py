"""What a fit of all checkpoints leaves, whichever way the prediction was compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from sim.fitting.comparison import Models
from sim.fitting.distances import Distance, Table, distances, total_variation
from sim.fitting.nulls import NullFit

BOUNDS = ("any", "zero", "infinite", "at_most", "at_least")
"""Names of the bounds of `NoiseFit.bound`, in the order in which they take precedence."""


class Fitted(NamedTuple):
    """The theory and the null models at every checkpoint; see `NoiseFit` for the first six."""

    sigma2: np.ndarray
    bound: np.ndarray
    predicted: np.ndarray
    total_variation: np.ndarray
    scale: np.ndarray
    nulls: Mapping[str, NullFit]
    differences: Mapping[str, np.ndarray]  # of total variation, theory − null, by name
    tables: Sequence[Table]  # of ln σ², one for each checkpoint
    models: Models  # the null models, to be fitted to resamples
    material: float  # a smaller difference of total variation says nothing


def bounds(
    measured: np.ndarray,
    predicted: np.ndarray,
    ends: np.ndarray,
    away: Distance,
    material: float,
) -> np.ndarray:
    """Where the data leave σ² open, (checkpoints,): names of the bounds of `NoiseFit.bound`.

    Args:
        measured: (checkpoints, n).
        predicted: (checkpoints, n), at the fitted σ².
        ends: (checkpoints, 2, n), predictions without noise and with endless noise.
        away: what was minimised.
        material: a smaller total variation says nothing.
    """
    moved = distances(ends, predicted, total_variation)
    reached = distances(predicted[:, None], measured, away)
    lost = distances(ends, measured, away) - reached
    # The other distances are of second order in the differences of distributions.
    tied = lost <= (material if away is total_variation else material**2)
    (zero, infinite), (at_most, at_least) = (moved <= material).T, tied.T
    return np.select([at_most & at_least, zero, infinite, at_most, at_least], BOUNDS, "")

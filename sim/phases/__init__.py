"""The two phases of training, and where overfitting shows."""

from sim.phases.boundary import (
    COVERAGE as COVERAGE,
)
from sim.phases.loss_gap import (
    gap_onset as gap_onset,
    loss_gap as loss_gap,
)
from sim.phases.phases import (
    Phases as Phases,
    find_phases as find_phases,
    too_few_for_phases as too_few_for_phases,
)

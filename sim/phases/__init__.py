"""The two phases of training, and where over-fitting shows in the losses."""

from sim.phases.boundary import (
    COVERAGE as COVERAGE,
)
from sim.phases.loss_gap import (
    gap_onset as gap_onset,
)
from sim.phases.pattern import (
    PATTERNS as PATTERNS,
    Phases as Phases,
    listed as listed,
)
from sim.phases.phases import (
    find_phases as find_phases,
    too_few_for_phases as too_few_for_phases,
)

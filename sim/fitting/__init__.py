"""The theory fitted to measured interactions, beside null models."""

from sim.fitting.bootstrap import (
    BETTER as BETTER,
    DEPENDS as DEPENDS,
    LEVEL as LEVEL,
    SAME as SAME,
    WORSE as WORSE,
    bootstrap_weights as bootstrap_weights,
    input_weights as input_weights,
    run_weights as run_weights,
    t_interval as t_interval,
)
from sim.fitting.direct import (
    direct_noise as direct_noise,
)
from sim.fitting.distances import (
    DISTANCES as DISTANCES,
)
from sim.fitting.noise_fit import (
    ONE_END as ONE_END,
    OTHER_END as OTHER_END,
    RESAMPLES as RESAMPLES,
    THROUGH as THROUGH,
    NoiseFit as NoiseFit,
    fit_noise as fit_noise,
)
from sim.fitting.noise_law import (
    NoiseLaw as NoiseLaw,
    neighbour_residuals as neighbour_residuals,
    observe_noise as observe_noise,
    perturb as perturb,
)
from sim.fitting.noise_profile import (
    LEMMA1 as LEMMA1,
    PAPER as PAPER,
    NoiseProfile as NoiseProfile,
    profile_noise as profile_noise,
)
from sim.fitting.nulls import (
    SHARES as SHARES,
)
from sim.fitting.outcome import (
    BOUNDS as BOUNDS,
)
from sim.fitting.schedule_fit import (
    ScheduleFit as ScheduleFit,
    fit_schedules as fit_schedules,
)
from sim.fitting.sparse_fit import (
    SparseNoiseFit as SparseNoiseFit,
    fit_sparse_noise as fit_sparse_noise,
)
from sim.fitting.trajectory_fit import (
    TrajectoryFit as TrajectoryFit,
    fit_trajectory as fit_trajectory,
)

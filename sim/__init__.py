"""Simulating, measuring and fitting the interactions of networks while they train.

Data flows one way: a network is scored on masked inputs (`measure_outputs`, `Measurement`), its
AND–OR interactions are extracted with a certificate (`extract_interactions`, `Extraction`), the
theory is fitted to their distribution over orders (`fit_noise`, `NoiseFit`) and the two phases are
found (`find_phases`, `Phases`). Around these fits stand the noise laws (`profile_noise`,
`observe_noise`), schedules and whole trajectories (`fit_schedules`, `fit_trajectory`), what
generalizes (`generalizable_strength`, `similarity_by_order`, `separate`) and a page for readers
(`write_report`). `simulate` runs the same process from the theory's side.

64-bit numbers are wanted throughout: set `jax.config.update("jax_enable_x64", True)` first, as the
command line does.
"""

from sim.clusters import point_clusters as point_clusters
from sim.descent import Descent as Descent
from sim.exchange import to_shapiq as to_shapiq, write_strengths as write_strengths
from sim.extraction import (
    Extraction as Extraction,
    extract_interactions as extract_interactions,
)
from sim.fitting import NoiseFit as NoiseFit, fit_noise as fit_noise
from sim.generalization import (
    Generalizable as Generalizable,
    generalizable_strength as generalizable_strength,
    similarity_by_order as similarity_by_order,
)
from sim.identifiability import (
    SplitUncertainty as SplitUncertainty,
    split_uncertainty as split_uncertainty,
)
from sim.interactions import Interactions as Interactions
from sim.masking import (
    Masking as Masking,
    image_patches as image_patches,
    mean_baseline as mean_baseline,
    tabular_features as tabular_features,
    tokens as tokens,
)
from sim.measurement import Measurement as Measurement, measure_outputs as measure_outputs
from sim.noise_law import (
    NoiseLaw as NoiseLaw,
    neighbour_residuals as neighbour_residuals,
    observe_noise as observe_noise,
    perturb as perturb,
)
from sim.noise_profile import NoiseProfile as NoiseProfile, profile_noise as profile_noise
from sim.phases import Phases as Phases, find_phases as find_phases
from sim.report import write_report as write_report
from sim.scenarios import (
    keep_salient as keep_salient,
    random_start as random_start,
    sparse_target as sparse_target,
)
from sim.schedule_fit import ScheduleFit as ScheduleFit, fit_schedules as fit_schedules
from sim.schedule_text import parse_schedule as parse_schedule
from sim.schedules import Schedule as Schedule
from sim.separation import Separation as Separation, separate as separate
from sim.sharding import sets_mesh as sets_mesh, shard_sets as shard_sets
from sim.simulation import simulate as simulate
from sim.torch_adapter import torch_score as torch_score
from sim.trajectory import Trajectory as Trajectory
from sim.trajectory_fit import TrajectoryFit as TrajectoryFit, fit_trajectory as fit_trajectory

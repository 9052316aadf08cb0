"""Simulating, measuring and fitting the interactions of networks while they train.

Data flows one way: a network is scored on masked inputs (`measure_outputs`, `Measurement`), its
AND–OR interactions are extracted with a certificate (`extract_interactions`, `Extraction`), the
theory is fitted to their distribution over orders (`fit_noise`, `NoiseFit`) and the two phases are
found (`find_phases`, `Phases`). Around these fits stand the noise laws (`profile_noise`,
`observe_noise`), schedules and whole trajectories (`fit_schedules`, `fit_trajectory`), what
generalizes (`generalizable_strength`, `similarity_by_order`, `separate`) and a page for readers
(`write_report`). `simulate` runs the same process from the theory's side.

Public, beside the names here, are the faces of two rooms: `sim.experiments` (networks that train)
and `sim.figures` (functions that draw fits and simulations).

64-bit numbers are wanted throughout: set `jax.config.update("jax_enable_x64", True)` first, as the
command line does.
"""

from sim.dilution import Retention, retention
from sim.document import fit_document
from sim.export import to_shapiq, write_strengths
from sim.extraction import (
    Extraction,
    Interactions,
    SplitUncertainty,
    extract_interactions,
    split_uncertainty,
)
from sim.fitting import (
    NoiseFit,
    NoiseLaw,
    NoiseProfile,
    ScheduleFit,
    TrajectoryFit,
    fit_noise,
    fit_schedules,
    fit_trajectory,
    neighbour_residuals,
    observe_noise,
    perturb,
    profile_noise,
)
from sim.generalization import Generalizable, generalizable_strength, similarity_by_order
from sim.measurement import (
    Masking,
    Measurement,
    image_patches,
    mean_baseline,
    measure_outputs,
    point_clusters,
    tabular_features,
    tokens,
    torch_score,
)
from sim.phases import Phases, find_phases
from sim.report import write_report
from sim.separation import Separation, separate
from sim.simulation import (
    Descent,
    Schedule,
    Trajectory,
    keep_salient,
    parse_schedule,
    random_start,
    sets_mesh,
    shard_sets,
    simulate,
    sparse_target,
)

__all__ = [
    "Descent",
    "Extraction",
    "Generalizable",
    "Interactions",
    "Masking",
    "Measurement",
    "NoiseFit",
    "NoiseLaw",
    "NoiseProfile",
    "Phases",
    "Retention",
    "Schedule",
    "ScheduleFit",
    "Separation",
    "SplitUncertainty",
    "Trajectory",
    "TrajectoryFit",
    "extract_interactions",
    "find_phases",
    "fit_document",
    "fit_noise",
    "fit_schedules",
    "fit_trajectory",
    "generalizable_strength",
    "image_patches",
    "keep_salient",
    "mean_baseline",
    "measure_outputs",
    "neighbour_residuals",
    "observe_noise",
    "parse_schedule",
    "perturb",
    "point_clusters",
    "profile_noise",
    "random_start",
    "retention",
    "separate",
    "sets_mesh",
    "shard_sets",
    "similarity_by_order",
    "simulate",
    "sparse_target",
    "split_uncertainty",
    "tabular_features",
    "to_shapiq",
    "tokens",
    "torch_score",
    "write_report",
    "write_strengths",
]

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

from sim.clusters import point_clusters
from sim.descent import Descent
from sim.document import fit_document
from sim.exchange import to_shapiq, write_strengths
from sim.extraction import Extraction, extract_interactions
from sim.fitting import NoiseFit, fit_noise
from sim.generalization import Generalizable, generalizable_strength, similarity_by_order
from sim.identifiability import SplitUncertainty, split_uncertainty
from sim.interactions import Interactions
from sim.masking import Masking, image_patches, mean_baseline, tabular_features, tokens
from sim.measurement import Measurement, measure_outputs
from sim.noise_law import NoiseLaw, neighbour_residuals, observe_noise, perturb
from sim.noise_profile import NoiseProfile, profile_noise
from sim.phases import Phases, find_phases
from sim.report import write_report
from sim.scenarios import keep_salient, random_start, sparse_target
from sim.schedule_fit import ScheduleFit, fit_schedules
from sim.schedule_text import parse_schedule
from sim.schedules import Schedule
from sim.separation import Separation, separate
from sim.sharding import sets_mesh, shard_sets
from sim.simulation import simulate
from sim.torch_adapter import torch_score
from sim.trajectory import Trajectory
from sim.trajectory_fit import TrajectoryFit, fit_trajectory

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

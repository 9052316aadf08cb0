"""Simulating, measuring and fitting the interactions of networks while they train.

Data flows one way: a network is scored on masked inputs (`measure_outputs`, `Measurement`), its
AND–OR interactions are extracted with a certificate (`extract_interactions`, `Extraction`), the
theory is fitted to their distribution over orders (`fit_noise`, `NoiseFit`) and the two phases are
found (`find_phases`, `Phases`). `simulate` runs the same process from the theory's side.

64-bit numbers are wanted throughout: set `jax.config.update("jax_enable_x64", True)` first, as the
command line does.
"""

from sim.clusters import point_clusters as point_clusters
from sim.exchange import to_shapiq as to_shapiq, write_strengths as write_strengths
from sim.extraction import (
    Extraction as Extraction,
    extract_interactions as extract_interactions,
)
from sim.fitting import NoiseFit as NoiseFit, fit_noise as fit_noise
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
from sim.phases import Phases as Phases, find_phases as find_phases
from sim.schedules import Schedule as Schedule
from sim.simulation import simulate as simulate
from sim.torch_adapter import torch_score as torch_score
from sim.trajectory import Trajectory as Trajectory

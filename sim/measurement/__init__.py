"""From a network to its outputs v(S) on every masked version of some inputs."""

from sim.measurement.effects import (
    dummies_in_words as dummies_in_words,
    near_dummies as near_dummies,
    player_effects as player_effects,
)
from sim.measurement.huggingface_adapter import (
    huggingface_score as huggingface_score,
)
from sim.measurement.keras_adapter import (
    keras_score as keras_score,
)
from sim.measurement.masking import (
    MAX_PLAYERS as MAX_PLAYERS,
    Masking as Masking,
    mean_baseline as mean_baseline,
    present_players as present_players,
)
from sim.measurement.measurement import (
    CURVES as CURVES,
    KEYS as KEYS,
    Measurement as Measurement,
    ProbabilityWarning as ProbabilityWarning,
)
from sim.measurement.naming import TRAVELLING as TRAVELLING
from sim.measurement.partial_score import (
    PartialScore as PartialScore,
    as_samples as as_samples,
)
from sim.measurement.patches import image_patches as image_patches
from sim.measurement.players import (
    point_clusters as point_clusters,
    tabular_features as tabular_features,
    tokens as tokens,
    tokens_by_length as tokens_by_length,
)
from sim.measurement.sampling import (
    WAYS as WAYS,
    check_sets as check_sets,
    masks_in_words as masks_in_words,
    sample_masks as sample_masks,
)
from sim.measurement.scoring import (
    check_memory_for_outputs as check_memory_for_outputs,
    log_odds as log_odds,
    measure_outputs as measure_outputs,
)
from sim.measurement.sklearn_adapter import (
    sklearn_score as sklearn_score,
)
from sim.measurement.torch_adapter import (
    torch_score as torch_score,
)

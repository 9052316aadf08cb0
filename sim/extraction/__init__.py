"""From outputs to sparse AND and OR interactions, each with a certificate."""

from sim.extraction.approximate import (
    Follower as Follower,
)
from sim.extraction.identifiability import (
    KINDS as KINDS,
    SplitUncertainty as SplitUncertainty,
    split_uncertainty as split_uncertainty,
)
from sim.extraction.interactions import (
    Interactions as Interactions,
    is_sampled as is_sampled,
)
from sim.extraction.programme import (
    NOISE_BOUND as NOISE_BOUND,
    PREFERENCES as PREFERENCES,
    TOLERANCE as TOLERANCE,
    Extraction as Extraction,
    check_noise_bound as check_noise_bound,
    check_preference as check_preference,
    extract_interactions as extract_interactions,
)
from sim.extraction.sampled import (
    ENOUGH as ENOUGH,
    SampledExtraction as SampledExtraction,
    extract_sampled as extract_sampled,
)
from sim.extraction.sampled_interactions import (
    SampledInteractions as SampledInteractions,
    load_interactions as load_interactions,
)

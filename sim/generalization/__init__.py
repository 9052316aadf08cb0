"""Which interactions generalize: to testing data, to other networks, and through training."""

from sim.generalization.compare import (
    CHANGES as CHANGES,
    FACTOR as FACTOR,
    Comparison as Comparison,
    compare_interactions as compare_interactions,
)
from sim.generalization.groups import (
    GROUPS as GROUPS,
    InteractionGroups as InteractionGroups,
    interaction_groups as interaction_groups,
)
from sim.generalization.overfitting import (
    OverfittingLevel as OverfittingLevel,
    overfitting_level as overfitting_level,
)
from sim.generalization.salient import RULES as RULES
from sim.generalization.shared import (
    Generalizable as Generalizable,
    generalizable_strength as generalizable_strength,
)
from sim.generalization.similarity import similarity_by_order as similarity_by_order

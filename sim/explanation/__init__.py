"""What one output is made of: its largest interactions, by the names of their players."""

from sim.explanation.examples import (
    Example as Example,
    Explained as Explained,
    Shown as Shown,
    example as example,
    explain_samples as explain_samples,
    spread_checkpoints as spread_checkpoints,
)
from sim.explanation.top import (
    KINDS as KINDS,
    TopInteraction as TopInteraction,
    is_open as is_open,
    other_ends as other_ends,
    top_interactions as top_interactions,
)

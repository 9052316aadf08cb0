"""Both phases of learning from the side of the theory, without a network."""

from sim.simulation.descent import (
    BATCH_SIZE as BATCH_SIZE,
    Descent as Descent,
)
from sim.simulation.flow import (
    CLOCKS as CLOCKS,
    Relaxation as Relaxation,
    relaxation_path as relaxation_path,
)
from sim.simulation.methods import (
    METHODS as METHODS,
    simulate as simulate,
)
from sim.simulation.scenarios import (
    NEGATIVE as NEGATIVE,
    RHO as RHO,
    AndOr as AndOr,
    keep_salient as keep_salient,
    random_start as random_start,
    sparse_target as sparse_target,
)
from sim.simulation.schedule_text import (
    parse_schedule as parse_schedule,
)
from sim.simulation.schedules import (
    Schedule as Schedule,
)
from sim.simulation.sharding import (
    sets_mesh as sets_mesh,
    shard_sets as shard_sets,
)
from sim.simulation.trajectory import (
    Trajectory as Trajectory,
)

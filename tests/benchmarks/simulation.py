"""How long simulated epochs and steps take, the best of a few repeats."""

from __future__ import annotations

import jax
from rich.table import Table
from timing import best

from sim import Descent, Schedule, random_start, simulate, sparse_target
from theory import zeta


def tables(quick: bool) -> list[Table]:
    """One row for each method and size: seconds, and the cost of a unit in ζ-transforms."""
    table = Table(title="Simulation (float64; ζ = one transform of the same size)")
    for name in ("method", "n", "units", "seconds", "ms / unit", "ζ / unit"):
        table.add_column(name, justify="right")
    sizes = [("equilibrium", 10, 100), ("relaxation", 10, 100), ("sgd", 10, 1000)]
    if not quick:
        sizes += [("equilibrium", 20, 20), ("relaxation", 20, 20), ("sgd", 12, 20_000)]
    for method, n, units in sizes:
        start = random_start(n, jax.random.key(0), scale=0.05)
        target = sparse_target(n, jax.random.key(1), 100)
        epochs = units if method != "sgd" else 1 + units // 100
        falling = Schedule.exponential(10.0, 1e-4, epochs)

        def run(start=start, target=target, falling=falling, epochs=epochs, method=method):
            descent = Descent(steps_per_epoch=100)
            return simulate(start, target, falling, epochs, method, descent=descent).strength

        seconds = best(run, 1 if units > 10_000 else 3)
        transform = best(lambda start=start: zeta(start), 20)
        table.add_row(
            method,
            str(n),
            f"{units:,} {'steps' if method == 'sgd' else 'epochs'}",
            f"{seconds:.3f}",
            f"{1e3 * seconds / units:.3f}",
            f"{seconds / units / transform:.1f}",
        )
    return [table]

"""Cost against the number of players: all 2^n masks enumerated, and fixed numbers of masks.

Process time, because the machine's cores may be shared. What is enumerated are outputs of a digits
MLP, which has 16 patches; what is sampled is the planted function, which has any number of players.
"""

import functools
import time
from collections.abc import Callable
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from extraction import COMPILING, digits_outputs
from matplotlib.figure import Figure
from rich.table import Table
from sampled import planted
from timing import duration

from sim import SampledExtraction, extract_interactions, extract_sampled, sample_masks
from sim.extraction._on_lattice import worth_a_start
from sim.figures.style import BLUE, GREEN, STYLE, VERMILLION

SAMPLES = {6: 16, 8: 16, 10: 8, 12: 4, 14: 2, 16: 1}
BUDGETS = {1024: VERMILLION, 4096: GREEN}


class Cost(NamedTuple):
    n: int
    seconds: float  # of process time, a sample
    gap: float  # the largest


def tables(quick: bool) -> list[Table]:
    table = Table(title="Cost against the number of players, ζ = 0.02, tolerance 1e-3")
    for heading in ["masks", "n", "a sample (process time)", "for each player more", "largest gap"]:
        table.add_column(heading, justify="right")
    for name, costs in courses(quick).items():
        for before, cost in zip([None, *costs], costs, strict=False):
            times = growth(before, cost) if before else None
            cells = [str(cost.n), duration(cost.seconds), f"× {times:.2f}" if times else "–"]
            table.add_row(name, *cells, f"{cost.gap:.0e}", end_section=cost is costs[-1])
    return [table]


def growth(before: Cost, after: Cost) -> float:
    """How many times as much one player more costs."""
    return (after.seconds / before.seconds) ** (1 / (after.n - before.n))


def figures(quick: bool) -> dict[str, Figure]:
    """Seconds a sample over the players, each course named where it ends."""
    colors = [BLUE, *BUDGETS.values()]
    players = sorted({cost.n for costs in courses(quick).values() for cost in costs})
    with plt.style.context(STYLE):
        figure, ax = plt.subplots(figsize=(5.2, 3.2))
        for (name, costs), color in zip(courses(quick).items(), colors, strict=False):
            n, seconds, _ = zip(*costs, strict=True)
            ax.plot(n, seconds, "o-", color=color)
            ends = n[-1] == players[-1]  # its name has the margin; above a shorter line is room
            ax.annotate(
                f"{name} masks",
                (n[-1], seconds[-1]),
                xytext=(7, -7 if color == VERMILLION else 5) if ends else (0, 6),  # both end alike
                textcoords="offset points",
                ha="left" if ends else "center",
                va="center" if ends else "bottom",
                color=color,
            )
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter("{x:g}")
        ax.set_xticks(players)
        ax.set_xlabel("number of players n")
        ax.set_ylabel("process time a sample (s)")
        ax.grid(axis="y")
    return {"growth": figure}


@functools.cache
def courses(quick: bool) -> dict[str, list[Cost]]:
    """The cost by the number of players, for all masks and for each budget of them."""
    found = {"all 2ⁿ": [enumerated(n) for n in ((6, 8, 10) if quick else SAMPLES)]}
    for budget in list(BUDGETS)[: 1 if quick else None]:
        players = (10, 12) if quick else range(10, 25, 2)
        found[f"{budget:,}"] = [sampled(n, budget) for n in players if budget <= 2**n]
    return found


def enumerated(n: int) -> Cost:
    v = digits_outputs(n, 60)[: SAMPLES[n]]
    extract_interactions(v, max_iterations=COMPILING)
    return cost(n, lambda: extract_interactions(v), len(v))


def sampled(n: int, budget: int) -> Cost:
    masks = sample_masks(n, budget, by="uniform")
    values = planted(n)(masks)

    def extract() -> SampledExtraction:
        return extract_sampled(masks, values, n, aside=0)

    if worth_a_start(n, budget):
        extract()  # compiles
    return cost(n, extract, 1)


def cost(n: int, extract: Callable, samples: int) -> Cost:
    start = time.process_time()
    found = extract()
    return Cost(n, (time.process_time() - start) / samples, float(np.max(found.gap)))

"""False alarms, power and coverage of `find_phases`, at one look and at many."""

from __future__ import annotations

import numpy as np
from courses import EPOCHS, NOTHING, Course, bottom, jitter, measured, together, valley, walk
from rates import Rate, Section

from sim import Phases, find_phases

DRAWS = 1_999  # of signs; the default is larger, which only sharpens
DEMO = valley(5.6, 1.4, 3.6)
WEAK = {
    "1.5 down, 1.5 up": valley(4.0, 2.5, 4.0),
    "1.0 down, 0.5 up": valley(4.0, 3.0, 3.5),
    "0.5 down, 0.5 up": valley(3.5, 3.0, 3.5),
}


def _found(
    course: Course, checkpoints: int, samples: int, rng: np.random.Generator, noise: float = 0.3
) -> Phases:
    shares = measured(course(checkpoints, rng), samples, rng, noise)
    return find_phases(EPOCHS[:checkpoints], shares, draws=DRAWS)


def false_alarms(repeats: int) -> Section:
    """How often two phases, or a trend, are found where there is none."""
    sizes = ((3, 10), (5, 10), (7, 10), (8, 3), (14, 2), (14, 10), (14, 30), (30, 10), (60, 10))
    rows = []
    for name, course in NOTHING.items():
        rates = []
        for checkpoints, samples in sizes:
            rng = np.random.default_rng(0)
            found = [_found(course, checkpoints, samples, rng, 0.05) for _ in range(repeats)]
            rates.append(Rate.of([phases.boundary is not None for phases in found]))
        rows.append((name, rates))
    return Section(
        "Two phases found where there are none",
        "Accepted: 5 %. Columns: checkpoints × samples.",
        [f"{c} × {s}" for c, s in sizes],
        rows,
        at_most=0.05,
    )


def false_trends(repeats: int) -> Section:
    """How often a rise or a fall is found where the mean order goes nowhere."""
    sizes = ((5, 10), (7, 10), (14, 2), (14, 10), (30, 10), (60, 10))
    names = [name for name in NOTHING if name.startswith(("constant", "AR", "random"))]
    rows = []
    for name in names:
        rates = []
        for checkpoints, samples in sizes:
            rng = np.random.default_rng(1)
            found = [_found(NOTHING[name], checkpoints, samples, rng, 0.05) for _ in range(repeats)]
            rates.append(Rate.of([p.pattern in ("rises", "falls") for p in found]))
        rows.append((name, rates))
    return Section(
        "A rise or a fall found where the mean order goes nowhere",
        "Accepted: 5 %. Columns: checkpoints × samples.",
        [f"{c} × {s}" for c, s in sizes],
        rows,
        at_most=0.05,
    )


def power_and_coverage(repeats: int) -> tuple[Section, Section]:
    """How often a valley is found, and how often the interval of a found one holds its minimum."""
    sizes = ((8, 30), (14, 3), (14, 10), (14, 30), (16, 30), (30, 30))
    valleys = {
        f"5.6 → 1.4 → 3.6, jitter {size:g}": together(DEMO, jitter(size))
        for size in (0.05, 0.1, 0.2, 0.3)
    }
    valleys["5.6 → 1.4 → 3.6, random walk of steps 0.1"] = together(DEMO, walk(0.1))
    valleys |= {f"{name}, jitter 0.05": together(c, jitter(0.05)) for name, c in WEAK.items()}
    valleys["1.0 down, 0.5 up, jitter 0.1"] = together(WEAK["1.0 down, 0.5 up"], jitter(0.1))
    found_rows, held_rows = [], []
    for name, course in valleys.items():
        found_rates, held_rates = [], []
        for checkpoints, samples in sizes:
            rng = np.random.default_rng(2)
            true = EPOCHS[bottom(checkpoints)]
            phases = [_found(course, checkpoints, samples, rng) for _ in range(repeats)]
            found = [p for p in phases if p.boundary is not None]
            found_rates.append(Rate.of([p.boundary is not None for p in phases]))
            held_rates.append(Rate.of([p.low <= true <= p.high for p in found]))
        found_rows.append((name, found_rates))
        held_rows.append((name, held_rates))
    columns = [f"{c} × {s}" for c, s in sizes]
    return (
        Section(
            "Two phases found where they are: power",
            "Columns: checkpoints × samples.",
            columns,
            found_rows,
        ),
        Section(
            "The boundary's interval holds the true minimum, where two phases are found",
            "Promised: 95 %. Of a random walk the true minimum is that of the course without it.",
            columns,
            held_rows,
            at_least=0.95,
        ),
    )


def looks(repeats: int) -> tuple[Section, Section]:
    """A run looked at from its seventh checkpoint on, after every checkpoint."""
    alarms = []
    for name in ("constant, jitter 0.1", "AR(1), φ = 0.7", "random walk", "late rise, random walk"):
        rng = np.random.default_rng(3)
        first = [_first_look(NOTHING[name], 30, rng) for _ in range(repeats)]
        alarms.append((name, [Rate.of([look is not None for look in first])]))
    delays = []
    for size in (0.05, 0.1, 0.2):
        rng = np.random.default_rng(4)
        course = together(DEMO, jitter(size))
        first = [_first_look(course, 16, rng) for _ in range(repeats)]
        once = [_found(course, 16, 10, rng).boundary is not None for _ in range(repeats)]
        after = [look - bottom(16) for look in first if look is not None]
        rates = [Rate.of(once), Rate.of([look is not None for look in first])]
        delays.append(
            (f"5.6 → 1.4 → 3.6, jitter {size:g}", [*rates, np.median(after) if after else np.nan])
        )
    return (
        Section(
            "Two phases found at any of 24 looks at a run of 30 checkpoints without them",
            "Accepted: 5 % over all looks. 10 samples.",
            ["any look"],
            alarms,
            at_most=0.05,
        ),
        Section(
            "Looks at a run of 16 checkpoints with two phases",
            "Found by one look at the end, and by any of 10 looks; the delay is the median number "
            "of checkpoints from the minimum to the first look that finds them. 10 samples.",
            ["at the end", "any look", "delay"],
            delays,
        ),
    )


def _first_look(course: Course, checkpoints: int, rng: np.random.Generator) -> int | None:
    """The last checkpoint of the first look that finds two phases."""
    shares = measured(course(checkpoints, rng), 10, rng)
    for look, seen in enumerate(range(7, checkpoints + 1), start=1):
        phases = find_phases(EPOCHS[:seen], shares[:seen], look=look, draws=DRAWS)
        if phases.boundary is not None:
            return seen - 1
    return None

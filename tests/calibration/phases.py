"""False alarms, power and coverage of `find_phases`, at one look and at many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from courses import (
    DRIFTING,
    EPOCHS,
    MIDDLE,
    NOTHING,
    Course,
    autoregressive,
    bottom,
    jitter,
    measured,
    round_valley,
    shares_about,
    together,
    valley,
    walk,
)
from rates import Rate, Section

from sim import Phases, find_phases
from sim.phases import gap_onset

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


def false_alarms(repeats: int) -> tuple[Section, Section]:
    """How often two phases are found where there are none."""
    sizes = ((3, 10), (5, 10), (7, 10), (8, 3), (14, 2), (14, 10), (14, 30), (30, 10), (60, 10))
    columns = [f"{c} × {s}" for c, s in sizes]
    note = "Columns: checkpoints × samples."
    return (
        Section(
            "Two phases found where there are none",
            f"Accepted: 5 %. {note}",
            columns,
            _alarms(NOTHING, sizes, repeats),
            at_most=0.05,
        ),
        Section(
            "Two phases found where the mean order drifts one way and wanders",
            f"Nothing is promised here: chance is told by steps that are symmetric. {note}",
            columns,
            _alarms(DRIFTING, sizes, repeats),
        ),
    )


def _alarms(
    courses: Mapping[str, Course], sizes: Sequence[tuple[int, int]], repeats: int
) -> list[tuple[str, list[Rate]]]:
    rows = []
    for name, course in courses.items():
        rates = []
        for checkpoints, samples in sizes:
            rng = np.random.default_rng(0)
            found = [_found(course, checkpoints, samples, rng, 0.05) for _ in range(repeats)]
            rates.append(Rate.of([phases.boundary is not None for phases in found]))
        rows.append((name, rates))
    return rows


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


def false_alarms_of_inputs(repeats: int) -> Section:
    """Inputs that each have a smooth valley or hill of their own, about a constant mean."""
    sizes = (2, 3, 5, 10, 30)
    t = np.linspace(0, np.pi, 14)[:, None]
    rates = []
    for samples in sizes:
        rng = np.random.default_rng(5)
        found = []
        for _ in range(repeats):
            own = 0.5 * np.sin(t) * rng.normal(size=samples)
            shares = shares_about(MIDDLE + own)
            found.append(find_phases(EPOCHS[:14], shares, draws=DRAWS).boundary is not None)
        rates.append(Rate.of(found))
    return Section(
        "Two phases found where each input has a valley or a hill, and their population neither",
        "Accepted: 5 %. Columns: inputs; 14 checkpoints.",
        [str(samples) for samples in sizes],
        [("a smooth course of every input", rates)],
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
    valleys |= {
        f"round, 1.0 deep, {name}": together(round_valley(1.0), noise)
        for name, noise in (
            ("jitter 0.1", jitter(0.1)),
            ("AR(1)", autoregressive(0.07)),
            ("random walk of steps 0.1", walk(0.1)),
        )
    }
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


def coverage_over_runs(repeats: int) -> Section:
    """How often the interval over training runs holds the minimum that all runs scatter about."""
    sizes = (3, 5, 10)
    rows = []
    for size in (0.05, 0.1, 0.2):
        rates = []
        for runs in sizes:
            rng = np.random.default_rng(6)
            held = []
            for _ in range(repeats):
                each = [together(DEMO, jitter(size))(14, rng) for _ in range(runs)]
                shares = np.concatenate([measured(one, 10, rng, 0.05) for one in each], axis=1)
                phases = find_phases(EPOCHS[:14], shares, runs=runs, draws=DRAWS)
                if phases.boundary is not None:
                    held.append(phases.run_low <= EPOCHS[bottom(14)] <= phases.run_high)
            rates.append(Rate.of(held))
        rows.append((f"5.6 → 1.4 → 3.6, jitter {size:g} in each run", rates))
    return Section(
        "The boundary's interval over training runs holds the true minimum",
        "Promised: 95 %. Columns: training runs; 14 checkpoints, 10 inputs.",
        [str(runs) for runs in sizes],
        rows,
        at_least=0.95,
    )


def called_throughout(repeats: int) -> Section:
    """How often a course with a deep valley at any place is said to go one way throughout."""
    lowest = (1, 2, 5, 8, 11, 12)
    rows = []
    for name, ends in (("5.6 → 1.4 → 3.6", (5.6, 1.4, 3.6)), ("3.6 → 1.4 → 5.6", (3.6, 1.4, 5.6))):
        rates = []
        for at in lowest:
            rng = np.random.default_rng(7)
            course = together(valley(*ends, lowest=at / 13), jitter(0.05))
            found = [_found(course, 14, 10, rng).pattern for _ in range(repeats)]
            rates.append(Rate.of([pattern in ("rises", "falls") for pattern in found]))
        rows.append((f"{name}, jitter 0.05", rates))
    return Section(
        "A course with two phases said to rise or to fall throughout",
        "Accepted: 5 %. Columns: the checkpoint of the minimum, of 14; 10 samples.",
        [str(at) for at in lowest],
        rows,
        at_most=0.05,
    )


def losses(repeats: int) -> Section:
    """A loss that goes nowhere: how often it is said to leave its noise."""
    sizes = (7, 14, 30)
    kinds = {
        "jitter 0.1": jitter(0.1),
        "jitter 0.3 in the first third, then 0.01": jitter(0.01, 30),
        "AR(1), φ = 0.7": autoregressive(0.1),
        "random walk": walk(0.1),
    }
    rows = []
    for name, course in kinds.items():
        rates = []
        for checkpoints in sizes:
            rng = np.random.default_rng(8)
            epochs = EPOCHS[:checkpoints]
            onsets = [gap_onset(epochs, course(checkpoints, rng)) for _ in range(repeats)]
            rates.append(Rate.of([onset is not None for onset in onsets]))
        rows.append((name, rates))
    return Section(
        "A loss, or a gap, that goes nowhere said to leave its noise",
        "A rule of three deviations, and no test: nothing is promised. Its noise is that from "
        "checkpoint to checkpoint. Columns: checkpoints.",
        [str(size) for size in sizes],
        rows,
    )


def looks(repeats: int) -> tuple[Section, Section]:
    """A run that is watched: looked at after every checkpoint."""
    alarms = []
    for name, course in NOTHING.items():
        rates = []
        for checkpoints in (14, 30, 60):
            rng = np.random.default_rng(3)
            found = [_watched(course, checkpoints, rng, 0.05) for _ in range(repeats)]
            rates.append(Rate.of([at is not None for at in found]))
        alarms.append((name, rates))
    delays = []
    for size in (0.05, 0.1, 0.2):
        rng = np.random.default_rng(4)
        course = together(DEMO, jitter(size))
        found = [_watched(course, 16, rng) for _ in range(repeats)]
        once = [_found(course, 16, 10, rng).boundary is not None for _ in range(repeats)]
        after = [at - bottom(16) for at in found if at is not None]
        rates = [Rate.of(once), Rate.of([at is not None for at in found])]
        delay = float(np.median(after)) if after else float("nan")
        delays.append((f"5.6 → 1.4 → 3.6, jitter {size:g}", [*rates, delay]))
    return (
        Section(
            "Two phases ever found in a run that is watched and has none",
            "Accepted: 5 % over all looks. Columns: checkpoints, looked at after every one; 10 "
            "samples.",
            ["14", "30", "60"],
            alarms,
            at_most=0.05,
        ),
        Section(
            "A run of 16 checkpoints with two phases: one look at its end, or watched",
            "The delay is the median number of checkpoints from the minimum to the look that finds "
            "them. 10 samples.",
            ["at the end", "watched", "delay"],
            delays,
        ),
    )


def _watched(
    course: Course, checkpoints: int, rng: np.random.Generator, noise: float = 0.3
) -> int | None:
    """The checkpoint at which two phases are found in a run that is watched."""
    shares = measured(course(checkpoints, rng), 10, rng, noise)
    epochs = EPOCHS[:checkpoints]
    found = find_phases(epochs, shares, watching=True, draws=DRAWS).found_at
    return None if found is None else int(np.searchsorted(epochs, found))

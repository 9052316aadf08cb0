"""`interdyn extract`: sparse AND–OR interactions, each with a certified gap."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import typer

from sim.cli._console import (
    INTERACTIONS,
    AsJson,
    Folder,
    Overwrite,
    command_line,
    complete,
    finish,
    out,
    progress_bars,
)
from sim.cli._folder import EXTRACTED, results_of_all
from sim.cli._plan import Cost, Plan, in_no_order, tell, trial
from sim.cli._processes import NumProcesses, ProcessId, chosen_share, run_identity
from sim.cli._sampled import course, print_course, run_extract_sampled
from sim.cores import cores
from sim.extraction import (
    KINDS,
    NOISE_BOUND,
    PREFERENCES,
    TOLERANCE,
    Interactions,
    SampledInteractions,
    extract_interactions,
    split_uncertainty,
)
from sim.measurement import Measurement, dummies_in_words, near_dummies
from sim.processes import SharedWork
from sim.progress import NamedProgress
from sim.unfinished import Unfinished

SETTINGS = {"noise_bound": NOISE_BOUND, "tolerance": TOLERANCE, "prefer": PREFERENCES[0]}
HOLDS = (
    "A measurement.npz, of interdyn measure or your own: outputs (checkpoints, samples, 2^players) "
    "and epochs (checkpoints,); see interdyn --help."
)


def extract(
    source: Annotated[Path, typer.Argument(help=HOLDS, metavar="MEASUREMENT")],
    folder: Folder = None,
    noise_bound: Annotated[
        float,
        typer.Option(help="How far interactions may miss an output, as a share of |v(N) − v(∅)|."),
    ] = NOISE_BOUND,
    tolerance: Annotated[
        float, typer.Option(help="Certified relative gap to the optimum at which to stop.")
    ] = TOLERANCE,
    prefer: Annotated[
        str,
        typer.Option(
            help="Which of the equally sparse explanations: low (of lowest orders), high, or none.",
            autocompletion=complete(*PREFERENCES, "none"),
        ),
    ] = PREFERENCES[0],
    split: Annotated[
        int,
        typer.Option(
            help="At the last checkpoint, for so many inputs of every training run: how far "
            "strength could move between AND and OR, and between orders, at 0.1 % more cost. Takes "
            "some seconds an input."
        ),
    ] = 0,
    num_processes: NumProcesses = None,
    process_id: ProcessId = None,
    plan: Plan = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Extract sparse AND–OR interactions, each with a certified gap to the optimum."""
    path = (folder or source.parent) / INTERACTIONS
    share = chosen_share(num_processes, process_id)
    measurement = Measurement.load(source)
    end = None if prefer == "none" else prefer
    if split and measurement.sets is not None:
        raise ValueError("--split needs all 2^n masked inputs, and this measurement has some.")
    if not 0 <= split <= measurement.input_count:
        raise ValueError(
            f"--split must be between 0 and the {measurement.input_count} inputs, but is {split}."
        )
    settings = {"noise_bound": noise_bound, "tolerance": tolerance, "prefer": end}
    interactions: Interactions | SampledInteractions
    ranges = None
    parts = Unfinished(path.parent / EXTRACTED, "extraction")
    with (
        results_of_all(
            [path], overwrite, share, parts, lambda: run_identity("extract", source, settings), plan
        ) as work,
        progress_bars() as progress,
    ):
        if measurement.sets is None:
            interactions = run_extract(
                measurement, path, progress, settings, work, split=split, plan=plan
            )
            ranges = run_split(interactions, split, progress) if split else None
        else:
            interactions = run_extract_sampled(
                measurement, path, progress, settings, work, plan=plan
            )
    extraction = interactions.extraction
    met, total = int(extraction.converged.sum()), extraction.converged.size
    result = {
        "interactions": str(path),
        "converged": met,
        "total": total,
        "largest_gap": float(extraction.gap.max()),
        **interactions.settings,
    }
    text = (
        f"Extracted interactions: {path}\n{met} of {total} samples met the certified gap of "
        f"{tolerance:g}, counted at every checkpoint; the largest gap is "
        f"{float(extraction.gap.max()):.1e}.\n"
        f"Settings: --noise-bound {noise_bound:g} --prefer {prefer}."
    )
    if isinstance(interactions, SampledInteractions):
        found = course(interactions)
        result |= found.record()
        following = "figures"
        if not as_json:
            print_course(found, interactions)
            out.print()
    else:
        result["near_dummies"] = near_dummies(measurement)
        following = "fit" if measurement.checkpoints > 1 else "export"  # a fit needs two
    if note := dummies_in_words(measurement):
        text += f"\nNote: {note}"
    if ranges is not None:
        result["split"] = ranges
        text += f"\n\n{split_table(ranges)}\n"
    finish(as_json, result, text, command_line("interdyn", following, path))


def run_extract(
    measurement: Measurement,
    path: Path,
    progress: NamedProgress,
    settings: Mapping[str, Any] = SETTINGS,
    work: SharedWork | None = None,
    *,
    split: int = 0,
    plan: bool = False,
) -> Interactions:
    """Extracts and saves; tells before what it will take, and with `plan` ends there.

    That counts `run_split` for so many inputs, which is the caller's to call.

    Raises:
        Finished: it is for another process to save.
    """
    tell(
        f"Extracting from {measurement.shape_in_words()}",
        measurement.outputs.size,
        plan,
        lambda: extraction_cost(measurement, settings, split),
    )
    interactions = extracted(measurement, progress, settings, work)
    if work is not None:
        work.leave_saving()
    interactions.save(path, overwrite=True)  # which the folder allowed
    return interactions


def extracted(
    measurement: Measurement,
    progress: NamedProgress,
    settings: Mapping[str, Any] = SETTINGS,
    work: SharedWork | None = None,
) -> Interactions:
    """Extracts, and saves nothing."""
    extraction = extract_interactions(
        measurement.outputs,
        **settings,
        progress=lambda done, total: progress("extract", done, total),
        work=work,
    )
    return Interactions(measurement, extraction, settings)


def extraction_cost(
    measurement: Measurement, settings: Mapping[str, Any] = SETTINGS, split: int = 0
) -> Cost:
    """What extraction will take, and `run_split` for so many inputs."""
    job = in_no_order(measurement)
    found = trial(lambda progress: extracted(job, progress, settings))
    if split == 0:
        return found
    few = min(split, cores())
    last = Measurement(measurement.outputs[-1:, :few], measurement.epochs[-1:])
    some = extracted(last, lambda *_: None, settings)
    per_few = trial(lambda progress: run_split(some, few, progress))
    times = measurement.runs * split / few
    return found.then(Cost(times * per_few.seconds, times * per_few.memory))


def run_split(interactions: Interactions, inputs: int, progress: NamedProgress) -> dict[str, Any]:
    """How far the split of the last checkpoint is determined: a mean over samples.

    They are the first inputs of every training run. Samples are explained one by one, so that the
    range of their mean is the mean of their ranges.
    """
    measurement = interactions.measurement
    every = np.arange(measurement.samples).reshape(measurement.runs, measurement.input_count)
    samples = every[:, :inputs].ravel()
    last = jax.tree.map(lambda x: x[-1, samples], interactions.extraction)
    found = split_uncertainty(
        measurement.outputs[-1, samples],
        last,
        noise_bound=interactions.settings["noise_bound"],
        progress=lambda done, total: progress("split", done, total),
    )
    means = {
        name: np.asarray(getattr(found, name)).mean(axis=0)
        for name in ("strength", "attained", "bound")
    }  # (kinds, n) and (kinds, n, 2)
    return {
        "epoch": float(measurement.epochs[-1]),
        "samples": len(samples),
        "slack": float(found.slack),
        "orders": [
            {"order": k + 1}
            | {
                kind: {name: values[i, k].tolist() for name, values in means.items()}
                for i, kind in enumerate(KINDS)
            }
            for k in range(measurement.n)
        ],
    }


def split_table(ranges: Mapping[str, Any]) -> str:
    """The strengths and the ranges that are attained, as lines of text."""
    lines = [
        f"Strength by order at epoch {ranges['epoch']:g}, mean of {ranges['samples']} sample(s), "
        f"with its range in explanations",
        f"at most {100 * ranges['slack']:g} % costlier: at least this wide; --json adds proven "
        f"outer limits.",
        "order" + "".join(f"{name:>9}{'range':^18}" for name in ("AND", "OR", "both")),
    ]
    largest = max(row["total"]["attained"][1] for row in ranges["orders"])
    decimals = max(0, 2 - math.floor(math.log10(largest))) if largest else 0
    for row in ranges["orders"]:
        line = f"{row['order']:5d}"
        for kind in KINDS:
            low, high = row[kind]["attained"]
            between = f"{low:.{decimals}f} to {high:.{decimals}f}"
            line += f"{row[kind]['strength']:9.{decimals}f}{between:^18}"
        lines.append(line)
    return "\n".join(line.rstrip() for line in lines)

"""`interdyn explain`: which players an output rests on, and how that came about."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from sim.checks import ArgumentError
from sim.cli._console import AsJson, InteractionsFile, Overwrite, finish, out
from sim.cli._folder import results
from sim.explanation import TopInteraction, example, is_open, spread_checkpoints, top_interactions
from sim.extraction import Interactions, SampledInteractions, load_interactions
from sim.figures import explained_figure, figure_paths, save_figure
from sim.measurement import Measurement

PAST = 3  # earlier checkpoints in the table
NOTHING = 0.01  # of the largest value: what is smaller is written as 0
FIGURE, IN_FIGURE = "explanation", 4  # its file's name, and checkpoints that it shows at most


def explain(
    source: InteractionsFile,
    sample: Annotated[
        str, typer.Option(help="Number of the sample, from 0, or its name.", metavar="SAMPLE")
    ] = "0",
    epoch: Annotated[
        float | None,
        typer.Option(help="Of a checkpoint; the last by default.", show_default=False),
    ] = None,
    top: Annotated[int, typer.Option(help="How many interactions.", min=1)] = 10,
    both_ends: Annotated[
        bool,
        typer.Option(
            help="Extract the sample at the other end of the preference too: how far the split of "
            "the orders 1 and 2 is open."
        ),
    ] = True,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Draw them as well, in this folder: on the image or sentence, or as bars."
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Explain one output: its largest interactions, by the names of their players."""
    interactions = load_interactions(source)
    measurement = interactions.measurement
    number, at = _sample(sample, measurement), checkpoint_at(epoch, measurement)
    name = f"{FIGURE}_sample{number}_epoch{measurement.epochs[at]:g}"
    paths = [] if folder is None else figure_paths(folder, name)
    with contextlib.nullcontext() if folder is None else results(paths, overwrite):
        found = top_interactions(interactions, at, number, top, both_ends=both_ends)
        if folder is not None:
            past = spread_checkpoints(at + 1, IN_FIGURE)
            drawn = example(interactions, number, past, both_ends=both_ends)
            save_figure(explained_figure(drawn), folder, name)
    if not as_json:
        _print(found, measurement, number, at)
    result = {
        "sample": number,
        "name": measurement.sample_name(number),
        "label": measurement.class_of(number),
        "output": float(measurement.outputs[at, number, -1]),
        "epoch": float(measurement.epochs[at]),
        "epochs": measurement.epochs.tolist(),
        "prefer": interactions.settings.get("prefer"),
        "top": [one.as_dict() for one in found],
        "figures": [str(path) for path in paths],
    }
    text = _words(found, interactions)
    if isinstance(interactions, SampledInteractions):
        fit = float(interactions.extraction.held_out[at, number])
        result["held_out"] = fit if np.isfinite(fit) else None
        text += f" {_vouched(fit, bool(interactions.extraction.enough[at, number]))}"
    if paths:
        text += f"\nDrawn: {paths[0]}"
    finish(as_json, result, text, None)


def _sample(text: str, measurement: Measurement) -> int:
    """The sample of a number or of a name."""
    if text.removeprefix("-").isdecimal():
        number = int(text)
        if not 0 <= number < measurement.samples:
            must = f"be a number from 0 to {measurement.samples - 1}, or a name"
            raise ArgumentError("sample", must, f"is {text}")
        return number
    names = [measurement.sample_name(at) for at in range(measurement.input_count)]
    if names.count(text) == 1:
        return names.index(text)
    if text in names:
        numbers = ", ".join(str(at) for at, name in enumerate(names) if name == text)
        raise ArgumentError("sample", "be one sample", f"'{text}' names the samples {numbers}")
    known = ", ".join(f"'{name}'" for name in names[:3])
    raise ArgumentError(
        "sample",
        f"be a number from 0 to {measurement.samples - 1}, or a name such as {known}",
        f"is '{text}'",
    )


def checkpoint_at(epoch: float | None, measurement: Measurement) -> int:
    """The checkpoint of an epoch; the last one where there is none."""
    if epoch is None:
        return measurement.checkpoints - 1
    at = np.flatnonzero(measurement.epochs == epoch)
    if not at.size:
        known = ", ".join(f"{one:g}" for one in measurement.epochs)
        raise ArgumentError("epoch", f"be of {known}", f"is {epoch:g}")
    return int(at[0])


def _print(found: list[TopInteraction], measurement: Measurement, sample: int, at: int) -> None:
    """A table: which interactions, how large, and what they were before."""
    past = [c for c in spread_checkpoints(at + 1, PAST + 1) if c != at]
    other = any(is_open(one.value, one.other) for one in found)
    scale = max((abs(one.value) for one in found), default=0.0)
    label = measurement.class_of(sample)
    of_class = "" if label is None else f", class {label}"
    table = Table(
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
        pad_edge=False,
        title=f"{measurement.sample_name(sample)}{of_class}, epoch {measurement.epochs[at]:g}: "
        f"v(N) = {measurement.outputs[at, sample, -1]:+.2f}, "
        f"v(∅) = {measurement.outputs[at, sample, 0]:+.2f}",
        title_justify="left",
    )
    table.add_column("kind")
    table.add_column("players", overflow="fold", min_width=12)
    for checkpoint in past:
        table.add_column(f"epoch\n{measurement.epochs[checkpoint]:g}", justify="right")
    table.add_column("value", justify="right")
    if other:
        table.add_column("other\nend", justify="right")
    table.add_column("share", justify="right")
    table.add_column("since", justify="right")
    for one in found:
        table.add_row(
            one.kind if one.order > 1 else "alone",
            ", ".join(one.players),
            *(_number(one.history[checkpoint], scale) for checkpoint in past),
            _number(one.value, scale),
            *(
                [_number(one.other, scale) if is_open(one.value, one.other) else ""]
                if other
                else []
            ),
            f"{100 * one.share:.1f} %",
            "–" if one.since is None else f"{one.since:g}",
        )
    out.print(table, markup=False)
    out.print()


def _number(value: float | None, scale: float) -> str:
    """A value with its sign, to a hundredth of the largest."""
    if value is None or abs(value) < NOTHING * scale:
        return "0"
    decimals = max(0, 2 - int(np.floor(np.log10(scale)))) if scale else 0
    return f"{value:+.{min(decimals, 8)}f}".replace("-", "−")


def _vouched(fit: float, enough: bool) -> str:
    """What masks that were kept aside say of a sample's interactions."""
    if enough:
        return f"The masks were enough for this sample: those kept aside have an R² of {fit:.2f}."
    return (
        f"The masks are not enough for this sample: those kept aside have an R² of {fit:.2f}, so "
        f"these interactions explain the measured masks and no others."
    )


def _words(found: list[TopInteraction], interactions: Interactions | SampledInteractions) -> str:
    """What the table shows, and what it leaves open."""
    if not found:
        return "There is no interaction: the output is the same however the input is masked."
    held = 100 * sum(one.share for one in found)
    count = len(found)
    lines = [
        f"The {count} largest hold {held:.0f} % of all strength Σ|I| of this output. since: the "
        f"epoch from which on it is salient with this sign. alone: a player by itself, which is "
        f"AND and OR at once."
    ]
    if any(is_open(one.value, one.other) for one in found):
        lines.append(
            "other end: its value in an explanation that is as sparse and prefers "
            f"{'high' if interactions.settings.get('prefer') == 'low' else 'low'} orders; the "
            "outputs leave open all between the two."
        )
    elif found[0].other is None:
        lines.append(
            "This is one of many explanations that are equally sparse; the others, which split the "
            "orders 1 and 2 otherwise, were not looked at."
        )
    return " ".join(lines)

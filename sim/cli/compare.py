"""`interdyn compare`: which interactions two networks share, and what became of the others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from sim.cli._console import INTERACTIONS, AsJson, finish, out
from sim.cli._matching import load_matching
from sim.cli.explain import checkpoint_at
from sim.extraction import Interactions
from sim.generalization import CHANGES, FACTOR, Comparison, compare_interactions
from sim.measurement import Measurement, present_players
from theory import SALIENCE

KINDS = ("AND", "OR")
WORDS = (
    "Interactions per sample that are salient in one of the two. shared: in both, with the same "
    "sign and within a factor of {factor:g}; grown, shrunk: beyond it; turned: of the other sign; "
    "gone, new: in the first only, in the second only. Σ|I|: of all these, in each network. An "
    "interaction near its network's threshold comes or goes by a small change."
)


def compare(
    first: Annotated[
        Path, typer.Argument(help="An interactions.npz, or its folder.", metavar="FIRST")
    ],
    second: Annotated[
        Path,
        typer.Argument(
            help="The same of the other network, on the same inputs with the same players.",
            metavar="SECOND",
        ),
    ],
    epoch: Annotated[
        float | None,
        typer.Option(help="Of a checkpoint of both; the last of each by default."),
    ] = None,
    second_epoch: Annotated[
        float | None,
        typer.Option(
            help="Of a checkpoint of the second, where it is another: two checkpoints of one "
            "network, or a network before and after fine-tuning.",
        ),
    ] = None,
    factor: Annotated[
        float, typer.Option(help="Beyond which an interaction has grown or shrunk.")
    ] = FACTOR,
    salience: Annotated[
        float, typer.Option(help="Threshold of salience, as a share of E|v(N) − v(∅)|.")
    ] = SALIENCE,
    top: Annotated[
        int, typer.Option(help="How many interactions that differ most to list.", min=0)
    ] = 10,
    as_json: AsJson = False,
) -> None:
    """Compare two networks: which interactions are shared, changed, turned, gone or new."""
    paths = [path / INTERACTIONS if path.is_dir() else path for path in (first, second)]
    one = Interactions.load(paths[0])
    other = load_matching(
        paths[1], one, str(paths[0]), "both must be measured on the same inputs and players"
    )
    pair, measurement = (one, other), one.measurement
    if other.measurement.runs != measurement.runs:
        raise ValueError(
            f"{paths[1]}: its number of training runs is {other.measurement.runs}, but that of "
            f"{paths[0]} is {measurement.runs}."
        )
    epochs = (epoch, epoch if second_epoch is None else second_epoch)
    places = [checkpoint_at(e, n.measurement) for e, n in zip(epochs, pair, strict=True)]
    found = compare_interactions(
        *(_arrays(network, at) for network, at in zip(pair, places, strict=True)),
        factor=factor,
        salience=salience,
        runs=measurement.runs,
    )
    result = {
        "files": [str(path) for path in paths],
        "epochs": [float(n.measurement.epochs[at]) for n, at in zip(pair, places, strict=True)],
        "prefer": one.settings.get("prefer"),
        "salience": salience,
        **found.record(),
        "samples": [
            {
                "sample": sample,
                "name": measurement.sample_name(sample),
                "run": sample // measurement.input_count,
                "top": _listed(found, measurement, sample, top),
            }
            for sample in range(measurement.samples)
        ],
    }
    if not as_json:
        _print(found, result, top)
    finish(as_json, result, f"\n{WORDS.format(factor=factor)}", None)


def _arrays(network: Interactions, at: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """AND, OR and outputs of one checkpoint, (samples, 2^n) each."""
    extraction = network.extraction
    return (
        np.asarray(extraction.i_and)[at],
        np.asarray(extraction.i_or)[at],
        network.measurement.outputs[at],
    )


def _listed(
    found: Comparison, measurement: Measurement, sample: int, top: int
) -> list[dict[str, Any]]:
    """The interactions of a sample that differ most, in plain values."""
    names, listed = measurement.players(sample), []
    for change, kind, subset in found.largest(sample, top):
        members = np.flatnonzero(present_players(subset, measurement.n)).tolist()
        listed.append(
            {
                "change": change,
                "kind": KINDS[kind],
                "players": [names[player] for player in members],
                "members": members,
                "values": found.values[:, kind, sample, subset].tolist(),
            }
        )
    return listed


def _print(found: Comparison, result: dict[str, Any], top: int) -> None:
    """Counts and strengths by order, and the interactions that differ most."""
    plain: dict[str, Any] = {"box": SIMPLE_HEAD, "padding": (0, 1, 0, 0), "title_justify": "left"}
    first, second = (f"{epoch:g}" for epoch in result["epochs"])
    table = Table(
        **plain,
        show_edge=False,
        pad_edge=False,
        title=f"Epoch {first} of {result['files'][0]} and epoch {second} of {result['files'][1]}",
    )
    for name in ("order", *CHANGES, "Σ|I| first", "Σ|I| second"):
        table.add_column(name, justify="right")
    counts, strengths = found.count, found.strength.sum(axis=1)
    for at in range(counts.shape[1]):
        _row(table, str(at + 1), counts[:, at], strengths[:, at])
    _row(table, "all", counts.sum(axis=1), strengths.sum(axis=1))
    out.print(table, markup=False)
    several = result["samples"][-1]["run"] > 0
    every = [
        (f"{sample['name']}, run {sample['run']}" if several else sample["name"], one)
        for sample in result["samples"]
        for one in sample["top"]
    ]
    every = [(name, one) for name, one in every if one["values"][0] != one["values"][1]]
    every.sort(key=lambda pair: -abs(pair[1]["values"][1] - pair[1]["values"][0]))
    if not every[:top]:
        return
    table = Table(**plain, show_edge=False, pad_edge=False, title="\nThose that differ most")
    for name in ("sample", "kind", "players"):
        table.add_column(name, overflow="fold")
    for name in ("first", "second"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("change", no_wrap=True)
    for sample, one in every[:top]:
        kind = one["kind"] if len(one["members"]) > 1 else "alone"
        values = (f"{value:+.2f}".replace("-", "−") for value in one["values"])
        table.add_row(sample, kind, ", ".join(one["players"]), *values, one["change"])
    out.print(table, markup=False)


def _row(table: Table, name: str, counts: np.ndarray, strengths: np.ndarray) -> None:
    table.add_row(name, *(f"{count:.1f}" for count in counts), *(f"{x:.2f}" for x in strengths))

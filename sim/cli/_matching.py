"""Files of interactions of the same inputs and players, as far as the files tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sim.extraction import Interactions


def load_matching(path: Path, network: Interactions, whose: str, why: str) -> Interactions:
    """Reads the interactions of another network.

    Args:
        path: of their file.
        network: the one that they must match.
        whose: that one, in words.
        why: a clause that says what they must share.

    Raises:
        ValueError: other inputs, players or explanations, as far as the files tell; names the file.
    """
    found = Interactions.load(path)
    ours, theirs = network.measurement, found.measurement
    inputs = ours.input_count
    pairs: dict[str, tuple[Any, Any]] = {
        "number of players": (ours.n, theirs.n),
        "number of inputs": (inputs, theirs.input_count),
        "preference of the extraction": (
            network.settings.get("prefer"),
            found.settings.get("prefer"),
        ),
    }
    for what, (mine, other) in pairs.items():
        if mine != other:
            raise ValueError(f"{path}: its {what} is {other}, but that of {whose} is {mine}.")
    told = {
        "labels": [None if m.labels is None else m.labels[:inputs] for m in (ours, theirs)],
        "names of players": [ours.player_names, theirs.player_names],
        "names of inputs": [ours.sample_names, theirs.sample_names],
        "regions of players": [ours.regions, theirs.regions],
        "inputs": [ours.inputs, theirs.inputs],
    }
    for what, (mine, other) in told.items():
        if mine is not None and other is not None and not np.array_equal(mine, other):
            raise ValueError(f"{path}: its {what} are not those of {whose}; {why}.")
    return found

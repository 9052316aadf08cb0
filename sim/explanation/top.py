"""The largest interactions of one sample, at both ends of the preference, and their past."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from jax.typing import ArrayLike

from sim.checks import ArgumentError, check_whole
from sim.extraction import NOISE_BOUND, TOLERANCE, Interactions, extract_interactions
from sim.measurement import present_players
from theory import SALIENCE, salience_threshold

KINDS = ("AND", "OR")
OTHER = {"low": "high", "high": "low"}
"""The other end of a preference; an explanation of no preference has none."""


OPEN = 0.1  # of a value: a difference between both ends that is worth showing


def is_open(value: float, other: float | None) -> bool:
    """Whether the other end of the preference gives an interaction another value."""
    return other is not None and abs(other - value) > OPEN * abs(value)


@dataclasses.dataclass(frozen=True)
class TopInteraction:
    """One interaction of one sample at one checkpoint. Returned by `top_interactions`.

    Attributes:
        kind: `AND` (its effect needs all of its players) or `OR` (any of them brings it about). An
            interaction of a single player is both, and counts as AND.
        players: their names.
        members: their numbers, from 0.
        value: I(S), in the units of the output: log-odds, for classifiers.
        share: |I(S)| of the sample's Σ|I|, order 0 left out.
        salient: whether |I(S)| reaches the threshold τ of the checkpoint.
        since: the epoch from which on it has been salient with the sign that it has, up to this
            checkpoint; None where it is not salient.
        other: its value at the other end of the preference, in an explanation that is as sparse;
            None where that was not looked at. The two of them are a range that the outputs leave
            open, for the orders 1 and 2 above all.
        history: (checkpoints,), its value at every checkpoint of the measurement.
    """

    kind: str
    players: tuple[str, ...]
    members: tuple[int, ...]
    value: float
    share: float
    salient: bool
    since: float | None
    other: float | None
    history: np.ndarray

    @property
    def order(self) -> int:
        """Number of players."""
        return len(self.members)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        plain |= {"players": list(self.players), "members": list(self.members)}
        return plain | {"order": self.order, "history": self.history.tolist()}


def top_interactions(
    interactions: Interactions,
    checkpoint: int = -1,
    sample: int = 0,
    count: int = 10,
    *,
    both_ends: bool = True,
) -> list[TopInteraction]:
    """The interactions that matter most for one output, the largest |I(S)| first.

    Args:
        interactions: with their measurement, whose names of players are used.
        checkpoint: index of the checkpoint, from the end if it is negative.
        sample: index of the sample, likewise.
        count: how many at most; an interaction whose share does not exceed the certified gap, which
            another answer as good might lack, is left out.
        both_ends: extract this sample at the other end of the preference too, for `other`. This
            takes a fraction of a second, and some seconds more the first time.

    Returns:
        Records, by falling |I(S)|.

    Raises:
        ValueError: no such checkpoint or sample, or a count below 1.

    Example:
        >>> from sim import Measurement, extract_interactions
        >>> measurement = Measurement([[[0.0, 0.0, 0.0, 2.0]]], [8], player_names=["not", "bad"])
        >>> found = extract_interactions(measurement.outputs, noise_bound=0, prefer="low")
        >>> interactions = Interactions(measurement, found, {"prefer": "low", "noise_bound": 0})
        >>> top = top_interactions(interactions)[0]
        >>> top.kind, top.players, round(top.value, 1), top.since
        ('AND', ('not', 'bad'), 2.0, 8.0)
    """
    measurement = interactions.measurement
    checkpoint = as_index(checkpoint, measurement.checkpoints, "checkpoint")
    sample = as_index(sample, measurement.samples, "sample")
    check_whole(count, "count", 1)
    other = other_ends(interactions, [(checkpoint, sample)]) if both_ends else None
    return ranked(interactions, checkpoint, sample, int(count), None if other is None else other[0])


def ranked(
    interactions: Interactions, checkpoint: int, sample: int, count: int, other: np.ndarray | None
) -> list[TopInteraction]:
    """The same with the other end's interactions (2, 2^n) already there, or None."""
    measurement = interactions.measurement
    extraction = interactions.extraction
    course = _halves(extraction.i_and, extraction.i_or, sample)  # (checkpoints, 2, 2^n)
    here = course[checkpoint]
    total = np.abs(here).sum()
    least = total * float(np.asarray(extraction.gap)[checkpoint, sample])
    threshold = _thresholds(measurement.outputs)
    names = measurement.players(sample)
    largest = np.argsort(-np.abs(here), axis=None, kind="stable")[:count]
    found = []
    for kind, subset in zip(*np.unravel_index(largest, here.shape), strict=True):
        if np.abs(here[kind, subset]) <= least:
            break
        members = tuple(np.flatnonzero(present_players(subset, measurement.n)).tolist())
        history = course[:, kind, subset]
        since = _since(history, threshold, checkpoint)
        found.append(
            TopInteraction(
                kind=KINDS[kind],
                players=tuple(names[player] for player in members),
                members=members,
                value=float(here[kind, subset]),
                share=float(np.abs(here[kind, subset]) / total),
                salient=since is not None,
                since=None if since is None else float(measurement.epochs[since]),
                other=None if other is None else float(other[kind, subset]),
                history=history,
            )
        )
    return found


def other_ends(interactions: Interactions, places: Sequence[tuple[int, int]]) -> np.ndarray | None:
    """Interactions at the other end of the preference, extracted by the same settings.

    Args:
        interactions: of which end they are, its settings say.
        places: pairs (checkpoint, sample) of indices.

    Returns:
        (places, 2, 2^n), AND and OR, those of order 0 left out; None where there is no other end,
        as of interactions without a preference.
    """
    settings = interactions.settings
    prefer = OTHER.get(settings.get("prefer") or "")
    if prefer is None:
        return None
    found = extract_interactions(
        np.stack([interactions.measurement.outputs[place] for place in places]),
        settings.get("noise_bound", NOISE_BOUND),
        settings.get("tolerance", TOLERANCE),
        prefer=prefer,
    )
    return _halves(found.i_and, found.i_or)


def _halves(i_and: ArrayLike, i_or: ArrayLike, sample: int | None = None) -> np.ndarray:
    """AND and OR interactions (..., 2, 2^n), of one sample if it is named; order 0 left out."""
    halves = [np.asarray(half) for half in (i_and, i_or)]
    if sample is not None:
        halves = [half[:, sample] for half in halves]
    both = np.stack(halves, axis=-2)
    both[..., 0] = 0
    return both


def scale(interactions: Interactions, checkpoint: int, sample: int) -> tuple[float, float]:
    """Σ|I| of a sample at a checkpoint, order 0 left out, and the checkpoint's threshold τ."""
    extraction, outputs = interactions.extraction, interactions.measurement.outputs
    halves = (
        np.asarray(half)[checkpoint, sample, 1:] for half in (extraction.i_and, extraction.i_or)
    )
    total = float(sum(np.abs(half).sum() for half in halves))
    return total, float(_thresholds(outputs[checkpoint][None])[0])


def _thresholds(outputs: np.ndarray) -> np.ndarray:
    """τ of every checkpoint, (checkpoints,)."""
    return np.asarray(salience_threshold(outputs[..., -1], outputs[..., 0], SALIENCE))[..., 0]


def _since(history: np.ndarray, threshold: np.ndarray, checkpoint: int) -> int | None:
    """The first of the checkpoints, up to this one, at which it was salient with one sign."""
    same = (np.abs(history) >= threshold) & (np.sign(history) == np.sign(history[checkpoint]))
    if not same[checkpoint]:
        return None
    before = np.flatnonzero(~same[:checkpoint])
    return int(before[-1]) + 1 if before.size else 0


def as_index(index: int, length: int, name: str) -> int:
    """An index from 0 on, of one that may count from the end."""
    if not -length <= index < length:
        raise ArgumentError(name, f"be a whole number from 0 to {length - 1}", f"is {index}")
    return int(index) % length

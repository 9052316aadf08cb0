"""The largest interactions of one sample, at both ends of the preference, and their past."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from sim.checks import ArgumentError, check_whole
from sim.extraction import (
    NOISE_BOUND,
    TOLERANCE,
    Extraction,
    Interactions,
    SampledExtraction,
    SampledInteractions,
    extract_interactions,
    extract_sampled,
)
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


class Terms(NamedTuple):
    """AND and OR interactions of a sample, those of order 0 left out."""

    kinds: np.ndarray  # (k,), 0 is AND and 1 is OR
    sets: np.ndarray  # (k,)
    values: np.ndarray  # (..., k)

    def value(self, kind: str, members: Sequence[int]) -> float:
        """Of one of them, where there is a single value of each; 0 of what is not among them."""
        subset = sum(1 << member for member in members)
        at = np.flatnonzero((self.kinds == KINDS.index(kind)) & (self.sets == subset))
        return float(self.values[at[0]]) if at.size else 0.0


def top_interactions(
    interactions: Interactions | SampledInteractions,
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
            takes a fraction of a second, and some seconds more the first time; from sampled masks
            as long as the first end took.

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
    interactions: Interactions | SampledInteractions,
    checkpoint: int,
    sample: int,
    count: int,
    other: Terms | None,
) -> list[TopInteraction]:
    """The same with the other end's interactions already there, or None."""
    measurement = interactions.measurement
    course = _terms(interactions.extraction, (slice(None), sample))  # values (checkpoints, k)
    here = course.values[checkpoint]
    total = np.abs(here).sum()
    least = total * float(np.asarray(interactions.extraction.gap)[checkpoint, sample])
    threshold = _thresholds(measurement.outputs)
    names = measurement.players(sample)
    found = []
    for at in np.argsort(-np.abs(here), kind="stable")[:count]:
        if np.abs(here[at]) <= least:
            break
        kind = KINDS[course.kinds[at]]
        present = present_players(course.sets[at], measurement.n)
        members = tuple(np.flatnonzero(present).tolist())
        history = course.values[:, at]
        since = _since(history, threshold, checkpoint)
        found.append(
            TopInteraction(
                kind=kind,
                players=tuple(names[player] for player in members),
                members=members,
                value=float(here[at]),
                share=float(np.abs(here[at]) / total),
                salient=since is not None,
                since=None if since is None else float(measurement.epochs[since]),
                other=None if other is None else other.value(kind, members),
                history=history,
            )
        )
    return found


def other_ends(
    interactions: Interactions | SampledInteractions, places: Sequence[tuple[int, int]]
) -> list[Terms] | None:
    """Interactions at the other end of the preference, extracted by the same settings.

    Args:
        interactions: of which end they are, its settings say.
        places: pairs (checkpoint, sample) of indices.

    Returns:
        Those of each place; None where there is no other end, as of interactions without a
        preference.
    """
    settings, measurement = interactions.settings, interactions.measurement
    prefer = OTHER.get(settings.get("prefer") or "")
    if prefer is None:
        return None
    outputs = np.stack([measurement.outputs[place] for place in places])
    bounds = settings.get("noise_bound", NOISE_BOUND), settings.get("tolerance", TOLERANCE)
    if measurement.sets is None:
        found = extract_interactions(outputs, *bounds, prefer=prefer)
        return [_terms(found, (at,)) for at in range(len(places))]
    sampled = extract_sampled(measurement.sets, outputs, measurement.n, *bounds, prefer=prefer)
    return [_terms(sampled, (at,)) for at in range(len(places))]


def _terms(extraction: Extraction | SampledExtraction, place: tuple[int | slice, ...]) -> Terms:
    """The interactions at a place of the batch, one by one."""
    halves = [np.asarray(half)[place] for half in (extraction.i_and, extraction.i_or)]
    if isinstance(extraction, SampledExtraction):
        sets = [extraction.and_sets, extraction.or_sets]
    else:
        sets = [np.arange(1, halves[0].shape[-1])] * 2
        halves = [half[..., 1:] for half in halves]
    kinds = np.repeat([0, 1], [len(half) for half in sets])
    return Terms(kinds, np.concatenate(sets), np.concatenate(halves, axis=-1))


def scale(
    interactions: Interactions | SampledInteractions, checkpoint: int, sample: int
) -> tuple[float, float]:
    """Σ|I| of a sample at a checkpoint, order 0 left out, and the checkpoint's threshold τ."""
    terms = _terms(interactions.extraction, (checkpoint, sample))
    outputs = interactions.measurement.outputs[checkpoint]
    return float(np.abs(terms.values).sum()), float(_thresholds(outputs[None])[0])


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

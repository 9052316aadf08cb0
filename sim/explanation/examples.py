"""A sample and its largest interactions over the epochs, in plain values: what pictures show."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from sim.checks import check_whole
from sim.explanation.top import as_index, other_ends, ranked
from sim.extraction import Interactions
from sim.measurement import Measurement

COUNT = 6  # interactions at a checkpoint: as many as a row of small panels holds
CHANNELS = (1, 3, 4)
SIDE = 64  # pixels of a picture's side at most; larger ones are averaged


@dataclasses.dataclass(frozen=True)
class Shown:
    """One interaction, as it is drawn.

    Attributes:
        kind: `AND` or `OR`.
        members: numbers of its players.
        value: I(S).
        share: of the sample's Σ|I| at that checkpoint.
        salient: whether it reaches the threshold.
        other: its value at the other end of the preference, or None.
    """

    kind: str
    members: list[int]
    value: float
    share: float
    salient: bool
    other: float | None = None


@dataclasses.dataclass(frozen=True)
class Explained:
    """The largest interactions of a sample at one epoch."""

    epoch: float
    top: list[Shown]


@dataclasses.dataclass(frozen=True)
class Example:
    """A sample, its players, and its largest interactions at some of the checkpoints.

    At most one of `pixels` and `words` is there; without them the players are known by name alone.

    Attributes:
        sample: its index.
        name: of the sample.
        players: names (n,).
        explained: by rising epoch.
        label: its class, or None.
        pixels: the image in grey (h, w) or in colour (h, w, 3), from 0 to 255, or None.
        words: the sentence, or None.
        regions: which places of the image or of a coarser map of it, (n, h, w), or of the sentence,
            (n, words), are each player's; None without either.
    """

    sample: int
    name: str
    players: list[str]
    explained: list[Explained]
    label: int | None = None
    pixels: list[list[int | list[int]]] | None = None
    words: list[str] | None = None
    regions: list[list[bool | list[bool]]] | None = None


def example(
    interactions: Interactions,
    sample: int = 0,
    checkpoints: Sequence[int] = (-1,),
    count: int = COUNT,
    *,
    both_ends: bool = True,
) -> Example:
    """A sample with its largest interactions at some checkpoints; see `top_interactions`.

    Args:
        interactions: with a measurement that keeps `inputs` and `regions`, if they are to be drawn.
        sample: its index.
        checkpoints: their indices.
        count: how many interactions at each.
        both_ends: see `top_interactions`.

    Raises:
        ValueError: see `top_interactions`.

    Example:
        >>> from sim import Measurement, extract_interactions, image_patches
        >>> masking = image_patches((4, 4), 2, 2)
        >>> measurement = Measurement(
        ...     [[[0.0, 1.0, 1.0, 3.0]]], [0], **masking.keys(np.eye(4)[None])
        ... )
        >>> found = extract_interactions(measurement.outputs, noise_bound=0)
        >>> shown = example(Interactions(measurement, found, {"prefer": "low"}))
        >>> shown.pixels[0], shown.regions[0][0], len(shown.explained[0].top)
        ([255, 0, 0, 0], [True, True, False, False], 3)
    """
    return explain_samples(interactions, [(sample, checkpoints)], count, both_ends=both_ends)[0]


def explain_samples(
    interactions: Interactions,
    wanted: Sequence[tuple[int, Sequence[int]]],
    count: int = COUNT,
    *,
    both_ends: bool = True,
) -> list[Example]:
    """Several of them at once; the other end of all is extracted together.

    Args:
        interactions: see `example`.
        wanted: pairs (sample, checkpoints).
        count: see `example`.
        both_ends: see `example`.
    """
    check_whole(count, "count", 1)
    places = [
        (
            as_index(checkpoint, interactions.measurement.checkpoints, "checkpoint"),
            as_index(sample, interactions.measurement.samples, "sample"),
        )
        for sample, checkpoints in wanted
        for checkpoint in sorted(checkpoints)
    ]
    others = other_ends(interactions, places) if both_ends else None
    ends = iter([None] * len(places) if others is None else others)
    remaining = iter(places)
    found = []
    for sample, checkpoints in wanted:
        explained = []
        for _ in checkpoints:
            at, number = next(remaining)
            top = ranked(interactions, at, number, int(count), next(ends))
            shown = [
                Shown(t.kind, list(t.members), t.value, t.share, t.salient, t.other) for t in top
            ]
            explained.append(Explained(float(interactions.measurement.epochs[at]), shown))
        found.append(_of_sample(interactions.measurement, sample, explained))
    return found


def _of_sample(measurement: Measurement, sample: int, explained: list[Explained]) -> Example:
    sample = sample % measurement.samples
    at = sample % measurement.input_count
    picture = regions = None
    if measurement.inputs is not None and measurement.regions is not None:
        own = measurement.regions[at if len(measurement.regions) > 1 else 0]
        picture, regions = _seen(measurement.inputs[at], own)
    return Example(
        sample=sample,
        name=measurement.sample_name(sample),
        label=None if measurement.labels is None else int(measurement.labels[sample]),
        players=measurement.players(sample),
        explained=sorted(explained, key=lambda each: each.epoch),
        pixels=None if picture is None or picture.ndim == 1 else picture.tolist(),
        words=None if picture is None or picture.ndim > 1 else picture.tolist(),
        regions=None if regions is None else regions.tolist(),
    )


def spread_checkpoints(checkpoints: int, count: int, boundary: int | None = None) -> list[int]:
    """Indices of so many checkpoints: the first, the last, the boundary's, and others between.

    Example:
        >>> spread_checkpoints(16, 4), spread_checkpoints(16, 4, boundary=7)
        ([0, 5, 10, 15], [0, 7, 11, 15])
    """
    if boundary is None or checkpoints <= count:
        return np.unique(np.linspace(0, checkpoints - 1, count).round().astype(int)).tolist()
    after = np.linspace(boundary, checkpoints - 1, count - 1).round().astype(int)
    return np.unique([0, *after]).tolist()


def _seen(
    inputs: np.ndarray, regions: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
    """A picture or the words of an input, with the places of its players; None without either."""
    if inputs.dtype.kind == "U" and inputs.ndim == 1 and regions.shape[1:] == inputs.shape:
        return inputs, regions
    pixels, places = _pixels(inputs), _places(regions)
    if pixels is None or places is None:
        return None, None
    return pixels, places


def _pixels(inputs: np.ndarray) -> np.ndarray | None:
    """An image (h, w) or (h, w, 3) in whole numbers from 0 to 255; None of what is no image."""
    if inputs.dtype.kind not in "fiub" or inputs.ndim not in (2, 3):
        return None
    image = inputs.astype(np.float64)
    if image.ndim == 3:
        if image.shape[0] in CHANNELS and image.shape[-1] not in CHANNELS:
            image = np.moveaxis(image, 0, -1)
        if image.shape[-1] not in CHANNELS:
            return None
        image = image[..., 0] if image.shape[-1] == 1 else image[..., :3]
    if min(image.shape[:2]) < 2 or not np.isfinite(image).all():
        return None
    step = -(-max(image.shape[:2]) // SIDE)
    rows, columns = (size // step * step for size in image.shape[:2])
    blocks = image[:rows, :columns].reshape(rows // step, step, columns // step, step, -1)
    image = blocks.mean(axis=(1, 3)).squeeze(-1) if image.ndim == 2 else blocks.mean(axis=(1, 3))
    low, span = image.min(), np.ptp(image) or 1.0
    return np.rint(255 * (image - low) / span).astype(int)


def _places(regions: np.ndarray) -> np.ndarray | None:
    """Regions (n, h, w) of an image or of a map; channels that share them count once."""
    if regions.ndim == 4:
        for axis in (1, -1):
            first = regions.take([0], axis)
            if (regions == first).all():
                return first.squeeze(axis)
        return None
    return regions if regions.ndim == 3 and min(regions.shape[1:]) > 1 else None

"""A sample and its largest interactions over the epochs, in plain values: what pictures show."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from sim.checks import check_whole
from sim.explanation.top import Terms, TopInteraction, as_index, other_ends, ranked, scale
from sim.extraction import Interactions, SampledInteractions
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
    """What a sample's interactions are at one epoch; those that are largest at the last of all."""

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
        label: its class, by name where that is known, or None.
        pixels: the image in grey (h, w) or in colour (h, w, 3), from 0 to 255, or None.
        words: the sentence, or None.
        regions: which places of the image or of a coarser map of it, (n, h, w), or of the sentence,
            (n, words), are each player's; None without either.
    """

    sample: int
    name: str
    players: list[str]
    explained: list[Explained]
    label: int | str | None = None
    pixels: list[list[int | list[int]]] | None = None
    words: list[str] | None = None
    regions: list[list[bool | list[bool]]] | None = None


def example(
    interactions: Interactions | SampledInteractions,
    sample: int = 0,
    checkpoints: Sequence[int] = (-1,),
    count: int = COUNT,
    *,
    both_ends: bool = True,
) -> Example:
    """A sample with its largest interactions at the last of some checkpoints, followed over them.

    See `top_interactions`, which says more.

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
    interactions: Interactions | SampledInteractions,
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
    measurement, found = interactions.measurement, []
    wanted = [
        (
            as_index(sample, measurement.samples, "sample"),
            sorted(as_index(at, measurement.checkpoints, "checkpoint") for at in checkpoints),
        )
        for sample, checkpoints in wanted
    ]
    places = [(at, sample) for sample, checkpoints in wanted for at in checkpoints]
    others = other_ends(interactions, places) if both_ends else None
    ends = dict(zip(places, [None] * len(places) if others is None else others, strict=True))
    for sample, checkpoints in wanted:
        last = checkpoints[-1]
        top = ranked(interactions, last, sample, int(count), ends[last, sample])
        explained = [
            Explained(
                float(measurement.epochs[at]),
                _shown(top, at, scale(interactions, at, sample), ends[at, sample]),
            )
            for at in checkpoints
        ]
        found.append(_of_sample(measurement, sample, explained))
    return found


def _shown(
    top: list[TopInteraction],
    checkpoint: int,
    scales: tuple[float, float],
    other: Terms | None,
) -> list[Shown]:
    """What the interactions are at a checkpoint, beside its Σ|I| and its threshold."""
    total, threshold = scales
    found = []
    for one in top:
        value = float(one.history[checkpoint])
        end = None if other is None else other.value(one.kind, one.members)
        share = abs(value) / total if total else 0.0
        found.append(Shown(one.kind, list(one.members), value, share, abs(value) >= threshold, end))
    return found


def _of_sample(measurement: Measurement, sample: int, explained: list[Explained]) -> Example:
    sample = sample % measurement.samples
    at = sample % measurement.input_count
    picture = regions = None
    if measurement.inputs is not None:
        shown, names = measurement.inputs[at], measurement.players(sample)
        own = _named_places(shown, names)
        if measurement.regions is not None:
            own = measurement.regions[at if len(measurement.regions) > 1 else 0]
        if own is not None:
            picture, regions = _seen(shown, own)
    return Example(
        sample=sample,
        name=measurement.sample_name(sample),
        label=measurement.class_of(sample),
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
    (height, width), (rows, columns) = _sides(inputs), places.shape[1:]
    if height * columns != width * rows:  # no map of this image, of whatever resolution
        return None, None
    return pixels, places


def _named_places(inputs: np.ndarray, names: list[str]) -> np.ndarray | None:
    """Where the players stand in a sentence (n, words), if each name is one of its words, once."""
    if inputs.dtype.kind != "U" or inputs.ndim != 1:
        return None
    places = np.array(names)[:, None] == inputs
    return places if (places.sum(axis=1) == 1).all() else None


def _sides(inputs: np.ndarray) -> tuple[int, ...]:
    """Height and width of an image."""
    if inputs.ndim == 3 and inputs.shape[0] in CHANNELS and inputs.shape[-1] not in CHANNELS:
        return inputs.shape[1:]
    return inputs.shape[:2]


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

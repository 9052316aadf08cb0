"""Players of a user's own data, as [Ren24, p. 24–26] chooses them, and what they are in words."""

from __future__ import annotations

import math

import numpy as np

from sim.checks import ArgumentError
from sim.experiments._registry import Settings
from sim.experiments.data import Table, is_content
from sim.experiments.networks import tilings
from sim.measurement import Masking, image_patches, point_clusters, tabular_features, tokens

SIDES, CENTRAL = 8, 6  # of the grid of patches, and of its middle where the players are
WIDEST = 2 * SIDES
CLUSTERS = 30
PADDING, MASK, UNKNOWN = 0, 1, 2
"""Ids that are no word's."""


def players_of_activation(
    at: str, shape: tuple[int, ...], settings: Settings, words: np.ndarray | None
) -> tuple[Masking, str]:
    """Players of what the network makes of an input, by its shape, and what they are in words.

    Args:
        at: its name.
        shape: (channels, height, width), (tokens, width) or (units,).
        settings: with the baseline, 0 by default.
        words: of the sentences that are measured (samples, tokens), or None of other data.
    """
    baseline = settings.masking.baseline or 0.0
    where = f"of the activation '{at}', baseline {baseline:g}"
    n, seed = settings.players, settings.seed
    if len(shape) == 3:
        return players_of_image(shape, settings, where)
    if len(shape) == 2:
        named = None if words is None else _numbered(words)
        allowed = None if words is None else is_content(words)
        masking = tokens(shape, n, mask=baseline, seed=seed, words=named, allowed=allowed)
        return masking, f"{n} {'tokens' if words is None else 'words'} {where}"
    names = [f"unit {number}" for number in range(shape[0])]
    masking = tabular_features(shape[0], n, names=names, baseline=baseline, seed=seed)
    return masking, f"{n} units {where}"


def players_of_image(
    shape: tuple[int, ...], settings: Settings, where: str | None = None
) -> tuple[Masking, str]:
    """Patches in the middle of a grid as near to 8×8 as the image allows.

    Args:
        shape: (channels, height, width) of the image or map.
        settings: with the side of a patch, or None, and the baseline, 0 by default.
        where: what the patches are of, in words; the image by default.

    Raises:
        ValueError: no patch gives such a grid, or there are fewer patches than players.
    """
    baseline = settings.masking.baseline or 0.0
    height, width = shape[-2:]
    patch = settings.masking.patch or _patch(height, width)
    if patch > min(height, width):
        raise ArgumentError(
            "patch", f"be at most the lesser side of {height}×{width}", f"is {patch}"
        )
    grid = (height // patch, width // patch)
    central = tuple(_central(side) for side in grid)
    while math.prod(central) < settings.players and central != grid:
        central = tuple(min(side + 2, full) for side, full in zip(central, grid, strict=True))
    masking = image_patches(
        shape, patch, settings.players, baseline=baseline, seed=settings.seed, central=central
    )
    usual = (*grid, *central) == (SIDES, SIDES, CENTRAL, CENTRAL)
    note = "" if usual else f"; [Ren24] takes the central {CENTRAL}×{CENTRAL} of {SIDES}×{SIDES}"
    return masking, (
        f"{settings.players} of the central {central[0]}×{central[1]} of {grid[0]}×{grid[1]} "
        f"patches {where or f'of the image, baseline {baseline:g}'}{note}"
    )


def _patch(height: int, width: int) -> int:
    """The side of the patches whose grid is nearest to 8×8, which must tile the image."""
    grids = tilings(height, width)
    best = min(grids, key=lambda side: abs(math.log(grids[side] / SIDES**2)))
    if best == 1 and max(height, width) > WIDEST:
        raise ValueError(
            f"Square patches must tile what is masked, but none of more than one pixel tiles "
            f"{height}×{width}; crop or pad the images to multiples of {SIDES}, such as "
            f"{height // SIDES * SIDES}×{width // SIDES * SIDES}."
        )
    return best


def _central(side: int) -> int:
    """How many patches of a side are in the middle: 6 of 8, with as many left before as after."""
    alike = range(2 - side % 2, side + 1, 2)
    return min(alike, key=lambda count: abs(count - side * CENTRAL / SIDES))


def players_of_row(table: Table, settings: Settings) -> tuple[Masking, str]:
    """Columns, chosen at random; the features of a text's one-hot code are one player.

    Raises:
        ValueError: fewer columns than players.
    """
    baseline = settings.masking.baseline or 0.0
    groups = table.groups
    if settings.players > len(groups):
        raise ArgumentError(
            "players", f"be at most {len(groups)}, one for each column", f"is {settings.players}"
        )
    drawn = tabular_features(len(groups), settings.players, seed=settings.seed)
    columns = np.argwhere(drawn.regions)[:, 1].tolist()
    named = [name for name, own in zip(table.columns, groups, strict=True) for _ in own]
    masking = tabular_features(
        table.inputs.shape[1],
        [groups[column] for column in columns],
        names=named,
        baseline=baseline,
    )
    return masking, f"{settings.players} of {len(groups)} columns, baseline {baseline:g}"


def players_of_cloud(clouds: np.ndarray, settings: Settings) -> tuple[Masking, str]:
    """Clusters of each cloud's points, chosen at random; an absent one shrinks to its mean."""
    count = settings.masking.clusters or CLUSTERS
    masking = point_clusters(clouds, count, settings.players, seed=settings.seed)
    return masking, f"{settings.players} of {count} clusters, masked by the cluster's mean"


def players_of_sentence(words: np.ndarray, settings: Settings) -> tuple[Masking, str]:
    """Words that are no stop words, chosen at random in each sentence; the mask token for others.

    Args:
        words: of the sentences that are measured, (samples, length).
        settings: with the number of players.
    """
    masking = tokens(
        words.shape[1],
        settings.players,
        mask=MASK,
        words=_numbered(words),
        allowed=is_content(words),
        seed=settings.seed,
    )
    return masking, f"{settings.players} words that are no stop words, replaced by the mask token"


def _numbered(words: np.ndarray) -> np.ndarray:
    """Words (samples, length), told apart where a sentence holds one again: `film`, `film (2)`."""
    named = []
    for sentence in words.tolist():
        again = [sentence[: at + 1].count(word) for at, word in enumerate(sentence)]
        pairs = zip(sentence, again, strict=True)
        named.append([word if count == 1 else f"{word} ({count})" for word, count in pairs])
    return np.array(named)


def long_enough(words: np.ndarray, settings: Settings) -> np.ndarray:
    """Which sentences have as many words that can be players as are wanted, bool (sentences,).

    Raises:
        ValueError: fewer sentences than are to be measured; names the most players that would do.
    """
    counts = is_content(words).sum(axis=1)
    enough: np.ndarray = counts >= settings.players
    settings.check_available(len(counts))
    if enough.sum() < settings.samples:
        most = int(np.sort(counts)[::-1][settings.samples - 1])
        raise ArgumentError(
            "players",
            f"be at most {most}, as many words as {settings.samples} {settings.part} sentences "
            f"have that are no stop words",
            f"is {settings.players}, which {int(enough.sum())} of {len(counts)} sentences have",
        )
    return enough


def as_ids(words: np.ndarray) -> tuple[np.ndarray, int]:
    """Words (samples, length) as ids from 3 on, 0 where there is none; and how many ids there are.

    Example:
        >>> ids, count = as_ids(np.array([["so", "good"], ["good", ""]]))
        >>> ids.tolist(), count
        ([[4, 3], [3, 0]], 5)
    """
    known = np.unique(words[words != ""])
    ids = np.searchsorted(known, words) + UNKNOWN + 1
    return np.where(words == "", PADDING, ids), len(known) + UNKNOWN + 1


def only_frequent(ids: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, int]:
    """Ids of those words alone that at least two of the seen sentences hold; others are unknown.

    What a single sentence holds counts as unknown, so that the network learns what that means.

    Args:
        ids: (samples, length), of `as_ids`.
        seen: rows of the sentences to learn from.

    Returns:
        The ids, renumbered, and how many there are.

    Example:
        >>> ids, count = only_frequent(np.array([[3, 4], [3, 5], [4, 3]]), np.array([0, 1]))
        >>> ids.tolist(), count
        ([[3, 2], [3, 2], [2, 3]], 4)
    """
    held = np.zeros(int(ids.max()) + 1, int)
    for row in ids[seen]:
        held[np.unique(row)] += 1
    held[: UNKNOWN + 1] = 0
    renumbered = np.full(len(held), UNKNOWN)
    renumbered[PADDING] = PADDING
    frequent = np.flatnonzero(held >= 2)
    renumbered[frequent] = np.arange(len(frequent)) + UNKNOWN + 1
    return renumbered[ids], len(frequent) + UNKNOWN + 1

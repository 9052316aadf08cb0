"""Players: patches of images, features of tables, tokens of sentences, clusters of points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from sim.checks import ArgumentError, as_array, check_seed
from sim.measurement.masking import Masking
from sim.measurement.naming import check_player_names


def image_patches(
    shape: Sequence[int],
    patch: int,
    n: int,
    *,
    baseline: ArrayLike = 0.0,
    seed: int = 0,
    allowed: ArrayLike | None = None,
    samples: int | None = None,
) -> Masking:
    """Players are n square patches of an image or of a feature map, chosen at random.

    They are named by row and column, counted from 1: `r2c4` is the fourth patch of the second row.

    Args:
        shape: (height, width) or (channels, height, width) of one input.
        patch: side of a patch; must divide height and width.
        n: number of players; the other patches are always shown.
        baseline: value of a masked pixel: a number, one for each channel (channels, 1, 1), or an
            array that fits `shape`.
        seed: of the choice of patches.
        allowed: bool (height, width); only patches that lie wholly inside can be players.
        samples: choose other patches for each of so many samples; None takes the same for all.

    Raises:
        ValueError: the patches do not tile the image, or there are fewer than n.

    Example:
        >>> masking = image_patches((8, 8), patch=2, n=10)
        >>> masking.masked(np.ones((1, 8, 8)), 0, np.array([0, 2**10 - 1])).sum(axis=(1, 2))
        array([24., 64.])
        >>> masking.names.tolist()[:3]
        ['r1c1', 'r1c3', 'r1c4']
    """
    shape = tuple(np.atleast_1d(shape).tolist())
    if len(shape) not in (2, 3):
        raise ArgumentError(
            "shape",
            "be (height, width) or (channels, height, width), the shape of one input",
            f"is {(shape if len(shape) < 9 else 'an array')}",
        )
    height, width = shape[-2:]
    is_size = isinstance(patch, int | np.integer) and patch >= 1
    if not is_size or height % patch or width % patch:
        raise ArgumentError(
            "patch",
            f"be a whole number that divides the height and width {height}×{width}",
            f"is {patch!r}",
        )
    rows, columns = height // patch, width // patch
    inside = np.ones((height, width), bool) if allowed is None else np.asarray(allowed, dtype=bool)
    if inside.shape != (height, width):
        raise ArgumentError("allowed", f"have shape {(height, width)}", f"has shape {inside.shape}")
    whole = inside.reshape(rows, patch, columns, patch).all(axis=(1, 3))
    chosen = choose(np.flatnonzero(whole), n, seed, samples, "patches")
    index = np.arange(rows)[:, None] * columns + np.arange(columns)
    pixels = np.kron(index, np.ones((patch, patch), dtype=int))  # patch number of every pixel
    regions = np.broadcast_to(pixels, shape) == chosen.reshape(*chosen.shape, *[1] * len(shape))
    names = np.array([f"r{row + 1}c{column + 1}" for row, column in np.ndindex(rows, columns)])
    return Masking(regions, baseline, shape, names[chosen])


def tabular_features(
    features: int,
    players: int | Sequence[int | Sequence[int]],
    *,
    names: Sequence[str] | None = None,
    baseline: ArrayLike = 0.0,
    seed: int = 0,
    samples: int | None = None,
) -> Masking:
    """Players are features of a table's row, or groups of them.

    Args:
        features: number of features of one input.
        players: how many features to choose at random; or which, each player an index or several,
            such as the columns of a one-hot code.
        names: of all the features, such as a table's columns; numbers by default. A group is named
            by its first and last feature.
        baseline: value of a masked feature: a number, or one for each feature.
        seed: of the choice of features.
        samples: choose other features for each of so many samples; None takes the same for all.

    Raises:
        ValueError: more players than features, or a feature that is not there.

    Example:
        >>> masking = tabular_features(4, players=[0, (2, 3)], baseline=-1.0)
        >>> masking.masked(np.array([[5.0, 6.0, 7.0, 8.0]]), 0, np.array([0b00, 0b10])).tolist()
        [[-1.0, 6.0, -1.0, -1.0], [-1.0, 6.0, 7.0, 8.0]]
    """
    if not isinstance(features, int | np.integer) or features < 1:
        raise ArgumentError(
            "features",
            "be the number of features of one input",
            f"is {(features if np.ndim(features) == 0 else 'an array')}",
        )
    named = _all_names(names, "feature", features)
    if not isinstance(players, Sequence | np.ndarray):
        chosen = choose(np.arange(features), players, seed, samples, "features", "players")
        regions = chosen[..., None] == np.arange(features)
        return Masking(regions, baseline, (features,), named[chosen])
    groups = [np.atleast_1d(np.asarray(group)) for group in players]
    for group in groups:
        numbers = np.issubdtype(group.dtype, np.integer)
        if not numbers or ((group < 0) | (group >= features)).any():
            raise ArgumentError(
                "players",
                f"name features by numbers from 0 to {features - 1}",
                f"names {group.tolist()}",
            )
    regions = np.array([np.isin(np.arange(features), group) for group in groups])
    if len(np.unique(regions, axis=0)) < len(regions):
        raise ValueError("Argument `players` must name different features for every player.")
    titles = [" … ".join(dict.fromkeys(named[[min(g), max(g)]].tolist())) for g in groups]
    return Masking(regions.reshape(-1, features), baseline, (features,), titles)


def tokens(
    shape: int | Sequence[int],
    n: int,
    *,
    mask: ArrayLike,
    words: ArrayLike | None = None,
    seed: int = 0,
    allowed: ArrayLike | None = None,
    samples: int | None = None,
) -> Masking:
    """Players are n tokens of a sequence, chosen at random.

    Args:
        shape: number of tokens, for inputs of token ids; or (tokens, width), for embeddings.
        n: number of players; the other tokens are always shown.
        mask: what takes a token's place: the mask token's id, or its embedding (width,).
        words: text (tokens,), or (samples, tokens): the names of the tokens; numbers by default.
        seed: of the choice of tokens.
        allowed: bool (tokens,), which tokens can be players: no padding, no separators. Or
            (samples, tokens), where this differs from sample to sample.
        samples: choose other tokens for each of so many samples; None takes the same for all.

    Raises:
        ValueError: fewer than n tokens can be players.

    Example:
        >>> masking = tokens(5, 2, mask=103, allowed=[False, True, True, False, False])
        >>> masking.masked(np.array([[1, 7, 8, 9, 2]]), 0, np.array([0b00, 0b10])).tolist()
        [[1, 103, 103, 9, 2], [1, 103, 8, 9, 2]]
    """
    shape = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    if len(shape) not in (1, 2):
        raise ArgumentError("shape", "be (tokens,) or (tokens, width)", f"is {shape}")
    inside = np.ones(shape[0], bool) if allowed is None else np.asarray(allowed, dtype=bool)
    if inside.ndim not in (1, 2) or inside.shape[-1] != shape[0]:
        raise ArgumentError(
            "allowed",
            f"have one entry for each of the {shape[0]} tokens",
            f"has shape {inside.shape}",
        )
    if inside.ndim == 1:
        chosen = choose(np.flatnonzero(inside), n, seed, samples, "tokens")
    else:
        rng = np.random.default_rng(check_seed(seed))
        chosen = np.array([_draw(np.flatnonzero(row), n, rng, "tokens") for row in inside])
    if not np.issubdtype(np.asarray(mask).dtype, np.number):
        raise ArgumentError("mask", "be the mask token's number or its embedding", f"is {mask!r}")
    regions = chosen[..., None] == np.arange(shape[0])
    if len(shape) == 2:
        regions = np.repeat(regions[..., None], shape[1], axis=-1)
    if words is None or np.ndim(words) == 1:
        return Masking(regions, mask, shape, _all_names(words, "token", shape[0], "words")[chosen])
    own = check_player_names(words, len(as_array(words, "words")), shape[0], "words")
    if chosen.ndim == 1:  # the same places in every sample, with other words there
        return Masking(np.repeat(regions[None], len(own), axis=0), mask, shape, own[:, chosen])
    if len(own) != len(chosen):
        raise ArgumentError("words", f"be for the {len(chosen)} samples", f"has shape {own.shape}")
    return Masking(regions, mask, shape, np.take_along_axis(own, chosen, axis=1))


def _all_names(
    names: ArrayLike | None, what: str, count: int, argument: str = "names"
) -> np.ndarray:
    """The names of everything that could be a player, numbered where there are none."""
    if names is None:
        return np.array([f"{what} {number}" for number in range(count)])
    return check_player_names(names, 1, count, argument).ravel()


def choose(
    candidates: np.ndarray, n: int, seed: int, samples: int | None, what: str, name: str = "n"
) -> np.ndarray:
    """n of the candidates at random, sorted: (n,), or (samples, n), drawn anew for each sample."""
    rng = np.random.default_rng(check_seed(seed))
    if samples is None:
        return _draw(candidates, n, rng, what, name)
    return np.array([_draw(candidates, n, rng, what, name) for _ in range(samples)])


def _draw(
    candidates: np.ndarray, n: int, rng: np.random.Generator, what: str, name: str = "n"
) -> np.ndarray:
    if not isinstance(n, int | np.integer) or not 1 <= n <= len(candidates):
        raise ArgumentError(
            name,
            f"be a whole number between 1 and the {len(candidates)} {what} of the input that can "
            "be players",
            f"is {n!r}",
        )
    return np.sort(rng.permutation(candidates)[:n])


def point_clusters(
    points: ArrayLike,
    clusters: int | ArrayLike,
    n: int | None = None,
    *,
    seed: int = 0,
) -> Masking:
    """Players are clusters of points; an absent one is moved to its centre, each sample its own.

    Args:
        points: (samples, count, dimensions), the inputs to be masked.
        clusters: how many clusters to find in each sample, by k-means; or the number of each
            point's cluster, (samples, count), counted from 0 and the same count in every sample.
        n: how many of the clusters are players, chosen at random; None takes all of them.
        seed: of the clusters and of the choice.

    Raises:
        ValueError: fewer distinct points than clusters, or fewer clusters than players.

    Example:
        >>> cloud = np.array([[[0.0, 0.0], [0.0, 2.0], [9.0, 9.0], [11.0, 9.0]]])
        >>> masking = point_clusters(cloud, np.array([[0, 0, 1, 1]]))
        >>> masking.masked(cloud, 0, np.array([0b10])).tolist()
        [[[0.0, 1.0], [0.0, 1.0], [9.0, 9.0], [11.0, 9.0]]]
    """
    points = np.asarray(points)
    if points.ndim != 3 or not np.issubdtype(points.dtype, np.floating):
        raise ArgumentError(
            "points",
            "be floating (samples, count, dimensions)",
            f"has shape {points.shape} and dtype {points.dtype}",
        )
    rng = np.random.default_rng(check_seed(seed))
    if isinstance(clusters, int | np.integer):
        members = np.array([_k_means(cloud, int(clusters), rng) for cloud in points])
    else:
        members = np.asarray(clusters)
        if members.shape != points.shape[:2] or not np.issubdtype(members.dtype, np.integer):
            raise ArgumentError(
                "clusters",
                f"be a number, or integers of shape {points.shape[:2]}",
                f"has shape {members.shape} and dtype {members.dtype}",
            )
    count = int(members.max()) + 1
    belongs = members[:, None, :] == np.arange(count)[:, None]  # (samples, clusters, count)
    sizes = belongs.sum(axis=-1, keepdims=True)
    if not sizes.all():
        sample, cluster, _ = np.argwhere(sizes == 0)[0].tolist()
        raise ValueError(
            f"Every sample must have all {count} clusters, but in sample {sample} cluster "
            f"{cluster} is empty."
        )
    centres = belongs @ points / sizes  # (samples, clusters, dimensions)
    moved = np.take_along_axis(centres, members[:, :, None], axis=1)
    chosen = choose(np.arange(count), count if n is None else n, seed, len(points), "clusters")
    regions = np.take_along_axis(belongs, chosen[:, :, None], axis=1)
    regions = np.repeat(regions[..., None], points.shape[-1], axis=-1)
    names = np.array([f"cluster {number}" for number in range(count)])
    return Masking(regions, moved.astype(points.dtype), points.shape[1:], names[chosen])


def _k_means(points: np.ndarray, clusters: int, rng: np.random.Generator) -> np.ndarray:
    """Cluster of every point: Lloyd's algorithm from centres that lie far apart."""
    distinct = len(np.unique(points, axis=0))
    if not 1 <= clusters <= distinct:
        raise ArgumentError(
            "clusters",
            f"be between 1 and the {distinct} distinct points of a sample",
            f"is {clusters}",
        )
    centres = points[rng.integers(len(points))][None]
    while len(centres) < clusters:
        farthest = _distances(points, centres).min(axis=1).argmax()
        centres = np.concatenate([centres, points[farthest][None]])
    members = _distances(points, centres).argmin(axis=1)
    for _ in range(100):
        centres = np.array([points[members == k].mean(axis=0) for k in range(clusters)])
        closest = _distances(points, centres).argmin(axis=1)
        if len(np.unique(closest)) < clusters or (closest == members).all():
            break
        members = closest
    return members


def _distances(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points[:, None] - centres, axis=-1)

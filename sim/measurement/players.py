"""Players: features of tables, tokens of sentences, clusters of points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from sim.checks import ArgumentError, as_array, check_seed, check_whole
from sim.measurement.choosing import choose, choose_own
from sim.measurement.masking import Masking
from sim.measurement.naming import check_player_names


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
            (samples, tokens), where this differs from sample to sample; where some have fewer than
            n, see `tokens_by_length`.
        samples: choose other tokens for each of so many samples; None takes the same for all.

    Raises:
        ValueError: fewer than n tokens can be players; names the samples.

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
        chosen = choose_own(
            inside, n, seed, "tokens", "tokens_by_length takes as many as there are"
        )
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


def tokens_by_length(
    shape: int | Sequence[int],
    n: int,
    *,
    mask: ArrayLike,
    allowed: ArrayLike,
    words: ArrayLike | None = None,
    seed: int = 0,
) -> list[tuple[np.ndarray, Masking]]:
    """Players of sentences of different lengths: n tokens, or all of a sentence that has fewer.

    Sentences with the same number of players make a group, which is measured and extracted like
    any other measurement; `pooled_strength` puts their strengths together again.

    Args:
        shape: as in `tokens`.
        n: most players of a sentence.
        mask: as in `tokens`.
        allowed: bool (samples, tokens), which tokens can be players: no padding, no separators.
        words: as in `tokens`.
        seed: of the choice of tokens.

    Returns:
        For each number of players, from the least on: (samples, masking), the numbers of its
        samples, and their players.

    Raises:
        ValueError: a sentence without a token that can be a player.

    Example:
        >>> ids = np.array([[7, 8, 9, 0], [5, 0, 0, 0], [3, 4, 6, 2]])  # 0 is padding
        >>> from sim import measure_outputs
        >>> for samples, masking in tokens_by_length(4, 3, mask=1, allowed=ids != 0):
        ...     outputs = measure_outputs(lambda batch: batch.sum(axis=1), ids[samples], masking)
        ...     print(samples, masking.n, outputs.shape)
        [1] 1 (1, 2)
        [0 2] 3 (2, 8)
    """
    inside = np.asarray(allowed, dtype=bool)
    if inside.ndim != 2 or len(inside) == 0:
        raise ArgumentError("allowed", "have shape (samples, tokens)", f"has shape {inside.shape}")
    counts = inside.sum(axis=1)
    if not counts.all():
        raise ArgumentError(
            "allowed",
            "leave every sample a token that can be a player",
            f"leaves none to sample {int(counts.argmin())}",
        )
    check_whole(n, "n", 1)
    rows, width = inside.shape
    named = None if words is None else check_player_names(words, rows, width, "words")
    sizes = np.minimum(counts, n)
    groups = []
    for size in np.unique(sizes).tolist():
        samples = np.flatnonzero(sizes == size)
        own = named if named is None or named.ndim == 1 else named[samples]
        masking = tokens(shape, size, mask=mask, words=own, seed=seed, allowed=inside[samples])
        groups.append((samples, masking))
    return groups


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
        n: how many of the clusters are players, chosen at random among those of two points or
            more, since a single point is its own centre; None takes all of them.
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
    if n is None:
        chosen = np.tile(np.arange(count), (len(points), 1))
    else:
        chosen = choose_own(sizes[..., 0] > 1, n, seed, "clusters of two points or more")
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

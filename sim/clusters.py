"""Players of point sets: clusters that collapse to their centre."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sim.masking import Masking, choose


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
        raise ValueError(
            f"Argument `points` must be floating (samples, count, dimensions), but has shape "
            f"{points.shape} and dtype {points.dtype}."
        )
    rng = np.random.default_rng(seed)
    if isinstance(clusters, int | np.integer):
        members = np.array([_k_means(cloud, int(clusters), rng) for cloud in points])
    else:
        members = np.asarray(clusters)
        if members.shape != points.shape[:2] or not np.issubdtype(members.dtype, np.integer):
            raise ValueError(
                f"Argument `clusters` must be a number, or integers of shape {points.shape[:2]}, "
                f"but has shape {members.shape} and dtype {members.dtype}."
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
    return Masking(regions, moved.astype(points.dtype), points.shape[1:])


def _k_means(points: np.ndarray, clusters: int, rng: np.random.Generator) -> np.ndarray:
    """Cluster of every point: Lloyd's algorithm from centres that lie far apart."""
    distinct = len(np.unique(points, axis=0))
    if not 1 <= clusters <= distinct:
        raise ValueError(
            f"Argument `clusters` must be between 1 and the {distinct} distinct points of a sample,"
            f" but is {clusters}."
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

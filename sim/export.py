"""Interactions for other programs: shapiq's values for its plots, and tables of order strengths."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jax.typing import ArrayLike

from sim.checks import ArgumentError
from sim.extraction import Interactions, SampledInteractions
from sim.files import atomic_path
from sim.strength import PARTS, salient_strength
from theory import order_distribution
from theory.checks import as_sets

if TYPE_CHECKING:
    from shapiq import InteractionValues

COLUMNS = ("epoch", "part", "order", "strength", "standard_error", "share")


def to_shapiq(
    interactions: ArrayLike, threshold: float = 0.0, *, i_or: ArrayLike | None = None
) -> InteractionValues:
    """One sample's AND or OR interactions, or both together, as `shapiq.InteractionValues`.

    Both go by shapiq's index `Moebius`: AND interactions are the Möbius transform of v, and OR
    interactions that of the dual game v*(S) = v(N) − v(N∖S). With `i_or` both are in one object,
    for plots that show them together: player n + i stands for player i in an OR interaction.

    Args:
        interactions: (2^n,), such as `extraction.i_and[checkpoint, sample]`.
        threshold: leaves out interactions smaller than this; nothing by default but exact zeros.
        i_or: (2^n,), the OR interactions where `interactions` are the AND interactions.

    Returns:
        The interactions with players numbered from 0; entry ∅ is the baseline value.

    Raises:
        ValueError: not one sample's interactions, or a negative threshold.
        ImportError: shapiq is not installed.

    Example:
        >>> values = to_shapiq([0.5, 1.0, 0.0, -2.0])
        >>> values[(0, 1)], values[(1,)], values.baseline_value
        (-2.0, 0.0, 0.5)
        >>> both = to_shapiq([0.5, 1.0, 0.0, -2.0], i_or=[0.0, 0.0, 0.0, 3.0])
        >>> both[(0, 1)], both[(2, 3)], both.n_players
        (-2.0, 3.0, 4)
    """
    try:
        from shapiq import InteractionValues
    except ModuleNotFoundError as error:
        if error.name != "shapiq":
            raise
        raise ImportError(
            "this needs the package 'shapiq'; install it with "
            "pip install 'interaction-dynamics[shapiq]'."
        ) from None

    if not threshold >= 0:
        raise ArgumentError("threshold", "be nonnegative", f"is {threshold}")
    values, n = _of_one_sample(interactions, "interactions")
    kept = _kept(values, n, threshold)
    baseline, players = float(values[0]), n
    if i_or is not None:
        others, m = _of_one_sample(i_or, "i_or")
        if m != n:
            raise ArgumentError("i_or", f"be for {n} players too", f"is for {m}")
        kept |= _kept(others, n, threshold, first=n)
        baseline, players = baseline + float(others[0]), 2 * n
    kept = {(): baseline, **kept}
    return InteractionValues(
        values=np.array(list(kept.values())),
        index="Moebius",
        max_order=n,
        n_players=players,
        min_order=0,
        interaction_lookup={name: i for i, name in enumerate(kept)},
        estimated=False,
        baseline_value=baseline,
    )


def _of_one_sample(interactions: ArrayLike, name: str) -> tuple[np.ndarray, int]:
    array, n = as_sets(interactions, name)
    if array.ndim != 1:
        raise ArgumentError(name, "be those of one sample, (2^n,)", f"has shape {array.shape}")
    return np.asarray(array, dtype=np.float64), n


def _kept(
    values: np.ndarray, n: int, threshold: float, first: int = 0
) -> dict[tuple[int, ...], float]:
    """Interactions of at least a player that are large enough, by their players from `first` on."""
    chosen = np.flatnonzero((np.abs(values) >= threshold) & (values != 0))
    return {
        tuple(first + i for i in range(n) if int(s) >> i & 1): float(values[s]) for s in chosen if s
    }


def strength_rows(interactions: Interactions | SampledInteractions) -> list[dict[str, Any]]:
    """Strength of the salient interactions by epoch, part and order, as rows of a table.

    Args:
        interactions: of all checkpoints and samples.

    Returns:
        One dictionary for each checkpoint, part (`both`, `and`, `or`) and order 1..n: the mean
        `strength` over samples in log-odds, its `standard_error` (None for a single sample), and
        its `share` of the strength of all orders. Checkpoints at which sampled masks were not
        enough are left out.
    """
    rows = []
    for part in PARTS:
        rows += _rows(part, interactions.measurement.epochs, salient_strength(interactions, part))
    return sorted(rows, key=lambda row: row["epoch"])


def _rows(part: str, epochs: np.ndarray, strength: np.ndarray) -> list[dict[str, Any]]:
    mean = strength.mean(axis=1)
    share = np.asarray(order_distribution(mean))
    samples = strength.shape[1]
    error = np.std(strength, axis=1, ddof=min(1, samples - 1)) / samples**0.5
    return [
        {
            "epoch": float(epoch),
            "part": part,
            "order": k + 1,
            "strength": float(mean[c, k]),
            "standard_error": float(error[c, k]) if samples > 1 else None,
            "share": float(share[c, k]),
        }
        for c, epoch in enumerate(epochs)
        if np.isfinite(mean[c]).all()
        for k in range(share.shape[1])
    ]


def write_strengths(interactions: Interactions | SampledInteractions, path: str | Path) -> None:
    """Writes `strength_rows` as a CSV file with one line of column names.

    Args:
        interactions: of all checkpoints and samples.
        path: of the file; it is there whole or not at all.

    Example:
        >>> import tempfile
        >>> from sim.extraction import extract_interactions
        >>> from sim.measurement import Measurement
        >>> measurement = Measurement(np.array([[[0.0, 1.0, 1.0, 5.0]]]), [0])
        >>> found = Interactions(measurement, extract_interactions(measurement.outputs), {})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_strengths(found, f"{folder}/strengths.csv")
        ...     print(Path(folder, "strengths.csv").read_text().splitlines()[0])
        epoch,part,order,strength,standard_error,share
    """
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(strength_rows(interactions))

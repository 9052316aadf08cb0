"""Players, and the masked inputs that show only some of them."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from sim.checks import ArgumentError, check_finite
from sim.measurement.naming import check_player_names

MAX_PLAYERS = 24


def present_players(sets: ArrayLike, n: int) -> np.ndarray:
    """Which of n players belong to each set: bit i of a set's index is player i.

    Args:
        sets: (...) integers from 0 to 2^n − 1.
        n: number of players.

    Returns:
        bool (..., n).

    Example:
        >>> present_players([0, 5], 3)
        array([[False, False, False],
               [ True, False,  True]])
    """
    return (np.asarray(sets)[..., None] >> np.arange(n)) & 1 == 1


@dataclasses.dataclass(frozen=True)
class Masking:
    """Players as regions of an input, and what takes the place of an absent player.

    What belongs to no player is never masked; where players overlap, one absent player is enough to
    mask the place. Whatever can be said as regions and a replacement is a masking of its own; the
    example makes the rows of an image players.

    Attributes:
        regions: bool (n, *shape), or (samples, n, *shape) where every sample has its own players.
        baseline: what an absent player's region shows. Broadcasts against (*shape), or has shape
            (samples, *shape) where every sample has its own.
        shape: the shape of one input.
        names: text (n,), or (samples, n) where every sample has its own; None leaves them unnamed.

    Raises:
        ValueError: no player, an empty region, or a baseline that does not fit the input.

    Example:
        >>> def rows(shape, baseline=0.0):
        ...     regions = np.zeros((shape[0], *shape), dtype=bool)  # (players, *shape)
        ...     for player in range(shape[0]):
        ...         regions[player, player] = True
        ...     return Masking(regions, baseline, shape)
        >>> rows((3, 2), baseline=9.0).masked(np.ones((1, 3, 2)), sample=0, sets=np.array([0b101]))
        array([[[1., 1.],
                [9., 9.],
                [1., 1.]]])
    """

    regions: np.ndarray
    baseline: ArrayLike
    shape: tuple[int, ...]
    names: ArrayLike | None = None

    def __post_init__(self) -> None:
        regions, shape = np.asarray(self.regions, dtype=bool), tuple(self.shape)
        axes = regions.ndim - len(shape)
        if not shape or axes not in (1, 2) or regions.shape[axes:] != shape:
            wanted = ", ".join(map(str, shape))
            raise ArgumentError(
                "regions",
                f"have shape (n, {wanted}) or (samples, n, {wanted})",
                f"has shape {regions.shape}",
            )
        n = regions.shape[axes - 1]
        if not 1 <= n <= MAX_PLAYERS:
            raise ValueError(f"There must be 1 to {MAX_PLAYERS} players, but there are {n}.")
        sizes = regions.reshape(*regions.shape[:axes], -1).sum(axis=-1)
        if not sizes.all():
            empty = np.argwhere(sizes == 0)[0].tolist()
            raise ValueError(f"Every player must cover some of the input, but {empty} covers none.")
        object.__setattr__(self, "regions", regions)
        object.__setattr__(self, "baseline", _checked_baseline(self.baseline, shape))
        object.__setattr__(self, "shape", shape)
        if len({self._own_regions, self._own_baselines} - {None}) > 1:
            raise ValueError(
                f"`regions` and `baseline` must be for the same number of samples, but are for "
                f"{self._own_regions} and {self._own_baselines}."
            )
        if self.names is not None:
            text = check_player_names(self.names, self.samples or 1, self.n, "names")
            object.__setattr__(self, "names", text)

    @property
    def n(self) -> int:
        """Number of players."""
        return self.regions.shape[-len(self.shape) - 1]

    @property
    def samples(self) -> int | None:
        """Number of samples that the masking is for, or None where it is the same for all."""
        return self._own_regions or self._own_baselines

    @property
    def _own_regions(self) -> int | None:
        """For how many samples there are regions, or None where they are the same for all."""
        return len(self.regions) if self.regions.ndim == len(self.shape) + 2 else None

    @property
    def _own_baselines(self) -> int | None:
        baseline = np.asarray(self.baseline)
        return len(baseline) if baseline.ndim == len(self.shape) + 1 else None

    def keys(self, inputs: ArrayLike | None = None) -> dict[str, np.ndarray]:
        """What a `Measurement` keeps of the players, and of the inputs if they are given.

        Args:
            inputs: (samples, *shape), as people should see them.

        Example:
            >>> from sim import Measurement, tabular_features
            >>> masking = tabular_features(2, 2, names=["age", "height"])
            >>> Measurement(np.zeros((1, 1, 4)), [0], **masking.keys()).players(0)
            ['age', 'height']
        """
        shared = self._own_regions is None
        kept: dict[str, np.ndarray] = {"regions": self.regions[None] if shared else self.regions}
        if self.names is not None:
            kept["player_names"] = np.asarray(self.names)
        if inputs is not None:
            kept["inputs"] = np.asarray(inputs)
        return kept

    def check(self, inputs: np.ndarray) -> None:
        """Raises ValueError unless the masking can be applied to `inputs` and changes them."""
        if inputs.ndim == 0 or inputs.shape[1:] != self.shape or len(inputs) == 0:
            wanted = ", ".join(map(str, self.shape))
            raise ArgumentError(
                "inputs",
                f"have shape (samples, {wanted}) with at least one sample",
                f"has shape {inputs.shape}",
            )
        if self.samples not in (None, len(inputs)):
            raise ArgumentError(
                "inputs",
                f"hold the {self.samples} samples that the masking is for",
                f"holds {len(inputs)}",
            )
        baseline = np.asarray(self.baseline)
        if not np.array_equal(baseline, baseline.astype(inputs.dtype)) and not np.issubdtype(
            inputs.dtype, np.floating
        ):
            raise ValueError(
                f"The baseline must be representable in the inputs' type {inputs.dtype}, but is "
                f"of type {baseline.dtype}."
            )
        hidden = (self.masked(inputs, sample, np.array([0]))[0] for sample in range(len(inputs)))
        if all(np.array_equal(seen, masked) for seen, masked in zip(inputs, hidden, strict=True)):
            raise ValueError(
                "Masking every player must change the inputs, but changes none of them: is the "
                "baseline made of the inputs themselves? See sim.mean_baseline."
            )

    def masked(self, inputs: np.ndarray, sample: int, sets: np.ndarray) -> np.ndarray:
        """The masked versions of one input.

        Args:
            inputs: (samples, *shape).
            sample: which of them.
            sets: (m,) indices of the sets of players that stay.

        Returns:
            (m, *shape), of the type of `inputs`.
        """
        regions = self.regions if self._own_regions is None else self.regions[sample]
        baseline = np.asarray(self.baseline)
        if self._own_baselines is not None:
            baseline = baseline[sample]
        absent = ~present_players(sets, self.n)
        hidden = np.tensordot(absent.astype(np.float32), regions.astype(np.float32), 1) > 0
        return np.where(hidden, baseline.astype(inputs.dtype), inputs[sample])


def _checked_baseline(baseline: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    baseline = np.asarray(baseline)
    one = baseline[0] if baseline.ndim > len(shape) and len(baseline) else baseline
    try:
        if baseline.ndim > len(shape) + 1:
            raise ValueError
        np.broadcast_to(one, shape)
    except ValueError:
        raise ArgumentError(
            "baseline", f"broadcast to the input shape {shape}", f"has shape {baseline.shape}"
        ) from None
    if not np.issubdtype(baseline.dtype, np.number):
        raise ArgumentError("baseline", "be numbers", f"has dtype {baseline.dtype}")
    check_finite(baseline, "baseline")
    return baseline


def mean_baseline(inputs: ArrayLike) -> np.ndarray:
    """The mean input, as a baseline: what an absent player shows is the average over samples.

    For one mean value everywhere, use `inputs.mean()`; for each sample's own mean value,
    `inputs.mean(axis=(1, 2), keepdims=True)`.

    Args:
        inputs: (samples, *shape), such as the training set.

    Returns:
        (*shape).

    Example:
        >>> mean_baseline([[0.0, 4.0], [2.0, 6.0]])
        array([1., 5.])
    """
    return np.mean(np.asarray(inputs), axis=0)

"""Two networks on the same inputs: which interactions they share, and what became of the others."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike

from sim.checks import ArgumentError, check_finite
from sim.generalization.salient import by_order, salient_signs, same_shapes
from theory import SALIENCE

CHANGES = ("shared", "grown", "shrunk", "turned", "gone", "new")
FACTOR = 2.0


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Comparison:
    """Every interaction that is salient in one of two networks, by what became of it in the second.

    Returned by `compare_interactions`, whose example shows it in use.

    Attributes:
        member: bool (6, 2, samples, 2^n), which interactions changed how (`CHANGES`); AND, then OR.
        values: (2, 2, samples, 2^n), I(S) in the first network and in the second; AND, then OR.
        factor: what a shared interaction grew or shrank by at most.
    """

    member: np.ndarray
    values: np.ndarray
    factor: float = dataclasses.field(metadata={"static": True})

    @property
    def count(self) -> np.ndarray:
        """How many interactions of the orders 1..n changed how, mean over samples, (6, n)."""
        return by_order(self.member.sum(axis=1).mean(axis=1))

    @property
    def strength(self) -> np.ndarray:
        """Their Σ|I| in the first network and in the second, mean over samples, (2, 6, n)."""
        sizes = np.abs(self.values)[:, None]
        return by_order(np.where(self.member, sizes, 0.0).sum(axis=2).mean(axis=2))

    @property
    def sample_counts(self) -> np.ndarray:
        """How many interactions of each sample changed how, (samples, 6)."""
        return self.member.sum(axis=(1, 3)).T

    def largest(self, sample: int, count: int) -> list[tuple[str, int, int]]:
        """The interactions of a sample that differ most, I(S) of the one from that of the other.

        Returns:
            At most `count` of those that are salient in one of the two: (change, 0 for AND or 1 for
            OR, set of players), the largest difference first.
        """
        member = self.member[:, :, sample]
        salient = member.any(axis=0)
        apart = np.abs(self.values[1, :, sample] - self.values[0, :, sample])
        places = np.argsort(np.where(salient, -apart, np.inf), axis=None, kind="stable")
        found = []
        for place in places[: min(count, int(salient.sum()))]:
            kind, subset = (int(i) for i in np.unravel_index(place, salient.shape))
            found.append((CHANGES[int(member[:, kind, subset].argmax())], kind, subset))
        return found

    def record(self) -> dict[str, Any]:
        """A plain dictionary: counts and strengths by change and order, and counts by sample."""
        first, second = self.strength
        return {
            "factor": self.factor,
            "changes": {
                name: {
                    "count": self.count[at].tolist(),
                    "strength": [first[at].tolist(), second[at].tolist()],
                    "sample_counts": self.sample_counts[:, at].tolist(),
                }
                for at, name in enumerate(CHANGES)
            },
        }


def compare_interactions(
    first: tuple[ArrayLike, ArrayLike, ArrayLike],
    second: tuple[ArrayLike, ArrayLike, ArrayLike],
    *,
    factor: float = FACTOR,
    salience: float = SALIENCE,
    runs: int = 1,
) -> Comparison:
    """Compares the salient interactions of two networks, sample by sample (ours).

    Such as a network before and after fine-tuning or pruning, or two checkpoints of one. An
    interaction that is salient in either is

    - shared: salient in both with the same sign, and at most `factor` times as large in one as in
      the other; grown or shrunk: the same, but beyond the factor;
    - turned: salient in both, with opposite signs;
    - gone: salient in the first only; new: in the second only.

    Each network has its own threshold τ, which grows with its outputs, so that an interaction
    near τ comes or goes by a small change. Sizes are compared as they are: where all outputs have
    doubled, so have all interactions. Both must be extracted by the same settings, since the
    outputs leave the orders 1 and 2 open. How much two networks differ by their random start
    alone, two training runs tell.

    Args:
        first: AND interactions, OR interactions and outputs v(S), (samples, 2^n) each.
        second: the same of the other network, on the same samples and players.
        factor: above 1.
        salience: factor of the thresholds.
        runs: how many training runs the samples hold, one after the other; each has its own
            thresholds.

    Returns:
        What became of every interaction; each that is salient somewhere is in exactly one class.

    Raises:
        ValueError: shapes that do not match, or an option out of range.

    Example:
        >>> before, after = np.array([[0, 2.0, 1.0, -1.0]]), np.array([[0, 2.5, 3.0, 1.0]])
        >>> none = np.zeros((1, 4))
        >>> found = compare_interactions((before, none, before), (after, none, after))
        >>> for name, count in zip(CHANGES[:4], found.count):
        ...     print(name, count.tolist())
        shared [1.0, 0.0]
        grown [1.0, 0.0]
        shrunk [0.0, 0.0]
        turned [0.0, 1.0]
    """
    check_finite(factor, "factor")
    if not factor > 1:
        raise ArgumentError("factor", "be above 1", f"is {factor}")
    names = ("and", "or", "outputs")
    arrays = same_shapes(
        {
            f"{whose} ({name})": np.asarray(array)[None]
            for whose, network in (("first", first), ("second", second))
            for name, array in zip(names, network, strict=True)
        }
    )
    pair = (arrays[:3], arrays[3:])
    before, after = (salient_signs(network, salience, runs)[:, 0] for network in pair)
    values = np.stack([np.stack(network[:2])[:, 0] for network in pair])
    sizes = np.abs(values)
    both = (before != 0) & (after != 0)
    same = both & (before == after)
    grown, shrunk = sizes[1] > factor * sizes[0], sizes[0] > factor * sizes[1]
    member = np.stack(
        [
            same & ~grown & ~shrunk,
            same & grown,
            same & shrunk,
            both & (before != after),
            (before != 0) & (after == 0),
            (before == 0) & (after != 0),
        ]
    )
    return Comparison(member, values, float(factor))

"""A network's strength, split by whether other networks have learned the same."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
from numpy.typing import ArrayLike

from sim.generalization.salient import beside_references, by_order
from theory import SALIENCE


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Generalizable:
    """A network's strength by order, split by whether other networks have learned the same.

    Returned by `generalizable_strength`, whose example shows it in use.

    Attributes:
        shared_positive: (..., n), strength of generalizable positive interactions, mean over
            samples, AND and OR added.
        shared_negative: (..., n), of negative ones (as a positive number).
        own_positive: (..., n), of non-generalizable positive ones.
        own_negative: (..., n), of non-generalizable negative ones.
        rule: how many reference networks had to agree.
    """

    shared_positive: np.ndarray
    shared_negative: np.ndarray
    own_positive: np.ndarray
    own_negative: np.ndarray
    rule: str = dataclasses.field(metadata={"static": True})

    @property
    def shared(self) -> np.ndarray:
        """Strength of generalizable interactions, (..., n)."""
        return self.shared_positive + self.shared_negative

    @property
    def own(self) -> np.ndarray:
        """Strength of non-generalizable interactions, (..., n)."""
        return self.own_positive + self.own_negative

    @property
    def share(self) -> np.ndarray:
        """Generalizable part of the strength of each order, (..., n); NaN without strength."""
        total = self.shared + self.own
        return np.divide(self.shared, total, out=np.full_like(total, np.nan), where=total > 0)

    @property
    def total_share(self) -> np.ndarray:
        """Generalizable part of the strength of all orders, (...); NaN without strength."""
        shared, own = self.shared.sum(axis=-1), self.own.sum(axis=-1)
        total = shared + own
        return np.divide(shared, total, out=np.full_like(total, np.nan), where=total > 0)


def generalizable_strength(
    i_and: ArrayLike,
    i_or: ArrayLike,
    outputs: ArrayLike,
    reference_and: ArrayLike,
    reference_or: ArrayLike,
    reference_outputs: ArrayLike,
    *,
    rule: str = "majority",
    salience: float = SALIENCE,
    runs: int = 1,
) -> Generalizable:
    """Splits strength into what reference networks share and what they do not  [Cheng25].

    An interaction of a sample is generalizable if it is salient, and with the same sign salient in
    reference networks for the same sample. The paper trains one reference network on the testing
    data; train them here on data that the network itself has not seen, or the answer is about the
    data that they share.

    Args:
        i_and: (checkpoints, samples, 2^n), AND interactions of the network.
        i_or: (checkpoints, samples, 2^n), its OR interactions.
        outputs: (checkpoints, samples, 2^n), v(S), for the threshold of salience.
        reference_and: (references, samples, 2^n), the same of the trained reference networks.
        reference_or: (references, samples, 2^n).
        reference_outputs: (references, samples, 2^n).
        rule: how many references must agree: `any` (at least one), `majority` (more than half, so
            that half of an even number is not enough: three of four, both of two) or `all`.
        salience: factor of the thresholds, 0.03 in the paper; each network has its own, and each
            run.
        runs: how many training runs the samples hold, one after the other, with the same inputs in
            each; those of the references likewise.

    Returns:
        Strengths with leading axis (checkpoints,).

    Raises:
        ValueError: shapes that do not match, or an unknown rule.

    Example:
        >>> mine = np.array([[[0.0, 2.0, 0.0, -1.0]]])
        >>> theirs = np.array([[[0.0, 1.0, 0.0, 1.0]]])  # agrees on order 1 only
        >>> none = np.zeros_like(mine)
        >>> found = generalizable_strength(mine, none, mine, theirs, none, theirs)
        >>> found.shared.tolist(), found.own.tolist()
        ([[2.0, 0.0]], [[0.0, 1.0]])
    """
    network, signs, shared = beside_references(
        (i_and, i_or, outputs),
        (reference_and, reference_or, reference_outputs),
        rule=rule,
        salience=salience,
        runs=runs,
    )

    def strength(chosen: np.ndarray) -> np.ndarray:
        """Mean over samples of the strength of chosen interactions, (checkpoints, n)."""
        kinds = zip(network[:2], chosen, strict=True)
        return sum(
            by_order(np.where(which, np.abs(kind), 0.0)).mean(axis=1) for kind, which in kinds
        )

    return Generalizable(
        strength(shared & (signs > 0)),
        strength(shared & (signs < 0)),
        strength(~shared & (signs > 0)),
        strength(~shared & (signs < 0)),
        rule,
    )

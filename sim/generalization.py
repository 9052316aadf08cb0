"""Which interactions generalize: from training to testing data, and from one network to another."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from sim.checks import check_choice, check_outputs
from theory import SALIENCE, salience_threshold, sum_by_order

RULES = ("any", "majority", "all")

_by_order = jax.jit(sum_by_order)


def similarity_by_order(train: ArrayLike, test: ArrayLike) -> np.ndarray:
    """Similarity of training and testing interactions of each order  [Zhang24].

    Of the class-mean interactions a (training) and b (testing), split into their positive and
    negative parts: Σ_S [min(a⁺,b⁺) + min(a⁻,b⁻)] / Σ_S [max(a⁺,b⁺) + max(a⁻,b⁻)] over the sets S
    of an order. 1 where the two agree, 0 where they share nothing, not even a sign.

    Means of few samples are noisy, and the more so the more an order differs from sample to sample,
    so that the similarity falls with order even if both sides come from the same samples. Hold it
    against that of two halves of either side, of the same sizes (ours; see
    `notebooks/generalization.ipynb`).

    Args:
        train: (samples, 2^n), interactions of training samples of one class, or (..., samples, 2^n)
            for classes or checkpoints apart. The players must mean the same in every sample.
        test: (..., samples, 2^n), of testing samples, with the same leading axes.

    Returns:
        (..., n), for the orders 1..n; NaN where an order has no interaction at all.

    Raises:
        ValueError: shapes that do not match.

    Example:
        >>> similarity_by_order([[0.0, 2.0, 0.0, -1.0]], [[0.0, 1.0, 0.0, 1.0]]).tolist()
        [0.5, 0.0]
    """
    a, b = np.asarray(train, dtype=np.float64), np.asarray(test, dtype=np.float64)
    if a.ndim < 2 or b.ndim != a.ndim or a.shape[:-2] + a.shape[-1:] != b.shape[:-2] + b.shape[-1:]:
        raise ValueError(
            f"Arguments `train` and `test` must have shapes (..., samples, 2^n) that differ in the "
            f"number of samples only, but have shapes {a.shape} and {b.shape}."
        )
    a, b = a.mean(axis=-2), b.mean(axis=-2)
    signs = [(np.maximum(s * a, 0), np.maximum(s * b, 0)) for s in (1, -1)]
    shared = sum(np.minimum(*pair) for pair in signs)
    either = sum(np.maximum(*pair) for pair in signs)
    top, bottom = (np.asarray(_by_order(sums))[..., 1:] for sums in (shared, either))
    return np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0)


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
        salience: factor of the thresholds, 0.03 in the paper; each network has its own.

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
    check_choice(rule, "rule", RULES)
    network = _same_shapes(i_and=i_and, i_or=i_or, outputs=outputs)
    references = _same_shapes(
        reference_and=reference_and, reference_or=reference_or, reference_outputs=reference_outputs
    )
    if network[0].shape[1:] != references[0].shape[1:]:
        raise ValueError(
            f"The reference networks must be measured on the same samples and players, of shape "
            f"{network[0].shape[1:]}, but have shape {references[0].shape[1:]}."
        )
    count = len(references[0])
    needed = {"any": 1, "majority": count // 2 + 1, "all": count}[rule]
    thresholds = _threshold(network[2], salience), _threshold(references[2], salience)
    shared_positive, own_positive = _split(network[:2], references[:2], thresholds, needed, 1)
    shared_negative, own_negative = _split(network[:2], references[:2], thresholds, needed, -1)
    return Generalizable(shared_positive, shared_negative, own_positive, own_negative, rule)


def _split(
    network: list[np.ndarray],
    references: list[np.ndarray],
    thresholds: tuple[np.ndarray, np.ndarray],
    needed: int,
    sign: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Shared and own strength of the interactions of one sign, (checkpoints, n) each.

    Args:
        network: AND and OR interactions, (checkpoints, samples, 2^n) each.
        references: the same of the references, (references, samples, 2^n) each.
        thresholds: of salience, of the network and of the references.
        needed: how many references must agree.
        sign: 1 or -1.
    """
    threshold, other = thresholds
    shared, own = [], []
    for mine, theirs in zip(network, references, strict=True):
        salient = np.where(sign * mine >= threshold, np.abs(mine), 0.0)
        agree = (sign * theirs >= other).sum(axis=0) >= needed  # (samples, sets)
        shared.append(_mean_strength(np.where(agree[None], salient, 0.0)))
        own.append(_mean_strength(np.where(agree[None], 0.0, salient)))
    return shared[0] + shared[1], own[0] + own[1]


def _mean_strength(salient: np.ndarray) -> np.ndarray:
    return np.asarray(_by_order(salient))[..., 1:].mean(axis=1)


def _threshold(outputs: np.ndarray, salience: float) -> np.ndarray:
    tau = salience_threshold(jnp.asarray(outputs[..., -1]), jnp.asarray(outputs[..., 0]), salience)
    # A network that says the same of every mask has threshold 0: then nothing is salient.
    return np.maximum(np.asarray(tau), np.finfo(float).tiny)[..., None]


def _same_shapes(**arrays: ArrayLike) -> list[np.ndarray]:
    checked = {name: check_outputs(array, name) for name, array in arrays.items()}
    shapes = {array.shape for array in checked.values()}
    if len(shapes) > 1:
        raise ValueError(
            "Arguments "
            + ", ".join(f"`{name}` {array.shape}" for name, array in checked.items())
            + " must have the same shape."
        )
    return list(checked.values())

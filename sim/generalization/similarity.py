"""How alike the interactions of training and of testing samples are, order by order."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sim.generalization.salient import by_order


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
    top, bottom = (by_order(sums) for sums in (shared, either))
    return np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0)

"""Which interactions are salient, with which sign, and which of them reference networks hold."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from sim.checks import ArgumentError, check_choice, check_outputs, check_positive, check_runs
from theory import salience_threshold, sum_by_order

RULES = ("any", "majority", "all")

_sum_by_order = jax.jit(sum_by_order)


def by_order(values: np.ndarray) -> np.ndarray:
    """Sums over the sets of each of the orders 1..n, (..., 2^n) to (..., n)."""
    return np.asarray(_sum_by_order(values))[..., 1:]


def beside_references(
    network: tuple[ArrayLike, ArrayLike, ArrayLike],
    references: tuple[ArrayLike, ArrayLike, ArrayLike],
    *,
    rule: str,
    salience: float,
    runs: int = 1,
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Which salient interactions of a network the reference networks hold with the same sign.

    Args:
        network: AND and OR interactions and outputs, (checkpoints, samples, 2^n) each.
        references: the same of the references, (references, samples, 2^n) each.
        rule: how many references must agree.
        salience: factor of the thresholds.
        runs: how many networks' samples follow each other, in the network's and in each
            reference's arrays.

    Returns:
        The network's checked arrays, its `salient_signs`, and which of these interactions the
        references hold, (2, checkpoints, samples, 2^n).

    Raises:
        ValueError: shapes that do not match, or an option out of range.
    """
    check_choice(rule, "rule", RULES)
    mine = same_shapes(dict(zip(("i_and", "i_or", "outputs"), network, strict=True)))
    names = "reference_and", "reference_or", "reference_outputs"
    theirs = same_shapes(dict(zip(names, references, strict=True)))
    if mine[0].shape[1:] != theirs[0].shape[1:]:
        raise ArgumentError(
            "reference_and",
            f"be measured on the same samples and players as `i_and`, of shape {mine[0].shape[1:]}",
            f"has shape {theirs[0].shape} (references, samples, 2^n)",
        )
    count = len(theirs[0])
    needed = {"any": 1, "majority": count // 2 + 1, "all": count}[rule]
    signs, votes = (salient_signs(arrays, salience, runs) for arrays in (mine, theirs))
    shared = np.zeros(signs.shape, dtype=bool)
    for sign in (1, -1):
        agreed = (votes == sign).sum(axis=1) >= needed  # (2, samples, 2^n)
        shared |= (signs == sign) & agreed[:, None]
    return mine, signs, shared


def salient_signs(
    network: Sequence[np.ndarray],
    salience: float,
    runs: int = 1,
    *,
    fixed: bool = False,
) -> np.ndarray:
    """The sign of every salient interaction, 0 of the others and of the empty set.

    Args:
        network: AND and OR interactions and outputs, (checkpoints, samples, 2^n) each; v(N) and
            v(∅) set each run's threshold.
        salience: factor of the threshold.
        runs: how many networks' samples follow each other.
        fixed: take the last checkpoint's threshold for all.

    Returns:
        int8 (2, checkpoints, samples, 2^n), AND and OR.
    """
    check_positive(salience, "salience")
    *kinds, outputs = network
    runs = check_runs(runs, outputs.shape[1])
    ends = outputs[..., [-1, 0]].reshape(len(outputs), runs, -1, 2)
    tau = salience_threshold(jnp.asarray(ends[..., 0]), jnp.asarray(ends[..., 1]), salience)
    # A network that says the same of every mask has threshold 0: then nothing is salient.
    threshold = np.maximum(np.asarray(tau), np.finfo(float).tiny).reshape(outputs.shape[:2])
    if fixed:
        threshold = np.broadcast_to(threshold[-1], threshold.shape)
    signs = np.zeros((2, *outputs.shape), dtype=np.int8)
    for sign, kind in zip(signs, kinds, strict=True):
        sign[:] = np.where(np.abs(kind) >= threshold[..., None], np.sign(kind), 0)
    signs[..., 0] = 0
    return signs


def same_shapes(arrays: dict[str, ArrayLike]) -> list[np.ndarray]:
    """Arrays (…, samples, 2^n) by name, checked and in one shape."""
    checked = {name: check_outputs(array, name) for name, array in arrays.items()}
    shapes = {array.shape for array in checked.values()}
    if len(shapes) > 1:
        raise ValueError(
            "Arguments "
            + ", ".join(f"`{name}` {array.shape}" for name, array in checked.items())
            + " must have the same shape."
        )
    return list(checked.values())

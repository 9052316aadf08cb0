"""Null models: distributions over orders that know nothing of the theory.

Each is a family through the final measured distribution or through none at all, fitted to every
checkpoint in the same way and by the same distance as the theory's σ².
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln

from sim.search import Distance, nearest_member

Family = Callable[[np.ndarray], np.ndarray]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class NullFit:
    """A null model fitted to every checkpoint.

    Attributes:
        predicted: (checkpoints, n), distributions over the orders 1..n.
        total_variation: (checkpoints,), between measured and predicted.
        parameter: (checkpoints,), or None for a model without one.
    """

    predicted: np.ndarray
    total_variation: np.ndarray
    parameter: np.ndarray | None


def tilted(final: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Exponential tilt of the final distribution: ∝ p_final(k)·e^{−βk}.

    Args:
        final: (n,), the final distribution.
        beta: (m,), any real numbers; positive ones favour low orders.

    Returns:
        (m, n).
    """
    k = np.arange(1, len(final) + 1)
    with np.errstate(divide="ignore"):
        logs = np.log(final) - np.asarray(beta)[:, None] * k
    return np.asarray(jax.nn.softmax(jnp.asarray(logs), axis=-1))


def binomial(n: int, logit: np.ndarray) -> np.ndarray:
    """Binomial(n, q) on the orders 1..n, q = sigmoid(logit).

    Args:
        n: number of players.
        logit: (m,).

    Returns:
        (m, n).
    """
    k = np.arange(1, n + 1)
    choose = np.asarray(gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0))
    logs = choose + np.asarray(logit)[:, None] * k
    return np.asarray(jax.nn.softmax(jnp.asarray(logs), axis=-1))


def cut_off(final: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The final distribution up to a real order: ∝ p_final(k)·clip(order − k + 1, 0, 1).

    Args:
        final: (n,), the final distribution.
        order: (m,), from just above 0 (order 1 alone) to n (everything).

    Returns:
        (m, n).
    """
    k = np.arange(1, len(final) + 1)
    kept = final * np.clip(np.asarray(order)[:, None] - k + 1, 0.0, 1.0)
    total = kept.sum(axis=-1, keepdims=True)
    return np.divide(kept, total, out=np.zeros_like(kept), where=total > 0)


def fit_nulls(
    measured: np.ndarray, final: np.ndarray, distance: Distance, report: Distance
) -> Mapping[str, NullFit]:
    """Fits every null model to every checkpoint.

    Args:
        measured: (checkpoints, n), distributions over the orders 1..n.
        final: (n,), the distribution of the target.
        distance: what is minimised.
        report: what is reported as `total_variation`.

    Returns:
        `frozen` (no parameter), `tilt`, `binomial` and `cut_off` (one parameter each).
    """
    n = len(final)
    lowest = int(np.argmax(final > 0)) + 1  # a cut-off below it leaves nothing
    families: dict[str, tuple[Family, np.ndarray]] = {
        "tilt": (lambda beta: tilted(final, beta), np.linspace(-8, 8, 641)),
        "binomial": (lambda logit: binomial(n, logit), np.linspace(-12, 12, 481)),
        "cut_off": (lambda order: cut_off(final, order), np.linspace(lowest - 0.975, n, 40 * n)),
    }
    frozen = np.broadcast_to(final, measured.shape)
    fits = {"frozen": NullFit(frozen, _along(report, measured, frozen), None)}
    for name, (family, grid) in families.items():
        match = nearest_member(measured, family, grid, distance)
        fits[name] = NullFit(
            match.predicted, _along(report, measured, match.predicted), match.parameter
        )
    return fits


def _along(distance: Distance, measured: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    return np.asarray(distance(jnp.asarray(measured), jnp.asarray(predicted)))

"""Null models: distributions over orders that know nothing of the theory.

Each is a family through the final measured distribution or through none at all, fitted to every
checkpoint in the same way and by the same distance as the theory's σ².
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln
from jax.typing import ArrayLike

from sim.fitting.distances import Distance, nearest_member

SHARES = "shares_"
"""Before the names of these families in a fit, whose own are families of interactions."""


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

    @property
    def parameters(self) -> int:
        """Number of free parameters for each checkpoint."""
        return 0 if self.parameter is None else 1

    def record(self, c: int) -> dict[str, Any]:
        """Plain values of one checkpoint, as written to `fit.json`."""
        return {
            "total_variation": float(self.total_variation[c]),
            "parameter": None if self.parameter is None else float(self.parameter[c]),
            "predicted": self.predicted[c].tolist(),
        }


def tilted(final: ArrayLike, beta: ArrayLike) -> jax.Array:
    """Exponential tilt of the final distribution: ∝ p_final(k)·e^{−βk}.

    Args:
        final: (n,), the final distribution.
        beta: (m,), any real numbers; positive ones favour low orders.

    Returns:
        (m, n).

    Example:
        >>> tilted([0.5, 0.5], [0.0, np.log(3.0)]).round(3).tolist()
        [[0.5, 0.5], [0.75, 0.25]]
    """
    return _tilted(jnp.asarray(final), jnp.asarray(beta))


@jax.jit
def _tilted(final: jax.Array, beta: jax.Array) -> jax.Array:
    k = jnp.arange(1, final.shape[0] + 1, dtype=final.dtype)
    return jax.nn.softmax(jnp.log(final)[None] - beta[:, None] * k[None], axis=-1)


def binomial(n: int, logit: ArrayLike) -> jax.Array:
    """Binomial(n, q) on the orders 1..n, q = sigmoid(logit).

    Args:
        n: number of players.
        logit: (m,).

    Returns:
        (m, n).

    Example:
        >>> binomial(2, [0.0]).round(3).tolist()
        [[0.667, 0.333]]
    """
    return _binomial(n, jnp.asarray(logit))


@functools.partial(jax.jit, static_argnames="n")
def _binomial(n: int, logit: jax.Array) -> jax.Array:
    k = jnp.arange(1, n + 1, dtype=logit.dtype)
    choose = gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)
    return jax.nn.softmax(choose[None] + logit[:, None] * k[None], axis=-1)


def cut_off(final: ArrayLike, order: ArrayLike) -> jax.Array:
    """The final distribution up to a real order: ∝ p_final(k)·clip(order − k + 1, 0, 1).

    Args:
        final: (n,), the final distribution.
        order: (m,), from just above 0 to n (everything). Where nothing would be left, the lowest
            order that the final distribution holds stays.

    Returns:
        (m, n).

    Example:
        >>> cut_off([0.5, 0.25, 0.25], [1.5]).round(3).tolist()
        [[0.8, 0.2, 0.0]]
    """
    return _cut_off(jnp.asarray(final), jnp.asarray(order))


@jax.jit
def _cut_off(final: jax.Array, order: jax.Array) -> jax.Array:
    k = jnp.arange(1, final.shape[0] + 1, dtype=final.dtype)
    kept = final[None] * jnp.clip(order[:, None] - k[None] + 1, 0.0, 1.0)
    total = jnp.sum(kept, axis=-1, keepdims=True)
    lowest = (jnp.arange(final.shape[0]) == jnp.argmax(final > 0)).astype(final.dtype)
    return jnp.where(total > 0, kept / jnp.where(total > 0, total, 1.0), lowest[None])


def frozen(final: ArrayLike, anything: ArrayLike) -> jax.Array:
    """The final distribution itself: a family of one member.

    Args:
        final: (n,), the final distribution.
        anything: (m,), of no effect.

    Returns:
        (m, n).

    Example:
        >>> frozen([0.5, 0.5], [0.0]).tolist()
        [[0.5, 0.5]]
    """
    return jnp.broadcast_to(jnp.asarray(final), (np.size(anything), np.size(final)))


@dataclasses.dataclass(frozen=True)
class Null:
    """A family of at most one parameter.

    Attributes:
        member: from the final distribution (n,) and parameters (m,) to distributions (m, n).
        grid: where to search for n players, increasing; one point for a family of one member.
    """

    member: Callable[[jax.Array, jax.Array], jax.Array]
    grid: Callable[[int], np.ndarray]


NULLS: dict[str, Null] = {
    "frozen": Null(frozen, lambda n: np.zeros(1)),
    "tilt": Null(tilted, lambda n: np.linspace(-8, 8, 641)),
    "binomial": Null(
        lambda final, q: binomial(final.shape[0], q), lambda n: np.linspace(-12, 12, 481)
    ),
    "cut_off": Null(cut_off, lambda n: np.linspace(0.025, n, 40 * n)),
}


def fit_nulls(
    measured: np.ndarray, final: np.ndarray, distance: Distance, judged_by: Distance
) -> dict[str, NullFit]:
    """Fits every null model to every checkpoint.

    Args:
        measured: (checkpoints, n), distributions over the orders 1..n.
        final: (n,), the distribution of the target.
        distance: what is minimised.
        judged_by: what is given as `total_variation`.

    Returns:
        `frozen` (no parameter), `tilt`, `binomial` and `cut_off` (one parameter each).
    """
    fits = {}
    for name, null in NULLS.items():
        grid = null.grid(len(final))
        family = functools.partial(null.member, jnp.asarray(final))
        match = nearest_member(measured, family, grid, distance)
        away = judged_by(jnp.asarray(measured), jnp.asarray(match.predicted))
        parameter = match.parameter if grid.size > 1 else None
        fits[name] = NullFit(match.predicted, np.asarray(away), parameter)
    return fits

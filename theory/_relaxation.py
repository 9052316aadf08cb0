"""The first phase: the flow that carries any interactions to the optimum of the noisy loss."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from theory._learning import learning_thresholds, mode_gains
from theory.checks import ArgumentError, as_pair, as_real, check_players, check_variance
from theory.lattice import apply_power, by_order
from theory.noise import NoiseModel, check_noise


def relaxation_gains(
    n: int, sigma2: ArrayLike, time: ArrayLike, noise: NoiseModel = NoiseModel()
) -> tuple[jax.Array, jax.Array]:
    """How much of its start an eigenmode keeps, and how much of its target it takes up.

    A mode of order k moves by u(t) = a_k u(0) + b_k u*, with a_k = e^{−2t(θ_k+σ²)} and
    b_k = (1 − a_k) θ_k/(θ_k+σ²), where θ_k is its learning threshold. Two stretches of time
    compose: (a, b) then (a', b') is (a'a, a'b + b'). (Ours, from [Ren24 Theorem 3].)

    Args:
        n: number of players.
        sigma2: noise variance, a number or (m,).
        time: t ≥ 0 in the flow of `relax`, a number or (m,); ∞ gives (0, `mode_gains`).
        noise: the noise's covariance.

    Returns:
        a and b, each (n+1,) or (m, n+1), between 0 and 1, for the orders 0..n.

    Raises:
        ValueError: a negative variance or time, or two vectors of different length.

    Example:
        >>> kept, learned = relaxation_gains(2, sigma2=1.0, time=float("inf"))
        >>> print(kept, learned.round(3))
        [0. 0. 0.] [0.565 0.111 0.012]
    """
    check_noise(noise)
    n = check_players(n)
    sigma2, time = _check_times(sigma2, time, None)
    return _relaxation_gains(n, sigma2, time, noise)


def relax(
    initial: ArrayLike,
    true: ArrayLike,
    sigma2: ArrayLike,
    time: ArrayLike,
    noise: NoiseModel = NoiseModel(),
) -> jax.Array:
    """Interactions after a time t of learning under constant noise, from any start.

    Solves dw/dt = −(D^{⊗n})⁻¹ ∇L(w) exactly, L being `noisy_loss` and D one player's factor of the
    noise covariance: gradient flow in the coordinates in which the noise is white. Its eigenmodes
    are those of `optimal_interactions`; the mode of order k relaxes at the rate 2(θ_k+σ²) towards
    its optimum. At large σ² this is the first phase: every order is erased at about the rate 2σ²,
    and only what survives the noise is left. A piecewise-constant σ² is a chain of calls, each
    starting where the one before ended. (Ours, from [Ren24 Theorem 3].)

    Args:
        initial: (..., 2^n), the interactions at time 0.
        true: (..., 2^n), the true interactions w*; broadcast against `initial`.
        sigma2: noise variance, a number or (m,).
        time: t ≥ 0, a number or (m,); 0 gives `initial`, ∞ gives `optimal_interactions`.
        noise: the noise's covariance.

    Returns:
        (..., 2^n), or (m, ..., 2^n) where `sigma2` or `time` is a vector: entry i starts from
        `initial` and spends time[i] at sigma2[i]. Of the dtype of `initial` and `true` together.

    Raises:
        ValueError: last axes that differ or are not of size 2^n, batch axes that do not broadcast,
            a negative variance or time, or vectors of different length.

    Example:
        >>> w = relax([0.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0], sigma2=1.0, time=[0.0, 1.0])
        >>> print(w.round(3))
        [[0.    0.    0.    1.   ]
         [0.183 0.126 0.026 0.157]]
    """
    check_noise(noise)
    initial, true, n = as_pair(initial, true, ("initial", "true"))
    sigma2, time = _check_times(sigma2, time, initial.dtype)
    return _relax(initial, true, sigma2, time, noise, n)


def _check_times(
    sigma2: ArrayLike, time: ArrayLike, dtype: jnp.dtype | None
) -> tuple[jax.Array, jax.Array]:
    """Returns σ² and t in one dtype and of one shape, () or (m,)."""
    sigma2 = check_variance(sigma2, dtype)
    times = as_real(time, "time").astype(sigma2.dtype)
    if times.ndim > 1:
        raise ArgumentError("time", "be a number or have shape (m,)", f"has shape {times.shape}")
    if not isinstance(times, jax.core.Tracer) and not bool(jnp.all(times >= 0)):
        raise ArgumentError("time", "be nonnegative", f"is {time}")
    if sigma2.ndim and times.ndim and sigma2.shape != times.shape:
        raise ValueError(
            f"Arguments `sigma2` and `time` must have the same length, but have shapes "
            f"{sigma2.shape} and {times.shape}."
        )
    shape = sigma2.shape or times.shape
    return jnp.broadcast_to(sigma2, shape), jnp.broadcast_to(times, shape)


@functools.partial(jax.jit, static_argnames="n")
def _relaxation_gains(
    n: int, sigma2: jax.Array, time: jax.Array, noise: NoiseModel
) -> tuple[jax.Array, jax.Array]:
    shape = (*sigma2.shape, n + 1)
    theta = jnp.broadcast_to(learning_thresholds(n, noise).astype(sigma2.dtype), shape)
    gains = mode_gains(n, sigma2, noise)
    sigma2, time = (jnp.broadcast_to(array[..., None], shape) for array in (sigma2, time))
    # 0·∞ is 0 at time 0 and ∞ at time ∞; the inner wheres keep NaN out of the gradients too.
    moving, settled = time > 0, jnp.isinf(time) | jnp.isinf(sigma2)
    finite = moving & ~settled
    exponent = 2 * jnp.where(finite, time, 0.0) * (theta + jnp.where(finite, sigma2, 0.0))
    kept = jnp.where(moving & settled, 0.0, jnp.exp(-exponent))
    learned = jnp.where(moving & settled, gains, -jnp.expm1(-exponent) * gains)
    return kept, learned


@functools.partial(jax.jit, static_argnames="n")
def _relax(
    initial: jax.Array,
    true: jax.Array,
    sigma2: jax.Array,
    time: jax.Array,
    noise: NoiseModel,
    n: int,
) -> jax.Array:
    vectors, dual, _ = noise.eigenbasis(initial.dtype)
    start, target = apply_power(dual, initial), apply_power(dual, true)

    def moved(gains: tuple[jax.Array, jax.Array]) -> jax.Array:
        kept, learned = (by_order(g, n).reshape((1,) * (start.ndim - 1) + (-1,)) for g in gains)
        return apply_power(vectors, kept * start + learned * target)

    gains = _relaxation_gains(n, sigma2, time, noise)
    if sigma2.ndim == 0:
        return jnp.where(time > 0, moved(gains), initial)  # a round trip would round the start
    # One entry at a time: a vector costs no more memory than its result.
    return jax.lax.map(lambda e: jnp.where(e[1] > 0, moved(e[0]), initial), (gains, time))

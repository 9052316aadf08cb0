"""Lemma 1 as a statement about data: how noise on the outputs shows in the interactions."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from theory._strength import sum_by_order
from theory.checks import ArgumentError, as_sets
from theory.lattice import moebius, zeta
from theory.noise import NoiseModel


def interaction_variance(output_variance: ArrayLike) -> jax.Array:
    """Variance of every AND interaction under independent noise on the outputs  [Ren24 Lemma 1].

    Var I(S) = Σ_{T⊆S} Var v(T): signs do not matter to variances. For noise of the same variance σ²
    on every output it is 2^{|S|}σ². OR interactions have the same law with v(N∖T) for v(T).

    Independent outputs do not make independent interactions: Cov(I(S), I(T)) then is
    (−1)^{|S|+|T|} 2^{|S∩T|} σ², the member `NoiseModel(correlation=-0.5**0.5)` of the family, and
    not the independence that [Ren24 Assumption 1] goes on to suppose.

    Args:
        output_variance: (..., 2^n), the variance of the output on every masked input, ≥ 0.

    Returns:
        (..., 2^n), in the same units.

    Raises:
        ValueError: the last axis is not of size 2^n, or a variance is negative.

    Example:
        >>> interaction_variance([0.5, 0.5, 0.5, 0.5])
        Array([0.5, 1. , 1. , 2. ], dtype=float64)
    """
    variance, _ = as_sets(output_variance, "output_variance")
    if not isinstance(variance, jax.core.Tracer) and not bool(jnp.all(variance >= 0)):
        raise ArgumentError("output_variance", "be nonnegative", f"its least is {variance.min()}")
    return zeta(variance)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class NoiseEstimate:
    """Growth and size of the noise on interactions, estimated from repeated outputs.

    Returned by `estimate_noise`, whose example shows it in use.

    Attributes:
        growth: factor g by which the variance grows from one order to the next.
        growth_error: its standard error.
        sigma2: variance σ² at order 0, in squared units of the outputs.
        sigma2_error: its standard error.
        variance_by_order: (n+1,), the variance observed, averaged over the sets of each order.
    """

    growth: jax.Array
    growth_error: jax.Array
    sigma2: jax.Array
    sigma2_error: jax.Array
    variance_by_order: jax.Array

    @property
    def model(self) -> NoiseModel:
        """Independent noise with the estimated growth."""
        return NoiseModel(self.growth)


def estimate_noise(outputs: ArrayLike) -> NoiseEstimate:
    """Estimates growth g and size σ² of the noise, Var I(S) = σ² g^{|S|}, from repeated outputs.

    Lemma 1 predicts g = 2 where the outputs err independently; errors shared by similar masked
    inputs, as perturbed weights make them, give less. The variance of the interactions, averaged
    over the sets of each order, is fitted by a line in its logarithm, each order counting with its
    number of sets. Standard errors are delete-one jackknife errors over the repeats, so they need
    no assumption on how the errors of different masked inputs hang together. (Ours.)

    Args:
        outputs: (repeats, ..., 2^n), at least 3 independent repeats of the outputs on every masked
            input; further axes (samples) may differ in their mean but share the noise.

    Returns:
        The estimate. Errors of a few percent need about a hundred repeats (times samples).

    Raises:
        ValueError: a last axis that is not of size 2^n, fewer than 3 repeats, or an order whose
            interactions do not vary at all.

    Example:
        >>> import jax
        >>> noisy = 0.1 * jax.random.normal(jax.random.key(0), (200, 2**6))
        >>> estimate = estimate_noise(noisy)
        >>> bool(abs(estimate.growth - 2) < 3 * estimate.growth_error)
        True
    """
    outputs, n = as_sets(outputs, "outputs")
    if outputs.ndim < 2 or outputs.shape[0] < 3:
        raise ArgumentError(
            "outputs",
            "have shape (repeats, ..., 2^n) with at least 3 repeats",
            f"has shape {outputs.shape}",
        )
    estimate = _estimate(outputs, n)
    variance = estimate.variance_by_order
    if not isinstance(variance, jax.core.Tracer) and not bool(jnp.all(variance > 0)):
        raise ArgumentError(
            "outputs",
            "vary between repeats at every order",
            f"the variances by order are {variance}",
        )
    return estimate


@functools.partial(jax.jit, static_argnames="n")
def _estimate(outputs: jax.Array, n: int) -> NoiseEstimate:
    repeats = outputs.shape[0]
    deviation = moebius(outputs - jnp.mean(outputs, axis=0, keepdims=True))
    sets = sum_by_order(jnp.ones(2**n, outputs.dtype))
    inner = tuple(range(1, outputs.ndim - 1))
    squares = jnp.mean(sum_by_order(deviation**2), axis=inner) / sets[None]  # (repeats, orders)
    total = jnp.sum(squares, axis=0)
    variance = total / (repeats - 1)
    # Leaving out repeat r also moves the mean: its square counts R/(R−1) times.
    without = (total[None] - repeats / (repeats - 1) * squares) / (repeats - 2)

    order = jnp.arange(n + 1, dtype=outputs.dtype)
    centre = jnp.sum(sets * order) / jnp.sum(sets)
    slope_weights = sets * (order - centre) / jnp.sum(sets * (order - centre) ** 2)

    def line(variance: jax.Array) -> jax.Array:  # (..., orders) to (..., 2): ln σ², ln g
        log_variance = jnp.log(variance)
        slope = log_variance @ slope_weights
        return jnp.stack([log_variance @ (sets / jnp.sum(sets)) - centre * slope, slope], axis=-1)

    replicates = line(without)
    spread = jnp.sum((replicates - jnp.mean(replicates, axis=0, keepdims=True)) ** 2, axis=0)
    errors = jnp.sqrt((repeats - 1) / repeats * spread)
    sigma2, growth = jnp.exp(line(variance))
    return NoiseEstimate(growth, growth * errors[1], sigma2, sigma2 * errors[0], variance)

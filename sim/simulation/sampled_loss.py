"""The sampled noisy loss of Theorem 3, and the exact law of its gradient over a batch.

In every step a batch of masks S is drawn, and fresh noise ε on the interactions for each of them;
the loss of one mask is (y_S − wᵀ(J_S + ε))². What reaches the optimiser is the batch's gradient

    −(2/B) Σ_b r_b (J_{S_b} + ε_b),    r_b = y_{S_b} − wᵀ(J_{S_b} + ε_b),

and this file draws that gradient from its exact law without making the B × 2^n numbers ε: with
ε_b = σ L ξ_b (L = Cholesky factor of the noise, ξ_b white) only the components η_b of ξ_b along
a = Lᵀw enter the residuals; given the residuals, the rest of Σ_b r_b ξ_b is one white vector of
length ‖r‖ across a. The rows J_{S_b} are never made either: Σ_b r_b J_{S_b} is a sum over supersets
of the residuals scattered over the sets. A step costs O(n·2^n + B), whatever the batch.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from theory.lattice import apply_power
from theory.noise import NoiseModel


class Coordinates(NamedTuple):
    """One player's factors of the maps between the optimiser's coordinates x and the masks."""

    to_interactions: jax.Array  # w = M x
    from_interactions: jax.Array  # x = M⁻¹ w
    to_outputs: jax.Array  # J w = K x
    to_white: jax.Array | None  # Lᵀ w = N x; None where x is white already

    def whiten(self, x: jax.Array) -> jax.Array:
        """Lᵀ w, the coordinates in which the noise is white."""
        return x if self.to_white is None else apply_power(self.to_white, x)

    def colour(self, noise: jax.Array) -> jax.Array:
        """What white noise on the interactions is in the gradient by x."""
        return noise if self.to_white is None else apply_power(self.to_white.T, noise)


def coordinates(noise: NoiseModel, white: bool, dtype: jnp.dtype) -> Coordinates:
    """The factors for the given noise: M = L⁻ᵀ in white coordinates, else the identity."""
    factor = jnp.linalg.cholesky(noise.matrix(dtype))
    outputs = jnp.array([[1.0, 0.0], [1.0, 1.0]], dtype)
    if not white:
        identity = jnp.eye(2, dtype=dtype)
        return Coordinates(identity, identity, outputs, factor.T)
    inverse = jnp.linalg.inv(factor.T)
    return Coordinates(inverse, factor.T, outputs @ inverse, None)


def expected_gradient(
    x: jax.Array, outputs: jax.Array, sigma2: jax.Array, axes: Coordinates
) -> jax.Array:
    """Gradient of `theory.noisy_loss` in the optimiser's coordinates, all 2^n masks at once."""
    residual = outputs - apply_power(axes.to_outputs, x)
    noise = sigma2 * axes.colour(axes.whiten(x))
    return 2 * (noise - apply_power(axes.to_outputs.T, residual) / x.size)


def sampled_gradient(
    x: jax.Array,
    outputs: jax.Array,
    sigma2: jax.Array,
    axes: Coordinates,
    key: jax.Array,
    batch_size: int,
) -> jax.Array:
    """Gradient of one batch's loss, fresh masks and fresh noise; see the head of this file.

    Args:
        x: (2^n,), the parameters in the optimiser's coordinates.
        outputs: (2^n,), the true outputs y = J w* on every mask.
        sigma2: noise variance, a number.
        axes: the coordinates.
        key: of the random numbers.
        batch_size: masks in the batch.

    Returns:
        (2^n,).
    """
    masks, normals = jax.random.split(key)
    # The number of sets is a power of two, so that the low bits of random ones number a set.
    drawn = jax.random.bits(masks, (batch_size,), "uint32") & jnp.uint32(x.size - 1)
    white_noise = jax.random.normal(normals, (batch_size + x.size,), x.dtype)
    shifts, other = white_noise[:batch_size], white_noise[batch_size:]
    sigma = jnp.sqrt(sigma2)
    white = axes.whiten(x)
    length = jnp.linalg.norm(white)
    direction = white / jnp.where(length > 0, length, 1.0)
    mistaken = (outputs - apply_power(axes.to_outputs, x))[drawn]
    residuals = mistaken - sigma * length * shifts
    other = other - direction * jnp.vdot(direction, other)
    noise = direction * jnp.vdot(residuals, shifts) + jnp.linalg.norm(residuals) * other
    scattered = jnp.zeros_like(x).at[drawn].add(residuals)
    gradient = apply_power(axes.to_outputs.T, scattered)
    gradient = gradient + sigma * axes.colour(noise)
    return (-2.0 / batch_size) * gradient


def stable_rate(n: int, sigma2: jax.Array, axes: Coordinates, batch_size: int | None) -> jax.Array:
    """An estimate of the largest learning rate at which the mean square of the error shrinks."""
    signal = (jnp.linalg.norm(axes.to_outputs, 2) ** 2 / 2) ** n  # θ₀ in white coordinates
    to_white = jnp.eye(2, dtype=axes.to_outputs.dtype) if axes.to_white is None else axes.to_white
    largest = signal + sigma2 * jnp.linalg.norm(to_white, 2) ** (2 * n)
    if batch_size is None:
        return 1 / largest
    # E‖x‖² of a noisy row x = Mᵀ(J_S + ε), a product over players.
    square = (jnp.sum(axes.to_outputs**2) / 2) ** n + sigma2 * jnp.sum(to_white**2) ** n
    return 1 / (largest + 3 * square / batch_size)

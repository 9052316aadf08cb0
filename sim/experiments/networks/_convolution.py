"""Convolutions and pooling of images (channels, height, width)."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp


class Convolution(eqx.Module):
    """Convolution with zero padding, which keeps the size.

    Weights are uniform within ±`gain`·fan_in^(−1/2): with gain 1 PyTorch's default, with √6 that of
    He et al. (2015), which keeps the size of activations through rectifiers. Biases start at 0.
    """

    weight: jax.Array  # (out, in, side, side)
    bias: jax.Array  # (out,)

    def __init__(self, channels_in: int, channels_out: int, side: int, gain: float, key: jax.Array):
        bound = gain * (side**2 * channels_in) ** -0.5
        shape = (channels_out, channels_in, side, side)
        self.weight = jax.random.uniform(key, shape, jnp.float32, -bound, bound)
        self.bias = jnp.zeros(channels_out, jnp.float32)

    def __call__(self, x: jax.Array) -> jax.Array:
        return jax.lax.conv(x[None], self.weight, (1, 1), "SAME")[0] + self.bias[:, None, None]


def max_pool(x: jax.Array) -> jax.Array:
    """Maxima of 2×2 pixels; an odd last row or column is left out."""
    channels, height, width = x.shape
    even = x[:, : height // 2 * 2, : width // 2 * 2]
    return even.reshape(channels, height // 2, 2, width // 2, 2).max(axis=(2, 4))

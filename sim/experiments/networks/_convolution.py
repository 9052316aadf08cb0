"""Convolutions and pooling of images (channels, height, width)."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp


class Convolution(eqx.Module):
    """Convolution with zero padding, which keeps the size, as one matrix product of shifted images.

    Weights are uniform within ±`gain`·fan_in^(−1/2): with gain 1 PyTorch's default, with √6 that of
    He et al. (2015), which keeps the size of activations through rectifiers. Biases start at 0.
    """

    weight: jax.Array  # (out, in·side²)
    bias: jax.Array  # (out,)
    side: int = eqx.field(static=True)

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        key: jax.Array,
        side: int = 3,
        gain: float = 1.0,
    ):
        fan_in = side**2 * channels_in
        bound = gain * fan_in**-0.5
        self.weight = jax.random.uniform(key, (channels_out, fan_in), jnp.float32, -bound, bound)
        self.bias = jnp.zeros(channels_out, jnp.float32)
        self.side = side

    def __call__(self, x: jax.Array) -> jax.Array:
        _, height, width = x.shape
        margin = (self.side // 2, self.side // 2)
        padded = jnp.pad(x, ((0, 0), margin, margin))
        shifts = range(self.side)
        shifted = [padded[:, i : i + height, j : j + width] for i in shifts for j in shifts]
        product = self.weight @ jnp.concatenate(shifted).reshape(self.weight.shape[1], -1)
        return (product + self.bias[:, None]).reshape(-1, height, width)


def max_pool(x: jax.Array) -> jax.Array:
    """Maxima of 2×2 pixels; an odd last row or column is left out."""
    channels, height, width = x.shape
    even = x[:, : height // 2 * 2, : width // 2 * 2]
    return even.reshape(channels, height // 2, 2, width // 2, 2).max(axis=(2, 4))

"""Dense layers."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

from sim.experiments.networks._stages import Piece

HE = 6**0.5
"""The gain of He et al. (2015), for layers before a rectifier."""


class Dense(eqx.Module):
    """An affine map of the last axis; initialised as a `Convolution` of side 1."""

    weight: jax.Array  # (in, out)
    bias: jax.Array  # (out,)

    def __init__(self, size_in: int, size_out: int, key: jax.Array, gain: float = 1.0):
        bound = gain * size_in**-0.5
        self.weight = jax.random.uniform(key, (size_in, size_out), jnp.float32, -bound, bound)
        self.bias = jnp.zeros(size_out, jnp.float32)

    def __call__(self, x: jax.Array) -> jax.Array:
        product = x @ self.weight
        return product + jnp.broadcast_to(self.bias, product.shape)


class Flat(eqx.Module):
    """A dense layer on all the numbers of an array."""

    dense: Dense

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.dense(jnp.ravel(x))


class Rectified(eqx.Module):
    """A layer and the rectifier after it."""

    layer: Piece

    def __call__(self, x: jax.Array) -> jax.Array:
        return jax.nn.relu(self.layer(x))

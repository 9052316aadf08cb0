"""The encoder of transformers: self-attention that leaves padding out, and the mean of tokens."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

HEADS = 4


class Block(eqx.Module):
    """Self-attention and a perceptron, each added to its normalised input.

    Weights are normal with variance 1/fan_in; the norms have no parameters and nothing has biases.
    """

    to_heads: jax.Array  # (3, heads, width, width // heads)
    from_heads: jax.Array  # (heads, width // heads, width)
    up: jax.Array  # (width, 2·width)
    down: jax.Array  # (2·width, width)

    def __init__(self, key: jax.Array, width: int, heads: int = HEADS):
        keys = jax.random.split(key, 4)
        small = width // heads
        self.to_heads = normal(keys[0], (3, heads, width, small), width)
        self.from_heads = normal(keys[1], (heads, small, width), width)
        self.up = normal(keys[2], (width, 2 * width), width)
        self.down = normal(keys[3], (2 * width, width), 2 * width)

    def __call__(self, x: jax.Array, present: jax.Array | None = None) -> jax.Array:
        """From tokens (tokens, width) to as many, which look at those that are present alone."""
        query, key, value = jnp.einsum("tw,khws->khts", normalised(x), self.to_heads)
        match = jnp.einsum("hts,hus->htu", query, key) * query.shape[-1] ** -0.5
        if present is not None:
            match = jnp.where(present[None, None], match, jnp.finfo(match.dtype).min)
        weights = jax.nn.softmax(match)
        x = x + jnp.einsum("htu,hus,hsw->tw", weights, value, self.from_heads)
        return x + jax.nn.gelu(normalised(x) @ self.up) @ self.down


class Encoder(eqx.Module):
    """From tokens (tokens, width) to logits, through the mean of the last layer's tokens."""

    positions: jax.Array  # (tokens, width)
    blocks: list[Block]
    head: jax.Array  # (width, classes)
    bias: jax.Array  # (classes,)

    def __init__(self, tokens: int, width: int, depth: int, classes: int, key: jax.Array):
        positions, head, *blocks = jax.random.split(key, 2 + depth)
        self.positions = normal(positions, (tokens, width), 1) * jnp.float32(0.5)
        self.blocks = [Block(block, width) for block in blocks]
        self.head = normal(head, (width, classes), width)
        self.bias = jnp.zeros(classes, jnp.float32)

    def __call__(self, x: jax.Array, present: jax.Array | None = None) -> jax.Array:
        x = x + self.positions[: len(x)]
        for block in self.blocks:
            x = block(x, present)
        if present is None:
            present = jnp.ones(len(x), bool)
        share = present / jnp.maximum(present.sum(), 1).astype(x.dtype)
        return share @ normalised(x) @ self.head + self.bias


def normal(key: jax.Array, shape: tuple[int, ...], fan_in: int) -> jax.Array:
    """Normal weights of variance 1/fan_in."""
    return jax.random.normal(key, shape, jnp.float32) * jnp.float32(fan_in**-0.5)


def normalised(x: jax.Array) -> jax.Array:
    """Each token with mean 0 and variance 1."""
    x = x - x.mean(axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(jnp.mean(x**2, axis=-1, keepdims=True) + 1e-5)

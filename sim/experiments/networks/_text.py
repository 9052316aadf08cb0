"""Networks on sentences: a transformer's encoder and a recurrent network, blind to padding."""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp

from sim.experiments.networks._dense import Dense
from sim.experiments.networks._encoder import Encoder, normal
from sim.experiments.networks._stages import Stages

PADDING = 0
ABSENT = float(jnp.finfo(jnp.float32).min)
"""What padding is in an embedding: no word's, and not zero, which masks a word."""


class Embedding(eqx.Module):
    """From ids (tokens,), integers or whole numbers in floats, to vectors (tokens, width)."""

    weight: jax.Array  # (vocabulary, width)

    def __call__(self, ids: jax.Array) -> jax.Array:
        ids = ids.astype(jnp.int32)
        return jnp.where((ids == PADDING)[:, None], ABSENT, self.weight[ids])


class Encoded(eqx.Module):
    """A transformer's encoder on the words that are present."""

    encoder: Encoder

    def __call__(self, x: jax.Array) -> jax.Array:
        present, words = _present(x)
        return self.encoder(words, present)


class Recurrent(eqx.Module):
    """The logits of the last state of a gated recurrent unit, which passes padding by."""

    cell: eqx.nn.GRUCell
    head: Dense

    def __call__(self, x: jax.Array) -> jax.Array:
        def step(state: jax.Array, word: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
            there, vector = word
            return jnp.where(there, self.cell(vector, state), state), None

        state, _ = jax.lax.scan(step, jnp.zeros(self.cell.hidden_size, x.dtype), _present(x))
        return self.head(state)


def _present(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Which vectors are words, bool (tokens,), and the vectors with zero for the others."""
    present = x[:, 0] != ABSENT
    return present, jnp.where(present[:, None], x, 0)


def transformer(
    shape: Sequence[int], classes: int, vocabulary: int, width: int, depth: int, key: jax.Array
) -> Stages:
    """An encoder as small as BERT-Tiny's, cut at `embedding`, the words before their positions.

    Words start as normal vectors of variance 1. A word masked by zero at `embedding` keeps its
    position and is attended to; padding is neither attended to nor in the mean.
    """
    first, second = jax.random.split(key)
    embedding = Embedding(normal(first, (vocabulary, width), 1))
    return Stages(
        [embedding, Encoded(Encoder(shape[0], width, depth, classes, second))], ["embedding"]
    )


def gru(shape: Sequence[int], classes: int, vocabulary: int, width: int, key: jax.Array) -> Stages:
    """One layer of a gated recurrent unit [Cho et al. 2014], cut at `embedding`.

    Words start as normal vectors of variance 1, the unit as uniform within ±width^(−1/2).
    """
    first, second, third = jax.random.split(key, 3)
    embedding = Embedding(normal(first, (vocabulary, width), 1))
    cell = eqx.nn.GRUCell(width, width, dtype=jnp.float32, key=second)
    return Stages([embedding, Recurrent(cell, Dense(width, classes, third))], ["embedding"])

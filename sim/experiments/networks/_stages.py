"""A network as a row of pieces, between which it can be cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp

from sim.checks import ArgumentError, check_choice
from sim.experiments._feature_map import Cut

Piece = Callable[[jax.Array], jax.Array]


class Row(eqx.Module):
    """Pieces of a network, one after the other."""

    pieces: tuple[Piece, ...]

    def __call__(self, x: jax.Array) -> jax.Array:
        for piece in self.pieces:
            x = piece(x)
        return x


class Stages(eqx.Module):
    """A network whose named activations can be masked: from one input to its logits (classes,).

    Attributes:
        pieces: from each activation to the next; the first from the input, the last to the logits.
        names: of the activations between them, in order.

    Example:
        >>> from sim.experiments.networks import build
        >>> stages = build("mlp", (5,), 3, width=8, key=jax.random.key(0))
        >>> stages.names
        ('relu1', 'relu2', 'relu3')
        >>> stages.shape_at("relu2", (5,))
        (8,)
        >>> cut, x = stages.cut("relu2"), jnp.ones(5)
        >>> bool((cut.back(cut.front(x)) == stages(x)).all())
        True
    """

    pieces: tuple[Piece, ...]
    names: tuple[str, ...] = eqx.field(static=True)

    def __init__(self, pieces: Sequence[Piece], names: Sequence[str]):
        if len(names) != len(pieces) - 1:
            raise ArgumentError(
                "names", f"name the {len(pieces) - 1} activations between pieces", f"is {names}"
            )
        self.pieces, self.names = tuple(pieces), tuple(names)

    def __call__(self, x: jax.Array) -> jax.Array:
        return Row(self.pieces)(x)

    def cut(self, at: str) -> Cut:
        """The network up to an activation, and from there on.

        Raises:
            ValueError: no activation has that name.
        """
        check_choice(at, "at", self.names)
        place = self.names.index(at) + 1
        return Cut(Row(self.pieces[:place]), Row(self.pieces[place:]))

    def shape_at(self, at: str, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of an activation, for one input of the given shape.

        Raises:
            ValueError: no activation has that name.
        """
        one = jax.ShapeDtypeStruct(tuple(shape), jnp.float32)
        return tuple(jax.eval_shape(self.cut(at).front, one).shape)

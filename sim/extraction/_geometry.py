"""The linear algebra of the extraction's programme: all of it Kronecker powers of 2×2 matrices."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from sim.extraction._schur import SumInverse, dot, kronecker_power, on_device

# Growth of the metric with the order of a set, by measurement: the iterations hardly depend on it
# between 1.2 and 1.7 up to n = 12; at n = 14 the larger one saves a third of them.
_GROWTH, _GROWTH_OF_MANY = 1.4, 1.6
_GROW_MORE = 13
_MANY = 12  # players, from which sums are worth their compilation
_FIRST_OF_MANY = 4

_ZETA = np.array([[1.0, 0.0], [1.0, 1.0]])
_DISJOINT = np.array([[1.0, 1.0], [1.0, 0.0]])


Entries = tuple[tuple[int, int], tuple[int, int]]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Power:
    """The Kronecker power M^{⊗n} of a 2×2 matrix of the entries −1, 0 and 1.

    Of few players as two matrices. Of `_MANY` the first players as one matrix, because neighbours
    in memory are slowly added, and the others as sums, two players at a time: with 10 players that
    takes three quarters of the time of the matrices already, but as long again to compile.
    """

    entries: Entries = dataclasses.field(metadata={"static": True})
    first: jax.Array  # (2^m, 2^m) for the first m players
    others: jax.Array | None  # (2^(n−m), 2^(n−m)), or None for sums

    @classmethod
    def of(cls, matrix: np.ndarray, n: int, dtype: jnp.dtype) -> Power:
        (a, b), (c, d) = np.rint(matrix).astype(int).tolist()
        m = n // 2 if n < _MANY else _FIRST_OF_MANY
        first, others = kronecker_power(matrix, m), None
        if n < _MANY:
            others = on_device(kronecker_power(matrix, n - m), dtype)
        return cls(((a, b), (c, d)), on_device(first, dtype), others)

    def __call__(self, x: jax.Array) -> jax.Array:  # (lanes, 2^n)
        y = dot(self.first, x.reshape(-1, len(self.first)), 1)
        if self.others is None:
            return _sums(self.entries, y, x.shape)
        return dot(self.others, y.reshape(len(x), len(self.others), -1), 1).reshape(x.shape)


def _sums(entries: Entries, x: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Adds over the players that are not in the last axis of x already."""
    lanes, size = shape
    done, n = x.shape[1].bit_length() - 1, size.bit_length() - 1
    while done < n:
        players = min(2, n - done)
        y = x.reshape(lanes, -1, 2**players, 2**done)
        parts = [y[:, :, i] for i in range(2**players)]
        for player in range(players):
            for i in range(2**players):
                if not i >> player & 1:
                    j = i | 1 << player
                    pair = parts[i], parts[j]
                    parts[i], parts[j] = (_sum(row, *pair) for row in entries)
        x = jnp.stack(parts, axis=2)
        done += players
    return x.reshape(shape)


def _sum(row: tuple[int, int], x: jax.Array, y: jax.Array) -> jax.Array:
    """a·x + b·y for a, b in −1, 0, 1, not both 0."""
    signed = [part if sign > 0 else -part for sign, part in zip(row, (x, y), strict=True) if sign]
    return signed[0] if len(signed) == 1 else signed[0] + signed[1]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Geometry:
    """The linear algebra of the programme for one n; nothing in it depends on the data."""

    zeta: Power
    zeta_t: Power
    moebius: Power
    disjoint: Power
    disjoint_t: Power
    disjoint_inverse: Power
    weight: jax.Array  # (2^n,) metric of a and o; that of δ is 1
    inverse: SumInverse  # of K


@functools.lru_cache(maxsize=8)
def geometry(n: int, dtype: jnp.dtype) -> Geometry:
    """Builds the transforms and the inverse of K.

    δ is a variable also where its bound is zero: without the 1 that it adds to K, the iteration
    does not survive rounding at n ≥ 10.
    """
    growth = _GROWTH if n < _GROW_MORE else _GROWTH_OF_MANY
    metric = np.diag([1.0, 1.0 / growth])
    forms = [*(m @ metric @ m.T for m in (_ZETA, _DISJOINT)), np.eye(2)]
    order = np.array([s.bit_count() for s in range(2**n)])
    return Geometry(
        Power.of(_ZETA, n, dtype),
        Power.of(_ZETA.T, n, dtype),
        Power.of(np.linalg.inv(_ZETA), n, dtype),
        Power.of(_DISJOINT, n, dtype),
        Power.of(_DISJOINT.T, n, dtype),
        Power.of(np.linalg.inv(_DISJOINT), n, dtype),
        on_device(growth**order, dtype),
        SumInverse.of(forms, n, dtype),
    )

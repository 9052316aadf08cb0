"""Exact solves with sums of Kronecker powers, without a matrix over pairs of sets.

The powers X^{⊗m} of 2×2 matrices commute with every permutation of the players. By Schur–Weyl
duality one orthogonal basis block-diagonalises all of them: it splits the 2^m dimensions into
copies of sectors d = m, m−2, …, on each of which X^{⊗m} acts as one (d+1)×(d+1) matrix, the same in
every copy. With the n players split into two halves, Σᵢ Xᵢ^{⊗n} = Σᵢ Xᵢ^{⊗n₁} ⊗ Xᵢ^{⊗n₂} falls
into blocks of size (d₁+1)(d₂+1) ≤ (n/2+1)², which are inverted once. A solve is then two changes of
basis with matrices of size 2^{n/2}, of many players one for each order of sets, and a small matrix
product for each pair of sectors.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

Sector = tuple[int, int]  # copies, dimension d+1

_TOGETHER = 6  # players up to which a basis is multiplied as one matrix


def on_device(x: np.ndarray, dtype: jnp.dtype) -> jax.Array:
    """Cast by numpy first: JAX would compile a cast for every shape."""
    return jax.device_put(x.astype(dtype))


def kronecker_power(matrix: np.ndarray, exponent: int) -> np.ndarray:
    return functools.reduce(np.kron, [matrix] * exponent, np.ones((1, 1)))


def sectors(m: int) -> list[Sector]:
    """Those of m players in the order of the rows of their Schur basis."""
    found = []
    for d in range(m % 2, m + 1, 2):
        below = (m - d) // 2
        found.append((math.comb(m, below) - (math.comb(m, below - 1) if below else 0), d + 1))
    return found


def schur_basis(m: int) -> np.ndarray:
    """Orthonormal basis (rows) adapted to the powers X^{⊗m}.

    Player by player: a sector of spin d/2 and one more player of spin 1/2 give the sectors d+1 and
    d−1, by the Clebsch–Gordan coefficients. Rows run over sectors, copies, and the weight 0..d.
    """
    found = {0: np.ones((1, 1, 1))}  # d → (copies, d+1, 2^players)
    for _ in range(m):
        grown: dict[int, list[np.ndarray]] = {}
        for d, rows in found.items():
            nought = np.zeros((len(rows), 1, rows.shape[-1]))
            k = np.arange(d + 2)[:, None]
            absent = np.sqrt((d + 1 - k) / (d + 1)) * np.concatenate([rows, nought], axis=1)
            present = np.sqrt(k / (d + 1)) * np.concatenate([nought, rows], axis=1)
            grown.setdefault(d + 1, []).append(np.concatenate([absent, present], axis=-1))
            if d:
                k = np.arange(d)[:, None]
                absent = np.sqrt((k + 1) / (d + 1)) * rows[:, 1:]
                present = -np.sqrt((d - k) / (d + 1)) * rows[:, :-1]
                grown.setdefault(d - 1, []).append(np.concatenate([absent, present], axis=-1))
        found = {d: np.concatenate(parts) for d, parts in sorted(grown.items())}
    return np.concatenate([rows.reshape(-1, 2**m) for rows in found.values()])


def grades(m: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Sets, and rows of the Schur basis that are nonzero on them alone.

    A row lives on the sets of one order. Of few players all are taken together: that one matrix is
    multiplied faster than many smaller ones.
    """
    if m <= _TOGETHER:
        return [(np.arange(2**m), np.arange(2**m))]
    order = np.array([s.bit_count() for s in range(2**m)])
    row_order = np.concatenate(
        [np.tile((m + 1 - size) // 2 + np.arange(size), copies) for copies, size in sectors(m)]
    )
    return [(np.flatnonzero(order == k), np.flatnonzero(row_order == k)) for k in range(m + 1)]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class SumInverse:
    """The inverse of Σᵢ Xᵢ^{⊗n} for 2×2 matrices Xᵢ whose sum of powers is regular."""

    high: tuple[jax.Array, ...]  # the bases of the two halves, by grades
    low: tuple[jax.Array, ...]
    coupled: tuple[jax.Array, ...]  # square, for each high sector with each low one

    @classmethod
    def of(cls, matrices: list[np.ndarray], n: int, dtype: jnp.dtype) -> SumInverse:
        halves = (n - n // 2, n // 2)
        bases = [schur_basis(m) for m in halves]
        acting = [
            [_sector_blocks(matrix, basis, sectors(m)) for matrix in matrices]
            for basis, m in zip(bases, halves, strict=True)
        ]
        coupled = []
        for i, j in itertools.product(*(range(len(sectors(m))) for m in halves)):
            pairs = zip(*acting, strict=True)
            total = sum(np.kron(high[i], low[j]) for high, low in pairs)
            coupled.append(on_device(np.linalg.inv(total), dtype))
        high, low = (
            tuple(on_device(basis[np.ix_(rows, sets)], dtype) for sets, rows in grades(m))
            for basis, m in zip(bases, halves, strict=True)
        )
        return cls(high, low, tuple(coupled))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Solves for each of (lanes, 2^n)."""
        lanes, size = x.shape
        places = _places(size.bit_length() - 1, lanes)
        shape = (sum(map(len, self.high)), lanes, sum(map(len, self.low)))
        modes = _times(self.high, x.reshape(-1)[places.begin].reshape(shape), 0)
        modes = _times(self.low, modes, 2).reshape(-1)
        parts = [
            dot(block, modes[place], 0).reshape(-1)
            for block, place in zip(self.coupled, places.coupled, strict=True)
        ]
        modes = jnp.concatenate(parts)[places.back].reshape(shape)
        modes = _times(self.low, modes, 2, transposed=True)
        modes = _times(self.high, modes, 0, transposed=True)
        return modes.reshape(-1)[places.end].reshape(x.shape)


class _Places(NamedTuple):
    """Where what comes next is found: flat indices, whose use costs less than transpositions."""

    begin: np.ndarray  # from (lanes, 2^n) to (high sets, lanes, low sets), both in grades
    coupled: list[np.ndarray]  # for each pair of sectors: (dimensions, lanes and copies)
    back: np.ndarray
    end: np.ndarray


@functools.lru_cache(maxsize=8)
def _places(n: int, lanes: int) -> _Places:
    halves = (n - n // 2, n // 2)
    graded = [[np.concatenate(part) for part in zip(*grades(m), strict=True)] for m in halves]
    (high_sets, high_rows), (low_sets, low_rows) = graded
    lane = np.arange(lanes)[None, :, None]
    begin = lane * 2**n + high_sets[:, None, None] * 2 ** halves[1] + low_sets
    modes = np.arange(begin.size).reshape(begin.shape)
    by_row = modes[np.argsort(high_rows)][:, :, np.argsort(low_rows)]
    coupled, first = [], 0
    for copies_high, high in sectors(halves[0]):
        past, second = first + copies_high * high, 0
        for copies_low, low in sectors(halves[1]):
            part = by_row[first:past, :, second : second + copies_low * low]
            part = part.reshape(copies_high, high, lanes, copies_low, low)
            coupled.append(part.transpose(1, 4, 2, 0, 3).reshape(high * low, -1))
            second += copies_low * low
        first = past
    back = np.argsort(np.concatenate([part.reshape(-1) for part in coupled]))
    return _Places(begin.reshape(-1), coupled, back, np.argsort(begin.reshape(-1)))


def _times(
    blocks: tuple[jax.Array, ...], x: jax.Array, axis: int, transposed: bool = False
) -> jax.Array:
    """Multiplies an axis by the block-diagonal matrix of the blocks."""
    parts, first = [], 0
    for block in blocks:
        part = jax.lax.slice_in_dim(x, first, first + len(block), axis=axis)
        first += len(block)
        parts.append(dot(block.T if transposed else block, part, axis))
    return jnp.concatenate(parts, axis=axis)


def dot(matrix: jax.Array, x: jax.Array, axis: int) -> jax.Array:
    """Multiplies one of at most three axes of x by a square matrix.

    With lax's default precision an accelerator would round float32 to fewer bits.
    """
    axes = "ijk"[: x.ndim]
    to = axes.replace(axes[axis], "m")
    highest = jax.lax.Precision.HIGHEST
    return jnp.einsum(f"m{axes[axis]},{axes}->{to}", matrix, x, precision=highest)


def _sector_blocks(
    matrix: np.ndarray, basis: np.ndarray, of_basis: list[Sector]
) -> list[np.ndarray]:
    """How X^{⊗m} acts on one copy of each sector."""
    m = len(basis).bit_length() - 1
    acting = basis @ kronecker_power(matrix, m) @ basis.T
    blocks, at = [], 0
    for copies, dimension in of_basis:
        blocks.append(acting[at : at + dimension, at : at + dimension])
        at += copies * dimension
    return blocks

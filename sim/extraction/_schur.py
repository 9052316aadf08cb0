"""Exact solves with sums of Kronecker powers, without a matrix over pairs of sets.

The powers X^{⊗m} of 2×2 matrices commute with every permutation of the players. By Schur–Weyl
duality one orthogonal basis block-diagonalises all of them: it splits the 2^m dimensions into
copies of sectors d = m, m−2, …, on each of which X^{⊗m} acts as one (d+1)×(d+1) matrix, the same in
every copy. With the n players split into two halves, Σᵢ Xᵢ^{⊗n} = Σᵢ Xᵢ^{⊗n₁} ⊗ Xᵢ^{⊗n₂} falls
into blocks of size (d₁+1)(d₂+1) ≤ (n/2+1)², which are inverted once. A solve is then two changes of
basis with matrices of size 2^{n/2} and a small matrix product for each pair of sectors.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

Sector = tuple[int, int]  # copies, dimension d+1


def on_device(x: np.ndarray, dtype: jnp.dtype) -> jax.Array:
    """Cast by numpy first: JAX would compile a cast for every shape."""
    return jax.device_put(x.astype(dtype))


def kronecker_power(matrix: np.ndarray, exponent: int) -> np.ndarray:
    return functools.reduce(np.kron, [matrix] * exponent, np.ones((1, 1)))


def schur_basis(m: int) -> tuple[np.ndarray, list[Sector]]:
    """Orthonormal basis (rows) adapted to the powers X^{⊗m}, and its sectors in order.

    Player by player: a sector of spin d/2 and one more player of spin 1/2 give the sectors d+1 and
    d−1, by the Clebsch–Gordan coefficients. Rows run over sectors, copies, and the weight 0..d.
    """
    sectors = {0: np.ones((1, 1, 1))}  # d → (copies, d+1, 2^players)
    for _ in range(m):
        grown: dict[int, list[np.ndarray]] = {}
        for d, rows in sectors.items():
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
        sectors = {d: np.concatenate(parts) for d, parts in sorted(grown.items())}
    basis = np.concatenate([rows.reshape(-1, 2**m) for rows in sectors.values()])
    return basis, [rows.shape[:2] for rows in sectors.values()]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class SumInverse:
    """The inverse of Σᵢ Xᵢ^{⊗n} for 2×2 matrices Xᵢ whose sum of powers is regular."""

    high: jax.Array  # (2^⌈n/2⌉, 2^⌈n/2⌉) bases of the two halves
    low: jax.Array  # (2^⌊n/2⌋, 2^⌊n/2⌋)
    blocks: tuple[tuple[jax.Array, ...], ...]  # by high and low sector: (i, j, i, j)
    sectors_high: tuple[Sector, ...] = dataclasses.field(metadata={"static": True})
    sectors_low: tuple[Sector, ...] = dataclasses.field(metadata={"static": True})

    @classmethod
    def of(cls, matrices: list[np.ndarray], n: int, dtype: jnp.dtype) -> SumInverse:
        halves = [schur_basis(n - n // 2), schur_basis(n // 2)]
        acting = [
            [_sector_blocks(matrix, basis, sectors) for matrix in matrices]
            for basis, sectors in halves
        ]
        blocks = []
        for i in range(len(halves[0][1])):
            row = []
            for j in range(len(halves[1][1])):
                pairs = zip(*acting, strict=True)
                block = np.linalg.inv(sum(np.kron(high[i], low[j]) for high, low in pairs))
                shape = (halves[0][1][i][1], halves[1][1][j][1])
                row.append(on_device(block.reshape(shape + shape), dtype))
            blocks.append(tuple(row))
        (high, sectors_high), (low, sectors_low) = halves
        return cls(
            on_device(high, dtype),
            on_device(low, dtype),
            tuple(blocks),
            tuple(sectors_high),
            tuple(sectors_low),
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        """Solves for each of (lanes, 2^n)."""
        lanes = x.shape[0]
        pairs = x.reshape(lanes, self.high.shape[0], self.low.shape[0])
        modes = jnp.einsum("hk,bkl,ml->bhm", self.high, pairs, self.low)
        rows, at = [], 0
        for (copies_high, high), blocks in zip(self.sectors_high, self.blocks, strict=True):
            row, column = [], 0
            for (copies_low, low), block in zip(self.sectors_low, blocks, strict=True):
                part = modes[:, at : at + copies_high * high, column : column + copies_low * low]
                column += copies_low * low
                shape = part.shape
                part = part.reshape(lanes, copies_high, high, copies_low, low)
                part = jnp.einsum("ijkl,bpkql->bpiqj", block, part)
                row.append(part.reshape(shape))
            rows.append(jnp.concatenate(row, axis=2))
            at += copies_high * high
        modes = jnp.concatenate(rows, axis=1)
        return jnp.einsum("hk,bhm,ml->bkl", self.high, modes, self.low).reshape(x.shape)


def _sector_blocks(
    matrix: np.ndarray, basis: np.ndarray, sectors: list[Sector]
) -> list[np.ndarray]:
    """How X^{⊗m} acts on one copy of each sector."""
    m = len(basis).bit_length() - 1
    acting = basis @ kronecker_power(matrix, m) @ basis.T
    blocks, at = [], 0
    for copies, dimension in sectors:
        blocks.append(acting[at : at + dimension, at : at + dimension])
        at += copies * dimension
    return blocks

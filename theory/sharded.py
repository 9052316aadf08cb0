"""Arrays over sets that are spread over many devices, each holding 2^n / devices sets.

The upper players number the device and the lower ones the place on it. Transforms over lower
players stay on the device; one exchange of blocks brings the upper players together, one takes them
apart again. This happens wherever a mesh with an axis named "sets" is in force (`jax.set_mesh`);
`sim.sets_mesh` makes one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, PartitionSpec

AXIS = "sets"


def sets_devices(n: int) -> int:
    """Over how many devices arrays over the sets of n players are spread: 1 without a mesh."""
    mesh = jax.sharding.get_abstract_mesh()
    if AXIS not in mesh.axis_names or AxisType.Manual in mesh.axis_types:
        return 1
    devices = mesh.shape[AXIS]
    if devices & (devices - 1):
        raise ValueError(f'The mesh axis "{AXIS}" must have 2^d devices, but has {devices}.')
    return devices if devices**2 <= 2**n else 1  # fewer sets are not worth an exchange


def sharding_of(ndim: int) -> PartitionSpec:
    """The last axis over the devices, batch axes whole."""
    return PartitionSpec(*[None] * (ndim - 1), AXIS)


def spread(values: jax.Array) -> jax.Array:
    """Asks the compiler to spread (..., 2^n) over the devices; does nothing without a mesh."""
    if sets_devices(values.shape[-1].bit_length() - 1) == 1:
        return values
    return jax.lax.with_sharding_constraint(values, sharding_of(values.ndim))


def spread_power(
    local: Callable[[jax.Array, jax.Array], jax.Array],
    matrix: jax.Array,
    values: jax.Array,
    devices: int,
) -> jax.Array:
    """The Kronecker power of a 2×2 matrix over all players, on arrays spread over `devices`.

    Args:
        local: applies the power to the players within an array.
        matrix: (2, 2).
        values: (..., 2^n), devices² ≤ 2^n.
        devices: size of the mesh axis "sets".

    Returns:
        (..., 2^n), spread like `values`.
    """
    upper = functools.reduce(jnp.kron, [matrix] * (devices.bit_length() - 1))
    exchange = functools.partial(
        jax.lax.all_to_all, axis_name=AXIS, split_axis=1, concat_axis=1, tiled=True
    )

    def block(matrix: jax.Array, upper: jax.Array, values: jax.Array) -> jax.Array:
        batch = values.shape[:-1]
        rows = local(matrix, values).reshape(-1, devices, values.shape[-1] // devices)
        rows = jnp.einsum("ij,bjk->bik", upper, exchange(rows), precision=jax.lax.Precision.HIGHEST)
        return exchange(rows).reshape(*batch, -1)

    spec = sharding_of(values.ndim)
    whole = PartitionSpec()
    return jax.shard_map(block, in_specs=(whole, whole, spec), out_specs=spec)(
        matrix, upper, values
    )

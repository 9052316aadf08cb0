"""Arrays over sets that do not fit one device: the last axis spread over a mesh.

    with jax.set_mesh(sets_mesh()):
        start = random_start(30, jax.random.key(0))   # each device holds its share of the sets
        trajectory = simulate(start, target, schedule, epochs)

Inside the block the functions of `theory` and `simulate` keep arrays of size 2^n spread; a
transform exchanges blocks between devices twice, whatever n is. On a cluster every process runs the
same lines after `jax.distributed.initialize()`.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.typing import ArrayLike

from sim.checks import ArgumentError
from theory.checks import as_sets
from theory.sharded import AXIS, sharding_of


def sets_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """A mesh with one axis, "sets", for `jax.set_mesh`.

    Args:
        devices: JAX devices, all by default; as many of them are taken as the largest power of two
            allows, since each must hold the same number of sets.

    Returns:
        The mesh.

    Raises:
        ValueError: there is no device.

    Example:
        >>> from theory import zeta
        >>> with jax.set_mesh(sets_mesh()):
        ...     print(zeta(shard_sets([1.0, 2.0, 3.0, 4.0])))
        [ 1.  3.  4. 10.]
    """
    devices = list(jax.devices() if devices is None else devices)
    if not devices:
        raise ArgumentError("devices", "hold at least one device", "is empty")
    count = 1 << (len(devices).bit_length() - 1)
    return Mesh(np.array(devices[:count]), (AXIS,), axis_types=(AxisType.Auto,))


def shard_sets(values: ArrayLike, mesh: Mesh | None = None) -> jax.Array:
    """Spreads an array over the devices of a mesh along its last axis, batch axes whole.

    Args:
        values: (..., 2^n).
        mesh: from `sets_mesh`; by default the one in force, or of all devices.

    Returns:
        (..., 2^n), 2^n / devices sets on each device.

    Raises:
        ValueError: a last axis that is not of size 2^n, or fewer sets than devices.

    Example:
        >>> from theory import zeta
        >>> with jax.set_mesh(sets_mesh()):
        ...     print(zeta(shard_sets([1.0, 2.0, 3.0, 4.0])))
        [ 1.  3.  4. 10.]
    """
    array, n = as_sets(values, "values")
    if mesh is None:
        current = jax.sharding.get_mesh()
        mesh = sets_mesh() if current.empty else current
    if 2**n < mesh.shape[AXIS]:
        raise ArgumentError(
            "values",
            f"have at least one set for each of {mesh.shape[AXIS]} devices",
            f"has shape {array.shape}",
        )
    return jax.device_put(array, NamedSharding(mesh, sharding_of(array.ndim)))

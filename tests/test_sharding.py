"""Arrays spread over eight devices: the same numbers as on one, and no device holds them whole."""

import os
import socket
import subprocess
import sys
import textwrap

import jax
import numpy as np
import pytest

from sim import Schedule, random_start, simulate, sparse_target
from sim.machine import check_memory
from sim.simulation.sharding import sets_mesh, shard_sets
from theory import optimal_interactions, strength_by_order, zeta

SETTING = """
    import jax, jax.numpy as jnp, numpy as np
    jax.config.update("jax_enable_x64", True)
    import theory as th
    from sim import Descent, Schedule, random_start, sets_mesh, shard_sets, simulate, sparse_target

    n = 11
    noise = th.NoiseModel(1.7, -0.4)
    assert len(jax.devices()) == 8
"""
FUNCTIONS = """
    v = np.random.default_rng(0).normal(size=2**n)
    functions = {
        "moebius": th.moebius,
        "optimal": lambda v: th.optimal_interactions(v, jnp.array([0.0, 0.1]), noise),
        "relax": lambda v: th.relax(v, v**2, 0.1, 0.4, noise),
        "strength": lambda v: th.strength_by_order(v, 0.3),
    }
    alone = {name: np.asarray(jax.jit(f)(v)) for name, f in functions.items()}
    with jax.set_mesh(sets_mesh()):
        spread = shard_sets(v)
        assert {s.data.shape for s in spread.addressable_shards} == {(2**n // 8,)}
        for name, f in functions.items():
            compiled = jax.jit(f).lower(spread).compile()
            result = compiled(spread)
            np.testing.assert_allclose(result, alone[name], rtol=1e-11, atol=1e-12, err_msg=name)
            if result.size >= 2**n:
                assert result.addressable_shards[0].data.size == result.size // 8, name
            assert "all-gather" not in compiled.as_text(), name
            assert compiled.memory_analysis().temp_size_in_bytes < spread.nbytes, name
        start = random_start(n, jax.random.key(0))
        assert start.addressable_shards[0].data.size == 2**n // 8
    np.testing.assert_array_equal(start, random_start(n, jax.random.key(0)))
    print("same")
"""
RUNS = """
    def runs():
        start, target = random_start(n, jax.random.key(0)), sparse_target(n, jax.random.key(1))
        for method in ("equilibrium", "relaxation", "sgd"):
            few = Descent(steps_per_epoch=4)
            falling = Schedule.exponential(5.0, 1e-4, 3)
            yield simulate(start, target, falling, 3, method, noise, descent=few)

    alone = list(runs())
    with jax.set_mesh(sets_mesh()):
        for run, expected in zip(runs(), alone):
            np.testing.assert_allclose(run.strength, expected.strength, rtol=1e-9)
            np.testing.assert_allclose(run.loss, expected.loss, rtol=1e-9)
    print("same")
"""


def _on_eight_devices(program):
    environment = os.environ | {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=8",
        "JAX_PLATFORMS": "cpu",
    }
    text = textwrap.dedent(SETTING) + textwrap.dedent(program)
    result = subprocess.run(
        [sys.executable, "-c", text],
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout == "same\n"


def test_eight_devices_give_the_numbers_of_one():
    _on_eight_devices(FUNCTIONS)


@pytest.mark.slow
def test_simulations_on_eight_devices():
    _on_eight_devices(RUNS)


CLUSTER = """
    import sys
    import jax
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(sys.argv[1], 2, int(sys.argv[2]))
    import numpy as np
    import theory
    from sim import Schedule, random_start, sets_mesh, shard_sets, simulate, sparse_target

    v = np.random.default_rng(0).normal(size=64)
    with jax.set_mesh(sets_mesh()):
        learned = theory.optimal_interactions(shard_sets(v), 0.1)
        assert not learned.is_fully_addressable
        assert {s.data.shape for s in learned.addressable_shards} == {(32,)}
        strength = np.asarray(theory.strength_by_order(learned, 0.0))
        ends = random_start(6, jax.random.key(0)), sparse_target(6, jax.random.key(1))
        run = simulate(*ends, Schedule.exponential(5.0, 1e-4, 3), 3, "relaxation")
        found = [strength, run.strength, run.loss]
    np.savez(sys.argv[3], *map(np.asarray, found))
"""


@pytest.mark.slow
def test_two_processes_of_a_cluster_give_the_numbers_of_one(tmp_path):
    """They exchange blocks over the network, by gloo."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    program = [sys.executable, "-c", textwrap.dedent(CLUSTER), address]
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""}
    running = [
        subprocess.Popen(
            [*program, str(i), str(tmp_path / f"{i}.npz")], env=environment, stderr=subprocess.PIPE
        )
        for i in range(2)
    ]
    said = [process.communicate(timeout=400)[1][-3000:] for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    v = np.random.default_rng(0).normal(size=64)
    ends = random_start(6, jax.random.key(0)), sparse_target(6, jax.random.key(1))
    run = simulate(*ends, Schedule.exponential(5.0, 1e-4, 3), 3, "relaxation")
    alone = [strength_by_order(optimal_interactions(v, 0.1), 0.0), run.strength, run.loss]
    for i in range(2):
        with np.load(tmp_path / f"{i}.npz") as found:
            for array, expected in zip(found.values(), alone, strict=True):
                np.testing.assert_allclose(array, expected, rtol=1e-9)


def test_one_device_is_a_mesh_too():
    values = np.random.default_rng(1).normal(size=(2, 32))
    with jax.set_mesh(sets_mesh()):
        spread = shard_sets(values)
        np.testing.assert_allclose(zeta(spread), zeta(values), rtol=1e-12)
    np.testing.assert_allclose(
        optimal_interactions(shard_sets(values), 0.1), optimal_interactions(values, 0.1), rtol=1e-12
    )


def test_devices_of_one_host_share_its_memory(monkeypatch):
    monkeypatch.setattr("sim.machine.available_memory", lambda: 2048)
    check_memory(2048, "It", "less", devices=8)
    with pytest.raises(ValueError, match=r"It needs about 3 KiB of memory, but only 2 KiB are"):
        check_memory(3072, "It", "less", devices=8)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="at least one device"):
        sets_mesh([])
    with pytest.raises(ValueError, match="last axis of size 2"):
        shard_sets(np.ones(12))

"""Speed and memory of the closed forms: transforms, Theorem 3, row norms.

Not called theory.py: beside run.py that would hide the package of this name.
"""

import functools
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
from rich.table import Table
from timing import best, duration, once

from theory import NoiseModel, optimal_interactions, recovery, row_norms, zeta


def tables(quick: bool) -> list[Table]:
    return [transforms(quick), theorem_3(quick), many_variances(quick), memory(quick), rows(quick)]


def transforms(quick: bool) -> Table:
    table = Table(title="ζ-transform of one array of 2^n numbers")
    for heading in ["n", "dtype", "copy", "numba loop", "zeta", "zeta : copy", "loop : zeta"]:
        table.add_column(heading, justify="right")
    loop = compiled_loop()
    cases = [(10, "float64"), (16, "float64"), (20, "float64"), (20, "float32")]
    if not quick:
        cases += [(24, "float64"), (24, "float32")]
    for n, dtype in cases:
        values = np.random.default_rng(n).normal(size=2**n).astype(dtype)
        target, device = np.empty_like(values), jnp.asarray(values)
        repeats = 3 if n > 20 else 15
        copy = best(functools.partial(np.copyto, target, values), repeats)
        plain = best(functools.partial(loop, values, target), repeats) if loop else None
        ours = best(functools.partial(zeta, device), repeats)
        table.add_row(
            str(n),
            dtype,
            duration(copy),
            duration(plain) if plain else "numba missing",
            duration(ours),
            f"{ours / copy:.1f}",
            f"{plain / ours:.1f}" if plain else "",
        )
    return table


def compiled_loop():
    """The textbook butterfly in compiled code, one thread; None without numba."""
    try:
        import numba
    except ImportError:
        return None

    @numba.njit(fastmath=True)
    def loop(values, target):
        target[:] = values
        step = 1
        while step < target.size:
            for start in range(0, target.size, 2 * step):
                for i in range(start, start + step):
                    target[i + step] += target[i]
            step *= 2
        return 0

    return loop


def theorem_3(quick: bool) -> Table:
    table = Table(title="Theorem 3 at one σ²: closed form against numpy's dense solve")
    for heading in [
        "n",
        "dense solve",
        "optimal_interactions",
        "times faster",
        "largest difference",
    ]:
        table.add_column(heading, justify="right")
    for n in [8, 10] if quick else [8, 10, 12]:
        sets = np.arange(2**n)
        j = (sets[None, :] & ~sets[:, None] == 0).astype(float)
        gram = j.T @ j
        system = gram + np.diag(2.0**n * 0.01 * 2.0 ** np.bitwise_count(sets))
        true = np.random.default_rng(n).normal(size=2**n)
        target = gram @ true
        dense = best(functools.partial(np.linalg.solve, system, target), 2 if n == 12 else 5)
        ours = best(functools.partial(optimal_interactions, jnp.asarray(true), 0.01), 30)
        difference = np.linalg.solve(system, target) - optimal_interactions(true, 0.01)
        table.add_row(
            str(n),
            duration(dense),
            duration(ours),
            f"{dense / ours:,.0f}",
            f"{np.abs(difference).max():.0e}",
        )
    return table


def many_variances(quick: bool) -> Table:
    table = Table(title="64 values of σ²: the least they can cost is to write the result")
    for heading in ["n", "one σ²", "64 σ²", "times the cost", "a fill of the result"]:
        table.add_column(heading, justify="right")
    for n in [12] if quick else [12, 16]:
        true = jnp.asarray(np.random.default_rng(n).normal(size=2**n))
        variances = jnp.logspace(-6, 0, 64)
        one = best(functools.partial(optimal_interactions, true, 0.1), 30)
        many = best(functools.partial(optimal_interactions, true, variances), 15)
        fill = best(functools.partial(jnp.full, (64, 2**n), 0.1), 15)
        cells = [duration(one), duration(many), f"{many / one:.1f}", f"{fill / one:.1f}"]
        table.add_row(str(n), *cells)
    return table


MEASURE = """
import sys, jax, jax.numpy as jnp
from theory import optimal_interactions

def held(kind):  # VmRSS: now, VmHWM: at most; in bytes (Linux)
    return 1024 * int(open("/proc/self/status").read().split(kind)[1].split()[0])

n = int(sys.argv[1])
true = jnp.zeros(2**n, jnp.float32)
optimal_interactions(true[:2**12], 0.1).block_until_ready()
before = held("VmRSS:")
optimal_interactions(true, 0.1).block_until_ready()
print(1 + (held("VmHWM:") - before) / (4 * 2**n))
"""


def memory(quick: bool) -> Table:
    table = Table(title="Peak memory of optimal_interactions, float32")
    table.add_column("n", justify="right")
    table.add_column("arrays of 2^n, input and output included", justify="right")
    n = 22 if quick else 24
    if not sys.platform.startswith("linux"):
        table.add_row(str(n), "measured on Linux only")
        return table
    result = subprocess.run(
        [sys.executable, "-c", MEASURE, str(n)], capture_output=True, text=True, check=True
    )
    table.add_row(str(n), f"{float(result.stdout):.1f}")
    return table


def rows(quick: bool) -> Table:
    table = Table(title="Order-level functions at one σ²")
    for heading in ["function", "n", "first call", "warm"]:
        table.add_column(heading, justify="right")
    cases = [(row_norms, 48), (row_norms, 64), (recovery, 1000)]
    for function, n in cases[:1] if quick else cases:
        call = functools.partial(function, n, 0.01, NoiseModel(1.9))
        jax.clear_caches()
        table.add_row(function.__name__, str(n), duration(once(call)), duration(best(call)))
    return table

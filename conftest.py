"""Test-wide settings: 64-bit, no silent broadcasting across ranks, no window system."""

import importlib.util
import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import matplotlib as mpl

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")
mpl.use("Agg")

# Its examples need an extra that the tests do without.
collect_ignore = [] if importlib.util.find_spec("torch") else ["sim/measurement/torch_adapter.py"]

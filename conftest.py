"""Test-wide settings: 64-bit, no silent broadcasting across ranks, no window system."""

import importlib.util
import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import matplotlib as mpl

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")
mpl.use("Agg")

# Their examples need an extra that the tests do without; Keras's run in a test that sets it up.
collect_ignore = ["sim/measurement/keras_adapter.py"]
if not importlib.util.find_spec("torch"):
    collect_ignore += [f"sim/measurement/{name}_adapter.py" for name in ("torch", "huggingface")]

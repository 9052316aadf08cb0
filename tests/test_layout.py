"""Data flows one way: `sim` imports `theory`, never the reverse."""

import ast
import inspect
import re
from pathlib import Path

import pytest

import sim
import theory

ROOT = Path(__file__).parent.parent


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module


@pytest.mark.parametrize("path", sorted((ROOT / "theory").rglob("*.py")), ids=lambda p: p.name)
def test_theory_imports_neither_sim_nor_an_optimiser_nor_a_plot(path):
    allowed = {"__future__", "collections", "dataclasses", "functools", "jax", "math", "numpy"}
    allowed |= {"theory", "typing"}
    assert {name.split(".")[0] for name in imported(path)} <= allowed


@pytest.mark.parametrize("path", sorted((ROOT / "sim").rglob("*.py")), ids=lambda p: p.name)
def test_sim_uses_only_what_theory_offers(path):
    assert not [name for name in imported(path) if name.startswith("theory._")]


def test_no_module_changes_the_configuration_but_the_command_line():
    for path in sorted((ROOT / "theory").rglob("*.py")) + sorted((ROOT / "sim").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
        if path.parent.name != "cli":
            assert "jax.config.update" not in calls, path


def public(module):
    return {
        name: getattr(module, name) for name in module.__all__ if callable(getattr(module, name))
    }


@pytest.mark.parametrize("module", [theory, sim], ids=lambda module: module.__name__)
def test_help_lists_every_public_name(module):
    names = {
        name
        for name, item in vars(module).items()
        if not name.startswith("_") and not inspect.ismodule(item)
    }
    assert names == set(module.__all__)


@pytest.mark.parametrize(
    "item", [*public(theory).values(), *public(sim).values()], ids=lambda item: item.__name__
)
def test_every_public_name_says_how_it_is_used(item):
    """By an example that the tests run, or by naming the function that returns it and has one."""
    text = inspect.getdoc(item) or ""
    producer = re.search(r"Returned by `(\w+)`", text)
    if producer:
        module = theory if item.__module__.startswith("theory") else sim
        assert producer[1] in public(module)
    else:
        assert ">>> " in text

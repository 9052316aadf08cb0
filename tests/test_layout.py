"""Data flows one way: `sim` imports `theory`, never the reverse."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module


@pytest.mark.parametrize("path", sorted((ROOT / "theory").rglob("*.py")), ids=lambda p: p.name)
def test_theory_stands_alone(path):
    roots = {name.split(".")[0] for name in imported(path)}
    assert not roots & {"sim", "optax", "matplotlib", "equinox", "sklearn", "scipy"}


def test_no_module_changes_the_configuration_but_the_command_line():
    for path in sorted((ROOT / "theory").rglob("*.py")) + sorted((ROOT / "sim").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
        if path.parent.name != "cli":
            assert "jax.config.update" not in calls, path

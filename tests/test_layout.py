"""Data flows one way, from room to room, and a room is entered by its face."""

import ast
import graphlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sim
import theory

ROOT = Path(__file__).parent.parent
PATHS = sorted((ROOT / "theory").rglob("*.py")) + sorted((ROOT / "sim").rglob("*.py"))

# Each room imports only rooms before it. `simulation` stands before `fitting`, because fits of
# schedules and trajectories run its schedules forward.
ROOMS = {
    "theory": (
        *("checks", "sharded", "lattice", "noise", "_interactions", "_strength", "_fluctuation"),
        *("_learning", "_rows", "_sparse", "_recovery", "_violations", "_initial", "_relaxation"),
        "_superposition",
    ),
    "sim": (
        *("checks", "progress", "machine", "cores", "files", "unfinished"),
        *("processes", "measurement", "experiments"),
        *("extraction", "explanation", "strength", "simulation", "fitting", "dilution", "phases"),
        "monitor",
        *("generalization", "separation", "document", "figures", "report", "export", "cli"),
    ),
}


def dotted(path):
    """A file's name as a module; that of a package for its `__init__`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {dotted(path): path for path in PATHS}


def imports(path):
    """Pairs (module, name in it or None), also those for a type checker's eyes only."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"  # from sim import files
                yield (inner, None) if inner in MODULES else (node.module, alias.name)


def imported(path):
    return {module for module, _ in imports(path)}


def room(module):
    """The package's name, and that of the room in it; None for the package's own files."""
    package, inner, *_ = [*module.split("."), None]
    return package, None if inner == "__main__" else inner


def test_every_room_has_its_place_here_and_on_the_map():
    for package, rooms in ROOMS.items():
        found = [room(module)[1] for module in MODULES if room(module)[0] == package]
        assert set(found) - {None} == set(rooms)
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    lines = re.search(r"```text\n(.*?)```", text, flags=re.DOTALL)[1].splitlines()
    names = [line.split()[0] for line in lines]
    assert names == [name for package in ROOMS for name in (f"{package}/", *ROOMS[package])]


@pytest.mark.parametrize("module", MODULES)
def test_a_room_imports_only_rooms_before_it(module):
    package, here = room(module)
    if here is None:  # what a package offers comes from any of its rooms
        return
    for other in imported(MODULES[module]) & set(MODULES):
        whose, there = room(other)
        if whose == package:
            assert there is not None, f"{module} imports {package} itself"
            assert ROOMS[package].index(there) <= ROOMS[package].index(here), other


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("sim")])
def test_a_room_is_entered_by_its_face(module):
    """No module of another room but its `__init__`, and nothing private of it."""
    for other, name in imports(MODULES[module]):
        if other in MODULES and room(other) != room(module):
            assert other.count(".") <= 1, f"{other} is inside {'.'.join(room(other))}"
            assert "._" not in other, other
            assert name is None or not name.startswith("_"), f"{name} of {other}"


def test_no_circle_of_imports():
    graph = {name: imported(path) & set(MODULES) for name, path in MODULES.items()}
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError


@pytest.mark.parametrize("package", [theory, sim], ids=lambda package: package.__name__)
def test_no_room_has_the_name_of_something_public(package):
    """`import sim.simulate` would give the function of that name."""
    assert not set(ROOMS[package.__name__]) & set(package.__all__)


@pytest.mark.parametrize("path", sorted((ROOT / "theory").rglob("*.py")), ids=lambda p: p.name)
def test_theory_imports_neither_sim_nor_an_optimiser_nor_a_plot(path):
    allowed = {"__future__", "collections", "dataclasses", "functools", "jax", "math", "numpy"}
    allowed |= {"theory", "typing"}
    assert {name.split(".")[0] for name in imported(path)} <= allowed


def test_no_module_changes_the_configuration_but_the_command_line():
    for path in PATHS:
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
        for name in dir(module)
        if not name.startswith("_") and not inspect.ismodule(getattr(module, name))
    }
    assert names == set(module.__all__)


def test_a_type_checker_sees_the_public_names_that_are_imported_when_asked_for():
    """From the rooms that they come from, and no others."""
    seen = {(name, module) for module, name in imports(ROOT / "sim" / "__init__.py") if name}
    assert seen == {(name, f"sim.{room}") for name, room in sim._ROOMS.items()}
    assert all(module in MODULES for _, module in seen)


def test_a_public_name_is_imported_when_asked_for():
    """The rooms themselves too; what there is not is said to be missing, as of any module."""
    program = (
        "import sys, sim; assert 'jax' not in sys.modules; "
        "from sim import Measurement; import pickle; "
        "assert pickle.loads(pickle.dumps(Measurement)) is sim.Measurement; "
        "sim.figures.two_phases; from sim import *; simulate; from sim import checks; "
        "assert not hasattr(sim, 'nothing') and not hasattr(sim, '_nothing')"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


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

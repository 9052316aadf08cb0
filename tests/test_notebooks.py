"""Notebooks are tidy as committed, and run from top to bottom (`make notebooks`)."""

import ast
import inspect
import json
import pathlib
import re

import pytest

import sim
import sim.experiments
import sim.figures
import theory

FOLDER = pathlib.Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def face(module):
    """The names in a package that are neither private nor modules of it."""
    return {
        name
        for name, item in vars(module).items()
        if not name.startswith("_") and not inspect.ismodule(item)
    }


PUBLIC = {  # what notebooks/README.md says
    "sim": {*sim.__all__, "experiments", "figures"},
    "theory": set(theory.__all__),
    "sim.experiments": face(sim.experiments),
    "sim.figures": face(sim.figures),
}


def code_cells(path):
    return [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]


def test_there_are_notebooks():
    assert NOTEBOOKS


@every_notebook
def test_opens_with_the_question_it_answers(path):
    first = json.loads(path.read_text())["cells"][0]
    assert first["cell_type"] == "markdown"
    text = "".join(first["source"])
    assert text.startswith("# ")
    assert "?" in text


@every_notebook
def test_is_short_and_small(path):
    lines = "\n".join("".join(cell["source"]) for cell in code_cells(path)).splitlines()
    assert len([line for line in lines if line.strip()]) <= 60
    assert path.stat().st_size < 1_000_000


@every_notebook
def test_is_committed_as_executed_without_errors(path):
    cells = code_cells(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    for output in outputs:
        assert output["output_type"] != "error"
        assert output.get("name") != "stderr"


@every_notebook
def test_tells_nothing_of_the_machine(path):
    text = path.read_text()
    assert not re.search(r"(?:^|[\"'\s])/(?:home|root|tmp|work|usr|Users|mnt|opt)/", text)


@every_notebook
def test_imports_public_names_only(path):
    nodes = list(ast.walk(ast.parse("\n".join("".join(c["source"]) for c in code_cells(path)))))
    whole = {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names}
    used = [(module, None) for module in whole]
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            used += [(node.module, alias.name) for alias in node.names]
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in whole:
            used.append((ast.unparse(node.value), node.attr))
    for module, name in used:
        if module.split(".")[0] in ("sim", "theory"):
            assert module in PUBLIC, f"{module} is not public"
            assert name is None or name in PUBLIC[module], f"{module} does not offer {name}"


def test_the_index_names_cells_that_draw():
    """The index of the papers' figures points at code cells, counted from 1."""
    index = (FOLDER / "README.md").read_text()
    named = re.findall(r"`(\w+)` cells? (\d+)((?:(?:, | and )\d+)*)", index)
    assert len(named) >= 10
    for notebook, first, more in named:
        cells = code_cells(FOLDER / f"{notebook}.ipynb")
        for number in [int(first), *map(int, re.findall(r"\d+", more))]:
            drawn = [o for o in cells[number - 1]["outputs"] if "image/png" in o.get("data", {})]
            assert drawn, f"{notebook} cell {number}"


@pytest.mark.notebook
@every_notebook
def test_runs(path):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(FOLDER)}}
    )
    client.execute()

"""Notebooks are tidy as committed, and run from top to bottom (`make notebooks`)."""

import json
import pathlib
import re

import pytest

FOLDER = pathlib.Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


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
def test_tells_nothing_of_the_machine_and_imports_public_names_only(path):
    text = path.read_text()
    assert not re.search(r"(?:^|[\"'\s])/(?:home|root|tmp|work|usr|Users|mnt|opt)/", text)
    source = "\n".join("".join(cell["source"]) for cell in code_cells(path))
    assert not re.search(r"\b(?:theory|sim)(?:\.\w+)*\._\w", source)


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

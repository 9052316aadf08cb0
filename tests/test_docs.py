"""The documentation's code runs and prints what it says, and its checks find what is broken."""

import contextlib
import io
import json
import re
import shutil
import sys
from pathlib import Path

import pytest
import typer

from sim.cli import app

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").rglob("*.md"))
NEEDS = {"pytorch": ["torch"], "scikit-learn": ["sklearn"], "tutorial": ["sklearn"]}
NEEDS["own-data"] = ["equinox"]
NEEDS["huggingface"] = NEEDS["checkpoints"] = ["torch", "transformers"]
DEAR = ("checkpoints", "huggingface", "jax", "many-machines", "monitoring", "scikit-learn")
DEAR += ("tutorial",)


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), flags=re.DOTALL)


def run(page, folder, monkeypatch):
    for package in NEEDS.get(page.stem, []):
        pytest.importorskip(package)
    monkeypatch.chdir(folder)
    out, names = io.StringIO(), {}
    with contextlib.redirect_stdout(out):
        for block in blocks(page, "python"):
            exec(block, names)
    assert out.getvalue() == "".join(blocks(page, "text"))


@pytest.mark.parametrize("page", [p for p in PAGES if p.stem not in DEAR], ids=lambda p: p.stem)
def test_a_page_prints_what_it_shows(page, tmp_path, monkeypatch):
    run(page, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in PAGES if p.stem in DEAR], ids=lambda p: p.stem)
def test_a_dear_page_prints_what_it_shows(page, tmp_path, monkeypatch):
    run(page, tmp_path, monkeypatch)


def test_pages_name_commands_options_and_targets_that_exist():
    texts = "\n".join(page.read_text("utf-8") for page in PAGES)
    group = typer.main.get_command(app)
    context = typer.Context(group)
    calls = re.findall(r"\binterdyn (\w+)((?: --[a-z-]+| [\w./]+)*)", texts)
    assert len(calls) > 5
    for name, rest in calls:
        command = group.resolve_command(context, [name])[1]
        options = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= options, (name, rest)
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"^make ([a-z-]+)", texts, flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


@pytest.fixture
def site(monkeypatch):
    """The module docs/site.py, which is no package of its own and has a name that Python uses."""
    pytest.importorskip("mkdocs")
    pytest.importorskip("latex2mathml")
    import importlib.util

    spec = importlib.util.spec_from_file_location("docs_site", ROOT / "docs/site.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "docs_site", module)
    spec.loader.exec_module(module)
    return module


GOOD = '<a href="b.html#there">b</a> <a href="https://example.org">out</a> <p id="sim.f"></p>'
BROKEN = {
    '<a href="c.html">c</a>': "c.html, which is not there",
    '<a href="b.html#gone">b</a>': "b.html#gone, which has no such anchor",
    '<a href="#gone">here</a>': "#gone, which has no such anchor",
    '<img src="c.png">': "c.png, which is not there",
    '<script src="https://example.org/x.js"></script>': "loads https://example.org/x.js",
    '<link rel="stylesheet" href="//example.org/x.css">': "loads //example.org/x.css",
    '<p id="sim.f"></p>': "sim.f stands in the reference 2 times",
}


@pytest.mark.parametrize("broken", BROKEN)
def test_faults_of_built_pages_are_found(site, broken, tmp_path):
    (tmp_path / "b.html").write_text('<h2 id="there"></h2>')
    (tmp_path / "a.html").write_text(GOOD)
    assert list(site.faults(tmp_path, ["sim.f"])) == []
    (tmp_path / "a.html").write_text(GOOD + broken)
    (fault,) = site.faults(tmp_path, ["sim.f"])
    assert BROKEN[broken] in fault


def test_a_font_from_the_network_and_a_missing_name_are_found(site, tmp_path):
    (tmp_path / "a.css").write_text('@font-face { src: url("https://example.org/x.woff") }')
    font, name = site.faults(tmp_path, ["sim.f"])
    assert font.startswith("a.css loads")
    assert name == "sim.f stands in the reference 0 times"


def test_formulas_become_mathml_and_unknown_commands_are_refused(site):
    page = '<span class="arithmatex">\\({}\\)</span>'.format
    assert "<msup>" in site.on_page_content(page("x^2"))
    with pytest.raises(site.PluginError, match="not known"):
        site.on_page_content(page(r"\nosuchcommand x"))


def test_a_notebook_shows_its_text_code_output_and_picture(site):
    text, pictures = site.notebook_text(ROOT / "notebooks/norm_ratios.ipynb")
    assert text.startswith("# Is Proposition 1")
    assert "````python\nimport" in text
    assert "````text\n" in text
    assert pictures
    assert all(f"({name})" in text and png[:4] == b"\x89PNG" for name, png in pictures.items())


def test_a_table_that_a_notebook_shows_is_a_table(site, tmp_path):
    data = {"text/plain": "<IPython.core.display.Markdown object>", "text/markdown": "| a |\n|---|"}
    outputs = [{"text": "printed"}, {"data": data}, {"text": "and more"}]
    cell = {"cell_type": "code", "source": "draw()", "outputs": outputs}
    (tmp_path / "one.ipynb").write_text(json.dumps({"cells": [cell]}), encoding="utf-8")
    text, _ = site.notebook_text(tmp_path / "one.ipynb")
    fenced = ["````text\nprinted\n````", "| a |\n|---|", "````text\nand more\n````"]
    assert text == "\n\n".join(["````python\ndraw()\n````", *fenced])


@pytest.mark.slow
def test_the_site_is_whole(tmp_path, monkeypatch):
    """`make docs`: links, anchors, names and docstrings, without the network."""
    build = pytest.importorskip("mkdocs.commands.build")
    from mkdocs.config import load_config

    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("NO_MKDOCS_2_WARNING", "1")
    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path / "site"))
    build.build(config)
    assert (tmp_path / "site/index.html").is_file()
    shutil.rmtree(tmp_path / "site")

"""What MkDocs does not do by itself: texts of the whole repository, notebooks, reference, checks.

A page keeps the path that its text has in the repository, so that a link holds in both places and
each sentence has one source. Notebooks are shown as they were executed. The reference is made of
the lists of public names and of the command line's own help.
"""

from __future__ import annotations

import base64
import html
import json
import re
import types
from collections import Counter
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import griffe
import typer
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from typer.cli import get_docs_for_click

import sim
import sim.experiments
import sim.figures
import theory
from sim.cli import app

ROOT = Path(__file__).parent.parent
TEXTS = (
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "sim/README.md", "theory/README.md"),
    *("tests/calibration/README.md", "docs/**/*.md", "docs/**/*.css"),
    *("notebooks/**/*.md", "notebooks/**/*.png", "notebooks/measurements/*.py"),
    "notebooks/measurements/*.sh",
)
NOTEBOOKS = "notebooks/*.ipynb"
REFERENCE = "docs/reference/{}.md"


def face_names(face: types.ModuleType) -> list[str]:
    """The public names of a face: those it lists, or else those it has imported."""
    listed = getattr(face, "__all__", None)
    if listed is None:
        rooms = types.ModuleType
        listed = [k for k, v in vars(face).items() if k[0] != "_" and not isinstance(v, rooms)]
    return sorted(listed)


def reference_pages() -> dict[str, list[str]]:
    """Full public names by page; a page has the name of the module that introduces it."""
    pages = {"theory": [f"theory.{name}" for name in face_names(theory)]}
    for room, names in sorted(sim._NAMES.items()):
        pages[f"sim.{room}"] = [f"sim.{name}" for name in sorted(names.split())]
    for face in (sim.experiments, sim.figures):
        pages.setdefault(face.__name__, []).extend(
            f"{face.__name__}.{name}" for name in face_names(face)
        )
    return pages


def undocumented(names: Iterable[str]) -> list[str]:
    """Those of the names, and of the methods of classes among them, that no docstring explains."""
    loader = griffe.GriffeLoader(search_paths=[ROOT])
    for package in ("theory", "sim"):
        loader.load(package)
    loader.resolve_aliases()
    silent = []
    for name in names:
        found = loader.modules_collection[name]
        if not found.has_docstring:
            silent.append(name)
        if found.is_class:
            silent += [
                f"{name}.{member}"
                for member, value in found.members.items()
                if member[0] != "_" and value.is_function and not value.has_docstring
            ]
    return silent


# Files


class Notebook(File):
    """A notebook as a page of text."""

    def is_documentation_page(self) -> bool:
        """Yes, though its name does not end in .md."""
        return True


def notebook_text(path: Path) -> tuple[str, dict[str, bytes]]:
    """An executed notebook as Markdown, and its pictures by name."""
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(_fenced(source, "python"))
        printed = ""
        for output in cell["outputs"]:
            data = output.get("data", {})
            if not {"image/png", "text/markdown"} & data.keys():
                printed += "".join(output.get("text") or data.get("text/plain", ""))
                continue
            parts += [_fenced(printed, "text")] if printed else []
            printed = ""
            if "text/markdown" in data:  # a table
                parts.append("".join(data["text/markdown"]))
                continue
            name = f"{path.stem}_{len(pictures) + 1}.png"
            pictures[name] = base64.b64decode("".join(data["image/png"]))
            parts.append(f"![Figure {len(pictures)} of this notebook]({name})")
        parts += [_fenced(printed, "text")] if printed else []
    return "\n\n".join(parts), pictures


def _fenced(text: str, language: str) -> str:
    return f"````{language}\n{text.rstrip()}\n````"


def command_line_text() -> str:
    """The help of `interdyn` and of each of its commands, as Markdown."""
    group: Any = typer.main.get_command(app)
    context = typer.Context(group, info_name="interdyn")
    whole = get_docs_for_click(obj=group, ctx=context, name="interdyn")
    parts = [whole.split("\n## ")[0].replace("# `interdyn`", "# Command line", 1)]
    parts[0] = parts[0].split("**Commands**")[0]
    for name in group.list_commands(context):
        command = group.resolve_command(context, [name])[1]
        own = typer.Context(command, info_name=name, parent=context)
        parts.append(get_docs_for_click(obj=command, ctx=own, indent=1, call_prefix="interdyn"))
    return "\n".join(parts)


def reference_text(page: str, names: Iterable[str]) -> str:
    """One page of the reference: what its module says of itself, and its public names."""
    intro = ["members: false", "show_root_heading: false", "show_root_toc_entry: false"]
    head = [f"# {page}", "", f"::: {page}", "    options:", *(f"      {line}" for line in intro)]
    return "\n".join([*head, *(f"\n::: {name}" for name in names)])


def on_config(config: MkDocsConfig) -> None:
    """Puts all notebooks, in the order of their list, and all rooms into the navigation."""
    parts = {title: pages for part in config.nav for title, pages in part.items()}
    listed = re.findall(r"\]\((\w+)\.ipynb\)", (ROOT / "notebooks/README.md").read_text("utf-8"))
    stems = [path.stem for path in sorted(ROOT.glob(NOTEBOOKS))]
    stems.sort(key=lambda stem: listed.index(stem) if stem in listed else len(listed))
    parts["Notebooks"] += [
        {stem.replace("_", " ").capitalize(): f"notebooks/{stem}.ipynb"} for stem in stems
    ]
    parts["Reference"] += [{page: REFERENCE.format(page)} for page in reference_pages()]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replaces the folder docs/ by texts of the whole repository."""
    for file in list(files):
        if file.src_dir == config.docs_dir:
            files.remove(file)
    for path in sorted({path for pattern in TEXTS for path in ROOT.glob(pattern)}):
        name = path.relative_to(ROOT).as_posix()
        files.append(File(name, str(ROOT), config.site_dir, config.use_directory_urls))
    for path in sorted(ROOT.glob(NOTEBOOKS)):
        text, pictures = notebook_text(path)
        name = path.relative_to(ROOT).as_posix()
        files.append(Notebook.generated(config, name, content=text))
        for picture, content in pictures.items():
            files.append(File.generated(config, f"notebooks/{picture}", content=content))
    pages = {REFERENCE.format("interdyn"): command_line_text()}
    pages |= {REFERENCE.format(p): reference_text(p, n) for p, n in reference_pages().items()}
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


# Formulas


def on_page_content(content: str, **_: Any) -> str:
    """LaTeX as MathML, which browsers show without a script."""
    formula = r'<(span|div) class="arithmatex">\s*\\[(\[](.*?)\\[)\]]\s*</\1>'
    return re.sub(formula, _mathml, content, flags=re.DOTALL)


def _mathml(found: re.Match[str]) -> str:
    latex, display = html.unescape(found[2]), "inline" if found[1] == "span" else "block"
    known = re.sub(r"\\mathbb (\w)", r"\\mathbb{\1}", latex.replace(r"\arg", r"\operatorname{arg}"))
    mathml = convert(known, display=display)
    if "\\" in mathml:  # the converter leaves what it does not know as it is
        raise PluginError(f"The formula {latex} has a command that is not known.")
    return mathml if display == "inline" else f'<div class="formula">{mathml}</div>'


# Checks


class Links(HTMLParser):
    """Everything in a page that other pages can point at, and everything that it points at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes an element's identifier and addresses."""
        for name, value in attrs:
            if name == "id" and value:
                self.ids.append(value)
            if name in ("href", "src") and value is not None:
                self.links.append((tag, value))


def faults(site: Path, names: Iterable[str]) -> Iterator[str]:
    """What is wrong with the built pages, one line each.

    A link or anchor that leads nowhere, a script, style, picture or font from the network, and a
    public name that does not stand in the reference exactly once.
    """
    pages = {path: Links(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    for path, page in pages.items():
        for tag, link in page.links:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https") or parts.netloc:
                if tag != "a":
                    yield f"{path.relative_to(site)} loads {link}"
                continue
            if parts.scheme:
                continue
            start = site if parts.path.startswith("/") else path.parent
            target = (start / unquote(parts.path).lstrip("/")).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                yield f"{path.relative_to(site)} points at {link}, which is not there"
                continue
            known = pages[target].ids if target in pages else []
            if parts.fragment and unquote(parts.fragment) not in known:
                yield f"{path.relative_to(site)} points at {link}, which has no such anchor"
    for path in site.rglob("*.css"):
        for address in re.findall(r"url\(\s*[\"']?(https?:|//)", path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(site)} loads {address}"
    places = Counter(name for page in pages.values() for name in page.ids)
    for name in names:
        if places[name] != 1:
            yield f"{name} stands in the reference {places[name]} times"


def on_post_build(config: MkDocsConfig) -> None:
    """Fails where the pages have a fault or a public name is not explained."""
    names = [name for group in reference_pages().values() for name in group]
    found = [*faults(Path(config.site_dir).resolve(), names)]
    found += [f"{name} has no docstring" for name in undocumented(names)]
    if found:
        raise PluginError("\n".join(found))

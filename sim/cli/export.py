"""Results as tables for other programs."""

from __future__ import annotations

from sim.cli._console import AsJson, Folder, InteractionsFile, Overwrite, finish
from sim.cli._folder import results
from sim.export import write_strengths
from sim.extraction import load_interactions

STRENGTHS = "strengths.csv"


def export(
    source: InteractionsFile,
    folder: Folder = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write the strength of every order at every checkpoint as a CSV table."""
    path = (folder or source.parent) / STRENGTHS
    with results([path], overwrite):
        write_strengths(load_interactions(source), path)
    finish(as_json, {"strengths": str(path)}, f"Strengths by order: {path}", None)

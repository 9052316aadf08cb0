"""Prints the tables of every benchmark: `make bench`, or `python tests/benchmarks/run.py --quick`.

Figures are written into a folder, runs/bench. Timings depend on the machine: what counts are the
ratios, taken within one run, of minima over repeats.
"""

import argparse
import importlib
import pathlib
import sys

import jax
from rich.console import Console

from sim.figures.style import save_figure

HERE = pathlib.Path(__file__).parent


def main() -> None:
    names = sorted(path.stem for path in HERE.glob("*.py") if path.stem not in ("run", "timing"))
    parser = argparse.ArgumentParser(description="Print the benchmark tables.")
    parser.add_argument("subjects", nargs="*", help=f"some of: {', '.join(names)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, fewer repeats")
    parser.add_argument(
        "--out", default="runs/bench", help="folder for figures (default: %(default)s)"
    )
    options = parser.parse_args()
    unknown = set(options.subjects) - set(names)
    if unknown:
        parser.error(f"unknown subjects: {', '.join(sorted(unknown))}; known: {', '.join(names)}")
    jax.config.update("jax_enable_x64", True)
    console = Console(width=None if sys.stdout.isatty() else 110)
    for name in options.subjects or names:
        subject = importlib.import_module(name)
        for table in subject.tables(options.quick):
            console.print(table)
        if hasattr(subject, "figures"):
            for title, figure in subject.figures(options.quick).items():
                console.print(*map(str, save_figure(figure, options.out, title)))


if __name__ == "__main__":
    main()

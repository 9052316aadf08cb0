"""Measures every probability that the package prints, and writes them to one table.

`make calibrate`, or `python tests/calibration/calibrate.py --runs 400`.
"""

from __future__ import annotations

import argparse
import pathlib
import sys

import fits
import jax
import phases
from rates import Section

HERE = pathlib.Path(__file__).parent
TABLE = HERE / "README.md"
HEAD = """# What was measured of every probability that the package prints

Written by `make calibrate`, with --runs {runs}; a smaller version runs with `make test-slow` and
fails where a promise is broken by more than 2 % and three standard errors, at one rate or over a
row or a table together. Random numbers are seeded: the same version gives the same table.

"""


def sections(runs: int) -> list[Section]:
    """All tables, each rate from so many runs (those of whole fits from half as many)."""
    half = max(runs // 2, 1)
    return [
        *phases.false_alarms(runs),
        phases.false_trends(runs),
        phases.false_alarms_of_inputs(runs),
        *phases.power_and_coverage(runs),
        phases.coverage_over_runs(runs),
        phases.called_throughout(runs),
        phases.losses(runs),
        *phases.looks(half),
        fits.over_inputs(half),
        fits.over_runs(half),
        fits.through_the_extraction(max(runs // 8, 1)),
        *fits.of_profiles(max(half // 2, 1)),
        fits.noise_of_the_last(half),
        fits.of_retention(runs),
        fits.verdict_errors(4 * runs),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure every probability that is printed.")
    parser.add_argument("--runs", type=int, default=400, help="runs behind each rate")
    parser.add_argument("--out", type=pathlib.Path, default=TABLE, help="the table's file")
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    found = sections(options.runs)
    text = (
        HEAD.format(runs=options.runs) + "\n\n".join(section.markdown() for section in found) + "\n"
    )
    options.out.write_text(text, encoding="utf-8")
    broken = [line for section in found for line in section.broken()]
    print(text)
    sys.exit("Broken promises:\n" + "\n".join(broken) if broken else 0)


if __name__ == "__main__":
    main()

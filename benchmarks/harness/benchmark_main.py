"""The command line that all benchmarks share: ``--quick``, and one JSON object as the last line of the output."""

from __future__ import annotations

import json
import math
import shutil
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

Measure = Callable[[Namespace], Mapping[str, float]]
"""Measures with the given options, prints tables, and returns the figures."""


def benchmark_main(
    measure: Measure,
    *,
    description: str | None,
    quick: str,
    needs_data: bool = True,
    add_options: Callable[[ArgumentParser], object] | None = None,
) -> Mapping[str, float]:
    """Parse the command line, measure, print the figures as JSON, and return them.

    Args:
        measure: returns the figures by name.
        description: the help text, which is the docstring of the script.
        quick: what ``--quick`` does; a quick run takes less than a minute on an idle machine.
        needs_data: whether to exit if there is no folder of real data.
        add_options: adds further options to the parser.
    """
    parser = ArgumentParser(description=description, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=quick)
    if add_options:
        add_options(parser)
    options = parser.parse_args()
    if needs_data:
        from benchmarks.harness.real_data import require_data  # imports the pipeline, which GPU machines may lack

        require_data()
    figures = measure(options)
    print(figures_json(figures))
    return figures


def figures_json(figures: Mapping[str, float]) -> str:
    """Return the figures as one line of JSON: whole numbers as they are, others with four significant digits.

    Figures that are not finite are left out, since JSON has no such numbers.
    """
    finite = {name: value for name, value in figures.items() if math.isfinite(value)}
    return json.dumps({name: v if isinstance(v, int) else float(f"{v:.4g}") for name, v in finite.items()})


def empty_work_folder(name: str) -> Path:
    """Create an empty folder for the files of a benchmark, ``work/bench/<name>`` of the repository."""
    folder = REPOSITORY / "work" / "bench" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder

"""Run a benchmark by its name, in whichever folder it is: ``python -m benchmarks NAME [OPTIONS]``.

Without a name, list all benchmarks.
"""

from __future__ import annotations

import ast
import sys
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

FOLDERS = ("speed", "quality", "peers", "robustness")


class Benchmark(NamedTuple):
    """A script in one of ``FOLDERS``."""

    name: str
    folder: str
    path: Path

    @property
    def module(self) -> str:
        return f"benchmarks.{self.folder}.{self.name}"

    @property
    def summary(self) -> str:
        """The first sentence of the script's docstring."""
        docstring = ast.get_docstring(ast.parse(self.path.read_text(encoding="utf-8"))) or ""
        return docstring.partition("\n")[0]


def find_benchmarks() -> dict[str, Benchmark]:
    """Return all benchmarks by name. Raises ValueError if two folders hold scripts of the same name."""
    benchmarks: dict[str, Benchmark] = {}
    for folder in FOLDERS:
        for path in sorted(Path(__file__).with_name(folder).glob("*.py")):
            name = path.stem
            if name == "__init__":
                continue
            if name in benchmarks:
                raise ValueError(f"two benchmarks are called {name}: in {benchmarks[name].folder}/ and in {folder}/")
            benchmarks[name] = Benchmark(name, folder, path)
    return benchmarks


def main(arguments: list[str]) -> int:
    """Run the benchmark that ``arguments`` name, with its options; return the exit status."""
    benchmarks = find_benchmarks()
    if not arguments:
        for benchmark in benchmarks.values():
            print(f"{benchmark.name:<17}{benchmark.folder:<12}{benchmark.summary}")
        return 0
    name, *options = arguments
    if name not in benchmarks:
        print(f"no benchmark {name!r}; the benchmarks are {', '.join(benchmarks)}", file=sys.stderr)
        return 2
    sys.argv = [f"python -m benchmarks {name}", *options]
    status: int | None = import_module(benchmarks[name].module).main()
    return status or 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

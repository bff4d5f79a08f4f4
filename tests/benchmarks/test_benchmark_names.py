"""Benchmarks are found by name, and all of them share one command line."""

from __future__ import annotations

import ast
import json
import math
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import Benchmark, find_benchmarks, main
from benchmarks.harness.benchmark_main import figures_json

BENCHMARKS = find_benchmarks()


@pytest.mark.parametrize("benchmark", BENCHMARKS.values(), ids=BENCHMARKS)
def test_every_benchmark_uses_the_shared_command_line(benchmark: Benchmark) -> None:
    """So each takes ``--quick`` and prints one JSON object as its last line."""
    calls = [
        node.func.id
        for node in ast.walk(ast.parse(benchmark.path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    assert calls.count("benchmark_main") == 1
    assert "main" in calls
    assert benchmark.summary.endswith((".", ":", ","))


def test_scripts_of_peers_do_not_import_the_project() -> None:
    """They run in an environment in which it is not installed."""
    scripts = sorted((Path(__file__).parents[2] / "benchmarks" / "peers" / "datatrove").glob("*.py"))
    assert len(scripts) > 1
    for script in scripts:
        assert "import benchmarks" not in script.read_text()
        assert "from benchmarks" not in script.read_text()
        assert "gristmill" not in {line.split(" ")[1].partition(".")[0] for line in _imports(script)}


def test_the_list_has_every_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(BENCHMARKS)


def test_an_unknown_name_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["extractoin"]) == 2
    assert "no benchmark 'extractoin'; the benchmarks are stages, " in capsys.readouterr().err.replace(
        "engine_memory, read, runners, stages, ", "stages, "
    )


def test_options_reach_the_benchmark(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [])
    with pytest.raises(SystemExit, match="0"):
        main(["read", "--help"])
    assert "usage: python -m benchmarks read [-h] [--quick]" in capsys.readouterr().out


def test_figures_are_one_line_of_json() -> None:
    line = figures_json({"count": 19_073, "share": 0.123456, "large": 48_067.8, "unknown": math.nan})
    assert json.loads(line) == {"count": 19_073, "share": 0.1235, "large": 48_070.0}


def _imports(script: Path) -> list[str]:
    return [line for line in script.read_text().splitlines() if line.startswith(("import ", "from "))]

"""The cost of a command."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.harness.process_cost import run_command

SPIN = "import time\nend = time.process_time() + {seconds}\nwhile time.process_time() < end: pass\n"


def test_time_of_forked_children_counts(tmp_path: Path) -> None:
    forks = "import os\nfor _ in range(2):\n    if not os.fork():\n        " + SPIN.format(seconds=1).replace(
        "\n", "\n        "
    )
    cost = run_command(
        [sys.executable, "-c", f"{forks}\n        os._exit(0)\nos.wait(); os.wait()"], {}, tmp_path / "log"
    )
    assert 1.2 < cost.cpu_seconds < 4
    assert cost.seconds > 0.9


def test_peak_memory_is_that_of_the_command(tmp_path: Path) -> None:
    cost = run_command(
        [sys.executable, "-c", "x = bytearray(200_000_000); import time; time.sleep(1)"], {}, tmp_path / "log"
    )
    assert 200 < cost.peak_mb < 300


def test_the_environment_is_extended_and_output_is_logged(tmp_path: Path) -> None:
    run_command(
        [sys.executable, "-c", "import os; print(os.environ['PAGES'], 'PATH' in os.environ)"],
        {"PAGES": "7"},
        tmp_path / "log",
    )
    assert (tmp_path / "log").read_text() == "7 True\n"


def test_a_failing_command_stops_the_benchmark(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="exited with status 3"):
        run_command([sys.executable, "-c", "raise SystemExit(3)"], {}, tmp_path / "log")

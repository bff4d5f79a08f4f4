"""Same input, same bytes: with one worker, with two workers, and killed with SIGKILL in every stage and resumed.

Runs a recipe three times into fresh work directories and compares the sha256 of every manifest (that of ``train`` holds
the hash of the metrics, so equal manifests mean equal losses). The third run is killed in the middle of each stage in
turn, after half the time that the stage took before, and started again.

    python -m benchmarks promises [RECIPE] --work DIR [--until STAGE]
    python -m benchmarks promises --quick            # the bundled sample, up to the verdicts
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness.benchmark_main import benchmark_main
from gristmill.pipelines.sample.build import build
from gristmill.pipelines.work_directory import current, read_ledger

STAGES = ("extract", "signals", "judge", "signatures", "dedup", "refine", "tokenizer", "tokenize", "mix", "train")
MIN_SECONDS = 1.0
"""The first stage is killed no earlier than this, since the process has to start."""


class CompletedRun(NamedTuple):
    """A completed run: hashes of the manifests, and the seconds after the start at which each stage was complete."""

    manifests: dict[str, str]
    completed_at: dict[str, float]


def main() -> int:
    """Return 1 if the bytes differ."""
    figures = benchmark_main(
        measure,
        description=__doc__,
        quick="the bundled sample, up to the verdicts",
        needs_data=False,
        add_options=_add_options,
    )
    return 0 if figures["equal"] else 1


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("recipe", nargs="?", help="a recipe; default: that of the bundled sample")
    parser.add_argument("--work", type=Path, help="folder for the three work directories; default: a temporary one")
    parser.add_argument("--until", choices=STAGES, default="train", help="the last stage; default: train")


def measure(options: Namespace) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="gristmill-promises-") as folder:
        base = options.work or Path(folder)
        until = "judge" if options.quick else options.until
        recipe = options.recipe
        if options.quick or not recipe:
            build(base / "input")
            recipe = str(base / "input" / "recipe.yaml")
        return compare(recipe, base, STAGES[: STAGES.index(until) + 1])


def compare(recipe: str, base: Path, stages: tuple[str, ...]) -> dict[str, float]:
    """Run with two workers, with one, and with kills; print a table and return the figures."""
    two = run_to_end(recipe, base / "two-workers", stages, 2)
    one = run_to_end(recipe, base / "one-worker", stages, 1)
    killed_in = kill_in_every_stage(recipe, base / "killed", stages, two.completed_at)
    resumed = run_to_end(recipe, base / "killed", stages, 2)
    print(f"{'stage':<11}{'two workers':<18}{'one worker':<18}{'killed, resumed':<18}times killed in it")
    for stage in stages:
        hashes = [run.manifests[stage][:16] for run in (two, one, resumed)]
        print(f"{stage:<11}" + "".join(f"{h:<18}" for h in hashes) + f"{killed_in.count(stage)}")
    equal = two.manifests == one.manifests == resumed.manifests
    print("all manifests are equal" if equal else "MANIFESTS DIFFER")
    works = ("two-workers", "one-worker", "killed")
    return {
        "equal": int(equal),
        "balanced": int(all(read_ledger(str(base / work))["balanced"] for work in works)),
        "stages": len(stages),
        "kills": len(killed_in),
        "stages_killed_in": len(set(killed_in)),
        "two_workers_s": round(max(two.completed_at.values()), 1),
        "one_worker_s": round(max(one.completed_at.values()), 1),
    }


def run_to_end(recipe: str, work: Path, stages: tuple[str, ...], workers: int) -> CompletedRun:
    """Run to the end and record when each stage was complete."""
    start = time.monotonic()
    completed_at: dict[str, float] = {}
    process = start_run(recipe, work, stages, workers)
    while process.poll() is None:
        for stage in completed_stages(work):
            completed_at.setdefault(stage, time.monotonic() - start)
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"the run into {work} failed with status {process.returncode}")
    for stage in completed_stages(work):
        completed_at.setdefault(stage, time.monotonic() - start)
    manifests = {s: sha256(Path(d.manifest_url).read_bytes()).hexdigest() for s, d in current(str(work)).items()}
    return CompletedRun(manifests, completed_at)


def kill_in_every_stage(recipe: str, work: Path, stages: tuple[str, ...], completed_at: dict[str, float]) -> list[str]:
    """Kill a run in the middle of each stage; return the stages in which it was actually killed."""
    killed_in = []
    start_of_stage = 0.0
    for stage in stages:
        half = (completed_at[stage] - start_of_stage) / 2
        start_of_stage = completed_at[stage]
        process = start_run(recipe, work, stages, 2)
        earlier = stages[: stages.index(stage)]
        while process.poll() is None and not set(earlier) <= set(completed_stages(work)):
            time.sleep(0.02)
        time.sleep(half if earlier else max(half, MIN_SECONDS))
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            completed = completed_stages(work)
            killed_in.append(next(name for name in stages if name not in completed))
            print(f"killed in {killed_in[-1]}", flush=True)
    return killed_in


def start_run(recipe: str, work: Path, stages: tuple[str, ...], workers: int) -> subprocess.Popen[bytes]:
    """Start a run as a user does. An earlier ledger is removed first, so that the ledger shows this run's progress."""
    (work / "ledger.json").unlink(missing_ok=True)
    command = [sys.executable, "-m", "gristmill.pipelines.cli.main", "run", recipe, "--work", str(work)]
    command += ["--workers", str(workers), "--until", stages[-1], "--env", "GRISTMILL_DATA", "--env", "GRISTMILL_CODE"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def completed_stages(work: Path) -> list[str]:
    """Return the stages in the ledger of the current run."""
    try:
        return [row["stage"] for row in json.loads((work / "ledger.json").read_bytes())["stages"]]
    except FileNotFoundError:
        return []


if __name__ == "__main__":
    sys.exit(main())

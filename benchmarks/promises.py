"""Same input, same bytes: one worker, two workers, and killed with SIGKILL in every stage and resumed.

Runs a recipe three times into fresh work directories and compares the sha256 of every manifest (of ``train`` too: it
holds the hash of the metrics, so equal manifests mean equal losses). The third run is killed in the middle of each
stage in turn, at half the time that the stage took before, and started again.

    python benchmarks/promises.py RECIPE --work DIR [--until STAGE]
    python benchmarks/promises.py --quick            # the bundled sample, up to the verdicts
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from gristmill.pipelines.sample.build import build
from gristmill.pipelines.work_directory import current, read_ledger

STAGES = ("extract", "signals", "judge", "signatures", "dedup", "refine", "tokenizer", "tokenize", "mix", "train")
START_SECONDS = 1.0


class Timed(NamedTuple):
    """A finished run: manifest hashes, and the seconds from start at which each stage was done."""

    manifests: dict[str, str]
    done_at: dict[str, float]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?")
    parser.add_argument("--work", type=Path, help="folder for the three work directories; default: a temporary one")
    parser.add_argument("--until", choices=STAGES, default="train")
    parser.add_argument("--quick", action="store_true", help="the bundled sample, up to the verdicts")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gristmill-promises-") as folder:
        base = arguments.work or Path(folder)
        until = "judge" if arguments.quick else arguments.until
        recipe = arguments.recipe
        if arguments.quick or not recipe:
            build(base / "input")
            recipe = str(base / "input" / "recipe.yaml")
        figures = compare(recipe, base, STAGES[: STAGES.index(until) + 1])
    print(json.dumps(figures))
    return 0 if figures["equal"] else 1


def compare(recipe: str, base: Path, stages: tuple[str, ...]) -> dict[str, float]:
    """Run, run again, kill and resume; prints a table, returns the figures."""
    two = finish(recipe, base / "two-workers", stages, 2)
    one = finish(recipe, base / "one-worker", stages, 1)
    killed_in = kill_everywhere(recipe, base / "killed", stages, two.done_at)
    killed = finish(recipe, base / "killed", stages, 2)
    print(f"{'stage':<11}{'two workers':<18}{'one worker':<18}{'killed, resumed':<18}times killed in it")
    for stage in stages:
        hashes = [run.manifests[stage][:16] for run in (two, one, killed)]
        print(f"{stage:<11}" + "".join(f"{h:<18}" for h in hashes) + f"{killed_in.count(stage)}")
    equal = two.manifests == one.manifests == killed.manifests
    print("every manifest equal" if equal else "MANIFESTS DIFFER")
    return {
        "equal": int(equal),
        "balanced": int(all(read_ledger(str(base / w))["balanced"] for w in ("two-workers", "one-worker", "killed"))),
        "stages": len(stages),
        "kills": len(killed_in),
        "stages_killed_in": len(set(killed_in)),
        "two_workers_s": round(max(two.done_at.values()), 1),
        "one_worker_s": round(max(one.done_at.values()), 1),
    }


def finish(recipe: str, work: Path, stages: tuple[str, ...], workers: int) -> Timed:
    """Run to the end, noting when each stage was done."""
    begun = time.monotonic()
    done_at: dict[str, float] = {}
    process = start(recipe, work, stages, workers)
    while process.poll() is None:
        for stage in stages_done(work):
            done_at.setdefault(stage, time.monotonic() - begun)
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"the run into {work} failed with status {process.returncode}")
    for stage in stages_done(work):
        done_at.setdefault(stage, time.monotonic() - begun)
    manifests = {s: sha256(Path(d.manifest_url).read_bytes()).hexdigest() for s, d in current(str(work)).items()}
    return Timed(manifests, done_at)


def kill_everywhere(recipe: str, work: Path, stages: tuple[str, ...], done_at: dict[str, float]) -> list[str]:
    """Kill a run in the middle of each stage; the stages in which it was really killed."""
    killed_in = []
    before = 0.0
    for stage in stages:
        half = (done_at[stage] - before) / 2
        before = done_at[stage]
        process = start(recipe, work, stages, 2)
        previous = stages[: stages.index(stage)]
        while process.poll() is None and not set(previous) <= set(stages_done(work)):
            time.sleep(0.02)
        time.sleep(half if previous else max(half, START_SECONDS))
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            left = [name for name in stages if name not in stages_done(work)]
            killed_in.append(left[0])
            print(f"killed in {left[0]}", flush=True)
    return killed_in


def start(recipe: str, work: Path, stages: tuple[str, ...], workers: int) -> subprocess.Popen[bytes]:
    """A run as a user starts it. The ledger is put aside first, so that it tells how far this run is."""
    (work / "ledger.json").unlink(missing_ok=True)
    command = ["run", recipe, "--work", str(work), "--workers", str(workers), "--until", stages[-1]]
    silent = subprocess.DEVNULL
    return subprocess.Popen(
        [sys.executable, "-m", "gristmill.pipelines.cli.main", *command], stdout=silent, stderr=silent
    )


def stages_done(work: Path) -> list[str]:
    """Stages in the ledger of the run that is under way."""
    try:
        return [row["stage"] for row in json.loads((work / "ledger.json").read_bytes())["stages"]]
    except FileNotFoundError:
        return []


if __name__ == "__main__":
    sys.exit(main())

"""Same input, same bytes on every runner: compares every manifest of every stage."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clusters.conftest import (
    RECIPES,
    STAGES,
    Cluster,
    Manifests,
    deploy_local,
    finish,
    manifests,
    require,
    start_run,
)
from tests.listeners import watch

pytestmark = pytest.mark.runners


def runner_options(runner: str, start_cluster: Callable[[str], Cluster]) -> list[str]:
    """Return what follows ``--runner``: on this machine with two workers, or on the shared cluster of an engine."""
    match runner:
        case "embedded":
            return ["embedded", "--workers", "2"]
        case "prism":
            require("go")
            return ["prism", "--workers", "2", "--option", f"location={deploy_local('part', 'prism').strip()}"]
        case _:
            return [start_cluster(runner).profile]


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("runner", ["embedded", "prism", "flink", "spark"])
def test_manifests_equal_those_of_the_embedded_runner(
    runner: str,
    recipe: str,
    recipes: Callable[[str], Path],
    reference: Callable[[str], Manifests],
    start_cluster: Callable[[str], Cluster],
    tmp_path: Path,
) -> None:
    expected = reference(recipe)
    assert set(expected) == set(STAGES)
    options = runner_options(runner, start_cluster)
    print(finish(start_run(recipes(recipe), tmp_path / "work", *options)))
    found = manifests(tmp_path / "work")
    for stage in STAGES:
        verdict = "equal" if found[stage] == expected[stage] else "DIFFERS"
        print(f"{recipe:<6}{runner:<10}{stage:<12}{found[stage][:32]}  {verdict}")
    assert found == expected


@pytest.mark.parametrize("runner", ["embedded", "prism", "flink", "spark"])
def test_every_port_is_on_loopback(
    runner: str, recipes: Callable[[str], Path], start_cluster: Callable[[str], Cluster], tmp_path: Path
) -> None:
    options = runner_options(runner, start_cluster)
    supervisor = []
    if runner in ("flink", "spark"):
        processes = json.loads((start_cluster(runner).folder / "processes.json").read_text())
        supervisor = [processes["supervisor"]]
    seen = watch(start_run(recipes("demo"), tmp_path, *options, until="extract"), 600, *supervisor)
    print(runner, len(seen), "listeners")
    assert bool(seen) == (runner != "embedded")  # whose workers connect to a Unix socket
    assert {each for each in seen if not each.is_loopback} == set()


@pytest.mark.parametrize("runner", ["flink", "spark"])
def test_an_error_on_a_worker_is_one_sentence(
    runner: str, recipes: Callable[[str], Path], start_cluster: Callable[[str], Cluster], tmp_path: Path
) -> None:
    recipe, cluster = recipes("demo"), start_cluster(runner)
    finish(start_run(recipe, tmp_path, "embedded", until="extract"))
    damaged = next(tmp_path.glob("extract-*/documents/*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:100])
    run = start_run(recipe, tmp_path, cluster.profile, until="signals")
    last_line = run.communicate()[1].splitlines()[-1]
    assert run.returncode == 1
    assert last_line.startswith(f"error: {damaged} is missing or damaged: delete it and ")

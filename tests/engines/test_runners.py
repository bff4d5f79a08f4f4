"""Same input, same bytes, whatever runs it: every manifest of every stage, on every engine that is here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engines.conftest import (
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

pytestmark = pytest.mark.runners


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("engine", ["embedded", "prism", "flink", "spark"])
def test_every_manifest_is_that_of_the_embedded_runner(
    engine: str,
    recipe: str,
    recipes: Callable[[str], Path],
    reference: Callable[[str], Manifests],
    start_cluster: Callable[[str], Cluster],
    tmp_path: Path,
) -> None:
    wanted = reference(recipe)
    assert set(wanted) == set(STAGES)
    match engine:
        case "embedded":
            options = ["embedded", "--workers", "2"]
        case "prism":
            require("go")
            options = ["prism", "--workers", "2", "--option", f"location={deploy_local('part', 'prism').strip()}"]
        case _:
            options = [start_cluster(engine).profile]
    print(finish(start_run(recipes(recipe), tmp_path / "work", *options)))
    found = manifests(tmp_path / "work")
    for stage in STAGES:
        verdict = "equal" if found[stage] == wanted[stage] else "DIFFERS"
        print(f"{recipe:<6}{engine:<10}{stage:<12}{found[stage][:32]}  {verdict}")
    assert found == wanted

"""Deduplication in rounds on every engine that is here: a pipeline after another, and the bytes of one place."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from gristmill.pipelines.mill import run
from gristmill.pipelines.runners.engine import Engine
from gristmill.pipelines.runners.open import open_engine
from gristmill.pipelines.runners.profile import load_profile
from gristmill.transforms.dedup.rounds import Limits
from tests.engines.conftest import Cluster, Manifests, deploy_local, manifests, require
from tests.pipelines.rounds import ONE_PLACE, ROUNDS, chained, limited

pytestmark = pytest.mark.runners


def _run(engine: Engine, folder: Path, work: Path, limits: Limits) -> Manifests:
    with engine, limited(limits):
        run(chained(folder), str(work), engine, "dedup", lambda step: nullcontext(), lambda done: None)
    return manifests(work)


@pytest.mark.parametrize("name", ["prism", "flink", "spark"])
def test_rounds_leave_the_bytes_of_one_place(
    name: str, start_cluster: Callable[[str], Cluster], tmp_path: Path
) -> None:
    if name == "prism":
        require("go")
        profile = load_profile("prism", [f"location={deploy_local('part', 'prism').strip()}"])
    else:
        profile = load_profile(start_cluster(name).profile)
    embedded = open_engine(load_profile("embedded"), str(tmp_path / "one"), 1)
    wanted = _run(embedded, tmp_path, tmp_path / "one", ONE_PLACE)
    found = _run(open_engine(profile, str(tmp_path / "work"), 2), tmp_path, tmp_path / "work", ROUNDS)
    assert found == wanted

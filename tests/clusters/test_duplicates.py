"""Deduplication in rounds, one pipeline after another, and repeats, on every runner: the same bytes as in one place on
the embedded runner.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from gristmill.pipelines.run import run
from gristmill.runners.profile_table import load_profile
from gristmill.runners.stage_runner import StageRunner
from gristmill.transforms.dedup.rounds import RoundLimits
from gristmill.transforms.line_dedup.repeats_section import PassageRule, RepeatsSection, SpanRule
from tests.clusters.conftest import Cluster, Manifests, deploy_local, manifests, require
from tests.pipelines.chained_corpus import ONE_PLACE, ROUNDS, TEXTS, chained, limited
from tests.pipelines.small_recipes import prose

pytestmark = pytest.mark.runners


MENUS = [f"{prose(number, 60)}\n{prose(number % 7, 6)}\n\n{prose(number % 5, 9)}" for number in range(100, 140)]
"""Distinct pages, each with a line and a paragraph that other pages share."""

REPEATS = RepeatsSection(
    lines=PassageRule(min_words=1), paragraphs=PassageRule(min_words=1), spans=SpanRule(min_bytes=40), partitions=8
)


def _run(runner: StageRunner, folder: Path, work: Path, limits: RoundLimits) -> Manifests:
    recipe = chained(folder, TEXTS + MENUS).model_copy(update={"repeats": REPEATS})
    with runner, limited(limits):
        run(recipe, str(work), runner, "repeats", lambda step: nullcontext(), lambda completed: None)
    return manifests(work)


@pytest.mark.parametrize("name", ["prism", "flink", "spark"])
def test_duplicates_and_repeats_equal_those_found_in_one_place(
    name: str, start_cluster: Callable[[str], Cluster], tmp_path: Path
) -> None:
    if name == "prism":
        require("go")
        profile = load_profile("prism", [f"location={deploy_local('part', 'prism').strip()}"])
    else:
        profile = load_profile(start_cluster(name).profile)
    embedded = load_profile("embedded").open_runner(str(tmp_path / "one"), 1)
    expected = _run(embedded, tmp_path, tmp_path / "one", ONE_PLACE)
    found = _run(profile.open_runner(str(tmp_path / "work"), 2), tmp_path, tmp_path / "work", ROUNDS)
    assert found == expected
    assert {"dedup", "passages", "repeats"} <= found.keys()

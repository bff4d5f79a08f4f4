"""No engine writes or shows the value of an environment variable, whether a run succeeds or fails."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.canary import CANARY, shows_canary, write_recipe
from tests.clusters.conftest import Cluster, deploy_local, require, start_run

pytestmark = pytest.mark.runners


def undamaged(source: Path, work: Path) -> None:
    pass


def not_jsonl(source: Path, work: Path) -> None:
    (source / "a.jsonl.gz").write_bytes(gzip.compress(b"<html>\n" * 40))


def lost_document_file(source: Path, work: Path) -> None:
    for file in work.glob("extract-*/documents/*.parquet"):
        file.unlink()


@pytest.mark.parametrize("runner", ["embedded", "prism", "flink", "spark"])
def test_no_secret_is_written_or_shown(
    runner: str, start_cluster: Callable[[str], Cluster], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, temporary = tmp_path / "work", tmp_path / "temporary"
    temporary.mkdir()
    options, folders = [runner, "--workers", "2"], [work, temporary]
    match runner:
        case "prism":
            require("go")
            options += ["--option", f"location={deploy_local('part', 'prism').strip()}"]
        case "flink" | "spark":
            cluster = start_cluster(runner)
            options = [cluster.profile]
            folders.append(cluster.folder)
    monkeypatch.setenv("SECRET", CANARY)
    monkeypatch.setenv("TMPDIR", str(temporary))
    recipe = write_recipe(tmp_path)
    for damage, until in ((undamaged, "extract"), (lost_document_file, "judge"), (not_jsonl, "judge")):
        damage(tmp_path / CANARY / "web", work)
        run = start_run(recipe, work, *options, "--env", "SECRET", until=until)
        shown = run.communicate()[1]
        assert (run.returncode == 0) == (damage is undamaged), shown
        assert CANARY not in shown
        assert {str(folder): shows_canary(folder) for folder in folders} == {str(folder): [] for folder in folders}

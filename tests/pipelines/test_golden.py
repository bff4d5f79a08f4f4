"""Golden output: what each stage makes of the sample web is pinned, together with the stage's version.

Bytes are a promise. Whoever changes them on purpose raises the stage's ``version`` and writes the new digests with
``python -m tests.pipelines.test_golden``; a stage whose digest changed under an unchanged version fails here. Digests
are of rows, not of files, so that they survive another release of the Parquet writer.
"""

from __future__ import annotations

import json
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from gristmill.pipelines.recipe import Recipe, load_recipe
from gristmill.pipelines.sample.build import build
from gristmill.pipelines.stages import STAGES
from gristmill.pipelines.work_directory import current
from gristmill.store import storage
from tests.pipelines.conftest import run_recipe

GOLDEN = Path(__file__).parent / "golden.json"
SHAPED = [stage for stage in STAGES if stage.name != "train"]


def web_only(sample: Path) -> Recipe:
    """The sample without the standard library, which is another one on another Python."""
    recipe = load_recipe(str(sample / "recipe.yaml"))
    return recipe.model_copy(update={"sources": [recipe.source("web")]})


def digests(work: str) -> dict[str, dict[str, Any]]:
    """Version and digest of every stage in ``work``."""
    found = {}
    for stage in SHAPED:
        directory = current(work)[stage.name]
        digest = sha256()
        for receipt in directory.read_manifest().receipts:
            for entry in receipt.files:
                digest.update(entry.kind.encode() + _content(directory.file_url(entry)))
        found[stage.name] = {"version": stage.version, "digest": digest.hexdigest()[:32]}
    return found


def _content(url: str) -> bytes:
    if not url.endswith(".parquet"):
        return storage.read_bytes(url)
    rows = pq.read_table(url).to_pylist()
    return json.dumps(rows, default=bytes.hex, sort_keys=True, ensure_ascii=False).encode()


@pytest.fixture(scope="module")
def made(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return digests(run_recipe(web_only(sample), tmp_path_factory.mktemp("golden")).work)


@pytest.mark.parametrize("stage", [stage.name for stage in SHAPED])
def test_output_changes_only_with_the_version(made: dict[str, dict[str, Any]], stage: str) -> None:
    golden = json.loads(GOLDEN.read_text())
    assert made[stage] == golden[stage], (
        f"{stage} gives other output than version {golden[stage]['version']} did: raise its version, or mend the change"
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder, "sample"))
        GOLDEN.write_text(
            json.dumps(digests(run_recipe(web_only(Path(folder, "sample")), Path(folder, "work")).work), indent=2)
        )

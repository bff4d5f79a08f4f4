"""Golden output: the rows that each stage produces, and the code that produced them, are recorded per version.

Two runs are recorded. ``digest`` is of the bundled sample web; ``tables`` is of a synthetic input derived from the
stages' tables, so that it uses every row of every table, with all optional stages. Digests are of rows, not of files,
so that they do not depend on the version of the Parquet writer. ``code`` is a hash of the syntax trees of the modules
that a stage imports.

After a change of code or output run ``python -m tests.pipelines.test_golden``. It records new code whose output is
unchanged, and refuses to record new output unless the stage's version was raised.
"""

from __future__ import annotations

import json
import sys
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
from tests.pipelines.conftest import CompletedRun, copy_stages, run_recipe
from tests.pipelines.stage_code import code_hash
from tests.pipelines.table_corpus import run_table_corpus

GOLDEN = Path(__file__).parent / "golden.json"
RECORDED = [stage for stage in STAGES if stage.name != "train"]
"""Every stage but the trainer, whose floating-point results differ between processors."""

Digests = dict[str, str]


def web_only(sample: Path) -> Recipe:
    """The sample without the standard library, which differs between versions of Python."""
    recipe = load_recipe(str(sample / "recipe.yaml"))
    return recipe.model_copy(update={"sources": [recipe.source("web")]})


def digests(work: str) -> Digests:
    """The digest of every stage in ``work``."""
    return {name: _digest(work, name) for name in current(work)}


def _digest(work: str, stage: str) -> str:
    directory = current(work)[stage]
    units = [
        sha256(b"".join(entry.kind.encode() + _content(directory.file_url(entry)) for entry in receipt.files)).digest()
        for receipt in directory.read_manifest().receipts
    ]
    return sha256(b"".join(sorted(units))).hexdigest()[:32]  # the order of units follows from their keys


def _content(url: str) -> bytes:
    if not url.endswith(".parquet"):
        return storage.read_bytes(url)
    rows = pq.read_table(url).to_pylist()
    return json.dumps(rows, default=bytes.hex, sort_keys=True, ensure_ascii=False).encode()


def table_digests(folder: Path) -> Digests:
    """The digests of the runs over the synthetic corpus, joined by stage."""
    runs = [digests(work) for work in run_table_corpus(folder)]
    names = dict.fromkeys(name for run in runs for name in run)
    return {name: sha256("".join(run.get(name, "-") for run in runs).encode()).hexdigest()[:32] for name in names}


def entries(sample: Digests, tables: Digests) -> dict[str, dict[str, Any]]:
    """What ``golden.json`` holds."""
    found = {}
    for stage in RECORDED:
        found[stage.name] = {"version": stage.version}
        if stage.name in sample:
            found[stage.name]["digest"] = sample[stage.name]
        found[stage.name] |= {"tables": tables[stage.name], "code": code_hash(stage)}
    return found


@pytest.fixture(scope="module")
def golden() -> dict[str, dict[str, Any]]:
    content: dict[str, dict[str, Any]] = json.loads(GOLDEN.read_text())
    return content


@pytest.fixture(scope="module")
def sample_digests(sample: Path, completed_run: CompletedRun, tmp_path_factory: pytest.TempPathFactory) -> Digests:
    """Units of the sample's web are those of the complete sample, up to signatures."""
    work = copy_stages(completed_run, tmp_path_factory.mktemp("golden") / "work")
    return digests(run_recipe(web_only(sample), work).work)


@pytest.fixture(scope="module")
def tables_digests(tmp_path_factory: pytest.TempPathFactory) -> Digests:
    return table_digests(tmp_path_factory.mktemp("tables"))


@pytest.mark.parametrize("stage", [stage.name for stage in RECORDED])
def test_output_changes_only_with_the_version(
    golden: dict[str, dict[str, Any]], sample_digests: Digests, tables_digests: Digests, stage: str
) -> None:
    expected = golden[stage]
    assert {run: expected.get(run) for run in ("digest", "tables")} == {
        "digest": sample_digests.get(stage),
        "tables": tables_digests[stage],
    }, f"{stage} produces other output than version {expected['version']}: raise its version, or fix the change"


@pytest.mark.parametrize("stage", RECORDED, ids=lambda stage: stage.name)
def test_code_is_recorded_with_the_output(golden: dict[str, dict[str, Any]], stage: Any) -> None:
    expected = golden[stage.name]
    assert (stage.version, code_hash(stage)) == (expected["version"], expected["code"]), (
        f"modules that {stage.name} imports have changed: run `python -m tests.pipelines.test_golden`, which records "
        "them if the output is unchanged or the version was raised"
    )


def record() -> int:
    """Write ``golden.json``; the exit status is 1 if output changed under an unchanged version."""
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder, "sample"))
        sample = digests(run_recipe(web_only(Path(folder, "sample")), Path(folder, "work")).work)
        found = entries(sample, table_digests(Path(folder, "tables")))
    known = json.loads(GOLDEN.read_text())
    changed = [
        name
        for name, entry in found.items()
        if name in known
        and entry["version"] == known[name]["version"]
        and any(run in known[name] and entry.get(run) != known[name][run] for run in ("digest", "tables"))
    ]
    if changed:
        print(f"not recorded: the output of {', '.join(changed)} changed, but not the version", file=sys.stderr)
        return 1
    GOLDEN.write_text(json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(record())

"""``gristmill export``: its directories, what it prints, and its errors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.harness.synthetic_mix import write_mix
from gristmill.mixing.mixed_shards import MixedShards
from gristmill.pipelines.cli.main import main
from gristmill.pipelines.work_directory import current
from tests.pipelines.conftest import CompletedRun

MIX = "mix-0123456789abcdef"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A work directory with nothing but a mix of ten sequences."""
    work = tmp_path / "work"
    write_mix(work / MIX, np.arange(80).reshape(10, 8), 65_536, 4)
    (work / "latest.json").write_text(json.dumps({"mix": MIX}))
    (work / "recipe.yaml").touch()
    return work


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["export", *map(str, arguments)], env={"COLUMNS": "200"})
    (line,) = result.output.strip().splitlines()[-1:]
    return result.exit_code, line


def test_a_work_directory_and_that_of_a_mix_give_the_same(work: Path, tmp_path: Path) -> None:
    for directory, target in ((work, tmp_path / "a"), (work / MIX, tmp_path / "b")):
        assert run(directory, "--to", target, "--format", "megatron") == (
            0,
            f"{target}: 10 sequences of 8 tokens (int32) in 3 shards; pass each file to --data-path, without its "
            "suffix; Megatron has no uint32, but all ids of 65,536 fit int32, byte for byte.",
        )
    files = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in "ab"]
    assert files[0] == files[1]
    assert len(files[0]) == 7


def test_the_shards_of_a_run(completed_run: CompletedRun, tmp_path: Path) -> None:
    target = tmp_path / "out"
    assert run(completed_run.work, "--to", target, "--format", "datatrove")[0] == 0
    mix = MixedShards.open(current(str(completed_run.work))["mix"].url)
    tokens = np.concatenate([np.fromfile(path, mix.dtype) for path in sorted(target.glob("*.ds"))])
    assert np.array_equal(tokens.reshape(-1, mix.sequence_length), mix.tokens(0, len(mix)))
    for path, shard in zip(sorted(target.glob("*.ds")), mix.shards, strict=True):
        ends = np.fromfile(f"{path}.index", "<u8")
        separators = np.flatnonzero(np.fromfile(path, mix.dtype) == mix.eos_id) + 1
        assert np.isin(separators, ends).all()
        assert ends[-1] == shard.sequences * mix.sequence_length
    assert run(completed_run.work, "--to", f"{completed_run.work}/out", "--format", "olmo")[0] == 2


def test_errors_are_one_sentence(work: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    options = ("--to", target, "--format", "olmo")
    missing = tmp_path / "missing"
    assert run(missing, *options) == (
        2,
        f"error: {missing}/manifest.json does not exist: pass the directory of a completed mix stage",
    )
    assert run(work, "--to", work / "out", "--format", "olmo") == (
        2,
        f"error: {work}/out is in {work}, where Gristmill keeps its own files: name a folder elsewhere",
    )
    (work / "latest.json").write_text("{}")
    assert run(work, *options) == (
        2,
        f"error: {work} has no shards yet: run its recipe to the end of the stage mix",
    )
    status, line = run(work, "--to", target, "--format", "webdataset")
    assert status == 2
    assert "'megatron', 'olmo', 'datatrove', 'litdata', 'llmc', 'mosaic', 'hf-tokens'" in line
    assert not target.exists()

"""From the mix to a trainer elsewhere and back: submitted once, under way, settled, as if it had run here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="TORCH MISSING: pip install 'gristmill[train]'")

from gristmill.errors import InputError, RunError
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import JobPending
from gristmill.pipelines.work_directory import current, read_ledger
from gristmill.store import storage
from tests.pipelines.conftest import run_recipe
from tests.pipelines.small import lines, prose, recipe, source
from tests.training.fake_commands import FakeCommands, run_batch_script

TRAIN = {
    "model": {"dim": 16, "layers": 1, "heads": 2},
    "batch_sequences": 4,
    "micro_batch": 2,
    "steps": 4,
    "processes": 2,
}


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCommands:
    return FakeCommands(tmp_path / "bin", monkeypatch)


def asked(folder: Path, launch: dict[str, Any], **more: Any) -> Recipe:
    documents = {"a.jsonl": lines(*(prose(seed) for seed in range(12)))}
    return recipe(source(folder, "texts", "jsonl", documents), train={**TRAIN, "launch": launch, **more})


def under_way(asked: Recipe, work: Path) -> str:
    """The sentence with which a run ends well before its trainer does."""
    with pytest.raises(JobPending) as told:
        run_recipe(asked, work, until=None)
    assert "train" not in current(str(work))
    assert [row["stage"] for row in read_ledger(str(work))["stages"]][-1] == "mix"
    return str(told.value)


def submitted(work: Path) -> Path:
    (path,) = work.glob("train-*/runs/*.submitted.json")
    return path


@pytest.mark.slow
def test_from_the_mix_through_slurm_to_the_receipt(fakes: FakeCommands, tmp_path: Path) -> None:
    launch = {"kind": "slurm", "nodes": 2, "gpus_per_node": 1}
    fakes.add("sbatch", "42")
    fakes.add("squeue", "PENDING")
    work, through_slurm = tmp_path / "work", asked(tmp_path / "in", launch)
    assert "train was submitted as job 42 with `sbatch --parsable`: run the same command again after" in under_way(through_slurm, work)
    assert f"delete {submitted(work)}" in under_way(through_slurm, work)
    assert len(fakes.calls("sbatch")) == 1
    job = run_batch_script(fakes, fakes.stdin("sbatch"), 2)
    assert job.returncode == 0, job.stderr
    settled = run_recipe(through_slurm, work, until=None)
    assert settled.ledger["balanced"]
    assert len(fakes.calls("sbatch")) == 1
    local = run_recipe(asked(tmp_path / "in", {"kind": "local"}), tmp_path / "local", until=None)
    assert settled.manifests() == local.manifests()
    assert set(run_recipe(through_slurm, work, until=None).worked_on().values()) == {0}


def test_a_job_that_is_lost_and_one_that_is_followed(
    fakes: FakeCommands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submit, "POLL_SECONDS", 0.05)
    fakes.add("sbatch", "42")
    launch = {"kind": "slurm", "gpus_per_node": 2}
    work = tmp_path / "work"
    under_way(asked(tmp_path / "in", launch), work)
    fakes.add("squeue", "slurm_load_jobs error: Invalid job id specified", 1)
    with pytest.raises(
        RunError, match=r"gristmill-[0-9a-f]{16} \(job 42\) has ended without a result, Slurm no longer"
    ):
        run_recipe(asked(tmp_path / "in", launch), work, until=None)
    out = Path(str(submitted(work)).removesuffix(".submitted.json"))
    submitted(work).unlink()
    out.mkdir()
    row = {"step": 3, "loss": 2.0}
    result = {"steps": 4, "sequences": 16, "tokens": 256, "first_loss": 3.0, "last_loss": 2.0, "parameters": 9}
    fakes.add(
        "squeue",  # the trainer's last row, and at the next look its result
        body=f"""cd {out}
        [ -e metrics.jsonl ] && echo '{json.dumps(result)}' > result.json
        echo '{json.dumps(row)}' > metrics.jsonl
        echo RUNNING""",
    )
    followed = run_recipe(asked(tmp_path / "in", {**launch, "wait": True}), work, until=None)
    assert len(fakes.calls("sbatch")) == 2
    assert followed.ledger["balanced"]
    line = followed.ledger["stages"][-1]
    assert (line["stage"], line["kept"]) == ("train", 16)


def test_a_command_that_trains_and_ends_settles_at_once(fakes: FakeCommands, tmp_path: Path) -> None:
    result = {"steps": 4, "sequences": 16, "tokens": 256, "first_loss": 3.0, "last_loss": 2.0, "parameters": 9}
    fakes.add("go", body=f'mkdir "$1"; echo \'{json.dumps(result)}\' > "$1/result.json"; echo > "$1/metrics.jsonl"')
    done = run_recipe(asked(tmp_path / "in", {"kind": "command", "command": "go {out}"}), tmp_path / "work", until=None)
    assert done.ledger["stages"][-1]["kept"] == 16
    assert len(fakes.calls("go")) == 1


def test_a_run_that_was_handed_over_is_not_trained_here_too(fakes: FakeCommands, tmp_path: Path) -> None:
    fakes.add("sbatch", "42")
    work = tmp_path / "work"
    under_way(asked(tmp_path / "in", {"kind": "slurm", "gpus_per_node": 2}), work)
    assert "as job 42 by `sbatch --parsable`" in under_way(asked(tmp_path / "in", {"kind": "local"}), work)


def test_what_would_fail_after_the_mix_is_told_before_it(tmp_path: Path) -> None:
    launch = {"kind": "kubernetes", "image": "x", "gpus_per_node": 2}
    with pytest.raises(InputError, match=r"pods cannot see .*: give train.launch.volume"):
        run_recipe(asked(tmp_path / "in", launch), tmp_path / "work", until=None)
    assert not (tmp_path / "work").exists()
    run_recipe(asked(tmp_path / "in", launch), tmp_path / "work", until="extract")  # nothing is handed over


@pytest.mark.slow
def test_a_model_trained_onto_an_object_store_has_the_manifest_of_a_local_one(tmp_path: Path, s3_server: Any) -> None:
    work = s3_server.new_bucket()
    there, here = (
        run_recipe(asked(tmp_path / "in", {"kind": "local"}), place, until=None) for place in (work, tmp_path / "work")
    )
    manifest = there.done["train"].manifest
    assert manifest == here.done["train"].manifest
    model = f"{current(work)['train'].url}/{manifest.summary['out']}/model/model.safetensors"
    assert storage.exists(model)

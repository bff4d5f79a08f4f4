"""Training by a job elsewhere: submitted once, pending, then complete with the same result as a local run."""

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
from gristmill.training.launch import follow_job
from tests.pipelines.conftest import run_recipe
from tests.pipelines.small_recipes import lines, prose, recipe, source
from tests.training.fake_commands import FakeCommands, run_batch_script

TRAIN = {
    "model": {"dim": 16, "layers": 1, "heads": 2},
    "batch_sequences": 4,
    "micro_batch": 2,
    "steps": 4,
    "processes": 2,
}
RESULT = {
    "planned_steps": 4,
    "steps": 4,
    "sequences": 16,
    "tokens": 256,
    "skipped_sequences": 0,
    "first_loss": 3.0,
    "last_loss": 2.0,
    "parameters": 9,
}


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCommands:
    return FakeCommands(tmp_path / "bin", monkeypatch)


def training_recipe(folder: Path, launch: dict[str, Any], **more: Any) -> Recipe:
    documents = {"a.jsonl": lines(*(prose(seed) for seed in range(12)))}
    return recipe(source(folder, "texts", "jsonl", documents), train={**TRAIN, "launch": launch, **more})


def pending_message(recipe: Recipe, work: Path) -> str:
    """The message of a run that ends while its training job is pending."""
    with pytest.raises(JobPending) as caught:
        run_recipe(recipe, work, until=None)
    assert "train" not in current(str(work))
    assert [row["stage"] for row in read_ledger(str(work))["stages"]][-1] == "mix"
    return str(caught.value)


def submission_record(work: Path) -> Path:
    (path,) = work.glob("train-*/runs/*.submitted.json")
    return path


def run_folder(work: Path) -> Path:
    """The folder of the only run."""
    (path,) = work.glob("train-*/runs/*/")
    return path


@pytest.mark.slow
def test_training_through_slurm_gives_the_manifests_of_a_local_run(fakes: FakeCommands, tmp_path: Path) -> None:
    launch = {"kind": "slurm", "nodes": 2, "gpus_per_node": 1}
    fakes.add("sbatch", "42")
    fakes.add("squeue", "PENDING")
    work, through_slurm = tmp_path / "work", training_recipe(tmp_path / "in", launch)
    assert (
        "train was submitted as job 42 with `sbatch --parsable`: run the same command again after"
        in pending_message(through_slurm, work)
    )
    assert f"delete {submission_record(work)}" in pending_message(through_slurm, work)
    assert len(fakes.calls("sbatch")) == 1
    job = run_batch_script(fakes, fakes.stdin("sbatch"), 2)
    assert job.returncode == 0, job.stderr
    completed = run_recipe(through_slurm, work, until=None)
    assert completed.ledger["balanced"]
    assert len(fakes.calls("sbatch")) == 1
    local = run_recipe(training_recipe(tmp_path / "in", {"kind": "local"}), tmp_path / "local", until=None)
    assert completed.manifests() == local.manifests()
    assert set(run_recipe(through_slurm, work, until=None).units_processed().values()) == {0}


def test_a_lost_job_and_a_followed_job(fakes: FakeCommands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow_job, "POLL_SECONDS", 0.05)
    fakes.add("sbatch", "42")
    launch = {"kind": "slurm", "gpus_per_node": 2}
    work = tmp_path / "work"
    pending_message(training_recipe(tmp_path / "in", launch), work)
    fakes.add("squeue", "slurm_load_jobs error: Invalid job id specified", 1)
    with pytest.raises(RunError, match=r"gristmill-[0-9a-f]{16} \(job 42\) ended without a result, Slurm no longer"):
        run_recipe(training_recipe(tmp_path / "in", launch), work, until=None)
    out = run_folder(work)
    submission_record(work).unlink()
    row = {"step": 3, "sequences": 16, "loss": 2.0}
    fakes.add(
        "squeue",  # first call: the trainer's last row; second call: its result
        body=f"""cd {out}
        [ -e metrics.jsonl ] && echo '{json.dumps(RESULT)}' > result.json
        touch events.jsonl
        echo '{json.dumps(row)}' > metrics.jsonl
        echo RUNNING""",
    )
    followed = run_recipe(training_recipe(tmp_path / "in", {**launch, "wait": True}), work, until=None)
    assert len(fakes.calls("sbatch")) == 2
    assert followed.ledger["balanced"]
    line = followed.ledger["stages"][-1]
    assert (line["stage"], line["kept"]) == ("train", 16)


def test_a_command_that_trains_before_it_exits_completes_the_stage(fakes: FakeCommands, tmp_path: Path) -> None:
    body = f"""cd "$1"; echo '{json.dumps(RESULT)}' > result.json; echo > metrics.jsonl; touch events.jsonl"""
    fakes.add("go", body=body)
    done = run_recipe(
        training_recipe(tmp_path / "in", {"kind": "command", "command": "go {out}"}), tmp_path / "work", until=None
    )
    assert done.ledger["stages"][-1]["kept"] == 16
    assert len(fakes.calls("go")) == 1


def test_a_submitted_run_is_not_trained_locally(fakes: FakeCommands, tmp_path: Path) -> None:
    fakes.add("sbatch", "42")
    work = tmp_path / "work"
    pending_message(training_recipe(tmp_path / "in", {"kind": "slurm", "gpus_per_node": 2}), work)
    assert "as job 42 with `sbatch --parsable`" in pending_message(
        training_recipe(tmp_path / "in", {"kind": "local"}), work
    )


def test_launch_errors_are_reported_before_the_first_stage(tmp_path: Path) -> None:
    launch = {"kind": "kubernetes", "image": "x", "gpus_per_node": 2}
    with pytest.raises(InputError, match=r"pods cannot see .*: set train.launch.volume"):
        run_recipe(training_recipe(tmp_path / "in", launch), tmp_path / "work", until=None)
    assert not (tmp_path / "work").exists()
    run_recipe(
        training_recipe(tmp_path / "in", launch), tmp_path / "work", until="extract"
    )  # does not reach the trainer


def test_a_warmup_longer_than_the_run_is_reported_before_the_first_stage(tmp_path: Path) -> None:
    schedule = {"warmup_tokens": 10**9}
    with pytest.raises(InputError, match=r"warmup_tokens \(1,000,000,000\) is longer than the run"):
        run_recipe(
            training_recipe(tmp_path / "in", {"kind": "local"}, schedule=schedule), tmp_path / "work", until=None
        )
    assert not (tmp_path / "work").exists()


@pytest.mark.slow
def test_training_on_an_object_store_gives_the_manifest_of_a_local_run(tmp_path: Path, s3_server: Any) -> None:
    work = s3_server.new_bucket()
    remote, local = (
        run_recipe(training_recipe(tmp_path / "in", {"kind": "local"}), place, until=None)
        for place in (work, tmp_path / "work")
    )
    manifest = remote.done["train"].manifest
    assert manifest == local.done["train"].manifest
    model = f"{current(work)['train'].url}/{manifest.summary['out']}/model/model.safetensors"
    assert storage.exists(model)

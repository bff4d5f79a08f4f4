"""Submitted runs: manifests and scripts, submission exactly once, following a job, and messages."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from pydantic import ValidationError

from gristmill.corpus.recipe_section import key_config
from gristmill.errors import InputError, RunError
from gristmill.training.launch import follow_job
from gristmill.training.launch.kubernetes_launch import manifest
from gristmill.training.launch.local_launch import train_locally
from gristmill.training.launch.run_result import read_result
from gristmill.training.launch.slurm_launch import batch_script
from gristmill.training.launch.submission_record import SubmissionRecord, read_submission
from gristmill.training.launch.submit_job import check_launch, submit_job
from gristmill.training.launch.trainer_command import section_json
from gristmill.training.launch.training_job import TrainingJob
from gristmill.training.train_section import TrainSection
from tests.training.fake_commands import FakeCommands, run_batch_script

SMALL = {
    "model": {"dim": 16, "layers": 2, "heads": 2},
    "batch_sequences": 4,
    "micro_batch": 2,
    "schedule": {"warmup_tokens": 136},
    "steps": 6,
    "log_every": 1,
}
NAME = "gristmill-0123456789abcdef"
REMOTE = TrainingJob(NAME, "s3://corpus/a.section.json", "s3://corpus/mix", "s3://corpus/a")
KUBERNETES_VERSIONS = ("1.29", "1.37")
ALL_OPTIONS = {
    "kind": "kubernetes",
    "namespace": "training",
    "image": "example.org/trainer:1",
    "nodes": 2,
    "gpus_per_node": 8,
    "volume": {"claim": "corpus", "path": "/corpus"},
    "service_account": "trainer",
    "node_selector": {"gpu": "h200"},
    "tolerations": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}],
    "resources": {"cpu": "64", "memory": "800Gi"},
    "environment": {"NCCL_DEBUG": "WARN", "ODD": "a: b # 'c' @{name}\n"},
    "secrets": ["store"],
    "retries": 2,
    "queue": "research",
    "hours": 1.5,
}


def section(launch: dict[str, Any], **more: Any) -> TrainSection:
    return TrainSection.model_validate({**SMALL, "launch": launch, **more})


def manifests(launch: dict[str, Any], job: TrainingJob = REMOTE, **more: Any) -> dict[str, Any]:
    """Return the rendered documents by kind."""
    train = section(launch, **more)
    documents = yaml.safe_load_all(manifest(train.launch, train, job))  # type: ignore[arg-type]
    return {document["kind"]: document for document in documents}


def submit(launch: dict[str, Any], mix: str, out: Path, **more: Any) -> SubmissionRecord:
    return submit_job(section(launch, **more), mix, str(out), job_url(out))


def job_url(out: Path) -> str:
    """The prefix of the files of a job that trains in ``out``."""
    return str(out.with_name("0123456789abcdef"))


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
@pytest.mark.parametrize("launch", [ALL_OPTIONS, {"kind": "kubernetes", "image": "trainer"}], ids=["all", "least"])
def test_manifest_is_valid_for_kubernetes(launch: dict[str, Any], version: str) -> None:
    processes = launch.get("nodes", 1) * launch.get("gpus_per_node", 1)
    parts = manifests(launch, processes=processes, batch_sequences=2 * processes)
    assert list(parts) == ["Service", "ConfigMap", "NetworkPolicy", "Job"]
    for part in parts.values():
        kubernetes_validate.validate(part, version, strict=True)
    broken = {**parts["Job"], "spec": {**parts["Job"]["spec"], "completion": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, version, strict=True)


def test_manifest_contains_the_options_of_the_recipe() -> None:
    more = {"processes": 16, "batch_sequences": 32}
    parts = manifests(ALL_OPTIONS, **more)
    job, pod = parts["Job"]["spec"], parts["Job"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert {part["metadata"]["name"] for part in parts.values()} == {NAME}
    assert {part["metadata"]["namespace"] for part in parts.values()} == {"training"}
    assert (job["completions"], job["parallelism"], job["completionMode"], job["backoffLimit"]) == (2, 2, "Indexed", 4)
    assert parts["Job"]["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "research"
    assert job["activeDeadlineSeconds"] == 5400
    assert parts["Service"]["spec"]["selector"] == job["template"]["metadata"]["labels"]
    assert parts["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == job["template"]["metadata"]["labels"]
    assert pod["subdomain"] == parts["Service"]["metadata"]["name"]
    assert container["args"] == [
        *("--nnodes=2", "--nproc-per-node=8", "--rdzv-backend=c10d"),
        *(f"--rdzv-id={NAME}", f"--rdzv-endpoint={NAME}-0.{NAME}:29500"),
        *("-m", "gristmill.training", "--section", "/etc/gristmill/section.json"),
        *("--shards", "s3://corpus/mix", "--out", "s3://corpus/a"),
    ]
    assert container["resources"] == {"limits": {"nvidia.com/gpu": 8, "cpu": "64", "memory": "800Gi"}}
    assert container["envFrom"] == [{"secretRef": {"name": "store"}}]
    environment = {pair["name"]: pair["value"] for pair in container["env"]}
    assert environment["ODD"] == ALL_OPTIONS["environment"]["ODD"]  # type: ignore[index]
    assert environment["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert pod["nodeSelector"] == {"gpu": "h200"}
    assert pod["serviceAccountName"] == "trainer"
    assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts == {"section": "/etc/gristmill", "shm": "/dev/shm", "tmp": "/tmp", "work": "/corpus"}
    assert [volume["name"] for volume in pod["volumes"]] == list(mounts)
    passed = TrainSection.model_validate_json(parts["ConfigMap"]["data"]["section.json"])
    assert passed == TrainSection.model_validate({**SMALL, **more})


def test_unset_options_are_not_in_the_manifest() -> None:
    job = manifests({"kind": "kubernetes", "image": "trainer"})["Job"]
    assert "kueue.x-k8s.io/queue-name" not in job["metadata"]["labels"]
    assert "activeDeadlineSeconds" not in job["spec"]
    pod = job["spec"]["template"]["spec"]
    assert not pod.keys() & {"nodeSelector", "tolerations", "serviceAccountName"}
    assert "envFrom" not in pod["containers"][0]
    assert [volume["name"] for volume in pod["volumes"]] == ["section", "shm", "tmp"]
    assert pod["terminationGracePeriodSeconds"] == 300
    assert "@{" not in json.dumps(pod)


def test_batch_script_contains_the_options_of_the_recipe() -> None:
    launch = {
        "kind": "slurm",
        "nodes": 2,
        "gpus_per_node": 8,
        "partition": "gpu",
        "account": "lab",
        "time": "1-00:00:00",
        "options": ["--constraint=h100"],
        "setup": ["module load cuda", "source ~/venv/bin/activate"],
    }
    job = TrainingJob(NAME, "/my work/a.section.json", "/my work/mix", "/my work/a")
    train = section(launch, processes=16, batch_sequences=32)
    lines = batch_script(train.launch, job).splitlines()  # type: ignore[arg-type]
    options = [line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH ")]
    assert lines[0] == "#!/bin/bash"
    assert options == (
        f"--job-name={NAME}|--dependency=singleton|--nodes=2|--ntasks-per-node=1|--gpus-per-node=8|--partition=gpu|"
        "--account=lab|--time=1-00:00:00|--requeue|--signal=TERM@300|--open-mode=append|"
        '--output="/my work/a.slurm-%j.log"|'
        "--constraint=h100"
    ).split("|")
    assert lines.index("source ~/venv/bin/activate") == lines.index("module load cuda") + 1
    assert lines[-1].strip() == (
        "-m gristmill.training --section '/my work/a.section.json' --shards '/my work/mix' --out '/my work/a'"
    )
    assert not any("--output" in line for line in batch_script(train.launch, REMOTE).splitlines())  # type: ignore[arg-type]
    if shellcheck := shutil.which("shellcheck"):
        subprocess.run([shellcheck, "--severity=warning", "-"], input="\n".join(lines), text=True, check=True)


def test_placeholders_are_filled_within_words(fakes: FakeCommands, mix: str, tmp_path: Path) -> None:
    fakes.add("my-submit", "accepted\nqueue 7\n")
    command = "my-submit '--run={name} {{x}}' {section} {shards} {manifest} {out} {processes}/{nodes}"
    launch = {"kind": "command", "command": command, "nodes": 2}
    out = tmp_path / "my runs" / "a"
    record = submit(launch, mix, out, processes=2)
    assert (record.kind, record.job) == ("command", "queue 7")
    assert fakes.calls("my-submit") == [
        f"--run={NAME} {{x}} {job_url(out)}.section.json {mix} {mix}/manifest.json {out} 2/2"
    ]
    written = Path(f"{job_url(out)}.section.json").read_text()
    assert "launch" not in json.loads(written)
    assert written == section_json(section(launch, processes=2))


@pytest.mark.parametrize(
    ("launch", "command", "output", "job"),
    [
        ({"kind": "slurm"}, "sbatch", "lua: welcome\n4242;north", "4242"),
        ({"kind": "slurm", "through": "ssh login"}, "ssh", "4242", "4242"),
        ({"kind": "kubernetes", "image": "trainer"}, "kubectl", "job.batch/x created", NAME),
        ({"kind": "command", "command": "go {out}"}, "go", "", ""),
    ],
)
def test_a_run_is_submitted_once(
    fakes: FakeCommands, tmp_path: Path, launch: dict[str, Any], command: str, output: str, job: str, s3_server: Any
) -> None:
    fakes.add(command, output)
    runs = f"{s3_server.new_bucket()}/runs"
    for _ in range(2):
        record = submit_job(section(launch), "s3://corpus/mix", f"{runs}/a", f"{runs}/0123456789abcdef")
        assert record == read_submission(f"{runs}/0123456789abcdef")
        assert (record.kind, record.name, record.job) == (launch["kind"], NAME, job)
    assert len(fakes.calls(command)) == 1
    assert f"submitted as {f'job {job}' if job else NAME} with `" in record.sentence()
    assert f"to submit it again, delete {runs}/0123456789abcdef.submitted.json" in record.sentence()


def test_the_submitted_manifest_or_script_is_kept(fakes: FakeCommands, mix: str, tmp_path: Path) -> None:
    fakes.add("kubectl")
    fakes.add("sbatch", "1")
    volume = {"claim": "corpus", "path": str(tmp_path)}
    submit({"kind": "kubernetes", "image": "x", "volume": volume}, mix, tmp_path / "a" / "out")
    submit({"kind": "slurm"}, mix, tmp_path / "b" / "out")
    assert fakes.calls("kubectl") == ["apply -f -"]
    assert Path(f"{job_url(tmp_path / 'a' / 'out')}.yaml").read_text() == fakes.stdin("kubectl")
    assert Path(f"{job_url(tmp_path / 'b' / 'out')}.sh").read_text() == fakes.stdin("sbatch")


FAILURES = {
    "sbatch: error: no partition": "`sbatch --parsable` failed with exit status 3: sbatch: error: no partition",
    "": "`sbatch --parsable` failed with exit status 3: no output",
}


@pytest.mark.parametrize("stderr", FAILURES)
def test_failed_submission_can_be_repeated(fakes: FakeCommands, mix: str, tmp_path: Path, stderr: str) -> None:
    fakes.add("sbatch", stderr, status=3)
    with pytest.raises(RunError) as caught:
        submit({"kind": "slurm"}, mix, tmp_path / "a")
    assert str(caught.value) == f"train.launch: {FAILURES[stderr]}"
    assert read_submission(job_url(tmp_path / "a")) is None
    fakes.add("sbatch", "7")
    assert submit({"kind": "slurm"}, mix, tmp_path / "a").job == "7"


def test_missing_command_is_reported(mix: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^train\.launch: cannot start 'no-such', No such file or directory: install"):
        submit({"kind": "command", "command": "no-such {out}"}, mix, tmp_path / "a")
    assert read_submission(job_url(tmp_path / "a")) is None


def test_interrupted_submission_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.submitted.json").write_text('{"command": "sbatch", "job": null, "kind": "slurm", "name": "n"}')
    record = read_submission(str(tmp_path / "a"))
    assert record is not None
    assert record.sentence() == (
        "train was being submitted with `sbatch` when its launcher ended, or still is: look for n; if it does not "
        f"exist, delete {tmp_path}/a.submitted.json and run the same command again"
    )


CHECKS: list[tuple[dict[str, Any], str, str]] = [
    (
        {"kind": "command", "command": "no-such"},
        "s3://work",
        "the command 'no-such' is not installed: install it, or correct",
    ),
    ({"kind": "slurm"}, "s3://work", "the command 'sbatch' is not installed"),
    ({"kind": "slurm", "through": "no-ssh me"}, "s3://work", "the command 'no-ssh' is not installed"),
    (
        {"kind": "kubernetes", "image": "x", "kubectl": "no-kubectl -n a"},
        "s3://work",
        "the command 'no-kubectl' is not installed",
    ),
    ({"kind": "kubernetes", "image": "x"}, "/work", "pods cannot see /work/: set train.launch.volume, or use a work"),
    (
        {"kind": "kubernetes", "image": "x", "volume": {"claim": "c", "path": "/data"}},
        "/database/work",
        "pods mount the volume at /data, but /database/work/ is not below it: mount the volume at the same path here",
    ),
]


@pytest.mark.parametrize(("launch", "work", "message"), CHECKS)
def test_late_failures_are_reported_before_the_run(launch: dict[str, Any], work: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_launch(section(launch).launch, work)


def test_valid_launches_pass_the_check(fakes: FakeCommands) -> None:
    fakes.add("kubectl")
    launch = {"kind": "kubernetes", "image": "x", "volume": {"claim": "c", "path": "/data/"}}
    check_launch(section(launch).launch, "/data/work")
    check_launch(section({"kind": "kubernetes", "image": "x"}).launch, "s3://work")
    check_launch(TrainSection().launch, "/work")


INVALID_LAUNCHES: list[tuple[dict[str, Any], str]] = [
    ({"kind": "slurm", "nodes": 2}, r"processes \(4\) must be launch.nodes × launch.gpus_per_node \(2 × 1\)"),
    ({"kind": "kubernetes", "image": "x", "gpus_per_node": 8}, r"\(1 × 8\)"),
    ({"kind": "command", "command": "go", "nodes": 3}, r"processes \(4\) must be a multiple of launch.nodes \(3\)"),
    ({"kind": "command", "command": "go {output}"}, r"unknown placeholder \{output\}: use \{section\}, \{shards\}"),
    ({"kind": "command", "command": "go {"}, r"write \{\{ and \}\} for literal braces"),
    ({"kind": "command", "command": "go 'x"}, "not a valid command line, No closing quotation"),
    ({"kind": "command", "command": " "}, "empty: name the command"),
    ({"kind": "kubernetes"}, "image\n  Field required"),
    ({"kind": "slurm", "gpus_per_node": 4, "setup": ["a\nb"]}, "String should match pattern"),
    ({"kind": "cloud"}, "expected tags: 'local', 'command', 'kubernetes', 'slurm'"),
]


@pytest.mark.parametrize(("launch", "message"), INVALID_LAUNCHES)
def test_invalid_launch_is_rejected(launch: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        section(launch, processes=4, batch_sequences=8)


def test_launch_is_not_in_the_key() -> None:
    assert key_config(section({"kind": "slurm"})) == key_config(TrainSection.model_validate(SMALL))


_FAILED = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "m"}
KUBECTL_FAILED = json.dumps({"status": {"conditions": [_FAILED]}})
ENDED: list[tuple[dict[str, Any], str, str, int, str | None]] = [
    ({"kind": "slurm"}, "squeue", "", 0, "it is no longer queued"),
    ({"kind": "slurm"}, "squeue", "slurm_load_jobs error: Invalid job id specified", 1, "Slurm no longer knows it"),
    ({"kind": "slurm"}, "squeue", "Unable to contact slurm controller", 1, None),
    ({"kind": "slurm"}, "squeue", "PENDING", 0, None),
    ({"kind": "kubernetes", "image": "x"}, "kubectl", KUBECTL_FAILED, 0, "BackoffLimitExceeded, m"),
    ({"kind": "kubernetes", "image": "x"}, "kubectl", '{"status": {"active": 1}}', 0, None),
    ({"kind": "kubernetes", "image": "x"}, "kubectl", "Error from server (NotFound): jobs x", 1, "it was deleted"),
    ({"kind": "kubernetes", "image": "x"}, "kubectl", "Unable to connect to the server", 1, None),
    ({"kind": "command", "command": "go"}, "go", "", 0, None),
]


@pytest.mark.parametrize(("launch", "command", "output", "status", "reason"), ENDED)
def test_job_that_ended_without_a_result_is_reported(
    fakes: FakeCommands,
    tmp_path: Path,
    launch: dict[str, Any],
    command: str,
    output: str,
    status: int,
    reason: str | None,
) -> None:
    fakes.add(command, output, status)
    out = str(tmp_path / "a")
    record = SubmissionRecord(f"{out}.submitted.json", launch["kind"], NAME, "c", "7")
    if reason is None:
        follow_job.require_not_failed(section(launch).launch, record, out, 6)
    else:
        with pytest.raises(
            RunError, match=rf"ended without a result, {reason}: see its log; to submit it again, delete"
        ):
            follow_job.require_not_failed(section(launch).launch, record, out, 6)
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "result.json").write_text('{"planned_steps": 6}')
        follow_job.require_not_failed(section(launch).launch, record, out, 6)


def test_follow_job_reports_metrics_until_the_result(
    fakes: FakeCommands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "a"
    out.mkdir()
    fakes.add("squeue", "RUNNING")
    rows = [b'{"step": 0, "loss": 3.0}\n', b'{"step": 1, "loss": 2.5}\n', b'{"step": 2, "lo']
    written = iter([b"", rows[0], rows[0] + rows[1] + rows[2], None])

    def write_next(seconds: float) -> None:
        data = next(written)
        if data is None:
            (out / "result.json").write_text('{"planned_steps": 3}')
        else:
            (out / "metrics.jsonl").write_bytes(data)

    monkeypatch.setattr(follow_job.time, "sleep", write_next)
    seen: list[dict[str, Any]] = []
    record = SubmissionRecord("u", "slurm", NAME, "sbatch", "7")
    launch = section({"kind": "slurm"}).launch
    assert follow_job.follow_job(launch, record, str(out), 3, seen.append) == {"planned_steps": 3}
    assert seen == [{"step": 0, "loss": 3.0}, {"step": 1, "loss": 2.5}]
    assert set(fakes.calls("squeue")) == {"--noheader --format %T --jobs 7"}


@pytest.mark.slow
def test_pods_of_a_job_rendezvous_and_train(mix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each pod's command line runs here; only the host name of pod 0 and the ConfigMap's folder are replaced."""
    pytest.importorskip("torch", reason="TORCH MISSING: pip install 'gristmill[train]'")
    launch = {"kind": "kubernetes", "image": "x", "nodes": 2, "volume": {"claim": "c", "path": str(tmp_path)}}
    out = tmp_path / "out"
    parts = manifests(launch, TrainingJob(NAME, "", mix, str(out)), processes=2)
    (tmp_path / "section.json").write_text(parts["ConfigMap"]["data"]["section.json"])
    (container,) = parts["Job"]["spec"]["template"]["spec"]["containers"]
    environment = {pair["name"]: pair["value"] for pair in container["env"]}
    FakeCommands(tmp_path / "bin", monkeypatch)  # puts this interpreter's `python` on the PATH
    replacements = [
        (f"{NAME}-0.{NAME}:29500", f"localhost:{20000 + os.getpid() % 10000}"),
        ("/etc/gristmill", str(tmp_path)),
    ]
    command = [*container["command"], *container["args"]]
    for there, local in replacements:
        command = [word.replace(there, local) for word in command]
    pods = [
        subprocess.Popen(
            command, env={**os.environ, **environment, "JOB_COMPLETION_INDEX": str(index)}, stdout=subprocess.DEVNULL
        )
        for index in (1, 0)
    ]
    assert [pod.wait(timeout=300) for pod in pods] == [0, 0]
    local = section({"kind": "local"}, processes=2)
    assert read_result(str(out), 6) == train_locally(local, mix, str(tmp_path / "local"), 6, lambda row: None)
    assert (out / "metrics.jsonl").read_bytes() == (tmp_path / "local" / "metrics.jsonl").read_bytes()


def test_batch_script_trains(fakes: FakeCommands, mix: str, tmp_path: Path) -> None:
    """One task; tests/pipelines/test_hand_over.py runs two, from the mix to the receipt."""
    pytest.importorskip("torch", reason="TORCH MISSING: pip install 'gristmill[train]'")
    fakes.add("sbatch", "7")
    submit({"kind": "slurm", "setup": ["export RAN=1"]}, mix, tmp_path / "a b")
    done = run_batch_script(fakes, fakes.stdin("sbatch"), 1)
    assert done.returncode == 0, done.stderr
    result = read_result(str(tmp_path / "a b"), 6)
    assert result is not None
    assert result["steps"] == 6
    steps = [json.loads(line)["step"] for line in done.stdout.splitlines() if re.match(r"\{", line)]
    assert steps == list(range(6))

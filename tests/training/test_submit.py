"""The hand-over: rendered as Kubernetes and Slurm want it, submitted once, found again, and told in a sentence."""

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
from gristmill.training.launch import kubernetes, submit
from gristmill.training.launch.job import Job
from gristmill.training.launch.local import finished, section_json
from gristmill.training.launch.local import train as train_here
from gristmill.training.launch.slurm import script
from gristmill.training.launch.submit import check, follow, require_at_work, standing
from gristmill.training.train_section import TrainSection
from tests.training.fakes import Fakes, run_as_slurm_would

SMALL = {
    "model": {"dim": 16, "layers": 2, "heads": 2},
    "batch_sequences": 4,
    "micro_batch": 2,
    "warmup_steps": 2,
    "steps": 6,
    "log_every": 1,
}
NAME = "gristmill-0123456789abcdef"
REMOTE = Job(NAME, "s3://corpus/a.section.json", "s3://corpus/mix", "s3://corpus/a")
KUBERNETES_VERSIONS = ("1.29", "1.37")
EVERYTHING = {
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
}


def section(launch: dict[str, Any], **more: Any) -> TrainSection:
    return TrainSection.model_validate({**SMALL, "launch": launch, **more})


def manifests(launch: dict[str, Any], job: Job = REMOTE, **more: Any) -> dict[str, Any]:
    """The rendered parts by kind."""
    made = section(launch, **more)
    return {part["kind"]: part for part in yaml.safe_load_all(kubernetes.manifest(made.launch, made, job))}  # type: ignore[arg-type]


def hand_over(launch: dict[str, Any], mix: str, out: Path, **more: Any) -> submit.Record:
    return submit.submit(section(launch, **more), mix, str(out), "0123456789abcdef")


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
@pytest.mark.parametrize("launch", [EVERYTHING, {"kind": "kubernetes", "image": "trainer"}], ids=["all", "least"])
def test_the_manifest_is_one_that_kubernetes_takes(launch: dict[str, Any], version: str) -> None:
    processes = launch.get("nodes", 1) * launch.get("gpus_per_node", 1)
    parts = manifests(launch, processes=processes, batch_sequences=2 * processes)
    assert list(parts) == ["Service", "ConfigMap", "Job"]
    for part in parts.values():
        kubernetes_validate.validate(part, version, strict=True)
    broken = {**parts["Job"], "spec": {**parts["Job"]["spec"], "completion": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, version, strict=True)


def test_the_manifest_says_what_the_recipe_says() -> None:
    more = {"processes": 16, "batch_sequences": 32}
    parts = manifests(EVERYTHING, **more)
    job, pod = parts["Job"]["spec"], parts["Job"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert {part["metadata"]["name"] for part in parts.values()} == {NAME}
    assert {part["metadata"]["namespace"] for part in parts.values()} == {"training"}
    assert (job["completions"], job["parallelism"], job["completionMode"], job["backoffLimit"]) == (2, 2, "Indexed", 4)
    assert parts["Service"]["spec"]["selector"] == job["template"]["metadata"]["labels"]
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
    assert environment["ODD"] == EVERYTHING["environment"]["ODD"]  # type: ignore[index]
    assert environment["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert pod["nodeSelector"] == {"gpu": "h200"}
    assert pod["serviceAccountName"] == "trainer"
    assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts == {"section": "/etc/gristmill", "shm": "/dev/shm", "work": "/corpus"}
    assert [volume["name"] for volume in pod["volumes"]] == list(mounts)
    told = TrainSection.model_validate_json(parts["ConfigMap"]["data"]["section.json"])
    assert told == TrainSection.model_validate({**SMALL, **more})


def test_what_the_recipe_leaves_out_is_not_in_the_manifest() -> None:
    pod = manifests({"kind": "kubernetes", "image": "trainer"})["Job"]["spec"]["template"]["spec"]
    assert not pod.keys() & {"nodeSelector", "tolerations", "serviceAccountName"}
    assert "envFrom" not in pod["containers"][0]
    assert [volume["name"] for volume in pod["volumes"]] == ["section", "shm"]
    assert "@{" not in json.dumps(pod)


def test_the_script_says_what_the_recipe_says() -> None:
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
    job = Job(NAME, "/my work/a.section.json", "/my work/mix", "/my work/a")
    made = section(launch, processes=16, batch_sequences=32)
    lines = script(made.launch, job).splitlines()  # type: ignore[arg-type]
    options = [line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH ")]
    assert lines[0] == "#!/bin/bash"
    assert options == lines_of(
        f"--job-name={NAME}|--dependency=singleton|--nodes=2|--ntasks-per-node=1|--gpus-per-node=8|--partition=gpu|"
        '--account=lab|--time=1-00:00:00|--requeue|--open-mode=append|--output="/my work/a.slurm-%j.log"|'
        "--constraint=h100"
    )
    assert lines.index("source ~/venv/bin/activate") == lines.index("module load cuda") + 1
    assert lines[-1].strip() == (
        "-m gristmill.training --section '/my work/a.section.json' --shards '/my work/mix' --out '/my work/a'"
    )
    assert not any("--output" in line for line in script(made.launch, REMOTE).splitlines())  # type: ignore[arg-type]
    if shellcheck := shutil.which("shellcheck"):
        subprocess.run([shellcheck, "--severity=warning", "-"], input="\n".join(lines), text=True, check=True)


def lines_of(text: str) -> list[str]:
    return text.split("|")


def test_a_command_is_filled_word_by_word(fakes: Fakes, mix: str, tmp_path: Path) -> None:
    fakes.add("hand-over", "accepted\nqueue 7\n")
    command = "hand-over '--run={name} {{x}}' {section} {shards} {manifest} {out} {processes}/{nodes}"
    launch = {"kind": "command", "command": command, "nodes": 2}
    out = tmp_path / "my runs" / "a"
    record = hand_over(launch, mix, out, processes=2)
    assert (record.kind, record.job) == ("command", "queue 7")
    assert fakes.calls("hand-over") == [f"--run={NAME} {{x}} {out}.section.json {mix} {mix}/manifest.json {out} 2/2"]
    told = Path(f"{out}.section.json").read_text()
    assert "launch" not in json.loads(told)
    assert told == section_json(section(launch, processes=2))


@pytest.mark.parametrize(
    ("launch", "command", "said", "job"),
    [
        ({"kind": "slurm"}, "sbatch", "lua: welcome\n4242;north", "4242"),
        ({"kind": "slurm", "through": "ssh login"}, "ssh", "4242", "4242"),
        ({"kind": "kubernetes", "image": "trainer"}, "kubectl", "job.batch/x created", NAME),
        ({"kind": "command", "command": "go {out}"}, "go", "", ""),
    ],
)
def test_a_run_is_submitted_once(
    fakes: Fakes, tmp_path: Path, launch: dict[str, Any], command: str, said: str, job: str, s3_server: Any
) -> None:
    fakes.add(command, said)
    out = f"{s3_server.new_bucket()}/runs/a"
    for _ in range(2):
        record = submit.submit(section(launch), "s3://corpus/mix", out, "0123456789abcdef")
        assert record == standing(out)
        assert (record.kind, record.name, record.job) == (launch["kind"], NAME, job)
    assert len(fakes.calls(command)) == 1
    assert f"handed over, as {f'job {job}' if job else NAME} by `" in record.sentence()
    assert f"to submit it again, delete {out}.submitted.json" in record.sentence()


def test_what_was_submitted_is_kept(fakes: Fakes, mix: str, tmp_path: Path) -> None:
    fakes.add("kubectl")
    fakes.add("sbatch", "1")
    volume = {"claim": "corpus", "path": str(tmp_path)}
    hand_over({"kind": "kubernetes", "image": "x", "volume": volume}, mix, tmp_path / "a")
    hand_over({"kind": "slurm"}, mix, tmp_path / "b")
    assert fakes.calls("kubectl") == ["apply -f -"]
    assert (tmp_path / "a.job.yaml").read_text() == fakes.stdin("kubectl")
    assert (tmp_path / "b.job.sh").read_text() == fakes.stdin("sbatch")


FAULTS = {
    "sbatch: error: invalid partition": "`sbatch --parsable` ended with status 3: sbatch: error: invalid partition",
    "": "`sbatch --parsable` ended with status 3: it said nothing",
}


@pytest.mark.parametrize("said", FAULTS)
def test_a_submission_that_fails_leaves_nothing_in_the_way(fakes: Fakes, mix: str, tmp_path: Path, said: str) -> None:
    fakes.add("sbatch", said, status=3)
    with pytest.raises(RunError) as caught:
        hand_over({"kind": "slurm"}, mix, tmp_path / "a")
    assert str(caught.value) == f"train.launch: {FAULTS[said]}"
    assert standing(str(tmp_path / "a")) is None
    fakes.add("sbatch", "7")
    assert hand_over({"kind": "slurm"}, mix, tmp_path / "a").job == "7"


def test_a_command_that_cannot_be_started(mix: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^train\.launch: cannot start 'no-such', No such file or directory: install"):
        hand_over({"kind": "command", "command": "no-such {out}"}, mix, tmp_path / "a")
    assert standing(str(tmp_path / "a")) is None


def test_a_launcher_that_died_over_it_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "a.submitted.json").write_text('{"command": "sbatch", "job": null, "kind": "slurm", "name": "n"}')
    record = standing(str(tmp_path / "a"))
    assert record is not None
    assert record.sentence() == (
        "train was being handed over by `sbatch` when its launcher ended, or still is: look for n; if it is not "
        f"there, delete {tmp_path}/a.submitted.json and run again"
    )


CHECKS: list[tuple[dict[str, Any], str, str]] = [
    ({"kind": "command", "command": "no-such"}, "s3://work", "no command 'no-such' here: install it, or correct"),
    ({"kind": "slurm"}, "s3://work", "no command 'sbatch' here"),
    ({"kind": "slurm", "through": "no-ssh me"}, "s3://work", "no command 'no-ssh' here"),
    ({"kind": "kubernetes", "image": "x", "kubectl": "no-kubectl -n a"}, "s3://work", "no command 'no-kubectl' here"),
    ({"kind": "kubernetes", "image": "x"}, "/work", "pods cannot see /work/: give train.launch.volume, or a work"),
    (
        {"kind": "kubernetes", "image": "x", "volume": {"claim": "c", "path": "/data"}},
        "/database/work",
        "pods see the volume at /data, and /database/work/ is not below it: mount the volume at the same path here",
    ),
]


@pytest.mark.parametrize(("launch", "work", "fault"), CHECKS)
def test_what_would_fail_late_is_told_early(launch: dict[str, Any], work: str, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        check(section(launch).launch, work)


def test_what_will_go_well_is_not_complained_of(fakes: Fakes) -> None:
    fakes.add("kubectl")
    launch = {"kind": "kubernetes", "image": "x", "volume": {"claim": "c", "path": "/data/"}}
    check(section(launch).launch, "/data/work")
    check(section({"kind": "kubernetes", "image": "x"}).launch, "s3://work")
    check(TrainSection().launch, "/work")


SECTION_FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"kind": "slurm", "nodes": 2}, r"processes \(4\) must be launch.nodes × launch.gpus_per_node \(2 × 1\)"),
    ({"kind": "kubernetes", "image": "x", "gpus_per_node": 8}, r"\(1 × 8\)"),
    ({"kind": "command", "command": "go", "nodes": 3}, r"processes \(4\) must be a multiple of launch.nodes \(3\)"),
    ({"kind": "command", "command": "go {output}"}, r"no placeholder \{output\}; there are \{section\}, \{shards\}"),
    ({"kind": "command", "command": "go {"}, r"write \{\{ and \}\} for braces"),
    ({"kind": "command", "command": "go 'x"}, "no command line, No closing quotation"),
    ({"kind": "command", "command": " "}, "empty: name the command"),
    ({"kind": "kubernetes"}, "image\n  Field required"),
    ({"kind": "slurm", "gpus_per_node": 4, "setup": ["a\nb"]}, "String should match pattern"),
    ({"kind": "cloud"}, "expected tags: 'local', 'command', 'kubernetes', 'slurm'"),
]


@pytest.mark.parametrize(("launch", "fault"), SECTION_FAULTS)
def test_bad_launches(launch: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        section(launch, processes=4, batch_sequences=8)


def test_where_it_is_launched_is_not_in_the_key() -> None:
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
    ({"kind": "kubernetes", "image": "x"}, "kubectl", "Error from server (NotFound): jobs x", 1, "it is gone"),
    ({"kind": "kubernetes", "image": "x"}, "kubectl", "Unable to connect to the server", 1, None),
    ({"kind": "command", "command": "go"}, "go", "", 0, None),
]


@pytest.mark.parametrize(("launch", "command", "said", "status", "how"), ENDED)
def test_a_job_that_ended_without_a_result(
    fakes: Fakes, tmp_path: Path, launch: dict[str, Any], command: str, said: str, status: int, how: str | None
) -> None:
    fakes.add(command, said, status)
    out = str(tmp_path / "a")
    record = submit.Record(f"{out}.submitted.json", launch["kind"], NAME, "c", "7")
    if how is None:
        require_at_work(section(launch).launch, record, out)
    else:
        with pytest.raises(RunError, match=rf"ended without a result, {how}: see its log; to submit it again, remove"):
            require_at_work(section(launch).launch, record, out)
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "result.json").write_text("{}")
        require_at_work(section(launch).launch, record, out)


def test_a_job_is_followed_to_its_result(fakes: Fakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "a"
    out.mkdir()
    fakes.add("squeue", "RUNNING")
    rows = [b'{"step": 0, "loss": 3.0}\n', b'{"step": 1, "loss": 2.5}\n', b'{"step": 2, "lo']
    written = iter([b"", rows[0], rows[0] + rows[1] + rows[2], None])

    def a_while(seconds: float) -> None:
        data = next(written)
        if data is None:
            (out / "result.json").write_text('{"steps": 3}')
        else:
            (out / "metrics.jsonl").write_bytes(data)

    monkeypatch.setattr(submit.time, "sleep", a_while)
    seen: list[dict[str, Any]] = []
    record = submit.Record("u", "slurm", NAME, "sbatch", "7")
    assert follow(section({"kind": "slurm"}).launch, record, str(out), seen.append) == {"steps": 3}
    assert seen == [{"step": 0, "loss": 3.0}, {"step": 1, "loss": 2.5}]
    assert set(fakes.calls("squeue")) == {"--noheader --format %T --jobs 7"}


@pytest.mark.slow
def test_the_pods_of_a_job_meet_and_train(mix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each pod's own command line, run here: only the name of pod 0 and the folder of the ConfigMap are replaced."""
    pytest.importorskip("torch", reason="TORCH MISSING: pip install 'gristmill[train]'")
    launch = {"kind": "kubernetes", "image": "x", "nodes": 2, "volume": {"claim": "c", "path": str(tmp_path)}}
    out = tmp_path / "out"
    parts = manifests(launch, Job(NAME, "", mix, str(out)), processes=2)
    (tmp_path / "section.json").write_text(parts["ConfigMap"]["data"]["section.json"])
    (container,) = parts["Job"]["spec"]["template"]["spec"]["containers"]
    environment = {pair["name"]: pair["value"] for pair in container["env"]}
    Fakes(tmp_path / "bin", monkeypatch)  # brings this interpreter's `python`
    here = [(f"{NAME}-0.{NAME}:29500", f"localhost:{20000 + os.getpid() % 10000}"), ("/etc/gristmill", str(tmp_path))]
    command = [*container["command"], *container["args"]]
    for there, local in here:
        command = [word.replace(there, local) for word in command]
    pods = [
        subprocess.Popen(
            command, env={**os.environ, **environment, "JOB_COMPLETION_INDEX": str(index)}, stdout=subprocess.DEVNULL
        )
        for index in (1, 0)
    ]
    assert [pod.wait(timeout=300) for pod in pods] == [0, 0]
    local = section({"kind": "local"}, processes=2)
    assert finished(str(out)) == train_here(local, mix, str(tmp_path / "local"), lambda row: None)
    assert (out / "metrics.jsonl").read_bytes() == (tmp_path / "local" / "metrics.jsonl").read_bytes()


def test_a_script_that_slurm_runs_trains(fakes: Fakes, mix: str, tmp_path: Path) -> None:
    """One task here; two of them, from the mill to the receipt, in tests/pipelines/test_hand_over.py."""
    pytest.importorskip("torch", reason="TORCH MISSING: pip install 'gristmill[train]'")
    fakes.add("sbatch", "7")
    hand_over({"kind": "slurm", "setup": ["export RAN=1"]}, mix, tmp_path / "a b")
    done = run_as_slurm_would(fakes, fakes.stdin("sbatch"), 1)
    assert done.returncode == 0, done.stderr
    result = finished(str(tmp_path / "a b"))
    assert result is not None
    assert result["steps"] == 6
    steps = [json.loads(line)["step"] for line in done.stdout.splitlines() if re.match(r"\{", line)]
    assert steps == list(range(6))

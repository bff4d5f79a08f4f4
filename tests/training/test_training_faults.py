"""Nothing kills a run: bad losses and gradients are skipped, signals save, damaged checkpoints are passed over."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="TORCH MISSING: pip install 'gristmill[train]'")

from safetensors.torch import load_file  # noqa: E402

from gristmill.errors import RunError  # noqa: E402
from gristmill.mixing.mixed_shards import MixedShards  # noqa: E402
from gristmill.training.launch.local_launch import local_environment, torchrun_command  # noqa: E402
from gristmill.training.train_loop import train  # noqa: E402
from gristmill.training.train_section import TrainSection  # noqa: E402
from tests.training.conftest import TINY, log_rows  # noqa: E402
from tests.training.injected_faults import inject, numbered_mix, signal_while_saving  # noqa: E402

SECTION = TINY.model_copy(update={"checkpoint_every": 4, "lr": 0.005})  # 20 steps of 4 sequences
GUARDED = TrainSection.model_validate(
    SECTION.model_dump() | {"guard": {"window": 8, "patience": 3, "max_rollbacks": 1}}
)


@pytest.fixture
def numbered(tmp_path: Path) -> str:
    return numbered_mix(tmp_path / "numbered")


def run(mix: str, out: Path, section: TrainSection = GUARDED) -> list[int]:
    """Train and return the steps that were reported."""
    steps: list[int] = []
    train(section, MixedShards.open(mix), str(out), lambda row: steps.append(row["step"]))
    return steps


def skipped(out: Path) -> list[tuple[str, int, int, int]]:
    """What was not trained on: reason, step, first sequence and end."""
    return [
        (row.get("reason", row["event"]), row["step"], row["first_sequence"], row["end"])
        for row in log_rows(out, "events.jsonl")
        if "first_sequence" in row
    ]


def read(out: Path) -> list[int]:
    """The first sequences of the batches that were trained on."""
    return [row["first_sequence"] for row in log_rows(out)]


def assert_finite(out: Path) -> None:
    assert all(weight.isfinite().all() for weight in load_file(out / "model" / "model.safetensors").values())


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("nan_loss", "loss_not_finite"), ("nan_gradient", "gradient_not_finite"), ("spike", "loss_spike")],
)
@pytest.mark.parametrize("bad", [41, 47])  # 47 is in the batch after which a checkpoint is due
def test_a_bad_step_is_skipped(
    numbered: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, reason: str, bad: int
) -> None:
    inject(monkeypatch, {bad: kind})
    out, first = tmp_path / "out", bad // 4 * 4
    run(numbered, out)
    assert skipped(out) == [(reason, first // 4, first, first + 4)]
    assert read(out) == [start for start in range(0, 80, 4) if start != first]
    assert_finite(out)
    result = json.loads((out / "result.json").read_bytes())
    assert (result["planned_steps"], result["steps"], result["sequences"], result["skipped_sequences"]) == (
        20,
        19,
        76,
        4,
    )
    documents = log_rows(out, "quarantine.jsonl")
    assert {row["sequence"] for row in documents} == set(range(first, first + 4))
    assert {row["step"] for row in documents} == {first // 4}
    if kind != "nan_gradient":
        assert documents[0]["sequence"] == bad
    assert (documents[0]["loss"] is None) == (kind == "nan_loss")
    losses = [row["loss"] for row in documents if row["loss"] is not None]
    assert losses == sorted(losses, reverse=True)
    assert all(len(row["id"]) == 32 and row["source"] for row in documents)


def test_weights_that_are_not_resharded_survive_a_return(
    numbered: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inject(monkeypatch, dict.fromkeys(range(4, 16), "nan_loss"))
    run(numbered, tmp_path / "out", GUARDED.model_copy(update={"reshard_after_forward": False}))
    assert skipped(tmp_path / "out")[-1] == ("rollback", 0, 0, 16)
    assert_finite(tmp_path / "out")


def test_a_run_with_a_skipped_step_equals_a_run_that_never_saw_it(
    numbered: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when it is resumed from a checkpoint before the bad step, with another seed of trouble after it."""
    with monkeypatch.context() as patch:
        inject(patch, {41: "nan_loss"})
        run(numbered, tmp_path / "out")
    whole = (tmp_path / "out" / "metrics.jsonl").read_bytes()
    for step in ("step-00000016", "step-00000019"):
        (tmp_path / "out" / "checkpoints" / step / "complete.json").unlink()
    inject(monkeypatch, dict.fromkeys(range(40, 44), "SIGKILL"))  # they must not be read again
    run(numbered, tmp_path / "out")
    assert (tmp_path / "out" / "metrics.jsonl").read_bytes() == whole
    assert len(skipped(tmp_path / "out")) == 1


def test_many_bad_steps_return_the_run_to_its_checkpoint(
    numbered: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty sequences in a row: five bad steps, three of which make the run return and skip what it read since."""
    inject(monkeypatch, dict.fromkeys(range(40, 60), "nan_loss"))
    out = tmp_path / "out"
    run(numbered, out)
    assert skipped(out) == [
        *(("loss_not_finite", 10, first, first + 4) for first in (40, 44, 48)),
        ("rollback", 8, 32, 52),
        *(("loss_not_finite", 8, first, first + 4) for first in (52, 56)),
    ]
    assert read(out) == [*range(0, 32, 4), *range(60, 80, 4)]
    assert_finite(out)
    assert json.loads((out / "result.json").read_bytes())["skipped_sequences"] == 28


def test_a_run_that_returns_too_often_fails_and_a_lower_rate_resumes_it(
    numbered: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        inject(patch, dict.fromkeys(range(40, 80), "nan_gradient"))
        with pytest.raises(RunError, match=r"3 steps in a row were skipped, 2 times after step 8: see .*, lower train"):
            run(numbered, out)
    lower = GUARDED.model_copy(update={"lr": 0.001})
    assert run(numbered, out, lower) == [8, 9, 10, 11]
    assert read(out) == [*range(0, 32, 4), *range(64, 80, 4)]  # the others are skipped
    assert log_rows(out, "events.jsonl")[-1] == {"event": "change", "step": 8, "changed": {"lr": [0.005, 0.001]}}
    assert_finite(out)


def test_a_spike_right_after_resuming_is_recognised(
    numbered: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint holds the window of accepted steps."""
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        inject(patch, {51: "SIGTERM"})
        with pytest.raises(RunError, match=r"stopped by SIGTERM after 13 steps, which are saved"):
            run(numbered, out)
    inject(monkeypatch, {52: "spike"})
    assert run(numbered, out)[0] == 13
    assert skipped(out) == [("loss_spike", 13, 52, 56)]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_in_the_forward_pass_loses_nothing(
    numbered: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    run(numbered, tmp_path / "whole", SECTION)
    with monkeypatch.context() as patch:
        inject(patch, {9: name})
        with pytest.raises(RunError, match=rf"stopped by {name} after 3 steps"):
            run(numbered, tmp_path / "out", SECTION)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert run(numbered, tmp_path / "out", SECTION) == list(range(3, 20))
    assert_equal_runs(tmp_path)


def test_a_signal_while_saving_loses_nothing(numbered: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(numbered, tmp_path / "whole", SECTION)
    with monkeypatch.context() as patch:
        signal_while_saving(patch, "SIGTERM", 8)
        with pytest.raises(RunError, match=r"stopped by SIGTERM after \d+ steps"):
            run(numbered, tmp_path / "out", SECTION)
    assert run(numbered, tmp_path / "out", SECTION)[0] >= 8
    assert_equal_runs(tmp_path)


def assert_equal_runs(folder: Path) -> None:
    for name in ("metrics.jsonl", "result.json", "events.jsonl", "model/model.safetensors"):
        assert (folder / "out" / name).read_bytes() == (folder / "whole" / name).read_bytes()


@pytest.mark.parametrize("damage", ["flipped", "truncated", "deleted", "no_metadata", "marker"])
def test_a_damaged_checkpoint_is_passed_over(numbered: str, tmp_path: Path, damage: str) -> None:
    out = tmp_path / "out"
    run(numbered, out, SECTION)
    whole = (out / "metrics.jsonl").read_bytes()
    newest = out / "checkpoints" / "step-00000020"
    (payload,) = newest.glob("*.distcp")
    if damage == "flipped":
        data = bytearray(payload.read_bytes())
        data[len(data) // 2] ^= 1
        payload.write_bytes(data)
    elif damage == "truncated":
        payload.write_bytes(payload.read_bytes()[:-1])
    elif damage == "marker":
        (newest / "complete.json").write_bytes(b"{")
    else:
        (payload if damage == "deleted" else newest / ".metadata").unlink()
    assert run(numbered, out, SECTION) == list(range(16, 20))
    assert {"event": "damaged_checkpoint", "step": 20} in log_rows(out, "events.jsonl")
    assert (out / "metrics.jsonl").read_bytes() == whole


def faulty_run(mix: str, out: Path, section: TrainSection, settings: dict[str, Any]) -> Any:
    """Train in processes of their own, with faults."""
    out.mkdir(exist_ok=True)
    (out / "section.json").write_text(section.model_dump_json(exclude={"launch"}))
    with TemporaryDirectory() as folder:
        command = torchrun_command(section, str(out / "section.json"), mix, str(out), str(Path(folder, "rendezvous")))
        at = command.index("gristmill.training")
        command[at : at + 1] = ["tests.training.injected_faults", json.dumps(settings)]
        return subprocess.run(command, env=local_environment(folder), capture_output=True, text=True, timeout=250)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_kill_while_saving(numbered: str, tmp_path: Path, processes: int) -> None:
    section = SECTION.model_copy(update={"processes": processes})
    run_processes(numbered, tmp_path / "whole", section)
    assert faulty_run(numbered, tmp_path / "out", section, {"saving": ["SIGKILL", 8]}).returncode
    names = sorted(path.parent.name for path in (tmp_path / "out" / "checkpoints").glob("*/complete.json"))
    assert names == ["step-00000004"]
    run_processes(numbered, tmp_path / "out", section)
    assert_equal_runs(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ({41: "nan_loss"}, [("loss_not_finite", 10, 40, 44)]),
        ({47: "nan_gradient"}, [("gradient_not_finite", 11, 44, 48)]),
        ({41: "spike"}, [("loss_spike", 10, 40, 44)]),
        (
            dict.fromkeys(range(40, 52), "nan_gradient"),
            [*(("gradient_not_finite", 10, first, first + 4) for first in (40, 44, 48)), ("rollback", 8, 32, 52)],
        ),
    ],
    ids=["nan loss", "nan gradient at a checkpoint", "spike", "rollback"],
)
def test_two_processes_skip_the_same_steps(
    numbered: str, tmp_path: Path, faults: dict[int, str], expected: list[Any]
) -> None:
    """Only one of the two processes sees the bad sequence."""
    section = GUARDED.model_copy(update={"processes": 2})
    done = faulty_run(numbered, tmp_path / "out", section, {"sequences": faults})
    assert done.returncode == 0, done.stdout + done.stderr
    assert skipped(tmp_path / "out") == expected
    assert_finite(tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"sequences": {"9": "SIGTERM"}}, {"saving": ["SIGTERM", 8]}])
def test_a_signal_to_one_of_two_processes_stops_and_saves_both(
    numbered: str, tmp_path: Path, settings: dict[str, Any]
) -> None:
    section = SECTION.model_copy(update={"processes": 2})
    run_processes(numbered, tmp_path / "whole", section)
    done = faulty_run(numbered, tmp_path / "out", section, settings)
    assert done.returncode
    assert "which are saved: run the same command again to resume" in done.stdout
    run_processes(numbered, tmp_path / "out", section)
    assert_equal_runs(tmp_path)


def run_processes(mix: str, out: Path, section: TrainSection) -> None:
    done = faulty_run(mix, out, section, {})
    assert done.returncode == 0, done.stdout + done.stderr

"""``deploy/dataflow``, as far as it can be checked without Google Cloud."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gristmill.pipelines.recipe import load_recipe
from gristmill.pipelines.stage import BeamStage
from gristmill.pipelines.stages import stages_of
from gristmill.runners.profile_table import load_profile
from gristmill.runners.profiles.dataflow_profile import DataflowProfile
from tests.pipelines.conftest import CompletedRun, completed_run, run_recipe, sample  # noqa: F401 - fixtures
from tests.pipelines.offline_dataflow import Cloud, patch_cloud, require_gcp
from tests.pipelines.small_recipes import MINIMAL

pytestmark = pytest.mark.runners

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "dataflow"
METADATA = FOLDER / "metadata.json"
TEMPLATE = "gs://bucket/temp/template_launches/job/job_object"
LAUNCHED = [
    "--runner=DataflowRunner",
    "--project=some-project",
    "--region=us-central1",
    "--job_name=gristmill-crawl",
    "--temp_location=gs://bucket/temp",
    "--staging_location=gs://bucket/staging",
    f"--template_location={TEMPLATE}",
    "--sdk_container_image=registry/gristmill:1",
    "--max_num_workers=7",
]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """A fake Dataflow service that accepts a local work directory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gristmill.runners.dataflow_stage_runner.check", lambda work: None)
        yield patch_cloud(patch)


def _launch(recipe: Path, work: Path | str, *more: str) -> str:
    from deploy.dataflow.flex import launch

    return launch([*LAUNCHED, f"--recipe={recipe}", f"--work={work}", *more])


def _parameters() -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in json.loads(METADATA.read_text())["parameters"]}


def test_profile_loads() -> None:
    assert isinstance(load_profile(str(FOLDER / "runner.yaml"), ["region=us-east1"]), DataflowProfile)


def test_commented_lines_of_the_profile_load(tmp_path: Path) -> None:
    profile = tmp_path / "runner.yaml"
    profile.write_text(re.sub(r"^# (\w+: )", r"\1", (FOLDER / "runner.yaml").read_text(), flags=re.MULTILINE))
    loaded = load_profile(str(profile))
    assert isinstance(loaded, DataflowProfile)
    assert loaded.beam
    assert loaded.service_account
    assert loaded.subnetwork


def test_metadata_match_the_types_of_dataflows_client() -> None:
    require_gcp()
    from google.cloud.dataflow_v1beta3 import types
    from google.protobuf import json_format

    data = json.loads(METADATA.read_text())
    kinds = {name: one.pop("paramType") for name, one in zip(_parameters(), data["parameters"], strict=True)}
    parsed = json_format.ParseDict(data, types.TemplateMetadata.pb()())  # raises for an unknown key or type
    assert all(one.name and one.label and one.help_text for one in parsed.parameters)
    # GCS_READ_FOLDER and GCS_WRITE_FOLDER are in the REST reference, not in this client yet
    known = {kind.name for kind in types.ParameterType} | {"GCS_WRITE_FOLDER"}
    assert set(kinds.values()) <= known


def test_parameters_are_those_of_the_launcher() -> None:
    required = {name for name, one in _parameters().items() if not one.get("isOptional")}
    assert required == {"recipe", "work", "sdk_container_image"}
    for name in ("recipe", "work"):
        (pattern,) = _parameters()[name]["regexes"]
        assert re.match(pattern, "gs://bucket/folder/recipe.yaml")
        assert not re.match(pattern, "/home/me/recipe.yaml")
    stages = [stage.name for stage in stages_of(MINIMAL) if isinstance(stage, BeamStage)]
    assert [one["value"] for one in _parameters()["until"]["enumOptions"]] == stages
    assert _parameters()["until"]["defaultValue"] == stages[-1]


def test_workflow_passes_the_parameters_of_the_template() -> None:
    require_gcp()
    from google.cloud.dataflow_v1beta3 import types
    from google.protobuf import json_format

    steps = yaml.safe_load((FOLDER / "workflow.yaml").read_text())["main"]["steps"]
    named = {name: body for step in steps for name, body in step.items()}
    parameter = named["launch"]["args"]["body"]["launchParameter"]
    assert set(parameter["parameters"]) == set(_parameters())
    parameter["environment"]["maxWorkers"] = 5  # an expression, evaluated at run time
    json_format.ParseDict(parameter, types.LaunchFlexTemplateParameter.pb()())
    jumps = set(re.findall(r"next: (\w+)", (FOLDER / "workflow.yaml").read_text()))
    assert jumps <= set(named)


def test_launch_creates_the_job_of_the_first_incomplete_stage(
    cloud: Cloud,
    sample: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    recipe = sample / "recipe.yaml"
    assert _launch(recipe, tmp_path).startswith("extract: created the job over ")
    done = run_recipe(load_recipe(str(recipe)), tmp_path, until="extract")
    assert done.units_processed()["extract"]  # the launch itself processed nothing
    assert _launch(recipe, tmp_path).startswith("signals: created the job over ")
    assert not cloud.jobs  # Dataflow starts a template's job itself, from the file
    job = json.loads(cloud.files[TEMPLATE])
    assert job["name"] == "gristmill-crawl"
    assert job["labels"]["gristmill-stage"] == "signals"
    (pool,) = job["environment"]["workerPools"]
    assert pool["autoscalingSettings"]["maxNumWorkers"] == 7
    assert pool["workerHarnessContainerImage"] == "registry/gristmill:1"


def test_launch_of_a_complete_run_only_writes_the_ledger(
    cloud: Cloud,
    sample: Path,  # noqa: F811
    completed_run: CompletedRun,  # noqa: F811
) -> None:
    ledger = Path(completed_run.work) / "ledger.json"
    ledger.unlink()
    assert (
        _launch(sample / "recipe.yaml", completed_run.work) == "all stages up to mix are complete: no job was created"
    )
    assert json.loads(ledger.read_text())["stages"][-1]["stage"] == "mix"
    assert not cloud.files


def test_launcher_image_contains_the_template() -> None:
    lines = (FOLDER / "Dockerfile.flex").read_text().splitlines()
    assert "ENV FLEX_TEMPLATE_PYTHON_PY_FILE=/template/flex.py" in lines
    (copied,) = [line.split()[1:] for line in lines if line.endswith("/template/flex.py") and line.startswith("COPY")]
    assert (FOLDER / copied[0]).is_file()

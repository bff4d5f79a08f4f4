"""Dataflow jobs, translated by Beam and inspected instead of sent. None has been run on Google Cloud."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
import pytest

from gristmill.errors import InputError, RunError
from gristmill.pipelines.run import Step, pipeline_of, prepare
from gristmill.pipelines.stage import BeamStage, RunContext
from gristmill.pipelines.stages import stages_of
from gristmill.pipelines.work_directory import manifests
from gristmill.runners.profile_table import load_profile
from gristmill.runners.profiles.dataflow_profile import DataflowProfile
from gristmill.runners.stage_runner import WorkersLostError
from tests.pipelines.conftest import CompletedRun
from tests.pipelines.offline_dataflow import Cloud, patch_cloud, require_gcp
from tests.pipelines.small_recipes import MINIMAL

pytestmark = pytest.mark.runners

UNITS = 100_000
WORK = "gs://bucket/work"
PROFILE = DataflowProfile(
    project="some-project",
    region="us-central1",
    temp="gs://bucket/temp",
    image="registry/gristmill:1",
    service_account="worker@some-project.iam.gserviceaccount.com",
    subnetwork="regions/us-central1/subnetworks/quiet",
)
SMALL = 2**18  # bytes; a graph that contains the units is several times as large
GROUP = "beam:transform:group_by_key:v1"
PAGE = "https://console.cloud.google.com/dataflow/jobs/us-central1/2026-11-21_job?project=some-project"


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch_cloud(patch)


class Translated(NamedTuple):
    """The job of a stage: the request to Dataflow, and the pipeline graph that is staged with it."""

    job: Any
    graph: Any

    @property
    def pool(self) -> Any:
        (pool,) = self.job.proto.environment.worker_pools
        return pool


BEAM_STAGES = [stage for stage in stages_of(MINIMAL) if isinstance(stage, BeamStage)]


@pytest.fixture(scope="module", params=BEAM_STAGES, ids=lambda stage: stage.name)
def translated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Translated:
    """Each stage's job over 100,000 units: those of the sample, repeated under other names."""
    require_gcp()
    from apache_beam.portability.api import beam_runner_api_pb2

    completed_run: CompletedRun = request.getfixturevalue("completed_run")
    stage: BeamStage = request.param
    context = RunContext(completed_run.recipe, completed_run.work, manifests(completed_run.work), {})
    for other in BEAM_STAGES:
        prepare(other, context)  # sets the directories of all stages in the context
    step = prepare(stage, context)
    many = [task._replace(unit=f"{task.unit}-{number}") for number, task in enumerate(islice(cycle(step.tasks), UNITS))]
    directory = step.directory._replace(work=str(tmp_path_factory.mktemp("side_files")))
    with pytest.MonkeyPatch.context() as patch:
        cloud = patch_cloud(patch)
        PROFILE.open_runner(WORK, 64).run(
            stage.name, partial(pipeline_of, stage, Step(stage, directory, many, many), context), UNITS
        )
    (pipeline,) = (data for address, data in cloud.files.items() if address.endswith("/pipeline.pb"))
    return Translated(cloud.job, beam_runner_api_pb2.Pipeline.FromString(pipeline))


def test_the_size_of_the_graph_does_not_depend_on_the_number_of_units(translated: Translated) -> None:
    from google.protobuf import json_format

    request, as_json = len(translated.job.json()), len(json_format.MessageToJson(translated.graph))
    print(f"{translated.job.proto.name}: request {request:,} bytes, graph {as_json:,} bytes as JSON")
    assert request < SMALL  # Dataflow accepts 20 MB
    assert as_json < SMALL  # Dataflow accepts 10 MB


def test_the_job_follows_the_profile(translated: Translated) -> None:
    proto, pool = translated.job.proto, translated.pool
    images = {image.container_image for image in pool.sdk_harness_container_images}
    assert images == {pool.worker_harness_container_image} == {"registry/gristmill:1"}
    assert (pool.machine_type, pool.disk_size_gb, pool.num_threads_per_worker) == ("n2-standard-8", 100, 1)
    assert pool.autoscaling_settings.max_num_workers == 8  # 64 processes, 8 on each machine
    assert pool.ip_configuration.name == "WORKER_IP_PRIVATE"
    assert pool.subnetwork == "regions/us-central1/subnetworks/quiet"
    assert proto.environment.service_account_email == "worker@some-project.iam.gserviceaccount.com"
    assert proto.environment.temp_storage_prefix.startswith("storage.googleapis.com/bucket/temp")
    assert proto.labels["gristmill-work"] in proto.name


def test_the_job_is_batch_on_runner_v2_with_a_process_for_each_vcpu(translated: Translated) -> None:
    from apache_beam.portability.api import beam_runner_api_pb2

    proto = translated.job.proto
    assert proto.type_.name == "JOB_TYPE_BATCH"
    assert proto.environment.version["job_type"] == "FNAPI_BATCH"
    assert {"use_runner_v2", "use_multiple_sdk_containers"} <= set(proto.environment.experiments)
    assert not any("streaming" in name or "windmill" in name for name in proto.environment.experiments)
    bounded = beam_runner_api_pb2.IsBounded.BOUNDED
    assert {collection.is_bounded for collection in translated.graph.components.pcollections.values()} == {bounded}


def test_only_the_graph_is_staged(translated: Translated) -> None:
    assert not translated.pool.packages
    assert not any(environment.dependencies for environment in translated.graph.components.environments.values())


def test_group_keys_have_deterministic_coders(translated: Translated) -> None:
    from apache_beam.runners.pipeline_context import PipelineContext

    components = translated.graph.components
    coders = PipelineContext(components).coders
    groups = [transform for transform in components.transforms.values() if transform.spec.urn == GROUP]
    assert groups
    for group in groups:
        (source,) = group.inputs.values()
        coder = coders.get_by_id(components.pcollections[source].coder_id)
        assert coder.is_kv_coder()
        assert coder.key_coder().is_deterministic(), group.unique_name


def test_units_are_distributed_before_they_are_processed(translated: Translated) -> None:
    """Dataflow fuses steps without a grouping between them, and steps fused with their source run on one worker."""
    components = translated.graph.components
    leaves = [transform for transform in components.transforms.values() if not transform.subtransforms]
    producer = {output: leaf for leaf in leaves for output in leaf.outputs.values()}
    consumed = {source for leaf in leaves for source in leaf.inputs.values()}
    ends = [leaf for leaf in leaves if leaf.outputs and not set(leaf.outputs.values()) & consumed]
    assert ends

    def follows_a_grouping(leaf: Any) -> bool:
        sources = [producer[source] for source in leaf.inputs.values()]
        return leaf.spec.urn == GROUP or (bool(sources) and all(map(follows_a_grouping, sources)))

    assert all(follows_a_grouping(leaf) for leaf in ends)


def test_step_names_are_unique(translated: Translated) -> None:
    names = [transform.unique_name for transform in translated.graph.components.transforms.values()]
    assert len(set(names)) == len(names)


def _runner(**more: Any) -> Any:
    return PROFILE.model_copy(update=more).open_runner(WORK, None)


def _build(pipeline: beam.Pipeline) -> Any:
    return pipeline | beam.Create([1])


def test_job_names_depend_on_the_work_directory_and_the_stage(cloud: Cloud) -> None:
    runner = _runner()
    runner.run("extract", _build, 1)
    name = cloud.job.proto.name
    assert name.startswith("gristmill-")
    assert name.endswith("-extract")
    other = PROFILE.open_runner("gs://bucket/other", None)
    assert len({runner.job_name("judge"), other.job_name("judge"), name}) == 3


@pytest.mark.parametrize(
    ("machine", "workers", "units", "machines"),
    [
        ("n2-standard-8", 20, 1000, 3),
        ("n2-standard-8", None, 17, 3),
        ("n2-standard-8", 64, 3, 1),
        ("n2-custom-4-16384", 8, 100, 2),
        ("c3-standard-4-lssd", 8, 100, 2),
        ("n2-standard-8", None, 10**6, 1000),
    ],
)
def test_workers_are_processes_with_one_vcpu_each(
    cloud: Cloud, machine: str, workers: int | None, units: int, machines: int
) -> None:
    PROFILE.model_copy(update={"machine_type": machine}).open_runner(WORK, workers).run("extract", _build, units)
    assert cloud.job.proto.environment.worker_pools[0].autoscaling_settings.max_num_workers == machines


def test_beam_options_override_the_profile(cloud: Cloud) -> None:
    _runner(beam=["--machine_type=n2-highmem-16", "--flexrs_goal=COST_OPTIMIZED"]).run("extract", _build, 1)
    environment = cloud.job.proto.environment
    assert environment.worker_pools[0].machine_type == "n2-highmem-16"
    assert environment.flex_resource_scheduling_goal.name == "FLEXRS_COST_OPTIMIZED"


def test_the_job_of_an_earlier_launcher_is_awaited_and_then_the_rest_processed(cloud: Cloud) -> None:
    cloud.running = "2026-11-20_earlier"
    with pytest.raises(WorkersLostError, match="earlier launcher"):
        _runner().run("extract", _build, 1)
    cloud.running = None
    _runner().run("extract", _build, 1)
    assert cloud.job.proto.name.endswith("-extract")


def test_an_interrupt_cancels_the_job(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    cloud.state = "JOB_STATE_RUNNING"
    monkeypatch.setattr("apache_beam.runners.dataflow.dataflow_runner.time.sleep", interrupt)
    monkeypatch.setattr(
        "apache_beam.runners.dataflow.dataflow_runner.DataflowRunner.poll_for_job_completion", lambda *args: _wait()
    )
    with pytest.raises(KeyboardInterrupt):
        _runner().run("extract", _build, 1)
    assert cloud.state_changes == [("2026-11-21_job", "JOB_STATE_CANCELLED")]


def _wait() -> None:
    threading.Event().wait(5)


@pytest.mark.parametrize(
    ("state", "message", "kind", "sentence"),
    [
        ("FAILED", 'Traceback (most recent call last):\n  File "x.py", line 1\nValueError: no such page\n', RunError,
         f"ValueError: no such page (job page: {PAGE})"),
        ("FAILED", "Traceback (most recent call last):\ngristmill.errors.InputError: no list at gs://b/l\n",
         InputError, "no list at gs://b/l"),
        ("FAILED", "Traceback (most recent call last):\nModuleNotFoundError: No module named 'gristmill'\n", InputError,
         "the worker image does not contain Gristmill: build it from deploy/image and set `image` "
         f"(job page: {PAGE})"),
        ("FAILED", "Workflow failed. Causes: the worker lost contact with the service.", WorkersLostError,
         "Dataflow lost workers: Workflow failed. Causes: the worker lost contact with the service. "
         f"(job page: {PAGE})"),
        ("FAILED", "Workflow failed. Causes: Quota exceeded.", RunError,
         f"the Dataflow job failed: Workflow failed. Causes: Quota exceeded. (job page: {PAGE})"),
        ("CANCELLED", "None", RunError,
         f"the job was cancelled; run the same command again to resume (job page: {PAGE})"),
    ],
)  # fmt: skip
def test_the_message_of_a_failed_job_becomes_one_sentence(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, state: str, message: str, kind: type[Exception], sentence: str
) -> None:
    from apache_beam.runners.dataflow.dataflow_runner import DataflowPipelineResult, DataflowRuntimeException

    def fail(self: Any) -> None:
        raise DataflowRuntimeException(f"Dataflow pipeline failed. State: {state}, Error:\n{message}", self)

    monkeypatch.setattr(DataflowPipelineResult, "wait_until_finish", fail)
    with pytest.raises(kind) as caught:
        _runner().run("extract", _build, 1)
    assert type(caught.value) is kind
    assert str(caught.value) == sentence


def _forbidden() -> Exception:
    from google.api_core.exceptions import Forbidden

    return Forbidden("dataflow.jobs.create is missing")


def _expired() -> Exception:
    from google.auth.exceptions import RefreshError

    return RefreshError("token expired")


def _unavailable() -> Exception:
    from google.api_core.exceptions import ServiceUnavailable

    return ServiceUnavailable("try later")


@pytest.mark.parametrize(
    ("make_error", "kind", "sentence"),
    [
        (_forbidden, InputError, "Dataflow rejected the job: dataflow.jobs.create is missing; check that"),
        (_expired, InputError, "Google Cloud rejected the credentials (token expired): run `gcloud auth"),
        (_unavailable, RunError, "Dataflow does not answer: try later; run the same command again"),
        (lambda: OSError("Could not upload"), InputError, "cannot write to gs://bucket/temp: Could not upload"),
    ],
)
def test_a_rejected_job_becomes_one_sentence(
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
    make_error: Callable[[], Exception],
    kind: type[Exception],
    sentence: str,
) -> None:
    from apache_beam.runners.dataflow.internal.apiclient import DataflowApplicationClient

    def reject(self: Any, job: Any) -> None:
        raise make_error()

    monkeypatch.setattr(DataflowApplicationClient, "submit_job_description", reject)
    with pytest.raises(kind) as caught:
        _runner().run("extract", _build, 1)
    assert str(caught.value).startswith(sentence)


def test_a_job_keeps_running_if_the_connection_is_lost(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    from apache_beam.runners.dataflow.dataflow_runner import DataflowPipelineResult

    def fail(self: Any) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr(DataflowPipelineResult, "wait_until_finish", fail)
    with pytest.raises(RunError, match=r"lost contact with the job, which is still running: https://.* \(no route\)"):
        _runner().run("extract", _build, 1)
    assert not cloud.state_changes


def test_options_that_beam_rejects_become_one_sentence(cloud: Cloud) -> None:
    with pytest.raises(InputError, match=r"invalid Dataflow profile: .*Project") as caught:
        _runner(project="12345").run("extract", _build, 1)
    assert "\n" not in str(caught.value)


def test_a_local_work_directory_is_refused(cloud: Cloud, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="set --work to gs://BUCKET/FOLDER"):
        PROFILE.open_runner(str(tmp_path), None)


def test_missing_credentials_are_reported_immediately(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    from google.auth.exceptions import DefaultCredentialsError

    def missing() -> None:
        raise DefaultCredentialsError("none")

    monkeypatch.setattr("google.auth.default", missing)
    with pytest.raises(InputError, match="gcloud auth application-default login"):
        PROFILE.open_runner(WORK, None)


def test_missing_packages_are_reported_immediately(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(InputError, match=r"pip install 'gristmill\[gcp\]'"):
        PROFILE.open_runner(WORK, None)


def test_a_profile_must_name_project_and_region() -> None:
    with pytest.raises(InputError, match="project is missing; region is missing") as caught:
        load_profile("dataflow", ["temp=here", "image=i"])
    assert "temp: must match pattern" in str(caught.value)


def test_the_request_is_plain_json(cloud: Cloud) -> None:
    _runner().run("extract", _build, 1)
    assert json.loads(cloud.job.json())["name"] == cloud.job.proto.name

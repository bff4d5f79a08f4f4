"""Dataflow's jobs, translated by Beam's own translation and looked at before they would be sent. None was ever run."""

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
from gristmill.pipelines.stages import STAGES
from gristmill.pipelines.work_directory import manifests
from gristmill.runners.profile_table import load_profile
from gristmill.runners.profiles.dataflow_profile import DataflowProfile
from gristmill.runners.stage_runner import WorkersLostError
from tests.pipelines.conftest import CompletedRun
from tests.pipelines.offline_dataflow import Cloud, cut_off, require

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
SMALL = 2**18  # bytes; with the units themselves in it, a graph is several times that
GROUP = "beam:transform:group_by_key:v1"
PAGE = "https://console.cloud.google.com/dataflow/jobs/us-central1/2026-11-21_job?project=some-project"


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with pytest.MonkeyPatch.context() as patch:
        yield cut_off(patch)


class Translated(NamedTuple):
    """The job of a stage: what Dataflow is asked for, and the graph that is staged beside it."""

    job: Any
    graph: Any

    @property
    def pool(self) -> Any:
        (pool,) = self.job.proto.environment.worker_pools
        return pool


BEAM_STAGES = [stage for stage in STAGES if isinstance(stage, BeamStage)]


@pytest.fixture(scope="module", params=BEAM_STAGES, ids=lambda stage: stage.name)
def translated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Translated:
    """Each stage's job over a hundred thousand units, those of the sample again and again under other names."""
    require()
    from apache_beam.portability.api import beam_runner_api_pb2

    completed_run: CompletedRun = request.getfixturevalue("milled")
    stage: BeamStage = request.param
    context = RunContext(completed_run.recipe, completed_run.work, manifests(completed_run.work), {})
    for before in BEAM_STAGES:
        prepare(before, context)  # names the directories of all stages
    step = prepare(stage, context)
    many = [task._replace(unit=f"{task.unit}-{number}") for number, task in enumerate(islice(cycle(step.tasks), UNITS))]
    directory = step.directory._replace(work=str(tmp_path_factory.mktemp("parcels")))
    with pytest.MonkeyPatch.context() as patch:
        cloud = cut_off(patch)
        engine = PROFILE.open_runner(WORK, 64)
        engine.run(stage.name, partial(pipeline_of, stage, Step(stage, directory, many, many), context), UNITS)
    (pipeline,) = (data for address, data in cloud.files.items() if address.endswith("/pipeline.pb"))
    return Translated(cloud.job, beam_runner_api_pb2.Pipeline.FromString(pipeline))


def test_the_graph_stays_small_however_many_units_there_are(translated: Translated) -> None:
    from google.protobuf import json_format

    request, as_json = len(translated.job.json()), len(json_format.MessageToJson(translated.graph))
    print(f"{translated.job.proto.name}: request {request:,} bytes, graph {as_json:,} bytes as JSON")
    assert request < SMALL  # Dataflow takes 20 MB
    assert as_json < SMALL  # Dataflow takes 10 MB


def test_the_job_is_what_the_profile_says(translated: Translated) -> None:
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
    assert not any("streaming" in one or "windmill" in one for one in proto.environment.experiments)
    bounded = beam_runner_api_pb2.IsBounded.BOUNDED
    assert {collection.is_bounded for collection in translated.graph.components.pcollections.values()} == {bounded}


def test_nothing_is_staged_beside_the_graph(translated: Translated) -> None:
    assert not translated.pool.packages
    assert not any(one.dependencies for one in translated.graph.components.environments.values())


def test_keys_of_groups_are_encoded_the_same_everywhere(translated: Translated) -> None:
    from apache_beam.runners.pipeline_context import PipelineContext

    components = translated.graph.components
    coders = PipelineContext(components).coders
    groups = [one for one in components.transforms.values() if one.spec.urn == GROUP]
    assert groups
    for group in groups:
        (source,) = group.inputs.values()
        coder = coders.get_by_id(components.pcollections[source].coder_id)
        assert coder.is_kv_coder()
        assert coder.key_coder().is_deterministic(), group.unique_name


def test_units_are_spread_before_they_are_worked_on(translated: Translated) -> None:
    """Dataflow fuses what no grouping divides; what stays in one piece with its source runs on one worker."""
    components = translated.graph.components
    leaves = [one for one in components.transforms.values() if not one.subtransforms]
    maker = {made: leaf for leaf in leaves for made in leaf.outputs.values()}
    read = {source for leaf in leaves for source in leaf.inputs.values()}
    ends = [leaf for leaf in leaves if leaf.outputs and not set(leaf.outputs.values()) & read]
    assert ends

    def divided(leaf: Any) -> bool:
        sources = [maker[one] for one in leaf.inputs.values()]
        return leaf.spec.urn == GROUP or (bool(sources) and all(map(divided, sources)))

    assert all(divided(leaf) for leaf in ends)


def test_no_two_steps_have_one_name(translated: Translated) -> None:
    names = [one.unique_name for one in translated.graph.components.transforms.values()]
    assert len(set(names)) == len(names)


def _engine(**more: Any) -> Any:
    return PROFILE.model_copy(update=more).open_runner(WORK, None)


def _build(pipeline: beam.Pipeline) -> Any:
    return pipeline | beam.Create([1])


def test_job_names_tell_the_work_directory_and_the_stage(cloud: Cloud) -> None:
    engine = _engine()
    engine.run("extract", _build, 1)
    name = cloud.job.proto.name
    assert name.startswith("gristmill-")
    assert name.endswith("-extract")
    other = PROFILE.open_runner("gs://bucket/other", None)
    assert len({engine.job_name("judge"), other.job_name("judge"), name}) == 3


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
def test_workers_are_processes_one_on_each_vcpu(
    cloud: Cloud, machine: str, workers: int | None, units: int, machines: int
) -> None:
    PROFILE.model_copy(update={"machine_type": machine}).open_runner(WORK, workers).run("extract", _build, units)
    assert cloud.job.proto.environment.worker_pools[0].autoscaling_settings.max_num_workers == machines


def test_further_options_of_beam_win(cloud: Cloud) -> None:
    _engine(beam=["--machine_type=n2-highmem-16", "--flexrs_goal=COST_OPTIMIZED"]).run("extract", _build, 1)
    environment = cloud.job.proto.environment
    assert environment.worker_pools[0].machine_type == "n2-highmem-16"
    assert environment.flex_resource_scheduling_goal.name == "FLEXRS_COST_OPTIMIZED"


def test_a_job_that_an_earlier_launcher_left_is_awaited_and_the_rest_done_after_it(cloud: Cloud) -> None:
    cloud.running = "2026-11-20_earlier"
    with pytest.raises(WorkersLostError, match="earlier launcher"):
        _engine().run("extract", _build, 1)
    cloud.running = None
    _engine().run("extract", _build, 1)
    assert cloud.job.proto.name.endswith("-extract")


def test_an_interrupt_cancels_the_job(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    cloud.state = "JOB_STATE_RUNNING"
    monkeypatch.setattr("apache_beam.runners.dataflow.dataflow_runner.time.sleep", interrupt)
    monkeypatch.setattr(
        "apache_beam.runners.dataflow.dataflow_runner.DataflowRunner.poll_for_job_completion", lambda *given: _linger()
    )
    with pytest.raises(KeyboardInterrupt):
        _engine().run("extract", _build, 1)
    assert cloud.asked == [("2026-11-21_job", "JOB_STATE_CANCELLED")]


def _linger() -> None:
    threading.Event().wait(5)


@pytest.mark.parametrize(
    ("state", "said", "kind", "sentence"),
    [
        ("FAILED", 'Traceback (most recent call last):\n  File "x.py", line 1\nValueError: no such page\n', RunError,
         f"ValueError: no such page (the job's page: {PAGE})"),
        ("FAILED", "Traceback (most recent call last):\ngristmill.errors.InputError: no list at gs://b/l\n",
         InputError, "no list at gs://b/l"),
        ("FAILED", "Traceback (most recent call last):\nModuleNotFoundError: No module named 'gristmill'\n", InputError,
         "the worker image has no Gristmill: build it from deploy/image, set `image` "
         f"(the job's page: {PAGE})"),
        ("FAILED", "Workflow failed. Causes: the worker lost contact with the service.", WorkersLostError,
         "Dataflow lost workers: Workflow failed. Causes: the worker lost contact with the service. "
         f"(the job's page: {PAGE})"),
        ("FAILED", "Workflow failed. Causes: Quota exceeded.", RunError,
         f"Dataflow gave the job up: Workflow failed. Causes: Quota exceeded. (the job's page: {PAGE})"),
        ("CANCELLED", "None", RunError,
         f"the job was cancelled; the same command goes on from here (the job's page: {PAGE})"),
    ],
)  # fmt: skip
def test_what_a_failed_job_says_becomes_one_sentence(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, state: str, said: str, kind: type[Exception], sentence: str
) -> None:
    from apache_beam.runners.dataflow.dataflow_runner import DataflowPipelineResult, DataflowRuntimeException

    def fail(self: Any) -> None:
        raise DataflowRuntimeException(f"Dataflow pipeline failed. State: {state}, Error:\n{said}", self)

    monkeypatch.setattr(DataflowPipelineResult, "wait_until_finish", fail)
    with pytest.raises(kind) as caught:
        _engine().run("extract", _build, 1)
    assert type(caught.value) is kind
    assert str(caught.value) == sentence


def _forbidden() -> Exception:
    from google.api_core.exceptions import Forbidden

    return Forbidden("dataflow.jobs.create is missing")


def _expired() -> Exception:
    from google.auth.exceptions import RefreshError

    return RefreshError("token expired")


def _away() -> Exception:
    from google.api_core.exceptions import ServiceUnavailable

    return ServiceUnavailable("try later")


@pytest.mark.parametrize(
    ("refusal", "kind", "sentence"),
    [
        (_forbidden, InputError, "Dataflow does not take the job: dataflow.jobs.create is missing; see that"),
        (_expired, InputError, "Google Cloud does not take the credentials (token expired): run `gcloud auth"),
        (_away, RunError, "Dataflow does not answer: try later; once that is mended, the same command goes on"),
        (lambda: OSError("Could not upload"), InputError, "cannot write to gs://bucket/temp: Could not upload"),
    ],
)
def test_a_job_that_is_not_taken_becomes_one_sentence(
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
    refusal: Callable[[], Exception],
    kind: type[Exception],
    sentence: str,
) -> None:
    from apache_beam.runners.dataflow.internal.apiclient import DataflowApplicationClient

    def refuse(self: Any, job: Any) -> None:
        raise refusal()

    monkeypatch.setattr(DataflowApplicationClient, "submit_job_description", refuse)
    with pytest.raises(kind) as caught:
        _engine().run("extract", _build, 1)
    assert str(caught.value).startswith(sentence)


def test_a_job_out_of_sight_goes_on(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    from apache_beam.runners.dataflow.dataflow_runner import DataflowPipelineResult

    def fail(self: Any) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr(DataflowPipelineResult, "wait_until_finish", fail)
    with pytest.raises(RunError, match=r"lost sight of the job, which goes on: https://.* \(no route\)"):
        _engine().run("extract", _build, 1)
    assert not cloud.asked


def test_options_that_beam_refuses_become_one_sentence(cloud: Cloud) -> None:
    with pytest.raises(InputError, match=r"Dataflow's profile: .*Project") as caught:
        _engine(project="12345").run("extract", _build, 1)
    assert "\n" not in str(caught.value)


def test_a_local_work_directory_is_refused(cloud: Cloud, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give --work as gs://BUCKET/FOLDER"):
        PROFILE.open_runner(str(tmp_path), None)


def test_missing_credentials_are_told_at_once(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    from google.auth.exceptions import DefaultCredentialsError

    def missing() -> None:
        raise DefaultCredentialsError("none")

    monkeypatch.setattr("google.auth.default", missing)
    with pytest.raises(InputError, match="gcloud auth application-default login"):
        PROFILE.open_runner(WORK, None)


def test_missing_packages_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(InputError, match=r"pip install 'gristmill\[gcp\]'"):
        PROFILE.open_runner(WORK, None)


def test_a_profile_must_name_project_and_region() -> None:
    with pytest.raises(InputError, match="project is missing; region is missing") as caught:
        load_profile("dataflow", ["temp=here", "image=i"])
    assert "temp: must match pattern" in str(caught.value)


def test_the_request_is_plain_json(cloud: Cloud) -> None:
    _engine().run("extract", _build, 1)
    assert json.loads(cloud.job.json())["name"] == cloud.job.proto.name

"""Runner profiles: how they are loaded, and the message for an invalid one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gristmill.errors import InputError
from gristmill.runners.profile_table import RUNNER_NAMES, RUNNER_PROFILES, load_profile
from gristmill.runners.profiles.embedded_profile import EmbeddedProfile
from gristmill.runners.profiles.flink_profile import FlinkProfile
from gristmill.runners.profiles.job_server_profile import JobServerProfile
from gristmill.runners.profiles.spark_profile import SparkProfile


def write_profile(folder: Path, text: str) -> str:
    path = folder / "runner.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", [name for name in RUNNER_NAMES if name != "dataflow"])
def test_a_runner_name_is_a_profile(name: str) -> None:
    assert load_profile(name).runner == name


def test_every_option_of_a_profile_is_documented() -> None:
    for profile in RUNNER_PROFILES:
        fields = {name: field for name, field in profile.model_fields.items() if name != "runner"}
        assert all(field.description for field in fields.values())


def test_options_override_the_keys_of_a_profile_file(tmp_path: Path) -> None:
    text = "runner: flink\nmaster: rest:8081\njar: server.jar\nworker_pool: localhost:50000\n"
    profile = load_profile(write_profile(tmp_path, text), ["master=other:8081", "java_options=[-Xmx4g]"])
    assert profile == FlinkProfile(
        master="other:8081",
        jar=str(tmp_path / "server.jar"),
        worker_pool="localhost:50000",
        java_options=["-Xmx4g"],
    )
    assert load_profile("embedded") == EmbeddedProfile()
    assert load_profile("spark", ["properties={spark.executor.memory: 2g}"]) == SparkProfile(
        properties={"spark.executor.memory": "2g"}
    )


@pytest.mark.parametrize(
    ("name", "options", "is_local"),
    [
        ("flink", [], True),
        ("flink", ["master=rest:8081"], False),
        ("spark", ["master=local[3]"], True),
        ("spark", ["master=spark://m:7077"], False),
    ],
)
def test_is_local_follows_from_the_master(name: str, options: list[str], is_local: bool) -> None:
    profile = load_profile(name, options)
    assert isinstance(profile, JobServerProfile)
    assert profile.is_local is is_local


def test_slots_of_a_spark_cluster_need_its_web_address() -> None:
    with pytest.raises(InputError, match="set `ui`"):
        SparkProfile(master="spark://m:7077").read_slots()


INVALID: list[tuple[str, list[str], str]] = [
    ("flonk", [], f"no runner 'flonk': use one of {', '.join(RUNNER_NAMES)}"),
    ("missing.yaml", [], "no profile at missing.yaml"),
    ("flink", ["mastr=a:1"], "mastr: unknown key; did you mean 'master'?"),
    ("flink", ["master=a"], "master: "),
    ("flink", ["job_endpoint=a"], "job_endpoint: must"),
    ("flink", ["jobs_tried=0"], "jobs_tried: must be greater than or equal to 1, not 0"),
    ("flink", ["runner=flonk"], f"its `runner` must be one of {', '.join(RUNNER_NAMES)}"),
    ("spark", ["master=flink://a:1"], "master: must"),
    ("dataflow", ["region=r", "temp=gs://b/t", "image=i"], "project is missing"),
    ("dataflow", ["project=p", "region=r", "temp=/t", "image=i"], "temp: must"),
    ("flink", ["master"], "--option master: write it as key=value"),
]


@pytest.mark.parametrize(("name", "options", "message"), INVALID)
def test_an_invalid_profile_is_reported_in_one_sentence(name: str, options: list[str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        load_profile(name, options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["- a\n", "master: a:1\n", "runner: beam\n", "runner: [flink]\n"])
def test_a_file_without_a_valid_runner_is_rejected(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="runner"):
        load_profile(write_profile(tmp_path, text))


def test_profiles_load_without_beam() -> None:
    code = "import sys, gristmill.runners.profile_table; sys.exit('apache_beam' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

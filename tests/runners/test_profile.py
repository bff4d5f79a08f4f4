"""Profiles: what a runner is told, and what is said of a fault in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gristmill.errors import InputError
from gristmill.runners.profile import RUNNERS, Embedded, Flink, Spark, load_profile


def profile_file(folder: Path, text: str) -> str:
    path = folder / "runner.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", [name for name in RUNNERS if name != "dataflow"])
def test_a_name_is_a_profile(name: str) -> None:
    assert load_profile(name).runner == name


def test_a_file_describes_a_cluster_and_options_override_it(tmp_path: Path) -> None:
    text = "runner: flink\nmaster: rest:8081\njar: server.jar\nworker_pool: localhost:50000\n"
    found = load_profile(profile_file(tmp_path, text), ["master=other:8081", "java_options=[-Xmx4g]"])
    assert found == Flink(
        master="other:8081",
        jar=str(tmp_path / "server.jar"),
        worker_pool="localhost:50000",
        java_options=["-Xmx4g"],
    )
    assert not found.is_local
    assert load_profile("flink").is_local
    assert load_profile("spark", ["master=local[3]"]).is_local
    assert load_profile("embedded") == Embedded()
    assert load_profile("spark", ["properties={spark.executor.memory: 2g}"]) == Spark(
        properties={"spark.executor.memory": "2g"}
    )


FAULTS: list[tuple[str, list[str], str]] = [
    ("flonk", [], "no runner 'flonk'; there are embedded, prism, flink, spark, dataflow"),
    ("missing.yaml", [], "no profile at missing.yaml"),
    ("flink", ["mastr=a:1"], "mastr: no such key; did you mean 'master'?"),
    ("flink", ["master=a"], "master: "),
    ("flink", ["job_endpoint=a"], "job_endpoint: must"),
    ("flink", ["jobs_tried=0"], "jobs_tried: must be greater than or equal to 1, not 0"),
    ("spark", ["master=flink://a:1"], "master: must"),
    ("dataflow", ["region=r", "temp=gs://b/t", "image=i"], "project is missing"),
    ("dataflow", ["project=p", "region=r", "temp=/t", "image=i"], "temp: must"),
    ("flink", ["master"], "--option master: write it as key=value"),
]


@pytest.mark.parametrize(("name", "options", "sentence"), FAULTS)
def test_a_fault_is_one_sentence(name: str, options: list[str], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        load_profile(name, options)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["- a\n", "master: a:1\n", "runner: beam\n", "runner: [flink]\n"])
def test_a_file_that_is_no_profile(tmp_path: Path, text: Any) -> None:
    with pytest.raises(InputError, match="runner"):
        load_profile(profile_file(tmp_path, text))

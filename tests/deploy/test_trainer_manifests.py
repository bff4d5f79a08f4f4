"""The examples of deploy/trainer are what is rendered today, and their schemas hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

TRAINER = Path(__file__).resolve().parents[2] / "deploy" / "trainer"
MANIFESTS = ("kubernetes.yaml", "kubernetes-volume.yaml", "volume.yaml")


@pytest.mark.parametrize("version", ["1.29", "1.37"])
@pytest.mark.parametrize("name", MANIFESTS)
def test_manifests_are_ones_that_kubernetes_takes(name: str, version: str) -> None:
    for part in yaml.safe_load_all((TRAINER / name).read_text()):
        kubernetes_validate.validate(part, version, strict=True)


def test_examples_are_what_is_rendered(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(TRAINER / "render.py"), str(tmp_path)], check=True)
    rendered = sorted(path.name for path in tmp_path.iterdir())
    assert rendered == ["kubernetes-volume.yaml", "kubernetes.yaml", "slurm.sh"]
    for name in rendered:
        assert (tmp_path / name).read_text() == (TRAINER / name).read_text(), "run deploy/trainer/render.py"
    subprocess.run(["bash", "-n", str(TRAINER / "slurm.sh")], check=True)

"""``python deploy/trainer/render.py [DIR]``: renders the examples in this folder, or into another one."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from gristmill.training.launch.submit_job import submission
from gristmill.training.launch.training_job import TrainingJob
from gristmill.training.train_section import TrainSection

HERE = Path(__file__).parent
EXAMPLES = {
    "kubernetes-values.yaml": ("s3://corpus/work", "kubernetes.yaml"),
    "kubernetes-volume-values.yaml": ("/corpus/work", "kubernetes-volume.yaml"),
    "slurm-values.yaml": ("/shared/work", "slurm.sh"),
}


def main(target: Path) -> None:
    for values, (work, rendered) in EXAMPLES.items():
        section = TrainSection.model_validate(yaml.safe_load((HERE / values).read_text()))
        run = f"{work}/train-0123456789abcdef/runs/fedcba9876543210"
        name, shards = "gristmill-1032547698badcfe", f"{work}/mix-0123456789abcdef"
        job = TrainingJob(name, f"{run[:-16]}1032547698badcfe.section.json", shards, run)
        (target / rendered).write_text(submission(section, job).stdin or "")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)

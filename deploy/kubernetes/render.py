"""``python deploy/kubernetes/render.py [DIR]``: what the chart gives with its own values, for both engines.

The results are committed (flink/rendered.yaml, spark/rendered.yaml) for those who read or apply them without Helm, and
for the tests, which need none either: the first line holds a digest of all that the results are made of. Needs `helm`
(v3) on the PATH.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ENGINES = ("flink", "spark")
KUBERNETES = "1.32.0"
SOURCES = ("Chart.yaml", "values.yaml", "files/*", "templates/**/*.yaml", "templates/**/*.tpl")


def digest() -> str:
    """Of the chart and its values."""
    found = sorted(path for pattern in SOURCES for path in HERE.glob(pattern) if path.is_file())
    sums = [f"{path.relative_to(HERE).as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in found]
    return hashlib.sha256("\n".join(sums).encode()).hexdigest()[:16]


def first_line() -> str:
    return f"# Made by deploy/kubernetes/render.py from the chart with digest {digest()}; not to be edited.\n"


def helm(*options: str) -> str:
    """What `helm template` prints. Raises CalledProcessError."""
    command = ["helm", "template", "gristmill", str(HERE), "--kube-version", KUBERNETES, *options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main(target: Path) -> None:
    for engine in ENGINES:
        (target / engine).mkdir(parents=True, exist_ok=True)
        (target / engine / "rendered.yaml").write_text(first_line() + helm("--set", f"engine={engine}"))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)

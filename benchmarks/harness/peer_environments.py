"""Other tools, each in a virtual environment of its own that is made at its first use and kept.

The environments are below ``$GRISTMILL_CACHE/peers`` (default ``~/.cache/gristmill/peers``), in folders whose names
contain a hash of their packages. They are separate because, for one, datatrove requires trafilatura below 1.12 and
would replace Gristmill's.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness.process_cost import Cost, run_command
from gristmill.store.cache import cache_folder

DATATROVE = (
    "datatrove[io,processing]==0.10.1",
    "spacy==3.8.18",  # its English word tokenizer; the extra `multilingual` would also install TensorFlow
    "lxml_html_clean==0.4.6",  # trafilatura 1.11 needs it and does not require it
)

_FOLDER = cache_folder() / "peers"
_SCRIPTS = Path(__file__).parents[1] / "peers" / "datatrove"


def peer_python(name: str, packages: Sequence[str]) -> Path:
    """Return the Python of an environment with ``packages``. Raises SystemExit if they cannot be installed."""
    digest = hashlib.sha256("\n".join(packages).encode()).hexdigest()[:12]
    folder = _FOLDER / f"{name}-{digest}"
    python, stamp = folder / "bin" / "python", folder / "installed"
    if not stamp.exists():
        print(f"installing {name} in {folder}", file=sys.stderr)
        venv.create(folder, clear=True, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--progress-bar", "off"]
        if subprocess.run([*pip, *packages], stdout=sys.stderr, check=False).returncode:
            raise SystemExit(f"cannot install {name}: see the output of pip above")
        stamp.touch()
    return python


def datatrove_command(script: str, *arguments: object) -> list[str]:
    """Return the command that runs a script of ``benchmarks/peers/datatrove`` in datatrove's environment."""
    return [str(peer_python("datatrove", DATATROVE)), str(_SCRIPTS / script), *map(str, arguments)]


def run_datatrove(script: str, *arguments: object, log: Path) -> Cost:
    """Run a script of ``benchmarks/peers/datatrove``, offline, and return what it took."""
    environment = {"HF_ASSETS_CACHE": str(_FOLDER / "assets"), "HF_HUB_OFFLINE": "1"}
    return run_command(datatrove_command(script, *arguments), environment, log)

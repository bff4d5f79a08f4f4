"""Other tools, each in a virtual environment of its own that is made at its first use and kept.

The environments are below ``$GRISTMILL_CACHE/peers`` (default ``~/.cache/gristmill/peers``), in folders whose names
contain a hash of their packages. They are separate because, for one, datatrove requires trafilatura below 1.12 and
would replace Gristmill's.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import sysconfig
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

FOREIGN_READERS = (
    "megatron-core==0.16.1",
    "ai2-olmo-core==3.0.0",
    "datatrove==0.10.1",
    "litdata==0.2.76",
    "mosaicml-streaming==0.13.0",
    "datasets==5.2.0",
    # What they import, as far as the project's own environment does not have it.
    "bettermap==1.3.1",
    "cached-path==1.8.10",
    "cramjam==2.14.0",
    "dataclass-extensions==0.5.0",
    "dill==0.4.1",
    "humanize==4.17.0",
    "lightning-utilities==0.15.3",
    "loguru==0.7.3",
    "multiprocess==0.70.19",
    "pandas==3.1.1",
    "python-snappy==0.7.3",
    "torchvision==0.29.2",
    "xxhash==4.1.0",
    "zstd==1.5.7.2",
    "google-api-core==2.44.0",  # and below: what cached-path imports for Google Cloud Storage
    "google-auth==2.62.2",
    "google-cloud-core==2.8.0",
    "google-cloud-storage==3.17.1",
    "google-crc32c==1.9.0",
    "google-resumable-media==2.11.0",
    "googleapis-common-protos==1.76.0",
    "opentelemetry-api==1.45.2",
    "pyasn1==0.6.5",
    "pyasn1-modules==0.4.2",
)

_FOLDER = cache_folder() / "peers"
_SCRIPTS = Path(__file__).parents[1] / "peers" / "datatrove"


def peer_python(name: str, packages: Sequence[str], *, over_ours: bool = False) -> Path:
    """Return the Python of an environment with ``packages``. Raises SystemExit if they cannot be installed.

    With ``over_ours`` they are installed without what they require, and everything else is imported from the
    environment of this process: PyTorch alone takes gigabytes.
    """
    ours = sysconfig.get_path("purelib") if over_ours else ""
    digest = hashlib.sha256("\n".join([*packages, ours] if ours else packages).encode()).hexdigest()[:12]
    folder = _FOLDER / f"{name}-{digest}"
    python, stamp = folder / "bin" / "python", folder / "installed"
    if not stamp.exists():
        print(f"installing {name} in {folder}", file=sys.stderr)
        venv.create(folder, clear=True, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--progress-bar", "off"]
        if ours:
            pip.append("--no-deps")
            (next(folder.glob("lib/python*/site-packages")) / "ours.pth").write_text(f"{ours}\n")
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

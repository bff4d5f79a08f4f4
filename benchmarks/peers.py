"""Other people's tools, each in a virtual environment of its own that is made at its first use and kept.

They lie below ``$GRISTMILL_CACHE/peers`` (default ``~/.cache/gristmill/peers``), under a name that tells what is in
them. datatrove, for one, holds trafilatura below 1.12 and would change the mill's own if it were installed beside it.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from gristmill.store.cache import cache_folder

DATATROVE = (
    "datatrove[io,processing]==0.10.1",
    "spacy==3.8.18",  # its English word tokenizer; the extra `multilingual` wants TensorFlow too
    "lxml_html_clean==0.4.6",  # which trafilatura 1.11 forgets to ask for
)

FOLDER = cache_folder() / "peers"


def python(name: str, packages: Sequence[str]) -> Path:
    """The Python of an environment with ``packages``. Raises SystemExit where they cannot be installed."""
    digest = hashlib.sha256("\n".join(packages).encode()).hexdigest()[:12]
    folder = FOLDER / f"{name}-{digest}"
    found, stamp = folder / "bin" / "python", folder / "installed"
    if not stamp.exists():
        print(f"installing {name} in {folder}", file=sys.stderr)
        venv.create(folder, clear=True, with_pip=True)
        pip = [str(found), "-m", "pip", "install", "--quiet", "--progress-bar", "off"]
        done = subprocess.run([*pip, *packages], stdout=sys.stderr, check=False)
        if done.returncode:
            raise SystemExit(f"cannot install {name}: what pip said stands above")
        stamp.touch()
    return found

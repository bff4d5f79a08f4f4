"""``python -m gristmill.training --section URL --shards URL --out URL``: one process of a run, alone or under torchrun.

It writes JSON objects to standard output, one per line: metrics every ``log_every`` steps, and ``{"error": sentence}``
before exit status 1.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import sys
import threading
import traceback
from typing import Any

from pydantic import ValidationError

from gristmill.errors import InputError, RunError
from gristmill.mixing.mixed_shards import MixedShards
from gristmill.store import storage
from gristmill.training.train_loop import train
from gristmill.training.train_section import TrainSection


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m gristmill.training", description="Train on mixed shards.")
    parser.add_argument("--section", required=True, metavar="URL", help="JSON of a recipe's `train` section")
    parser.add_argument("--shards", required=True, metavar="URL", help="directory of a completed mix stage")
    parser.add_argument(
        "--out",
        required=True,
        metavar="URL",
        help="folder for checkpoints, metrics and the model, on storage that all hosts see",
    )
    arguments = parser.parse_args()
    if "TORCHELASTIC_RUN_ID" in os.environ:
        threading.Thread(target=_exit_with_launcher, args=(os.getppid(),), daemon=True).start()
    try:
        train(_section(arguments.section), MixedShards.open(arguments.shards), arguments.out, _print)
    except (InputError, RunError) as error:
        _print({"error": str(error)})
        return 1
    except Exception as error:
        traceback.print_exc()
        _print({"error": f"{type(error).__name__}: {error}"})
        return 1
    return 0


def _section(url: str) -> TrainSection:
    try:
        return TrainSection.model_validate_json(storage.read_bytes(url))
    except FileNotFoundError as error:
        raise InputError(f"{url} does not exist: --section must be the JSON of a `train` section") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors())
        raise InputError(f"{url} is not a valid `train` section: {problems}") from error


def _print(row: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(row) + "\n")  # one write, so that lines of several processes are not mixed
    sys.stdout.flush()


def _exit_with_launcher(parent: int) -> None:
    """Exit this process once torchrun, or the reader of its output, has been killed.

    Nobody could stop it then, and it would block the next run in the same folder.
    """
    reader = select.poll()
    reader.register(sys.stdout.fileno(), 0)
    while os.getppid() == parent and not reader.poll(500):
        pass
    os._exit(1)


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # skips C++ destructors, which abort if a gloo thread is still running

"""``python -m deploy.local start|stop|status flink|spark``, and ``part NAME``, which makes one part."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import click

from deploy.local import cluster, flink, parts, spark
from deploy.local.plan import Folder
from gristmill.errors import InputError, RunError
from gristmill.store.cache import cache_folder

_READY_SECONDS = 120

_ENGINES = {"flink": (flink.cluster, parts.flink), "spark": (spark.cluster, parts.spark)}

_PARTS: dict[str, Callable[[Path], Path]] = {
    "flink": parts.flink,
    "spark": parts.spark,
    "prism": parts.prism,
    "flink-job-server": lambda cache: parts.job_server("flink", cache),
    "spark-job-server": lambda cache: parts.job_server("spark", cache),
}

_engine = click.argument("engine", type=click.Choice(sorted(_ENGINES)))
_folder = click.option(
    "--folder", type=click.Path(path_type=Path), help="Where the cluster keeps its own [work/cluster/ENGINE]."
)
_cache = click.option(
    "--cache",
    type=click.Path(path_type=Path),
    default=cache_folder,
    show_default="$GRISTMILL_CACHE or ~/.cache/gristmill",
    help="Where parts are kept.",
)


@click.group(help="A Flink or Spark cluster on this machine, without Docker.")
def main() -> None:
    pass


@main.command(help="Start a cluster and wait until it answers; one that runs is left alone.")
@_engine
@click.option(
    "--slots",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="Slots of the TaskManager, cores of the worker.",
)
@_folder
@_cache
def start(engine: str, slots: int, folder: Path | None, cache: Path) -> None:
    place = _place(engine, folder)
    if cluster.running(place):
        print(f"{engine} runs already: {place.profile}")
        return
    plan_of, home_of = _ENGINES[engine]
    java, cache = parts.java(), cache.resolve()
    plan = plan_of(place, home_of(cache), parts.job_server(engine, cache), java, slots)
    cluster.start(place, plan, slots, _READY_SECONDS)
    print(f"{engine} runs: gristmill run … --runner {place.profile}")


@main.command(help="End a cluster; its logs stay.")
@_engine
@_folder
def stop(engine: str, folder: Path | None) -> None:
    place = _place(engine, folder)
    print(f"{engine} ended; its logs: {place.logs}" if cluster.stop(place) else f"no {engine} runs in {place.path}")


@main.command(help="Print a cluster's processes as JSON; exit status 1 where none runs.")
@_engine
@_folder
def status(engine: str, folder: Path | None) -> None:
    place = _place(engine, folder)
    runs = cluster.running(place)
    print(json.dumps({"running": runs, **cluster.status(place)}))
    sys.exit(0 if runs else 1)


@main.command(help="Make a part, where it is not in the cache, and print its place.")
@click.argument("name", type=click.Choice(sorted(_PARTS)))
@_cache
def part(name: str, cache: Path) -> None:
    print(_PARTS[name](cache.resolve()))


def _place(engine: str, folder: Path | None) -> Folder:
    return Folder((folder or Path("work") / "cluster" / engine).resolve())


if __name__ == "__main__":
    try:
        main()
    except (InputError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, InputError) else 1)

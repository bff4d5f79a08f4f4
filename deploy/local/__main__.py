"""``python -m deploy.local start|stop|status flink|spark``, and ``part NAME``, which fetches or builds one part."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import click

from deploy.local import cluster_control, cluster_parts, flink_cluster, spark_cluster
from deploy.local.cluster_plan import Folder
from gristmill.errors import InputError, RunError
from gristmill.store.cache import cache_folder

_READY_SECONDS = 120

_ENGINES = {
    "flink": (flink_cluster.plan_cluster, cluster_parts.flink),
    "spark": (spark_cluster.plan_cluster, cluster_parts.spark),
}

_PARTS: dict[str, Callable[[Path], Path]] = {
    "flink": cluster_parts.flink,
    "spark": cluster_parts.spark,
    "prism": cluster_parts.prism,
    "flink-job-server": lambda cache: cluster_parts.job_server("flink", cache),
    "spark-job-server": lambda cache: cluster_parts.job_server("spark", cache),
}

_engine = click.argument("engine", type=click.Choice(sorted(_ENGINES)))
_folder = click.option("--folder", type=click.Path(path_type=Path), help="Folder of the cluster [work/cluster/ENGINE].")
_cache = click.option(
    "--cache",
    type=click.Path(path_type=Path),
    default=cache_folder,
    show_default="$GRISTMILL_CACHE or ~/.cache/gristmill",
    help="Folder in which parts are cached.",
)


@click.group(help="A Flink or Spark cluster on this machine, without Docker.")
def main() -> None:
    pass


@main.command(help="Start a cluster and wait until it answers, unless it is already running.")
@_engine
@click.option(
    "--slots",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="Number of slots of the TaskManager, or of cores of the Spark worker.",
)
@_folder
@_cache
def start(engine: str, slots: int, folder: Path | None, cache: Path) -> None:
    home = _home(engine, folder)
    if cluster_control.running(home):
        print(f"{engine} is already running: {home.profile}")
        return
    make_plan, find_libraries = _ENGINES[engine]
    java, cache = cluster_parts.java(), cache.resolve()
    plan = make_plan(home, find_libraries(cache), cluster_parts.job_server(engine, cache), java, slots)
    cluster_control.start(home, plan, slots, _READY_SECONDS)
    print(f"{engine} is running: gristmill run … --runner {home.profile}")


@main.command(help="Stop a cluster; its logs are kept.")
@_engine
@_folder
def stop(engine: str, folder: Path | None) -> None:
    home = _home(engine, folder)
    print(f"{engine} stopped; its logs: {home.logs}" if cluster_control.stop(home) else f"no {engine} in {home.path}")


@main.command(help="Print the processes of a cluster as JSON; the exit status is 1 if it is not running.")
@_engine
@_folder
def status(engine: str, folder: Path | None) -> None:
    home = _home(engine, folder)
    runs = cluster_control.running(home)
    print(json.dumps({"running": runs, **cluster_control.status(home)}))
    sys.exit(0 if runs else 1)


@main.command(help="Fetch or build a part, unless it is in the cache, and print its path.")
@click.argument("name", type=click.Choice(sorted(_PARTS)))
@_cache
def part(name: str, cache: Path) -> None:
    print(_PARTS[name](cache.resolve()))


def _home(engine: str, folder: Path | None) -> Folder:
    return Folder((folder or Path("work") / "cluster" / engine).resolve())


if __name__ == "__main__":
    try:
        main()
    except (InputError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, InputError) else 1)

"""The command line. Errors are one sentence; exit status 2 for what the user must mend, 1 for a failed run, else 0."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

from gristmill import __version__
from gristmill.errors import InputError, RunError
from gristmill.pipelines.cli.classifier import classifier
from gristmill.pipelines.cli.console import STDERR, STDOUT, escaped, of_system, print_line, print_lines, told
from gristmill.pipelines.cli.contamination import contamination

# Modules of the mill are imported where they are used: Beam alone takes two seconds, and `ledger` needs none of it.

_work = click.option("--work", required=True, metavar="DIR", help="Work directory: a path or URL that all workers see.")
_set = click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key of the recipe.")
_recipe = click.argument("recipe", required=False)
_crawls = click.option(
    "--crawl",
    "crawls",
    multiple=True,
    metavar="CC-MAIN-YYYY-WW",
    help="Also mill a crawl of Common Crawl; a recipe is not needed then.",
)
_sample = click.option("--sample", metavar="N", type=click.IntRange(1), help="Only N files of each --crawl.")
_workers = click.option(
    "--workers",
    show_default="processors, or a cluster's slots",
    type=click.IntRange(1),
    help="Python processes at work at a time.",
)
_runner = click.option(
    "--runner",
    default="embedded",
    show_default=True,
    metavar="NAME|FILE",
    help="embedded, prism, flink, spark, dataflow, or a YAML profile of a cluster.",
)
_option = click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="Override a key of the profile.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Gristmill: from web archives to training-ready token shards, with books that balance."""
    logging.basicConfig(level=logging.ERROR)  # before Beam is imported, which warns of what it does not need


main.add_command(classifier)
main.add_command(contamination)


@main.command()
@_recipe
@_crawls
@_sample
@_work
@_runner
@_option
@_workers
@_set
@click.option("--until", metavar="STAGE", help="Stop after this stage.")
@told
def run(
    recipe: str | None,
    crawls: tuple[str, ...],
    sample: int | None,
    work: str,
    runner: str,
    options: tuple[str, ...],
    workers: int | None,
    overrides: tuple[str, ...],
    until: str | None,
) -> None:
    """Mill RECIPE into a work directory. What stands there already is not done again."""
    from gristmill.pipelines.recipe import load_recipe

    _mill(load_recipe(recipe, overrides, crawls, sample), work, runner, options, workers, until)


@main.command()
@click.option("--work", default="work/demo", show_default=True, metavar="DIR", help="Work directory.")
@_runner
@_option
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="Worker processes.")
@_set
@told
def demo(work: str, runner: str, options: tuple[str, ...], workers: int, overrides: tuple[str, ...]) -> None:
    """The whole mill on the bundled sample: a small web, a code source and prose, to shards and training steps."""
    from gristmill.pipelines.recipe import load_recipe
    from gristmill.pipelines.sample.build import build
    from gristmill.pipelines.work_directory import require_folder

    STDERR.print("packing the bundled sample: a small web as WARC, the standard library as code and prose …")
    require_folder(work)
    sample = Path(work) / "input"
    build(sample)
    _mill(load_recipe(str(sample / "recipe.yaml"), overrides), work, runner, options, workers, None)
    STDERR.print(f"look closer:  gristmill ledger {work}  ·  gristmill inspect {work}")


@main.command()
@_recipe
@_crawls
@_sample
@click.option("--work", metavar="DIR", help="Work directory: tells what stands there already.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@_set
@told
def plan(
    recipe: str | None,
    crawls: tuple[str, ...],
    sample: int | None,
    work: str | None,
    as_json: bool,
    overrides: tuple[str, ...],
) -> None:
    """What a run of RECIPE would do, and about how long it would take, without running it."""
    from gristmill.pipelines.plan import plan_run
    from gristmill.pipelines.recipe import load_recipe
    from gristmill.pipelines.reports import tables

    planned = plan_run(load_recipe(recipe, overrides, crawls, sample), work)
    if as_json:
        print(json.dumps(planned, indent=2))
    else:
        STDOUT.print(tables.plan_table(planned))


@main.command()
@click.argument("work", metavar="DIR")
@click.option("--json", "as_json", is_flag=True, help="Print the ledger as JSON.")
@told
def ledger(work: str, as_json: bool) -> None:
    """The books of every stage; exit status 1 when they do not balance."""
    from gristmill.pipelines.reports import tables
    from gristmill.pipelines.work_directory import read_ledger

    ledger_data = read_ledger(work)
    if as_json:
        print(json.dumps(ledger_data, indent=2))
    else:
        STDOUT.print(tables.ledger_table(ledger_data))
    sys.exit(0 if ledger_data["balanced"] else 1)


@main.command()
@click.argument("work", metavar="DIR")
@click.option("--source", help="Only documents of this source.")
@click.option("--url", help="Only documents whose URL contains this.")
@click.option("--reason", help="Only records that were turned away for this reason, at any stage.")
@click.option("-n", "count", default=5, show_default=True, type=click.IntRange(1), help="How many.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@told
def inspect(work: str, source: str | None, url: str | None, reason: str | None, count: int, as_json: bool) -> None:
    """Look at documents and at every decision that was taken about them."""
    from gristmill.pipelines.reports import tables
    from gristmill.pipelines.reports.inspect_documents import Selection, inspect_documents

    found = False
    for document in inspect_documents(work, Selection(source, url, reason), count):
        found = True
        if as_json:
            print_line(document)
        else:
            STDOUT.print(tables.document_panel(document))
    if not found:
        raise InputError(f"no document in {work} fits; gristmill ledger {work} lists the reasons that there are")


@main.command()
@click.argument("shards")
@click.option("--out", required=True, metavar="DIR", help="Folder for checkpoints, metrics and the model.")
@click.option("--recipe", metavar="RECIPE", help="Take the `train` section of this recipe.")
@_set
@told
def train(shards: str, out: str, recipe: str | None, overrides: tuple[str, ...]) -> None:
    """Train on SHARDS, the directory of a `mix` stage. Goes on from the last checkpoint in DIR."""
    from gristmill.pipelines.stages.train import train_on

    with _training_bar() as watch:
        result = train_on(shards, out, recipe, overrides, watch)
    STDOUT.print_json(data=result)


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@_set
@told
def extract(files: tuple[str, ...], overrides: tuple[str, ...]) -> None:
    """Extract the text of HTML files; `-` reads JSONL with `html` and optional `url`. Prints JSONL."""
    from gristmill.pipelines.adhoc import extract_files

    print_lines(extract_files(files, overrides))


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@_set
@told
def judge(files: tuple[str, ...], overrides: tuple[str, ...]) -> None:
    """Every quality rule's verdict and value on text files or JSONL with `text`; `-` reads JSONL. Prints JSONL."""
    from gristmill.pipelines.adhoc import judge_files

    print_lines(judge_files(files, overrides))


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@_set
@told
def redact(files: tuple[str, ...], overrides: tuple[str, ...]) -> None:
    """Redact PII in text files or JSONL with `text`; `-` reads JSONL. Prints JSONL."""
    from gristmill.pipelines.adhoc import redact_files

    print_lines(redact_files(files, overrides))


@main.command()
@click.argument("work", metavar="DIR")
@click.option("--yes", is_flag=True, help="Delete; without it, only say what would go.")
@told
def clean(work: str, yes: bool) -> None:
    """Delete what no receipt of a current stage names: leftovers of killed attempts, and stages of older recipes."""
    from gristmill.pipelines.plan import wanted_directories
    from gristmill.pipelines.work_directory import current, sweep

    current(work)  # says so where this is no work directory
    files, size = sweep(work, wanted_directories(work), yes)
    STDOUT.print(f"{'deleted' if yes else 'would delete (--yes to do it)'}: {files:,} files, {size / 1e6:,.1f} MB")


@main.command()
@told
def schema() -> None:
    """The JSON Schema of a recipe, for editors to complete and check it."""
    from gristmill.pipelines.recipe import Recipe

    print(json.dumps(Recipe.model_json_schema(), indent=2))


def _mill(
    recipe: Any, work: str, runner: str, options: tuple[str, ...], workers: int | None, until: str | None
) -> None:
    from gristmill.runners.open_runner import open_runner
    from gristmill.runners.profile import load_profile

    under_way = None
    with open_runner(load_profile(runner, options), work, workers) as engine, ExitStack() as shown:
        from gristmill.pipelines.reports import tables  # workers, if they are processes, import Beam at the same time
        from gristmill.pipelines.reports.progress import bar, watch
        from gristmill.pipelines.run import Done, Step, run
        from gristmill.pipelines.stage import UnderWay
        from gristmill.pipelines.work_directory import read_ledger, require_folder
        from gristmill.runners.job_errors import GOES_ON

        require_folder(work)
        progress = shown.enter_context(bar(STDERR))

        def watched(step: Step) -> Any:
            weights = {task.unit: task.weight for task in step.pending}
            density = 1.0 if step.stage.counted == "sequences" else 0.0
            return watch(step.directory, weights, step.stage.counted, density, progress)

        def done(finished: Done) -> None:
            STDERR.print(tables.stage_line(finished), soft_wrap=True)

        try:
            ledger_data = run(recipe, work, engine, until, watched, done)
        except UnderWay as job:
            ledger_data, under_way = read_ledger(work), str(job)
        except OSError as error:
            raise RunError(f"{of_system(error)}; {GOES_ON}") from error
    STDOUT.print(tables.ledger_table(ledger_data))
    for table in tables.summary(work):
        STDOUT.print(table)
    if under_way:
        STDERR.print(escaped(under_way), soft_wrap=True)


@contextmanager
def _training_bar() -> Iterator[Callable[[dict[str, Any]], None]]:
    from gristmill.pipelines.reports.progress import bar

    with bar(STDERR) as progress:
        shown = progress.add_task("train", total=None, note="")

        def watch(event: dict[str, Any]) -> None:
            note = f"step {event['step'] + 1}  loss {event['loss']:.4f}"
            progress.update(shown, completed=event["step"] + 1, total=event["steps"], note=note)

        yield watch


if __name__ == "__main__":
    main()

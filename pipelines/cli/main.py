"""The command line. Errors are one sentence; exit status 2 for what the user must fix, 1 for a failed run, else 0."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

from gristmill import __version__
from gristmill.errors import InputError, RunError
from gristmill.pipelines.cli.classifier import classifier
from gristmill.pipelines.cli.console import (
    STDERR,
    STDOUT,
    SafeGroup,
    describe_os_error,
    escaped,
    handle_errors,
    hide_variables,
    print_json,
    print_line,
    print_lines,
    start_logging,
)
from gristmill.pipelines.cli.contamination import contamination
from gristmill.pipelines.cli.export import export
from gristmill.pipelines.cli.trace import trace

# Commands import what they need when they run: Beam alone takes two seconds, and `ledger` does not use it.


def _without_credentials(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    from gristmill.pipelines.variables import REMEDY, has_userinfo

    if value is not None and has_userinfo(value):
        raise click.BadParameter(f"the URL has credentials: {REMEDY}")
    return value


def _hide_values(context: click.Context, parameter: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    hide_variables({name: os.environ.get(name, "") for name in names})
    return names


_work = click.option(
    "--work",
    required=True,
    metavar="DIR",
    callback=_without_credentials,
    help="Work directory: a path or URL that all workers see.",
)
_set = click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key of the recipe.")
_env = click.option(
    "--env",
    multiple=True,
    metavar="NAME",
    callback=_hide_values,
    help="Allow the recipe to use this environment variable, as ${NAME}.",
)
_recipe = click.argument("recipe", required=False)
_crawls = click.option(
    "--crawl",
    "crawls",
    multiple=True,
    metavar="CC-MAIN-YYYY-WW",
    help="Add a crawl of Common Crawl as a source; a recipe is then optional.",
)
_sample = click.option(
    "--sample", metavar="N", type=click.IntRange(1), help="Read only N files of each --crawl, chosen by a seeded hash."
)
_workers = click.option(
    "--workers",
    show_default="the number of CPUs, or of the cluster's slots",
    type=click.IntRange(1),
    help="Number of Python worker processes.",
)


class _RunnerOption(click.Option):
    """``--runner``; its help lists the runners of the profile table, which is imported only to show it."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        from gristmill.runners.profile_table import RUNNER_NAMES

        self.help = f"{', '.join(RUNNER_NAMES)}, or a YAML profile of a cluster."
        return super().get_help_record(ctx)


_runner = click.option(
    "--runner", cls=_RunnerOption, default="embedded", show_default=True, metavar="NAME|FILE", help="Name or profile."
)
_option = click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="Override a key of the profile.")


@click.group(cls=SafeGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Turn web archives into training-ready token shards, with every record accounted for."""
    start_logging()
    hide_variables({})


main.add_command(classifier)
main.add_command(contamination)
main.add_command(export)
main.add_command(trace)


@main.command()
@_recipe
@_crawls
@_sample
@_work
@_runner
@_option
@_workers
@_set
@_env
@click.option("--allow-commands", is_flag=True, help="Allow the commands of the recipe, which `gristmill plan` lists.")
@click.option("--until", metavar="STAGE", help="Stop after this stage.")
@handle_errors
def run(
    recipe: str | None,
    crawls: tuple[str, ...],
    sample: int | None,
    work: str,
    runner: str,
    options: tuple[str, ...],
    workers: int | None,
    overrides: tuple[str, ...],
    env: tuple[str, ...],
    allow_commands: bool,
    until: str | None,
) -> None:
    """Run RECIPE in a work directory. Work that is already complete there is not repeated."""
    from gristmill.pipelines.recipe import load_recipe
    from gristmill.pipelines.recipe_commands import require_allowed

    loaded = load_recipe(recipe, overrides, crawls, sample, env)
    require_allowed(loaded, until, allow_commands)
    _run(loaded, work, runner, options, workers, until)


@main.command()
@click.option("--work", default="work/demo", show_default=True, metavar="DIR", help="Work directory.")
@_runner
@_option
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="Number of worker processes.")
@_set
@handle_errors
def demo(work: str, runner: str, options: tuple[str, ...], workers: int, overrides: tuple[str, ...]) -> None:
    """Run the whole pipeline on a bundled sample: a small web, code and prose, to shards and a few training steps."""
    from gristmill.pipelines.recipe import load_recipe
    from gristmill.pipelines.sample.build import build
    from gristmill.pipelines.work_directory import require_folder

    STDERR.print("writing the bundled sample: a small web as WARC, the standard library as code and prose …")
    require_folder(work)
    sample = Path(work) / "input"
    build(sample)
    _run(load_recipe(str(sample / "recipe.yaml"), overrides), work, runner, options, workers, None)
    STDERR.print(f"next:  gristmill ledger {work}  ·  gristmill inspect {work}")


@main.command()
@_recipe
@_crawls
@_sample
@click.option(
    "--work",
    metavar="DIR",
    callback=_without_credentials,
    help="Work directory: also show what is already complete there.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@_set
@_env
@handle_errors
def plan(
    recipe: str | None,
    crawls: tuple[str, ...],
    sample: int | None,
    work: str | None,
    as_json: bool,
    overrides: tuple[str, ...],
    env: tuple[str, ...],
) -> None:
    """Show what a run of RECIPE would do, and roughly how long it would take, without running it."""
    from gristmill.pipelines.plan import plan_run
    from gristmill.pipelines.recipe import load_recipe
    from gristmill.pipelines.reports import tables

    planned = plan_run(load_recipe(recipe, overrides, crawls, sample, env), work)
    if as_json:
        print_json(planned)
    else:
        STDOUT.print(tables.plan_table(planned))
        for row in planned["stages"]:
            if row["restart_reason"]:
                STDOUT.print(escaped(row["restart_reason"]), soft_wrap=True)
        for title, listed in (("environment variables", "environment"), ("commands", "commands")):
            if planned[listed]:
                STDOUT.print(escaped(f"{title} of the recipe: {'; '.join(planned[listed])}"), soft_wrap=True)


@main.command()
@click.argument("work", metavar="DIR")
@click.option("--by", metavar="COLUMNS", help="Count by source, lang, or source,lang.")
@click.option("--bytes", "show_bytes", is_flag=True, help="Count bytes of text instead of records.")
@click.option("--json", "as_json", is_flag=True, help="Print the ledger as JSON, with records, bytes and tokens.")
@handle_errors
def ledger(work: str, by: str | None, show_bytes: bool, as_json: bool) -> None:
    """Show the record counts of every stage; exit with status 1 if they do not balance."""
    from gristmill.pipelines.reports import group_tables, tables
    from gristmill.pipelines.work_directory import read_ledger

    ledger_data = read_ledger(work)
    columns = [name.strip() for name in by.split(",")] if by else []
    rows = group_tables.group_rows(ledger_data, columns) if by or show_bytes else None
    if rows is not None and as_json:
        print_json(group_tables.group_json(rows, columns))
    elif rows is not None:
        STDOUT.print(group_tables.group_table(ledger_data, rows, columns, show_bytes))
    elif as_json:
        print_json(ledger_data)
    else:
        STDOUT.print(tables.ledger_table(ledger_data))
    sys.exit(0 if ledger_data["balanced"] else 1)


@main.command()
@click.argument("work", metavar="DIR")
@click.option("--id", "id_", metavar="HEX", help="Only the document of this id.")
@click.option("--source", help="Only documents of this source.")
@click.option("--url", help="Only documents whose URL contains this.")
@click.option("--reason", help="Only records dropped or failed for this reason, at any stage.")
@click.option("-n", "count", default=5, show_default=True, type=click.IntRange(1), help="Maximum number of documents.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@handle_errors
def inspect(
    work: str, id_: str | None, source: str | None, url: str | None, reason: str | None, count: int, as_json: bool
) -> None:
    """Show documents and every decision that was made about them."""
    from gristmill.pipelines.reports import tables
    from gristmill.pipelines.reports.document_history import Selection, inspect_documents

    any_found = False
    for document in inspect_documents(work, Selection(source, url, reason, id_), count):
        any_found = True
        if as_json:
            print_line(document)
        else:
            STDOUT.print(tables.document_panel(document))
    if not any_found:
        raise InputError(f"no document in {work} matches; gristmill ledger {work} lists the reasons that occur")


@main.command()
@click.argument("shards")
@click.option("--out", required=True, metavar="DIR", help="Folder for checkpoints, metrics and the model.")
@click.option("--recipe", metavar="RECIPE", help="Use the `train` section of this recipe.")
@_set
@_env
@handle_errors
def train(shards: str, out: str, recipe: str | None, overrides: tuple[str, ...], env: tuple[str, ...]) -> None:
    """Train on SHARDS, the directory of a `mix` stage. Resumes from the last checkpoint in DIR."""
    from gristmill.pipelines.stages.train import train_on

    with _training_bar() as watch:
        result = train_on(shards, out, recipe, overrides, env, watch)
    STDOUT.print_json(data=result)


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@_set
@handle_errors
def extract(files: tuple[str, ...], overrides: tuple[str, ...]) -> None:
    """Extract the text of HTML files; `-` reads JSONL with `html` and optional `url`. Prints JSONL."""
    from gristmill.pipelines.adhoc import extract_files

    print_lines(extract_files(files, overrides))


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@_set
@handle_errors
def judge(files: tuple[str, ...], overrides: tuple[str, ...]) -> None:
    """Apply every quality rule to text files or JSONL with `text`; `-` reads JSONL. Prints JSONL."""
    from gristmill.pipelines.adhoc import judge_files

    print_lines(judge_files(files, overrides))


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@_set
@handle_errors
def redact(files: tuple[str, ...], overrides: tuple[str, ...]) -> None:
    """Redact PII in text files or JSONL with `text`; `-` reads JSONL. Prints JSONL."""
    from gristmill.pipelines.adhoc import redact_files

    print_lines(redact_files(files, overrides))


@main.command()
@click.argument("work", metavar="DIR")
@click.option("--yes", is_flag=True, help="Delete; without it, only report what would be deleted.")
@_env
@handle_errors
def clean(work: str, yes: bool, env: tuple[str, ...]) -> None:
    """Delete files that no current stage references: leftovers of killed attempts, and stages of older recipes."""
    from gristmill.pipelines.plan import wanted_directories
    from gristmill.pipelines.stages import STAGES
    from gristmill.pipelines.work_directory import current, delete_orphans

    current(work)  # raises InputError if this is not a work directory
    keep_whole = {stage.name for stage in STAGES if stage.keeps_unlisted_files}
    files, size = delete_orphans(work, wanted_directories(work, env), keep_whole, yes)
    STDOUT.print(f"{'deleted' if yes else 'would delete (--yes to do it)'}: {files:,} files, {size / 1e6:,.1f} MB")


@main.command()
@handle_errors
def schema() -> None:
    """Print the JSON Schema of recipes, with which editors complete and check them."""
    from gristmill.pipelines.recipe import Recipe

    print_json(Recipe.model_json_schema())


def _run(recipe: Any, work: str, runner: str, options: tuple[str, ...], workers: int | None, until: str | None) -> None:
    from gristmill.runners.profile_table import load_profile

    pending_job = None
    with load_profile(runner, options).open_runner(work, workers) as stage_runner, ExitStack() as shown:
        from gristmill.pipelines.reports import tables  # worker processes import Beam at the same time
        from gristmill.pipelines.reports.progress import bar, watch
        from gristmill.pipelines.reports.stage_reports import stage_reports
        from gristmill.pipelines.run import CompletedStage, Step, run
        from gristmill.pipelines.stage import JobPending
        from gristmill.pipelines.work_directory import read_ledger, require_folder
        from gristmill.runners.job_errors import RESUME_HINT

        require_folder(work)
        progress = shown.enter_context(bar(STDERR))

        def show_progress(step: Step) -> Any:
            for notice in step.notices:
                STDERR.print(escaped(notice), soft_wrap=True)
            weights = {task.unit: task.weight for task in step.pending}
            return watch(step.directory, weights, step.stage.counted, step.stage.counted_per_weight, progress)

        def on_complete(completed: CompletedStage) -> None:
            STDERR.print(tables.stage_line(completed), soft_wrap=True)

        try:
            ledger_data = run(recipe, work, stage_runner, until, show_progress, on_complete)
        except JobPending as job:
            ledger_data, pending_job = read_ledger(work), str(job)
        except OSError as error:
            raise RunError(f"{describe_os_error(error)}; {RESUME_HINT}") from error
    STDOUT.print(tables.ledger_table(ledger_data))
    for table in stage_reports(work):
        STDOUT.print(table)
    if pending_job:
        STDERR.print(escaped(pending_job), soft_wrap=True)


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

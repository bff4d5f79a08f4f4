"""``gristmill export``: the shards of a mix as files that other trainers read."""

from __future__ import annotations

import click

from gristmill.errors import InputError
from gristmill.mixing.export.export_mix import export_mix
from gristmill.mixing.export.format_table import FORMATS
from gristmill.pipelines.cli.console import STDOUT, escaped, handle_errors
from gristmill.pipelines.work_directory import current
from gristmill.store import storage


@click.command()
@click.argument("directory", metavar="DIR")
@click.option("--to", "target", required=True, metavar="DEST", help="Folder to write: an empty or a new one.")
@click.option("--format", "name", required=True, type=click.Choice(list(FORMATS)), help="Whose layout to write.")
@handle_errors
def export(directory: str, target: str, name: str) -> None:
    """Write the shards of DIR, a work directory or that of a mix stage, in the layout of another trainer.

    Tokens are linked or copied, and nothing is written to DIR.
    """
    done = export_mix(mix_directory(directory), target, FORMATS[name])
    STDOUT.print(
        escaped(
            f"{target}: {len(done.mix):,} sequences of {done.mix.sequence_length:,} tokens ({done.token_type}) in "
            f"{len(done.mix.shards):,} shards; {done.note}."
        ),
        soft_wrap=True,
    )


def mix_directory(directory: str) -> str:
    """``directory``, or the current directory of ``mix`` if it is a work directory."""
    if not storage.exists(storage.join(directory, "latest.json")):
        return directory
    stages = current(directory)
    if "mix" not in stages:
        raise InputError(f"{directory} has no shards yet: run its recipe to the end of the stage mix")
    return stages["mix"].url

"""``gristmill trace``: from a training step or a sequence to the bytes of the source, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click

from gristmill.errors import InputError
from gristmill.pipelines.cli.console import STDOUT, SafeConsole, handle_errors, print_line
from gristmill.store import storage

if TYPE_CHECKING:
    from rich.tree import Tree

    from gristmill.pipelines.trace.trace import Trace

_UNFOLDED = 10_000
"""Width of a tree that no terminal shows: lines are not folded, so that paths can be searched for."""


@click.command()
@click.argument("work", metavar="DIR")
@click.option("--sequence", type=int, metavar="N", help="A sequence of the mix, from 0.")
@click.option("--step", type=int, metavar="N", help="A step of a training run, from 0.")
@click.option("--id", "id_", metavar="HEX", help="The document of this id.")
@click.option("--url", metavar="URL", help="The documents of exactly this URL.")
@click.option("--takedown", metavar="FILE", help="All documents that FILE names, an id or a URL per line.")
@click.option("--run", metavar="FOLDER", help="Folder of a training run on the mix. Default: that of the recipe.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@handle_errors
def trace(
    work: str,
    sequence: int | None,
    step: int | None,
    id_: str | None,
    url: str | None,
    takedown: str | None,
    run: str | None,
    as_json: bool,
) -> None:
    """Trace a step, a sequence or documents: step, sequence, shard, document, URL, file and byte range, and decisions.

    Name one of --sequence, --step, --id, --url and --takedown.
    """
    from gristmill.pipelines.trace import trace_tree
    from gristmill.pipelines.trace.trace import Tracer, trace_takedown

    if [sequence, step, id_, url, takedown].count(None) != 4:
        raise InputError("name one of --sequence, --step, --id, --url and --takedown")
    tracer = Tracer(work, run)
    shown: Callable[[Trace], Iterable[Tree]]
    if sequence is not None:
        found, shown = tracer.sequence(sequence), trace_tree.sequence_tree
    elif step is not None:
        found, shown = tracer.step(step), trace_tree.step_tree
    elif takedown is not None:
        found, shown = trace_takedown(tracer, _lines(takedown)), trace_tree.takedown_tree
    else:
        found = tracer.documents([] if id_ is None else [id_], [] if url is None else [url])
        shown = trace_tree.documents_tree
    if as_json:
        print_line(found._asdict())
        return
    console = STDOUT if STDOUT.is_terminal else SafeConsole(highlight=False, width=_UNFOLDED)
    for tree in shown(found):
        console.print(tree)


def _lines(file: str) -> list[str]:
    try:
        return storage.read_bytes(file).decode("utf-8-sig").splitlines()
    except (FileNotFoundError, IsADirectoryError):
        raise InputError(f"no file {file}: pass a list of document ids and URLs, one per line") from None
    except UnicodeDecodeError:
        raise InputError(f"{file} is not UTF-8: save the list of document ids and URLs in UTF-8") from None

"""How commands speak: errors as one sentence with an exit status, results as tables or JSON lines."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Iterable
from functools import wraps
from tempfile import NamedTemporaryFile
from typing import Any

import click
from rich.console import Console

from gristmill.errors import InputError, RunError

STDOUT = Console(highlight=False)
STDERR = Console(stderr=True, highlight=False)


def told(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn errors into one sentence and an exit status; the traceback of one that nobody foresaw goes to a file."""

    @wraps(command)
    def telling(*args: Any, **options: Any) -> Any:
        try:
            return command(*args, **options)
        except InputError as error:
            _stop(error, 2)
        except RunError as error:
            _stop(error, 1)
        except BrokenPipeError:  # whoever read our output has seen enough; click ends quietly
            raise
        except OSError as error:
            _stop(of_system(error), 1)
        except KeyboardInterrupt:
            _stop("interrupted; the same command goes on from here", 1)
        except Exception as error:
            _stop(f"{type(error).__name__}: {error} (the traceback is in {_keep_traceback()})", 1)

    return telling


def of_system(error: OSError) -> str:
    """What the system says, and of which file."""
    return f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"


def _keep_traceback() -> str:
    with NamedTemporaryFile("w", prefix="gristmill-error-", suffix=".log", delete=False) as file:
        traceback.print_exc(file=file)
    return file.name


def _stop(message: object, status: int) -> None:
    STDERR.print(f"[bold red]error:[/] {escaped(message)}", soft_wrap=True)
    sys.exit(status)


def escaped(message: object) -> str:
    """A message on one line, in which nothing is taken for markup."""
    from rich.markup import escape

    return escape(" ".join(str(message).split()))


def print_lines(rows: Iterable[dict[str, Any]]) -> None:
    """Print rows as JSON lines."""
    for row in rows:
        print_line(row)


def print_line(row: dict[str, Any]) -> None:
    """Print one row as JSON."""
    # A lone surrogate has no UTF-8, but its backslash form is an escape that JSON knows.
    click.echo(json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace"))

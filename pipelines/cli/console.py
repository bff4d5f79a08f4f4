"""Console output of commands: errors as one sentence with an exit status, results as tables or JSON lines."""

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


def handle_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Print an error as one sentence and exit with its status; write the traceback of an unexpected one to a file.

    Exit status 2 for InputError, which the user must fix, and 1 for everything else.
    """

    @wraps(command)
    def wrapper(*args: Any, **options: Any) -> Any:
        try:
            return command(*args, **options)
        except InputError as error:
            _exit(error, 2)
        except RunError as error:
            _exit(error, 1)
        except BrokenPipeError:  # the reader of our output has closed it; click exits silently
            raise
        except OSError as error:
            _exit(describe_os_error(error), 1)
        except KeyboardInterrupt:
            _exit("interrupted; run the same command again to resume", 1)
        except Exception as error:
            _exit(f"{type(error).__name__}: {error} (the traceback is in {_save_traceback()})", 1)

    return wrapper


def describe_os_error(error: OSError) -> str:
    """The system's message and the file that it is about."""
    return f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"


def _save_traceback() -> str:
    with NamedTemporaryFile("w", prefix="gristmill-error-", suffix=".log", delete=False) as file:
        traceback.print_exc(file=file)
    return file.name


def _exit(message: object, status: int) -> None:
    STDERR.print(f"[bold red]error:[/] {escaped(message)}", soft_wrap=True)
    sys.exit(status)


def escaped(message: object) -> str:
    """``message`` on one line, with Rich markup escaped."""
    from rich.markup import escape

    return escape(" ".join(str(message).split()))


def print_lines(rows: Iterable[dict[str, Any]]) -> None:
    """Print rows as JSON lines."""
    for row in rows:
        print_line(row)


def print_line(row: dict[str, Any]) -> None:
    """Print one row as JSON."""
    # A lone surrogate cannot be encoded as UTF-8, but its backslash form is a valid JSON escape.
    click.echo(json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace"))

"""Console output of commands: errors as one sentence with an exit status, results as tables or JSON lines."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from tempfile import NamedTemporaryFile
from typing import Any

import click
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from gristmill.errors import InputError, RunError
from gristmill.pipelines.cli.control_characters import escape_controls, replace_controls
from gristmill.pipelines.variables import hide


class SafeConsole(Console):
    """A console that shows no control character of what it prints, only those of its own styles and progress bars."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=replace_controls(segment.text))


_hidden: dict[str, str] = {}
"""The environment variables that the command's recipe may use, whose values no message shows."""

STDOUT = SafeConsole(highlight=False)
STDERR = SafeConsole(stderr=True, highlight=False)


class SafeGroup(click.Group):
    """A group of commands whose usage errors, which repeat arguments such as file names, have no control characters."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _clean_usage_errors():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _clean_usage_errors():
            return super().invoke(ctx)


@contextmanager
def _clean_usage_errors() -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        message = error.format_message()
        if (clean := replace_controls(hide(message, _hidden))) == message:
            raise
        raise click.UsageError(clean, error.ctx) from None


class SafeFormatter(logging.Formatter):
    """Formats log records without control characters, credentials and values of variables."""

    def format(self, record: logging.LogRecord) -> str:
        return replace_controls(hide(super().format(record), _hidden))


def hide_variables(values: Mapping[str, str]) -> None:
    """Show ``${NAME}`` in place of these values in the messages and logs of the running command."""
    _hidden.clear()
    _hidden.update(values)


def start_logging() -> None:
    """Log errors only, to standard error. To be called before Beam is imported, which warns about optional packages."""
    handler = logging.StreamHandler()
    handler.setFormatter(SafeFormatter(logging.BASIC_FORMAT))
    logging.basicConfig(level=logging.ERROR, handlers=[handler])


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
        file.write(hide(traceback.format_exc(), _hidden))
    return file.name


def _exit(message: object, status: int) -> None:
    STDERR.print(f"[bold red]error:[/] {escaped(message)}", soft_wrap=True)
    sys.exit(status)


def escaped(message: object) -> str:
    """``message`` on one line, with Rich markup escaped, without credentials and values of variables."""
    from rich.markup import escape

    return escape(" ".join(hide(str(message), _hidden).split()))


def print_lines(rows: Iterable[dict[str, Any]]) -> None:
    """Print rows as JSON lines."""
    for row in rows:
        print_line(row)


def print_line(row: dict[str, Any]) -> None:
    """Print one row as JSON."""
    # A lone surrogate cannot be encoded as UTF-8, but its backslash form is a valid JSON escape.
    click.echo(escape_controls(json.dumps(row, ensure_ascii=False)).encode("utf-8", "backslashreplace"))


def print_json(data: Any) -> None:
    """Print one JSON value over several lines."""
    click.echo(escape_controls(json.dumps(data, indent=2)))

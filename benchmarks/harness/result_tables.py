"""Tables for people: all benchmarks print on one console and in one style."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

CONSOLE = Console(highlight=False, width=150)


def result_table(title: str, columns: Sequence[str], *, left: Collection[str] | None = None) -> Table:
    """Return an empty table. The first column, or those in ``left``, are left-aligned, the others right-aligned."""
    aligned_left = columns[:1] if left is None else left
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for name in columns:
        table.add_column(name, justify="left" if name in aligned_left else "right")
    return table

"""The description of a source format: how its files are divided into units, and how a unit is read.

``format_table.py`` lists the formats. From there the recipe's ``format`` choices and their descriptions, planning,
reading and the estimates of ``gristmill plan`` follow.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from gristmill.corpus.record import Dropped, Failed, Raw
from gristmill.transforms.read.source_unit import PlannedFile, SourceUnit

if TYPE_CHECKING:
    from gristmill.transforms.read.source_section import SourceSection

Item: TypeAlias = Raw | Dropped | Failed
"""A record as read, or why it was not."""


class Coverage(NamedTuple):
    """Bytes (or rows) that the records and named gaps of a unit span, and the number that they must span."""

    covered: int
    expected: int


Items: TypeAlias = Generator[Item, None, Coverage]
"""The items of a unit in order; the generator returns the coverage."""


@dataclass(frozen=True)
class SourceFormat:
    """A format of source files.

    Attributes:
        name: Value of ``format`` in a recipe, and part of the identity of units.
        description: What a file of this format holds, for the recipe's schema.
        plan: Divides the files of a source into units, given ``unit_size`` in bytes.
        read: Reads a unit; a record longer than ``max_bytes`` becomes a ``Dropped`` with the reason ``too_large``.
        keys: Keys of a source section that only some formats use and that this format uses.
        core_megabytes_per_second: Input, as stored (mostly gzip), that one core processes from ``extract`` to ``mix``,
            for the estimate of ``gristmill plan``. Measured by the benchmark ``stages`` on two shared cores: an order
            of magnitude, no more.
    """

    name: str
    description: str
    plan: Callable[[SourceSection, list[PlannedFile], int], list[SourceUnit]]
    read: Callable[[SourceUnit, SourceSection, int], Items]
    keys: frozenset[str] = frozenset()
    core_megabytes_per_second: float = 0.5

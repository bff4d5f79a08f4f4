"""The table of PII entities: what can be redacted, and how it is found.

A row in ``PII_ENTITIES`` is all that an entity needs: the recipe's choices, defaults, replacement texts and
descriptions derive from it. An entity that one regular expression describes is a ``pattern_entity``; any other has a
module with a finder.

Finders use Presidio's recognizers, which check the form of a match well but are slow on long text: on a megabyte of
documentation they take a second, and they return version numbers, dates and table rows. So each finder locates
candidates with a cheap pattern, passes only short windows around them to the recognizer, and filters its matches by
pure rules. Windows are bounded and found in one scan, so the run time is linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from gristmill.transforms.core.edits import Span

if TYPE_CHECKING:
    from gristmill.transforms.redaction.redact_section import RedactSection

Find: TypeAlias = Callable[[str], Iterable[Span]]
"""Returns the matches in a text, sorted and without overlaps."""


@dataclass(frozen=True)
class PiiEntity:
    """A kind of personal data.

    ``name`` is Presidio's name for it. ``example`` is found with ``score`` when it is the whole text. ``build_finder``
    imports what it needs when it is called, since Presidio takes seconds to import. An entity that is not
    ``by_default`` is redacted only by recipes that list it, so adding one changes no existing corpus.
    """

    name: str
    example: str
    score: float
    build_finder: Callable[[RedactSection], Find]
    by_default: bool = False

    @property
    def replacement(self) -> str:
        """The text that replaces a match unless the recipe names another."""
        return f"<{self.name}>"


def pattern_entity(name: str, example: str, score: float, pattern: str, by_default: bool = False) -> PiiEntity:
    """Return an entity whose matches are those of the regular expression ``pattern``."""
    expression = re.compile(pattern)

    def find(text: str) -> Iterable[Span]:
        return (Span(*match.span(), name, score) for match in expression.finditer(text))

    return PiiEntity(name, example, score, lambda section: find, by_default)


def _email_finder(section: RedactSection) -> Find:
    from gristmill.transforms.redaction.email_addresses import EmailFinder

    return EmailFinder().find


def _ip_finder(section: RedactSection) -> Find:
    from gristmill.transforms.redaction.ip_addresses import IpFinder

    return IpFinder().find


def _phone_finder(section: RedactSection) -> Find:
    from gristmill.transforms.redaction.phone_numbers import PhoneFinder

    return PhoneFinder(section.phone_regions, section.phone_leniency).find


PII_ENTITIES: dict[str, PiiEntity] = {
    entity.name: entity
    for entity in (
        PiiEntity("EMAIL_ADDRESS", "bob@example.com", 1.0, _email_finder, by_default=True),
        PiiEntity("IP_ADDRESS", "203.0.113.9", 0.6, _ip_finder, by_default=True),
        PiiEntity("PHONE_NUMBER", "212-555-1234", 0.4, _phone_finder, by_default=True),
    )
}
"""By name. Where matches of two entities overlap, the entity listed first wins."""

if TYPE_CHECKING:
    EntityName: TypeAlias = str
else:
    EntityName = Literal[tuple(PII_ENTITIES)]

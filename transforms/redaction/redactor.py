"""Redaction of personal data: e-mail addresses, public IP addresses and phone numbers.

``Redactor.find`` says where they are; ``edits.apply_edits`` takes them out. What is found is a fixed point: redacting
a redacted text changes nothing. Taking one thing out can bring another to light (its neighbour no longer stands
inside a longer token), so the text is searched again as it will read until nothing new turns up, and everything is
reported in places of the original text.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping

from gristmill.transforms.core.edits import Span, apply_edits
from gristmill.transforms.refine.refine_section import Entity, RedactSection

ROUNDS = 8
"""Searches of one text at most; two are enough for all but made-up texts."""


class Redactor:
    """Finds personal data by the rules of a recipe's section. Build it once per worker; it holds no state of a text."""

    def __init__(self, section: RedactSection) -> None:
        # Presidio brings spaCy along, and torch where it is installed: 3.6 s that only those who redact should pay.
        from gristmill.transforms.redaction.email_addresses import EmailFinder, IpFinder
        from gristmill.transforms.redaction.phone_numbers import PhoneFinder

        find: dict[Entity, Callable[[str], Iterable[Span]]] = {
            "EMAIL_ADDRESS": EmailFinder().find,
            "IP_ADDRESS": IpFinder().find,
            "PHONE_NUMBER": PhoneFinder(section.phone_regions, section.phone_leniency).find,
        }
        self._finders = [find[entity] for entity in find if entity in section.entities]
        self._thresholds = {str(entity): score for entity, score in section.thresholds.items()}
        self.replacements: dict[str, str] = {entity: f"<{entity}>" for entity in find} | {
            str(entity): token for entity, token in section.replacements.items()
        }
        self._check_replacements()

    def find(self, text: str) -> list[Span]:
        """Sorted spans of personal data that do not overlap; characters of ``text``.

        Where two findings overlap, e-mail goes before IP address before phone number.
        """
        spans = self._search(text)
        for _ in range(ROUNDS if spans else 0):
            redacted = apply_edits(text, spans, self.replacements)
            seen = _placed(spans, self.replacements)
            wider = _merge([*spans, *(_original(span, spans, seen) for span in self._search(redacted))])
            if wider == spans:
                break
            spans = wider
        return spans

    def redact(self, text: str) -> str:
        """``text`` with all that ``find`` finds replaced."""
        return apply_edits(text, self.find(text), self.replacements)

    def _search(self, text: str) -> list[Span]:
        spans: list[Span] = []
        for find in self._finders:
            found = [span._replace(score=round(span.score, 4)) for span in find(text)]
            spans = sorted([*spans, *_apart([span for span in found if self._counts(span)], spans)])
        return spans

    def _counts(self, span: Span) -> bool:
        return span.score >= self._thresholds.get(span.entity, 0.0)

    def _check_replacements(self) -> None:
        for entity, token in self.replacements.items():
            if any(span[:3] != (0, len(token), entity) for span in self._search(token)):
                raise ValueError(f"redact.replacements: {token!r} would itself be redacted; write <{entity}>, say")


def _apart(found: list[Span], spans: list[Span]) -> list[Span]:
    """Those of ``found`` that overlap none of ``spans`` (sorted, not overlapping)."""
    ends = [span.end for span in spans]
    at = [bisect_right(ends, span.start) for span in found]
    return [span for span, i in zip(found, at, strict=True) if i == len(spans) or spans[i].start >= span.end]


def _placed(spans: list[Span], replacements: Mapping[str, str]) -> list[Span]:
    """Where the replacements of ``spans`` lie in the redacted text."""
    placed: list[Span] = []
    shift = 0
    for span in spans:
        start = span.start + shift
        placed.append(span._replace(start=start, end=start + len(replacements[span.entity])))
        shift = placed[-1].end - span.end
    return placed


def _original(found: Span, spans: list[Span], placed: list[Span]) -> Span:
    """A span of the redacted text in places of the original; a replacement that it touches it takes in whole."""
    first = bisect_right(placed, found.start, key=lambda span: span.end)
    after = bisect_left(placed, found.end, key=lambda span: span.start)
    start, end = found.start, found.end
    if first < len(placed) and placed[first].start <= found.start:
        start = spans[first].start
    elif first:
        start += spans[first - 1].end - placed[first - 1].end
    if after and found.end <= placed[after - 1].end:
        end = spans[after - 1].end
    elif after:
        end += spans[after - 1].end - placed[after - 1].end
    return found._replace(start=start, end=end)


def _merge(spans: list[Span]) -> list[Span]:
    """Sorted, overlapping ones joined under the entity of the one that starts first, or is longest."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if merged and span.start < merged[-1].end:
            merged[-1] = merged[-1]._replace(end=max(span.end, merged[-1].end))
        else:
            merged.append(span)
    return merged

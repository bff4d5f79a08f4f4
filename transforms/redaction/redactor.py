"""Redaction of personal data by the entities of a recipe.

``Redactor.find`` returns the spans of personal data; ``edits.apply_edits`` replaces them. Redaction is idempotent:
redacting a redacted text changes nothing. Since a replacement can expose another match (its neighbor is no longer part
of a longer token), the redacted text is searched again until there are no new matches. All spans are offsets into the
original text.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping

from gristmill.transforms.core.edits import Span, apply_edits
from gristmill.transforms.redaction.pii_entities import PII_ENTITIES
from gristmill.transforms.redaction.redact_section import RedactSection

MAX_SEARCHES = 8
"""Maximum number of searches of one text; two are enough for all but artificial texts."""


class Redactor:
    """Finds and replaces personal data as a recipe section asks. Create one per worker; it holds no state of a text."""

    def __init__(self, section: RedactSection) -> None:
        self._finders = [
            entity.build_finder(section) for entity in PII_ENTITIES.values() if entity.name in section.entities
        ]
        self._thresholds = section.thresholds
        self.replacements = {entity.name: entity.replacement for entity in PII_ENTITIES.values()} | section.replacements
        self._check_replacements()

    def find(self, text: str) -> list[Span]:
        """Return the spans of personal data in ``text``, sorted and without overlaps, in characters.

        Where matches of two entities overlap, the entity that is listed first in ``PII_ENTITIES`` wins.
        """
        spans = self._search(text)
        for _ in range(MAX_SEARCHES if spans else 0):
            redacted = apply_edits(text, spans, self.replacements)
            replaced = _replacement_spans(spans, self.replacements)
            exposed = (_map_to_original(span, spans, replaced) for span in self._search(redacted))
            merged = _merge([*spans, *exposed])
            if merged == spans:
                break
            spans = merged
        return spans

    def redact(self, text: str) -> str:
        """Return ``text`` with the spans of ``find`` replaced."""
        return apply_edits(text, self.find(text), self.replacements)

    def _search(self, text: str) -> list[Span]:
        spans: list[Span] = []
        for find in self._finders:
            matches = [span._replace(score=round(span.score, 4)) for span in find(text)]
            scored = [span for span in matches if span.score >= self._thresholds.get(span.entity, 0.0)]
            spans = sorted([*spans, *_without_overlaps(scored, spans)])
        return spans

    def _check_replacements(self) -> None:
        for entity, token in self.replacements.items():
            if any(span[:3] != (0, len(token), entity) for span in self._search(token)):
                raise ValueError(f"redact.replacements: {token!r} would itself be redacted; use <{entity}>, say")


def _without_overlaps(candidates: list[Span], spans: list[Span]) -> list[Span]:
    """Return the candidates that overlap none of ``spans`` (sorted, without overlaps)."""
    ends = [span.end for span in spans]
    nexts = [bisect_right(ends, span.start) for span in candidates]
    return [span for span, i in zip(candidates, nexts, strict=True) if i == len(spans) or spans[i].start >= span.end]


def _replacement_spans(spans: list[Span], replacements: Mapping[str, str]) -> list[Span]:
    """Return the spans of the replacements of ``spans`` in the redacted text."""
    replaced: list[Span] = []
    shift = 0
    for span in spans:
        start = span.start + shift
        replaced.append(span._replace(start=start, end=start + len(replacements[span.entity])))
        shift = replaced[-1].end - span.end
    return replaced


def _map_to_original(match: Span, spans: list[Span], replaced: list[Span]) -> Span:
    """Map a span of the redacted text to the original text, widened to include every replacement that it touches."""
    first = bisect_right(replaced, match.start, key=lambda span: span.end)
    after = bisect_left(replaced, match.end, key=lambda span: span.start)
    start, end = match.start, match.end
    if first < len(replaced) and replaced[first].start <= match.start:
        start = spans[first].start
    elif first:
        start += spans[first - 1].end - replaced[first - 1].end
    if after and match.end <= replaced[after - 1].end:
        end = spans[after - 1].end
    elif after:
        end += spans[after - 1].end - replaced[after - 1].end
    return match._replace(start=start, end=end)


def _merge(spans: list[Span]) -> list[Span]:
    """Return spans sorted and overlapping ones merged, with the entity of the one that starts first, or is longest."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if merged and span.start < merged[-1].end:
            merged[-1] = merged[-1]._replace(end=max(span.end, merged[-1].end))
        else:
            merged.append(span)
    return merged

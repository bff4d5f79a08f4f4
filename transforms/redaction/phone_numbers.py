"""Finds phone numbers: runs of digits with evidence besides the digits themselves.

Most grouped digits are something else: dates, ranges, table rows, version numbers, identifiers. libphonenumber knows
which numbers a country assigns, but accepts a fifth of random numbers of the right length. So a run of digits is passed
to Presidio's recognizer only with further evidence, and the stronger the evidence, the weaker the check:

1. An international prefix (``+44 …``): the number must be possible for the country if grouped, valid if not.
2. A cue word such as "phone", "fax" or "call" shortly before: the same, for one of the regions.
3. Neither: the number must be valid in one of the regions, have at least nine digits, and not be grouped like a date,
   a range, a sum or an address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from gristmill.transforms.core.edits import Span
from gristmill.transforms.redaction.cue_words import CUE_BONUS, has_cue
from gristmill.transforms.redaction.presidio_recognizers import PhoneRecognizer
from gristmill.transforms.redaction.redact_section import Leniency

LENIENCY: dict[Leniency, int] = {"possible": 0, "valid": 1, "strict_grouping": 2, "exact_grouping": 3}

_GAP = " \u00a0\u202f\u3000.\\-\u2010-\u2015\u2212/()\uff08\uff09\uff0d"
_LATIN = "0-9A-Za-z_\u00c0-\u024f"
_RUN = re.compile(rf"\d(?:[{_GAP}]{{0,3}}\d){{6,}}")
_TOKEN_END = re.compile(rf"(?<=[{_LATIN}])\d+[{_GAP}]*")
_PREFIX = re.compile(r"[+＋] ?\Z")
_OPEN_PREFIX = re.compile(r"(?:[+＋] ?)?(?:[(（][+＋]?)?\Z")
_EXTENSION = re.compile(r",? ?(?:x|ext\.?|extension|#) ?\d{1,6}(?!\w)", re.IGNORECASE)
_DIGITS = re.compile(r"\d+")
_MAX_DIGITS = 15  # ITU-T E.164
_CUE = re.compile(
    r"(?i:\b(?:tele?|t[eé]l[eé]?(?:phone|f[oó]n[oe]?|fax)|tel[ée]phones?|phones?|mobile?|móvil|m[oó]vel|cell(?:phone|ular)?|"
    r"celular|handy|fax|whats ?app|sms|hotline|helpline|call(?: me| us)?|dial|ring|text me|reach me|fono|cellulare)"
    r"(?![a-z]))|(?:\bтел(?:ефон)?\b|电话|電話|手机|手機|☎|📞|📱)"
)
_DATE = re.compile(
    r"[+＋]?\d{4,5}-\d\d-\d\d\b|(?:19|20)\d\d[-./ ](?:0?[1-9]|1[0-2])\b|(?:19|20)\d\d\D(?:19|20)\d\d\b"
    r"|(?:[0-3]?\d[-./]){2}(?:19|20)?\d\d\b"
)
_SOCIAL_SECURITY = re.compile(r"\d{3}([- ])\d{2}\1\d{4}")
_QUAD = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_DECIMAL = re.compile(r"[+＋(（]*\d+\.\d+(?: \d+)?")
_THOUSANDS = re.compile(r"\d{1,3}(?:([ \u00a0\u202f.-])\d{3})(?:\1\d{3})*")
_ISBN = re.compile(r"97[89][- ]?\d")
_MIN_DIGITS, _MIN_DIGITS_WITHOUT_CUE = 7, 9
_NOT_BEFORE = re.compile(rf"(?:\d[.,:]|[{_LATIN}.])\Z")
_NOT_BEFORE_WITHOUT_CUE = re.compile(r"[-/\\=$€£¥%&@#*^~|]\Z")
_NOT_AFTER = re.compile(rf"[{_LATIN}%°]|[.,:]\d")
_RANGE = re.compile(r"[.\-/][.\-/]")
_WIDE_GAP = re.compile(r"\s\s")
_DOTTED = re.compile(r"\..*\.|/")
_AMERICAN = re.compile(r"(?:1\.)?\d{3}\.\d{3}\.\d{4}(?!\d).*")
_PAIRS = re.compile(r"(?:\d\d\D)+\d\d")
_FRENCH = re.compile(r"0[1-9](?:\D\d\d){4}")
_ISBN_BEFORE = re.compile(r"(?i:\b(?:isbn|issn|doi)\b.*)\Z")
_BYTE_BEFORE, _BYTE_AFTER = re.compile(r"\b[0-9A-Fa-f]{2} \Z"), re.compile(r" [0-9A-Fa-f]{2}\b")


class PhoneFinder:
    """Finds phone numbers; ``regions`` are the countries whose national formats are recognized."""

    entity = "PHONE_NUMBER"

    def __init__(self, regions: Sequence[str], leniency: Leniency) -> None:
        def recognizer(regions: Sequence[str], leniency: Leniency) -> PhoneRecognizer:
            return PhoneRecognizer(supported_regions=tuple(regions), leniency=LENIENCY[leniency])

        any_region = regions[:1]  # the region has no effect on numbers with a prefix
        self._with_prefix = {True: recognizer(any_region, "possible"), False: recognizer(any_region, "valid")}
        self._with_cue = {True: recognizer(regions, "possible"), False: recognizer(regions, "valid")}
        self._without_cue = recognizer(regions, leniency)

    def find(self, text: str) -> Iterator[Span]:
        """Yield the phone numbers in ``text``, in order."""
        for run in _RUN.finditer(text):
            for start, end in _candidates(text, *run.span()):
                yield from self._matches(text, start, end)

    def _matches(self, text: str, start: int, end: int) -> Iterator[Span]:
        candidate, before = text[start:end], text[max(0, start - 2) : start]
        if _NOT_BEFORE.search(before) or _NOT_AFTER.match(text, end) or _is_something_else(candidate):
            return
        groups = _DIGITS.findall(candidate)
        has_cue_word = has_cue(text, start, _CUE)
        if "+" in candidate[:2] or "＋" in candidate[:2]:
            recognizer = self._with_prefix[has_cue_word or len(groups) > 1]
        elif has_cue_word:
            recognizer = self._with_cue[len(groups) > 1]
        elif _is_grouped_like_phone_number(candidate) and _is_standalone(text, start, end):
            recognizer = self._without_cue
        else:
            return
        done = start
        for result in sorted(recognizer.analyze(candidate, [self.entity]), key=lambda r: (r.start, -r.end)):
            span = Span(start + result.start, start + result.end, self.entity, result.score + CUE_BONUS * has_cue_word)
            number = text[span.start : span.end]
            if span.start < done or _is_something_else(number):
                continue
            if recognizer is not self._without_cue or _is_grouped_like_phone_number(number):
                yield span
                done = span.end


def _candidates(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the run with its prefix and extension; from a run with too many digits, each word of the right length."""
    token_end = _TOKEN_END.match(text, start, end)
    start = token_end.end() if token_end else start
    count = _digit_count(text[start:end])
    if _MIN_DIGITS <= count <= _MAX_DIGITS:
        prefix = (_OPEN_PREFIX if text.count(")", start, end) + text.count("）", start, end) else _PREFIX).search(
            text, max(0, start - 4), start
        )
        extension = _EXTENSION.match(text, end)
        yield prefix.start() if prefix else start, extension.end() if extension else end
    elif count > _MAX_DIGITS:
        for word in re.finditer(r"\S+", text[start:end]):
            if _MIN_DIGITS <= _digit_count(word[0]) <= _MAX_DIGITS:
                yield start + word.start(), start + word.end()


def _digit_count(candidate: str) -> int:
    """Return the number of digits."""
    return sum(map(str.isdecimal, candidate))


def _is_something_else(candidate: str) -> bool:
    """Return whether this is too short, has unbalanced brackets, or is another kind of number.

    Those are dates, dotted quads, decimals, ranges, US social security numbers and ISBNs.
    """
    return (
        _digit_count(candidate) < _MIN_DIGITS
        or candidate.count("(") != candidate.count(")")
        or _RANGE.search(candidate) is not None
        or any(pattern.fullmatch(candidate) for pattern in (_QUAD, _DECIMAL, _SOCIAL_SECURITY))
        or any(pattern.match(candidate) for pattern in (_DATE, _ISBN))
    )


def _is_grouped_like_phone_number(candidate: str) -> bool:
    """Return whether the grouping alone suggests a phone number, not a sum, a range or a table row."""
    groups = _DIGITS.findall(candidate)
    if len(groups) == 1 or sum(map(len, groups)) < _MIN_DIGITS_WITHOUT_CUE or _WIDE_GAP.search(candidate):
        return False
    if any(len(group) == 1 for group in groups[1:]) or _THOUSANDS.fullmatch(candidate):
        return False
    if _PAIRS.fullmatch(candidate):
        return _FRENCH.fullmatch(candidate) is not None
    if len(groups) == 2:
        return candidate[0] in "(（0" and len(groups[0]) > 1
    return candidate[0] in "(（0" or not _DOTTED.search(candidate) or _AMERICAN.fullmatch(candidate) is not None


def _is_standalone(text: str, start: int, end: int) -> bool:
    """Return whether this is not part of an identifier, path, assignment, price, hex dump or ISBN."""
    before = text[max(0, start - 16) : start]
    excluded_before = (_NOT_BEFORE_WITHOUT_CUE, _BYTE_BEFORE, _ISBN_BEFORE)
    return _BYTE_AFTER.match(text, end) is None and not any(pattern.search(before) for pattern in excluded_before)

"""Phone numbers: what may be one, and what convinces.

Digits in groups are mostly something else: dates, ranges, table rows, version numbers, identifiers. libphonenumber
knows which digits a country gives out, and says yes to a fifth of random numbers of the right length. So a run of
digits must bring evidence before it is shown to Presidio's recogniser, and the more it brings the less is asked:

1. An international prefix (``+44 …``): digits that are possible for the country, when grouped; valid ones, when not.
2. A word such as "phone", "fax" or "call" shortly before: as above, for one of the regions.
3. Neither: valid in one of the regions, at least nine digits, and grouped as no date, range, sum or address is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from presidio_analyzer.predefined_recognizers import PhoneRecognizer

from gristmill.transforms.core.edits import Span
from gristmill.transforms.redaction.email_addresses import CUE_BONUS, cued
from gristmill.transforms.refine.refine_section import Leniency

LENIENCY: dict[Leniency, int] = {"possible": 0, "valid": 1, "strict_grouping": 2, "exact_grouping": 3}

_GAP = " \u00a0\u202f\u3000.\\-\u2010-\u2015\u2212/()\uff08\uff09\uff0d"
_LATIN = "0-9A-Za-z_\u00c0-\u024f"
_RUN = re.compile(rf"\d(?:[{_GAP}]{{0,3}}\d){{6,}}")
_TOKEN_END = re.compile(rf"(?<=[{_LATIN}])\d+[{_GAP}]*")
_LEAD = re.compile(r"[+＋] ?\Z")
_LEAD_OPEN = re.compile(r"(?:[+＋] ?)?(?:[(（][+＋]?)?\Z")
_EXTENSION = re.compile(r",? ?(?:x|ext\.?|extension|#) ?\d{1,6}(?!\w)", re.IGNORECASE)
_DIGITS = re.compile(r"\d+")
_MOST_DIGITS = 15  # ITU-T E.164
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
_BOOK = re.compile(r"97[89][- ]?\d")
_LEAST_DIGITS, _LEAST_UNANNOUNCED = 7, 9
_NOT_BEFORE = re.compile(rf"(?:\d[.,:]|[{_LATIN}.])\Z")
_NOT_BEFORE_UNANNOUNCED = re.compile(r"[-/\\=$€£¥%&@#*^~|]\Z")
_NOT_AFTER = re.compile(rf"[{_LATIN}%°]|[.,:]\d")
_RANGE = re.compile(r"[.\-/][.\-/]")
_WIDE_GAP = re.compile(r"\s\s")
_DOTTED = re.compile(r"\..*\.|/")
_AMERICAN = re.compile(r"(?:1\.)?\d{3}\.\d{3}\.\d{4}(?!\d).*")
_PAIRS = re.compile(r"(?:\d\d\D)+\d\d")
_FRENCH = re.compile(r"0[1-9](?:\D\d\d){4}")
_BOOK_BEFORE = re.compile(r"(?i:\b(?:isbn|issn|doi)\b.*)\Z")
_BYTE_BEFORE, _BYTE_AFTER = re.compile(r"\b[0-9A-Fa-f]{2} \Z"), re.compile(r" [0-9A-Fa-f]{2}\b")


class PhoneFinder:
    """Finds phone numbers with evidence; ``regions`` are those whose national notation is known."""

    entity = "PHONE_NUMBER"

    def __init__(self, regions: Sequence[str], leniency: Leniency) -> None:
        def recognizer(regions: Sequence[str], leniency: Leniency) -> PhoneRecognizer:
            return PhoneRecognizer(supported_regions=tuple(regions), leniency=LENIENCY[leniency])

        anywhere = regions[:1]  # with a prefix the region plays no part
        self._prefixed = {True: recognizer(anywhere, "possible"), False: recognizer(anywhere, "valid")}
        self._cued = {True: recognizer(regions, "possible"), False: recognizer(regions, "valid")}
        self._bare = recognizer(regions, leniency)

    def find(self, text: str) -> Iterator[Span]:
        """Phone numbers in ``text``, in order."""
        for run in _RUN.finditer(text):
            for start, end in _candidates(text, *run.span()):
                yield from self._judge(text, start, end)

    def _judge(self, text: str, start: int, end: int) -> Iterator[Span]:
        candidate, before = text[start:end], text[max(0, start - 2) : start]
        if _NOT_BEFORE.search(before) or _NOT_AFTER.match(text, end) or _is_something_else(candidate):
            return
        groups = _DIGITS.findall(candidate)
        announced = cued(text, start, _CUE)
        if "+" in candidate[:2] or "＋" in candidate[:2]:
            recognizer = self._prefixed[announced or len(groups) > 1]
        elif announced:
            recognizer = self._cued[len(groups) > 1]
        elif _is_grouped_like_a_number(candidate) and _stands_apart(text, start, end):
            recognizer = self._bare
        else:
            return
        done = start
        for result in sorted(recognizer.analyze(candidate, [self.entity]), key=lambda r: (r.start, -r.end)):
            span = Span(start + result.start, start + result.end, self.entity, result.score + CUE_BONUS * announced)
            number = text[span.start : span.end]
            if span.start < done or _is_something_else(number):
                continue
            if recognizer is not self._bare or _is_grouped_like_a_number(number):
                yield span
                done = span.end


def _candidates(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The run with its prefix and extension; of one with too many digits, the words that could be a number alone."""
    name = _TOKEN_END.match(text, start, end)
    start = name.end() if name else start
    count = _count(text[start:end])
    if _LEAST_DIGITS <= count <= _MOST_DIGITS:
        lead = (_LEAD_OPEN if text.count(")", start, end) + text.count("）", start, end) else _LEAD).search(
            text, max(0, start - 4), start
        )
        extension = _EXTENSION.match(text, end)
        yield lead.start() if lead else start, extension.end() if extension else end
    elif count > _MOST_DIGITS:
        for word in re.finditer(r"\S+", text[start:end]):
            if _LEAST_DIGITS <= _count(word[0]) <= _MOST_DIGITS:
                yield start + word.start(), start + word.end()


def _count(candidate: str) -> int:
    """The number of digits."""
    return sum(map(str.isdecimal, candidate))


def _is_something_else(candidate: str) -> bool:
    """Too short, half in brackets, a date, dotted quad, decimal, range, US social security number or book number."""
    return (
        _count(candidate) < _LEAST_DIGITS
        or candidate.count("(") != candidate.count(")")
        or _RANGE.search(candidate) is not None
        or any(pattern.fullmatch(candidate) for pattern in (_QUAD, _DECIMAL, _SOCIAL_SECURITY))
        or any(pattern.match(candidate) for pattern in (_DATE, _BOOK))
    )


def _is_grouped_like_a_number(candidate: str) -> bool:
    """Whether the grouping alone speaks for a phone number, and not for a sum, a range or a row of a table."""
    groups = _DIGITS.findall(candidate)
    if len(groups) == 1 or sum(map(len, groups)) < _LEAST_UNANNOUNCED or _WIDE_GAP.search(candidate):
        return False
    if any(len(group) == 1 for group in groups[1:]) or _THOUSANDS.fullmatch(candidate):
        return False
    if _PAIRS.fullmatch(candidate):
        return _FRENCH.fullmatch(candidate) is not None
    if len(groups) == 2:
        return candidate[0] in "(（0" and len(groups[0]) > 1
    return candidate[0] in "(（0" or not _DOTTED.search(candidate) or _AMERICAN.fullmatch(candidate) is not None


def _stands_apart(text: str, start: int, end: int) -> bool:
    """Not a part of an identifier, a path, an assignment or a sum of money, of bytes in a dump or a book's number."""
    before = text[max(0, start - 16) : start]
    told_otherwise = (_NOT_BEFORE_UNANNOUNCED, _BYTE_BEFORE, _BOOK_BEFORE)
    return _BYTE_AFTER.match(text, end) is None and not any(pattern.search(before) for pattern in told_otherwise)

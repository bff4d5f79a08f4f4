"""Finds IP addresses of machines and networks on the public internet.

Addresses set aside for documentation (RFC 5737, RFC 3849) count too, since texts use them in place of public ones.
Private, loopback, link-local, multicast, unspecified and reserved addresses identify nobody and are left as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_interface

from gristmill.transforms.core.edits import Span
from gristmill.transforms.redaction.cue_words import CUE_BONUS, has_cue
from gristmill.transforms.redaction.presidio_recognizers import IpRecognizer
from gristmill.transforms.redaction.public_addresses import is_public

_QUAD_HINT = re.compile(r"\.\d{1,3}\.\d{1,3}\.\d")  # starts with a literal, which `re` finds at memory speed
_COLON_HINT = re.compile(r":[0-9A-Fa-f]{0,4}:")
_QUAD = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\d|\.\d)")
_UNICAST = re.compile(r"\b[23][0-9A-Fa-f]{3}:")
_WINDOW = 64  # longer than any notation of an address
_TOKEN_HEAD = re.compile(r"[0-9A-Za-z:.%/_\-]+\Z")
_TOKEN_TAIL = re.compile(r"[0-9A-Za-z:.%/_\-]+")
_CUE = re.compile(r"(?i:\b(?:ip(?:v[46])?|address|addr|host|server|gateway|dns|ping)\b)|://\Z|@\Z")
_CUE_DIRECTLY_BEFORE = re.compile(
    r"(?i:\b(?:ip(?:v4)?|address|addr|host|server|gateway|dns|ping)\b\W{0,4}(?:(?:is|at|of|to)\W{1,2})?\Z)|(?:://|@)\Z"
)
_VERSION_BEFORE = re.compile(
    r"(?i:\b(?:versions?|ver|v|rel|release|build|section|sect|chapter|clause|oid)\b[ .:=]{0,3}\Z)|[A-Za-z]/\Z"
)
_SMALL, _LARGE = 32, 100


class IpFinder:
    """Finds public addresses.

    A dotted quad is often the number of a version, a section or an object identifier. It is taken for one of those
    after such a word (``Version 87.0.4.1``, ``Chrome/117.0.0.0``), beside further digits, and, without a cue word, if
    no number in it reaches 100 and at most one reaches 32. The last rule covers nearly all of those numbers and 0.2 %
    of addresses.
    """

    entity = "IP_ADDRESS"

    def __init__(self) -> None:
        self._recognizer = IpRecognizer()

    def find(self, text: str) -> Iterator[Span]:
        """Yield the public addresses in ``text``, in order."""
        done = 0
        for hint in sorted(_hints(text)):
            if hint < done:
                continue
            start, window = _window(text, hint, done)
            if not _may_hold_address(window):
                continue
            for result in sorted(self._recognizer.analyze(window, [self.entity]), key=lambda r: (r.start, -r.end)):
                span = Span(start + result.start, start + result.end, self.entity, result.score)
                if span.start >= done and _is_address(text, span):
                    yield span._replace(score=span.score + CUE_BONUS * has_cue(text, span.start, _CUE))
                    done = span.end


def _hints(text: str) -> list[int]:
    """Return the offsets of dots and colons such as every candidate contains."""
    return [hint.start() for pattern in (_QUAD_HINT, _COLON_HINT) for hint in pattern.finditer(text)]


def _may_hold_address(window: str) -> bool:
    """Return whether there is a dotted quad, or a first group in 2000::/3 and enough colons.

    Times, ratios and scope operators have neither.
    """
    if _QUAD.search(window):
        return True
    return _UNICAST.search(window) is not None and ("::" in window or window.count(":") >= 7)


def _window(text: str, hint: int, done: int) -> tuple[int, str]:
    """Return the start of the token around a hint, and the token, cut to a length that holds any address."""
    head = _TOKEN_HEAD.search(text[max(done, hint - _WINDOW) : hint])
    tail = _TOKEN_TAIL.match(text, hint, hint + _WINDOW)
    before, after = head[0] if head else "", tail[0] if tail else ""
    return hint - len(before), before + after


def _is_address(text: str, span: Span) -> bool:
    address = ip_interface(text[span.start : span.end]).ip
    before, after = text[max(0, span.start - 16) : span.start], text[span.end : span.end + 2]
    if not is_public(address) or re.search(r"[\w.]\Z", before) or re.match(r"\w|\.\d", after):
        return False
    if address.version == 6:
        return True
    if _VERSION_BEFORE.search(before):
        return False
    *_, second_largest, largest = sorted(address.packed)
    return second_largest >= _SMALL or largest >= _LARGE or has_cue(text, span.start, _CUE_DIRECTLY_BEFORE)

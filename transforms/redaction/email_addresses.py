"""Finds e-mail addresses: a window around each ``@``, checked by Presidio's recognizer.

A window has at most 64 characters before the ``@`` and 255 after it (RFC 5321, 4.5.3.1). Nothing is fetched from the
network: domains are checked against the public suffix list that tldextract bundles.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import tldextract

from gristmill.transforms.core.edits import Span
from gristmill.transforms.redaction.presidio_recognizers import EmailRecognizer

_LOCAL_PART, _DOMAIN = 64, 255
_LOCAL = re.compile(r"[\w.+\-%'~!#$*^`{|}]+\Z")  # not / = ? &: in running text they join a URL to an address
_DOMAIN_RUN = re.compile(r"[\w.\-]+")
_UNSPACED = "\u0e00"  # from Thai on: scripts without a space between an address and the words around it
_SPACED_TAIL = re.compile(rf"[^{_UNSPACED}-\U0010ffff]+\Z")
_SPACED_HEAD = re.compile(rf"[^{_UNSPACED}-\U0010ffff]+")
_LABELS_TRIED = 3

_bundled_suffixes = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=(), fallback_to_snapshot=True)


class OfflineEmailRecognizer(EmailRecognizer):  # type: ignore[misc]
    """Presidio's recognizer, except that it checks domains against the bundled suffix list instead of fetching one."""

    def validate_result(self, pattern_text: str) -> bool:
        return _bundled_suffixes(pattern_text.rpartition("@")[2]).fqdn != ""


class EmailFinder:
    """Finds e-mail addresses whose domain ends in a known public suffix."""

    entity = "EMAIL_ADDRESS"

    def __init__(self) -> None:
        self._recognizer = OfflineEmailRecognizer()

    def find(self, text: str) -> Iterator[Span]:
        """Yield the addresses in ``text``, in order."""
        done = 0
        at = text.find("@")
        while at >= 0:
            span = self._around(text, at, done)
            if span is not None:
                yield span
                done = span.end
            at = text.find("@", at + 1)

    def _around(self, text: str, at: int, done: int) -> Span | None:
        local = _LOCAL.search(text[max(done, at - _LOCAL_PART - 1) : at])
        domain = _DOMAIN_RUN.match(text, at + 1, at + 1 + _DOMAIN)
        if local is None or domain is None:
            return None
        name = local[0] if local[0][-1] >= _UNSPACED else _SPACED_TAIL.search(local[0])[0]  # type: ignore[index]
        if len(name) > _LOCAL_PART:
            return None
        for host in _hosts(domain[0]):
            window = f"{name}@{host}"
            for result in self._recognizer.analyze(window, [self.entity]):
                start = at - len(name) + result.start
                return Span(start, start + result.end - result.start, self.entity, result.score)
        return None


def _hosts(run: str) -> Iterator[str]:
    """Yield possible domains, longest first: the run may include the first word of the next sentence or script."""
    spaced = _SPACED_HEAD.match(run)
    for form in dict.fromkeys([run, spaced[0] if spaced else run]):
        labels = form.strip("._-").split(".")
        for count in range(len(labels), max(1, len(labels) - _LABELS_TRIED), -1):
            yield ".".join(labels[:count])

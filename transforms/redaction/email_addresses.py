"""Where Presidio's recognisers are sent to look, and which of their findings are believed.

The recognisers are right about form and slow on long text: on a megabyte of documentation they take a second and
return version numbers, dates and table rows. So each entity has a cheap pattern that yields short windows around what
could be one, the recogniser sees those windows only, and pure rules judge what it found.

- An e-mail address is looked for around each ``@``; at most 64 characters before it and 255 after (RFC 5321, 4.5.3.1).
- An IP address must be a public one, or one set aside for documentation (RFC 5737, 3849), which texts use in place of
  public ones. Private, loopback, link-local, multicast, unspecified and reserved addresses name nobody and stay.
- A phone number needs evidence beside its digits: an international prefix, a word such as "phone" before it, or groups
  set apart as numbers are in one of the regions.

Windows are bounded and found in one scan, so time is linear in the text. No network is touched: domains are checked
against the public suffix list that tldextract bundles.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_interface, ip_network

import tldextract
from presidio_analyzer.predefined_recognizers import EmailRecognizer, IpRecognizer

from gristmill.transforms.core.edits import Span

CUE_BONUS = 0.35
"""What a cue word before a finding adds to its score: the factor of Presidio's own context enhancer."""
CUE_REACH = 40
"""Characters before a finding in which a cue word counts."""


def cued(text: str, start: int, cue: re.Pattern[str]) -> bool:
    """Whether a cue word stands shortly before ``start``."""
    return cue.search(text, max(0, start - CUE_REACH), start) is not None


# --- e-mail -----------------------------------------------------------------------------------------------------------

_LOCAL_PART, _DOMAIN = 64, 255
_LOCAL = re.compile(r"[\w.+\-%'~!#$*^`{|}]+\Z")  # not / = ? &: in running text they join a URL to an address
_DOMAIN_RUN = re.compile(r"[\w.\-]+")
_UNSPACED = "\u0e00"  # from Thai on: scripts that put no space between an address and the words around it
_SPACED_TAIL = re.compile(rf"[^{_UNSPACED}-\U0010ffff]+\Z")
_SPACED_HEAD = re.compile(rf"[^{_UNSPACED}-\U0010ffff]+")
_LABELS_TRIED = 3

_bundled_suffixes = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=(), fallback_to_snapshot=True)


class OfflineEmailRecognizer(EmailRecognizer):  # type: ignore[misc]
    """Presidio's recogniser, told to look domains up in the bundled suffix list instead of fetching one."""

    def validate_result(self, pattern_text: str) -> bool:
        return _bundled_suffixes(pattern_text.rpartition("@")[2]).fqdn != ""


class EmailFinder:
    """Finds e-mail addresses whose domain ends in a known public suffix."""

    entity = "EMAIL_ADDRESS"

    def __init__(self) -> None:
        self._recognizer = OfflineEmailRecognizer()

    def find(self, text: str) -> Iterator[Span]:
        """Addresses in ``text``, in order."""
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
    """What the domain may be, longest first: the run ends where the next sentence's first word or script begins."""
    spaced = _SPACED_HEAD.match(run)
    for form in dict.fromkeys([run, spaced[0] if spaced else run]):
        labels = form.strip("._-").split(".")
        for count in range(len(labels), max(1, len(labels) - _LABELS_TRIED), -1):
            yield ".".join(labels[:count])


# --- IP address -------------------------------------------------------------------------------------------------------

_QUAD_HINT = re.compile(r"\.\d{1,3}\.\d{1,3}\.\d")  # a literal first, which `re` finds at memory speed
_COLON_HINT = re.compile(r":[0-9A-Fa-f]{0,4}:")
_QUAD = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\d|\.\d)")
_UNICAST = re.compile(r"\b[23][0-9A-Fa-f]{3}:")
_IP_REACH = 64  # longer than any notation of an address
_IP_RUN = re.compile(r"[0-9A-Za-z:.%/_\-]+")
_IP_TAIL = re.compile(r"[0-9A-Za-z:.%/_\-]+\Z")
_IP_CUE = re.compile(r"(?i:\b(?:ip(?:v[46])?|address|addr|host|server|gateway|dns|ping)\b)|://\Z|@\Z")
_IP_INTRODUCED = re.compile(
    r"(?i:\b(?:ip(?:v4)?|address|addr|host|server|gateway|dns|ping)\b\W{0,4}(?:(?:is|at|of|to)\W{1,2})?\Z)|(?:://|@)\Z"
)
_VERSION_BEFORE = re.compile(
    r"(?i:\b(?:versions?|ver|v|rel|release|build|section|sect|chapter|clause|oid)\b[ .:=]{0,3}\Z)|[A-Za-z]/\Z"
)
_SMALL, _LARGE = 32, 100
_NOBODYS = [
    ip_network(block)
    for block in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3"),
    )
]
_GLOBAL_UNICAST = ip_network("2000::/3")


class IpFinder:
    """Finds addresses of machines or networks on the public internet.

    A dotted quad is as often the number of a version, a section or an object identifier. It counts as one of those
    where such a word stands before it (``Version 87.0.4.1``, ``Chrome/117.0.0.0``), where digits go on beside it, and
    where no number reaches 100 and at most one reaches 32, without a word that announces an address: so are nearly
    all of those, and 0.2 % of addresses.
    """

    entity = "IP_ADDRESS"

    def __init__(self) -> None:
        self._recognizer = IpRecognizer()

    def find(self, text: str) -> Iterator[Span]:
        """Public addresses in ``text``, in order."""
        done = 0
        for hint in sorted(_ip_hints(text)):
            if hint < done:
                continue
            start, window = _ip_window(text, hint, done)
            if not _may_hold_address(window):
                continue
            for result in sorted(self._recognizer.analyze(window, [self.entity]), key=lambda r: (r.start, -r.end)):
                span = Span(start + result.start, start + result.end, self.entity, result.score)
                if span.start >= done and _is_address(text, span):
                    yield span._replace(score=span.score + CUE_BONUS * cued(text, span.start, _IP_CUE))
                    done = span.end


def _ip_hints(text: str) -> list[int]:
    """Places of the dots and colons of which every address in scope has one."""
    return [hint.start() for pattern in (_QUAD_HINT, _COLON_HINT) for hint in pattern.finditer(text)]


def _may_hold_address(window: str) -> bool:
    """Not a time, a ratio or a scope operator: a dotted quad, or a first group in 2000::/3 and enough colons."""
    if _QUAD.search(window):
        return True
    return _UNICAST.search(window) is not None and ("::" in window or window.count(":") >= 7)


def _ip_window(text: str, hint: int, done: int) -> tuple[int, str]:
    """Where the token around a hint starts, and the token; of a longer one, as much as could hold an address."""
    tail = _IP_TAIL.search(text[max(done, hint - _IP_REACH) : hint])
    run = _IP_RUN.match(text, hint, hint + _IP_REACH)
    before, after = tail[0] if tail else "", run[0] if run else ""
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
    *_, second, largest = sorted(address.packed)
    return second >= _SMALL or largest >= _LARGE or cued(text, span.start, _IP_INTRODUCED)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address can be somebody's, or stands for one that can (documentation blocks, RFC 5737 and 3849).

    Of IPv4 all but private, shared, loopback, link-local, protocol, benchmarking, multicast and reserved blocks
    (IANA's special-purpose registry); of IPv6 the global unicast block 2000::/3, and IPv4 inside IPv6 as IPv4. The
    blocks are named here because ``ipaddress.is_global`` differs between versions of Python.
    """
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped
        return is_public(inner) if inner is not None else address in _GLOBAL_UNICAST
    return not any(address in block for block in _NOBODYS)

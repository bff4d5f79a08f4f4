"""The lines of blocklists: domains and URLs, hosts files, dnsmasq options, and the rules of ad blockers.

What a line lists is read only as far as it concerns the address of a page. Rules for what is in a page do not: hiding
elements, kinds of resources (``$image``), certain pages (``$domain=``), patterns with wildcards. Public lists are full
of them, so they are skipped.
"""

from __future__ import annotations

import re
from ipaddress import ip_address

EXCEPTION = "@@"
"""Begins an entry whose domain or URL is not blocked, whatever else is listed."""

_COMMENT = re.compile(r"(?<!\s)\s+#.*")  # tried once in a run of spaces: linear
_HEADER = re.compile(r"!.*|\[(?:adblock|ublock|adguard)[^]]*\]", re.IGNORECASE)
_ELEMENT_RULE = re.compile(r"#@?[?$%]*#")
_ADDRESS_RULE = re.compile(r"(@@)?\|(?:\||(?=https?://))(?:\*\.)?([^$]*)(?:\$(.*))?", re.IGNORECASE)
_DNSMASQ = re.compile(r"(?:address|server|local)=/(.+)/([^/]*)")

_OPTIONS_OF_PAGES = frozenset({"3p", "all", "doc", "document", "important", "popup", "third-party"})
_NO_ADDRESS = frozenset({"", "#", "0.0.0.0", "127.0.0.1", "::", "::1"})


def is_adblock_header(line: str) -> bool:
    """Whether a line tells that its list is one for ad blockers: a comment with ``!``, or ``[Adblock Plus 2.0]``."""
    return _HEADER.fullmatch(line.strip()) is not None


def listed_addresses(line: str) -> list[str] | None:
    """The domains and URLs in a line, not yet normalised; those of an exception rule begin with ``EXCEPTION``.

    Returns an empty list for a blank line or a comment, None for a rule that does not concern addresses of pages.
    Raises ValueError if the line redirects a domain instead of blocking it, or is an exception of another form.
    """
    text = _COMMENT.sub("", line.strip())
    if not text or text.startswith("#") or is_adblock_header(text):
        return []
    if _ELEMENT_RULE.search(text):
        return None
    if rule := _ADDRESS_RULE.fullmatch(text):
        return _rule_addresses(*rule.groups(""))
    if option := _DNSMASQ.fullmatch(text):
        _require_block(option[2] in _NO_ADDRESS)
        return option[1].split("/")
    address, *names = text.split()
    if names and _is_ip_address(address):
        names = [name for name in names if not _is_local(name)]
        _require_block(not names or _is_own_address(address))
        return names
    if text.startswith(EXCEPTION):
        raise ValueError("an exception without ||")
    return [text.removeprefix("*").removeprefix(".")]


def _rule_addresses(exception: str, address: str, options: str) -> list[str] | None:
    """The address of ``||address^$options``; None if it has wildcards or a query, or options of other requests."""
    address = address.rstrip("^|*/")
    host = address.partition("/")[0] if "//" not in address else address.split("/")[2]
    is_plain = not set(address) & set("*^|?") and "." in host.strip(".") and not host.endswith(".")
    applies = set(options.lower().split(",")) <= {"", *_OPTIONS_OF_PAGES}
    return [exception + address] if is_plain and applies else None


def _require_block(blocks: bool) -> None:
    if not blocks:
        raise ValueError("redirects instead of blocking")


def _is_ip_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_own_address(text: str) -> bool:
    address = ip_address(text)
    return address.is_unspecified or address.is_loopback


def _is_local(name: str) -> bool:
    """Whether a name in a hosts file is one of the machine itself: localhost, ip6-allnodes, 0.0.0.0, …"""
    return "." not in name or name.lower() == "localhost.localdomain" or _is_ip_address(name)

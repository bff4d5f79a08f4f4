"""Canonical URLs: documents with the same canonical URL are one page, fetched several times.

URLs for which a browser sends the same request are equal by the WHATWG URL Standard (parsed by Ada, ``ada_url``): the
host is lower case and punycode (UTS 46), IPv4 and IPv6 addresses have one form, the default port, tabs, line breaks and
surrounding spaces are removed, ``.`` and ``..`` are resolved, backslashes are slashes, and what must be percent-encoded
is encoded as UTF-8. Then these rules, which web archives and feed readers follow, apply in this order:

1. ``http`` and ``https`` are equal; other schemes have no canonical URL.
2. User, password and fragment are removed: servers do not see fragments (RFC 3986, 3.5).
3. The dot at the end of a host and leading ``www.``, ``www1.``, … are removed, as by the Internet Archive (``surt``,
   ``massageHost``), unless only one label would remain.
4. Percent-encoded unreserved characters are decoded, other escapes are upper case (RFC 3986, 6.2.2), and characters
   that RFC 3986 does not allow are encoded.
5. Session ids in a path are removed: ``;jsessionid=…`` (Jakarta Servlet 7.1.3) and ``/(S(…))`` of ASP.NET (``surt``,
   ``stripPathSessionID``).
6. Slashes at the end of a path are removed.
7. Removed from a query are empty parameters, session ids (``SESSION_NAMES``, ``aspsessionid????????`` of ASP, and
   ``sid`` if it has 32 letters and digits: ``surt``, ``stripQuerySessionID``) and tracking parameters
   (``TRACKING_NAMES``, ``TRACKING_PREFIXES``), in any case. ``+`` is a space and ``a=`` is ``a``, as in form data
   (WHATWG URL, 5.1). The rest is sorted by name. The values of one name keep their order, which may matter. An empty
   query is removed.
8. All of this is repeated until nothing changes. Few URLs need that: removing the dots of ``1..`` leaves an IPv4
   address, and removing one session id may uncover another.

Unlike in ``surt``, path and query stay case-sensitive: ``/watch?v=aB`` and ``/watch?v=Ab`` are two pages. Repeated
slashes, ``index.html``, and parameters with names that only resemble tracking (``ref``, ``source``, ``id``) are kept.
"""

from __future__ import annotations

import re
from hashlib import blake2b

import ada_url
import numpy as np
import pyarrow as pa

from gristmill.corpus.arrays import UInt64s
from gristmill.transforms.dedup.minhash import URL_BAND
from gristmill.transforms.dedup.sign import HASH_BYTES

SESSION_NAMES = frozenset({"jsessionid", "phpsessid", "cfid", "cftoken"})
_ASP_SESSION = re.compile(r"aspsessionid[a-z]{8}")
_SID = re.compile(r"[0-9A-Za-z]{32}")

TRACKING_PREFIXES = ("utm_", "mtm_")
"""Parameters of Google Analytics and Matomo."""

TRACKING_NAMES = frozenset(
    {
        *("gclid", "gclsrc", "dclid", "gbraid", "wbraid", "_ga", "_gl"),  # Google
        *("fbclid", "igshid"),  # Meta
        *("msclkid", "twclid", "ttclid", "li_fat_id", "epik"),  # Microsoft, X, TikTok, LinkedIn, Pinterest
        *("yclid", "ysclid", "_openstat"),  # Yandex
        *("mc_cid", "mc_eid", "mkt_tok", "vero_id", "vero_conv", "oly_anon_id", "oly_enc_id"),  # newsletters
        *("_hsenc", "_hsmi", "__hssc", "__hstc", "__hsfp", "hsctatracking"),  # HubSpot
        *("pk_campaign", "pk_cpn", "pk_kwd", "pk_keyword", "pk_source", "pk_medium", "pk_content", "pk_cid"),  # Piwik
        *("__s", "rb_clickid", "s_cid", "wickedid"),
    }
)
"""The parameters that Firefox and Brave strip, and those that Matomo and Yandex document."""

_PARTS = re.compile(r"https?://(?:[^/@]*@)?([^/:\[]+|\[[^]]*\])(:\d+)?([^?#]*)(?:\?([^#]*))?")
_WWW = re.compile(r"(?:www\d*\.)+(?=[^.]+\.)")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}|[^A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PATH_SESSION = re.compile(r"(?<!\.);jsessionid=[^/;]*|/\((?:[a-z]\([0-9a-z]{24}\))+\)(?=/)", re.IGNORECASE)


_MAX_PASSES = 8
"""Passes of the rules before a URL that still changes is given up. Each pass that is needed removes something."""


def canonical_url(url: str) -> str | None:
    """The canonical form of a URL, without scheme (``example.org/a?b=1``).

    Idempotent: the canonical form of ``http://`` and a canonical form is that form. Returns None for what is not an
    HTTP URL, and for URLs that still change after ``_MAX_PASSES`` passes, such as a dozen nested session ids. Never
    raises.
    """
    form = _apply_rules(url)
    for _ in range(_MAX_PASSES - 1):
        previous, form = form, None if form is None else _apply_rules(f"http://{form}")
        if form == previous:
            return form
    return None


def _apply_rules(url: str) -> str | None:
    """One pass of the rules; None if the URL is not an HTTP URL."""
    try:
        parts = _PARTS.match(ada_url.normalize_url(url))
    except ValueError:  # not a URL, or not UTF-8
        return None
    if not parts:
        return None
    host, port, path, query = parts.groups("")
    host = _WWW.sub("", host.rstrip("."), count=1)
    if not host:
        return None
    path = _PATH_SESSION.sub("", _escaped(path)).rstrip("/") if len(path) > 1 else ""
    query = _canonical_query(_escaped(query)) if query else ""
    return f"{host}{port}{path}?{query}" if query else f"{host}{port}{path}"


def url_hashes(urls: pa.ChunkedArray) -> pa.Array:
    """A hash of 16 bytes of each canonical URL; null for URLs without one."""
    forms = (canonical_url(url) if url else None for url in urls.to_pylist())
    hashes = [None if form is None else blake2b(form.encode(), digest_size=HASH_BYTES).digest() for form in forms]
    return pa.array(hashes, pa.binary(HASH_BYTES))


def url_buckets(hashes: pa.Array) -> UInt64s:
    """The bucket of each hash, none of them null: uint64 [hashes], with ``URL_BAND`` in the low 12 bits."""
    halves = np.frombuffer(b"".join(hashes.to_pylist()), "<u8")
    result: UInt64s = halves[::2] | URL_BAND
    return result


def _canonical_query(query: str) -> str:
    pairs = []
    for parameter in query.replace("+", "%20").split("&"):
        name, _, value = parameter.partition("=")
        if parameter.strip("=") and not _is_noise(name.lower(), value):
            pairs.append((name, f"{name}={value}" if value else name))
    pairs.sort(key=lambda pair: pair[0])
    return "&".join(pair for _, pair in pairs)


def _is_noise(name: str, value: str) -> bool:
    """Whether a parameter tracks the visitor or their session, and does not select content."""
    return (
        name in TRACKING_NAMES
        or name in SESSION_NAMES
        or name.startswith(TRACKING_PREFIXES)
        or (name == "sid" and _SID.fullmatch(value) is not None)
        or _ASP_SESSION.fullmatch(name) is not None
    )


def _escaped(text: str) -> str:
    return _ESCAPE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    text = match[0]
    if len(text) == 1:
        return "".join(f"%{byte:02X}" for byte in text.encode())
    character = chr(int(text[1:], 16))
    return character if character in _UNRESERVED else text.upper()

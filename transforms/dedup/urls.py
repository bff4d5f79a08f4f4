"""Canonical URLs: two documents of one canonical URL are the same page, fetched twice.

What a browser sends the same request for is one URL by the WHATWG URL Standard (Ada parses, ``ada_url``): host in
lower case and punycode (UTS 46), IPv4 and IPv6 in one form, default port gone, ``.`` and ``..`` resolved, backslashes
as slashes, tabs, line breaks and outer spaces gone, what must be percent-encoded encoded as UTF-8. On top of that, in
this order, the rules that web archives and feed readers follow:

1. ``http`` and ``https`` are one; other schemes have no canonical URL.
2. User, password and fragment go: no server sees a fragment (RFC 3986, 3.5).
3. The dot that ends a host and ``www.``, ``www1.``, … before it go, as the Internet Archive has it (``surt``,
   ``massageHost``), but where one label is all that would be left.
4. Percent-encoded unreserved characters are decoded, other escapes written in capitals (RFC 3986, 6.2.2), and the
   characters that RFC 3986 allows nowhere raw are encoded.
5. Session ids of a path go: ``;jsessionid=…`` (Jakarta Servlet 7.1.3) and ASP.NET's ``/(S(…))`` (``surt``,
   ``stripPathSessionID``).
6. Slashes that end a path go.
7. Of a query go empty parameters, session ids (``SESSION_NAMES``, ASP's ``aspsessionid????????``, and ``sid`` where it
   is 32 letters and digits: ``surt``, ``stripQuerySessionID``) and tracking parameters (``TRACKING_NAMES``,
   ``TRACKING_PREFIXES``), known in any case. ``+`` is a space, ``a=`` is ``a``, as forms are decoded (WHATWG URL, 5.1).
   The rest is sorted by name; the values of one name stay in their order, which may mean something. An empty query
   goes.

The case of path and query stays, other than in ``surt``: ``/watch?v=aB`` and ``/watch?v=Ab`` are two pages. So do
slashes in a row, ``index.html``, and parameters whose names only sound like tracking (``ref``, ``source``, ``id``).
"""

from __future__ import annotations

import re
from hashlib import blake2b

import ada_url
import numpy as np
import pyarrow as pa

from gristmill.transforms.dedup.minhash import URL_BAND
from gristmill.transforms.dedup.shingles import UInt64s
from gristmill.transforms.dedup.sign import HASH_BYTES

SESSION_NAMES = frozenset({"jsessionid", "phpsessid", "cfid", "cftoken"})
_ASP_SESSION = re.compile(r"aspsessionid[a-z]{8}")
_SID = re.compile(r"[0-9A-Za-z]{32}")

TRACKING_PREFIXES = ("utm_", "mtm_")
"""Google Analytics, Matomo."""

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
"""What the query stripping of Firefox and Brave removes, and the documented parameters of Matomo and Yandex."""

_PARTS = re.compile(r"https?://(?:[^/@]*@)?([^/:\[]+|\[[^]]*\])(:\d+)?([^?#]*)(?:\?([^#]*))?")
_WWW = re.compile(r"(?:www\d*\.)+(?=[^.]+\.)")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}|[^A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PATH_SESSION = re.compile(r"(?<!\.);jsessionid=[^/;]*|/\((?:[a-z]\([0-9a-z]{24}\))+\)(?=/)", re.IGNORECASE)


def canonical_url(url: str) -> str | None:
    """The canonical form of a URL, without scheme (``example.org/a?b=1``); None where it has none. Never raises."""
    try:
        parts = _PARTS.match(ada_url.normalize_url(url))
    except ValueError:  # no URL, or no UTF-8
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
    """16 bytes for each URL, the same where canonical URLs are the same; null where there is none."""
    forms = (canonical_url(url) if url else None for url in urls.to_pylist())
    hashes = [None if form is None else blake2b(form.encode(), digest_size=HASH_BYTES).digest() for form in forms]
    return pa.array(hashes, pa.binary(HASH_BYTES))


def url_buckets(hashes: pa.Array) -> UInt64s:
    """The bucket of each hash, none of them null: uint64 [hashes], in the low 12 bits ``URL_BAND``."""
    halves = np.frombuffer(b"".join(hashes.to_pylist()), "<u8")
    return halves[::2] | URL_BAND


def _canonical_query(query: str) -> str:
    pairs = []
    for parameter in query.replace("+", "%20").split("&"):
        name, _, value = parameter.partition("=")
        if parameter.strip("=") and not _passing(name.lower(), value):
            pairs.append((name, f"{name}={value}" if value else name))
    pairs.sort(key=lambda pair: pair[0])
    return "&".join(pair for _, pair in pairs)


def _passing(name: str, value: str) -> bool:
    """Whether a parameter says who came from where, and not what was asked for."""
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
    found = match[0]
    if len(found) == 1:
        return "".join(f"%{byte:02X}" for byte in found.encode())
    character = chr(int(found[1:], 16))
    return character if character in _UNRESERVED else found.upper()

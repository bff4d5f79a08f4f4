"""Blocklists of domains and words, and the check of a URL against them.

A domain list is a sorted array of 64-bit BLAKE2b hashes, 8 bytes each: datatrove's 4.6 million entries take 37 MB per
process instead of some 600 MB as strings. The probability of a false match with n entries is at most n / 2^64 per key
of a URL: 2.5e-13 for that list, so about one URL in 4e11 is wrongly dropped.

A URL's keys are its host, each parent domain, and the host with each prefix of the path that ends at a segment. So the
entries ``b.example.com`` and ``example.com`` match ``a.b.example.com``, and ``example.com/~eve`` matches
``example.com/~eve/x``, as in squidGuard. Neither the network nor a public suffix list is used. Hashing those 4.6
million entries takes 5 s and up to 85 MB, once per machine: the array is stored in the cache
(``gristmill.store.cache``) under a name that says what the lists hold. A verdict takes some 25 µs.

List files are hosts files, dnsmasq options, lists of ad blockers (``list_syntax.py``), or plain domains and URLs, one
per line. A page whose URL matches an exception (``@@||good.example^``) is not blocked. ``||example.com/path`` matches
like the entry ``example.com/path``: on that host, and up to the end of a segment. A line that cannot be read is an
error, except in lists that say that they are for ad blockers: there, patterns that are no address are skipped.

In word lists a line that starts with ``# `` is a comment (datatrove's word list has words that start with ``#``).
"""

from __future__ import annotations

import gzip
import posixpath
import re
import sys
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from itertools import accumulate, compress, count, islice
from typing import IO
from urllib.parse import unquote

import numpy as np

from gristmill.corpus.arrays import UInt64s
from gristmill.errors import InputError
from gristmill.extraction import list_syntax
from gristmill.extraction.extract_section import UrlSection
from gristmill.extraction.list_syntax import EXCEPTION, is_adblock_header, listed_addresses
from gristmill.store import storage
from gristmill.store.cache import cached_bytes
from gristmill.store.keys import asset_hash, key_of

MAX_SEGMENTS = 16
"""Path segments that are looked up; a listed prefix with more never matches."""

MAX_DOMAIN = 253
"""Characters of the longest parent domain that is looked up, which is also the longest name that DNS allows. Without a
bound, the keys of a host of n labels would have n² / 2 of them."""

_MAX_INTERNATIONAL = 1024  # characters; Python's conversion to punycode is quadratic

_AUTHORITY = re.compile(
    r"^(?:[a-z][a-z0-9+.-]*:)?//([^/?#\\]*)(?:[/\\]([^?#]*))?|^([^/?#\\]*)(?:/([^?#]*))?", re.I | re.S
)
_PORT = re.compile(r":[0-9]*$")
_SPLIT = re.compile(r"[\W_]+")
_PLAIN = re.compile(rb"(?!www\.)[a-z0-9-]+(?:\.[a-z0-9-]+)+\n")
_HOST = re.compile(r"\w[\w.-]*|[0-9a-f:.]+")
_NETWORK = re.compile(r"[0-9.]+/[0-9]{1,2}")
_NO_WORD = re.compile(r"[\0<>{}]|^\|\||^[0-9]+(?:\.[0-9]+){3}\s")
_BLOCK_LINES = 1 << 16


class UrlFilter:
    """Checks URLs against a list of domains, from ``hash_entries``, and a list of words, as lines of UTF-8."""

    def __init__(self, domains: UInt64s, words: Iterable[bytes] = ()) -> None:
        self._domains = domains
        phrases = {phrase for line in words if (phrase := split_words(_entry(line)))}
        self._words = frozenset(phrase[0] for phrase in phrases if len(phrase) == 1)
        self._phrases = tuple(sorted(f" {' '.join(phrase)} " for phrase in phrases if len(phrase) > 1))

    @classmethod
    def load(cls, section: UrlSection) -> UrlFilter:
        """Reads the section's lists. Raises InputError if a list or a line of it cannot be read."""
        return cls(_cached_hashes(section.domains), _word_lines(section.words))

    def verdict(self, url: str | None) -> list[str]:
        """The reasons to drop ``url``, among ``url_domain`` and ``url_word``; none for a record without a URL."""
        if not url:
            return []
        domain_listed = len(self._domains) and self._is_listed(url_keys(url))
        word_listed = (self._words or self._phrases) and self._contains_words(url)
        return ["url_domain"] * bool(domain_listed) + ["url_word"] * bool(word_listed)

    def _is_listed(self, url_keys: list[str]) -> bool:
        return self._holds(url_keys) and not self._holds([EXCEPTION + key for key in url_keys])

    def _holds(self, keys: list[str]) -> bool:
        wanted = _hash_array([key.encode("utf-8", "surrogatepass") for key in keys])
        places = np.searchsorted(self._domains, wanted)
        return bool((self._domains[np.minimum(places, len(self._domains) - 1)] == wanted).any())

    def _contains_words(self, url: str) -> bool:
        parts = split_words(unquote(url))
        if not self._words.isdisjoint(parts):
            return True
        spaced = f" {' '.join(parts)} "
        return any(phrase in spaced for phrase in self._phrases)


def split_words(text: str) -> tuple[str, ...]:
    """The case-folded runs of letters and digits in ``text``."""
    return tuple(part for part in _SPLIT.split(text.casefold()) if part)


def host_and_path(url: str) -> tuple[str, str]:
    """A URL's host in ASCII and its path without the leading slash, both in lower case. Never raises.

    Scheme, user, port, a trailing dot and a leading ``www.`` are dropped; internationalised names become punycode
    (IDNA 2003). Of a malformed URL, the host is whatever is in its place.
    """
    match = _AUTHORITY.match(url.strip())
    authority = (match and (match[1] or match[3])) or ""
    path = (match and (match[2] or match[4])) or ""
    host = unquote(_PORT.sub("", authority.rpartition("@")[2])).lower().strip("[]").rstrip(".")
    if not host.isascii():
        host = _punycode(host)
    return host.removeprefix("www."), path.lower().rstrip("/")


def url_keys(url: str) -> list[str]:
    """The list entries that match ``url``: host, parent domains (an IP address has none), host with path prefixes."""
    host, path = host_and_path(url)
    if not host:
        return []
    is_ip_address = host.rpartition(".")[2].isdigit() or ":" in host
    parents = [] if is_ip_address else _parent_domains(host)
    segments = path.split("/", MAX_SEGMENTS)[:MAX_SEGMENTS] if path else []
    pages = list(accumulate([host, *segments], "{}/{}".format))[1:]
    return [host, *parents, *pages]


def _parent_domains(host: str) -> list[str]:
    """What follows each dot of ``host``, the longest first; at most ``MAX_DOMAIN`` characters."""
    first = max(0, len(host) - MAX_DOMAIN - 1)
    return [host[place + 1 :] for place in range(first, len(host)) if host[place] == "."]


def _punycode(host: str) -> str:
    if len(host) > _MAX_INTERNATIONAL:
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return host


def _entry(line: bytes) -> str:
    """The entry in a line; "" for a blank line or a comment."""
    text = line.decode("utf-8", "replace").strip()
    return "" if text.startswith("# ") or text == "#" else text


def _word_lines(urls: Iterable[str]) -> Iterator[bytes]:
    for name, lines in _lists(urls):
        for number, line in enumerate(lines, 1):
            text = line.decode("utf-8", "replace")
            if "\N{REPLACEMENT CHARACTER}" in text or _NO_WORD.search(text):
                raise _line_error(name, number, line, "a word or phrase in UTF-8")
            yield line


def _line_error(name: str, number: int, line: bytes, wanted: str) -> InputError:
    shown = line[:60].decode("utf-8", "replace").strip()
    return InputError(f"{name}, line {number}: {shown!r} is not {wanted}; correct or remove the line")


def _lists(urls: Iterable[str]) -> Iterator[tuple[str, Iterator[bytes]]]:
    """The name and the lines of each list, which must be read before the next."""
    for url in urls:
        with _read_errors(url), storage.open_input(url) as file:
            for name, lines in _file_lists(url, file):
                yield name, _checked_lines(url, lines)


def _checked_lines(url: str, lines: Iterable[bytes]) -> Iterator[bytes]:
    with _read_errors(url):
        yield from lines


@contextmanager
def _read_errors(url: str) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise InputError(
            f"cannot read the list {url}: {error}; use a plain, .gz or .tar.gz file with one entry per line"
        ) from error


def _file_lists(url: str, file: IO[bytes]) -> Iterator[tuple[str, Iterable[bytes]]]:
    if url.endswith((".tar.gz", ".tgz")):
        with tarfile.open(fileobj=file, mode="r|gz") as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content:
                    yield f"{url} ({member.name})", content
    elif url.endswith(".gz"):
        with gzip.open(file) as unzipped:
            yield url, unzipped
    else:
        yield url, file


def _cached_hashes(urls: Sequence[str]) -> UInt64s:
    """``hash_entries`` of the lists, cached on the machine by their content, this module and Python's version."""
    if not urls:
        return hash_entries([])
    lists = []
    for url in urls:
        with _read_errors(url):
            lists.append((posixpath.basename(url), asset_hash(url)))  # the name determines the archive format
    code = [storage.content_hash(file) for file in (__file__, list_syntax.__file__)]
    key = key_of(code, sys.version, lists)
    return np.frombuffer(cached_bytes(f"url-lists/{key}", lambda: _hash_lists(urls).tobytes()), dtype="<u8")


def _hash_lists(urls: Iterable[str]) -> UInt64s:
    hashes = np.concatenate([hash_entries([]), *(hash_entries(lines, name) for name, lines in _lists(urls))])
    hashes.sort()
    return hashes


def hash_entries(lines: Iterable[bytes], name: str = "the list") -> UInt64s:
    """The sorted hashes of a list's entries, ``uint64 [entries]``. Raises InputError for a line that cannot be read."""
    remaining = iter(lines)
    reader = _LineReader(name)
    blocks = [np.empty(0, np.uint64)]
    for start in count(1, _BLOCK_LINES):
        block = list(islice(remaining, _BLOCK_LINES))
        if not block:
            break
        plain = [_PLAIN.fullmatch(line) is not None for line in block]  # nearly all lines
        keys = [line[:-1] for line in compress(block, plain)]
        for index in np.flatnonzero(~np.array(plain)).tolist():
            keys += reader.keys(start + index, block[index])
        blocks.append(_hash_array(keys))
    hashes = np.concatenate(blocks)
    if reader.first_skipped and not hashes.size:
        raise InputError(
            f"{name} blocks no page: from line {reader.first_skipped} on, its rules concern only what is in a page; "
            "use a list of domains"
        )
    hashes.sort()
    return hashes


class _LineReader:
    """Reads the lines of one list into keys in the form of ``url_keys``; those of exceptions begin with ``@@``."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_adblock = False
        self.first_skipped = 0

    def keys(self, number: int, line: bytes) -> list[bytes]:
        text = line.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
        self.is_adblock = self.is_adblock or is_adblock_header(text)
        try:
            addresses = listed_addresses(text)
            keys = None if addresses is None else [_key(address) for address in addresses]
        except ValueError:
            if not self.is_adblock:
                raise _line_error(
                    self.name, number, line, "a domain, a URL, a line of a hosts file or a rule of an ad blocker"
                ) from None
            keys = None
        if keys is None and not self.first_skipped:
            self.first_skipped = number
        return keys or []


def _key(address: str) -> bytes:
    """An address in the form of ``url_keys``. Raises ValueError if it names no host."""
    exception = EXCEPTION if address.startswith(EXCEPTION) else ""
    host, path = host_and_path(address.removeprefix(EXCEPTION))
    key = f"{host}/{path}" if path else host
    if not _HOST.fullmatch(host) or _NETWORK.fullmatch(key):
        raise ValueError(address)
    return (exception + key).encode("utf-8", "surrogatepass")


def _hash_array(names: list[bytes]) -> UInt64s:
    return np.frombuffer(b"".join([blake2b(name, digest_size=8).digest() for name in names]), dtype="<u8")

"""Is a URL on a list of unwanted domains, or made of unwanted words?

Domains are kept as a sorted array of 64-bit BLAKE2b hashes, 8 bytes each: datatrove's 4.6 million entries take 37 MB a
process instead of some 600 MB as strings. A URL not on a list of n entries is taken for one with a probability of at
most n / 2^64 for each of its keys: 2.5e-13 a key for that list, so about one wrongly dropped URL in 4e11.

A URL's keys are its host, each parent domain of it, and the host with each prefix of its path that ends at a segment.
So ``a.b.example.com`` is met by ``b.example.com`` and ``example.com``, and ``example.com/~eve/x`` by
``example.com/~eve``, which is how squidGuard reads such lists. Nothing is asked of the network or of a public suffix
list. Hashing those 4.6 million entries takes 5 s and 85 MB at its peak, once on a machine: the array is kept in the
cache (``corpus.cache``) under a name that says what the lists hold. A verdict takes some 25 µs.

In list files a line that starts with ``# `` is a comment (datatrove's word list has words that start with ``#``).
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
from itertools import accumulate, islice
from typing import IO
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt

from gristmill.errors import InputError
from gristmill.extraction.extract_section import UrlSection
from gristmill.store import storage
from gristmill.store.cache import kept
from gristmill.store.keys import asset_hash, key_of

MAX_SEGMENTS = 16
"""Path segments that are looked up; a listed prefix with more is never met."""

_AUTHORITY = re.compile(
    r"^(?:[a-z][a-z0-9+.-]*:)?//([^/?#\\]*)(?:[/\\]([^?#]*))?|^([^/?#\\]*)(?:/([^?#]*))?", re.I | re.S
)
_PORT = re.compile(r":[0-9]*$")
_SPLIT = re.compile(r"[\W_]+")
_PLAIN = re.compile(rb"(?!www\.)[a-z0-9-]+(?:\.[a-z0-9-]+)+\n")
_BLOCK_LINES = 1 << 16

Hashes = npt.NDArray[np.uint64]


class UrlFilter:
    """A list of domains, as ``hashes`` gives it, one of words, as lines of UTF-8, and the verdict on a URL."""

    def __init__(self, domains: Hashes, words: Iterable[bytes] = ()) -> None:
        self._domains = domains
        phrases = {phrase for line in words if (phrase := sub_words(_entry(line)))}
        self._words = frozenset(phrase[0] for phrase in phrases if len(phrase) == 1)
        self._phrases = tuple(sorted(f" {' '.join(phrase)} " for phrase in phrases if len(phrase) > 1))

    @classmethod
    def load(cls, section: UrlSection) -> UrlFilter:
        """Reads the section's lists. Raises InputError for a list that cannot be read."""
        return cls(_kept_hashes(section.domains), _lines(section.words))

    def verdict(self, url: str | None) -> list[str]:
        """All reasons to drop ``url``, of ``url_domain`` and ``url_word``; none for a record that has no URL."""
        if not url:
            return []
        listed = len(self._domains) and self._lists_any(keys(url))
        worded = (self._words or self._phrases) and self._holds_words(url)
        return ["url_domain"] * bool(listed) + ["url_word"] * bool(worded)

    def _lists_any(self, url_keys: list[str]) -> bool:
        wanted = _hash_array([key.encode("utf-8", "surrogatepass") for key in url_keys])
        places = np.searchsorted(self._domains, wanted)
        return bool((self._domains[np.minimum(places, len(self._domains) - 1)] == wanted).any())

    def _holds_words(self, url: str) -> bool:
        parts = sub_words(unquote(url))
        if not self._words.isdisjoint(parts):
            return True
        spaced = f" {' '.join(parts)} "
        return any(phrase in spaced for phrase in self._phrases)


def sub_words(text: str) -> tuple[str, ...]:
    """The case-folded runs of letters and digits of ``text``."""
    return tuple(part for part in _SPLIT.split(text.casefold()) if part)


def host_and_path(url: str) -> tuple[str, str]:
    """A URL's host in ASCII and its path without the first slash, both lower-case; never raises.

    Scheme, user, port, a trailing dot and a leading ``www.`` are left out; an internationalised name comes as punycode
    (IDNA 2003). Ill-formed URLs give what is in the host's place, if anything.
    """
    match = _AUTHORITY.match(url.strip())
    authority = (match and (match[1] or match[3])) or ""
    path = (match and (match[2] or match[4])) or ""
    host = unquote(_PORT.sub("", authority.rpartition("@")[2])).lower().strip("[]").rstrip(".")
    if not host.isascii():
        host = _punycode(host)
    return host.removeprefix("www."), path.lower().rstrip("/")


def keys(url: str) -> list[str]:
    """What of ``url`` a list may hold: host, its parent domains (an IP address has none), host with path prefixes."""
    host, path = host_and_path(url)
    if not host:
        return []
    labels = host.split(".")
    parents = [] if labels[-1].isdigit() or ":" in host else [".".join(labels[i:]) for i in range(1, len(labels))]
    segments = path.split("/", MAX_SEGMENTS)[:MAX_SEGMENTS] if path else []
    pages = list(accumulate([host, *segments], "{}/{}".format))[1:]
    return [host, *parents, *pages]


def _punycode(host: str) -> str:
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return host


def _entry(line: bytes) -> str:
    """What a line lists; "" for a blank line or a comment, which starts with ``#``."""
    text = line.decode("utf-8", "replace").strip()
    return "" if text.startswith("# ") or text == "#" else text


def _lines(urls: Iterable[str]) -> Iterator[bytes]:
    for url in urls:
        with _readable(url), storage.open_input(url) as file:
            yield from _file_lines(url, file)


@contextmanager
def _readable(url: str) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise InputError(f"cannot read the list {url}: {error}; give a plain, .gz or .tar.gz file of lines") from error


def _file_lines(url: str, file: IO[bytes]) -> Iterator[bytes]:
    if url.endswith((".tar.gz", ".tgz")):
        with tarfile.open(fileobj=file, mode="r|gz") as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content:
                    yield from content
    elif url.endswith(".gz"):
        with gzip.open(file) as unzipped:
            yield from unzipped
    else:
        yield from file


def _kept_hashes(urls: Sequence[str]) -> Hashes:
    """``hashes`` of the lists, made once on a machine for what they hold, this module's code and Python's Unicode."""
    if not urls:
        return hashes([])
    lists = []
    for url in urls:
        with _readable(url):
            lists.append((posixpath.basename(url), asset_hash(url)))  # the name says how it is packed
    key = key_of(storage.content_hash(__file__), sys.version, lists)
    return np.frombuffer(kept(f"url-lists/{key}", lambda: hashes(_lines(urls)).tobytes()), dtype="<u8")


def hashes(lines: Iterable[bytes]) -> Hashes:
    """The sorted hashes of a list's entries: uint64 [entries]."""
    rest = iter(lines)
    blocks = [np.empty(0, np.uint64)]
    while block := list(islice(rest, _BLOCK_LINES)):
        blocks.append(_hash_array([key for line in block if (key := _entry_key(line))]))
    found = np.concatenate(blocks)
    found.sort()
    return found


def _entry_key(line: bytes) -> bytes:
    """A list's entry as ``keys`` gives it, or b"". Domains in plain form, nearly all, are taken as they stand."""
    if _PLAIN.fullmatch(line):
        return line[:-1]
    host, path = host_and_path(_entry(line).removeprefix("*").removeprefix("."))
    return (f"{host}/{path}" if path else host).encode("utf-8", "surrogatepass")


def _hash_array(names: list[bytes]) -> Hashes:
    return np.frombuffer(b"".join([blake2b(name, digest_size=8).digest() for name in names]), dtype="<u8")

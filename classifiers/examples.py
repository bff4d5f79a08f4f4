"""Labelled texts: read from JSONL or Parquet, told apart into what is learned from and what is held out, balanced.

Everything here follows from hashes of the texts, never from the order of files or a random generator: the same
examples give the same split on every machine, and an example more moves few others.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b, sha256
from typing import Any, NamedTuple

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.errors import InputError
from gristmill.store import storage


class Example(NamedTuple):
    """A labelled text. Texts of one ``group`` (a site, a book) are never parted by the split."""

    text: str
    positive: bool
    source: str
    group: str


class Split(NamedTuple):
    """``learn`` is trained on, ``choose`` decides between settings, ``test`` is looked at once, for the figures."""

    learn: list[Example]
    choose: list[Example]
    test: list[Example]


def read_examples(positives: Sequence[str], negatives: Sequence[str]) -> list[Example]:
    """The examples of files, each text once, in an order that hangs on their hashes alone.

    A row has ``text``, and may have ``source`` (else the file's name) and ``group`` (else the text itself). A text that
    is both positive and negative is left out. Raises InputError for what cannot be read, or where a class is empty.
    """
    found: dict[str, Example] = {}
    torn: set[str] = set()
    for urls, positive in ((positives, True), (negatives, False)):
        for url in urls:
            for row in read_rows(url):
                text, source = row["text"], row.get("source") or _name(url)
                standing = found.setdefault(text, Example(text, positive, source, row.get("group") or text))
                if standing.positive != positive:
                    torn.add(text)
    examples = sorted((one for one in found.values() if one.text not in torn), key=lambda one: _hash(one.text))
    for positive, word in ((True, "positive"), (False, "negative")):
        if not any(one.positive is positive for one in examples):
            raise InputError(f"no {word} example to learn from: give a file with texts that are not in the other class")
    return examples


def read_rows(url: str) -> Iterator[dict[str, Any]]:
    """Rows with ``text``, and whatever else they have, of a ``.jsonl`` (also ``.gz``) or ``.parquet`` file.

    Raises InputError where the file is missing or a row has no text.
    """
    try:
        rows = _parquet_rows(url) if url.endswith(".parquet") else _json_rows(url)
        for number, row in enumerate(rows, 1):
            if not isinstance(row, dict) or not isinstance(row.get("text"), str):
                raise InputError(f"{url}, row {number}: no `text`; give JSONL or Parquet whose rows have a text")
            yield row
    except FileNotFoundError:
        raise InputError(f"no file {url}: correct its path") from None
    except (json.JSONDecodeError, UnicodeDecodeError, pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{url} cannot be read: {error}; give JSONL or Parquet") from error


def split(examples: Sequence[Example], held_out: float, seed: int = 0) -> Split:
    """Hold out a share of the groups of every class and source: half of it to choose by, half to test by.

    Groups are taken by hash. One that is in several strata goes where the first of them, by name, put it.
    """
    parts: dict[str, int] = {}
    for stratum in _strata(examples):
        groups = sorted({one.group for one in stratum}, key=lambda group: _hash(group, seed))
        wanted = round(len(groups) * held_out) - sum(parts.get(group, 0) != 0 for group in groups)
        free = [group for group in groups if group not in parts]
        parts |= {group: 1 + number % 2 if number < wanted else 0 for number, group in enumerate(free)}
    told: tuple[list[Example], ...] = ([], [], [])
    for one in examples:
        told[parts[one.group]].append(one)
    return Split(*told)


def balanced(examples: Sequence[Example]) -> list[Example]:
    """Examples of the rarer class repeated until both classes are as many, in the order of hashes."""
    ordered = sorted(examples, key=lambda one: _hash(one.text))
    classes = [[one for one in ordered if one.positive is positive] for positive in (True, False)]
    most = max(map(len, classes))
    chosen = [(few[number % len(few)], number // len(few)) for few in classes for number in range(most)]
    return [one for one, again in sorted(chosen, key=lambda pair: _hash(pair[0].text, pair[1]))]


def fingerprint(texts: Iterable[str]) -> str:
    """sha256 of a set of texts, whatever their order."""
    digest = sha256()
    for one in sorted(map(_hash, texts)):
        digest.update(one)
    return digest.hexdigest()


def _strata(examples: Sequence[Example]) -> list[list[Example]]:
    found: dict[tuple[str, bool], list[Example]] = defaultdict(list)
    for one in examples:
        found[one.source, one.positive].append(one)
    return [found[key] for key in sorted(found)]


def _hash(text: str, seed: int = 0) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, salt=seed.to_bytes(8, "little")).digest()


def _json_rows(url: str) -> Iterator[Any]:
    with fsspec.open(url, "rb", compression="infer") as file:
        yield from (json.loads(line) for line in file if line.strip())


def _parquet_rows(url: str) -> Iterator[Any]:
    with storage.open_input(url) as opened:
        file = pq.ParquetFile(opened)
        names = [name for name in ("text", "source", "group", "lang") if name in file.schema_arrow.names]
        for batch in file.iter_batches(columns=names):
            yield from batch.to_pylist()


def _name(url: str) -> str:
    return url.rpartition("/")[2].split(".")[0]

"""Labeled texts: read from JSONL or Parquet, split into training and held-out data, and balanced.

Everything depends on hashes of the texts, not on the order of files or a random generator: the same examples give the
same split on every machine, and adding an example moves few others.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b, sha256
from typing import Any, NamedTuple

import fsspec
import pyarrow.parquet as pq

from gristmill.errors import InputError
from gristmill.store import storage


class Example(NamedTuple):
    """A labeled text. Texts of the same ``group`` (a site, a book) are always in the same part of a split."""

    text: str
    positive: bool
    source: str
    group: str


class Split(NamedTuple):
    """``validation`` chooses between settings; ``test`` is used once, for the metrics in the card."""

    train: list[Example]
    validation: list[Example]
    test: list[Example]


def read_examples(positives: Sequence[str], negatives: Sequence[str]) -> list[Example]:
    """Read the examples in files, each text once, ordered by hash.

    Rows have ``text`` and optionally ``source`` (by default the name of the file) and ``group`` (by default the text).
    A text that is both positive and negative is left out. Raises InputError if a file cannot be read or a class is
    empty.
    """
    examples: dict[str, Example] = {}
    contradictory: set[str] = set()
    for urls, positive in ((positives, True), (negatives, False)):
        for url in urls:
            for row in read_rows(url):
                text, source = row["text"], row.get("source") or _name(url)
                example = examples.setdefault(text, Example(text, positive, source, row.get("group") or text))
                if example.positive != positive:
                    contradictory.add(text)
    usable = _by_hash(example for example in examples.values() if example.text not in contradictory)
    for positive, name in ((True, "positive"), (False, "negative")):
        if not any(example.positive is positive for example in usable):
            raise InputError(f"no {name} examples: give a file with texts that are not in the other class")
    return usable


def read_rows(url: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a ``.jsonl`` (or ``.jsonl.gz``) or ``.parquet`` file; each has ``text`` and any other fields.

    Raises InputError if the file is missing or a row has no text.
    """
    try:
        rows = _parquet_rows(url) if url.endswith(".parquet") else _json_rows(url)
        for number, row in enumerate(rows, 1):
            if not isinstance(row, dict) or not isinstance(row.get("text"), str):
                raise InputError(f"{url}, row {number}: no `text`; give JSONL or Parquet with a `text` in every row")
            yield row
    except FileNotFoundError:
        raise InputError(f"no file {url}: correct its path") from None
    except InputError:
        raise
    except (ValueError, RecursionError, OSError) as error:  # of JSON, UTF-8 or Arrow
        raise InputError(f"cannot read {url}: {error}; give JSONL or Parquet") from error


def split_examples(examples: Sequence[Example], held_out: float, seed: int = 0) -> Split:
    """Hold out a share of the groups of each class and source, half of it for validation and half for testing.

    Groups are chosen by hash. A group in several strata goes where the first stratum, by name, puts it.
    """
    parts: dict[str, int] = {}
    for stratum in _strata(examples):
        groups = sorted({example.group for example in stratum}, key=lambda group: _hash(group, seed))
        missing = round(len(groups) * held_out) - sum(parts.get(group, 0) != 0 for group in groups)
        free = [group for group in groups if group not in parts]
        parts |= {group: 1 + number % 2 if number < missing else 0 for number, group in enumerate(free)}
    split = Split([], [], [])
    for example in examples:
        split[parts[example.group]].append(example)
    return split


def balance_classes(examples: Sequence[Example]) -> list[Example]:
    """Repeat examples of the smaller class until both classes have the same size; ordered by hash."""
    ordered = _by_hash(examples)
    classes = [[example for example in ordered if example.positive is positive] for positive in (True, False)]
    size = max(map(len, classes))
    copies = [(members[i % len(members)], i // len(members)) for members in classes for i in range(size)]
    return [example for example, copy in sorted(copies, key=lambda pair: _hash(pair[0].text, pair[1]))]


def texts_digest(texts: Iterable[str]) -> str:
    """The sha256 of a set of texts, independent of their order."""
    digest = sha256()
    for text_hash in sorted(map(_hash, texts)):
        digest.update(text_hash)
    return digest.hexdigest()


def _strata(examples: Sequence[Example]) -> list[list[Example]]:
    strata: dict[tuple[str, bool], list[Example]] = defaultdict(list)
    for example in examples:
        strata[example.source, example.positive].append(example)
    return [strata[key] for key in sorted(strata)]


def _by_hash(examples: Iterable[Example]) -> list[Example]:
    return sorted(examples, key=lambda example: _hash(example.text))


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

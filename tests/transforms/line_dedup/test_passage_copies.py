"""Which copies are cut: by count, kind and order, however the documents are distributed over units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.corpus.document import document_id
from gristmill.corpus.words import normalize
from gristmill.transforms.core.exchange import split_by_file
from gristmill.transforms.line_dedup.passage_copies import copies_to_cut
from gristmill.transforms.line_dedup.passage_file import document_order, join_passages, passage_tables
from gristmill.transforms.line_dedup.passage_hashes import LINE, PARAGRAPH, find_passages
from gristmill.transforms.line_dedup.repeats_section import PassageRule
from tests.transforms.line_dedup.line_dedup_reference import Text, passages, passages_to_cut

Place = tuple[bytes, int, int]


def rule(min_words: int = 1, **fields: Any) -> PassageRule:
    return PassageRule(min_words=min_words, **fields)


def cut(units: Sequence[Sequence[Text]], rules: dict[int, PassageRule], partitions: int = 1) -> list[Place]:
    """The cuts in documents, whose units have one priority each: sorted (id, start, end)."""
    min_words = {kind: rule.min_words for kind, rule in rules.items()}
    found = [find_passages(pa.chunked_array([[t.text for t in unit]], pa.large_string()), min_words) for unit in units]
    ids = [pa.chunked_array([[t.id for t in unit]], pa.binary(16)) for unit in units]
    tables = [
        passage_tables(one.hash, document_order(own)[one.document], partitions)
        for one, own in zip(found, ids, strict=True)
    ]
    places = []
    for part in range(partitions):
        joined = join_passages([table[part] for table in tables], [unit[0].priority for unit in units])
        hashes, nodes = copies_to_cut(joined, rules)
        assert len(hashes) == len(nodes)
        for number, rows in split_by_file(np.sort(nodes)):
            own, unit = found[number], units[number]
            places += [
                (unit[int(own.document[row])].id, int(own.start[row]), int(own.end[row])) for row in rows.tolist()
            ]
    return sorted(places)


def texts(*contents: str, priority: int = 0) -> list[Text]:
    """Documents in the order of their ids."""
    ids = sorted(document_id("web", str(number)) for number in range(len(contents)))
    return [Text(priority, own, text) for own, text in zip(ids, contents, strict=True)]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({LINE: rule()}, [(1, 0, 2), (2, 0, 2), (2, 2, 4), (2, 6, 7)]),
        ({LINE: rule(min_count=3)}, [(1, 0, 2), (2, 0, 2)]),
        ({LINE: rule(min_count=4)}, []),
        ({LINE: rule(keep="none")}, [(0, 0, 2), (0, 2, 3), (1, 0, 2), (1, 4, 5), (2, 0, 2), (2, 2, 4), (2, 6, 7)]),
        ({LINE: rule(min_count=3, keep="none")}, [(0, 0, 2), (1, 0, 2), (2, 0, 2)]),
        ({LINE: rule(min_words=2)}, []),
        ({PARAGRAPH: rule()}, []),
    ],
)
def test_copies_to_cut(rules: dict[int, PassageRule], expected: list[tuple[int, int, int]]) -> None:
    documents = texts("a\nb", "a\nc\nd", "a\nb\ne\nd")
    assert cut([documents], rules) == [(documents[number].id, start, end) for number, start, end in expected]


def test_each_kind_has_its_own_rule() -> None:
    documents = texts("a\n\nb\nb", "a", "b\nb")
    rules = {LINE: rule(min_count=4, keep="none"), PARAGRAPH: rule(min_count=2)}
    assert cut([documents], rules) == sorted(
        (documents[n].id, *place)
        for n, place in [(0, (3, 5)), (0, (5, 6)), (1, (0, 1)), (2, (0, 2)), (2, (2, 3)), (2, (0, 3))]
    )


def test_the_copy_of_the_better_source_is_kept() -> None:
    one, other = texts("a", "a")
    assert cut([[one], [other]], {LINE: rule()}) == [(other.id, 0, 1)]
    assert cut([[one._replace(priority=1)], [other]], {LINE: rule()}) == [(one.id, 0, 1)]


def test_for_equal_ids_the_first_row_of_the_first_unit_is_kept() -> None:
    (one,) = texts("a")
    assert cut([[one, one], [one]], {LINE: rule()}) == [(one.id, 0, 1)] * 2


def test_empty_documents_have_no_cuts() -> None:
    assert cut([], {LINE: rule()}) == cut([texts("")], {LINE: rule()}) == []


WORDS = st.text(st.sampled_from("ab \n\né."), max_size=16)
RULES = st.builds(
    PassageRule, min_words=st.integers(1, 3), min_count=st.integers(2, 4), keep=st.sampled_from(["first", "none"])
)


@given(
    st.lists(st.lists(WORDS, max_size=4), min_size=1, max_size=4), RULES, RULES, st.sampled_from([1, 4]), st.randoms()
)
def test_cuts_do_not_depend_on_units(
    sources: list[list[str]], lines: PassageRule, paragraphs: PassageRule, partitions: int, chance: Any
) -> None:
    """Against the reference; the documents of each source are shuffled and distributed over units."""
    rules = {LINE: lines, PARAGRAPH: paragraphs}
    documents, units = [], []
    for priority, rows in enumerate(sources):
        own = [Text(priority, document_id(str(priority), str(number)), text) for number, text in enumerate(rows)]
        documents += own
        chance.shuffle(own)
        size = chance.randint(1, 3)
        units += [own[at : at + size] for at in range(0, len(own), size)]
    chance.shuffle(units)
    expected = sorted(
        (document, own.start, own.end)
        for document, places in passages_to_cut(documents, rules).items()
        for own in places
    )
    assert cut(units, rules, partitions) == expected


@given(st.lists(st.text(st.sampled_from("ab\n"), max_size=16), max_size=6), st.sampled_from([LINE, PARAGRAPH]))
def test_one_copy_of_each_passage_is_left(rows: list[str], kind: int) -> None:
    documents = texts(*rows)
    left = [one.key for text in documents for one in passages(text.text, {kind: 1})]
    for document, start, end in cut([documents], {kind: rule()}) if documents else []:
        text = next(text.text for text in documents if text.id == document)
        left.remove(next(one.key for one in passages(text, {kind: 1}) if (one.start, one.end) == (start, end)))
    assert len(left) == len(set(left)) == len({one.key for text in documents for one in passages(text.text, {kind: 1})})


@given(st.lists(WORDS, min_size=1, max_size=6), st.integers(2, 3), st.integers(2, 3))
def test_every_word_remains_in_the_corpus(rows: list[str], lines: int, paragraphs: int) -> None:
    """With rules for lines and paragraphs: of everything that one cuts, an earlier copy is left by both."""
    documents = texts(*rows)
    left = {text.id: list(text.text) for text in documents}
    for document, start, end in cut([documents], {LINE: rule(min_count=lines), PARAGRAPH: rule(min_count=paragraphs)}):
        left[document][start:end] = " " * (end - start)
    before, after = (set(normalize(" ".join(all_)).split()) for all_ in (rows, map("".join, left.values())))
    assert before == after

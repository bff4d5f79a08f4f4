"""Lines and paragraphs: their bounds, their hashes, and against the reference implementation."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.transforms.core import text_runs
from gristmill.transforms.line_dedup.passage_hashes import LINE, PARAGRAPH, Passages, find_passages, passage_kinds
from tests.transforms.line_dedup.line_dedup_reference import passages

BOTH = {LINE: 1, PARAGRAPH: 1}


def find(*texts: str, min_words: dict[int, int] = BOTH) -> Passages:
    return find_passages(pa.chunked_array([texts], pa.large_string()), min_words)


def cut(text: str, kind: int) -> list[str]:
    """The text of the passages of a kind."""
    found = find(text, min_words={kind: 1})
    return [text[start:end] for start, end in zip(found.start.tolist(), found.end.tolist(), strict=True)]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("\n\n", []),
        ("a", ["a"]),
        ("a\n", ["a\n"]),
        ("a\nb", ["a\n", "b"]),
        ("a\r\nb\r\n", ["a\r\n", "b\r\n"]),
        ("a\rb", ["a\rb"]),  # other line breaks are characters of a line
        ("a\u2028b\x0bc\x85d\ne", ["a\u2028b\x0bc\x85d\n", "e"]),
        ("\n \na\n", ["a\n"]),  # blank lines at the start belong to no line
        ("a\n\nb\n \t\nc", ["a\n\n", "b\n \t\n", "c"]),  # a line that is a paragraph includes the blank lines after it
        ("a\nb\n\nc", ["a\n", "b\n", "c"]),  # the lines of longer paragraphs do not
        ("a\n\xa0\nb", ["a\n", "b"]),  # a line of other white space is not blank, but has no words
        ("a\n---\nb\n", ["a\n", "b\n"]),
        ("日本\n\n語", ["日本\n\n", "語"]),
        ("é\n🙂 x\nß", ["é\n", "🙂 x\n", "ß"]),
    ],
)
def test_lines(text: str, lines: list[str]) -> None:
    assert cut(text, LINE) == lines


@pytest.mark.parametrize(
    ("text", "paragraphs"),
    [
        ("", []),
        (" \n", []),
        ("a\nb", ["a\nb"]),
        ("a\nb\n\n\nc\n", ["a\nb\n\n\n", "c\n"]),
        ("\n\na\r\nb\r\n\r\nc", ["a\r\nb\r\n\r\n", "c"]),
        ("a\n---\nb", ["a\n---\nb"]),
        ("a\n\n---\n\nb", ["a\n\n", "b"]),  # without words there is no passage
        ("é🙂\n\n日本語\nж", ["é🙂\n\n", "日本語\nж"]),
    ],
)
def test_paragraphs(text: str, paragraphs: list[str]) -> None:
    assert cut(text, PARAGRAPH) == paragraphs


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("Hello, World!", "hello world", True),
        ("Grüße – 2024", "GRU\u0308SSE 2024", True),
        ("the cat sat", "the sat cat", False),
        ("the cat sat", "the cat sat sat", False),
        ("thecat", "the cat", False),
    ],
)
def test_lines_with_equal_words_are_equal(one: str, other: str, equal: bool) -> None:
    left, right = find(one, other, min_words={LINE: 1}).hash.tolist()
    assert (left == right) == equal


def test_line_breaks_do_not_change_a_paragraphs_hash() -> None:
    found = find("a b\nc d", "a\nb c d", "a b c d", min_words={PARAGRAPH: 1})
    assert len(set(found.hash.tolist())) == 1


def test_lines_and_paragraphs_with_the_same_words_differ() -> None:
    found = find("a b")
    assert passage_kinds(found.hash).tolist() == [LINE, PARAGRAPH]
    assert len(set((found.hash >> np.uint64(1)).tolist())) == 1


@pytest.mark.parametrize(("min_words", "lines"), [(3, 2), (4, 1), (5, 0)])
def test_short_passages_are_left_out(min_words: int, lines: int) -> None:
    assert len(find("one two three\n\none two three four", min_words={LINE: min_words}).hash) == lines


def test_hashes_are_stable() -> None:
    """A change of these hashes requires a new version of the stage ``passages``."""
    assert find("Hello, World!\nÉté 日本").hash.tolist() == [
        13875905754474163716,
        6306202046096591298,
        16297102237420972355,
    ]


TEXTS = st.lists(st.text(st.sampled_from("ab \n\n\r\té日🙂\u0301\u2028ß-\xa0"), max_size=24), min_size=1, max_size=8)


@given(TEXTS, st.integers(1, 3), st.sampled_from([(LINE,), (PARAGRAPH,), (LINE, PARAGRAPH)]))
def test_passages_equal_those_of_the_reference(texts: list[str], fewest: int, kinds: tuple[int, ...]) -> None:
    min_words = dict.fromkeys(kinds, fewest)
    expected = [
        (document, one.start, one.end, one.key)
        for document, text in enumerate(texts)
        for one in passages(text, min_words)
    ]
    found = find(*texts, min_words=min_words)
    places = list(zip(found.document.tolist(), found.start.tolist(), found.end.tolist(), strict=True))
    assert places == [place[:3] for place in expected]
    pairs = set(zip(found.hash.tolist(), [key for *_, key in expected], strict=True))
    assert len(pairs) == len({one for one, _ in pairs}) == len({key for _, key in pairs})


@given(TEXTS, st.integers(1, 40))
def test_passages_do_not_depend_on_runs(texts: list[str], size: int) -> None:
    whole = find(*texts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_runs, "_RUN_BYTES", size)
        parts = find(*texts)
    sliced = find_passages(pa.chunked_array([pa.array(["x\n", *texts], pa.large_string())[1:]]), BOTH)
    for other in (parts, sliced):
        assert all(np.array_equal(one, two) for one, two in zip(whole, other, strict=True))

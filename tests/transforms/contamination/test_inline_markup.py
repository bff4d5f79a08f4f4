"""Blanking markup in place: what counts as a tag, what keeps a word together, and stable offsets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.corpus.words import normalize
from gristmill.transforms.contamination.inline_markup import blank_markup


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<p>one</p><p>two</p>", "one two"),
        ("un<b>like</b>ly", "unlikely"),
        ("un</b></i>likely", "unlikely"),
        ("<b>like</b> <i>this</i>", "like this"),
        ("one<br/>two<BR>three", "one two three"),
        ("one<td>two", "one two"),
        ("one</b></td>two", "one two"),
        ("<a href=\"/x?a=b&amp;c\" title='one' hidden>two</a>", "two"),
        ('<td\n  class="x"\n>one', "one"),
        ("list<int> of <T>", "list int of t"),
        ("list<int><b>bold</b>", "list int bold"),
        ("a <b && c> d", "a b c d"),
        ("1 <2 and 3> 2", "1 2 and 3 2"),
        ("<span\nAn item inside what is no tag id='x'>", "span an item inside what is no tag id x"),
        ("one<!-- two\n -->three", "one three"),
        ("<!-- one <!-- two -->three", "one three"),
        ("<!DOCTYPE html>one", "one"),
        ("one <!-- never closed", "one never closed"),
        ("Janet&rsquo;s 5&nbsp;&lt;&#32;6", "janet s 5 6"),
        ("na&iuml;ve caf&#233; &#xE9;", "naïve café é"),
        ("exam&shy;ple", "example"),
        ("AT&T; Q&A &nosuch;", "at t q a nosuch"),
        ("&amp;lt;", "lt"),
        ('[one](http://x.org/a_b "two") three', "one three"),
        ("![one](pictures/a.png)", "one pictures a png"),
        ("[one](/a/b)[two](#c)[three](mailto:x)", "one two three"),
        ("call[one](two, three)", "call one two three"),
        ("", ""),
    ],
)
def test_words_after_blanking(text: str, words: str) -> None:
    assert normalize(blank_markup(text)) == words
    assert len(blank_markup(text)) == len(text)


PIECES = st.sampled_from(
    [*"<>&;/!-[]() \n\"'=aB1", "<b>", "</b>", "<td ", "href=", "&amp;", "&#65;", "](/", "<!--", "-->"]
)


@given(st.lists(PIECES, max_size=30).map("".join))
def test_offsets_do_not_change(text: str) -> None:
    blanked = blank_markup(text)
    assert len(blanked) == len(text)
    for before, after in zip(text, blanked, strict=True):
        assert after in (before, " ", "\u2060") or before == "&", "only the first character of a reference is replaced"


def test_text_without_markup_is_returned_unchanged() -> None:
    text = "a > b, c) and d]"
    assert blank_markup(text) is text

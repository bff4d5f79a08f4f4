"""Markup laid aside in place: what is a tag, what joins a word, and that no place moves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.corpus.words import normalise
from gristmill.transforms.contamination.inline_markup import plain


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
def test_words_without_markup(text: str, words: str) -> None:
    assert normalise(plain(text)) == words
    assert len(plain(text)) == len(text)


PIECES = st.sampled_from(
    [*"<>&;/!-[]() \n\"'=aB1", "<b>", "</b>", "<td ", "href=", "&amp;", "&#65;", "](/", "<!--", "-->"]
)


@given(st.lists(PIECES, max_size=30).map("".join))
def test_no_place_moves(text: str) -> None:
    laid_aside = plain(text)
    assert len(laid_aside) == len(text)
    for before, after in zip(text, laid_aside, strict=True):
        assert after in (before, " ", "\u2060") or before == "&", "only the first character of a reference changes"


def test_text_without_markup_is_the_same_object() -> None:
    text = "a > b, c) and d]"
    assert plain(text) is text

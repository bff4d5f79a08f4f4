"""Canonical URLs: cases that each rule changes, and similar ones that it does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.transforms.dedup.canonical_urls import SESSION_NAMES, TRACKING_NAMES, canonical_url

HEX = "0123456789abcdef" * 2
ASP = "(S(abcdefghijklmnopqrstuvwx))"

SAME = {
    "scheme": ("http://example.org/a", "https://example.org/a", "HTTPS://example.org/a"),
    "case of host": ("http://example.org/a", "http://EXAMPLE.Org/a"),
    "default port": ("http://example.org/a", "http://example.org:80/a", "https://example.org:443/a"),
    "other port": ("http://example.org:8080/a", "https://example.org:8080/a"),
    "www": ("http://example.org/a", "http://www.example.org/a", "http://www2.example.org/a", "http://www.www.example.org/a"),
    "dot after host": ("http://example.org/a", "http://example.org./a"),
    "fragment": ("http://example.org/a", "http://example.org/a#b", "http://example.org/a#!b", "http://example.org/a#"),
    "user": ("http://example.org/a", "http://me:word@example.org/a", "http://me@example.org/a"),
    "slash at the end": ("http://example.org/a", "http://example.org/a/", "http://example.org/a//"),
    "slash at the root": ("http://example.org", "http://example.org/", "http://example.org?", "http://example.org/?"),
    "slash before a query": ("http://example.org/a?b=1", "http://example.org/a/?b=1"),
    "dot segments": ("http://example.org/a/c", "http://example.org/a/./b/../c", "http://example.org/../a/%2e/c"),
    "backslash": ("http://example.org/a/b", "http://example.org\\a\\b"),
    "white space": ("http://example.org/ab", " http://example.org/ab\n", "http://example.org/a\n\tb"),
    "inner space": ("http://example.org/a%20b", "http://example.org/a b"),
    "punycode": ("http://bücher.example/", "http://xn--bcher-kva.example/", "http://BÜCHER.example/", "http://b%C3%BCcher.example"),
    "full width": ("http://example.org/", "http://ｅｘａｍｐｌｅ。org/"),
    "address": ("http://127.0.0.1/", "http://127.1/", "http://0x7f000001/", "http://2130706433/"),
    "long address": ("http://[::1]:81/", "http://[0:0:0:0:0:0:0:1]:81/"),
    "letters encoded": ("http://example.org/~a-b_c.d", "http://example.org/%7Ea%2Db%5Fc%2ed", "http://example.org/%7e%61-b_c.d"),
    "case of escapes": ("http://example.org/a%2Fb%C3%A9", "http://example.org/a%2fb%c3%a9", "http://example.org/a%2Fbé"),
    "never raw": ("http://example.org/a%7Cb?c=%5E%5C", "http://example.org/a|b?c=^\\"),
    "session in the path": ("http://example.org/a", f"http://example.org/a;jsessionid={HEX}", "http://example.org/a;JSessionID=1.b!2"),
    "session at the root": ("http://example.org/", "http://example.org/;jsessionid=1"),
    "session after a session": ("http://example.org/", "http://example.org/;jsessionid=1.;jsessionid=1"),
    "address after dots": ("http://0.0.0.1/", "http://1../", "http://1.../"),
    "default port of http": ("http://example.org/", "https://example.org:80/"),
    "session of ASP.NET": ("http://example.org/a/b.aspx", f"http://example.org/a/{ASP}/b.aspx"),
    "session in the query": (
        *("http://example.org/a?b=1", "http://example.org/a?b=1&PHPSESSID=x", "http://example.org/a?jsessionid=x&b=1"),
        *(f"http://example.org/a?sid={HEX}&b=1", "http://example.org/a?b=1&ASPSESSIONIDABCDEFGH=X", "http://example.org/a?CFID=1&b=1&CFTOKEN=2"),
    ),
    "tracking": ("http://example.org/a?b=1", "http://example.org/a?utm_source=x&b=1&UTM_whatever=y&fbclid=z", "http://example.org/a?b=1&_ga=1"),
    "order of query": ("http://example.org/?a=1&b=2&c=3", "http://example.org/?c=3&a=1&b=2"),
    "empty parameters": ("http://example.org/?a", "http://example.org/?&a=&&", "http://example.org/?=&a"),
    "plus": ("http://example.org/?a=b%20c", "http://example.org/?a=b+c", "http://example.org/?a=b c"),
}  # fmt: skip

APART = {
    "host": ("http://example.org/", "http://example.com/", "http://en.example.org/", "http://ww.example.org/", "http://wwwx.example.org/"),
    "www alone": ("http://www.org/", "http://org/"),
    "port": ("http://example.org/", "http://example.org:8080/", "http://example.org:443/"),
    "case of path": ("http://example.org/a", "http://example.org/A"),
    "case of query": ("http://example.org/?v=aB", "http://example.org/?v=Ab", "http://example.org/?V=aB"),
    "slashes in a row": ("http://example.org/a/b", "http://example.org/a//b"),
    "file": ("http://example.org/a", "http://example.org/a/index.html", "http://example.org/a.html"),
    "escaped slash": ("http://example.org/a/b", "http://example.org/a%2Fb"),
    "escaped twice": ("http://example.org/A", "http://example.org/%2541"),
    "escaped plus": ("http://example.org/?a=b+c", "http://example.org/?a=b%2Bc"),
    "escaped and": ("http://example.org/?a=b&c", "http://example.org/?a=b%26c"),
    "values of a name": ("http://example.org/?a=1&a=2", "http://example.org/?a=2&a=1", "http://example.org/?a=1"),
    "content": ("http://example.org/?id=1", "http://example.org/?id=2", "http://example.org/?ref=1", "http://example.org/?source=1"),
    "short sid": ("http://example.org/", f"http://example.org/?sid={HEX[1:]}", f"http://example.org/?sid={HEX}0", "http://example.org/?sid=7"),
    "no ASP.NET": ("http://example.org/b", "http://example.org/(S(abc))/b", f"http://example.org/x{ASP}/b"),
    "names that go on": ("http://example.org/", "http://example.org/?gclid2=1", "http://example.org/?utmsource=1", "http://example.org/?xutm_source=1"),
}  # fmt: skip

NONE = (
    *("", " ", "example.org/a", "//example.org/a", "/a", "http://", "http://./", "http://a b/", "http://example.org:99999/"),
    *("ftp://example.org/a", "file:///a", "mailto:a@example.org", "urn:a:b", "javascript:1", "http://[::1", "\ud800"),
    *("http://example.org/\udfff", f"http://example.org/{';jsessionid=1.' * 50}"),
)  # fmt: skip


@pytest.mark.parametrize("rule", SAME)
def test_equal_urls_have_one_canonical_form(rule: str) -> None:
    found = {url: canonical_url(url) for url in SAME[rule]}
    assert len(set(found.values())) == 1, found
    assert None not in found.values()


@pytest.mark.parametrize("rule", APART)
def test_different_urls_have_different_canonical_forms(rule: str) -> None:
    assert len({canonical_url(url) for url in APART[rule]}) == len(APART[rule])


@pytest.mark.parametrize("url", NONE)
def test_urls_that_are_not_http_have_no_canonical_form(url: str) -> None:
    assert canonical_url(url) is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://www.Example.org:80/a/../B/?c=%7e+d&b&utm_id=1#e", "example.org/B?b&c=~%20d"),
        ("https://[::1]:8080/?", "[::1]:8080"),
        ("http://example.org/%zz%4", "example.org/%zz%4"),
    ],
)
def test_canonical_form(url: str, expected: str) -> None:
    assert canonical_url(url) == expected


@pytest.mark.parametrize("name", sorted(TRACKING_NAMES | SESSION_NAMES))
def test_listed_parameters_are_removed_in_any_case(name: str) -> None:
    assert name == name.lower()
    assert canonical_url(f"http://example.org/?{name.upper()}=1&a=2") == "example.org?a=2"


PIECES = st.lists(
    st.sampled_from(
        [
            *("..", "www.", "a", "B", "%2e", "%2F", "%7E", "é", "sid", HEX, ASP, *"/.?&=#;:@%+\\|[]()"),
            *(";jsessionid=1", "utm_a=1", "example.org", "xn--", "1", " "),
        ]
    ),
    max_size=14,
).map("".join)  # fmt: skip


@given(st.sampled_from(["http://", "https://www.", "http://example.org/", "http://example.org?", ""]), PIECES)
def test_canonical_urls_are_idempotent(start: str, rest: str) -> None:
    found = canonical_url(start + rest)
    if found is not None:
        assert canonical_url(f"http://{found}") == found
        assert found.isascii()


@given(st.text())
def test_no_text_raises(text: str) -> None:
    for url in (text, f"http://{text}", f"http://example.org/{text}"):
        assert canonical_url(url) is None or canonical_url(url)


@given(st.permutations(["a=1", "b", "c=%2f", "utm_id=5", "d=e=f"]))
def test_order_of_names_does_not_matter(parameters: list[str]) -> None:
    assert canonical_url(f"http://example.org/?{'&'.join(parameters)}") == "example.org?a=1&b&c=%2F&d=e=f"

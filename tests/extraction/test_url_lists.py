"""URLs on lists, however they are written."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.errors import InputError
from gristmill.extraction import url_lists
from gristmill.extraction.extract_section import UrlSection
from gristmill.extraction.url_lists import MAX_DOMAIN, MAX_SEGMENTS, UrlFilter, hash_entries, host_and_path, url_keys

FILTER = UrlFilter(
    domains=hash_entries(
        [
            b"# comment\n",
            b"\n",
            b"example.com\n",
            b"deep.example.org\n",
            b"WWW.Upper.Net\n",
            "bücher.example\n".encode(),
            b"1.2.3.4\n",
            b"shared.host/~eve\n",
            b"last.example",
        ]
    ),
    words=[b"# comment\n", b"casino\n", b"#mong\n", b"two words\n", "größe\n".encode()],
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRISTMILL_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "https://example.com/",
        "HTTP://Example.COM/x",
        "http://www.example.com/x?y#z",
        "http://a.b.example.com/",
        "http://example.com:8080/",
        "http://user:pass@example.com/",
        "http://example.com./",
        "//example.com/x",
        "example.com/x",
        "http://example%2ecom/",
        " http://example.com\n",
        "http:\\\\example.com\\x".replace("\\\\", "//"),
        "http://deep.example.org/",
        "http://x.deep.example.org/",
        "http://upper.net",
        "http://bücher.example/",
        "http://xn--bcher-kva.example/",
        "http://1.2.3.4:80/x",
        "http://shared.host/~eve",
        "http://shared.host/~eve/x/y",
        "http://shared.host/~EVE/",
        "http://last.example/",
    ],
)
def test_listed_domains(url: str) -> None:
    assert FILTER.verdict(url) == ["url_domain"]


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "http://example.org/",
        "http://notexample.com/",
        "http://example.com.de/",
        "http://example.net/example.com",
        "http://example.net/?u=http://example.com/",
        "http://example.com@example.net/",
        "http://2.3.4/",
        "http://5.1.2.3.4/",
        "http://shared.host/",
        "http://shared.host/~evelyn",
        "http://x.shared.host/~eve",
        "http://casinos.net/scasino/mongo/two-wordsmith",
        "http://[::1]:80/",
        "comment",
    ],
)
def test_urls_that_are_not_listed(url: str | None) -> None:
    assert FILTER.verdict(url) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://casino.net/",
        "http://my-casino24.net/CASINO",
        "http://x.net/?q=casino",
        "http://x.net/%63asino/",
        "http://x.net/mong",
        "http://x.net/two-words.html",
        "http://x.net/gr%C3%B6%C3%9Fe/",
    ],
)
def test_words(url: str) -> None:
    assert FILTER.verdict(url) == ["url_word"]


def test_all_reasons_are_returned() -> None:
    assert FILTER.verdict("http://casino.example.com/") == ["url_domain", "url_word"]


def test_keys_are_host_parents_and_path_prefixes() -> None:
    assert url_keys("http://a.b.c/d/e") == ["a.b.c", "b.c", "c", "a.b.c/d", "a.b.c/d/e"]
    assert url_keys("http://1.2.3.4/") == ["1.2.3.4"]
    assert len(url_keys("http://a/" + "x/" * 50)) == 1 + MAX_SEGMENTS


@given(st.text(st.sampled_from("ab.1:/@%e2[]ü。 -"), max_size=40).map("http://{}".format) | st.text(max_size=40))
def test_the_keys_of_short_urls_are_the_host_all_its_parents_and_its_pages(url: str) -> None:
    host, path = host_and_path(url)
    labels, segments = host.split("."), path.split("/")[:MAX_SEGMENTS] if path else []
    parents = [] if labels[-1].isdigit() or ":" in host else [".".join(labels[i:]) for i in range(1, len(labels))]
    pages = ["/".join([host, *segments[:length]]) for length in range(1, len(segments) + 1)]
    assert url_keys(url) == ([host, *parents, *pages] if host else [])


@pytest.mark.parametrize(
    "part",
    ["a.", ".", "%2e", "a" * 60 + ".", "x/", "/", "ü.", "。", "\u00ad", ":1", "u:p@", "%", "[", "1."],
)
@pytest.mark.parametrize("place", ["http://{}com/", "http://a.com/{}", "http://{}"])
def test_the_work_for_a_url_is_proportional_to_its_length(part: str, place: str) -> None:
    url = place.format(part * (1 << 14))
    assert sum(map(len, url_keys(url))) <= (1 + MAX_SEGMENTS) * len(url) + MAX_DOMAIN**2


def test_the_longest_parent_domain() -> None:
    parent = ("a" * 61 + ".") * 4 + "b.com"
    assert len(parent) == MAX_DOMAIN
    assert url_keys(f"http://c.{parent}/")[:2] == [f"c.{parent}", parent]
    assert parent not in url_keys(f"http://c.a{parent}/")
    assert f"a{parent}" not in url_keys(f"http://c.a{parent}/")
    assert url_keys(f"http://c.a{parent}/")[1] == parent.partition(".")[2]


@given(st.text(max_size=60) | st.text("ab.:/@[]%?#\\ é", max_size=30))
def test_malformed_urls_never_raise(url: str) -> None:
    assert set(FILTER.verdict(url)) <= {"url_domain", "url_word"}
    assert isinstance(host_and_path("http://" + url), tuple)


def blocked(*lines: str) -> UrlFilter:
    return UrlFilter(hash_entries([f"{line}\n".encode() for line in lines], "the.txt"))


@pytest.mark.parametrize(
    ("line", "listed", "not_listed"),
    [
        ("0.0.0.0 ads.example", "ads.example", "example"),
        ("0.0.0.0\tads.example\r", "x.ads.example/y", "0.0.0.0"),
        ("127.0.0.1 one.example two.example # three.example", "two.example", "three.example"),
        ("127.0.0.1 localhost localhost.localdomain ads.example", "ads.example", "localhost.localdomain"),
        ("::1 ads.example", "ads.example", "localhost"),
        (":: ads.example", "ads.example", "example"),
        ("0.0.0.0 0.0.0.0 ads.example", "ads.example", "0.0.0.0"),
        ("ads.example # comment", "ads.example", "comment"),
        ("\ufeffads.example", "ads.example", "example"),
        ("address=/ads.example/", "ads.example", "example"),
        ("address=/one.example/two.example/0.0.0.0", "two.example", "0.0.0.0"),
        ("server=/ads.example/", "ads.example", "example"),
        ("*.ads.example", "x.ads.example", "example"),
        ("http://ads.example/path", "ads.example/path/x", "ads.example"),
        ("||ads.example^", "x.ads.example/y", "example"),
        ("||ads.example", "ads.example", "example"),
        ("||ads.example^|", "ads.example", "example"),
        ("||*.ads.example^", "ads.example", "example"),
        ("||ads.example/*", "ads.example/x", "example"),
        ("||1.2.3.4^", "1.2.3.4", "2.3.4"),
        ("||ads.example/path^", "ads.example/path/x", "ads.example"),
        ("||ads.example/path", "ads.example/path", "ads.example/pathology"),
        ("||ads.example^$third-party", "ads.example", "example"),
        ("||ads.example^$document,popup", "ads.example", "example"),
        ("|https://ads.example/path|", "ads.example/path", "ads.example"),
    ],
)
def test_lines_of_public_lists(line: str, listed: str, not_listed: str) -> None:
    lists = blocked(line)
    assert lists.verdict(f"http://{listed}") == ["url_domain"]
    assert lists.verdict(f"http://{not_listed}") == []


@pytest.mark.parametrize(
    "line",
    [
        "!comment",
        "#comment",
        "[Adblock Plus 2.0]",
        "127.0.0.1 localhost",
        "255.255.255.255 broadcasthost",
        "fe80::1%lo0 localhost",
        "ff02::1 ip6-allnodes",
    ],
)
def test_lines_without_entries(line: str) -> None:
    assert not hash_entries([line.encode()]).size


@pytest.mark.parametrize(
    "rule",
    [
        "##.ad",
        "ads.example##.ad",
        "ads.example#@#div #ad",
        "ads.example#?#div:has(> .ad)",
        "||ads.example^$image",
        "||ads.example^$third-party,script",
        "||ads.example^$domain=other.example",
        "||ads.example^*/banner",
        "||ads*.example^",
        "||ads.example/*/banner",
        "||ads.example/?ad=",
        "||ads.",
        "||ads",
        "@@||other.example^$image",
    ],
)
@pytest.mark.parametrize("header", ["", "[Adblock Plus 2.0]"])
def test_rules_for_what_is_in_a_page_are_skipped(rule: str, header: str) -> None:
    lists = blocked(header, rule, "||other.example^")
    urls = ["http://ads.example/x/banner?ad=", "http://x.example", "http://other.example"]
    assert [lists.verdict(url) for url in urls] == [[], [], ["url_domain"]]


NO_ENTRIES = [
    "/banner[0-9]+/",
    "-ad-banner.",
    "/banner/*/img^",
    "ads*.example",
    "ads.example^",
    "@@ads.example",
    "one.example two.example",
    "one.example,two.example",
    "- ads.example",
    '{"domain": "ads.example"}',
    "[",
    "<!DOCTYPE html>",
    "\x1f\ufffd\x08\0",
    "a\0d\0s\0",
    "1.2.3.0/24",
    "192.168.0.1 ads.example",
    "address=/ads.example/192.168.0.1",
    'local-zone: "ads.example" always_nxdomain',
]


@pytest.mark.parametrize("line", NO_ENTRIES)
def test_a_line_that_cannot_be_read_is_named_in_the_error(line: str) -> None:
    with pytest.raises(InputError, match=r"^the\.txt, line 3: .* is not a domain, .*; correct or remove the line$"):
        blocked("one.example", "# comment", line, "two.example")


@pytest.mark.parametrize("line", NO_ENTRIES)
@pytest.mark.parametrize("header", ["! Title: made up", "[Adblock Plus 2.0]"])
def test_lists_for_ad_blockers_may_have_patterns_that_are_no_address(line: str, header: str) -> None:
    lists = blocked(header, line, "||two.example^")
    assert lists.verdict("http://two.example") == ["url_domain"]
    assert lists.verdict("http://ads.example") == lists.verdict("http://one.example") == []


def test_the_numbers_of_lines_count_all_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(url_lists, "_BLOCK_LINES", 2)
    with pytest.raises(InputError, match="line 6"):
        blocked(*"abcde", "a b")
    lists = blocked("! header", "a.example", "b.example", "/regex/", "0.0.0.0 c.example")
    assert all(lists.verdict(f"http://{name}.example") for name in "abc")


def test_a_list_that_blocks_no_page_is_an_error() -> None:
    with pytest.raises(InputError, match=r"the\.txt blocks no page: from line 2 on"):
        blocked("[Adblock Plus 2.0]", "a.example##.ad", "/regex/")
    assert blocked("! only a comment").verdict("http://a.example") == []


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("bad.example", ["url_domain"]),
        ("bad.example/x", ["url_domain"]),
        ("bad.example/ok", []),
        ("bad.example/ok/x", []),
        ("good.bad.example", []),
        ("x.good.bad.example/y", []),
        ("x.bad.example", ["url_domain"]),
    ],
)
def test_exceptions_are_not_blocked(url: str, expected: list[str]) -> None:
    assert blocked("@@||good.bad.example^", "||bad.example^", "@@||bad.example/ok^").verdict(url) == expected


@pytest.mark.parametrize("line", ["<html>", '{"word": 1}', "a\0", "caf\xe9", "||ads.example^", "0.0.0.0 ads.example"])
def test_a_line_that_is_no_word_is_named_in_the_error(tmp_path: Path, line: str) -> None:
    (tmp_path / "words.txt").write_bytes(b"word\n" + line.encode("latin-1") + b"\n")
    with pytest.raises(InputError, match=r"words\.txt, line 2: .* is not a word or phrase in UTF-8; correct"):
        UrlFilter.load(UrlSection(words=(str(tmp_path / "words.txt"),)))


def test_the_error_names_the_member_of_an_archive(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "lists.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("adult/expressions")
        member.size = 4
        archive.addfile(member, io.BytesIO(b"(a)\n"))
    with pytest.raises(InputError, match=r"lists\.tar\.gz \(adult/expressions\), line 1: '\(a\)'"):
        UrlFilter.load(UrlSection(domains=(str(tmp_path / "lists.tar.gz"),)))


def test_lists_may_be_plain_gzipped_or_archives(tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_bytes(b"one.example\r\n")
    (tmp_path / "zipped.txt.gz").write_bytes(gzip.compress(b"two.example\n"))
    with tarfile.open(tmp_path / "lists.tar.gz", "w:gz") as archive:
        for name, data in {"urls": b"three.example/x\n", "domains": b"four.example\n"}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    names = ("plain.txt", "zipped.txt.gz", "lists.tar.gz")
    lists = UrlFilter.load(UrlSection(domains=tuple(str(tmp_path / name) for name in names)))
    listed = ["http://one.example", "http://two.example", "http://three.example/x/y", "http://four.example"]
    assert [lists.verdict(url) for url in [*listed, "http://three.example/"]] == [["url_domain"]] * 4 + [[]]


@pytest.mark.parametrize("kind", ["domains", "words"])
@pytest.mark.parametrize("name", ["missing.txt", "folder", "broken.gz", "broken.tar.gz"])
def test_an_unreadable_list_is_named_in_the_error(tmp_path: Path, name: str, kind: str) -> None:
    if name == "folder":
        (tmp_path / name).mkdir()
    elif name != "missing.txt":
        (tmp_path / name).write_bytes(b"no archive")
    with pytest.raises(InputError, match=name):
        UrlFilter.load(UrlSection.model_validate({kind: [str(tmp_path / name)]}))


def test_a_list_of_domains_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = tmp_path / "listed.txt"
    listed.write_bytes(b"one.example\nb\xc3\xbccher.example\n")
    section = UrlSection(domains=(str(listed),))
    first = UrlFilter.load(section)
    with monkeypatch.context() as patched:
        patched.setattr(url_lists, "hash_entries", None)
        again = UrlFilter.load(section)
    for lists in (first, again):
        assert lists.verdict("http://one.example") == lists.verdict("http://bücher.example") == ["url_domain"]
        assert lists.verdict("http://two.example") == []


def test_a_changed_list_is_hashed_again(tmp_path: Path) -> None:
    for name, verdict in (("one", ["url_domain"]), ("two", [])):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "listed.txt").write_bytes(f"{name}.example\n".encode())
        lists = UrlFilter.load(UrlSection(domains=(str(folder / "listed.txt"),)))
        assert lists.verdict("http://one.example") == verdict


@pytest.mark.slow
def test_the_large_public_list(shared_data: Path) -> None:
    large = str(shared_data / "lists" / "url_filterblacklistsv0_3_0.tar.gz")
    lists = UrlFilter.load(UrlSection(domains=(large,)))
    assert lists.verdict("http://sub.0-1sex.com/x") == ["url_domain"]
    assert lists.verdict("https://www.python.org/") == []

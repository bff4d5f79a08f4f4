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
from gristmill.extraction.url_lists import MAX_SEGMENTS, UrlFilter, hash_entries, host_and_path, url_keys

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


@given(st.text(max_size=60) | st.text("ab.:/@[]%?#\\ é", max_size=30))
def test_malformed_urls_never_raise(url: str) -> None:
    assert set(FILTER.verdict(url)) <= {"url_domain", "url_word"}
    assert isinstance(host_and_path("http://" + url), tuple)


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

"""The bundled sample contains every planted case that it declares, and no others."""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import phonenumbers
import pytest
import trafilatura
import yaml
from fastwarc.warc import ArchiveIterator as FastArchiveIterator
from fastwarc.warc import WarcRecordType
from warcio.archiveiterator import ArchiveIterator

from gristmill.errors import InputError
from gristmill.pipelines.sample import library, markup, pages, templates
from gristmill.pipelines.sample.build import HERE, build
from gristmill.pipelines.sample.crawl import chunked
from gristmill.pipelines.sample.library import docstrings

EXPECTED: dict[str, dict[str, Any]] = yaml.safe_load((HERE / "expected.yaml").read_text(encoding="utf-8"))["pages"]
KINDS = {
    *("url_domain", "url_word", "http_status", "media_type", "too_short", "spam", "exact_duplicate"),
    *("near_duplicate", "contaminated", "language"),
}
KEPT = [url for url, page in EXPECTED.items() if page["fate"] == "kept"]
DAMAGED = [url for url, page in EXPECTED.items() if page["fate"] == "failed"]
MEMBER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00"


class Response(NamedTuple):
    """An HTTP response, as a WARC reader returns it."""

    status: str
    content_type: str
    body: bytes


@pytest.fixture(scope="module")
def responses(sample: Path) -> dict[str, Response]:
    members = [member for crawl in (0, 1) for member in whole_members(sample / f"web/crawl-{crawl}.warc.gz")]
    return {url: response for member in members for url, response in read_responses(io.BytesIO(member))}


@pytest.fixture(scope="module")
def texts(responses: dict[str, Response]) -> dict[str, str]:
    found = {url: trafilatura.extract(r.body, include_comments=False) for url, r in responses.items() if r.body}
    return {url: text for url, text in found.items() if text}


def read_responses(file: Any) -> Iterator[tuple[str, Response]]:
    for record in ArchiveIterator(file, check_digests=True):
        if record.rec_type == "response":
            body = record.content_stream().read()
            http = record.http_headers
            assert record.digest_checker.passed is not False
            yield record.rec_headers["WARC-Target-URI"], Response(http.get_statuscode(), http["Content-Type"], body)


def whole_members(path: Path) -> Iterator[bytes]:
    """Yield the gzip members of a file, except damaged ones, decompressed."""
    data, position = path.read_bytes(), 0
    while 0 <= position < len(data):
        member = zlib.decompressobj(31)
        try:
            yield member.decompress(data[position:])
            position = len(data) - len(member.unused_data)
        except zlib.error:
            position = data.find(MEMBER, position + 1)


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def ngrams(text: str, n: int) -> set[tuple[str, ...]]:
    found = words(text)
    return {tuple(found[i : i + n]) for i in range(len(found) - n + 1)}


def jaccard(left: str, right: str) -> float:
    a, b = ngrams(left, 5), ngrams(right, 5)
    return len(a & b) / len(a | b)


def test_builds_are_identical(sample: Path, tmp_path: Path) -> None:
    build(tmp_path)
    first, second = (
        {path.relative_to(root): sha256(path.read_bytes()).hexdigest() for path in root.rglob("*") if path.is_file()}
        for root in (sample, tmp_path)
    )
    assert first == second


def test_contains_the_files_that_the_recipe_reads(sample: Path) -> None:
    recipe = yaml.safe_load((sample / "recipe.yaml").read_text())
    for source in recipe["sources"]:
        assert list((sample / source["root"]).glob(source["paths"][0]))
    assert {path.name for path in (sample / "lists").iterdir()} == {"blocked-domains.txt", "banned-url-words.txt"}


def test_is_small() -> None:
    assert sum(path.stat().st_size for path in HERE.rglob("*") if path.suffix not in (".py", ".pyc")) < 400_000


def test_expected_lists_exactly_the_urls(responses: dict[str, Response]) -> None:
    assert {*responses, *DAMAGED} == set(EXPECTED)
    assert {page["fate"].removeprefix("dropped: ") for page in EXPECTED.values()} == {"kept", "failed", *KINDS}
    assert len(KEPT) >= 60


def test_pages_cover_every_language_and_template() -> None:
    found = pages.read_pages()
    assert {page.site.language for page in found} >= {"en", "de", "fr", "es", "ru", "zh", "ja"}
    assert {page.template for page in found} == {"article", "blog", "recipe", "docs", "forum", "shop", "script"}
    assert {page.encoding for page in found} == {"plain", "gzip", "chunked"}
    assert {page.declares for page in found} == {"header", "meta", "both"}
    assert len({page.charset for page in found}) == 6


def test_all_hosts_are_reserved() -> None:
    assert all(re.match(r"https?://[a-z0-9.-]+\.example/", url) for url in EXPECTED)


def test_warcio_reads_the_first_crawl_as_it_was_written(sample: Path) -> None:
    with (sample / "web/crawl-0.warc.gz").open("rb") as file:
        kinds = [record.rec_type for record in ArchiveIterator(file)]
    assert kinds == ["warcinfo", *["request", "response", "metadata"] * (len(kinds) // 3)]
    assert len(kinds) > 100


def test_fastwarc_agrees_with_warcio(sample: Path, responses: dict[str, Response]) -> None:
    with (sample / "web/crawl-0.warc.gz").open("rb") as file:
        found = {
            record.headers["WARC-Target-URI"]: record.reader.read()
            for record in FastArchiveIterator(file, record_types=WarcRecordType.response, auto_decode="all")
        }
    assert len(found) > 30
    assert found == {url: responses[url].body for url in found}


def test_record_ids_are_unique(sample: Path) -> None:
    ids = [
        record.rec_headers["WARC-Record-ID"]
        for crawl in (0, 1)
        for member in whole_members(sample / f"web/crawl-{crawl}.warc.gz")
        for record in ArchiveIterator(io.BytesIO(member))
    ]
    assert len(ids) == len(set(ids))


def test_one_member_of_the_second_crawl_is_damaged(sample: Path) -> None:
    data = (sample / "web/crawl-1.warc.gz").read_bytes()
    starts = {match.start() for match in re.finditer(re.escape(MEMBER), data)}
    assert len(list(whole_members(sample / "web/crawl-1.warc.gz"))) == len(starts) - 1
    damaged = [start for start in starts if not decompresses(data[start:])]
    assert len(damaged) == len(DAMAGED) == 1
    head = zlib.decompressobj(31).decompress(data[damaged[0] :], 1000)
    assert f"WARC-Target-URI: {DAMAGED[0]}".encode() in head, (
        "the header must be readable, so that the lost record can be named"
    )
    assert max(starts) > damaged[0]


def decompresses(data: bytes) -> bool:
    try:
        return zlib.decompressobj(31).decompress(data) is not None
    except zlib.error:
        return False


@pytest.mark.parametrize("url", KEPT)
def test_kept_pages_have_their_text(url: str, texts: dict[str, str]) -> None:
    page = next(page for page in pages.read_pages() if page.url == url)
    text, body = texts[url].replace("`", ""), page.body.replace("`", "").strip()
    assert len(words(text)) > 100 or (page.site.language in ("zh", "ja") and len(text) > 400)
    assert body.startswith("@") or body[:40] in text, "the beginning of the page was lost"
    assert body[-20:] in text, "the end of the page was lost"
    assert not re.search("cookie|214|mattress|Matratze|matelas|Colchón|матрас|マットレス|床垫", text)


def test_status_and_media_type_follow_the_expected_outcome(responses: dict[str, Response]) -> None:
    for url, page in EXPECTED.items():
        if page["fate"] == "dropped: http_status":
            assert responses[url].status != "200"
        elif page["fate"] == "dropped: media_type":
            assert not responses[url].content_type.startswith("text/html")
        elif page["fate"] != "failed":
            assert responses[url].status == "200"
            assert responses[url].content_type.startswith("text/html")


def test_url_outcomes_follow_from_the_lists(sample: Path) -> None:
    domains, banned = (
        [line for line in (sample / "lists" / name).read_text().splitlines() if not line.startswith("#")]
        for name in ("blocked-domains.txt", "banned-url-words.txt")
    )
    for url, page in EXPECTED.items():
        host = url.split("/")[2]
        listed = any(host == domain or host.endswith(f".{domain}") for domain in domains)
        worded = not set(banned).isdisjoint(re.split(r"[\W_]+", url))
        assert listed == (page["fate"] == "dropped: url_domain")
        assert worded == (page["fate"] == "dropped: url_word" or "url_word" in page.get("also", []))


def test_only_planted_duplicates_are_similar(texts: dict[str, str]) -> None:
    urls = sorted(texts)
    for place, left in enumerate(urls):
        for right in urls[:place]:
            similarity = jaccard(texts[left], texts[right])
            cluster = EXPECTED[left].get("cluster")
            if cluster and cluster == EXPECTED[right].get("cluster"):
                assert similarity > 0.8, (left, right)
            else:
                assert similarity < 0.2, (left, right)


def test_the_longest_page_of_each_cluster_is_kept(texts: dict[str, str]) -> None:
    dates = {page.url: page.date for page in pages.read_pages()}
    clusters = {page["cluster"] for page in EXPECTED.values() if "cluster" in page}
    assert len(clusters) == 4
    for cluster in clusters:
        urls = [url for url, page in EXPECTED.items() if page.get("cluster") == cluster]
        ranked = sorted(urls, key=lambda url: (-len(words(texts[url])), dates[url]))
        assert [EXPECTED[url]["fate"] == "kept" for url in ranked] == [True] + [False] * (len(urls) - 1)
        for url in ranked[1:]:
            exact = EXPECTED[url]["fate"] == "dropped: exact_duplicate"
            assert exact == (texts[url] == texts[ranked[0]])


def test_only_contaminated_pages_share_a_13_gram_with_a_question(sample: Path, texts: dict[str, str]) -> None:
    questions = [json.loads(line) for line in (sample / "benchmark.jsonl").read_text().splitlines()]
    assert 15 <= len(questions) <= 30
    leaked = {page["benchmark"]: url for url, page in EXPECTED.items() if "benchmark" in page}
    assert leaked.keys() == {"tank", "lift"}
    for question in questions:
        assert len(question["question"].split()) > 20
        grams = ngrams(question["question"], 13)
        urls = [url for url, text in texts.items() if grams & ngrams(text, 13)]
        assert urls == [url for key, url in leaked.items() if key == question["id"]]
    verbatim = {question["id"]: question["question"] in texts[leaked[question["id"]]] for question in questions[:2]}
    assert verbatim == {"tank": True, "lift": False}


def test_planted_personal_data_is_in_the_text(texts: dict[str, str]) -> None:
    planted = [
        (kind, value, texts[url])
        for url, page in EXPECTED.items()
        for kind, values in page.get("pii", {}).items()
        for value in values
    ]
    assert {kind for kind, _, _ in planted} == {"EMAIL_ADDRESS", "PHONE_NUMBER", "IP_ADDRESS"}
    for kind, value, text in planted:
        assert value in text
        if kind == "PHONE_NUMBER":
            region = "GB" if value.startswith("(020)") else "US"
            assert phonenumbers.is_valid_number(phonenumbers.parse(value, region))


def test_all_personal_data_is_declared(texts: dict[str, str]) -> None:
    for url, text in texts.items():
        emails = set(re.findall(r"[\w.-]+@[\w.-]+\w", text))
        assert emails == set(EXPECTED[url].get("pii", {}).get("EMAIL_ADDRESS", []))


def test_code_and_prose_come_from_this_python(sample: Path) -> None:
    code = list((sample / "code").rglob("*.py"))
    assert (sample / "code/json/decoder.py").read_text() == Path(json.decoder.__file__).read_text()
    assert 2_000_000 < sum(path.stat().st_size for path in code) < 5_000_000
    assert not any(
        part in ("test", "tests", "site-packages") for path in code for part in path.relative_to(sample).parts
    )
    with gzip.open(sample / "prose/docstrings.jsonl.gz", "rt", encoding="utf-8") as lines:
        documents = {document["id"]: document["text"] for document in map(json.loads, lines)}
    assert len(documents) > 150
    assert documents["json"].startswith("JSON (JavaScript Object Notation)")
    assert all(len(text.split()) >= library.LEAST_WORDS for text in documents.values())


def test_a_python_without_its_source_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library.sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path)})
    with pytest.raises(InputError, match=re.escape(str(tmp_path))):
        library.copy_code(tmp_path / "code")


def test_docstrings_are_in_source_order_without_duplicates() -> None:
    source = b'"""Top."""\ndef f():\n    """One."""\nclass C:\n    """Two."""\n    def m(self):\n        """One."""\n'
    assert docstrings(source) == "Top.\n\nOne.\n\nTwo."
    assert docstrings(b"x = 1") == ""


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("One\ntwo & `a<b`", "<p>One two &amp; <code>a&lt;b</code></p>"),
        ("## Head\n\nText", "<h2>Head</h2>\n<p>Text</p>"),
        ("- a\n- b", "<ul><li>a</li><li>b</li></ul>"),
        ("1. a\n2. b", "<ol><li>a</li><li>b</li></ol>"),
        ("> a\n> b", "<blockquote><p>a b</p></blockquote>"),
        ("| a | b |\n| 1 | 2 |", "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>"),
        ("```\na\n\nb\n```\n\nc", "<pre><code>a\n\nb</code></pre>\n<p>c</p>"),
    ],
)
def test_markup(text: str, html: str) -> None:
    assert markup.to_html(text) == html


def test_posts() -> None:
    assert markup.posts("@ a, now\nOne\n\nTwo\n\n@ b, then\nThree\n") == [
        ("a, now", "<p>One</p>\n<p>Two</p>"),
        ("b, then", "<p>Three</p>"),
    ]


def test_chunks_follow_the_rfc() -> None:
    assert chunked(b"x" * 1001) == b"3e8\r\n" + b"x" * 1000 + b"\r\n1\r\nx\r\n0\r\n\r\n"


def test_titles_are_escaped() -> None:
    found = pages.read_pages()
    phrases = pages.read_phrases()
    shop = next(page for page in found if page.template == "shop")
    html = templates.render(shop, phrases["en"], [])
    assert "Kettle &amp; Loom" in html
    assert "Kettle & Loom" not in html

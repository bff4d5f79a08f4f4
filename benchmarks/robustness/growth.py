"""How the time of every function on text, markup or a URL grows with its input, on patterns that try to break it.

Every function in ``FUNCTIONS`` is called with every pattern in ``PATTERNS``, with four times as many characters from
one call to the next. A ratio is the processor time of one call divided by that of the call before; it is about 4 for
linear time and about 16 for quadratic time. It counts if the longer call takes more than 20 ms, and is measured again
if it is above the limit. Lines and records that a reader bounds (``MAX_HEAD_BYTES``, ``SNIFFED_BYTES``) are given
whole, so that the bound is part of what is measured.

Covered are charset detection and decoding, the parser, features and rendering of ``gristmill``'s engine, the limits
before the other engines, language guess and identification; cleanup; words, hashes and shingles; the signals and line
rules of every variant; repeated lines and spans; the search for test items; redaction by entity; URL lists and
canonical URLs; dates, language codes, JSON, HTTP heads, WARC and ARC records; perplexity, word lists and classifiers;
variables, credentials and control characters. Not covered are the engines of other projects, which run under limits in
a child process (``hostile``), and decompression and Parquet (``bombs``).

    python -m benchmarks growth             # up to 400,000 characters
    python -m benchmarks growth --quick     # every eighth pattern, up to 25,000

The last line is one JSON object: ``functions``, ``patterns``, ``ratios`` (how many count), ``worst_ratio``, and
``over_5``, the number of functions with a ratio above 5 for any pattern, which must be 0.
"""

from __future__ import annotations

import base64
import gc
import json
import os
import random
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from benchmarks.harness.benchmark_main import benchmark_main
from benchmarks.harness.processor_time import processor_seconds
from benchmarks.harness.result_tables import CONSOLE, result_table

MOST_RATIO = 5.0
LEAST_SECONDS = 0.02
_SIZES, _QUICK_SIZES = (25_000, 100_000, 400_000), (6_250, 25_000)
_QUICK_STEP = 8
_ROUNDS = 7
_SHOWN = 10

Call = Callable[[Any], object]


class Growth(NamedTuple):
    """How the time of one call grew: ``size`` and ``seconds`` are those of the longer input."""

    ratio: float
    function: str
    pattern: str
    size: int
    seconds: float


def main() -> None:
    benchmark_main(
        measure,
        description=__doc__,
        quick=f"every eighth pattern, up to {_QUICK_SIZES[-1]:,} characters",
        needs_data=False,
        add_options=_add_options,
    )


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--function", choices=FUNCTIONS, help="this function only")
    parser.add_argument("--pattern", choices=PATTERNS, help="this pattern only")


def measure(options: Namespace) -> dict[str, float]:
    names = [options.function] if options.function else list(FUNCTIONS)
    patterns = [options.pattern] if options.pattern else list(PATTERNS)[:: _QUICK_STEP if options.quick else 1]
    sizes = _QUICK_SIZES if options.quick else _SIZES
    found = []
    for name in names:
        call = FUNCTIONS[name]()
        call("An ordinary sentence, https://example.org/.")  # loads its tables
        gc.freeze()
        for pattern in patterns:
            found += growths(name, call, pattern, sizes)
    found.sort(reverse=True)
    table = result_table(
        "fastest growth", ("function", "pattern", "characters", "ms", "ratio"), left=("function", "pattern")
    )
    for one in found[:_SHOWN]:
        table.add_row(one.function, one.pattern, f"{one.size:,}", f"{one.seconds * 1000:.0f}", f"{one.ratio:.2f}")
    CONSOLE.print(table)
    over = {one.function: one for one in reversed(found) if one.ratio > MOST_RATIO}
    for one in over.values():
        CONSOLE.print(f"{one.function}: {one.ratio:.1f} with {one.pattern}", markup=False)
    return {
        "functions": len(names),
        "patterns": len(patterns),
        "ratios": len(found),
        "worst_ratio": found[0].ratio if found else 0.0,
        f"over_{MOST_RATIO:.0f}": len(over),
    }


def growths(name: str, call: Call, pattern: str, sizes: tuple[int, ...]) -> list[Growth]:
    """Return the ratios that count, up to the first that is above the limit."""
    found: list[Growth] = []
    before: tuple[float, str] | None = None
    for size in sizes:
        text = PATTERNS[pattern](size)
        seconds = _seconds(call, text)
        if before is not None and seconds > LEAST_SECONDS:
            ratio = seconds / before[0]
            for _ in range(_ROUNDS - 1):
                if ratio <= MOST_RATIO:
                    break
                before = (min(before[0], _seconds(call, before[1])), before[1])
                seconds = min(seconds, _seconds(call, text))
                ratio = seconds / before[0]
            found.append(Growth(ratio, name, pattern, size, seconds))
            if ratio > MOST_RATIO:
                break
        before = (seconds, text)
    return found


def _seconds(call: Call, text: str) -> float:
    """Processor time of a call without garbage collection, which depends on what else the process holds."""
    gc.disable()
    try:
        return max(processor_seconds(lambda: call(text)), 1e-6)
    finally:
        gc.enable()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _valid(text: str) -> str:
    """``text`` as every function after decoding gets it: without NULs and lone surrogates."""
    from gristmill.extraction.charset_decoding import remove_unencodable

    return remove_unencodable(text)


def _attribute(path: str) -> Any:
    """The object at ``path`` below ``gristmill``: ``module.sub:name``."""
    from importlib import import_module

    module, _, name = path.partition(":")
    return getattr(import_module(f"gristmill.{module}"), name)


def _of_text(path: str) -> Callable[[], Call]:
    """A function of any text."""
    return lambda: _attribute(path)


def _of_valid(path: str) -> Callable[[], Call]:
    """A function of a text that can be encoded."""

    def load() -> Call:
        function = _attribute(path)
        return lambda text: function(_valid(text))

    return load


def _of_bytes(path: str, *arguments: Any) -> Callable[[], Call]:
    def load() -> Call:
        function = _attribute(path)
        return lambda text: function(_bytes(text), *arguments)

    return load


def _of_texts(path: str, *arguments: Any) -> Callable[[], Call]:
    """A function of an Arrow column of texts."""

    def load() -> Call:
        function = _attribute(path)
        return lambda text: function(pa.chunked_array([pa.array([_valid(text)], pa.large_string())]), *arguments)

    return load


def _page(text: str, then: Call) -> object:
    """``then`` of a page; None if it exceeds the default limits on markup."""
    from gristmill.extraction.engines.extraction_engine import PageRefused
    from gristmill.extraction.learned.html_blocks import Page

    try:
        page = Page(_valid(text), _markup_limits())
    except PageRefused:
        return None
    return then(page) if page.texts else None


@cache
def _markup_limits() -> Any:
    from gristmill.extraction.engines.extraction_engine import MarkupLimits
    from gristmill.extraction.extract_section import ExtractSection

    section = ExtractSection()
    return MarkupLimits(section.max_nodes, section.max_depth)


def _parse() -> Call:
    return lambda text: _page(text, lambda page: page)


def _page_features() -> Call:
    from gristmill.extraction.learned.learned_engine import build_features

    return lambda text: _page(text, lambda page: build_features(page, _valid(text), _valid(text)))


def _engine() -> Call:
    from gristmill.extraction.learned.learned_engine import main_blocks, shipped_network

    return lambda text: _page(text, lambda page: main_blocks(page, _valid(text), None, shipped_network()))


def _rendering(output_format: Literal["text", "markdown"]) -> Call:
    from gristmill.extraction.learned.block_rendering import render

    return lambda text: _page(text, lambda page: render(page, list(range(len(page.texts))), output_format))


def _checked_parser(reopens_formatting: bool) -> Call:
    from gristmill.extraction.engines.extraction_engine import PageRefused
    from gristmill.extraction.engines.markup_limits import parse_within_limits

    def parse(text: str) -> object:
        try:
            return parse_within_limits(_valid(text), _markup_limits(), reopens_formatting)
        except (PageRefused, ValueError):
            return None

    return parse


def _language(method: str) -> Call:
    from gristmill.classifiers.language import LanguageIdentifier
    from gristmill.extraction.language_guess import unwanted_language

    identifier = LanguageIdentifier.load()
    if method == "guess":
        return lambda text: unwanted_language(_valid(text), frozenset({"en"}), identifier)
    return lambda text: identifier.identify(_valid(text))


def _signals(variant: str, line_rules: bool) -> Call:
    from gristmill.transforms.quality.judge_section import JudgeSection
    from gristmill.transforms.quality.line_rules_section import LINE_RULE_NAMES
    from gristmill.transforms.quality.measure_signals import measure_texts

    rules = {"lines": {"rules": list(LINE_RULE_NAMES)}} if line_rules else {}
    section = JudgeSection.model_validate({"variant": variant, **rules})
    return lambda text: measure_texts([_valid(text)], ["en"], ["web"], section)


def _redaction(entity: str) -> Call:
    from gristmill.transforms.redaction.redact_section import RedactSection
    from gristmill.transforms.redaction.redactor import Redactor

    redactor = Redactor(RedactSection.model_validate({"entities": [entity]}))
    return lambda text: redactor.redact(_valid(text))


def _all_redaction() -> Call:
    from gristmill.transforms.redaction.redact_section import RedactSection
    from gristmill.transforms.redaction.redactor import Redactor

    redactor = Redactor(RedactSection())
    return lambda text: redactor.redact(_valid(text))


def _decontamination() -> Call:
    from gristmill.transforms.contamination.benchmark_items import BenchmarkItem
    from gristmill.transforms.contamination.build_ngram_index import NgramSettings, index_items
    from gristmill.transforms.contamination.decontaminate_section import DecontaminateSection
    from gristmill.transforms.contamination.decontaminator import Decontaminator

    section = DecontaminateSection.model_validate({"benchmarks": [{"name": "patterns", "paths": ["-"]}]})
    items = [BenchmarkItem(make(400)) for make in PATTERNS.values()]
    items = [item for item in items if item.question.strip()]
    settings = NgramSettings(**{name: getattr(section, name) for name in NgramSettings._fields})
    decontaminator = Decontaminator(section, index_items({"patterns": items}, settings, []))

    def hits(text: str) -> object:
        valid = _valid(text)
        (found,) = decontaminator.hits([valid])
        return decontaminator.cuts(valid, found)

    return hits


def _signatures(shingle: str, simhash: bool) -> Call:
    from gristmill.transforms.dedup.dedup_section import DedupSection
    from gristmill.transforms.dedup.sign import create_hasher, sign_texts

    section = DedupSection.model_validate({"simhash": {}} if simhash else {})
    hasher = create_hasher(section)
    return lambda text: sign_texts(
        pa.chunked_array([pa.array([_valid(text)], pa.large_string())]),
        hasher,
        5,
        "hamming" if simhash else "exact",
        shingle,  # type: ignore[arg-type]
    )


def _passages() -> Call:
    from gristmill.transforms.line_dedup.passage_hashes import LINE, PARAGRAPH, find_passages

    return lambda text: find_passages(
        pa.chunked_array([pa.array([_valid(text)], pa.large_string())]), {LINE: 1, PARAGRAPH: 1}
    )


def _spans() -> Call:
    from gristmill.transforms.line_dedup.repeated_spans import repeated_spans
    from gristmill.transforms.line_dedup.trim_spans import trim_spans

    def spans(text: str) -> object:
        texts = pa.array([_valid(text)], pa.large_string())
        return trim_spans(texts, repeated_spans(texts, 100))

    return spans


def _edits() -> Call:
    from gristmill.transforms.core.edits import Span, apply_edits, merge_with_cuts, remove_spans

    def edit(text: str) -> object:
        cuts = [Span(at, at + 3, "rule", 1.0) for at in range(0, len(text) - 10, 10)]
        remaining = remove_spans(text, cuts)
        spans = [Span(at, at + 2, "EMAIL", 1.0) for at in range(0, len(remaining) - 9, 9)]
        merge_with_cuts(spans, cuts)
        return apply_edits(remaining, spans, {"EMAIL": "<EMAIL>"})

    return edit


def _url_filter() -> Call:
    from gristmill.extraction.url_lists import UrlFilter, hash_entries

    urls = UrlFilter(hash_entries([b"blocked.example\n"]), [b"casino\n", b"two words\n"])
    return urls.verdict


def _url_list() -> Call:
    from gristmill.errors import InputError
    from gristmill.extraction.url_lists import hash_entries

    def hashes(text: str) -> object:
        try:
            return hash_entries(_bytes(text).splitlines(keepends=True))
        except InputError:
            return None

    return hashes


def _url_line() -> Call:
    from gristmill.extraction.list_syntax import listed_addresses

    def addresses(text: str) -> object:
        try:
            return listed_addresses(text)
        except ValueError:
            return None

    return addresses


def _json_line() -> Call:
    from gristmill.corpus.document import Origin
    from gristmill.transforms.read.json_lines import _item_from_line
    from gristmill.transforms.read.source_section import SourceSection

    fields = {"text": "a.b.text", "id": "id", "url": "meta.url", "date": "date", "lang": "lang"}
    source = SourceSection.model_validate(
        {"name": "s", "format": "jsonl", "root": "r", "fields": fields, "keep_columns": ["meta", "a"]}
    )
    origin = Origin("s", "f", 1, 1)

    def item(text: str) -> object:
        _item_from_line(origin, _bytes(text), source)
        values = {"a": {"b": {"text": text}}, "id": text, "meta": {"url": text, text: [text]}, "date": text}
        return _item_from_line(origin, json.dumps({**values, "lang": text}).encode(), source)

    return item


def _http() -> Call:
    from gristmill.transforms.read.http_response import charset, media_type, parse_response

    def response(text: str) -> object:
        data = _bytes(text)
        parse_response(data)
        parsed = parse_response(b"HTTP/1.1 200 OK\r\n" + data)
        content_type = parsed.headers.get("content-type", text[:65_536])
        return media_type(content_type, parsed.body), charset(content_type)

    return response


def _entries(prefix: bytes) -> Call:
    from gristmill.transforms.read.content_stream import ContentStream, drop_prefix
    from gristmill.transforms.read.member_codecs import Chunks, MemberEnd
    from gristmill.transforms.read.warc_records import begins_record, read_entries

    def entries(text: str) -> object:
        data = prefix + _bytes(text)
        begins_record(data[:65_536])
        chunks = [data[at : at + 65_536] for at in range(0, len(data), 65_536)]

        def read() -> Chunks:
            yield from chunks
            return MemberEnd(len(data))

        def reopen(position: int) -> Chunks:
            return drop_prefix(read(), position)

        return [entry.fault for entry in read_entries(ContentStream(reopen), 1 << 20)]

    return entries


def _payload_type() -> Call:
    from gristmill.transforms.read.payload_types import binary_type, feed_or_image_type

    def kind(text: str) -> object:
        data = _bytes(text)
        return binary_type(data), feed_or_image_type(data)

    return kind


def _encoded(codec: str) -> Call:
    from gristmill.extraction.charset_decoding import decode

    return lambda text: decode(text.encode(codec, "replace"), None)


def _too_long() -> Call:
    from gristmill.corpus.document import Origin
    from gristmill.corpus.record import Raw
    from gristmill.transforms.read.unit_reader import drop_too_long

    def drop(text: str) -> object:
        meta = json.dumps({"a": text})
        return drop_too_long(Raw(Origin("s", text, 0, 1, text, text, None, None, meta), "text/plain", text))

    return drop


def _expand(path: str) -> Call:
    from gristmill.errors import InputError

    function = _attribute(path)

    def expand(text: str) -> object:
        try:
            return function({"a": text}, (), "recipe.yaml")
        except InputError:
            return None

    return expand


def _hide() -> Call:
    from gristmill.pipelines.variables import has_userinfo, hide

    return lambda text: (hide(text, {"NAME": "secret-value", "OTHER": "aaaa"}), has_userinfo(text))


def _yaml() -> Call:
    from gristmill.corpus.yaml_files import _parse

    def parse(text: str) -> object:
        try:
            return _parse(f"a: {text}")
        except Exception:  # whatever the message is: only time counts here
            return None

    return parse


def _word_list() -> Call:
    from gristmill.classifiers.word_list import WordList

    entries = WordList(["casino", "two words", "a b c", "磨坊"])
    return lambda text: entries.per_thousand(_valid(text))


def _perplexity() -> Call:
    from tempfile import NamedTemporaryFile

    from gristmill.classifiers.perplexity import PerplexityScorer, train

    with NamedTemporaryFile(suffix=".arpa") as file:
        file.write(train(["the boat crosses the river", "the farmer grinds the corn"], 3)[0])
        file.flush()
        scorer = PerplexityScorer.load(file.name)
    return lambda text: scorer.scores([_valid(text)])


def _classifier() -> Call:
    from gristmill.classifiers import QUALITY_MODEL
    from gristmill.classifiers.text_model import TextClassifier

    model = TextClassifier.load(str(QUALITY_MODEL))
    return lambda text: model.scores([_valid(text)])


def _sentences() -> Call:
    from gristmill.classifiers.ccnet import sentences

    return lambda text: list(sentences(_valid(text)))


def _utf8(path: str, argument: Any) -> Callable[[], Call]:
    def load() -> Call:
        function = _attribute(path)
        return lambda text: function(_valid(text), argument)

    return load


FUNCTIONS: Mapping[str, Callable[[], Call]] = {
    # bytes to text
    "decode": _of_bytes("extraction.charset_decoding:decode"),
    "decode, latin-1": partial(_encoded, "latin-1"),
    "decode, shift_jis": partial(_encoded, "shift_jis"),
    "decode, utf-16": partial(_encoded, "utf-16-le"),
    "decode, iso2022_jp": partial(_encoded, "iso2022_jp"),
    "meta_charset": _of_bytes("extraction.charset_decoding:meta_charset"),
    "codec_of": _of_text("extraction.charset_decoding:codec_of"),
    "remove_unencodable": _of_text("extraction.charset_decoding:remove_unencodable"),
    "decode_text": _of_bytes("transforms.read.text_files:decode_text"),
    "payload types": _payload_type,
    # markup
    "Page": _parse,
    "build_features": _page_features,
    "main_blocks": _engine,
    "render, text": partial(_rendering, "text"),
    "render, markdown": partial(_rendering, "markdown"),
    "attribute_values": _of_text("extraction.learned.html_attributes:attribute_values"),
    "resolve_references": _of_text("extraction.learned.html_attributes:resolve_references"),
    "lead_words": _of_text("extraction.learned.text_scan:lead_words"),
    "identifier_words": _of_text("extraction.learned.text_scan:identifier_words"),
    "url_words": _of_text("extraction.learned.markup_words:url_words"),
    "parse_within_limits": partial(_checked_parser, False),
    "parse_within_limits, HTML5": partial(_checked_parser, True),
    "unwanted_language": partial(_language, "guess"),
    # cleanup and language
    "clean_text": _of_valid("extraction.text_cleanup:clean_text"),
    "truncate_mark_runs": _of_text("extraction.text_cleanup:truncate_mark_runs"),
    "normalize_line_endings": _of_text("extraction.text_cleanup:normalize_line_endings"),
    "identify": partial(_language, "identify"),
    "language_sample": _of_valid("classifiers.language:language_sample"),
    "has_letters": _utf8("classifiers.language:has_letters", 10**9),
    # words and hashes
    "words": _of_valid("corpus.words:words"),
    "normalize": _of_valid("corpus.words:normalize"),
    "word_hashes": _of_valid("corpus.words:word_hashes"),
    "word_places": _of_valid("corpus.words:word_places"),
    "character_hashes": _of_valid("corpus.words:character_hashes"),
    "signatures, words": partial(_signatures, "words", False),
    "signatures, characters": partial(_signatures, "characters", False),
    "signatures, SimHash": partial(_signatures, "words", True),
    "find_passages": _passages,
    "repeated_spans": _spans,
    "edits": _edits,
    # quality
    "signals, paper": partial(_signals, "paper", False),
    "signals, paper, line rules": partial(_signals, "paper", True),
    "signals, datatrove": partial(_signals, "datatrove", False),
    "signals, datatrove, line rules": partial(_signals, "datatrove", True),
    "signals, dclm": partial(_signals, "dclm", False),
    "signals, dclm, line rules": partial(_signals, "dclm", True),
    "word lists": _word_list,
    "perplexity": _perplexity,
    "ccnet sentences": _sentences,
    "quality model": _classifier,
    # refine
    "redact EMAIL_ADDRESS": partial(_redaction, "EMAIL_ADDRESS"),
    "redact IP_ADDRESS": partial(_redaction, "IP_ADDRESS"),
    "redact PHONE_NUMBER": partial(_redaction, "PHONE_NUMBER"),
    "redact": _all_redaction,
    "blank_markup": _of_valid("transforms.contamination.inline_markup:blank_markup"),
    "decontaminate": _decontamination,
    # URLs and lists
    "canonical_url": _of_text("transforms.dedup.canonical_urls:canonical_url"),
    "host_and_path": _of_text("extraction.url_lists:host_and_path"),
    "url_keys": _of_text("extraction.url_lists:url_keys"),
    "UrlFilter.verdict": _url_filter,
    "split_words": _of_text("extraction.url_lists:split_words"),
    "hash_entries": _url_list,
    "listed_addresses": _url_line,
    "is_adblock_header": _of_text("extraction.list_syntax:is_adblock_header"),
    # reading
    "normalise_date": _of_text("transforms.read.dates:normalise_date"),
    "normalise_language": _of_text("transforms.read.language_codes:normalise_language"),
    "replace_surrogates": _of_text("transforms.read.surrogates:replace_surrogates"),
    "JSON lines": _json_line,
    "HTTP heads": _http,
    "WARC records": partial(_entries, b""),
    "WARC heads": partial(_entries, b"WARC/1.0\r\n"),
    "parse_fields": _of_bytes("transforms.read.warc_records:parse_fields", True),
    "drop_too_long": _too_long,
    "document_id": _utf8("corpus.document:document_id", "name"),
    # recipes and messages
    "expand": partial(_expand, "pipelines.variables:expand"),
    "hide": _hide,
    "replace_controls": _of_text("pipelines.cli.control_characters:replace_controls"),
    "escape_controls": _of_text("pipelines.cli.control_characters:escape_controls"),
    "YAML": _yaml,
}

Make = Callable[[int], str]


def _repeated(unit: str, before: str = "") -> Make:
    """``unit`` repeated."""
    return lambda size: (before + unit * (size // len(unit) + 1))[:size]


def _numbered(unit: str, before: str = "") -> Make:
    """``unit`` repeated, with ``%d`` replaced by the number of the repetition."""

    def make(size: int) -> str:
        count = size // (len(unit) - unit.count("%d")) + 1
        return (before + "".join(unit.replace("%d", str(number)) for number in range(count)))[:size]

    return make


def _nested(opening: str, closing: str) -> Make:
    """``opening`` half of the text and ``closing`` the other half."""

    def make(size: int) -> str:
        depth = size // (len(opening) + len(closing))
        return opening * depth + closing * depth

    return make


def _drawn(letters: str) -> Make:
    """Letters drawn at random, always the same."""
    return lambda size: "".join(random.Random(0).choices(letters, k=size))


def _base64(size: int) -> str:
    return base64.b64encode(random.Random(0).randbytes(size)).decode()[:size]


def _after_spaces(size: int) -> str:
    return "x" + " " * (size - 2) + "x"


_LOREM = "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore"

TEXTS: dict[str, Make] = {
    "one letter": _repeated("a"),
    "one capital letter": _repeated("A"),
    "one digit": _repeated("1"),
    "spaces": _repeated(" "),
    "spaces between two letters": _after_spaces,
    "tabs": _repeated("\t"),
    "no-break spaces": _repeated("\u00a0"),
    "line feeds": _repeated("\n"),
    "carriage returns": _repeated("\r"),
    "CR LF": _repeated("\r\n"),
    "line separators": _repeated("a\u2028"),
    "spaces and line feeds": _repeated(" \n"),
    "NULs": _repeated("\0"),
    "NULs between letters": _repeated("a\0"),
    "control characters": _repeated("".join(map(chr, range(1, 32))) + "\x7f\x80\x85\x9b"),
    "lone surrogates": _repeated("\ud800a\udfff"),
    "bidirectional controls": _repeated("\u202e\u2066a"),
    "full stops": _repeated("."),
    "ellipses": _repeated("..."),
    "sentences of one letter": _repeated("A. "),
    "exclamation and question marks": _repeated("?!"),
    "dashes": _repeated("-"),
    "dashes and spaces": _repeated("- "),
    "underscores": _repeated("_"),
    "stars": _repeated("*"),
    "bullets": _repeated("\u2022 a\n"),
    "pipes": _repeated("|a"),
    "commas": _repeated("a,"),
    "semicolons": _repeated("a;"),
    "colons": _repeated("a:"),
    "equals signs": _repeated("a="),
    "apostrophes": _repeated("a'"),
    "quotes in turns": _repeated("\"'"),
    "typographic quotes": _repeated("\u201ca\u2019"),
    "back quotes": _repeated("`a"),
    "dollars": _repeated("$a"),
    "formulae left open": _repeated("$\\frac{"),
    "backslashes": _repeated("\\"),
    "number signs": _repeated("#"),
    "a@a@": _repeated("a@"),
    "a.a.": _repeated("a."),
    "a.a@": _repeated("a.a@"),
    "addresses of mail": _numbered("a%d@b.com "),
    "mail without a host": _repeated("abc@ "),
    "at signs": _repeated("@"),
    "IP addresses": _numbered("8.8.%d.8 "),
    "long IP addresses": _repeated("1.2.3."),
    "IPv6 addresses": _numbered("2001:4860::%d "),
    "long IPv6 addresses": _repeated("a:b::"),
    "1-1-": _repeated("1-"),
    "digits and spaces": _repeated("1 "),
    "telephone numbers": _numbered("+1 212 555 %d, "),
    "parts of telephone numbers": _repeated("(030) 12-"),
    "plus signs": _repeated("+1"),
    "cue words": _repeated("phone IP tel: "),
    "dates": _repeated("2024-01-02T03:04:05Z "),
    "ISO dates without an end": _repeated("2024-01-02 ", "2024-01-02"),
    "numbers": _numbered("%d,"),
    "long number": _drawn("0123456789"),
    "hex": _drawn("0123456789abcdef"),
    "base64": _base64,
    "random letters": _drawn("abcdefghijklmnopqrstuvwxyz"),
    "random words": _drawn("abcdefghij     "),
    "two letters at random": _drawn("ab"),
    "words without white space": _repeated(_LOREM.replace(" ", "")),
    "one line of lorem": _repeated(_LOREM + " "),
    "the same line": _repeated(_LOREM + "\n"),
    "the same paragraph": _repeated(_LOREM + ".\n\n"),
    "lines of one word": _numbered("a%d\n"),
    "paragraphs of one word": _numbered("a%d\n\n"),
    "citations": _numbered("[%d]"),
    "citations left open": _repeated("[1"),
    "boilerplate": _repeated("read more... sign in 3 comments\n"),
    "javascript and cookies": _repeated("use cookies, enable javascript { lorem ipsum\n"),
    "nested parentheses": _nested("(", ")"),
    "nested brackets": _nested("[", "]"),
    "nested braces": _nested("{", "}"),
    "brackets left open": _repeated("["),
    "parentheses left open": _repeated("(a "),
    "links in Markdown left open": _repeated("[a]("),
    "combining marks": _repeated("\u0301"),
    "combining marks of two classes": _repeated("a" + "\u0301\u0323" * 20),
    "unordered marks": _repeated("\u0301\u0323\u05b0\u0591"),
    "Arabic diacritics": _repeated("\u0628\u064b\u0651\u0670"),
    "Hangul of parts": _repeated("\u1112\u1161\u11ab"),
    "characters that expand": _repeated("\ufdfa\u00bd"),
    "characters that grow in lower case": _repeated("\u0130"),
    "sharp s and ligatures": _repeated("\u00df\ufb03"),
    "final sigmas": _repeated("\u03a3"),
    "final sigmas and dots": _repeated("\u03a3\u00b7"),
    "emoji and joiners": _repeated("\U0001f469\u200d"),
    "flags": _repeated("\U0001f1e9"),
    "skin tones": _repeated("\U0001f44d\U0001f3fd"),
    "zero-width spaces": _repeated("a\u200b"),
    "soft hyphens": _repeated("a\u00ad"),
    "Chinese without spaces": _drawn("\u78e8\u574a\u6c34\u8eca\u5c0f\u9ea5\u7c89"),
    "Chinese full stops": _repeated("\u6c34\u3002"),
    "Thai without spaces": _repeated("\u0e42\u0e23\u0e07\u0e2a\u0e35"),
    "Khmer": _repeated("\u1780\u17d2\u1781"),
    "private use": _repeated("\ue000\U00100000"),
    "replacement characters": _repeated("\ufffd"),
    "Latin-1 read as UTF-8": _repeated("\u00c3\u00a9"),
    "escape sequences": _repeated("\x1b$B0l\x1b(B"),
    "JSON arrays left open": _repeated("["),
    "JSON objects": _repeated('{"a":'),
    "JSON strings": _repeated('"\\u0061'),
    "JSON escapes": _repeated("\\\\\\"),
    "JSON numbers": _repeated("9", "["),
    "variables": _repeated("${A}"),
    "variables left open": _repeated("${A:-"),
    "YAML anchors": _numbered("&a%d [*a%d, "),
    "code": _repeated("if (a) { return b; }\n"),
    "header fields": _numbered("A%d: b\r\n"),
    "folded header fields": _repeated(" b\r\n", "A: b\r\n"),
    "one header field": _repeated("Content-Type: text/html\r\n"),
    "media types": _repeated('a/b;"c",'),
    "media types left open": _repeated('a/b;"', "Content-Type: "),
    "interim responses": _repeated("HTTP/1.1 100 C\r\n\r\n"),
    "WARC heads": _repeated("WARC/1.0\r\n"),
    "WARC records": _repeated("WARC/1.0\r\nContent-Length: 9\r\n\r\n"),
    "ARC heads": _repeated("http://a 1.1.1.1 20200101000000 text/html 9\n"),
    "ARC heads in one line": _repeated("http://a 1.1.1.1 20200101000000 "),
    "language tags": _repeated("en-us-"),
}
"""Patterns of text."""

MARKUP: dict[str, Make] = {
    "<": _repeated("<"),
    "</": _repeated("</"),
    "<!": _repeated("<!"),
    "<!--": _repeated("<!--"),
    "comments that end oddly": _repeated("<!-->--!>"),
    "dashes in a comment": _repeated("-", "<!--"),
    "dashes and exclamation marks in a comment": _repeated("--!", "<!--"),
    "comments": _repeated("<!-- a -->"),
    "<?": _repeated("<?"),
    "<![CDATA[": _repeated("<![CDATA["),
    "CDATA": _repeated("<![CDATA[a]]>"),
    "]]>": _repeated("]]>"),
    ">": _repeated(">"),
    "&": _repeated("&"),
    "&amp;": _repeated("&amp;"),
    "&ampamp": _repeated("amp", "&"),
    "&#": _repeated("&#"),
    "&#x41;": _repeated("&#x41;"),
    "a long number of a character": _repeated("1", "&#"),
    "references without an end": _repeated("&notit"),
    "<p>": _repeated("<p>"),
    "paragraphs": _repeated("<p>a</p>"),
    "</p>": _repeated("</p>"),
    "end tags that match nothing": _numbered("</x%d>"),
    "nested <div>": _nested("<div>", "</div>"),
    "<div> left open": _repeated("<div>"),
    "nested <b>": _nested("<b>", "</b>"),
    "<b><i> in the wrong order": _repeated("<b><i></b></i>"),
    "<b><p> left open": _repeated("<b><p>"),
    "<a> in <a>": _repeated("<a href=x>a"),
    "spans": _repeated("<span>a</span> "),
    "<br>": _repeated("<br>"),
    "a<br>": _repeated("a<br>"),
    "<li>": _repeated("<ul><li>a"),
    "list items": _repeated("<li>a", "<ul>"),
    "tables in tables": _repeated("<table><tr><td>"),
    "cells": _repeated("<td>a", "<table><tr>"),
    "rows": _repeated("<tr><td>a", "<table>"),
    "<tr> outside of tables": _repeated("<tr>a</table>"),
    "headings": _repeated("<h1>a<h2>b"),
    "<pre>": _repeated("<pre>a\n"),
    "line feeds in <pre>": _repeated("\n \n", "<pre>"),
    "<select><option>": _repeated("<select><option>a"),
    "<form>": _repeated("<form>a"),
    "<script>": _repeated("<script>"),
    "<script></": _repeated("<script></"),
    "<script><!--": _repeated("<script><!--<script>"),
    "</script": _repeated("</script ", "<script>"),
    "<style>": _repeated("<style></style>"),
    "<title>": _repeated("<title>a"),
    "<textarea>": _repeated("<textarea></text"),
    "<plaintext>": _repeated("<p>a", "<plaintext>"),
    "<svg><math>": _repeated("<svg><math>a"),
    "<template>": _repeated("<template><p>a"),
    "<body>": _repeated("<body a=b>"),
    "<html a>": _numbered("<html a%d=b>"),
    "<meta>": _repeated("<meta name=a content=b>"),
    "<meta and spaces": _repeated("<meta " + " " * 900),
    "<meta charset": _repeated("<meta charset="),
    "JSON-LD": _repeated("[", '<script type="application/ld+json">'),
    "types of JSON-LD": _repeated('"@type": "a",', '<script type="application/ld+json">{'),
    "types of JSON-LD left open": _repeated('"@type"  ', '<script type="application/ld+json">'),
    "<script type= left open": _repeated('<script type="application/ld+json"'),
    "attributes": _numbered(" a%d=b", "<p"),
    "the same attribute": _repeated(" a=b", "<p"),
    "attributes without values": _repeated(" a", "<p"),
    "attributes without spaces": _repeated("a='b'", "<p "),
    "equals signs in a tag": _repeated("=", "<p "),
    "slashes in a tag": _repeated("/", "<p "),
    "quotes in a tag": _repeated("'\"", "<p a="),
    "a quote left open": _repeated("a > ", "<p class='"),
    "classes": _repeated("a ", "<p class='"),
    "tags with classes": _repeated("<p class='comment share'>a"),
    "tags with long classes": _repeated(f"<p class='{'a-b_c ' * 50}'>a"),
    "a long class": _repeated("a-B_", "<p class='"),
    "a long name of a tag": _repeated("a", "<"),
    "unknown tags": _numbered("<x%d>a"),
    "tags without an end": _repeated("<p a"),
    "spaces in a tag": _repeated(" ", "<p"),
    "entities in a document type": _numbered('<!ENTITY l%d "&l1;">', "<!DOCTYPE a ["),
}
"""Patterns of markup."""

URLS: dict[str, Make] = {
    "labels": _repeated("a.", "http://"),
    "numbered labels": _numbered("a%d.", "http://"),
    "international labels": _repeated("\u00e9.", "http://"),
    "one international label": _repeated("\u00e9", "http://"),
    "punycode": _repeated("xn--a.", "http://"),
    "dots": _repeated(".", "http://a"),
    "www.": _repeated("www.", "http://"),
    "www1.": _numbered("www%d.", "http://"),
    "numeric labels": _repeated("1.", "http://"),
    "colons after the scheme": _repeated(":", "http://a"),
    "brackets as a host": _repeated("[", "http://"),
    "an IPv6 host": _repeated("a:", "http://["),
    "users": _repeated("a@", "http://"),
    "passwords": _repeated("a:b@", "http://"),
    "a user without a host": _repeated("a:b", "http://"),
    "http://http://": _repeated("http://"),
    "schemes": _repeated("a+", ""),
    "a list of URLs": _numbered("https://a%d.example/b?c=d "),
    "slashes": _repeated("/", "http://a/"),
    "slashes as a scheme": _repeated("//"),
    "backslashes in a URL": _repeated("\\", "http://a"),
    "segments": _numbered("/a%d", "http://a"),
    "dot segments": _repeated("/..", "http://a"),
    "segments and dot segments": _repeated("/a/..", "http://a"),
    "encoded dot segments": _repeated("/%2e%2e", "http://a"),
    "percent signs": _repeated("%", "http://a/"),
    "escapes": _repeated("%41", "http://a/"),
    "escapes of escapes": _repeated("25", "http://a/%"),
    "escapes in a host": _repeated("%61", "http://"),
    "escapes of several bytes": _repeated("%C3%A9", "http://a/"),
    "session ids": _repeated(";jsessionid=a", "http://a/"),
    "session ids in each other": _repeated(";jsession;jsessionid=aid=", "http://a/"),
    "session ids of ASP.NET": _repeated("/(s(abcdefghijklmnopqrstuvwx))", "http://a"),
    "session ids of ASP.NET left open": _repeated("s(abcdefghijklmnopqrstuvwx)", "http://a/("),
    "parameters": _numbered("a%d=b&", "http://a/?"),
    "the same parameter": _repeated("a=b&", "http://a/?"),
    "tracking parameters": _repeated("utm_a=b&", "http://a/?"),
    "empty parameters": _repeated("&", "http://a/?"),
    "equals signs as parameters": _repeated("=&", "http://a/?"),
    "plus signs in a query": _repeated("+", "http://a/?b="),
    "question marks": _repeated("?", "http://a/"),
    "fragments": _repeated("#", "http://a/"),
    "tabs in a URL": _repeated("\t", "http://a/"),
    "spaces before a URL": lambda size: " " * (size - 9) + "http://a/",
    "hyphens in a host": _repeated("-", "http://a"),
    "a data URL": _repeated("aA0+/", "data:text/html;base64,"),
    "hosts of a list": _numbered("0.0.0.0 a%d.example\n"),
    "hosts in one line": _numbered(" a%d.example", "0.0.0.0"),
    "rules of an ad blocker": _numbered("||a%d.example^\n", "[Adblock]\n"),
    "a rule of an ad blocker": _repeated("^|*/", "||a"),
    "spaces before a comment": _repeated("  #", "a"),
    "dnsmasq": _repeated("/a", "address="),
}
"""Patterns of URLs and their lists."""

PATTERNS: Mapping[str, Make] = {**TEXTS, **MARKUP, **URLS}


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()

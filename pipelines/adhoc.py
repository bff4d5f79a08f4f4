"""Single steps applied to files or standard input, without Beam. Every function yields rows for JSON lines."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, cast, get_args

from gristmill.classifiers.language import LanguageIdentifier
from gristmill.classifiers.perplexity import bucket
from gristmill.corpus.document import Origin
from gristmill.corpus.metadata import parse_meta
from gristmill.corpus.record import Raw
from gristmill.corpus.source_kind import SourceKind
from gristmill.errors import InputError
from gristmill.extraction.extract_record import ExtractionTools, extract_html, extract_record, outcome_row
from gristmill.extraction.extract_section import ExtractSection
from gristmill.pipelines.recipe import parse_section
from gristmill.transforms.quality.apply_rules import explain
from gristmill.transforms.quality.judge_section import JudgeSection
from gristmill.transforms.quality.measure_signals import measure_text
from gristmill.transforms.quality.score_rules import reference_percentiles
from gristmill.transforms.quality.scorers import AdhocScoreSection, Kenlm
from gristmill.transforms.read.http_response import HttpResponse
from gristmill.transforms.read.page_selection import select_body
from gristmill.transforms.read.text_files import decode_text
from gristmill.transforms.redaction.redact_section import RedactSection
from gristmill.transforms.redaction.redactor import Redactor


def extract_files(names: Iterable[str], overrides: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The text of HTML files, compressed or not; ``-`` reads JSONL with ``html`` and optional ``url``."""
    section = parse_section(ExtractSection, overrides)
    tools = ExtractionTools.load(section)
    with closing(tools.engine):
        for name in names:
            if name == "-":
                for row in _lines(sys.stdin.buffer, name, "html", url=str):
                    yield _rest(row, "html") | extract_html(row["html"], row.get("url"), section, tools)
            else:
                yield {"file": name} | _extract_file(name, section, tools)


def _extract_file(name: str, section: ExtractSection, tools: ExtractionTools) -> dict[str, Any]:
    data = _read(name)
    origin = Origin("adhoc", name, 0, len(data))
    page = select_body(origin, "text/html", HttpResponse(None, {}, data), len(data), section.max_bytes)
    return outcome_row(extract_record(page, section, tools) if isinstance(page, Raw) else page)


def judge_files(names: Iterable[str], overrides: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Every rule's verdict, value and threshold. The language is identified unless a row has ``lang``.

    Rows may have the ``source``, its ``kind`` and ``meta``, which overlays and rules compare.
    """
    given = parse_section(JudgeSection, overrides)
    identifier = LanguageIdentifier.load()
    for row in _texts(names, lang=str, lang_score=float, source=str, kind=str):
        lang, score = (row["lang"], row.get("lang_score")) if row.get("lang") else identifier.identify(row["text"])
        source = row.get("source") or ""
        section = given.for_sources({source: _kind(row.get("kind") or "web")})
        values = measure_text(row["text"], lang, source, section) | {"lang_score": math.nan if score is None else score}
        checks = explain(values, lang, source, section, _meta(row) if section.uses_meta else None)
        failed = [check.rule for check in checks if not check.passed]
        yield _rest(row, "text") | {
            "lang": lang,
            "lang_score": score,
            "kept": not failed,
            "reason": failed[0] if failed else None,
            "also": failed[1:],
            "rules": {check.rule: _plain(check._asdict()) for check in checks},
        }


def score_files(names: Iterable[str], overrides: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The score of each text, and its part (head, middle, tail) if the card of a KenLM model has a reference.

    The language is identified unless a row has ``lang``.
    """
    assignments = ("scorer.name=score", "scorer.kind=fasttext", *(f"scorer.{override}" for override in overrides))
    scorer = parse_section(AdhocScoreSection, assignments).scorer
    scorer.check()
    model, points = scorer.open(), reference_percentiles(scorer)
    identifier = LanguageIdentifier.load()
    for row in _texts(names, lang=str):
        lang = row.get("lang") or identifier.identify(row["text"])[0]
        score = float(model.scores([row["text"]], [lang])[0])
        result = {"lang": lang, "score": None if math.isnan(score) else round(score, 4)}
        if points and isinstance(scorer, Kenlm):
            result["part"] = None if math.isnan(score) else bucket(score, points)
        yield _rest(row, "text") | result


def redact_files(names: Iterable[str], overrides: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The redacted text, and the ranges of the original that were replaced."""
    redactor = Redactor(parse_section(RedactSection, overrides))
    for row in _texts(names):
        spans = redactor.find(row["text"])
        yield _rest(row, "text") | {
            "text": redactor.redact(row["text"]),
            "edits": [{"start": s.start, "end": s.end, "entity": s.entity, "score": s.score} for s in spans],
        }


def _texts(names: Iterable[str], **optional: type) -> Iterator[dict[str, Any]]:
    for name in names:
        if name == "-":
            yield from _lines(sys.stdin.buffer, name, "text", **optional)
        elif Path(name).suffix in {".jsonl", ".ndjson"}:
            yield from _lines(_read(name).splitlines(), name, "text", **optional)
        else:
            yield {"file": name, "text": _text(name)}


def _lines(lines: Iterable[bytes], name: str, wanted: str, **optional: type) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            raise InputError(f"{name}, line {number}: not valid JSON; give one JSON object per line") from None
        if not isinstance(row, dict) or not isinstance(row.get(wanted), str):
            raise InputError(f"{name}, line {number}: the object has no string {wanted!r}; add it")
        for key, kind in optional.items():
            value = row.get(key)
            if value is not None and not isinstance(value, (int, float) if kind is float else kind):
                raise InputError(f"{name}, line {number}: {key!r} is not a {_TYPE_NAMES[kind]}; correct or remove it")
        yield row


_TYPE_NAMES = {str: "string", float: "number"}


def _kind(name: str) -> SourceKind:
    kinds = get_args(SourceKind)
    if name not in kinds:
        raise InputError(f"'kind' is {name!r}, but the kinds are {', '.join(kinds)}; correct or remove it")
    return cast(SourceKind, name)


def _meta(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The metadata of a row: an object, or a string that holds one, as in documents."""
    meta = row.get("meta") or {}
    try:
        parsed = parse_meta(meta) if isinstance(meta, str) else meta
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise InputError(f"'meta' is {meta!r}, which is not a JSON object; correct or remove it")
    return parsed


def _text(name: str) -> str:
    text = decode_text(_read(name))
    if text is None:
        raise InputError(
            f"{name} is not a text file: it is not UTF-8, UTF-16 with a byte order mark, or Latin-1; "
            "give a text file, or JSONL with the extension .jsonl"
        )
    return text


def _read(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except FileNotFoundError:
        raise InputError(f"no file {name}") from None
    except IsADirectoryError:
        raise InputError(f"{name} is a folder; give a file") from None
    except OSError as error:
        raise InputError(f"cannot read {name}: {error.strerror or error}") from None


def _rest(row: dict[str, Any], without: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != without}


def _plain(check: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in check.items() if name != "rule"}

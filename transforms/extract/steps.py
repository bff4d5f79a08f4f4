"""One record through the whole of extraction: cheap checks first, then decoding, main text, form, language.

What becomes of each media type:

- ``text/html``, ``application/xhtml+xml``: decoded, turned away where the markup is surely in no wanted language
  (``guess``), main text extracted, tidied, language identified;
- ``text/plain``: decoded (if still bytes), tidied, language identified;
- ``text/x-code``: decoded, line endings only, no language: identifiers of languages know prose, not code;
- anything else: dropped (``media_type``).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gristmill.classifiers.language import LanguageIdentifier
from gristmill.corpus.document import Document, Origin
from gristmill.corpus.errors import RunError
from gristmill.corpus.record import Dropped, Failed, Raw
from gristmill.transforms.extract.decode import decode, scrub
from gristmill.transforms.extract.engines.engine import OpenEngine, Refused
from gristmill.transforms.extract.engines.kinds import open_engine
from gristmill.transforms.extract.guess import surely_not
from gristmill.transforms.extract.quarantine import Quarantine, load_quarantine
from gristmill.transforms.extract.section import ExtractSection
from gristmill.transforms.extract.tidy import line_endings, short_runs, tidy
from gristmill.transforms.extract.urls import UrlFilter

HTML = frozenset({"text/html", "application/xhtml+xml"})
PLAIN = "text/plain"
CODE = "text/x-code"


class Tools(NamedTuple):
    """What extraction needs beside the section; loaded once in a process, since models do not pickle."""

    urls: UrlFilter
    languages: LanguageIdentifier
    engine: OpenEngine
    quarantine: Quarantine

    @classmethod
    def load(cls, section: ExtractSection) -> Tools:
        """Raises InputError for a list, model or engine that is missing."""
        return cls(
            UrlFilter.load(section.url),
            LanguageIdentifier.load(section.language.model),
            open_engine(section),
            load_quarantine(section.quarantine),
        )


def extract_record(raw: Raw, section: ExtractSection, tools: Tools) -> Document | Dropped | Failed:
    """What becomes of one record: a function of its arguments alone, but for ``crash``, ``memory`` and ``timeout``.

    Dropped for ``url_domain``, ``url_word``, ``media_type``, ``too_large``, ``no_text`` or ``language``; failed for
    ``too_many_nodes``, ``too_deep``, ``extract_error``, ``crash``, ``memory`` or ``timeout``. Raises only MemoryError,
    and RunError where the extractor's process does not start.
    """
    origin = raw.origin
    reasons = [*tools.urls.verdict(origin.url), *_unfit(raw, section)]
    if reasons:
        return Dropped(origin, reasons[0], tuple(reasons[1:]))
    if sentence := tools.quarantine and tools.quarantine.get(origin.id):
        return Failed(origin, *sentence)
    try:
        return _read(raw, section, tools)
    except Refused as refused:
        return Failed(origin, refused.cause, refused.detail)
    except (MemoryError, RunError):  # faults of the machine, not of the page
        raise
    except Exception as error:  # extractors meet every malformed page there is
        return Failed(origin, "extract_error", f"{type(error).__name__}: {error}"[:500])


def extract_html(html: bytes | str, url: str | None, section: ExtractSection, tools: Tools) -> dict[str, Any]:
    """One loose page, for people: ``url`` with ``text``, ``lang`` and ``lang_score``, or with what it was refused for.

    Then it has ``dropped`` (and ``also``) or ``failed``, and ``detail``.
    """
    result = extract_record(Raw(Origin("loose", url or "-", 0, len(html), url=url), "text/html", html), section, tools)
    if isinstance(result, Document):
        return {"url": url, "text": result.text, "lang": result.lang, "lang_score": result.lang_score}
    if isinstance(result, Dropped):
        return {"url": url, "dropped": result.reason, "also": list(result.also), "detail": result.detail}
    return {"url": url, "failed": result.cause, "detail": result.detail}


def _unfit(raw: Raw, section: ExtractSection) -> list[str]:
    unfit = {
        "media_type": raw.media_type not in HTML and raw.media_type not in (PLAIN, CODE),
        "too_large": len(raw.payload) > section.max_bytes,
    }
    return [reason for reason, holds in unfit.items() if holds]


def _read(raw: Raw, section: ExtractSection, tools: Tools) -> Document | Dropped:
    origin = raw.origin
    text = decode(raw.payload, raw.charset) if isinstance(raw.payload, bytes) else scrub(raw.payload)
    if raw.media_type == CODE:
        return Document(origin, line_endings(text)) if text.strip() else Dropped(origin, "no_text")
    wanted = section.languages
    if raw.media_type in HTML:
        if wanted is not None and (guess := surely_not(text, frozenset(wanted), tools.languages)):
            return _unwanted(origin, *guess)
        text = tools.engine(short_runs(text), origin.url)
    text = tidy(text)
    if not text.strip():
        return Dropped(origin, "no_text")
    lang, score = tools.languages.identify(text)
    if wanted is not None and lang not in wanted:
        return _unwanted(origin, lang, score)
    return Document(origin, text, lang, score)


def _unwanted(origin: Origin, lang: str, score: float) -> Dropped:
    return Dropped(origin, "language", detail=f"{lang} {score:.4f}")

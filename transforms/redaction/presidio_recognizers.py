"""Presidio's recognizers of patterns, imported without its language models.

``presidio_analyzer`` imports torch and transformers where they are installed, which takes longer than the redaction of
a small corpus; recognizers of patterns use neither. Presidio and spaCy treat both as optional, so a process that has
not imported them yet imports Presidio as if they were not installed. Presidio's own transformers engine is then not
available in this process.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["EmailRecognizer", "IpRecognizer", "PhoneRecognizer"]


@contextmanager
def _not_importable(*names: str) -> Iterator[None]:
    """Make imports of the modules ``names`` fail, except of those that are loaded already."""
    blocked = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(blocked))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in blocked:
            del sys.modules[name]


with _not_importable("torch", "transformers"):
    from presidio_analyzer.predefined_recognizers import EmailRecognizer, IpRecognizer, PhoneRecognizer

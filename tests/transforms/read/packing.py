"""Compression for the readers' tests."""

from __future__ import annotations

import io

from fastwarc.stream_io import Lz4Writer


def lz4(data: bytes) -> bytes:
    out = io.BytesIO()
    writer = Lz4Writer(out)
    writer.write(data)
    writer.finish()
    writer.flush()
    return out.getvalue()

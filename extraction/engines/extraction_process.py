"""``python -m gristmill.extraction.engines.extraction_process FD``: serves an engine over the socket ``FD``.

The first message is the pickled function that loads the engine, with its bounds; the response is empty. Each further
message is a URL and a page in UTF-8; the response is its main text, or why there is none. The client is
``isolated_engine``.
"""

from __future__ import annotations

import json
import os
import pickle
import resource
import signal
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from gristmill.extraction.engines.extraction_engine import ExtractionEngine, PageRefused
from gristmill.extraction.engines.isolated_engine import (
    OUT_OF_MEMORY,
    REFUSED,
    SEPARATOR,
    START_SECONDS,
    TEXT,
    ProcessBounds,
)

_GRACE_SECONDS = 5.0
_MAX_DETAIL = 500


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the launcher gets the signal too, and ends this process
    signal.alarm(START_SECONDS)
    pipe = Connection(int(sys.argv[1]))
    load, bounds = pickle.loads(pipe.recv_bytes())
    _limit(bounds)
    engine = load()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # drop what parsers print; the parent sees the exit status
    signal.alarm(0)
    pipe.send_bytes(b"")
    with suppress(EOFError, ConnectionError):  # the parent has ended
        serve(pipe, engine, bounds.seconds + _GRACE_SECONDS)


def serve(pipe: Connection, engine: ExtractionEngine, seconds: float) -> None:
    """Serves pages until the connection closes. An alarm ends the process if its parent no longer can."""
    while True:
        page = pipe.recv_bytes()
        signal.setitimer(signal.ITIMER_REAL, seconds)
        response = respond(engine, page.decode("utf-8", "surrogatepass"))
        signal.setitimer(signal.ITIMER_REAL, 0)
        pipe.send_bytes(response)


def respond(engine: ExtractionEngine, page: str) -> bytes:
    url, _, html = page.partition(SEPARATOR)
    try:
        return TEXT + engine(html, url or None).encode("utf-8", "surrogatepass")
    except PageRefused as refused:
        return _refusal(refused.cause, refused.detail)
    except MemoryError:  # interrupted code may have left broken state behind
        os._exit(OUT_OF_MEMORY)
    except BaseException as error:  # a panic in Rust raises a BaseException
        return _refusal("extract_error", f"{type(error).__name__}: {error}"[:_MAX_DETAIL])


def _refusal(cause: str, detail: str) -> bytes:
    return REFUSED + json.dumps([cause, detail]).encode()


def _limit(bounds: ProcessBounds) -> None:
    """Disables core dumps, limits memory, and makes the kernel kill this process first when memory runs out."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    wanted = 2 * bounds.memory
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


if __name__ == "__main__":
    main()

"""``python -m gristmill.extraction.engines.child_process FD``: an engine, asked page by page over the socket ``FD``.

The first message is the pickled maker of the engine and its bounds, answered by an empty one. Each later one is a URL
and a page in UTF-8, answered by main text or by why there is none. The other side is ``isolated``.
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

from gristmill.extraction.engines.engine import ExtractionEngine, Refused
from gristmill.extraction.engines.isolated import OUT_OF_MEMORY, PARTING, REFUSED, START_SECONDS, TEXT, Bounds

_GRACE_SECONDS = 5.0
_DETAIL = 500


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the launcher hears it too, and says when this is to end
    signal.alarm(START_SECONDS)
    pipe = Connection(int(sys.argv[1]))
    load, bounds = pickle.loads(pipe.recv_bytes())
    _limit(bounds)
    engine = load()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # last words of parsers; the parent sees how this ends
    signal.alarm(0)
    pipe.send_bytes(b"")
    with suppress(EOFError, ConnectionError):  # the parent is gone
        serve(pipe, engine, bounds.seconds + _GRACE_SECONDS)


def serve(pipe: Connection, engine: ExtractionEngine, seconds: float) -> None:
    """Answer pages until the other side is gone. An alarm ends this process where its parent no longer can."""
    while True:
        page = pipe.recv_bytes()
        signal.setitimer(signal.ITIMER_REAL, seconds)
        found = answer(engine, page.decode("utf-8", "surrogatepass"))
        signal.setitimer(signal.ITIMER_REAL, 0)
        pipe.send_bytes(found)


def answer(engine: ExtractionEngine, page: str) -> bytes:
    url, _, html = page.partition(PARTING)
    try:
        return TEXT + engine(html, url or None).encode("utf-8", "surrogatepass")
    except Refused as refused:
        return _refusal(refused.cause, refused.detail)
    except MemoryError:  # what was cut short may stand half-built
        os._exit(OUT_OF_MEMORY)
    except BaseException as error:  # parsers in Rust raise what is no Exception when they panic
        return _refusal("extract_error", f"{type(error).__name__}: {error}"[:_DETAIL])


def _refusal(cause: str, detail: str) -> bytes:
    return REFUSED + json.dumps([cause, detail]).encode()


def _limit(bounds: Bounds) -> None:
    """No core dumps, no memory beyond all measure, and the first to go where the machine's runs out."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    wanted = 2 * bounds.memory
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


if __name__ == "__main__":
    main()

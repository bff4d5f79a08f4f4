"""A local web server that serves ranges of the files in a folder and can be made to fail."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

STALL_SECONDS = 1.5


class WebServer:
    """Each request takes the next of ``faults``; requests succeed once there are none left.

    A fault is an HTTP status or one of these. drop: the connection breaks in the middle of the body. short: a
    well-formed response with fewer bytes than requested. other: the range that starts one byte later. whole: the whole
    file, ignoring the range. stall: the response comes too late. ``ranges`` records the ``Range`` of every request.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.faults: deque[int | str] = deque()
        self.ranges: list[str] = []


@contextmanager
def serving(root: Path) -> Iterator[WebServer]:
    """Serve the files in ``root``."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _respond(self, root, server)

        def log_message(self, *_: object) -> None:
            pass

    listener = _Listener(("127.0.0.1", 0), Handler)
    server = WebServer(f"http://127.0.0.1:{listener.server_port}")
    thread = Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Ignore clients that disconnect, as some tests make them do."""


def _respond(handler: BaseHTTPRequestHandler, root: Path, server: WebServer) -> None:
    requested = handler.headers.get("Range", "")
    server.ranges.append(requested)
    fault = server.faults.popleft() if server.faults else ""
    file = root / handler.path.lstrip("/")
    if isinstance(fault, int) or not file.is_file():
        _send(handler, fault if isinstance(fault, int) else 404, b"<html>error</html>", {"Retry-After": "0"})
        return
    data = file.read_bytes()
    match = re.fullmatch(r"bytes=(\d+)-(\d+)", requested)
    if fault == "stall":
        time.sleep(STALL_SECONDS)
    if match is None or fault == "whole":
        _send(handler, 200, data, {})
        return
    start, end = int(match[1]), min(int(match[2]) + 1, len(data))
    if start >= len(data):
        _send(handler, 416, b"", {"Content-Range": f"bytes */{len(data)}"})
        return
    if fault == "other":
        start += 1
    if fault == "short":
        end = (start + end) // 2
    headers = {"Content-Range": f"bytes {start}-{end - 1}/{len(data)}"}
    _send(handler, 206, data[start:end], headers, drop=fault == "drop")


def _send(
    handler: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str], drop: bool = False
) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2] if drop else body)
    handler.close_connection = drop

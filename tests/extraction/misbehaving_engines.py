"""Engines that misbehave. They are loaded in a child process, which imports this module and little else."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from gristmill.extraction.engines.extraction_engine import ExtractionEngine, PageRefused


def echo() -> ExtractionEngine:
    """Returns the page."""
    return lambda html, url: html


def misbehaving() -> ExtractionEngine:
    """Performs the action that the page names; for any other page it returns the page and its process id."""
    return lambda html, url: _ACTIONS[html]() if html in _ACTIONS else f"{html} {os.getpid()}"


def crash_once(mark: str) -> ExtractionEngine:
    """Crashes on the page ``bad`` unless the file ``mark`` exists."""

    def engine(html: str, url: str | None) -> str:
        if html == "bad" and not Path(mark).exists():
            Path(mark).touch()
            os.abort()
        return html

    return engine


def broken() -> ExtractionEngine:
    raise ValueError("no engine")


def _loop() -> str:
    while True:
        time.sleep(0)


def _hold_the_lock() -> str:
    """Hangs like a parser in C: no other thread of the process runs again."""
    sys.setswitchinterval(1e9)
    while True:
        pass


def _eat() -> str:
    eaten = []
    while True:
        eaten.append(bytearray(b"x") * 2**22)


def _recurse() -> str:
    return _recurse()


def _refuse() -> str:
    raise PageRefused("too_deep", "elements nest deeper than 1")


def _panic() -> str:
    raise BaseException("a panic")


def _print() -> str:
    print("to standard output")
    os.write(1, b"and to its file")
    os.write(2, b"and to the other")
    return "printed"


_ACTIONS = {
    "abort": os.abort,
    "fault": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "exit": lambda: os._exit(5),
    "loop": _loop,
    "hold": _hold_the_lock,
    "eat": _eat,
    "grab": lambda: str(len(bytearray(2**44))),
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "recurse": _recurse,
    "refuse": _refuse,
    "panic": _panic,
    "print": _print,
}


def load(section: object, limits: object) -> ExtractionEngine:
    """The load function of an engine that crashes on pages with the word CRASH if GRISTMILL_TEST_CRASH is set."""

    def engine(html: str, url: str | None) -> str:
        if "CRASH" in html and "GRISTMILL_TEST_CRASH" in os.environ:
            os.abort()
        return html

    return engine

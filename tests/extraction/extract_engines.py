"""Engines that do what no engine should; each is made in a child process, which imports this module and little else."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from gristmill.extraction.engines.engine import ExtractionEngine, Refused


def echo() -> ExtractionEngine:
    """Gives back the page."""
    return lambda html, url: html


def wicked() -> ExtractionEngine:
    """Does what the page says, if it names one of the deeds below; else it gives back the page and its own process."""
    return lambda html, url: _DEEDS[html]() if html in _DEEDS else f"{html} {os.getpid()}"


def once(mark: str) -> ExtractionEngine:
    """Crashes on ``bad`` only while there is no file ``mark``."""

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
    """Hangs as a parser in C does: no other thread of the process is ever run again."""
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
    raise Refused("too_deep", "elements nest deeper than 1")


def _panic() -> str:
    raise BaseException("a panic")


def _print() -> str:
    print("to standard output")
    os.write(1, b"and to its file")
    os.write(2, b"and to the other")
    return "printed"


_DEEDS = {
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


def load(choice: object, limits: object) -> ExtractionEngine:
    """As an engine of a recipe: crashes on pages that hold the word CRASH while the environment says so."""

    def engine(html: str, url: str | None) -> str:
        if "CRASH" in html and "GRISTMILL_TEST_CRASH" in os.environ:
            os.abort()
        return html

    return engine

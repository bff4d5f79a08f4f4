"""Engines in a child process: pages that hang, crash or exhaust memory cost only themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from gristmill.errors import RunError
from gristmill.extraction.engines import isolated_engine
from gristmill.extraction.engines.extraction_engine import ExtractionEngine, PageRefused
from gristmill.extraction.engines.isolated_engine import IsolatedEngine, ProcessBounds
from tests.extraction import misbehaving_engines

REPOSITORY = Path(__file__).resolve().parents[2]
MEMORY = 300 * 2**20


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., IsolatedEngine]]:
    """Opens engines of ``misbehaving_engines`` in child processes, which end with the test."""
    monkeypatch.chdir(REPOSITORY)
    engines: list[IsolatedEngine] = []

    def make(
        load: Callable[[], ExtractionEngine] = misbehaving_engines.misbehaving, seconds: float = 20.0
    ) -> IsolatedEngine:
        engines.append(IsolatedEngine(load, ProcessBounds(seconds, MEMORY)))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


def refused(engine: IsolatedEngine, page: str) -> tuple[str, str]:
    with pytest.raises(PageRefused) as caught:
        engine(page)
    return caught.value.cause, caught.value.detail


def process_of(engine: IsolatedEngine) -> int:
    return int(engine("who").split()[1])


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone_within(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pid)


@pytest.mark.parametrize("page", ["", "x", "ü\u4e00\U0001f600\ud800\0", "x" * 3_000_000])
def test_pages_and_texts_are_transferred_unchanged(child: Callable[..., IsolatedEngine], page: str) -> None:
    assert child(misbehaving_engines.echo)(page) == page


def test_a_child_is_reused_and_ends_with_close(child: Callable[..., IsolatedEngine]) -> None:
    engine = child()
    first = process_of(engine)
    assert process_of(engine) == first != os.getpid()
    engine.close()
    assert not alive(first)
    assert process_of(engine) != first


@pytest.mark.parametrize(
    ("page", "cause", "detail"),
    [
        ("abort", "crash", "the extraction process was ended by SIGABRT"),
        ("fault", "crash", "the extraction process was ended by SIGSEGV"),
        ("exit", "crash", "the extraction process ended with status 5"),
        ("eat", "memory", f"more than {MEMORY:,} bytes of memory"),
        ("grab", "memory", "memory ran out"),
        ("killed", "memory", "memory ran out"),
    ],
)
def test_a_page_that_kills_its_child_does_not_affect_the_next_page(
    child: Callable[..., IsolatedEngine], page: str, cause: str, detail: str
) -> None:
    engine = child()
    before = process_of(engine)
    assert refused(engine, page) == (cause, detail)
    assert process_of(engine) != before
    assert not alive(before)


@pytest.mark.parametrize("page", ["loop", "hold"])
def test_a_page_that_hangs_times_out(child: Callable[..., IsolatedEngine], page: str) -> None:
    engine = child(seconds=0.5)
    before = process_of(engine)
    assert refused(engine, page) == ("timeout", "no answer in 0.5 s")
    assert process_of(engine) != before
    assert not alive(before)


@pytest.mark.parametrize(
    ("page", "cause", "detail"),
    [
        ("refuse", "too_deep", "elements nest deeper than 1"),
        ("recurse", "extract_error", "RecursionError: maximum recursion depth exceeded"),
        ("panic", "extract_error", "BaseException: a panic"),
    ],
)
def test_a_refusal_or_an_error_keeps_the_child(
    child: Callable[..., IsolatedEngine], page: str, cause: str, detail: str
) -> None:
    engine = child()
    before = process_of(engine)
    assert refused(engine, page) == (cause, detail)
    assert process_of(engine) == before


def test_a_page_that_killed_its_child_is_tried_once_more(child: Callable[..., IsolatedEngine], tmp_path: Path) -> None:
    mark = tmp_path / "died"
    engine = child(partial(misbehaving_engines.crash_once, str(mark)))
    assert engine("bad") == "bad"
    assert mark.exists()


def test_output_of_an_engine_is_ignored(child: Callable[..., IsolatedEngine]) -> None:
    engine = child()
    assert engine("print") == "printed"
    assert engine("next").startswith("next ")


def test_a_child_that_does_not_start_is_a_run_error(
    child: Callable[..., IsolatedEngine], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RunError, match=r"did not start \(the extraction process ended with status 1\)"):
        child(misbehaving_engines.broken)("x")
    assert "ValueError: no engine" in capfd.readouterr().err


def test_an_interrupted_request_leaves_no_response_behind(child: Callable[..., IsolatedEngine]) -> None:
    engine = child()
    before = process_of(engine)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        engine("loop")
    assert engine("next").startswith("next ")
    assert not alive(before)


def test_a_child_ignores_interrupts(child: Callable[..., IsolatedEngine]) -> None:
    engine = child()
    before = process_of(engine)
    os.kill(before, signal.SIGINT)
    assert process_of(engine) == before


@pytest.mark.parametrize("page", ["who", "hold"])
def test_a_child_ends_when_its_parent_is_killed(page: str) -> None:
    script = f"""
import sys, threading, time
from gristmill.extraction.engines.isolated_engine import IsolatedEngine, ProcessBounds
from tests.extraction import misbehaving_engines
engine = IsolatedEngine(misbehaving_engines.misbehaving, ProcessBounds(1.0, {MEMORY}))
print(engine("who").split()[1], flush=True)
threading.Thread(target=engine, args=({page!r},)).start()
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    time.sleep(0.2)
    assert alive(pid)
    parent.kill()
    parent.wait()
    assert gone_within(pid, 10.0)


def test_engines_in_several_threads_have_separate_children(child: Callable[..., IsolatedEngine]) -> None:
    engines = [child() for _ in range(3)]
    found: dict[int, set[int]] = {}

    def ask(number: int) -> None:
        found[number] = {process_of(engines[number]) for _ in range(200)}

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set().union(*found.values())) == 3
    assert all(len(pids) == 1 for pids in found.values())


def test_resident_memory_of_a_process() -> None:
    assert isolated_engine._resident(os.getpid()) > 10 * 2**20
    assert isolated_engine._resident(2**30) == 0

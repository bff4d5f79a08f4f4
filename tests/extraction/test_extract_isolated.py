"""Engines in a child process: what a wicked page costs, and what it does not."""

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
from gristmill.extraction.engines import isolated
from gristmill.extraction.engines.engine import ExtractionEngine, Refused
from gristmill.extraction.engines.isolated import Bounds, Isolated
from tests.extraction import extract_engines

REPOSITORY = Path(__file__).resolve().parents[2]
MEMORY = 300 * 2**20


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Isolated]]:
    """Engines of ``extract_engines`` in children, which end with the test."""
    monkeypatch.chdir(REPOSITORY)
    made: list[Isolated] = []

    def make(load: Callable[[], ExtractionEngine] = extract_engines.wicked, seconds: float = 20.0) -> Isolated:
        made.append(Isolated(load, Bounds(seconds, MEMORY)))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


def refused(engine: Isolated, page: str) -> tuple[str, str]:
    with pytest.raises(Refused) as caught:
        engine(page)
    return caught.value.cause, caught.value.detail


def process_of(engine: Isolated) -> int:
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
def test_pages_and_texts_go_through_as_they_are(child: Callable[..., Isolated], page: str) -> None:
    assert child(extract_engines.echo)(page) == page


def test_a_child_is_reused_and_ends_with_close(child: Callable[..., Isolated]) -> None:
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
def test_a_page_that_kills_costs_a_child_and_not_the_next_page(
    child: Callable[..., Isolated], page: str, cause: str, detail: str
) -> None:
    engine = child()
    before = process_of(engine)
    assert refused(engine, page) == (cause, detail)
    assert process_of(engine) != before
    assert not alive(before)


@pytest.mark.parametrize("page", ["loop", "hold"])
def test_a_page_that_hangs_is_ended(child: Callable[..., Isolated], page: str) -> None:
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
def test_an_answer_that_is_no_text_keeps_the_child(
    child: Callable[..., Isolated], page: str, cause: str, detail: str
) -> None:
    engine = child()
    before = process_of(engine)
    assert refused(engine, page) == (cause, detail)
    assert process_of(engine) == before


def test_a_page_that_died_is_tried_once_more_in_a_fresh_child(child: Callable[..., Isolated], tmp_path: Path) -> None:
    mark = tmp_path / "died"
    engine = child(partial(extract_engines.once, str(mark)))
    assert engine("bad") == "bad"
    assert mark.exists()


def test_what_an_engine_prints_is_no_answer(child: Callable[..., Isolated]) -> None:
    engine = child()
    assert engine("print") == "printed"
    assert engine("next").startswith("next ")


def test_a_child_that_does_not_start_is_no_fault_of_the_page(
    child: Callable[..., Isolated], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RunError, match=r"did not start \(the extraction process ended with status 1\)"):
        child(extract_engines.broken)("x")
    assert "ValueError: no engine" in capfd.readouterr().err


def test_an_interrupted_question_leaves_no_answer_for_the_next(child: Callable[..., Isolated]) -> None:
    engine = child()
    before = process_of(engine)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        engine("loop")
    assert engine("next").startswith("next ")
    assert not alive(before)


def test_a_child_does_not_hear_interrupts(child: Callable[..., Isolated]) -> None:
    engine = child()
    before = process_of(engine)
    os.kill(before, signal.SIGINT)
    assert process_of(engine) == before


@pytest.mark.parametrize("page", ["who", "hold"])
def test_a_child_ends_with_a_parent_that_is_killed(page: str) -> None:
    script = f"""
import sys, threading, time
from gristmill.extraction.engines.isolated import Bounds, Isolated
from tests.extraction import extract_engines
engine = Isolated(extract_engines.wicked, Bounds(1.0, {MEMORY}))
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


def test_engines_of_many_threads_have_children_of_their_own(child: Callable[..., Isolated]) -> None:
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


def test_memory_is_watched_where_the_kernel_tells() -> None:
    assert isolated._resident(os.getpid()) > 10 * 2**20
    assert isolated._resident(2**30) == 0

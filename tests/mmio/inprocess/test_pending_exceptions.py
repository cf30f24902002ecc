"""Exceptions that no handler can hold: Ctrl-C, and what is raised where no caller catches it."""

import gc
import signal
import sys
import time
from _thread import start_new_thread
from collections.abc import Callable, Iterator
from ctypes import CDLL, CFUNCTYPE, c_int
from pathlib import Path
from types import FrameType

import pytest

from mmio.inprocess import Mapping, ioremap, pending_exceptions
from tests.mmio.inprocess.models import Bytes, Raising
from tests.native import build_c, compile_c, run_python

SOURCE = """
#include <signal.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>
typedef volatile uint32_t reg;
int spin(reg *p) { while (!p[4]); return 1; }
int alarmed(reg *p) { ualarm(2000, 0); return spin(p); }
int rd(reg *p) { return p[4]; }
int interrupted(reg *p, int number) { raise(number); return p[4]; }
int copy(reg *p, uint32_t *to, int count) {
    __asm__ volatile("rep movsl" : "+S"(p), "+D"(to), "+c"(count) :: "memory");
    return count;
}
int callback(int (*call)(void)) { return call(); }
int wait(reg *p) { (void)p[0]; for (;;) if (p[4]) return 1; }
"""

POLLER = """
import os, random, signal, sys, threading, time
from ctypes import CDLL, create_string_buffer
from mmio.inprocess import ioremap

driver = CDLL(sys.argv[1])
times = int(sys.argv[3])

class Idle:
    length = 4096
    def read(self, offset, width):
        return 0
    def write(self, offset, width, value):
        pass

def interrupt():
    for _ in range(times):
        ready.acquire()
        time.sleep(random.random() / 50)
        os.kill(os.getpid(), signal.SIGINT)

ready = threading.Semaphore(0)
with ioremap(Idle()) as mapping:
    mapping.trace.enabled = False
    caught = 0
    threading.Thread(target=interrupt, daemon=True).start()
    buffer = create_string_buffer(4096)
    while caught < times:
        try:
            ready.release()
            if sys.argv[2] == "spin":
                driver.spin(mapping)
            while sys.argv[2] == "copy":
                driver.copy(mapping, buffer, 1024)
        except KeyboardInterrupt as error:
            names = []
            traceback = error.__traceback__
            while traceback:
                names.append(traceback.tb_frame.f_code.co_name)
                traceback = traceback.tb_next
            assert names[0] == "<module>", names
            caught += 1
print(caught)
"""


@pytest.fixture
def driver(tmp_path: Path) -> CDLL:
    return compile_c(SOURCE, tmp_path)


@pytest.mark.parametrize("loop", ["spin", "copy"])
def test_ctrl_c_in_a_polling_loop(tmp_path: Path, loop: str) -> None:
    """Ctrl-C ends a C loop that polls a device for ever, every time, and nothing is printed or lost."""
    done = run_python(POLLER, str(build_c(SOURCE, tmp_path)), loop, "50")
    assert (done.returncode, done.stdout, done.stderr) == (0, "50\n", "")


@pytest.fixture
def mapping() -> Iterator[Mapping]:
    with ioremap(Bytes(4096)) as mapping:
        yield mapping


def test_ctrl_c_before_an_access(driver: CDLL, mapping: Mapping) -> None:
    """Ctrl-C that came while C code ran is raised at the next access, from the call, and the model is not asked."""
    for _ in range(20):
        with pytest.raises(KeyboardInterrupt):
            driver.interrupted(mapping, signal.SIGINT)
    assert len(mapping.trace) == 0
    assert driver.rd(mapping) == 0


def test_any_signal_handler_may_raise(driver: CDLL, mapping: Mapping) -> None:
    """So it is with any exception of a Python signal handler, such as a timeout's."""

    def on_alarm(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError("too long")

    old = signal.signal(signal.SIGALRM, on_alarm)
    try:
        for _ in range(10):
            with pytest.raises(TimeoutError, match="too long"):
                driver.alarmed(mapping)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def test_what_a_signal_handler_raises_in_a_collection(driver: CDLL, mapping: Mapping) -> None:
    """Nor is it lost when it is raised in a callback of the garbage collector's, out of which nothing comes."""

    def collecting(_phase: str, _information: dict[str, int]) -> None:
        for _ in range(50):
            pass

    def on_alarm(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError("too long")

    old, threshold = signal.signal(signal.SIGALRM, on_alarm), gc.get_threshold()
    gc.callbacks.append(collecting)
    gc.set_threshold(1)
    try:
        for _ in range(40):
            with pytest.raises(TimeoutError, match="too long"):
                driver.alarmed(mapping)
    finally:
        gc.set_threshold(*threshold)
        gc.callbacks.remove(collecting)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def test_signal_handler_that_returns(driver: CDLL, mapping: Mapping) -> None:
    """A Python signal handler that returns does not disturb the driver."""
    seen: list[int] = []
    old = signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    try:
        assert driver.interrupted(mapping, signal.SIGUSR1) == 0
    finally:
        signal.signal(signal.SIGUSR1, old)
    assert seen == [signal.SIGUSR1]
    assert len(mapping.trace) == 1


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[BaseException | None]:
    """What reaches the hook that was there before pagetrap's."""
    seen: list[BaseException | None] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: seen.append(args.exc_value))
    return seen


def failing(function: Callable[[], int]) -> Callable[[], int]:
    return CFUNCTYPE(c_int)(function)


def test_other_unraisable_exceptions_pass(driver: CDLL, unraisable: list[BaseException | None]) -> None:
    """An exception in a foreign callback goes to the hook that was there before."""

    def fail() -> int:
        raise KeyError("theirs")

    with ioremap(Bytes(8)):
        driver.callback(failing(fail))
    assert [str(error) for error in unraisable] == ["'theirs'"]


def test_uncaught_in_a_callback(driver: CDLL, unraisable: list[BaseException | None]) -> None:
    """An exception of a model that comes out of a call in a callback, and is not caught there, is the callback's."""
    error = KeyError("model")
    with ioremap(Raising(error)) as mapping:
        driver.callback(failing(lambda: int(driver.rd(mapping))))
    assert unraisable == [error]


def test_nothing_stays_behind(driver: CDLL) -> None:
    """After exceptions have come out, none is under way or waiting."""
    with ioremap(Raising(KeyError)) as mapping:
        for _ in range(10):
            with pytest.raises(KeyError):
                driver.rd(mapping)
    assert pending_exceptions.pending == {}


def test_exception_while_leaving() -> None:
    """An exception that takes the place of one under way points to it."""
    first, second = KeyError(1), KeyError(2)
    words = [0] * 32
    pending_exceptions.raise_on_return(words, first)
    pending_exceptions.raise_on_return(words, second)
    assert pending_exceptions.Carrier() is second
    assert second.__context__ is first


def test_a_thread_that_has_not_begun_raises_nothing_of_its_maker(driver: CDLL) -> None:
    """Until it begins, its state in Python 3.11 has the number of the thread that started it, which raises at once."""
    ran: list[int] = []
    with ioremap(Raising(LookupError)) as mapping:
        for number in range(20):
            start_new_thread(ran.append, (number,))
            with pytest.raises(LookupError):
                driver.rd(mapping)
    patience = time.monotonic() + 10
    while len(ran) < 20 and time.monotonic() < patience:
        time.sleep(0.001)
    assert sorted(ran) == list(range(20))

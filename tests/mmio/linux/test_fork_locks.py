"""A child made by fork takes every lock, whatever other threads were doing."""

import os
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from mmio import AddressSpace, Trace, writer
from mmio.live import own_slots
from mmio.traces.gathered import Gathered
from tests.mmio.doubles import Log

PATIENCE = 20.0  # seconds


class Sink:
    """A sink that keeps nothing."""

    def write(self, record: object) -> None:
        """Do nothing."""


def writer_lock(directory: Path) -> Any:
    """Return the lock of a writer."""
    return writer(directory / "trace.jsonl", format="jsonlines")._lock


LOCKS: dict[str, Callable[[Path], Any]] = {
    "a trace": lambda directory: Trace()._lock,
    "traces in one file": lambda directory: Gathered(Sink())._lock,
    "an address space": lambda directory: AddressSpace(Log()).lock,
    "a trace file": writer_lock,
    "out-of-line slots": lambda directory: own_slots._lock,
}


def takes(lock: Any) -> bool:
    """Fork, and return whether the child can take a lock."""
    child = os.fork()
    if not child:
        os._exit(not lock.acquire(timeout=PATIENCE))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("owner", LOCKS)
def test_a_lock_of_another_thread(owner: str, tmp_path: Path) -> None:
    """A lock that another thread holds while this one forks is free in the child."""
    lock = LOCKS[owner](tmp_path)
    held, forked = Event(), Event()

    def hold() -> None:
        with lock:
            held.set()
            forked.wait(1)  # fork waits for some locks

    thread = Thread(target=hold)
    thread.start()
    held.wait()
    assert takes(lock)
    forked.set()
    thread.join()
    with lock:
        assert takes(lock)
    assert not lock._is_owned()

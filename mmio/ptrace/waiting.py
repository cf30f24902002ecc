"""Wait for the next traced thread that changes state, and for no other child.

`waitpid(-1)` would also take the exit status of every other child of this process from the code that waits for it, such
as `subprocess`. So with one traced thread we wait for that one, and with more we first look who it is. When it is
a child of other code that ended, it stays the first to be told of; until it has been waited for, our threads are asked
in turn.

The kernel tells of the first thread in its list that has changed, however often that one does. So that the others get
their turn, too, one is asked each time before all are.
"""

import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from mmio.linux import proc_maps
from mmio.ptrace import ptrace_requests

_PAUSE: Final = 0.0005  # seconds between two rounds of asking


class Waiting:
    """Waits for the threads of a mapping by their numbers, which may change at any time."""

    def __init__(self, threads: Mapping[int, Any]) -> None:
        self._threads = threads
        self._turn = 0

    def wait(self) -> tuple[int, int]:
        """Return the number of a thread and its wait status; `(0, 0)` when a signal came to us.

        A thread that is new, and of which its maker has not told yet, is among them.
        """
        if len(self._threads) == 1:
            (pid,) = self._threads
            return ptrace_requests.wait(pid)
        pids = list(self._threads)
        self._turn = (self._turn + 1) % len(pids)
        found = ask(pids[self._turn])
        if found[0]:
            return found
        pid, trapped = ptrace_requests.peek()
        if pid == 0 or pid in self._threads or trapped:
            return ask(pid) if pid else (0, 0)  # it may have been killed just now, and have nothing to tell yet
        return self._ask_each()

    def _ask_each(self) -> tuple[int, int]:
        for pid in list(self._threads):
            found = ask(pid)
            if found[0]:
                return found
        time.sleep(_PAUSE)
        return 0, 0


def ask(pid: int) -> tuple[int, int]:
    """Return a thread's change if it has one, else `(0, 0)`.

    A thread other than the first that executes a program takes the first one's number, and its own is gone without a
    word (ptrace(2), "execve(2) under ptrace"). Until the exec itself is told of, it is a thread with nothing to tell.
    """
    try:
        return ptrace_requests.wait(pid, hang=False)
    except ChildProcessError:
        return 0, 0


def await_end(pid: int) -> int:
    """Return the wait status of a process's first thread that is about to end, 0 when it has not yet.

    It ends after all others of its process, which may continue without us. Then it is waited for beside us: until its
    tracer has been told, a process does not end for its parent. Where we are the parent, our user waits for it.
    """
    _, status = ask(pid)
    if not status and proc_maps.parent_of(pid) not in (0, os.getpid()):
        threading.Thread(target=_take_end, args=(pid,), daemon=True).start()
    return status


def _take_end(pid: int) -> None:
    with suppress(ChildProcessError):  # told to another already
        while not ptrace_requests.wait(pid)[0]:
            pass

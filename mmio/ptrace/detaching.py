"""Bring the threads of attached processes to a stop at which the tracer can detach from them.

All are asked to stop, and taken in the order in which they do. One after the other would not end: a thread may wait in
the kernel for others, where it does not stop. execve waits until every other thread of the process has ended, and each
of them stops when it does; vfork waits until the child has executed a program or has ended (ptrace(2), vfork(2)). So a
child of vfork is asked after its maker.
"""

import os
import signal
from contextlib import suppress

from mmio.linux import proc_maps
from mmio.ptrace import ptrace_requests, sigmask
from mmio.ptrace.event_loop import ACCESS_STATUS, CALL_STATUS, EventLoop
from mmio.ptrace.thread import Thread, ThreadGone
from mmio.ptrace.waiting import Waiting, await_end


class Detaching:
    """The threads of attached processes, on their way to rest.

    Attributes:
        pending: by thread that is at rest, the wait status that holds the signal to let it continue with, or 0.
        failures: what devices raised at accesses that were made on the way.
    """

    def __init__(self, event_loop: EventLoop, waiting: Waiting) -> None:
        self.pending: dict[int, int] = {}
        self.failures: list[Exception] = []
        self._event_loop = event_loop
        self._threads = event_loop.threads
        self._waiting = waiting
        self._asked: set[int] = set()

    def bring_to_rest(self) -> None:
        """Return when each thread is at rest, or gone."""
        while self._moving():
            for thread in self._moving():
                if thread.pid not in self._asked and not self._is_awaited(thread):
                    self._asked.add(thread.pid)
                    with suppress(ProcessLookupError):  # it has been killed, and will tell
                        self._ask(thread)
            if self._moving():
                pid, status = self._waiting.wait()
                while pid:
                    pid, status = self._changed(pid, status)
        for leader in self._attached():
            if leader.pid not in self.pending:  # it may have to wait for those that continue without us
                self._event_loop.gone(leader.pid, await_end(leader.pid))

    def let_go(self, thread: Thread) -> None:
        """Detach from a thread that is at rest."""
        try:
            sigmask.leave(thread)
            ptrace_requests.request(ptrace_requests.DETACH, thread.pid, 0, self.pending[thread.pid] >> 8 & 0x7F)
        except ProcessLookupError:  # killed where it was at rest, perhaps by a thread that has been let go before it
            _let_end(thread.pid)
        self._event_loop.forget(thread)

    def _attached(self) -> list[Thread]:
        return [thread for thread in self._threads.values() if thread.process.attached]

    def _moving(self) -> list[Thread]:
        """Return the threads that are not yet at rest.

        The first of a process that has stopped for the last time is none of them, but stays known: when another thread
        executes a program, the first ends, and the other continues under its number.
        """
        return [thread for thread in self._attached() if thread.pid not in self.pending and not _is_last(thread)]

    def _is_awaited(self, thread: Thread) -> bool:
        """Return whether the thread that has made this one by vfork cannot stop before this one has continued."""
        maker = thread.vfork_maker
        return maker is not None and self._threads.get(maker.pid) is maker and maker.pid not in self.pending

    def _ask(self, thread: Thread) -> None:
        """Ask a thread to stop, if there is need to."""
        if _is_stopped(thread.pid):  # what it stopped at could not be dealt with
            self.pending[thread.pid] = 0
        else:
            ptrace_requests.request(ptrace_requests.INTERRUPT, thread.pid)

    def _changed(self, pid: int, status: int) -> tuple[int, int]:
        """Deal with a change of a thread's; return the next one when it is known already."""
        try:
            if pid not in self._asked or pid not in self._threads or not os.WIFSTOPPED(status):
                self._event_loop.handle(pid, status)
            else:
                self._stopped(self._threads[pid], status)
        except ProcessLookupError:
            pass  # it was killed while it was stopped; how, it will tell
        except ThreadGone as gone:
            return gone.pid, gone.status
        except Exception as error:  # a device's; the thread stands where it was
            self.failures.append(error)
            self._asked.discard(pid)
        return 0, 0

    def _stopped(self, thread: Thread, status: int) -> None:
        """Leave a thread that was asked to stop where it is, if it can be let go there."""
        pid, event, number = thread.pid, status >> 16, os.WSTOPSIG(status)
        self.pending.pop(pid, None)  # something has taken it out of its rest
        if event == ptrace_requests.EVENT_EXIT and thread.group != pid:
            self._event_loop.adopt_untold(thread)
            ptrace_requests.request(ptrace_requests.DETACH, pid)
            self._event_loop.forget(thread)
        elif event == ptrace_requests.EVENT_STOP and proc_maps.is_pending(pid, signal.SIGSEGV):
            # The thread has faulted already, and the kernel reported our request before that.
            thread.go(ptrace_requests.CONT)
        elif event == ptrace_requests.EVENT_STOP or (not event and status != CALL_STATUS):
            self._event_loop.leave_slot(thread)
            silent = event or (status == ACCESS_STATUS and _is_access(thread))
            self.pending[pid] = 0 if silent else number << 8
        elif event == ptrace_requests.EVENT_EXIT:
            self._event_loop.handle(pid, status)
        else:
            # Again: the kernel forgets the request at any other stop.
            ptrace_requests.request(ptrace_requests.INTERRUPT, pid)
            self._event_loop.handle(pid, status)


def _let_end(pid: int) -> None:
    """Detach from a thread that has been killed: it stops once more before it ends, or has ended."""
    status = 0
    with suppress(ChildProcessError, ProcessLookupError):
        while not status:
            _, status = ptrace_requests.wait(pid)
        if os.WIFSTOPPED(status):
            ptrace_requests.request(ptrace_requests.DETACH, pid)


def _is_last(thread: Thread) -> bool:
    """Return whether a thread is its process's first, and is told gone after all others only."""
    return thread.ending and thread.group == thread.pid


def _is_access(thread: Thread) -> bool:
    """Return whether a thread stopped at SIGSEGV has done so at a trapped address."""
    thread.load_signal()
    return bool(thread.process.traps(thread.info.address))


def _is_stopped(pid: int) -> bool:
    """Return whether a thread is stopped and has told us so before; what it has yet to tell can be waited for."""
    try:
        ptrace_requests.signal_mask(pid)
    except ProcessLookupError:
        return False
    return not ptrace_requests.peek(pid)[0]

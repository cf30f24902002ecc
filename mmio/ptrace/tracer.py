"""Tracing other programs: every access they make to chosen files, addresses and ports, one stop each.

Here is how tracing begins and ends; what happens in between is in `event_loop.py`.

ptrace belongs to a thread: the thread that spawns or attaches must also run.
"""

import atexit
import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from mmio.closing import Closing
from mmio.linux import proc_maps
from mmio.program.redirect import Redirects
from mmio.program.targeting import Targeting
from mmio.ptrace import ptrace_requests, sigmask, spawn_attach
from mmio.ptrace.event_loop import ACCESS_STATUS, CALL_STATUS, EventLoop
from mmio.ptrace.interrupts import Interrupts
from mmio.ptrace.syscalls import TracedCalls
from mmio.ptrace.thread import Thread, ThreadGone
from mmio.ptrace.waiting import Waiting, await_end
from mmio.space.space import AddressSpace
from mmio.traces.trace import Trace


class Tracer(Closing, Targeting):
    """Traces programs: those it has spawned or attached to, all their threads, and all processes these make.

        tracer = Tracer()
        tracer.map_file("/dev/mem", card, offset=0xFE000000, length=0x1000)
        tracer.spawn(["devmem", "0xfe000010"])
        status = tracer.run()
        print(tracer.trace)

    Name the targets first. Everything must happen in one thread. Closing the tracer (leaving its `with` statement)
    kills the programs it has spawned and detaches from those it has attached to.

    Attributes:
        trace: the accesses.
    """

    def __init__(self, trace: Trace | None = None) -> None:
        super().__init__(trace)
        self._redirects = Redirects(self._targets, lambda: AddressSpace(self.trace))
        self._calls = TracedCalls(self._targets, self._redirects)
        self._event_loop = EventLoop(self._calls)
        self._threads = self._event_loop.threads
        self._waiting = Waiting(self._threads)
        self._first: int | None = None

    def spawn(
        self,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        directory: str | None = None,
        descriptors: Mapping[int, int] | None = None,
    ) -> int:
        """Start a program, stopped before its first instruction; return the number of its process.

        Args:
            arguments: the first is the program, looked for in PATH.
            environment: this process's own when left out.
            directory: where it runs.
            descriptors: of this process, by the number the program will know them under: `{1: output.fileno()}`.

        Raises:
            FileNotFoundError: there is no such program.
            OSError: it cannot be executed, or nothing may be traced here.
        """
        environment = os.environ if environment is None else environment
        thread = spawn_attach.spawn(arguments, environment, directory, descriptors or {}, self._targets, self.trace)
        self._threads[thread.pid] = thread
        self._event_loop.executed(thread)
        thread.resume()
        if self._first is None:
            self._first = thread.pid
        return thread.pid

    def attach(self, pid: int) -> None:
        """Begin to trace a running process, in all its threads.

        Raises:
            ProcessLookupError: there is no such process.
            PermissionError: it may not be traced.
            ValueError: real ports are a target: it may have the right to them already, and the kernel does not say.
        """
        if self._targets.real_ports:
            raise ValueError("real ports can be traced in a program from its start only: spawn it")
        threads, statuses = spawn_attach.attach(pid, self._targets, self.trace)
        self._threads |= {thread.pid: thread for thread in threads}
        atexit.register(self.close)  # whatever ends us in the meantime
        for thread in threads:
            sigmask.take(thread)
        self._calls.trap_mapped(_at_rest(threads, statuses))
        for thread in threads:
            with suppress(ProcessLookupError):
                self._event_loop.handle(thread.pid, statuses[thread.pid])
        if self._first is None:
            self._first = pid

    def run(self) -> int:
        """Trace until all programs have ended; return how the first one did: its exit status, or minus a signal.

        Ctrl-C is the program's to deal with, which the terminal gives it, too; the tracer detaches from what it has
        attached to, waits for what it has spawned, and then raises KeyboardInterrupt. A second one ends it all at once.

        Raises:
            Exception: whatever a device raised, or `UnsupportedInstruction`; the trace is complete up to there, spawned
                programs are killed, and attached ones go on without us.
        """
        with Interrupts() as interrupts:
            try:
                while self._threads:
                    pid, status = self._waiting.wait()
                    while pid:
                        pid, status = self._event_loop.stopped(pid, status, interrupts)
                    if interrupts.number and not interrupts.told:
                        interrupts.told = True
                        self._interrupted(interrupts.number)
            finally:
                self.close()
            interrupts.fulfil()
        self.warn_of_unmatched()
        first, self._first = self._first, None
        status = self._event_loop.ends.get(first or 0, 0)
        self._event_loop.ends.clear()
        return os.waitstatus_to_exitcode(status)

    def detach(self) -> None:
        """Detach from the processes that were attached to: their mappings are restored, and they run on.

        Descriptors of files that were answered by devices stay what they are then: empty memory files.
        """
        processes = {thread.process for thread in self._threads.values() if thread.process.attached}
        pending: dict[int, int] = {}
        while moving := [
            self._threads[tid] for p in processes for tid in p.threads if tid not in pending and tid in self._threads
        ]:
            for thread in moving:
                with suppress(ProcessLookupError):
                    self._bring_to_rest(thread, pending)
            processes |= {thread.process for thread in self._threads.values() if thread.process.attached}
        for process in processes:
            threads = [self._threads[tid] for tid in process.threads if tid in self._threads]
            if threads:
                with suppress(ProcessLookupError, ThreadGone):
                    self._calls.release(_at_rest(threads, pending))
            for thread in threads:
                with suppress(ProcessLookupError):
                    sigmask.leave(thread)
                    ptrace_requests.request(ptrace_requests.DETACH, thread.pid, 0, pending[thread.pid] >> 8 & 0x7F)
                self._event_loop.forget(thread)
        atexit.unregister(self.close)

    def kill(self) -> None:
        """Kill the programs we have spawned, and wait until they are gone."""
        spawned = [thread for thread in self._threads.values() if not thread.process.attached]
        known = {thread.pid for thread in spawned} | set(self._event_loop.early)
        for thread in spawned:  # when there is no descriptor left, /proc cannot be read
            thread.process.close()
        groups = {proc_maps.group_of(pid) for pid in known if proc_maps.threads(pid)}
        for leader in groups:
            with suppress(ProcessLookupError):
                os.kill(leader, signal.SIGKILL)
        # All threads, also those we have not heard of yet, and the leader last: it is not reported gone before them.
        threads = [thread for leader in groups for thread in proc_maps.threads(leader) if thread != leader]
        for pid in (*threads, *groups, *known):
            self._event_loop.gone(pid, spawn_attach.end_of(pid))

    def close(self) -> None:
        """Detach and kill: nothing is traced any more."""
        try:
            self.detach()
        finally:
            self.kill()

    def _spaces(self) -> Iterable[AddressSpace]:
        return {thread.process.space: None for thread in self._threads.values()}

    def _bring_to_rest(self, thread: Thread, pending: dict[int, int]) -> None:
        """Stop a thread in a place where it can be let go, and note with which signal."""
        if _is_stopped(thread.pid):  # what it stopped at could not be dealt with
            pending[thread.pid] = 0
            return
        if thread.ending and thread.group == thread.pid:  # it may have to wait for those that go on without us
            self._event_loop.gone(thread.pid, await_end(thread.pid))
            return
        ptrace_requests.request(ptrace_requests.INTERRUPT, thread.pid)
        pid, status = 0, 0
        while True:
            while not pid:
                pid, status = ptrace_requests.wait(thread.pid)
            event, number = status >> 16, os.WSTOPSIG(status)
            if os.WIFSTOPPED(status) and event == ptrace_requests.EVENT_EXIT:
                ptrace_requests.request(ptrace_requests.DETACH, pid)
                self._event_loop.forget(thread)
                return
            stopped = os.WIFSTOPPED(status) and event == ptrace_requests.EVENT_STOP
            if stopped and proc_maps.is_pending(pid, signal.SIGSEGV):
                # The thread has faulted already, and the kernel reported our request before that.
                thread.go(ptrace_requests.CONT)
                pid = 0
                continue
            if os.WIFSTOPPED(status) and (event == ptrace_requests.EVENT_STOP or (not event and status != CALL_STATUS)):
                self._event_loop.leave_slot(thread)
                silent = event or (status == ACCESS_STATUS and self._is_ours(thread))
                pending[pid] = 0 if silent else number << 8
                return
            if os.WIFSTOPPED(status):
                # Again: the kernel forgets the request at any other stop.
                ptrace_requests.request(ptrace_requests.INTERRUPT, pid)
            try:
                self._event_loop.handle(pid, status)
                pid = 0
            except ThreadGone as gone:
                status = gone.status
            if thread.pid not in self._threads:
                return

    def _is_ours(self, thread: Thread) -> bool:
        thread.load_signal()
        return bool(thread.process.traps(thread.info.address))

    def _interrupted(self, number: int) -> None:
        """End on request: detach from attached programs, and signal the others."""
        self.detach()
        if not (number == signal.SIGINT and _from_terminal()):
            for thread in list(self._threads.values()):
                with suppress(ProcessLookupError):
                    if thread.group == thread.pid:
                        os.kill(thread.pid, number)


def _at_rest(threads: Sequence[Thread], statuses: Mapping[int, int]) -> Thread:
    """Return a thread that no signal is about to be delivered to, if there is one."""
    return min(threads, key=lambda thread: statuses[thread.pid] >> 16 == 0 and statuses[thread.pid] != 0)


def _is_stopped(pid: int) -> bool:
    """Return whether a thread is stopped and has told us so before; what it has yet to tell can be waited for."""
    try:
        ptrace_requests.signal_mask(pid)
    except ProcessLookupError:
        return False
    return not ptrace_requests.peek(pid)[0]


def _from_terminal() -> bool:
    """Return whether a terminal gives its Ctrl-C to all of this process group."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)

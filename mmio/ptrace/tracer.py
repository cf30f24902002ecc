"""Trace other programs: one stop for each access to chosen files, addresses and ports.

Here is how tracing begins and ends; what happens in between is in `event_loop.py`.

ptrace belongs to a thread: the thread that spawns or attaches must also run.
"""

import atexit
import os
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from mmio.arguments import integer, path, shortened
from mmio.closing import Closing
from mmio.linux import proc_maps
from mmio.live.gil import need_gil
from mmio.program.accessing import Accessing
from mmio.program.redirect import Redirects
from mmio.program.targeting import Targeting, program_arguments, program_environment
from mmio.ptrace import sigmask, spawn_attach
from mmio.ptrace.detaching import Detaching
from mmio.ptrace.event_loop import EventLoop
from mmio.ptrace.interrupts import Interrupts
from mmio.ptrace.syscalls import TracedCalls
from mmio.ptrace.thread import Thread, ThreadGone
from mmio.ptrace.virtual_waits import IdleWaiting, KernelWaits
from mmio.ptrace.waiting import Waiting
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
        need_gil()
        super().__init__(trace)
        self._redirects = Redirects(self._targets, lambda: AddressSpace(self.trace))
        self._calls = TracedCalls(self._targets, self._redirects)
        self._event_loop = EventLoop(self._calls)
        self._threads = self._event_loop.threads
        self._waiting = Waiting(self._threads)
        self._first: int | None = None

    @property
    def processes(self) -> list[int]:
        """The PIDs of the processes that are traced, the one first whose access is being made."""
        served = self._threads.get(self._event_loop.served)
        threads = [*([] if served is None else [served]), *self._threads.values()]
        return list(dict.fromkeys(thread.process.pid for thread in threads))

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
            TypeError, ValueError: an argument is not what it should be.
        """
        time = self._calls.follow_time()
        if time is not None and time.time.waiter is None:
            time.time.waiter = KernelWaits(time, self._threads)
            self._waiting = IdleWaiting(self._threads, time)
            self._event_loop.alone = 0
        arguments = program_arguments(arguments)
        environment = program_environment(environment)
        if directory is not None:
            directory = path("directory", directory)
        thread = spawn_attach.spawn(
            arguments, environment, directory, _descriptors(descriptors), self._targets, self.trace
        )
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
            OSError: a system call that pagetrap makes in it failed, or the seccomp filter of the process forbids that
                call. The process continues without the tracer.
            ValueError: real ports are a target: it may have the right to them already, and the kernel does not say. Or
                virtual time is wanted.
            TypeError: the pid is no int.
        """
        pid = integer("pid", pid, least=1)
        if self._targets.clock is not None:
            raise ValueError("a program has virtual time from its start, or not at all: spawn it")
        if self._targets.real_ports:
            raise ValueError("real ports can be traced in a program from its start only: spawn it")
        threads, statuses = spawn_attach.attach(pid, self._targets, self.trace)
        self._threads |= {thread.pid: thread for thread in threads}
        atexit.register(self.close)  # whatever ends us in the meantime
        for thread in threads:
            sigmask.take(thread)
        calling = _at_rest(threads, statuses)
        swallowed = os.WSTOPSIG(statuses[calling.pid]) if _at_signal(statuses[calling.pid]) else 0
        if swallowed:
            calling.load_signal()
        try:
            self._calls.trap_mapped(calling)
        except BaseException:
            self._abandon(calling, threads, statuses)
            raise
        for thread in threads:
            with suppress(ProcessLookupError):
                if swallowed and thread is calling:
                    self._event_loop.send_again(thread, swallowed)
                else:
                    self._event_loop.handle(thread.pid, statuses[thread.pid])
        if self._first is None:
            self._first = pid

    def run(self) -> int:
        """Trace until all programs have ended; return how the first one did: its exit status, or minus a signal.

        Ctrl-C reaches the program as well, which may handle it. The tracer detaches from attached processes, waits for
        spawned ones, and then raises KeyboardInterrupt. A second Ctrl-C ends everything at once.

        Raises:
            Exception: whatever a device raised, or `UnsupportedInstruction`; the trace is complete up to there, spawned
                programs are killed, and attached ones continue without the tracer.
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

        Raises:
            Exception: a device raised it, at an access that a thread made before it could be stopped.
        """
        detaching = Detaching(self._event_loop, self._waiting)
        detaching.bring_to_rest()
        pending = detaching.pending
        processes = {thread.process for thread in self._threads.values() if thread.process.attached}
        for process in processes:
            threads = [self._threads[tid] for tid in process.threads if tid in self._threads]
            if threads:
                with suppress(ProcessLookupError, ThreadGone):
                    self._calls.release(_at_rest(threads, pending), threads)
            for thread in threads:
                detaching.let_go(thread)
        atexit.unregister(self.close)
        if detaching.failures and sys.exc_info()[1] is None:  # else the first failure is on its way already
            raise detaching.failures[0]

    def kill(self) -> None:
        """Kill the spawned programs, and wait until they have ended."""
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

    @property
    def _accessing(self) -> Accessing | None:
        thread = self._threads.get(self._event_loop.served)
        return None if thread is None else Accessing(thread.pid, thread.process)

    def _abandon(self, calling: Thread, threads: Sequence[Thread], statuses: Mapping[int, int]) -> None:
        """Detach from a process whose mappings could not be trapped. Its threads are as they stopped."""
        with suppress(OSError, ThreadGone):
            self._calls.release(calling, threads)
        detaching = Detaching(self._event_loop, self._waiting)
        for thread in threads:
            status = statuses[thread.pid]
            detaching.pending[thread.pid] = status if _at_signal(status) else 0
            detaching.let_go(thread)

    def _spaces(self) -> Iterable[AddressSpace]:
        return {thread.process.space: None for thread in self._threads.values()}

    def _interrupted(self, number: int) -> None:
        """End on request: detach from attached programs, and signal the others."""
        self.detach()
        if not (number == signal.SIGINT and _from_terminal()):
            for thread in list(self._threads.values()):
                with suppress(ProcessLookupError):
                    if thread.group == thread.pid:
                        os.kill(thread.pid, number)


def _descriptors(given: Any) -> dict[int, int]:
    """Check which descriptors a program is to have."""
    if given is None:
        return {}
    numbers = [*given, *given.values()] if isinstance(given, Mapping) else [None]
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise TypeError(f"descriptors are a mapping of ints, such as {{1: output.fileno()}}, not {shortened(given)}")
    return dict(given)


def _at_rest(threads: Sequence[Thread], statuses: Mapping[int, int]) -> Thread:
    """Return a thread that no signal is about to be delivered to, if there is one."""
    return min(threads, key=lambda thread: _at_signal(statuses[thread.pid]))


def _at_signal(status: int) -> bool:
    """Return whether a thread has stopped because a signal is about to be delivered to it."""
    return os.WIFSTOPPED(status) and status >> 16 == 0


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

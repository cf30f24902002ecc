"""Tracing other programs: every access they make to chosen files, addresses and ports, one stop each.

The loop waits for any thread that is traced, finds out why it stopped, and lets it go. The order of the questions is
the order of how often they are asked: a trapped access first.

ptrace belongs to a thread: whoever spawns or attaches must also run.
"""

import os
import signal
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

from mmio.ptrace import begin, calls, faults, maps, native
from mmio.ptrace.interrupts import Interrupts
from mmio.ptrace.redirect import Redirects
from mmio.ptrace.regs import ARGUMENTS, CODE_32, CS, ORIG_RAX, RIP
from mmio.ptrace.syscalls import SystemCalls
from mmio.ptrace.table import NAMES
from mmio.ptrace.targets import FileTarget, PortTarget, RangeTarget, Redirection, Targets
from mmio.ptrace.thread import ENTRY, EXIT, Thread, ThreadGone
from mmio.ptrace.trip import ACCESS, CHANGED, functions
from mmio.ptrace.waiting import Waiting
from mmio.region import DeviceLike
from mmio.space import AddressSpace
from mmio.trace import Trace

_ACCESS: Final = signal.SIGSEGV << 8 | 0x7F  # the wait status of a thread stopped at SIGSEGV
_CALL: Final = (signal.SIGTRAP | 0x80) << 8 | 0x7F
_NEW_THREAD: Final = (calls.EVENT_FORK, calls.EVENT_VFORK, calls.EVENT_CLONE)
_SHARED_MEMORY: Final = 0x100  # CLONE_VM


class Tracer:
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
        self.trace = Trace() if trace is None else trace
        self._targets = Targets()
        self._redirects = Redirects(self._targets, lambda: AddressSpace(self.trace))
        self._calls = SystemCalls(self._targets, self._redirects)
        self._threads: dict[int, Thread] = {}
        self._waiting = Waiting(self._threads)
        self._early: dict[int, int] = {}  # stops of threads whose making we have not heard of
        self._first: int | None = None
        self._status: int | None = None

    def map_file(
        self,
        file: str | int,
        device: DeviceLike | None = None,
        *,
        offset: int = 0,
        length: int | None = None,
        name: str | None = None,
        **policies: Any,
    ) -> None:
        """Trap mappings of a file.

        Args:
            file: a pattern of paths ("*" and so on also match slashes), or the number of the descriptor that is mapped.
            device: answers in place of the file, whether it exists or not, also to reads and writes of a file that the
                program opens under a path which matches. Left out, the accesses go to the file.
            offset, length: the part of the file meant, for `/dev/mem` thus the physical address. From a device the
                length is its own when left out.
            name: of the region in records; the file's path when left out.
            policies: as for `AddressSpace.map`.
        """
        part = {} if length is None else {"length": length}
        self._targets.files.append(FileTarget(file, device, offset, name=name, policies=policies, **part))

    def map(
        self, start: int, length: int, device: DeviceLike | None = None, name: str | None = None, **policies: Any
    ) -> None:
        """Trap a range of the program's addresses, whatever comes to be mapped there.

        The pages around it are trapped, too, but not recorded. Arguments as for `map_file`.
        """
        self._targets.ranges.append(RangeTarget(start, length, device, name, policies))

    def map_ports(self, port: int, count: int, device: DeviceLike, name: str | None = None, **policies: Any) -> None:
        """Let a device answer at `count` IO ports from `port`. Then `iopl` and `ioperm` are granted."""
        self._targets.ports.append(PortTarget(port, count, device, name, policies))

    def redirect(self, pattern: str, file: str) -> None:
        """Let the program find another file in place of those whose path matches a pattern, which need not exist."""
        self._targets.redirections.append(Redirection(pattern, file))

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
            descriptors: of ours, by the number the program will know them under: `{1: output.fileno()}`.

        Raises:
            FileNotFoundError: there is no such program.
            OSError: it cannot be executed, or nothing may be traced here.
        """
        environment = os.environ if environment is None else environment
        thread = begin.spawn(arguments, environment, directory, descriptors or {}, self._targets, self.trace)
        self._threads[thread.pid] = thread
        self._executed(thread)
        thread.resume()
        if self._first is None:
            self._first = thread.pid
        return thread.pid

    def attach(self, pid: int) -> None:
        """Begin to trace a running process, in all its threads.

        Raises:
            ProcessLookupError: there is no such process.
            PermissionError: it may not be traced.
        """
        threads, statuses = begin.attach(pid, self._targets, self.trace)
        self._threads |= {thread.pid: thread for thread in threads}
        self._calls.trap_mapped(_at_rest(threads, statuses))
        for thread in threads:
            with suppress(ProcessLookupError):
                self._handle(thread.pid, statuses[thread.pid])
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
                        pid, status = self._stopped(pid, status, interrupts)
                    if interrupts.number and not interrupts.told:
                        interrupts.told = True
                        self._interrupted(interrupts.number)
            finally:
                self.close()
            interrupts.fulfil()
        for target in self.unmatched:
            warnings.warn(f"nothing the program did has matched {target}", stacklevel=2)
        return 0 if self._status is None else os.waitstatus_to_exitcode(self._status)

    @property
    def unmatched(self) -> list[str]:
        """The targets that nothing the program did so far has met, in words."""
        return [str(target) for target in self._targets if target not in self._targets.met]

    def detach(self) -> None:
        """Let go of the processes we have attached to: their mappings are theirs again, and they run on.

        Descriptors of files that were answered by devices stay what they are then: empty memory files.
        """
        processes = {thread.process for thread in self._threads.values() if thread.process.attached}
        pending: dict[int, int] = {}
        while moving := [t for p in processes for t in p.threads if t.pid not in pending and t.pid in self._threads]:
            for thread in moving:
                with suppress(ProcessLookupError):
                    self._bring_to_rest(thread, pending)
            processes |= {thread.process for thread in self._threads.values() if thread.process.attached}
        for process in processes:
            threads = [thread for thread in process.threads if thread.pid in self._threads]
            if threads:
                with suppress(ProcessLookupError, ThreadGone):
                    self._calls.release(_at_rest(threads, pending))
            for thread in threads:
                with suppress(ProcessLookupError):
                    calls.request(calls.DETACH, thread.pid, 0, pending[thread.pid] >> 8 & 0x7F)
                self._forget(thread)

    def kill(self) -> None:
        """Kill the programs we have spawned, and wait until they are gone."""
        known = {thread.pid for thread in self._threads.values() if not thread.process.attached} | set(self._early)
        groups = {maps.group_of(pid): maps.threads(pid) for pid in known if maps.threads(pid)}
        for leader in groups:
            with suppress(ProcessLookupError):
                os.kill(leader, signal.SIGKILL)
        # All threads, also those we have not heard of yet, and the leader last: it is not reported gone before them.
        threads = [thread for leader, group in groups.items() for thread in group if thread != leader]
        for pid in (*threads, *groups, *known):
            self._gone(pid, begin.end_of(pid))

    def close(self) -> None:
        """Detach and kill: nothing is traced any more."""
        try:
            self.detach()
        finally:
            self.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _stopped(self, pid: int, status: int, interrupts: Interrupts) -> tuple[int, int]:
        """Deal with a change of a thread's, and return the next one when it is known already."""
        try:
            if status == _ACCESS and pid in self._threads:
                return self._serve(self._threads[pid], interrupts)
            self._handle(pid, status)
        except ProcessLookupError:
            pass  # it was killed while it was stopped; how, it will tell
        except ThreadGone as gone:
            return gone.pid, gone.status
        return 0, 0

    def _serve(self, thread: Thread, interrupts: Interrupts) -> tuple[int, int]:
        """Answer a thread's access, and the next ones as long as they come one after another.

        Return the change that is none, if it is known already.
        """
        go_on, fetch = functions()
        answer, threads, trip, process = faults.answer, self._threads, thread.trip, thread.process
        if fetch(trip.wait) != ACCESS:
            raise ProcessLookupError
        while True:
            number = answer(thread)
            if number or interrupts.number or process.every_call:
                thread.frame.store()
                thread.resume(number)
                return 0, 0
            result = go_on(trip.wait if len(threads) == 1 else trip.leave)
            if result == ACCESS:
                continue
            if result < 0:
                raise ProcessLookupError
            return trip.change if result == CHANGED else (0, 0)

    def _handle(self, pid: int, status: int) -> None:
        """Deal with a stop that is not simply an access, or with an end."""
        if not os.WIFSTOPPED(status):
            self._gone(pid, status)
            return
        if pid not in self._threads:
            self._early[pid] = status
            return
        thread = self._threads[pid]
        event, number = status >> 16, os.WSTOPSIG(status)
        if status == _ACCESS:
            thread.load_signal()
            thread.frame.load()
            answer = faults.answer(thread)
            thread.frame.store()
            thread.resume(answer)
        elif status == _CALL:
            self._at_call(thread)
        elif event == calls.EVENT_SECCOMP:
            if not thread.in_call:  # else it has been dealt with at its entry
                thread.stop_kind()
                self._calls.entered(thread, thread.call())
            thread.resume()
        elif event in _NEW_THREAD:
            self._born(thread)
            thread.resume()
        elif event == calls.EVENT_EXEC:
            former = calls.event_message(pid)
            if former != pid and former in self._threads:
                self._forget(self._threads[former])
            self._executed(thread)
            thread.resume()
        elif event == calls.EVENT_STOP and number != signal.SIGTRAP:
            calls.request(calls.LISTEN, pid)  # stopped by SIGSTOP and the like, until SIGCONT
        elif event:
            thread.resume()
        else:
            self._leave_copy(thread)
            thread.resume(number)

    def _at_call(self, thread: Thread) -> None:
        """Deal with a stop before a system call, or where one returns."""
        kind = thread.stop_kind()
        if kind == ENTRY:
            self._calls.entered(thread, thread.call())
            thread.in_call = True
        elif kind == EXIT:
            finish, thread.on_exit, thread.in_call = thread.on_exit, None, False
            if finish is not None:
                finish()
        thread.resume()

    def _born(self, maker: Thread) -> None:
        """Trace a new thread, or the first one of a new process."""
        pid = calls.event_message(maker.pid)
        shared = _shares_memory(maker)
        process = maker.process if shared else maker.process.forked(pid)
        thread = self._threads[pid] = Thread(pid, process)
        if not shared:
            thread.adopt_buffer(maker)
        status = self._early.pop(pid, None)
        if status is not None:
            self._handle(pid, status)

    def _executed(self, thread: Thread) -> None:
        """A thread has become another program, and the only one of its process."""
        before = thread.process
        process = before.successor(thread.pid)
        thread.frame.load()
        process.find_gate(32 if thread.regs[CS] == CODE_32 else 64)
        thread.leave()
        thread.join(process)
        if self._targets.ranges:
            thread.on_exit = lambda: self._calls.trap_ranges(thread)

    def _leave_copy(self, thread: Thread) -> None:
        """See that a thread is not found in a natively completed instruction."""
        copies = thread.process.copies
        if copies is not None:
            thread.frame.load()
            copy = copies.at(thread.regs[RIP])
            if copy is not None:
                native.leave(thread, copy)

    def _bring_to_rest(self, thread: Thread, pending: dict[int, int]) -> None:
        """Stop a thread in a place where it can be let go, and note with which signal."""
        if _is_stopped(thread.pid):  # what it stopped at could not be dealt with
            pending[thread.pid] = 0
            return
        calls.request(calls.INTERRUPT, thread.pid)
        while True:
            pid, status = 0, 0
            while not pid:
                pid, status = calls.wait(thread.pid)
            event, number = status >> 16, os.WSTOPSIG(status)
            if os.WIFSTOPPED(status) and (event == calls.EVENT_STOP or (not event and status != _CALL)):
                self._leave_copy(thread)
                silent = event or (status == _ACCESS and self._is_ours(thread))
                pending[pid] = 0 if silent else number << 8
                return
            if os.WIFSTOPPED(status):
                calls.request(calls.INTERRUPT, pid)  # again: the kernel forgets it at any other stop
            self._handle(pid, status)
            if pid not in self._threads:
                return

    def _is_ours(self, thread: Thread) -> bool:
        thread.load_signal()
        return bool(thread.process.traps(thread.info.address))

    def _interrupted(self, number: int) -> None:
        """Somebody wants an end: leave those that go on without us, and tell the others."""
        self.detach()
        if not (number == signal.SIGINT and _from_terminal()):
            for thread in list(self._threads.values()):
                with suppress(ProcessLookupError):
                    if thread.group == thread.pid:
                        os.kill(thread.pid, number)

    def _gone(self, pid: int, status: int) -> None:
        self._early.pop(pid, None)
        if pid in self._threads:
            self._forget(self._threads[pid])
        if pid == self._first:
            self._status = status

    def _forget(self, thread: Thread) -> None:
        del self._threads[thread.pid]
        thread.leave()


def _at_rest(threads: Sequence[Thread], statuses: Mapping[int, int]) -> Thread:
    """Return a thread that no signal is about to be delivered to, if there is one."""
    return min(threads, key=lambda thread: statuses[thread.pid] >> 16 == 0 and statuses[thread.pid] != 0)


def _is_stopped(pid: int) -> bool:
    """Return whether a thread is stopped and has told us so before; what it has yet to tell can be waited for."""
    try:
        calls.signal_mask(pid)
    except ProcessLookupError:
        return False
    return not calls.peek(pid)[0]


def _shares_memory(maker: Thread) -> bool:
    """Return whether the thread that is being made shares its maker's memory."""
    maker.frame.load()
    bits = maker.process.bits
    number = maker.regs[ORIG_RAX]
    name = NAMES[bits].get(number)
    first = maker.regs[ARGUMENTS[bits][0]]
    if name == "clone":
        return bool(first & _SHARED_MEMORY)
    if name == "clone3":
        return bool(int.from_bytes(calls.read_memory(maker.pid, first, 8), "little") & _SHARED_MEMORY)
    return name == "vfork"


def _from_terminal() -> bool:
    """Return whether a terminal gives its Ctrl-C to everybody in our process group."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)

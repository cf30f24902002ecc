"""Handle the system calls of a traced program: the common part, and the tracer's own.

A tracer takes over what the program has mapped already, and keeps SIGSEGV deliverable: signal masks and the action for
SIGSEGV are virtualised.
"""

import os
import signal
from collections.abc import Callable, Iterable
from typing import Final
from weakref import WeakSet

from mmio.linux.libc import PROT_EXEC, PROT_NONE
from mmio.linux.prctl import PR_SET_SECCOMP, SECCOMP_MODE_STRICT, SECCOMP_SET_MODE_STRICT
from mmio.linux.proc_maps import mappings
from mmio.linux.syscall_table import NAMES
from mmio.program import reserved_pages
from mmio.program.bounce_buffers import MOST, bounce
from mmio.program.kernel_access import KernelAccess
from mmio.program.memory import NothingMapped
from mmio.program.process import map_shared
from mmio.program.redirect import Redirects
from mmio.program.syscalls import SystemCalls, make
from mmio.program.targets import Targets
from mmio.program.thread import Call, StoppedThread
from mmio.ptrace import crash_handler, sigmask, signal_handlers
from mmio.ptrace.thread import Thread

_STRICT: Final = {64: ("read", "write", "exit", "rt_sigreturn"), 32: ("read", "write", "exit", "sigreturn")}
"""The calls that strict mode allows (mode1_syscalls of kernel/seccomp.c)."""

_SET_STRICT: Final = (SECCOMP_SET_MODE_STRICT, 0, 0)  # the operation, flags, and a pointer that must be none
_INT: Final = 0xFFFFFFFF


class TracedCalls(SystemCalls):
    """The handling of system calls for one tracer."""

    def __init__(self, targets: Targets, redirects: Redirects) -> None:
        super().__init__(targets, redirects)
        self._strict: WeakSet[Thread] = WeakSet()

    def entered(self, thread: StoppedThread, call: Call) -> None:
        """Deal with a call before it is made; one that strict mode forbids kills."""
        if thread in self._strict and NAMES[call.bits].get(call.number) not in _STRICT[call.bits]:
            os.kill(thread.group, signal.SIGKILL)
            return
        super().entered(thread, call)

    def dispatch(self, thread: StoppedThread, name: str, call: Call) -> None:
        """Deal with a call by its name."""
        assert isinstance(thread, Thread)
        match name:
            case "rt_sigprocmask":
                _with_copies(thread, name, call, sigmask.entered)
            case "prctl" if call.arguments[0] & _INT == PR_SET_SECCOMP and call.arguments[1] == SECCOMP_MODE_STRICT:
                self._restrict(thread)
            case "seccomp" if (call.arguments[0] & _INT, call.arguments[1] & _INT, call.arguments[2]) == _SET_STRICT:
                self._restrict(thread)
            case "prctl" | "seccomp":
                thread.reserve_memory(2 * MOST, call.bits)  # the filter may forbid it afterwards, on pain of death
                super().dispatch(thread, name, call)
            case "rt_sigaction":
                handler = thread.process.crash_handler if call.arguments[0] == signal.SIGSEGV else None
                _with_copies(thread, name, call, signal_handlers.entered if handler is None else handler.entered)
            case "rt_sigreturn" | "sigreturn":
                signal_handlers.returning(thread)
            case _:
                super().dispatch(thread, name, call)

    def _restrict(self, thread: Thread) -> None:
        """Put a thread into seccomp's strict mode, as far as it knows: the kernel's would not let us work in it.

        A thread that is under a filter already, which pagetrap's is one of, could not be put into it anyhow.
        """
        self._strict.add(thread)
        thread.process.watch_every_call()
        thread.answer_call(0)

    def executed(self, thread: Thread) -> None:
        """Trap what a program has mapped when it begins. The thread is at the end of its execve."""
        if thread.process.attached:
            _install_crash_handler(thread)
        self.trap_ranges(thread)

    def trap_mapped(self, thread: Thread) -> None:
        """Trap what a process has already mapped when we come to it."""
        process = thread.process
        _install_crash_handler(thread)
        signal_handlers.take(thread)
        for mapping in list(mappings(thread.pid)):
            executable = bool(mapping.protection & PROT_EXEC)
            found = self.targets.of_file(mapping.path, executable=executable) if mapping.path.startswith("/") else []
            if found:
                source = map_shared(thread.pid, mapping) if mapping.shared else None
                length = mapping.end - mapping.start
                make(thread, "mprotect", mapping.start, length, PROT_NONE)
                process.trap_file(
                    mapping.start, length, mapping.protection, mapping.offset, mapping.path, found, source
                )
        self.trap_ranges(thread)

    def release(self, thread: Thread, threads: Iterable[Thread]) -> None:
        """Restore a process's page protections, and unmap what the tracer has mapped in it.

        Args:
            thread: makes the system calls.
            threads: all of the process; they are stopped. If one is in the crash handler, as a fault of the program's
                own is on its way through that, the handler stays mapped.
        """
        process = thread.process
        process.memory.pid = thread.pid
        handler, process.crash_handler = process.crash_handler, None  # its table stays as it is until it is not needed
        reserved_pages.release(thread, 0, 1 << process.bits)
        for trapped in process.release():
            if isinstance(trapped.source, NothingMapped):
                continue
            make(thread, "mprotect", trapped.start, trapped.end - trapped.start, trapped.protection)
        signal_handlers.leave(thread)
        if handler is not None:
            handler.remove(thread)
            if any(handler.is_at(other.address) for other in threads):
                process.buffers.remove(handler.pages)
        while process.buffers:
            make(thread, "munmap", *process.buffers.pop())


def _with_copies(thread: Thread, name: str, call: Call, entered: Callable[[Thread, Call], None]) -> None:
    """Deal with a call by `entered`, with copies of what it points to in trapped memory."""
    bounced = bounce(thread, name, call, KernelAccess(thread, call))
    carry, thread.on_exit = thread.on_exit, None
    entered(thread, thread.changed_call(call) if bounced else call)
    finish = thread.on_exit

    def returned() -> None:
        for step in (finish, carry):
            if step is not None:
                step()

    thread.on_exit = returned if bounced else finish


def _install_crash_handler(thread: Thread) -> None:
    """Give a thread's process a crash handler, if it can have one: not in 32-bit programs. The thread is stopped."""
    process = thread.process
    if process.bits == 64 and process.crash_handler is None:
        process.crash_handler = crash_handler.install(thread, thread.map_memory(crash_handler.SIZE))

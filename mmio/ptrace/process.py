"""A traced process: memory, mappings, and the tracer's state for it."""

import os
from contextlib import suppress
from signal import SIGSEGV
from typing import Any

from attrs import evolve

from mmio.linux import proc_maps
from mmio.linux.syscall_table import CODE
from mmio.program.memory import NothingMapped
from mmio.program.process import Process, Trapped
from mmio.program.targets import Targets
from mmio.ptrace import ptrace_requests
from mmio.ptrace.crash_handler import CrashHandler
from mmio.ptrace.journal import Journal, JournaledMemory
from mmio.ptrace.signal_actions import NONE, Action
from mmio.ptrace.slot_memory import TracedSlotMemory
from mmio.space.recorder import Recorder


class TracedProcess(Process):
    """A process under ptrace.

    Attributes:
        gate: the address of an instruction that makes a system call.
        filtered: a seccomp filter picks the system calls that stop its threads.
        every_call: its threads stop at all system calls.
        attached: it was running before it was traced, and continues when the tracer leaves.
        buffers: what has been mapped in it for the tracer: address and length.
        threads: the TIDs of the threads that run in it.
        journal: of its accesses, when it survives the tracer; else None.
        actions: by signal, what the program has said to be done about it.
    """

    def __init__(
        self, pid: int, targets: Targets, trace: Recorder | None, *, filtered: bool, attached: bool = False
    ) -> None:
        self.journal = Journal(trace) if attached else None
        super().__init__(pid, targets, trace if self.journal is None else self.journal.records)
        self._trace = trace
        self.filtered, self.attached = filtered, attached
        self.every_call = not filtered
        self.buffers: list[tuple[int, int]] = []
        self.threads: set[int] = set()
        self.gate = 0
        self.actions: dict[int, Action] = {}

    @property
    def crash_handler(self) -> CrashHandler | None:
        """The handler for the case that the tracer is killed; None when the process has none."""
        return None if self.journal is None else self.journal.crash_handler

    @crash_handler.setter
    def crash_handler(self, handler: CrashHandler | None) -> None:
        if self.journal is not None:
            self.journal.crash_handler = handler

    def action_for(self, number: int) -> Action:
        """Return what the program has said to be done about a signal."""
        if number == SIGSEGV and self.crash_handler is not None:
            return self.crash_handler.said
        return self.actions.get(number, NONE)

    def behind(self, trapped: Trapped, start: int) -> Any:
        """Return the memory behind a trapped mapping, from an address on."""
        memory = super().behind(trapped, start)
        if self.journal is None or isinstance(trapped.source, NothingMapped):
            return memory
        return JournaledMemory(memory, start, self.journal)

    def has_memory_at(self, address: int) -> bool:
        """Return whether anything is mapped at an address."""
        try:
            return len(os.pread(self.own_memory, 1, address)) == 1
        except OSError:
            return False

    def watch_every_call(self) -> None:
        """Stop all threads at all system calls from now on, also those that are running."""
        if not self.every_call:
            self.every_call = True
            for tid in self.threads:
                with suppress(ProcessLookupError):
                    ptrace_requests.request(ptrace_requests.INTERRUPT, tid)

    def trapped_changed(self) -> None:
        """Write the mappings down for the crash handler."""
        if self.crash_handler is not None:
            self.crash_handler.note(self.trapped)

    def find_gate(self, bits: int) -> None:
        """Look for an instruction that makes system calls, in the kernel's vdso."""
        self.bits = bits
        for mapping in proc_maps.mappings(self.pid):
            if mapping.path == "[vdso]":
                code = os.pread(self.own_memory, mapping.end - mapping.start, mapping.start)
                self.gate = mapping.start + code.find(CODE[bits])
                if self.gate >= mapping.start:
                    return
        raise OSError(f"process {self.pid} has no system call instruction in its vdso")

    def forked(self, pid: int) -> "TracedProcess":
        """Return the process that a fork of this one makes: the same mappings in memory of its own.

        The fork was some time ago, and other threads have run meanwhile. What was mapped for the tracer since is not in
        the new process.
        """
        child = self.after_exec(pid)
        child.every_call = self.every_call
        child.bits, child.gate, child._next = self.bits, self.gate, self._next
        child.buffers = [buffer for buffer in self.buffers if child.has_memory_at(buffer[0])]
        child.reserved, child.actions = self.reserved.copy(), self.actions.copy()
        if self.slots is not None:
            child.slots = self.slots.copied_to(TracedSlotMemory(child.own_memory, self.bits))
        if self.crash_handler is not None:
            child.crash_handler = self.crash_handler.forked(child.own_memory)
        for trapped in self.trapped:
            child.put(evolve(trapped, regions=[]))
        return child

    def after_exec(self, pid: int) -> "TracedProcess":
        """Return the process that a thread of this one is in after execve."""
        process = TracedProcess(pid, self.targets, self._trace, filtered=self.filtered, attached=self.attached)
        process.port_rights.granted = self.port_rights.granted
        return process

"""Dispatch the stops of traced threads.

The order of the questions is the order of how often they are asked: a trapped access first, and the next one of the
same thread at once. Everything that changes which threads and processes there are happens here.
"""

import os
import signal
from contextlib import suppress
from ctypes import addressof, memmove
from typing import Final

from mmio.linux import proc_maps
from mmio.linux.process_memory import read_memory
from mmio.linux.syscall_table import NAMES
from mmio.ptrace import faults, out_of_line, ptrace_requests, signal_handlers
from mmio.ptrace.asm_loop import ACCESS, CHANGED, functions
from mmio.ptrace.auxiliary_vector import hide_vdso
from mmio.ptrace.frame import ARGUMENTS, CODE_32, CS, ORIG_RAX, RIP, RSP
from mmio.ptrace.interrupts import Interrupts
from mmio.ptrace.syscalls import TracedCalls
from mmio.ptrace.thread import ENTRY, EXIT, Thread, ThreadGone

ACCESS_STATUS: Final = signal.SIGSEGV << 8 | 0x7F
"""The wait status of a thread stopped at SIGSEGV."""
CALL_STATUS: Final = (signal.SIGTRAP | 0x80) << 8 | 0x7F
"""The wait status of a thread stopped before or after a system call."""

_AGAIN: Final = (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)
"""Signals of faults whose instruction is executed again."""
_NEW_THREAD: Final = (ptrace_requests.EVENT_FORK, ptrace_requests.EVENT_VFORK, ptrace_requests.EVENT_CLONE)
_SHARED_MEMORY: Final = 0x100  # CLONE_VM


class EventLoop:
    """The traced threads, and the handling of their stops.

    Attributes:
        threads: by number.
        early: wait statuses of threads whose making we have not heard of yet.
        ends: wait statuses of those that have ended.
        alone: with how many threads one is waited for right where it has been resumed: 1, or 0 where that may be for
            ever, because time continues only when it is looked at.
        served: the number of the thread whose stop was dealt with last.
    """

    def __init__(self, system_calls: TracedCalls) -> None:
        self.threads: dict[int, Thread] = {}
        self.early: dict[int, int] = {}
        self.ends: dict[int, int] = {}
        self.served = 0
        self.alone = 1
        self._calls = system_calls

    def stopped(self, pid: int, status: int, interrupts: Interrupts) -> tuple[int, int]:
        """Deal with a change of a thread's, and return the next one when it is known already."""
        try:
            if status == ACCESS_STATUS and pid in self.threads:
                return self._serve(self.threads[pid], interrupts)
            self.handle(pid, status)
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
        answer, threads, trip, process = faults.answer, self.threads, thread.asm_loop, thread.process
        alone = self.alone
        process.memory.pid = self.served = thread.pid  # as in `handle`
        if fetch(trip.wait) != ACCESS:
            raise ProcessLookupError
        while True:
            number = answer(thread)
            if number or interrupts.number or process.every_call:
                if number or process.journal is None:
                    thread.frame.store()
                signal_handlers.passed(thread, number)
                thread.resume(number)
                return 0, 0
            result = go_on(trip.wait if len(threads) == alone else trip.leave)
            if result == ACCESS:
                continue
            if result < 0:
                raise ProcessLookupError
            return trip.change if result == CHANGED else (0, 0)

    def handle(self, pid: int, status: int) -> None:
        """Deal with a stop that is not simply an access, or with an end."""
        if not os.WIFSTOPPED(status):
            self.gone(pid, status)
            return
        if status >> 16 == ptrace_requests.EVENT_EXEC:
            self._take_number(pid)
        if pid not in self.threads:
            self.early[pid] = status
            return
        thread = self.threads[pid]
        thread.process.memory.pid = self.served = pid  # the thread by which it was reached last may be gone
        event, number = status >> 16, os.WSTOPSIG(status)
        if status == ACCESS_STATUS:
            _, fetch = functions()
            if fetch(thread.asm_loop.wait) != ACCESS:
                raise ProcessLookupError
            answer = faults.answer(thread)
            thread.frame.store()
            signal_handlers.passed(thread, answer)
            thread.resume(answer)
        elif status == CALL_STATUS:
            self._at_call(thread)
        elif event == ptrace_requests.EVENT_SECCOMP:
            if not thread.in_call:  # else it has been dealt with at its entry
                thread.stop_kind()
                self._calls.entered(thread, thread.call())
            thread.resume()
        elif event in _NEW_THREAD:
            self._born(thread, event)
            thread.resume()
        elif event == ptrace_requests.EVENT_EXEC:
            self.executed(thread)
            thread.resume()
        elif event == ptrace_requests.EVENT_EXIT:
            thread.ending = True
            self.adopt_untold(thread)
            thread.resume()
        elif event == ptrace_requests.EVENT_STOP and number != signal.SIGTRAP:
            ptrace_requests.request(ptrace_requests.LISTEN, pid)  # stopped by SIGSTOP and similar ones, until SIGCONT
        elif event:
            thread.resume()
        else:
            if thread.sent_again:
                memmove(addressof(thread.info), thread.sent_again, len(thread.sent_again))
                if thread.info.number == number:
                    thread.store_signal()
                    thread.sent_again = b""
            self.leave_slot(thread)
            signal_handlers.passed(thread, number)
            thread.resume(number)

    def send_again(self, thread: Thread, number: int) -> None:
        """Resume a thread that has made system calls for the tracer where a signal was about to be delivered to it.

        The signal is not any more. That of a fault comes again with the fault. Any other one is sent again by the
        kernel, which stops the thread once more, and is then given what was known of it.

        Args:
            thread: which one; its `info` is what was known.
            number: of the signal.
        """
        if number in _AGAIN and thread.info.code > 0:
            thread.resume()
            return
        thread.sent_again = bytes(thread.info)
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

    def _born(self, maker: Thread, event: int) -> None:
        """Trace a new thread, or the first one of a new process."""
        pid = ptrace_requests.event_message(maker.pid, event)
        shared = _shares_memory(maker)
        if pid not in self.threads:
            self.threads[pid] = Thread(pid, maker.process if shared else maker.process.forked(pid))
        thread = self.threads[pid]
        thread.blocks_faults = maker.blocks_faults
        thread.vfork_maker = maker if event == ptrace_requests.EVENT_VFORK else None
        if not shared:
            thread.adopt_buffer(maker)
            thread.handling.extend(maker.handling)
        self._catch_up(pid)

    def _take_number(self, pid: int) -> None:
        """Give a thread that has executed a program the number that the first one of its process had.

        The first has ended for that (ptrace(2), "execve(2) under ptrace").
        """
        former = ptrace_requests.event_message(pid, ptrace_requests.EVENT_EXEC)
        if former == pid or former not in self.threads:
            return
        thread = self.threads[former]
        if pid in self.threads:
            self.forget(self.threads[pid])
        self.threads[pid] = Thread(pid, thread.process)
        self.threads[pid].in_call = thread.in_call
        self.threads[pid].blocks_faults = thread.blocks_faults
        self.forget(thread)

    def adopt_untold(self, ending: Thread) -> None:
        """Trace the threads beside one that ends of which no event has told.

        A thread that is killed while it makes another tells of its end only, and the other one, killed as well, would
        never be waited for. Then the first of the process would not be told gone, either.
        """
        for pid in proc_maps.threads(ending.pid):
            if pid not in self.threads and proc_maps.tracer_of(pid) == os.getpid():
                self.threads[pid] = Thread(pid, ending.process)
                self._catch_up(pid)

    def _catch_up(self, pid: int) -> None:
        """Deal with what a new thread has told before we knew it."""
        status = self.early.pop(pid, None)
        if status is not None:
            with suppress(ProcessLookupError):  # it has been killed since, and will tell
                self.handle(pid, status)

    def executed(self, thread: Thread) -> None:
        """A thread has become another program, and the only one of its process."""
        thread.vfork_maker = None
        before = thread.process
        process = before.after_exec(thread.pid)
        thread.frame.load()
        process.find_gate(32 if thread.regs[CS] == CODE_32 else 64)
        thread.leave()
        thread.join(process)
        if process.targets.time_calls:
            hide_vdso(thread.pid, thread.regs[RSP], process.bits)
        if process.targets.ranges or process.attached:
            thread.on_exit = lambda: self._calls.executed(thread)

    def leave_slot(self, thread: Thread) -> None:
        """Take a thread out of its out-of-line slot, if it is in one, or out of the parts of a call."""
        thread.end_parts()
        if thread.process.slots is not None:
            thread.frame.load()
            slot = thread.process.slot_at(thread.regs[RIP])
            if slot is not None:
                out_of_line.leave(thread, slot)

    def gone(self, pid: int, status: int) -> None:
        """Note that a thread has ended."""
        self.early.pop(pid, None)
        if pid in self.threads:
            self.forget(self.threads[pid])
        self.ends[pid] = status

    def forget(self, thread: Thread) -> None:
        """Trace a thread no more."""
        del self.threads[thread.pid]
        thread.leave()
        if thread.pid == self.served:  # its process continues in its other threads, if it has some
            self.served = min(thread.process.threads, default=thread.pid)


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
        return bool(int.from_bytes(read_memory(maker.pid, first, 8), "little") & _SHARED_MEMORY)
    return name == "vfork"

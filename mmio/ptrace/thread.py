"""One thread of a traced process, and system calls made on its behalf.

A call in the thread's name borrows its registers: it runs the `syscall` instruction at the process's *gate* (in the
kernel's own vdso, which every program has) and puts everything back. All its signals wait in the meantime, so that no
handler of the program's sees the borrowed registers.
"""

import ctypes
import errno
import os
import signal
from collections import deque
from collections.abc import Callable
from ctypes import addressof, c_uint64
from typing import Any, Final

from mmio.linux import proc_maps
from mmio.linux.libc import PROT_READ, PROT_WRITE
from mmio.linux.seccomp import ARCH_64
from mmio.linux.syscall_table import NAMES, NUMBERS
from mmio.live.out_of_line_slots import Slots
from mmio.program.syscall_pointers import Buffer
from mmio.program.thread import BUFFERS_END, Call, buffer_length
from mmio.ptrace import ptrace_requests
from mmio.ptrace.asm_loop import AsmLoop
from mmio.ptrace.frame import ARGUMENTS, NO_CALL, ORIG_RAX, RAX, RIP, Frame
from mmio.ptrace.process import TracedProcess
from mmio.ptrace.slot_memory import TracedSlotMemory
from mmio.space.initiator import Initiator

# What PTRACE_GET_SYSCALL_INFO says of a stop.
ENTRY: Final = 1
EXIT: Final = 2
SECCOMP: Final = 3

_SYSCALL_STOP: Final = signal.SIGTRAP | 0x80
_PRIVATE_ANONYMOUS: Final = 0x22
_LOW: Final = 0x40  # MAP_32BIT
_MASKS: Final = {64: (1 << 64) - 1, 32: (1 << 32) - 1}
_HANDLERS: Final = 64  # handlers of a thread that are remembered, the last
_ALL_BUT_SIGSYS: Final = (
    ~(1 << signal.SIGSYS - 1) & (1 << 64) - 1
)  # a blocked one that a filter raises would also lose its handler
FAULTS: Final = (signal.SIGFPE, signal.SIGILL)
"""Signals of a fault of the instruction itself, other than one of its memory."""

# Results by which an interrupted call asks to be made again, the last by way of restart_syscall (linux/errno.h).
_ERESTARTSYS: Final = -512
_ERESTARTNOINTR: Final = -513
_ERESTARTNOHAND: Final = -514
_ERESTART_RESTARTBLOCK: Final = -516


class ThreadGone(Exception):
    """Report that a thread ended, or is about to, where it should have stopped; `status` is its wait status."""

    def __init__(self, pid: int, status: int) -> None:
        super().__init__(f"thread {pid} ended with wait status {status:#x}")
        self.pid = pid
        self.status = status


class _CallInfo(ctypes.Structure):
    """struct ptrace_syscall_info."""

    _fields_ = (
        ("op", ctypes.c_uint8),
        ("_padding", ctypes.c_uint8 * 3),
        ("arch", ctypes.c_uint32),
        ("ip", c_uint64),
        ("sp", c_uint64),
        ("words", c_uint64 * 8),
    )


class Thread:
    """A thread that is traced.

    Attributes:
        pid: its number.
        process: whose memory it runs in.
        frame: its registers, while it is stopped.
        bus: its way to the devices.
        on_exit: what to do when the system call it is in returns.
        done: the bytes that earlier parts of its call have transferred.
        found: the buffers of that call.
        blocks_faults: its virtual signal mask blocks SIGSEGV, see `sigmask.py`.
        handling: `blocks_faults` and the stack pointer before each signal handler it is in, or has left by a jump; None
            in place of the first where it is not known.
        in_call: a call's entry has been dealt with, and it has not returned.
        sent_again: the siginfo of a signal that the kernel was asked to send again; empty when there is none.
        ending: it has stopped for the last time.
        vfork_maker: the thread that has made it by vfork and waits until it executes a program or ends.
        code: the eight bytes at its instruction pointer, see `AsmLoop`.
    """

    def __init__(self, pid: int, process: TracedProcess) -> None:
        self.pid = pid
        self.frame = Frame(pid, self._out_of_line_slots)
        self.regs, self.info = self.frame.regs, self.frame.info
        self.on_exit: Callable[[], None] | None
        self._before: list[tuple[int, int]]
        self.done: int
        self.found: dict[int, Buffer]
        self.in_call = self.blocks_faults = self.ending = False
        self.vfork_maker: Thread | None = None
        self.asm_loop = AsmLoop(pid, addressof(self.regs), addressof(self.info))
        self.code = self.asm_loop.code
        self._call_info = _CallInfo()
        self.join(process)

    @property
    def group(self) -> int:
        """The number of the thread's process, which is not always that of its memory (vfork)."""
        return proc_maps.group_of(self.pid)

    def join(self, process: TracedProcess) -> None:
        """Run in a process's memory from now on."""
        self.process = process
        self.on_exit, self._before, self.done, self.found = None, [], 0, {}
        self.handling: deque[tuple[bool | None, int]] = deque(maxlen=_HANDLERS)
        self.sent_again = b""
        self._buffers = {64: (0, 0), 32: (0, 0)}
        process.threads.add(self.pid)
        self.bus: Initiator = process.space.initiator(self.pid)

    def leave(self) -> None:
        """Run in its process's memory no more, which is forgotten with its last thread."""
        self.process.threads.discard(self.pid)
        if self.process.slots is not None:
            self.process.slots.release_of(self.pid)
        if not self.process.threads:
            self.process.close()

    def adopt_buffer(self, maker: "Thread") -> None:
        """Use the copy of its maker's buffer that a new process has."""
        self._buffers = maker._buffers.copy()

    def _out_of_line_slots(self) -> Slots:
        process = self.process
        if process.slots is None:
            process.slots = Slots(TracedSlotMemory(process.own_memory, process.bits), process.bits)
        memory = process.slots.memory
        assert isinstance(memory, TracedSlotMemory)
        memory.maker = self
        return process.slots

    def load_signal(self) -> None:
        """Fetch what is known of the signal the thread stopped at. Raises ProcessLookupError when it is gone."""
        ptrace_requests.request(ptrace_requests.GETSIGINFO, self.pid, 0, addressof(self.info))

    def store_signal(self) -> None:
        """Replace what the program will hear of the signal."""
        ptrace_requests.request(ptrace_requests.SETSIGINFO, self.pid, 0, addressof(self.info))

    def resume(self, number: int = 0) -> None:
        """Resume the thread with signal `number`, until the next stop that may matter."""
        every = self.on_exit is not None or self.in_call or self.process.every_call
        self.go(ptrace_requests.SYSCALL if every else ptrace_requests.CONT, number)

    def go(self, how: int, number: int = 0) -> None:
        """Restart the stopped thread by request `how` (ptrace(2)), with signal `number`."""
        ptrace_requests.request(how, self.pid, 0, number)

    def buffer(self, size: int, bits: int = 64) -> int:
        """Return the address of a buffer of at least `size` bytes in the program's memory, for this thread alone.

        It is used until the thread's next system call returns, which may be one of `bits` bits. Where it has to be made
        first, that takes a system call: see `make_call`.
        """
        place, length = self._buffers[bits]
        if length < size or not self.process.has_memory_at(place):  # the program may have unmapped it
            length = buffer_length(size)
            place = self.map_memory(length, low=bits < self.process.bits)
            self._buffers[bits] = place, length
        return place

    def reserve_memory(self, size: int, bits: int) -> None:
        """Map now what may be needed later: a buffer of `size` bytes, and slots for instructions. Raises OSError."""
        self.buffer(size, bits)
        self._out_of_line_slots().reserve()

    def map_memory(self, length: int, *, low: bool = False) -> int:
        """Map memory for the tracer in the process, until it is released; return the address. See `make_call`.

        It goes below the window of trapped mappings, so that a length which is valid there is valid here; `low`: below
        2 GiB, where a 32-bit call can reach it.
        """
        wide = self.process.bits == 64
        number = NUMBERS[self.process.bits]["mmap" if wide else "mmap2"]
        flags = _PRIVATE_ANONYMOUS | (_LOW if low else 0)
        hint = BUFFERS_END - length if wide and not low else 0
        place = self.make_call(number, hint, length, PROT_READ | PROT_WRITE, flags, (1 << 64) - 1, 0)
        self.process.buffers.append((place, length))
        return place

    def stop_kind(self) -> int:
        """Return ENTRY, EXIT or SECCOMP for a thread stopped at a system call, 0 elsewhere."""
        info = self._call_info
        ptrace_requests.request(ptrace_requests.GET_SYSCALL_INFO, self.pid, ctypes.sizeof(info), addressof(info))
        kind: int = info.op
        return kind

    def call(self) -> Call:
        """Return the call the thread is about to make; `stop_kind` has just said that there is one.

        A 32-bit call takes the lower halves of its registers, whatever a 64-bit program has in the upper ones
        (do_int80_emulation of arch/x86/entry/syscall_32.c).
        """
        info = self._call_info
        bits = 64 if info.arch == ARCH_64 else 32
        return Call(info.words[0] & _MASKS[bits], tuple(word & _MASKS[bits] for word in info.words[1:7]), bits)

    def changed_call(self, call: Call) -> Call:
        """Return a call with the arguments that `set_call` has given it."""
        mask = _MASKS[call.bits]
        return call._replace(arguments=tuple(self.regs[place] & mask for place in ARGUMENTS[call.bits]))

    def set_call(self, number: int, arguments: dict[int, int], bits: int) -> None:
        """Change the call the thread is about to make, until `restore_call`, which may be done again before that.

        Number -1 is no call at all.
        """
        self.frame.load()
        regs = self.regs
        if not self._before:
            self._before = [(place, regs[place]) for place in (ORIG_RAX, *ARGUMENTS[bits])]
        regs[ORIG_RAX] = number & NO_CALL
        for index, value in arguments.items():
            regs[ARGUMENTS[bits][index]] = value
        self.frame.store()

    def restore_call(self, result: int | None = None) -> None:
        """Restore the program's own call in its registers, and set `result` as its result.

        The thread is stopped where the call returns. A call that is to be made again will be the program's own.
        """
        self.frame.load()
        for place, value in self._before:
            self.regs[place] = value
        self._before = []
        if result is not None:
            self.regs[RAX] = result & NO_CALL
        self.frame.store()

    def call_again(self, call: Call, done: int) -> None:
        """Repeat the call that is just returning, for the rest of a transfer; see `end_parts`."""
        self.frame.load()
        self.regs[RIP] -= 2
        self.regs[RAX], self.regs[ORIG_RAX] = call.number, NO_CALL
        self.frame.store()
        self.done = done

    def end_parts(self) -> None:
        """End a transfer that is made in parts, before the next part: the thread is to be found after the call."""
        if self.done:
            self.frame.load()
            self.regs[RIP] += 2
            self.regs[RAX], self.done = self.done, 0
            self.frame.store()

    def answer_call(self, result: int) -> None:
        """Skip the call that the thread is about to make; it returns `result`."""
        self.frame.load()
        self._before = []
        self.regs[ORIG_RAX] = NO_CALL
        self.regs[RAX] = result & NO_CALL
        self.frame.store()

    @property
    def address(self) -> int:
        """The instruction pointer."""
        self.frame.load()
        return int(self.regs[RIP])

    @property
    def call_address(self) -> int:
        """The address of the system call instruction the thread is stopped at, two bytes long."""
        return self.address - 2

    @property
    def call_result(self) -> int:
        """The result of a call that is just returning, signed."""
        self.frame.load()
        return ctypes.c_int64(self.regs[RAX]).value

    def make_call(self, number: int, *arguments: int) -> int:
        """Make a system call in the thread's name, wherever it is stopped; return the result.

        At a stop before a call of the program's, that call is begun again afterwards and stops there again.

        Raises:
            OSError: the call failed.
            ThreadGone: the thread was killed meanwhile.
        """
        kind = self.stop_kind()
        frame, regs = self.frame, self.regs
        frame.load()
        before = frame.saved()
        mask = ptrace_requests.signal_mask(self.pid)
        ptrace_requests.set_signal_mask(self.pid, _ALL_BUT_SIGSYS)
        result = self._through_gate(number, arguments)
        frame.restore(before)
        if kind in (ENTRY, SECCOMP):  # back to before the instruction
            regs[RIP] -= 2
            regs[RAX] = regs[ORIG_RAX]
        elif kind != EXIT:
            _restart(regs, self.process.bits)
        regs[ORIG_RAX] = NO_CALL
        frame.store()
        if kind in (ENTRY, SECCOMP):
            while self.stop_kind() != kind:
                self.go(ptrace_requests.SYSCALL)
                self.wait()
            frame.load()
        ptrace_requests.set_signal_mask(self.pid, mask)
        if -4096 < result < 0:
            reason = "a seccomp filter forbids it" if result == -errno.ENOSYS else os.strerror(-result)
            raise OSError(-result, f"system call {NAMES[self.process.bits][number]} in thread {self.pid}: {reason}")
        return result

    def _through_gate(self, number: int, arguments: tuple[int, ...]) -> int:
        """Make a call and stop where it returns; the registers are the call's."""
        frame, regs, gate = self.frame, self.regs, self.process.gate
        entered = False
        while True:
            if entered and regs[RIP] == gate + 2:
                if self.stop_kind() == EXIT and not self._forbidden(number):
                    return ctypes.c_int64(regs[RAX]).value
            else:  # in no call, or returning from one of the program's that is left, which has changed rax
                self.begin_call(number, *arguments)
                entered = True
            self.go(ptrace_requests.SYSCALL)
            if ptrace_requests.is_forbidden(self.wait()):
                return -errno.ENOSYS
            frame.load()

    def _forbidden(self, number: int) -> bool:
        """Return whether a seccomp filter skipped a call that returns: rax is as before, and SIGSYS is pending."""
        return self.regs[RAX] == number and proc_maps.is_pending(self.pid, signal.SIGSYS)

    def begin_call(self, number: int, *arguments: int) -> None:
        """Set the thread before a system call, which it makes when it continues. Its registers are the call's."""
        regs = self.regs
        regs[RIP], regs[RAX], regs[ORIG_RAX] = self.process.gate, number, NO_CALL
        for place, value in zip(ARGUMENTS[self.process.bits], arguments, strict=False):
            regs[place] = value
        self.frame.store()

    def step(self) -> bool:
        """Execute one instruction of the thread; return False when that faults. All other signals must be blocked."""
        self.go(ptrace_requests.SINGLESTEP)
        while True:
            found, status = ptrace_requests.wait(self.pid)
            if found and ptrace_requests.is_exiting(status):
                raise ThreadGone(self.pid, status)
            if found and os.WSTOPSIG(status) in (signal.SIGTRAP, *FAULTS):
                return os.WSTOPSIG(status) == signal.SIGTRAP
            if found:
                self.go(ptrace_requests.SINGLESTEP)

    def wait(self) -> int:
        """Wait until the thread stops at a call or an event; return the wait status.

        SIGSTOP, the one signal that nothing holds back, is sent again for later.

        Raises:
            ThreadGone: it ended, or stopped because it is about to.
        """
        again = False
        while True:
            found, status = ptrace_requests.wait(self.pid)
            if not found:
                continue
            if ptrace_requests.is_exiting(status):
                raise ThreadGone(self.pid, status)
            if os.WSTOPSIG(status) == _SYSCALL_STOP or status >> 16 or ptrace_requests.is_forbidden(status):
                if again:
                    ptrace_requests.send_signal(self.group, self.pid, signal.SIGSTOP)
                return status
            again = again or os.WSTOPSIG(status) == signal.SIGSTOP
            self.go(ptrace_requests.SYSCALL)


def _restart(regs: Any, bits: int) -> None:
    """Do what the kernel does when it returns to a program whose call was interrupted: let it be made again."""
    result = ctypes.c_int64(regs[RAX]).value
    if regs[ORIG_RAX] == NO_CALL:
        return
    if result == _ERESTART_RESTARTBLOCK:
        regs[RAX] = NUMBERS[bits]["restart_syscall"]
    elif result in (_ERESTARTSYS, _ERESTARTNOINTR, _ERESTARTNOHAND):
        regs[RAX] = regs[ORIG_RAX]
    else:
        return
    regs[RIP] -= 2

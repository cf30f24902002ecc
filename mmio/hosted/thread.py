"""Thread of a hosted program, stopped at one of its system calls.

It implements `mmio.program.thread.StoppedThread`, as `mmio.ptrace.thread.Thread` does for a traced program, so both
share the handling of system calls (`mmio.program.syscalls`). Here the handler makes the call itself.
"""

import os
from collections.abc import Callable
from typing import Any, Final

from mmio.hosted.context import SignalStack
from mmio.hosted.frame import Frame
from mmio.hosted.process import Process
from mmio.hosted.program_area import PRIVATE_ANONYMOUS, map_memory
from mmio.hosted.raw_syscall import failed, system_call
from mmio.hosted.trampoline import IN_DIRECT_CALL
from mmio.linux.libc import PROT_READ, PROT_WRITE
from mmio.linux.process_memory import read_here
from mmio.linux.syscall_table import NUMBERS
from mmio.live.memory import Unreachable
from mmio.live.signal_frame import RAX, RIP, RSP
from mmio.program.syscall_pointers import Buffer
from mmio.program.thread import BUFFERS_END, Call, buffer_length
from mmio.space.initiator import Initiator

ARGUMENTS: Final = (8, 9, 12, 2, 0, 1)
"""Where rdi rsi rdx r10 r8 r9 stand in `Frame.regs`."""

NO_STACK: Final = (0, 2, 0)
"""SS_DISABLE."""

RED_ZONE: Final = 128
"""Bytes below a stack pointer that are in use (System V ABI, AMD64 supplement)."""

_RT_SIGRETURN: Final = NUMBERS[64]["rt_sigreturn"]
_STEP: Final = RED_ZONE + 8  # and the address the gate continues at


class Thread:
    """Thread of the program.

    Attributes:
        pid, group: its number.
        process: its memory.
        bus: its way to the devices.
        frame, regs: its registers at the call.
        on_exit: what to do when the call returns.
        done: the bytes that earlier parts of its call have transferred; more are to follow when it is not 0.
        found: the buffers of that call.
        signals: the stack its signals arrive on.
        blocked: those of the held signals that are blocked in its virtual mask.
        alternate: its own signal stack, as sigaltstack(2) has it: place, flags, size.
        clear_at: the address of a word to clear when it ends.
        outcome: why it has left the program.
    """

    def __init__(self, process: Process, blocked: int = 0) -> None:
        self.pid = self.group = process.pid
        self.signals = SignalStack()
        self.blocked = blocked
        self.alternate = NO_STACK
        self.clear_at = 0
        self.outcome: BaseException | None = None
        self.process = process
        self.bus: Initiator = process.initiator(self.pid)
        self.on_exit: Callable[[], None] | None = None
        self.done = 0
        self.found: dict[int, Buffer] = {}
        self.frame: Any = None
        self.regs: Any = None
        self._buffer = (0, 0)

    @property
    def calls_device(self) -> bool:
        """Return whether it calls a device directly, or waits for the interpreter to do so.

        Any thread may ask. The signal stack, which has the answer, goes with the thread.
        """
        return any(read_here(self.signals.start + IN_DIRECT_CALL, 8))

    def begin(self, number: int) -> None:
        """Set the TID of the thread."""
        self.pid = self.bus.thread = number

    def execute(self, process: Process) -> None:
        """Run another program, in other memory."""
        self.process = process
        self.bus = process.initiator(self.pid)
        self.alternate, self.clear_at = NO_STACK, 0

    def become_child(self, process: Process) -> None:
        """Become the only thread of a new child."""
        self.process = process
        self.pid = self.group = process.pid
        self.bus = process.initiator(self.pid)
        self.clear_at = 0

    def stop_at_call(self, frame: Frame) -> Call:
        """Set the frame of the system call that the thread has stopped at; return the call."""
        self.frame, self.regs = frame, frame.regs
        self.on_exit = None
        self._result: int | None = None
        self._changed = False
        self._call = Call(self.regs[RAX], tuple(self.regs[place] for place in ARGUMENTS), 64)
        return self._call

    def resume(self, gate: int) -> None:
        """Make the call, if it has not been answered, and set its result in the program's registers.

        A call that needs no further handling is left to the program: it continues at the gate.

        Args:
            gate: address of code that makes a system call and returns to the address on the stack.
        """
        regs = self.regs
        if self._call.number == _RT_SIGRETURN:  # from which nothing returns, and which wants the stack as it is
            regs[RIP] = gate
            return
        if self._result is None:
            if self.on_exit is None and not self._changed:
                stack = regs[RSP] - _STEP
                try:
                    self.process.memory.write(stack, 8, regs[RIP])
                except Unreachable:
                    pass  # a strange place for a stack: the call is made here
                else:
                    regs[RSP], regs[RIP] = stack, gate
                    return
            self._result = system_call(self._call.number, *self._call.arguments)
            if self.on_exit is not None:
                self.on_exit()
        if not self.done:  # else the call is made again
            regs[RAX] = self._result & 0xFFFF_FFFF_FFFF_FFFF

    @property
    def pending(self) -> Call:
        """The call that is going to be made, with the arguments that `set_call` has given it."""
        return self._call

    @property
    def call_address(self) -> int:
        """The address of the system call instruction, two bytes long."""
        return int(self.regs[RIP]) - 2

    @property
    def call_result(self) -> int:
        """The result of the call."""
        assert self._result is not None
        return self._result

    def set_call(self, number: int, arguments: dict[int, int], bits: int) -> None:
        """Make another call in place of the program's."""
        changed = tuple(arguments.get(index, value) for index, value in enumerate(self._call.arguments))
        self._call = Call(number, changed, bits)
        self._changed = True

    def restore_call(self, result: int | None = None) -> None:
        """Set the result that the program sees of its call, if one is given."""
        if result is not None:
            self._result = result

    def answer_call(self, result: int) -> None:
        """Skip the call; it returns `result`."""
        self._result = result

    def make_call(self, number: int, *arguments: int) -> int:
        """Make a system call in the program's name. Raises OSError."""
        result = system_call(number, *arguments)
        if failed(result):
            raise OSError(-result, f"system call {number}: {os.strerror(-result)}")
        return result

    def call_again(self, call: Call, done: int) -> None:
        """Repeat the call, for the rest of a transfer."""
        self.done = done

    def buffer(self, size: int, bits: int = 64) -> int:
        """Return the address of at least `size` bytes, used until the call returns."""
        place, length = self._buffer
        if length < size:
            length = buffer_length(size)
            place = self.map_memory(length)
            self._buffer = place, length
        return place

    def map_memory(self, length: int, *, low: bool = False) -> int:
        """Map memory in the program's part of this process; return the address."""
        return map_memory(BUFFERS_END - length, length, PROT_READ | PROT_WRITE, PRIVATE_ANONYMOUS)

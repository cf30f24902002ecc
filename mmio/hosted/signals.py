"""Signal actions, masks and alternate stacks of a hosted program, and the delivery of its signals.

Each signal that the program handles comes to pagetrap's handler first, and so does every one that would kill it,
because the trace has to be finished. `Signals.deliver` copies the kernel's signal frame to the program's stack and
continues at the program's handler, which returns through it (rt_sigreturn, arch/x86/kernel/signal_64.c).

SIGSEGV, SIGFPE and SIGSYS (the *held* signals) are never blocked in the kernel. The program's mask of them is virtual;
a frame has it as the kernel's would, and rt_sigreturn takes it from there.
"""

import os
import signal
import struct
from ctypes import addressof, c_uint64, create_string_buffer, string_at
from typing import Any, Final, NamedTuple

from mmio.hosted.context import CONTEXT_SIZE, FPSTATE
from mmio.hosted.exits import Killed
from mmio.hosted.frame import Frame
from mmio.hosted.raw_syscall import system_call
from mmio.hosted.thread import NO_STACK, RED_ZONE, Thread
from mmio.hosted.trampoline import Crossing
from mmio.linux.syscall_table import NUMBERS
from mmio.live.fault_signals import SignalInfo
from mmio.live.memory import Unreachable
from mmio.live.signal_frame import RAX, RFLAGS, RIP, RSP, SIGNAL_MASK, SLOTS
from mmio.program.memory import TracedMemory

_RT_SIGACTION: Final = NUMBERS[64]["rt_sigaction"]
_RT_SIGPROCMASK: Final = NUMBERS[64]["rt_sigprocmask"]
_SIGALTSTACK: Final = NUMBERS[64]["sigaltstack"]

_SIGINFO: Final = 0x4
_RESTORER: Final = 0x04000000
_ONSTACK: Final = 0x08000000
_KEPT: Final = 0x10000003  # SA_RESTART, SA_NOCLDSTOP, SA_NOCLDWAIT: what the kernel does when there is the signal
_NODEFER: Final = 0x40000000
_RESETHAND: Final = 0x80000000

_DEFAULT: Final = 0
_IGNORE: Final = 1

_HELD: Final = frozenset({signal.SIGSEGV, signal.SIGSYS, signal.SIGFPE})
_HELD_MASK: Final = sum(1 << number - 1 for number in _HELD)
_HARMLESS: Final = frozenset({signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH})
_STOPPING: Final = frozenset({signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})
_UNCHANGEABLE: Final = frozenset({signal.SIGKILL, signal.SIGSTOP})
_TO_THIS_PROCESS: Final = frozenset(
    {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGILL, signal.SIGABRT, signal.SIGBUS} | _HELD
)
"""Signals that a sender means for this process, or that report an error in it: not blocked after the program's end."""
_IGNORED_BY_PYTHON: Final = frozenset({signal.SIGPIPE, signal.SIGXFSZ})

_EVERY: Final = (1 << 64) - 1
_UINT: Final = 0xFFFFFFFF
_SET_SIZE: Final = 8  # of the kernel's sigset_t
_DISABLED: Final = 2  # SS_DISABLE
_ON: Final = 1  # SS_ONSTACK
_AUTODISARM: Final = -1 << 31  # SS_AUTODISARM, of a signed int
_SMALLEST_STACK: Final = 2048

_EINVAL: Final = 22
_ENOMEM: Final = 12
_EPERM: Final = 1

_TRACE_FLAGS: Final = 0x10500  # DF, TF and RF, which the kernel clears for a handler

_ACTION: Final = struct.Struct("<4Q")
_STACK: Final = struct.Struct("<QixxxxQ")


class Action(NamedTuple):
    """The kernel's struct sigaction."""

    handler: int = _DEFAULT
    flags: int = 0
    restorer: int = 0
    mask: int = 0


class Signals:
    """The signals of a program.

    Args:
        crossing: the trampoline whose handler is pagetrap's.
        memory: the program's.

    Attributes:
        mask: the signals blocked before.
    """

    def __init__(self, crossing: Crossing, memory: TracedMemory) -> None:
        self.memory = memory
        self._handler_action = Action(crossing.handler, _SIGINFO | _ONSTACK | _RESTORER, crossing.restorer, _EVERY)
        self._actions: dict[int, Action] = {}
        self._before: dict[int, Action] = {}
        self.mask = 0

    def begin(self) -> None:
        """Set the signal actions that a program has after execve(2), and save those of this process."""
        self.mask = sum(1 << number - 1 for number in signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals()))
        for number in _numbers():
            before = self._before[number] = _kernel_action(number)
            kept = before.handler == _IGNORE and number not in _IGNORED_BY_PYTHON
            self._set_action(number, Action(_IGNORE if kept else _DEFAULT))

    def end(self) -> None:
        """Restore the signal actions of this process; block signals that only the program's timers or children send."""
        _set_kernel_action(signal.SIGSYS, Action(_IGNORE))  # and with it one that was to take this thread out
        for number, action in self._before.items():
            _set_kernel_action(number, action)
        leave_stack()
        left = sum(1 << number - 1 for number in _numbers() if number not in _TO_THIS_PROCESS)
        _set_kernel_mask(self.mask | left)

    def ignores(self, number: int) -> bool:
        """Return whether the program ignores a signal."""
        return self._actions.get(number, Action()).handler == _IGNORE

    def handles(self, number: int) -> bool:
        """Return whether the program has a handler for a signal."""
        return self._actions.get(number, Action()).handler not in (_DEFAULT, _IGNORE)

    def matters(self, number: int) -> bool:
        """Return whether a signal that is delivered calls a handler of the program's, or ends it."""
        return self.handles(number) or not (self.ignores(number) or number in _HARMLESS | _STOPPING)

    def die(self, number: int) -> None:
        """End this process by a signal: it is delivered to this thread, and has its default action."""
        _set_kernel_action(number, Action())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os.kill(os.getpid(), number)

    def execute(self) -> None:
        """Forget the handlers of a program that becomes another; what it ignores stays ignored."""
        for number, action in list(self._actions.items()):
            if action.handler != _IGNORE:
                self._set_action(number, Action())

    def action(self, number: int, new: int, old: int, size: int) -> int:
        """Do what rt_sigaction does, in its order (kernel/signal.c); return its result. Raises Unreachable."""
        if size != _SET_SIZE:
            return -_EINVAL
        wanted = Action(*_ACTION.unpack(self.memory.read_block(new, _ACTION.size))) if new else None
        number &= _UINT
        if number not in range(1, signal.NSIG) or (new and number in _UNCHANGEABLE):
            return -_EINVAL
        before = self._actions.get(number, Action())
        if wanted is not None:
            self._set_action(number, wanted)
        if old:
            self.memory.write_block(old, _ACTION.pack(*before))
        return 0

    def change_mask(self, thread: Thread, how: int, new: int, old: int, size: int) -> int:
        """Do what rt_sigprocmask does, in its order; return its result. Raises Unreachable."""
        if size != _SET_SIZE:
            return -_EINVAL
        how &= _UINT
        before = thread.frame.signal_mask.value | thread.blocked
        if new:
            change = self.memory.read(new, 8)
            masks = (before | change, before & ~change, change)  # SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK
            if how >= len(masks):
                return -_EINVAL
            thread.blocked = masks[how] & _HELD_MASK
            thread.frame.signal_mask.value = masks[how] & ~_HELD_MASK
        if old:
            self.memory.write(old, 8, before)
        return 0

    def change_stack(self, thread: Thread, new: int, old: int) -> int:
        """Do what sigaltstack does; return its result. Raises Unreachable."""
        place, flags, size = thread.alternate
        inside = _is_on_stack(thread, thread.regs[RSP])
        if new:
            wanted = _STACK.unpack(self.memory.read_block(new, _STACK.size))
            if inside:
                return -_EPERM
            if wanted[1] & ~_AUTODISARM not in (0, _ON, _DISABLED):
                return -_EINVAL
            if not wanted[1] & _DISABLED and wanted[2] < _SMALLEST_STACK:
                return -_ENOMEM
            thread.alternate = NO_STACK if wanted[1] & _DISABLED else wanted
        if old:
            self.memory.write_block(old, _STACK.pack(place, _ON if inside else flags & _DISABLED, size))
        return 0

    def unblock_held(self, address: int) -> None:
        """Clear the held signals in a mask in memory, which a system call is about to install."""
        try:
            mask = self.memory.read(address, 8)
            if mask & _HELD_MASK:
                self.memory.write(address, 8, mask & ~_HELD_MASK)
        except Unreachable:
            pass  # the call fails with EFAULT

    def deliver(self, thread: Thread, frame: Frame, info: SignalInfo) -> None:
        """Deliver a signal: the program's handler runs when this process's handler returns.

        Raises:
            Killed: the program has no handler, or no stack for its frame.
        """
        number = info.number
        action = self._actions.get(number, Action())
        sent = info.code <= 0
        if action.handler == _IGNORE and sent:
            return
        if action.handler in (_DEFAULT, _IGNORE) or (thread.blocked >> number - 1 & 1 and not sent):
            raise Killed(number)
        if action.flags & _RESETHAND:
            self._set_action(number, action._replace(handler=_DEFAULT))
        try:
            place = self._push(thread, frame, action, info)
        except Unreachable:
            raise Killed(signal.SIGSEGV) from None
        regs = frame.regs
        regs[RIP], regs[RSP], regs[RAX] = action.handler, place, 0
        regs[SLOTS[7]], regs[SLOTS[6]], regs[SLOTS[2]] = number, place + 8 + CONTEXT_SIZE, place + 8
        regs[RFLAGS] &= ~_TRACE_FLAGS
        more = action.mask | (0 if action.flags & _NODEFER else 1 << number - 1)
        frame.signal_mask.value |= more & ~_HELD_MASK
        thread.blocked |= more & _HELD_MASK

    def returning(self, thread: Thread) -> None:
        """Take the mask of the held signals out of the frame that rt_sigreturn is about to restore.

        Raises:
            Unreachable: it is not there.
        """
        place = thread.regs[RSP] + SIGNAL_MASK
        mask = self.memory.read(place, 8)
        thread.blocked = mask & _HELD_MASK
        self.memory.write(place, 8, mask & ~_HELD_MASK)

    def _push(self, thread: Thread, frame: Frame, action: Action, info: SignalInfo) -> int:
        """Put a copy of the kernel's frame on the program's stack; return where (struct rt_sigframe)."""
        stack: int = frame.regs[RSP]
        place, flags, size = thread.alternate
        if action.flags & _ONSTACK and not flags & _DISABLED and not _is_on_stack(thread, stack):
            stack = place + size
        else:
            stack -= RED_ZONE
        xsave = frame.xsave
        state = (stack - xsave.size) & ~63
        context = bytearray(string_at(frame.address, CONTEXT_SIZE))
        context[FPSTATE : FPSTATE + 8] = state.to_bytes(8, "little")
        context[SIGNAL_MASK : SIGNAL_MASK + 8] = (frame.signal_mask.value | thread.blocked).to_bytes(8, "little")
        whole = action.restorer.to_bytes(8, "little") + context + bytes(info)
        bottom = ((state - len(whole)) & ~15) - 8
        self.memory.write_block(bottom, whole)
        self.memory.write_block(state, string_at(xsave.address, xsave.size))
        return bottom

    def _set_action(self, number: int, action: Action) -> None:
        """Save the program's action for a signal; set pagetrap's handler, unless the kernel has nothing to deliver."""
        self._actions[number] = action
        ends = number not in _HARMLESS | _STOPPING
        if number not in _HELD and (action.handler == _IGNORE or (action.handler == _DEFAULT and not ends)):
            real = action._replace(mask=action.mask & ~_HELD_MASK)
        else:
            real = self._handler_action._replace(flags=self._handler_action.flags | action.flags & _KEPT)
        _set_kernel_action(number, real)


def _numbers() -> list[int]:
    return [number for number in range(1, signal.NSIG) if number not in _UNCHANGEABLE]


def _kernel_action(number: int) -> Action:
    words: Any = (c_uint64 * 4)()
    system_call(_RT_SIGACTION, number, 0, addressof(words), 8)
    return Action(*words)


def _set_kernel_action(number: int, action: Action) -> None:
    words: Any = (c_uint64 * 4)(*action)
    system_call(_RT_SIGACTION, number, addressof(words), 0, 8)


def _set_kernel_mask(mask: int) -> None:
    word: Any = c_uint64(mask)
    system_call(_RT_SIGPROCMASK, 2, addressof(word), 0, 8)


def leave_stack() -> None:
    """Allow signals of this thread to arrive on the stack it is using."""
    words: Any = create_string_buffer(_STACK.pack(*NO_STACK))
    system_call(_SIGALTSTACK, addressof(words), 0)


def _is_on_stack(thread: Thread, address: int) -> bool:
    place, flags, size = thread.alternate
    return not flags & _DISABLED and place < address <= place + size

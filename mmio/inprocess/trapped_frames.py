"""Frames of the threads that have trapped, and the limit for nested handlers."""

import threading
from collections.abc import Callable
from ctypes import c_uint64
from typing import Any, Final, TypeAlias

from mmio.linux.stacks import handler_floor, stack_of_thread
from mmio.live.signal_frame import RIP, Frame
from mmio.space.initiator import Initiator
from mmio.space.recorder import Recorder
from mmio.space.space import AddressSpace

__tracebackhide__ = True  # pytest reports a failure of a driver or a model, not of the way between them

_MOST_FRAMES: Final = 1024  # remembered per thread

Trapped: TypeAlias = tuple[Frame, Any, Initiator]
"""What belongs to the ucontext at one address: the frame, its registers, the bus. Plain, as plain ones unpack fast."""


class TrappedFrames(dict[int, Trapped]):
    """Frames of trapped threads, by the address of the ucontext, which is on the stack of one thread only.

    Each frame has an initiator of its own: a device model may enter a driver, while the access around it continues.

    Attributes:
        stack_ended: called with the stack of a thread that has ended, or that Python knows no more.
    """

    def __init__(self, space: AddressSpace) -> None:
        super().__init__()
        self.stack_ended: Callable[[Stack], None] = lambda stack: None
        self._space = space
        self._mine = _Mine(self)

    def __missing__(self, address: int) -> Trapped:
        stack = self._mine.stack
        if address < stack.floor and address in stack.range:
            raise RecursionError(
                f"maximum depth of device accesses exceeded: a device model called native code that accesses a device, "
                f"and so on, until {address - stack.range.start:#x} bytes were left of the thread's stack"
            )
        if len(self) >= _MOST_FRAMES:
            self.clear()
        trapped = self[address] = self.at(address)
        stack.addresses.add(address)
        return trapped

    def at(self, address: int) -> Trapped:
        """Return what belongs to a ucontext, however little of the stack is left below it."""
        known = self.get(address)
        if known is not None:
            return known
        frame = Frame(address)
        bus = self._space.initiator(threading.get_native_id())
        bus.ip = frame.regs[RIP]
        return frame, frame.regs, bus

    @property
    def stack(self) -> "Stack":
        """The stack of this thread."""
        return self._mine.stack

    def record_to(self, recorder: Recorder) -> None:
        """Record accesses from now on elsewhere."""
        for _, _, bus in list(self.values()):
            bus.trace = recorder


class Stack:
    """The addresses on one thread's stack. They are forgotten with the thread: another may get the same stack.

    Attributes:
        range: of the stack.
        floor: where it is too full for one more handler.
        depth: how many direct calls of devices the thread is in.
    """

    def __init__(self, frames: TrappedFrames) -> None:
        self.addresses: set[int] = set()
        self.range = stack_of_thread()
        self.floor = handler_floor(self.range)
        self.depth = c_uint64()
        self._frames = frames

    def __del__(self) -> None:
        for address in self.addresses:
            self._frames.pop(address, None)
        self._frames.stack_ended(self)


class _Mine(threading.local):
    """State of each thread."""

    def __init__(self, frames: TrappedFrames) -> None:
        self.stack = Stack(frames)

"""IO ports as of a kernel that grants them and of a machine that has a device there: both are pretended.

The instructions are executed nevertheless: those of the program under ptrace, and those in this process, where the
model answers them in place of hardware.
"""

from contextlib import suppress

import pytest

import mmio
from mmio.inprocess.mapping import Ports
from mmio.linux import io_ports
from mmio.program import port_calls
from mmio.ptrace.thread import Thread
from mmio.space.region import DeviceLike

FIRST = 0x300
COUNT = 0x10


class Granting:
    """A kernel, and what it was asked.

    Attributes:
        own: what this process asked for: port, count, whether to have it.
        taken: what was revoked from the program: port and count.
        answer: to the program's asking.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.own: list[tuple[int, int, bool]] = []
        self.taken: list[tuple[int, int]] = []
        self.answer = 0
        patch.setattr(io_ports, "permit", lambda *asked: self.own.append(asked))
        patch.setattr(port_calls, "verdict", lambda thread: self.answer)
        self._make_call = Thread.make_call
        patch.setattr(Thread, "make_call", lambda thread, *call: self._make(thread, *call))

    def machine(self, device: DeviceLike) -> Ports:
        """Put a device at the machine's ports from `FIRST` on; its trace has what reaches it."""
        return mmio.map_ports(FIRST, COUNT, device)

    def _make(self, thread: Thread, number: int, *arguments: int) -> int:
        if number not in (101, 173):  # ioperm
            return self._make_call(thread, number, *arguments)
        assert arguments[2] == 0
        self.taken.append((arguments[0], arguments[1]))
        with suppress(OSError):  # also where it is really granted
            self._make_call(thread, number, *arguments)
        return 0

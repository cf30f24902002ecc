"""A program's open UIO devices: /dev/uioN whose model has an interrupt.

The program has an event descriptor in place of the file, so that its poll, select and epoll wait in the kernel, and so
does a read. A read is made one of the event descriptor, and the count is put where the program wants it; a write masks
and unmasks; a mapping is made one of no file. See drivers/uio/uio.c.
"""

import errno
import os
import re
from contextlib import suppress
from typing import Any, Final

from mmio.device.line import Line
from mmio.errors import MmioError
from mmio.interrupts.event_fd import signal_event
from mmio.interrupts.uio import COUNT, Uio
from mmio.linux.descriptors import descriptor_state, duplicate_descriptor
from mmio.linux.syscall_table import NUMBERS
from mmio.live.memory import Unreachable
from mmio.program.kernel_access import KernelAccess, scatter
from mmio.program.program_timers import event_id
from mmio.program.targets import Targets
from mmio.program.thread import Call, StoppedThread
from mmio.program.time_stop import TimeCalls

_PATH: Final = re.compile(r"/dev/uio\d+")
_READS: Final = ("read", "pread64")
_WRITES: Final = ("write", "pwrite64")
_EVENT: Final = 8  # bytes of the count of an event descriptor


class UioError(MmioError, ValueError):
    """A device at /dev/uioN has several lines, none of which is marked as its interrupt."""


def line_of(device: Any) -> Line | None:
    """Return the line of a device that is its interrupt at /dev/uioN; None when it has none.

    Raises:
        UioError: it has several, and none is called `irq`.
    """
    found = getattr(device, "irq", None)
    if isinstance(found, Line):
        return found
    lines = [each for each in getattr(device, "_device_bound", {}).values() if isinstance(each, Line)]
    if len(lines) > 1:
        names = ", ".join(each.name for each in lines)
        raise UioError(f"a UIO device has one interrupt, and there are the lines {names}: call that one irq")
    return lines[0] if lines else None


def is_uio(file: str | int) -> bool:
    """Return whether a pattern of paths means UIO devices."""
    return isinstance(file, str) and "uio" in file


class UioOpens:
    """The open UIO devices of all processes of a run.

    Args:
        targets: the devices.
    """

    def __init__(self, targets: Targets) -> None:
        self.time: TimeCalls | None = None
        self._targets = targets
        self._devices: dict[str, Uio | None] = {}
        self._opens: dict[int, tuple[str, int]] = {}  # by the number of the event file: the path, our descriptor

    def device(self, path: str) -> Uio | None:
        """Return the interrupt of a path; None when it is not that of a UIO device with one."""
        if _PATH.fullmatch(path) is None:
            return None
        if path not in self._devices:
            devices = [target.device for target in self._targets.of_file(path) if target.device is not None]
            lines = [line for line in map(line_of, devices) if line is not None]
            self._devices[path] = Uio(lines[0]) if lines else None
        return self._devices[path]

    def path(self, thread: StoppedThread, descriptor: int) -> str | None:
        """Return the path of the UIO device that a descriptor stands in for."""
        if not self._opens:
            return None
        number = event_id(thread.pid, descriptor)
        return None if number is None or number not in self._opens else self._opens[number][0]

    def open(self, thread: StoppedThread, call: Call, path: str, flags: int) -> None:
        """Turn an open into the making of an event descriptor."""
        uio = self.device(path)
        assert uio is not None
        kept = flags & (os.O_CLOEXEC | os.O_NONBLOCK)  # EFD_CLOEXEC and EFD_NONBLOCK are the same bits
        thread.set_call(NUMBERS[call.bits]["eventfd2"], {0: 0, 1: kept}, call.bits)

        def opened() -> None:
            descriptor = thread.call_result
            thread.restore_call()
            if descriptor < 0:
                return
            number = event_id(thread.pid, descriptor)
            if number is not None:
                ours = duplicate_descriptor(thread.group, descriptor)
                self._opens[number] = path, ours
                uio.told.append(lambda: signal_event(ours))

        thread.on_exit = opened

    def transfer(self, thread: StoppedThread, name: str, call: Call, access: KernelAccess, path: str) -> None:
        """Deal with a read or write of a UIO device, in the order of the checks of the kernel."""
        if name not in (*_READS, *_WRITES) or call.arguments[2] != COUNT.size:
            thread.answer_call(-errno.EINVAL)
        elif name in _WRITES:
            (on,) = COUNT.unpack(access.read(call.arguments[1], COUNT.size))
            uio = self.device(path)
            assert uio is not None
            uio.control(on)
            thread.answer_call(COUNT.size)
        else:
            self._read(thread, call, path)

    def _read(self, thread: StoppedThread, call: Call, path: str) -> None:
        uio = self.device(path)
        assert uio is not None
        descriptor = call.arguments[0] & 0xFFFFFFFF
        waits = not descriptor_state(thread.pid, descriptor)[1] & os.O_NONBLOCK
        if waits and self.time is not None and self.time.time.waiter is not None:
            interrupted = self.time.time.waiter.wait_for_input(thread, descriptor)
            if interrupted:
                thread.answer_call(interrupted)
                return
        place = thread.buffer(_EVENT, call.bits)
        thread.set_call(NUMBERS[call.bits]["read"], {1: place, 2: _EVENT}, call.bits)

        def returned() -> None:
            if thread.call_result != _EVENT:
                thread.restore_call()
                return
            thread.restore_call(COUNT.size)
            try:
                scatter(thread, call.arguments[1], COUNT.pack(uio.count), call.bits)
            except Unreachable:
                thread.restore_call(-errno.EFAULT)

        thread.on_exit = returned

    def close(self) -> None:
        """Close our descriptors, and take the interrupts off their lines."""
        for _, ours in self._opens.values():
            with suppress(OSError):
                os.close(ours)
        self._opens.clear()
        for uio in self._devices.values():
            if uio is not None:
                uio.close()
        self._devices.clear()

"""A UIO descriptor for a driver in this process: a socket whose other end is the model's.

It is a real descriptor, so the driver's read blocks and its poll waits in the kernel. What it can read is one message
of four bytes, the present count, replaced while it has not been read. What it writes comes to the inbox's thread.
"""

import socket
from contextlib import suppress
from threading import Lock
from typing import Self

from mmio.device.line import Line
from mmio.interrupts.inbox import inbox
from mmio.interrupts.uio import COUNT, Uio


class UioFile:
    """The descriptor, and the interrupt behind it.

    It passes to a ctypes function as the descriptor. Where it differs from /dev/uioN: a read of more or fewer than four
    bytes is not refused, and a write is taken a moment after it has returned.

    Args:
        line: of a device.
        trigger: "level" or "edge"; the line's own when left out.

    Raises:
        TypeError, ValueError: an argument is not what it should be.

    Attributes:
        uio: the interrupt: `count`, and `source` with `masked`.
    """

    def __init__(self, line: Line, trigger: str | None = None) -> None:
        self.uio = Uio(line, trigger)
        self._ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.setblocking(False)
        self._lock = Lock()
        self._as_parameter_ = self._theirs.fileno()
        inbox().add(self._ours.fileno(), self._control)
        self.uio.told.append(self._tell)
        if self.uio.count:
            self._tell()

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._theirs.fileno()

    def close(self) -> None:
        """Disconnect it from the line, and close the descriptor. Closing again has no effect."""
        if self._ours.fileno() >= 0:
            self.uio.close()
            inbox().remove(self._ours.fileno())
            self._ours.close()
            self._theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _tell(self) -> None:
        """Replace the count that can be read."""
        with self._lock, suppress(BlockingIOError):
            with suppress(BlockingIOError):
                self._theirs.recv(COUNT.size, socket.MSG_DONTWAIT)
            self._ours.send(COUNT.pack(self.uio.count))

    def _control(self) -> None:
        data = self._ours.recv(64)
        if len(data) == COUNT.size:  # others the kernel refuses
            self.uio.control(COUNT.unpack(data)[0])


def uio_fd(line: Line, trigger: str | None = None) -> UioFile:
    """Make a descriptor that behaves as /dev/uioN does, for a driver in this process.

        with mmio.uio_fd(card.irq) as fd:
            driver.wait_for_interrupt(fd)  # an int to C, where read(fd, &count, 4) blocks until the line is asserted

    Args:
        line: of a device.
        trigger: "level" (it masks itself until the driver writes 1) or "edge"; the line's own when left out.

    Returns:
        The descriptor, to be closed after use.

    Raises:
        TypeError: the line is none.
        ValueError: there is no such trigger.
    """
    return UioFile(line, trigger)

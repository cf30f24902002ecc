"""Interrupts by VFIO: VFIO_DEVICE_SET_IRQS (linux/vfio.h, drivers/vfio/pci/vfio_pci_intrs.c).

An index of interrupts has vectors, each a line. A trigger is an event descriptor of the user's that is signalled. A
level-triggered one (INTx) masks itself as it fires, and is unmasked by a call or by an event descriptor of the user's;
an edge-triggered one (MSI, MSI-X) cannot be masked so. The first triggers enable the index; before them, and after they
were taken away, every other call is refused. The errors are the kernel's, so that a driver that works here works there.
"""

import errno
import os
import struct
from typing import Final

from mmio.arguments import integer, shortened
from mmio.device.line import Line
from mmio.interrupts.event_fd import signal_event
from mmio.interrupts.inbox import inbox
from mmio.interrupts.source import InterruptSource, trigger_of

DATA_NONE: Final = 1
DATA_BOOL: Final = 2
DATA_EVENTFD: Final = 4
ACTION_MASK: Final = 8
ACTION_UNMASK: Final = 16
ACTION_TRIGGER: Final = 32

INFO_EVENTFD: Final = 1
INFO_MASKABLE: Final = 2
INFO_AUTOMASKED: Final = 4
INFO_NORESIZE: Final = 8

_DATA: Final = DATA_NONE | DATA_BOOL | DATA_EVENTFD
_ACTIONS: Final = ACTION_MASK | ACTION_UNMASK | ACTION_TRIGGER
_HEADER: Final = struct.Struct("<5I")  # struct vfio_irq_set: argsz, flags, index, start, count


class _Vector:
    """One vector: its line, while it has a trigger, and the descriptors of the user's."""

    def __init__(self, line: Line, trigger: str) -> None:
        self._line, self._trigger = line, trigger
        self._source: InterruptSource | None = None
        self._event = -1
        self._unmasking = -1  # the descriptor that unmasks

    def set_trigger(self, descriptor: int) -> None:
        """Signal a descriptor from now on; none with -1."""
        event = -1 if descriptor < 0 else os.dup(descriptor)
        self._close_trigger()
        if event >= 0:
            self._event = event
            self._source = InterruptSource(self._line, self.signal, trigger=self._trigger)

    @property
    def listens(self) -> bool:
        """Return whether a descriptor of the user's unmasks it."""
        return self._unmasking >= 0

    def listen(self, descriptor: int) -> None:
        """Unmask when the user signals a descriptor; not any more with -1."""
        event = -1 if descriptor < 0 else os.dup(descriptor)
        before, self._unmasking = self._unmasking, event
        if before >= 0:
            inbox().remove(before)
            os.close(before)
        if event >= 0:

            def heard() -> None:
                os.eventfd_read(event)
                self.act(ACTION_UNMASK)

            inbox().add(event, heard)

    def act(self, action: int) -> None:
        """Mask, unmask, or fire as a test of the descriptor."""
        if action == ACTION_TRIGGER:
            self.signal()
        elif self._source is not None:
            self._source.mask() if action == ACTION_MASK else self._source.unmask()

    def signal(self) -> None:
        """Signal the trigger, if there is one."""
        if self._event >= 0:
            signal_event(self._event)

    @property
    def masked(self) -> bool:
        """Return whether interrupts are masked."""
        return self._source is not None and self._source.masked

    def close(self) -> None:
        """Release all descriptors."""
        self._close_trigger()
        self.listen(-1)

    def _close_trigger(self) -> None:
        if self._source is not None:
            self._source.close()
            self._source = None
            os.close(self._event)
            self._event = -1


class VfioInterrupts:
    """One index of interrupts of a VFIO device.

        irqs = VfioInterrupts(card.irq)
        irqs.set_irqs(DATA_EVENTFD | ACTION_TRIGGER, 0, 1, struct.pack("<i", trigger))

    The flags are those of `linux/vfio.h`, and in `mmio.interrupts.vfio` for Python.

    Args:
        lines: of the vectors, in order.
        trigger: "level" for one as INTx, "edge" for those as MSI-X; the first line's own when left out.

    Raises:
        TypeError, ValueError: an argument is not what it should be.
    """

    def __init__(self, *lines: Line, trigger: str | None = None) -> None:
        if not lines:
            raise ValueError("expected a line for each vector, as VfioInterrupts(card.irq), got none")
        self.trigger: Final = trigger_of(lines[0], trigger)
        self._vectors = [_Vector(line, trigger_of(line, self.trigger)) for line in lines]
        self._enabled = False

    @property
    def info(self) -> tuple[int, int]:
        """The flags and the count of VFIO_DEVICE_GET_IRQ_INFO."""
        kind = INFO_MASKABLE | INFO_AUTOMASKED if self.trigger == "level" else INFO_NORESIZE
        return INFO_EVENTFD | kind, len(self._vectors)

    def masked(self, vector: int = 0) -> bool:
        """Return whether a vector's interrupts are masked.

        Args:
            vector: its number.
        """
        return self._vectors[integer("vector", vector, 0, len(self._vectors) - 1)].masked

    def set_irqs(self, flags: int, start: int, count: int, data: bytes = b"") -> None:
        """Do what VFIO_DEVICE_SET_IRQS does.

        Args:
            flags: one of DATA_NONE, DATA_BOOL, DATA_EVENTFD, and one of ACTION_MASK, ACTION_UNMASK, ACTION_TRIGGER.
            start: the first vector.
            count: of vectors; 0, with DATA_NONE and ACTION_TRIGGER, takes all triggers away.
            data: a byte each (DATA_BOOL), or an int of 32 bits each, a descriptor or -1 (DATA_EVENTFD).

        Raises:
            OSError: EINVAL for flags, vectors or data that make no sense, for a descriptor that is not of an event, and
                for all but triggers while there are none; ENOTTY for an action that there is not: the mask of an
                edge-triggered one, or by an event descriptor; EBADF for a descriptor that is not open; EBUSY for a
                second one that unmasks. Nothing has changed then.
            TypeError: an argument is of a wrong kind.
        """
        flags, start, count = integer("flags", flags), integer("start", start), integer("count", count)
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"data is bytes, not {shortened(data)}")
        kind, action = flags & _DATA, flags & _ACTIONS
        if flags & ~(_DATA | _ACTIONS) or kind not in _KINDS:
            raise _invalid(f"flags {flags:#x} are not one DATA_ and one ACTION_ flag")
        width = _KINDS[kind]
        if start < 0 or count < 0 or start + count > len(self._vectors):
            raise _invalid(f"vectors {start}..{start + count} of an index with {len(self._vectors)}")
        if len(data) < width * count:
            raise _invalid(f"{len(data)} bytes of data for {count} vectors of {width} bytes each")
        if action not in _VERBS:
            raise _refused(errno.ENOTTY, f"flags {flags:#x} are not one DATA_ and one ACTION_ flag")
        if action != ACTION_TRIGGER and self.trigger == "edge":
            raise _refused(errno.ENOTTY, "an edge-triggered interrupt cannot be masked")
        if not count and flags != DATA_NONE | ACTION_TRIGGER:
            raise _invalid("no vectors, which only DATA_NONE with ACTION_TRIGGER takes")
        if not self._enabled and flags != DATA_EVENTFD | ACTION_TRIGGER:
            raise _invalid("there are no triggers yet, and they come first: DATA_EVENTFD with ACTION_TRIGGER")
        if not count:
            self.close()
            return
        chosen = self._vectors[start : start + count]
        if kind == DATA_EVENTFD:
            self._connect(action, chosen, struct.unpack_from(f"<{count}i", data))
            return
        for index, vector in enumerate(chosen):
            if kind == DATA_NONE or data[index]:
                vector.act(action)

    def _connect(self, action: int, chosen: list[_Vector], descriptors: tuple[int, ...]) -> None:
        """Give vectors descriptors: to signal, or to be unmasked by."""
        if action == ACTION_MASK:
            raise _refused(errno.ENOTTY, "an event descriptor can unmask, and not mask")
        for descriptor in descriptors:
            if descriptor >= 0:
                _check_event(descriptor)
        if action == ACTION_TRIGGER:
            self._enabled = True
            for vector, descriptor in zip(chosen, descriptors, strict=True):
                vector.set_trigger(descriptor)
            return
        for vector, descriptor in zip(chosen, descriptors, strict=True):
            if descriptor >= 0 and vector.listens:
                raise _refused(errno.EBUSY, "a descriptor unmasks it already: take that away first, by -1")
        for vector, descriptor in zip(chosen, descriptors, strict=True):
            vector.listen(descriptor)

    def set_irqs_of(self, message: bytes) -> None:
        """Do what a whole struct vfio_irq_set says, but for its index, which the caller has looked at.

        Args:
            message: the structure and its data.

        Raises:
            OSError: as of `set_irqs`; EINVAL also where the structure is too short.
            TypeError: it is no bytes.
        """
        if not isinstance(message, bytes | bytearray | memoryview):
            raise TypeError(f"message is bytes, not {shortened(message)}")
        if len(message) < _HEADER.size:
            raise _invalid(f"{len(message)} bytes, and a struct vfio_irq_set has {_HEADER.size}")
        size, flags, _, start, count = _HEADER.unpack_from(message)
        if not _HEADER.size <= size <= len(message):
            raise _invalid(f"argsz is {size}, and there are {len(message)} bytes")
        self.set_irqs(flags, start, count, message[_HEADER.size : size])

    def close(self) -> None:
        """Release all descriptors and lines. Closing again has no effect."""
        self._enabled = False
        for vector in self._vectors:
            vector.close()


_KINDS: Final = {DATA_NONE: 0, DATA_BOOL: 1, DATA_EVENTFD: 4}
"""Bytes of data a vector."""
_VERBS: Final = (ACTION_MASK, ACTION_UNMASK, ACTION_TRIGGER)


def _check_event(descriptor: int) -> None:
    try:
        what = os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        raise _refused(errno.EBADF, f"{descriptor} is no open descriptor") from None
    if what != "anon_inode:[eventfd]":
        raise _invalid(f"descriptor {descriptor} is not of an event, eventfd(2), but of {what}")


def _invalid(problem: str) -> OSError:
    return _refused(errno.EINVAL, problem)


def _refused(number: int, problem: str) -> OSError:
    return OSError(number, f"VFIO_DEVICE_SET_IRQS: {problem}")

"""Interrupts of a served function: the VMM's event descriptors, and the mask.

INTx is a level. VFIO masks it as soon as it was signalled, and the VMM unmasks it when the guest may have served it: if
the level is still there, it is signalled again (<linux/vfio.h>, VFIO_IRQ_INFO_AUTOMASKED). MSI and MSI-X are messages.
"""

import errno
import fcntl
import os
from collections.abc import Mapping
from contextlib import suppress
from threading import RLock
from typing import Final

from mmio.closing import Closing
from mmio.guests.messages import INTX, IRQS, Message, Refused

_NONE: Final = 1
_BOOL: Final = 2
_EVENTFD: Final = 4
_MASK: Final = 8
_UNMASK: Final = 16
_TRIGGER: Final = 32
_DATA: Final = (_NONE, _BOOL, _EVENTFD)
_ACTIONS: Final = (_MASK, _UNMASK, _TRIGGER)
_ONE: Final = (1).to_bytes(8, "little")  # what is added to an eventfd

EVENTFD: Final = 1  # of an interrupt type's own flags
MASKABLE: Final = 2
AUTOMASKED: Final = 4
NORESIZE: Final = 8


class Interrupts(Closing):
    """The interrupts of one function, to one client.

    Args:
        counts: how many interrupts there are of each type, by its index.
    """

    def __init__(self, counts: Mapping[int, int]) -> None:
        self._counts = counts
        self._lock = RLock()  # models may signal from threads of their own
        self._level = False
        self._descriptors: dict[tuple[int, int], int] = {}
        self._masked: set[tuple[int, int]] = set()

    def count(self, index: int) -> int:
        """Return how many interrupts of a type there are."""
        return self._counts.get(index, 0)

    def flags(self, index: int) -> int:
        """Return the flags of a type."""
        return EVENTFD | (MASKABLE | AUTOMASKED if index == INTX else NORESIZE)

    def set_level(self, level: bool) -> None:
        """Drive the INTx line."""
        with self._lock:
            self._level = bool(level)
            self._pass_level_on()

    def send(self, index: int, vector: int) -> bool:
        """Send a message interrupt.

        Args:
            index: MSI or MSIX.
            vector: its number.

        Returns:
            whether the VMM has asked for it.
        """
        with self._lock:
            return self._signal((index, vector))

    def set(self, message: Message) -> None:
        """Do a DEVICE_SET_IRQS.

        Args:
            message: the command; descriptors that are used are taken from it.

        Raises:
            Refused: there is no such interrupt, action or data.
        """
        _, flags, index, start, count = message.parsed(IRQS, exactly=False)
        data = [kind for kind in _DATA if flags & kind]
        actions = [action for action in _ACTIONS if flags & action]
        if len(data) != 1 or len(actions) != 1 or flags & ~sum((*_DATA, *_ACTIONS)):
            raise Refused(f"expected one kind of data and one action, got flags {flags:#x}")
        (kind,), (action,) = data, actions
        if start + count > self.count(index):
            have = f"there are {self.count(index)} of type {index}"
            raise Refused(f"{have}, got {count} from {start} on")
        booleans = message.payload[IRQS.size :]
        if len(booleans) != (count if kind == _BOOL else 0):
            expected = count if kind == _BOOL else 0
            raise Refused(f"expected {expected} bytes of data after the structure, got {len(booleans)}")
        if kind != _EVENTFD and message.descriptors:
            raise Refused("expected no descriptors with this kind of data")
        with self._lock:
            if kind == _EVENTFD:
                self._connect(message, action, index, start, count)
            elif count == 0:
                if action == _TRIGGER and kind == _NONE:
                    self._disable(index)
            else:
                chosen = [start + i for i in range(count) if kind == _NONE or booleans[i]]
                self._act(action, [(index, each) for each in chosen])

    def _connect(self, message: Message, action: int, index: int, start: int, count: int) -> None:
        if action != _TRIGGER:
            raise Refused("events for masking are not supported", errno.ENOTSUP)
        given = message.descriptors
        if given and len(given) != count:
            raise Refused(f"expected a descriptor for each of {count} interrupts, got {len(given)}")
        for descriptor in given:
            if _kind(descriptor) != "anon_inode:[eventfd]":
                raise Refused("expected descriptors of eventfd(2)", errno.EBADF)
            if not os.get_blocking(descriptor):
                continue
            os.set_blocking(descriptor, False)  # a counter that is full must not hold up the device
        taken = message.take()
        for i in range(count):
            key = index, start + i
            self._close(key)
            if taken:
                self._descriptors[key] = taken[i]
            if index == INTX:
                self._masked.discard(key)
        if index == INTX:
            self._pass_level_on()

    def _act(self, action: int, keys: list[tuple[int, int]]) -> None:
        for key in keys:
            if action == _TRIGGER:
                self._signal(key)
            elif action == _MASK:
                self._masked.add(key)
            else:
                self._masked.discard(key)
        if action == _UNMASK:
            self._pass_level_on()

    def _disable(self, index: int) -> None:
        for key in [key for key in self._descriptors if key[0] == index]:
            self._close(key)
        self._masked -= {key for key in self._masked if key[0] == index}

    def _pass_level_on(self) -> None:
        key = INTX, 0
        if self._level and key not in self._masked and self._signal(key):
            self._masked.add(key)

    def _signal(self, key: tuple[int, int]) -> bool:
        descriptor = self._descriptors.get(key)
        if descriptor is None or (key in self._masked and key[0] != INTX):
            return False
        with suppress(BlockingIOError):
            os.write(descriptor, _ONE)
        return True

    def _close(self, key: tuple[int, int]) -> None:
        descriptor = self._descriptors.pop(key, None)
        if descriptor is not None:
            os.close(descriptor)

    def close(self) -> None:
        """Close the client's descriptors."""
        with self._lock:
            for key in list(self._descriptors):
                self._close(key)
            self._masked.clear()


def _kind(descriptor: int) -> str:
    """Return the name of what a descriptor is of; "" for one that cannot be written."""
    try:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            return ""
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return ""

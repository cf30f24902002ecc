"""Wrappers of a device for one mapping of it: a shift of its offsets, and the mapping's protection."""

from typing import Any

from attrs import frozen

from mmio.linux.libc import PROT_NONE, PROT_WRITE
from mmio.live.memory import Unreachable
from mmio.space.region import DeviceLike


def shifted(device: DeviceLike, shift: int) -> DeviceLike:
    """Return a device whose offset 0 is `shift` of the given one."""
    return _Shifted(device, shift) if shift else device


def guarded(device: DeviceLike, start: int, protection: int) -> DeviceLike:
    """Return a device mapped at `start` whose accesses fault where the program's own protection forbids them."""
    return device if protection & PROT_WRITE else _Guarded(device, start, protection)


@frozen
class _Shifted:
    """Device with shifted offsets. Compared by value, because records compare the devices that name registers."""

    _device: Any
    _shift: int

    def read(self, offset: int, width: int) -> int:
        answer: int = self._device.read(offset + self._shift, width)
        return answer

    def write(self, offset: int, width: int, value: int) -> None:
        self._device.write(offset + self._shift, width, value)

    @property
    def naming(self) -> Any:
        inner = getattr(self._device, "naming", None)
        if inner is None:
            return None
        return lambda offset, *rest: _Shifted(inner(offset + self._shift, *rest), self._shift)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._device, name)
        return lambda offset, *rest: method(offset + self._shift, *rest)


class _Guarded:
    """Device whose writes, or reads and writes, raise Unreachable, as the mapping's protection forbids them."""

    def __init__(self, device: DeviceLike, start: int, protection: int) -> None:
        self._device = device
        self._start = start
        self._readable = protection != PROT_NONE

    def read(self, offset: int, width: int) -> int:
        if not self._readable:
            raise Unreachable(self._start + offset)
        return self._device.read(offset, width)

    def write(self, offset: int, width: int, value: int) -> None:
        raise Unreachable(self._start + offset, write=True)

    def __getattr__(self, name: str) -> Any:
        if name in ("update", "write_block") or (name == "read_block" and not self._readable):
            raise AttributeError(name)
        return getattr(self._device, name)

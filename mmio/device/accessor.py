"""Accessors: functions that make the accesses of one width and direction to one register.

`read` and `write` of a device find the register of each access, the faults that it has, and so on. An instruction of a
driver accesses the same register each time, as a rule. So a direct call (docs/design/patching.md) may use a function
that has found all of that, and does it without a further call where there is little to do. For any other access it
calls the device's method, before it has done anything itself.

A `Path` says what there is to do. The device makes it (`_device_path`), and what stands in front of the device adds to
it, or has none.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeAlias

from attrs import frozen

from mmio.device.bound import Cell
from mmio.errors import NoRegister

__tracebackhide__ = True  # pytest reports a failure of a driver or a model, not of the way between them

Method: TypeAlias = Callable[..., Any]
"""`read(offset, width)` or `write(offset, width, value)` of a device."""

Ended: TypeAlias = Callable[[], None]


class Time(Protocol):
    """Interface of a clock that an accessor advances: `mmio.device.clock.Clock`."""

    _now: int
    _alarm: int

    @property
    def per_access(self) -> int:
        """The ns that an access takes."""


class _NoTime:
    """Time that does not pass."""

    per_access = 0

    def __init__(self) -> None:
        self._now = 0
        self._alarm = 1


@frozen(eq=False)
class Path:
    """Description of the accesses to one register, in one direction.

    Attributes:
        cell: the register.
        written: whether they are writes.
        ended: called when an accessor must not be called any more.
        clock: advances with each.
        make: makes the accessor, of the path and the method of the device that stands in front of all.
    """

    cell: Cell
    written: bool
    ended: Ended
    clock: Time | None = None
    make: "Callable[[Path, Method], Method] | None" = None

    @property
    def time(self) -> Time:
        """The clock, or one that stands still."""
        return _NO_TIME if self.clock is None else self.clock

    @property
    def is_plain(self) -> bool:
        """Return whether an access does no more than read or set the register's value."""
        return self.cell.plain_write if self.written else self.cell.plain_read

    @property
    def load(self) -> Callable[[], int] | None:
        """Function that reads the register; None where a read is its value."""
        return None if self.cell.plain_read else self.cell.load

    @property
    def store(self) -> Callable[[int, int], None] | None:
        """Function that writes the register; None where a write sets its value."""
        return None if self.cell.plain_write else self.cell.store


_NO_TIME: Final = _NoTime()


def accessor(device: Any, offset: int, width: int, method: Method, written: bool, ended: Ended) -> Method | None:
    """Return the function for accesses to one register of a device; None where only its method will do.

    Args:
        device: any device.
        offset: of the register.
        width: of the accesses, in bytes.
        method: of the device, which the function takes the place of.
        written: whether they are writes.
        ended: called when the function must not be called any more.
    """
    path = path_of(device, offset, width, written, ended)
    if path is None:
        return None
    return (path.make or (_writing if written else _reading))(path, method)


def path_of(device: Any, offset: int, width: int, written: bool, ended: Ended) -> Path | None:
    """Return what accesses to one register of a device do; None where that is more than a `Path` can say.

    Args:
        device: any device.
        offset: of the register.
        width: of the accesses, in bytes.
        written: whether they are writes.
        ended: called when the answer is another one.
    """
    find = getattr(type(device), "_device_path", None)
    found: Path | None = None if find is None else find(device, offset, width, written, ended)
    return found


def register_paths(read: Method, write: Method) -> Callable[..., Path | None]:
    """Return the `_device_path` of a class of devices with registers.

    Args:
        read: the method of the class for reads. A device with another one has no accessors for reads.
        write: the same for writes.
    """

    def find(device: Any, offset: int, width: int, written: bool, ended: Ended) -> Path | None:
        name, method = ("write", write) if written else ("read", read)
        cell: Cell | None = device._device_at.get(offset)
        if cell is None or cell.width != width or getattr(type(device), name) is not method or name in vars(device):
            return None
        return Path(cell, written, ended)

    return find


def _reading(path: Path, method: Method) -> Method:
    cell, load, time, per_access = path.cell, path.load, path.time, path.time.per_access
    if path.clock is None:
        return (lambda offset, width: cell.value) if load is None else (lambda offset, width: load())

    def read(offset: int, width: int) -> Any:
        now = time._now + per_access
        if now >= time._alarm:
            return method(offset, width)
        time._now = now
        return cell.value if load is None else load()

    return read


def _writing(path: Path, method: Method) -> Method:
    cell, store, time, per_access = path.cell, path.store, path.time, path.time.per_access
    mask = cell.mask

    def write(offset: int, width: int, value: int) -> Any:
        now = time._now + per_access
        if now >= time._alarm:
            return method(offset, width, value)
        time._now = now
        if store is not None:
            return store(value, mask)
        cell.value = value
        return None

    return write


def claim(front: Any, hole: NoRegister) -> None:
    """Make an error of a device that of the one in front of it, as the methods of that one would.

    The policy for holes applies of the mapping that has it.

    Args:
        front: the device of a mapping.
        hole: raised by an accessor of it.
    """
    behind = front
    while hasattr(type(behind), "_device_path"):
        if behind is hole.device:
            hole.device = front
            return
        behind = getattr(behind, "device", None)

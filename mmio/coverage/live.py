"""Coverage of the devices of this process, independent of how they are mapped.

Devices are found when they are made: for as long as coverage is collected, `Device.__new__` is exchanged, and a device
of a class that was asked for gets a `read` and a `write` of its own, which the bus finds before its class's. Nothing
of it exists when no coverage is asked for, and no other device gets slower.
"""

import inspect
from collections.abc import Callable, Iterable
from contextlib import suppress
from difflib import get_close_matches
from types import TracebackType
from typing import Any, Self

from decode import READ, WRITE, Direction
from mmio.coverage.counted import NO_REGISTER, REFUSED
from mmio.coverage.device import DeviceCoverage
from mmio.coverage.stream import Stream
from mmio.device.device import Device
from mmio.device.layout import Layout
from mmio.errors import AccessError, NoRegister

__tracebackhide__ = True  # pytest reports a failure of a driver or a model, not of the way between them


class Collector:
    """Counts the accesses to all devices of some classes that are made while it is open.

        with Collector(["Timer"]) as collector:
            …
        print(*collector.coverages())

    Args:
        names: of the classes: "Timer", "package.module:Timer" or "path/timer.py:Timer". A device of a subclass counts
            for the class as well.
        omit: patterns of registers that have no points; see `DeviceCoverage.omit`.

    Raises:
        ValueError: a name is empty.
    """

    def __init__(self, names: Iterable[str], omit: Iterable[str] = ()) -> None:
        self._names = list(dict.fromkeys(names))
        for name in self._names:
            if not name.rpartition(":")[2]:
                raise ValueError(f"expected the name of a device class, as in Timer or timer.py:Timer, got {name!r}")
        self._wanted: dict[type, DeviceCoverage | None] = {}
        self._by_name: dict[str, DeviceCoverage] = {}
        self._problems: dict[str, str] = {}
        self._omit = list(omit)
        self.omitted: set[str] = set()  # those patterns that a device had registers for
        self._kept: Any = None

    def __enter__(self) -> Self:
        self._kept = vars(Device)["__new__"]
        original = Device.__new__
        collector = self

        def make(cls: type[Device], *args: Any, **kwargs: Any) -> Device:
            device = original(cls, *args, **kwargs)
            for base in cls.__mro__:
                coverage = collector._coverage(base)
                if coverage is not None:
                    _Observed(device, coverage)
                    break
            return device

        Device.__new__ = staticmethod(make)  # type: ignore[method-assign, assignment]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Look for devices no more; those that there are continue being counted."""
        if self._kept is not None:
            Device.__new__ = self._kept  # type: ignore[method-assign]
            self._kept = None

    def coverages(self) -> list[DeviceCoverage]:
        """Return what was covered, a coverage for each class that was found."""
        return [self._by_name[name] for name in self._names if name in self._by_name]

    def by_name(self) -> dict[str, DeviceCoverage]:
        """Return the same by the names that were asked for."""
        return dict(self._by_name)

    def wrong(self) -> dict[str, str]:
        """Return what is wrong with classes that were found: one has no registers, or two have one name."""
        return dict(self._problems)

    def known(self) -> list[str]:
        """Return the names of all device classes that there are, as "module:Timer"."""
        found, left = set[str](), list[type](Device.__subclasses__())
        while left:
            cls = left.pop()
            left += cls.__subclasses__()
            found.add(f"{cls.__module__}:{cls.__name__}")
        return sorted(found)

    def _coverage(self, cls: type) -> DeviceCoverage | None:
        """Return where devices of a class are counted, None for most classes."""
        if cls not in self._wanted:
            name = next((name for name in self._names if _is_meant(name, cls)), None)
            self._wanted[cls] = None if name is None else self._found(name, cls)
        return self._wanted[cls]

    def _found(self, name: str, cls: type) -> DeviceCoverage | None:
        try:
            coverage = DeviceCoverage(cls)
        except (TypeError, ValueError) as error:
            self._problems[name] = str(error)
            return None
        for pattern in self._omit:
            with suppress(ValueError):
                coverage.omit(pattern)
                self.omitted.add(pattern)
        before = self._by_name.setdefault(name, coverage)
        if before is coverage:
            return coverage
        if [register.shape for register in before.registers] != [register.shape for register in coverage.registers]:
            again = f"there are different classes of this name, one in {cls.__module__}"
            self._problems[name] = f"{name}: {again}; say which, as in {cls.__module__}:{cls.__name__}"
            return None
        return before


def no_such(name: str, known: Iterable[str]) -> str:
    """Say that no class of a name was used, and whether there is one.

    Args:
        name: of a class, as it was asked for.
        known: the classes that there are, as `Collector.known` returns them.
    """
    where, _, wanted = name.rpartition(":")
    module = where.removesuffix(".py").rpartition("/")[2].rpartition(".")[2]
    named = [each for each in known if each.rpartition(":")[2] == wanted]
    if there := [each for each in named if not where or each.rpartition(":")[0].rpartition(".")[2] == module]:
        return f"{name}: there is this class, {there[0]}, and no device of it was made while the tests ran"
    names = {each.rpartition(":")[2]: each for each in known}
    close = get_close_matches(wanted.rpartition(".")[2], list(names), n=1)
    hint = f"; did you mean {named[0] if named else names[close[0]] if where else close[0]}?" if close else ""
    return f"{name}: no device of a class of this name was made{hint}"


def _is_meant(name: str, cls: type) -> bool:
    where, _, wanted = name.rpartition(":")
    if wanted not in (cls.__name__, cls.__qualname__):
        return False
    if not where or where == cls.__module__ or cls.__module__.endswith(f".{where}"):
        return True
    try:
        file = inspect.getsourcefile(cls) or ""
    except (OSError, TypeError):
        return False
    return where.endswith(".py") and (file == where or file.endswith(f"/{where.removeprefix('./')}"))


class _Observed:
    """One device whose accesses are counted."""

    def __init__(self, device: Device, coverage: DeviceCoverage) -> None:
        self._device = device
        self._coverage = coverage
        self._stream: Stream = coverage.stream()
        self._same = type(device).layout is coverage._plan.device.layout  # type: ignore[union-attr]
        self._read: Callable[[int, int], int] = device.read
        self._write: Callable[[int, int, int], None] = device.write
        device.read = self.read  # type: ignore[method-assign]
        device.write = self.write  # type: ignore[method-assign]

    def read(self, offset: int, width: int) -> int:
        """Answer a read, and count it."""
        view = self._view(offset, width, READ)
        try:
            value = self._read(offset, width)
        except AccessError as error:
            self._failed(error, READ, offset, width)
            raise
        if type(value) is int and value >= 0:
            self._count(READ, offset, width, value, view)
        return value

    def write(self, offset: int, width: int, value: int) -> None:
        """Take a write, and count it."""
        view = self._view(offset, width, WRITE)
        try:
            self._write(offset, width, value)
        except AccessError as error:
            self._failed(error, WRITE, offset, width)
            raise
        self._count(WRITE, offset, width, value, view)

    def _view(self, offset: int, width: int, direction: Direction) -> Layout:
        naming = self._device.naming
        return self._device.layout if naming is None else naming(offset, width, direction)

    def _failed(self, error: AccessError, direction: Direction, offset: int, width: int) -> None:
        path = NO_REGISTER if isinstance(error, NoRegister) else REFUSED
        self._coverage.missed(path, direction, f"+{offset:#x}", width)

    def _count(self, direction: Direction, offset: int, width: int, value: int, view: Layout) -> None:
        if self._same:
            self._stream.take(direction, offset, width, value, view)
        else:  # of a subclass, which may have registers more
            self._stream.named(view.name_at(offset, width), offset, width, direction, value)

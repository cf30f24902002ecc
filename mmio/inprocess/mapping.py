"""Device memory and ports of this process: `ioremap` and `map_ports`, named as drivers name them.

A mapping's pages are inaccessible, and stay so for ever: when it is closed, its addresses are not given back. A driver
that still has the pointer then gets the SIGSEGV it deserves, and does not write into whatever the next mmap put there.
That costs address space, of which there are 128 TiB. At an address that the caller chose, another device may be mapped.
"""

import atexit
from collections.abc import Iterable
from ctypes import POINTER, c_void_p, cast
from functools import cache
from typing import Any, Self, TypedDict, Unpack

from mmio.arguments import integer, known, shortened, text
from mmio.closing import Closing
from mmio.errors import ClosedMapping
from mmio.inprocess.fixed_pages import FixedPages, Placement
from mmio.inprocess.patching import Counts
from mmio.inprocess.trap import Trap
from mmio.inprocess.trapped_ranges import TrappedRanges
from mmio.linux import libc
from mmio.patching.stats import TrapStats
from mmio.records.symbols import Symbols
from mmio.space.policy import Misfit, Unmapped
from mmio.space.policy import policies as checked_policies
from mmio.space.recorder import recording
from mmio.space.region import UNDER_DEVICES, DeviceLike, Region, answering
from mmio.space.space import MEMORY_END, AddressSpace
from mmio.space.void import Beyond, Void
from mmio.traces.trace import Trace
from mmio.watchpoints.watch import On, Watch, WatchOptions

__tracebackhide__ = True  # pytest reports a failure of a driver or a model, not of the way between them


class Policies(TypedDict, total=False):
    """Policies of a mapping for accesses its device was not made for; see `Policy`."""

    widths: Iterable[int]
    unaligned: Misfit
    too_wide: Misfit
    unmapped: Unmapped


class Ports(Closing):
    """IO ports at which a device answers, until closed. Use it in a `with` statement.

    Attributes:
        trace: the accesses.
        failures: exceptions of the device in threads that no Python call waits for; `close` raises the first.
    """

    def __init__(self, trace: Trace | None, patching: bool = True, hold_signals: bool = True) -> None:
        for argument, value in ("patching", patching), ("hold_signals", hold_signals):
            if not isinstance(value, bool):
                raise TypeError(f"{argument} is True or False, not {shortened(value)}")
        self.trace = Trace() if trace is None else recording(trace)
        self.counts = Counts(patching, hold_signals)
        self.failures: list[BaseException] = []
        self._regions: list[Region] = []
        self._name = ""  # of the first region, also when that has gone

    @property
    def space(self) -> AddressSpace:
        """The address space of this process, in which the device has been mapped, among others."""
        return trapped_ranges().space

    @property
    def closed(self) -> bool:
        """Return whether the device has been taken away."""
        return not self._regions

    @property
    def stats(self) -> TrapStats:
        """Counts of the accesses so far, of ports too: those by signals, and those by calls of patched code."""
        return _trap().patching.stats(self.counts)

    def __enter__(self) -> Self:
        self._need_open()
        return self

    def close(self) -> None:
        """Take the device away. Closing again has no effect.

        Raises:
            BaseException: what the device raised in a thread the driver made itself, where it could come out of no
            call.
        """
        while self._regions:
            trapped_ranges().release(self._regions.pop())
        if self.failures:
            failure = self.failures[0]
            self.failures.clear()
            raise failure

    def _need_open(self) -> None:
        """Raise ClosedMapping when there is no device any more."""
        if self.closed:
            raise ClosedMapping(self._name)

    def _claim(self, region: Region, alone: range | None = None) -> Region:
        try:
            trapped_ranges().claim(region, self, alone)
        except BaseException:
            self.space.unmap(region)
            raise
        self._regions.append(region)
        self._name = self._name or region.name
        return region


class _Closed:
    """Argument that a closed mapping passes to a C function: an error in Python, rather than a crash in C.

    While the mapping is open, an attribute of its own hides this one.
    """

    def __get__(self, mapping: "Mapping | None", owner: type) -> Any:
        if mapping is None:
            return self
        raise ClosedMapping(mapping._name)


class Mapping(Ports):
    """A device mapped into this process by `ioremap`. It passes to a C function as the pointer, and is an int.

    Attributes:
        address: of the device's first byte.
        length: of the device in bytes.
        region: the device's place in `space`.
    """

    _as_parameter_: Any = _Closed()

    def __init__(
        self,
        device: DeviceLike,
        length: int,
        name: str | None,
        trace: Trace | None,
        patching: bool,
        hold_signals: bool,
        policies: Policies,
        place: Placement | None = None,
    ) -> None:
        super().__init__(trace, patching, hold_signals)
        others = "length", "name", "trace", "patching", "hold_signals", "address"
        given = checked_policies("ioremap", policies, *others)
        answering(device)
        if name is not None:
            text("name", name)
        # All has been checked, for pages that have been mapped are not given back.
        self.length = length
        self.address = libc.map_pages(libc.pages(length)) if place is None else place.address
        if place is not None and place.reserve:
            fixed_pages().reserve(self.address, length)
        # An attribute, because a property would be bytecode: the first place for a signal's exception to be raised.
        self._as_parameter_ = c_void_p(self.address)
        priority = 0 if place is None else place.priority
        self.region = self.space.map(self.address, length, device, name, **given, priority=priority)
        self._beside = place is not None and place.beside
        if place is not None:
            self._claim(self.region, range(self.region.start, self.region.end) if place.alone else range(0))
            if self._beside:
                try:
                    fixed_pages().arrive(self)
                except BaseException:
                    self.close()
                    raise
            return
        self._claim(self.region)
        if length % libc.PAGE:
            rest = Beyond(self._beyond) if self.region.policy.unmapped == "error" else Void()
            try:
                whole = self.space.map(
                    self.address, libc.pages(length), rest, self.region.name, **given, priority=UNDER_DEVICES
                )
                self._claim(whole)
            except BaseException:
                self.close()
                raise

    def _beyond(self, offset: int) -> str:
        """Return what is said of an access beside the device."""
        return f"touches {self.address + offset:#x}, beyond the device ({self.region.name!r}, 0x0..{self.length:#x})"

    def close(self) -> None:
        """Unmap the device; the mapping is no pointer afterwards. See `Ports.close`."""
        vars(self).pop("_as_parameter_", None)
        if not self.closed and self._beside:
            fixed_pages().leave(self)
        super().close()

    def ports(self, port: int, count: int, device: DeviceLike | None = None, **policies: Unpack[Policies]) -> Region:
        """Map the device (or another) also at `count` IO ports from `port`, until the mapping is closed.

        Their accesses go to the mapping's trace.

        Raises:
            ClosedMapping: the mapping is closed already.
            MappingError: these are no ports, or there is a device at one of them.
        """
        self._need_open()
        given = checked_policies("ports", policies, "device")
        return self._claim(self.space.map_ports(port, count, self.region.device if device is None else device, **given))

    def pointer(self, kind: Any, offset: int = 0) -> Any:
        """Return a ctypes pointer to the device's memory, for functions that are declared to take `POINTER(kind)`.

        Raises:
            ClosedMapping: the mapping is closed.
            TypeError: the kind is no ctypes type, or the offset no int.
        """
        self._need_open()
        offset = integer("offset", offset)
        if kind is not None and not isinstance(kind, type):
            raise TypeError(f"kind is a ctypes type, such as c_uint32, not {shortened(kind)}")
        return cast(self.address + offset, POINTER(kind))

    def watch(
        self, offset: int = 0, length: int | None = None, on: On = "write", **options: Unpack[WatchOptions]
    ) -> Watch:
        """Watch bytes of the device, all from `offset` on when no length is given; see `AddressSpace.watch`.

        Hits have the region's name by default, and function and line.

        Raises:
            ClosedMapping: the mapping is closed.
            ValueError, TypeError: an argument is not what it should be.
        """
        self._need_open()
        known("watch", options, (*WatchOptions.__annotations__, "offset", "length", "on"))
        offset = integer("offset", offset)
        length = None if length is None else integer("length", length)
        options.setdefault("name", f"{self.region.name}+{offset:#x}" if offset else self.region.name)
        options.setdefault("symbols", symbols())
        length = self.length - offset if length is None else length
        if offset < 0 or length <= 0 or offset + length > self.length:
            raise ValueError(f"{length} bytes from offset {offset:#x} on are not within the device's {self.length:#x}")
        return self.space.watch(self.address + offset, length, on, **options)

    def __index__(self) -> int:
        return self.address

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{len(self.trace)} accesses"
        return f"<Mapping {self.region.name!r} {self.address:#x}..{self.address + self.length:#x}, {state}>"


def ioremap(
    device: DeviceLike,
    length: int | None = None,
    *,
    name: str | None = None,
    trace: Trace | None = None,
    patching: bool = True,
    hold_signals: bool = True,
    address: int | None = None,
    **policies: Unpack[Policies],
) -> Mapping:
    """Map a device into this process: every access native code makes there goes to it.

        with mmio.ioremap(Timer(), length=0x1000) as mapping:
            driver.timer_start(mapping)
        print(mapping.trace)

    Firmware has its registers at fixed addresses, such as `(TIM_TypeDef *)0x40000000`:

        with mmio.ioremap(Timer(), length=0x400, address=0x4000_0000):
            firmware.timer_init()

    Args:
        device: anything with `read(offset, width)` and `write(offset, width, value)`.
        length: in bytes; a device's own `length`, or the extent of its registers, when left out.
        name: of the region in records and errors; the device's class when left out.
        trace: where accesses are recorded, such as another mapping's; a new one when left out.
        patching: an instruction of a driver that faults again and again is rewritten in memory to call the handler,
            which takes a fraction of the time (docs/design/patching.md); False leaves all code as it is.
        hold_signals: signals are blocked while rewritten code is at the device, as they are in the handler of a
            signal, if the process has signal handlers other than Python's. False saves two system calls an access then;
            no signal handler in C may access a device or leave by siglongjmp.
        address: where the device is to be, any address of user code; anywhere when left out. Devices may lie side by
            side in one page. What is beside them in it is an error that names the nearest, or reads as the policy
            `unmapped` of the first of them says.
        policies: what becomes of accesses the device was not made for: `widths`, `unaligned`, `too_wide`, `unmapped`,
            see `Policy`.

    Raises:
        ValueError: the length is not a positive int, or there is none, or a policy has no such value.
        TypeError: another argument is of a wrong kind; nothing has been mapped.
        MappingError: something is at the address; names it.
        RuntimeError: another SIGSEGV handler has been installed over pagetrap's since the first mapping was made.
        OSError: there is not that much address space.
    """
    place = None if address is None else Placement(integer("address", address))
    return Mapping(device, _length(device, length), name, trace, patching, hold_signals, policies, place)


def map_ports(
    port: int,
    count: int,
    device: DeviceLike,
    *,
    name: str | None = None,
    trace: Trace | None = None,
    patching: bool = True,
    hold_signals: bool = True,
    **policies: Unpack[Policies],
) -> Ports:
    """Map a device at `count` IO ports from `port`: IN, OUT, INS and OUTS of native code in this process reach it.

    The process must not have access to the ports itself (`ioperm`, `iopl`), for then nothing traps. Arguments otherwise
    as for `ioremap`; what is returned has `trace`, `failures` and `stats`.
    """
    ports = Ports(trace, patching, hold_signals)
    arguments = "port", "count", "device", "name", "trace", "patching", "hold_signals"
    given = checked_policies("map_ports", policies, *arguments)
    ports._claim(ports.space.map_ports(port, count, device, name, **given))
    return ports


def _length(device: DeviceLike, length: int | None) -> int:
    """Return the length asked for, or the device's own."""
    answering(device)
    if length is None:
        length = getattr(device, "length", None)
    if length is None:
        length = getattr(getattr(device, "layout", None), "extent", None)
    if length is None:
        raise ValueError(f"{type(device).__name__} has no length of its own; call ioremap(device, length=…)")
    if isinstance(length, bool) or not isinstance(length, int) or length <= 0:
        raise ValueError(f"length is a positive int, in bytes, not {length!r}")
    if libc.pages(length) >= MEMORY_END:
        raise ValueError(f"length is in bytes, less than {MEMORY_END:#x}, not {length:#x}")
    return length


@cache
def symbols() -> Symbols:
    """Return what knows the names of this process's instruction pointers."""
    return Symbols()


@cache
def _trap() -> Trap:
    """Return the trap of this process, which stays."""
    return Trap(TrappedRanges())


@atexit.register  # when this is loaded: what a program registers later is called before
def _finish() -> None:
    if _trap.cache_info().currsize:
        _trap().finish()


@cache
def fixed_pages() -> FixedPages:
    """Return what is reserved in this process."""
    return FixedPages(trapped_ranges())


def trapped_ranges() -> TrappedRanges:
    """Return what traps in this process."""
    return _trap().trapped_ranges

"""The address space: the map from addresses and ports to devices.

It holds the two range maps, memory and ports, and is itself a Bus, so that a library caller hands it to an
emulator and is done. A source with threads makes an `Initiator` for each of them.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, Unpack

from decode import Instruction
from emulate import Ram
from mmio.arguments import access, integer, known, text
from mmio.errors import MappingError
from mmio.linux.fork_locks import fork_lock
from mmio.records.access import Space
from mmio.space.initiator import Initiator
from mmio.space.policy import ANYTHING, Misfit, Policy, Unmapped
from mmio.space.recorder import Recorder
from mmio.space.region import DeviceLike, RangeMap, Region, answering, on_bus
from mmio.space.route import Operation
from mmio.space.void import Void
from mmio.watchpoints.watch import On, Watch, WatchOptions

MEMORY_END: Final = 1 << 64
PORTS_END: Final = 1 << 16


class BackgroundPorts:
    """The port half of a background bus, as a device."""

    def __init__(self, bus: Any) -> None:
        self.read: Callable[[int, int], int] = bus.port_read
        self.write: Callable[[int, int, int], None] = bus.port_write


class AddressSpace:
    """Devices and RAM at addresses and ports; a Bus.

    `trace`: where the accesses are recorded, None for nowhere.
    `unmapped`: what an access does where nothing is mapped: raise `UnmappedAccess`, or read as ones or zeros,
    ignore writes and be recorded so.
    `background`: a Bus that answers there instead, unrecorded: the memory of an ordinary process around the
    trapped pages. Its `read` and `write` must take any width from 1 byte up.
    """

    def __init__(self, trace: Recorder | None = None, *, unmapped: Unmapped = "error", background: Any = None) -> None:
        if background is not None:
            answering(background)
        # Held from the read to the write of every LOCK and XCHG. Reentrant: a device may update memory when touched.
        self.lock = fork_lock()
        background_ports = BackgroundPorts(background) if hasattr(background, "port_read") else None
        Policy(unmapped=unmapped)  # which says so when there is no such word
        self.memory = RangeMap(_ground(MEMORY_END, unmapped, background))
        self.ports = RangeMap(_ground(PORTS_END, unmapped, background_ports))
        self._trace = trace
        self._own = Initiator(self)

    @property
    def trace(self) -> Recorder | None:
        """The trace for accesses through the space itself, and through initiators made from now on."""
        return self._trace

    @trace.setter
    def trace(self, trace: Recorder | None) -> None:
        self._own.trace = trace  # which refuses what is no trace
        self._trace = trace

    def map(
        self,
        start: int,
        length: int,
        device: DeviceLike,
        name: str | None = None,
        *,
        widths: Iterable[int] = (1, 2, 4, 8),
        unaligned: Misfit = "pass",
        too_wide: Misfit = "split",
        unmapped: Unmapped = "error",
        priority: int = 0,
    ) -> Region:
        """Map `device` at start..start+length.

        The policy (see `Policy`) belongs to the mapping. A region may lie over others only with a higher
        `priority` than they have; an access that crosses a border is split there, and each part recorded.

        Raises:
            MappingError: the range is empty, does not fit, or overlaps one of the same priority.
            TypeError: the device has no `read` or no `write`, or is a class.
        """
        policy = Policy(widths, unaligned, too_wide, unmapped)
        return self._add(self.memory, _region("start", start, "length", length, device, name, policy, priority))

    def map_ports(
        self,
        port: int,
        count: int,
        device: DeviceLike,
        name: str | None = None,
        *,
        widths: Iterable[int] = (1, 2, 4),
        unaligned: Misfit = "pass",
        too_wide: Misfit = "split",
        unmapped: Unmapped = "error",
        priority: int = 0,
    ) -> Region:
        """Map `device` at `count` ports from `port`; otherwise like `map`."""
        policy = Policy(widths, unaligned, too_wide, unmapped)
        return self._add(self.ports, _region("port", port, "count", count, device, name, policy, priority))

    def ram(self, start: int, size: int, name: str | None = None) -> Region:
        """Map `size` bytes of zeroed plain memory: an `emulate.Ram`, its bytes in `region.device.data`.

        It takes any access and is not recorded. To have its accesses recorded, map a `Ram(size)` like any device.
        """
        start, size = integer("start", start), integer("size", size)
        name = "ram" if name is None else text("name", name) or "ram"
        if start < 0 or start + size > MEMORY_END:  # before there is memory for it
            raise MappingError(f"{size:#x} bytes from {start:#x} on are not a range within 0x0..{MEMORY_END:#x}")
        region = Region(start, size, Ram(max(size, 0)), name, ANYTHING, recorded=False)
        return self._add(self.memory, region)

    def unmap(self, region: Region | int) -> None:
        """Take out a region, or the topmost memory region that starts at an address.

        Raises:
            MappingError: it is not mapped.
            TypeError: it is neither a region nor an address.
        """
        with self.lock:
            if isinstance(region, Region):
                found = region
            else:
                found = self._starting_at(integer("region, if it is no Region but the address of one,", region))
            ranges = self.ports if found in self.ports else self.memory
            ranges.remove(found)

    def exchange(self, region: Region, device: DeviceLike, names: Any = None) -> None:
        """Put another device in a region's place. Records made before have the new device's names.

        Args:
            region: that is mapped.
            device: the other.
            names: what names its registers; the device itself when left out.

        Raises:
            MappingError: the region is not mapped.
            TypeError: the device has no `read` or no `write`, or is a class.
        """
        answering(device)
        with self.lock:
            ranges = self.ports if region in self.ports else self.memory
            ranges.exchange(region, on_bus(device), device if names is None else names)

    def watch(self, start: int, length: int = 1, on: On = "write", **options: Unpack[WatchOptions]) -> Watch:
        """Watch `length` bytes from `start` on: every access to them, by whatever thread, that meets the conditions.

            with space.watch(0x1000, 4, on="change", ip=range(0x401000, 0x402000)) as hits:
                …
            print(hits)

        An access is seen as the instruction made it, also when it only touches what is watched; its record, value and
        effect are as without a watchpoint. Any number of them may lie anywhere and over each other, and what is not
        watched costs nothing more. An atomic access reads and writes.

        Args:
            start: the address of the first byte.
            length: in bytes.
            on: "read", "write", "access" (either) or "change": a store of other bytes than there were, or a read of
                other bytes than the last access has shown.
            value: a condition on the watched bytes that the access touched, as one little-endian int: a number, a range
                or set of numbers, or a function of one.
            ip: the same on the address of the instruction, or the name of the function it is in.
            when: a function of the `Hit`; whatever it may ask, it comes last.
            ignore: how many hits to count only, before the first is told.
            call: what is called with each hit; what it or `when` does to the bytes itself is no hit.
            stop: raise `WatchpointStop` after the access.
            keep: how many hits to keep, the last ones; all when left out.
            name: in the hits.
            symbols: where hits find function and line.

        Raises:
            MappingError: the range does not lie within the space.
            ValueError, TypeError: an argument is not what it should be.
        """
        return self._watch("memory", start, length, on, options)

    def watch_ports(self, port: int, count: int = 1, on: On = "write", **options: Unpack[WatchOptions]) -> Watch:
        """Watch `count` ports from `port` on; otherwise like `watch`."""
        return self._watch("port", port, count, on, options)

    def initiator(self, thread: int = 0) -> Initiator:
        """Make an initiator for one thread; `thread` is its number in records."""
        return Initiator(self, thread=thread)

    def read(self, address: int, width: int) -> int:
        """Read `width` bytes of memory as an unsigned little-endian int."""
        try:
            return self._own.read(address, width)
        except TypeError:
            access("address", address, width)
            raise

    def write(self, address: int, width: int, value: int) -> None:
        """Write `width` bytes of memory."""
        try:
            self._own.write(address, width, _fitting(value, width))
        except TypeError:
            access("address", address, width)
            raise

    def port_read(self, port: int, width: int) -> int:
        """Read a port."""
        try:
            return self._own.port_read(port, width)
        except TypeError:
            access("port", port, width)
            raise

    def port_write(self, port: int, width: int, value: int) -> None:
        """Write a port."""
        try:
            self._own.port_write(port, width, _fitting(value, width))
        except TypeError:
            access("port", port, width)
            raise

    def update(self, address: int, width: int, operation: Operation) -> int:
        """Read, write `operation(old)`, return old, indivisibly against every other update."""
        return self._own.update(address, width, operation)

    def begin(self, instruction: Instruction, ip: int) -> None:
        """Note which instruction is running, for records and errors. `Emulator.step` calls it."""
        self._own.begin(instruction, ip)

    def read_block(self, address: int, length: int) -> bytes | None:
        """Read plain memory in one piece; None where it is not plain."""
        return self._own.read_block(address, length)

    def write_block(self, address: int, data: bytes) -> bool:
        """Write plain memory in one piece; False, and nothing done, where it is not plain."""
        return self._own.write_block(address, data)

    def moved(self, source: int | None, destination: int, width: int, data: bytes, backwards: bool) -> None:
        """Record what a string instruction has moved in one piece."""
        self._own.moved(source, destination, width, data, backwards)

    def fetch(self, address: int, length: int) -> bytes:
        """Return up to `length` bytes of code."""
        return self._own.fetch(address, length)

    def _add(self, ranges: RangeMap, region: Region) -> Region:
        with self.lock:
            ranges.add(region)
        return region

    def _watch(self, space: Space, start: int, length: int, on: On, options: WatchOptions) -> Watch:
        ranges = self.memory if space == "memory" else self.ports
        known("watch" if space == "memory" else "watch_ports", options, (*WatchOptions.__annotations__, "length", "on"))
        start = integer("start" if space == "memory" else "port", start)
        length = integer("length" if space == "memory" else "count", length)

        def detach(watch: Watch) -> None:
            with self.lock:
                ranges.unwatch(watch)

        watch = Watch(start, length, on, space=space, detach=detach, **options)
        with self.lock:
            ranges.watch(watch)
        return watch

    def _starting_at(self, start: int) -> Region:
        region = self.memory.starting_at(start)
        if region is None:
            raise MappingError(f"no region starts at {start:#x}")
        return region

    def __str__(self) -> str:
        lines = [str(region) for region in self.memory]
        return "\n".join(lines + [f"port {region}" for region in self.ports])


def _ground(end: int, unmapped: Unmapped, background: DeviceLike | None) -> Region:
    if background is not None:
        return Region(0, end, background, "background", ANYTHING, recorded=False, is_background=True)
    return Region(0, end, Void(), "unmapped", Policy(unmapped=unmapped), is_background=True)


def _region(
    at: str, start: int, size: str, length: int, device: DeviceLike, name: str | None, policy: Policy, priority: int
) -> Region:
    """Check the arguments of `map` and of `map_ports`, whose names for a start and a length differ; return the region.

    It is named after the device's class unless it has a name.
    """
    answering(device)
    name = None if name is None else text("name", name)
    start, length, priority = integer(at, start), integer(size, length), integer("priority", priority)
    return Region(start, length, on_bus(device), name or type(device).__name__, policy, priority)


def _fitting(value: int, width: int) -> int:
    try:
        fits = not value >> 8 * width
    except (TypeError, ValueError):  # of a negative width, too
        fits = False
    if not fits:
        integer("value", value)
        integer("width", width, least=1)
        raise ValueError(f"value {value:#x} does not fit in {width} bytes")
    return value

"""A microcontroller in this process: its peripherals at their addresses, memory, core, interrupts and time."""

from collections.abc import Callable
from os import fspath
from typing import Any, Self, TypeVar

from mmio.arguments import integer, text
from mmio.boards.ground import ADDRESSES, BLOCK, Ground
from mmio.boards.memories import Memories
from mmio.boards.peripheral import Unmade, Window, runs
from mmio.boards.running import Running
from mmio.boards.wiring import Wiring, length_of, wire
from mmio.closing import Closing
from mmio.cortex_m.core import Core
from mmio.descriptions.chip import Chip, Place, clusters, outside
from mmio.descriptions.report import did_you_mean
from mmio.device.clock import Clock
from mmio.device.device import Device
from mmio.device.timed import timed
from mmio.errors import MappingError
from mmio.inprocess.fixed_pages import Placement, nearest
from mmio.inprocess.mapping import Mapping, Policies, fixed_pages
from mmio.linux.libc import PAGE
from mmio.space.region import UNDER_DEVICES, Region
from mmio.traces.trace import Trace

__tracebackhide__ = True  # pytest reports a failure of a driver or a model, not of the way between them

_Model = TypeVar("_Model", bound=type)


class Board(Memories, Running, Closing):
    """A chip described by an SVD file, or an empty one, in this process. See `mmio.board`.

    Args:
        chip: the SVD file, None for an empty board.
        core: the core, or None.
        clock: the time.
        trace: where accesses are recorded.
        policies: of all its mappings.

    Attributes:
        trace: the accesses to its peripherals.
        clock: its time.
        core: the Cortex-M core, None where the board has none.
        handlers: the firmware's interrupt handlers, by exception number or interrupt name.
        notes: what the peripherals do not implement of the file, and errors in the file.
    """

    _open = ""  # the name of the board that is: one chip at a time has the addresses

    def __init__(
        self,
        chip: Chip | None,
        core: Core | None,
        clock: Clock,
        trace: Trace,
        policies: Policies,
    ) -> None:
        Memories.__init__(self, trace, policies)
        self._path = "this board" if chip is None else fspath(chip.path)
        self._chip = chip
        self._mappings: dict[str, Mapping] = {}
        self._devices: dict[str, Any] = {}
        self._grounds: list[Mapping] = []
        self._reserved: list[range] = []
        self._wires: dict[str, list[Callable[[], None]]] = {}
        self._places: dict[str, Place] = {}
        self._clusters: dict[str, list[Place]] = {}
        self._windows: dict[str, list[Window]] = {}
        self._closed = False
        places = [] if chip is None else chip.memory_map()
        Running.__init__(
            self, core, clock, {each.name: each.number for place in places for each in place.interrupts}, self._path
        )
        self.notes = [] if chip is None else chip.notes
        blocks = () if core is None else core.blocks()
        if Board._open:
            raise MappingError(f"{Board._open} is open: its chip has these addresses; close it first")
        Board._open = self._path
        try:
            others = outside(places, [block.addresses for block in blocks])
            theirs = {place.name for place in others}
            for name, base, device in blocks:
                self.add(f"Core{name}" if name in theirs else name, base, device)
            for cluster in clusters(others):
                self._add_unmade(cluster)
            self._add_grounds()
            if core is not None:
                core.changed = self._look
        except BaseException:
            self.close()
            raise

    @property
    def peripherals(self) -> tuple[str, ...]:
        """The names of the peripherals, in order of their addresses."""
        return tuple(sorted(self._places, key=lambda name: self._places[name].base))

    def __getitem__(self, name: str) -> Any:
        """Return a peripheral's device, made now if it has not been.

        Raises:
            KeyError: there is none of the name; says which is nearest.
        """
        if name not in self._places:
            raise KeyError(f"{self._path}: there is no peripheral {name!r}{did_you_mean(name, self._places)}")
        return self._devices[name] if name in self._devices else self._make(name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or "_places" not in vars(self):
            raise AttributeError(f"a Board has no attribute {name!r}")
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(error.args[0], name=name, obj=self) from None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._places]

    def add(self, name: str, base: int, device: Any, length: int | None = None, irq: Wiring = None) -> None:
        """Add a device that the file does not have.

        Args:
            name: of it.
            base: its address.
            device: any device.
            length: in bytes; the device's own, or the extent of its registers, when left out.
            irq: what its lines drive; see `replace`.

        Raises:
            MappingError: another peripheral is there, or something else of this process.
        """
        name, base = text("name", name), integer("base", base)
        if name in self._places:
            raise MappingError(f"there is a peripheral {name!r} already; board.replace({name!r}, …) puts another there")
        length = length_of(device) if length is None else length
        place = Place(name, base, integer("length", length, 1), ())
        self._map(name, base, length, self._timed(device))
        self._places[name], self._clusters[name] = place, [place]
        self._put(name, device, irq)

    def replace(self, name: str, device: Any, irq: Wiring = None) -> Any:
        """Put a model in the place of a peripheral of the file; return it.

            uart = board.replace("USART2", mmio.models.Stm32Usart())

        Args:
            name: of the peripheral.
            device: any device. One that is a `Device` gets the board's clock.
            irq: what its lines drive. Left out, its line `irq` drives the interrupt of the peripheral, if that has one.
                An interrupt's number or name for its line `irq`; a dict for several: {"tx": "DMA1_Stream6"}.

        Raises:
            KeyError: there is no peripheral, or no interrupt, of the name.
        """
        if name not in self._places:
            raise KeyError(f"{self._path}: there is no peripheral {name!r}{did_you_mean(name, self._places)}")
        extent = getattr(getattr(device, "layout", None), "extent", 0)
        if len(self._clusters[name]) > 1:
            self._make(name)
        elif extent > self._mappings[name].length:
            self._lengthen(name, extent)
        self._put(name, device, irq)
        return device

    def model(self, name: str, irq: Wiring = None) -> Callable[[_Model], _Model]:
        """Return a class decorator: an instance of the class takes the place of a peripheral."""

        def put(model: _Model) -> _Model:
            self.replace(name, model(), irq)
            return model

        return put

    def __enter__(self) -> Self:
        return self

    def close(self) -> None:
        """Unmap the board. Closing it again has no effect.

        Raises:
            BaseException: what a model raised in a thread the firmware made itself.
        """
        if self._closed:
            return
        self._closed = True
        if self.core is not None:
            self.core.changed = None
        for ends in self._wires.values():
            for end in ends:
                end()
        try:
            for mapping in (*self._mappings.values(), *self._grounds):
                mapping.close()
        finally:
            self._close_memories()
            fixed_pages().free(self._reserved)
            Board._open = ""

    # Peripherals

    def _add_unmade(self, cluster: list[Place]) -> None:
        """Map peripherals that overlap, or one alone, to be made when one of them is touched."""
        first = cluster[0]
        for place in cluster:
            self._places[place.name], self._clusters[place.name] = place, cluster

        def make() -> Any:
            self._make(first.name)
            return self._mappings[first.name].region.device

        length = max(place.end for place in cluster) - first.base
        self._map(first.name, first.base, length, Unmade(make, retry=len(cluster) > 1))

    def _map(self, name: str, base: int, length: int, device: Any) -> None:
        self._mappings[name] = self._mapped(name, base, length, device)

    def _make(self, name: str) -> Any:
        if name in self._devices:
            return self._devices[name]
        assert self._chip is not None
        cluster = self._clusters[name]
        devices = {place.name: self._chip[place.name]() for place in cluster}
        first = cluster[0]
        extent = max(place.base + devices[place.name].layout.extent for place in cluster) - first.base
        if extent > self._mappings[first.name].length:
            self._lengthen(first.name, extent)
        taken: set[int] = set()
        runs(devices[first.name].layout, taken, first.base)
        for place in cluster[1:]:
            self._add_windows(place, runs(devices[place.name].layout, taken, place.base))
        for place in cluster:
            self._put(place.name, devices[place.name], None)
        return self._devices[name]

    def _add_windows(self, place: Place, stretches: list[range]) -> None:
        """Lay the registers that a peripheral has among those of another over them."""
        windows = self._windows[place.name] = [Window(stretch.start) for stretch in stretches]
        for window, stretch in zip(windows, stretches, strict=True):
            over = Placement(place.base + stretch.start, beside=False, priority=1)
            mapping = Mapping(window, len(stretch), place.name, self.trace, True, True, self._policies, over)
            self._others.append(mapping)

    def _put(self, name: str, device: Any, irq: Wiring) -> Any:
        for end in self._wires.pop(name, ()):
            end()
        if isinstance(device, Device):
            device.clock = self.clock
        self._devices[name] = device
        for window in self._windows.get(name, ()):
            window.aim(self._timed(device))
        if name in self._mappings:
            self.space.exchange(self._mappings[name].region, self._timed(device), device)
        own = {each.number for each in self._places[name].interrupts}
        self._wires[name] = list(wire(device, irq, own, self.irq, self._need_core))
        return device

    def _timed(self, device: Any) -> Any:
        return timed(device, self.clock)

    def _lengthen(self, name: str, extent: int) -> None:
        """Make room for registers beyond the address block that the file has, up to the next peripheral."""
        mapping = self._mappings[name]
        after = [other.address for other in self._mappings.values() if other.address > mapping.address]
        length = min(extent, min(after, default=mapping.address + extent) - mapping.address)
        if length <= mapping.length:
            return
        device = mapping.region.device
        mapping.close()
        self._map(name, mapping.address, length, device)

    # What is between the peripherals

    def _add_grounds(self) -> None:
        """Answer everywhere in the 32 bits of addresses that a microcontroller has, where nothing else is."""
        policy = self._policies.get("unmapped", "error")
        for start in range(0, ADDRESSES, BLOCK):
            self._reserved += fixed_pages().reserve_free(start, BLOCK)
            ground = Ground(start, self._reach, self._nowhere if policy == "error" else None)
            under = Placement(start, beside=False, reserve=False, priority=UNDER_DEVICES - 1, alone=False)
            self._grounds.append(Mapping(ground, BLOCK, "nothing", self.trace, False, True, self._policies, under))

    def _nowhere(self, address: int) -> str:
        regions: list[Region] = [mapping.region for mapping in self._mappings.values()]
        if not any(region.start // BLOCK == address // BLOCK for region in regions):
            page = address // PAGE * PAGE
            return f"touches {address:#x}, where there is nothing; board.ram({page:#x}, …) puts memory there"
        return f"touches {address:#x}, {nearest(address, regions)}"

    def _reach(self, address: int) -> bool:
        """Make the peripheral before an address if it has not been, for it may have registers beyond its block."""
        before = [name for name in self.peripherals if name in self._mappings and self._places[name].base <= address]
        if not before or before[-1] in self._devices:
            return False
        self._make(before[-1])
        mapping = self._mappings[before[-1]]
        return address < mapping.address + mapping.length

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self._mappings)} peripherals, {len(self.trace)} accesses"
        return f"<Board {self._path}, {state}>"

"""A board for a program under an engine: the peripherals of a chip at ranges of addresses that do not overlap.

It has the part of `Board` that models are put together with, so one function serves both. Memory is the program's own.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple

from mmio.boards.peripheral import Window, runs
from mmio.boards.program_interrupts import ProgramInterrupts
from mmio.boards.wiring import Wiring, length_of, wire
from mmio.cortex_m.core import Core, CoreBlock
from mmio.cortex_m.program_port import PROGRAM_BASE
from mmio.descriptions.chip import Chip, Place, clusters, outside
from mmio.descriptions.report import did_you_mean
from mmio.device.clock import Clock
from mmio.device.device import Device
from mmio.device.timed import timed
from mmio.space.initiator import Initiator
from mmio.space.space import AddressSpace
from mmio.traces.trace import Trace


class DeviceAt(NamedTuple):
    """A device, and its range.

    Attributes:
        name: of the peripheral.
        start: the first address.
        length: in bytes.
        device: answers there.
    """

    name: str
    start: int
    length: int
    device: Any


class PeripheralSpace:
    """The peripherals by their addresses, for a model that reaches others by itself, as a DMA controller does.

    Args:
        ranges: returns the devices and their ranges.
        trace: where its accesses are recorded; None for nowhere.
    """

    def __init__(self, ranges: Callable[[], Iterator[DeviceAt]], trace: Trace | None) -> None:
        self._ranges = ranges
        self._trace = trace
        self._bus: Initiator | None = None

    def changed(self) -> None:
        """Take note that there are other devices now."""
        self._bus = None

    def read(self, address: int, width: int) -> int:
        """Read a register; see `AddressSpace.read`."""
        return self._reached().read(address, width)

    def write(self, address: int, width: int, value: int) -> None:
        """Write a register; see `AddressSpace.write`."""
        self._reached().write(address, width, value)

    def _reached(self) -> Initiator:
        if self._bus is None:
            space = AddressSpace(self._trace)
            for name, start, length, device in self._ranges():
                space.map(start, length, device, name)
            self._bus = space.initiator()
        return self._bus


class ProgramBoard:
    """The peripherals of a chip, each by its name, for a program that is not in this process.

    Args:
        chip: the file.
        core: whose devices answer where the file describes the core's; None for none.
        clock: the time, which each access advances.
        processes, mark: as of `ProgramInterrupts`.
        trace: where accesses by way of `space` are recorded; None for nowhere.

    Attributes:
        core: the core.
        clock: the time.
        space: the peripherals by their addresses.
    """

    def __init__(
        self,
        chip: Chip,
        core: Core | None,
        clock: Clock,
        processes: Callable[[], Sequence[int]],
        mark: Callable[[str], object],
        trace: Trace | None = None,
    ) -> None:
        self.space = PeripheralSpace(self._ranges, trace)
        self._chip = chip
        self.core = core
        self.clock = clock
        blocks = () if core is None else core.blocks()
        self._places = outside(chip.memory_map(), [block.addresses for block in blocks])
        self._interrupts = {each.name: each.number for place in self._places for each in place.interrupts}
        if core is not None:
            port = ProgramInterrupts(core, self._interrupts.items(), processes, mark).port
            blocks += (CoreBlock("Program", PROGRAM_BASE, port),)
        self._added = [DeviceAt(block.name, block.base, block.length, block.device) for block in blocks]
        self._devices: dict[str, Any] = {}
        self._wires: dict[str, list[Callable[[], None]]] = {}
        for place in self._places:
            self.replace(place.name, chip[place.name]())

    @property
    def peripherals(self) -> tuple[str, ...]:
        """The names of the peripherals."""
        return tuple(self._devices)

    def __contains__(self, name: object) -> bool:
        """Return whether there is a peripheral of this name."""
        return name in self._devices

    def __getitem__(self, name: str) -> Any:
        """Return a peripheral's device. Raises KeyError when there is none of the name."""
        if name not in self._devices:
            raise KeyError(self.absence(name))
        return self._devices[name]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in vars(self).get("_devices", ()):
            raise AttributeError(self.absence(name) if "_devices" in vars(self) else name)
        return self._devices[name]

    def add(self, name: str, base: int, device: Any, length: int | None = None, irq: Wiring = None) -> None:
        """Add a device that the file does not have, as `Board.add` does.

        Args:
            name: of it.
            base: its address.
            device: any device.
            length: in bytes; the extent of its registers when left out.
            irq: what its lines drive; see `Board.replace`.
        """
        length = length_of(device) if length is None else length
        self._added.append(DeviceAt(name, base, length, device))
        self._put(name, device, irq, ())

    def replace(self, name: str, device: Any, irq: Wiring = None) -> Any:
        """Put a model in the place of a peripheral of the file, as `Board.replace` does; return it.

        Args:
            name: of the peripheral.
            device: any device. One that is a `Device` gets the board's clock.
            irq: what its lines drive; see `Board.replace`.

        Raises:
            KeyError: there is no peripheral, or no interrupt, of the name.
        """
        own = [{each.number for each in place.interrupts} for place in self._places if place.name == name]
        if not own:
            raise KeyError(self.absence(name))
        self._put(name, device, irq, own[0])
        return device

    def _put(self, name: str, device: Any, irq: Wiring, own: Collection[int]) -> None:
        for end in self._wires.pop(name, ()):
            end()
        if isinstance(device, Device):
            device.clock = self.clock
        self._devices[name] = device
        self.space.changed()
        if self.core is not None or irq is not None:
            self._wires[name] = list(wire(device, irq, own, self._irq, self._need_core))

    def _irq(self, name: str) -> int:
        if name not in self._interrupts:
            raise KeyError(f"{self._chip.path}: there is no interrupt {name!r}{did_you_mean(name, self._interrupts)}")
        return self._interrupts[name]

    def _need_core(self) -> Core:
        if self.core is None:
            raise ValueError(f"{self._chip.path} describes no Cortex-M core, so there are no interrupts")
        return self.core

    def absence(self, name: str) -> str:
        """Return what is said of a peripheral that there is not."""
        return f"{self._chip.path} has no peripheral {name!r}{did_you_mean(name, self._devices)}"

    def __iter__(self) -> Iterator[DeviceAt]:
        """Iterate over all devices and their ranges; an access takes time."""
        for name, start, length, device in self._ranges():
            yield DeviceAt(name, start, length, timed(device, self.clock))

    def _ranges(self) -> Iterator[DeviceAt]:
        yield from self._added
        for cluster in clusters(self._places):
            if len(cluster) == 1:
                place = cluster[0]
                device = self._devices[place.name]
                yield DeviceAt(place.name, place.base, max(place.length, self._extent(place)), device)
            else:
                yield from self._interleaved(cluster)

    def _extent(self, place: Place) -> int:
        """Return where the last register ends, though not beyond the next peripheral."""
        after = min((other.base for other in self._places if other.base > place.base), default=1 << 64)
        extent: int = self._chip[place.name].layout.extent
        return min(extent, after - place.base)

    def _interleaved(self, cluster: list[Place]) -> Iterator[DeviceAt]:
        taken: set[int] = set()
        for place in cluster:
            for stretch in runs(self._chip[place.name].layout, taken, place.base):
                window = Window(stretch.start)
                window.aim(self._devices[place.name])
                yield DeviceAt(place.name, place.base + stretch.start, len(stretch), window)

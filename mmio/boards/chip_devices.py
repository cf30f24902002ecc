"""The peripherals of an SVD file for programs under an engine, at ranges of addresses that do not overlap."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from mmio.boards.peripheral import Window, runs
from mmio.cortex_m.core import Core
from mmio.descriptions.report import did_you_mean
from mmio.descriptions.svd.chip import SvdFile
from mmio.descriptions.svd.memory_map import Place, clusters, outside


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


class ChipDevices:
    """The peripherals of a chip, each by its name.

    Args:
        chip: the SVD file.
        core: whose devices answer where the file describes the core's; None for none.

    Attributes:
        devices: by name, those in their places; another may be put there.
    """

    def __init__(self, chip: SvdFile, core: Core | None) -> None:
        self._chip = chip
        self._blocks = () if core is None else core.blocks()
        self._places = outside(chip.memory_map(), [block.addresses for block in self._blocks])
        self.devices: dict[str, Any] = {place.name: self._chip[place.name]() for place in self._places}

    def __contains__(self, name: object) -> bool:
        """Return whether the file has a peripheral of this name."""
        return name in self.devices

    def absence(self, name: str) -> str:
        """Return what is said of a peripheral that there is not."""
        return f"{self._chip.path} has no peripheral {name!r}{did_you_mean(name, self.devices)}"

    def __iter__(self) -> Iterator[DeviceAt]:
        """Iterate over all devices and their ranges."""
        for block in self._blocks:
            yield DeviceAt(block.name, block.base, block.length, block.device)
        for cluster in clusters(self._places):
            if len(cluster) == 1:
                place = cluster[0]
                device = self.devices[place.name]
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
                window.aim(self.devices[place.name])
                yield DeviceAt(place.name, place.base + stretch.start, len(stretch), window)

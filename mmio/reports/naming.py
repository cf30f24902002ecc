"""Names and fields of registers for a report: those of the records, and those of device classes besides.

A trace that pagetrap recorded names its registers; a log of Linux's mmiotrace has only offsets. A device class names
both, and knows what the values of a field are called.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from mmio.coverage.device import DeviceCoverage
from mmio.coverage.reading import region_of
from mmio.device.field import Field
from mmio.device.layout import Layout
from mmio.records.access import Access
from mmio.records.region import RecordedRegion
from mmio.records.spot import Spot
from mmio.traces.known import layout_of


class ReportDevice(NamedTuple):
    """A device class, and the name of its region in the trace; None for the class's name, or the only region."""

    device: type[Any]
    region: str | None = None


class Naming:
    """Register names and fields of spots, by the devices of a trace and those that are given.

    Args:
        regions: of the trace, as far as it knows them.
        layouts: the registers of given devices, by the name of the region.
    """

    def __init__(self, regions: Iterable[RecordedRegion], layouts: Mapping[str, Layout]) -> None:
        known = {region.name: found for region in regions if isinstance(found := layout_of(region), Layout)}
        self._layouts = known | dict(layouts)
        self._values = {region: _named_values(layout) for region, layout in self._layouts.items()}

    def knows(self, spot: Spot) -> bool:
        """Return whether the values of the spot's fields are named by a device, so that records need not say them."""
        return spot.region in self._layouts

    def register(self, spot: Spot) -> str | None:
        """Return the name of the register, the record's own if it has one."""
        if spot.region is None or spot.offset is None:
            return None  # as in `Access.place`
        layout = self._unshared(spot)
        if spot.register is not None or layout is None:
            return spot.register
        return layout.name_at(spot.offset, spot.width)

    def fields(self, spot: Spot) -> tuple[Field, ...]:
        """Return the fields that lie in an access entirely, at their bits in it."""
        places, layout = spot.layout, self._unshared(spot)
        if not places and layout is not None and spot.offset is not None:
            places = layout.fields_at(spot.offset, spot.width)
        if not places:
            return ()
        named = self._values.get(spot.region or "", {})
        register = self.register(spot) or ""
        prefix = "" if ".." in register else register.partition("+")[0] + "."
        return tuple(Field(name, msb, lsb, named.get(f"{prefix}{name}", {})) for name, msb, lsb in places)

    def _unshared(self, spot: Spot) -> Layout | None:
        """Return the layout of the spot's region, unless what lies where depends on the state of the device."""
        layout = self._layouts.get(spot.region or "")
        return None if layout is None or layout.shared else layout


def layouts(devices: Sequence[ReportDevice], regions: Iterable[str]) -> dict[str, Layout]:
    """Return the registers of devices by the names of their regions.

    Args:
        devices: the classes.
        regions: the names of the regions that the trace has accesses to.

    Raises:
        ValueError: a device has no region in the trace.
    """
    seen = set(regions)
    return {region_of(device.__name__, region, seen): device.layout for device, region in devices}


def coverages(devices: Sequence[ReportDevice], accesses: Iterable[Access]) -> list[DeviceCoverage]:
    """Return what the accesses of a trace cover of devices.

    Raises:
        TypeError: one is no Device class.
        ValueError: one has no registers, or no region in the trace.
    """
    return [DeviceCoverage.of(device, accesses, region) for device, region in devices]


def _named_values(layout: Layout) -> dict[str, dict[int, str]]:
    """Return the names of the values of fields, by register and field: "CTRL.MODE"."""
    return {f"{place.name}.{field.name}": field.enum for place in layout.places for field in place.fields if field.enum}

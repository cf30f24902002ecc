"""The functions of a machine."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio import AddressSpace, Trace
from mmio.pci import Bar, ConfigPorts, PciBus, PciFunction
from mmio.pci.bus import _WINDOWS
from tests.mmio.pci.test_bar import bars


def _function(*found: Bar, **arguments: Any) -> PciFunction:
    return PciFunction(0x8086, 0x100E, 0x020000, bars=found, **arguments)


def _select(bus: int, device: int, function: int, register: int) -> int:
    return 0x80000000 | bus << 16 | device << 11 | function << 8 | register


@given(st.lists(bars(), max_size=6))
def test_regions_do_not_overlap(wanted: list[Bar]) -> None:
    """Each region has an address of its own, a multiple of its size, and the function decodes it."""
    bus = PciBus()
    placed: dict[bool, list[range]] = {True: [], False: []}
    for number, bar in enumerate(wanted):
        function = _function(bar)
        try:
            bus.add(f"{number + 1:x}.0", function)
        except ValueError as error:
            assert f"there is no room left for BAR{bar.index} of PciFunction" in str(error)  # noqa: PT017
            first, end = _WINDOWS["io" if bar.kind == "io" else "wide" if bar.wide else "memory"]
            used = [each.stop for each in placed[bar.kind == "io"] if first <= each.start < end]
            assert -(-max(used, default=first) // bar.size) * bar.size + bar.size > end
            continue
        start = function.address(bar.index)
        assert start
        assert start % bar.size == 0
        span, is_io = range(start, start + bar.size), bar.kind == "io"
        assert all(span.stop <= other.start or other.stop <= span.start for other in placed[is_io])
        placed[is_io].append(span)
        assert (is_io, not is_io) == (function.config.command.IO, function.config.command.MEMORY)


def test_host_bridge() -> None:
    """A machine has a host bridge, unless a function is put there; a second function of a device is found."""
    bus = PciBus()
    assert len(bus) == 0
    bus.add("3.0", first := _function())
    bus.add("3.1", _function())
    assert [str(address) for address, _ in bus] == ["0000:00:00.0", "0000:00:03.0", "0000:00:03.1"]
    assert first.config.header_type.MULTIFUNCTION
    other = PciBus()
    other.add("0.0", _function())
    assert len(other) == 1


def test_interrupt_line() -> None:
    """Firmware routes the pins of neighbours to different lines, and no pin to none."""
    bus = PciBus()
    lines = []
    for number in range(1, 5):
        bus.add(f"{number}.0", function := _function())
        lines.append(function.config.interrupt_line.value)
    assert len(set(lines)) == 4
    bus.add("5.0", function := _function(interrupt_pin=0))
    assert function.config.interrupt_line.value == 0


def test_free() -> None:
    """The first device that is free is found, until there is none."""
    bus = PciBus()
    for number in range(1, 32):
        assert str(bus.free()) == f"0000:00:{number:02x}.0"
        bus.add(bus.free(), _function())
    with pytest.raises(ValueError, match="all 31 devices of bus 0 are taken"):
        bus.free()


def test_mistakes() -> None:
    """A place that is taken, and what is no function, are named."""
    bus = PciBus()
    bus.add("3.0", _function(name="Nic"))
    with pytest.raises(ValueError, match=r"Nic is at 0000:00:03\.0 already"):
        bus.add("00:03.0", _function())
    for wrong in (PciFunction, 5):
        with pytest.raises(TypeError, match="function is a PciFunction, not"):
            bus.add("4.0", wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="there is no room left for BAR0 of PciFunction, 0x40000000 bytes of memory"):
        bus.add("5.0", _function(Bar(0, size=1 << 30)))


@given(st.integers(0, 255), st.integers(0, 31), st.integers(0, 7), st.integers(0, 63), st.data())
def test_ports(bus_number: int, device: int, function: int, register: int, data: st.DataObject) -> None:
    """CONFIG_DATA is the register that CONFIG_ADDRESS names, at every width; ones where no function is."""
    bus = PciBus()
    bus.add("3.1", nic := _function(Bar(0, size=0x1000)))
    ports = ConfigPorts(bus)
    width = data.draw(st.sampled_from([1, 2, 4]))
    at = data.draw(st.sampled_from(range(0, 4, width)))
    place = data.draw(st.sampled_from([(bus_number, device, function), (0, 3, 1)]))
    ports.write(0, 4, _select(*place, 4 * register))
    assert ports.read(0, 4) == _select(*place, 4 * register)
    found = {(0, 3, 1): nic.config, (0, 0, 0): dict(bus)[next(iter(dict(bus)))].config}.get(place)
    ones = (1 << 8 * width) - 1
    assert ports.read(4 + at, width) == (ones if found is None else found.read(4 * register + at, width))
    value = data.draw(st.integers(0, ones))
    ports.write(4 + at, width, value)
    if found is not None:
        fresh = _function(Bar(0, size=0x1000)).config if found is nic.config else None
        if fresh is not None:
            fresh.restore(nic.config.snapshot())
            fresh.write(4 * register + at, width, value)
            assert fresh.snapshot() == nic.config.snapshot()


def test_ports_without_enable() -> None:
    """Without the enable bit none answers; narrower writes are not for CONFIG_ADDRESS."""
    bus = PciBus()
    bus.add("3.0", _function())
    ports = ConfigPorts(bus)
    ports.write(0, 4, _select(0, 3, 0, 0))
    ports.write(0, 1, 4)
    assert ports.read(4, 4) == 0x100E8086
    assert ports.read(1, 1) == 0xFF
    ports.write(0, 4, _select(0, 3, 0, 0) & ~0x80000000)
    assert ports.read(4, 4) == 0xFFFFFFFF
    ports.write(4, 4, 0)


def test_ports_are_named_by_the_register() -> None:
    """An access to CONFIG_DATA is recorded as one to the register of the function."""
    bus = PciBus()
    bus.add("3.0", _function())
    space = AddressSpace(trace := Trace())
    space.map_ports(0xCF8, 8, ConfigPorts(bus), "PCI")
    initiator = space.initiator()
    for register, width in ((0, 4), (4, 2), (0xE0, 4)):
        initiator.port_write(0xCF8, 4, _select(0, 3, 0, register))
        initiator.port_read(0xCFC, width)
    initiator.port_write(0xCF8, 4, 0)
    initiator.port_read(0xCFC, 4)
    assert [access.register for access in trace if access.letter == "R"] == [
        "00:03.0 VENDOR_ID..DEVICE_ID",
        "00:03.0 COMMAND",
        "00:03.0 0xe0",
        "CONFIG_DATA",
    ]
    assert "MASTER=0" in trace[3].decoded

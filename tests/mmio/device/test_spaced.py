"""Devices on wider buses: where their registers are then, and what an access of any width sees."""

import pytest

from mmio import AddressSpace, Device, NoRegister, Spaced, Trace, UnmappedAccess, bit, ioremap, register


class Small(Device):
    """An 8-bit part."""

    ctrl = register(0, width=1, fields=[bit("EN", 0), bit("ALT", 7)])
    data = register(1, width=1, access="r", reset=0x5A)
    cmd = register(1, width=1, access="w")
    bank = register(3, width=1, when=ctrl.has(ALT=1))


@pytest.mark.parametrize("width", [1, 2, 4])
def test_a_register_is_reached_at_its_stride(width: int) -> None:
    """By accesses of any width up to the stride; what is above the register reads as 0 and is written in vain."""
    small = Small()
    spaced = Spaced(small, 4)
    spaced.write(0, width, (1 << 8 * width) - 1)
    assert small.ctrl == 0xFF
    assert spaced.read(0, width) == 0xFF
    assert spaced.read(4, width) == 0x5A


@pytest.mark.parametrize(("offset", "width"), [(1, 1), (2, 2), (0, 8), (5, 4)])
def test_an_access_between_registers_is_none(offset: int, width: int) -> None:
    """It has no register, which a mapping's policy may answer."""
    spaced = Spaced(Small(), 4)
    assert spaced.holes(offset, width) == (1 << 8 * width) - 1
    assert spaced.name_at(offset, width) is None
    assert spaced.describe(offset, width, 0) == ""
    with pytest.raises(NoRegister):
        spaced.read(offset, width)


def test_holes_of_the_device_stay_holes() -> None:
    """Offset 2 has nothing, offset 3 only at times."""
    small = Small()
    space = AddressSpace()
    space.map(0, 0x10, Spaced(small, 4), "small", unmapped="ones")
    bus = space.initiator(0)
    assert (bus.read(8, 4), bus.read(12, 4)) == (0xFFFFFFFF, 0xFFFFFFFF)
    small.ctrl.ALT = 1
    assert bus.read(12, 4) == 0


def test_records_have_the_device_s_names() -> None:
    """Those that change, too; the value's fields are those of the register."""
    trace = Trace()
    space = AddressSpace(trace)
    space.map(0, 0x10, Spaced(Small(), 4), "small")
    bus = space.initiator(0)
    bus.write(0, 4, 0xFFFFFF01)
    bus.read(4, 4)
    bus.write(4, 4, 0)
    bus.read(4, 4)
    assert [(a.register, a.decoded) for a in trace] == [
        ("CTRL", "EN=1 ALT=0"),
        ("DATA", ""),
        ("CMD", ""),
        ("DATA", ""),
    ]
    assert {row.place: (row.reads, row.writes) for row in trace.summary()}["small.DATA"] == (2, 0)


def test_its_length_is_the_device_s_at_that_stride() -> None:
    """So that a mapping needs to be told nothing."""
    with ioremap(Spaced(Small(), 4)) as mapping:
        assert mapping.length == 16
    assert Spaced(Small(), 8, 2).length == 16


def test_registers_of_two_bytes_may_lie_eight_apart() -> None:
    """A part with registers of 2 bytes, 8 apart."""

    class Words(Device):
        first = register(0, width=2)
        second = register(2, width=2, reset=0x1234)

    spaced = Spaced(Words(), 8, 2)
    assert spaced.read(8, 4) == 0x1234
    with pytest.raises(NoRegister):
        spaced.read(8, 1)


def test_a_plain_device_will_do() -> None:
    """Anything that reads and writes; it has no names, and its errors come through."""

    class Plain:
        def read(self, offset: int, width: int) -> int:
            return offset

        def write(self, offset: int, width: int, value: int) -> None: ...

    space = AddressSpace()
    space.map(0, 0x10, Spaced(Plain(), 4), "plain")
    bus = space.initiator(0)
    assert bus.read(12, 4) == 3
    with pytest.raises(UnmappedAccess, match="Spaced has no register at offset 0xd"):
        bus.read(13, 1)


@pytest.mark.parametrize(("stride", "width"), [(0, 1), (2, 4), (4, 0)])
def test_registers_must_fit_their_stride(stride: int, width: int) -> None:
    """Nonsense is refused at once."""
    with pytest.raises(ValueError, match=r"bytes apart|must be > 0"):
        Spaced(Small(), stride, width)

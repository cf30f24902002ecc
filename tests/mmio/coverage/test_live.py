"""Coverage of live devices: found when they are made, counted as a trace of the same accesses would be."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio import (
    AddressSpace,
    Device,
    DeviceCoverage,
    DeviceError,
    NoRegister,
    Spaced,
    Trace,
    UnmappedAccess,
    bit,
    block,
    register,
)
from mmio.coverage.live import Collector


class Serial(Device):
    """Registers that share an offset."""

    lcr = register(3, width=1, fields=[bit("DLAB", 7)])
    rbr = register(0, width=1, access="r", when=lcr.has(DLAB=0), fields=[bit("B", 0)])
    thr = register(0, width=1, access="w", when=lcr.has(DLAB=0))
    dll = register(0, width=1, when=lcr.has(DLAB=1))
    lsr = register(5, width=1, access="r", on_read="rclr", fields=[bit("DR", 0)])


class Longer(Serial):
    """One register more."""

    scr = register(7, width=1)


steps = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0, 0, 3, 3, 5]), st.sampled_from([0, 1, 0x80, 0x83])), max_size=20
)


@given(steps)
def test_a_live_device_counts_as_its_trace_does(steps: list[tuple[bool, int, int]]) -> None:
    """The same accesses, the same coverage."""
    with Collector(["Serial"]) as collector:
        device = Serial()
    trace = Trace()
    space = AddressSpace(trace=trace)
    space.map(0x1000, 8, device, name="Serial")
    for writes, offset, value in steps:
        if writes:
            space.write(0x1000 + offset, 1, value)
        else:
            space.read(0x1000 + offset, 1)
    live = collector.coverages()[0]
    if steps:
        assert live == DeviceCoverage.of(Serial, trace)


def test_other_devices_and_later_ones_are_left_alone() -> None:
    """Only those of the class, made while it is open, have a `read` of their own."""
    before = Serial()
    new = Device.__new__
    with Collector(["Serial"]):
        during, other = Serial(), type("Other", (Device,), {"x": register(0)})()
    after = Serial()
    assert "read" in vars(during)
    assert not any("read" in vars(device) for device in (before, other, after))
    assert Device.__new__ is new


def test_a_subclass_counts_for_its_base() -> None:
    """Registers that only it has do not."""
    with Collector(["Serial"]) as collector:
        device = Longer()
        device.read(5, 1)
        device.write(7, 1, 1)
    coverage = collector.coverages()[0]
    assert [register.name for register in coverage.registers if register.reads + register.writes] == ["LSR"]


def test_a_device_that_answers_by_itself_is_counted_once() -> None:
    """What it makes of an access is its own business."""

    class Own(Device):
        ctrl = register(0)

        def read(self, offset: int, width: int) -> int:
            return super().read(offset, width)

    with Collector(["Own"]) as collector:
        Own().read(0, 4)
    assert collector.coverages()[0].registers[0].reads == 1


def test_a_class_that_makes_its_devices_itself_is_counted() -> None:
    """One with a `__new__` of its own, and arguments."""

    class Made(Device):
        ctrl = register(0)

        def __new__(cls, value: int) -> "Made":
            return super().__new__(cls, value)

        def __init__(self, value: int) -> None:
            self.ctrl.value = value

    with Collector(["Made"]) as collector:
        assert Made(5).read(0, 4) == 5
    assert collector.coverages()[0].registers[0].reads == 1


def test_a_class_that_is_a_block_can_still_be_one() -> None:
    """Its accesses are those of the device around it."""
    with Collector(["Serial"]) as collector:

        class Board(Device):
            uart = block(0x10, Serial)

        board = Board()
        board.write(0x13, 1, 3)
    assert board.uart.lcr == 3
    assert collector.coverages()[0].total.covered == 0


def test_refused_accesses_are_error_paths() -> None:
    """And raise what they raised."""

    class Strict(Device):
        ctrl = register(0)
        data = register(4)

        @data.reads
        def _data(self) -> int:
            raise DeviceError("the key is missing")

    with Collector(["Strict"]) as collector:
        device = Strict()
    with pytest.raises(DeviceError, match="the key is missing"):
        device.read(4, 4)
    with pytest.raises(NoRegister):
        device.write(8, 4, 0)
    space = AddressSpace()
    space.map(0x1000, 0x100, device)
    with pytest.raises(UnmappedAccess):
        space.read(0x1010, 4)
    assert dict(collector.coverages()[0].paths) == {
        ("refused by the device", "R", "+0x4", 4): 1,
        ("no register", "W", "+0x8", 4): 1,
        ("no register", "R", "+0x10", 4): 1,
    }


def test_a_wider_bus_makes_no_difference() -> None:
    """A device behind `Spaced` is the same device."""
    with Collector(["Serial"]) as collector:
        space = AddressSpace()
        space.map(0x1000, 0x20, Spaced(Serial(), 4))
        space.read(0x1014, 4)
    assert collector.coverages()[0].registers[-1].reads == 1


@pytest.mark.parametrize("name", ["Serial", f"{__name__}:Serial", "test_live:Serial", "coverage/test_live.py:Serial"])
def test_a_name_may_say_where_the_class_is(name: str) -> None:
    """By module or file."""
    with Collector([name]) as collector:
        Serial()
    assert len(collector.coverages()) == 1


@pytest.mark.parametrize("name", ["Seri", "other:Serial", "live.py:Serial", "Serial:x"])
def test_another_name_is_another_class(name: str) -> None:
    """A part of a name is none."""
    with Collector([name]) as collector:
        Serial()
    assert collector.coverages() == []


def test_what_is_wrong_with_a_class_is_said() -> None:
    """One without registers, and two of one name."""

    def made(**members: Any) -> type[Device]:
        return type("Twice", (Device,), members)

    with Collector(["Bare", "Twice"]) as collector:
        type("Bare", (Device,), {})()
        made(a=register(0))()
        made(b=register(0))()
    assert collector.wrong() == {
        "Bare": "Bare has no registers, so there is nothing of it to cover",
        "Twice": f"Twice: there are different classes of this name, one in {__name__}; "
        f"say which, as in {__name__}:Twice",
    }
    with pytest.raises(ValueError, match="expected the name of a device class"):
        Collector(["timer.py:"])

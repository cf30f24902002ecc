"""What no driver may do, access by access."""

from collections.abc import Callable

import pytest

from mmio import AddressSpace, Device, Spaced, bit, field, register
from mmio.models import Uart16550
from mmio.strategies import DriverError
from mmio.strategies.guards import Reserved, Visitor
from tests.mmio.faults.card import Bytes, Card


def test_reserved_bits_are_written_as_after_reset() -> None:
    """By whole registers, parts of them, and across."""
    card = Card()
    guard = Reserved(card, card)
    guard.write(0, 4, 0x10D)
    guard.write(0, 1, 0x0D)
    guard.write(1, 1, 1)
    guard.write(8, 4, 0xFFFFFFFF)  # without fields it has no reserved bits
    for offset, width, value in ((0, 4, 0x0D), (0, 1, 0x10), (1, 1, 0), (0, 8, 0x100 | 1 << 63), (4, 2, 0x100)):
        before = card.snapshot()
        with pytest.raises(DriverError, match="changes reserved bits"):
            guard.write(offset, width, value)
        assert card.snapshot() == before


def test_a_field_that_is_neither_read_nor_written_is_reserved() -> None:
    """As the ones of a 16550's IER."""

    class Chip(Device):
        ier = register(0, width=1, fields=[bit("RDA", 0), field("ZERO", 7, 4, access="na"), field("X", 3, 1)])

    chip = Chip()
    Reserved(chip, chip).write(0, 1, 0x0F)
    with pytest.raises(DriverError, match="a write of 0x10 to IER changes reserved bits 0x10 of IER, which are 0x0"):
        Reserved(chip, chip).write(0, 1, 0x10)


def test_registers_that_share_bytes_are_told_apart() -> None:
    """A divisor may have bits that are reserved in IER; spaced, too."""
    for device, stride in ((Uart16550(), 1), (Spaced(Uart16550(), 4), 4)):
        guard = Reserved(device, device)
        guard.write(3 * stride, stride, 0x80)
        guard.write(1 * stride, stride, 0xFF)


def test_a_device_without_registers_has_no_reserved_bits() -> None:
    """It is asked for nothing it has not."""
    device = Bytes()
    guard = Reserved(device, device)
    guard.write(0, 4, 0xFFFFFFFF)
    assert guard.read(0, 4) == 0xFFFFFFFF


def test_a_poll_has_an_end() -> None:
    """A write, another value, or another call begins a new one."""
    card = Card()
    guard = Visitor(card, card, 3)
    beginnings: list[Callable[[], None]] = [
        lambda: guard.write(0, 4, 0x100),
        guard.begin_call,
        lambda: card.stat.write(2),
    ]
    for begin in beginnings:
        for _ in range(3):
            guard.read(4, 4)
        begin()
    guard.begin_call()
    for _ in range(3):
        guard.read(4, 4)
    with pytest.raises(DriverError, match=r"the driver has read STAT 4 times in one call, always 0x2: .*max_polls = 3"):
        guard.read(4, 4)


def test_what_is_covered_are_registers_directions_and_narrow_fields() -> None:
    """Data does not count."""
    card = Card()
    guard = Visitor(card, card, 100)
    card.queue = [1, 2, 3]
    for _ in range(3):
        guard.read(8, 4)
    assert len(guard.covered) == 1
    guard.read(4, 4)
    card.stat.ERR = 1
    guard.read(4, 4)
    guard.write(4, 4, 0)
    assert len(guard.covered) == 4


def test_guards_leave_bytes_without_registers_to_the_mapping() -> None:
    """Its policy answers."""
    card = Card()
    space = AddressSpace()
    space.map(0, 0x100, Visitor(Reserved(card, card), card, 9), unmapped="zeros")
    assert space.read(0x10, 4) == 0
    space.write(0x10, 4, 1)
    assert not hasattr(Visitor(Bytes(), Bytes(), 9), "read_block")

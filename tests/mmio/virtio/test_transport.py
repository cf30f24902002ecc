"""Registers of virtio over MMIO."""

from typing import Any

import pytest

from mmio import register
from mmio.virtio import CONFIG, VirtioMmio
from mmio.virtio.transport import EVENT_IDX, INDIRECT_DESC, VERSION_1
from tests.mmio.virtio.driver import Driver


class Picky(VirtioMmio):
    """A device with a register of its own, which does not work without feature 0."""

    limit = register(CONFIG, reset=64, access="r")

    def __init__(self) -> None:
        super().__init__(42, queues=[8, 16], features=0b11)

    def accepts(self, features: int) -> bool:
        """Refuse to work without feature 0."""
        return bool(features & 1)


def test_identity() -> None:
    """A driver recognises the device."""
    device = Picky()
    assert [device.read(at, 4) for at in (0, 4, 8, 0x100, 0xFC)] == [0x74726976, 2, 42, 64, 0]
    assert device.read(0xB0, 8) == (1 << 64) - 1
    device.reset()
    assert device.read(8, 4) == 42


def test_features_are_offered_in_halves() -> None:
    """The selector says which 32 of them are read; beyond 64 there are none."""
    device = Picky()
    halves = []
    for half in (0, 1, 2):
        device.write(0x14, 4, half)
        halves.append(device.read(0x10, 4))
    assert halves == [0b11 | INDIRECT_DESC | EVENT_IDX, 1, 0]


@pytest.mark.parametrize(
    ("features", "accepted"),
    [(VERSION_1 | 1, True), (VERSION_1 | 3, True), (VERSION_1, False), (1, False), (VERSION_1 | 5, False)],
)
def test_negotiation(features: int, accepted: bool) -> None:
    """FEATURES_OK stays where the device works with what was chosen: no more than it offers, and version 1."""
    device = Picky()
    assert Driver(device, features).accepted == accepted
    assert device.driver_features == features


def test_features_are_settled() -> None:
    """What is written after FEATURES_OK changes nothing; nor does a third half."""
    driver = Driver(device := Picky(), VERSION_1 | 1)
    for half in (0, 2):
        device.write(0x24, 4, half)
        device.write(0x20, 4, 0xFFFFFFFF)
    assert driver.accepted
    assert device.driver_features == VERSION_1 | 1


def test_queues() -> None:
    """Each queue has its largest size and its place; one that is not there has the size 0."""
    device = Picky()
    sizes = []
    for index in range(3):
        device.write(0x30, 4, index)
        sizes.append(device.read(0x34, 4))
        device.write(0x38, 4, 8)
        device.write(0x80, 4, 0x1000)
        device.write(0x84, 4, 2)
        assert device.read(0x44, 4) == 0
        device.write(0x44, 4, 1)
        assert device.read(0x44, 4) == (index < 2)
    assert sizes == [8, 16, 0]
    assert device.queues[0].desc == 0x2_0000_1000
    device.write(0x30, 4, 0)
    device.write(0x80, 4, 0x3000)  # is in use
    assert device.queues[0].desc == 0x2_0000_1000
    device.write(0x44, 4, 0)
    device.write(0x80, 4, 0x3000)
    assert device.queues[0].desc == 0x2_0000_3000


@pytest.mark.parametrize(
    ("register", "value", "problem"),
    [
        (0x38, 0, "virtqueue 0: its size is 0, expected a power of two up to 8"),
        (0x38, 6, "its size is 6"),
        (0x38, 16, "its size is 16"),
        (0x80, 8, "its desc area is at 0x8, expected a multiple of 16"),
        (0x90, 1, "its driver area is at 0x1, expected a multiple of 2"),
        (0xA0, 2, "its device area is at 0x2, expected a multiple of 4"),
    ],
)
def test_queue_that_cannot_be(register: int, value: int, problem: str) -> None:
    """A queue is checked when the driver says that it is ready."""
    device = Picky()
    device.write(register, 4, value)
    device.write(0x44, 4, 1)
    assert problem in device.problems[0]
    assert (device.read(0x44, 4), device.status.NEEDS_RESET, device.irq.level) == (0, 1, False)


def test_interrupts() -> None:
    """The line is high until all causes have been acknowledged."""
    Driver(device := Picky(), VERSION_1 | 1)
    device.config_changed()
    device._raise(1)
    assert (device.read(0x60, 4), device.read(0xFC, 4), device.irq.level) == (3, 1, True)
    device.write(0x64, 4, 1)
    assert (device.read(0x60, 4), device.irq.level) == (2, True)
    device.write(0x64, 4, 2)
    assert (device.read(0x60, 4), device.irq.level) == (0, False)


def test_reset() -> None:
    """Writing 0 to STATUS forgets the driver, and lets it begin again after what it has done wrong."""
    Driver(device := Picky(), VERSION_1 | 1)
    device.fail("a test")
    device.write(0x70, 4, 0xF)
    assert device.status.NEEDS_RESET
    device.write(0x70, 4, 0)
    assert (device.read(0x70, 4), device.driver_features, device.queues[0].ready, device.irq.level) == (
        0,
        0,
        False,
        False,
    )


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"device_id": -1, "queues": []}, "device_id is an int"),
        ({"device_id": 4, "queues": 3}, r"queues is the largest size of each queue, as \[64, 64\], not 3"),
        ({"device_id": 4, "queues": [3]}, "the largest size of a queue is a power of two, not 3"),
        ({"device_id": 4, "queues": [0]}, "the largest size of a queue is an int"),
        ({"device_id": 4, "queues": [8], "features": 1 << 64}, "features is an int"),
    ],
)
def test_mistakes(arguments: dict[str, Any], problem: str) -> None:
    """What makes no device is refused."""
    with pytest.raises((TypeError, ValueError), match=problem):
        VirtioMmio(**arguments)

"""Split virtqueues."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmio.virtio import Buffer, VirtioMmio, Virtqueue
from mmio.virtio.queue import INDIRECT, NEXT, WRITE
from mmio.virtio.transport import EVENT_IDX, VERSION_1
from tests.mmio.virtio.driver import AVAILABLE, DESC, SIZE, USED, Driver


class Echo(VirtioMmio):
    """A device that writes back what it reads."""

    def __init__(self) -> None:
        super().__init__(42, queues=[64])
        self.chains: list[list[Buffer]] = []

    def notified(self, queue: Virtqueue) -> None:
        """Answer."""
        for chain in queue:
            self.chains.append(chain.buffers)
            chain.write(chain.read(4096))
            chain.complete()


@given(
    st.binary(max_size=60),
    st.lists(st.integers(1, 20), max_size=3),
    st.lists(st.integers(1, 20), max_size=3),
    st.booleans(),
)
def test_chains(data: bytes, readable: list[int], writable: list[int], indirect: bool) -> None:
    """A chain of any buffers, in the ring's table or in one of its own, is read and written in order."""
    if not readable + writable:
        writable = [1]
    driver = Driver(device := Echo())
    at, buffers = 0x8000, []
    for length, flag in [*((length, 0) for length in readable), *((length, WRITE) for length in writable)]:
        buffers.append((at, length, flag))
        at += 32
    sent = data.ljust(sum(readable), b".")[: sum(readable)]
    left = sent
    for address, length, flag in buffers:
        if not flag:
            driver.ram.write(address, left[:length])
            left = left[length:]
    table = 0x7000 if indirect else DESC
    for number, (address, length, flag) in enumerate(buffers):
        more = NEXT if number + 1 < len(buffers) else 0
        driver.ram.put(table + 16 * number, "<QIHH", address, length, flag | more, number + 1)
    if indirect:
        driver.descriptor(0, table, 16 * len(buffers), INDIRECT)
    driver.offer(0)
    assert device.problems == []
    assert device.chains == [[Buffer(address, length, bool(flag)) for address, length, flag in buffers]]
    echoed = sent[: sum(writable)]
    assert driver.used() == [(0, len(echoed))]
    got = b"".join(driver.ram.read(address, length) for address, length, flag in buffers if flag)
    assert got[: len(echoed)] == echoed
    assert device.irq.level


@settings(max_examples=300)
@given(st.data())
def test_any_bytes(data: st.DataObject) -> None:
    """Whatever is in the rings, the device comes to an end, raises nothing, and says what is wrong."""
    driver = Driver(device := Echo(), features=VERSION_1 | data.draw(st.sampled_from([0, EVENT_IDX])))
    small = st.integers(0, SIZE + 1)
    for index in range(SIZE):
        address = data.draw(st.sampled_from([DESC, AVAILABLE, USED, 0x8000, 0xFFF8, 1 << 63, (1 << 64) - 8]))
        length = data.draw(st.sampled_from([0, 1, 16, 24, 64, 0xFFFFFFFF]))
        driver.descriptor(index, address, length, data.draw(st.integers(0, 7)), data.draw(small))
    for at in range(SIZE):
        driver.ram.put(AVAILABLE + 4 + 2 * at, "<H", data.draw(small))
    driver.ram.put(AVAILABLE + 2, "<H", data.draw(st.sampled_from([1, 3, SIZE, SIZE + 1, 0xFFFF])))
    for place, size in ((DESC, 16 * SIZE), (AVAILABLE, 32), (USED, 80)):
        for at, byte in data.draw(st.dictionaries(st.integers(0, size - 1), st.integers(0, 255), max_size=3)).items():
            driver.ram.data[place + at] = byte
    for _ in range(2):
        device.write(0x50, 4, 0)
    assert bool(device.problems) == bool(device.status.NEEDS_RESET)
    assert len(device.chains) <= 1 << 16


@settings(max_examples=50)
@given(st.binary(min_size=256, max_size=256), st.integers(0, 15), st.integers(0, 127), st.integers(0, 63))
def test_rings_over_each_other(ram: bytes, desc: int, driver_at: int, device_at: int) -> None:
    """Rings that lie over each other, so that the device overwrites what it reads, come to an end, too."""
    driver = Driver(device := Echo())
    device.write(0x44, 4, 0)
    for register, place in ((0x80, 16 * desc), (0x90, 2 * driver_at), (0xA0, 4 * device_at)):
        device.write(register, 4, place)
    device.write(0x44, 4, 1)
    driver.ram.data[:256] = ram
    device.write(0x50, 4, 0)
    assert len(device.chains) <= 1 << 16


@pytest.mark.parametrize(
    ("descriptors", "head", "problem"),
    [
        ([(0x8000, 4, 0, 0)], 8, "virtqueue 0: descriptor 8 is beyond the 8 of the table"),
        ([(0x8000, 4, NEXT, 9)], 0, "descriptor 9 is beyond the 8"),
        ([(0x8000, 4, NEXT, 0)], 0, "the chain of descriptor 0 is longer than its 8 entries, or goes round"),
        (
            [(0x8000, 4, NEXT | WRITE, 1), (0x8000, 4, 0, 0)],
            0,
            "descriptor 1 is read by the device and comes after",
        ),
        ([(0x8000, 0, INDIRECT, 0)], 0, "the indirect table of descriptor 0 has 0 bytes, expected 16 for each entry"),
        ([(0x8000, 24, INDIRECT, 0)], 0, "has 24 bytes"),
        ([(0x8000, 16, INDIRECT | NEXT, 1)], 0, "descriptor 0 is indirect within a table, or goes on"),
        ([(DESC, 16, INDIRECT, 0)], 0, "descriptor 0 is indirect within a table"),
        ([((1 << 64) - 4, 8, 0, 0)], 0, "8 bytes at 0xfffffffffffffffc go beyond all addresses"),
        ([(0xFFFC, 8, 0, 0)], 0, "the test has no memory to read at 0xfffc"),
        ([(0xFFFC, 8, WRITE, 0), (0, 0, 0, 0)], 0, ""),
    ],
)
def test_what_the_specification_forbids(descriptors: list[Any], head: int, problem: str) -> None:
    """What a driver does wrong is told in words, and it is asked to reset the device."""
    driver = Driver(device := Echo())
    for index, descriptor in enumerate(descriptors):
        driver.descriptor(index, *descriptor)
    driver.offer(head)
    if not problem:
        assert (device.problems, driver.used()) == ([], [(0, 0)])
        return
    assert len(device.problems) == 1
    assert problem in device.problems[0]
    assert (device.status.NEEDS_RESET, device.interrupt_status.CONFIG) == (1, 1)
    driver.offer(head)
    assert len(device.problems) == 1


def test_more_available_than_there_are() -> None:
    """An index that runs away is told."""
    driver = Driver(device := Echo())
    driver.ram.put(AVAILABLE + 2, "<H", SIZE + 1)
    device.write(0x50, 4, 0)
    assert device.problems == ["virtqueue 0: 9 chains are available at once, more than its 8 entries"]


def test_round_the_ring() -> None:
    """The rings are used round and round, beyond 65,536 chains."""
    driver = Driver(device := Echo())
    driver.descriptor(3, 0x8000, 4)
    device.queues[0].seen = device.queues[0].used = driver.made[0] = 0xFFFE
    driver.offer(3, 3, 3)
    assert device.problems == []
    assert (len(device.chains), device.queues[0].seen, device.queues[0].used) == (3, 1, 1)


def test_no_interrupt_wanted() -> None:
    """A driver that polls gets no interrupt."""
    driver = Driver(device := Echo())
    driver.descriptor(0, 0x8000, 4)
    driver.ram.put(AVAILABLE, "<H", 1)
    driver.offer(0)
    assert (driver.used(), device.irq.level) == ([(0, 0)], False)


def test_interrupts_by_index() -> None:
    """With VIRTIO_F_EVENT_IDX the interrupt comes at the chain that was named, and the device names one in its turn."""
    driver = Driver(device := Echo(), features=VERSION_1 | EVENT_IDX)
    driver.descriptor(0, 0x8000, 4)
    driver.ram.put(AVAILABLE + 4 + 2 * SIZE, "<H", 2)
    levels = []
    for _ in range(4):
        driver.offer(0)
        levels.append(device.irq.level)
        device.write(0x64, 4, 3)
        assert driver.ram.read(USED + 4 + 8 * SIZE, 2) == driver.made[0].to_bytes(2, "little")
    assert levels == [False, False, True, False]


def test_completed_once() -> None:
    """A chain is given back once."""
    driver = Driver(device := Echo())
    driver.descriptor(0, 0x8000, 4, WRITE)
    driver.offer(0, notify=False)
    chain = device.queues[0].pop()
    assert chain is not None
    assert (repr(chain), chain.capacity, chain.size) == ("Chain(0, reads 0 bytes, writes 4)", 4, 0)
    assert [chain.write(b"ab"), chain.write(b"cdef"), chain.write(b"g")] == [2, 2, 0]
    assert driver.ram.read(0x8000, 5) == b"abcd\0"
    chain.complete(1)
    assert driver.used() == [(0, 1)]
    with pytest.raises(ValueError, match="the chain of descriptor 0 has been completed already"):
        chain.complete()


def test_snapshot() -> None:
    """A device continues where it was."""
    driver = Driver(device := Echo())
    driver.descriptor(0, 0x8000, 4)
    driver.offer(0)
    state = json.loads(json.dumps(device.snapshot()))
    device.reset()
    assert not device.queues[0].ready
    device.restore(state)
    driver.offer(0)
    assert (device.problems, len(driver.used())) == ([], 2)

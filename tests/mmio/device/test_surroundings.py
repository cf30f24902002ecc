"""A device's clock and memory: given to it from outside, and no part of its state."""

from ctypes import addressof, create_string_buffer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio.device import Device, bit, block, register
from mmio.device.clock import Clock
from mmio.device.memory import Data, ThisProcess
from mmio.faults import wrap


class Dma(Device):
    """An address and a length."""

    address = register(0, width=8)


class Card(Device):
    """A counter of calls, and a block."""

    count = register(0x00)
    dma = block(0x10, Dma)

    def tick(self) -> None:
        self.count.value += 1


class Bytes:
    """Memory that is a bytearray."""

    def __init__(self) -> None:
        self.data = bytearray(64)

    def read(self, address: int, length: int) -> bytes:
        return bytes(self.data[address : address + length])

    def write(self, address: int, data: Data) -> None:
        self.data[address : address + len(data)] = data


def test_each_device_has_a_clock_of_its_own() -> None:
    """It is made once, at time 0, and no other device has it."""
    card, other = Card(), Card()
    assert card.clock is card.clock is not other.clock
    assert card.clock.now == 0


def test_a_clock_is_shared_by_assigning_it() -> None:
    """Devices with one clock live in one time."""
    clock = Clock()
    cards = Card(), Card()
    for card in cards:
        card.clock = clock
        card.clock.every(10, card.tick)
    clock.run_for(30)
    assert [card.count.value for card in cards] == [3, 3]


def test_timers_go_on_in_the_clock_that_is_assigned() -> None:
    """Those made while the device had none from outside, in `__init__` say, are as far ahead in the new clock."""
    card = Card()
    card.clock.run_for(3)
    timer = card.clock.after(10, card.tick)
    card.clock.after(1, card.tick).cancel()
    board = Clock()
    board.run_for(100)
    card.clock = board
    assert timer.due == board.next_due == 110
    board.run_for(10)
    assert card.count == 1
    card.clock.after(5, card.tick)
    card.clock = Clock()  # one that was assigned may be another device's too: what is due there stays
    assert (card.clock.next_due, board.next_due) == (None, 115)


STEPS = st.lists(st.tuples(st.sampled_from(["after", "every", "run"]), st.integers(1, 9)), max_size=30)


@given(STEPS, st.sampled_from(["device", "block", "faulty"]))
def test_after_and_every_are_those_of_the_clock(steps: list[tuple[str, int]], of: str) -> None:
    """Law: the calls made through the device, a block of it or the device with faults are those of its clock."""
    card, clock = Card(), Clock()
    made: list[tuple[int, int]] = []
    expected: list[tuple[int, int]] = []
    with wrap(card, "COUNT stuck 0 at read 1") as faulty:
        short: Any = {"device": card, "block": card.dma, "faulty": faulty}[of]
        for number, (what, amount) in enumerate(steps):
            if what == "run":
                card.clock.run_for(amount)
                clock.run_for(amount)
            else:
                timer = getattr(short, what)(amount, lambda number=number: made.append((card.clock.now, number)))
                other = getattr(clock, what)(amount, lambda number=number: expected.append((clock.now, number)))
                assert timer.due == other.due
        faulty.read(0, 4)
    assert made == expected
    assert card.clock.next_due == clock.next_due


@pytest.mark.parametrize("junk", [-1, 1.5, "5", None])
def test_a_wrong_time_is_refused_as_by_the_clock(junk: Any) -> None:
    """Negative times, and what is no time, have the clock's messages."""
    for short, long in ((Card().after, Clock().after), (Card().every, Clock().every)):
        with pytest.raises((ValueError, TypeError)) as expected:
            long(junk, print)
        with pytest.raises(expected.type) as told:
            short(junk, print)
        assert str(told.value) == str(expected.value)


def test_registers_may_be_called_after_and_every() -> None:
    """A register of such a name takes the place of the method: the clock has it, too."""

    class Alarm(Device):
        after = register(0)  # type: ignore[assignment]
        every = register(4)  # type: ignore[assignment]

    alarm: Any = Alarm()
    alarm.write(0, 4, 5)
    assert (alarm.after.value, list(alarm)) == (5, ["AFTER", "EVERY"])
    assert alarm.clock.after(1, print).due == 1


def test_a_block_has_the_clock_and_memory_of_the_device_around_it() -> None:
    """Whichever is asked first, and after another is assigned; unless it was given its own."""
    card = Card()
    assert card.dma.clock is card.clock
    assert card.dma.memory is card.memory
    card.clock, card.memory = Clock(), Bytes()
    assert card.dma.clock is card.clock
    assert card.dma.memory is card.memory
    card.dma.clock = Clock()
    assert card.dma.clock is not card.clock


def test_memory_is_this_process_or_what_is_assigned() -> None:
    """A device reads and writes where it is told to."""
    buffer = create_string_buffer(b"packet")
    card = Card()
    assert isinstance(card.memory, ThisProcess)
    assert card.memory.read(addressof(buffer), 6) == b"packet"
    card.memory = Bytes()
    card.memory.write(8, b"abc")
    assert card.memory.read(7, 5) == b"\0abc\0"


@pytest.mark.parametrize("junk", [None, 5, "clock", Clock, Bytes])
def test_what_is_neither(junk: object) -> None:
    """Something else is refused when it is assigned, and nothing changes."""
    card = Card()
    clock, memory = card.clock, card.memory
    with pytest.raises(TypeError, match=r"^the clock of a Card is a Clock, not "):
        card.clock = junk  # type: ignore[assignment]
    with pytest.raises(TypeError, match=r"^the memory of a Card is something with read\(address, length\) and write"):
        card.memory = junk  # type: ignore[assignment]
    assert card.clock is clock
    assert card.memory is memory


def test_they_are_no_state() -> None:
    """A snapshot has neither; `restore` and `reset` leave both, and the time, as they are."""
    card = Card()
    before = card.snapshot()
    card.clock.every(10, card.tick)
    card.memory = memory = Bytes()
    assert card.snapshot() == before
    card.clock.run_for(25)
    card.restore(before)
    card.reset()
    assert (card.count.value, card.clock.now, card.clock.next_due) == (0, 25, 30)
    assert card.memory is memory


def test_registers_by_the_names_of_records() -> None:
    """A register is found by the name that the manual has, too; a slip says which there is."""

    class Uart(Device):
        cr1 = register(0, fields=[bit("UE", 13)])
        data = register(4, name="DR")

    uart: Any = Uart()
    uart.CR1.UE = 1
    assert uart.cr1.value == 1 << 13
    uart.DR.value = 5
    assert uart.data.value == 5
    with pytest.raises(AttributeError, match="'Uart' object has no attribute 'CR2'; did you mean its register 'CR1'"):
        _ = uart.CR2
    with pytest.raises(AttributeError, match=r"has no attribute 'speed'$"):
        _ = uart.speed
    assert not hasattr(uart, "_nothing")

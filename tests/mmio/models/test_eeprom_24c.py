"""24Cxx EEPROMs: the pointer, pages, write cycles."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio.device.clock import Clock
from mmio.device.device import Device
from mmio.models.eeprom_24c import Eeprom24C

CYCLE = 5_000_000
SIZES = st.sampled_from([128, 256, 4096, 32768])


def point(eeprom: Eeprom24C, address: int) -> bool:
    """Address the chip, and set its pointer."""
    width = 1 if eeprom.size <= 256 else 2
    return eeprom.start(False) and all(eeprom.write(byte) for byte in address.to_bytes(width, "big"))


def store(eeprom: Eeprom24C, address: int, data: bytes) -> bool:
    """Write bytes, and wait for the write cycle to end. False when the chip does not answer."""
    if not point(eeprom, address):
        return False
    assert all(eeprom.write(byte) for byte in data)
    eeprom.stop()
    eeprom.clock.run_for(CYCLE)
    return True


def load(eeprom: Eeprom24C, address: int, count: int) -> bytes:
    """Read bytes at an address."""
    assert point(eeprom, address)
    assert eeprom.start(True)
    data = bytes(eeprom.read() for _ in range(count))
    eeprom.stop()
    return data


@given(SIZES, st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=40)), max_size=10))
def test_contents_are_those_of_a_reference(size: int, writes: list[tuple[int, bytes]]) -> None:
    """After any writes each byte is the last one written to its place, which wraps around in its page."""
    eeprom = Eeprom24C(size)
    reference = [0xFF] * size
    for address, data in writes:
        address %= size
        assert store(eeprom, address, data)
        page = address // eeprom.page * eeprom.page
        for i, byte in enumerate(data):
            reference[page + (address + i) % eeprom.page] = byte
    assert list(eeprom.contents) == reference


@given(SIZES, st.integers(0, 0xFFFF), st.integers(0, 300))
def test_reads_go_on_and_around(size: int, address: int, count: int) -> None:
    """A sequential read goes over the ends of pages, and from the end of the memory to its start."""
    contents = bytes(i * 7 % 251 for i in range(size))
    eeprom = Eeprom24C(size, contents=contents)
    address %= size
    assert load(eeprom, address, count) == bytes(contents[(address + i) % size] for i in range(count))


def test_a_read_goes_on_from_the_pointer() -> None:
    """A read without an address begins behind the last byte that was read or written."""
    eeprom = Eeprom24C(contents=bytes(range(256)))
    load(eeprom, 9, 2)
    assert eeprom.start(True)
    assert eeprom.read() == 11
    store(eeprom, 20, b"ab")
    assert eeprom.start(True)
    assert eeprom.read() == 22


def test_it_does_not_answer_during_a_write_cycle() -> None:
    """The address is acknowledged again when the time is over, and not a nanosecond before."""
    eeprom = Eeprom24C()
    point(eeprom, 0)
    eeprom.write(1)
    assert not eeprom.busy
    eeprom.stop()
    eeprom.clock.run_for(CYCLE - 1)
    assert eeprom.busy
    assert not eeprom.start(False)
    assert not eeprom.start(True)
    eeprom.clock.run_for(1)
    assert eeprom.start(True)


def test_a_write_needs_a_stop() -> None:
    """Bytes before another start are forgotten."""
    eeprom = Eeprom24C()
    point(eeprom, 0)
    eeprom.write(1)
    eeprom.start(True)
    eeprom.stop()
    assert (eeprom.contents[0], eeprom.cycles, eeprom.busy) == (0xFF, 0, False)


def test_write_protection() -> None:
    """Bytes are acknowledged and forgotten, and there is no write cycle."""
    eeprom = Eeprom24C()
    eeprom.protected = True
    store(eeprom, 0, b"x")
    assert (eeprom.contents[0], eeprom.cycles) == (0xFF, 0)


def test_whose_clock_it_has() -> None:
    """One of its own, the controller's it is wired to, or what is assigned, which counts most."""
    eeprom, device = Eeprom24C(), Device()
    eeprom.wired_to(device)
    assert eeprom.clock is device.clock
    eeprom.clock = clock = Clock()
    assert eeprom.clock is clock
    with pytest.raises(TypeError, match="clock of a Eeprom24C is a Clock, not 5"):
        eeprom.clock = 5  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 100}, "size is a power of two up to 256 or from 4096, not 100"),
        ({"size": 1024}, "not 1024"),
        ({"page": 3}, "page is a power of two up to the size, 256, not 3"),
        ({"contents": b"x"}, "contents are 256 bytes, not 1"),
        ({"write_time": -1}, "write_time is an int, from 0 up, not -1"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], message: str) -> None:
    """Each is refused with what was expected."""
    with pytest.raises(ValueError, match=message):
        Eeprom24C(**arguments)

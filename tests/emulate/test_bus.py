"""What an instruction sees of the outside, and plain memory as one."""

from collections.abc import Callable

import pytest

from emulate import Bus, PageFault, Ram
from emulate.bus import locked


def test_ram_is_a_bus() -> None:
    """Four methods make a bus; `Ram` has them."""
    assert isinstance(Ram(16), Bus)
    assert not isinstance(object(), Bus)


def test_values_are_little_endian() -> None:
    """The byte at the lowest address is the lowest of the value."""
    ram = Ram(bytes.fromhex("8899aabb"), base=0x1000)
    assert (ram.read(0x1000, 4), ram.read(0x1001, 2), ram.read(0x1003, 1)) == (0xBBAA9988, 0xAA99, 0xBB)
    ram.write(0x1000, 2, 0x1234)
    assert ram.data == bytes.fromhex("3412aabb")


@pytest.mark.parametrize(
    ("address", "width", "missing"),
    [(0xFFF, 1, 0xFFF), (0x1010, 1, 0x1010), (0x100E, 4, 0x1010), (0xFFE, 4, 0xFFE)],
)
def test_outside_is_a_page_fault(address: int, width: int, missing: int) -> None:
    """Its address is the first byte that is missing; its error code tells a write from a read; nothing is stored."""
    ram = Ram(16, base=0x1000)
    message = f"{width} bytes at {address:#x} lie outside this RAM, 0x1000..0x1010"
    with pytest.raises(PageFault, match=message) as caught:
        ram.read(address, width)
    assert (caught.value.address, caught.value.error_code) == (missing, 4)
    with pytest.raises(PageFault, match=message) as caught:
        ram.write(address, width, 1)
    assert (caught.value.address, caught.value.error_code) == (missing, 6)
    assert not any(ram.data)


def test_ram_has_no_ports() -> None:
    """A port access says which, how wide, and what would have been written."""
    with pytest.raises(LookupError, match=r"nothing answers at port 0x70 \(read, width 1\)"):
        Ram(1).port_read(0x70, 1)
    with pytest.raises(LookupError, match=r"nothing answers at port 0x70 \(write 0x5, width 2\)"):
        Ram(1).port_write(0x70, 2, 5)


def test_a_block_that_reaches_outside_faults_and_changes_nothing() -> None:
    """Whole blocks are read and written; a block that reaches outside is a fault and changes nothing."""
    ram = Ram(b"abcdef", base=0x10)
    assert ram.read_block(0x11, 3) == b"bcd"
    assert ram.write_block(0x10, b"XY")
    assert ram.data == b"XYcdef"
    with pytest.raises(PageFault):
        ram.read_block(0x14, 3)
    with pytest.raises(PageFault):
        ram.write_block(0x14, b"123")
    assert ram.data == b"XYcdef"


def test_code_may_end_with_the_memory() -> None:
    """Fetching gives what there is, up to what was asked for; only nothing at all is a fault."""
    ram = Ram(b"abcdef", base=0x10)
    assert ram.fetch(0x10, 4) == b"abcd"
    assert ram.fetch(0x14, 15) == b"ef"
    with pytest.raises(PageFault):
        ram.fetch(0x16, 15)


def test_locked_without_update_is_a_read_and_a_write() -> None:
    """A bus that knows no indivisible update gets one of each."""
    ram = Ram(b"\x05\0\0\0")
    assert locked(ram, 0, 4, lambda old: old + 1) == 5
    assert ram.read(0, 4) == 6


def test_locked_uses_the_update_of_the_bus() -> None:
    """A bus that has `update` does it all itself, and says what the old value was."""

    class Atomic(Ram):
        def update(self, address: int, width: int, operation: Callable[[int], int]) -> int:
            self.asked = address, width, operation(1)
            return 7

    bus = Atomic(4)
    assert locked(bus, 0, 2, lambda old: old + 1) == 7
    assert bus.asked == (0, 2, 2)
    assert not any(bus.data)

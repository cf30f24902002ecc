"""The serial flash chip: its commands, and that nothing happens where a rule is not kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio.models.spi_flash import BLOCK, PAGE, SECTOR, SpiFlash

SIZE = 1 << 16
FOREVER = 10**10  # ns, longer than anything takes


def command(flash: SpiFlash, *send: int | bytes, read: int = 0) -> bytes:
    """Make one transaction, and return the last bytes of it."""
    flash.select()
    for part in send:
        for byte in part if isinstance(part, bytes) else [part]:
            flash.exchange(byte)
    answer = bytes(flash.exchange(0) for _ in range(read))
    flash.deselect()
    return answer


def at(address: int) -> bytes:
    """Return an address as commands have it."""
    return address.to_bytes(3, "big")


OPERATIONS = st.one_of(
    st.tuples(st.just(0x02), st.integers(0, SIZE - 1), st.binary(min_size=1, max_size=300)),
    st.tuples(st.sampled_from([0x20, 0xD8]), st.integers(0, SIZE - 1), st.just(b"")),
)


@given(st.lists(st.tuples(OPERATIONS, st.booleans()), max_size=10))
def test_contents_are_those_of_a_reference(operations: list[tuple[tuple[int, int, bytes], bool]]) -> None:
    """Programming clears bits in one page, around its end; erasing sets those of a sector or block; neither unasked."""
    flash = SpiFlash(SIZE)
    reference = [0xFF] * SIZE
    for (code, address, data), enabled in operations:
        if enabled:
            command(flash, 0x06)
        command(flash, code, at(address), data)
        if not enabled:
            assert not flash.busy
            continue
        assert flash.busy
        flash.clock.run_for(FOREVER)
        if code == 0x02:
            page = address // PAGE * PAGE
            written = {page + (address + i) % PAGE: byte for i, byte in enumerate(data)}
            for place, byte in written.items():
                reference[place] &= byte
        else:
            size = SECTOR if code == 0x20 else BLOCK
            start = address // size * size
            reference[start : start + size] = [0xFF] * size
    assert list(flash.contents) == reference
    assert command(flash, 0x03, at(0), read=SIZE) == bytes(reference)


@given(st.integers(0, SIZE - 1), st.integers(0, 300))
def test_reads_go_on_and_around(address: int, count: int) -> None:
    """Both commands read on, from the end of the memory to its start; the fast one after a byte of nothing."""
    contents = bytes(i * 7 % 251 for i in range(SIZE))
    flash = SpiFlash(SIZE, contents=contents)
    expected = bytes(contents[(address + i) % SIZE] for i in range(count))
    assert command(flash, 0x03, at(address), read=count) == expected
    assert command(flash, 0x0B, at(address), 0, read=count) == expected


@pytest.mark.parametrize(("size", "code"), [(1 << 16, 0x10), (1 << 20, 0x14), (1 << 24, 0x18)])
def test_identity(size: int, code: int) -> None:
    """9F tells maker and size."""
    assert command(SpiFlash(size), 0x9F, read=4) == bytes((0xEF, 0x40, code, 0xEF))


def test_write_enable() -> None:
    """06 sets WEL, 04 clears it, and so does the end of what it allowed."""
    flash = SpiFlash(SIZE)
    command(flash, 0x06)
    assert command(flash, 0x05, read=1) == b"\x02"
    command(flash, 0x04)
    assert command(flash, 0x05, read=1) == b"\x00"
    command(flash, 0x06)
    command(flash, 0x02, at(0), 0)
    assert command(flash, 0x05, read=2) == b"\x03\x03"
    flash.clock.run_for(FOREVER)
    assert command(flash, 0x05, read=1) == b"\x00"


@pytest.mark.parametrize(
    ("send", "time"),
    [
        ((0x02, at(0), 0), 700_000),
        ((0x20, at(0)), 45_000_000),
        ((0xD8, at(0)), 150_000_000),
        ((0xC7,), 2_000_000_000),
        ((0x60,), 2_000_000_000),
    ],
)
def test_it_is_busy_for_the_time(send: tuple[int | bytes, ...], time: int) -> None:
    """Each command takes its time, to the nanosecond; meanwhile only the status can be read."""
    flash = SpiFlash(SIZE, contents=bytes(SIZE))
    command(flash, 0x06)
    command(flash, *send)
    flash.clock.run_for(time - 1)
    assert command(flash, 0x05, read=1) == b"\x03"
    assert command(flash, 0x03, at(0), read=2) == b"\xff\xff"
    assert command(flash, 0x9F, read=1) == b"\xff"
    flash.clock.run_for(1)
    assert command(flash, 0x05, read=1) == b"\x00"
    assert flash.contents[0] == (0 if send[0] == 0x02 else 0xFF)


@pytest.mark.parametrize(
    "send", [(0x02, at(0)), (0x20, at(0)[:2]), (0x20, at(0), 0), (0xD8,), (0xC7, 0), (0x00,), (0x52, at(0))]
)
def test_a_command_that_is_not_whole_does_nothing(send: tuple[int | bytes, ...]) -> None:
    """Too few bytes, too many, or no such command: nothing changes, and WEL stays."""
    flash = SpiFlash(SIZE, contents=bytes(SIZE))
    command(flash, 0x06)
    command(flash, *send)
    assert (flash.status, flash.busy, any(flash.contents)) == (2, False, False)


def test_a_write_enable_that_is_too_long_is_none() -> None:
    """06 with a byte behind it is not carried out."""
    flash = SpiFlash(SIZE)
    command(flash, 0x06, 0)
    assert flash.status == 0


@pytest.mark.parametrize(
    ("size", "maker", "contents", "message"),
    [
        (1000, b"\xef\x40", None, r"size is an int, 65536\.\.0x1000000, not 1000"),
        (3 << 16, b"\xef\x40", None, "size is a power of two from 64 KiB to 16 MiB, not 196608"),
        (SIZE, b"\xef", None, "maker is two bytes"),
        (SIZE, b"\xef\x40", b"x", "contents are 65536 bytes, not 1"),
    ],
)
def test_wrong_arguments(size: int, maker: bytes, contents: bytes | None, message: str) -> None:
    """Each is refused with what was expected."""
    with pytest.raises(ValueError, match=message):
        SpiFlash(size, maker=maker, contents=contents)

"""Which buffers of a call have copies that lie over each other."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decode import READ, READ_WRITE, WRITE
from mmio.linux.syscall_table import NUMBERS
from mmio.program import bounce_buffers
from mmio.program.kernel_access import Stretch
from mmio.program.overlapping_buffers import overlapping
from mmio.program.syscall_pointers import Buffer, Pointer
from tests.mmio.program import scripts
from tests.mmio.program.scripts import ADDRESS_OF, DESCRIPTOR, PAGE, SCRATCH, TRAPPED, Way, call, poke, show

DEVICE = 0x8000
END = 0x10000
MOST = 1 << 21


class Access:
    """Memory up to `END`, from `DEVICE` on a device's."""

    def stretch(self, address: int, length: int, *, write: bool = False) -> Stretch:
        """Return how far memory goes."""
        end = max(min(address + length, END), address)
        return Stretch(address, end, end == address + length)

    def can_peek(self, address: int) -> tuple[bool, int]:
        """Return whether it is not the device's."""
        return (True, DEVICE) if address < DEVICE else (False, END)


buffers = st.builds(Buffer, st.integers(0, 64), st.integers(0, 24), st.sampled_from([READ, WRITE, READ_WRITE]))


@given(found=st.lists(buffers, max_size=6))
def test_buffers_that_share_bytes_share_memory(found: list[Buffer]) -> None:
    """Two buffers with a byte in common, one of them written, are in the same memory, and all of each is in it."""
    wholes = overlapping(found, Access(), MOST)  # type: ignore[arg-type]
    for index, one in enumerate(found):
        for other in found[index + 1 :]:
            common = range(max(one.address, other.address), min(one.address + one.length, other.address + other.length))
            if common and (one.direction | other.direction) & WRITE:
                assert wholes[one] == wholes[other]
        whole = wholes.get(one)
        assert whole is None or (
            whole.address <= one.address and one.address + one.length <= whole.address + whole.length
        )


def test_a_device_sees_the_vectors_in_their_order() -> None:
    """Buffers that a structure names have copies apart where a device is, and only there."""
    for address, shared in ((0x100, True), (DEVICE, False), (DEVICE - 2, False)):
        pointers = tuple(Pointer(16 * i, 8, Buffer(address, 4, WRITE, counted=1)) for i in range(2))
        array = Buffer(0x4000, 32, READ, contents=bytes(32), pointers=pointers)
        assert bool(overlapping([array], Access(), MOST)) is shared  # type: ignore[arg-type]


def test_memory_that_goes_on_into_nothing() -> None:
    """A buffer at the end of memory is one byte longer, so that its copy ends there, too."""
    found = [Buffer(0x1000, 1 << 40, READ), Buffer(0x1004, 8, WRITE)]
    whole = overlapping(found, Access(), 1 << 50)[found[0]]  # type: ignore[arg-type]
    assert (whole.address, whole.length, whole.direction) == (0x1000, END - 0x1000 + 1, READ_WRITE)


def test_a_name_and_its_length_in_one_place() -> None:
    """What getpeername leaves in a word that is given for both is what it leaves natively."""
    script = b""
    for offset in (0x100, 0x102):
        script += poke(TRAPPED, 0x100, struct.pack("<QQ", 16, 16))
        script += call(NUMBERS[64]["getpeername"], (DESCRIPTOR, scripts.STREAM), (TRAPPED, 0x100), (TRAPPED, offset))
        script += show(TRAPPED, 0x100, 16)
    for way in (Way("own"), Way("device")):
        assert scripts.difference(script, way) == ""


def test_a_transfer_over_its_own_array(monkeypatch: pytest.MonkeyPatch) -> None:
    """An array of buffers that the transfer writes over is read once, also when there are several parts."""
    monkeypatch.setattr(bounce_buffers, "MOST", PAGE)
    script = call(ADDRESS_OF, (TRAPPED, 0x800), (TRAPPED, 0x100)) + poke(TRAPPED, 0x808, struct.pack("<Q", 7 * PAGE))
    script += call(NUMBERS[64]["readv"], (DESCRIPTOR, scripts.ZERO), (TRAPPED, 0x800), 1) + show(TRAPPED, 0, 2 * PAGE)
    assert scripts.difference(script, Way("own")) == ""


def test_two_messages_in_one_buffer() -> None:
    """Of what two messages leave in one buffer the second is on top, also when it fails because memory is missing."""
    numbers = NUMBERS[64]
    script = poke(SCRATCH, 0x100, b"A" * 8 + bytes(16)) + poke(TRAPPED, 0x300, bytes(8))
    for at, length in ((0x100, 8), (0x108, 16)):
        script += call(numbers["write"], (DESCRIPTOR, scripts.DATAGRAM), (SCRATCH, at), length)
    for at, place in ((0x200, 0x300), (0x210, scripts.LAYOUT.index("n") * PAGE)):
        script += call(ADDRESS_OF, (SCRATCH, at), (TRAPPED, place)) + poke(SCRATCH, at + 8, struct.pack("<Q", 8))
    script += poke(SCRATCH, 0x400, bytes(128))
    for at, count in ((0x400, 1), (0x440, 2)):
        script += call(ADDRESS_OF, (SCRATCH, at + 16), (SCRATCH, 0x200)) + poke(
            SCRATCH, at + 24, struct.pack("<Q", count)
        )
    script += call(numbers["recvmmsg"], (DESCRIPTOR, scripts.DATAGRAM_PEER), (SCRATCH, 0x400), 2, 0x40, 0)
    script += show(TRAPPED, 0x300, 8)
    assert scripts.natively(script, Way("own"))[2:] == ["1 0", "00" * 8]
    for kind in ("own", "file", "device"):
        assert scripts.difference(script, Way(kind)) == ""

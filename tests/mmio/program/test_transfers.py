"""Transfers to and from trapped memory end as natively, whatever the pointers and lengths."""

import resource
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmio.linux.syscall_table import NUMBERS
from mmio.program import bounce_buffers
from tests.mmio.program import scripts
from tests.mmio.program.scripts import DESCRIPTOR, PAGE, SCRATCH, TRAPPED, Way, call, poke, show

PAGES = len(scripts.LAYOUT)

_near_borders = st.builds(lambda page, by: page * PAGE + by, st.integers(0, PAGES), st.integers(-40, 40))
offsets = _near_borders | st.integers(-2 * PAGE, (PAGES + 1) * PAGE)
lengths = (
    st.integers(0, 48)
    | st.integers(0, 3 * PAGE)
    | st.sampled_from([PAGE, 0x7FFFF000, 0x7FFFFFFF, 1 << 30, 1 << 31, 1 << 32, 1 << 46, 1 << 47, -1, -4096, 1 << 63])
)
_FILES = (scripts.FILE, scripts.PIPE_OUT, scripts.PIPE_IN, scripts.ZERO, scripts.NULL, scripts.NONE, scripts.ROOT)
_SOCKETS = (scripts.STREAM, scripts.STREAM_PEER, scripts.DATAGRAM, scripts.DATAGRAM_PEER)
positions = st.integers(0, 20000) | st.sampled_from([-1, 1 << 40])
_WINDOW = 48


def _around(offset: int) -> bytes:
    return show(TRAPPED, offset - 8, _WINDOW)


def position(draw: st.DrawFn, bits: int) -> list[int]:
    """Draw a position in a file, of two words in a 32-bit call."""
    where = draw(positions)
    return [where] if bits == 64 else [where & 0xFFFFFFFF, where >> 32 & 0xFFFFFFFF]


@st.composite
def flat(draw: st.DrawFn, descriptors: tuple[int, ...], bits: int) -> bytes:
    """Draw a transfer to or from one buffer."""
    name = draw(st.sampled_from(["read", "write", "pread64", "pwrite64", "sendto", "recvfrom"]))
    offset, length = draw(offsets), draw(lengths)
    rest = position(draw, bits) if name.startswith("p") else []
    number = NUMBERS[bits][name]
    step = call(number, (DESCRIPTOR, draw(st.sampled_from(descriptors))), (TRAPPED, offset), length, *rest)
    return step + _around(offset)


@st.composite
def vectors(draw: st.DrawFn, descriptors: tuple[int, ...], bits: int) -> bytes:
    """Draw a transfer to or from an array of buffers, which itself is trapped or not."""
    name = draw(st.sampled_from(["readv", "writev", "preadv", "pwritev", "preadv2", "pwritev2"]))
    entries = draw(st.lists(st.tuples(st.sampled_from([TRAPPED, SCRATCH]), offsets, lengths), max_size=5))
    base, place = draw(st.sampled_from([(SCRATCH, 0x8000), (TRAPPED, 0x800), (TRAPPED, 5 * PAGE - 24)]))
    steps = b""
    word = bits // 8
    for index, (where, offset, length) in enumerate(entries):
        at = place + 2 * word * index
        steps += call(scripts.ADDRESS_OF, (base, at), (where, offset))
        steps += poke(base, at + word, (length & (1 << bits) - 1).to_bytes(word, "little"))
    count = draw(st.just(len(entries)) | st.sampled_from([0, 1, 1024, 1025, -1]))
    rest = position(draw, bits) if name.startswith("p") else []
    if bits == 64 and rest:
        rest.append(0)  # the upper half of a position, which 64-bit calls do not need
    steps += call(NUMBERS[bits][name], (DESCRIPTOR, draw(st.sampled_from(descriptors))), (base, place), count, *rest)
    return steps + b"".join(_around(offset) for where, offset, _ in entries if where == TRAPPED)


def transfers(*descriptors: int, bits: int = 64) -> st.SearchStrategy[bytes]:
    """Return scripts of transfers from and to some of the descriptors."""
    steps = flat(descriptors, bits) | vectors(descriptors, bits)
    return st.lists(steps, min_size=20, max_size=80).map(b"".join)


@pytest.mark.parametrize("way", scripts.WAYS, ids=str)
@settings(scripts.LAW, max_examples=2)
@given(data=st.data())
def test_every_transfer_ends_as_natively(way: Way, data: st.DataObject) -> None:
    """Result, errno and memory of a transfer are those of a run with ordinary memory."""
    script = data.draw(transfers(*_FILES, *_SOCKETS, bits=way.bits)) + show(TRAPPED, 0, PAGES * PAGE)
    assert scripts.difference(script, way) == ""


@pytest.mark.parametrize("bits", [64, 32])
@settings(scripts.LAW, max_examples=2)
@given(data=st.data(), pages=st.integers(1, 3))
def test_a_transfer_in_parts_ends_as_natively(bits: int, data: st.DataObject, pages: int) -> None:
    """Result, errno and memory of a transfer too large for one copy are those of a run with ordinary memory.

    Not of one to a socket, which takes what is given it at once as one message; its limits are below that size.
    """
    script = data.draw(transfers(*_FILES, bits=bits)) + show(TRAPPED, 0, PAGES * PAGE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounce_buffers, "MOST", pages * PAGE)
        assert scripts.difference(script, Way("own", bits)) == ""


@pytest.mark.parametrize("name", ["readv", "writev"])
def test_many_huge_vectors(name: str) -> None:
    """As many vectors as there may be, each as long as one may be, end at the end of the memory, and take none."""
    script, numbers = b"", NUMBERS[64]
    for index in range(1024):
        script += call(scripts.ADDRESS_OF, (SCRATCH, 16 * index), (TRAPPED, 64 + index % 8))
        script += poke(SCRATCH, 16 * index + 8, struct.pack("<Q", 0x7FFFFFFF))
    script += call(numbers[name], (DESCRIPTOR, scripts.FILE), (SCRATCH, 0), 1024) + show(TRAPPED, 0, PAGES * PAGE)
    script += call(numbers["read"], (DESCRIPTOR, scripts.FILE), (TRAPPED, 2 * PAGE - 6), 10) + _around(2 * PAGE - 6)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    native = scripts.natively(script, Way("device"))
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (256 << 20), limits[1]))
    try:
        assert scripts.traced(script, Way("device")) == native
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)

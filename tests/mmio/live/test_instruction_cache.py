"""What instruction stands at an address."""

import ctypes
from collections.abc import Iterator
from ctypes import CFUNCTYPE, c_uint64, c_void_p, create_string_buffer

import pytest

from decode.cache import SIZE
from mmio.inprocess import Mapping, ioremap
from mmio.linux import libc
from mmio.linux.libc import PAGE, PROT_EXEC, PROT_READ, PROT_WRITE
from mmio.live.instruction_cache import InstructionCache, MissedAccess
from mmio.live.signal_frame import FAULT_ADDRESS, SLOTS, Frame
from tests.mmio.inprocess.models import Bytes

LOAD = bytes.fromhex("8b07")  # mov eax,[rdi]
LONG = bytes.fromhex("48c7870000000044332211")  # mov qword [rdi+0],11223344h: eleven bytes
RET = b"\xc3"


@pytest.fixture
def mapping() -> Iterator[Mapping]:
    with ioremap(Bytes(4096, b"\x2a")) as mapping:
        yield mapping


@pytest.fixture
def pages() -> int:
    """Two pages for code, followed by one that is inaccessible."""
    start = libc.map_pages(3 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC)
    libc.protect(start + 2 * PAGE, PAGE, libc.PROT_NONE)
    return start


def call(address: int, mapping: Mapping) -> int:
    return int(CFUNCTYPE(c_uint64, c_void_p)(address)(mapping.address))


@pytest.mark.parametrize("before_end", range(2, 16))
def test_code_near_a_pages_end(mapping: Mapping, pages: int, before_end: int) -> None:
    """Instructions that end before, at or after the end of a page are all understood."""
    for code in (LOAD + RET, LONG + RET):
        place = pages + PAGE - before_end
        ctypes.memmove(place, code, len(code))
        call(place, mapping)
    assert mapping.trace[-2].value == 0x2A
    assert mapping.trace[-1].value == 0x11223344


def test_code_at_the_end_of_memory(mapping: Mapping, pages: int) -> None:
    """Nothing is read past the last mapped page: a short instruction may end there."""
    for code in (LOAD + RET, LONG + RET):
        place = pages + 2 * PAGE - len(code)
        ctypes.memmove(place, code, len(code))
        call(place, mapping)
    assert [access.width for access in mapping.trace] == [4, 8]


def test_code_that_changes(mapping: Mapping, pages: int) -> None:
    """Code that was replaced is understood as what it is now."""
    for code, width in ((LOAD, 4), (bytes.fromhex("8a07"), 1), (bytes.fromhex("668b07"), 2), (LOAD, 4)):
        ctypes.memmove(pages, code + RET, 4)
        call(pages, mapping)
        assert mapping.trace[-1].width == width


def test_instruction_that_looks_unread(mapping: Mapping, pages: int) -> None:
    """Zeros are an instruction, too: ADD [rax],AL."""
    code = bytes.fromhex("4889f8") + bytes(8) + RET  # mov rax,rdi, then four times add [rax],al
    ctypes.memmove(pages, code, len(code))
    call(pages, mapping)
    assert len(mapping.trace) == 8


@pytest.fixture
def frame() -> Frame:
    """A frame with `mov eax,[rdi]` to run at 0x401000, whose registers do not explain the fault."""
    words = create_string_buffer(1024)
    frame = Frame(ctypes.addressof(words))
    frame.keep = words
    frame.rip, frame.rdi, frame.regs[FAULT_ADDRESS] = 0x401000, 0x5000, 0x9123
    return frame


def test_address_that_does_not_explain_the_fault(frame: Frame) -> None:
    """An instruction seen for the first time is refused when it would not touch the page that faulted."""
    cached = InstructionCache(SLOTS)[int.from_bytes(LOAD.ljust(8, b"\x90"), "little")]
    with pytest.raises(MissedAccess) as caught:
        cached.run(frame, None)  # type: ignore[arg-type]
    message = (
        "'mov eax,[rdi]' at ip 0x401000 (bytes 8b 07, 64-bit code) faulted at 0x9123, but touches 4 bytes at 0x5000"
    )
    assert str(caught.value).startswith(f"{message}: rip=0x401000 rax=0x0")


def test_memory_is_bounded() -> None:
    """However many distinct instructions fault: the sites of both generations are at most `SIZE`."""
    sites = InstructionCache(SLOTS)
    for number in range(SIZE + 500):
        sites[int.from_bytes(b"\x8b\x87" + number.to_bytes(4, "little") + b"\x90\x90", "little")]
        assert len(sites) <= SIZE
    assert len(sites._cache) == SIZE


def test_a_site_of_the_older_generation_is_still_known() -> None:
    """It comes back as it was, and its first fault is not checked a second time."""
    sites = InstructionCache(SLOTS)
    word = int.from_bytes(LOAD.ljust(8, b"\x90"), "little")
    sites[word]
    known = sites[word]
    sites._cache._end_generation()
    assert word not in sites
    assert sites[word] is known

"""What stands at an instruction pointer, and whether it touches an address."""

import pytest

from decode import InvalidInstruction
from decode.cache import SIZE
from mmio.ptrace import instruction_cache
from mmio.ptrace.frame import SLOTS, Frame
from mmio.ptrace.instruction_cache import TracedInstructionCache, site_of

RAX, RCX, RSI, RDI, RIP = SLOTS[0], SLOTS[1], SLOTS[6], SLOTS[7], SLOTS[16]

CASES = [
    ("8b4710", 0x1010, 4),  # mov eax,[rdi+10h]
    ("8b448710", 0x1030, 4),  # mov eax,[rdi+rax*4+10h]
    ("8b0510000000", 0x400016, 4),  # mov eax,[rip+10h]
    ("ff37", 0x1000, 8),  # push [rdi]
    ("a4", 0x1000, 1),  # movsb, its destination
    ("a4", 0x2000, 1),  # movsb, its source
    ("f3ab", 0x1000, 4),  # rep stosd, where it is
    ("0fab07", 0x1000, 4),  # bts [rdi],eax
]


@pytest.mark.parametrize(("code", "address", "width"), CASES)
def test_an_access_reaches_exactly_its_bytes(code: str, address: int, width: int) -> None:
    """An instruction touches the bytes from its effective address on, and no byte before or behind."""
    frame = Frame(0)
    for slot, value in ((RAX, 8), (RCX, 1), (RSI, 0x2000), (RDI, 0x1000), (RIP, 0x400000)):
        frame.regs[slot] = value
    site = site_of(bytes.fromhex(code), 64)
    assert [at for at in range(address - 2, address + width + 2) if site.reaches(frame, at)] == list(
        range(address, address + width)
    )


def test_what_the_emulator_does_not_do_has_no_run() -> None:
    """An unsupported instruction is a site with the reason, bytes that are none are an error."""
    site = site_of(bytes.fromhex("0f5107"), 64)  # sqrtps xmm0,[rdi]
    assert site.run is None
    assert site.refusal
    with pytest.raises(InvalidInstruction):
        site_of(b"\x06" * 15, 64)


def test_equal_bytes_are_one_site() -> None:
    """TracedInstructionCache are made once for the same bytes in the same mode."""
    assert site_of(b"\x8b\x07", 64) is site_of(b"\x8b\x07", 64)
    assert site_of(b"\x8b\x07", 64) is not site_of(b"\x8b\x07", 32)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much distinct code is read: at most `SIZE` sites by bytes, and as many by address of each process."""
    place = 0

    def code(pid: int, address: int, length: int) -> bytes:
        return b"\x8b\x87" + address.to_bytes(4, "little") + bytes(9)

    monkeypatch.setattr(instruction_cache, "read_memory", code)
    monkeypatch.setattr(TracedInstructionCache, "_is_text", lambda *_: True)
    frame, known = Frame(0), TracedInstructionCache()
    for place in range(SIZE + 500):
        frame.regs[RIP] = place
        known.at(frame)
    assert site_of.cache_info().currsize == SIZE
    assert len(known._cache) == SIZE
    known._texts.append((0, SIZE * 2))
    known.forget(place, place + 1)
    assert len(known._cache) == 0

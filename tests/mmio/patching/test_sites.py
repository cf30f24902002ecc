"""Sites, without a device: what stands in memory, and what is said to stand there."""

import ctypes
import os
import random
from collections.abc import Iterator
from contextlib import suppress

import pytest

from decode import Instruction, decode
from mmio.linux import libc
from mmio.linux.proc_maps import mappings
from mmio.linux.stub_functions import StubFunctions
from mmio.patching import text
from mmio.patching.jumps import JUMP, Places
from mmio.patching.memory import REACH, NearMemory
from mmio.patching.sites import NotPatched, Sites, width_of
from mmio.patching.stub import COPY

PAGES = 4
# Neighbours of every length from 2 on, with a return behind: each jump consists of the bytes of those that follow.
CODE = bytes.fromhex("8b07 8b4f04 8b17 488b7708 8b9f00010000 c7070100 0000 0107 f30f104710 8b07 c3")


@pytest.fixture
def place() -> Iterator[int]:
    """The address of executable pages; nothing else is within reach of a jump."""
    address = next(place for place in range(1 << 44, 1 << 46, 1 << 33) if _alone(place))
    ctypes.memmove(address, CODE, len(CODE))
    libc.protect(address, PAGES * libc.PAGE, libc.PROT_READ | libc.PROT_EXEC)
    yield address
    libc.LIBC.munmap(address, PAGES * libc.PAGE)


def _alone(place: int) -> bool:
    """Map the pages at a place; return whether nothing else is there or within reach, stubs of other tests included."""
    near = range(place - REACH, place + REACH)
    if any(mapping.start in near or mapping.end in near for mapping in mappings(os.getpid())):
        return False
    return libc.map_exactly(place, PAGES * libc.PAGE, libc.PROT_READ | libc.PROT_WRITE)


@pytest.fixture
def sites() -> Sites:
    """No site yet; no stub's function is ever called."""
    return Sites(StubFunctions(0, 0, 0, 0, 0), NearMemory(lambda start: True))


def instructions(start: int) -> Iterator[tuple[int, Instruction]]:
    """Iterate over the code, without the return."""
    at = 0
    while at < len(CODE) - 1:
        instruction = decode(CODE[at : at + 15], 64)
        yield start + at, instruction
        at += instruction.length


def in_memory(place: int) -> bytes:
    """Return the code as it stands."""
    return ctypes.string_at(place, len(CODE))


@pytest.mark.parametrize("seed", range(20))
def test_any_order_of_patches_leads_back(place: int, sites: Sites, seed: int) -> None:
    """After each step every patched instruction is a jump to its stub, the others are as they were."""
    source = random.Random(seed)
    known = dict(instructions(place))
    for _ in range(60):
        at = source.choice(list(known))
        with suppress(NotPatched):
            if sites.standing(at) is None:
                sites.patch(at, known[at])
            else:
                sites.take_back(at)
        assert sites.original(place, in_memory(place)) == CODE
        for address, instruction in known.items():
            site = sites.standing(address)
            here = ctypes.string_at(address, 15)
            if site is None:
                assert here.startswith(instruction.code)
                continue
            assert _led_to(address) == site.slot
            assert ctypes.string_at(site.slot + COPY, instruction.length) == instruction.code
    for at in known:
        if sites.standing(at) is not None:
            sites.take_back(at)
    assert in_memory(place) == CODE


def _led_to(address: int) -> int:
    """Follow jumps to the stub."""
    for _ in range(3):
        jump = decode(ctypes.string_at(address, 15), 64)
        if jump.mnemonic != "jmp":
            break
        (operand,) = jump.operands
        if hasattr(operand, "base"):  # jmp [rip+0]
            address = ctypes.c_uint64.from_address(address + jump.length).value
        else:
            address += jump.length + operand.displacement  # type: ignore[union-attr]
    return address


def test_neighbours_are_patched_at_once(place: int, sites: Sites) -> None:
    """Patching one restores those whose jumps consist of its bytes, and patches them again."""
    for at, instruction in instructions(place):
        sites.patch(at, instruction)
    assert all(sites.standing(at) for at, _ in instructions(place))


def test_an_instruction_inside_another_is_not_patched(place: int, sites: Sites) -> None:
    """Code can jump into the middle of an instruction, and find another one there."""
    whole = place + CODE.index(bytes.fromhex("488b7708"))
    sites.patch(whole, decode(bytes.fromhex("488b7708"), 64))
    with pytest.raises(NotPatched, match="overlaps"):
        sites.patch(whole + 1, decode(bytes.fromhex("8b7708"), 64))


def test_other_code_at_the_same_address_is_left_alone(place: int, sites: Sites) -> None:
    """A library is unloaded, and another one loaded there."""
    at = place + CODE.index(bytes.fromhex("8b9f00010000"))
    site = sites.patch(at, decode(bytes.fromhex("8b9f00010000"), 64))
    text.write(at, bytes.fromhex("8bb700020000"))
    assert sites.original(at, ctypes.string_at(at, 6)) == bytes.fromhex("8bb700020000")
    assert sites.known(at) is sites.standing(at) is None
    again = sites.patch(at, decode(bytes.fromhex("8bb700020000"), 64))
    assert again.slot != site.slot
    sites.take_back(at)
    assert ctypes.string_at(at, 6) == bytes.fromhex("8bb700020000")


def test_code_that_has_changed_is_not_patched(place: int, sites: Sites) -> None:
    """What was decoded stands there no more."""
    with pytest.raises(NotPatched, match="other code"):
        sites.patch(place, decode(bytes.fromhex("8b0f"), 64))


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("f00107", "locked"),
        ("8707", "locked"),
        ("a4", "one memory operand"),
        ("ff37", "one memory operand"),
        ("ab", "more registers"),
        ("0fa307", "more registers"),
        ("0fae27", "width"),
        ("90", "one memory operand"),
        ("6c", "one memory operand"),
    ],
)
def test_what_is_not_patched_says_why(code: str, reason: str) -> None:
    """LOCK, string and stack instructions, bit offsets, XSAVE, and those without memory operand or port."""
    with pytest.raises(NotPatched, match=reason):
        width_of(decode(bytes.fromhex(code), 64))


def test_refusals_of_the_kernel_are_reasons(place: int, sites: Sites, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text that cannot be written, as SELinux has it, and no membarrier(2): the instruction stays as it is."""

    def refused(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    for name in ("write", "change"):
        with monkeypatch.context() as patch:
            patch.setattr(text, name, refused)
            with pytest.raises(NotPatched, match="Permission denied"):
                sites.patch(place, decode(CODE[:2], 64))
        assert in_memory(place) == CODE
        assert sites.standing(place) is None


def test_landings_of_neighbours(place: int) -> None:
    """Jumps to one page, in any order of their places, each have a landing of their own that leads where it should."""
    memory = NearMemory(lambda start: True)
    places = [Places(place + 0x10_0000 + at, 1, place, 0, 1) for at in (40, 0, 20, 14, 42, 26, 4086)]
    found = {jump.low: memory.landing(jump, place + index) for index, jump in enumerate(places)}
    assert [low for low, landing in found.items() if landing is None] == [place + 0x10_0000 + 42]  # in that of 40
    for index, jump in enumerate(places):
        if found[jump.low] is not None:
            assert found[jump.low] == jump.low
            here = ctypes.string_at(jump.low, JUMP)
            assert (here[0], jump.low + JUMP + int.from_bytes(here[1:], "little", signed=True)) == (0xE9, place + index)
            assert memory.target(jump.low) == place + index
            assert memory.landing(jump, place + index) == jump.low  # it is there already
            assert memory.landing(jump, place + 99) is None


def test_stubs_are_within_reach() -> None:
    """Of any place in memory where code may be; an arena that the trampoline has no room for is not used."""
    memory = NearMemory(lambda start: True)
    for site in (0x400000, 0x5555_5555_4000, 0x7FFF_F7DD_0000):
        slots = [memory.slot(site) for _ in range(600)]
        assert all(slot is not None and abs(slot - site) < REACH for slot in slots)
        assert len(set(slots)) == 600
    assert NearMemory(lambda start: False).slot(0x400000) is None

"""The code of a stub, and what the trampoline knows of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decode import BranchOperand, MemoryOperand, checked_ranges, decode
from decode.load_address import load_address
from emulate import Cpu, Emulator, Ram
from mmio.hosted.direct_stubs import DIRECT_STUBS as HOSTED_STUBS
from mmio.linux.direct_stubs import DIRECT_STUBS
from mmio.linux.stub_entry import STUBS
from mmio.patching import stub
from mmio.patching.direct import plain

RAX, RSP = 0, 4


# Operands whose base is the stack pointer: ModRM and SIB that say so, and a displacement.
BY_STACK_POINTER = st.builds(
    lambda modrm, sib, displacement: bytes([modrm & 0xC7 & ~3 | 4, sib & ~7 | 4]) + displacement,
    st.integers(0, 0xBF),
    st.integers(0, 0xFF),
    st.binary(min_size=4, max_size=4),
)


@given(
    prefixes=st.sampled_from(["", "67", "2e", "36"]),
    rex=st.integers(0x40, 0x4F),
    operand=st.binary(min_size=6, max_size=6) | BY_STACK_POINTER,
    values=st.lists(st.integers(0, (1 << 64) - 1), min_size=16, max_size=16),
    pushed=st.integers(0, 512),
)
def test_the_address_is_that_of_the_operand(
    prefixes: str, rex: int, operand: bytes, values: list[int], pushed: int
) -> None:
    """For every addressing mode that general registers make, with the stack pointer as much lower as is said."""
    code = bytes.fromhex(prefixes) + bytes([rex, 0x8B]) + operand
    instruction = decode(code, 64)
    if not any(isinstance(each, MemoryOperand) for each in instruction.operands):
        return
    cpu = Cpu(bits=64)
    for index, value in enumerate(values):
        cpu.regs[index] = value
    memory = instruction.accesses[0].operand
    assert isinstance(memory, MemoryOperand)
    if memory.is_rip_relative:
        with pytest.raises(ValueError, match="general registers"):
            load_address(instruction, pushed)
        return
    expected, _ = next(iter(checked_ranges(instruction, cpu)))
    if memory.base is None and memory.index is None and expected >> 32:
        with pytest.raises(ValueError, match="constant of more than 32 bits"):
            load_address(instruction, pushed)
        return
    try:
        lea = load_address(instruction, pushed)
    except ValueError:  # the displacement has no room for what has been pushed
        assert memory.base is not None
        assert memory.base.name in ("rsp", "esp")
        assert memory.displacement + pushed > 0x7FFF_FFFF
        return
    cpu.regs[RSP] = (cpu.regs[RSP] - pushed) % (1 << 64)
    before = list(cpu.regs)
    Emulator(Ram(16)).compile(64, lea).run(cpu, Ram(16))
    assert cpu.regs[RAX] == expected
    assert list(cpu.regs)[1:16] == before[1:16]


@pytest.mark.parametrize("code", ["648b4710", "658b4710", "8b0510000000", "a10011223344556677", "90", "c4e26990040f"])
def test_other_addresses_are_refused(code: str) -> None:
    """Those with a segment's base, RIP, a long constant, and a vector of addresses; and no operand at all."""
    with pytest.raises(ValueError, match=r"operand|segment|constant"):
        load_address(decode(bytes.fromhex(code), 64), 0)


SLOT, SITE = 0x7000_0000, 0x7100_0000


NARROW = "8b07", "8b4710", "8b842480000000", "c7879000000044332211", "894710", "0f9407"
WIDE = "0f104710", "0f294710", "67c4a17e6f842880000000", "62f17c4828470a", "62f17c4829470a", "67f30f7f8480e1000000"


@pytest.mark.parametrize("hosted", [False, True])
@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("code", NARROW + WIDE)
def test_a_slot_has_its_parts_where_the_trampoline_expects_them(code: str, direct: bool, hosted: bool) -> None:
    """The copy, the miss, the words, and where a load takes its value; all ways lead behind the instruction."""
    instruction, below = decode(bytes.fromhex(code), 64), (-stub.LOADED_BELOW, -stub.STORED_BELOW) if hosted else ()
    how = plain(instruction, *below) if direct else None
    assert (how is None) <= (not direct)
    made = stub.code(SLOT, SITE, instruction, how, stored_later=hosted)
    assert len(made) <= stub.SLOT
    assert made[stub.COPY :].startswith(instruction.code)
    ends, calls, at = [], [], 0
    while at < len(made):
        line = decode(made[at : at + 15], 64)
        target = next(
            (SLOT + at + line.length + o.displacement for o in line.operands if isinstance(o, BranchOperand)), 0
        )
        if line.mnemonic == "jmp":
            ends.append(target)
        elif line.mnemonic == "call":
            calls.append(at + line.length)
            (word,) = (o for o in line.operands if isinstance(o, MemoryOperand))
            assert SLOT + at + line.length + word.displacement == SLOT + stub.CODE + 8 * stub.FUNCTION
        elif line.mnemonic in ("jb", "ja"):
            assert target == SLOT + stub.COPY - 10  # 10 bytes before the copy restore what has been saved
        at += line.length
    loads = how is not None and not how.stores
    (behind,) = calls
    if how is not None and (loads or not hosted):  # it stands where the value is, and the flags are the driver's
        copy = made.index(how.code, behind if loads else 0)
        flags = bytes.fromhex("ff742448 9d" if how.wide and not hosted else "ff742408 9d")  # pushed and popped
        assert made[copy - 5 : copy] == flags if loads else copy + len(how.code) == behind - 6
        assert not loads or copy - 5 == behind + _number_in("to where the stub takes it", DIRECT_STUBS)
        assert ends == [SITE + instruction.length] * (3 if loads else 2)
    elif how is not None:
        assert made.index(how.code) == behind + _number_in("where the stub stores it", HOSTED_STUBS)
    assert behind == 0x28 + 5 * (how is not None and loads and how.wide and not hosted) or not hosted
    for distance, what in (
        (stub.COPY, "where the copy is in its slot"),
        (stub.COPY, "the copy"),
        (stub.COPY - 10, "where it misses"),
        (stub.CODE, "its words"),
        (stub.CODE + 8 * stub.SITE - stub.COPY, "SITE"),
        (stub.CODE + 8 * stub.BYTES - stub.COPY, "BYTES"),
    ):
        assert _number_in(what) == distance
    assert _number_in("its slot and arena") == stub.CODE
    assert _number_in("its words", DIRECT_STUBS) == _number_in("its words", HOSTED_STUBS) == stub.CODE
    assert _number_in("to where the stub takes it", HOSTED_STUBS) == stub.BEHIND
    assert _number_in("where the stub stores it", HOSTED_STUBS) == stub.BEHIND


def _number_in(remark: str, listing: str = STUBS) -> int:
    """Return the number in the first instruction of the trampoline's with a remark."""
    line = next(line for line in listing.splitlines() if line.endswith(f"  {remark}"))
    operand = decode(bytes.fromhex(line.split()[0]), 64).operands[-1]
    return operand.displacement if isinstance(operand, MemoryOperand) else int(operand.value)  # type: ignore[union-attr]


def test_the_words_are_those_of_the_instruction() -> None:
    """A page fault of a write has bit 1 of the error code set; the first bytes are eight, however long it is."""
    store = decode(bytes.fromhex("894710"), 64)
    words = stub.words(0x1234, SITE, store, writes=True)
    assert words == [(1 << 64) - 1, 0, 0x1234, SITE, SITE + 3, 0x9090909090104789, 6, 0, 0, 1, 2, 14]
    assert stub.words(0, SITE, decode(bytes.fromhex("c7879000000044332211"), 64), writes=False)[5:7] == [
        0x33440000009087C7,
        4,
    ]


@pytest.mark.parametrize("code", ["ee", "ed", "66ef", "e570"])
def test_a_port_counts_as_an_address(code: str) -> None:
    """IN and OUT raise a general protection fault; the stub loads the port, from DX or the instruction."""
    instruction = decode(bytes.fromhex(code), 64)
    assert stub.words(0, SITE, instruction, writes=False)[6:] == [0, 0, 0, 1, 0x80, 13]
    loaded = stub.code(SITE + 0x10000, SITE, instruction)[7:16].hex()
    assert loaded.startswith("b870000000" if code == "e570" else "0fb7c2")

"""Whatever follows an instruction, the jumps that fit into it lead where they should."""

from hypothesis import given
from hypothesis import strategies as st

from decode import decode
from decode.operands import BranchOperand
from mmio.patching.jumps import HLT, JUMP, places, places_over_followers


@given(
    site=st.integers(1 << 33, (1 << 47) - (1 << 33)),
    length=st.integers(1, 15),
    behind=st.binary(min_size=4, max_size=4),
    data=st.data(),
)
def test_a_jump_leads_to_its_place(site: int, length: int, behind: bytes, data: st.DataObject) -> None:
    """The CPU reads the bytes of the instruction and those behind it as one jump to the target."""
    for place in places(site, length, behind):
        target = data.draw(st.integers(place.low, place.low + place.count - 1))
        code = place.jump(target)
        assert len(code) <= length
        jump = decode((code + b"\xcc" * (length - len(code)) + behind)[: place.used], 64)
        assert (jump.mnemonic, jump.length) == ("jmp", place.used)
        (operand,) = jump.operands
        assert isinstance(operand, BranchOperand)
        assert site + jump.length + operand.displacement == target


@given(length=st.integers(2, 15), behind=st.binary(min_size=4, max_size=4))
def test_longer_instructions_have_more_places(length: int, behind: bytes) -> None:
    """Five bytes reach 2 GiB either way; each byte less divides the number by 256, as each prefix does."""
    counts = [place.count for place in places(1 << 40, length, behind)]
    assert counts[0] == 1 << 8 * min(length - 1, 4)
    assert counts == sorted(counts, reverse=True)
    assert len(counts) == (1 if length >= 5 else length)


def test_one_byte_has_room_for_the_opcode_only() -> None:
    """Such as `in al,dx`: there is one place, and where bytes behind cannot be read there is none."""
    (only,) = places(0x10000, 1, b"\x10\x20\x30\x00")
    assert (only.low, only.count, only.jump(only.low)) == (0x10005 + 0x302010, 1, b"\xe9")
    assert list(places(0x10000, 1, b"\x10\x20\x30")) == []


@given(
    site=st.integers(1 << 33, (1 << 47) - (1 << 33)),
    length=st.integers(1, 4),
    behind=st.binary(min_size=4, max_size=4),
    data=st.data(),
)
def test_what_a_jump_stands_over_is_halts(site: int, length: int, behind: bytes, data: st.DataObject) -> None:
    """Whatever followed, the jump has no byte of it; each of its bytes behind the instruction raises a fault."""
    place = places_over_followers(site, length)
    target = data.draw(st.integers(place.low, place.low + place.count - 1))
    code = place.jump(target)
    assert code[length:] == bytes([HLT]) * (JUMP - length)
    jump = decode(code + behind, 64)
    (operand,) = jump.operands
    assert isinstance(operand, BranchOperand)
    assert (jump.mnemonic, jump.length, site + JUMP + operand.displacement) == ("jmp", JUMP, target)
    assert (place.used, place.count) == (JUMP, 1 << 8 * (length - 1))

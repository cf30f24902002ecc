"""The steps of a change of text: whatever a thread meets between two of them is a whole instruction, or HLT."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decode import DecodeError, decode
from mmio.patching import text
from mmio.patching.followers import starts_of_followers
from mmio.patching.jumps import HLT, places_over_followers

SITE = 0x7000_0000_0000
FOLLOWERS = (
    "90",
    "89ca",
    "0fb6c0",
    "4189c5",
    "83f902",
    "4883c418",
    "b801000000",
    "41ba03000000",
    "48b80102030405060708",
)


def states(before: bytes, after: bytes, starts: tuple[int, ...], steps: int = text.ALL_STEPS) -> Iterator[bytes]:
    """Yield what stands in memory after each step, and in it after each byte, from either end."""
    now = bytearray(before)
    yield bytes(now)
    for at, part in text._strokes(after, steps, starts):
        for order in (range(len(part)), reversed(range(len(part)))):
            partial = bytearray(now)
            for index in order:
                partial[at + index] = part[index]
                yield bytes(partial)
        now[at : at + len(part)] = part
        yield bytes(now)
    assert now == after + before[len(after) :]


def torn(before: bytes, after: bytes, starts: tuple[int, ...], steps: int = text.ALL_STEPS) -> list[str]:
    """Return what a thread would execute that is none of the instructions before and after, nor HLT."""
    whole = {at: {first(before, at), first(after + before[len(after) :], at), bytes([HLT])} for at in starts}
    return [
        f"{now.hex()} at {at}"
        for now in states(before, after, starts, steps)
        for at in starts
        if first(now, at) not in whole[at]
    ]


def first(code: bytes, at: int) -> bytes:
    """Return the instruction at a place."""
    try:
        return decode(code[at : at + 15], 64).code
    except DecodeError:
        return b""


@st.composite
def changes(draw: st.DrawFn) -> tuple[bytes, bytes, tuple[int, ...]]:
    """Draw an instruction with what follows it, the jump over them, and where the instructions start."""
    own = bytes.fromhex(draw(st.sampled_from(["ec", "ef", "66ed", "e671", "8b07", "8a4701"])))
    code = own + b"".join(map(bytes.fromhex, draw(st.lists(st.sampled_from(FOLLOWERS), min_size=4, max_size=4))))
    starts = starts_of_followers(SITE, code)
    place = places_over_followers(SITE, len(own))
    jump = place.jump(place.low + draw(st.integers(0, place.count - 1)))
    return code[: starts[-1]], jump, starts[:-1]


@given(changes())
def test_no_thread_executes_half_of_a_change(change: tuple[bytes, bytes, tuple[int, ...]]) -> None:
    """At the first instruction and at each that follows, there and back."""
    before, jump, starts = change
    assert torn(before, jump, starts) == []
    assert torn(jump + before[len(jump) :], before, starts) == []


@pytest.mark.parametrize("left_out", [text.HALT, text.FOLLOWERS])
def test_each_step_is_needed(left_out: int) -> None:
    """Without the HLT of the first instruction, or of the next ones, a thread would execute something else."""
    before, starts = bytes.fromhex("8b07b801000000"), (0, 2)
    jump = places_over_followers(SITE, 2).jump(places_over_followers(SITE, 2).low + 0x77)
    after = jump + before[len(jump) :]
    assert torn(before, jump, starts) == torn(after, before, starts) == []
    assert torn(before, jump, starts, text.ALL_STEPS & ~left_out)
    if left_out == text.HALT:  # on the way back the others are HLT already
        assert torn(after, before, starts, text.ALL_STEPS & ~left_out)


@given(
    before=st.sampled_from(["8b07", "8b4f04", "c7070100 0000", "8b9f00010000"]).map(bytes.fromhex),
    jump=st.binary(min_size=4, max_size=4).map(lambda displacement: b"\xe9" + displacement),
)
def test_one_instruction(before: bytes, jump: bytes) -> None:
    """Where the jump stands over no other, three steps do."""
    behind = bytes(10)
    after = (jump[: len(before)] + before[5:]) + behind
    assert torn(before + behind, after[: len(before)], (0,)) == []
    assert len(list(text._strokes(after[: len(before)], text.ALL_STEPS, (0,)))) == 3

"""Effects of accesses on bits, against the words' meaning one bit at a time."""

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio.device.effects import ACCESS, ON_READ, ON_WRITE, Bits, Effects

# SystemRDL 2.0, table 18 and 19: (old bit, written bit) -> new bit, in words
MEANING = {
    None: {(0, 0): 0, (0, 1): 1, (1, 0): 0, (1, 1): 1},
    "woclr": {(0, 0): 0, (0, 1): 0, (1, 0): 1, (1, 1): 0},
    "woset": {(0, 0): 0, (0, 1): 1, (1, 0): 1, (1, 1): 1},
    "wot": {(0, 0): 0, (0, 1): 1, (1, 0): 1, (1, 1): 0},
    "wzc": {(0, 0): 0, (0, 1): 0, (1, 0): 0, (1, 1): 1},
    "wzs": {(0, 0): 1, (0, 1): 0, (1, 0): 1, (1, 1): 1},
    "wzt": {(0, 0): 1, (0, 1): 0, (1, 0): 0, (1, 1): 1},
    "wclr": {(0, 0): 0, (0, 1): 0, (1, 0): 0, (1, 1): 0},
    "wset": {(0, 0): 1, (0, 1): 1, (1, 0): 1, (1, 1): 1},
}
AFTER_READ = {None: {0: 0, 1: 1}, "rclr": {0: 0, 1: 0}, "rset": {0: 1, 1: 1}}

bytes_ = st.integers(0, 255)
bit_kinds = st.lists(
    st.tuples(
        st.sampled_from(sorted(ACCESS)), st.sampled_from([None, *ON_READ]), st.sampled_from([None, *ON_WRITE])
    ).filter(lambda kind: not Bits(1, kind[0], kind[1], kind[2], False).problem()),
    min_size=8,
    max_size=8,
)
Kind = tuple[str, str | None, str | None]


def test_the_tables_have_the_same_words() -> None:
    """Every word has its meaning here, and no other word exists."""
    assert set(MEANING) == {None, *ON_WRITE}
    assert set(AFTER_READ) == {None, *ON_READ}


@given(bit_kinds, bytes_, bytes_, bytes_)
def test_each_bit_does_what_its_word_says(kinds: list[Kind], old: int, data: int, lanes: int) -> None:
    """Eight bits of any kinds side by side: each ends as its own row says, whatever its neighbours do."""
    effects = Effects.of(Bits(1 << i, *kind, False) for i, kind in enumerate(kinds))
    written = effects.after_write(old, data, lanes)
    read = effects.after_read(old)
    for i, (access, on_read, on_write) in enumerate(kinds):
        was, came = old >> i & 1, data >> i & 1
        reached = "w" in access and lanes >> i & 1
        assert written >> i & 1 == (MEANING[on_write][was, came] if reached else was)
        assert read >> i & 1 == AFTER_READ[on_read][was]
        assert effects.readable >> i & 1 == ("r" in access)
        assert effects.writable >> i & 1 == ("w" in access)
        assert effects.once >> i & 1 == (access in ("rw1", "w1"))


@given(bit_kinds)
def test_plain_storage_is_recognised(kinds: list[Kind]) -> None:
    """A device takes a short cut where every bit reads as it is, or becomes what is written, and only there."""
    effects = Effects.of(Bits(1 << i, kind[0], kind[1], kind[2], False) for i, kind in enumerate(kinds))
    assert effects.reads_plainly(0xFF) == all("r" in kind[0] and kind[1] is None for kind in kinds)
    assert effects.writes_plainly(0xFF) == all(kind[0] in ("rw", "w") and kind[2] is None for kind in kinds)


def test_plain_bits_may_come_in_groups() -> None:
    """Fields do not make a register less plain; a single-pulse bit does, because something must take it back."""
    halves = [Bits(0xF0, "rw", None, None, False), Bits(0x0F, "rw", None, None, False)]
    assert Effects.of(halves).reads_plainly(0xFF)
    assert Effects.of(halves).writes_plainly(0xFF)
    pulse = Effects.of([Bits(0xFF, "rw", None, None, True)])
    assert (pulse.reads_plainly(0xFF), pulse.writes_plainly(0xFF)) == (True, False)


def test_groups_do_not_lose_bits() -> None:
    """The masks of many groups are joined, not replaced."""
    groups = [Bits(1 << i, "rw", "rclr", "woclr", True) for i in range(8)]
    effects = Effects.of(groups)
    joined = reduce(int.__or__, (bits.mask for bits in groups))
    assert effects.readable == effects.writable == effects.pulse == joined
    assert (effects.after_read(0xFF), effects.after_write(0xFF, 0x0F, 0xFF)) == (0, 0xF0)


@pytest.mark.parametrize(
    ("bits", "problem"),
    [
        (Bits(1, "xo", None, None, False), "access is 'xo', expected one of na, r, rw, rw1, w, w1"),
        (Bits(1, "rw", "clr", None, False), "on_read is 'clr', expected one of rclr, rset"),
        (
            Bits(1, "rw", None, "w1c", False),
            "on_write is 'w1c', expected one of wclr, woclr, woset, wot, wset, wzc, wzs, wzt; "
            "what others call w1c is 'woclr' here",
        ),
        (Bits(1, "w", "rclr", None, False), "on_read='rclr', but access 'w' never reads it"),
        (Bits(1, "r", None, "woclr", False), "on_write='woclr', but access 'r' never writes it"),
        (Bits(1, "r", None, None, True), "singlepulse, but access 'r' never writes it"),
        (Bits(1, "rw1", "rset", "wot", True), None),
    ],
)
def test_problems_are_named(bits: Bits, problem: str | None) -> None:
    """A misspelt word lists the right ones; words that contradict each other are both named."""
    assert bits.problem() == problem

"""The NVIC's registers as views of the exception state."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio.cortex_m.exceptions import Exceptions
from mmio.cortex_m.nvic import Nvic, SoftwareTrigger

ISER, ICER, ISPR, ICPR, IABR, IPR = 0x000, 0x080, 0x100, 0x180, 0x200, 0x300
INTERRUPTS = 43


def read_all(nvic: Nvic, offset: int) -> int:
    """Return all words of a register array as one int."""
    return sum(nvic.read(offset + 4 * index, 4) << 32 * index for index in range(16))


accesses = st.lists(
    st.tuples(
        st.sampled_from((ISER, ICER, ISPR, ICPR)),
        st.sampled_from((1, 2, 4)),
        st.integers(0, 63),
        st.integers(0, 0xFFFF_FFFF),
        st.booleans(),
    )
)


@given(accesses)
def test_set_and_clear_are_views_of_one_state(accesses: list[tuple[int, int, int, int, bool]]) -> None:
    """Ones set by one register and clear by the other, zeros do nothing, at any width; both read the same."""
    exceptions = Exceptions(interrupts=INTERRUPTS)
    nvic = Nvic(exceptions)
    state = {ISER: 0, ISPR: 0}
    exist = (1 << INTERRUPTS) - 1
    for register, width, at, value, read_first in accesses:
        at -= at % width
        value &= (1 << 8 * width) - 1
        mask = value << 8 * at & exist
        if read_first:
            nvic.read(register + at, width)
        nvic.write(register + at, width, value)
        if register in state:
            state[register] |= mask
        else:
            state[register - 0x80] &= ~mask
        for sets, expected in state.items():
            assert read_all(nvic, sets) == read_all(nvic, sets + 0x80) == expected
    assert exceptions.enabled >> 16 == state[ISER]
    assert exceptions.pending >> 16 == state[ISPR]


@given(st.integers(2, 8), st.integers(0, 495 // 4), st.integers(0, 0xFFFF_FFFF))
def test_priorities_are_bytes_of_their_top_bits(bits: int, word: int, value: int) -> None:
    """A word is four priorities; bits that are not implemented, and interrupts that are not there, read as zero."""
    exceptions = Exceptions(interrupts=INTERRUPTS, priority_bits=bits)
    nvic = Nvic(exceptions)
    nvic.write(IPR + 4 * word, 4, value)
    for index in range(4):
        byte = value >> 8 * index & 0xFF & -1 << 8 - bits
        expected = byte if 4 * word + index < INTERRUPTS else 0
        assert nvic.read(IPR + 4 * word + index, 1) == expected
        assert nvic.read(IPR + 4 * word, 4) >> 8 * index & 0xFF == expected
        if expected:
            assert exceptions.priority(16 + 4 * word + index) == expected


def test_active_bits() -> None:
    """IABR has the interrupts that are active, nested ones too, and ignores writes."""
    exceptions = Exceptions(interrupts=INTERRUPTS)
    nvic = Nvic(exceptions)
    nvic.write(ISER + 4, 4, 1)
    nvic.write(IPR + 32, 1, 0x80)
    nvic.write(ISER, 4, 1)
    for irq in (32, 0):
        exceptions.pend(16 + irq)
        exceptions.take()
    nvic.write(IABR, 4, 0)
    assert (nvic.read(IABR, 4), nvic.read(IABR + 4, 4)) == (1, 1)
    assert nvic.name_at(IABR + 4, 4) == "IABR[1]"


@pytest.mark.parametrize(("number", "pending"), [(3, 1 << 19), (42, 1 << 58), (43, 0), (511, 0)])
def test_software_trigger(number: int, pending: int) -> None:
    """STIR makes an interrupt pending by its number; one that is not there is ignored."""
    exceptions = Exceptions(interrupts=INTERRUPTS)
    SoftwareTrigger(exceptions).write(0, 4, number)
    assert exceptions.pending == pending

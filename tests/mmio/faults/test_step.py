"""The short way of a register that is stuck, beside the general one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio.faults import wrap
from tests.mmio.faults.card import Card

LINES = ["", " after 3 reads", " at read 2", " after 2 writes", " for 2 reads", " at read 1"]


@given(st.sampled_from(LINES), st.lists(st.sampled_from("RW"), max_size=12))
@pytest.mark.filterwarnings("ignore::mmio.faults.FaultWarning")
def test_both_ways_do_the_same(clauses: str, events: list[str]) -> None:
    """A second fault, which waits, makes the first one take the general way."""
    short, general = Card(), Card()
    line = f"STAT stuck RDY=0 ERR=1{clauses}"
    with wrap(short, line) as one, wrap(general, [line, "STAT lost at write 1000"]) as other:
        for event in events:
            if event == "R":
                assert one.read(4, 4) == other.read(4, 4)
            else:
                one.write(4, 4, 1)
                other.write(4, 4, 1)
        assert one.fired == other.fired

"""The short ways of accesses with one fault, beside the general one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmio import Clock, us
from mmio.faults import BusError, FaultWarning, wrap
from tests.mmio.faults.card import Card

CLAUSES = (
    *("", " after 3 reads", " at read 2", " after 2 writes", " for 2 reads", " at read 1", " from 2us"),
    *(" when CTRL.EN=1", " when CTRL.EN=0 for 3 reads", " with probability 0.5 seed 3", " for 3us"),
    " from 1us when CTRL.EN=0 with probability 0.7 seed 1",
)
LINES = (
    *(f"STAT stuck RDY=0 ERR=1{clauses}" for clauses in CLAUSES),
    *(f"STAT late RDY=1{clauses}" for clauses in (" by 3 reads", " by 3us", " by 2 reads after 2 reads")),
    *("STAT removed", "STAT removed after 2 reads", "STAT removed after 3 accesses", "STAT removed at write 2"),
    *("STAT removed for 3 accesses", "Card removed after 4 accesses", "Card removed", "STAT removed at access 3"),
    *("STAT lost", "STAT lost at write 2", "STAT lost after 1 write", "STAT lost after 2 reads", "STAT lost for 2us"),
    *("STAT bus-error at read 2", "STAT bus-error at write 2", "STAT bus-error after 3 accesses"),
    *("STAT bus-error at access 3", "STAT bus-error with probability 0.3", "STAT bus-error for 2 reads"),
    *("STAT overrun at read 2", "CTRL late EN=1 by 2 reads", "CTRL stuck EN=0"),
    *("irq spurious at access 3", "irq spurious after 2 reads", "irq spurious at write 2", "irq spurious at read 1"),
    "STAT stuck RDY=0 after 1 read\nSTAT late ERR=1 by 2 reads\nSTAT stuck LEVEL=3 when CTRL.EN=1",
    "STAT stuck RDY=0\nSTAT lost at write 2\nCTRL stuck EN=1",
)
EVENTS = st.sampled_from(["read", "write 1", "write 0", "read CTRL", "write CTRL", "wait"])


def _done(card: Card, device: object, clock: Clock, event: str) -> object:
    """Make an access; return what came of it."""
    kind, _, rest = event.partition(" ")
    offset = 0 if rest == "CTRL" else 4
    try:
        if kind == "wait":
            clock.run_for(us(1))
        elif kind == "read":
            return device.read(offset, 4)  # type: ignore[attr-defined]
        else:
            device.write(offset, 4, 1 if rest == "CTRL" else int(rest))  # type: ignore[attr-defined]
    except BusError as error:
        return str(error)
    return card.ctrl.value, card.stat.value, card.irq.level


@pytest.mark.parametrize("line", LINES)
@given(events=st.lists(EVENTS, max_size=16), at=st.integers(0, 16))
@settings(max_examples=15)
@pytest.mark.filterwarnings(f"ignore::{FaultWarning.__module__}.{FaultWarning.__name__}")
def test_short_ways_do_what_the_general_way_does(line: str, events: list[str], at: int) -> None:
    """Whatever the fault and the accesses: values, errors, counts and snapshots are those of the general way."""
    short, general = Card(), Card()
    one_clock, other_clock = Clock(), Clock()
    pulses: tuple[list[bool], list[bool]] = [], []
    for card, heard in zip((short, general), pulses, strict=True):
        card.irq.subscribe(heard.append)
    # Of these, an access has another fault to ask, for which there is no short way.
    waits = ["STAT removed at write 1000", "CTRL removed at write 1000"]
    with (
        wrap(short, line, clock=one_clock) as one,
        wrap(general, [line, *waits], clock=other_clock) as other,
    ):
        for number, event in enumerate(events):
            if number == at:
                one.restore(one.snapshot())
            assert _done(short, one, one_clock, event) == _done(general, other, other_clock, event)
            assert one.snapshot()["faults"] == other.snapshot()["faults"][: len(one.schedule)]
        assert one.fired == other.fired
        assert pulses[0] == pulses[1]

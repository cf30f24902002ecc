"""Faults as values."""

import attrs
import pytest

from mmio.faults import Fault, FaultError, Schedule, Setting, Span, parse


@pytest.mark.parametrize(
    ("ns", "text"),
    [(0, "0ns"), (1, "1ns"), (1500, "1500ns"), (2000, "2us"), (10**9, "1s"), (10**10 + 10**6, "10001ms")],
)
def test_a_time_is_printed_in_its_largest_unit(ns: int, text: str) -> None:
    """Without a fraction."""
    assert str(Span(ns, "ns")) == text


def test_a_fault_made_in_python_is_checked_as_a_line_is() -> None:
    """By the same words."""
    fault = Fault(place="SR", effect="stuck", settings=(Setting("A", 1),), after=Span(3, "read"))
    assert fault == parse("SR stuck A=1 after 3 reads").faults[0]
    with pytest.raises(FaultError, match="stuck takes bits"):
        Fault(place="SR", effect="stuck")
    with pytest.raises(FaultError, match="times are from 0, not -5 ns"):
        Fault(place="SR", effect="removed", start=-5)
    with pytest.raises(FaultError, match="'stuk' is not an effect; there are stuck, late"):
        Fault(place="SR", effect="stuk")  # type: ignore[arg-type]


def test_schedules_are_frozen_and_add_up() -> None:
    """So they can be keys, and be put together."""
    one, two = parse("irq lost"), parse("SR stuck A=1")
    assert one + two == parse("irq lost", "SR stuck A=1")
    assert len({one, two, parse("irq lost")}) == 2
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        one.faults = ()  # type: ignore[misc]
    assert Schedule() == parse() == parse("")

"""Lines: levels and who hears of them."""

from typing import Any

import pytest

from mmio import Device, Line, line
from mmio.device.line import LineError


class Card(Device):
    """Two wires."""

    irq = line()
    reset_out = line("RST#")


def test_subscribers_hear_changes_only() -> None:
    """Driving a line to the level it has is no change."""
    heard: list[bool] = []
    wire = Line("irq")
    wire.subscribe(heard.append)
    for level in (False, True, True, False):
        wire.set(level)
    assert heard == [True, False]
    assert wire.level is False


def test_the_level_is_there_when_subscribers_are_called() -> None:
    """Who is told can look, and may drive the line again."""
    wire = Line("irq")
    levels: list[bool] = []

    def acknowledge(level: bool) -> None:
        levels.append(wire.level)
        wire.set(False)

    wire.subscribe(acknowledge)
    wire.set(True)
    assert levels == [True, False]
    assert not wire.level


def test_subscribing_can_end() -> None:
    """The function that `subscribe` returns ends it, also from within a call."""
    heard: list[str] = []
    wire = Line("irq")

    def once(level: bool) -> None:
        heard.append("once")
        end()

    end = wire.subscribe(once)
    wire.subscribe(lambda level: heard.append("always"))
    wire.set(True)
    wire.set(False)
    assert heard == ["once", "always", "always"]


def test_truth_is_a_level() -> None:
    """Anything true asserts the line, `self.ctrl.EN & self.stat.FLAG` for one."""
    wire = Line("irq")
    wire.set(4)  # type: ignore[arg-type]
    assert wire.level is True


@pytest.mark.parametrize("level", ["low", "high", "", b"\0"])
def test_text_is_no_level(level: Any) -> None:
    """Of texts all but "" would assert the line, "low" too."""
    wire = Line("irq")
    with pytest.raises(TypeError, match=r"^the level of the line irq is True or False, not "):
        wire.set(level)
    assert not wire.level


def test_each_device_has_its_own() -> None:
    """A line is declared once and made with each device; it is called like its attribute unless named."""
    one, other = Card(), Card()
    one.irq.set(True)
    assert (one.irq.level, other.irq.level) == (True, False)
    assert f"{one.irq} {one.reset_out}" == "irq=1 RST#=0"


def test_a_line_cannot_be_assigned() -> None:
    """`card.irq = True` would lose the subscribers; the error says what to write."""
    with pytest.raises(AttributeError, match=r"^Card.irq cannot be assigned: call irq.set\(level\)$"):
        Card().irq = True  # type: ignore[assignment]


def test_every_subscriber_is_told_of_each_change_in_order() -> None:
    """A subscriber that drives the line does not overtake what the others are still to be told."""
    wire = Line("irq")
    wire.subscribe(lambda level: wire.set(False))
    heard: list[bool] = []
    wire.subscribe(heard.append)
    wire.set(True)
    assert heard == [True, False]


def test_a_subscriber_s_own_change_has_been_told_when_set_returns() -> None:
    """An interrupt handler that a subscriber calls acknowledges the interrupt, and finds the line at rest at once."""
    wire = Line("irq")
    levels: list[bool] = []
    found: list[list[bool]] = []

    def handle(level: bool) -> None:
        if level:
            wire.set(False)
            found.append(levels.copy())

    wire.subscribe(handle)
    wire.subscribe(levels.append)
    wire.set(True)
    assert found == [[True, False]]
    assert levels == [True, False]


def test_a_line_without_rest_is_an_error() -> None:
    """Subscribers that answer each change with another are told so, and the line can be used afterwards."""
    wire = Line("irq")
    end = wire.subscribe(lambda level: wire.set(not level))
    with pytest.raises(LineError, match=r"changes of the line irq in each other: .*back and forth without end"):
        wire.set(True)
    end()
    heard: list[bool] = []
    wire.subscribe(heard.append)
    wire.set(not wire.level)
    assert heard == [wire.level]


def test_what_cannot_be_called_cannot_subscribe() -> None:
    """It is refused when it subscribes, and not at the next interrupt."""
    with pytest.raises(TypeError, match="subscriber is a function that takes the level, not 5"):
        Line("irq").subscribe(5)  # type: ignore[arg-type]


def test_a_subscriber_is_told_of_its_own_change_at_once() -> None:
    """A handler that lowers the line within its call has lowered it when `set` returns: no second interrupt."""
    wire = Line("irq")
    heard: list[bool] = []

    def handle(level: bool) -> None:
        heard.append(level)
        if level and len(heard) < 6:
            for again in (False, True, False):
                wire.set(again)
            assert heard[-1] is wire.level

    wire.subscribe(handle)
    wire.set(True)
    assert heard[:3] == [True, False, True]
    assert wire.level is heard[-1] is False


def test_thousands_of_changes_within_one_are_told() -> None:
    """A handler may serve as many changes as there are: only endless recursion is an error."""
    wire = Line("irq")
    heard: list[bool] = []

    def serve(level: bool) -> None:
        if len(heard) == 0:
            heard.append(level)
            for _ in range(3000):
                wire.set(False)
                wire.set(True)
        else:
            heard.append(level)

    wire.subscribe(serve)
    wire.set(True)
    assert heard == [True, *[False, True] * 3000]

"""Lines: levels and who hears of them."""

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


def test_a_change_has_been_told_when_set_returns() -> None:
    """A handler of an interrupt that quietens the device finds it quiet, within the call that has called it."""
    wire = Line("irq")
    heard: list[bool] = []

    def handle(level: bool) -> None:
        heard.append(level)
        if level:
            wire.set(False)
            assert heard == [True, False]

    wire.subscribe(handle)
    wire.set(True)


def test_a_line_without_rest_is_an_error() -> None:
    """Subscribers that answer each change with another are told so, and the line can be used afterwards."""
    wire = Line("irq")
    end = wire.subscribe(lambda level: wire.set(not level))
    with pytest.raises(LineError, match=r"changes of the line irq came one within the other.*to and fro without end"):
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

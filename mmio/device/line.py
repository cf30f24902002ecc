"""Wires out of a device: an interrupt, a reset, a DMA request."""

from collections.abc import Callable
from typing import TypeAlias

from mmio.device.member import Member

Subscriber: TypeAlias = Callable[[bool], object]


class Line:
    """One wire: a level, and the functions that are called when it changes.

    Attributes:
        name: of the wire, in messages.
    """

    __slots__ = ("_level", "_subscribers", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._level = False
        self._subscribers: list[Subscriber] = []

    @property
    def level(self) -> bool:
        """Return whether the line is asserted."""
        return self._level

    def set(self, level: bool) -> None:
        """Drive the line. Subscribers are called, in the order they came, when the level changes."""
        level = bool(level)
        if level == self._level:
            return
        self._level = level
        for subscriber in tuple(self._subscribers):
            subscriber(level)

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call `subscriber(level)` on every change from now on. Returns a function that ends this."""
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    def restore(self, level: bool) -> None:
        """Put the level back without telling anyone."""
        self._level = level

    def __repr__(self) -> str:
        return f"{self.name}={int(self._level)}"


class LineDeclaration(Member[Line]):
    """Declaration that `line()` puts in a class body; a device has a `Line` there."""

    instead = "call {}.set(level)"


def line(name: str | None = None) -> LineDeclaration:
    """Declare a wire out of a device.

    After `irq = line()` in the class, the device calls `self.irq.set(True)`, and whatever listens has called
    `card.irq.subscribe(handler)`.

    Args:
        name: in messages; the attribute's when left out.
    """
    return LineDeclaration(name)

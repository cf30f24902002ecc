"""Output lines of a device: an interrupt, a reset, a DMA request."""

from collections.abc import Callable
from threading import get_ident
from typing import Final, TypeAlias

from mmio.arguments import shortened
from mmio.device.member import Member
from mmio.errors import MmioError

Subscriber: TypeAlias = Callable[[bool], object]

STORM: Final = 50
"""Depth of changes that subscribers make while they are told of one, from which on they are taken for endless."""


class LineError(MmioError, RuntimeError):
    """Subscribers of a line drive it to and fro without end."""


TRIGGERS: Final = ("level", "edge")
"""How an interrupt comes of a line: while it is asserted, or when it comes to be."""


def trigger_word(trigger: str) -> str:
    """Return a trigger.

    Raises:
        ValueError: there is none of this name.
    """
    if trigger not in TRIGGERS:
        raise ValueError(f"trigger is 'level' or 'edge', not {shortened(trigger)}")
    return trigger


class _News:
    """The changes that came of one, and how many of them each subscriber has been told."""

    __slots__ = ("_changes", "_depth", "_name", "_subscribers", "_told")

    def __init__(self, name: str, subscribers: tuple[Subscriber, ...]) -> None:
        self._name = name
        self._subscribers = subscribers
        self._changes: list[bool] = []
        self._told = [0] * len(subscribers)
        self._depth = 0

    def tell(self, level: bool) -> None:
        """Tell a change to those that know the ones before; the others are told where those are being told."""
        if self._depth == STORM:
            raise LineError(
                f"{STORM} changes of the line {self._name} came of one, and there are more: subscribers drive it to "
                "and fro without end"
            )
        self._changes.append(level)
        before = len(self._changes) - 1
        self._depth += 1
        try:
            for index, subscriber in enumerate(self._subscribers):
                if self._told[index] == before:
                    while self._told[index] < len(self._changes):
                        self._told[index] += 1
                        subscriber(self._changes[self._told[index] - 1])
        finally:
            self._depth -= 1


class Line:
    """One wire: a level, and the functions that are called when it changes.

    Attributes:
        name: of the wire, in messages.
        trigger: "level" or "edge": how an interrupt comes of it, where it is one.
    """

    __slots__ = ("_level", "_news", "_subscribers", "name", "trigger")

    def __init__(self, name: str, trigger: str = "level") -> None:
        self.name = name
        self.trigger = trigger
        self._level = False
        self._news: dict[int, _News] = {}  # being told, by thread
        self._subscribers: list[Subscriber] = []

    @property
    def level(self) -> bool:
        """Return whether the line is asserted."""
        return self._level

    def set(self, level: bool) -> None:
        """Drive the line. Subscribers are called, in the order they came, when the level changes.

        Each is told of each change, in the order of the changes. One that a subscriber makes is told at once to those
        that know the changes before it, and to the others after those: a handler that lowers the line has lowered it
        when it returns.

        Raises:
            LineError: subscribers drive the line to and fro without end.
        """
        level = bool(level)
        if level == self._level:
            return
        self._level = level
        thread = get_ident()
        news = self._news.get(thread)
        if news is not None:  # a subscriber's own change
            news.tell(level)
            return
        news = self._news[thread] = _News(self.name, tuple(self._subscribers))
        try:
            news.tell(level)
        finally:
            del self._news[thread]

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call `subscriber(level)` on every change from now on. Returns a function that ends this.

        Raises:
            TypeError: the subscriber cannot be called.
        """
        if not callable(subscriber):
            raise TypeError(f"subscriber is a function that takes the level, not {shortened(subscriber)}")
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
    trigger = "level"


def line(name: str | None = None, trigger: str = "level") -> LineDeclaration:
    """Declare a wire out of a device.

    After `irq = line()` in the class, the device calls `self.irq.set(True)`, and whatever listens has called
    `card.irq.subscribe(handler)`.

    Args:
        name: in messages; the attribute's when left out.
        trigger: of an interrupt: "level", there while the line is asserted, or "edge", when it comes to be asserted.

    Raises:
        ValueError: there is no such trigger.
    """
    declaration = LineDeclaration(name)
    declaration.trigger = trigger_word(trigger)
    return declaration

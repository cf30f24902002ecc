"""Wires out of a device: an interrupt, a reset, a DMA request."""

from collections.abc import Callable, Iterator
from threading import get_ident
from typing import Final, TypeAlias

from mmio.arguments import shortened
from mmio.device.member import Member
from mmio.errors import MmioError

Subscriber: TypeAlias = Callable[[bool], object]

DEPTH: Final = 64
"""Changes of a line that may come one within the other before they are taken for endless."""


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


class Line:
    """One wire: a level, and the functions that are called when it changes.

    Attributes:
        name: of the wire, in messages.
        trigger: "level" or "edge": how an interrupt comes of it, where it is one.
    """

    __slots__ = ("_changes", "_level", "_subscribers", "name", "trigger")

    def __init__(self, name: str, trigger: str = "level") -> None:
        self.name = name
        self.trigger = trigger
        self._level = False
        # The changes that are being told, by thread: each with the subscribers that have not been.
        self._changes: dict[int, list[tuple[bool, Iterator[Subscriber]]]] = {}
        self._subscribers: list[Subscriber] = []

    @property
    def level(self) -> bool:
        """Return whether the line is asserted."""
        return self._level

    def set(self, level: bool) -> None:
        """Drive the line. Subscribers are called, in the order they came, when the level changes.

        Each is told of each change, in the order of the changes: before one that a subscriber makes itself is told, the
        others are told of the one before. All have been told when this returns.

        Raises:
            LineError: subscribers drive the line to and fro without end.
        """
        level = bool(level)
        if level == self._level:
            return
        self._level = level
        thread = get_ident()
        changes = self._changes.setdefault(thread, [])
        changes.append((level, iter(tuple(self._subscribers))))
        try:
            if len(changes) > DEPTH:
                raise LineError(
                    f"{DEPTH} changes of the line {self.name} came one within the other, and there are more: "
                    "subscribers drive it to and fro without end"
                )
            for change, left in tuple(changes):  # those that are told already are no more among the left ones
                for subscriber in left:
                    subscriber(change)
        finally:
            changes.pop()
            if not changes:
                del self._changes[thread]

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

"""Output lines of a device: an interrupt, a reset, a DMA request."""

from collections import deque
from collections.abc import Callable
from threading import get_ident
from typing import Final, TypeAlias

from attrs import Factory, define

from mmio.arguments import shortened
from mmio.device.member import Member
from mmio.errors import MmioError

Subscriber: TypeAlias = Callable[[bool], object]

DEEP: Final = 100
"""Changes of a line in each other, each made by a subscriber that was called for the one before; more are refused."""


class LineError(MmioError, RuntimeError):
    """Subscribers of a line drive it back and forth without end."""


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


@define
class _Calls:
    """The calls of subscribers that wait in one thread, and how many changes are in each other."""

    waiting: deque[tuple[Subscriber, bool]] = Factory(deque)
    depth: int = 0


class Line:
    """One wire: a level, and the functions that are called when it changes.

    Attributes:
        name: of the wire, in messages.
        trigger: "level" or "edge": how an interrupt comes of it, where it is one.
    """

    __slots__ = ("_calls", "_level", "_subscribers", "name", "trigger")

    def __init__(self, name: str, trigger: str = "level") -> None:
        self.name = name
        self.trigger = trigger
        self._level = False
        self._calls: dict[int, _Calls] = {}  # by thread, while subscribers are called
        self._subscribers: list[Subscriber] = []

    @property
    def level(self) -> bool:
        """Return whether the line is asserted."""
        return self._level

    def set(self, level: bool) -> None:
        """Drive the line. Subscribers are called, in the order they came, when the level changes.

        When `set` returns, all have been called. A subscriber may drive the line itself: then those that have not been
        called for the first change are called for it before all are called for the second. So each gets all changes in
        order.

        Raises:
            LineError: subscribers drive the line back and forth without end.
            TypeError: the level is text, of which any but "" would assert the line, "low" too.
        """
        if level is not True and level is not False:
            if isinstance(level, str | bytes):
                raise TypeError(f"the level of the line {self.name} is True or False, not {shortened(level)}")
            level = bool(level)
        if level == self._level:
            return
        self._level = level
        thread = get_ident()
        calls = self._calls.setdefault(thread, _Calls())
        calls.depth += 1
        try:
            if calls.depth > DEEP:
                raise LineError(
                    f"{DEEP} changes of the line {self.name} in each other: subscribers drive it back and forth "
                    "without end"
                )
            calls.waiting.extend((subscriber, level) for subscriber in self._subscribers)
            while calls.waiting:
                subscriber, change = calls.waiting.popleft()
                subscriber(change)
        finally:
            calls.depth -= 1
            if not calls.depth:
                del self._calls[thread]

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
        """Restore the level without calling subscribers."""
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

"""Lost and spurious interrupts: a gate in a device's line.

Whatever has subscribed to a line has the line itself, so no other object can take its place. The line's class is
exchanged instead, for a subclass that asks the gate, and put back at the end.
"""

from collections.abc import Callable

from mmio.device.line import Line
from mmio.faults.armed import Armed


class Gate:
    """The gate between a device and its line.

    Args:
        line: the line.
        loses: asked at each rise, and returns whether it is lost.
    """

    def __init__(self, line: Line, loses: Callable[[], bool]) -> None:
        self.line = line
        self._loses = loses
        self._plain = plain = type(line)
        self.asserted = line.level  # by the device
        self._pulse = False
        gate = self

        class Gated(plain):  # type: ignore[valid-type,misc]
            __slots__ = ()

            @property
            def level(self) -> bool:
                return gate.look(bool(super().level))

            def set(self, level: bool) -> None:
                if gate.passes(bool(level)):
                    super().set(level)

        line.__class__ = Gated

    def passes(self, level: bool) -> bool:
        """Return whether what the device drives reaches the line."""
        rises = level and not self.asserted
        falls = self.asserted and not level
        self.asserted = level
        if rises:
            return not self._loses()
        return falls or bool(self._plain.level.fget(self.line))  # type: ignore[attr-defined]

    def look(self, level: bool) -> bool:
        """Return the level: a pulse is seen by the first that looks."""
        if self._pulse:
            self._pulse = False
            return True
        return level

    def pulse(self) -> bool:
        """Assert the line for as long as it takes to tell the subscribers; return whether it was low before."""
        if self._plain.level.fget(self.line):  # type: ignore[attr-defined]
            return False
        try:
            for level in (True, False):
                for subscriber in tuple(self.line._subscribers):
                    self._pulse = level
                    subscriber(level)
        finally:
            self._pulse = False
        return True

    def close(self) -> None:
        """Take the gate out, quietly. The line has the level then that the device drives."""
        self.line.__class__ = self._plain
        self.line.restore(self.asserted)


def loses(losing: list[Armed], removed: list[Armed]) -> bool:
    """Return whether a rise of a line is lost, and count it.

    Args:
        losing: the faults of the line.
        removed: those of the device, which may be gone.
    """
    lost = [armed.count("interrupt") for armed in losing]
    return any(lost) or any(armed.latched for armed in removed)

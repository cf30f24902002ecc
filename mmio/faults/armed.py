"""An active fault: its counts so far, and whether it happens at the current access.

What is random is a function of the seed and of how many times it was drawn, so that the state is a few numbers.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from random import Random
from typing import Any, Final

from mmio.faults.fault import Fault, Unit
from mmio.faults.places import Spot

BLOCK_BITS: Final = 8
"""Numbers that are drawn together, as a power of two."""
_STATE: Final = ("reads", "writes", "interrupts", "drawn", "applied", "since", "written", "began", "latched")


def draw(seed: int, number: int) -> float:
    """Return a number from 0 to 1, the same for the same arguments."""
    return block(seed, number >> BLOCK_BITS)[number & (1 << BLOCK_BITS) - 1]


@lru_cache(maxsize=64)
def block(seed: int, number: int) -> tuple[float, ...]:
    """Return numbers that are drawn together.

    Args:
        seed: any.
        number: of the block.
    """
    random = Random(f"{seed}/{number}").random
    return tuple([random() for _ in range(1 << BLOCK_BITS)])


class Armed:
    """One fault of a device.

    Args:
        fault: the fault.
        spots: the bytes it is about; None for the whole device.
        bits: mask and value of its settings, in a register.
        holds: asks the condition after `when`.
        now: the time in ns.

    Attributes:
        reads, writes, interrupts: at its place, so far.
        applied: how often it has happened.
        is_simple: there is nothing to ask but the number of the event.
        is_at_a_time: it happens at a given time, whatever is accessed.
        asks_time: it asks or notes the time where it happens.
        happens: the events that it may happen at, whatever else it waits for.
        span: the events that it waits for, by `at` or `after`; None when it waits for none.
    """

    def __init__(
        self,
        fault: Fault,
        spots: list[Spot] | None,
        bits: tuple[int, int],
        holds: Callable[[], bool] | None,
        now: Callable[[], int],
    ) -> None:
        self.fault = fault
        self.effect = fault.effect
        self.spots = spots
        self.mask, self.value = bits
        self.holds, self.now = holds, now
        self.reads = self.writes = self.interrupts = 0
        self.drawn = self.applied = 0
        self.since = 0  # reads since the last write to the device, for what is late
        self.written = 0  # the time of that write
        self.began = -1  # the time it first happened
        self.latched = 0
        self.pending = 0  # an overrun that no read has shown yet
        self._at, self._after, self._limit = fault.at, fault.after, fault.limit
        self.span = fault.after if fault.at is None else fault.at
        self.is_simple = not (fault.when or fault.start is not None or fault.probability or fault.limit)
        self.is_at_a_time = fault.at is not None and fault.at.unit == "ns"
        self.asks_time = fault.start is not None or fault.limit is not None
        self.happens: tuple[Unit, ...] = _directions(fault)

    def count(self, unit: Unit) -> bool:
        """Count an event at its place; return whether the fault happens at it.

        Args:
            unit: "read", "write" or "interrupt".
        """
        if unit == "read":
            self.reads += 1
        elif unit == "write":
            self.writes += 1
        else:
            self.interrupts += 1
        if self.latched:
            if self._limit is None or self._within_limit():
                self.applied += 1
                return True
            return False
        if unit not in self.happens:
            return False
        if self._after is not None:
            seen = self._seen(self._after.unit)
            if seen <= self._after.count if self._counts(self._after.unit, unit) else seen < self._after.count:
                return False
        if self._at is not None and self._seen(self._at.unit) != self._at.count:
            return False
        if not self.is_simple and not self.also():
            return False
        if self.effect == "late":
            return True  # whether it shows depends on the value
        if self.effect == "removed":
            self.latched = 1
        self.happened()
        return True

    def happened(self) -> None:
        """Count that the fault has had its effect."""
        self.applied += 1
        if self.began < 0 and self._limit is not None:
            self.began = self.now()

    def is_late(self) -> bool:
        """Return whether this read is too early for what comes late, and count it."""
        by = self.fault.by
        assert by is not None
        self.since += 1
        if by.unit == "ns":
            return self.now() - self.written < by.count
        return self.since <= by.count

    def begin_again(self) -> None:
        """Note a write to the device, after which what is late is late once more."""
        self.since = 0
        if self.fault.by is not None and self.fault.by.unit == "ns":
            self.written = self.now()

    @property
    def seen(self) -> str:
        """The accesses at its place so far, in words."""
        counts = (("read", self.reads), ("write", self.writes), ("interrupt", self.interrupts))
        told = [f"{count} {unit}{'s' * (count != 1)}" for unit, count in counts if count]
        verb = "was" if told and told[0].startswith("1 ") else "were"
        return f"there {verb} {' and '.join(told)}" if told else "nothing has touched its place"

    def state(self) -> dict[str, int]:
        """Return what has been counted."""
        return {name: getattr(self, name) for name in (*_STATE, "pending")}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` has returned."""
        for name in (*_STATE, "pending"):
            setattr(self, name, state[name])

    def also(self) -> bool:
        """Return whether time, condition, limit and chance allow it."""
        fault = self.fault
        if fault.start is not None and self.now() < fault.start:
            return False
        if not self._within_limit():
            return False
        if self.holds is not None and not self.holds():
            return False
        if fault.probability is not None:
            self.drawn += 1
            return draw(fault.seed or 0, self.drawn) < fault.probability
        return True

    def _within_limit(self) -> bool:
        limit = self._limit
        if limit is None:
            return True
        if limit.unit == "ns":
            return self.began < 0 or self.now() - self.began < limit.count
        return self.applied < limit.count

    def _seen(self, unit: Unit) -> int:
        if unit == "read":
            return self.reads
        if unit == "write":
            return self.writes
        return self.interrupts if unit == "interrupt" else self.reads + self.writes

    @staticmethod
    def _counts(counted: Unit, unit: Unit) -> bool:
        return counted == unit or (counted == "access" and unit != "interrupt")


def _directions(fault: Fault) -> tuple[Unit, ...]:
    """Return at which events a fault may happen, whatever else it waits for."""
    for span in (fault.at, fault.limit):
        if span is not None and span.unit in ("read", "write"):
            return (span.unit,)
    match fault.effect:
        case "stuck" | "late" | "overrun":
            return ("read",)
        case "lost":
            return ("write", "interrupt")
        case "spurious" if fault.after is not None and fault.after.unit in ("read", "write"):
            return (fault.after.unit,)
        case _:
            return ("read", "write")

"""Short ways of accesses that a schedule has little to say about.

The general way (`faulty.py`) asks every fault of an access in turn, which takes some microseconds. Most schedules have
one fault at a place, and most accesses meet it while it waits. Then one function does what the general way would do,
with the counts it would leave; it hands over to that where the fault may happen in another way than it knows.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from mmio.faults.armed import BLOCK_BITS, Armed, block
from mmio.faults.step import Read, Step

Write: TypeAlias = Callable[[int, int, int], None]

_IN_BLOCK: Final = (1 << BLOCK_BITS) - 1


def short_read(plan: tuple[Step, ...], inner: Read, general: Read, width: int) -> Read | None:
    """Return the short way of reads with a plan; None where there is none.

    Args:
        plan: of the access.
        inner: reads the device.
        general: reads by the plan.
        width: of the access, in bytes.
    """
    if len(plan) == 1 and (way := _handing_over(plan[0], inner, general, width)) is not None:
        return way
    way = inner
    for step in plan:  # what each counts and asks is its own, and it changes what those before have left
        alone = _alone(step, way)
        if alone is None:
            return None
        way = alone
    return way


def _alone(step: Step, inner: Read) -> Read | None:
    """Return the way of a fault that needs no other way beside it."""
    armed, span = step.armed, step.armed.span
    if step.name or step.is_flag:
        return None
    if "read" not in armed.happens:
        return None if armed.effect == "removed" else _counted_read(armed, inner)
    if armed.effect == "stuck" and armed.is_simple and (span is None or span.unit == "read"):
        return _stuck(step, inner)
    if armed.effect == "stuck" and span is None:
        return _stuck_while(step, inner)
    if armed.effect == "late" and span is None and armed.is_simple:
        return _late(step, inner)
    return None


def _handing_over(step: Step, inner: Read, general: Read, width: int) -> Read | None:
    """Return the way of a fault that hands over to the general way when it happens, or until it has."""
    armed, span = step.armed, step.armed.span
    if step.name or step.is_flag or "read" not in armed.happens or armed.effect == "stuck":
        return None
    if span is not None:
        return _waiting_read(armed, inner, general, span.unit) if span.unit in ("read", "access") else None
    if armed.effect == "removed" and armed.is_simple and step.lanes == (1 << 8 * width) - 1:
        return _removed(armed, general, step.lanes)
    return None


def interrupting_read(armed: Armed, read: Read, interrupt: Callable[[str], None]) -> Read | None:
    """Return reads of a device with one spurious interrupt that waits for an access by its number.

    Args:
        armed: the interrupt.
        read: makes the access.
        interrupt: counts an event, and interrupts where it is due.
    """
    span = armed.span
    if span is None or span.unit not in ("read", "access"):
        return None
    idle, end = _idle(armed)
    of_accesses = span.unit == "access"

    def read_and_interrupt(offset: int, width: int) -> int:
        value = read(offset, width)
        reads = armed.reads + 1
        number = reads + armed.writes if of_accesses else reads
        if number > idle and number < end:
            interrupt("read")
        else:
            armed.reads = reads
        return value

    return read_and_interrupt


def short_write(plan: tuple[Step, ...], late: list[Armed], inner: Write, general: Write) -> Write | None:
    """Return the short way of writes with a plan; None where there is none.

    Args:
        plan: of the access.
        late: the faults that begin again with each write to the device.
        inner: writes to the device.
        general: writes by the plan.
    """
    armed = plan[0].armed if plan else None
    if len(plan) > 1 or (plan and plan[0].name):
        return None
    if armed is None or plan[0].is_flag:
        return _after_late(late, inner) if late else inner
    if "write" in armed.happens or armed.effect == "removed":
        span = armed.span
        waits = span is not None and span.unit in ("write", "access") and not late
        return _waiting_write(armed, inner, general, span.unit) if span is not None and waits else None
    if late:
        inner = _after_late(late, inner)

    def write(offset: int, width: int, value: int) -> None:
        armed.writes += 1
        inner(offset, width, value)

    return write


def _counted_read(armed: Armed, inner: Read) -> Read:
    """Read what has a fault of writes only."""

    def read(offset: int, width: int) -> int:
        armed.reads += 1
        return inner(offset, width)

    return read


def _waiting_read(armed: Armed, inner: Read, general: Read, unit: str) -> Read:
    """Read what has a fault that waits for an access by its number, or has had its one."""
    idle, end = _idle(armed)

    def read(offset: int, width: int) -> int:
        number = armed.reads + 1
        if (number > idle and number < end) or armed.latched:
            return general(offset, width)
        armed.reads = number
        return inner(offset, width)

    def read_of_accesses(offset: int, width: int) -> int:
        reads = armed.reads + 1
        number = reads + armed.writes
        if (number > idle and number < end) or armed.latched:
            return general(offset, width)
        armed.reads = reads
        return inner(offset, width)

    return read if unit == "read" else read_of_accesses


def _waiting_write(armed: Armed, inner: Write, general: Write, unit: str) -> Write:
    idle, end = _idle(armed)

    def write(offset: int, width: int, value: int) -> None:
        writes = armed.writes + 1
        number = writes if unit == "write" else writes + armed.reads
        if (number > idle and number < end) or armed.latched:
            return general(offset, width, value)
        armed.writes = writes
        return inner(offset, width, value)

    return write


def _idle(armed: Armed) -> tuple[int, float]:
    """Return the last access before a fault can happen, and the first one after which it cannot any more."""
    assert armed.span is not None
    count = armed.span.count
    return (count, float("inf")) if armed.fault.at is None else (count - 1, count + 1)


def _stuck(step: Step, inner: Read) -> Read:
    """Read what is stuck, perhaps from some read on, or at one."""
    armed = step.armed
    first, end = _idle(armed) if armed.span is not None else (0, float("inf"))
    keep, value = ~step.mask, step.value

    def read(offset: int, width: int) -> int:
        armed.reads = number = armed.reads + 1
        if number <= first or number >= end:
            return inner(offset, width)
        armed.applied += 1
        return inner(offset, width) & keep | value

    return read


def _stuck_while(step: Step, inner: Read) -> Read:
    """Read what is stuck while something holds."""
    armed, also = step.armed, condition(step.armed)
    keep, value = ~step.mask, step.value
    happened = armed.happened

    def read(offset: int, width: int) -> int:
        armed.reads += 1
        if not also():
            return inner(offset, width)
        happened()
        return inner(offset, width) & keep | value

    return read


def condition(armed: Armed) -> Callable[[], bool]:
    """Return what asks whether time, condition, limit and chance allow a fault; a short way where it is one of them.

    Args:
        armed: the fault.
    """
    fault, holds = armed.fault, armed.holds
    given = [fault.start is not None, holds is not None, fault.probability is not None, fault.limit is not None]
    if sum(given) > 1:
        return armed.also
    if holds is not None:
        return holds
    if fault.start is not None:
        now, start = armed.now, fault.start
        return lambda: now() >= start
    if fault.probability is not None:
        return _chance(armed, fault.seed or 0, fault.probability)
    return armed.also


def _chance(armed: Armed, seed: int, probability: float) -> Callable[[], bool]:
    """Return what draws a number and asks whether it allows a fault. The answers of a whole block are found at once."""
    known = -1
    answers: tuple[bool, ...] = ()

    def drawn() -> bool:
        nonlocal known, answers
        armed.drawn = number = armed.drawn + 1
        if number >> BLOCK_BITS != known:
            known = number >> BLOCK_BITS
            answers = tuple([each < probability for each in block(seed, known)])
        return answers[number & _IN_BLOCK]

    return drawn


def _late(step: Step, inner: Read) -> Read:
    """Read what comes late."""
    armed, mask, value, by, now = step.armed, step.mask, step.value, step.armed.fault.by, step.armed.now
    assert by is not None
    count, happened = by.count, armed.happened

    def read(offset: int, width: int) -> int:
        armed.reads += 1
        shown = inner(offset, width)
        armed.since = since = armed.since + 1
        if since <= count and not (shown ^ value) & mask:
            happened()
            shown ^= mask
        return shown

    def read_in_time(offset: int, width: int) -> int:
        armed.reads += 1
        shown = inner(offset, width)
        armed.since += 1
        if not (shown ^ value) & mask and now() - armed.written < count:
            happened()
            shown ^= mask
        return shown

    return read_in_time if by.unit == "ns" else read


def _removed(armed: Armed, general: Read, ones: int) -> Read:
    """Read what has been removed, once it has."""

    def read(offset: int, width: int) -> int:
        if not armed.latched:
            return general(offset, width)
        armed.reads += 1
        armed.applied += 1
        return ones

    return read


def _after_late(late: list[Armed], inner: Write) -> Write:
    """Write to a device of which something comes late after each write."""

    def write(offset: int, width: int, value: int) -> None:
        for armed in late:
            armed.begin_again()
        inner(offset, width, value)

    return write

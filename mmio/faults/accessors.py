"""Accessors of registers that have a fault: what `ways.py` does, in one function with the device and its clock.

They are for one fault, which waits for an access by its number, is about the other direction only, or happens at reads
without asking for the time. Such a fault and a clock do not see each other, so their order does not matter. A `Path`
has the register and the clock. The lines that advance the clock stand in each function: a call to do so would take
longer than they do.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeAlias

from attrs import evolve

from mmio.device.accessor import Method, Path
from mmio.faults.armed import Armed
from mmio.faults.step import Step
from mmio.faults.ways import condition

__tracebackhide__ = True  # pytest reports a failure of a driver or a model, not of the way between them

Make: TypeAlias = Callable[[Path, Method], Method]

_NEVER: Final = 1 << 63


def with_faults(path: Path, plan: tuple[Step, ...], spurious: list[Armed]) -> Path | None:
    """Return what accesses to a register do with its faults; None where that is more than a `Path` can say.

    Args:
        path: of the register without them.
        plan: of the accesses.
        spurious: interrupts without a cause, after accesses.
    """
    make: Make | None = None
    if not plan and not spurious:
        return path
    if len(plan) == 1 and not spurious:
        make = _of_fault(plan[0], path.written)
    elif not plan and len(spurious) == 1 and path.is_plain:  # only accesses that have not failed are counted
        make = _until_due(spurious[0], path.written, None)
    return None if make is None else evolve(path, make=make)


def _of_fault(step: Step, written: bool) -> Make | None:
    armed = step.armed
    if step.name or step.is_flag:
        return None
    if ("write" if written else "read") not in armed.happens and armed.effect != "removed":
        return partial(_writing if written else _waiting, armed, _NEVER, _NEVER, False, None)
    happening = None if written else _happening(step)
    return happening if armed.span is None else _until_due(armed, written, happening)


def _until_due(armed: Armed, written: bool, happening: Make | None) -> Make | None:
    """Return what makes the accessors where a fault waits for an access by its number; `happening` those for that."""
    span = armed.span
    if span is None or span.unit not in ("write" if written else "read", "access"):
        return None
    first, end = span.count + (armed.fault.at is None), _NEVER
    if armed.fault.at is not None and armed.effect != "removed":
        end = span.count + 1
    return partial(_writing if written else _waiting, armed, first, end, span.unit == "access", happening)


def _happening(step: Step) -> Make | None:
    """Return what makes the accessors for reads at which a fault happens, or may."""
    armed, by = step.armed, step.armed.fault.by
    if armed.effect == "stuck":
        if armed.is_simple:
            return partial(_stuck, step)
        return None if armed.asks_time else partial(_stuck_while, step, condition(armed))
    if armed.effect == "late" and armed.is_simple and armed.span is None and by is not None:
        return partial(_late_in_time if by.unit == "ns" else _late, step, by.count)
    return None


def _waiting(
    armed: Armed, first: int, end: int, of_accesses: bool, happening: Make | None, path: Path, method: Method
) -> Method:
    cell, load, time, per_access = path.cell, path.load, path.time, path.time.per_access
    due = method if happening is None else happening(path, method)

    def read(offset: int, width: int) -> Any:
        now, reads = time._now + per_access, armed.reads + 1
        number = reads + armed.writes if of_accesses else reads
        if now >= time._alarm or first <= number < end:
            return due(offset, width)
        time._now, armed.reads = now, reads
        return cell.value if load is None else load()

    return read


def _writing(
    armed: Armed, first: int, end: int, of_accesses: bool, happening: Make | None, path: Path, method: Method
) -> Method:
    cell, store, mask, time, per_access = path.cell, path.store, path.cell.mask, path.time, path.time.per_access

    def write(offset: int, width: int, value: int) -> Any:
        now, writes = time._now + per_access, armed.writes + 1
        number = writes + armed.reads if of_accesses else writes
        if now >= time._alarm or first <= number < end:
            return method(offset, width, value)
        time._now, armed.writes = now, writes
        if store is not None:
            return store(value, mask)
        cell.value = value
        return None

    return write


def _stuck(step: Step, path: Path, method: Method) -> Method:
    cell, load, time, per_access = path.cell, path.load, path.time, path.time.per_access
    armed, keep, bits = step.armed, ~step.mask, step.value

    def read(offset: int, width: int) -> Any:
        now = time._now + per_access
        if now >= time._alarm:
            return method(offset, width)
        time._now = now
        armed.reads += 1
        armed.applied += 1
        return (cell.value if load is None else load()) & keep | bits

    return read


def _stuck_while(step: Step, also: Callable[[], bool], path: Path, method: Method) -> Method:
    cell, load, time, per_access = path.cell, path.load, path.time, path.time.per_access
    armed, keep, bits = step.armed, ~step.mask, step.value

    def read(offset: int, width: int) -> Any:
        now = time._now + per_access
        if now >= time._alarm:
            return method(offset, width)
        time._now = now
        armed.reads += 1
        if not also():
            return cell.value if load is None else load()
        armed.applied += 1
        return (cell.value if load is None else load()) & keep | bits

    return read


def _late(step: Step, count: int, path: Path, method: Method) -> Method:
    cell, load, time, per_access = path.cell, path.load, path.time, path.time.per_access
    armed, mask, bits = step.armed, step.mask, step.value

    def read(offset: int, width: int) -> Any:
        now = time._now + per_access
        if now >= time._alarm:
            return method(offset, width)
        time._now = now
        armed.reads += 1
        shown = cell.value if load is None else load()
        armed.since = since = armed.since + 1
        if shown & mask == bits and since <= count:
            armed.applied += 1
            return shown ^ mask
        return shown

    return read


def _late_in_time(step: Step, count: int, path: Path, method: Method) -> Method:
    cell, load, time, per_access = path.cell, path.load, path.time, path.time.per_access
    armed, mask, bits = step.armed, step.mask, step.value

    def read(offset: int, width: int) -> Any:
        now = time._now + per_access
        if now >= time._alarm:
            return method(offset, width)
        time._now = now
        armed.reads += 1
        shown = cell.value if load is None else load()
        armed.since += 1
        if shown & mask == bits and armed.now() - armed.written < count:
            armed.applied += 1
            return shown ^ mask
        return shown

    return read

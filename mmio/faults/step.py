"""Part of one fault in the accesses of one offset and width."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from mmio.faults.armed import Armed

Read: TypeAlias = Callable[[int, int], int]


class Step(NamedTuple):
    """A fault, and the bits of an access that it is about.

    Attributes:
        armed: the fault.
        mask: the bits of its settings, where the access has them.
        value: their value there.
        lanes: the bits of its register there.
        name: of a register that shares its bytes with others; empty for others.
        is_flag: whether it is the flag of an overrun, and not the overrun itself.
    """

    armed: Armed
    mask: int
    value: int
    lanes: int
    name: str
    is_flag: bool


def stuck(step: Step, inner_read: Read) -> Read | None:
    """Return the read of a register that is stuck, and has nothing else wrong: the fault that most have.

    It does what the general way does, in a third of the time. None for a fault with more to it.

    Args:
        step: the one of the access.
        inner_read: reads the device.
    """
    armed, fault = step.armed, step.armed.fault
    counted = [span for span in (fault.after, fault.at) if span is not None]
    if armed.effect != "stuck" or step.name or not armed.is_simple or any(span.unit != "read" for span in counted):
        return None
    first = fault.at.count if fault.at is not None else 1 + (0 if fault.after is None else fault.after.count)
    only = fault.at is not None
    keep, value = ~step.mask, step.value

    def read(offset: int, width: int) -> int:
        armed.reads = number = armed.reads + 1
        if number < first or (only and number > first):
            return inner_read(offset, width)
        armed.applied += 1
        return inner_read(offset, width) & keep | value

    return read


def moved(bits: int, count: int) -> int:
    """Return bits moved up by a number of bytes, or down by a negative one."""
    return bits << 8 * count if count >= 0 else bits >> -8 * count


def reaches(reached: str, name: str) -> bool:
    """Return whether what a device calls an access names a register: "CTRL", "CTRL+2", "CTRL..STAT"."""
    return any(part.partition("+")[0] == name for part in reached.split(".."))

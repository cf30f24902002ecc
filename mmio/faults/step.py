"""Part of one fault in the accesses of one offset and width."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from mmio.faults.armed import Armed
from mmio.faults.places import Spot

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


def plan_of(
    active: Sequence[Armed], flags: Mapping[int, tuple[Spot, int, int]], offset: int, width: int
) -> tuple[Step, ...]:
    """Return the plan of an access: which faults are about it, and about which of its bits.

    Args:
        active: the faults.
        flags: of overruns, by the number of the fault: where the flag is, mask and value.
        offset: of the access.
        width: of the access, in bytes.
    """
    steps: list[Step] = []
    full = (1 << 8 * width) - 1
    for number, armed in enumerate(active):
        if armed.spots is None:
            steps.append(Step(armed, 0, 0, full, "", False))
            continue
        places = [(spot, armed.mask, armed.value, False) for spot in armed.spots]
        if number in flags:
            places.append((*flags[number], True))
        for spot, mask, value, is_flag in places:
            if spot.start >= offset + width or spot.end <= offset:
                continue
            lanes = moved((1 << 8 * spot.width) - 1, spot.start - offset) & full
            mask, value = (moved(bits, spot.start - offset) & lanes for bits in (mask, value))
            steps.append(Step(armed, mask, value, lanes, spot.name if spot.shared else "", is_flag))
    return tuple(steps)


def moved(bits: int, count: int) -> int:
    """Return bits moved up by a number of bytes, or down by a negative one."""
    return bits << 8 * count if count >= 0 else bits >> -8 * count


def reaches(reached: str, name: str) -> bool:
    """Return whether what a device calls an access names a register: "CTRL", "CTRL+2", "CTRL..STAT"."""
    return any(part.partition("+")[0] == name for part in reached.split(".."))

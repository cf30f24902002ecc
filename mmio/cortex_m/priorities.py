"""Priorities of a Cortex-M core's exceptions, and the execution priority that results with the mask registers.

The rules are those of the ARMv7-M Architecture Reference Manual (DDI 0403), B1.5.4, and of the ARMv6-M one (DDI 0419),
B1.5.4. A number is an exception number: 2 is NMI, 15 SysTick, 16 the first external interrupt. A lower priority value
is a higher priority.
"""

from collections.abc import Callable, Iterable
from typing import Final, Literal, TypeAlias, get_args

from mmio.arguments import integer, shortened

Architecture: TypeAlias = Literal["v6-M", "v7-M"]

NMI: Final = 2
HARD_FAULT: Final = 3
MEM_MANAGE: Final = 4
BUS_FAULT: Final = 5
USAGE_FAULT: Final = 6
SVCALL: Final = 11
DEBUG_MONITOR: Final = 12
PENDSV: Final = 14
SYSTICK: Final = 15
EXTERNAL: Final = 16
"""The exception number of interrupt 0."""

THREAD: Final = 256
"""The execution priority of Thread mode when nothing is active or masked: below all others (DDI 0403, B1.5.4)."""

_FIXED: Final = {1: -3, NMI: -2, HARD_FAULT: -1}
_SYSTEM: Final[dict[str, tuple[int, ...]]] = {
    "v6-M": (NMI, HARD_FAULT, SVCALL, PENDSV, SYSTICK),
    "v7-M": (NMI, HARD_FAULT, MEM_MANAGE, BUS_FAULT, USAGE_FAULT, SVCALL, DEBUG_MONITOR, PENDSV, SYSTICK),
}
_MOST: Final[dict[str, int]] = {"v6-M": 32, "v7-M": 496}  # interrupts
_SWITCHED: Final = sum(1 << number for number in (MEM_MANAGE, BUS_FAULT, USAGE_FAULT, DEBUG_MONITOR))


class Priorities:
    """The priorities of a core's exceptions, those that are active, and the mask registers.

    Args:
        architecture: "v7-M" (Cortex-M3, M4, M7) or "v6-M" (Cortex-M0, M0+, M1).
        interrupts: external ones, 1 to 496, in ARMv6-M to 32.
        priority_bits: implemented in each priority, from the top; 2 to 8.

    Attributes:
        changed: is called without arguments when something has changed that may make an exception due; None for
            none. It is the last thing to happen in a change, so it may look, and take.
    """

    def __init__(self, architecture: Architecture = "v7-M", interrupts: int = 240, priority_bits: int = 4) -> None:
        if architecture not in get_args(Architecture):
            raise ValueError(
                f"architecture is one of {', '.join(get_args(Architecture))}, not {shortened(architecture)}"
            )
        self.architecture = architecture
        self.interrupts = integer("interrupts", interrupts, 1, _MOST[architecture])
        self.priority_bits = integer("priority_bits", priority_bits, 2, 8)
        self.priority_mask = 0xFF & -1 << 8 - self.priority_bits
        self.always_enabled = sum(1 << number for number in _SYSTEM[architecture]) & ~_SWITCHED
        self.exist = sum(1 << n for n in _SYSTEM[architecture]) | (1 << self.interrupts) - 1 << EXTERNAL
        self.changed: Callable[[], object] | None = None
        self._reset_priorities()

    def _reset_priorities(self) -> None:
        self._active: list[int] = []  # in order of their taking; the last one runs
        self._priorities = [_FIXED.get(number, 0) for number in range(EXTERNAL + self.interrupts)]
        self._primask = self._faultmask = self._basepri = self._prigroup = 0

    @property
    def ipsr(self) -> int:
        """The number of the exception whose handler runs; 0 in Thread mode."""
        return self._active[-1] if self._active else 0

    @property
    def active(self) -> tuple[int, ...]:
        """The numbers of the active exceptions, in order of their taking."""
        return tuple(self._active)

    def priority(self, number: int) -> int:
        """Return the priority of an exception: 0 to 255, or one of the fixed negative ones.

        Args:
            number: of the exception.
        """
        return self._priorities[self._check(number)]

    def set_priority(self, number: int, priority: int) -> None:
        """Set a priority. Only the implemented bits of it are kept (DDI 0403, B1.5.4).

        Args:
            number: of an exception whose priority can be set.
            priority: 0 to 255.
        """
        if self._check(number) in _FIXED:
            raise ValueError(f"exception {number} has the fixed priority {_FIXED[number]}")
        self._priorities[number] = integer("priority", priority, 0, 0xFF) & self.priority_mask
        self._tell()

    def group(self, priority: int) -> int:
        """Return the group priority, which decides on preemption: without the bits that PRIGROUP makes a subpriority.

        Args:
            priority: as `priority` returns it.
        """
        return priority if priority < 0 or self.architecture == "v6-M" else priority & -2 << self._prigroup

    @property
    def execution_priority(self) -> int:
        """The priority that an exception must exceed to be taken (DDI 0403, B1.5.4: ExecutionPriority())."""
        return self._execution_priority(self._primask, self._active)

    def _execution_priority(self, primask: int, active: Iterable[int]) -> int:
        lowest = min([self.group(self._priorities[number]) for number in active], default=THREAD)
        if self._basepri:
            lowest = min(lowest, self.group(self._basepri))
        if primask:
            lowest = min(lowest, 0)
        return min(lowest, -1) if self._faultmask else lowest

    # What software masks

    @property
    def primask(self) -> int:
        """PRIMASK: 1 raises the execution priority to 0."""
        return self._primask

    @primask.setter
    def primask(self, value: int) -> None:
        self._primask = integer("primask", value) & 1
        self._tell()

    @property
    def faultmask(self) -> int:
        """FAULTMASK: 1 raises the execution priority to -1. Not set where that is the priority already."""
        return self._faultmask

    @faultmask.setter
    def faultmask(self, value: int) -> None:
        # DDI 0403, B5.2.3 (MSR): the write of a one is ignored in NMI and HardFault handlers.
        value = integer("faultmask", value) & 1
        if self.architecture == "v7-M" and (not value or self.execution_priority > -1):
            self._faultmask = value
            self._tell()

    @property
    def basepri(self) -> int:
        """BASEPRI: other than 0, the execution priority is at least the group priority of this."""
        return self._basepri

    @basepri.setter
    def basepri(self, value: int) -> None:
        value = integer("basepri", value) & self.priority_mask
        if self.architecture == "v7-M":
            self._basepri = value
            self._tell()

    def raise_basepri(self, value: int) -> None:
        """Write BASEPRI_MAX: set BASEPRI unless that lowers the execution priority (DDI 0403, B5.2.3).

        Args:
            value: 0 to 255; 0 is ignored.
        """
        value = integer("value", value) & self.priority_mask
        if value and (value < self._basepri or not self._basepri):
            self.basepri = value

    @property
    def prigroup(self) -> int:
        """AIRCR.PRIGROUP: the highest bit of a priority that belongs to the subpriority."""
        return self._prigroup

    @prigroup.setter
    def prigroup(self, value: int) -> None:
        self._prigroup = integer("prigroup", value, 0, 7)
        self._tell()

    def _check(self, number: int) -> int:
        if integer("number", number, least=0) >> 10 or not self.exist >> number & 1:
            last = EXTERNAL + self.interrupts - 1
            known = ", ".join(map(str, _SYSTEM[self.architecture]))
            raise ValueError(f"exception {number}: a {self.architecture} core has {known} and {EXTERNAL}..{last}")
        return number

    def _tell(self) -> None:
        if self.changed is not None:
            self.changed()

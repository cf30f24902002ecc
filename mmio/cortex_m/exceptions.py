"""Exceptions of a Cortex-M core: pending, enabled, active, their priorities, and the next one to be taken.

The rules are those of the ARMv7-M Architecture Reference Manual (DDI 0403), B1.5, and of the ARMv6-M one (DDI 0419),
B1.5. A number is an exception number, but where it is called `irq`: interrupt 0 is exception 16.

Only the bookkeeping is here. Running a handler is the board's work: it asks `due`, calls `take`, runs the handler of
that number, and calls `leave`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from mmio.arguments import integer, shortened
from mmio.cortex_m.priorities import EXTERNAL, HARD_FAULT, NMI, Architecture, Priorities
from mmio.device.line import Line
from mmio.errors import MmioError


class LockupError(MmioError, RuntimeError):
    """A fault in a HardFault or NMI handler, or with FAULTMASK set: the core locks up (DDI 0403, B1.5.15)."""


def numbers(mask: int) -> Iterator[int]:
    """Yield the numbers of the bits that are set, lowest first.

    Args:
        mask: the bits.
    """
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


class Exceptions(Priorities):
    """The exception state of a core.

    Args:
        architecture: "v7-M" (Cortex-M3, M4, M7) or "v6-M" (Cortex-M0, M0+, M1).
        interrupts: external ones, 1 to 496, in ARMv6-M to 32.
        priority_bits: implemented in each priority, from the top; 2 to 8.

    Attributes:
        pending: bit n is set while exception n is pending. To be changed by `pend` and `clear_pending`.
        enabled: bit n is set while exception n is enabled; those without an enable bit always are.
        lines: bit n is set while the line of interrupt n is high.
        taken: the number of exceptions taken so far.
        held: no exception is due, because an exclusive store is under way that nothing may come between.
        event: the event register of WFE (DDI 0403, B1.5.18).
        monitor: the local exclusive monitor is set (DDI 0403, A3.4).
        sev_on_pend: SCR.SEVONPEND, an exception that becomes pending sets the event register.
    """

    def __init__(self, architecture: Architecture = "v7-M", interrupts: int = 240, priority_bits: int = 4) -> None:
        super().__init__(architecture, interrupts, priority_bits)
        self._wires: dict[int, list[Line]] = {}
        self.lines = self.taken = 0
        self.clear()

    def clear(self) -> None:
        """Take the state after a reset. Lines keep their levels, and what is high is pending."""
        self._reset_priorities()
        self.pending = self.lines << EXTERNAL
        self.enabled = self.always_enabled
        self.held = self.event = self.monitor = self.sev_on_pend = False

    def pend(self, number: int) -> None:
        """Make an exception pending. It stays so, enabled or not, until it is taken or cleared.

        Args:
            number: of the exception.

        Raises:
            ValueError: the core has no such exception.
        """
        self.pend_all(1 << self._check(number))

    def pend_all(self, mask: int) -> None:
        """Make several exceptions pending; those the core does not have are ignored.

        Args:
            mask: bit n stands for exception n.
        """
        new = mask & self.exist & ~self.pending
        if new:
            self.pending |= new
            if self.sev_on_pend:
                self.event = True
        self._tell()

    def clear_pending(self, mask: int) -> None:
        """Clear the pending state of exceptions. An interrupt whose line is high stays so.

        The line of a level-sensitive interrupt would make it pending again at once (Cortex-M3 Devices Generic User
        Guide, DUI 0552, 4.2.9).

        Args:
            mask: bit n stands for exception n.
        """
        self.pending &= ~mask | self.lines << EXTERNAL

    def enable(self, mask: int) -> None:
        """Enable exceptions; those that the core does not have are ignored.

        Args:
            mask: bit n stands for exception n.
        """
        self.enabled |= mask & self.exist
        self._tell()

    def disable(self, mask: int) -> None:
        """Disable exceptions, as far as they can be. What is pending stays so, what is active runs on.

        Args:
            mask: bit n stands for exception n.
        """
        self.enabled &= ~mask | self.always_enabled

    def set_line(self, irq: int, level: bool) -> None:
        """Drive the line of an external interrupt, which is level-sensitive (DDI 0403, B3.4.1).

        A rising edge makes it pending, and it stays so when the line falls. When its handler returns and the line is
        still high, it is pending again.

        Args:
            irq: number of the interrupt, from 0.
            level: whether the line is high.

        Raises:
            ValueError: the core has no such interrupt.
        """
        bit = 1 << integer("irq", irq, 0, self.interrupts - 1)
        if bool(level) == bool(self.lines & bit):
            return
        self.lines ^= bit
        if level:
            self.pend_all(bit << EXTERNAL)

    def connect(self, line: Line, irq: int) -> Callable[[], None]:
        """Drive an interrupt by a device's line, from its present level on. Several on one are high if any is.

        Args:
            line: of the device.
            irq: number of the interrupt, from 0.

        Returns:
            A function that takes the line off again.

        Raises:
            TypeError: it is no line.
            ValueError: the core has no such interrupt.
        """
        if not isinstance(line, Line):
            raise TypeError(f"line is a Line of a device, not {shortened(line)}")
        irq = integer("irq", irq, 0, self.interrupts - 1)
        wires = self._wires.setdefault(irq, [])
        wires.append(line)

        def follow(level: bool) -> None:
            self.set_line(irq, any(wire.level for wire in wires))

        end = line.subscribe(follow)
        follow(line.level)

        def disconnect() -> None:
            if line in wires:
                end()
                wires.remove(line)
                follow(False)

        return disconnect

    def fault(self, number: int) -> int:
        """Make a synchronous exception pending: a fault, or SVCall. It becomes a HardFault where it cannot be taken.

        That is where it is disabled or does not exceed the execution priority (DDI 0403, B1.5.15: escalation).

        Args:
            number: of the exception.

        Returns:
            The number of the one that is pending now.

        Raises:
            LockupError: not even a HardFault can be taken.
        """
        now = self.execution_priority
        taken = number
        if not self.enabled >> self._check(number) & 1 or self.group(self._priorities[number]) >= now:
            taken = HARD_FAULT
        if now <= -1:
            raise LockupError(
                f"exception {number} at execution priority {now}, in exception {self.ipsr}: not even a HardFault can "
                "be taken there, and the core locks up"
            )
        self.pend(taken)
        return taken

    def highest_pending(self) -> int | None:
        """Return the enabled pending exception of the highest priority, masked or not; of equals the lowest number."""
        ready = self.pending & self.enabled
        if not ready:
            return None
        priorities = self._priorities
        return min(numbers(ready), key=lambda number: priorities[number])  # the first of equals, and lowest come first

    def unmasked_pending(self) -> int | None:
        """Return `highest_pending`, unless BASEPRI or FAULTMASK masks it (DDI 0403, B3.2.4: ICSR.VECTPENDING)."""
        number = self.highest_pending()
        if number is None or self.group(self._priorities[number]) >= self._execution_priority(0, ()):
            return None
        return number

    def due(self) -> int | None:
        """Return the number of the exception that would be taken now; None when there is none.

        It is the enabled pending one of the highest priority, if its group priority exceeds the execution priority.
        """
        return None if self.held else self._preempting(self._primask)

    def wakes(self) -> bool:
        """Return whether WFI ends: an exception would be due if PRIMASK were clear (DDI 0403, B1.5.19)."""
        return self._preempting(0) is not None

    def _preempting(self, primask: int) -> int | None:
        number = self.highest_pending()
        if number is None or self.group(self._priorities[number]) >= self._execution_priority(primask, self._active):
            return None
        return number

    def take(self) -> int | None:
        """Take the exception that is due: it is active then, and not pending. Returns its number, or None."""
        number = self.due()
        if number is not None:
            self.taken += 1
            self.pending &= ~(1 << number)
            self._active.append(number)
            # DDI 0403, B1.5.6, ExceptionTaken(): the event register is set, the exclusive monitor cleared.
            self.event, self.monitor = True, False
        return number

    def leave(self, number: int) -> None:
        """Return from the handler that runs (DDI 0403, B1.5.8).

        Args:
            number: of its exception.

        Raises:
            ValueError: another handler runs, or none.
        """
        if not self._active or self._active[-1] != number:
            runs = f"the handler of exception {self.ipsr} runs" if self._active else "no handler runs"
            raise ValueError(f"return from exception {shortened(number)}, but {runs}; handlers end in reverse order")
        self._active.pop()
        if number != NMI:
            self._faultmask = 0
        self.event, self.monitor = True, False
        self.pending |= 1 << number & self.lines << EXTERNAL
        self._tell()

    def hold(self, held: bool) -> None:
        """Begin or end what no handler may come between: the store of an exclusive access.

        Args:
            held: whether it begins.
        """
        was, self.held = self.held, held
        if was and not held:
            self._tell()

    def snapshot(self) -> dict[str, Any]:
        """Return the state as a plain dict of ints, bools and lists, fit for JSON."""
        values = {name.lstrip("_"): getattr(self, name) for name in _STATE}
        return {name: list(value) if isinstance(value, list) else value for name, value in values.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore what `snapshot` returned, quietly.

        Args:
            state: of exceptions with as many interrupts.

        Raises:
            ValueError: it is of others.
        """
        names = {name.lstrip("_"): name for name in _STATE}
        if not names.keys() <= state.keys() or len(state["priorities"]) != len(self._priorities):
            raise ValueError(f"no snapshot of the exceptions of a core with {self.interrupts} interrupts")
        for key, name in names.items():
            value = state[key]
            setattr(self, name, list(value) if isinstance(value, list) else value)


_STATE: Final = (
    *("pending", "enabled", "lines", "held", "event", "monitor", "sev_on_pend"),
    *("_active", "_priorities", "_primask", "_faultmask", "_basepri", "_prigroup"),
)

"""Call the firmware's interrupt handlers by priority, and advance time."""

import ctypes
import warnings
from collections.abc import Callable
from os import PathLike, fspath
from typing import Any, TypeVar

from mmio.arguments import integer
from mmio.boards.handlers import CMSIS, Handlers
from mmio.boards.libraries import fresh
from mmio.cortex_m.core import Core
from mmio.cortex_m.priorities import EXTERNAL
from mmio.descriptions.report import did_you_mean
from mmio.device.clock import Clock
from mmio.device.interrupt import STORM
from mmio.inprocess.after_access import after_access

__tracebackhide__ = True  # pytest reports a failure of a driver or a model, not of the way between them


_Result = TypeVar("_Result")


class _End(Exception):
    """The time of a call of firmware is over."""


class Running:
    """Handlers and time.

    A handler runs when the access that has made its interrupt due has been completed; between one event and the next
    while time passes; at once where Python changes a line outside of any access. It is interrupted, at its accesses, by
    what has a higher priority, and by nothing else.

    Args:
        interrupts: the numbers of interrupts by name.
        name: of the board, in messages.

    Attributes:
        clock: the time.
        core: the Cortex-M core, None where there is none.
        handlers: the firmware's interrupt handlers, by exception number or interrupt name.
    """

    def __init__(self, core: Core | None, clock: Clock, interrupts: dict[str, int], name: str) -> None:
        self.clock = clock
        self.core = core
        self._named = name
        self.handlers = Handlers(interrupts.items(), self._vectors)
        self._interrupts = interrupts
        self._holding = 0  # no handler runs now

    def load(self, path: str | PathLike[str], pattern: str = CMSIS) -> ctypes.CDLL:
        """Load firmware that has been compiled as a shared library; take its interrupt handlers.

        Its variables are as they are at reset, also when it has been loaded before.

        Args:
            path: of the library.
            pattern: of its handlers' names: "{name}_IRQHandler", or "{lower}_isr" for libopencm3.

        Warns:
            UserWarning: a pattern is given, and the library has no function that is named so.

        Raises:
            OSError: it cannot be loaded.
        """
        library = fresh(fspath(path))
        wanted = [pattern.format(name=name, lower=name.lower()) for name in self._interrupts]
        found = self.handlers.load(library, pattern)
        if pattern != CMSIS and set(wanted).isdisjoint(found):
            example = f", such as {wanted[0]}" if wanted else ""
            warnings.warn(f"{fspath(path)} has no interrupt handler of the pattern {pattern!r}{example}", stacklevel=2)
        return library

    def irq(self, name: str) -> int:
        """Return the number of an interrupt, from 0, by its name. Raises KeyError where there is none."""
        if name not in self._interrupts:
            raise KeyError(f"{self._named}: there is no interrupt {name!r}{did_you_mean(name, self._interrupts)}")
        return self._interrupts[name]

    def pend(self, irq: int | str) -> None:
        """Make an interrupt pending, as software that writes to the NVIC does."""
        self._need_core().pend(EXTERNAL + (self.irq(irq) if isinstance(irq, str) else irq))

    def poll(self) -> None:
        """Run the handlers that are due."""
        if self.core is not None:
            after_access(self._deliver)

    def run_for(self, duration: int) -> None:
        """Advance the clock by ns; handlers run between one event and the next."""
        end = self.clock.now + integer("duration", duration, 0)
        while (due := self.clock.next_due) is not None and due <= end:
            self._step(due)
        if self.clock.now < end:
            self._step(end)

    def run(self, function: Callable[..., _Result], *arguments: Any, duration: int) -> _Result | None:
        """Call a function of the firmware, such as a main that never returns, and end it after ns of the clock.

            board.run(firmware.main, duration=mmio.ms(20))

        It ends within an access, or within a sleep, as by an exception of a model: what it has done so far is done.

        Args:
            function: the function.
            arguments: its own.
            duration: ns, as the clock counts them. A loop that accesses no peripheral takes no time, and is not ended.

        Returns:
            What the function has returned; None when it was ended.
        """
        end = _End()

        def stop() -> None:
            raise end

        timer = self.clock.after(integer("duration", duration, 0), stop)
        try:
            return function(*arguments)
        except _End as raised:
            if raised is not end:  # that of a call around this one
                raise
            return None
        finally:
            timer.cancel()

    def run_until(self, condition: Callable[[], object], limit: int = 10_000_000_000) -> int:
        """Advance the clock until a condition holds; return the ns that passed.

        Raises:
            TimeoutError: it does not hold within `limit` ns, or nothing is left to happen.
        """
        start = self.clock.now
        while not condition():
            due = self.clock.next_due
            if due is None or due > start + limit:
                what = "nothing is left to happen" if due is None else f"{limit:,} ns have passed"
                raise TimeoutError(f"{what}, and what was waited for has not come")
            self._step(due)
        return self.clock.now - start

    def _need_core(self) -> Core:
        if self.core is None:
            raise ValueError(f"{self._named} has no core: make the board with board(…, core=Core(…))")
        return self.core

    def _vectors(self) -> int:
        vtor = getattr(getattr(self.core, "scb", None), "vtor", None)
        return 0 if vtor is None else int(vtor)

    def _look(self) -> None:
        core = self.core
        if core is not None and not self._holding and core.due() is not None:
            after_access(self._deliver)

    def _deliver(self) -> None:
        core = self.core
        left = STORM
        while not self._holding and core is not None and (number := core.take()) is not None:
            try:
                if not left:
                    raise RuntimeError(
                        f"{self.handlers.named(number)} is still asserted after {STORM} calls of its handler, which "
                        "acknowledges nothing, or not what asserts the line"
                    )
                left -= 1
                self.handlers.find(number)()
            finally:
                self._holding += 1  # what is due then is seen to here
                try:
                    core.leave(number)
                finally:
                    self._holding -= 1

    def _step(self, to: int) -> None:
        """Advance the clock while no handler runs, then run those that are due."""
        self._holding += 1
        try:
            self.clock.advance(to)
        finally:
            self._holding -= 1
        self.poll()

"""Registers by which firmware in a program of its own takes its interrupts, and its tests control the board.

Such a program runs under an engine of pagetrap, which cannot call a function of it. It is sent a signal when an
exception is due, and `include/pagetrap_run.h` has the handler of that signal: it reads here which function to call.
"""

from collections.abc import Callable
from typing import Final

from mmio.cortex_m.exceptions import Exceptions
from mmio.cortex_m.priorities import EXTERNAL
from mmio.device.clock import Clock
from mmio.device.device import Device
from mmio.device.interrupt import STORM
from mmio.device.register import register

PROGRAM_BASE: Final = 0xE00F_D000
"""The address of the registers: PAGETRAP_RUN in the header."""

_LONGEST_MARK: Final = 4096
_MICROSECOND: Final = 1000
_WORD: Final = 0xFFFFFFFF


class ProgramPort(Device):
    """The registers.

    Args:
        exceptions: of the core.
        clock: the time.
        handler_of: returns the address of the handler of an exception.
        mark: puts a text into the trace.
        named: returns what an exception is called in messages.
    """

    exception = register(0x00, access="r", doc="Takes the exception that is due: its number, 0 for none.")
    handler = register(0x04, access="r", doc="The address of its handler, bits 31 to 0.")
    handler_high = register(0x08, access="r", doc="Bits 63 to 32.")
    returned = register(0x0C, access="w", doc="The handler of this exception has returned.")
    pend = register(0x10, access="w", doc="Makes an interrupt pending, by its number from 0.")
    advance = register(0x14, doc="Lets microseconds pass, up to an exception; reads as 1 while some are left.")
    now = register(0x18, access="r", doc="The time in nanoseconds, bits 31 to 0; the upper ones are kept.")
    now_high = register(0x1C, access="r", doc="Bits 63 to 32 of what `now` was last.")
    mark = register(0x20, access="w", doc="A byte of a text for the trace; 0 ends it.")

    def __init__(
        self,
        exceptions: Exceptions,
        clock: Clock,
        handler_of: Callable[[int], int],
        mark: Callable[[str], object],
        named: Callable[[int], str],
    ) -> None:
        self._exceptions = exceptions
        self._time = clock
        self._handler_of = handler_of
        self._mark = mark
        self._named = named
        self._handler = self._now = self._until = 0
        self._text = bytearray()
        self._left = STORM
        self.leaving = False

    @exception.reads
    def _take(self) -> int:
        number = self._exceptions.take()
        if number is None:
            self._left = STORM
            return 0
        if not self._left:
            raise RuntimeError(
                f"{self._named(number)} is still asserted after {STORM} calls of its handler, which acknowledges "
                "nothing, or not what asserts the line"
            )
        self._left -= 1
        self._handler = self._handler_of(number)
        return number

    @handler.reads
    def _read_handler(self) -> int:
        return self._handler & _WORD

    @handler_high.reads
    def _read_handler_high(self) -> int:
        return self._handler >> 32

    @returned.written
    def _leave(self, old: int, new: int) -> None:
        self.leaving = True  # what is due now is taken by the loop that has called the handler
        try:
            self._exceptions.leave(new)
        finally:
            self.leaving = False

    @pend.written
    def _pend(self, old: int, new: int) -> None:
        self._exceptions.pend(EXTERNAL + new)

    @advance.written
    def _advance(self, old: int, new: int) -> None:
        self._until = self._time.now + new * _MICROSECOND
        self._go_on()

    @advance.reads
    def _advance_further(self) -> int:
        self._go_on()
        return int(self._time.now < self._until)

    def _go_on(self) -> None:
        while self._time.now < self._until and self._exceptions.due() is None:
            due = self._time.next_due
            self._time.advance(self._until if due is None else min(due, self._until))

    @now.reads
    def _read_now(self) -> int:
        self._now = self._time.now
        return self._now & _WORD

    @now_high.reads
    def _read_now_high(self) -> int:
        return self._now >> 32 & _WORD

    @mark.written
    def _add(self, old: int, new: int) -> None:
        if new & 0xFF and len(self._text) < _LONGEST_MARK:
            self._text.append(new & 0xFF)
        elif not new & 0xFF:
            self._mark(self._text.decode(errors="replace"))
            self._text.clear()

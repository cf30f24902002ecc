"""NVIC, the interrupt controller's registers: DDI 0403, B3.4; DDI 0419, B3.4.

The state is the core's (`Exceptions`); set-enable and clear-enable are two views of it. Bits of interrupts that the
core does not have read as zero and ignore writes.
"""

from typing import Final

from mmio.cortex_m.exceptions import Exceptions
from mmio.cortex_m.priorities import EXTERNAL
from mmio.device.device import Device
from mmio.device.field import field
from mmio.device.register import array, register

WORDS: Final = 16
INTERRUPTS: Final = 496


class Nvic(Device):
    """The registers from 0xE000E100 on.

    Args:
        exceptions: of the core.
    """

    # The ones of a write are seen by the handler and gone, and a read leaves nothing: what is stored here is always 0.
    iser = array(0x000, count=WORDS, on_read="rclr", fields=[field("SETENA", 31, 0, singlepulse=True)])
    icer = array(0x080, count=WORDS, on_read="rclr", fields=[field("CLRENA", 31, 0, singlepulse=True)])
    ispr = array(0x100, count=WORDS, on_read="rclr", fields=[field("SETPEND", 31, 0, singlepulse=True)])
    icpr = array(0x180, count=WORDS, on_read="rclr", fields=[field("CLRPEND", 31, 0, singlepulse=True)])
    iabr = array(0x200, count=WORDS, access="r")
    ipr = array(0x300, count=INTERRUPTS, width=1)

    def __init__(self, exceptions: Exceptions) -> None:
        self._exceptions = exceptions

    @iser.reads
    @icer.reads
    def _enabled(self, index: int) -> int:
        return self._word(self._exceptions.enabled, index)

    @ispr.reads
    @icpr.reads
    def _pending(self, index: int) -> int:
        return self._word(self._exceptions.pending, index)

    @iabr.reads
    def _active(self, index: int) -> int:
        return self._word(sum(1 << number for number in self._exceptions.active), index)

    @iser.written
    def _enable(self, index: int, old: int, new: int) -> None:
        self._exceptions.enable(self._mask(new, index))

    @icer.written
    def _disable(self, index: int, old: int, new: int) -> None:
        self._exceptions.disable(self._mask(new, index))

    @ispr.written
    def _pend(self, index: int, old: int, new: int) -> None:
        self._exceptions.pend_all(self._mask(new, index))

    @icpr.written
    def _clear(self, index: int, old: int, new: int) -> None:
        self._exceptions.clear_pending(self._mask(new, index))

    @ipr.reads
    def _priority(self, index: int) -> int:
        return self._exceptions.priority(EXTERNAL + index) if index < self._exceptions.interrupts else 0

    @ipr.written
    def _set_priority(self, index: int, old: int, new: int) -> None:
        if index < self._exceptions.interrupts:
            self._exceptions.set_priority(EXTERNAL + index, new)

    def _word(self, exceptions: int, index: int) -> int:
        return exceptions >> EXTERNAL + 32 * index & 0xFFFF_FFFF

    def _mask(self, word: int, index: int) -> int:
        return word << EXTERNAL + 32 * index


class SoftwareTrigger(Device):
    """STIR, at 0xE000EF00: DDI 0403, B3.2.26. A write of an interrupt's number makes it pending.

    Args:
        exceptions: of the core.
    """

    stir = register(0x0, access="w", fields=[field("INTID", 8, 0)])

    def __init__(self, exceptions: Exceptions) -> None:
        self._exceptions = exceptions

    @stir.written
    def _trigger(self, old: int, new: int) -> None:
        self._exceptions.pend_all(1 << EXTERNAL + self.stir.INTID)

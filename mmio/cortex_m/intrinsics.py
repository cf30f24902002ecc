"""Special registers and instructions of the core for firmware compiled for the host: a page of registers.

`include/pagetrap_cmsis.h` has the intrinsics of CMSIS (`__disable_irq`, `__WFI`, `__LDREXW`) as accesses to it. The
registers exist on no chip, so they are where the map of ARMv7-M has vendor space in the private peripheral bus.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from mmio.cortex_m.exceptions import Exceptions
from mmio.device.device import Device
from mmio.device.field import bit
from mmio.device.register import register
from mmio.errors import MmioError

BASE: Final = 0xE00F_E000
"""The address of the registers: PAGETRAP_INTRINSICS in the header."""

INCLUDE: Final = Path(__file__).with_name("include")
"""The directory of `pagetrap_cmsis.h`, for -I."""


class BreakpointHit(MmioError):
    """The firmware executed BKPT, by `__BKPT(number)`; usually a failed assertion.

    Attributes:
        number: that of the instruction.
    """

    def __init__(self, number: int) -> None:
        super().__init__(
            f"the firmware executed BKPT {number:#x}, and no debugger is there; set on_breakpoint to continue"
        )
        self.number = number


class Intrinsics(Device):
    """Registers that stand for the core's special registers and instructions.

    Args:
        exceptions: of the core.

    Attributes:
        on_wait: is called when the firmware executes WFI; it returns when the core is to continue. None: at once.
        on_wait_for_event: is called when it executes WFE and the event register is clear. None: as above.
        on_breakpoint: is called with the number of a BKPT. None: BreakpointHit is raised.
    """

    primask = register(0x00)
    faultmask = register(0x04)
    basepri = register(0x08)
    basepri_max = register(0x0C, access="w")
    ipsr = register(0x10, access="r")
    control = register(
        0x14, access="r", fields=[bit(n, i, access="rw") for i, n in enumerate(("nPRIV", "SPSEL", "FPCA"))]
    )
    msp = register(0x18)
    psp = register(0x1C)
    fpscr = register(0x20)
    wfi = register(0x24, access="w")
    wfe = register(0x28, access="w")
    sev = register(0x2C, access="w")
    bkpt = register(0x30, access="w")
    monitor = register(0x34, access="w")
    store = register(0x38)

    def __init__(self, exceptions: Exceptions) -> None:
        self._exceptions = exceptions
        self.on_wait: Callable[[], object] | None = None
        self.on_wait_for_event: Callable[[], object] | None = None
        self.on_breakpoint: Callable[[int], object] | None = None

    @primask.reads
    def _read_primask(self) -> int:
        return self._exceptions.primask

    @primask.written
    def _write_primask(self, old: int, new: int) -> None:
        self._exceptions.primask = new

    @faultmask.reads
    def _read_faultmask(self) -> int:
        return self._exceptions.faultmask

    @faultmask.written
    def _write_faultmask(self, old: int, new: int) -> None:
        self._exceptions.faultmask = new

    @basepri.reads
    def _read_basepri(self) -> int:
        return self._exceptions.basepri

    @basepri.written
    def _write_basepri(self, old: int, new: int) -> None:
        self._exceptions.basepri = new

    @basepri_max.written
    def _write_basepri_max(self, old: int, new: int) -> None:
        self._exceptions.raise_basepri(new)

    @ipsr.reads
    def _read_ipsr(self) -> int:
        return self._exceptions.ipsr

    @wfi.written
    def _wait(self, old: int, new: int) -> None:
        if self.on_wait is not None:
            self.on_wait()

    @wfe.written
    def _wait_for_event(self, old: int, new: int) -> None:
        # DDI 0403, B1.5.18: an event that has come already is what was waited for.
        if not self._exceptions.event and self.on_wait_for_event is not None:
            self.on_wait_for_event()
        self._exceptions.event = False

    @sev.written
    def _send_event(self, old: int, new: int) -> None:
        self._exceptions.event = True

    @bkpt.written
    def _breakpoint(self, old: int, new: int) -> None:
        if self.on_breakpoint is None:
            raise BreakpointHit(new)
        self.on_breakpoint(new)

    @monitor.written
    def _set_monitor(self, old: int, new: int) -> None:
        self._exceptions.monitor = bool(new & 1)
        self._exceptions.hold(False)

    @store.reads
    def _begin_store(self) -> int:
        allowed, self._exceptions.monitor = self._exceptions.monitor, False
        if allowed:
            self._exceptions.hold(True)
        return int(allowed)

    @store.written
    def _end_store(self, old: int, new: int) -> None:
        self._exceptions.hold(False)

"""System control block of ARMv7-M: fault status, coprocessor access, feature registers. DDI 0403, B3.2 and B4.1.

The active bits of SHCSR, which an operating system may write in order to fake a return, are read only here. Nothing
sets the fault status but `Core.fault`, which sets HFSR.FORCED, and the model's user.
"""

from collections.abc import Callable
from typing import ClassVar, Final

from mmio.cortex_m.exceptions import Exceptions
from mmio.cortex_m.priorities import BUS_FAULT, DEBUG_MONITOR, MEM_MANAGE, PENDSV, SVCALL, SYSTICK, USAGE_FAULT
from mmio.cortex_m.scb import SystemControlBlock, flags
from mmio.device.field import bit, field
from mmio.device.register import array, register

# ID_PFR0, ID_PFR1, ID_DFR0, ID_AFR0, ID_MMFR0..3, ID_ISAR0..4 of a Cortex-M4 (its TRM, DDI 0439, table 4-1).
_FEATURES: Final = (
    *(0x0000_0030, 0x0000_0200, 0x0010_0000, 0x0000_0000, 0x0000_0030, 0x0000_0000, 0x0100_0000, 0x0000_0000),
    *(0x0114_1110, 0x0211_2000, 0x2123_2231, 0x0111_1131, 0x0131_0102, 0x0000_0000, 0x0000_0000, 0x0000_0000),
)


class SystemControlBlockV7(SystemControlBlock):
    """The registers from 0xE000ED00 on, in ARMv7-M.

    Args:
        exceptions: of the core.
        cpuid: the value of CPUID.
        reset_requested: is called when software sets AIRCR.SYSRESETREQ.
        fpu: whether there are coprocessors 10 and 11 that CPACR gives access to.
    """

    ccr = register(
        0x14,
        access="r",
        reset=0x200,
        fields=flags(
            NONBASETHRDENA=0,
            USERSETMPEND=1,
            UNALIGN_TRP=3,
            DIV_0_TRP=4,
            BFHFNMIGN=8,
            STKALIGN=9,
            DC=16,
            IC=17,
            BP=18,
        ),
    )
    shcsr = register(
        0x24,
        access="r",
        fields=[
            bit("MEMFAULTACT", 0),
            bit("BUSFAULTACT", 1),
            bit("USGFAULTACT", 3),
            bit("SVCALLACT", 7),
            bit("MONITORACT", 8),
            bit("PENDSVACT", 10),
            bit("SYSTICKACT", 11),
            *flags(
                USGFAULTPENDED=12,
                MEMFAULTPENDED=13,
                BUSFAULTPENDED=14,
                SVCALLPENDED=15,
                MEMFAULTENA=16,
                BUSFAULTENA=17,
                USGFAULTENA=18,
            ),
        ],
    )
    cfsr = register(
        0x28,
        on_write="woclr",
        fields=flags(
            IACCVIOL=0,
            DACCVIOL=1,
            MUNSTKERR=3,
            MSTKERR=4,
            MLSPERR=5,
            MMARVALID=7,
            IBUSERR=8,
            PRECISERR=9,
            IMPRECISERR=10,
            UNSTKERR=11,
            STKERR=12,
            LSPERR=13,
            BFARVALID=15,
            UNDEFINSTR=16,
            INVSTATE=17,
            INVPC=18,
            NOCP=19,
            UNALIGNED=24,
            DIVBYZERO=25,
        ),
    )
    hfsr = register(0x2C, on_write="woclr", fields=flags(VECTTBL=1, FORCED=30, DEBUGEVT=31))
    dfsr = register(0x30, on_write="woclr", fields=flags(HALTED=0, BKPT=1, DWTTRAP=2, VCATCH=3, EXTERNAL=4))
    mmfar = register(0x34)
    bfar = register(0x38)
    afsr = register(0x3C, on_write="woclr")
    features = array(0x40, count=16, access="r", name="ID")
    cpacr = register(0x88, access="r", fields=[field("CP11", 23, 22, access="rw"), field("CP10", 21, 20, access="rw")])

    _shcsr_pending: ClassVar[dict[int, int]] = {12: USAGE_FAULT, 13: MEM_MANAGE, 14: BUS_FAULT, 15: SVCALL}
    _shcsr_enabled: ClassVar[dict[int, int]] = {16: MEM_MANAGE, 17: BUS_FAULT, 18: USAGE_FAULT}
    _shcsr_active: ClassVar[dict[int, int]] = {
        0: MEM_MANAGE,
        1: BUS_FAULT,
        3: USAGE_FAULT,
        7: SVCALL,
        8: DEBUG_MONITOR,
        10: PENDSV,
        11: SYSTICK,
    }

    def __init__(
        self, exceptions: Exceptions, cpuid: int, reset_requested: Callable[[], object], fpu: bool = True
    ) -> None:
        super().__init__(exceptions, cpuid, reset_requested)
        self._fpu = fpu

    @features.reads
    def _feature(self, index: int) -> int:
        return _FEATURES[index]

    @cpacr.written
    def _write_cpacr(self, old: int, new: int) -> None:
        if not self._fpu:
            self.cpacr.value = 0

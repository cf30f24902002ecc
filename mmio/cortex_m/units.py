"""Registers of further units of the core: floating point, memory protection, auxiliary control."""

from mmio.device.device import Device
from mmio.device.field import bit, field
from mmio.device.register import register


class Fpu(Device):
    """Floating-point context and features of a Cortex-M4F, from 0xE000EF30 on: DDI 0403, B3.2.21 to 24 and B4.7."""

    fpccr = register(
        0x04,
        reset=0xC000_0000,
        access="r",
        fields=[
            bit("ASPEN", 31, access="rw"),
            bit("LSPEN", 30, access="rw"),
            bit("MONRDY", 8),
            bit("BFRDY", 6),
            bit("MMRDY", 5),
            bit("HFRDY", 4),
            bit("THREAD", 3),
            bit("USER", 1),
            bit("LSPACT", 0, access="rw"),
        ],
    )
    fpcar = register(0x08, access="r", fields=[field("ADDRESS", 31, 3, access="rw")])
    fpdscr = register(
        0x0C,
        access="r",
        fields=[
            bit("AHP", 26, access="rw"),
            bit("DN", 25, access="rw"),
            bit("FZ", 24, access="rw"),
            field("RMODE", 23, 22, access="rw"),
        ],
    )
    mvfr0 = register(0x10, reset=0x1011_0021, access="r")
    mvfr1 = register(0x14, reset=0x1100_0011, access="r")
    mvfr2 = register(0x18, access="r")


class Mpu(Device):
    """Memory protection as registers that protect nothing, from 0xE000ED90 on: DDI 0403, B3.5.

    Each register keeps what is written last, whatever region it is for.
    """

    type = register(0x00, reset=0x0800, access="r", fields=[field("DREGION", 15, 8)])
    ctrl = register(
        0x04,
        access="r",
        fields=[bit(name, n, access="rw") for n, name in enumerate(("ENABLE", "HFNMIENA", "PRIVDEFENA"))],
    )
    rnr = register(0x08, access="r", fields=[field("REGION", 7, 0, access="rw")])
    rbar = register(0x0C)
    rasr = register(0x10)
    rbar_a1 = register(0x14)
    rasr_a1 = register(0x18)
    rbar_a2 = register(0x1C)
    rasr_a2 = register(0x20)
    rbar_a3 = register(0x24)
    rasr_a3 = register(0x28)


class AuxiliaryControl(Device):
    """ICTR and ACTLR, at 0xE000E000: DDI 0403, B3.4.3 and B3.2.27.

    Args:
        interrupts: of the core.
    """

    ictr = register(0x4, access="r", fields=[field("INTLINESNUM", 3, 0)])
    actlr = register(0x8)

    def __init__(self, interrupts: int) -> None:
        self._groups = -(-interrupts // 32) - 1

    @ictr.reads
    def _lines(self) -> int:
        return self._groups

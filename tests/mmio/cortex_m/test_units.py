"""Units that are registers and little else."""

import pytest

from mmio.cortex_m.units import AuxiliaryControl, Fpu, Mpu


def test_fpu() -> None:
    """Lazy stacking is on after a reset; features are those of single precision; reserved bits read as zero."""
    fpu = Fpu()
    assert fpu.read(0x04, 4) == 0xC000_0000
    assert (fpu.read(0x10, 4), fpu.read(0x14, 4), fpu.read(0x18, 4)) == (0x1011_0021, 0x1100_0011, 0)
    for offset, expected in ((0x04, 0xC000_0001), (0x08, 0xFFFF_FFF8), (0x0C, 0x07C0_0000), (0x10, 0x1011_0021)):
        fpu.write(offset, 4, 0xFFFF_FFFF)
        assert fpu.read(offset, 4) == expected


def test_mpu() -> None:
    """Eight regions; the region registers and their aliases keep what is written."""
    mpu = Mpu()
    assert mpu.read(0x00, 4) == 0x800
    for offset in range(0x0C, 0x2C, 4):
        mpu.write(offset, 4, 0x1000_0000 + offset)
    assert [mpu.read(offset, 4) for offset in range(0x0C, 0x2C, 4)] == [0x1000_0000 + o for o in range(0x0C, 0x2C, 4)]
    mpu.write(0x04, 4, 0xFFFF_FFFF)
    mpu.write(0x08, 4, 0xFFFF_FFFF)
    assert (mpu.read(0x04, 4), mpu.read(0x08, 4)) == (7, 0xFF)


@pytest.mark.parametrize(("interrupts", "groups"), [(1, 0), (32, 0), (33, 1), (240, 7), (496, 15)])
def test_ictr(interrupts: int, groups: int) -> None:
    """INTLINESNUM is the number of words of interrupts, less one."""
    assert AuxiliaryControl(interrupts).read(4, 4) == groups

"""SIMD state as a whole: MXCSR, and clearing registers or halves of them."""

from typing import Final

from decode.registers import REGISTERS, Register
from emulate.builder import MISALIGNED_MASK, Builder
from emulate.families.x87_state import leave_stack
from emulate.faults import GeneralProtection
from emulate.recipes import recipe

_MXCSR_BITS: Final = 0xFFFF
"""Bits of MXCSR a CPU with DAZ lets software set (SDM vol. 1, 11.6.6); AMD's have `MISALIGNED_MASK` besides."""


@recipe("ldmxcsr", "vldmxcsr")
def ldmxcsr(b: Builder) -> None:
    """Load MXCSR; a reserved bit set raises #GP."""
    value = b.read(b.instruction.operands[0])
    bits = _MXCSR_BITS | MISALIGNED_MASK * b.amd
    b.act(f"if {value} & {~bits & 0xFFFFFFFF:#x}: {b.call(_reserved, value, bits)}")
    b.commit("cpu.mxcsr", value)


def _reserved(value: int, bits: int) -> None:
    """Raise #GP for a value MXCSR cannot have."""
    raise GeneralProtection(f"MXCSR has no bits {value & ~bits:#x} (loading {value:#x})", error_code=0)


@recipe("stmxcsr", "vstmxcsr")
def stmxcsr(b: Builder) -> None:
    """Store MXCSR."""
    b.write(b.instruction.operands[0], "cpu.mxcsr")


@recipe("vzeroupper")
def vzeroupper(b: Builder) -> None:
    """Clear all but the low 128 bits of the registers that VEX can name."""
    for register in _vex_registers(b):
        b.set_register(register, b.register(register))


@recipe("vzeroall")
def vzeroall(b: Builder) -> None:
    """Clear the registers that VEX can name."""
    for register in _vex_registers(b):
        b.set_register(register, "0")


def _vex_registers(b: Builder) -> list[Register]:
    """Return XMM0 to XMM15, or to XMM7 outside 64-bit code; the others keep their values (SDM vol. 2C, VZEROALL)."""
    return [REGISTERS[f"xmm{i}"] for i in range(16 if b.bits == 64 else 8)]


@recipe("emms")
def emms(b: Builder) -> None:
    """Leave MMX: mark all x87 registers empty."""
    leave_stack(b, "0")

"""MMX, SSE, AVX and AVX-512 plain moves: data goes between registers and memory unchanged.

Legacy SSE keeps the vector bits above the operand, VEX and EVEX clear them; the builder knows. What is here is which
part of a register moves, which forms must be aligned, and how an opmask blends.
"""

from decode.operands import MemoryOperand, Operand, RegisterOperand
from decode.registers import MMX
from emulate import masking
from emulate.builder import Builder
from emulate.recipes import recipe

_ALIGNED = ("movaps", "movapd", "movdqa", "movntdq", "movntps", "movntpd", "movntdqa")
_FULL = (
    *(f"{v}{name}" for v in ("", "v") for name in (*_ALIGNED, "movups", "movupd", "movdqu", "lddqu")),
    *("vmovdqa32", "vmovdqa64", "vmovdqu8", "vmovdqu16", "vmovdqu32", "vmovdqu64"),
)
_TOP_OF_STACK = 7 << 11


@recipe(*_FULL)
def full_move(b: Builder) -> None:
    """Move a whole register, under an opmask if there is one."""
    destination, source = b.instruction.operands
    aligned = b.instruction.mnemonic.removeprefix("v").startswith(_ALIGNED)
    for operand in (destination, source):
        if aligned and isinstance(operand, MemoryOperand):
            b.aligned(operand, operand.width)
    _masked_write(b, destination, b.read(source))


def _masked_write(b: Builder, destination: Operand, value: str) -> None:
    """Write a destination under the instruction's opmask: memory skips elements, a register blends or zeroes them."""
    opmask = b.instruction.opmask
    if opmask is None or isinstance(destination, MemoryOperand):
        b.write(destination, value)
        return
    assert isinstance(destination, RegisterOperand)
    element = _element_width(b.instruction.mnemonic)
    selected = f"{b.register(opmask)} & {(1 << destination.width // element) - 1:#x}"
    if b.instruction.zeroing:
        b.write(destination, b.call(masking.zero, value, selected, element))
    else:
        b.write(destination, b.call(masking.blend, b.read(destination), value, selected, element))


def _element_width(mnemonic: str) -> int:
    """Return the bytes of the elements an opmask chooses among, which the mnemonic's ending tells."""
    for ending, width in (("8", 1), ("16", 2), ("32", 4), ("64", 8), ("ps", 4), ("pd", 8)):
        if mnemonic.endswith(ending):
            return width
    raise AssertionError(mnemonic)


@recipe("movd", "movq", "vmovd", "vmovq", "movntq", "movnti", "vmovw", "movq2dq", "movdq2q")
def low_move(b: Builder) -> None:
    """Move the low part of a register; a register destination is zero-extended to 128 bits."""
    destination, source = b.instruction.operands
    width = min(source.width, destination.width, 8)
    b.write(destination, b.read(source, width))
    _enter_mmx(b)


def _enter_mmx(b: Builder) -> None:
    """Commit what any MMX instruction does to the x87 state: top of stack zero, all registers valid (SDM 1, 9.5.1)."""
    if any(isinstance(o, RegisterOperand) and o.register.file == MMX for o in b.instruction.operands):
        b.commit("cpu.fsw", f"cpu.fsw & {0xFFFF ^ _TOP_OF_STACK:#x}")
        b.commit("cpu.ftw", "0xff")


@recipe("kmovb", "kmovw", "kmovd", "kmovq")
def opmask_move(b: Builder) -> None:
    """Move an opmask register; a shorter one is zero-extended."""
    destination, source = b.instruction.operands
    width = {"b": 1, "w": 2, "d": 4, "q": 8}[b.instruction.mnemonic[-1]]
    b.write(destination, b.read(source, width))


@recipe("movss", "movsd", "vmovss", "vmovsd", "vmovsh")
def scalar_move(b: Builder) -> None:
    """Move the lowest element; between registers the other elements come from the first source."""
    operands = b.instruction.operands
    width = {"s": 4, "d": 8, "h": 2}[b.instruction.mnemonic[-1]]
    destination, source = operands[0], operands[-1]
    value = b.read(source, width)
    if b.instruction.opmask is not None and isinstance(destination, RegisterOperand):
        old = "0" if b.instruction.zeroing else b.register(destination.register, width)
        value = f"({value} if {b.register(b.instruction.opmask)} & 1 else {old})"
    if isinstance(destination, RegisterOperand) and isinstance(source, RegisterOperand):
        rest = b.read(operands[-2])  # the destination itself in the two-operand form
        value = f"{rest} & {(1 << 128) - (1 << 8 * width):#x} | {value}"
    b.write(destination, value)


@recipe("movlps", "movlpd", "vmovlps", "vmovlpd", "movhps", "movhpd", "vmovhps", "vmovhpd")
def half_move(b: Builder) -> None:
    """Load or store one half of an XMM register, leaving the other half of the first source."""
    operands = b.instruction.operands
    destination, source = operands[0], operands[-1]
    high = "movh" in b.instruction.mnemonic
    if isinstance(destination, MemoryOperand):
        assert isinstance(source, RegisterOperand)
        half = b.register(source.register, 16 if high else 8)
        b.write(destination, f"{half} >> 64" if high else half)
        return
    kept = b.read(operands[-2])
    value = b.read(source)
    low_bits = (1 << 64) - 1
    b.write(destination, f"{kept} & {low_bits:#x} | {value} << 64" if high else f"{kept} >> 64 << 64 | {value}")


@recipe("movhlps", "vmovhlps", "movlhps", "vmovlhps")
def cross_move(b: Builder) -> None:
    """Move one half of an XMM register into the other half of another."""
    operands = b.instruction.operands
    kept, source = b.read(operands[-2]), b.read(operands[-1])
    low_bits = (1 << 64) - 1
    if "hlps" in b.instruction.mnemonic:
        b.write(operands[0], f"{kept} >> 64 << 64 | {source} >> 64")
    else:
        b.write(operands[0], f"{kept} & {low_bits:#x} | ({source} & {low_bits:#x}) << 64")

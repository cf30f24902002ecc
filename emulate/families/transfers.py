"""LEA, MOVBE BSWAP, XLAT, the accumulator's extensions, and the direct stores MOVDIRI and MOVDIR64B."""

from typing import Final

from decode import MemoryAccess
from decode.operands import MemoryOperand, RegisterOperand
from decode.registers import REGISTERS
from emulate.address import check_limit
from emulate.builder import Builder
from emulate.recipes import assignment, recipe, unary


@recipe("lea")
def lea(b: Builder) -> None:
    """Write the effective address: cut at the address size, then to the destination; nothing is accessed or checked."""
    destination, source = b.instruction.operands
    assert isinstance(destination, RegisterOperand)
    assert isinstance(source, MemoryOperand)
    b.write(destination, f"({b.effective_address(source)}) & {destination.register.mask:#x}")


def swapped(a: int, width: int) -> int:
    """Return the bytes of a in the opposite order."""
    return int.from_bytes(a.to_bytes(width, "little"), "big")


@assignment("movbe")
def movbe(a: int, flags: int, width: int) -> tuple[int, int]:
    """Return the source in the opposite byte order."""
    return swapped(a, width), flags


@unary("bswap")
def bswap(a: int, flags: int, width: int) -> tuple[int, int]:
    """Return a in the opposite byte order. Of 16 bits the result is undefined; Intel's CPUs make it zero."""
    return (swapped(a, width) if width > 2 else 0), flags


@recipe("xlatb")
def xlat(b: Builder) -> None:
    """Load AL from the table at rBX, indexed by AL, unsigned."""
    (table,) = b.instruction.operands
    b.set_register(REGISTERS["al"], b.read(table))


_EXTENSIONS: Final = {"cbw": ("al", "ax"), "cwde": ("ax", "eax"), "cdqe": ("eax", "rax")}
_SIGNS: Final = {"cwd": ("ax", "dx"), "cdq": ("eax", "edx"), "cqo": ("rax", "rdx")}


@recipe(*_EXTENSIONS)
def extend_accumulator(b: Builder) -> None:
    """Sign-extend the lower half of the accumulator over all of it."""
    source, destination = (REGISTERS[name] for name in _EXTENSIONS[b.instruction.mnemonic])
    half = 1 << 8 * source.width - 1
    b.set_register(destination, f"({b.register(source)} ^ {half:#x}) - {half:#x} & {destination.mask:#x}")


@recipe(*_SIGNS)
def spread_sign(b: Builder) -> None:
    """Fill rDX with the sign of rAX."""
    source, destination = (REGISTERS[name] for name in _SIGNS[b.instruction.mnemonic])
    b.set_register(destination, f"-({b.register(source)} >> {8 * source.width - 1}) & {destination.mask:#x}")


@recipe("movdiri")
def direct_store(b: Builder) -> None:
    """Store a register in one piece, past the caches."""
    destination, source = b.instruction.operands
    b.write(destination, b.read(source))


@recipe("clzero")
def clear_line(b: Builder) -> None:
    """Write 64 zero bytes to the cache line that DS:rAX lies in (APM vol. 3, CLZERO)."""
    (line,) = b.instruction.accesses
    assert isinstance(line, MemoryAccess)
    place = b.address(line.operand, width=1 if b.bits == 64 else 0)
    b.plan(f"{place} &= {-line.width & (1 << 64) - 1:#x}")
    if b.bits != 64:  # all of the line must lie within the segment, what comes before the byte at rAX, too
        segment = line.operand.segment
        offset = f"{place} - b[{segment.index}] & 0xffffffff"
        b.plan(f"if l: {b.call(check_limit, 'l', b.bind(segment, segment.name), offset, line.width)}")
    b.act(f"bus.write({place}, {line.width}, 0)")


@recipe("movdir64b")
def direct_store_64(b: Builder) -> None:
    """Read 64 bytes and write them, in one piece, at ES:register, which must be aligned (SDM vol. 2B, MOVDIR64B)."""
    _, source = b.instruction.operands
    stored = b.instruction.accesses[1]
    assert isinstance(stored, MemoryAccess)
    b.address(stored.operand, alignment=64)
    b.write(stored.operand, b.read(source))

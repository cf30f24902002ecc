"""x87 data movement: between the register stack and memory, and inside the stack.

Exceptions are those of the manual (SDM vol. 1, 8.5 and 8.6). Masked ones have their masked response. An unmasked one
is noted in the status word, the operation is not done (but for a rounded result, which is stored), and the next waiting
instruction raises #MF. Instructions that store or load the last instruction's opcode and pointers, which the Cpu does
not hold, are listed in `emulate.unsupported`.
"""

from typing import Final

from decode.operands import MemoryOperand, Operand, RegisterOperand
from emulate.builder import Builder
from emulate.bus import Bus
from emulate.cpu import RegisterFile
from emulate.families.x87_formats import (
    INDEFINITE,
    Load,
    Store,
    from_bcd,
    from_integer,
    narrow,
    to_bcd,
    to_integer,
    to_integer_chopped,
    widen,
)
from emulate.families.x87_state import C1, EXCEPTIONS, PENDING, SF, TOP, set_status, wait
from emulate.recipes import recipe
from emulate.softfloat import IE, OE, UE

_LOADS: Final[dict[str, Load]] = {"fld": widen, "fild": from_integer, "fbld": from_bcd}
_STORES: Final[dict[str, Store]] = {
    "fst": narrow,
    "fstp": narrow,
    "fist": to_integer,
    "fistp": to_integer,
    "fisttp": to_integer_chopped,
    "fbstp": to_bcd,
}
_CONSTANTS: Final = {"fld1": 0x3FFF_8000_0000_0000_0000, "fldz": 0}
_CONTROL_BITS: Final = 0x1F3F
_CONTROL_ONE: Final = 1 << 6  # always reads as one


@recipe(*_LOADS)
def load(b: Builder) -> None:
    """Push a number from memory or a copy of a register."""
    wait(b)
    (source,) = b.instruction.operands
    if isinstance(source, MemoryOperand):
        convert = _LOADS[b.instruction.mnemonic]
        b.act(b.call(push, "cpu", f"*{b.call(convert, b.read(source), source.width)}"))
    else:
        b.act(b.call(push_register, "cpu", _index(b, source)))


@recipe(*_CONSTANTS)
def load_constant(b: Builder) -> None:
    """Push a constant."""
    wait(b)
    b.act(b.call(push, "cpu", f"{_CONSTANTS[b.instruction.mnemonic]:#x}", 0))


@recipe(*_STORES)
def store(b: Builder) -> None:
    """Store the top of the stack in memory or another register, and pop it in the forms that end in P."""
    wait(b)
    (destination,) = b.instruction.operands
    pops = b.instruction.mnemonic.endswith("p")
    if isinstance(destination, MemoryOperand):
        convert = b.bind(_STORES[b.instruction.mnemonic], "convert")
        b.act(b.call(store_memory, "cpu", "bus", b.address(destination), destination.width, convert, pops))
    else:
        b.act(b.call(store_register, "cpu", _index(b, destination), pops))


@recipe("fxch")
def exchange(b: Builder) -> None:
    """Exchange the top of the stack with another register."""
    wait(b)
    b.act(b.call(exchange_registers, "cpu", _index(b, b.instruction.operands[-1])))


@recipe("ffree")
def ffree(b: Builder) -> None:
    """Mark a register empty."""
    wait(b)
    b.act(b.call(free, "cpu", _index(b, b.instruction.operands[0])))


@recipe("fincstp", "fdecstp")
def rotate(b: Builder) -> None:
    """Move TOP, and nothing else."""
    wait(b)
    step = 1 if b.instruction.mnemonic == "fincstp" else 7
    b.commit("cpu.fsw", f"cpu.fsw & {0xFFFF ^ TOP ^ C1 ^ PENDING:#x} | cpu.fsw + {step << 11:#x} & {TOP:#x}")


@recipe("fnop", "wait")
def nothing(b: Builder) -> None:
    """Raise a pending exception."""
    wait(b)


@recipe("fninit")
def fninit(b: Builder) -> None:
    """Put control, status and tags into their initial state; the registers keep what they hold."""
    b.commit("cpu.fcw", "0x37f")
    b.commit("cpu.fsw", "0")
    b.commit("cpu.ftw", "0")


@recipe("fnclex")
def fnclex(b: Builder) -> None:
    """Clear all exceptions, raising none."""
    b.commit("cpu.fsw", f"cpu.fsw & {0xFFFF ^ EXCEPTIONS ^ SF ^ PENDING:#x}")


@recipe("fldcw")
def fldcw(b: Builder) -> None:
    """Load the control word; an exception it unmasks becomes pending."""
    wait(b)
    b.act(f"cpu.fcw = {b.read(b.instruction.operands[0])} & {_CONTROL_BITS:#x} | {_CONTROL_ONE:#x}")
    b.act(b.call(set_status, "cpu", "cpu.fsw"))


@recipe("fnstcw")
def fnstcw(b: Builder) -> None:
    """Store the control word."""
    b.write(b.instruction.operands[0], "cpu.fcw")


@recipe("fnstsw")
def fnstsw(b: Builder) -> None:
    """Store the status word in memory or AX."""
    b.write(b.instruction.operands[0], "cpu.fsw")


def _index(b: Builder, operand: Operand) -> str:
    """Return the expression of i of ST(i)."""
    assert isinstance(operand, RegisterOperand)
    return b.constant(operand.register.index, "st")


def _physical(cpu: RegisterFile, index: int) -> int:
    """Return which physical register ST(index) is."""
    return (cpu.fsw >> 11) + index & 7


def _read(cpu: RegisterFile, index: int) -> tuple[int, int]:
    """Return ST(index) and no exception, or for an empty one the indefinite and a stack underflow."""
    place = _physical(cpu, index)
    return (cpu.x87[place], 0) if cpu.ftw >> place & 1 else (INDEFINITE, IE | SF)


def _pop(cpu: RegisterFile, status: int) -> int:
    """Mark the top of the stack empty; return the status word with TOP moved on."""
    cpu.ftw &= ~(1 << _physical(cpu, 0))
    return status & ~TOP | status + (1 << 11) & TOP


def push(cpu: RegisterFile, value: int, flags: int) -> None:
    """Push a value that came with exceptions; an invalid one only if that is masked."""
    place = _physical(cpu, 7)
    if cpu.ftw >> place & 1 and not flags & SF:
        value, flags = INDEFINITE, IE | SF | C1
    status = cpu.fsw & ~C1 | flags
    if not flags & ~cpu.fcw & IE:
        cpu.x87[place] = value
        cpu.ftw |= 1 << place
        status = status & ~TOP | place << 11
    set_status(cpu, status)


def push_register(cpu: RegisterFile, index: int) -> None:
    """Push a copy of ST(index)."""
    push(cpu, *_read(cpu, index))


def store_memory(cpu: RegisterFile, bus: Bus, address: int, width: int, convert: Store, pops: bool) -> None:
    """Store the top of the stack, converted; an invalid, too large or too small one only if that is masked."""
    value, underflow = _read(cpu, 0)
    value, flags = convert(value, width, cpu.fcw)
    flags |= underflow
    status = cpu.fsw & ~C1 | flags
    if not flags & ~cpu.fcw & (IE | OE | UE):
        bus.write(address, width, value)
        if pops:
            status = _pop(cpu, status)
    set_status(cpu, status)


def store_register(cpu: RegisterFile, index: int, pops: bool) -> None:
    """Copy the top of the stack to ST(index)."""
    value, flags = _read(cpu, 0)
    status = cpu.fsw & ~C1 | flags
    if not flags & ~cpu.fcw & IE:
        place = _physical(cpu, index)
        cpu.x87[place] = value
        cpu.ftw |= 1 << place
        if pops:
            status = _pop(cpu, status)
    set_status(cpu, status)


def exchange_registers(cpu: RegisterFile, index: int) -> None:
    """Exchange the top of the stack with ST(index)."""
    first, second = _read(cpu, 0), _read(cpu, index)
    flags = first[1] | second[1]
    if not flags & ~cpu.fcw & IE:
        for i, (value, _) in ((index, first), (0, second)):
            place = _physical(cpu, i)
            cpu.x87[place] = value
            cpu.ftw |= 1 << place
    set_status(cpu, cpu.fsw & ~C1 | flags)


def free(cpu: RegisterFile, index: int) -> None:
    """Mark ST(index) empty."""
    cpu.ftw &= ~(1 << _physical(cpu, index))
    set_status(cpu, cpu.fsw & ~C1)

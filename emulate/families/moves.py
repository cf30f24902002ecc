"""MOV in all forms, the extending moves, XCHG.

A load reads once at the width of its source, a store writes once and never reads.
"""

from decode.operands import MemoryOperand, RegisterOperand
from decode.registers import SEGMENT
from emulate.builder import Builder
from emulate.faults import InvalidOpcode, UnsupportedInstruction
from emulate.recipes import recipe

_CS = 1


@recipe("mov")
def mov(b: Builder) -> None:
    """Copy the source; a segment selector is zero-extended into a wider register."""
    destination, source = b.instruction.operands
    if isinstance(destination, RegisterOperand) and destination.register.file == SEGMENT:
        _load_segment(b, destination, source_value=b.read(source, 2))
    else:
        b.write(destination, b.read(source))


def _load_segment(b: Builder, destination: RegisterOperand, source_value: str) -> None:
    """Load a segment register: the base comes from the CPU object, which may refuse."""
    index = destination.register.index
    if index == _CS:
        b.plan(b.call(_refuse_cs))
        return
    selector = b.local(source_value, "s")
    base = b.local(b.call(_segment_base, "cpu", index, selector, b.bind(b.instruction, "instruction")), "base")
    b.set_register(destination.register, selector)
    b.commit(f"cpu.bases[{index}]", base)


def _segment_base(cpu: object, index: int, selector: int, instruction: object) -> int:
    """Ask the CPU object for the base of a selector."""
    try:
        return cpu.segment_base(index, selector)  # type: ignore[attr-defined, no-any-return]
    except NotImplementedError as error:
        raise UnsupportedInstruction(instruction, f"cannot be done: {error}") from error  # type: ignore[arg-type]


def _refuse_cs() -> None:
    """Raise #UD: MOV cannot load CS (SDM vol. 2B, MOV)."""
    raise InvalidOpcode("MOV cannot load CS")


@recipe("movzx")
def movzx(b: Builder) -> None:
    """Zero-extend: registers are unsigned, so it is a plain copy."""
    destination, source = b.instruction.operands
    b.write(destination, b.read(source))


@recipe("movsx", "movsxd")
def movsx(b: Builder) -> None:
    """Sign-extend, reading the source once."""
    destination, source = b.instruction.operands
    half = 1 << 8 * source.width - 1
    mask = (1 << 8 * destination.width) - 1
    b.write(destination, f"({b.read(source)} ^ {half:#x}) - {half:#x} & {mask:#x}")


@recipe("xchg")
def xchg(b: Builder) -> None:
    """Exchange; with memory it is indivisible, LOCK prefix or not (SDM vol. 2D, XCHG)."""
    first, second = b.instruction.operands
    if isinstance(second, MemoryOperand):
        first, second = second, first
    if isinstance(first, MemoryOperand):
        new = b.read(second)
        b.write(second, b.update(first, lambda old: new))
    else:
        old, new = b.local(b.read(first)), b.local(b.read(second))
        b.write(first, new)
        b.write(second, old)

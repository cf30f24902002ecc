"""Single elements and parts of a vector: moves to and from general registers, memory, opmasks and vectors."""

from typing import Final

from decode.instruction import top_bits
from decode.operands import ImmediateOperand, MemoryOperand, Operand, RegisterOperand
from emulate import masking
from emulate.builder import Builder
from emulate.families.x87_state import enter_mmx
from emulate.recipes import recipe

_WIDTHS: Final = {"b": 1, "w": 2, "d": 4, "q": 8}

# Bytes of the part, and of the elements an opmask has bits for.
_PARTS: Final = {
    "f128": (16, 16),
    "i128": (16, 16),
    **{
        f"{kind}{bits}x{number}": (bits // 8 * number, bits // 8)
        for kind in "fi"
        for bits, number in ((32, 4), (32, 8), (64, 2), (64, 4))
    },
}


@recipe(*(f"{v}pinsr{letter}" for v in ("", "v") for letter in _WIDTHS))
def insert_element(b: Builder) -> None:
    """Replace one element of the first source, which the immediate chooses."""
    enter_mmx(b)
    destination, kept, source, chooser = _insertion(b)
    width = _WIDTHS[b.instruction.mnemonic[-1]]
    position = _immediate(chooser) % (destination.width // width)
    b.write(destination, _replaced(b.read(kept), b.read(source, width), width, position))


@recipe(*(f"vinsert{part}" for part in _PARTS))
def insert_part(b: Builder) -> None:
    """Replace one part of the first source, which the immediate chooses."""
    destination, kept, source, chooser = _insertion(b)
    width, element = _PARTS[b.instruction.mnemonic.removeprefix("vinsert")]
    position = _immediate(chooser) % (destination.width // width)
    masking.write(b, destination, _replaced(b.read(kept), masking.read(b, source), width, position), element)


@recipe("insertps", "vinsertps")
def insertps(b: Builder) -> None:
    """Replace one of four elements and clear some; of a register source, the immediate chooses the element too."""
    destination, kept, source, chooser = _insertion(b)
    immediate = _immediate(chooser)
    value = b.read(source)
    if isinstance(source, RegisterOperand):
        value = f"({value} >> {32 * (immediate >> 6)} & 0xffffffff)"
    left = masking.spread(~immediate & 0xF, 4)
    b.write(destination, f"({_replaced(b.read(kept), value, 4, immediate >> 4 & 3)}) & {left:#x}")


@recipe(*(f"{v}pextr{letter}" for v in ("", "v") for letter in _WIDTHS), "extractps", "vextractps")
def extract_element(b: Builder) -> None:
    """Take one element, which the immediate chooses; a register gets it zero-extended."""
    enter_mmx(b)
    destination, source, chooser = b.instruction.operands
    width = _WIDTHS.get(b.instruction.mnemonic[-1], 4)
    position = _immediate(chooser) % (source.width // width)
    b.write(destination, f"{b.read(source)} >> {8 * width * position} & {(1 << 8 * width) - 1:#x}")


@recipe(*(f"vextract{part}" for part in _PARTS))
def extract_part(b: Builder) -> None:
    """Take one part of a vector, which the immediate chooses."""
    destination, source, chooser = b.instruction.operands
    width, element = _PARTS[b.instruction.mnemonic.removeprefix("vextract")]
    position = _immediate(chooser) % (source.width // width)
    if isinstance(destination, MemoryOperand):
        b.address(destination)  # all of it must be addressable, masked off or not (exception class E6NF)
    masking.write(b, destination, f"{b.read(source)} >> {8 * width * position} & {(1 << 8 * width) - 1:#x}", element)


@recipe(*(f"{v}{name}" for v in ("", "v") for name in ("movmskps", "movmskpd", "pmovmskb")))
def sign_mask(b: Builder) -> None:
    """Collect the top bits of all elements in a general register."""
    enter_mmx(b)
    destination, source = b.instruction.operands
    element = {"s": 4, "d": 8, "b": 1}[b.instruction.mnemonic[-1]]
    b.write(destination, b.call(top_bits, b.read(source), element, source.width // element))


@recipe(*(f"vpmov{letter}2m" for letter in _WIDTHS))
def vector_to_opmask(b: Builder) -> None:
    """Collect the top bits of all elements in an opmask register."""
    destination, source = b.instruction.operands
    element = _WIDTHS[b.instruction.mnemonic[-3]]
    b.write(destination, b.call(top_bits, b.read(source), element, source.width // element))


@recipe(*(f"vpmovm2{letter}" for letter in _WIDTHS))
def opmask_to_vector(b: Builder) -> None:
    """Fill each element with its bit of an opmask register."""
    destination, source = b.instruction.operands
    element = _WIDTHS[b.instruction.mnemonic[-1]]
    bits = f"{b.read(source)} & {(1 << destination.width // element) - 1:#x}"
    b.write(destination, b.call(masking.spread, bits, element))


_ALL: Final = (1 << 512) - 1  # bits of the largest register


def _insertion(b: Builder) -> tuple[Operand, Operand, Operand, Operand]:
    """Return destination, first source, what is inserted, and the immediate; legacy forms name the first once."""
    operands = b.instruction.operands
    return operands[0], operands[-3], operands[-2], operands[-1]


def _immediate(operand: Operand) -> int:
    """Return the value of an immediate."""
    assert isinstance(operand, ImmediateOperand)
    return operand.value


def _replaced(old: str, value: str, width: int, position: int) -> str:
    """Return the expression of `old` with one element of `width` bytes replaced."""
    shift = 8 * width * position
    ones = ((1 << 8 * width) - 1) << shift
    return f"{old} & {_ALL ^ ones:#x} | {value} << {shift}"

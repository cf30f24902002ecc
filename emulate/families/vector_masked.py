"""Moves under a mask: VMASKMOV and MASKMOV by sign bits, compress and expand by an opmask."""

from typing import Final

from decode.operands import MemoryOperand, RegisterOperand
from emulate import masking
from emulate.builder import Builder
from emulate.families.x87_state import enter_mmx
from emulate.recipes import recipe

_WIDTHS: Final = {"ps": 4, "pd": 8, "b": 1, "w": 2, "d": 4, "q": 8}


@recipe("vmaskmovps", "vmaskmovpd", "vpmaskmovd", "vpmaskmovq")
def sign_masked_move(b: Builder) -> None:
    """Load the elements whose mask element is negative and zero the others, or store just these."""
    destination, _, source = b.instruction.operands
    if isinstance(destination, MemoryOperand):
        masking.write(b, destination, b.read(source), 0)
    else:
        b.write(destination, masking.read(b, source))


@recipe("maskmovq", "maskmovdqu", "vmaskmovdqu")
def byte_masked_store(b: Builder) -> None:
    """Store to DS:rDI the bytes whose mask byte is negative."""
    enter_mmx(b)
    destination, source, _ = b.instruction.operands
    assert isinstance(destination, MemoryOperand)
    b.address(destination, part=8)  # all of it must be addressable, masked off or not
    masking.write(b, destination, b.read(source), 1)


@recipe(*(f"vcompress{kind}" for kind in ("ps", "pd")), *(f"vpcompress{kind}" for kind in "bwdq"))
def compressing_move(b: Builder) -> None:
    """Move the selected elements, side by side, to the low end of the destination."""
    destination, source = b.instruction.operands
    element, count = _elements(b, source.width)
    bits = masking.opmask_bits(b, count)
    value = b.call(compress, b.read(source), bits, element)
    if isinstance(destination, RegisterOperand):
        masking.merge(b, destination, value, element, count, f"(1 << ({bits}).bit_count()) - 1")
    else:
        masking.write(b, destination, value, element)


@recipe(*(f"vexpand{kind}" for kind in ("ps", "pd")), *(f"vpexpand{kind}" for kind in "bwdq"))
def expanding_move(b: Builder) -> None:
    """Move elements from the low end of the source to the selected places."""
    destination, source = b.instruction.operands
    element, count = _elements(b, destination.width)
    value = b.call(expand, masking.read(b, source), masking.opmask_bits(b, count), element)
    masking.write(b, destination, value, element)


def _elements(b: Builder, width: int) -> tuple[int, int]:
    """Return the bytes of one element, and how many of them `width` bytes hold."""
    name = b.instruction.mnemonic
    element = next(bytes_ for ending, bytes_ in _WIDTHS.items() if name.endswith(ending))
    return element, width // element


def compress(value: int, elements: int, element: int) -> int:
    """Return the selected elements of `element` bytes side by side, zeros above."""
    mask = (1 << 8 * element) - 1
    result = shift = 0
    while elements:
        lowest = elements & -elements
        result |= (value >> 8 * element * (lowest.bit_length() - 1) & mask) << shift
        shift += 8 * element
        elements ^= lowest
    return result


def expand(value: int, elements: int, element: int) -> int:
    """Return the elements at the low end of `value` in the selected places, zeros elsewhere."""
    mask = (1 << 8 * element) - 1
    result = 0
    while elements:
        lowest = elements & -elements
        result |= (value & mask) << 8 * element * (lowest.bit_length() - 1)
        value >>= 8 * element
        elements ^= lowest
    return result

"""Broadcasts and duplicating moves: one piece of the source, many times in the destination.

Repeating a piece is one multiplication by a constant with a one at each place the piece goes to.
"""

from typing import Final

from decode.operands import MemoryOperand
from emulate import masking
from emulate.builder import Builder
from emulate.recipes import recipe

# Bytes of the piece that is repeated, and of the elements an opmask has bits for.
_PIECES: Final = {
    "vbroadcastss": (4, 4),
    "vbroadcastsd": (8, 8),
    "vbroadcastf128": (16, 16),
    "vbroadcasti128": (16, 16),
    "vpbroadcastb": (1, 1),
    "vpbroadcastw": (2, 2),
    "vpbroadcastd": (4, 4),
    "vpbroadcastq": (8, 8),
    **{
        f"vbroadcast{kind}{bits}x{number}": (bits // 8 * number, bits // 8)
        for kind in "fi"
        for bits, number in ((32, 2), (32, 4), (32, 8), (64, 2), (64, 4))
    },
}

# Bytes of the element, and how many bits above the even ones the elements that are duplicated lie.
_DUPLICATES: Final = {"movddup": (8, 0), "movsldup": (4, 0), "movshdup": (4, 32)}


@recipe(*_PIECES)
def broadcast(b: Builder) -> None:
    """Repeat the source, or as much of it as is wanted of a register, over the destination."""
    destination, source = b.instruction.operands
    piece, element = _PIECES[b.instruction.mnemonic]
    value = f"{masking.read(b, source, piece)} * {ones(piece, destination.width // piece):#x}"
    masking.write(b, destination, value, element)


@recipe("vpbroadcastmb2q", "vpbroadcastmw2d")
def broadcast_opmask(b: Builder) -> None:
    """Zero-extend the low bits of an opmask register to an element and repeat it."""
    destination, source = b.instruction.operands
    width, element = (1, 8) if b.instruction.mnemonic.endswith("q") else (2, 4)
    b.write(destination, f"{b.read(source, width)} * {ones(element, destination.width // element):#x}")


@recipe(*_DUPLICATES, *(f"v{name}" for name in _DUPLICATES))
def duplicate(b: Builder) -> None:
    """Put every other element of the source in two places, side by side."""
    destination, source = b.instruction.operands
    element, shift = _DUPLICATES[b.instruction.mnemonic.removeprefix("v")]
    aligned = b.instruction.encoding == "legacy" and isinstance(source, MemoryOperand) and source.width == 16
    even = ones(2 * element, destination.width // (2 * element)) * ((1 << 8 * element) - 1)
    chosen = f"({masking.read(b, source, aligned=aligned, maskable=True)} >> {shift} & {even:#x})"
    masking.write(b, destination, f"{chosen} * {ones(element, 2):#x}", element)


def ones(element: int, count: int) -> int:
    """Return the number with a one in each of `count` elements of `element` bytes."""
    return sum(1 << 8 * element * i for i in range(count))

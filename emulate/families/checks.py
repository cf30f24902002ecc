"""BOUND, and UD0 UD1 UD2: instructions whose purpose is a fault."""

from decode.operands import MemoryOperand
from emulate.builder import Builder
from emulate.faults import BoundRange, InvalidOpcode
from emulate.recipes import recipe


@recipe("bound")
def bound(b: Builder) -> None:
    """Check a signed index against two bounds, the lower first in memory; both are read in one piece."""
    index, bounds = b.instruction.operands
    assert isinstance(bounds, MemoryOperand)
    b.address(bounds, part=index.width)
    b.act(b.call(check_bounds, b.read(index), b.read(bounds), index.width))


def check_bounds(index: int, bounds: int, width: int) -> None:
    """Raise #BR unless lower bound <= index <= upper bound, signed (SDM vol. 2A, BOUND)."""
    half, mask = 1 << 8 * width - 1, (1 << 8 * width) - 1
    value, lower, upper = ((v & mask ^ half) - half for v in (index, bounds, bounds >> 8 * width))
    if not lower <= value <= upper:
        raise BoundRange(f"the index {value} is not within {lower}..{upper}")


@recipe("ud0", "ud1", "ud2")
def undefined(b: Builder) -> None:
    """Raise #UD, reading nothing."""
    b.plan(b.call(refuse, repr(b.instruction.mnemonic)))


def refuse(mnemonic: str) -> None:
    """Raise #UD."""
    raise InvalidOpcode(f"{mnemonic.upper()} is undefined by definition")

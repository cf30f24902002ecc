"""ADD OR ADC SBB AND SUB XOR CMP TEST INC DEC NOT NEG, as pure functions.

Each takes unsigned operands of `width` bytes and the whole rflags word, and returns the result and the new rflags word
(SDM vol. 2, the "Flags Affected" of each instruction).
"""

from emulate.flags import AF, CF, STATUS, status
from emulate.recipes import binary, comparison, unary


def _sum(a: int, b: int, carry: int, flags: int, width: int) -> tuple[int, int]:
    """Add with carry; OF is set when both operands have the sign the result has not."""
    total = a + b + carry
    result = total & (1 << 8 * width) - 1
    overflow = (a ^ result) & (b ^ result)
    return result, (
        flags & ~STATUS
        | total >> 8 * width
        | (a ^ b ^ result) & AF
        | overflow >> 8 * width - 1 << 11
        | status(result, width)
    )


def _difference(a: int, b: int, borrow: int, flags: int, width: int) -> tuple[int, int]:
    """Subtract with borrow; OF is set when the operands' signs differ and the result's is not the first's."""
    total = a - b - borrow
    result = total & (1 << 8 * width) - 1
    overflow = (a ^ b) & (a ^ result)
    return result, (
        flags & ~STATUS | (total < 0) | (a ^ b ^ result) & AF | overflow >> 8 * width - 1 << 11 | status(result, width)
    )


@binary("add")
def add(a: int, b: int, flags: int, width: int) -> tuple[int, int]:
    """Return a + b."""
    return _sum(a, b, 0, flags, width)


@binary("adc")
def adc(a: int, b: int, flags: int, width: int) -> tuple[int, int]:
    """Return a + b + CF."""
    return _sum(a, b, flags & CF, flags, width)


@binary("sub")
def sub(a: int, b: int, flags: int, width: int) -> tuple[int, int]:
    """Return a - b."""
    return _difference(a, b, 0, flags, width)


@binary("sbb")
def sbb(a: int, b: int, flags: int, width: int) -> tuple[int, int]:
    """Return a - b - CF."""
    return _difference(a, b, flags & CF, flags, width)


def _logic(result: int, flags: int, width: int) -> tuple[int, int]:
    """Return a bitwise result: CF and OF are cleared, AF is undefined (cleared here, as current CPUs do)."""
    return result, flags & ~STATUS | status(result, width)


@binary("and")
def and_(a: int, b: int, flags: int, width: int) -> tuple[int, int]:
    """Return a & b."""
    return _logic(a & b, flags, width)


@binary("or")
def or_(a: int, b: int, flags: int, width: int) -> tuple[int, int]:
    """Return a | b."""
    return _logic(a | b, flags, width)


@binary("xor")
def xor(a: int, b: int, flags: int, width: int) -> tuple[int, int]:
    """Return a ^ b."""
    return _logic(a ^ b, flags, width)


comparison("cmp", sub)
comparison("test", and_)


@unary("inc")
def inc(a: int, flags: int, width: int) -> tuple[int, int]:
    """Return a + 1, leaving CF."""
    result, changed = _sum(a, 1, 0, flags, width)
    return result, changed & ~CF | flags & CF


@unary("dec")
def dec(a: int, flags: int, width: int) -> tuple[int, int]:
    """Return a - 1, leaving CF."""
    result, changed = _difference(a, 1, 0, flags, width)
    return result, changed & ~CF | flags & CF


@unary("neg")
def neg(a: int, flags: int, width: int) -> tuple[int, int]:
    """Return -a; CF is set unless a is zero."""
    return _difference(0, a, 0, flags, width)


@unary("not")
def not_(a: int, flags: int, width: int) -> tuple[int, int]:
    """Return ~a, leaving every flag."""
    return a ^ (1 << 8 * width) - 1, flags

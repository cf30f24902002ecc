"""MUL IMUL DIV IDIV, and the instructions for numbers longer than a register: MULX ADCX ADOX.

One-operand forms use the pair rDX:rAX, or AX alone for bytes; the table below says which registers that is, everything
else is the same for all widths. The flags a multiplication leaves undefined are here as Intel's CPUs have them: SF and
PF of the lower half, ZF and AF cleared. Division leaves all flags as they are.
"""

from collections.abc import Callable
from typing import Final

from decode.operands import RegisterOperand
from decode.registers import REGISTERS
from emulate.builder import Builder
from emulate.faults import DivideError
from emulate.flags import CF, OF, STATUS, ZF, status
from emulate.recipes import assign, binary, modify, recipe

_PAIRS: Final = {1: ("ah", "al"), 2: ("dx", "ax"), 4: ("edx", "eax"), 8: ("rdx", "rax")}
"""Upper and lower half of a double-width value, by operand width."""


def _signed(value: int, width: int) -> int:
    """Return the signed value of an unsigned one."""
    half = 1 << 8 * width - 1
    return (value ^ half) - half


def _product(product: int, fits: bool, flags: int, width: int) -> tuple[int, int]:
    """Return a product of twice the width, and the flags: CF and OF unless the lower half says it all."""
    lower = status(product & (1 << 8 * width) - 1, width) & ~ZF
    return product & (1 << 16 * width) - 1, flags & ~STATUS | lower | (0 if fits else CF | OF)


def mul(a: int, b: int, flags: int, width: int) -> tuple[int, int]:
    """Return the unsigned product, twice as wide."""
    product = a * b
    return _product(product, not product >> 8 * width, flags, width)


def imul(a: int, b: int, flags: int, width: int) -> tuple[int, int]:
    """Return the signed product, twice as wide."""
    product = _signed(a, width) * _signed(b, width)
    half = 1 << 8 * width - 1
    return _product(product, -half <= product < half, flags, width)


def imul_short(a: int, b: int, flags: int, width: int) -> tuple[int, int]:
    """Return the lower half of the signed product."""
    product, flags = imul(a, b, flags, width)
    return product & (1 << 8 * width) - 1, flags


@recipe("mul")
def multiply(b: Builder) -> None:
    """Multiply the accumulator into the double-width pair."""
    _multiply(b, mul)


@recipe("imul")
def multiply_signed(b: Builder) -> None:
    """Multiply into the pair with one operand, into the first operand with two or three."""
    operands = len(b.instruction.operands)
    if operands == 1:
        _multiply(b, imul)
    elif operands == 2:
        modify(b, imul_short)
    else:
        assign(b, imul_short)


def _multiply(b: Builder, function: Callable[[int, int, int, int], tuple[int, int]]) -> None:
    """Build a one-operand multiplication."""
    (source,) = b.instruction.operands
    upper, lower = (REGISTERS[name] for name in _PAIRS[source.width])
    product, flags = b.name("t"), b.name("f")
    value = b.read(source)
    b.act(f"{product}, {flags} = {b.call(function, b.register(lower), value, b.flags, source.width)}")
    b.set_register(lower, f"{product} & {lower.mask:#x}")
    b.set_register(upper, f"{product} >> {8 * source.width}")
    b.set_flags(flags)


@recipe("mulx")
def multiply_without_flags(b: Builder) -> None:
    """Multiply rDX by the source; the upper half wins when both destinations are one register (SDM vol. 2B, MULX)."""
    upper, lower, source = b.instruction.operands
    assert isinstance(upper, RegisterOperand)
    assert isinstance(lower, RegisterOperand)
    factor = b.register(REGISTERS[_PAIRS[source.width][0]])
    product = b.local(f"{factor} * {b.read(source)}")
    b.write(lower, f"{product} & {lower.register.mask:#x}")
    b.write(upper, f"{product} >> {8 * source.width}")


def div(dividend: int, divisor: int, width: int) -> tuple[int, int]:
    """Return quotient and remainder, unsigned; the dividend is twice as wide.

    Raises:
        DivideError: the divisor is zero or the quotient does not fit.
    """
    if not divisor:
        raise DivideError("division by zero")
    quotient, remainder = divmod(dividend, divisor)
    if quotient >> 8 * width:
        raise DivideError(f"the quotient {quotient:#x} does not fit {width} bytes")
    return quotient, remainder


def idiv(dividend: int, divisor: int, width: int) -> tuple[int, int]:
    """Return quotient and remainder, signed, as unsigned values; the quotient is truncated towards zero.

    Raises:
        DivideError: the divisor is zero or the quotient does not fit.
    """
    if not divisor:
        raise DivideError("division by zero")
    a, b = _signed(dividend, 2 * width), _signed(divisor, width)
    quotient = abs(a) // abs(b) if (a < 0) == (b < 0) else -(abs(a) // abs(b))
    half, mask = 1 << 8 * width - 1, (1 << 8 * width) - 1
    if not -half <= quotient < half:
        raise DivideError(f"the quotient {quotient:#x} does not fit {width} bytes, signed")
    return quotient & mask, a - quotient * b & mask


@recipe("div")
def divide(b: Builder) -> None:
    """Divide the double-width pair."""
    _divide(b, div)


@recipe("idiv")
def divide_signed(b: Builder) -> None:
    """Divide the double-width pair, signed."""
    _divide(b, idiv)


def _divide(b: Builder, function: Callable[[int, int, int], tuple[int, int]]) -> None:
    """Build a division: quotient to the lower register of the pair, remainder to the upper one."""
    (source,) = b.instruction.operands
    upper, lower = (REGISTERS[name] for name in _PAIRS[source.width])
    quotient, remainder = b.name("q"), b.name("q")
    dividend = f"{b.register(upper)} << {8 * source.width} | {b.register(lower)}"
    value = b.read(source)
    b.act(f"{quotient}, {remainder} = {b.call(function, dividend, value, source.width)}")
    b.set_register(lower, quotient)
    b.set_register(upper, remainder)


@binary("adcx")
def adcx(a: int, b: int, flags: int, width: int) -> tuple[int, int]:
    """Return a + b + CF, changing CF alone."""
    total = a + b + (flags & CF)
    return total & (1 << 8 * width) - 1, flags & ~CF | total >> 8 * width


@binary("adox")
def adox(a: int, b: int, flags: int, width: int) -> tuple[int, int]:
    """Return a + b + OF, changing OF alone."""
    total = a + b + (flags >> 11 & 1)
    return total & (1 << 8 * width) - 1, flags & ~OF | total >> 8 * width << 11
